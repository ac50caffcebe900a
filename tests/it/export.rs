//! Exports of the ledger by block, as those who load them would check them.

use crate::process;
use crate::support::{RECORDINGS, Tool, in_tests, ingested, tally, times};
use std::collections::BTreeMap;
use std::path::Path;

const POLICIES: [&str; 3] = ["guide", "stake-weighted", "locking-pool"];

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn export(log: &Path, policy: &str, out: &Path, format: &str) -> String {
    let args = ["ledger", "export", "--log", path(log), "--policy", policy, "--out", path(out)];
    let (status, text, err) = tally(&[&args[..], &["--format", format]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{text}");
    text
}

/// The files of a directory, by name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Lets `DuckDB` add the files up and compare the sums with those of a replay: its status, and what it says.
fn sums(out: &Path, replay: &Path, format: &str) -> (Option<i32>, String) {
    let script = in_tests("duckdb/sums.py");
    let args = [path(&script), path(out), path(replay), format];
    let done = Tool::DuckDb.command().args(args).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn an_export_sums_to_the_replay_to_the_wei() {
    if !Tool::DuckDb.is_there() {
        return;
    }
    for name in RECORDINGS {
        let (dir, _log) = ingested(name);
        for policy in POLICIES {
            let replay = dir.path().join(format!("{policy}.json"));
            let args = ["replay", "--log", path(dir.path()), "--policy", policy, "--format", "json"];
            let (status, json, _) = tally(&args);
            assert_eq!(status, 0);
            std::fs::write(&replay, &json).unwrap();
            for format in ["parquet", "csv"] {
                let out = dir.path().join(format!("export-{policy}-{format}"));
                export(dir.path(), policy, &out, format);
                let (status, said) = sums(&out, &replay, format);
                assert_eq!(status, Some(0), "{name}, {policy}, {format}: {said}");
                let compared: u64 = said.split(' ').next().unwrap().parse().unwrap();
                assert!(compared > 20, "{said}");
                if (name, policy) != ("small-a", "guide") {
                    continue;
                }
                // A check that cannot fail is none.
                let total = json.split("\"reward_wei\": \"").nth(1).unwrap().split('"').next().unwrap();
                let other = dir.path().join("other.json");
                std::fs::write(&other, json.replacen(total, &format!("{total}0"), 1)).unwrap();
                let (status, said) = sums(&out, &other, format);
                assert_eq!(status, Some(3), "{said}");
            }
        }
    }
}

/// The second implementation of the digests, from an exported ledger: it makes the root of the receipt.
#[test]
fn python_makes_the_ledger_root_from_an_exported_ledger() {
    if !Tool::Python.is_there() {
        return;
    }
    let script = in_tests("it/receipt.py");
    for name in RECORDINGS {
        let (dir, _log) = ingested(name);
        for policy in POLICIES {
            let out = dir.path().join(policy);
            export(dir.path(), policy, &out, "csv");
            let receipt = out.join("receipt.json");
            let run = || {
                let args = [path(&script), path(&receipt), path(&out)];
                let done = Tool::Python.command().args(args).output().unwrap();
                (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
            };
            let (status, said) = run();
            assert_eq!(status, Some(0), "{name}, {policy}: {said}");
            let (_, json, _) =
                tally(&["replay", "--log", path(dir.path()), "--policy", policy, "--format", "json"]);
            let root = json.split("\"ledger_root\": \"").nth(1).unwrap().split('"').next().unwrap();
            assert!(said.contains(&format!("ledger root: {root}\n")), "{said}");
            // One wei elsewhere, and it is another ledger.
            let last = files(&out).into_keys().rfind(|name| name.starts_with("epoch-")).unwrap();
            let text = std::fs::read_to_string(out.join(&last)).unwrap();
            let rewarded = text.lines().rfind(|line| line.ends_with(',')).unwrap();
            let cells: Vec<&str> = rewarded.split(',').collect();
            let (reward, total) = (cells[6].to_owned() + "0", cells[7].to_owned() + "0");
            let other = rewarded.replace(cells[6], &reward).replace(cells[7], &total);
            std::fs::write(out.join(&last), text.replace(rewarded, &other)).unwrap();
            assert_eq!(run().0, Some(1), "{name}, {policy}");
        }
    }
}

#[test]
fn an_export_is_the_same_bytes_each_time_and_names_sort() {
    let (dir, _log) = ingested("pool-a");
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let said = export(dir.path(), "guide", &first, "parquet");
    assert!(said.ends_with(": 13 files with 20000 blocks\n"), "{said}");
    export(dir.path(), "guide", &second, "parquet");
    let names: Vec<String> = files(&first).into_keys().collect();
    assert_eq!(names[0], "epoch-00000.parquet");
    assert_eq!(names[12..], ["epoch-00012.parquet", "receipt.json"]);
    assert!(files(&first) == files(&second));
    // Once more: nothing is left to do.
    let said = export(dir.path(), "guide", &first, "parquet");
    assert!(said.ends_with(": 0 files with 0 blocks, beside 13 that were there\n"), "{said}");
}

#[test]
fn an_export_that_was_interrupted_is_seen_as_such_and_goes_on() {
    let (dir, _log) = ingested("pool-a");
    let (whole, out) = (dir.path().join("whole"), dir.path().join("out"));
    export(dir.path(), "guide", &whole, "csv");
    export(dir.path(), "guide", &out, "csv");
    std::fs::rename(out.join("receipt.json"), out.join("receipt.json.partial")).unwrap();
    std::fs::remove_file(out.join("epoch-00003.csv")).unwrap();
    std::fs::write(out.join(".epoch-00003.csv.1.tmp"), "block,").unwrap();
    let said = export(dir.path(), "guide", &out, "csv");
    assert!(said.contains(": 1 files with ") && said.ends_with(", beside 12 that were there\n"), "{said}");
    assert!(files(&whole) == files(&out));
}

#[test]
fn another_export_or_foreign_files_are_left_alone() {
    let (dir, _log) = ingested("pool-a");
    let out = dir.path().join("out");
    export(dir.path(), "guide", &out, "csv");
    let before = files(&out);
    let refused = |args: &[&str], expected: &str| {
        let fixed = ["ledger", "export", "--log", path(dir.path())];
        let (status, text, err) = tally(&[&fixed[..], args].concat());
        assert_eq!((status, text.as_str()), (1, ""), "{err}");
        assert!(err.contains(expected), "{err}");
    };
    refused(
        &["--out", path(&out), "--policy", "stake-weighted"],
        "holds another export (receipt.json differs)",
    );
    refused(&["--out", path(&out)], "holds a finished export without all the files of this one");
    // An interrupted export does not go on in the other format, nor beside other files.
    let partial = dir.path().join("partial");
    export(dir.path(), "guide", &partial, "csv");
    std::fs::rename(partial.join("receipt.json"), partial.join("receipt.json.partial")).unwrap();
    refused(&["--out", path(&partial)], "holds a file that is not of this export (epoch-");
    let lock = std::fs::File::open(partial.join("receipt.json.partial")).unwrap();
    lock.lock().unwrap();
    refused(&["--out", path(&partial), "--format", "csv"], "holds an export that is being written");
    drop(lock);
    std::fs::write(partial.join("notes.txt"), "mine").unwrap();
    refused(
        &["--out", path(&partial), "--format", "csv"],
        "holds a file that is not of this export (notes.txt)",
    );
    assert!(files(&out) == before);
    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("notes.txt"), "mine").unwrap();
    refused(&["--out", path(&foreign)], "holds other files (notes.txt)");
    refused(&["--out", path(&foreign.join("notes.txt"))], "notes.txt");
    assert_eq!(files(&foreign).len(), 1);
}

#[test]
fn an_amount_that_decimals_do_not_hold_is_an_error_and_fits_in_csv() {
    let (dir, _log) = ingested("small-a");
    let policy = dir.path().join("rich.toml");
    let guide = tally_guide().replace("761000000000000", &format!("1{}", "0".repeat(38)));
    std::fs::write(&policy, guide).unwrap();
    let out = dir.path().join("out");
    let args =
        ["ledger", "export", "--log", path(dir.path()), "--policy", path(&policy), "--out", path(&out)];
    let (status, _, err) = tally(&args);
    assert_eq!(status, 1);
    assert!(err.contains("wei are 10^38 or more") && err.contains("export as CSV"), "{err}");
    assert!(out.join("receipt.json.partial").exists() && !out.join("receipt.json").exists());
    export(dir.path(), path(&policy), &dir.path().join("csv"), "csv");
}

fn tally_guide() -> String {
    let (_, text) = engine::BUILT_IN.into_iter().find(|(name, _)| *name == "guide").unwrap();
    text.replace("name = \"guide\"", "name = \"rich\"")
}

/// The file of one epoch is that of the whole export.
#[test]
fn an_epoch_can_be_exported_alone() {
    let (log, _) = ingested("pool-a");
    let dir = tempfile::tempdir().unwrap();
    let (whole, out) = (dir.path().join("whole"), dir.path().join("out"));
    export(log.path(), "guide", &whole, "csv");
    let args = ["ledger", "export", "--log", path(log.path()), "--out", path(&out), "--format", "csv"];
    let alone = |epoch: &str| tally(&[&args[..], &["--epoch", epoch]].concat());
    assert_eq!(alone("3").0, 0);
    let (all, one) = (files(&whole), files(&out));
    assert_eq!(one.keys().collect::<Vec<_>>(), ["epoch-00003.csv", "receipt.json"]);
    assert!(one.iter().all(|(name, bytes)| all[name] == *bytes));
    // It is none of another epoch, and not of all.
    for (status, err) in [alone("4"), tally(&args)].map(|(status, _, err)| (status, err)) {
        assert!(status == 1 && err.contains("a finished export without all the files"), "{status}: {err}");
    }
    let (status, _, err) = alone("13");
    assert!(status == 1 && err.contains("epoch 13 is asked for, but there are 13"), "{err}");
}

/// At whatever moment it is killed, the next run makes the rest, and the whole is as if nothing had been.
#[test]
fn an_export_can_be_killed_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let made = ["synth", "--log", path(&log), "--blocks", "2000000", "--stake-changes", "40"];
    assert_eq!(tally(&made).0, 0);
    let (whole, out) = (dir.path().join("whole"), dir.path().join("out"));
    export(&log, "guide", &whole, "parquet");
    let args = ["ledger", "export", "--log", path(&log), "--out", path(&out)];
    let mut interrupted = 0;
    for _ in 0..100 {
        process::kill_at_moments(&args, times(6, 30), || {
            interrupted += usize::from(out.join("receipt.json.partial").exists());
            export(&log, "guide", &out, "parquet");
            assert!(files(&whole) == files(&out));
            std::fs::remove_dir_all(&out).unwrap();
        });
        if interrupted >= times(2, 10) {
            return;
        }
    }
    panic!("only {interrupted} were interrupted half-way");
}
