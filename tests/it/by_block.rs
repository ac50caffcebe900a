//! The ledger by block: against the oracle's, block by block, and against the replay's sums.

use crate::histories::{history, policy};
use crate::memory::MemoryLog;
use crate::oracle;
use crate::support::{RECORDINGS, cases, engine_policy, history_of, ingested, oracle_policy};
use engine::{EpochIndex, L2Block, Ledger, Policy, SequencerId, Spans, Unrewarded, Wei};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tally_eventlog::{Heads, LogView};
use tally_replay::{BlockEntry, BlockLedger, Outcome, ReplayOptions, Replayed, replay, restore, save};

fn replayed<L: LogView>(log: &L, policy: &Policy) -> Replayed {
    replay(log, std::slice::from_ref(policy), ReplayOptions::default()).unwrap().remove(0)
}

pub(crate) fn all<L: LogView>(ledger: &BlockLedger<'_, L>) -> Vec<BlockEntry> {
    ledger.range().map_or(Vec::new(), |range| ledger.iter(range).map(Result::unwrap).collect())
}

/// The blocks sum to the ledger's rows, and its reasons; totals run.
pub(crate) fn assert_sums(entries: &[BlockEntry], ledger: &Ledger) {
    type Rows = BTreeMap<(EpochIndex, SequencerId), (u64, Wei)>;
    let mut rows = Rows::new();
    let mut totals: BTreeMap<SequencerId, Wei> = BTreeMap::new();
    let mut reasons: BTreeMap<Unrewarded, u64> = BTreeMap::new();
    let mut weights: BTreeMap<EpochIndex, Wei> = BTreeMap::new();
    for entry in entries {
        match entry.outcome {
            Outcome::Unrewarded(reason) => *reasons.entry(reason).or_default() += 1,
            Outcome::Rewarded(rewarded) => {
                let epoch = entry.epoch.expect("only blocks of an epoch earn");
                let sequencer = entry.sequencer.expect("whoever earns is known");
                let row = rows.entry((epoch, sequencer)).or_default();
                *row = (row.0 + 1, row.1.checked_add(rewarded.reward).unwrap());
                let total = totals.entry(sequencer).or_default();
                *total = total.checked_add(rewarded.reward).unwrap();
                assert_eq!(rewarded.running_total, *total, "block {}", entry.block);
                let weight = weights.entry(epoch).or_default();
                *weight = weight.checked_add(rewarded.effective).unwrap();
            }
        }
    }
    let expected: Rows = ledger
        .epochs
        .iter()
        .flat_map(|epoch| {
            let earned = |row: &engine::Row| (row.earned.blocks, row.earned.reward);
            epoch.rows.iter().map(move |row| ((epoch.epoch, row.sequencer), earned(row)))
        })
        .collect();
    assert_eq!(rows, expected);
    for (sequencer, total) in totals {
        assert_eq!(ledger.sequencers[&sequencer].earned.reward, total);
    }
    for epoch in &ledger.epochs {
        let weight = weights.get(&epoch.epoch).copied().unwrap_or_default();
        assert_eq!(weight.get(), epoch.stake_blocks.get(), "W of epoch {}", epoch.epoch);
    }
    let reason = |reason| reasons.get(&reason).copied().unwrap_or(0);
    assert_eq!(reason(Unrewarded::BeforeGenesis), ledger.unrewarded.before_genesis);
    assert_eq!(reason(Unrewarded::NoProducer), ledger.unrewarded.no_producer);
    assert_eq!(reason(Unrewarded::UnknownSigner), ledger.unrewarded.unknown_signer);
    assert_eq!(reason(Unrewarded::AfterUnlock), ledger.unrewarded.after_unlock);
}

/// Each block is what the oracle says of it.
pub(crate) fn assert_as_oracle(entries: &[BlockEntry], theirs: &oracle::Ledger, history: &oracle::History) {
    assert_eq!(entries.len(), theirs.per_block.len());
    for ((entry, their), block) in entries.iter().zip(&theirs.per_block).zip(&history.blocks) {
        assert_eq!((entry.block.0, entry.timestamp.0), (block.number, block.timestamp));
        assert_eq!(entry.signer, block.signed_by);
        let ours = match entry.outcome {
            Outcome::Rewarded(rewarded) => oracle::Outcome::Rewarded {
                sequencer: entry.sequencer.unwrap().0,
                reward: rewarded.reward.to_string().parse().unwrap(),
            },
            Outcome::Unrewarded(Unrewarded::BeforeGenesis) => oracle::Outcome::BeforeGenesis,
            Outcome::Unrewarded(Unrewarded::NoProducer) => oracle::Outcome::NoProducer,
            Outcome::Unrewarded(Unrewarded::UnknownSigner) => oracle::Outcome::UnknownSigner,
            Outcome::Unrewarded(Unrewarded::AfterUnlock) => oracle::Outcome::AfterUnlock,
        };
        assert_eq!((entry.block.0, &ours), (their.number, &their.outcome));
    }
}

/// Whatever is asked first, and from where to where, the answer is the same.
fn assert_same_from_anywhere<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    entries: &[BlockEntry],
    probes: &[(usize, usize)],
) {
    let mut reader = ledger.reader();
    for (from, len) in probes.iter().filter(|_| !entries.is_empty()) {
        let from = from % entries.len();
        let expected = &entries[from..(from + len).min(entries.len())];
        assert_eq!(reader.entry(entries[from].block).unwrap().as_ref(), Some(&entries[from]));
        if let (Some(first), Some(last)) = (expected.first(), expected.last()) {
            let mut found = Vec::new();
            reader.for_each(first.block..=last.block, |entry| found.push(*entry)).unwrap();
            assert_eq!(found, expected);
        }
    }
    if let Some(range) = ledger.range() {
        assert_eq!(reader.entry(L2Block(range.end().0 + 1)).unwrap(), None);
        assert_eq!(range.start().previous().map_or(Ok(None), |before| reader.entry(before)).unwrap(), None);
    }
}

proptest! {
    #![proptest_config(cases(500, 10_000))]

    #[test]
    fn each_block_is_as_the_oracle_has_it(history in history(), policy in policy(), probes in prop::collection::vec((any::<usize>(), 0_usize..300), 0..6)) {
        let log = MemoryLog::new(&history);
        let replayed = replayed(&log, &engine_policy(&policy));
        let ledger = BlockLedger::new(&log, &replayed).unwrap();
        let entries = all(&ledger);
        assert_sums(&entries, &replayed.ledger);
        assert_as_oracle(&entries, &oracle::fold(&history, &policy, None), &history);
        assert_same_from_anywhere(&ledger, &entries, &probes);
        let mut by_epoch = Vec::new();
        for epoch in std::iter::once(None).chain(replayed.ledger.epochs.iter().map(|epoch| Some(epoch.epoch))) {
            if let Some(range) = ledger.blocks_of(epoch).unwrap() {
                by_epoch.extend(ledger.iter(range).map(Result::unwrap).inspect(|entry| assert_eq!(entry.epoch, epoch)));
            }
        }
        prop_assert_eq!(by_epoch, entries);
    }

    /// What is kept of a replay is that replay, for that log and policy; and nothing if a byte is another.
    #[test]
    fn a_replay_that_was_kept_comes_back_or_nothing_does(history in history(), policy in policy(), at in any::<prop::sample::Index>(), mask in 1_u8..) {
        let (policy, memory) = (engine_policy(&policy), MemoryLog::new(&history));
        let (identity, heads) = (memory.identity(), Heads { l1: memory.reach().l1, ..Heads::default() });
        let (replayed, log) = (replayed(&memory, &policy), heads.digest(identity).unwrap());
        let mut bytes = save(&replayed, identity, &heads).unwrap();
        let restored = restore(&bytes, &policy, log).unwrap();
        prop_assert_eq!(&restored.ledger, &replayed.ledger);
        prop_assert_eq!(restored.stop, replayed.stop);
        prop_assert!(restore(&bytes, &policy, alloy_primitives::B256::ZERO).is_none());
        let other = policy.variant(None, Wei::new(alloy_primitives::U256::from(1)), engine::Allocation::Flat).unwrap();
        prop_assert!(restore(&bytes, &other, log).is_none());
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        prop_assert!(restore(&bytes, &policy, log).is_none());
        prop_assert!(restore(&bytes[..at], &policy, log).is_none());
    }
}

#[test]
fn the_recordings_are_as_the_oracle_has_them_block_by_block() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let history = history_of(&log);
        for policy in ["guide", "stake-weighted", "locking-pool"] {
            let replayed = replayed(&log, &Policy::built_in(policy).unwrap());
            let ledger = BlockLedger::new(&log, &replayed).unwrap();
            let entries = all(&ledger);
            assert!(entries.len() > 1_000, "{name}, {policy}: {} blocks", entries.len());
            assert_sums(&entries, &replayed.ledger);
            assert_as_oracle(&entries, &oracle::fold(&history, &oracle_policy(policy), None), &history);
            let step = 8_192 / 3;
            let probes: Vec<(usize, usize)> =
                (0..40).map(|probe| (probe * step * 7 + probe, probe * 53)).collect();
            assert_same_from_anywhere(&ledger, &entries, &probes);
        }
    }
}

/// A few span events tell of a range what all of them do.
#[test]
fn the_spans_over_a_range_are_those_of_the_whole() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let whole = Spans::from_records(&log.span_records().unwrap()).unwrap();
        let (first, last) = (log.identity().l2_first_block.0, log.heads().l2.unwrap().block.0);
        let mut fewer = 0;
        for start in (first..=last).step_by(97) {
            let end = (start + start % 500).min(last);
            let records = LogView::span_records_over(&log, &(L2Block(start)..=L2Block(end))).unwrap();
            fewer += usize::from(records.len() < 20);
            let first_id = records.iter().find_map(|record| record.event.span());
            let mut part = Spans::part_from(first_id.unwrap());
            for record in &records {
                part.apply(record).unwrap();
            }
            for block in (start..=end).map(L2Block) {
                let (ours, theirs) = (part.covering(block), whole.covering(block));
                assert_eq!(ours, theirs, "{name}, block {block} of {start}..={end}");
                assert_eq!(ours.map(|span| part.holds(span)), theirs.map(|span| whole.holds(span)));
            }
        }
        assert!(fewer > 10, "{name}: {fewer} ranges need few events");
    }
}
