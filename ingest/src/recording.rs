//! From a recording of the chains to the log: all of it, or, where anything in it is wrong, nothing.

use crate::decode::UnknownTopic;
use crate::decode::{BlockFacts, L1Decoder, decode_owner, decode_span};
use crate::decode_fault::DecodeFault;
use crate::error::IngestError;
use crate::json::{ChainLog, Header, L1Transaction, L2Block as L2BlockObject};
use crate::lines::{Line, Lines};
use crate::manifest::{RecordingManifest, Totals, read_manifest};
use crate::signer::signer_of;
use alloy::primitives::{B256, Bytes};
use std::collections::BTreeMap;
use std::path::Path;
use tally_engine::{Discrepancy, L1Block, L2Block, UnixTime};
use tally_eventlog::{Chain, Heads, L1Head, LogIdentity, LogWriter, OwnerRecord, ProducedBlock};

/// How many bytes the inputs of a recording's L1 transactions may have in all: they are held in memory.
/// The 584 of `fixtures/pool-a` have 60 kB.
const INPUT_BYTES_MAX: usize = 1 << 30;

/// How far to ingest; `None` is to the end of the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The last L1 block.
    pub l1_to: Option<u64>,
    /// The last L2 block.
    pub l2_to: Option<u64>,
}

/// What an ingest did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// How far the log reached before.
    pub before: Heads,
    /// How far it reaches now.
    pub after: Heads,
    /// The digest of everything in it.
    pub head_digest: B256,
    /// Where records claim what the records before them do not add up to.
    pub discrepancies: Vec<Discrepancy>,
    /// Logs of the pool's contracts with topics that nobody here knows.
    pub unknown: Vec<UnknownTopic>,
    /// Anything else that whoever ingests should know.
    pub warnings: Vec<String>,
}

/// Appends what a recording has beyond the log. Blocks that are in the log already are compared with
/// it where it holds their hash, at its heads.
///
/// # Errors
///
/// [`IngestError`] naming the file and line (or what is wrong with the log). Then the log is as it was
/// before: everything is checked before anything is written, in one batch.
pub fn ingest_recording(recording: &Path, log: &Path, limits: Limits) -> Result<Ingested, IngestError> {
    let RecordingManifest { identity, totals } = read_manifest(recording)?;
    let mut writer = LogWriter::open(log, &identity)?;
    writer.check_transfers()?;
    let before = *writer.committed();
    let mut notes = Notes::default();
    if let (Some(to), Some(_)) = (before.l1, writer.owners().missing_to)
        && let Some(owners) = owners_up_to(recording, &identity, to, &totals)?
    {
        writer.stage_missing_owners(&owners)?;
    }
    stage_l1(recording, &mut writer, limits.l1_to.unwrap_or(u64::MAX), &totals, &mut notes)?;
    stage_l2(recording, &mut writer, limits.l2_to.unwrap_or(u64::MAX), &totals, &mut notes)?;
    writer.commit()?;
    Ok(Ingested {
        before,
        after: *writer.committed(),
        head_digest: writer.head_digest()?,
        discrepancies: notes.discrepancies,
        unknown: notes.unknown,
        warnings: notes.warnings,
    })
}

#[derive(Default)]
struct Notes {
    discrepancies: Vec<Discrepancy>,
    unknown: Vec<UnknownTopic>,
    warnings: Vec<String>,
}

/// The logs of a file, block by block.
struct BlockLogs {
    lines: Lines,
    next: Option<Line<ChainLog>>,
    last: Option<(u64, u64)>,
}

impl BlockLogs {
    fn open(path: &Path) -> Result<Self, IngestError> {
        let mut logs = Self { lines: Lines::open(path)?, next: None, last: None };
        logs.advance()?;
        Ok(logs)
    }

    fn advance(&mut self) -> Result<Option<Line<ChainLog>>, IngestError> {
        let next = self.lines.next::<ChainLog>()?;
        if let Some(Line { value, at }) = &next {
            let found = (value.block, value.log_index);
            if let Some(previous) = self.last.replace(found)
                && found <= previous
            {
                return Err(at.fault(DecodeFault::LogOutOfOrder { previous, found }));
            }
        }
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// The next log of `block`, or `None` if it has no more.
    fn next_of(&mut self, block: u64) -> Result<Option<Line<ChainLog>>, IngestError> {
        match &self.next {
            Some(Line { value, .. }) if value.block == block => self.advance(),
            Some(Line { value, at }) if value.block < block => {
                Err(at.fault(DecodeFault::NoHeader { block: value.block }))
            }
            _ => Ok(None),
        }
    }

    /// After the last block: a log that is left is of a block without a header, or of one beyond what
    /// was asked for; and there have to be as many as the manifest says.
    fn finish(mut self, to: u64, total: Option<u64>) -> Result<(), IngestError> {
        if let Some(Line { value, at }) = &self.next
            && value.block <= to
        {
            return Err(at.fault(DecodeFault::NoHeader { block: value.block }));
        }
        self.lines.check_count(total)
    }
}

/// Checks that each block follows the one before it, and that they go on where the log ends.
struct Sequence {
    previous: Option<BlockFacts>,
    /// The last block of the log.
    head: Option<(u64, B256)>,
    /// Whether that block was here.
    head_seen: bool,
    /// L1 blocks rise in time, and a recording may lack headers between them; L2 blocks do not fall, and
    /// all are there.
    chain: Chain,
}

impl Sequence {
    fn new(head: Option<(u64, B256)>, chain: Chain) -> Self {
        Self { previous: None, head, head_seen: false, chain }
    }

    fn is_l1(&self) -> bool {
        self.chain == Chain::L1
    }

    /// Checks the next block and says whether the log lacks it.
    fn check(&mut self, block: BlockFacts, parent: B256) -> Result<bool, DecodeFault> {
        if let Some(previous) = self.previous {
            let is_next = previous.number.checked_add(1) == Some(block.number);
            if block.number <= previous.number || !(is_next || self.is_l1()) {
                return Err(DecodeFault::OutOfOrder { previous: previous.number, found: block.number });
            }
            if is_next && parent != previous.hash {
                let (expected, found) = (previous.hash, parent);
                return Err(DecodeFault::Parent { block: block.number, expected, found });
            }
            let rises = previous.timestamp < block.timestamp;
            if !rises && (self.is_l1() || previous.timestamp > block.timestamp) {
                let (previous, found) = (previous.timestamp, block.timestamp);
                return Err(DecodeFault::Time { block: block.number, previous, found });
            }
        }
        self.previous = Some(block);
        let Some((head, expected)) = self.head else {
            return Ok(true);
        };
        if block.number == head {
            self.head_seen = true;
            if block.hash != expected {
                return Err(DecodeFault::OtherBranch { block: head, expected, found: block.hash });
            }
        }
        if block.number > head && !self.head_seen {
            return Err(DecodeFault::Seam { head, found: block.number });
        }
        Ok(block.number > head)
    }

    /// At the end of the file: whether the last block is the manifest's. L1 headers may be lacking there
    /// as elsewhere.
    fn check_last(&self, at: &Lines, expected: Option<u64>) -> Result<(), IngestError> {
        let (Some(found), Some(expected)) = (self.previous.map(|block| block.number), expected) else {
            return Ok(());
        };
        if found == expected || self.is_l1() && found < expected {
            return Ok(());
        }
        Err(at.here().fault(DecodeFault::Incomplete { what: "last block", expected, found }))
    }

    /// What to tell of a recording that ends before the log does.
    fn warning(&self) -> Option<String> {
        let (head, _) = self.head.filter(|_| !self.head_seen)?;
        let end = self.previous.map_or("nothing".into(), |block| format!("block {}", block.number));
        Some(format!(
            "of {}, {end} was read, and the log reaches block {head}: the two were not compared",
            self.chain
        ))
    }
}

fn stage_l1(
    recording: &Path,
    writer: &mut LogWriter,
    to: u64,
    totals: &Totals,
    notes: &mut Notes,
) -> Result<(), IngestError> {
    let inputs = read_inputs(recording, totals)?;
    let identity = writer.identity().clone();
    let mut decoder = L1Decoder::new(&identity);
    let mut headers = Lines::open(&recording.join("l1_blocks.jsonl.gz"))?;
    let mut logs = BlockLogs::open(&recording.join("l1_logs.jsonl.gz"))?;
    let head = writer.committed().l1.map(|head| (head.block.0, head.hash));
    let mut sequence = Sequence::new(head, Chain::L1);
    loop {
        let Some(Line { value: header, at }) = headers.next::<Header>()? else {
            sequence.check_last(&headers, totals.l1_last_block)?;
            break;
        };
        let facts = BlockFacts { number: header.number.0, hash: header.hash, timestamp: header.timestamp.0 };
        if facts.number > to {
            break;
        }
        let is_new = sequence.check(facts, header.parent_hash).map_err(|fault| at.fault(fault))?;
        while let Some(Line { value: log, at }) = logs.next_of(facts.number)? {
            if !is_new {
                continue;
            }
            let input = |hash| inputs.get(&hash).cloned();
            let record = decoder.decode(&log, &facts, writer.pool(), input);
            let record = record.map_err(|fault| at.fault(fault))?;
            for owner in decoder.owners.drain(..) {
                writer.stage_owner(&owner).map_err(|source| at.append(source))?;
            }
            if let Some(record) = record {
                let discrepancies = writer.stage_l1(&record).map_err(|source| at.append(source))?;
                notes.discrepancies.extend(discrepancies);
            }
        }
        if is_new {
            let head = L1Head {
                block: L1Block(facts.number),
                hash: facts.hash,
                timestamp: UnixTime(facts.timestamp),
            };
            writer.stage_l1_head(head).map_err(|source| at.append(source))?;
        }
    }
    headers.check_count(totals.l1_blocks)?;
    logs.finish(to, totals.l1_logs)?;
    notes.warnings.extend(sequence.warning());
    notes.unknown.append(&mut decoder.unknown);
    Ok(())
}

/// The events of the contracts' owners up to L1 block `to`, which is the last of a log of `identity`, by a recording.
///
/// # Errors
///
/// [`IngestError`] if the recording is of another network or does not reach that block, and naming the file and line
/// where something is wrong.
pub fn owners_of_recording(
    recording: &Path,
    identity: &LogIdentity,
    to: L1Head,
) -> Result<Vec<OwnerRecord>, IngestError> {
    let manifest = read_manifest(recording)?;
    if let Some((what, found, expected)) = manifest.identity.difference(identity) {
        return Err(IngestError::OtherRecording { path: recording.into(), what, found, expected });
    }
    let ends = || IngestError::RecordingEnds { path: recording.into(), block: to.block };
    owners_up_to(recording, identity, to, &manifest.totals)?.ok_or_else(ends)
}

/// The same, or `None` if the recording does not have that block.
fn owners_up_to(
    recording: &Path,
    identity: &LogIdentity,
    to: L1Head,
    totals: &Totals,
) -> Result<Option<Vec<OwnerRecord>>, IngestError> {
    let mut headers = Lines::open(&recording.join("l1_blocks.jsonl.gz"))?;
    let mut logs = BlockLogs::open(&recording.join("l1_logs.jsonl.gz"))?;
    let mut sequence = Sequence::new(Some((to.block.0, to.hash)), Chain::L1);
    let mut owners = Vec::new();
    while let Some(Line { value: header, at }) = headers.next::<Header>()? {
        let facts = BlockFacts { number: header.number.0, hash: header.hash, timestamp: header.timestamp.0 };
        if sequence.check(facts, header.parent_hash).map_err(|fault| at.fault(fault))? {
            break;
        }
        while let Some(Line { value: log, at }) = logs.next_of(facts.number)? {
            owners.extend(decode_owner(identity, &log, &facts).map_err(|fault| at.fault(fault))?);
        }
    }
    // A file that lacks lines may lack events.
    headers.check_count(totals.l1_blocks)?;
    logs.finish(to.block.0, totals.l1_logs)?;
    Ok(sequence.head_seen.then_some(owners))
}

/// The inputs of the recorded L1 transactions, by hash.
fn read_inputs(recording: &Path, totals: &Totals) -> Result<BTreeMap<B256, Bytes>, IngestError> {
    let mut inputs = BTreeMap::new();
    let mut lines = Lines::open(&recording.join("l1_txs.jsonl.gz"))?;
    let mut bytes = 0_usize;
    while let Some(Line { value: L1Transaction { hash, input }, at }) = lines.next()? {
        bytes += input.len();
        if bytes > INPUT_BYTES_MAX {
            return Err(at.fault(DecodeFault::InputsTooLong { found: bytes, max: INPUT_BYTES_MAX }));
        }
        inputs.insert(hash, input);
    }
    lines.check_count(totals.l1_txs)?;
    Ok(inputs)
}

fn stage_l2(
    recording: &Path,
    writer: &mut LogWriter,
    to: u64,
    totals: &Totals,
    notes: &mut Notes,
) -> Result<(), IngestError> {
    let identity = writer.identity().clone();
    let mut blocks = Lines::open(&recording.join("l2_blocks.jsonl.gz"))?;
    let mut logs = BlockLogs::open(&recording.join("l2_logs.jsonl.gz"))?;
    let head = writer.committed().l2.map(|head| (head.block.0, head.hash));
    let mut sequence = Sequence::new(head, Chain::L2);
    loop {
        let Some(Line { value: block, at }) = blocks.next::<L2BlockObject>()? else {
            sequence.check_last(&blocks, totals.l2_last_block)?;
            break;
        };
        let facts = BlockFacts { number: block.number.0, hash: block.hash, timestamp: block.timestamp.0 };
        if facts.number > to {
            break;
        }
        let is_new = sequence.check(facts, block.parent_hash).map_err(|fault| at.fault(fault))?;
        while let Some(Line { value: log, at }) = logs.next_of(facts.number)? {
            if !is_new {
                continue;
            }
            let record = decode_span(&identity, &log, &facts, &mut notes.unknown);
            if let Some(record) = record.map_err(|fault| at.fault(fault))? {
                writer.stage_span(&record).map_err(|source| at.append(source))?;
            }
        }
        if is_new {
            let signer = signer_of(&block).map_err(|fault| at.fault(fault))?;
            let produced = ProducedBlock {
                number: L2Block(facts.number),
                hash: facts.hash,
                parent_hash: block.parent_hash,
                timestamp: UnixTime(facts.timestamp),
                signer,
            };
            writer.stage_block(&produced).map_err(|source| at.append(source))?;
        }
    }
    blocks.check_count(totals.l2_blocks)?;
    notes.warnings.extend(sequence.warning());
    logs.finish(to, totals.l2_logs)
}
