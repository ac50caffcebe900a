//! Who makes blocks: the last 500 as a strip, and the spans that run, come and went.

use crate::chart::{Block, Strip};
use crate::page::{Answer, Names, Page};
use crate::show::{self, answers, colour, table};
use maud::{Markup, html};
use std::collections::BTreeMap;
use tally_feed::Refusal;
use tally_wire::{AnnouncedSpan, BlockMaker, BlocksAnswer, Produced, ProductionAnswer, SpanProduction};

/// How many blocks the strip has.
const BLOCKS: u64 = 500;

/// How many spans that went are listed.
const SPANS: usize = 6;

/// The last blocks, and who was to make them.
pub(crate) struct Made {
    /// The blocks that are counted; `None` before the first.
    pub(crate) blocks: Option<Answer<BlocksAnswer>>,
    /// Who was to make these, and did.
    pub(crate) production: Answer<ProductionAnswer>,
}

impl Made {
    /// Asks the API for the last blocks and their spans.
    pub(crate) async fn ask(page: &Page) -> Result<Self, Refusal> {
        let blocks: Answer<BlocksAnswer> =
            match page.ask(&format!("/v1/blocks?last_blocks={BLOCKS}&limit={BLOCKS}")).await {
                Ok(blocks) => blocks,
                // Nothing is counted yet.
                Err(refusal) if refusal.kind() == "gap" => {
                    let production =
                        page.ask(&format!("/v1/production?last_blocks={BLOCKS}&limit=1000")).await?;
                    return Ok(Self { blocks: None, production });
                }
                Err(refusal) => return Err(refusal),
            };
        let (from, to) = (blocks.is.from, blocks.is.to);
        let production = page.ask(&format!("/v1/production?from={from}&to={to}&limit=1000")).await?;
        Ok(Self { blocks: Some(blocks), production })
    }

    /// What a sequencer was to make of them, and did, with its place in the answer.
    pub(crate) fn of(&self, id: u64) -> Option<(usize, &Produced)> {
        let makers = self.production.is.production.makers.iter().enumerate();
        makers.into_iter().find(|(_, made)| made.maker.sequencer == Some(id))
    }
}

/// The section about who makes the blocks: the last ones as a strip, and the spans.
pub(super) fn section(page: &Page, names: &Names, made: &Made) -> Markup {
    let production = &made.production;
    let all = &production.is.production;
    let body = html! {
        @if let (Some(first), Some(last)) = (&all.first, &all.last) {
            p {
                "Of the last " (show::count("production/blocks", all.blocks)) " counted blocks, "
                (show::id("production/first/l2_block", first.l2_block)) " to "
                (show::id("production/last/l2_block", last.l2_block)) ", "
                (show::count("production/unsigned_blocks", all.unsigned_blocks)) " were signed by nobody and "
                (show::count("production/unscheduled_blocks", all.unscheduled_blocks)) " lay in no span"
                @if let Some(gap) = &all.longest_gap {
                    ". The longest time without a block was "
                    (show::duration("production/longest_gap/secs", gap.secs))
                    ", before block " (show::id("production/longest_gap/l2_block", gap.l2_block))
                }
                "."
            }
        }
        @if let Some(blocks) = &made.blocks {
            (strip(names, &blocks.is, &production.is.spans, &makers(page, names, made)))
        }
        (spans(page, names, &production.is))
        @if let Some(blocks) = &made.blocks {
            (answers(&[(&production.url, true), (&blocks.url, true)]))
        } @else {
            (answers(&[(&production.url, true)]))
        }
    };
    show::section("production", "Who makes the blocks", Some(&production.url), &body)
}

/// Who was to make how many of the blocks, and did.
fn makers(page: &Page, names: &Names, made: &Made) -> Markup {
    let makers = &made.production.is.production.makers;
    let rows = html! {
        @for (place, one) in makers.iter().enumerate() {
            tr data-at=(format!("production/makers/{place}")) {
                th scope="row" { (maker(page, names, &one.maker)) }
                td.num { (show::count("scheduled_blocks", one.scheduled_blocks)) }
                td.num { (show::count("own_blocks", one.own_blocks)) }
                td.num { (show::count("blocks_by_others", one.blocks_by_others)) }
                td.num { (show::count("unsigned_blocks", one.unsigned_blocks)) }
                td.num { (show::count("blocks_for_others", one.blocks_for_others)) }
                td {
                    @match &one.last_made { Some(last) => (show::moment("last_made/timestamp", last.timestamp)), None => (show::nothing("last_made")) }
                }
            }
        }
    };
    let head = [
        ("Sequencer", false),
        ("Scheduled", true),
        ("Made itself", true),
        ("Made by others", true),
        ("Unsigned", true),
        ("Made for others", true),
        ("Last block", false),
    ];
    table("Who was to make the last blocks, and did", &head, true, &rows)
}

/// Who makes blocks: a sequencer, or a signer that no sequencer ever had.
pub(crate) fn maker(page: &Page, names: &Names, of: &BlockMaker) -> Markup {
    match (of.sequencer, &of.unknown_signer) {
        (Some(id), _) => show::sequencer(page, names, "sequencer", id),
        (None, Some(signer)) => {
            html! { "unknown signer " (show::address(page, crate::explorers::Chain::L2, "unknown_signer", signer)) }
        }
        (None, None) => show::nothing("sequencer"),
    }
}

/// The class and the name of a maker.
fn look(names: &Names, of: &BlockMaker) -> (String, String) {
    match of.sequencer {
        Some(id) => (colour(id), names.label(id)),
        None => ("unknown".into(), "a signer that no sequencer had".into()),
    }
}

fn strip(names: &Names, answer: &BlocksAnswer, spans: &[SpanProduction], numbers: &Markup) -> Markup {
    let scheduled = |number: u64| {
        spans
            .iter()
            .find(|span| (span.first.l2_block..=span.last.l2_block).contains(&number))
            .map(|span| &span.maker)
    };
    let mut legend: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let mut blocks = Vec::new();
    for served in &answer.blocks {
        let block = &served.block;
        let by = |id: u64| BlockMaker { sequencer: Some(id), unknown_signer: None };
        // Who signed nothing made nothing; a signer stands for its sequencer.
        let made = block.signer.as_ref().map(|signer| match block.sequencer {
            Some(id) => by(id),
            None => BlockMaker { sequencer: None, unknown_signer: Some(signer.clone()) },
        });
        let scheduled = scheduled(block.l2_block);
        for maker in scheduled.iter().copied().chain(&made) {
            if let Some(id) = maker.sequencer {
                legend.entry(id).or_insert_with(|| look(names, maker));
            }
        }
        blocks.push(Block {
            number: block.l2_block,
            scheduled: scheduled.map(|maker| look(names, maker)),
            made: made.map(|maker| look(names, &maker)),
            unrewarded: block.unrewarded.as_ref().map(tally_wire::UnrewardedReason::text),
        });
    }
    let odd = blocks.iter().filter(|block| block.scheduled != block.made).count();
    let about = format!(
        "Blocks {} to {} from left to right. Above, for whom each was scheduled; in the middle, who signed it; below, which are \
         odd. {odd} were not signed by whom they were scheduled for.",
        answer.from, answer.to
    );
    let title = format!("The last {} counted blocks", blocks.len());
    let legend: Vec<_> = legend.into_values().collect();
    Strip { id: "strip", title: &title, about: &about, blocks: &blocks, legend: &legend, table: numbers }
        .draw()
}

/// The spans that come, the one that runs, and the last ones.
fn spans(page: &Page, names: &Names, answer: &ProductionAnswer) -> Markup {
    let head = answer.at.log.l2_head.as_ref().map(|head| head.block);
    let coming = answer.announced.iter().enumerate().rev();
    let gone = answer.spans.iter().enumerate().rev();
    let running = |span: u64| {
        answer
            .announced
            .iter()
            .any(|announced| announced.span == span && Some(announced.first_l2_block) <= head)
    };
    let rows = html! {
        @for (place, span) in coming {
            tr data-at=(format!("announced/{place}")) { (announced(page, names, span, running(span.span))) }
        }
        @for (place, span) in gone.filter(|(_, span)| !running(span.span)).take(SPANS) {
            tr data-at=(format!("spans/{place}")) {
                th scope="row" { (show::id("span", span.span)) }
                td { "made" }
                td { (maker(page, names, &span.maker)) }
                td.num { (show::id("first/l2_block", span.first.l2_block)) }
                td.num { (show::id("last/l2_block", span.last.l2_block)) }
                td.num {
                    (show::count("own_blocks", span.own_blocks)) " of "
                    (show::count("scheduled_blocks", span.scheduled_blocks))
                }
            }
        }
    };
    let head = [
        ("Span", false),
        ("State", false),
        ("Scheduled for", false),
        ("From block", true),
        ("To block", true),
        ("Made itself", true),
    ];
    table("Spans: those to come, the one that runs, and the last", &head, false, &rows)
}

fn announced(page: &Page, names: &Names, span: &AnnouncedSpan, runs: bool) -> Markup {
    html! {
        th scope="row" { (show::id("span", span.span)) }
        td {
            @if runs {
                (show::badge("good", &html! { "runs" }))
            } @else {
                (show::badge("open", &html! { "to come" }))
            }
        }
        td { (maker(page, names, &span.maker)) }
        td.num { (show::id("first_l2_block", span.first_l2_block)) }
        td.num { (show::id("last_l2_block", span.last_l2_block)) }
        td.num { (show::NOTHING) }
    }
}
