//! Who made the blocks, against tallies of the recordings' truth.

use crate::support::{RECORDINGS, expected, ingested, tally};
use alloy_primitives::Address;
use engine::{L2Block, SpanEvent};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tally_eventlog::{LogError, LogReader, LogView};
use tally_replay::{Maker, Production, ProductionReader};

/// A block as the truth has it: when, for whom, by whom.
#[derive(Clone, Copy)]
struct Block {
    time: u64,
    scheduled: Option<u64>,
    /// `None` if nobody signed it.
    by: Option<u64>,
}

/// The blocks by number.
fn truth(name: &str, log: &LogReader) -> BTreeMap<u64, Block> {
    let expected = expected(name);
    let l2 = &expected["l2"];
    let list = |member: &str| l2[member].as_array().unwrap().clone();
    let (producers, signed, scheduled) = (list("producer_seq"), list("signed"), list("scheduled_seq"));
    let first = log.identity().l2_first_block;
    let last = log.heads().l2.unwrap().block;
    let mut times = Vec::new();
    let chunks: Vec<L2Block> =
        log.chunk_index(first).unwrap().iter().map(|entry| entry.first_block).collect();
    log.for_each_times::<LogError>(&chunks, |chunk| {
        chunk.iter().try_for_each(|time| {
            times.push(time?.0);
            Ok(())
        })
    })
    .unwrap();
    let id = |value: &Value| value.as_u64().filter(|id| *id > 0);
    let is_signed = |value: &Value| value.as_bool().unwrap_or_else(|| value.as_u64() == Some(1));
    (first.0..=last.0)
        .enumerate()
        .map(|(index, number)| {
            let by = id(&producers[index]).filter(|_| is_signed(&signed[index]));
            (number, Block { time: times[index], scheduled: id(&scheduled[index]), by })
        })
        .collect()
}

/// The recommits of a log, block by block: whom each takes blocks from, and to whom it gives any. The schedule is a plain map
/// from blocks to signers.
fn recommits(log: &LogReader) -> Vec<(u64, BTreeSet<u64>, u64)> {
    let signers: BTreeMap<Address, u64> = log
        .l1_records()
        .unwrap()
        .iter()
        .flat_map(|record| record.event.changes())
        .filter_map(|(id, change)| match change {
            engine::ChangeKind::Signer(signer) => Some((signer, id.0)),
            _ => None,
        })
        .collect();
    let mut schedule: BTreeMap<u64, u64> = BTreeMap::new();
    let mut ends: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut found = Vec::new();
    for record in log.span_records().unwrap() {
        let block = record.block.0;
        match record.event {
            SpanEvent::NewEpoch { span, start, end, signer } => {
                ends.insert(span.0, (start.0, end.0));
                schedule.extend((start.0..=end.0).map(|number| (number, signers[&signer])));
            }
            SpanEvent::ReCommitEpoch { old_span, new_span, start, end, new_signer, .. } => {
                let before = schedule.clone();
                let new = signers[&new_signer];
                if new_span == old_span.next().unwrap() && ends.contains_key(&new_span.0) {
                    let (old_start, old_end) = ends[&new_span.0];
                    schedule.retain(|number, _| *number < block || !(old_start..=old_end).contains(number));
                }
                schedule.retain(|number, _| *number < start.0);
                schedule.extend((start.0..=end.0).map(|number| (number, new)));
                ends.insert(new_span.0, (start.0, end.0));
                let lost = before.iter().filter(|(number, owner)| **number >= block && **owner != new);
                let lost = lost.filter(|(number, owner)| schedule.get(number) != Some(owner));
                let from: BTreeSet<u64> = lost.map(|(_, owner)| *owner).collect();
                if !from.is_empty() {
                    found.push((block, from, new));
                }
            }
            SpanEvent::EpochUpdated { .. } | SpanEvent::MpcAddressUpdated { .. } => {}
        }
    }
    found
}

/// One tally, by plain counting.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    scheduled: u64,
    own: u64,
    others: BTreeMap<u64, u64>,
    unsigned: u64,
    for_others: u64,
    recommits: (u64, u64),
    /// Seconds, and the first block after so long a time.
    gap: Option<(u64, u64)>,
    last: Option<u64>,
}

fn tallies(
    blocks: &BTreeMap<u64, Block>,
    recommits: &[(u64, BTreeSet<u64>, u64)],
    range: (u64, u64),
) -> BTreeMap<u64, Tally> {
    let mut all: BTreeMap<u64, Tally> = BTreeMap::new();
    for (number, block) in blocks.range(range.0..=range.1) {
        if let Some(scheduled) = block.scheduled {
            let tally = all.entry(scheduled).or_default();
            tally.scheduled += 1;
            match block.by {
                None => tally.unsigned += 1,
                Some(by) if by == scheduled => tally.own += 1,
                Some(by) => *tally.others.entry(by).or_default() += 1,
            }
            let gap = number
                .checked_sub(1)
                .and_then(|before| blocks.get(&before))
                .map(|before| block.time - before.time);
            if gap.is_some_and(|gap| tally.gap.is_none_or(|(longest, _)| gap > longest)) {
                tally.gap = Some((gap.unwrap(), *number));
            }
        }
        if let Some(by) = block.by {
            let tally = all.entry(by).or_default();
            tally.for_others += u64::from(block.scheduled != Some(by));
            tally.last = Some(*number);
        }
    }
    for (_, from, to) in recommits.iter().filter(|(block, ..)| (range.0..=range.1).contains(block)) {
        for id in from {
            all.entry(*id).or_default().recommits.0 += 1;
        }
        all.entry(*to).or_default().recommits.1 += 1;
    }
    all
}

fn ours(made: &Production) -> BTreeMap<u64, Tally> {
    let id = |maker: &Maker| maker.sequencer().unwrap().0;
    let rows = made.rows.iter().map(|(maker, row)| {
        let tally = Tally {
            scheduled: row.scheduled,
            own: row.by_itself,
            others: row.by_others.iter().map(|(by, blocks)| (id(by), *blocks)).collect(),
            unsigned: row.unsigned,
            for_others: row.for_others,
            recommits: (row.recommits_from, row.recommits_to),
            gap: row.longest_gap.map(|gap| (gap.secs, gap.before.0)),
            last: row.last_made.map(|made| made.block.0),
        };
        (id(maker), tally)
    });
    rows.collect()
}

/// The tallies of the whole log and of many ranges of it are those of plain counting, and the spans' add up to them.
#[test]
fn what_was_made_is_what_the_recordings_say() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let (blocks, recommits) = (truth(name, &log), recommits(&log));
        assert!(recommits.len() > 3, "{name} has recommits");
        let (first, last) = (*blocks.keys().next().unwrap(), *blocks.keys().last().unwrap());
        let reader = ProductionReader::new(&log).unwrap();
        let mut ranges = vec![(first, last), (0, u64::MAX), (first, first), (last, last), (last - 499, last)];
        ranges.extend((first..last).step_by(977).map(|start| (start, start + 1_300)));
        for (start, end) in ranges {
            let made = reader.of(L2Block(start)..=L2Block(end)).unwrap();
            let place = format!("{name}, {start} to {end}");
            assert_eq!(ours(&made), tallies(&blocks, &recommits, (start, end)), "{place}");
            let within = || blocks.range(start..=end).map(|(_, block)| block);
            assert_eq!(made.blocks, u64::try_from(within().count()).unwrap(), "{place}");
            assert_eq!(made.unsigned, u64::try_from(within().filter(|it| it.by.is_none()).count()).unwrap());
            assert_eq!(
                made.unscheduled,
                u64::try_from(within().filter(|it| it.scheduled.is_none()).count()).unwrap()
            );
            let mut by_span: BTreeMap<Maker, [u64; 3]> = BTreeMap::new();
            for span in &made.spans {
                let sums = by_span.entry(span.scheduled).or_default();
                let row = &span.row;
                for (sum, blocks) in sums.iter_mut().zip([row.scheduled, row.by_itself, row.unsigned]) {
                    *sum += blocks;
                }
                assert_eq!(row.scheduled, span.last.block.0 - span.first.block.0 + 1, "{place}");
            }
            let by_maker = made.rows.iter().filter(|(_, row)| row.scheduled > 0);
            let by_maker =
                by_maker.map(|(maker, row)| (*maker, [row.scheduled, row.by_itself, row.unsigned]));
            assert_eq!(by_span, by_maker.collect(), "{place}");
        }
        assert_eq!(reader.of(L2Block(last + 1)..=L2Block(u64::MAX)).unwrap(), Production::default());
    }
}

fn said(args: &[&str]) -> Value {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&out).unwrap()
}

/// The command gives the range that is asked for, of one sequencer or all, by epoch and by span.
#[test]
fn the_command_says_it_by_epoch_and_by_span() {
    let (dir, log) = ingested("pool-a");
    let log_dir = dir.path().to_str().unwrap();
    let production =
        |more: &[&str]| said(&[&["production", "--log", log_dir, "--format", "json"], more].concat());
    let head = log.heads().l2.unwrap().block.0;
    let last = production(&["--last-blocks", "500"]);
    assert_eq!((&last["first"]["l2_block"], &last["last"]["l2_block"]), (&(head - 499).into(), &head.into()));
    let all = production(&["--by", "epoch"]);
    let epochs = all["epochs"].as_array().unwrap();
    let sum = |field: &str| epochs.iter().map(|epoch| epoch[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum("blocks"), sum("unsigned_blocks")),
        (all["blocks"].as_u64().unwrap(), all["unsigned_blocks"].as_u64().unwrap())
    );
    let twelfth = production(&["--epoch", "12", "--sequencer", "7"]);
    let within = epochs.iter().find(|epoch| epoch["epoch"] == 12).unwrap();
    let makers = within["makers"].as_array().unwrap();
    let seventh = makers.iter().find(|maker| maker["sequencer"] == 7).unwrap();
    assert_eq!(twelfth["makers"], serde_json::json!([seventh]));
    let spans = production(&["--by", "span", "--sequencer", "7"]);
    let spans = spans["spans"].as_array().unwrap();
    assert!(spans.iter().all(|span| span["sequencer"] == 7) && spans.len() > 10);
    let (status, csv, _) = tally(&["production", "--log", log_dir, "--format", "csv", "--sequencer", "7"]);
    assert_eq!(status, 0);
    assert!(csv.lines().count() == 2 && csv.lines().last().unwrap().starts_with("7,,,,"), "{csv}");
    let (status, _, err) = tally(&["production", "--log", log_dir, "--epoch", "99"]);
    assert!(status == 2 && err.contains("guide has the epochs 0 to"), "{err}");
}
