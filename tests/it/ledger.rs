//! `tally ledger show` as a user meets it, and the replays that are kept for it and for `tally explain`.

use crate::support::{fixture, ingested, tally};
use engine::UnixTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const POLICIES: [&str; 3] = ["guide", "stake-weighted", "locking-pool"];

fn output_of(args: &[&str]) -> String {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    out
}

fn show(log: &str, more: &[&str]) -> String {
    output_of(&[&["ledger", "show", "--log", log], more].concat())
}

fn json_of(args: &[&str]) -> Value {
    serde_json::from_str(&output_of(&[args, &["--format", "json"]].concat())).unwrap()
}

fn show_json(log: &str, more: &[&str]) -> Value {
    json_of(&[&["ledger", "show", "--log", log], more].concat())
}

/// The numbers of the blocks that are shown.
fn blocks_shown(log: &str, more: &[&str]) -> Vec<u64> {
    let shown = show_json(log, more);
    let number = |block: &Value| block["l2_block"].as_u64().unwrap();
    shown["blocks"].as_array().unwrap().iter().map(number).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A field as CSV has it: as JSON without quotes, and empty for `null`.
fn as_csv(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Wei as METIS with all decimals.
fn metis(value: &Value) -> String {
    let digits = format!("{:0>19}", value.as_str().unwrap());
    let (whole, fraction) = digits.split_at(digits.len() - 18);
    format!("{whole}.{fraction}")
}

/// The JSON is an interface, and CSV and table say the same.
#[test]
fn every_form_says_the_same() {
    const COLUMNS: [(&str, &str); 10] = [
        ("block", "l2_block"),
        ("timestamp", "timestamp"),
        ("epoch", "epoch"),
        ("span", "span"),
        ("sequencer", "sequencer"),
        ("effective_stake_wei", "effective_stake_wei"),
        ("reward_wei", "reward_wei"),
        ("running_total_wei", "running_total_wei"),
        ("batch", "batch"),
        ("unrewarded", "unrewarded"),
    ];
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    for policy in POLICIES {
        let json = show_json(log, &["--policy", policy]);
        assert_eq!(keys(&json), ["policy", "log", "horizon", "stopped", "ledger_root", "blocks"]);
        let replayed = &json_of(&["replay", "--log", log, "--policy", policy])[0];
        for same in ["policy", "log", "horizon", "stopped", "ledger_root"] {
            assert_eq!(json[same], replayed[same], "{policy}: {same}");
        }
        let csv = show(log, &["--policy", policy, "--format", "csv"]);
        let table = show(log, &["--policy", policy]);
        let (mut csv, mut table) = (csv.lines(), table.lines().skip(1));
        assert_eq!(csv.next().unwrap(), COLUMNS.map(|(name, _)| name).join(","));
        assert!(table.next().unwrap().split_whitespace().eq([
            "block",
            "time",
            "epoch",
            "span",
            "sequencer",
            "effective",
            "stake",
            "METIS",
            "reward",
            "METIS",
            "running",
            "total",
            "METIS",
        ]));
        for block in json["blocks"].as_array().unwrap() {
            assert_eq!(
                keys(block),
                [
                    "l2_block",
                    "timestamp",
                    "epoch",
                    "span",
                    "signer",
                    "producer",
                    "sequencer",
                    "effective_stake_wei",
                    "reward_wei",
                    "running_total_wei",
                    "batch",
                    "unrewarded",
                ]
            );
            assert_eq!(csv.next().unwrap(), COLUMNS.map(|(_, field)| as_csv(&block[field])).join(","));
            let or_dash = |field: &str| {
                if block[field].is_null() { "-".into() } else { as_csv(&block[field]) }
            };
            let time = tally_text::time(UnixTime(block["timestamp"].as_u64().unwrap()));
            let mut expected: Vec<String> = vec![or_dash("l2_block")];
            expected.extend(time.split(' ').map(String::from));
            expected.extend(["epoch", "span", "sequencer"].map(or_dash));
            expected.extend(match block["unrewarded"].as_str() {
                Some(why) => ["-".into(), why.into(), "-".into()],
                None => ["effective_stake_wei", "reward_wei", "running_total_wei"]
                    .map(|field| metis(&block[field])),
            });
            let row = table.next().unwrap().replace(',', "");
            assert!(row.split_whitespace().eq(expected), "{row}");
        }
        assert_eq!((csv.next(), table.next()), (None, None), "{policy}");
    }
}

/// What is shown adds up to the replay's rows, of each epoch and sequencer.
#[test]
fn what_is_shown_adds_up_to_the_replay() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    for policy in POLICIES {
        let csv = show(log, &["--policy", policy, "--format", "csv"]);
        let (mut rows, mut unrewarded) = (BTreeMap::new(), BTreeMap::new());
        let mut blocks = 0;
        for line in csv.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            blocks += 1;
            if fields[9].is_empty() {
                let (count, sum) =
                    rows.entry((fields[2].to_owned(), fields[4].to_owned())).or_insert((0_u64, 0_u128));
                *count += 1;
                *sum += fields[6].parse::<u128>().unwrap();
            } else {
                *unrewarded.entry(fields[9]).or_insert(0_u64) += 1;
            }
        }
        assert_eq!(blocks, 20_000);
        let replayed = &json_of(&["replay", "--log", log, "--policy", policy])[0];
        for epoch in replayed["epochs"].as_array().unwrap() {
            for row in epoch["rows"].as_array().unwrap() {
                let (id, of) = (epoch["epoch"].to_string(), row["sequencer"].to_string());
                let (count, sum) = rows.remove(&(id, of)).unwrap();
                assert_eq!(
                    (json!(count), json!(sum.to_string())),
                    (row["blocks"].clone(), row["reward_wei"].clone())
                );
            }
        }
        assert!(rows.is_empty(), "{policy}: {rows:?}");
        for (why, count) in replayed["unrewarded"].as_object().unwrap() {
            assert_eq!(
                unrewarded.get(why.as_str()).copied().unwrap_or(0),
                count.as_u64().unwrap(),
                "{policy}: {why}"
            );
        }
    }
}

#[test]
fn a_range_an_epoch_and_a_sequencer_say_which_blocks_are_shown() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let all = show_json(log, &[]);
    let all = all["blocks"].as_array().unwrap();
    let (first, last) = (15_214_503_u64, 15_234_502);
    for (range, start, end) in [
        ("15220000:15220004", 15_220_000, 15_220_004),
        ("15.22M:+5", 15_220_000, 15_220_004),
        ("15220000", 15_220_000, 15_220_000),
        (":+3", first, first + 2),
        (":15214504", first, 15_214_504),
        ("15234500:", 15_234_500, last),
        ("15234500:latest", 15_234_500, last),
        ("latest", last, last),
        (":latest", first, last),
    ] {
        assert!(blocks_shown(log, &["--blocks", range]).into_iter().eq(start..=end), "{range}");
    }
    // Each block is the same, however it is asked for: its running total, too.
    let middle = show_json(log, &["--blocks", "15.22M:+2000"]);
    assert_eq!(middle["blocks"].as_array().unwrap(), &all[5_497..7_497]);
    let of = |filter: &dyn Fn(&Value) -> bool| -> Vec<u64> {
        all.iter().filter(|block| filter(block)).map(|block| block["l2_block"].as_u64().unwrap()).collect()
    };
    let epoch = blocks_shown(log, &["--epoch", "4"]);
    assert!(epoch.len() > 100);
    assert_eq!(epoch, of(&|block| block["epoch"] == 4));
    let sequencer = blocks_shown(log, &["--sequencer", "4"]);
    assert_eq!(sequencer, of(&|block| block["sequencer"] == 4));
    assert!(
        sequencer
            .iter()
            .any(|block| all[usize::try_from(block - first).unwrap()]["unrewarded"] == "after_unlock")
    );
    // All three at once: the sequencer of the epoch's middle block, up to there.
    let middle = epoch[epoch.len() / 2];
    let id = &all[usize::try_from(middle - first).unwrap()]["sequencer"];
    let (until, own) = (format!(":{middle}"), id.to_string());
    let all_three = blocks_shown(log, &["--sequencer", &own, "--epoch", "4", "--blocks", &until]);
    assert_eq!(all_three.last(), Some(&middle));
    let is_meant = |block: &Value| {
        block["sequencer"] == *id && block["epoch"] == 4 && block["l2_block"].as_u64() <= Some(middle)
    };
    assert_eq!(all_three, of(&is_meant));
    // Of what there is, nothing may be meant.
    assert!(blocks_shown(log, &["--epoch", "4", "--blocks", ":+3"]).is_empty());
    assert_eq!(show(log, &["--sequencer", "12", "--blocks", ":+3", "--format", "csv"]).lines().count(), 1);
    assert_eq!(show(log, &["--sequencer", "12", "--blocks", ":+3"]).lines().count(), 2);
}

#[test]
fn what_is_not_there_is_an_error() {
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let there = "are asked for, but there are blocks 1003 to 3002";
    for (more, status, words) in [
        (["--blocks", "1002"], 1, format!("blocks 1002:1002 {there}")),
        (["--blocks", "3000:+4"], 1, format!("blocks 3000:+4 {there}")),
        (["--blocks", "16M:17M"], 1, format!("blocks 16000000:17000000 {there}")),
        (["--epoch", "1"], 1, "epoch 1 is asked for, but there are 1, from 0 on".into()),
        (["--epoch", "18446744073709551615"], 1, "epoch 18446744073709551615 is asked for".into()),
        (["--sequencer", "9"], 1, "sequencer 9 is asked for, but up to the horizon none".into()),
        (["--sequencer", "0"], 1, "sequencer 0 is asked for, but up to the horizon none".into()),
        (["--policy", "nonesuch"], 2, "--policy nonesuch: it is neither built in".into()),
        (["--log", "/nonexistent/log"], 1, "there is no log at /nonexistent/log".into()),
        (["--blocks", "2000:1999"], 2, "it ends at block 1999, before it begins at block 2000".into()),
        (["--blocks", "many"], 2, "\"many\" is not a block number".into()),
        (["--epoch", "first"], 2, "invalid value 'first' for '--epoch <N>'".into()),
        (["--sequencer", "one"], 2, "--sequencer".into()),
        (["--format", "parquet"], 2, "invalid value 'parquet'".into()),
    ] {
        let base: &[&str] =
            if more[0] == "--log" { &["ledger", "show"] } else { &["ledger", "show", "--log", log] };
        let (found, out, err) = tally(&[base, &more].concat());
        assert_eq!((found, out.as_str()), (status, ""), "{more:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains(&words), "{more:?}: {err}");
    }
}

/// A log without a horizon has no blocks to show, and says so where one is asked for.
#[test]
fn a_log_without_l1_has_an_empty_ledger() {
    let (dir, recording) = (tempfile::tempdir().unwrap(), fixture("small-a"));
    let log = dir.path().to_str().unwrap();
    output_of(&[
        "ingest",
        "--recording",
        recording.to_str().unwrap(),
        "--log",
        log,
        "--l1-to",
        "1",
        "--l2-to",
        "2000",
    ]);
    let shown = show_json(log, &[]);
    assert_eq!((&shown["horizon"], &shown["blocks"]), (&Value::Null, &json!([])));
    assert_eq!(shown["stopped"], json!({ "reason": "l1_behind", "next_l2_block": 1_003 }));
    let (status, _, err) = tally(&["explain", "--log", log, "--block", "1003"]);
    assert_eq!((status, err.as_str()), (1, "error: block 1003 is asked for, but the ledger has none\n"));
}

/// The replays that are kept beside a log.
fn kept(log: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(log.join("replays")) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A kept replay is one of this log and this policy, or it is as if there were none.
#[test]
fn a_kept_replay_is_used_for_its_own_log_and_policy_alone() {
    let (small, pool) = (ingested("small-a").0, ingested("pool-a").0);
    let log = small.path().to_str().unwrap();
    let wanted = |policy: &str| show(log, &["--policy", policy, "--format", "json"]);
    let right = wanted("guide");
    let [path] = &kept(small.path())[..] else { panic!("one is kept") };
    let bytes = std::fs::read(path).unwrap();
    // It is used where it fits: nothing is written again.
    let written = std::fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(wanted("guide"), right);
    assert_eq!(std::fs::metadata(path).unwrap().modified().unwrap(), written);
    // One of another log, or of another policy under this one's name, or a damaged one, is replaced.
    show(pool.path().to_str().unwrap(), &["--blocks", "latest"]);
    let [other_log] = &kept(pool.path())[..] else { panic!("one is kept") };
    assert_eq!(path.file_name(), other_log.file_name(), "they are named by the policy");
    wanted("stake-weighted");
    let other_policy = kept(small.path()).into_iter().find(|other| other != path).unwrap();
    let damaged = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    for foreign in [
        std::fs::read(other_log).unwrap(),
        std::fs::read(other_policy).unwrap(),
        damaged(0),
        damaged(bytes.len() / 2),
        damaged(bytes.len() - 1),
        bytes[..bytes.len() - 1].to_vec(),
        Vec::new(),
        b"no replay at all".to_vec(),
        vec![0xff; 1 << 16],
    ] {
        std::fs::write(path, &foreign).unwrap();
        assert_eq!(wanted("guide"), right);
        assert_eq!(std::fs::read(path).unwrap(), bytes, "what is of no use is replaced");
    }
    // They may be deleted.
    std::fs::remove_dir_all(small.path().join("replays")).unwrap();
    assert_eq!(wanted("guide"), right);
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}

/// The story: a replay is kept, then the log grows. The blocks that came have to be there.
#[test]
fn a_log_that_has_grown_is_replayed_anew() {
    let (dir, recording) = (tempfile::tempdir().unwrap(), fixture("small-a"));
    let (log, recording) = (dir.path().to_str().unwrap(), recording.to_str().unwrap());
    let ingest = ["ingest", "--recording", recording, "--log", log];
    output_of(&[&ingest[..], &["--l2-to", "2000"]].concat());
    assert_eq!(blocks_shown(log, &["--blocks", "latest"]), [2_000]);
    output_of(&ingest);
    assert_eq!(blocks_shown(log, &["--blocks", "latest"]), [3_002]);
    assert_eq!(kept(dir.path()).len(), 1, "the one before is gone");
    let (fresh, _) = ingested("small-a");
    assert_eq!(show(log, &["--format", "csv"]), show(fresh.path().to_str().unwrap(), &["--format", "csv"]));
}

/// Where no replay can be kept, the answer is the same. (Permissions would not stop root: a file in the
/// directory's place stops everyone.)
#[test]
fn a_log_beside_which_nothing_can_be_kept_is_answered_for() {
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let right = show(log, &["--format", "csv"]);
    std::fs::remove_dir_all(dir.path().join("replays")).unwrap();
    std::fs::write(dir.path().join("replays"), "in the way").unwrap();
    assert_eq!(show(log, &["--format", "csv"]), right);
    assert_eq!(json_of(&["explain", "--log", log, "--block", "1500"])["block"]["l2_block"], 1_500);
    assert_eq!(std::fs::read(dir.path().join("replays")).unwrap(), b"in the way");
}

/// Replays lie in the log's own directory, where the log itself has to pass them over.
#[test]
fn a_log_with_replays_verifies_and_grows() {
    let (dir, recording) = (tempfile::tempdir().unwrap(), fixture("small-a"));
    let (log, recording) = (dir.path().to_str().unwrap(), recording.to_str().unwrap());
    output_of(&["ingest", "--recording", recording, "--log", log]);
    show(log, &["--blocks", "latest"]);
    let verified = output_of(&["log", "verify", "--log", log]);
    assert!(verified.starts_with("verified: "), "{verified}");
    let again = output_of(&["ingest", "--recording", recording, "--log", log]);
    assert!(again.contains(": 0 new span events"), "{again}");
    assert_eq!(kept(dir.path()).len(), 1);
}

/// A month for a spreadsheet: the second that is named as the end is not of it.
#[test]
fn blocks_are_shown_by_date() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let all = show_json(log, &[])["blocks"].as_array().unwrap().clone();
    let between = |from: u64, to: u64| -> Vec<Value> {
        let is_between = |block: &&Value| (from..to).contains(&block["timestamp"].as_u64().unwrap());
        all.iter().filter(is_between).cloned().collect()
    };
    let july = show_json(log, &["--from", "2024-07-01", "--to", "2024-08-01"])["blocks"].clone();
    assert_eq!(july.as_array().unwrap(), &between(1_719_792_000, 1_722_470_400));
    assert!(july.as_array().unwrap().len() > 1_000);
    let last = all.last().unwrap()["timestamp"].as_u64().unwrap();
    let late = show_json(log, &["--from", &last.to_string(), "--sequencer", "9"])["blocks"].clone();
    let own = between(last, u64::MAX).into_iter().filter(|block| block["sequencer"] == 9);
    assert_eq!(late.as_array().unwrap(), &own.collect::<Vec<_>>());
    assert!(blocks_shown(log, &["--from", "2024-08-01", "--to", "2024-07-01"]).is_empty());
    let (status, out, err) = tally(&["ledger", "show", "--log", log, "--to", "2024-09-11"]);
    assert!(status == 1 && out.is_empty() && err.contains("leave it out"), "{out}{err}");
}
