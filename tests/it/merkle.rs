//! Merkle distributions, against OpenZeppelin's own library.

use crate::support::{RECORDINGS, Tool, in_tests, ingested, tally};
use alloy_primitives::{Address, B256, U256};
use engine::{EpochIndex, L1Record, Policy, PoolEvent, SequencerId, UnixTime, Wei};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tally_claims::{Distribution, Leaf, MerkleTree, Withheld, WithheldReason};
use tally_eventlog::LogView;
use tally_replay::{ReplayOptions, replay};

/// The script beside its library, which npm installs.
fn script() -> Command {
    let mut node = Tool::Npm.command();
    node.arg(in_tests("anvil/merkle.mjs"));
    node
}

fn output_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Writes a built-in policy with epochs of an hour.
fn hourly_policy<'a>(path: &'a Path, name: &str) -> &'a str {
    let text = Policy::built_in(name).unwrap().to_toml();
    let text = text.replace("1209600", "3600").replace(&format!("name = \"{name}\""), "name = \"hourly\"");
    std::fs::write(path, text).unwrap();
    path.to_str().unwrap()
}

fn sum<'a>(amounts: impl Iterator<Item = &'a Value>) -> U256 {
    let parsed = amounts.map(|amount| amount.as_str().unwrap().parse::<U256>().unwrap());
    parsed.fold(U256::ZERO, |sum, amount| sum.checked_add(amount).unwrap())
}

/// What can be claimed of both recordings is what their closed epochs accrued, and OpenZeppelin's library loads the
/// tree, accepts every proof, and refuses what was tampered with.
#[test]
fn openzeppelin_accepts_each_leaf_and_nothing_else() {
    if !Tool::Npm.is_there() {
        return;
    }
    for recording in RECORDINGS {
        let (dir, _) = ingested(recording);
        let log = dir.path().to_str().unwrap();
        let (tree, proofs) = (dir.path().join("tree.json"), dir.path().join("proofs.json"));
        let (tree, proofs) = (tree.to_str().unwrap(), proofs.to_str().unwrap());
        for name in ["guide", "stake-weighted"] {
            // Six hours of L2 are less than an epoch of the built-in policies.
            let hourly = dir.path().join(name);
            let policy = if recording == "pool-a" { name } else { hourly_policy(&hourly, name) };
            let args = ["claims", "merkle", "--log", log, "--policy", policy, "--out", tree];
            let args = [&args[..], &["--proofs", proofs, "--format", "json"]].concat();
            let (status, out, err) = tally(&args);
            assert_eq!((status, err.as_str()), (0, ""), "{recording} {policy}");
            let summary: Value = serde_json::from_str(&out).unwrap();
            let checked = script().args(["check", tree, proofs]).output().unwrap();
            let leaves = summary["leaves"].as_array().unwrap();
            assert_eq!(output_of(&checked), json!({ "root": summary["root"], "leaves": leaves.len() }));

            // By the replay: the sums of all epochs but the last, which is open.
            let (_, replayed, _) = tally(&["replay", "--log", log, "--policy", policy, "--format", "json"]);
            let replayed: Value = serde_json::from_str(&replayed).unwrap();
            let epochs = replayed[0]["epochs"].as_array().unwrap();
            let (open, closed) = epochs.split_last().unwrap();
            assert_eq!(summary["epoch"], closed.last().unwrap()["epoch"]);
            assert_eq!(summary["epoch_end"], open["start"]);
            let mut owed: BTreeMap<u64, U256> = BTreeMap::new();
            for row in closed.iter().flat_map(|epoch| epoch["rows"].as_array().unwrap()) {
                let sum = owed.entry(row["sequencer"].as_u64().unwrap()).or_default();
                let reward: U256 = row["reward_wei"].as_str().unwrap().parse().unwrap();
                *sum = sum.checked_add(reward).unwrap();
            }
            let found: BTreeMap<u64, U256> = leaves
                .iter()
                .map(|leaf| {
                    let wei = leaf["cumulative_wei"].as_str().unwrap();
                    (leaf["sequencer"].as_u64().unwrap(), wei.parse().unwrap())
                })
                .collect();
            assert_eq!(found, owed, "{recording} {policy}: nobody is withheld there");
            assert_eq!(summary["withheld"], json!([]));
            assert_eq!(
                summary["total_wei"],
                json!(sum(closed.iter().map(|epoch| &epoch["reward_wei"])).to_string())
            );
            assert_eq!(summary["policy"], replayed[0]["policy"]);
            assert_eq!(summary["log"], replayed[0]["log"]);

            // The same bytes every time, with any number of threads.
            let (first_tree, first_proofs) = (std::fs::read(tree).unwrap(), std::fs::read(proofs).unwrap());
            let (_, again, _) = tally(&[&args[..], &["--threads", "1"]].concat());
            assert_eq!(again, out);
            assert_eq!(std::fs::read(tree).unwrap(), first_tree);
            assert_eq!(std::fs::read(proofs).unwrap(), first_proofs);
        }
    }
}

/// What a later epoch owes is never less, and an epoch that is not closed owes nothing yet.
#[test]
fn cumulative_amounts_never_fall() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let tree = dir.path().join("tree.json");
    let merkle = |policy: &str, epoch: &str| {
        let out = tree.to_str().unwrap();
        let args = ["claims", "merkle", "--log", log, "--policy", policy, "--out", out];
        tally(&[&args[..], &["--epoch", epoch, "--format", "json"]].concat())
    };
    let mut before: BTreeMap<u64, U256> = BTreeMap::new();
    let mut epoch = 0;
    let refused = loop {
        let (status, out, err) = merkle("guide", &epoch.to_string());
        if status != 0 {
            break err;
        }
        let summary: Value = serde_json::from_str(&out).unwrap();
        for leaf in summary["leaves"].as_array().unwrap() {
            let wei: U256 = leaf["cumulative_wei"].as_str().unwrap().parse().unwrap();
            let earlier = before.insert(leaf["sequencer"].as_u64().unwrap(), wei).unwrap_or_default();
            assert!(wei >= earlier, "epoch {epoch}: {leaf}");
        }
        epoch += 1;
    };
    assert!(epoch > 10, "{epoch} epochs");
    let last = epoch - 1;
    assert_eq!(
        refused,
        format!("error: epoch {epoch} of policy guide is asked for, but the last that is closed is {last}\n")
    );
    let (status, _, err) = merkle("locking-pool", "0");
    assert_eq!(status, 1);
    assert!(err.contains("policy locking-pool pays what the contract pays"), "{err}");
}

/// What is owed of pool-a at the end of its last closed epoch, or of `epoch`, by `records`.
fn owed(records: &[L1Record], epoch: Option<u64>) -> Distribution {
    let (_dir, log) = ingested("pool-a");
    let policy = Policy::built_in("guide").unwrap();
    let replayed = replay(&log, std::slice::from_ref(&policy), ReplayOptions::default()).unwrap();
    let genesis = &log.identity().genesis;
    Distribution::new(&policy, &replayed[0].ledger, genesis, records, epoch.map(EpochIndex)).unwrap()
}

/// The records of pool-a, in which whoever `is_one` has named no recipient.
fn without_recipients(is_one: impl Fn(SequencerId) -> bool) -> Vec<L1Record> {
    let (_dir, log) = ingested("pool-a");
    let mut records = log.l1_records().unwrap();
    for record in &mut records {
        if let PoolEvent::SequencerRewardRecipientChanged { sequencer, recipient } = &mut record.event
            && is_one(*sequencer)
        {
            *recipient = Address::ZERO;
        }
    }
    records
}

/// A sequencer without a recipient is told, with its amount, and the sums stay whole; without any leaf there is no tree.
#[test]
fn what_nobody_can_claim_is_withheld_and_told() {
    let whole = owed(&without_recipients(|_| false), None);
    assert_eq!(whole.withheld, []);
    let partial = owed(&without_recipients(|id| id == SequencerId(3)), None);
    let cumulative = whole.leaves.iter().find(|leaf| leaf.sequencer == SequencerId(3)).unwrap().cumulative;
    let reason = WithheldReason::NoRecipient;
    assert_eq!(partial.withheld, [Withheld { sequencer: SequencerId(3), cumulative, reason }]);
    assert!(partial.leaves.iter().eq(whole.leaves.iter().filter(|leaf| leaf.sequencer != SequencerId(3))));
    assert_eq!((partial.head.total, partial.head.total_withheld), (whole.head.total, cumulative));
    assert_eq!(partial.head.total_leaves.checked_add(cumulative), Ok(whole.head.total));
    assert_eq!((partial.head.leaves, partial.head.withheld), (whole.head.leaves - 1, 1));
    assert_ne!(partial.head.root, whole.head.root);
    let none = owed(&without_recipients(|_| true), None);
    assert_eq!((none.head.root, none.head.total_withheld), (None, whole.head.total));
    let (error, total) = (none.tree().unwrap_err().to_string(), whole.head.total);
    assert!(
        error.contains(&format!("{total} wei were accrued, of which {total} wei are withheld")),
        "{error}"
    );
}

/// Who changes its recipient after an epoch's end is paid at the old one by that epoch's tree, in the second of the end
/// already, and at the new one by the next epoch's.
#[test]
fn a_distribution_goes_by_the_recipients_of_its_epochs_end() {
    let records = without_recipients(|_| false);
    let [before, next] = [8, 9].map(|epoch| owed(&records, Some(epoch)));
    let last = records.iter().take_while(|record| record.timestamp < before.head.end).last().unwrap();
    assert_eq!(before.head.l1_block, Some(last.block));
    let new = Address::repeat_byte(0xd7);
    let changed_at = |timestamp: UnixTime| {
        let mut records = records.clone();
        let place = records.partition_point(|record| record.timestamp < timestamp);
        let event = PoolEvent::SequencerRewardRecipientChanged { sequencer: SequencerId(3), recipient: new };
        let block = last.block.next().unwrap();
        records.insert(place, L1Record { timestamp, block, event, ..last.clone() });
        [8, 9].map(|epoch| owed(&records, Some(epoch)))
    };
    let recipient =
        |of: &Distribution| of.leaves.iter().find(|leaf| leaf.sequencer == SequencerId(3)).unwrap().recipient;
    let end = before.head.end;
    let [same, later] = changed_at(end);
    assert_eq!((same.head, same.leaves), (before.head, before.leaves.clone()));
    assert_eq!(recipient(&later), new);
    assert_ne!(later.head.root, next.head.root);
    assert_eq!(later.head.total_leaves, next.head.total_leaves, "the sums are what they were");
    let [earlier, _] = changed_at(UnixTime(end.0 - 1));
    assert_eq!(recipient(&earlier), new);
    assert_eq!(earlier.head.l1_block, last.block.next());
}

#[test]
fn without_a_closed_epoch_there_is_no_tree() {
    let (dir, _) = ingested("small-a");
    let (log, tree) = (dir.path().to_str().unwrap(), dir.path().join("tree.json"));
    let (status, out, err) = tally(&["claims", "merkle", "--log", log, "--out", tree.to_str().unwrap()]);
    assert_eq!(
        (status, out.as_str(), err.as_str()),
        (1, "", "error: no epoch of policy guide is closed yet: the log has no block of epoch 1\n")
    );
    assert!(!tree.exists());
}

/// Trees of up to 40 leaves are, byte for byte, those that OpenZeppelin's library makes.
#[test]
fn trees_of_any_size_are_openzeppelins() {
    if !Tool::Npm.is_there() {
        return;
    }
    let leaf = |count: u64, id: u64| Leaf {
        sequencer: SequencerId(id),
        // Several sequencers may have one recipient.
        recipient: Address::from_word(alloy_primitives::keccak256(
            [count.to_le_bytes(), (id / 2).to_le_bytes()].concat(),
        )),
        cumulative: Wei::new(
            U256::from_be_bytes(
                alloy_primitives::keccak256([id.to_le_bytes(), count.to_le_bytes()].concat()).0,
            ) >> (id % 200),
        ),
    };
    let lists: Vec<Vec<Leaf>> =
        (1..=40).map(|count| (1..=count).map(|id| leaf(count, id)).collect()).collect();
    let values: Vec<Vec<[String; 3]>> = lists
        .iter()
        .map(|leaves| {
            let value = |leaf: &Leaf| {
                [leaf.sequencer.to_string(), format!("{:#x}", leaf.recipient), leaf.cumulative.to_string()]
            };
            leaves.iter().map(value).collect()
        })
        .collect();
    let mut node = script()
        .arg("dump")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(json!(values).to_string().as_bytes()).unwrap();
    let theirs = output_of(&node.wait_with_output().unwrap());
    let theirs = theirs.as_array().unwrap();
    assert_eq!(theirs.len(), lists.len());
    for (leaves, theirs) in lists.iter().zip(theirs) {
        let ours = MerkleTree::new(leaves).unwrap();
        assert_eq!(json!(ours.root().to_string()), theirs["root"], "{} leaves", leaves.len());
        assert_eq!(json!(ours.to_json()), theirs["file"], "{} leaves", leaves.len());
        let text = |proof: Vec<B256>| proof.iter().map(ToString::to_string).collect::<Vec<_>>();
        let proofs: Vec<Vec<String>> = ours.proofs().map(|(_, proof)| text(proof)).collect();
        assert_eq!(json!(proofs), theirs["proofs"], "{} leaves", leaves.len());
    }
}
