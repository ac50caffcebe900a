//! Making a log of this program's format of one of an earlier format.

use crate::LogError;
use crate::backup::{FeedCopy, check, check_beside, copy_entries};
use crate::heads::Heads;
use crate::options::{COLUMN_FAMILIES, FORMAT, META, OWNER_EVENTS, RECENT_KEY};
use crate::owners::OwnerRecord;
use crate::reader::LogReader;
use crate::recent::recent_digest;
use crate::store::Store;
use crate::view::LogView;
use crate::whole::make_whole;
use crate::writer::LogWriter;
use alloy_primitives::B256;
use rocksdb::WriteBatch;
use std::path::Path;
use tally_engine::L1Block;

/// A log that was made of one of an earlier format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// The format that the log had.
    pub from_format: u32,
    /// How far it reaches.
    pub heads: Heads,
    /// The head digest, which is the old log's.
    pub head_digest: B256,
    /// How many owner events it has.
    pub owner_events: u64,
    /// The last L1 block up to which owner events are missing; `None` if none is.
    pub missing_to: Option<L1Block>,
}

/// Makes a log of this program's format at `to`, where nothing may be yet, of the log `from`, as it is now, with the
/// claim feed's files, and checks every byte of it: it is there whole, sound and on the disk, or not at all. The old log
/// is left as it is. `missing` gives the owner events that the log lacks, or `None` if they are not known; it is not
/// asked if the log has them.
///
/// # Errors
///
/// As [`crate::backup()`], [`LogError::Format`] if there is no way from the log's format to this one, [`LogError::Owner`]
/// if the owner events do not fit the log, and what `missing` says.
pub fn upgrade<E: From<LogError>>(
    from: &Path,
    to: &Path,
    missing: impl FnOnce(&LogReader) -> Result<Option<Vec<OwnerRecord>>, E>,
) -> Result<Upgraded, E> {
    if !LogReader::exists(from)? {
        return Err(LogError::NotFound { path: from.into() }.into());
    }
    check_beside(from, to)?;
    make_whole(to, |copy, tables| {
        // What the feed says comes of what was in the log before, so the log is looked at after it.
        let feed = FeedCopy::of(from, tables)?;
        let log = LogReader::open_to_upgrade(from)?;
        copy_log(&log, copy, tables)?;
        if log.owners_head().missing_to.is_some()
            && let Some(records) = missing(&log)?
        {
            let mut writer = LogWriter::open(copy, log.identity())?;
            writer.stage_missing_owners(&records)?;
            writer.commit()?;
        }
        feed.move_into(copy)?;
        let bad = |source| LogError::BadCopy { path: to.into(), source: Box::new(source) };
        let made = check(&log, copy).map_err(bad)?;
        let owners = *LogReader::open(copy)?.owners_head();
        Ok(Upgraded {
            from_format: log.format(),
            heads: made.heads,
            head_digest: made.head_digest,
            owner_events: owners.events.count,
            missing_to: owners.missing_to,
        })
    })
}

/// Copies all that a log has of any format, and writes meta data of this one.
fn copy_log(log: &LogReader, copy: &Path, tables: &Path) -> Result<(), LogError> {
    let has_owners = log.format() == FORMAT;
    let is_copied = |family: &&str| *family != META && (*family != OWNER_EVENTS || has_owners);
    let families: Vec<&'static str> =
        COLUMN_FAMILIES.iter().filter(|family| is_copied(family)).copied().collect();
    copy_entries(log, &families, copy, tables)?;
    let store = Store::open_to_write(copy)?;
    let [l1, l2] = log.store.recent()?;
    let mut batch = WriteBatch::default();
    batch.put_cf(store.family(META)?, RECENT_KEY, recent_digest(&l1, &l2));
    store.put_meta(&mut batch, log.identity(), log.heads(), log.owners_head())?;
    store.write(batch)
}
