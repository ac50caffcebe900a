//! Replays that are kept beside a log, so that a question about one block need not wait for all of them.
//!
//! They lie in the directory `replays` of the log's own, one file for each policy, and may be deleted at any time: a
//! file is used only for the very log (by its head digest), policy and version of Tally that it was made with.

use anyhow::Result;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tally_engine::Policy;
use tally_eventlog::{LogReader, LogView};
use tally_export::write_whole;
use tally_replay::{ReplayOptions, Replayed, SAVED_BYTES_MAX, replay, restore, save};

/// What `policy` makes of the log: as it was kept, or else replayed, and kept.
pub(crate) fn replayed(log: &LogReader, policy: &Policy) -> Result<Replayed> {
    let head = log.head_digest()?;
    let path = path_of(log.path(), policy);
    if let Some(replayed) = read(&path).and_then(|bytes| restore(&bytes, policy, head)) {
        return Ok(replayed);
    }
    let mut all = replay(log, std::slice::from_ref(policy), ReplayOptions::default())?;
    let replayed = all.remove(0);
    // A log may well lie where nothing can be written; then it is replayed each time.
    if let (Some(bytes), Some(dir)) = (save(&replayed, log.identity(), log.heads()), path.parent()) {
        let _ = std::fs::create_dir(dir);
        let _ = write_whole(&path, |file| file.write_all(&bytes));
    }
    Ok(replayed)
}

fn path_of(log: &Path, policy: &Policy) -> PathBuf {
    log.join("replays").join(format!("{:x}.replay", policy.digest()))
}

/// The bytes of a file that is there and not too long.
fn read(path: &Path) -> Option<Vec<u8>> {
    let limit = u64::try_from(SAVED_BYTES_MAX).ok()?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
