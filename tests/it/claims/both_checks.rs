//! The two checks that a batch meets, each written once more from the protocol's own text, slowly and sharing nothing
//! with what is tested; and every batch that Tally makes by itself, held against both.

use super::batch::call::batchSubmitRewardsCall;
use super::cut::Cut;
use crate::histories::history;
use crate::memory::MemoryLog;
use crate::oracle::{self, History, final_spans};
use crate::support::{RECORDINGS, cases, expected, ingested};
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, U256};
use engine::{L1Record, PoolEvent, SpanId, UnixTime};
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tally_claims::{ClaimsError, CreditRule, NextBatch, Uncreditable, next_batch};
use tally_eventlog::LogReader;
use tally_replay::first_blocks_at;

/// A batch as it would be sent.
struct Sent {
    sender: Option<Address>,
    call: batchSubmitRewardsCall,
}

impl Sent {
    fn of(batch: &NextBatch) -> Self {
        let call = batchSubmitRewardsCall::abi_decode(&batch.call.calldata).unwrap();
        Self { sender: batch.call.sender, call }
    }

    fn spans(&self) -> std::ops::RangeInclusive<usize> {
        let place = |id: U256| usize::try_from(id).unwrap();
        place(self.call._startEpoch)..=place(self.call._endEpoch)
    }
}

/// `CheckBatchRewardTxLogic`: for each signer the sum of `endBlock - startBlock + 1` over the spans as the contract holds
/// them, one entry for each signer; as many entries as the spans have distinct signers, each with the count of exactly
/// that address.
fn themis_signs(spans: &[oracle::Span], sent: &Sent) -> Result<(), String> {
    let mut counts: Vec<(Address, i128)> = Vec::new();
    for id in sent.spans() {
        let span = spans.get(id).ok_or_else(|| format!("span {id} is not there"))?;
        let blocks = i128::from(span.end) - i128::from(span.start) + 1;
        match counts.iter_mut().find(|(signer, _)| *signer == span.signer) {
            Some((_, count)) => *count += blocks,
            None => counts.push((span.signer, blocks)),
        }
    }
    let (signers, blocks) = (&sent.call._seqs, &sent.call._blocks);
    if signers.len() != counts.len() || blocks.len() != counts.len() {
        return Err(format!("{} entries for {} signers", signers.len(), counts.len()));
    }
    for (signer, count) in counts {
        let entries: Vec<&U256> = signers
            .iter()
            .zip(blocks)
            .filter(|(entry, _)| **entry == signer)
            .map(|(_, blocks)| blocks)
            .collect();
        if entries != [&U256::try_from(count).unwrap()] {
            return Err(format!("{signer} has the entries {entries:?}, where {count} blocks are its own"));
        }
    }
    Ok(())
}

/// `batchSubmitRewards`: the next batch, from the span after the last one paid, of two spans or more, by the MPC address,
/// of signers that were neither replaced nor have left.
fn contract_takes(records: &[L1Record], sent: &Sent) -> Result<(), String> {
    let (mut batch, mut end_span, mut mpc) = (1_u64, 0_u64, None);
    for record in records {
        if let PoolEvent::DistributeReward { batch: id, end_span: end, .. } = &record.event {
            (batch, end_span) = (id.0, end.0);
        }
        if let PoolEvent::UpdateMpc { new_mpc } = &record.event {
            mpc = Some(*new_mpc);
        }
    }
    let call = &sent.call;
    let require = |is_so: bool, what: &str| if is_so { Ok(()) } else { Err(what.to_owned()) };
    require(sent.sender == mpc, "not MPC")?;
    require(call._seqs.len() == call._blocks.len() && !call._seqs.is_empty(), "mismatch length")?;
    require(call._batchId == U256::from(batch + 1), "invalid batch id")?;
    require(call._startEpoch == U256::from(end_span + 1), "invalid startEpoch")?;
    require(call._startEpoch < call._endEpoch, "invalid endEpoch")?;
    call._seqs.iter().try_for_each(|signer| require(is_a_signer(records, *signer), "NoSuchSeq"))
}

/// Whether an address is the signer of a sequencer that has not left.
fn is_a_signer(records: &[L1Record], address: Address) -> bool {
    let (mut of, mut is_replaced, mut has_left) = (None, false, false);
    for record in records {
        if let PoolEvent::Locked { signer, sequencer, .. }
        | PoolEvent::SignerChange { new_signer: signer, sequencer, .. } = &record.event
            && *signer == address
        {
            of = Some(*sequencer);
        }
        if let PoolEvent::SignerChange { old_signer, .. } = &record.event {
            is_replaced |= *old_signer == address;
        }
        if let PoolEvent::Unlocked { sequencer, .. } = &record.event {
            has_left |= of == Some(*sequencer);
        }
    }
    of.is_some() && !is_replaced && !has_left
}

/// The last batch that was paid, and its last span.
fn last_batch(records: &[L1Record]) -> Option<(u64, u64)> {
    records.iter().rev().find_map(|record| {
        let PoolEvent::DistributeReward { batch, end_span, .. } = record.event else { return None };
        Some((batch.0, end_span.0))
    })
}

/// How many spans are over from `start` on, and can change no more: the last announced one still could.
fn finished(history: &History, spans: &[oracle::Span], start: usize) -> usize {
    let head = history.blocks.last().map_or(0, |block| block.number);
    let but_last = spans.len().saturating_sub(1);
    (start..but_last).take_while(|id| spans[*id].end <= head).count()
}

/// What came of the histories, so that a test can tell that it tried something.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tried {
    made: usize,
    /// Of these, those that end before a span that is over.
    shortened: usize,
    /// No batch, by why the signer of the first span in the way cannot be credited.
    blocked: BTreeMap<&'static str, usize>,
    /// No batch for another reason.
    without: usize,
    /// Batches by present signers that the published check would not sign.
    unsigned: usize,
}

impl Tried {
    /// Makes the next batch of a history by both rules, and holds it against both checks.
    fn check(&mut self, history: &History) {
        let log = MemoryLog::new(history);
        let spans = final_spans(&history.spans);
        let records = &history.l1;
        let start = last_batch(records).map_or(1, |(_, end_span)| usize::try_from(end_span).unwrap() + 1);
        let over = finished(history, &spans, start);
        match next_batch(&log, None, CreditRule::SpanSigner) {
            Ok(batch) => {
                let sent = Sent::of(&batch);
                assert_eq!(themis_signs(&spans, &sent), Ok(()));
                assert_eq!(contract_takes(records, &sent), Ok(()));
                assert_eq!(*sent.spans().start(), start);
                assert!(batch.unpayable.is_empty() && batch.check_differences.is_empty());
                // It is as long as it can be.
                let paid = sent.spans().count();
                assert!(paid <= over);
                assert_eq!(batch.blocking.is_empty(), paid == over);
                if paid < over {
                    assert!(!is_a_signer(records, spans[start + paid].signer));
                    assert_eq!(batch.blocking[0].signer, spans[start + paid].signer);
                    self.shortened += 1;
                }
                self.made += 1;
            }
            Err(ClaimsError::Blocked { blocking, .. }) => {
                assert!(over >= 1);
                // Whatever batch of spans that are over Themis would sign, the contract would not take.
                for end in start + 1..start + over.max(2) {
                    if let Some(sent) = as_themis_wants(records, &spans, start, end) {
                        assert_eq!(themis_signs(&spans, &sent), Ok(()));
                        assert_eq!(contract_takes(records, &sent), Err("NoSuchSeq".into()));
                    }
                }
                for signer in &blocking {
                    assert!(!is_a_signer(records, signer.signer), "{signer}");
                }
                *self.blocked.entry(blocking[0].why.code()).or_default() += 1;
            }
            Err(
                ClaimsError::TooFewSpans { .. }
                | ClaimsError::L1Behind { .. }
                | ClaimsError::NoSender { .. }
                | ClaimsError::NoL1,
            ) => self.without += 1,
            Err(other) => panic!("{other}"),
        }
        // By present signers the contract takes it, and whether Themis would sign it is said rightly.
        if let Ok(batch) = next_batch(&log, None, CreditRule::PresentSigner) {
            let sent = Sent::of(&batch);
            assert_eq!(contract_takes(records, &sent), Ok(()));
            let is_signed = themis_signs(&spans, &sent).is_ok();
            assert_eq!(batch.check_differences.is_empty(), is_signed, "{:?}", batch.check_differences);
            self.unsigned += usize::from(!is_signed);
        }
    }
}

/// The one batch of these spans that Themis signs; `None` where some are not announced.
fn as_themis_wants(records: &[L1Record], spans: &[oracle::Span], start: usize, end: usize) -> Option<Sent> {
    let mut counts: BTreeMap<Address, u64> = BTreeMap::new();
    for span in spans.get(start..=end)? {
        *counts.entry(span.signer).or_default() += span.end + 1 - span.start;
    }
    let mpc = records.iter().rev().find_map(|record| {
        if let PoolEvent::UpdateMpc { new_mpc } = record.event { Some(new_mpc) } else { None }
    });
    let call = batchSubmitRewardsCall {
        _batchId: U256::from(last_batch(records).map_or(1, |(batch, _)| batch) + 1),
        _startEpoch: U256::from(start),
        _endEpoch: U256::from(end),
        _seqs: counts.keys().copied().collect(),
        _blocks: counts.values().copied().map(U256::from).collect(),
    };
    Some(Sent { sender: mpc, call })
}

/// A history up to just before one of its batches: L1 as it was then, and L2 up to the same second.
fn before_batch(history: &History, at: usize) -> History {
    let now = history.l1[at].timestamp.0;
    let mut cut = history.clone();
    cut.l1.truncate(at);
    cut.l1_head_timestamp = now;
    cut.blocks.retain(|block| block.timestamp <= now);
    let head = cut.blocks.last().map_or(0, |block| block.number);
    cut.spans.retain(|record| record.block.0 <= head);
    cut
}

/// Every batch that Tally makes by itself passes both checks, on random histories: at their ends, and before each of
/// their batches.
#[test]
fn batches_of_random_histories_pass_both_checks() {
    let tried = RefCell::new(Tried::default());
    let mut runner = TestRunner::new(cases(3_000, 30_000));
    let ran = runner.run(&history(), |history| {
        let mut tried = tried.borrow_mut();
        tried.check(&history);
        for at in 0..history.l1.len() {
            if matches!(history.l1[at].event, PoolEvent::DistributeReward { .. }) {
                tried.check(&before_batch(&history, at));
            }
        }
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    let tried = tried.into_inner();
    let blocked = |why: Uncreditable| tried.blocked.get(why.code()).copied().unwrap_or_default();
    println!("{tried:?}");
    assert!(tried.made > 500 && tried.shortened > 200 && tried.unsigned > 500, "{tried:?}");
    assert!(blocked(Uncreditable::UnknownSigner) > 200, "{tried:?}");
    assert!(blocked(Uncreditable::SequencerGone(engine::SequencerId(1))) > 200, "{tried:?}");
    let replaced = Uncreditable::SignerReplaced { sequencer: engine::SequencerId(1), present: Address::ZERO };
    assert!(blocked(replaced) > 200, "{tried:?}");
}

/// A recording just before one of its batches was sent, with L2 up to the same second.
fn cut_before<'a>(log: &'a LogReader, batch: &serde_json::Value) -> Cut<'a> {
    let transaction: B256 = batch["txHash"].as_str().unwrap().parse().unwrap();
    let cut = Cut::just_before(log, transaction);
    let now = cut.heads.l1.unwrap().timestamp;
    let next = first_blocks_at(log, &[UnixTime(now.0 + 1)]).unwrap()[0].first_block;
    cut.with_l2_to(next.0 - 1)
}

fn number(value: &serde_json::Value) -> u64 {
    value.as_u64().unwrap()
}

/// The story: a signer was replaced, or a sequencer left, while spans that name it were not paid. Of the batches that were
/// sent then, Tally by itself makes the part before these spans, or none; all others it makes as they were sent.
#[test]
fn batches_of_the_recordings_pass_both_checks() {
    // By recording: the batches that could not be paid as they were, the first span of each that cannot be paid, and
    // whether there are two before it.
    let short: [&[(u64, u64, bool)]; 2] = [
        &[(4, 16, true), (9, 41, false)],
        &[(13, 51, false), (33, 148, false), (34, 153, false), (40, 180, false)],
    ];
    for (name, short) in RECORDINGS.into_iter().zip(short) {
        let (_dir, log) = ingested(name);
        for truth in expected(name)["batches"].as_array().unwrap() {
            let (id, start, end) =
                (number(&truth["batchId"]), number(&truth["startEpoch"]), number(&truth["endEpoch"]));
            let cut = cut_before(&log, truth);
            let spans = final_spans(&cut.spans);
            let check = |batch: &NextBatch| {
                let sent = Sent::of(batch);
                assert_eq!(themis_signs(&spans, &sent), Ok(()), "{name}, batch {id}");
                assert_eq!(contract_takes(&cut.l1, &sent), Ok(()), "{name}, batch {id}");
            };
            let by_itself = next_batch(&cut, None, CreditRule::SpanSigner);
            let as_sent = next_batch(&cut, Some(SpanId(end)), CreditRule::SpanSigner);
            let Some((_, stop, is_part)) = short.iter().find(|(short, ..)| *short == id) else {
                let as_sent = as_sent.unwrap_or_else(|error| panic!("{name}, batch {id}: {error}"));
                check(&as_sent);
                assert_eq!(as_sent.end_span.0, end);
                check(&by_itself.unwrap());
                continue;
            };
            // What was sent passes one of the two, and is made if that is asked for.
            let present = next_batch(&cut, Some(SpanId(end)), CreditRule::PresentSigner).unwrap();
            let sent = Sent::of(&present);
            assert_eq!(contract_takes(&cut.l1, &sent), Ok(()));
            assert!(themis_signs(&spans, &sent).is_err() && !present.check_differences.is_empty());
            let refused = as_sent.expect_err("it cannot pass both").to_string();
            if *is_part {
                let by_itself = by_itself.unwrap();
                check(&by_itself);
                let last = stop - 1;
                assert_eq!(by_itself.end_span.0, last);
                assert_eq!(by_itself.blocking[0].first_span(), Some(SpanId(*stop)));
                assert!(refused.contains(&format!("only spans {start} to {last} would")), "{refused}");
                assert!(refused.contains(&format!("--to-span {last} pays what lies before")), "{refused}");
            } else {
                assert_eq!(by_itself.expect_err("nor by itself").to_string(), refused);
                let before = format!("it needs 2 spans, and has {} before span {stop}", stop - start);
                assert!(refused.contains(&before), "{refused}");
            }
            // It names who is in the way, what each of the two checks says of that, and the ways out.
            let words =
                ["CheckBatchRewardTxLogic", "NoSuchSeq", "--credit present-signer", "one of the two checks"];
            for words in
                words.into_iter().chain([&*spans[usize::try_from(*stop).unwrap()].signer.to_string()])
            {
                assert!(refused.contains(words), "no {words} in: {refused}");
            }
        }
    }
}

/// The rules above are rules: a batch that is wrong in one thing fails the check that is to find it.
#[test]
fn the_checks_find_what_is_wrong() {
    let (_dir, log) = ingested("small-a");
    let truth = expected("small-a");
    let cut = cut_before(&log, &truth["batches"][1]);
    let spans = final_spans(&cut.spans);
    let good = || Sent::of(&next_batch(&cut, None, CreditRule::SpanSigner).unwrap());
    assert!(themis_signs(&spans, &good()).is_ok() && contract_takes(&cut.l1, &good()).is_ok());
    let wrong = |change: fn(&mut Sent)| {
        let mut sent = good();
        change(&mut sent);
        (themis_signs(&spans, &sent).is_ok(), contract_takes(&cut.l1, &sent))
    };
    let taken = |is_signed: bool| (is_signed, Ok(()));
    let refused = |is_signed: bool, why: &str| (is_signed, Err(why.to_owned()));
    assert_eq!(wrong(|sent| sent.call._blocks[0] += U256::from(1)), taken(false));
    assert_eq!(wrong(|sent| sent.call._seqs[1] = sent.call._seqs[0]), taken(false));
    assert_eq!(wrong(|sent| sent.call._seqs.reverse()), taken(false));
    assert_eq!(wrong(|sent| sent.call._seqs[0] = Address::repeat_byte(0x99)), refused(false, "NoSuchSeq"));
    assert_eq!(wrong(|sent| sent.call._batchId += U256::from(1)), refused(true, "invalid batch id"));
    assert_eq!(wrong(|sent| sent.call._startEpoch += U256::from(1)), refused(false, "invalid startEpoch"));
    assert_eq!(wrong(|sent| sent.sender = None), refused(true, "not MPC"));
    assert_eq!(wrong(|sent| sent.call._blocks.push(U256::ZERO)), refused(false, "mismatch length"));
    // The other order of whole entries is none of their matters: operators shuffle them.
    let shuffled = wrong(|sent| {
        sent.call._seqs.reverse();
        sent.call._blocks.reverse();
    });
    assert_eq!(shuffled, taken(true));
}
