//! What the contract would not take, or the log does not tell, is refused, and says both values.

use super::cut::Cut;
use crate::support::{expected, fixture, ingested, tally};
use alloy_primitives::{Address, B256, U256};
use engine::{L1Record, PoolEvent, SpanEvent, SpanId, UnixTime, Wei};
use serde_json::Value;
use tally_claims::{ClaimsError, CreditRule, NextBatch, next_batch};
use tally_eventlog::LogReader;

/// `small-a` just before batch 6, which pays spans 24 to 31, blocks 1870 to 2091.
fn before_batch_6(log: &LogReader) -> Cut<'_> {
    let truth = expected("small-a");
    let batch: &Value = &truth["batches"][4];
    assert_eq!(batch["batchId"], 6);
    Cut::just_before(log, batch["txHash"].as_str().unwrap().parse().unwrap())
}

/// The next batch that passes both checks.
fn made(cut: &Cut<'_>, to_span: Option<u64>) -> Result<NextBatch, ClaimsError> {
    next_batch(cut, to_span.map(SpanId), CreditRule::SpanSigner)
}

fn refusal(cut: &Cut<'_>, to_span: Option<u64>) -> String {
    made(cut, to_span).expect_err("it is refused").to_string()
}

/// A record after all others.
fn later(cut: &Cut<'_>, event: PoolEvent) -> L1Record {
    let head = cut.heads.l1.unwrap();
    L1Record {
        block: head.block,
        block_hash: head.hash,
        timestamp: head.timestamp,
        transaction_hash: B256::ZERO,
        log_index: 1_000,
        event,
    }
}

#[test]
fn a_batch_is_refused_while_a_span_can_still_change() {
    let (_dir, log) = ingested("small-a");
    let cut = before_batch_6(&log).with_l2_to(2_090);
    // It is cut to block 2091 only later, by the recommit that announces span 32.
    assert_eq!(
        refusal(&cut, Some(31)),
        "span 31 is not finished: it ends at L2 block 2121, and the log reaches block 2090"
    );
    let spans = cut.spans.iter().filter_map(|record| record.event.span()).map(|span| span.0);
    let last = spans.max().unwrap();
    assert_eq!(
        refusal(&cut, Some(last + 1)),
        format!("a batch up to span {} is asked for, but the last announced in the log is {last}", last + 1)
    );
    // The last span of all is made, but the next is not announced.
    let mut cut = before_batch_6(&log);
    cut.spans.retain(|record| record.event.span().is_none_or(|span| span.0 <= 31));
    assert_eq!(
        refusal(&cut, Some(31)),
        "span 31 is not settled: it ends at L2 block 2121, but span 32 is not announced up to block 3002, and until \
         then a recommit can change it"
    );
    assert_eq!(made(&cut, None).unwrap().end_span.0, 30);
    // Nothing of L2.
    let mut cut = before_batch_6(&log);
    cut.heads.l2 = None;
    assert!(refusal(&cut, Some(31)).ends_with("and the log reaches block none"));
    assert!(refusal(&cut, None).ends_with("needs at least 2 finished spans, and has 0"));
    cut.spans.clear();
    assert_eq!(
        refusal(&cut, Some(31)),
        "a batch up to span 31 is asked for, but the last announced in the log is none"
    );
}

#[test]
fn a_batch_is_refused_that_the_contract_would_refuse() {
    let (_dir, log) = ingested("small-a");
    let cut = before_batch_6(&log);
    assert_eq!(
        refusal(&cut, Some(23)),
        "a batch up to span 23 is asked for, but the next batch begins at span 24"
    );
    let too_few = "a batch from span 24 on needs at least 2 finished spans, and has 1";
    assert_eq!(refusal(&cut, Some(24)), too_few);
    let mut second = cut.spans.iter().rev().filter(|record| record.event.span() == Some(SpanId(25)));
    let (_, end) = second.next().unwrap().event.blocks().unwrap();
    let cut = before_batch_6(&log).with_l2_to(end.0 - 1);
    assert_eq!(refusal(&cut, None), too_few);

    let mut cut = before_batch_6(&log);
    cut.l1.retain(|record| !matches!(record.event, PoolEvent::UpdateMpc { .. }));
    assert_eq!(
        refusal(&cut, None),
        format!(
            "no MPC address is set up to L1 block {}, the last in the log: nobody can submit batch 6",
            cut.heads.l1.unwrap().block
        )
    );

    // Nobody that can be credited: all the spans' signers are strangers.
    let mut cut = before_batch_6(&log);
    for record in &mut cut.spans {
        match &mut record.event {
            SpanEvent::NewEpoch { signer, .. } | SpanEvent::ReCommitEpoch { new_signer: signer, .. } => {
                *signer = Address::repeat_byte(0x99);
            }
            SpanEvent::EpochUpdated { .. } | SpanEvent::MpcAddressUpdated { .. } => {}
        }
    }
    let by_present =
        next_batch(&cut, Some(SpanId(31)), CreditRule::PresentSigner).expect_err("nobody is paid");
    assert_eq!(
        by_present.to_string(),
        "of the 222 blocks of spans 24 to 31 none can be paid, and the contract takes no empty batch"
    );
    let error = refusal(&cut, Some(31));
    let told = "no batch passes both of the checks that it meets: it needs 2 spans, and has 0 before span 24. In the way: \
                spans 24 to 31 (222 blocks) name 0x9999999999999999999999999999999999999999, which no sequencer has had so \
                far. ";
    assert!(error.starts_with(told), "{error}");
    assert!(
        error.contains(
            "Ways out: a signer that no sequencer has had can be credited as soon as one locks with it; "
        ) && error.contains("if it can pay any block"),
        "{error}"
    );
    // While the log's L1 is behind, a lock may be there unseen.
    cut.heads.l1.as_mut().unwrap().timestamp.0 -= 2_000_000;
    let error = refusal(&cut, None);
    assert!(error.contains("ingest L1 first"), "{error}");
}

#[test]
fn a_batch_is_refused_whose_amount_does_not_fit() {
    let (_dir, log) = ingested("small-a");
    let mut cut = before_batch_6(&log);
    let old_reward = Wei::ZERO;
    let half = Wei::new(U256::MAX >> 7);
    let update = later(&cut, PoolEvent::RewardUpdate { new_reward: half, old_reward });
    cut.l1.push(update);
    let error = refusal(&cut, Some(31));
    assert!(error.starts_with("the total of the batch: sum of "), "{error}");
    let max = Wei::new(U256::MAX);
    let mut update = later(&cut, PoolEvent::RewardUpdate { new_reward: max, old_reward });
    update.log_index += 1;
    cut.l1.push(update);
    let error = refusal(&cut, Some(31));
    assert!(error.starts_with("the reward of a sequencer: product of "), "{error}");
    assert!(error.ends_with(" is above 2^256 - 1"), "{error}");
}

/// What a newer batch, or a changed signer, could not be told from.
#[test]
fn a_batch_is_refused_while_l1_is_behind() {
    let (_dir, log) = ingested("small-a");
    let mut cut = before_batch_6(&log);
    let head = cut.heads.l1.as_mut().unwrap();
    let block = head.block;
    let last_time = {
        let whole = made(&before_batch_6(&log), Some(31)).unwrap();
        assert_eq!(whole.last_block.0, 2_091);
        tally_replay::timestamp_of(&log, whole.last_block).unwrap()
    };
    head.timestamp = last_time;
    assert!(made(&cut, Some(31)).is_ok(), "in the same second");
    let before = UnixTime(last_time.0 - 1);
    cut.heads.l1.as_mut().unwrap().timestamp = before;
    assert_eq!(
        refusal(&cut, Some(31)),
        format!(
            "the log's L1 ends at block {block}, time {before}, before the last block of span 31: 2091, time \
             {last_time}: ingest L1 first"
        )
    );
    cut.heads.l1 = None;
    cut.l1.clear();
    assert_eq!(refusal(&cut, Some(31)), "the log holds nothing of L1");
}

/// The command says the same words, and ends with status 1; wrong usage with 2.
#[test]
fn the_command_refuses_with_a_status() {
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    let policy = fixture("../tests/it/explain/hourly.toml");
    let policy = policy.to_str().unwrap();
    for (args, status, words) in [
        (vec!["next-batch", "--log", log, "--to-span", "54"], 1, "the next batch begins at span 55"),
        (vec!["next-batch", "--log", log, "--to-span", "57"], 1, "the last announced in the log is 56"),
        (vec!["next-batch", "--log", log, "--to-span", "all"], 2, "--to-span"),
        (vec!["next-batch", "--log", "/nonexistent/log"], 1, "there is no log at /nonexistent/log"),
        (
            vec!["next-rate", "--log", log],
            1,
            "no epoch is over yet under policy guide: the log can be replayed up to",
        ),
        (
            vec!["next-rate", "--log", log, "--policy", "stake-weighted"],
            2,
            "by the allocation \"stake-weighted\"",
        ),
        (vec!["next-rate", "--log", log, "--policy", "locking-pool"], 2, "by the allocation \"on-chain\""),
        (vec!["next-rate", "--log", log, "--policy", policy], 2, "policy hourly pays by the allocation"),
        (vec!["next-rate", "--log", log, "--decimals", "19"], 2, "19 is not in 0..=18"),
        (vec!["rate", "--stake", "1", "--block-secs", "0", "--mrr", "0.2"], 2, "is no number of seconds"),
        (vec!["rate", "--stake", "1", "--block-secs", "2", "--mrr", "20"], 2, "did you mean 20 % or 0.2?"),
        (vec!["rate", "--stake", "-1", "--block-secs", "2", "--mrr", "0.2"], 2, "--stake"),
        (
            vec!["rate", "--stake", "1e5", "--block-secs", "2", "--mrr", "0.2"],
            2,
            "is no amount of METIS: write it as",
        ),
    ] {
        let (found, out, err) = tally(&[&["claims"], &args[..]].concat());
        assert_eq!((found, out.as_str()), (status, ""), "{args:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains(words), "{args:?}: {err}");
    }
}

#[test]
fn a_pause_is_no_obstacle_but_told() {
    let (_dir, log) = ingested("small-a");
    let mut cut = before_batch_6(&log);
    let going = made(&cut, Some(31)).unwrap();
    assert_eq!(going.paused_since, None);
    let paused = later(&cut, PoolEvent::Paused { account: Address::ZERO });
    let block = paused.block;
    cut.l1.push(paused);
    let batch = made(&cut, Some(31)).unwrap();
    assert_eq!(batch.paused_since, Some(block));
    assert_eq!(batch.call, going.call, "the contract takes the same call");
}
