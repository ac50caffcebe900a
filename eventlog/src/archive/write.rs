//! Writing a bundle, section by section, as it comes from the log: never more of it in memory than one record or
//! chunk.

use super::format::{ArchiveSection, MAGIC, SECTIONS, bundle_digest, encode_table};
use crate::LogError;
use crate::check::{CodeOrder, L1Check, SpanCheck, check_signers};
use crate::events::EventCursor;
use crate::heads::{Heads, Links};
use crate::keys::event_key;
use crate::options::{L1_EVENTS, SIGNERS, SPAN_EVENTS};
use crate::part::{LogPart, LogPrefix};
use crate::record::{encode, encode_l1, encode_span};
use crate::view::LogView;
use alloy_primitives::B256;
use std::io::Write;

/// Writes a bundle of a log with a policy and a receipt, which are taken as they are; returns its digest. Every
/// byte of the log is checked on the way.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read or is damaged, [`LogError::BundleWrite`] if `out` does not
/// take it.
pub fn write_archive(
    prefix: &LogPrefix<'_>,
    policy: &str,
    receipt: &[u8],
    out: &mut dyn Write,
) -> Result<B256, LogError> {
    let (log, heads) = (prefix.part(), prefix.heads());
    out.write_all(MAGIC)?;
    let mut out = Sections { out, done: Vec::new(), bytes: 0, hasher: blake3::Hasher::new() };
    out.put(policy.as_bytes())?;
    out.close();
    out.put(receipt)?;
    out.close();
    out.put(&encode("the identity", log.identity())?)?;
    out.close();
    out.put(&encode("the heads", heads)?)?;
    out.close();
    let (mut chain, mut check) = (Links::default(), L1Check::new(log.identity(), heads));
    for record in log.l1_records()? {
        check.check(&record)?;
        chain = out.linked(chain, &event_key(record.block.0, record.log_index), &encode_l1(&record)?)?;
    }
    chain.check_end(L1_EVENTS, heads.l1_events)?;
    out.close();
    let (mut chain, mut check) = (Links::default(), SpanCheck::new(heads));
    log.for_each_span_record::<LogError>(&mut EventCursor::default(), |record| {
        check.check(&record)?;
        chain = out.linked(chain, &event_key(record.block.0, record.log_index), &encode_span(&record)?)?;
        Ok(())
    })?;
    chain.check_end(SPAN_EVENTS, heads.span_events)?;
    out.close();
    let signers = log.signers()?;
    check_signers(&signers)?;
    let mut chain = Links::default();
    for (code, signer) in (1_u16..).zip(&signers) {
        chain = chain.extended(&code.to_be_bytes(), signer.as_slice());
        out.put(signer.as_slice())?;
    }
    chain.check_end(SIGNERS, heads.signers)?;
    out.close();
    put_chunks(log, heads, &mut out)?;
    out.close();
    out.finish()
}

fn put_chunks(log: &LogPart<'_>, heads: &Heads, out: &mut Sections<'_>) -> Result<(), LogError> {
    let mut codes = CodeOrder::default();
    let mut last = None;
    if let Some(head) = heads.l2 {
        let range = log.identity().l2_first_block..=head.block;
        log.log().scan_bytes::<LogError>(range, |header, bytes, producers, times| {
            codes.check(header, producers)?;
            out.blob(bytes)?;
            out.blob(producers.bytes())?;
            out.blob(times)?;
            last = Some(header.clone());
            Ok(())
        })?;
    }
    heads.check_last_chunk(last.as_ref())?;
    codes.check_end(heads)
}

/// Sections that are being written.
struct Sections<'a> {
    out: &'a mut dyn Write,
    done: Vec<ArchiveSection>,
    /// Of the one that is open.
    bytes: u64,
    hasher: blake3::Hasher,
}

impl Sections<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += u64::try_from(bytes.len()).expect("a length fits in 64 bits");
        Ok(())
    }

    /// Puts something after its length.
    fn blob(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let too_long = || LogError::Undecodable {
            place: "a record or column".into(),
            reason: format!("its length, {}, does not fit in 32 bits", bytes.len()),
        };
        let len = u32::try_from(bytes.len()).map_err(|_| too_long())?;
        self.put(&len.to_be_bytes())?;
        self.put(bytes)
    }

    /// Puts a record; returns the chain of digests with it.
    fn linked(&mut self, chain: Links, key: &[u8], bytes: &[u8]) -> Result<Links, LogError> {
        self.blob(bytes)?;
        Ok(chain.extended(key, bytes))
    }

    /// Ends the section that is open.
    fn close(&mut self) {
        let name = SECTIONS[self.done.len()];
        let digest = B256::from(*self.hasher.finalize().as_bytes());
        self.done.push(ArchiveSection { name, bytes: self.bytes, digest });
        self.bytes = 0;
        self.hasher.reset();
    }

    fn finish(self) -> Result<B256, LogError> {
        let table = encode_table(&self.done);
        let digest = bundle_digest(&table);
        self.out.write_all(&table)?;
        self.out.write_all(digest.as_slice())?;
        Ok(digest)
    }
}
