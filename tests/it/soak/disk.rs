//! A disk that can be full: a file system of its own in memory where this may be mounted (as root), else a directory.
//! Everywhere a process may be started that cannot write larger files.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A small disk of its own, or a directory.
pub(super) struct Disk {
    dir: TempDir,
    is_mounted: bool,
}

impl Disk {
    /// Mounts one. A log of a run has less than a tenth of it.
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=96m", "tally-soak"]).arg(dir.path());
        let status = mount.stdout(Stdio::null()).stderr(Stdio::null()).status();
        Self { dir, is_mounted: status.is_ok_and(|status| status.success()) }
    }

    /// Whether it can be filled.
    pub(super) fn is_mounted(&self) -> bool {
        self.is_mounted
    }

    /// Where the log is.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn filler(&self) -> PathBuf {
        self.dir.path().join("filler")
    }

    /// Fills it, but for so many KiB.
    pub(super) fn fill(&self, but_kib: u64) {
        assert!(self.is_mounted, "nobody fills a disk that others use");
        self.empty();
        let mut file = File::create(self.filler()).unwrap();
        // In pieces of a page in the end: not a byte is left.
        for piece in [1 << 20, 1 << 12] {
            while file.write_all(&vec![7; piece]).is_ok() {}
        }
        // The last piece went in as far as it could.
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(but_kib << 10)).unwrap();
    }

    /// Gives the space back.
    pub(super) fn empty(&self) {
        if self.filler().exists() {
            fs::remove_file(self.filler()).unwrap();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // A process that was just killed may still be letting go of it.
            drop(Command::new("umount").arg("--lazy").arg(self.dir.path()).status());
        }
    }
}
