//! Taking back the blocks that a reorg replaced.

use super::LogWriter;
use crate::chunk::{ChunkBuilder, EncodedChunk};
use crate::chunk_header::{ChunkHeader, chunk_start};
use crate::heads::{L1Head, L2Head, Links};
use crate::index::{IndexEntry, OpenPage, decode_page, page_key};
use crate::keys::{chunk_of, event_key, event_of, linked, unlinked};
use crate::options::{CHUNKS, INDEX, L1_EVENTS, OWNER_EVENTS, PRODUCERS, SIGNERS, SPAN_EVENTS, TIMES};
use crate::recent::RecentBlock;
use crate::{Chain, LogError};
use rocksdb::WriteBatch;
use tally_engine::{L1Block, L2Block};

impl LogWriter {
    /// Takes back everything after L1 block `to`, on the disk too, at once. Afterwards the log is as if it
    /// had ended there. Whatever was staged is committed before.
    ///
    /// # Errors
    ///
    /// [`LogError::NotReversible`] if `to` is none of [`LogWriter::recent_l1`]; then nothing changes. Else as
    /// [`LogWriter::commit`] and [`LogWriter::open`].
    pub fn rollback_l1(&mut self, to: L1Block) -> Result<(), LogError> {
        self.commit()?;
        let block = reversible(Chain::L1, self.recent_l1.blocks(), to.0)?;
        let mut batch = WriteBatch::default();
        let mut heads = self.committed;
        heads.l1_events = self.drop_events(&mut batch, L1_EVENTS, heads.l1_events, to.0)?;
        self.owners.events = self.drop_events(&mut batch, OWNER_EVENTS, self.owners.events, to.0)?;
        self.owners.missing_to = self.owners.missing_to.map(|missing_to| missing_to.min(to));
        heads.l1 = Some(L1Head { block: to, hash: block.hash, timestamp: block.timestamp });
        self.heads = heads;
        self.recent_l1.truncate(to.0);
        self.replace(batch)
    }

    /// Takes back everything after L2 block `to`, on the disk too, at once. Afterwards the log is as if it
    /// had ended there. Whatever was staged is committed before.
    ///
    /// # Errors
    ///
    /// As [`LogWriter::rollback_l1`].
    pub fn rollback_l2(&mut self, to: L2Block) -> Result<(), LogError> {
        self.commit()?;
        let block = reversible(Chain::L2, self.recent_l2.blocks(), to.0)?;
        let mut batch = WriteBatch::default();
        let mut heads = self.committed;
        heads.span_events = self.drop_events(&mut batch, SPAN_EVENTS, heads.span_events, to.0)?;
        let (chunks, signers) = self.drop_chunks(&mut batch, heads.chunks, &block)?;
        heads.chunks = chunks;
        heads.signers = self.drop_signers(&mut batch, signers)?;
        heads.l2 = Some(L2Head { block: to, hash: block.hash, timestamp: block.timestamp });
        self.heads = heads;
        self.recent_l2.truncate(to.0);
        self.replace(batch)
    }

    /// Deletes the events of blocks after `to` and returns the chain that is left.
    fn drop_events(
        &self,
        batch: &mut WriteBatch,
        family: &'static str,
        chain: Links,
        to: u64,
    ) -> Result<Links, LogError> {
        let mut count = chain.count;
        if let Some(next) = to.checked_add(1) {
            for entry in self.store.from(family, &event_key(next, 0))? {
                let (key, _) = entry?;
                event_of(&key)?;
                batch.delete_cf(self.store.family(family)?, &key);
                count = count.checked_sub(1).ok_or_else(|| too_few(family))?;
            }
        }
        let last = match self.store.last_up_to(family, &event_key(to, u64::MAX))? {
            None => Links::default().last,
            Some((_, value)) => unlinked(family, &value)?.0,
        };
        Ok(Links { count, last })
    }

    /// Deletes the signers after the first `count` and returns the chain that is left.
    fn drop_signers(&self, batch: &mut WriteBatch, count: u16) -> Result<Links, LogError> {
        for code in count..self.signers.len() {
            batch.delete_cf(self.store.family(SIGNERS)?, (code + 1).to_be_bytes());
        }
        let last = match self.store.last_up_to(SIGNERS, &count.to_be_bytes())? {
            None => Links::default().last,
            Some((_, value)) => unlinked(SIGNERS, &value)?.0,
        };
        Ok(Links { count: u64::from(count), last })
    }

    /// Deletes the chunks after that of block `to`, cuts that one after it, and returns the chain and the
    /// number of signers that are left.
    fn drop_chunks(
        &self,
        batch: &mut WriteBatch,
        chain: Links,
        to: &RecentBlock,
    ) -> Result<(Links, u16), LogError> {
        let first = self.identity.l2_first_block;
        let start = chunk_start(first, L2Block(to.number));
        let key = start.0.to_be_bytes();
        let mut count = chain.count;
        for entry in self.store.from(CHUNKS, &key)? {
            let (key, _) = entry?;
            chunk_of(&key)?;
            for family in [CHUNKS, PRODUCERS, TIMES] {
                batch.delete_cf(self.store.family(family)?, &key);
            }
            count = count.checked_sub(1).ok_or_else(|| too_few(CHUNKS))?;
        }
        let before = match start.0.checked_sub(1) {
            None => None,
            Some(before) => self.store.last_up_to(CHUNKS, &before.to_be_bytes())?,
        };
        let (last, signers_before) = match before {
            None => (Links::default().last, 0),
            Some((_, value)) => {
                let (link, bytes) = unlinked(CHUNKS, &value)?;
                (link, ChunkHeader::decode(CHUNKS, bytes)?.signers)
            }
        };
        let place = format!("the chunk of L2 block {start}");
        let required = |family| {
            let missing = || LogError::Undecodable { place: place.clone(), reason: "it is missing".into() };
            self.store.get(family, &key)?.ok_or_else(missing)
        };
        let value = required(CHUNKS)?;
        let header = ChunkHeader::decode(&place, unlinked(&place, &value)?.1)?;
        let chunk = EncodedChunk { header, producers: required(PRODUCERS)?, times: required(TIMES)? };
        let cut = ChunkBuilder::reopen_until(&chunk, to)?;
        let signers = signers_before.max(cut.largest_code());
        let cut = cut.encode(signers);
        let bytes = cut.header.encode()?;
        let chain = Links { count, last }.extended(&key, &bytes);
        batch.put_cf(self.store.family(CHUNKS)?, key, linked(&chain.last, &bytes));
        batch.put_cf(self.store.family(PRODUCERS)?, key, &cut.producers);
        batch.put_cf(self.store.family(TIMES)?, key, &cut.times);
        self.cut_index(batch, &cut.header)?;
        Ok((chain, signers))
    }

    /// Deletes the pages of the index after that of a chunk, and cuts that one after it.
    fn cut_index(&self, batch: &mut WriteBatch, last: &ChunkHeader) -> Result<(), LogError> {
        let first = self.identity.l2_first_block;
        let key = page_key(last.first_block);
        let family = self.store.family(INDEX)?;
        let mut entries = Vec::new();
        for entry in self.store.from(INDEX, &key)? {
            let (found, value) = entry?;
            if *found == key {
                let head = self.committed.l2.map_or(last.first_block, |head| head.block);
                decode_page(&key, &value, (first, head), &mut entries)?;
            } else {
                batch.delete_cf(family, found);
            }
        }
        if !entries.iter().any(|entry| entry.first_block == last.first_block) {
            let reason = "its chunk is not in the index".into();
            return Err(LogError::Undecodable { place: last.place(), reason });
        }
        entries.retain(|entry| entry.first_block < last.first_block);
        entries.push(IndexEntry::from(last));
        if let Some((key, page)) = OpenPage::new(entries).encode() {
            batch.put_cf(family, key, page);
        }
        Ok(())
    }

    /// Writes a rollback, and reads the log again from the disk.
    fn replace(&mut self, mut batch: WriteBatch) -> Result<(), LogError> {
        // Until it has succeeded: what is in memory is neither the old log nor the new one.
        self.has_failed = true;
        self.put_recent(&mut batch)?;
        self.store.put_meta(&mut batch, &self.identity, &self.heads, &self.owners)?;
        self.store.write(batch)?;
        self.load()
    }
}

fn reversible(chain: Chain, blocks: &[RecentBlock], to: u64) -> Result<RecentBlock, LogError> {
    let found = blocks.iter().find(|block| block.number == to).copied();
    found.ok_or_else(|| {
        let range = blocks.first().zip(blocks.last());
        let range = range.map(|(first, last)| format!("{} to {}", first.number, last.number));
        LogError::NotReversible { chain, to, range }
    })
}

fn too_few(family: &str) -> LogError {
    LogError::Undecodable { place: family.into(), reason: "it holds more than its head counts".into() }
}
