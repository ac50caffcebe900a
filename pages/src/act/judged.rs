//! Whether the contract would take a call, and what it would do.

use crate::page::{Answer, Page};
use crate::show::{self, answers, badge, section as part, table};
use maud::{Markup, html};
use tally_wire::{CallChange, CallCondition, CallQuestion, CallValue, MemberCallAnswer};

/// The section of the conditions.
pub(super) fn section(page: &Page, answer: &Answer<MemberCallAnswer>) -> Markup {
    let call = &answer.is.call;
    let possible = match call.is_possible {
        Some(true) => badge("good", &html! { "✓ the contract takes it" }),
        Some(false) => badge("bad", &html! { "✗ the contract refuses it now" }),
        None => badge("open", &html! { "? nothing that the log knows is against it" }),
    };
    let rows = html! {
        @for (place, condition) in call.conditions.iter().enumerate() {
            tr data-at=(format!("call/conditions/{place}")) { (row(condition)) }
        }
    };
    let head = [("Holds?", false), ("The contract asks for", false), ("Wanted", true), ("Found", true)];
    let body = html! {
        p.lead { (possible) " " span data-field="call/summary" data-value=(call.summary) { (call.summary) } }
        (table("What the contract asks for", &head, false, &rows))
        p.small {
            "Judged after L1 block " (show::id("call/l1_block", call.l1_block)) ", "
            (show::moment("call/timestamp", call.timestamp))
            ". What is marked ? only a node knows: a wallet asks it below, before anything is sent."
        }
        (answers(&[(&answer.url, false)]))
    };
    let _ = page;
    part("judged", "Would the contract take it?", Some(&answer.url), &body)
}

fn row(condition: &CallCondition) -> Markup {
    let (class, mark, words) = match condition.verdict.as_str() {
        "holds" => ("good", "✓", "holds"),
        "fails" => ("bad", "✗", "fails"),
        _ => ("open", "?", "not known"),
    };
    html! {
        td.mark {
            span.badge.(class) data-field="verdict" data-value=(condition.verdict.as_str()) data-condition=(condition.condition.as_str()) {
                span aria-hidden="true" { (mark) } span.unseen { (words) }
            }
        }
        th scope="row" {
            (condition.text)
            @if let Some(from) = condition.holds_from {
                br;
                span.small {
                    "holds from " span data-countdown=(from) { (show::moment("holds_from", from)) } " on"
                }
            }
            @if let Some(ask) = &condition.ask { (question(ask)) }
        }
        td.num { (value_or("wanted", condition.wanted.as_ref())) }
        td.num { (value_or("found", condition.found.as_ref())) }
    }
}

/// What to ask a node, for who has one.
fn question(ask: &CallQuestion) -> Markup {
    html! {
        details.question data-at="ask" {
            summary { (ask.text) }
            dl.pairs {
                dt { "Chain" } dd { (show::id("chain_id", ask.chain_id)) }
                dt { "Method" } dd { code { (show::text("method", &ask.method)) } }
                dt { "To" } dd { code { (show::text("to", ask.to.as_str())) } }
                @if let Some(from) = &ask.from {
                    dt { "From" } dd { code { (show::text("from", from.as_str())) } }
                }
                @if let Some(data) = &ask.data {
                    dt { "Data" } dd { code.hash data-field="data" data-value=(data) data-copy { (data) } }
                }
                @if let Some(wei) = &ask.value_wei {
                    dt { "Value" } dd { (show::big("value_wei", wei)) " wei" }
                }
            }
        }
    }
}

/// A value of a call, as the API shows it to people.
fn value_or(at: &str, found: Option<&CallValue>) -> Markup {
    match found {
        None => show::nothing(at),
        Some(found) => value(at, found),
    }
}

fn value(at: &str, found: &CallValue) -> Markup {
    let field = format!("{at}/value");
    match (found.unit.as_str(), found.wei()) {
        ("address", _) => show::short_address(&field, &found.value, &found.shown),
        ("metis_wei", Some(amount)) => show::metis_unit(&field, &amount),
        _ => {
            let title = (found.value != found.shown).then_some(found.value.as_str());
            show::value(&field, &found.value, None, title, &html! { (found.shown) })
        }
    }
}

/// The section of what it changes, and of what to know before.
pub(super) fn effects(page: &Page, answer: &Answer<MemberCallAnswer>) -> Markup {
    let call = &answer.is.call;
    let _ = page;
    let change = |change: &CallChange| {
        html! {
            th scope="row" { (show::word("what", change.what.as_str(), change.what.text())) }
            td.num { (value_or("before", change.before.as_ref())) }
            td.num { (value("after", &change.after)) }
        }
    };
    let rows = html! {
        @for (place, one) in call.changes.iter().enumerate() {
            tr data-at=(format!("call/changes/{place}")) { (change(one)) }
        }
    };
    let body = html! {
        @if call.changes.is_empty() { p { "Nothing, while the contract refuses it." } }
        @else {
            (table("Before and after the call", &[("What", false), ("Before", true), ("After, or how much moves", true)], false, &rows))
        }
        @if let Some(free) = call.stake_free_at {
            p {
                "The stake would be free from "
                span data-countdown=(free) { (show::moment("call/stake_free_at", free)) } " on."
            }
        }
        @for (place, warning) in call.warnings.iter().enumerate() {
            div.warning role="note" data-at=(format!("call/warnings/{place}")) {
                p { strong { "Note: " } (show::text("text", &warning.text)) "." }
                @if let Some(ask) = &warning.ask { (question(ask)) }
            }
        }
    };
    part("effects", "What would happen", Some(&answer.url), &body)
}
