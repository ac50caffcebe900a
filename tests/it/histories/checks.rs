//! The generator's own promises: that what it makes could have happened, and that it makes what the
//! tests of the fold are there for.

use super::builder::{Status, wei};
use super::*;
use crate::oracle::{Epoch, Ledger, Outcome, final_spans, fold};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// As many random cases, the same in every run.
fn cases(count: usize) -> impl Iterator<Item = (History, Policy)> {
    let mut runner = TestRunner::deterministic();
    let strategy = (history(), policy());
    (0..count).map(move |_| strategy.new_tree(&mut runner).expect("nothing is filtered").current())
}

/// A sequencer as the events tell it.
struct ToldSequencer {
    signer: Address,
    owner: Address,
    status: Status,
    stake: Wei,
    reward: Wei,
    nonce: u64,
}

/// The contracts' state as the events tell it; each event is held to what the contracts enforce.
#[derive(Default)]
struct ToldPool {
    sequencers: BTreeMap<u64, ToldSequencer>,
    signers_ever: BTreeSet<Address>,
    total: Wei,
    /// What the escrow holds by the transfers, if any was told.
    held: Option<Wei>,
    claimed: Wei,
    batch: u64,
    last_span: u64,
    reward_per_block: Wei,
}

fn plus(left: Wei, right: Wei) -> Wei {
    left.checked_add(right).expect("far below 2^256")
}

fn minus(left: Wei, right: Wei) -> Wei {
    left.checked_sub(right).expect("the contracts refuse to take more than there is")
}

impl ToldPool {
    fn get(&mut self, sequencer: SequencerId) -> &mut ToldSequencer {
        self.sequencers.get_mut(&sequencer.0).expect("an event of a sequencer comes after its Locked")
    }

    fn active(&mut self, sequencer: SequencerId) -> &mut ToldSequencer {
        let told = self.get(sequencer);
        assert_eq!(told.status, Status::Active);
        told
    }

    fn with_nonce(&mut self, sequencer: SequencerId, nonce: u64) -> &mut ToldSequencer {
        let told = self.active(sequencer);
        assert_eq!(nonce, told.nonce + 1);
        told.nonce = nonce;
        told
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each event")]
    fn hear(&mut self, record: &L1Record, before: Option<&PoolEvent>) {
        match &record.event {
            PoolEvent::Locked { signer, sequencer, nonce, activation_batch, amount, total, .. } => {
                self.total = plus(self.total, *amount);
                assert_eq!((*total, *nonce, activation_batch.0), (self.total, 1, self.batch));
                assert!(self.signers_ever.insert(*signer), "{signer} is new");
                let told = ToldSequencer {
                    signer: *signer,
                    owner: Address::ZERO,
                    status: Status::Active,
                    stake: *amount,
                    reward: Wei::ZERO,
                    nonce: 1,
                };
                assert!(self.sequencers.insert(sequencer.0, told).is_none(), "{sequencer} is new");
                assert_eq!(self.sequencers.len(), usize::try_from(sequencer.0).expect("few"));
            }
            PoolEvent::Relocked { sequencer, amount, total, from_reward } => {
                self.total = plus(self.total, *amount);
                assert_eq!(*total, self.total);
                assert!(from_reward <= amount && !amount.is_zero());
                let told = self.active(*sequencer);
                told.reward = minus(told.reward, *from_reward);
                told.stake = plus(told.stake, *amount);
            }
            PoolEvent::Withdraw { sequencer, amount } => {
                self.total = minus(self.total, *amount);
                let told = self.active(*sequencer);
                told.stake = minus(told.stake, *amount);
            }
            PoolEvent::LockUpdate { sequencer, nonce, new_amount } => {
                assert!(matches!(before, Some(PoolEvent::Relocked { .. } | PoolEvent::Withdraw { .. })));
                assert_eq!(self.with_nonce(*sequencer, *nonce).stake, *new_amount);
                assert!(wei(1) <= *new_amount && *new_amount <= wei(MAX_LOCK_WEI));
            }
            PoolEvent::ClaimRewards { sequencer, amount, total_amount, .. } => {
                self.claimed = plus(self.claimed, *amount);
                assert_eq!(*total_amount, self.claimed);
                let told = self.get(*sequencer);
                assert_ne!(told.status, Status::Gone);
                // Claims are of the whole reward.
                assert_eq!(minus(told.reward, *amount), Wei::ZERO);
                told.reward = Wei::ZERO;
            }
            PoolEvent::UnlockInit { user, sequencer, nonce, unlock_claim_time, amount, .. } => {
                let claim = before.expect("a claim comes first");
                assert!(
                    matches!(claim, PoolEvent::ClaimRewards { amount: claimed, .. } if claimed == amount)
                );
                let told = self.with_nonce(*sequencer, *nonce);
                assert_eq!(*user, told.signer);
                assert!(told.reward.is_zero());
                told.status = Status::Exiting { unlock_claim_time: unlock_claim_time.0 };
            }
            PoolEvent::Unlocked { user, sequencer, amount, total } => {
                self.total = minus(self.total, *amount);
                assert_eq!(*total, self.total);
                let told = self.get(*sequencer);
                assert_eq!((*user, *amount), (told.owner, told.stake));
                assert!(told.reward.is_zero());
                assert!(
                    matches!(told.status, Status::Exiting { unlock_claim_time: time } if time <= record.timestamp.0)
                );
                told.status = Status::Gone;
            }
            PoolEvent::SignerChange { sequencer, nonce, old_signer, new_signer, .. } => {
                assert!(self.signers_ever.insert(*new_signer), "{new_signer} is new");
                let told = self.with_nonce(*sequencer, *nonce);
                assert_eq!(*old_signer, told.signer);
                told.signer = *new_signer;
            }
            PoolEvent::DistributeReward {
                batch,
                start_span,
                end_span,
                amount,
                reward_per_block,
                credits,
            } => {
                assert_eq!((batch.0, start_span.0), (self.batch + 1, self.last_span + 1));
                assert!(start_span < end_span && !credits.is_empty());
                assert_eq!(*reward_per_block, self.reward_per_block);
                (self.batch, self.last_span) = (batch.0, end_span.0);
                let mut sum = Wei::ZERO;
                for credit in credits {
                    let told = self.sequencers.values_mut().find(|told| told.signer == credit.signer);
                    let told = told.expect("the credited is a present signer");
                    assert_ne!(told.status, Status::Gone);
                    let reward = reward_per_block.times(credit.blocks).expect("far below 2^256");
                    told.reward = plus(told.reward, reward);
                    sum = plus(sum, reward);
                }
                assert_eq!(*amount, sum);
            }
            PoolEvent::RewardUpdate { new_reward, old_reward } => {
                assert_eq!(*old_reward, self.reward_per_block);
                self.reward_per_block = *new_reward;
            }
            PoolEvent::SequencerOwnerChanged { sequencer, owner } => {
                assert!(matches!(before, Some(PoolEvent::Locked { .. })));
                self.get(*sequencer).owner = *owner;
            }
            PoolEvent::SequencerRewardRecipientChanged { sequencer, .. } => {
                assert_ne!(self.get(*sequencer).status, Status::Gone);
            }
            PoolEvent::BatchSubmitReward { new_batch } => assert_eq!(new_batch.0, self.batch + 1),
            PoolEvent::SetMinLock { .. }
            | PoolEvent::SetMaxLock { .. }
            | PoolEvent::SetRewardPayer { .. }
            | PoolEvent::WithrawDelayTimeChange { .. }
            | PoolEvent::UpdateMpc { .. }
            | PoolEvent::SetSignerUpdateThrottle { .. }
            | PoolEvent::SetWhitelist { .. }
            | PoolEvent::Paused { .. }
            | PoolEvent::Unpaused { .. } => {}
            PoolEvent::MetisTransfer { from, to, amount } => {
                let held = self.held.unwrap_or(Wei::ZERO);
                let is_in = *to == ESCROW;
                assert_eq!(is_in, *from != ESCROW);
                self.held = Some(if is_in { plus(held, *amount) } else { minus(held, *amount) });
            }
        }
    }
}

impl ToldPool {
    /// After a transaction: the escrow holds what is locked and what is not claimed yet. Whether that is told.
    fn check_held(&self) -> bool {
        let owed = self.sequencers.values().fold(self.total, |owed, told| plus(owed, told.reward));
        assert!(self.held.is_none_or(|held| held == owed), "{:?} held, {owed} owed", self.held);
        self.held.is_some()
    }
}

#[test]
fn the_contracts_would_have_let_every_history_happen() {
    let mut told_transfers = 0;
    for (history, _) in cases(300) {
        let reward_per_block = wei(INITIAL_REWARD_PER_BLOCK_WEI);
        let mut told = ToldPool { batch: 1, reward_per_block, ..ToldPool::default() };
        let mut before: Option<&L1Record> = None;
        for record in &history.l1 {
            if let Some(before) = before {
                assert!((before.block, before.log_index) < (record.block, record.log_index));
                assert_eq!(before.block == record.block, before.timestamp == record.timestamp);
                assert_eq!(before.block == record.block, before.block_hash == record.block_hash);
                assert!(before.timestamp <= record.timestamp);
                if before.transaction_hash != record.transaction_hash {
                    told.check_held();
                }
            }
            told.hear(record, before.map(|before| &before.event));
            before = Some(record);
        }
        assert!(before.is_none_or(|last| last.timestamp.0 <= history.l1_head_timestamp));
        told_transfers += usize::from(told.check_held());
    }
    assert!((100..200).contains(&told_transfers), "{told_transfers} of 300 histories tell of transfers");
}

#[test]
fn blocks_are_consecutive_and_spans_are_in_order() {
    for (history, _) in cases(300) {
        for pair in history.blocks.windows(2) {
            assert_eq!(pair[0].number + 1, pair[1].number);
            assert!(pair[0].timestamp <= pair[1].timestamp);
        }
        for pair in history.spans.windows(2) {
            assert!((pair[0].block, pair[0].log_index) < (pair[1].block, pair[1].log_index));
        }
        for (k, record) in history.spans.iter().enumerate() {
            assert!(history.blocks.iter().any(|block| block.number == record.block.0));
            let spans = final_spans(&history.spans[..k]);
            if let (SpanEvent::NewEpoch { start, .. }, [.., last]) = (&record.event, &spans[..]) {
                assert_eq!(start.0, last.end + 1);
            }
            if let SpanEvent::ReCommitEpoch { start, .. } = &record.event {
                assert_eq!(*start, record.block);
            }
            for pair in final_spans(&history.spans[..=k]).windows(2) {
                assert!(pair[0].start <= pair[0].end + 1, "a span is empty at worst");
                assert_eq!(pair[0].end + 1, pair[1].start, "no overlap and no gap");
            }
        }
    }
}

/// The fold by the schedule and the credits of the batches were made apart and must agree.
#[test]
fn what_a_batch_credits_is_what_the_on_chain_fold_gives_its_blocks() {
    let mut batches = 0;
    for (mut history, mut policy) in cases(300) {
        policy.allocation = Allocation::OnChain;
        policy.genesis = Genesis::FirstPayable;
        history.l1_head_timestamp = u64::MAX;
        let Some(first_block) = history.blocks.first().map(|block| block.number) else {
            continue;
        };
        let spans = final_spans(&history.spans);
        let ledger = fold(&history, &policy, None);
        let mut signers = BTreeMap::new();
        for record in &history.l1 {
            if let PoolEvent::Locked { sequencer, signer, .. } = &record.event {
                signers.insert(*signer, sequencer.0);
            }
            if let PoolEvent::SignerChange { sequencer, new_signer, .. } = &record.event {
                signers.insert(*new_signer, sequencer.0);
            }
            let PoolEvent::DistributeReward { start_span, end_span, amount, credits, .. } = &record.event
            else {
                continue;
            };
            let range =
                usize::try_from(start_span.0).expect("few")..=usize::try_from(end_span.0).expect("few");
            if spans[range.clone()].iter().any(|span| span.start < first_block) {
                continue;
            }
            let (mut credited, mut counted) = (BTreeMap::new(), BTreeMap::new());
            let mut total = BigUint::ZERO;
            for credit in credits.iter().filter(|credit| credit.blocks > 0) {
                *credited.entry(signers[&credit.signer]).or_insert(0) += credit.blocks;
            }
            for entry in &ledger.per_block {
                if !spans[range.clone()].iter().any(|span| span.covers(entry.number)) {
                    continue;
                }
                if let Outcome::Rewarded { sequencer, reward } = &entry.outcome {
                    *counted.entry(*sequencer).or_insert(0) += 1;
                    total += reward;
                }
            }
            assert_eq!((counted, total.to_string()), (credited, amount.to_string()));
            batches += 1;
        }
    }
    assert!(batches > 100, "{batches} batches were compared");
}

/// An epoch goes by an older window than the one before it, which gave no rate.
fn carries_over(epochs: &[Epoch]) -> bool {
    let gives_rate = |epoch: &Epoch| epoch.n > 0 && epoch.q > BigUint::ZERO;
    epochs.iter().enumerate().any(|(e, epoch)| {
        e > 0 && epoch.n > 0 && !gives_rate(&epochs[e - 1]) && epochs[..e].iter().any(gives_rate)
    })
}

/// What a case has in it, each once.
fn traits(history: &History, policy: &Policy, ledger: &Ledger) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut note = |is_found: bool, name| found.extend(is_found.then_some(name));
    let signs = |address: &Address| history.blocks.iter().any(|block| block.signed_by == Some(*address));
    let is_mrr = policy.allocation != Allocation::OnChain;
    let is_signed = is_mrr && policy.attribution == Attribution::Signed;
    for event in history.l1.iter().map(|record| &record.event) {
        if let PoolEvent::Locked { amount, .. } = event {
            note(*amount > wei(100_000 * METIS), "a stake above the cap");
        }
        if let PoolEvent::Relocked { from_reward, .. } = event {
            note(!from_reward.is_zero(), "a relocked reward");
        }
        if let PoolEvent::SignerChange { old_signer, .. } = event {
            note(signs(old_signer), "a retired signer's block");
        }
        if let PoolEvent::ClaimRewards { amount, .. } = event {
            note(!amount.is_zero(), "a claim");
        }
        if let PoolEvent::DistributeReward { batch, credits, .. } = event {
            note(batch.0 > 3, "a third batch");
            let signers: BTreeSet<Address> = credits.iter().map(|credit| credit.signer).collect();
            note(signers.len() < credits.len(), "a signer credited twice in a batch");
        }
        note(matches!(event, PoolEvent::Withdraw { .. }), "a withdrawal");
        note(matches!(event, PoolEvent::Unlocked { .. }), "an exit");
        note(matches!(event, PoolEvent::RewardUpdate { .. }), "a new reward per block");
    }
    for (k, record) in history.spans.iter().enumerate() {
        match &record.event {
            SpanEvent::NewEpoch { span, start, .. } => {
                note(start.0 < record.block.0, "a late span");
                note(span.0 == 0 && start.0 < record.block.0, "a late first span");
            }
            SpanEvent::ReCommitEpoch { old_span, current_span, start, .. } => {
                let spans = final_spans(&history.spans[..k]);
                let old = &spans[usize::try_from(old_span.0).expect("few")];
                let is_last = old_span == current_span;
                note(is_last && start.0 > old.end + 1, "an extension forward");
                note(is_last && start.0 == old.start, "a span cut on its first block");
                note(!is_last && start.0 == old.start, "a last span but one cut on its first block");
                note(!is_last && start.0 <= old.end, "a last span but one cut");
                note(!is_last && start.0 > old.end, "a last span overwritten on its first block");
            }
            SpanEvent::EpochUpdated { .. } | SpanEvent::MpcAddressUpdated { .. } => {}
        }
    }
    let last_number = history.blocks.last().map(|block| block.number);
    let gap = |pair: &[Block]| pair[1].timestamp - pair[0].timestamp;
    note(history.spans.is_empty(), "no span");
    note(history.blocks.windows(2).any(|pair| gap(pair) == 0), "blocks of one second");
    note(history.blocks.windows(2).any(|pair| gap(pair) > 2 * policy.epoch_secs), "a jump over an epoch");
    note(history.blocks.last().is_some_and(|b| b.timestamp > history.l1_head_timestamp), "L1 behind L2");
    note(ledger.horizon.map(|(number, _)| number) == last_number, "every block folded");
    note(ledger.horizon.is_none() && last_number.is_some(), "no block folded");
    note(ledger.before_genesis > 0, "a block before the genesis");
    note(is_signed && ledger.no_producer > 0, "a block without a producer");
    note(ledger.unknown_signer > 0, "a block of an unknown signer");
    note(is_mrr && ledger.after_unlock > 0, "a block after its producer's exit began");
    note(!is_mrr && ledger.after_unlock > 0, "a block that the contract can pay no more");
    note(is_mrr && carries_over(&ledger.epochs), "a rate carried over");
    note(ledger.epochs.iter().filter(|epoch| epoch.n > 0).count() > 5, "many epochs");
    note(ledger.sequencers.len() > 2, "three sequencers rewarded");
    let targets: BTreeSet<(u64, u64)> = ledger.epochs.iter().map(|epoch| epoch.target_mrr).collect();
    note(targets.len() > 1, "a change of the MRR");
    let by_signature = Policy { attribution: Attribution::Signed, ..policy.clone() };
    let by_schedule = Policy { attribution: Attribution::Scheduled, ..policy.clone() };
    let part =
        || fold(history, &by_signature, None).sequencers != fold(history, &by_schedule, None).sequencers;
    note(is_mrr && part(), "attributions that differ");
    found.sort_unstable();
    found.dedup();
    found
}

/// What the tests of the fold are there for.
const MATTERS: &[&str] = &[
    "L1 behind L2",
    "a block after its producer's exit began",
    "a block before the genesis",
    "a block of an unknown signer",
    "a block that the contract can pay no more",
    "a block without a producer",
    "a change of the MRR",
    "a claim",
    "a jump over an epoch",
    "a last span but one cut",
    "a last span but one cut on its first block",
    "a last span overwritten on its first block",
    "a late first span",
    "a late span",
    "a new reward per block",
    "a rate carried over",
    "a relocked reward",
    "a retired signer's block",
    "a signer credited twice in a batch",
    "a span cut on its first block",
    "a stake above the cap",
    "a third batch",
    "a withdrawal",
    "an exit",
    "an extension forward",
    "attributions that differ",
    "blocks of one second",
    "every block folded",
    "many epochs",
    "no block folded",
    "no span",
    "three sequencers rewarded",
];

#[test]
fn everything_that_matters_occurs() {
    let count = 400;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (history, policy) in cases(count) {
        for name in traits(&history, &policy, &fold(&history, &policy, None)) {
            *seen.entry(name).or_default() += 1;
        }
    }
    let rare: Vec<&&str> = MATTERS.iter().filter(|name| seen.get(*name).is_none_or(|n| *n < 4)).collect();
    assert!(rare.is_empty(), "{rare:?} came less than 4 times in {count} cases; all: {seen:#?}");
}
