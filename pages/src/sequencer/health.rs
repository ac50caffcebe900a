//! How the node of a sequencer does, by the chain alone.

use crate::page::{Answer, Names, Page};
use crate::show::{self, answers, fact, facts, table};
use maud::{Markup, html};
use tally_feed::Refusal;
use tally_wire::{Produced, ProductionAnswer};

/// How many of the last blocks are looked at.
const BLOCKS: u64 = 5_000;

/// How many of its last spans are listed.
const SPANS: usize = 10;

/// The section about the sequencer's node, as the chain tells of it.
pub(super) async fn section(page: &Page, names: &Names, id: u64) -> Result<Markup, Refusal> {
    let answer: Answer<ProductionAnswer> =
        page.ask(&format!("/v1/sequencers/{id}/production?last_blocks={BLOCKS}&limit=1000")).await?;
    let production = &answer.is.production;
    let body = html! {
        @match production.makers.first() {
            None => p {
                "It was to make none of the last " (show::count("production/blocks", production.blocks))
                " blocks, and made none."
            },
            Some(made) => (figures(page, names, &answer.is, made)),
        }
        (next(&answer.is))
        (spans(page, names, &answer.is))
        p.small {
            "From the chain alone: who signed which block, against the spans. A node that is reachable and "
            "yet signs nothing looks here like one that is not."
        }
        (answers(&[(&answer.url, true)]))
    };
    Ok(show::section("health", "Its node, by the chain", Some(&answer.url), &body))
}

fn figures(page: &Page, names: &Names, answer: &ProductionAnswer, made: &Produced) -> Markup {
    let all = &answer.production;
    html! {
        div data-at="production/makers/0" {
            (facts(&html! {
                (fact("Made itself", &html! { (show::count("own_blocks", made.own_blocks)) " of " (show::count("scheduled_blocks", made.scheduled_blocks)) }, Some(&html! {
                    @if made.own_blocks == made.scheduled_blocks { "every block that it was to make" }
                    @else {
                        (show::count("blocks_by_others", made.blocks_by_others)) " made others, "
                        (show::count("unsigned_blocks", made.unsigned_blocks)) " nobody signed"
                    }
                })))
                (fact("Its last block", &match &made.last_made {
                    Some(last) => show::link("last_made/l2_block", last.l2_block, &page.link(&format!("/blocks/{}", last.l2_block))),
                    None => show::nothing("last_made"),
                }, made.last_made.as_ref().map(|last| show::moment("last_made/timestamp", last.timestamp)).as_ref()))
                @if let Some(gap) = &made.longest_gap {
                    (fact("Longest wait for a block of it", &show::duration("longest_gap/secs", gap.secs), Some(&html! {
                        "before block "
                        (show::link("longest_gap/l2_block", gap.l2_block, &page.link(&format!("/blocks/{}", gap.l2_block))))
                    })))
                }
                (fact("Taken over", &html! { (show::count("recommits_from", made.recommits_from)) " times" }, Some(&html! {
                    "spans of it that were given to another; "
                    (show::count("recommits_to", made.recommits_to)) " were given to it, and it made "
                    (show::count("blocks_for_others", made.blocks_for_others)) " blocks for others"
                })))
            }))
            @if !made.others.is_empty() {
                p { "In its place made: "
                    @for (place, other) in made.others.iter().enumerate() {
                        span data-at=(format!("others/{place}")) {
                            @if place > 0 { ", " } (crate::pool::maker(page, names, &other.maker)) " "
                            (show::count("blocks", other.blocks))
                        }
                    }
                    "."
                }
            }
        }
        @if let (Some(first), Some(last)) = (&all.first, &all.last) {
            p.small {
                "Of blocks " (show::id("production/first/l2_block", first.l2_block)) " to "
                (show::id("production/last/l2_block", last.l2_block)) ", the last in the log."
            }
        }
    }
}

/// The span that it makes, or is to make next.
fn next(answer: &ProductionAnswer) -> Markup {
    let head = answer.at.log.l2_head.as_ref().map(|head| head.block);
    html! {
        @match answer.announced.first() {
            None => p {
                "No span that is announced names it: when it is next to make blocks is not known yet."
            },
            Some(span) => p data-at="announced/0" {
                @if head >= Some(span.first_l2_block) {
                    "It is to make blocks " strong { "now" } ": span "
                } @else {
                    "It is to make blocks next in span "
                }
                (show::id("span", span.span)) ", blocks " (show::id("first_l2_block", span.first_l2_block))
                " to " (show::id("last_l2_block", span.last_l2_block)) "."
            },
        }
    }
}

/// The table of the sequencer's last spans.
fn spans(page: &Page, names: &Names, answer: &ProductionAnswer) -> Markup {
    let rows = html! {
        @for (place, span) in answer.spans.iter().enumerate().rev().take(SPANS) {
            tr data-at=(format!("spans/{place}")) {
                th scope="row" { (show::id("span", span.span)) }
                td { (show::moment("first/timestamp", span.first.timestamp)) }
                td.num {
                    (show::link("first/l2_block", span.first.l2_block, &page.link(&format!("/blocks/{}", span.first.l2_block))))
                }
                td.num {
                    (show::count("own_blocks", span.own_blocks)) " of "
                    (show::count("scheduled_blocks", span.scheduled_blocks))
                }
                td {
                    @for (index, other) in span.others.iter().enumerate() {
                        span data-at=(format!("others/{index}")) {
                            @if index > 0 { ", " } (crate::pool::maker(page, names, &other.maker)) " "
                            (show::count("blocks", other.blocks))
                        }
                    }
                }
                td.num { (show::count("unsigned_blocks", span.unsigned_blocks)) }
                td.num {
                    @match &span.longest_gap { Some(gap) => (show::duration("longest_gap/secs", gap.secs)), None => (show::nothing("longest_gap")) }
                }
            }
        }
    };
    if answer.spans.is_empty() {
        return html! {};
    }
    let head = [
        ("Span", false),
        ("Begins", false),
        ("First block", true),
        ("Made itself", true),
        ("Others made", false),
        ("Unsigned", true),
        ("Longest wait", true),
    ];
    table("Its last spans", &head, false, &rows)
}
