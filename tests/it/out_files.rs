//! Files that commands are told to write: links are followed, devices, FIFOs and open descriptors are written to, and
//! only regular files are replaced.

use crate::process;
use crate::support::{ingested, tally};
use std::fs::{File, Permissions, metadata, read, read_link, set_permissions, symlink_metadata, write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Each flag that names a file to be written, behind the command that it belongs to.
const FLAGS: [(&[&str], &str); 8] = [
    (&["replay"], "--receipt"),
    (&["replay"], "--activity"),
    (&["bundle", "create"], "--out"),
    (&["claims", "next-batch", "--to-span", "203"], "--safe"),
    (&["claims", "next-rate"], "--plot"),
    (&["claims", "next-rate", "--decimals", "9"], "--safe"),
    (&["claims", "merkle"], "--out"),
    (&["audit", "chain", "--to-batch", "9"], "--report"),
];

/// The bytes that a command writes to a new file.
fn written(command: &[&str], flag: &str, log: &str, path: &Path) -> Vec<u8> {
    let path = path.to_str().unwrap();
    let (status, out, err) = tally(&[command, &["--log", log, flag, path]].concat());
    assert_eq!(status, 0, "{command:?} {flag} {path}: {out}{err}");
    read(path).unwrap()
}

#[test]
fn links_are_followed_and_streams_are_written_to() {
    let (log_dir, _) = ingested("pool-a");
    let log = log_dir.path().to_str().unwrap();
    for (command, flag) in FLAGS {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let plain = written(command, flag, log, &path("plain"));
        assert!(!plain.is_empty());

        // The link stays, and what it leads to is replaced, with the permissions that it had.
        std::fs::create_dir(path("elsewhere")).unwrap();
        write(path("elsewhere/old"), "old").unwrap();
        set_permissions(path("elsewhere/old"), Permissions::from_mode(0o640)).unwrap();
        symlink("elsewhere/old", path("link")).unwrap();
        assert_eq!(written(command, flag, log, &path("link")), plain);
        assert_eq!(read_link(path("link")).unwrap(), Path::new("elsewhere/old"));
        assert_eq!(read(path("elsewhere/old")).unwrap(), plain);
        assert_eq!(metadata(path("elsewhere/old")).unwrap().permissions().mode() & 0o777, 0o640);
        // Through two links to what is not there yet.
        symlink("elsewhere/new", path("first")).unwrap();
        symlink("first", path("second")).unwrap();
        assert_eq!(written(command, flag, log, &path("second")), plain);
        assert_eq!(read_link(path("first")).unwrap(), Path::new("elsewhere/new"));
        assert_eq!(read(path("elsewhere/new")).unwrap(), plain);

        // A FIFO gives its reader all, and is there still.
        let fifo = path("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let from = fifo.clone();
        let reader = std::thread::spawn(move || read(from).unwrap());
        let (status, out, err) = tally(&[command, &["--log", log, flag, fifo.to_str().unwrap()]].concat());
        assert_eq!(status, 0, "{out}{err}");
        assert_eq!(reader.join().unwrap(), plain, "{command:?} {flag}");
        assert!(symlink_metadata(&fifo).unwrap().file_type().is_fifo());

        // Links that lead to each other end.
        symlink("b", path("a")).unwrap();
        symlink("a", path("b")).unwrap();
        let (status, _, err) = tally(&[command, &["--log", log, flag, path("a").to_str().unwrap()]].concat());
        assert_eq!(status, 1);
        assert!(err.contains("40 symbolic links"), "{err}");
        // What is no file names itself.
        let (status, _, err) =
            tally(&[command, &["--log", log, flag, dir.path().to_str().unwrap()]].concat());
        assert_eq!(status, 1);
        assert!(err.contains(dir.path().to_str().unwrap()) && err.contains("directory"), "{err}");
    }
}

/// The story: as root, `claims merkle --out /dev/full` put a regular file in the device's place.
#[test]
fn a_device_that_is_full_is_an_error_and_stays() {
    let (log_dir, _) = ingested("pool-a");
    let log = log_dir.path().to_str().unwrap();
    for (command, flag) in FLAGS {
        let (status, _, err) = tally(&[command, &["--log", log, flag, "/dev/full"]].concat());
        assert_eq!(status, 1, "{err}");
        assert!(err.contains("/dev/full") && err.contains("No space left on device"), "{err}");
        assert!(symlink_metadata("/dev/full").unwrap().file_type().is_char_device());
        let (status, _, err) = tally(&[command, &["--log", log, flag, "/dev/null"]].concat());
        assert_eq!(status, 0, "{err}");
        assert!(symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}

#[test]
fn standard_output_and_open_descriptors_get_all_of_it() {
    let (log_dir, _) = ingested("pool-a");
    let log = log_dir.path().to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let receipt = dir.path().join("receipt");
    let plain = String::from_utf8(written(&["replay"], "--receipt", log, &receipt)).unwrap();
    for path in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let (status, out, err) = process::start(&["replay", "--log", log, "--receipt", path], &[]).end();
        assert!(status.success(), "{path}: {err}");
        assert!(out.contains(&plain) && out.contains("receipt digest"), "{path}: {out}");
    }
    let (status, _, err) = process::start(&["replay", "--log", log, "--receipt", "/dev/stderr"], &[]).end();
    assert!(status.success() && err.contains(&plain), "{err}");
    // A file that standard output goes to has both what is written and what is printed.
    let printed = dir.path().join("printed");
    let args = ["replay", "--log", log, "--receipt", "-"];
    assert!(process::run_into(File::create(&printed).unwrap(), &args).success());
    let printed = std::fs::read_to_string(printed).unwrap();
    assert!(printed.contains(&plain) && printed.contains("receipt digest"), "{printed}");
}
