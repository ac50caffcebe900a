//! Every code of a finding, on a history with one thing wrong.

use super::ALL;
use crate::memory::MemoryLog;
use crate::oracle::History;
use crate::support::{history_of, ingested};
use alloy_primitives::{Address, U256};
use engine::{Credit, L1Record, PoolEvent, PoolGenesis, SpanEvent, SpanId, Wei};
use std::collections::BTreeSet;
use tally_audit::{Code, Finding, audit_chain};
use tally_eventlog::{LogIdentity, LogView};

struct Clean {
    history: History,
    identity: LogIdentity,
}

const STRANGER: Address = Address::repeat_byte(0xee);

impl Clean {
    fn new() -> Self {
        let (_dir, log) = ingested("small-a");
        Self { history: history_of(&log), identity: log.identity().clone() }
    }

    fn audit(&self, history: &History, genesis: &PoolGenesis) -> Vec<Finding> {
        let identity = LogIdentity { genesis: genesis.clone(), ..self.identity.clone() };
        let log = MemoryLog::new(history).with_contracts(&identity);
        audit_chain(&log, ALL).unwrap().findings
    }

    /// What is found beside what there was anyway, with `change` made.
    fn new_with(&self, change: impl FnOnce(&mut History)) -> Vec<Finding> {
        let mut history = self.history.clone();
        change(&mut history);
        let known = self.audit(&self.history, &self.identity.genesis);
        let mut found = self.audit(&history, &self.identity.genesis);
        found.retain(|finding| !known.contains(finding));
        found
    }

    /// Changes the nth event of this name, and wants `code` at its block.
    fn check(&self, code: Code, event: &str, nth: usize, change: impl FnOnce(&mut L1Record)) -> Finding {
        let of_name = |record: &&L1Record| record.event.name() == event;
        let record = self.history.l1.iter().filter(of_name).nth(nth).unwrap().clone();
        let at = self.history.l1.iter().position(|other| *other == record).unwrap();
        let found = self.new_with(|history| change(&mut history.l1[at]));
        let own = found.iter().find(|finding| finding.code == code && finding.l1_block == Some(record.block));
        own.unwrap_or_else(|| panic!("{code:?} is not found at block {}: {found:#?}", record.block)).clone()
    }
}

fn more(wei: &mut Wei) {
    *wei = wei.checked_add(Wei::new(U256::from(1))).unwrap();
}

fn less(wei: &mut Wei) {
    *wei = wei.checked_sub(Wei::new(U256::from(1))).unwrap();
}

/// Changes the fields of an event of one kind.
macro_rules! edit {
    ($record:expr, $name:ident { $($field:ident),* }, $edit:expr) => {
        match &mut $record.event {
            PoolEvent::$name { $($field,)* .. } => $edit,
            other => panic!("{} is no {}", other.name(), stringify!($name)),
        }
    };
}

#[test]
fn what_a_batch_claims_falsely_is_found() {
    let clean = Clean::new();
    let batch = |code, change: fn(&mut Vec<Credit>)| {
        clean.check(code, "DistributeReward", 0, |record| {
            edit!(record, DistributeReward { credits }, change(credits));
        })
    };
    let shifted = batch(Code::PostedBlocks, |credits| {
        credits[0].blocks -= 1;
        credits[1].blocks += 1;
    });
    assert_eq!((shifted.expected.unwrap(), shifted.found.unwrap()), ("80".into(), "79".into()));
    assert_eq!(shifted.other_count, Some(80));
    let left_out = batch(Code::SignerLeftOut, |credits| {
        credits.remove(0);
    });
    assert_eq!((left_out.expected.unwrap(), left_out.found.unwrap()), ("80".into(), "0".into()));
    batch(Code::RepeatedSigner, |credits| {
        credits[0].blocks -= 1;
        credits.push(Credit { signer: credits[0].signer, blocks: 1 });
    });
    batch(Code::StaleSigner, |credits| credits[0].signer = STRANGER);
    batch(Code::ZeroCountEntry, |credits| credits.push(Credit { signer: credits[0].signer, blocks: 0 }));
    let claim = |code, nth, change: fn(&mut PoolEvent)| {
        clean.check(code, "DistributeReward", nth, |record| change(&mut record.event))
    };
    claim(Code::BatchAmount, 1, |event| {
        if let PoolEvent::DistributeReward { amount, .. } = event {
            more(amount);
        }
    });
    claim(Code::RewardPerBlock, 1, |event| {
        if let PoolEvent::DistributeReward { reward_per_block, .. } = event {
            more(reward_per_block);
        }
    });
    claim(Code::SpansNotContiguous, 1, |event| {
        if let PoolEvent::DistributeReward { start_span, .. } = event {
            start_span.0 += 1;
        }
    });
    claim(Code::BatchTooShort, 1, |event| {
        if let PoolEvent::DistributeReward { start_span, end_span, .. } = event {
            *end_span = *start_span;
        }
    });
    claim(Code::UnfinishedSpanPaid, 1, |event| {
        if let PoolEvent::DistributeReward { end_span, .. } = event {
            end_span.0 += 20;
        }
    });
    claim(Code::BatchOutOfTurn, 1, |event| {
        if let PoolEvent::DistributeReward { batch, .. } = event {
            batch.0 += 1;
        }
    });
    claim(Code::RewardsIdentity, 1, |event| {
        if let PoolEvent::DistributeReward { amount, .. } = event {
            more(amount);
        }
    });
}

#[test]
fn what_other_events_claim_falsely_is_found() {
    let clean = Clean::new();
    let nonce = clean.check(Code::Nonce, "LockUpdate", 0, |it| edit!(it, LockUpdate { nonce }, *nonce += 1));
    assert_eq!((nonce.expected.unwrap(), nonce.found.unwrap()), ("2".into(), "3".into()));
    clean.check(Code::RunningTotal, "Relocked", 0, |it| edit!(it, Relocked { total }, more(total)));
    clean.check(Code::RunningTotal, "ClaimRewards", 3, |it| {
        edit!(it, ClaimRewards { total_amount }, more(total_amount));
    });
    clean.check(Code::StakeUpdate, "LockUpdate", 0, |it| {
        edit!(it, LockUpdate { new_amount }, more(new_amount));
    });
    let paid = clean.history.l1.iter().filter(|it| it.event.name() == "ClaimRewards");
    let nth = paid
        .into_iter()
        .position(|it| matches!(&it.event, PoolEvent::ClaimRewards { amount, .. } if !amount.is_zero()));
    let nth = nth.unwrap();
    clean
        .check(Code::ClaimAmount, "ClaimRewards", nth, |it| edit!(it, ClaimRewards { amount }, less(amount)));
    clean.check(Code::ClaimOverCredit, "ClaimRewards", nth, |it| {
        edit!(it, ClaimRewards { amount }, more(amount));
    });
    clean.check(Code::ClaimOverCredit, "Relocked", 0, |it| {
        edit!(it, Relocked { amount, from_reward }, {
            *from_reward = *amount;
            more(from_reward);
        });
    });
    clean.check(Code::ClaimRecipient, "ClaimRewards", nth, |it| {
        edit!(it, ClaimRewards { recipient }, *recipient = STRANGER);
    });
    clean.check(Code::RecipientMissing, "ClaimRewards", nth, |it| {
        edit!(it, ClaimRewards { recipient }, *recipient = Address::ZERO);
    });
    for change in [
        |event: &mut PoolEvent| {
            if let PoolEvent::UnlockInit { deactivation_batch, .. } = event {
                deactivation_batch.0 += 1;
            }
        },
        |event: &mut PoolEvent| {
            if let PoolEvent::UnlockInit { unlock_claim_time, .. } = event {
                unlock_claim_time.0 += 1;
            }
        },
        |event: &mut PoolEvent| {
            if let PoolEvent::UnlockInit { amount, .. } = event {
                more(amount);
            }
        },
    ] {
        clean.check(Code::UnlockTerms, "UnlockInit", 0, |record| change(&mut record.event));
    }
    clean.check(Code::SignerPubkey, "Locked", 2, |it| {
        edit!(it, Locked { signer_pubkey }, {
            let mut key = signer_pubkey.to_vec();
            key[0] ^= 1;
            *signer_pubkey = key.into();
        });
    });
    clean.check(Code::Contradiction, "RewardUpdate", 1, |it| {
        edit!(it, RewardUpdate { old_reward }, more(old_reward));
    });
    clean.check(Code::ImpossibleRecord, "Locked", 2, |it| edit!(it, Locked { sequencer }, sequencer.0 += 1));
    clean
        .check(Code::TransferMismatch, "Transfer", 0, |it| edit!(it, MetisTransfer { amount }, less(amount)));
    clean.check(Code::TransferParty, "Transfer", 0, |it| edit!(it, MetisTransfer { from }, *from = STRANGER));
    clean.check(Code::EscrowIdentity, "Transfer", 0, |it| edit!(it, MetisTransfer { amount }, less(amount)));
}

fn at(findings: &[Finding], code: Code) -> &Finding {
    findings.iter().find(|it| it.code == code).unwrap_or_else(|| panic!("no {code:?}: {findings:#?}"))
}

fn named(history: &History, name: &str) -> usize {
    history.l1.iter().position(|record| record.event.name() == name).unwrap()
}

#[test]
fn what_is_missing_or_out_of_place_is_found() {
    let clean = Clean::new();
    for (name, code) in [
        ("LockUpdate", Code::IncompleteTransaction),
        ("Relocked", Code::IncompleteTransaction),
        ("SequencerOwnerChanged", Code::IncompleteTransaction),
        ("BatchSubmitReward", Code::IncompleteTransaction),
        ("DistributeReward", Code::IncompleteTransaction),
        ("SetWhitelist", Code::OwnerNotAllowed),
        ("Transfer", Code::TransferMismatch),
    ] {
        let found = clean.new_with(|history| drop(history.l1.remove(named(history, name))));
        at(&found, code);
    }
    let found = clean.new_with(|history| history.l1.retain(|record| record.event.name() != "Transfer"));
    at(&found, Code::NoTransfers);
    let found = clean.new_with(|history| history.l1.swap(10, 11));
    at(&found, Code::RecordOrder);
    let found = clean.new_with(|history| {
        let unlock = named(history, "UnlockInit");
        edit!(history.l1[unlock], UnlockInit { unlock_claim_time }, unlock_claim_time.0 += 1_000_000);
    });
    at(&found, Code::UnlockTerms);
    at(&found, Code::UnlockTooEarly);
    // A gift beside a stake, in its transaction.
    let found = clean.new_with(|history| {
        let locked = named(history, "Locked");
        let mut gift = history.l1[locked].clone();
        let block = gift.block;
        let after = history.l1.iter().rposition(|record| record.block == block).unwrap();
        let wei = Wei::new(U256::from(5));
        gift.log_index = history.l1[after].log_index + 1;
        gift.event =
            PoolEvent::MetisTransfer { from: STRANGER, to: clean.identity.locking_info, amount: wei };
        history.l1.insert(after + 1, gift);
    });
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(at(&found, Code::Donation).found.as_deref(), Some("5"));
}

#[test]
fn stakes_are_held_against_the_contract_s_bounds_and_the_cap() {
    let clean = Clean::new();
    let max_lock = Wei::new(U256::from(1));
    let strict = PoolGenesis { max_lock, ..clean.identity.genesis.clone() };
    let over = clean.audit(&clean.history, &strict);
    assert_eq!(at(&over, Code::StakeOverMaximum).expected.as_deref(), Some("1"));
    let min_lock = Wei::new(U256::MAX);
    let under = clean.audit(&clean.history, &PoolGenesis { min_lock, ..clean.identity.genesis.clone() });
    at(&under, Code::StakeUnderMinimum);
    // Raised above it by a relock: sequencer 4 here, and sequencer 1 in the other recording.
    let of_cap = |findings: &[Finding]| -> BTreeSet<u64> {
        let over = findings.iter().filter(|finding| finding.code == Code::StakeOverCap);
        over.map(|finding| finding.sequencer.unwrap().0).collect()
    };
    let over_cap = |recording: &str| -> BTreeSet<u64> {
        let truth = crate::support::expected(recording);
        let states = truth["checkpoints"].as_array().unwrap().iter().chain([&truth["final"]]);
        let all = states.flat_map(|state| state["sequencers"].as_object().unwrap());
        let is_over = |amount: &str| amount.parse::<u128>().unwrap() > 100_000_000_000_000_000_000_000;
        let over = all.filter(|(_, state)| is_over(state["amount"].as_str().unwrap()));
        over.map(|(id, _)| id.parse().unwrap()).collect()
    };
    for recording in crate::support::RECORDINGS {
        let (_dir, log) = ingested(recording);
        let findings = audit_chain(&log, ALL).unwrap().findings;
        let over = over_cap(recording);
        assert!(!over.is_empty() && over.is_subset(&of_cap(&findings)), "{recording}: {over:?}");
        let relocked = log.l1_records().unwrap().into_iter().filter(
            |it| matches!(&it.event, PoolEvent::Relocked { from_reward, .. } if !from_reward.is_zero()),
        );
        let found = findings.iter().filter(|finding| finding.code == Code::RewardRelocked);
        assert_eq!(found.count(), relocked.count());
    }
}

#[test]
fn odd_spans_and_producers_are_found() {
    let clean = Clean::new();
    let span_of = |history: &History, id: u64| {
        let is_it = |record: &engine::SpanRecord| matches!(record.event, SpanEvent::NewEpoch { span, .. } if span == SpanId(id));
        history.spans.iter().position(is_it).unwrap()
    };
    let found = clean.new_with(|history| {
        let at = span_of(history, 3);
        if let SpanEvent::NewEpoch { signer, .. } = &mut history.spans[at].event {
            *signer = STRANGER;
        }
    });
    assert_eq!(at(&found, Code::UnknownScheduled).span, Some(SpanId(3)));
    let mut gap = None;
    let found = clean.new_with(|history| {
        let at = span_of(history, 3);
        if let SpanEvent::NewEpoch { start, .. } = &mut history.spans[at].event {
            gap = Some(*start..=*start);
            start.0 += 1;
        }
    });
    assert_eq!(at(&found, Code::NoSpan).l2_blocks, gap);
    let mut block = None;
    let found = clean.new_with(|history| {
        let made = history.blocks.iter_mut().filter(|block| block.signed_by.is_some()).nth(100).unwrap();
        made.signed_by = Some(STRANGER);
        block = Some(engine::L2Block(made.number));
    });
    let unknown = at(&found, Code::UnknownProducer);
    assert_eq!(unknown.l2_blocks, block.map(|block| block..=block));
    assert_eq!(unknown.found.as_deref(), Some("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"));
}

#[test]
fn blocks_that_cannot_be_attributed_before_others_that_are_paid_are_not_verified() {
    let clean = Clean::new();
    let mut history = clean.history.clone();
    // A gap of one block that nobody signed: no later block is settled.
    let at = history
        .spans
        .iter()
        .position(|record| matches!(record.event, SpanEvent::NewEpoch { span: SpanId(3), .. }));
    let mut gap = 0;
    if let SpanEvent::NewEpoch { start, .. } = &mut history.spans[at.unwrap()].event {
        gap = start.0;
        start.0 += 1;
    }
    history.blocks.iter_mut().find(|block| block.number == gap).unwrap().signed_by = None;
    let log = MemoryLog::new(&history).with_contracts(&clean.identity);
    let audit = audit_chain(&log, ALL).unwrap();
    assert_eq!(audit.l2_block.unwrap().0, gap - 1);
    assert!(audit.unsettled.as_ref().unwrap().contains(&format!("blocks from {gap} on")), "{audit:?}");
}
