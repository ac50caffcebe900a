//! How many connections the files that a process may open leave room for.

use crate::error::FeedError;
use tokio::sync::Semaphore;

/// What the log, its checkpoints and everything else may have open.
const FOR_LOG: u64 = 512;

/// Raises the limit of open files as far as it goes, and returns `wanted` connections or, with a warning, as
/// many as there is room for.
///
/// # Errors
///
/// If the limit cannot be found out or raised, or leaves room for none.
pub(super) fn connections_max(wanted: usize) -> Result<usize, FeedError> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).map_err(FeedError::FilesLimit)?;
    let max = room(limit, wanted).ok_or(FeedError::FewFiles { limit, for_log: FOR_LOG })?;
    if max < wanted {
        tracing::warn!("{limit} files may be open, so there can be {max} connections, not {wanted}");
    }
    Ok(max)
}

/// `wanted`, or as many as there is room for; `None` if there is room for none.
fn room(limit: u64, wanted: usize) -> Option<usize> {
    let left = limit.checked_sub(FOR_LOG).filter(|left| *left > 0)?;
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    Some(wanted.min(left).min(Semaphore::MAX_PERMITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_its_files_first() {
        assert_eq!(room(0, 10), None);
        assert_eq!(room(512, 10), None);
        assert_eq!(room(513, 10), Some(1));
        assert_eq!(room(1024, 512), Some(512));
        assert_eq!(room(1024, 513), Some(512));
        assert_eq!(room(u64::MAX, 10_000), Some(10_000));
        assert_eq!(room(u64::MAX, usize::MAX), Some(Semaphore::MAX_PERMITS));
    }
}
