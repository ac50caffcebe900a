//! The engine against the oracle on random histories, and what must hold whatever the history is.

use crate::histories::{history, policy};
use crate::memory::MemoryLog;
use crate::oracle::{self, Allocation, Attribution, History};
use crate::support::{assert_same, cases, engine_policy, splits};
use engine::{L1Block, L2Block, Ledger, UnixTime};
use proptest::prelude::*;
use tally_eventlog::{L1Head, LogIdentity, LogReader, LogWriter, verify};
use tally_replay::{Replay, ReplayOptions, replay};

fn fold(log: &MemoryLog, policies: &[oracle::Policy], options: ReplayOptions<'_>) -> Vec<Ledger> {
    let policies: Vec<_> = policies.iter().map(engine_policy).collect();
    replay(log, &policies, options).unwrap().into_iter().map(|replayed| replayed.ledger).collect()
}

/// Every block up to the horizon is rewarded or not, once; rows sum to epochs, and epochs to totals.
fn assert_conserved(ledger: &Ledger, first: u64) {
    let rewarded: u64 = ledger.epochs.iter().map(|epoch| epoch.earned.blocks).sum();
    let unrewarded = ledger.unrewarded.total().unwrap();
    let blocks = ledger.horizon.map_or(0, |horizon| horizon.block.0 - first + 1);
    assert_eq!(rewarded + unrewarded, blocks, "rewarded + unrewarded = blocks");
    let zero = engine::Wei::ZERO;
    let sum =
        |wei: &mut dyn Iterator<Item = engine::Wei>| wei.fold(zero, |sum, wei| sum.checked_add(wei).unwrap());
    for epoch in &ledger.epochs {
        let rows: u64 = epoch.rows.iter().map(|row| row.earned.blocks).sum();
        assert_eq!(rows, epoch.earned.blocks);
        assert_eq!(sum(&mut epoch.rows.iter().map(|row| row.earned.reward)), epoch.earned.reward);
    }
    assert_eq!(sum(&mut ledger.epochs.iter().map(|epoch| epoch.earned.reward)), ledger.total);
    assert_eq!(sum(&mut ledger.sequencers.values().map(|total| total.earned.reward)), ledger.total);
    if !ledger.batches.is_empty() || ledger.pending.blocks > 0 {
        let paid = ledger.batches.iter().flat_map(|batch| batch.rows.values().map(|earned| earned.reward));
        assert_eq!(sum(&mut paid.chain([ledger.pending.reward])), ledger.total);
    }
}

/// What was known when the log ended at L2 block `to` and with the first `l1` pool events, `ahead_secs`
/// after the last of them (but before the next): later events are not.
fn prefix(history: &History, to: u64, l1: usize, ahead_secs: u64) -> History {
    let mut prefix = history.clone();
    prefix.blocks.retain(|block| block.number <= to);
    prefix.spans.retain(|record| record.block.0 <= to);
    if let Some(next) = history.l1.get(l1) {
        // Events of one block come together.
        prefix.l1.retain(|record| record.timestamp < next.timestamp);
        let last = prefix.l1.last().map_or(0, |record| record.timestamp.0);
        prefix.l1_head_timestamp = (last + ahead_secs).min(next.timestamp.0 - 1);
    }
    prefix
}

proptest! {
    #![proptest_config(cases(1_000, 20_000))]

    #[test]
    fn every_ledger_equals_the_oracles(history in history(), policies in prop::collection::vec(policy(), 1..4), to in any::<prop::sample::Index>()) {
        let log = MemoryLog::new(&history);
        let first = history.blocks.first().map_or(0, |block| block.number);
        let to = first + u64::try_from(to.index(history.blocks.len() + 2)).unwrap();
        let options = ReplayOptions { to: Some(L2Block(to)), ..ReplayOptions::default() };
        for (ours, policy) in fold(&log, &policies, options).iter().zip(&policies) {
            assert_same(ours, &oracle::fold(&history, policy, Some(to)));
            assert_conserved(ours, first);
        }
    }
}

proptest! {
    #![proptest_config(cases(500, 10_000))]

    #[test]
    fn prefix_and_suffix_make_the_whole_for_any_split_and_number_of_threads(history in history(), policy in policy(), parts in 1_u64..9) {
        let log = MemoryLog::new(&history);
        let policies = [policy];
        let whole = fold(&log, &policies, ReplayOptions::default());
        let first = history.blocks.first().map_or(0, |block| block.number);
        let last = history.blocks.last().map_or(0, |block| block.number);
        let splits = splits(first, last, parts);
        for threads in [None, Some(1), Some(2), Some(8)] {
            let options = ReplayOptions { threads, splits: &splits, ..ReplayOptions::default() };
            let split = fold(&log, &policies, options);
            prop_assert_eq!(split[0].root, whole[0].root);
            prop_assert_eq!(&split, &whole);
        }
    }

    /// What a replay says of a block stays when more is ingested. The replay of a log that
    /// ends at `cut` equals the replay of the whole log up to where the first one ended.
    #[test]
    fn what_was_said_of_a_block_stays(history in history(), policy in policy(), cut in any::<[prop::sample::Index; 2]>(), ahead_secs in 0_u64..2_000) {
        prop_assume!(policy.allocation != Allocation::OnChain && !history.blocks.is_empty());
        let to = history.blocks[cut[0].index(history.blocks.len())].number;
        let known = prefix(&history, to, cut[1].index(history.l1.len() + 1), ahead_secs);
        let policies = [policy];
        let early = fold(&MemoryLog::new(&known), &policies, ReplayOptions::default());
        let Some(horizon) = early[0].horizon else {
            return Ok(());
        };
        let options = ReplayOptions { to: Some(horizon.block), ..ReplayOptions::default() };
        let late = fold(&MemoryLog::new(&history), &policies, options);
        prop_assert_eq!(early[0].root, late[0].root);
        prop_assert_eq!(&early, &late);
    }

    /// A replay that goes on as the log grows, in steps of any length, ends with the ledgers of a replay of the
    /// whole log. What came of each step is what a replay of that log by itself gives.
    #[test]
    fn a_replay_can_go_on_where_it_stopped(history in history(), policies in prop::collection::vec(policy(), 1..4), cuts in prop::collection::vec(any::<[prop::sample::Index; 2]>(), 0..4)) {
        prop_assume!(!history.blocks.is_empty());
        let place = |[l2, l1]: [prop::sample::Index; 2]| (l2.index(history.blocks.len()), l1.index(history.l1.len() + 1));
        let mut cuts: Vec<(usize, usize)> = cuts.into_iter().map(place).collect();
        cuts.sort_unstable();
        // Both chains grow.
        let mut l1 = 0;
        let grown = cuts.iter().map(|(block, records)| {
            l1 = l1.max(*records);
            MemoryLog::new(&prefix(&history, history.blocks[*block].number, l1, 0))
        });
        let logs: Vec<MemoryLog> = grown.chain([MemoryLog::new(&history)]).collect();
        let policies: Vec<_> = policies.iter().map(engine_policy).collect();
        let mut replay = Replay::new(&policies);
        for log in &logs {
            replay.advance(log, ReplayOptions::default()).unwrap();
            let whole = tally_replay::replay(log, &policies, ReplayOptions::default()).unwrap();
            for ((policy, ledger, stop), whole) in replay.ledgers().zip(whole) {
                prop_assert_eq!(ledger.root, whole.ledger.root, "{}", policy.name());
                prop_assert_eq!(ledger, &whole.ledger);
                prop_assert_eq!(stop, whole.stop);
            }
        }
    }

    /// Blocks that are not on a horizon of one policy do not disturb another in the same pass.
    #[test]
    fn several_policies_in_one_pass_are_as_each_alone(history in history(), policies in prop::collection::vec(policy(), 2..5)) {
        let log = MemoryLog::new(&history);
        let together = fold(&log, &policies, ReplayOptions::default());
        for (policy, ledger) in policies.iter().zip(together) {
            let alone = fold(&log, std::slice::from_ref(policy), ReplayOptions::default());
            prop_assert_eq!(&alone[0], &ledger);
        }
    }

    /// A policy that counts by schedule pays the same whoever signed, or nobody.
    #[test]
    fn signatures_do_not_move_a_scheduled_ledger(history in history(), policy in policy()) {
        let policies = [oracle::Policy { attribution: Attribution::Scheduled, ..policy }];
        let mut unsigned = history.clone();
        for block in &mut unsigned.blocks {
            block.signed_by = None;
        }
        let ours = fold(&MemoryLog::new(&history), &policies, ReplayOptions::default());
        let theirs = fold(&MemoryLog::new(&unsigned), &policies, ReplayOptions::default());
        prop_assert_eq!(ours, theirs);
    }
}

/// Writes a history into a log on disk, in commits that end at `cuts` (as parts of the whole).
fn write(dir: &std::path::Path, history: &History, cuts: &[prop::sample::Index]) -> alloy_primitives::B256 {
    let identity = LogIdentity {
        l1_chain_id: 1,
        l2_chain_id: 1_088,
        locking_info: alloy_primitives::Address::repeat_byte(1),
        locking_pool: alloy_primitives::Address::repeat_byte(2),
        metis_token: alloy_primitives::Address::repeat_byte(3),
        sequencer_set: alloy_primitives::Address::repeat_byte(4),
        l1_first_block: L1Block(0),
        l2_first_block: L2Block(history.blocks.first().map_or(0, |block| block.number)),
        genesis: crate::memory::genesis(),
    };
    let blocks: Vec<_> = crate::memory::produced(history).collect();
    let mut at: Vec<_> =
        cuts.iter().map(|cut| (cut.index(history.l1.len() + 1), cut.index(blocks.len() + 1))).collect();
    at.push((history.l1.len(), blocks.len()));
    at.sort_unstable();
    let (mut l1, mut l2, mut spans) = (0, 0, 0);
    let mut digest = alloy_primitives::B256::ZERO;
    for (l1_to, l2_to) in at {
        // Each commit in a process of its own, as it were; with whole L1 blocks.
        let mut writer = LogWriter::open(dir, &identity).unwrap();
        let last = history.l1[..l1_to].last();
        while let Some(record) = history.l1.get(l1) {
            if last.is_none_or(|last| record.block > last.block) {
                break;
            }
            writer.stage_l1(record).unwrap();
            l1 += 1;
        }
        if let Some(record) = history.l1[..l1].last() {
            let (block, hash, timestamp) = (record.block, record.block_hash, record.timestamp);
            if writer.staged().l1.is_none_or(|head| head.block < block) {
                writer.stage_l1_head(L1Head { block, hash, timestamp }).unwrap();
            }
        }
        for block in &blocks[l2.min(l2_to)..l2_to] {
            writer.stage_block(block).unwrap();
            while let Some(record) = history.spans.get(spans).filter(|record| record.block == block.number) {
                writer.stage_span(record).unwrap();
                spans += 1;
            }
        }
        l2 = l2.max(l2_to);
        let timestamp = UnixTime(history.l1_head_timestamp);
        if l1 == history.l1.len() && writer.staged().l1.is_none_or(|head| head.timestamp < timestamp) {
            let (block, hash) = (L1Block(u64::MAX), alloy_primitives::B256::ZERO);
            writer.stage_l1_head(L1Head { block, hash, timestamp }).unwrap();
        }
        writer.commit().unwrap();
        digest = writer.head_digest().unwrap();
    }
    digest
}

proptest! {
    #![proptest_config(cases(30, 600))]

    /// The whole way: random histories through the real log, written in any pieces.
    #[test]
    fn a_log_written_in_any_pieces_gives_the_oracles_ledger(history in history(), policy in policy(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        let (whole, pieces) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let digest = write(whole.path(), &history, &[]);
        prop_assert_eq!(write(pieces.path(), &history, &cuts), digest);
        let log = LogReader::open(pieces.path()).unwrap();
        prop_assert_eq!(verify(&log).unwrap().head_digest, digest);
        let ours = replay(&log, &[engine_policy(&policy)], ReplayOptions::default()).unwrap();
        assert_same(&ours[0].ledger, &oracle::fold(&history, &policy, None));
    }
}
