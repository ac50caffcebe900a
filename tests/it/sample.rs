//! Blocks of a log, drawn at random, are those of the chains, or are named.

use crate::live::Live;
use crate::process;
use crate::support::{ingested, tally};
use alloy_primitives::{Address, B256};
use engine::{L2Block, UnixTime};
use replay_node::{Options, Rule};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tally_audit::{Sample, SampledBlock};
use tally_eventlog::{Chain, LogView, ProducedBlock, RecentBlock};

/// What the chains have, where it is what the log has.
fn chains(sample: &Sample) -> (Vec<RecentBlock>, Vec<ProducedBlock>) {
    let produced = |block: &SampledBlock| ProducedBlock {
        number: block.number,
        hash: block.hash.unwrap_or_default(),
        parent_hash: B256::ZERO,
        timestamp: block.timestamp,
        signer: block.signer,
    };
    (sample.l1.clone(), sample.l2.iter().map(produced).collect())
}

#[test]
fn a_sample_is_of_the_log_and_follows_from_its_seed() {
    let (_dir, log) = ingested("pool-a");
    let sample = Sample::draw(&log, 200, 7).unwrap();
    assert_eq!(sample, Sample::draw(&log, 200, 7).unwrap());
    let numbers = |sample: &Sample| sample.l2.iter().map(|block| block.number).collect::<BTreeSet<_>>();
    assert!(numbers(&sample).intersection(&numbers(&Sample::draw(&log, 200, 8).unwrap())).count() < 30);
    // Each once, in order, and with the last block of each chain.
    assert!((200..=201).contains(&sample.l1.len()) && (200..=201).contains(&sample.l2.len()));
    assert!(sample.l1.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert!(sample.l2.windows(2).all(|pair| pair[0].number < pair[1].number));
    let reach = log.reach();
    assert_eq!(sample.l1.last().map(|block| block.hash), reach.l1.map(|head| head.hash));
    assert_eq!(sample.l2.last().and_then(|block| block.hash), reach.l2.map(|head| head.hash));
    // All of a log that has no more, as its history has them; hashes where chunks end.
    let all = Sample::draw(&log, 100_000, 1).unwrap();
    let history = crate::support::history_of(&log);
    let theirs = history.blocks.iter().map(|block| (block.number, block.timestamp, block.signed_by));
    assert!(all.l2.iter().map(|block| (block.number.0, block.timestamp.0, block.signer)).eq(theirs));
    let ends = all.l2.iter().filter(|block| block.hash.is_some()).map(|block| block.number.0);
    assert_eq!(ends.collect::<Vec<_>>(), [15_220_735, 15_228_927, 15_234_502]);
    let events: BTreeSet<u64> = history.l1.iter().map(|record| record.block.0).collect();
    assert!(events.iter().all(|block| all.l1.iter().any(|found| found.number == *block)));
    let (l1, l2) = chains(&all);
    assert_eq!(all.differences(&l1, &l2), []);
}

#[test]
fn each_field_of_a_block_that_is_another_is_told() {
    let (_dir, log) = ingested("small-a");
    let sample = Sample::draw(&log, 10, 3).unwrap();
    let (mut l1, mut l2) = chains(&sample);
    l1[2].hash = B256::ZERO;
    l1[3].timestamp = UnixTime(5);
    l2[1].signer = Some(Address::repeat_byte(7));
    l2[4].timestamp = UnixTime(6);
    l2.last_mut().unwrap().hash = B256::ZERO;
    let told = sample.differences(&l1, &l2);
    let places: Vec<_> = told.iter().map(|told| (told.chain, told.block, told.field)).collect();
    let of_l2 = |at: usize| sample.l2[at].number.0;
    let expected = [
        (Chain::L1, sample.l1[2].number, "hash"),
        (Chain::L1, sample.l1[3].number, "timestamp"),
        (Chain::L2, of_l2(1), "signer"),
        (Chain::L2, of_l2(4), "timestamp"),
        (Chain::L2, of_l2(sample.l2.len() - 1), "hash"),
    ];
    assert_eq!(places, expected);
    assert_eq!((told[3].found.as_str(), told[3].log.clone()), ("6", sample.l2[4].timestamp.to_string()));
}

#[test]
fn an_audit_compares_a_sample_with_the_endpoints() {
    let live = Live::start("small-a", &Options::default());
    let (status, _, err) = live.ingest(&[]);
    assert_eq!(status, 0, "{err}");
    let (log, l1, l2) = (live.log(), live.node.l1_url(), live.node.l2_url());
    let args = ["audit", "live", "--log", log.to_str().unwrap(), "--l1-rpc", &l1, "--check-blocks", "150"];
    let with_l2 = [&args[..], &["--l2-rpc", &l2]].concat();
    let (status, out, err) = tally(&with_l2);
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.contains(" of L2, drawn with seed ") && out.ends_with(", 0 differences\n"), "{out}");
    let json = |more: &[&str]| {
        let (status, out, err) = tally(&[&with_l2[..], &["--format", "json"], more].concat());
        (status, serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{err}")))
    };
    let (status, told) = json(&["--check-seed", "11"]);
    assert_eq!((status, &told["verdict"], &told["sample"]["seed"]), (0, &json!("equal"), &json!(11)));
    assert!((150..=151).contains(&told["sample"]["l2_blocks"].as_u64().unwrap()), "{told}");
    let (status, _, err) = tally(&args);
    assert!(status == 2 && err.contains("--check-blocks needs --l2-rpc URL"), "{err}");

    // A node that no longer has the contracts' state of that block still gives the blocks.
    let forgetful = Live::start("small-a", &Options { has_states: false, ..Options::default() });
    let (l1, l2) = (forgetful.node.l1_url(), forgetful.node.l2_url());
    let command = ["audit", "live", "--log", log.to_str().unwrap(), "--rpc-rounds", "1", "--l1-rpc", &l1];
    let command = [&command[..], &["--check-blocks", "150", "--l2-rpc", &l2]].concat();
    let (status, out, err) = tally(&command);
    let head = ingested("small-a").1.heads().l1.unwrap().block;
    assert!(
        out.starts_with(&format!("not compared: the contracts' state after L1 block {head}\nequal: ")),
        "{out}"
    );
    assert!(status == 1 && err.contains(&l1), "{err}");
    let (status, out, _) = tally(&[&command[..], &["--format", "json"]].concat());
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &told["verdict"], &told["differences"]), (1, &json!("not_compared"), &json!([])));

    // The log of somebody who took the chain's blocks for a second later than they are.
    let lies = Rule::new(|call: &Value, answer: &Value| {
        let is_whole_block = call["method"] == "eth_getBlockByNumber" && call["params"][1] == true;
        let time = answer["result"]["timestamp"].as_str().filter(|_| is_whole_block)?;
        let time = u64::from_str_radix(&time[2..], 16).unwrap();
        let mut answer = answer.clone();
        answer["result"]["timestamp"] = json!(format!("{:#x}", time + 1));
        Some(json!({ "result": answer["result"] }))
    });
    let other = Live::start("small-a", &Options { lies, ..Options::default() });
    let url = other.node.l2_url();
    let (status, told) = {
        let (status, out, err) =
            tally(&[&args[..], &["--l2-rpc", &url, "--check-seed", "11", "--format", "json"]].concat());
        (status, serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{err}")))
    };
    let sample = &told["sample"];
    let differences = sample["differences"].as_array().unwrap();
    assert_eq!((status, &told["verdict"], &told["differences"]), (3, &json!("different"), &json!([])));
    assert_eq!(differences.len(), usize::try_from(sample["l2_blocks"].as_u64().unwrap()).unwrap());
    assert!(differences.iter().all(|told| told["chain"] == "L2" && told["field"] == "timestamp"), "{told}");
    let drawn = Sample::draw(&ingested("small-a").1, 150, 11).unwrap().l2;
    let blocks: Vec<u64> = drawn.iter().map(|block| block.number.0).collect();
    assert_eq!(differences.iter().map(|told| told["block"].as_u64().unwrap()).collect::<Vec<_>>(), blocks);
    assert!(drawn.iter().any(|block| block.number > L2Block(2_000)));
}

/// An endpoint that takes connections and never says anything.
#[test]
fn who_waits_for_an_answer_is_told_so() {
    let live = Live::start("small-a", &Options::default());
    let (status, _, err) = live.ingest(&[]);
    assert_eq!(status, 0, "{err}");
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, l1) = (format!("http://{}", dead.local_addr().unwrap()), live.node.l1_url());
    let log = live.log();
    let args = ["audit", "live", "--log", log.to_str().unwrap(), "--l1-rpc", &url, "--l1-rpc", &l1];
    let args = [&args[..], &["--rpc-timeout-secs", "3600"]].concat();
    let mut audit = process::start(&args, &[]);
    let told = audit.line_with("waiting for ");
    assert!(told.contains(" s so far") && told.contains(&url), "{told}");
    // Its connection is closed, and the other endpoint asked.
    drop(dead);
    let (status, out, err) = audit.end();
    assert!(status.success(), "{out}{err}");
}
