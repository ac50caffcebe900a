//! The batches that were paid, and one beside what the rule counts.

use crate::explorers::Chain;
use crate::page::{Answer, Made, Names, Page, Shown};
use crate::show::{self, answers, fact, facts, finality, more_rows, section, table};
use maud::{Markup, html};
use tally_wire::{AuditAnswer, BatchAnswer, BatchesAnswer};

/// How many batches a page lists.
const ROWS: u64 = 50;

/// Makes the page of all batches.
pub(crate) async fn batches(page: Page) -> Made {
    let from = page.params.number("from")?.unwrap_or(0);
    let answer: Answer<BatchesAnswer> = page.ask(&format!("/v1/batches?from={from}&limit={ROWS}")).await?;
    let rows = html! {
        @for (place, batch) in answer.is.batches.iter().enumerate() {
            tr data-at=(format!("batches/{place}")) {
                th scope="row" {
                    (show::link("batch", batch.batch, &page.link(&format!("/batches/{}", batch.batch))))
                }
                td { (show::moment("timestamp", batch.timestamp)) }
                td { (finality("is_final", batch.is_final)) }
                td.num {
                    (show::id("start_span", batch.start_span)) " to " (show::id("end_span", batch.end_span))
                }
                td.num { (show::metis("reward_per_block_wei", &batch.reward_per_block_wei)) }
                td.num { (show::metis("amount_wei", &batch.amount_wei)) }
                td.num { (show::id("l1_block", batch.l1_block)) }
            }
        }
    };
    let head = [
        ("Batch", false),
        ("Paid", false),
        ("Sure?", false),
        ("Spans", true),
        ("METIS a block", true),
        ("METIS in all", true),
        ("L1 block", true),
    ];
    let after =
        answer.is.next.as_ref().and(answer.is.batches.last()).and_then(|last| last.batch.checked_add(1));
    let body = html! {
        (table("The batches that were paid", &head, true, &rows))
        (more_rows(after.map(|after| page.link(&format!("/batches?from={after}")))))
        (answers(&[(&answer.url, true)]))
    };
    let main = html! {
        h1 { "Batches" }
        p.lead {
            "A batch is how the pool pays: for the spans since the last batch, the contract credits each "
            "sequencer its blocks times the reward per block of that moment."
        }
        (section("batches", "Batch by batch", Some(&answer.url), &body))
    };
    Ok(Shown { title: "Batches".into(), main })
}

/// Makes the page of a batch.
pub(crate) async fn batch(page: Page, number: u64) -> Made {
    let answer: Answer<BatchAnswer> = page.ask(&format!("/v1/batches/{number}")).await?;
    let names = page.names().await?;
    let audit = page.ask::<AuditAnswer>("/v1/audit?limit=1000").await;
    let batch = &answer.is.batch;
    let rows = html! {
        @for (place, row) in batch.rows.iter().enumerate() {
            tr data-at=(format!("batch/rows/{place}")) {
                th scope="row" { (show::sequencer(&page, &names, "sequencer", row.sequencer)) }
                td.num { (show::count("blocks", row.blocks)) }
                td.num { (show::metis("reward_wei", &row.reward_wei)) }
                td.num { (show::metis("unclaimed_wei", &row.unclaimed_wei)) }
            }
        }
    };
    let head =
        [("Sequencer", false), ("Blocks", true), ("Credited, METIS", true), ("Unclaimed after it", true)];
    let block = show::id("batch/l1_block", batch.l1_block);
    let body = html! {
        (facts(&html! {
            (fact("Paid", &show::metis_unit("batch/amount_wei", &batch.amount_wei), Some(&html! {
                "at " (show::metis("batch/reward_per_block_wei", &batch.reward_per_block_wei)) " a block"
            })))
            (fact("Spans", &html! { (show::id("batch/start_span", batch.start_span)) " to " (show::id("batch/end_span", batch.end_span)) }, None))
            (fact("When", &show::moment("batch/timestamp", batch.timestamp), Some(&html! {
                "L1 block " (page.explained(Chain::L1, "block", &batch.l1_block.to_string(), &block))
                ", transaction "
                (show::transaction(&page, Chain::L1, "batch/transaction", &batch.transaction))
            })))
            (fact("Sure?", &finality("batch/is_final", batch.is_final), None))
        }))
        (table("Whom the batch credited", &head, true, &rows))
        (answers(&[(&answer.url, true)]))
    };
    let before = number.checked_sub(1).map(|before| page.link(&format!("/batches/{before}")));
    let after = number.checked_add(1).map(|after| page.link(&format!("/batches/{after}")));
    let main = html! {
        h1 { "Batch " (number) }
        p.around {
            @if let Some(before) = before { a href=(before) rel="prev" { "← the batch before" } " " }
            @if let Some(after) = after { a href=(after) rel="next" { "the batch after →" } }
        }
        (section("batch", "What it paid", Some(&answer.url), &body))
        @if let Ok(audit) = &audit { (found(&page, &names, audit, number)) }
    };
    Ok(Shown { title: format!("Batch {number}"), main })
}

/// What the audit found about the batch.
fn found(page: &Page, names: &Names, audit: &Answer<AuditAnswer>, number: u64) -> Markup {
    let about = || audit.is.findings.iter().enumerate().filter(|(_, finding)| finding.batch == Some(number));
    let body = html! {
        @if about().next().is_none() { p { "Nothing: what it credits is what the spans give." } }
        ul.findings {
            @for (place, finding) in about() {
                li data-at=(format!("findings/{place}")) { (super::finding(page, names, finding)) }
            }
        }
        @if audit.is.next.is_some() {
            (show::note(&html! {
                "Only the first findings were looked through: " a href=(page.link("/audit")) { "all of them" }
                "."
            }))
        }
        (answers(&[(&audit.url, false)]))
    };
    section("found", "What the audit found about it", Some(&audit.url), &body)
}
