//! A history without a log: what a fold reads, with so many sequencers, changes and epochs as are asked for.

use alloy_primitives::{Address, B256, Bytes, U256};
use tally_engine::{
    BatchId, Batches, Boundary, Counts, Grid, History, Horizon, L1Block, L1Record, L2Block, Policy,
    PoolEvent, SequencerId, Spans, Timeline, UnixTime, Wei, instants,
};

const FIRST_TIME: u64 = 1_700_000_000;
/// A block each so many seconds.
const BLOCK_SECS: u64 = 2;

/// All that a [`History`] refers to.
pub(crate) struct OwnHistory {
    timeline: Timeline,
    spans: Spans,
    batches: Batches,
    grid: Grid,
    counts: Counts,
    pub(crate) horizon: Horizon,
}

impl OwnHistory {
    /// Over so many epochs of `policy`; everybody makes about as many blocks as the others.
    pub(crate) fn new(policy: &Policy, sequencers: u64, changes: u64, epochs: u64) -> Self {
        let end = FIRST_TIME + epochs * policy.epoch_secs() - 1;
        let last = L2Block((end - FIRST_TIME) / BLOCK_SECS);
        let records = records(sequencers, changes, end - FIRST_TIME);
        let timeline = Timeline::from_records(&records);
        // Block n is made n · BLOCK_SECS after the first; the division rounds up.
        let first_block = |time: UnixTime| L2Block((time.0 - FIRST_TIME).div_ceil(BLOCK_SECS));
        let instants = instants(policy, &timeline, None, None, UnixTime(end)).unwrap();
        let boundary = |time| Boundary { time, first_block: first_block(time) };
        let grid = Grid::new(L2Block(0), last, instants.into_iter().map(boundary).collect(), &[last]);
        let producers = (0..sequencers).map(|index| Some(signer(index)));
        let mut counts = Counts::new(std::iter::once(None).chain(producers).collect());
        for stretch in 0..grid.len() {
            let (first, last) = grid.stretch(stretch).unwrap();
            let blocks = last.0 - first.0 + 1;
            for index in 0..sequencers {
                // The first ones make what is left over.
                let own = blocks / sequencers + u64::from(index < blocks % sequencers);
                counts.add(stretch, usize::try_from(index + 1).unwrap(), own).unwrap();
            }
        }
        let horizon = Horizon { block: last, timestamp: UnixTime(FIRST_TIME + last.0 * BLOCK_SECS) };
        let batches = Batches::from_records(&records, Wei::ZERO);
        Self { timeline, spans: Spans::new(), batches, grid, counts, horizon }
    }

    pub(crate) fn history(&self) -> History<'_> {
        let Self { timeline, spans, batches, grid, counts, .. } = self;
        History { timeline, spans, batches, first_payable: None, grid, counts }
    }
}

fn signer(index: u64) -> Address {
    Address::left_padding_from(&(index + 1).to_be_bytes())
}

/// Everybody locks in the first second; later stakes change, one after the other.
fn records(sequencers: u64, changes: u64, length_secs: u64) -> Vec<L1Record> {
    let stake = |metis: u64| Wei::new(U256::from(metis) * U256::from(10_u64).pow(U256::from(18)));
    let record = |secs: u64, event| L1Record {
        block: L1Block(secs),
        block_hash: B256::ZERO,
        timestamp: UnixTime(FIRST_TIME + secs),
        transaction_hash: B256::ZERO,
        log_index: 0,
        event,
    };
    let lock = |index: u64| {
        let locked = PoolEvent::Locked {
            signer: signer(index),
            sequencer: SequencerId(index + 1),
            nonce: 1,
            activation_batch: BatchId(1),
            amount: stake(20_000 + 997 * index % 100_000),
            total: Wei::ZERO,
            signer_pubkey: Bytes::new(),
        };
        record(0, locked)
    };
    let change = |index: u64| {
        let sequencer = SequencerId(index * 7 % sequencers + 1);
        let new_amount = stake(20_000 + 4_999 * index % 100_000);
        let update = PoolEvent::LockUpdate { sequencer, nonce: 2 + index, new_amount };
        record((index + 1) * length_secs / (changes + 1), update)
    };
    (0..sequencers).map(lock).chain((0..changes).map(change)).collect()
}
