//! The command as a user meets it: what it prints, in which shape, and with which status.

use crate::support::{fixture, ingested, tally};
use alloy_primitives::B256;
use serde_json::{Value, json};

fn json_of(args: &[&str]) -> Value {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&out).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The JSON of a replay is an interface: names and shapes stay.
#[test]
fn replay_prints_the_documented_json() {
    let (dir, reader) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let args = ["replay", "--log", log, "--policy", "guide", "--policy", "locking-pool", "--format", "json"];
    let replayed = json_of(&args);
    let [guide, pool] = replayed.as_array().unwrap().as_slice() else { panic!("two policies") };
    let fields = [
        "policy",
        "log",
        "horizon",
        "stopped",
        "genesis",
        "epochs",
        "sequencers",
        "unrewarded",
        "total_wei",
        "ledger_root",
        "batches",
        "pending",
    ];
    assert_eq!((keys(guide), keys(pool)), (fields.into(), fields.into()));
    assert_eq!(guide["batches"], json!([]));
    assert_eq!(guide["pending"], json!({ "blocks": 0, "reward_wei": "0" }));
    assert_eq!(keys(&guide["policy"]), ["name", "version", "digest"]);
    let head = |block: u64, hash: B256, time: u64| json!({ "block": block, "hash": hash, "timestamp": time });
    let heads = reader.heads();
    assert_eq!(
        guide["log"],
        json!({
            "head_digest": reader.head_digest().unwrap(),
            "l1_head": head(19_436_258, heads.l1.unwrap().hash, heads.l1.unwrap().timestamp.0),
            "l2_head": head(15_234_502, heads.l2.unwrap().hash, 1_725_948_431),
        })
    );
    assert_eq!(guide["horizon"], json!({ "l2_block": 15_234_502, "timestamp": 1_725_948_431 }));
    assert_eq!(guide["genesis"], 1_710_406_224);
    let epochs = guide["epochs"].as_array().unwrap();
    assert_eq!(epochs.len(), 13);
    let epoch = &epochs[1];
    assert_eq!(
        keys(epoch),
        [
            "epoch",
            "start",
            "is_closed",
            "stake_seconds",
            "blocks",
            "stake_blocks",
            "reward_wei",
            "rate",
            "operators",
            "target_mrr",
            "realised_mrr",
            "digest",
            "rows",
        ]
    );
    assert_eq!((epoch["epoch"].clone(), epoch["start"].clone()), (json!(1), json!(1_711_615_824)));
    assert!(epoch["stake_seconds"].is_string() && epoch["stake_blocks"].is_string());
    assert_eq!(
        keys(&epoch["rows"][0]),
        ["sequencer", "blocks", "reward_wei", "stake_seconds", "realised_mrr"]
    );
    assert_eq!(keys(&guide["sequencers"][0]), ["sequencer", "signer", "blocks", "reward_wei"]);
    assert_eq!(
        guide["unrewarded"],
        json!({
            "before_genesis": 0, "no_producer": 25, "unknown_signer": 0, "after_unlock": 175,
        })
    );
    // The guide's rule, by hand: epoch 1 pays floor(2 Q / (10 * 31536000 * N)) of epoch 0 a block.
    let big = |value: &Value| value.as_str().unwrap().parse::<num_bigint::BigUint>().unwrap();
    let by_hand = big(&epochs[0]["stake_seconds"]) * 2_u32
        / (10_u64 * 31_536_000 * epochs[0]["blocks"].as_u64().unwrap());
    assert_eq!(epoch["rate"]["reward_per_block_wei"], by_hand.to_string());
    assert_eq!(big(&epoch["reward_wei"]), by_hand * epoch["blocks"].as_u64().unwrap());
}

#[test]
fn every_form_of_output_says_the_same() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let json = json_of(&["replay", "--log", log, "--format", "json"]);
    let (_, csv, _) = tally(&["replay", "--log", log, "--format", "csv"]);
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        rows[0].join(","),
        "policy,policy_version,epoch,start,sequencer,blocks,reward_wei,realised_mrr"
    );
    let mut rows = rows[1..].iter();
    for epoch in json[0]["epochs"].as_array().unwrap() {
        for row in epoch["rows"].as_array().unwrap() {
            let csv = rows.next().unwrap();
            assert_eq!(csv[2], epoch["epoch"].to_string());
            assert_eq!(csv[4], row["sequencer"].to_string());
            assert_eq!(
                (csv[6], csv[7]),
                (row["reward_wei"].as_str().unwrap(), row["realised_mrr"].as_str().unwrap())
            );
        }
    }
    assert!(rows.next().is_none());
    let (_, table, _) = tally(&["replay", "--log", log]);
    assert!(table.contains(&format!("total {} wei", json[0]["total_wei"].as_str().unwrap())));
    assert!(table.contains(json[0]["ledger_root"].as_str().unwrap()));
}

#[test]
fn threads_and_the_order_of_policies_change_nothing() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let one = json_of(&[
        "replay",
        "--log",
        log,
        "--policy",
        "guide,stake-weighted",
        "--threads",
        "1",
        "--format",
        "json",
    ]);
    let eight = json_of(&[
        "replay",
        "--log",
        log,
        "--policy",
        "stake-weighted,guide",
        "--threads",
        "8",
        "--format",
        "json",
    ]);
    assert_eq!((&one[0], &one[1]), (&eight[1], &eight[0]));
}

#[test]
fn log_info_and_verify_agree_with_ingest() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recording) = (dir.path().join("log"), fixture("small-a"));
    let (log, recording) = (log.to_str().unwrap(), recording.to_str().unwrap());
    let (status, out, err) = tally(&["ingest", "--recording", recording, "--log", log]);
    assert_eq!((status, err.as_str()), (0, ""), "decoys and noise give no warning");
    let digest = out.lines().last().unwrap().strip_prefix("head digest ").unwrap().to_owned();
    let info = json_of(&["log", "info", "--log", log, "--format", "json"]);
    assert_eq!(info["head_digest"], digest);
    assert_eq!(info["format"], 5);
    assert_eq!(info["l1"]["chain_id"], 1);
    assert_eq!(info["l1"]["head"]["block"], 20_231_395);
    assert_eq!(info["l1"]["sealed_block"], 20_231_395, "a recording is final");
    assert_eq!(info["l1"]["events"], 243);
    assert_eq!(info["l1"]["owner_events"], 2);
    let owners = *tally_eventlog::LogReader::open(std::path::Path::new(log)).unwrap().owners_head();
    assert_eq!(info["l1"]["owner_events_link"], owners.events.last.to_string());
    assert_eq!(info["l1"]["owner_events_missing_to"], Value::Null);
    assert_eq!(info["l2"]["chain_id"], 1_088);
    assert_eq!(info["l2"]["blocks"], 2_000);
    assert_eq!(info["contracts"]["locking_pool"], "0xd973a3cda5f9ad8dc96aac03d42203359bde719f");
    let bytes = info["bytes"].as_object().unwrap();
    let empty: Vec<_> = bytes.iter().filter(|(_, bytes)| bytes.as_u64().unwrap() == 0).collect();
    assert!(matches!(empty[..], [(name, _)] if name == "recent"), "{bytes:?}");
    let (_, table, _) = tally(&["log", "info", "--log", log]);
    assert!(table.contains(&digest));
    let (status, out, _) = tally(&["log", "verify", "--log", log]);
    let verified = "verified: 243 pool events, 65 span events, 1 chunks with 2000 L2 blocks; head digest";
    assert_eq!((status, out), (0, format!("{verified} {digest}\n")));
}

#[test]
fn wrong_usage_and_things_that_cannot_be_done_have_their_own_status() {
    assert_eq!(tally(&["replay"]).0, 2);
    assert_eq!(tally(&["nonesuch"]).0, 2);
    assert_eq!(tally(&["replay", "--log", "x", "--threads", "0"]).0, 2);
    assert_eq!(tally(&["replay", "--log", "x", "--to", "-1"]).0, 2);
    let (status, out, _) = tally(&["--help"]);
    assert!(status == 0 && out.contains("Exit status"));
    let (status, _, err) = tally(&["state", "--log", "/nonexistent/log"]);
    assert_eq!((status, err.as_str()), (1, "error: there is no log at /nonexistent/log\n"));
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let (status, _, err) = tally(&["state", "--log", log, "--at-l1-block", "20231396"]);
    let message = "error: L1 block 20231396 is asked for, but the log holds blocks 20210001 to 20231395\n";
    assert_eq!((status, err.as_str()), (1, message));
}

/// A URL that is given where something else should be has its secrets all the same.
#[test]
fn the_secrets_of_misplaced_urls_are_never_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let config = dir.path().join("tally.toml");
    let url = "http://us5er:SECRET3@rpc.example.org:8545/v3/5ecre7key?token=hunter2";
    std::fs::write(&config, format!("log = {log:?}\nl2-confirmations = {url:?}\n")).unwrap();
    let config = config.to_str().unwrap();
    let blank = "http://us5er:SECRET3 SECRET3@rpc.example.org/v3/5ecre7key";
    let both = &format!("{url},{url}");
    let ingest = ["ingest", "--network", "mainnet", "--log", log, "--l2-rpc", "http://127.0.0.1:1"];
    let with = |more: &[&'static str], url: &str| {
        let args = ingest.iter().chain(more).map(ToString::to_string).chain([url.to_owned()]);
        args.collect::<Vec<_>>()
    };
    let plain = |args: &[&str]| args.iter().map(ToString::to_string).collect::<Vec<_>>();
    let joined = |flag: &str| plain(&["ingest", "--log", log, &format!("{flag}={url}")]);
    let cases = [
        with(&["--l1-rpc", url], url),
        with(&["--l1-rpc", "http://127.0.0.1:1"], blank),
        with(&["--metrics-listen"], url),
        with(&["--l1-finality"], url),
        with(&["--l1-to"], url),
        with(&["--l2-to"], both),
        with(&["--l2-confirmations"], blank),
        with(&["--poll-secs"], url),
        with(&["--progress"], url),
        with(&["--level"], url),
        with(&["--rpc-rounds"], url),
        with(&["--rpc-timeout-secs"], url),
        with(&["--l1-rcp"], url),
        with(&["--recording"], url),
        with(&["--config"], url),
        joined("--network"),
        joined("--recording"),
        joined("--l1-finality"),
        joined("--l1-rcp"),
        joined("--follow"),
        plain(&["ingest", "--log", log, "--network", url]),
        plain(&["ingest", "--log", log, "--network", blank, "--l1-rpc", url, "--l2-rpc", url]),
        plain(&["ingest", "--config", config]),
        plain(&[url]),
        plain(&["network", "show", url]),
        plain(&["network", "from-recording", url]),
        plain(&["state", "--log", url]),
        plain(&["state", "--log", log, "--expect", url]),
        plain(&["replay", "--log", log, "--policy", url]),
        plain(&["replay", "--log", url, "--policy", "guide"]),
        plain(&["replay", "--log", log, "--to", url]),
        plain(&["log", "verify", "--log", url]),
        plain(&["synth", "--log", log, "--blocks", "1", "--pattern", url]),
        plain(&["audit", "live", "--log", log, "--l1-rpc", url, "--at-l1-block", url]),
        plain(&["audit", "live", "--log", log, "--l1-rpc", url, "--format", url]),
        plain(&["audit", "live", "--log", url, "--l1-rpc", url]),
        plain(&["claims", "next-batch", "--log", url, "--l1-rpc", url]),
        plain(&["claims", "next-batch", "--log", log, "--l1-rpc", url, "--settle-blocks", url]),
        plain(&["accounts", "recipients", "--log", url, "--l2-rpc", url]),
    ];
    for args in cases {
        let (status, out, err) = tally(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!([1, 2].contains(&status), "{args:?}: {status} {out}");
        assert!(err.starts_with("error: "), "{args:?}: {err}");
        for secret in ["us5er", "SECRET3", "v3", "5ecre7key", "hunter2", "token"] {
            assert!(!out.contains(secret) && !err.contains(secret), "{args:?}: {secret} in: {out}{err}");
        }
    }
    let (_, _, err) = tally(&["audit", "live", "--log", log, "--l1-rpc", url, "--at-l1-block", url]);
    let told = "invalid value 'http://rpc.example.org:8545' for '--at-l1-block <BLOCK>'";
    assert!(err.contains(told), "{err}");
    // Nor those of variables, which a help and an error show too.
    for args in [&["ingest", "--help"][..], &["ingest", "--log", "x"]] {
        let variables = [("TALLY_NETWORK", url), ("TALLY_METRICS_LISTEN", url), ("TALLY_RECORDING", url)];
        let (_, out, err) = crate::process::start(args, &variables).end();
        assert!(out.contains("http://rpc.example.org:8545") || err.contains("http://rpc.example.org:8545"));
        assert!(!out.contains("SECRET3") && !err.contains("SECRET3"), "{out}{err}");
    }
}

/// The story: `tally state --expect … | head -1` closes the pipe before the verdict. The status has to be
/// the verdict's all the same.
#[test]
fn a_closed_pipe_does_not_change_the_verdict() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let truth = fixture("small-a").join("expected.json");
    let wrong = dir.path().join("wrong.json");
    std::fs::write(
        &wrong,
        std::fs::read_to_string(&truth).unwrap().replace("\"paused\":false", "\"paused\":true"),
    )
    .unwrap();
    for (file, expected) in [(truth.to_str().unwrap(), 0), (wrong.to_str().unwrap(), 3)] {
        let args = ["tally", "state", "--log", log, "--expect", file].map(Into::into);
        let mut err = Vec::new();
        assert_eq!(tally_cli::run(args, &mut Closed, &mut err), expected, "{file}");
        assert_eq!(err, b"");
    }
}

/// A log that has only one of the two chains, or neither, is answered for and not guessed at.
#[test]
fn a_log_with_half_the_chains_says_what_it_lacks() {
    let recording = fixture("small-a");
    let recording = recording.to_str().unwrap();
    for (limits, stopped) in [
        (["--l1-to", "1", "--l2-to", "2000"], json!({ "reason": "l1_behind", "next_l2_block": 1_003 })),
        (["--l1-to", "20219000", "--l2-to", "1"], json!({ "reason": "log_end", "next_l2_block": null })),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().to_str().unwrap();
        let args = [&["ingest", "--recording", recording, "--log", log][..], &limits].concat();
        assert_eq!(tally(&args).0, 0);
        for policy in ["guide", "stake-weighted", "locking-pool"] {
            let replayed = json_of(&["replay", "--log", log, "--policy", policy, "--format", "json"]);
            assert_eq!(replayed[0]["horizon"], Value::Null);
            assert_eq!(replayed[0]["stopped"], stopped);
            assert_eq!((&replayed[0]["epochs"], &replayed[0]["total_wei"]), (&json!([]), &json!("0")));
        }
        assert_eq!(tally(&["log", "verify", "--log", log]).0, 0);
    }
}
