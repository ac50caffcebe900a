//! Policies of practice: the operators' formula and rewards that are fixed, against the oracle, the values that the
//! operators' tool gives on real stakes, and the contracts' own totals.

use crate::by_block::{all, assert_as_oracle, assert_sums};
use crate::histories::{history, practice_policy};
use crate::memory::MemoryLog;
use crate::oracle;
use crate::support::{
    RECORDINGS, assert_same, cases, engine_policy, fixture, history_of, ingested, oracle_policy, splits,
    tally,
};
use engine::{EpochIndex, L2Block, OperatorsRate, Policy, Rate, Wei};
use proptest::prelude::*;
use serde_json::{Value, json};
use tally_eventlog::{Heads, LogView};
use tally_replay::{
    BlockLedger, Receipt, Replay, ReplayOptions, explain_epoch, replay, restore, save, state_at,
};

const PRACTICE: [&str; 2] = ["operators", "fixed-reward"];

proptest! {
    #![proptest_config(cases(500, 10_000))]

    #[test]
    fn ledgers_of_practice_equal_the_oracles(history in history(), policies in prop::collection::vec(practice_policy(), 1..4), to in any::<prop::sample::Index>(), parts in 1_u64..9) {
        let log = MemoryLog::new(&history);
        let first = history.blocks.first().map_or(0, |block| block.number);
        let last = history.blocks.last().map_or(0, |block| block.number);
        let to = first + u64::try_from(to.index(history.blocks.len() + 2)).unwrap();
        let splits = splits(first, last, parts);
        let options = ReplayOptions { to: Some(L2Block(to)), splits: &splits, ..ReplayOptions::default() };
        let ours: Vec<Policy> = policies.iter().map(engine_policy).collect();
        for (replayed, policy) in replay(&log, &ours, options).unwrap().iter().zip(&policies) {
            assert_same(&replayed.ledger, &oracle::fold(&history, policy, Some(to)));
        }
        // What was said by then stays when the replay goes on.
        let mut going_on = Replay::new(&ours);
        going_on.advance(&log, options).unwrap();
        going_on.advance(&log, ReplayOptions::default()).unwrap();
        for ((.., ledger, _), policy) in going_on.ledgers().zip(&policies) {
            assert_same(ledger, &oracle::fold(&history, policy, None));
        }
    }

    #[test]
    fn each_block_of_practice_is_as_the_oracle_has_it(history in history(), policy in practice_policy()) {
        let log = MemoryLog::new(&history);
        let ours = replay(&log, &[engine_policy(&policy)], ReplayOptions::default()).unwrap().remove(0);
        let ledger = BlockLedger::new(&log, &ours).unwrap();
        let entries = all(&ledger);
        assert_sums(&entries, &ours.ledger);
        assert_as_oracle(&entries, &oracle::fold(&history, &policy, None), &history);
        // Each explanation is checked against the ledger where it is made.
        for epoch in 0..ours.ledger.epochs.len() {
            for id in ours.ledger.sequencers.keys() {
                let epoch = EpochIndex(u64::try_from(epoch).unwrap());
                prop_assert!(explain_epoch(&ledger, *id, epoch).unwrap().is_some());
            }
        }
        // Nothing is lost in a kept replay, nor in the policy's file.
        let (identity, heads) = (log.identity(), Heads::default());
        let kept = save(&ours, identity, &heads).unwrap();
        let kept = restore(&kept, &ours.policy, heads.digest(identity).unwrap()).unwrap();
        prop_assert_eq!(&kept.ledger, &ours.ledger);
        let read = Policy::from_toml(&ours.policy.to_toml()).unwrap();
        prop_assert_eq!((read.digest(), &read), (ours.policy.digest(), &ours.policy));
    }
}

#[test]
fn the_recordings_are_as_the_oracle_has_them_in_practice() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let history = history_of(&log);
        for policy in PRACTICE {
            let ours = replay(&log, &[Policy::built_in(policy).unwrap()], ReplayOptions::default()).unwrap();
            assert_same(&ours[0].ledger, &oracle::fold(&history, &oracle_policy(policy), None));
            let receipt = Receipt::new(log.identity(), log.heads(), None, &ours[0]).unwrap();
            assert_eq!(receipt.ledger().unwrap(), ours[0].ledger, "{name}, {policy}");
        }
    }
}

/// What the formula takes as locked when an epoch begins is what the contract says that it holds then.
#[test]
fn what_is_locked_when_an_epoch_begins_is_the_contracts_total() {
    let (_dir, log) = ingested("pool-a");
    let ours = replay(&log, &[Policy::built_in("operators").unwrap()], ReplayOptions::default()).unwrap();
    let records = log.l1_records().unwrap();
    let mut compared = 0;
    for epoch in &ours[0].ledger.epochs {
        let Rate::Operators(OperatorsRate { total_locked, percent, block_secs }) = epoch.rate else {
            assert_eq!((epoch.epoch.0, epoch.rate), (0, Rate::Initial));
            continue;
        };
        let last = records.iter().rfind(|record| record.timestamp <= epoch.start).unwrap().block;
        assert_eq!(total_locked, state_at(&log, Some(last)).unwrap().pool.total_locked, "{}", epoch.epoch);
        // 2 s up to the end of June 2024, then 5 s.
        let expected_secs = if epoch.start.0 < 1_719_826_979 { 2 } else { 5 };
        assert_eq!((percent, block_secs), (20, expected_secs));
        compared += 1;
    }
    assert_eq!(compared, 12);
}

fn json_of(args: &[&str]) -> Value {
    let (status, out, err) = tally(&[args, &["--format", "json"]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&out).unwrap()
}

/// The lines of a CSV file of `fixtures/mainnet`, by the names of its columns.
fn lines(name: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(fixture("mainnet").join(name)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let places: Vec<usize> =
        columns.iter().map(|column| header.iter().position(|name| name == column).unwrap()).collect();
    lines.map(|line| places.iter().map(|place| line[*place].clone()).collect()).collect()
}

#[test]
fn the_command_gives_every_rate_that_the_operators_set() {
    let lines = lines("rate_vectors.csv", &["stake_metis", "block_secs", "mrr", "decimals", "reward_wei"]);
    for line in &lines {
        let [stake, secs, mrr, decimals, reward] = &line[..] else { panic!("{line:?}") };
        let found = json_of(&[
            "claims",
            "rate",
            "--stake",
            stake,
            "--block-secs",
            secs,
            "--mrr",
            mrr,
            "--decimals",
            decimals,
        ]);
        assert_eq!(&found["rounded"]["reward_per_block_wei"], reward);
    }
    assert_eq!(lines.len(), 2);
}

#[test]
fn the_command_gives_what_the_operators_tool_gives() {
    let columns =
        ["total_locked_wei", "interval_secs", "rate_percent", "operator_tool_wei", "tally_floor_wei"];
    let lines = lines("operator_tool_vectors.csv", &columns);
    for line in &lines {
        let [locked, secs, percent, operators, exact] = &line[..] else { panic!("{line:?}") };
        for (formula, reward) in [("operators", operators), ("exact", exact)] {
            let found = json_of(&[
                "claims",
                "rate",
                "--stake-wei",
                locked,
                "--block-secs",
                secs,
                "--percent",
                percent,
                "--formula",
                formula,
            ]);
            assert_eq!(&found["reward_per_block_wei"], reward, "{line:?}");
            assert_eq!((&found["formula"], &found["stake_wei"]), (&json!(formula), &json!(locked)));
        }
    }
    assert_eq!(lines.len(), 36);
}

/// The same formula, of what is locked in a log: now, at an earlier block, and as a policy has it.
#[test]
fn the_operators_formula_takes_what_is_locked_from_a_log() {
    let (dir, log) = ingested("pool-a");
    let path = dir.path().to_str().unwrap();
    let by_hand = |locked: Wei, percent: u64, secs: u64| {
        let entered = OperatorsRate { total_locked: locked, percent, block_secs: secs };
        entered.reward().unwrap().to_string()
    };
    let args =
        ["claims", "rate", "--log", path, "--percent", "15", "--block-secs", "7", "--formula", "operators"];
    let now = json_of(&args);
    let state = state_at(&log, None).unwrap();
    assert_eq!(now["stake_wei"], state.pool.total_locked.to_string());
    assert_eq!(now["reward_per_block_wei"], by_hand(state.pool.total_locked, 15, 7));
    let records = log.l1_records().unwrap();
    let block = records[records.len() / 3].block;
    let then = json_of(&[&args[..], &["--at-l1-block", &block.to_string()]].concat());
    let state = state_at(&log, Some(block)).unwrap();
    assert_eq!(
        (&then["l1_block"], &then["stake_wei"]),
        (&json!(block.0), &json!(state.pool.total_locked.to_string()))
    );
    assert_eq!(then["reward_per_block_wei"], by_hand(state.pool.total_locked, 15, 7));
    assert_ne!(then["stake_wei"], now["stake_wei"]);
    // The next rate of a policy is the formula when the open epoch began.
    let next = json_of(&["claims", "next-rate", "--log", path, "--policy", "operators"]);
    let rate = &next["rate"];
    let entered = &next["operators"];
    let locked = Wei::new(entered["total_locked_wei"].as_str().unwrap().parse().unwrap());
    assert_eq!(
        (&rate["from"], &rate["mrr"], &entered["block_secs"]),
        (&json!("operators"), &json!("0.2"), &json!(5))
    );
    assert_eq!(next["reward_per_block_wei"], by_hand(locked, 20, 5));
    assert_eq!(next["call"]["function"], "updateBlockReward");
}

/// What is printed of a policy is that policy, whether built in, of an earlier version, or a file.
#[test]
fn a_policy_that_is_shown_is_one_to_start_from() {
    let shown = |policy: &str| {
        let (status, out, err) = tally(&["policy", "show", policy]);
        assert_eq!((status, err.as_str()), (0, ""), "{policy}");
        out
    };
    let (status, list, _) = tally(&["policy", "list"]);
    assert_eq!(status, 0);
    let file = fixture("pool-a-operators.toml");
    for (name, text) in engine::BUILT_IN.into_iter().chain(engine::BUILT_IN_EARLIER) {
        assert_eq!(shown(name), text);
        let policy = Policy::built_in(name).unwrap();
        assert!(list.contains(&format!("{}@{}", policy.name(), policy.version())), "{list}");
        assert!(list.contains(&policy.digest().to_string()), "{list}");
    }
    let own = shown(file.to_str().unwrap());
    assert_eq!(
        Policy::from_toml(&own).unwrap(),
        Policy::from_toml(&std::fs::read_to_string(&file).unwrap()).unwrap()
    );
    assert_eq!(tally(&["policy", "show", "nonesuch"]).0, 2);
}

#[test]
fn a_stake_a_target_and_whole_numbers_have_to_be_given() {
    let error = |args: &str| {
        let (status, out, err) = tally(&args.split(' ').collect::<Vec<_>>());
        assert_eq!((status, out.as_str()), (2, ""), "{args}");
        err
    };
    let given = error("claims rate --block-secs 8 --percent 20");
    assert!(given.contains("<--stake <METIS>|--stake-wei <WEI>|--log <DIR>>"), "{given}");
    assert!(error("claims rate --block-secs 8 --stake 5").contains("--mrr"));
    let whole = error("claims rate --block-secs 8 --stake 5 --mrr 0.205 --formula operators");
    assert!(whole.contains("the target is 0.205, but has to be a whole percentage, as 0.20"), "{whole}");
    let whole = error("claims rate --block-secs 7.5 --stake 5 --percent 20 --formula operators");
    assert!(whole.contains("the time between blocks is 7.5"), "{whole}");
    assert!(
        error("claims rate --block-secs 8 --stake-wei 0x5 --percent 20")
            .contains("is not a whole number of wei")
    );
}

/// From its date on every block earns the same, whatever is locked and whoever makes blocks; before it, as without it.
#[test]
fn a_reward_that_is_fixed_from_a_date_on_holds_from_the_first_epoch_after_it() {
    let (dir, log) = ingested("pool-a");
    let operators = Policy::built_in("operators").unwrap();
    let date = 1_719_000_000;
    let text = operators.to_toml()
        + &format!("\n[[fixed_reward]]\nfrom = {date}\nreward_wei = \"12478422370000000\"\n");
    let file = dir.path().join("fixed.toml");
    std::fs::write(&file, text.replace("operators\"\nversion", "held\"\nversion")).unwrap();
    let held = Policy::from_toml(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let ours = replay(&log, &[operators, held], ReplayOptions::default()).unwrap();
    let (mut before, mut after) = (0, 0);
    for (free, held) in ours[0].ledger.epochs.iter().zip(&ours[1].ledger.epochs) {
        if held.start.0 < date {
            assert_eq!(held, free);
            before += 1;
        } else {
            assert_eq!(held.rate, Rate::Fixed(Wei::new("12478422370000000".parse().unwrap())));
            for row in &held.rows {
                let expected = 12_478_422_370_000_000 * u128::from(row.earned.blocks);
                assert_eq!(row.earned.reward.to_string(), expected.to_string());
            }
            // What the pool reaches is what comes of it.
            assert_ne!(held.realised_mrr().unwrap(), free.realised_mrr().unwrap());
            after += 1;
        }
    }
    assert_eq!((before, after), (8, 5));
    let log = dir.path().to_str().unwrap();
    let told = json_of(&["replay", "--log", log, "--policy", file.to_str().unwrap()]);
    assert_eq!(
        told[0]["epochs"][12]["rate"],
        json!({
            "from": "fixed", "window_epoch": null, "mrr": null,
            "reward_per_block_wei": "12478422370000000",
        })
    );
    let (status, out, _) =
        tally(&["explain", "--log", log, "--policy", file.to_str().unwrap(), "--block", "15234000"]);
    assert!(status == 0 && out.contains("fixed: 0.01247842237 METIS"), "{out}");
    let (status, out, _) = tally(&["explain", "--log", log, "--policy", "operators", "--block", "15234000"]);
    assert!(status == 0 && out.contains("the operators' formula: 20 %, a block every 5 s"), "{out}");
    // Targets, caps and allocations set no such rate.
    let (status, _, err) = tally(&["whatif", "--log", log, "--policy", "operators", "--mrr", "0.1"]);
    assert!(status != 0 && err.contains("`rate` is \"operators\", but has to be \"window\""), "{err}");
}
