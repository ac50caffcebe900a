//! What a block earned, and why: each number with the event that it comes from.

use crate::explorers::Chain;
use crate::page::{Answer, Made, Names, Page, Shown};
use crate::show::{self, answers, fact, facts, section};
use maud::{Markup, html};
use tally_wire::{Amount, BlockAnswer, Division, Place, Stake};

/// Makes the page of a block.
pub(crate) async fn block(page: Page, number: u64) -> Made {
    let answer: Answer<BlockAnswer> = page.ask(&format!("/v1/blocks/{number}")).await?;
    let names = page.names().await?;
    let before = number.checked_sub(1).map(|before| page.link(&format!("/blocks/{before}")));
    let after = number.checked_add(1).map(|after| page.link(&format!("/blocks/{after}")));
    let main = html! {
        h1 { "L2 block " (number) }
        p.around {
            @if let Some(before) = before { a href=(before) rel="prev" { "← the block before" } " " }
            @if let Some(after) = after { a href=(after) rel="next" { "the block after →" } }
        }
        (result(&page, &names, &answer))
        (steps(&page, &names, &answer))
    };
    Ok(Shown { title: format!("Block {number}"), main })
}

/// The section about what the block earned, or why it earned nothing.
fn result(page: &Page, names: &Names, answer: &Answer<BlockAnswer>) -> Markup {
    let block = &answer.is.explanation.block;
    let shown = show::id("block/l2_block", block.l2_block);
    let body = html! {
        (facts(&html! {
            (fact("Block", &page.explained(Chain::L2, "block", &block.l2_block.to_string(), &shown), Some(&show::moment("block/timestamp", block.timestamp))))
            (fact("Earned", &show::amount_or("block/reward_wei", block.reward_wei.as_ref()), Some(&html! {
                @match &block.unrewarded {
                    Some(why) => {
                        "nothing, since " (show::word("block/unrewarded", why.as_str(), why.text()))
                    },
                    None => { "METIS, by the policy " (page.at().policy.name) },
                }
            })))
            (fact("By", &show::sequencer_or(page, names, "block/sequencer", block.sequencer), Some(&html! {
                "signed by " (show::address_or(page, Chain::L2, "block/signer", block.signer.as_ref()))
            })))
            (fact("Earned by then", &show::amount_or("block/running_total_wei", block.running_total_wei.as_ref()), Some(&html! { "by the sequencer, with this block" })))
            (fact("Sure?", &show::finality("is_final", answer.is.is_final), Some(&html! {
                @if answer.is.is_final {
                    "what it earned cannot change any more"
                } @else {
                    "what it earned can still change"
                }
            })))
        }))
        (answers(&[(&answer.url, false)]))
    };
    section("result", "What it earned", Some(&answer.url), &body)
}

/// Each step from the chain to the reward.
fn steps(page: &Page, names: &Names, answer: &Answer<BlockAnswer>) -> Markup {
    let why = &answer.is.explanation;
    let body = html! {
        ol.steps {
            li {
                h3 { "Whose block it is" }
                @match &why.span {
                    Some(span) => {
                        p {
                            "Span " (show::id("span/span", span.span)) ", blocks "
                            (show::id("span/start", span.start)) " to " (show::id("span/end", span.end))
                            ", names the signer "
                            (show::address(page, Chain::L2, "span/signer", &span.signer)) "."
                        }
                        p.source {
                            code data-field="span/event/event" data-value=(span.event.event) {
                                (span.event.event)
                            }
                            ", L2 block " (show::id("span/event/l2_block", span.event.l2_block))
                            ", transaction "
                            (show::transaction(page, Chain::L2, "span/event/transaction", &span.event.transaction))
                            ", log " (show::id("span/event/log_index", span.event.log_index))
                        }
                    },
                    None => p { "No span covers it." },
                }
                @if let Some(place) = &why.signer_introduced_by {
                    p {
                        "Its producer "
                        (show::address_or(page, Chain::L2, "block/producer", why.block.producer.as_ref()))
                        " stands for "
                        (show::sequencer_or(page, names, "block/sequencer", why.block.sequencer)) " since:"
                    }
                    (source(page, "signer_introduced_by", place))
                }
            }
            @if let Some(stake) = &why.stake { li { h3 { "Its stake" } (stake_of(page, stake)) } }
            @if let Some(epoch) = &why.epoch {
                li {
                    h3 { "The rate of its epoch" }
                    p {
                        "It lies in epoch "
                        (show::link("epoch/epoch", epoch.epoch, &page.link(&format!("/epochs/{}", epoch.epoch))))
                        ", which began " (show::moment("epoch/start", epoch.start)) " with a target of "
                        (show::percent("epoch/target_mrr", &epoch.target_mrr)) " a year. "
                        (show::word("epoch/rate/from", epoch.rate.from.as_str(), rate_text(epoch.rate.from.as_str())))
                    }
                    @if let Some(window) = &epoch.window {
                        p {
                            "Epoch "
                            (show::link("epoch/window/epoch", window.epoch, &page.link(&format!("/epochs/{}", window.epoch))))
                            " had Q = " (show::big("epoch/window/stake_seconds", &window.stake_seconds))
                            " wei·s of capped stake over N = "
                            (show::count("epoch/window/blocks", window.blocks)) " rewarded blocks."
                        }
                    }
                    @if let Some(reward) = &epoch.rate.reward_per_block_wei {
                        p {
                            "So each block of the epoch earns "
                            (show::metis_unit("epoch/rate/reward_per_block_wei", reward)) "."
                        }
                    }
                }
            }
            @if let Some(division) = &why.division { li { h3 { "The division" } (division_of(division)) } }
            @if let Some(paid) = &why.paid_by {
                li {
                    h3 { "What the contract pays for it" }
                    @match paid.batch {
                        Some(batch) => p {
                            "Batch "
                            (show::link("paid_by/batch", batch, &page.link(&format!("/batches/{batch}"))))
                            " paid it."
                        },
                        None => p {
                            "No batch has paid it yet: it is valued at the present reward per block."
                        },
                    }
                    @if let Some(place) = &paid.event { (source(page, "paid_by/event", place)) }
                }
            }
        }
    };
    section("steps", "Why", Some(&answer.url), &body)
}

/// Where the rate comes from, for people.
pub(super) fn rate_text(from: &str) -> &'static str {
    match from {
        "initial" => "No earlier epoch sets its rate: it pays the policy's initial reward.",
        "window" => "Its rate follows from the stake and the blocks of an earlier epoch.",
        "chain" => "Its blocks earn what the contract pays.",
        "operators" => "Its rate is by the formula of the pool's operators.",
        _ => "The policy fixes its reward per block.",
    }
}

fn stake_of(page: &Page, stake: &Stake) -> Markup {
    html! {
        p {
            (show::metis_unit("stake/stake_wei", &stake.stake_wei)) " were locked, of which "
            (show::metis_unit("stake/effective_stake_wei", &stake.effective_stake_wei)) " count"
            @if cap_is_real(&stake.cap_wei) {
                ", up to the cap of " (show::metis_unit("stake/cap_wei", &stake.cap_wei))
            }
            ". The sequencer was "
            (show::word("stake/active", &stake.active.to_string(), if stake.active { "active" } else { "not active" }))
            "."
        }
        @if let Some(place) = &stake.stake_event { (source(page, "stake/stake_event", place)) }
        @if let Some(place) = &stake.status_event { (source(page, "stake/status_event", place)) }
    }
}

/// Whether a cap is one: a policy without one has the greatest number there is.
fn cap_is_real(cap: &Amount) -> bool {
    cap.wei().is_some_and(|cap| cap != tally_engine::Policy::NO_CAP)
}

/// A division, factor by factor.
fn division_of(division: &Division) -> Markup {
    let factors = |name: &str, all: &[Amount]| {
        html! { @for (place, factor) in all.iter().enumerate() { @if place > 0 { " · " } (show::big(&format!("division/{name}/{place}"), factor)) } }
    };
    html! {
        p.division {
            "⌊ " (factors("numerators", &division.numerators)) " ∕ ( "
            (factors("denominators", &division.denominators)) " ) ⌋ = "
            strong { (show::big("division/quotient_wei", &division.quotient_wei)) } " wei"
        }
        p.small {
            "Rounded down; the remainder is " (show::big("division/remainder", &division.remainder)) "."
        }
    }
}

/// The event that a number comes from.
fn source(page: &Page, at: &str, place: &Place) -> Markup {
    let block = show::id("l1_block", place.l1_block);
    html! {
        p.source data-at=(at) {
            code data-field="event" data-value=(place.event) { (place.event) } ", L1 block "
            (page.explained(Chain::L1, "block", &place.l1_block.to_string(), &block))
            ", " (show::moment("timestamp", place.timestamp)) ", transaction "
            (show::transaction(page, Chain::L1, "transaction", &place.transaction))
            ", log " (show::id("log_index", place.log_index))
        }
    }
}
