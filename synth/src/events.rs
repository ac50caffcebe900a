//! The events of a plan: locks and stake changes on L1, spans on L2.

use crate::blocks::sequencer_of_span;
use crate::draw::{Draw, hash};
use crate::{FIRST_TIME, PAIR_SECS, Plan};
use alloy_primitives::{Bytes, U256};
use tally_engine::{
    BatchId, L1Block, L1Record, L2Block, PoolEvent, SequencerId, SpanEvent, SpanId, SpanRecord, UnixTime, Wei,
};

/// A wei has 18 decimals, a gwei 9.
const GWEI: u64 = 1_000_000_000;

/// Stakes lie between these, in METIS; the cap of the built-in policies between them.
const STAKE_METIS: std::ops::RangeInclusive<u64> = 20_000..=120_000;

/// All sequencers lock in the first second; then stakes change, one in each of so many blocks of L1.
pub(crate) fn l1_records(plan: &Plan) -> impl Iterator<Item = L1Record> {
    let mut total = Wei::ZERO;
    let mut stakes: Vec<(Wei, u64)> = Vec::new();
    let locks = (0..u64::from(plan.sequencers)).map(|index| (index, None));
    let changes = (0..plan.stake_changes).map(|index| (index, Some(index)));
    let plan = *plan;
    let length_secs = plan.blocks.div_ceil(2) * PAIR_SECS;
    locks.chain(changes).flat_map(move |(index, change)| {
        let Some(change) = change else {
            let stake = stake(&plan, "lock", index);
            total = total.checked_add(stake).expect("stakes are small");
            stakes.push((stake, 1));
            let locked = PoolEvent::Locked {
                signer: plan.signer(index),
                sequencer: SequencerId(index + 1),
                nonce: 1,
                activation_batch: BatchId(1),
                amount: stake,
                total,
                signer_pubkey: Bytes::new(),
            };
            return vec![record(&plan, L1Block(2), FIRST_TIME, index, locked)];
        };
        // Spread over the blocks, but a second apart and after the locks.
        let secs = u128::from(length_secs) * u128::from(change + 1) / u128::from(plan.stake_changes + 1);
        let secs = u64::try_from(secs).expect("it is less than the length").max(change + 1);
        let time = UnixTime(FIRST_TIME.0 + secs);
        let index = Draw::new(plan.seed, "changed", change).below(u64::from(plan.sequencers));
        let (before, nonce) = &mut stakes[usize::try_from(index).expect("small")];
        let after = stake(&plan, "change", change);
        let sequencer = SequencerId(index + 1);
        let event = if let Ok(amount) = after.checked_sub(*before) {
            total = total.checked_add(amount).expect("stakes are small");
            PoolEvent::Relocked { sequencer, amount, total, from_reward: Wei::ZERO }
        } else {
            let amount = before.checked_sub(after).expect("one of them is the larger");
            total = total.checked_sub(amount).expect("it is part of the total");
            PoolEvent::Withdraw { sequencer, amount }
        };
        *nonce += 1;
        *before = after;
        let update = PoolEvent::LockUpdate { sequencer, nonce: *nonce, new_amount: after };
        let block = L1Block(3 + change);
        vec![record(&plan, block, time, 0, event), record(&plan, block, time, 1, update)]
    })
}

fn stake(plan: &Plan, what: &str, place: u64) -> Wei {
    let gwei = (STAKE_METIS.end() - STAKE_METIS.start()) * GWEI;
    let drawn = STAKE_METIS.start() * GWEI + Draw::new(plan.seed, what, place).below(gwei + 1);
    Wei::new(U256::from(drawn) * U256::from(GWEI))
}

fn record(plan: &Plan, block: L1Block, timestamp: UnixTime, log_index: u64, event: PoolEvent) -> L1Record {
    L1Record {
        block,
        block_hash: hash(plan.seed, "l1", block.0),
        timestamp,
        transaction_hash: hash(plan.seed, "transaction", block.0),
        log_index,
        event,
    }
}

/// Each span is announced in the middle of the one before it, and the first in its first block.
pub(crate) fn span_records(plan: &Plan) -> impl Iterator<Item = SpanRecord> {
    let (plan, blocks) = (*plan, plan.pattern.span_blocks());
    (0..).map_while(move |span: u64| {
        let start = span * blocks;
        let block = if span == 0 { 0 } else { start - blocks.div_ceil(2) };
        (block < plan.blocks).then(|| SpanRecord {
            block: L2Block(block),
            block_hash: hash(plan.seed, "block", block),
            transaction_hash: hash(plan.seed, "announcement", span),
            log_index: span % 2,
            event: SpanEvent::NewEpoch {
                span: SpanId(span),
                start: L2Block(start),
                end: L2Block(start + blocks - 1),
                signer: plan.signer(sequencer_of_span(&plan, span)),
            },
        })
    })
}
