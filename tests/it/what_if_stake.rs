//! What a policy would have paid with another stake, against the oracle, which is given the other history.

use crate::oracle;
use crate::support::{RECORDINGS, history_of, ingested, oracle_policy, tally};
use engine::{Difference, Policy, PoolEvent, SequencerId, UnixTime, Wei};
use num_bigint::BigUint;
use std::collections::BTreeMap;
use tally_replay::{ReplayOptions, StakeChange, what_if_stake};

fn metis(amount: u64) -> BigUint {
    BigUint::from(amount) * BigUint::from(10_u8).pow(18)
}

fn wei(amount: &BigUint) -> Wei {
    Wei::new(amount.to_string().parse().unwrap())
}

/// The history in which the sequencer locked so much more (or less), all the time.
fn changed(mut history: oracle::History, id: u64, more: &BigUint, is_less: bool) -> oracle::History {
    for record in &mut history.l1 {
        match &mut record.event {
            PoolEvent::Locked { sequencer, amount, .. }
            | PoolEvent::LockUpdate { sequencer, new_amount: amount, .. }
                if sequencer.0 == id =>
            {
                let was: BigUint = amount.to_string().parse().unwrap();
                *amount = wei(&if is_less { was - more } else { was + more });
            }
            _ => {}
        }
    }
    history
}

#[test]
fn another_stake_pays_what_the_oracle_gives_of_that_history() {
    for (name, id) in RECORDINGS.iter().zip([1, 7]) {
        let (_dir, log) = ingested(name);
        for policy in ["guide", "stake-weighted"] {
            for (more, is_less) in [(metis(10_000), false), (metis(1_000), true)] {
                let amount = wei(&more);
                let more_or_less = if is_less {
                    Difference::new(Wei::ZERO, amount)
                } else {
                    Difference::new(amount, Wei::ZERO)
                };
                let change = StakeChange { sequencer: SequencerId(id), more: more_or_less, from: None };
                let built_in = Policy::built_in(policy).unwrap();
                let found = what_if_stake(&log, &built_in, change, ReplayOptions::default()).unwrap();
                let of = |history: &oracle::History| {
                    oracle::fold(history, &oracle_policy(policy), None).sequencers
                };
                let history = history_of(&log);
                let is = of(&history);
                let would = of(&changed(history, id, &more, is_less));
                let ours: BTreeMap<u64, (u64, BigUint)> = found
                    .sequencers
                    .iter()
                    .filter(|(_, own)| own.earned.blocks > 0)
                    .map(|(id, own)| {
                        (id.0, (own.earned.blocks, own.earned.reward.to_string().parse().unwrap()))
                    })
                    .collect();
                assert_eq!(ours, would, "{name}, {policy}, {more} less: {is_less}");
                // Where there is one epoch only, every block earns the initial reward, unless that is by stake.
                assert_eq!(
                    ours == is,
                    *name == "small-a" && policy == "guide",
                    "{name}, {policy}: it makes a difference"
                );
                for (id, own) in &found.sequencers {
                    let was = is.get(&id.0).map_or(BigUint::default(), |(_, reward)| reward.clone());
                    assert_eq!(own.difference, Difference::new(own.earned.reward, wei(&was)), "{name}, {id}");
                }
            }
        }
    }
}

/// From a date on: before it everything is as it was, a date before the lock is all the time, and one after the log nothing.
#[test]
fn a_change_from_a_date_on_changes_what_comes_after() {
    let (_dir, log) = ingested("pool-a");
    let policy = Policy::built_in("guide").unwrap();
    let at = |from: Option<u64>| {
        let more = Difference::new(wei(&metis(3_000)), Wei::ZERO);
        let change = StakeChange { sequencer: SequencerId(7), more, from: from.map(UnixTime) };
        what_if_stake(&log, &policy, change, ReplayOptions::default()).unwrap()
    };
    let (always, early, middle, late) =
        (at(None), at(Some(1)), at(Some(1_720_000_000)), at(Some(1_800_000_000)));
    assert_eq!((early.total, &early.sequencers), (always.total, &always.sequencers));
    assert!(late.sequencers.values().all(|own| own.difference.size().is_zero()));
    let more = |found: &tally_replay::StakeWhatIf| found.sequencers[&SequencerId(7)].difference.size();
    assert!(
        Wei::ZERO < more(&middle) && more(&middle) < more(&always),
        "{} {}",
        more(&middle),
        more(&always)
    );
}

#[test]
fn what_is_no_other_stake_is_wrong_usage() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    for (stake, why) in [
        ("7", "write it as 7=+10000"),
        ("=+1", "write it as 7=+10000"),
        ("7=1", "write it as 7=+10000"),
        ("7=+", "is no amount"),
        ("7=-100M", "its stake cannot be less by"),
        ("99=+1", "it had none then"),
        ("nobody=+1", "no sequencer is \"nobody\""),
    ] {
        let (status, out, err) = tally(&["whatif", "--log", log, "--stake", stake]);
        assert!(status == 2 && out.is_empty() && err.contains(why), "{stake}: {err}");
    }
    let (status, _, err) = tally(&["whatif", "--log", log, "--stake", "7=+1", "--cap", "1"]);
    assert!(status == 2 && err.contains("cannot be used with"), "{err}");
}
