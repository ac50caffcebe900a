//! The audit of the chain, against what is known to be wrong, odd and right in the recordings.

mod codes;
mod mutations;

use crate::support::{RECORDINGS, expected, ingested, tally};
use engine::{BatchId, SequencerId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tally_audit::{AuditOptions, ChainAudit, Code, CountRule, Finding, Severity, Verdict, audit_chain};
use tally_eventlog::LogReader;

pub(crate) const ALL: AuditOptions =
    AuditOptions { rule: CountRule::Scheduled, from_batch: None, to_batch: None };

fn audited(log: &LogReader, options: AuditOptions) -> ChainAudit {
    audit_chain(log, options).unwrap()
}

fn counts(value: &Value) -> BTreeMap<u64, u64> {
    let object = value.as_object().unwrap();
    object.iter().map(|(id, blocks)| (id.parse().unwrap(), blocks.as_u64().unwrap())).collect()
}

fn of(audit: &ChainAudit, code: Code) -> Vec<&Finding> {
    audit.findings.iter().filter(|finding| finding.code == code).collect()
}

fn blocks_of(findings: &[&Finding]) -> Vec<u64> {
    let ranges = findings.iter().map(|finding| finding.l2_blocks.clone().unwrap());
    ranges.flat_map(|range| range.start().0..=range.end().0).collect()
}

#[test]
fn the_planted_errors_are_the_errors_and_nothing_else_is_one() {
    for recording in RECORDINGS {
        let (_dir, log) = ingested(recording);
        let audit = audited(&log, ALL);
        assert_eq!(audit.verdict(), Verdict::Different);
        let mut planted = BTreeSet::new();
        for error in expected(recording)["planted_errors"].as_array().unwrap() {
            let (honest, submitted) = (counts(&error["honest"]), counts(&error["submitted"]));
            for id in error["diff"].as_object().unwrap().keys() {
                let id: u64 = id.parse().unwrap();
                planted.insert((
                    error["batchId"].as_u64().unwrap(),
                    id,
                    honest[&id].to_string(),
                    submitted[&id].to_string(),
                    error["txHash"].as_str().unwrap().to_owned(),
                    error["l1_block"].as_u64().unwrap(),
                ));
            }
        }
        let is_error = |finding: &&Finding| finding.code.severity() == Severity::Error;
        let found = audit.findings.iter().filter(is_error).map(|finding| {
            assert_eq!(finding.code, Code::PostedBlocks, "{finding:?}");
            (
                finding.batch.unwrap().0,
                finding.sequencer.unwrap().0,
                finding.expected.clone().unwrap(),
                finding.found.clone().unwrap(),
                finding.transaction.unwrap().to_string(),
                finding.l1_block.unwrap().0,
            )
        });
        let found: Vec<_> = found.collect();
        assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), planted, "{recording}");
        assert_eq!(found.len(), planted.len(), "each once");
        assert!(!planted.is_empty());
    }
}

#[test]
fn batches_are_counted_as_the_recordings_say_by_schedule_and_by_signature() {
    for recording in RECORDINGS {
        let (_dir, log) = ingested(recording);
        let audit = audited(&log, ALL);
        let truth = expected(recording);
        let batches = truth["batches"].as_array().unwrap();
        assert_eq!(audit.batches.len(), batches.len());
        for (batch, truth) in audit.batches.iter().zip(batches) {
            assert_eq!(batch.batch.0, truth["batchId"].as_u64().unwrap());
            assert_eq!(batch.unchecked, None);
            let blocks = batch.l2_blocks.clone().unwrap();
            assert_eq!(blocks.start().0, truth["l2_first_block"].as_u64().unwrap());
            assert_eq!(blocks.end().0, truth["l2_last_block"].as_u64().unwrap());
            let shares = |count: &dyn Fn(&tally_audit::BatchShare) -> Option<u64>| {
                let shares = batch.sequencers.iter();
                shares.filter_map(|(id, share)| Some((id.0, count(share)?))).collect::<BTreeMap<u64, u64>>()
            };
            let without_zeros = |mut counts: BTreeMap<u64, u64>| {
                counts.retain(|_, blocks| *blocks > 0);
                counts
            };
            assert_eq!(shares(&|share| share.posted), counts(&truth["submitted"]));
            let scheduled = without_zeros(shares(&|share| Some(share.scheduled)));
            assert_eq!(scheduled, without_zeros(counts(&truth["by_schedule"])));
            let unpayable = without_zeros(shares(&|share| Some(share.unpayable)));
            assert_eq!(unpayable, counts(&truth["unpayable"]));
            let mut signed = counts(&truth["by_signature"]);
            for (id, blocks) in counts(&truth["deposit_only_by_scheduled"]) {
                *signed.entry(id).or_default() += blocks;
            }
            assert_eq!(without_zeros(shares(&|share| share.signed)), signed, "batch {}", batch.batch);
        }
    }
}

#[test]
fn edge_cases_are_noted_in_their_place_and_nothing_else_is_of_their_kind() {
    for recording in RECORDINGS {
        let (_dir, log) = ingested(recording);
        let audit = audited(&log, ALL);
        let mut known: BTreeMap<Code, usize> = BTreeMap::new();
        for case in expected(recording)["edge_cases"].as_array().unwrap() {
            let number = |name: &str| case[name].as_u64();
            let code = match case["kind"].as_str().unwrap() {
                "zero_count_entry" => Code::ZeroCountEntry,
                "rotated_signer_in_batch" => Code::RotatedSigner,
                "late_commit" => Code::LateCommit,
                "epoch_extended" => Code::SpanExtended,
                "donation" => Code::Donation,
                "producer_after_unlock" => Code::ProducedAfterUnlock,
                "unpayable_blocks" => Code::UnpayableBlocks,
                other => panic!("{other} is unknown"),
            };
            assert!(code.severity() < Severity::Error);
            let is_it = |finding: &&&Finding| {
                let batch = number("batchId").is_none_or(|batch| finding.batch == Some(BatchId(batch)));
                let sequencer = number("seq").is_none_or(|id| finding.sequencer == Some(SequencerId(id)));
                let l1_block = number("l1_block")
                    .is_none_or(|block| finding.l1_block.map(|block| block.0) == Some(block));
                let span = number("epoch").is_none_or(|span| finding.span.map(|span| span.0) == Some(span));
                batch && sequencer && l1_block && span
            };
            let found = of(&audit, code);
            let found: Vec<_> = found.iter().filter(is_it).collect();
            assert!(!found.is_empty(), "{recording}: {case} is not found");
            match case["kind"].as_str().unwrap() {
                "rotated_signer_in_batch" => {
                    let signers: Vec<&str> = case["signers"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|signer| signer.as_str().unwrap())
                        .collect();
                    let found: Vec<String> =
                        found.iter().map(|finding| finding.found.clone().unwrap().to_lowercase()).collect();
                    assert_eq!(found, signers);
                    *known.entry(code).or_default() += signers.len() - 1;
                }
                "unpayable_blocks" => {
                    let mut blocks: BTreeMap<u64, u64> = BTreeMap::new();
                    for finding in &found {
                        let range = finding.l2_blocks.clone().unwrap();
                        *blocks.entry(finding.sequencer.unwrap().0).or_default() +=
                            range.end().0 - range.start().0 + 1;
                    }
                    assert_eq!(blocks, counts(&case["seqs"]));
                }
                "late_commit" => {
                    assert_eq!(found[0].found, number("l2_block").map(|block| block.to_string()));
                }
                "epoch_extended" => {
                    let blocks = found[0].l2_blocks.clone().unwrap();
                    assert!(blocks.end().0 < number("l2_block").unwrap() + 2, "{blocks:?} {case}");
                }
                "producer_after_unlock" => {
                    assert!(
                        blocks_of(&found.iter().map(|it| **it).collect::<Vec<_>>())
                            .iter()
                            .any(|block| block.abs_diff(number("l2_block").unwrap()) <= 1)
                    );
                }
                _ => assert_eq!(found.len(), 1, "{case}"),
            }
            *known.entry(code).or_default() += 1;
        }
        for (code, count) in known {
            // Several ranges of blocks, and sequencers that were to produce after their unlock, are one case.
            if code != Code::ProducedAfterUnlock {
                assert_eq!(of(&audit, code).len(), count, "{recording}: {code:?}");
            }
        }
    }
}

/// The contract took these batches, and the published check of Themis would not have signed them: they credit the signer
/// that a sequencer had by then for spans of the one that it had before.
#[test]
fn batches_that_credit_a_present_signer_for_a_replaced_one_are_warned_of() {
    // By batch: the sequencer, how many blocks of its spans name its present signer, and how many it was credited with.
    let known: [&[(u64, u64, &str, &str)]; 2] = [
        &[(4, 2, "0", "80")],
        &[(13, 1, "0", "200"), (33, 7, "0", "100"), (34, 7, "0", "100"), (40, 11, "0", "100")],
    ];
    for (recording, known) in RECORDINGS.into_iter().zip(known) {
        let (dir, log) = ingested(recording);
        let audit = audited(&log, ALL);
        let found = of(&audit, Code::CreditedForReplaced);
        let found: Vec<_> = found
            .iter()
            .map(|finding| {
                let [own, posted] =
                    [&finding.expected, &finding.found].map(|value| value.as_deref().unwrap());
                (finding.batch.unwrap().0, finding.sequencer.unwrap().0, own, posted)
            })
            .collect();
        assert_eq!(found, known, "{recording}");
        let (_, text, _) = tally(&["audit", "chain", "--log", dir.path().to_str().unwrap()]);
        let advice = "warning credited_for_replaced: a batch credits a present signer for spans that name another: pay all \
                      spans of a signer before it is replaced; batch ";
        assert_eq!(text.matches(advice).count(), known.len(), "{text}");
    }
}

#[test]
fn odd_blocks_are_those_of_the_recordings() {
    for recording in RECORDINGS {
        let (_dir, log) = ingested(recording);
        let audit = audited(&log, ALL);
        let l2 = &expected(recording)["l2"];
        let blocks = |name: &str| -> Vec<u64> {
            l2[name].as_array().unwrap().iter().map(|block| block.as_u64().unwrap()).collect()
        };
        let first = l2["first_block"].as_u64().unwrap();
        let is_signed = |block: u64| l2["signed"][usize::try_from(block - first).unwrap()] == 1;
        // The truth counts who really built a block; who did is known of signed ones only.
        let mut mismatches = blocks("mismatch_blocks");
        mismatches.retain(|block| is_signed(*block));
        assert_eq!(blocks_of(&of(&audit, Code::SignedByOther)), mismatches, "{recording}");
        let truth: BTreeSet<u64> = blocks("produced_while_not_active").into_iter().collect();
        let found: BTreeSet<u64> = blocks_of(&of(&audit, Code::ProducedAfterUnlock)).into_iter().collect();
        for block in truth.symmetric_difference(&found) {
            assert!(!is_signed(*block), "{recording}: block {block}");
        }
        assert!(truth.intersection(&found).count() > 20);
    }
}

#[test]
fn money_adds_up_at_the_end_as_the_contracts_say() {
    for recording in RECORDINGS {
        let (_dir, log) = ingested(recording);
        let totals = audited(&log, ALL).totals;
        let last = &expected(recording)["final"];
        assert_eq!(totals.liquidated.to_string(), last["totalRewardsLiquidated"].as_str().unwrap());
        assert_eq!(totals.locked.to_string(), last["totalLocked"].as_str().unwrap());
        assert_eq!(totals.escrow.unwrap().to_string(), last["metis_balance_lockingInfo"].as_str().unwrap());
        let open: u128 = last["sequencers"]
            .as_object()
            .unwrap()
            .values()
            .map(|sequencer| sequencer["reward"].as_str().unwrap().parse::<u128>().unwrap())
            .sum();
        assert_eq!(totals.open.to_string(), open.to_string());
    }
}

#[test]
fn a_report_is_of_the_batches_asked_for() {
    let (_dir, log) = ingested("pool-a");
    let between = |from, to| {
        audited(&log, AuditOptions { from_batch: Some(BatchId(from)), to_batch: Some(BatchId(to)), ..ALL })
    };
    let clean = between(11, 23);
    assert_eq!((clean.verdict(), clean.batches.len()), (Verdict::Verified, 13));
    let one = between(24, 24);
    assert_eq!((one.verdict(), one.batches.len(), one.count(Severity::Error)), (Verdict::Different, 1, 1));
    // Every finding is in the report of one batch, or after the last.
    let all = audited(&log, ALL);
    let parts: usize = (2..=45).map(|batch| between(batch, batch).findings.len()).sum();
    assert_eq!(parts, all.findings.len());
}

#[test]
fn by_signature_other_batches_differ() {
    let (_dir, log) = ingested("pool-a");
    let audit = audited(&log, AuditOptions { rule: CountRule::Signed, ..ALL });
    let truth = expected("pool-a");
    let mut differ = BTreeSet::new();
    for batch in truth["batches"].as_array().unwrap() {
        let mut signed = counts(&batch["by_signature"]);
        for (id, blocks) in counts(&batch["deposit_only_by_scheduled"]) {
            *signed.entry(id).or_default() += blocks;
        }
        let mut posted = counts(&batch["submitted"]);
        posted.retain(|_, blocks| *blocks > 0);
        if signed != posted {
            differ.insert(batch["batchId"].as_u64().unwrap());
        }
    }
    let found: BTreeSet<u64> =
        audit.batches.iter().filter(|batch| batch.errors > 0).map(|batch| batch.batch.0).collect();
    assert_eq!(found, differ);
    assert!(found.len() > 10);
}

#[test]
fn a_log_that_ends_before_a_batch_s_blocks_is_not_verified() {
    let dir = tempfile::tempdir().unwrap();
    let limits = tally_ingest::Limits { l1_to: None, l2_to: Some(15_216_000) };
    tally_ingest::ingest_recording(&crate::support::fixture("pool-a"), dir.path(), limits).unwrap();
    let log = LogReader::open(dir.path()).unwrap();
    let audit = audited(&log, ALL);
    assert_eq!(audit.count(Severity::Error), 0, "{:?}", audit.findings);
    assert_eq!(audit.verdict(), Verdict::Unverified);
    let unchecked: Vec<_> = audit.batches.iter().filter(|batch| batch.unchecked.is_some()).collect();
    assert!(audit.batches.len() > unchecked.len() && unchecked.len() > 30);
    let why = unchecked[0].unchecked.as_ref().unwrap();
    assert!(why.contains("15216000"), "{why}");
    let log = dir.path().to_str().unwrap();
    let (status, text, _) = tally(&["audit", "chain", "--log", log]);
    assert_eq!(status, 1);
    assert!(text.contains("\nnot checked: batch ") && text.starts_with("NOT VERIFIED: "), "{text}");
    assert_eq!(tally(&["audit", "chain", "--log", log, "--to-batch", "5"]).0, 0);
}

#[test]
fn the_command_s_reports_say_what_was_found() {
    let (dir, _log) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let (status, text, _) = tally(&["audit", "chain", "--log", log]);
    assert_eq!(status, 3);
    let error = "error posted_blocks: batch 24 paid sequencer 2 for 112 blocks, and 100 are counted: 21.492000 METIS too \
                 much; L1 block 19433320, transaction \
                 0x371caff8c2aafaa8effbd0ec1e4a7cbf4a27bc27cd704c820f3d518a79524b04; signed 100";
    assert!(text.lines().any(|line| line == error), "{text}");
    let short = "error posted_blocks: batch 10 paid sequencer 4 for 89 blocks, and 100 are counted: 21.978000 METIS short; ";
    assert!(text.lines().any(|line| line.starts_with(short)), "{text}");
    assert!(text.starts_with("DIFFERENT: 43 batches, errors in 10, 24, 0 not checked; 3 errors, "), "{text}");
    assert!(
        !text.contains("\nnote ") && text.ends_with("findings are not shown: --severity note shows all\n"),
        "{text}"
    );
    let (_, all, _) = tally(&["audit", "chain", "--log", log, "--severity", "note"]);
    assert!(all.contains("\nnote ") && !all.contains("not shown"), "{all}");
    let (status, one, _) = tally(&["audit", "chain", "--log", log, "--batch", "10", "--sequencer", "4"]);
    assert!(status == 3 && one.contains(short) && !one.contains("sequencer 5"), "{one}");
    // The verdict is of all that was checked, whatever is shown of it, and what is left out is told.
    let of_all = tally(&["audit", "chain", "--log", log, "--report-format", "json"]).1;
    let of_all: Value = serde_json::from_str(&of_all).unwrap();
    let args = ["audit", "chain", "--log", log, "--sequencer", "12"];
    let (status, text, _) = tally(&args);
    let count = |report: &Value| report["findings"].as_array().unwrap().len();
    let (json_status, of_one, _) = tally(&[&args[..], &["--report-format", "json"]].concat());
    let of_one: Value = serde_json::from_str(&of_one).unwrap();
    assert_eq!((status, json_status), (3, 3));
    for field in ["verdict", "errors", "warnings", "notes", "totals"] {
        assert_eq!(of_one[field], of_all[field], "{field}");
    }
    assert!(of_one["findings"].as_array().unwrap().iter().all(|finding| finding["sequencer"] == 12));
    let others = count(&of_all) - count(&of_one);
    let scope =
        format!("only what is about sequencer 12; {others} findings of others are not shown\nDIFFERENT: ");
    assert!(text.starts_with(&scope) && others > 10, "{text}");
    assert!(!text.contains("posted  scheduled"), "no table without rows: {text}");
    // What the log has not is a mistake, and nothing that is verified.
    for (more, why) in [
        (["--batch", "9999"], "--batch 9999: the log has the batches 2 to 44"),
        (["--batch", "45"], "--batch 45: the log has the batches 2 to 44"),
        (["--batch", "1"], "--batch 1: the log has the batches 2 to 44"),
        (["--from-batch", "46"], "--from-batch 46: the log has the batches 2 to 44"),
        (["--to-batch", "1"], "--to-batch 1: the log has the batches 2 to 44"),
        (["--sequencer", "99"], "no sequencer is \"99\""),
    ] {
        let (status, out, err) = tally(&[&["audit", "chain", "--log", log][..], &more].concat());
        assert!(status == 2 && out.is_empty() && err.contains(why), "{more:?}: {status} {err}");
    }
    assert_eq!(
        tally(&["audit", "chain", "--log", log, "--from-batch", "45"]).0,
        0,
        "what came after the last"
    );
    let report = dir.path().join("report.json");
    let path = report.to_str().unwrap();
    let args = ["audit", "chain", "--log", log, "--report-format", "json"];
    let (status, out, _) = tally(&[&args[..], &["--report", path]].concat());
    assert_eq!((status, out.lines().count()), (3, 1));
    let written = std::fs::read_to_string(&report).unwrap();
    assert_eq!(written, tally(&args).1, "the file is what would be printed");
    let report: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(report["verdict"], "different");
    let finding = report["findings"].as_array().unwrap().iter().find(|it| it["batch"] == 24).unwrap();
    let fields = finding.as_object().unwrap();
    assert_eq!(fields.len(), 13, "what does not apply is null");
    let keys: Vec<&String> =
        fields.iter().filter_map(|(name, value)| (!value.is_null()).then_some(name)).collect();
    let present = [
        "code",
        "severity",
        "batch",
        "sequencer",
        "l1_block",
        "transaction",
        "expected",
        "found",
        "other_count",
    ];
    assert_eq!(keys, present);
    assert_eq!(tally(&["audit", "chain", "--log", log, "--from-batch", "3", "--to-batch", "2"]).0, 2);
}

/// `docs/audit.md` has every code once, under its severity, with its meaning.
#[test]
fn every_code_is_documented() {
    let text = include_str!("../../../docs/audit.md");
    let sections: Vec<&str> = text.split("\n**").collect();
    let section = |title: &str| *sections.iter().find(|section| section.starts_with(title)).unwrap();
    for code in Code::ALL {
        let title = match code.severity() {
            Severity::Error => "Errors**",
            Severity::Warning => "Warnings**",
            Severity::Note => "Notes**",
        };
        let row = format!("| `{}` | {}", code.as_str(), code.meaning());
        assert_eq!(section(title).matches(&row).count(), 1, "{row}");
        assert_eq!(text.matches(&format!("| `{}` |", code.as_str())).count(), 1);
    }
}
