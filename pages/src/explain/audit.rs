//! What the audit of the chain found.

use crate::explorers::Chain;
use crate::page::{Answer, Made, Names, Page, Shown, encoded};
use crate::show::{self, answers, badge, fact, facts, more_rows, section, table, word};
use maud::{Markup, html};
use tally_wire::{AuditAnswer, Finding};

/// How many findings a page lists.
const ROWS: u64 = 40;

/// Makes the page of all that the audit found.
pub(crate) async fn audit(page: Page) -> Made {
    let cursor =
        page.params.text("cursor").map_or(String::new(), |cursor| format!("&cursor={}", encoded(cursor)));
    let answer: Answer<AuditAnswer> = page.ask(&format!("/v1/audit?limit={ROWS}{cursor}")).await?;
    let names = page.names().await?;
    let audit = &answer.is.audit;
    let totals = &audit.totals;
    let pair = |name: &str, shown: Markup| html! { dt { (name) } dd { (shown) } };
    let money = html! {
        dl.pairs data-at="totals" {
            (pair("Distributed by batches", show::metis_unit("distributed_wei", &totals.distributed_wei)))
            (pair("Paid out to L2", show::metis_unit("liquidated_wei", &totals.liquidated_wei)))
            (pair("Moved into stakes", show::metis_unit("relocked_wei", &totals.relocked_wei)))
            (pair("Unclaimed", show::metis_unit("open_wei", &totals.open_wei)))
            (pair("Locked", show::metis_unit("locked_wei", &totals.locked_wei)))
            (pair("Given to the escrow by other ways", show::metis_unit("donated_wei", &totals.donated_wei)))
            (pair("Held by the escrow", show::amount_or("escrow_wei", totals.escrow_wei.as_ref())))
        }
        p.small {
            "What was distributed is what was paid out, what was moved into stakes and what is unclaimed. "
            "What the escrow holds is what is locked, what is unclaimed and what it was given."
        }
    };
    let verdict_body = html! {
        (facts(&html! {
            (fact("Verdict", &verdict("verdict", audit.verdict.as_str()), Some(&html! {
                (show::count("audited_batches", answer.is.audited_batches)) " batches"
            })))
            (fact("Errors", &show::count("errors", audit.errors), Some(&html! {
                "what the chain claims is not so"
            })))
            (fact("Warnings", &show::count("warnings", audit.warnings), Some(&html! {
                "somebody should look"
            })))
            (fact("Notes", &show::count("notes", audit.notes), Some(&html! { "worth knowing" })))
            (fact("Up to", &html! { "L1 block " (show::count_or("l1_block", audit.l1_block)) }, Some(&html! {
                "L2 block " (show::count_or("l2_block", audit.l2_block))
            })))
        }))
        @if let Some(stopped) = &audit.stopped {
            (show::warning(&html! { "it stopped: " (show::text("stopped", stopped)) "." }))
        }
        @if let Some(unsettled) = &audit.unsettled {
            (show::note(&html! { "Not looked at: " (show::text("unsettled", unsettled)) "." }))
        }
        h3 { "The pool's money" }
        (money)
        (answers(&[(&answer.url, false)]))
    };
    let rows = html! {
        @for (place, one) in answer.is.findings.iter().enumerate() {
            tr data-at=(format!("findings/{place}")) { (row(&page, &names, one)) }
        }
    };
    let head = [
        ("How bad", false),
        ("What", false),
        ("About", false),
        ("Expected", true),
        ("Found", true),
        ("Where", false),
    ];
    let more = answer.is.next.as_ref().map(|next| page.link(&format!("/audit?cursor={}", encoded(next))));
    let list = html! {
        @if answer.is.findings.is_empty() { p { "Nothing was found." } }
        @else { (table("What the audit found", &head, true, &rows)) }
        (more_rows(more))
    };
    let main = html! {
        h1 { "Audit" }
        p.lead {
            "Everything that the chain claims (each batch, each total, each payout) worked out again from "
            "the log."
        }
        (section("verdict", "What it comes to", Some(&answer.url), &verdict_body))
        (section("list", "Findings", Some(&answer.url), &list))
    };
    Ok(Shown { title: "Audit".into(), main })
}

/// What an audit comes to.
pub(crate) fn verdict(field: &str, verdict: &str) -> Markup {
    let (class, text) = match verdict {
        "verified" => ("good", "✓ verified"),
        "different" => ("bad", "✗ different"),
        _ => ("open", "? not all verified"),
    };
    badge(class, &word(field, verdict, text))
}

fn severity(one: &Finding) -> Markup {
    let (class, text) = match one.severity.as_str() {
        "error" => ("bad", "✗ error"),
        "warning" => ("leaving", "! warning"),
        _ => ("open", "i note"),
    };
    badge(class, &word("severity", one.severity.as_str(), text))
}

/// What a finding is about, with links.
fn about(page: &Page, names: &Names, one: &Finding) -> Markup {
    html! {
        @if let Some(batch) = one.batch {
            span.part { "batch " (show::link("batch", batch, &page.link(&format!("/batches/{batch}")))) } " "
        }
        @if let Some(id) = one.sequencer {
            span.part { "sequencer " (show::sequencer(page, names, "sequencer", id)) } " "
        }
        @if let Some(span) = one.span { span.part { "span " (show::id("span", span)) } " " }
        @if let Some([first, .., last]) = one.l2_blocks.as_deref() {
            span.part {
                "L2 blocks " (show::link("l2_blocks/0", *first, &page.link(&format!("/blocks/{first}"))))
                " to " (show::link("l2_blocks/1", *last, &page.link(&format!("/blocks/{last}"))))
            }
            " "
        }
    }
}

fn row(page: &Page, names: &Names, one: &Finding) -> Markup {
    let text = |field: &str, text: &Option<String>| {
        text.as_ref().map_or_else(|| show::nothing(field), |found| show::text(field, found))
    };
    html! {
        td { (severity(one)) }
        td {
            (one.meaning()) br; code.small data-field="code" data-value=(one.code) { (one.code) }
            @if let Some(field) = &one.field { " " (show::text("field", field)) }
        }
        td { (about(page, names, one)) }
        td.num { (text("expected", &one.expected)) }
        td.num { (text("found", &one.found)) }
        td {
            @if let Some(block) = one.l1_block {
                "L1 " (page.explained(Chain::L1, "block", &block.to_string(), &show::id("l1_block", block)))
                " "
            }
            @if let Some(hash) = &one.transaction {
                (show::transaction(page, Chain::L1, "transaction", hash))
            }
            @if let Some(hash) = &one.l2_transaction {
                (show::transaction(page, Chain::L2, "l2_transaction", hash))
            }
        }
    }
}

/// A finding in a line.
pub(crate) fn finding(page: &Page, names: &Names, one: &Finding) -> Markup {
    html! {
        (severity(one)) " " (one.meaning()) ": " (about(page, names, one))
        @if let (Some(expected), Some(found)) = (&one.expected, &one.found) {
            "expected " (show::text("expected", expected)) ", found " (show::text("found", found))
        }
    }
}
