//! A log on the disk, made of the one in a bundle.

use super::Archive;
use crate::bulk::{BulkLog, load};
use crate::chunk::EncodedChunk;
use crate::error::same;
use crate::events::EventCursor;
use crate::heads::Heads;
use crate::reader::LogReader;
use crate::view::LogView;
use crate::whole::make_whole;
use crate::{LogError, verify};
use std::path::Path;
use tally_engine::{L1Record, PoolEvent};

/// A log that was made of a bundle.
#[derive(Debug)]
pub struct Restored {
    /// How far it reaches.
    pub heads: Heads,
    /// Why no ingest can go on from it: [`LogError::NoTransfers`]. `None` if one can.
    pub lacks_transfers: Option<LogError>,
}

/// Makes the log of a bundle at `to`, where nothing may be yet, and checks every byte of it: it is there whole, sound
/// and on the disk, or not at all. An ingest goes on from it.
///
/// What a bundle does not hold, the log has not either. Without the hashes of the blocks that a reorg could take back,
/// all of its blocks count as final. The owner events of its L1 blocks are missing until an ingest puts them in.
///
/// # Errors
///
/// [`LogError::Files`] if something is at `to` already or the file system fails, [`LogError::BadCopy`] if what was made
/// is not sound, which comes of a disk that does not keep what it is given; and what RocksDB says.
pub fn restore(archive: &Archive, to: &Path) -> Result<Restored, LogError> {
    make_whole(to, |log, tables| {
        let mut has_stakes = false;
        let mut has_transfers = false;
        load(log, tables, archive.identity(), |made| {
            fill(archive, made, |record| {
                has_stakes |= matches!(record.event, PoolEvent::Locked { .. });
                has_transfers |= matches!(record.event, PoolEvent::MetisTransfer { .. });
            })
        })?;
        let bad = |source| LogError::BadCopy { path: to.into(), source: Box::new(source) };
        let heads = check(archive, log).map_err(bad)?;
        let lacks_transfers = LogError::lacks_transfers(to, has_stakes, has_transfers);
        Ok(Restored { heads, lacks_transfers })
    })
}

fn fill(archive: &Archive, log: &mut BulkLog<'_>, mut see: impl FnMut(&L1Record)) -> Result<(), LogError> {
    archive.l1(&mut EventCursor::default(), |record| {
        see(&record);
        log.l1(&record)
    })?;
    if let Some(head) = archive.heads.l1 {
        log.l1_head(head);
    }
    log.owners_missing();
    for signer in &archive.signers {
        log.signer(*signer)?;
    }
    archive.for_each_span_record(&mut EventCursor::default(), |record| log.span(&record))?;
    for chunk in &archive.chunks {
        log.chunk(&EncodedChunk {
            header: chunk.header.clone(),
            producers: archive.bytes_of(&chunk.producers).into(),
            times: archive.bytes_of(&chunk.times).into(),
        })?;
    }
    Ok(())
}

fn check(archive: &Archive, log: &Path) -> Result<Heads, LogError> {
    let log = LogReader::open(log)?;
    let verified = verify(&log)?;
    same("the heads", "head digest", &archive.heads.digest(&archive.identity)?, &verified.head_digest)?;
    Ok(*log.heads())
}
