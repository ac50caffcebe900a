//! `tally whatif` and `tally replay --activity`: one pass over a log has to say what many replays say.

use crate::process;
use crate::support::{RECORDINGS, ingested, tally};
use engine::{Earned, Policy};
use num_bigint::BigUint;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tally_eventlog::LogReader;
use tally_replay::{ReplayOptions, replay};

fn run(args: &[&str]) -> String {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    out
}

fn json_of(args: &[&str]) -> Value {
    serde_json::from_str(&run(&[args, &["--format", "json"]].concat())).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The policy file that says what a combination says.
fn policy_file(mrr: &str, cap_metis: &str, allocation: &str) -> String {
    format!(
        "name = \"guide-variant\"\nversion = 1\nallocation = \"{allocation}\"\n\
         cap_wei = \"{cap_metis}000000000000000000\"\nepoch_secs = 1209600\n\
         initial_reward_wei = \"761000000000000\"\ntarget_mrr = \"{mrr}\"\n"
    )
}

/// What a whole replay under a policy gives each sequencer that earned, and all of them.
fn replayed(log: &LogReader, policy: &Policy) -> (BTreeMap<u64, Earned>, String) {
    let replayed = replay(log, std::slice::from_ref(policy), ReplayOptions::default()).unwrap();
    let ledger = &replayed[0].ledger;
    let earned = ledger.sequencers.iter().map(|(id, total)| (id.0, total.earned));
    (earned.filter(|(_, earned)| earned.blocks > 0).collect(), ledger.total.to_string())
}

/// `left - right`, in decimal digits with a sign.
fn minus(left: &str, right: &str) -> String {
    let (left, right): (BigUint, BigUint) = (left.parse().unwrap(), right.parse().unwrap());
    if left < right { format!("-{}", right - left) } else { (left - right).to_string() }
}

/// Panics unless a combination says, to the wei, what a replay under `policy` says, and how far that is
/// from what a replay under `base` says.
fn assert_replayed(log: &LogReader, combination: &Value, policy: &Policy, base: &Policy) {
    assert_eq!(combination["policy_digest"], json!(policy.digest()));
    let (own, total) = replayed(log, policy);
    let (of_base, base_total) = replayed(log, base);
    assert_eq!(text(&combination["total_wei"]), total);
    assert_eq!(text(&combination["difference_wei"]), minus(&total, &base_total));
    assert_eq!(combination["blocks"], own.values().map(|earned| earned.blocks).sum::<u64>());
    let rows = array(&combination["sequencers"]);
    assert_eq!(rows.len(), own.len());
    for (row, (id, earned)) in rows.iter().zip(&own) {
        let reward = earned.reward.to_string();
        let difference = minus(&reward, &of_base[id].reward.to_string());
        assert_eq!(
            row,
            &json!({ "sequencer": id, "blocks": earned.blocks, "reward_wei": reward, "difference_wei": difference })
        );
    }
}

#[test]
fn every_combination_equals_a_whole_replay_to_the_wei() {
    let guide = Policy::built_in("guide").unwrap();
    for recording in RECORDINGS {
        let (dir, log) = ingested(recording);
        let path = dir.path().to_str().unwrap();
        let args = ["whatif", "--log", path, "--mrr", "0.1:0.3:0.1,0.125", "--cap", "20001,100000"];
        let found = json_of(&[&args[..], &["--allocation", "flat,stake-weighted"]].concat());
        let mut combinations = array(&found["combinations"]).iter();
        for cap in ["20001", "100000"] {
            for mrr in ["0.1", "0.2", "0.3", "0.125"] {
                for allocation in ["flat", "stake-weighted"] {
                    let combination = combinations.next().unwrap();
                    assert_eq!(combination["mrr"], mrr);
                    assert_eq!(combination["cap_wei"], format!("{cap}000000000000000000"));
                    assert_eq!(combination["allocation"], allocation);
                    let policy = Policy::from_toml(&policy_file(mrr, cap, allocation)).unwrap();
                    assert_replayed(&log, combination, &policy, &guide);
                }
            }
        }
        assert!(combinations.next().is_none());
        let (of_base, total) = replayed(&log, &guide);
        let base = &found["base"];
        assert_eq!((text(&base["total_wei"]), array(&base["sequencers"]).len()), (&*total, of_base.len()));
        let replay = json_of(&["replay", "--log", path]);
        for key in ["log", "horizon", "stopped", "genesis", "unrewarded"] {
            assert_eq!(found[key], replay[0][key], "{key}");
        }
        assert_eq!(base["policy"], replay[0]["policy"]);
    }
}

/// The story: a what-if over caps must not quietly flatten a policy's dated targets to one.
#[test]
fn the_base_policy_gives_what_is_not_asked_for() {
    let (dir, log) = ingested("pool-a");
    let path = dir.path().to_str().unwrap();
    let base_file = dir.path().join("dated.toml");
    let dated = policy_file("0.20", "90000", "stake-weighted").replace("1209600", "604800")
        + "attribution = \"scheduled\"\ngenesis = 1711000000\n";
    let change = "[[target_mrr_change]]\nfrom = 1715000000\nmrr = \"0.35\"\n";
    std::fs::write(&base_file, format!("{dated}{change}")).unwrap();
    let base = Policy::from_toml(&format!("{dated}{change}")).unwrap();
    let args = ["whatif", "--log", path, "--policy", base_file.to_str().unwrap()];
    let to_policy = |text: &str| Policy::from_toml(text).unwrap();

    let alone = json_of(&args);
    let [combination] = array(&alone["combinations"]) else { panic!("one combination") };
    assert_replayed(&log, combination, &base, &base);
    assert_eq!((&combination["mrr"], &combination["difference_wei"]), (&Value::Null, &json!("0")));

    let capped = json_of(&[&args[..], &["--cap", "50000", "--to", "15230000"]].concat());
    assert!(capped["stopped"]["reason"] == "as_asked" && capped["horizon"]["l2_block"] == 15_230_000);
    let capped = json_of(&[&args[..], &["--cap", "50000"]].concat());
    let policy = to_policy(&format!("{}{change}", dated.replace("90000", "50000")));
    assert_replayed(&log, &capped["combinations"][0], &policy, &base);

    let targeted = json_of(&[&args[..], &["--mrr", "0.25"]].concat());
    let policy = to_policy(&dated.replace("0.20", "0.25"));
    assert_replayed(&log, &targeted["combinations"][0], &policy, &base);
    assert!(run(&args).contains("by date"), "a table has no target where there are several");
}

#[test]
fn every_form_of_output_says_the_same() {
    let (dir, _) = ingested("pool-a");
    let path = dir.path().to_str().unwrap();
    let grid = ["whatif", "--log", path, "--mrr", "0.1,0.2", "--cap", "50000.5,100000"];
    let found = json_of(&grid);
    let csv = run(&[&grid[..], &["--format", "csv"]].concat());
    let mut rows = csv.lines();
    assert_eq!(
        rows.next().unwrap(),
        "mrr,cap_wei,allocation,policy_digest,sequencer,blocks,reward_wei,difference_wei"
    );
    // Amounts are in groups of three digits.
    let plain = |args: &[&str]| run(args).replace(',', "");
    let (totals, by_sequencer) = (plain(&grid), plain(&[&grid[..], &["--by-sequencer"]].concat()));
    assert!(by_sequencer.starts_with(&totals), "--by-sequencer only adds");
    let mut lines = totals.lines().skip_while(|line| !line.contains("total METIS")).skip(1);
    let mut own_lines =
        by_sequencer.lines().skip_while(|line| !line.contains("sequencer ")).skip(1).map(words);
    for combination in array(&found["combinations"]) {
        let [mrr, cap, digest] = ["mrr", "cap_wei", "policy_digest"].map(|key| text(&combination[key]));
        let cap_metis = if cap.starts_with("50000") { "50000.5" } else { "100000" };
        let line = words(lines.next().unwrap());
        assert_eq!(line[..3], [mrr, cap_metis, "flat"]);
        assert_eq!(line[3], metis(text(&combination["total_wei"])));
        assert_eq!(line[4].trim_start_matches('+'), metis(text(&combination["difference_wei"])));
        for row in array(&combination["sequencers"]) {
            let [reward, difference] = ["reward_wei", "difference_wei"].map(|key| text(&row[key]));
            let (id, blocks) = (row["sequencer"].to_string(), row["blocks"].to_string());
            let expected = [mrr, cap, "flat", digest, &id, &blocks, reward, difference].join(",");
            assert_eq!(rows.next().unwrap(), expected);
            let line = own_lines.next().unwrap();
            assert_eq!(line[..6], [mrr, cap_metis, "flat", &*id, &*blocks, &*metis(reward)]);
            assert_eq!(line[6].trim_start_matches('+'), metis(difference));
        }
    }
    assert!(rows.next().is_none() && lines.next().is_none() && own_lines.next().is_none());
    let one = run(&["whatif", "--log", path]);
    assert!(one.contains("sequencer "), "a single combination is shown by sequencer");
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Signed wei as METIS, cut to 6 decimals.
fn metis(wei: &str) -> String {
    let (sign, digits) = wei.strip_prefix('-').map_or(("", wei), |digits| ("-", digits));
    let padded = format!("{digits:0>19}");
    let (whole, fraction) = padded.split_at(padded.len() - 18);
    format!("{sign}{whole}.{}", &fraction[..6])
}

#[test]
fn threads_change_nothing_and_neither_does_the_size_of_the_grid() {
    let (dir, _) = ingested("small-a");
    let path = dir.path().to_str().unwrap();
    let grid = ["whatif", "--log", path, "--mrr", "0.1:0.2:0.0001", "--cap", "100000,50000"];
    for format in ["table", "json", "csv"] {
        let outputs = ["1", "2", "8"].map(|threads| {
            run(&[&grid[..], &["--threads", threads, "--by-sequencer", "--format", format]].concat())
        });
        assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2], "{format}");
    }
    let found = json_of(&grid);
    let combinations = array(&found["combinations"]);
    assert_eq!(combinations.len(), 2_002);
    for (index, mrr, cap) in
        [(0, "0.1", "100000"), (1_000, "0.2", "100000"), (1_001, "0.1", "50000"), (2_001, "0.2", "50000")]
    {
        let one = json_of(&["whatif", "--log", path, "--mrr", mrr, "--cap", cap]);
        assert_eq!(combinations[index], one["combinations"][0], "{mrr} {cap}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_wrong_usage() {
    let missing = "/nonexistent/log";
    for (args, expected) in [
        (&["--mrr", "0.1:0.3"][..], "neither a value A, nor a range A:B:STEP"),
        (&["--mrr", "0.3:0.1:0.1"], "it ends before it begins"),
        (&["--mrr", "0.1:0.3:0"], "its step is 0"),
        (&["--mrr", "0.1,,0.2"], "\"\" is no rate: write it as 15% or 0.15"),
        (&["--mrr", "20"], "did you mean 20 % or 0.2?"),
        (&["--mrr", "0.1234567890123456789"], "more than 18 decimals"),
        (&["--mrr", "99999999999999999999%"], "a rate of fewer digits"),
        (&["--mrr", "0.2,0.20"], "--mrr: 0.2 is given twice"),
        (&["--mrr=-0.1"], "\"-0.1\" is no rate"),
        (&["--cap", "1:3:1,2"], "--cap: 2 is given twice"),
        (&["--cap", "0"], "`cap_wei` is 0"),
        (&["--cap", "150,500"], "150,500 is one amount, 150_500, or several, 150 and 500"),
        (&["--cap", "1e5"], "\"1e5\" is no amount of METIS: write it as 0.5, 100000, 100_000, 100k"),
        (&["--allocation", "fair"], "invalid value 'fair'"),
        (&["--allocation", "on-chain"], "invalid value 'on-chain'"),
        (&["--allocation", "flat,flat"], "the same is given twice"),
        (&["--policy", "locking-pool"], "so it has no activity"),
        (&["--policy", "guide,stake-weighted"], "one base policy, not 2"),
        (&["--policy", "nonesuch"], "neither built in"),
        (&["--mrr", "0:0.1:0.000001"], "100001 combinations are more than the 100000"),
        (&["--mrr", "0:900%:0.000000000000000001", "--cap", "1:9:1"], "more than 2^64 - 1 combinations"),
        (&["--threads", "0"], "invalid value '0'"),
    ] {
        let (status, out, err) = tally(&[&["whatif", "--log", missing], args].concat());
        assert_eq!((status, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    let (status, _, err) = tally(&["whatif", "--log", missing, "--mrr", "0:0.099999:0.000001"]);
    assert_eq!((status, err.as_str()), (1, "error: there is no log at /nonexistent/log\n"));
}

/// An amount above 2^256 is an error with the policy's name, not a wrong number.
#[test]
fn an_amount_that_does_not_fit_is_an_error() {
    let (dir, _) = ingested("small-a");
    let path = dir.path().to_str().unwrap();
    let file = dir.path().join("huge.toml");
    let text = policy_file("0.2", "1", "flat").replace("761000000000000", &format!("1{}", "0".repeat(76)));
    std::fs::write(&file, text).unwrap();
    let (status, _, err) = tally(&["whatif", "--log", path, "--policy", file.to_str().unwrap()]);
    assert_eq!(status, 1, "{err}");
    assert!(err.starts_with("error: policy guide-variant: ") && err.contains("above 2^256 - 1"), "{err}");
}

#[test]
fn a_log_without_blocks_pays_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().to_str().unwrap();
    let recording = crate::support::fixture("small-a");
    let limits = ["--l1-to", "1", "--l2-to", "2000"];
    let args = ["ingest", "--recording", recording.to_str().unwrap(), "--log", log];
    run(&[&args[..], &limits].concat());
    let found = json_of(&["whatif", "--log", log, "--mrr", "0.1,0.2"]);
    assert_eq!((&found["horizon"], &found["genesis"]), (&Value::Null, &Value::Null));
    assert_eq!(found["stopped"], json!({ "reason": "l1_behind", "next_l2_block": 1_003 }));
    for combination in array(&found["combinations"]) {
        assert_eq!((text(&combination["total_wei"]), array(&combination["sequencers"]).len()), ("0", 0));
    }
    assert!(run(&["whatif", "--log", log]).contains("no block can be folded"));
}

#[test]
fn every_flag_is_a_variable_too() {
    let (dir, _) = ingested("small-a");
    let path = dir.path().to_str().unwrap();
    let by_flags = run(&[
        "whatif",
        "--log",
        path,
        "--mrr",
        "0.1:0.2:0.1",
        "--cap",
        "5,7",
        "--allocation",
        "flat,stake-weighted",
        "--policy",
        "stake-weighted",
        "--to",
        "2000",
        "--threads",
        "2",
        "--by-sequencer",
    ]);
    let variables = [
        ("TALLY_LOG", path),
        ("TALLY_MRR", "0.1:0.2:0.1"),
        ("TALLY_CAP", "5,7"),
        ("TALLY_ALLOCATION", "flat,stake-weighted"),
        ("TALLY_POLICY", "stake-weighted"),
        ("TALLY_TO", "2000"),
        ("TALLY_THREADS", "2"),
        ("TALLY_BY_SEQUENCER", "true"),
        ("TALLY_FORMAT", "table"),
    ];
    let (status, out, err) = process::start(&["whatif"], &variables).end();
    assert!(status.success(), "{err}");
    assert!(out.ends_with(&by_flags), "{out}");
}

/// The rows of a file that `--activity` wrote.
fn activity_rows(path: &Path) -> Vec<(u64, u64, BigUint, u64)> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("epoch,sequencer,stake_wei,blocks"));
    let number = |text: &str| text.parse::<u64>().unwrap();
    let row = |line: &str| {
        let [epoch, sequencer, stake, blocks] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        (number(epoch), number(sequencer), stake.parse().unwrap(), number(blocks))
    };
    lines.map(row).collect()
}

#[test]
fn activity_rows_sum_to_the_ledgers_blocks_and_stakes() {
    for recording in RECORDINGS {
        let (dir, _) = ingested(recording);
        let path = dir.path().to_str().unwrap();
        let file = dir.path().join("activity.csv");
        std::fs::write(&file, "what was there before").unwrap();
        let args = ["replay", "--log", path, "--policy", "guide,locking-pool", "--format", "json"];
        let plain = run(&args);
        let found = run(&[&args[..], &["--activity", file.to_str().unwrap()]].concat());
        assert_eq!(plain, found, "the ledgers are those of a plain replay");
        let rows = activity_rows(&file);
        assert!(rows.is_sorted() && rows.iter().all(|(_, _, _, blocks)| *blocks > 0));
        let ledger: Value = serde_json::from_str(&found).unwrap();
        let cap: BigUint = Policy::built_in("guide").unwrap().cap().to_string().parse().unwrap();
        let mut all = 0;
        for epoch in array(&ledger[0]["epochs"]) {
            let own = || rows.iter().filter(|(index, ..)| epoch["epoch"] == *index);
            assert_eq!(epoch["blocks"], own().map(|(_, _, _, blocks)| blocks).sum::<u64>());
            let stake_blocks: BigUint = own().map(|(_, _, stake, blocks)| stake.min(&cap) * blocks).sum();
            assert_eq!(text(&epoch["stake_blocks"]), stake_blocks.to_string());
            all += own().count();
        }
        assert_eq!(all, rows.len(), "each row is of an epoch of the ledger");
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(
            !names.into_iter().any(|name| name.to_str().unwrap().contains(".tmp")),
            "nothing is left over"
        );
    }
}

#[test]
fn an_activity_that_cannot_be_had_or_written_is_an_error() {
    let (dir, _) = ingested("small-a");
    let path = dir.path().to_str().unwrap();
    let file = dir.path().join("activity.csv");
    let file = file.to_str().unwrap();
    let args = ["replay", "--log", path, "--policy", "locking-pool", "--activity", file];
    let (status, out, err) = tally(&args);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("policy locking-pool pays what the contract paid"), "{err}");
    assert!(!Path::new(file).exists());
    for bad in ["/nonexistent/activity.csv", path, "/"] {
        let (status, out, err) = tally(&["replay", "--log", path, "--activity", bad]);
        assert_eq!((status, out.as_str()), (1, ""), "{bad}");
        assert!(err.starts_with(&format!("error: --activity {bad}: ")), "{err}");
    }
    let parent = dir.path().parent().unwrap();
    let left = format!(".{}.{}.tmp", dir.path().file_name().unwrap().to_str().unwrap(), std::process::id());
    assert!(!parent.join(left).exists(), "what could not be renamed is removed");
}
