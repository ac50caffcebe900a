//! Appending to a log.

mod owners;
mod rollback;
mod stage;

use crate::chunk::{ChunkBuilder, EncodedChunk};
use crate::chunk_header::{ChunkHeader, chunk_start};
use crate::events::EventCursor;
use crate::heads::{Heads, Links};
use crate::index::{IndexEntry, OpenPage, decode_page, page_key};
use crate::keys::{linked, unlinked};
use crate::options::{CHUNKS, FORMAT, INDEX, META, PRODUCERS, RECENT, RECENT_KEY, TIMES};
use crate::owners::{OwnerCheck, OwnersHead};
use crate::recent::{RecentBlock, RecentBlocks, Side, recent_digest};
use crate::signers::Signers;
use crate::store::{Meta, Store};
use crate::{LogError, LogIdentity};
use alloy_primitives::B256;
use rocksdb::WriteBatch;
use std::path::Path;
use tally_engine::{L1Block, L2Block, PoolEvent, PoolState, Spans};

/// The one writer of a log.
///
/// What is staged is checked against everything before it, but reaches the log only with
/// [`LogWriter::commit`]: all of it in one synced batch, or nothing. After an error drop the writer;
/// the log is as it was after the last commit.
///
/// What is staged counts as final, unless [`LogWriter::seal_l1`] or [`LogWriter::seal_l2`] said that only
/// blocks up to some number are. The blocks after it can be taken back.
pub struct LogWriter {
    store: Store,
    /// Whether anything was ever committed.
    exists: bool,
    /// Whether a commit failed: then what was staged is gone.
    has_failed: bool,
    identity: LogIdentity,
    /// The heads with what is staged.
    heads: Heads,
    /// The heads that are on the disk.
    committed: Heads,
    /// The head of the owner events with what is staged, and the one on the disk.
    owners: OwnersHead,
    committed_owners: OwnersHead,
    owner_check: OwnerCheck,
    /// What the records and span events so far, staged ones included, add up to.
    pool: PoolState,
    spans: Spans,
    /// The last L1 record, the last of them that is a METIS transfer, and the last span event, as (block, log index).
    last_l1: Option<(u64, u64)>,
    last_transfer: Option<(u64, u64)>,
    /// The block of the last L1 record.
    last_l1_block: Option<RecentBlock>,
    /// The blocks of the L1 records that are staged, in order.
    staged_l1_blocks: Vec<RecentBlock>,
    last_span: Option<(u64, u64)>,
    /// The chain before the chunk that still grows, and that chunk.
    sealed: Links,
    open: Option<ChunkBuilder>,
    open_is_staged: bool,
    /// The dictionary with what is staged, and the last page of the index.
    signers: Signers,
    page: OpenPage,
    /// The last blocks, and up to which of them they are final.
    recent_l1: RecentBlocks,
    recent_l2: RecentBlocks,
    sealed_l1: u64,
    sealed_l2: u64,
    /// What of them is on the disk.
    stored_recent: [Vec<RecentBlock>; 2],
    batch: WriteBatch,
}

impl LogWriter {
    /// Opens the log at `path`, or makes one there if there is nothing.
    ///
    /// # Errors
    ///
    /// [`LogError::Locked`] if another process writes it, [`LogError::OtherNetwork`] or
    /// [`LogError::Format`] if it is not a log of `identity` in this format, [`LogError::NotALog`] if
    /// there is something else, and whatever RocksDB says.
    pub fn open(path: &Path, identity: &LogIdentity) -> Result<Self, LogError> {
        let store = Store::open_to_write(path)?;
        let mut writer = Self {
            store,
            exists: false,
            has_failed: false,
            identity: identity.clone(),
            heads: Heads::default(),
            committed: Heads::default(),
            owners: OwnersHead::default(),
            committed_owners: OwnersHead::default(),
            owner_check: OwnerCheck::default(),
            pool: PoolState::new(&identity.genesis),
            spans: Spans::new(),
            last_l1: None,
            last_transfer: None,
            last_l1_block: None,
            staged_l1_blocks: Vec::new(),
            last_span: None,
            sealed: Links::default(),
            open: None,
            open_is_staged: false,
            signers: Signers::default(),
            page: OpenPage::default(),
            recent_l1: RecentBlocks::default(),
            recent_l2: RecentBlocks::default(),
            sealed_l1: u64::MAX,
            sealed_l2: u64::MAX,
            stored_recent: [Vec::new(), Vec::new()],
            batch: WriteBatch::default(),
        };
        writer.load()?;
        Ok(writer)
    }

    /// Takes everything up as it is on the disk.
    fn load(&mut self) -> Result<(), LogError> {
        // A new log is of nothing until its first commit.
        let meta = self.store.meta(FORMAT)?;
        self.exists = meta.is_some();
        (self.heads, self.owners) = match meta {
            None => (Heads::default(), OwnersHead::default()),
            Some(Meta { identity, heads, owners, .. }) => {
                check_identity(self.store.path(), &identity, &self.identity)?;
                (heads, owners)
            }
        };
        (self.committed, self.committed_owners) = (self.heads, self.owners);
        self.staged_l1_blocks.clear();
        self.owner_check = OwnerCheck::default();
        for record in self.store.owner_records(&self.owners, None)? {
            self.owner_check.check(&self.identity, &record)?;
        }
        self.pool = PoolState::new(&self.identity.genesis);
        (self.last_l1, self.last_l1_block, self.last_transfer) = (None, None, None);
        self.store.l1_records::<LogError>(&self.heads, None, &mut EventCursor::default(), |record| {
            self.pool.apply(&record)?;
            self.last_l1 = Some((record.block.0, record.log_index));
            if matches!(record.event, PoolEvent::MetisTransfer { .. }) {
                self.last_transfer = self.last_l1;
            }
            self.last_l1_block = Some(RecentBlock::from(&record));
            Ok(())
        })?;
        self.spans = Spans::new();
        self.last_span = None;
        self.store.span_records::<LogError>(&self.heads, None, &mut EventCursor::default(), |record| {
            self.spans.apply(&record)?;
            self.last_span = Some((record.block.0, record.log_index));
            Ok(())
        })?;
        (self.sealed, self.open, self.open_is_staged) = (Links::default(), None, false);
        self.signers = Signers::new(self.store.signers(&self.heads)?);
        self.reopen_page()?;
        self.reopen_chunk()?;
        self.stored_recent = self.store.recent()?;
        let [l1, l2] = self.stored_recent.clone();
        self.recent_l1 = RecentBlocks::new(Side::L1, l1, self.heads.l1.map(RecentBlock::from))?;
        self.recent_l2 = RecentBlocks::new(Side::L2, l2, self.heads.l2.map(RecentBlock::from))?;
        self.batch = WriteBatch::default();
        self.has_failed = false;
        Ok(())
    }

    /// Takes up the last page of the index where it was left.
    fn reopen_page(&mut self) -> Result<(), LogError> {
        self.page = OpenPage::default();
        if let Some(head) = self.heads.l2 {
            let key = page_key(head.block);
            let value = self.store.get(INDEX, &key)?.unwrap_or_default();
            let mut entries = Vec::new();
            decode_page(&key, &value, (self.identity.l2_first_block, head.block), &mut entries)?;
            self.page = OpenPage::new(entries);
        }
        Ok(())
    }

    /// Takes up the last chunk where it was left.
    fn reopen_chunk(&mut self) -> Result<(), LogError> {
        let Some((key, value)) = self.store.last(CHUNKS)? else {
            return self.heads.check_last_chunk(None);
        };
        let place = "the last chunk";
        let (link, bytes) = unlinked(place, &value)?;
        let header = ChunkHeader::decode(place, bytes)?;
        let column = |family| {
            let missing =
                || LogError::Undecodable { place: place.into(), reason: "a column is missing".into() };
            self.store.get(family, &key)?.ok_or_else(missing)
        };
        let chunk = EncodedChunk { header, producers: column(PRODUCERS)?, times: column(TIMES)? };
        // The link before the last one is in the chunk before it.
        let before = chunk.header.first_block.0.checked_sub(1);
        let first = self.identity.l2_first_block;
        self.sealed = match before.filter(|before| *before >= first.0) {
            None => Links::default(),
            Some(before) => {
                let start = chunk_start(first, L2Block(before));
                let value =
                    self.store.get(CHUNKS, &start.0.to_be_bytes())?.ok_or_else(|| LogError::Undecodable {
                        place: format!("the chunk of L2 block {start}"),
                        reason: "it is missing".into(),
                    })?;
                let (last, _) = unlinked(place, &value)?;
                Links { count: self.heads.chunks.count.saturating_sub(1), last }
            }
        };
        self.heads.check_last_chunk(Some(&chunk.header))?;
        let chain = self.sealed.extended(&key, bytes);
        if (chain.last, chain) != (link, self.heads.chunks) {
            return Err(LogError::Damaged {
                place: chunk.header.place(),
                what: "link of the digest chain",
                expected: self.heads.chunks.last.to_string(),
                found: chain.last.to_string(),
            });
        }
        let open = ChunkBuilder::reopen(&chunk)?;
        // Else what is damaged would be written again, with a digest that says it is sound.
        if open.encode(self.signers.len()) != chunk {
            return Err(LogError::Undecodable {
                place: chunk.header.place(),
                reason: "its columns are not those of its header".into(),
            });
        }
        chunk.header.check_index_entry(self.page.last())?;
        self.open = Some(open);
        Ok(())
    }

    /// Checks that an ingest can go on from the log: one that was made of a bundle may lack the METIS transfers, which
    /// logs have had since format 4.
    ///
    /// # Errors
    ///
    /// [`LogError::NoTransfers`] if it has stakes and none of the transfers by which they came.
    pub fn check_transfers(&self) -> Result<(), LogError> {
        let has_stakes = !self.pool.sequencers.is_empty();
        LogError::lacks_transfers(self.store.path(), has_stakes, self.last_transfer.is_some())
            .map_or(Ok(()), Err)
    }

    /// What the log is of.
    pub fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    /// How far the log reaches on the disk.
    pub fn committed(&self) -> &Heads {
        &self.committed
    }

    /// How far the log reaches with what is staged. Its chunks' chain is that of the last commit.
    pub fn staged(&self) -> &Heads {
        &self.heads
    }

    /// The head of the owner events with what is staged.
    pub fn owners(&self) -> &OwnersHead {
        &self.owners
    }

    /// The contracts' state after everything staged.
    pub fn pool(&self) -> &PoolState {
        &self.pool
    }

    /// The spans after everything staged.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// The last L1 record, as block and log index.
    pub fn last_l1_record(&self) -> Option<(u64, u64)> {
        self.last_l1
    }

    /// The last L1 blocks, in order: those that can be rolled back to, and the head.
    pub fn recent_l1(&self) -> &RecentBlocks {
        &self.recent_l1
    }

    /// The last L2 blocks, in order: those that can be rolled back to, and the head.
    pub fn recent_l2(&self) -> &RecentBlocks {
        &self.recent_l2
    }

    /// From now on L1 blocks up to `block` are final, and those after it can be taken back. What is not
    /// kept any more never comes back, so a lower number than before changes nothing that is staged.
    pub fn seal_l1(&mut self, block: L1Block) {
        self.sealed_l1 = block.0;
        self.recent_l1.seal(block.0);
    }

    /// The same for L2 blocks.
    pub fn seal_l2(&mut self, block: L2Block) {
        self.sealed_l2 = block.0;
        self.recent_l2.seal(block.0);
    }

    /// Puts the open chunk into the batch and returns the chain with it.
    fn put_chunk(&mut self) -> Result<Links, LogError> {
        let Some(open) = &self.open else {
            return Ok(self.sealed);
        };
        let chunk = open.encode(self.signers.len());
        let key = chunk.header.first_block.0.to_be_bytes();
        let bytes = chunk.header.encode()?;
        let chain = self.sealed.extended(&key, &bytes);
        self.batch.put_cf(self.store.family(CHUNKS)?, key, linked(&chain.last, &bytes));
        self.batch.put_cf(self.store.family(PRODUCERS)?, key, &chunk.producers);
        self.batch.put_cf(self.store.family(TIMES)?, key, &chunk.times);
        self.page.put(IndexEntry::from(&chunk.header));
        if let Some((key, page)) = self.page.encode() {
            self.batch.put_cf(self.store.family(INDEX)?, key, page);
        }
        Ok(chain)
    }

    /// Puts everything staged on the disk, at once.
    ///
    /// # Errors
    ///
    /// [`LogError::SpanOutOfOrder`] or [`LogError::L1HeadOutOfOrder`] if an event's block was not staged;
    /// else what RocksDB says, and then nothing is in the log and every later commit of this writer is
    /// [`LogError::CommitFailed`].
    pub fn commit(&mut self) -> Result<(), LogError> {
        if self.has_failed {
            return Err(LogError::CommitFailed { path: self.store.path().into() });
        }
        if let Some((block, _)) = self.last_l1
            && self.heads.l1.is_none_or(|head| head.block.0 < block)
        {
            let found = self.heads.l1.map(|head| head.block).unwrap_or_default();
            return Err(LogError::L1HeadOutOfOrder { found, reached: L1Block(block) });
        }
        if let Some(block) = self.owner_check.last_block()
            && self.heads.l1.is_none_or(|head| head.block.0 < block.number)
        {
            let found = self.heads.l1.map(|head| head.block).unwrap_or_default();
            return Err(LogError::L1HeadOutOfOrder { found, reached: L1Block(block.number) });
        }
        if let Some(place) = self.last_span
            && self.heads.l2.is_none_or(|head| head.block.0 < place.0)
        {
            return Err(self.span_out_of_order(place, "the last span event".into()));
        }
        // Until it has succeeded: the heads must not be written again without their records.
        self.has_failed = true;
        if self.open_is_staged {
            self.heads.chunks = self.put_chunk()?;
        }
        let recent_is_stored = self.stored_recent == [self.recent_l1.stored(), self.recent_l2.stored()];
        let is_stored =
            self.heads == self.committed && self.owners == self.committed_owners && recent_is_stored;
        if self.exists && is_stored {
            self.has_failed = false;
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        self.put_recent(&mut batch)?;
        self.store.put_meta(&mut batch, &self.identity, &self.heads, &self.owners)?;
        self.store.write(batch)?;
        self.has_failed = false;
        (self.committed, self.committed_owners) = (self.heads, self.owners);
        self.exists = true;
        self.staged_l1_blocks.clear();
        self.open_is_staged = false;
        Ok(())
    }

    /// Puts what changed in the recent blocks into a batch.
    fn put_recent(&mut self, batch: &mut WriteBatch) -> Result<(), LogError> {
        let family = self.store.family(RECENT)?;
        let mut stored = Vec::new();
        for (side, recent) in [(Side::L1, &self.recent_l1), (Side::L2, &self.recent_l2)] {
            let old = &self.stored_recent[stored.len()];
            let new = recent.stored();
            for block in old.iter().filter(|block| !new.contains(block)) {
                batch.delete_cf(family, side.key(block.number));
            }
            for block in new.iter().filter(|block| !old.contains(block)) {
                batch.put_cf(family, side.key(block.number), block.encode());
            }
            stored.push(new.to_vec());
        }
        self.stored_recent = [stored.remove(0), stored.remove(0)];
        let digest = recent_digest(&self.stored_recent[0], &self.stored_recent[1]);
        batch.put_cf(self.store.family(META)?, RECENT_KEY, digest);
        Ok(())
    }

    /// One digest of everything that is committed.
    ///
    /// # Errors
    ///
    /// As [`Heads::digest`].
    pub fn head_digest(&self) -> Result<B256, LogError> {
        self.committed.digest(&self.identity)
    }
}

fn check_identity(path: &Path, found: &LogIdentity, expected: &LogIdentity) -> Result<(), LogError> {
    match found.difference(expected) {
        None => Ok(()),
        Some((what, found, expected)) => {
            Err(LogError::OtherNetwork { path: path.into(), what, found, expected })
        }
    }
}
