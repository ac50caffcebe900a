//! What the operators have to send next: the batch and the rate, and what holds them back.

use crate::explorers::Chain;
use crate::page::{Answer, Names, Page};
use crate::show::{self, answers, fact, facts, table};
use maud::{Markup, html};
use tally_feed::Refusal;
use tally_wire::{Call, NextBatchAnswer, NextRateAnswer};

/// The section about the batch and the rate that the operators would have to send next.
pub(super) async fn section(page: &Page, names: &Names) -> Markup {
    let batch = page.ask::<NextBatchAnswer>("/v1/batches/next").await;
    let rate = page.ask::<NextRateAnswer>("/v1/rates/next").await;
    let body = html! {
        (show::note(&html! {
            "By what is final alone. Tally holds no key and sends nothing: these are the calls that the "
            "pool's operators would have to send."
        }))
        div.columns {
            div { h3 { "The next batch" } (batch_of(page, names, &batch)) }
            div { h3 { "The next rate" } (rate_of(page, &rate)) }
        }
    };
    show::section("next", "What has to be sent next", None, &body)
}

/// The section of the next rate alone.
pub(crate) async fn rate_section(page: &Page) -> Markup {
    let rate = page.ask::<NextRateAnswer>("/v1/rates/next").await;
    show::section("next", "The next rate", None, &rate_of(page, &rate))
}

fn refused(refusal: &Refusal) -> Markup {
    show::note(&html! { "Nothing yet: " (refusal.detail()) "." })
}

fn batch_of(page: &Page, names: &Names, batch: &Result<Answer<NextBatchAnswer>, Refusal>) -> Markup {
    let answer = match batch {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal),
    };
    let next = &answer.is.next;
    html! {
        div data-source=(answer.url) {
            (facts(&html! {
                (fact("Batch", &show::id("batch", next.batch), Some(&html! {
                    "spans " (show::id("start_span", next.start_span)) " to "
                    (show::id("end_span", next.end_span))
                })))
                (fact("Pays", &show::metis_unit("total_wei", &next.total_wei), Some(&html! {
                    (show::count("blocks", next.blocks)) " blocks at "
                    (show::metis("reward_per_block_wei", &next.reward_per_block_wei))
                })))
            }))
            (table("Whom the next batch credits", &[("Sequencer", false), ("Blocks", true), ("METIS", true)], true, &html! {
                @for (place, entry) in next.entries.iter().enumerate() {
                    tr data-at=(format!("entries/{place}")) {
                        th scope="row" { (show::sequencer(page, names, "sequencer", entry.sequencer)) }
                        td.num { (show::count("blocks", entry.blocks)) }
                        td.num { (show::metis("reward_wei", &entry.reward_wei)) }
                    }
                }
            }))
            @if let Some(block) = next.paused_since_l1_block {
                (show::warning(&html! {
                    "the pool is paused since L1 block " (show::id("paused_since_l1_block", block))
                    ", so the contract would refuse it."
                }))
            }
            @for (place, blocking) in next.blocking.iter().enumerate() {
                div data-at=(format!("blocking/{place}")) {
                    (show::warning(&html! {
                        "later spans wait: " (show::count("blocks", blocking.blocks))
                        " blocks name the signer "
                        (show::address(page, Chain::L2, "signer", &blocking.signer)) ", which the contract cannot credit ("
                        (show::word("why", blocking.why.as_str(), uncreditable(blocking.why.as_str()))) ")."
                    }))
                }
            }
            @if !next.check_differences.is_empty() {
                (show::warning(&html! {
                    "Themis' published check would not sign it: " (next.check_differences.len())
                    " entries are not as it wants."
                }))
            }
            (call(page, &next.call))
            (answers(&[(&answer.url, false)]))
        }
    }
}

/// Why a signer cannot be credited, for people.
fn uncreditable(why: &str) -> &'static str {
    match why {
        "unknown_signer" => "no sequencer has had it so far",
        "sequencer_gone" => "its sequencer has taken its stake out",
        _ => "its sequencer has another signer now",
    }
}

fn rate_of(page: &Page, rate: &Result<Answer<NextRateAnswer>, Refusal>) -> Markup {
    let answer = match rate {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal),
    };
    let next = &answer.is.next;
    html! {
        div data-source=(answer.url) {
            (facts(&html! {
                (fact("Reward per block by the policy", &show::metis_unit("reward_per_block_wei", &next.reward_per_block_wei), Some(&html! {
                    "for a target of " (show::percent("target_mrr", &next.target_mrr))
                })))
                (fact("On chain now", &show::metis_unit("on_chain_reward_per_block_wei", &next.on_chain_reward_per_block_wei), Some(&html! {
                    (show::difference("difference_wei", &next.difference_wei)) " is proposed"
                })))
                (fact("By the blocks of epoch", &show::id("closed_epoch/epoch", next.closed_epoch.epoch), Some(&html! {
                    (show::count("closed_epoch/blocks", next.closed_epoch.blocks))
                    " rewarded blocks; the pool reached "
                    (show::percent_or("closed_epoch/realised_mrr", next.closed_epoch.realised_mrr.as_ref()))
                })))
            }))
            @match &next.call {
                Some(found) => (call(page, found)),
                None => p { "It is in force already." },
            }
            (answers(&[(&answer.url, false)]))
        }
    }
}

/// A call of the operators, to be looked at and copied.
fn call(page: &Page, call: &Call) -> Markup {
    html! {
        details.call data-at="call" {
            summary { "The call " code { (call.function) } }
            dl.pairs {
                dt { "Contract" } dd { (show::address(page, Chain::L1, "contract", &call.contract)) }
                dt { "Sent by" } dd { (show::address_or(page, Chain::L1, "sender", call.sender.as_ref())) }
                dt { "Calldata" }
                dd {
                    code.hash data-field="calldata" data-value=(call.calldata) data-copy { (call.calldata) }
                }
            }
        }
    }
}
