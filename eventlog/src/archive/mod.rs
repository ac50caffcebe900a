//! Bundles: a log, a policy and a receipt as one flat file, for others to check offline.
//!
//! `docs/bundle.md` draws the bytes. Nothing in a bundle is compressed (columns are packed already), so reading one
//! takes the memory of the file; it has no paths. Reading one checks every byte of it: against the digests of its
//! sections, and its log like any other log.

mod format;
mod restore;
mod write;

pub use format::ArchiveSection;
pub use restore::{Restored, restore};
pub use write::write_archive;

use crate::check::{ChunkCheck, CodeOrder, L1Check, SpanCheck, check_signers};
use crate::chunk_header::{ChunkHeader, chunk_start};
use crate::error::same;
use crate::events::EventCursor;
use crate::heads::{Heads, Links, Reach};
use crate::index::IndexEntry;
use crate::keys::{event_key, event_place};
use crate::producers::Producers;
use crate::record::{decode, decode_l1, decode_span};
use crate::signers::SIGNERS_MAX;
use crate::times::Times;
use crate::view::LogView;
use crate::{LogError, LogIdentity, options};
use alloy_primitives::{Address, B256};
use format::{MAGIC, MAGIC_OF_ANY, Table, check_magic, read_table, take_blob};
use std::fs::File;
use std::io::Read;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use tally_engine::{L1Record, L2Block, SpanRecord};

/// How long a bundle may be: it is read into memory. One of a billion blocks has one or two GB.
pub const BUNDLE_BYTES_MAX: u64 = 8 << 30;

/// A bundle, whose every byte was checked.
pub struct Archive {
    bytes: Vec<u8>,
    sections: Vec<ArchiveSection>,
    places: Vec<Range<usize>>,
    digest: B256,
    identity: LogIdentity,
    heads: Heads,
    signers: Vec<Address>,
    chunks: Vec<Chunk>,
}

/// A chunk, and where its columns lie.
struct Chunk {
    header: ChunkHeader,
    link: B256,
    producers: Range<usize>,
    times: Range<usize>,
}

impl Archive {
    /// Whether a file that begins with these bytes is a bundle, of this format or another.
    pub fn is_bundle(start: &[u8]) -> bool {
        start.starts_with(MAGIC_OF_ANY)
    }

    /// Reads the bundle in a file.
    ///
    /// # Errors
    ///
    /// [`LogError`] naming what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let files = |source| LogError::Files { path: path.into(), what: "the bundle", source };
        let mut file = File::open(path).map_err(files)?;
        let mut bytes = Vec::new();
        let magic_bytes = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
        (&mut file).take(magic_bytes).read_to_end(&mut bytes).map_err(files)?;
        // What does not begin like a bundle, and may have no end, is not read on.
        check_magic(&bytes)?;
        let known = file.metadata().map_err(files)?.len();
        if known > BUNDLE_BYTES_MAX {
            return Err(LogError::BundleTooLong { max: BUNDLE_BYTES_MAX });
        }
        bytes.reserve_exact(usize::try_from(known).unwrap_or_default());
        file.take(BUNDLE_BYTES_MAX).read_to_end(&mut bytes).map_err(files)?;
        Self::from_bytes(bytes)
    }

    /// Reads the bundle that these bytes are.
    ///
    /// # Errors
    ///
    /// [`LogError`] naming what is wrong with it.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LogError> {
        if u64::try_from(bytes.len()).map_or(true, |len| len > BUNDLE_BYTES_MAX) {
            return Err(LogError::BundleTooLong { max: BUNDLE_BYTES_MAX });
        }
        let Table { sections, places, digest } = read_table(&bytes)?;
        let section =
            |index: usize| places.get(index).and_then(|place| bytes.get(place.clone())).unwrap_or_default();
        let identity: LogIdentity = decode("the identity", section(format::IDENTITY))?;
        let heads: Heads = decode("the heads", section(format::HEADS))?;
        let signers = read_signers(section(format::SIGNERS), &heads)?;
        let chunks =
            read_chunks(&bytes, places.get(format::CHUNKS).cloned().unwrap_or_default(), &identity, &heads)?;
        let archive = Self { bytes, sections, places, digest, identity, heads, signers, chunks };
        let mut check = L1Check::new(&archive.identity, &archive.heads);
        archive.l1(&mut EventCursor::default(), |record| check.check(&record))?;
        let mut check = SpanCheck::new(&archive.heads);
        archive
            .for_each_span_record::<LogError>(&mut EventCursor::default(), |record| check.check(&record))?;
        Ok(archive)
    }

    /// The sections, as its table has them.
    pub fn sections(&self) -> &[ArchiveSection] {
        &self.sections
    }

    /// BLAKE3 over all of it, by way of its sections' digests.
    pub fn digest(&self) -> B256 {
        self.digest
    }

    /// How long it is.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The policy's text, which is the caller's to read.
    pub fn policy(&self) -> &[u8] {
        self.section(format::POLICY)
    }

    /// The receipt, which is the caller's to read.
    pub fn receipt(&self) -> &[u8] {
        self.section(format::RECEIPT)
    }

    /// How far the log reaches.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    fn section(&self, index: usize) -> &[u8] {
        self.places.get(index).map_or(&[], |place| self.bytes_of(place))
    }

    fn bytes_of(&self, place: &Range<usize>) -> &[u8] {
        self.bytes.get(place.clone()).unwrap_or_default()
    }

    fn chunk(&self, first_block: L2Block) -> Result<&Chunk, LogError> {
        let found = self.chunks.binary_search_by_key(&first_block, |chunk| chunk.header.first_block);
        found.ok().and_then(|at| self.chunks.get(at)).ok_or_else(|| LogError::Undecodable {
            place: format!("the chunk of L2 block {first_block}"),
            reason: "the bundle has no such chunk".into(),
        })
    }

    fn l1(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(L1Record) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let place_of = |record: &L1Record| (record.block.0, record.log_index);
        self.events(format::L1_EVENTS, self.heads.l1_events, cursor, decode_l1, place_of, each)
    }

    /// Calls `each` with the records after `cursor` of a section, in order; their order is checked, and their
    /// links up to the one in the heads.
    fn events<T, E: From<LogError>>(
        &self,
        section: usize,
        head: Links,
        cursor: &mut EventCursor,
        decode: fn(&str, &[u8]) -> Result<T, LogError>,
        place_of: fn(&T) -> (u64, u64),
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let family = format::SECTIONS[section];
        let mut rest = self.section(section);
        let mut chain = Links::default();
        let mut last = None;
        while !rest.is_empty() {
            let name = || format!("{family}, record {}", chain.count + 1);
            let bytes =
                take_blob(&mut rest).map_err(|reason| LogError::Undecodable { place: name(), reason })?;
            let record = decode("", bytes).or_else(|_| decode(&name(), bytes))?;
            let place = place_of(&record);
            if last.is_some_and(|last| place <= last) {
                let (expected, found) = (format!("after {last:?}"), format!("{place:?}"));
                let what = "block and log index";
                return Err(
                    LogError::Damaged { place: event_place(family, place), what, expected, found }.into()
                );
            }
            last = Some(place);
            chain = chain.extended(&event_key(place.0, place.1), bytes);
            if last > cursor.last() {
                *cursor = EventCursor::new(last, chain);
                each(record)?;
            }
        }
        Ok(chain.check_end(family, head)?)
    }
}

impl LogView for Archive {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn reach(&self) -> Reach {
        self.heads.reach()
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        let mut records = Vec::new();
        self.l1(cursor, |record| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let place_of = |record: &SpanRecord| (record.block.0, record.log_index);
        self.events(format::SPAN_EVENTS, self.heads.span_events, cursor, decode_span, place_of, each)
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        Ok(self.signers.clone())
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        let before = self.chunks.partition_point(|chunk| chunk.header.first_block <= from).saturating_sub(1);
        Ok(self.chunks.iter().skip(before).map(|chunk| IndexEntry::from(&chunk.header)).collect())
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        Ok(self.chunk(first_block)?.link)
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        mut each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for first_block in first_blocks {
            each(&Times::new(*first_block, self.bytes_of(&self.chunk(*first_block)?.times))?)?;
        }
        Ok(())
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_verified(range, |_, producers| each(producers))
    }

    /// Opening has checked every byte.
    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut first_block = chunk_start(self.identity.l2_first_block, *range.start());
        while first_block <= *range.end() {
            let chunk = self.chunk(first_block)?;
            each(&chunk.header, &Producers::new(first_block, self.bytes_of(&chunk.producers))?)?;
            match chunk.header.last_block().and_then(L2Block::next) {
                Some(next) => first_block = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

fn read_signers(section: &[u8], heads: &Heads) -> Result<Vec<Address>, LogError> {
    let (signers, rest) = section.as_chunks::<20>();
    if signers.len() > usize::from(SIGNERS_MAX) || !rest.is_empty() {
        return Err(LogError::Undecodable {
            place: options::SIGNERS.into(),
            reason: format!("{} bytes are not up to {SIGNERS_MAX} addresses", section.len()),
        });
    }
    let signers: Vec<Address> = signers.iter().map(|signer| Address::new(*signer)).collect();
    let mut chain = Links::default();
    for (code, signer) in (1..=SIGNERS_MAX).zip(&signers) {
        chain = chain.extended(&code.to_be_bytes(), signer.as_slice());
    }
    chain.check_end(options::SIGNERS, heads.signers)?;
    check_signers(&signers)?;
    Ok(signers)
}

/// The chunks in `place` of a bundle's bytes, each checked and following the one before, up to the heads.
fn read_chunks(
    bytes: &[u8],
    place: Range<usize>,
    identity: &LogIdentity,
    heads: &Heads,
) -> Result<Vec<Chunk>, LogError> {
    let end = place.end;
    let mut rest = bytes.get(place).unwrap_or_default();
    let mut chunks: Vec<Chunk> = Vec::new();
    let (mut chain, mut check, mut codes) = (Links::default(), ChunkCheck::default(), CodeOrder::default());
    let mut expected = Some(identity.l2_first_block);
    while !rest.is_empty() {
        let name = format!("{}, chunk {}", options::CHUNKS, chain.count + 1);
        let mut blob = || -> Result<(Range<usize>, &[u8]), LogError> {
            let blob = take_blob(&mut rest)
                .map_err(|reason| LogError::Undecodable { place: name.clone(), reason })?;
            let end = end - rest.len();
            Ok((end - blob.len()..end, blob))
        };
        let (_, header) = blob()?;
        let (producers_place, producers) = blob()?;
        let (times_place, times) = blob()?;
        let decoded = ChunkHeader::decode(&name, header)?;
        let first_block = decoded.first_block;
        // A chunk begins where the one before ends, and that is where chunks of a log begin.
        let start = expected.filter(|block| *block == chunk_start(identity.l2_first_block, *block));
        let start = start.map_or("none".into(), |start| start.to_string());
        same(&name, "first block", &start, &first_block.to_string())?;
        let column = Producers::new(first_block, producers)?;
        check.check(&decoded, &column, times)?;
        codes.check(&decoded, &column)?;
        chain = chain.extended(&first_block.0.to_be_bytes(), header);
        expected = decoded.last_block().and_then(L2Block::next);
        let (link, producers, times) = (chain.last, producers_place, times_place);
        chunks.push(Chunk { header: decoded, link, producers, times });
    }
    chain.check_end(options::CHUNKS, heads.chunks)?;
    heads.check_last_chunk(chunks.last().map(|chunk| &chunk.header))?;
    codes.check_end(heads)?;
    Ok(chunks)
}
