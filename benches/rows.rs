//! Writes what a log says of its blocks as plain columns, for other engines: `rows LOG DIR`. An unsigned block
//! counts for its span's signer, as it does under `signed`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a tool of the benchmarks that cannot go on has failed")]

use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use tally_engine::{L2Block, Policy, Roster, Spans, Timeline, Wei};
use tally_eventlog::{LogError, LogReader, LogView, UNSIGNED};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, log, out] = &args[..] else {
        eprintln!("usage: rows LOG DIR");
        std::process::exit(2);
    };
    let (log, out) = (LogReader::open(Path::new(log)).unwrap(), Path::new(out));
    std::fs::create_dir_all(out).unwrap();
    let file = |name: &str| BufWriter::with_capacity(1 << 20, File::create(out.join(name)).unwrap());
    let (first, last) = (log.identity().l2_first_block, log.heads().l2.unwrap().block);

    let records = log.span_records().unwrap();
    let spans = Spans::from_records(&records).unwrap();
    let mut producers = log.signers().unwrap();
    let mut codes_of: BTreeMap<_, u16> = producers.iter().copied().zip(1..).collect();
    for signer in records.iter().filter_map(|record| record.event.signer()) {
        codes_of.entry(signer).or_insert_with(|| {
            producers.push(signer);
            u16::try_from(producers.len()).unwrap()
        });
    }
    let (mut producer_column, mut time_column) = (file("producer.u16"), file("timestamp.i64"));
    log.scan_producers::<LogError>(first..=last, |chunk| {
        let codes = chunk.to_vec()?;
        log.for_each_times(&[chunk.first_block()], |times| {
            for ((number, code), time) in (chunk.first_block().0..).zip(&codes).zip(times.iter()) {
                let scheduled = || spans.covering(L2Block(number)).map(|span| codes_of[&span.signer]);
                let code = if *code == UNSIGNED { scheduled().unwrap_or(UNSIGNED) } else { *code };
                producer_column.write_all(&code.to_le_bytes()).unwrap();
                time_column.write_all(&i64::try_from(time?.0).unwrap().to_le_bytes()).unwrap();
            }
            Ok(())
        })
    })
    .unwrap();

    let timeline = Timeline::from_records(&log.l1_records().unwrap());
    let mut roster = Roster::default();
    let mut stakes = file("stakes.csv");
    writeln!(stakes, "time,sequencer,stake_wei").unwrap();
    for change in timeline.changes() {
        roster.apply(change);
        let standing = roster.get(change.sequencer).unwrap();
        let stake = if standing.active { standing.stake } else { Wei::ZERO };
        writeln!(stakes, "{},{},{stake}", change.time, change.sequencer).unwrap();
    }
    let mut table = file("producers.csv");
    writeln!(table, "code,signer,sequencer").unwrap();
    for (code, signer) in (1..).zip(&producers) {
        let sequencer = roster.sequencer_of(signer).map_or(String::new(), |id| id.to_string());
        writeln!(table, "{code},{signer:#x},{sequencer}").unwrap();
        let _: u32 = code;
    }
    let policy = Policy::built_in("guide").unwrap();
    let meta = json!({
        "genesis": timeline.first_lock().map(|time| time.0),
        "epoch_secs": policy.epoch_secs(),
        "first_block": first.0,
        "blocks": last.0 - first.0 + 1,
        "cap_wei": policy.cap().to_string(),
    });
    std::fs::write(out.join("meta.json"), format!("{meta:#}\n")).unwrap();
    for mut written in [producer_column, time_column, stakes, table] {
        written.flush().unwrap();
    }
}
