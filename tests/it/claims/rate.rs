//! The next rate, and the history of the rate, against replays and the events themselves.

use super::cut::Cut;
use super::{json_of, keys, output_of};
use crate::support::{ingested, tally};
use alloy::sol_types::SolCall;
use alloy_primitives::{B256, Bytes};
use engine::{L1Record, Policy, PoolEvent, Wei};
use serde_json::{Value, json};
use tally_claims::{draw, next_rate};
use tally_eventlog::{LogReader, LogView};

mod call {
    alloy::sol! {
        function updateBlockReward(uint256 newReward);
    }
}

/// Epochs of an hour for the six hours of `small-a`, by a flat policy and by what the contract pays.
const HOURLY: &str = "version = 1\ncap_wei = \"100000000000000000000000\"\nepoch_secs = 3600\ngenesis = 1719902000\n\
                      initial_reward_wei = \"761000000000000\"\ntarget_mrr = \"0.20\"\n";

fn rate(args: &[&str]) -> Value {
    json_of(&[&["claims", "rate"], args].concat())
}

/// The values that mainnet's contract held on 2024-04-24 and on 2024-11-22, which the pool's operators rounded.
#[test]
fn the_rule_gives_both_rates_of_mainnet() {
    let [first, second] = [("118634", "2", "9"), ("499338", "13", "11")].map(|(stake, secs, decimals)| {
        rate(&["--stake", stake, "--block-secs", secs, "--mrr", "0.20", "--decimals", decimals])
    });
    assert_eq!(
        first,
        json!({
            "formula": "exact",
            "l1_block": null,
            "stake_wei": "118634000000000000000000",
            "block_secs": "2",
            "mrr": "0.2",
            "reward_per_block_wei": "1504743784880771",
            "rounded": { "decimals": 9, "reward_per_block_wei": "1504744000000000" },
        })
    );
    assert_eq!(second["rounded"]["reward_per_block_wei"], "41168150680000000");
    let table = output_of(&[
        "claims",
        "rate",
        "--stake",
        "499338",
        "--block-secs",
        "13",
        "--mrr",
        "0.20",
        "--decimals",
        "11",
    ]);
    assert_eq!(
        table,
        "reward per block 0.041168150684931506 METIS = 41168150684931506 wei\nrounded          0.04116815068 METIS = \
         41168150680000000 wei\n"
    );
    assert_eq!(rate(&["--stake", "1", "--block-secs", "2.5", "--mrr", "0"])["rounded"], Value::Null);
}

/// The contract's reward per block after the events up to `time`.
fn on_chain_at(log: &LogReader, time: u64) -> String {
    let initial = log.identity().genesis.reward_per_block;
    let updates = log.l1_records().unwrap().into_iter().filter(|record| record.timestamp.0 <= time);
    let last = updates.filter_map(|record| {
        let PoolEvent::RewardUpdate { new_reward, .. } = record.event else { return None };
        Some(new_reward)
    });
    last.last().unwrap_or(initial).to_string()
}

/// Compares the history and the next rate with what `tally replay` says under both policies, and with the events.
fn compare(log: &LogReader, path: &str, policy: &str, paid_policy: &str) -> Value {
    let next = json_of(&["claims", "next-rate", "--log", path, "--policy", policy]);
    let replayed = json_of(&["replay", "--log", path, "--policy", policy, "--policy", paid_policy]);
    let (ledger, paid) = (&replayed[0], &replayed[1]);
    for same in ["policy", "log", "horizon", "stopped"] {
        assert_eq!(next[same], ledger[same], "{same}");
    }
    let epochs = ledger["epochs"].as_array().unwrap();
    let paid_epochs = paid["epochs"].as_array().unwrap();
    let history = next["history"].as_array().unwrap();
    assert_eq!(history.len(), epochs.len());
    for (index, (epoch, of_ledger)) in history.iter().zip(epochs).enumerate() {
        for same in ["epoch", "start", "blocks", "target_mrr", "rate", "realised_mrr"] {
            assert_eq!(epoch[same], of_ledger[same], "{same} of epoch {index}");
        }
        let until = epochs.get(index + 1).map_or(&ledger["horizon"]["timestamp"], |next| &next["start"]);
        assert_eq!((&epoch["until"], &epoch["is_closed"]), (until, &json!(index + 1 < epochs.len())));
        // What is still open by schedule is not told.
        let paid_mrr =
            paid_epochs[..paid_epochs.len() - 1].get(index).map_or(&Value::Null, |of| &of["realised_mrr"]);
        assert_eq!(&epoch["paid_mrr"], paid_mrr, "epoch {index}");
        let start = epoch["start"].as_u64().unwrap();
        assert_eq!(epoch["on_chain_reward_per_block_wei"], on_chain_at(log, start), "epoch {index}");
        for change in epoch["on_chain_changes"].as_array().unwrap() {
            let time = change["timestamp"].as_u64().unwrap();
            assert!(
                start < time
                    && history.get(index + 1).is_none_or(|next| time < next["start"].as_u64().unwrap())
            );
        }
    }
    let [.., closed, open] = &epochs[..] else { panic!("an epoch is over") };
    for same in ["epoch", "start", "stake_seconds", "blocks", "realised_mrr"] {
        assert_eq!(next["closed_epoch"][same], closed[same], "{same}");
    }
    assert_eq!((&next["closed_epoch"]["end"], &next["rate"]), (&open["start"], &open["rate"]));
    assert_eq!(next["reward_per_block_wei"], open["rate"]["reward_per_block_wei"]);
    assert_eq!(next["on_chain_reward_per_block_wei"], on_chain_at(log, u64::MAX));
    let input: Bytes = next["call"]["calldata"].as_str().unwrap().parse().unwrap();
    let decoded = call::updateBlockRewardCall::abi_decode(&input).unwrap();
    assert_eq!(decoded.newReward.to_string(), next["reward_per_block_wei"]);
    next
}

#[test]
fn the_history_is_what_both_ledgers_and_the_events_say() {
    let (dir, log) = ingested("pool-a");
    let next = compare(&log, dir.path().to_str().unwrap(), "guide", "locking-pool");
    assert_eq!(
        keys(&next),
        [
            "policy",
            "log",
            "horizon",
            "stopped",
            "closed_epoch",
            "target_mrr",
            "rate",
            "operators",
            "reward_per_block_wei",
            "on_chain_reward_per_block_wei",
            "difference_wei",
            "call",
            "rounded",
            "history"
        ]
    );
    // Every change is in the epoch that it was made in, or the start of one has it.
    let changes = |from: u64| {
        let records = log.l1_records().unwrap().into_iter();
        let is_change = |record: &L1Record| matches!(record.event, PoolEvent::RewardUpdate { .. });
        records.filter(|record| is_change(record) && record.timestamp.0 > from).count()
    };
    let history = next["history"].as_array().unwrap();
    let told: usize = history.iter().map(|epoch| epoch["on_chain_changes"].as_array().unwrap().len()).sum();
    assert_eq!(told, changes(history[0]["start"].as_u64().unwrap()));
    assert!(told > 5, "{told}");
    // N · YEAR / 14 days.
    let closed = &next["closed_epoch"];
    assert_eq!(closed["blocks_a_year"], closed["blocks"].as_u64().unwrap() * 31_536_000 / 1_209_600);
    assert_eq!(next["call"]["sender"], "0x6a0acac9ab6ccb22f65b7b8c83e3427b3f785487", "the contract's owner");

    let (dir, log) = ingested("small-a");
    let file = |name: &str, allocation: &str| {
        let path = dir.path().join(name);
        let text = format!("name = \"{name}\"\nallocation = \"{allocation}\"\n{HOURLY}");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (flat, on_chain) = (file("hourly-flat", "flat"), file("hourly-paid", "on-chain"));
    let next = compare(&log, dir.path().to_str().unwrap(), &flat, &on_chain);
    assert_eq!(next["history"].as_array().unwrap().len(), 6);
    assert_eq!(
        next["closed_epoch"]["blocks_a_year"],
        next["closed_epoch"]["blocks"].as_u64().unwrap() * 8_760
    );
}

/// Rounded, as operators set it; and the same words in every form.
#[test]
fn a_rounded_rate_is_proposed_and_prepared_for_a_wallet() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let safe = dir.path().join("safe.json");
    let command = ["claims", "next-rate", "--log", log, "--decimals", "3", "--safe", safe.to_str().unwrap()];
    let next = json_of(&command);
    let wei = |value: &Value| value.as_str().unwrap().parse::<i128>().unwrap();
    let (exact, rounded) =
        (wei(&next["reward_per_block_wei"]), wei(&next["rounded"]["reward_per_block_wei"]));
    assert_eq!(next["rounded"]["decimals"], 3);
    assert_eq!(rounded % 1_000_000_000_000_000, 0);
    assert!((rounded - exact).abs() <= 500_000_000_000_000, "{exact} {rounded}");
    assert_eq!(wei(&next["difference_wei"]), rounded - wei(&next["on_chain_reward_per_block_wei"]));
    let file: Value = serde_json::from_slice(&std::fs::read(&safe).unwrap()).unwrap();
    let transaction = &file["transactions"][0];
    assert_eq!(transaction["data"], next["call"]["calldata"]);
    assert_eq!(transaction["contractInputsValues"], json!({ "newReward": rounded.to_string() }));
    let owner = "0x6a0acaC9Ab6CCb22f65b7b8c83e3427b3F785487";
    assert_eq!(file["meta"]["createdFromSafeAddress"], owner);

    let table = output_of(&command);
    assert!(table.contains(&format!(" METIS = {rounded} wei\n")), "{table}");
    assert!(table.contains(&format!("by               {owner} (owner)\n")), "{table}");
    let csv = output_of(&[&command[..], &["--format", "csv"]].concat());
    let mut rows = csv.lines();
    assert_eq!(
        rows.next().unwrap(),
        "epoch,start,until,closed,blocks,target_mrr,reward_per_block_wei,realised_mrr,on_chain_reward_per_block_wei,\
         on_chain_changes,paid_mrr"
    );
    for epoch in next["history"].as_array().unwrap() {
        let text = |value: &Value| {
            value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace("null", "")
        };
        let changes = epoch["on_chain_changes"].as_array().unwrap().iter();
        let changes: Vec<String> = changes
            .map(|change| {
                format!("{}:{}", change["timestamp"], change["reward_per_block_wei"].as_str().unwrap())
            })
            .collect();
        let expected = [
            text(&epoch["epoch"]),
            text(&epoch["start"]),
            text(&epoch["until"]),
            text(&epoch["is_closed"]),
            text(&epoch["blocks"]),
            text(&epoch["target_mrr"]),
            text(&epoch["rate"]["reward_per_block_wei"]),
            text(&epoch["realised_mrr"]),
            text(&epoch["on_chain_reward_per_block_wei"]),
            changes.join(" "),
            text(&epoch["paid_mrr"]),
        ];
        assert_eq!(rows.next().unwrap(), expected.join(","));
    }
    assert_eq!(rows.next(), None);
}

/// When what is proposed is in force already, nothing has to be done, and no call is prepared.
#[test]
fn a_rate_that_is_in_force_needs_no_call() {
    let (_dir, log) = ingested("pool-a");
    let guide = Policy::built_in("guide").unwrap();
    let mut cut = Cut::of(&log);
    let before = next_rate(&cut, &guide, None).unwrap();
    assert!(before.call.is_some());
    let head = cut.heads.l1.unwrap();
    cut.l1.push(L1Record {
        block: head.block,
        block_hash: head.hash,
        timestamp: head.timestamp,
        transaction_hash: B256::ZERO,
        log_index: 1_000,
        event: PoolEvent::RewardUpdate { new_reward: before.reward, old_reward: before.on_chain },
    });
    let after = next_rate(&cut, &guide, None).unwrap();
    assert_eq!((after.call, after.difference.size()), (None, Wei::ZERO));
    assert_eq!(after.reward, before.reward, "what is set on chain changes no policy's rate");
    assert!(next_rate(&cut, &guide, Some(3)).unwrap().call.is_some(), "rounded, it differs");
    let whole = next_rate(&cut, &guide, Some(0)).unwrap();
    assert_eq!(whole.proposed().to_string(), "3000000000000000000");
}

/// A picture for people: the same history gives the same bytes, and all that has to be read is in it.
#[test]
fn the_history_is_drawn_the_same_each_time() {
    let (dir, log) = ingested("pool-a");
    let plot = dir.path().join("rate.svg");
    let command =
        ["claims", "next-rate", "--log", dir.path().to_str().unwrap(), "--plot", plot.to_str().unwrap()];
    output_of(&command);
    let svg = std::fs::read_to_string(&plot).unwrap();
    let next = next_rate(&log, &Policy::built_in("guide").unwrap(), None).unwrap();
    assert_eq!(draw(&next).unwrap(), svg);
    output_of(&command);
    assert_eq!(std::fs::read_to_string(&plot).unwrap(), svg);
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    for words in [
        "Reward per block (policy guide 1)",
        "METIS a block",
        "by the policy",
        "on chain",
        "Mining reward rate (MRR) of the pool, by epoch",
        "% a year",
        "target",
        "reached by what the contract pays",
        "date (UTC)",
        "2024-06-",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    let (status, _, err) = tally(&[&command[..5], &["/nonexistent/rate.svg"]].concat());
    assert_eq!(status, 1);
    assert!(err.starts_with("error: writing the plot /nonexistent/rate.svg: "), "{err}");
}
