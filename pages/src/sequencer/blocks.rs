//! The blocks of a sequencer, and what each earned.

use super::heading;
use crate::page::{Answer, Made, Page, Shown, encoded};
use crate::show::{self, answers, finality, more_rows, section, table};
use maud::html;
use tally_wire::LedgerAnswer;

/// What the page can be asked.
pub(crate) const PARAMS: [&str; 3] = ["from", "to", "cursor"];

/// How many blocks a page lists.
const ROWS: u64 = 50;

/// How many of the last blocks of all sequencers are looked through, unless others are asked for.
const LAST_BLOCKS: u64 = 5_000;

/// Makes the page of a sequencer's blocks.
pub(crate) async fn page(page: Page, id: u64) -> Made {
    let (asked, to) = (page.params.number("from")?, page.params.number("to")?);
    let horizon = page.at().horizon.map(|horizon| horizon.l2_block);
    let last = match (asked, to, horizon) {
        // The log's first blocks are what an empty question means to the API, and the last ones what it means to people.
        (None, None, Some(horizon)) => horizon.checked_sub(LAST_BLOCKS),
        _ => None,
    };
    let mut query = format!("/v1/sequencers/{id}/ledger?limit={ROWS}");
    for (name, value) in [("from", asked.or(last)), ("to", to)] {
        if let Some(value) = value {
            query = format!("{query}&{name}={value}");
        }
    }
    if let Some(cursor) = page.params.text("cursor") {
        query = format!("{query}&cursor={}", encoded(cursor));
    }
    let found = page.ask::<LedgerAnswer>(&query).await;
    let answer: Answer<LedgerAnswer> = match found {
        // The log may begin later than that.
        Err(refusal) if refusal.kind() == "gap" && last.is_some() => {
            page.ask(&format!("/v1/sequencers/{id}/ledger?limit={ROWS}")).await?
        }
        found => found?,
    };
    let names = page.names().await?;
    let rows = html! {
        @for (place, served) in answer.is.blocks.iter().enumerate() {
            @let block = &served.block;
            tr data-at=(format!("blocks/{place}")) {
                th scope="row" {
                    (show::link("l2_block", block.l2_block, &page.link(&format!("/blocks/{}", block.l2_block))))
                }
                td { (show::moment("timestamp", block.timestamp)) }
                td { (finality("is_final", served.is_final)) }
                td.num {
                    @match block.epoch { Some(epoch) => (show::link("epoch", epoch, &page.link(&format!("/epochs/{epoch}")))), None => (show::nothing("epoch")) }
                }
                td.num { (show::count_or("span", block.span)) }
                td.num {
                    (show::amount_or("reward_wei", block.reward_wei.as_ref()))
                    @if let Some(why) = &block.unrewarded {
                        " " span.small { (show::word("unrewarded", why.as_str(), why.text())) }
                    }
                }
                td.num { (show::amount_or("running_total_wei", block.running_total_wei.as_ref())) }
            }
        }
    };
    let head = [
        ("Block", false),
        ("Made", false),
        ("Sure?", false),
        ("Epoch", true),
        ("Span", true),
        ("Earned, METIS", true),
        ("In all by then", true),
    ];
    let range = [("from", asked.or(last)), ("to", to)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", value?)));
    let range: String = range.collect();
    let more = answer
        .is
        .next
        .as_ref()
        .map(|next| page.link(&format!("/sequencers/{id}/blocks?cursor={}{range}", encoded(next))));
    let text = |name: &str| page.params.text(name).unwrap_or_default().to_owned();
    let body = html! {
        form.ask method="get" action=(format!("/sequencers/{id}/blocks")) {
            div {
                label for="from" { "From L2 block" }
                input #from name="from" value=(text("from")) inputmode="numeric" maxlength="20";
            }
            div {
                label for="to" { "To L2 block" }
                input #to name="to" value=(text("to")) inputmode="numeric" maxlength="20";
            }
            @if let Some(policy) = page.other_policy() { input type="hidden" name="policy" value=(policy); }
            button { "Show" }
        }
        p {
            "Its blocks among L2 blocks " (show::id("from", answer.is.from)) " to "
            (show::id("to", answer.is.to)) "."
        }
        @if answer.is.blocks.is_empty() {
            p { "None of these is its." }
        } @else {
            (table("Its blocks", &head, true, &rows))
        }
        (more_rows(more))
        (answers(&[(&answer.url, true)]))
    };
    let main = html! {
        h1 { (heading(&names, id)) ": blocks" }
        p.around { a href=(page.link(&format!("/sequencers/{id}"))) { "← the sequencer" } }
        (section("blocks", "Block by block", Some(&answer.url), &body))
    };
    Ok(Shown { title: format!("Blocks of {}", names.label(id)), main })
}
