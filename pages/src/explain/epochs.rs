//! The epochs of the policy, and one with what each sequencer earned in it.

use crate::page::{Answer, Made, Page, Shown};
use crate::show::{self, answers, fact, facts, finality, more_rows, section, table};
use maud::html;
use tally_wire::{EpochAnswer, EpochsAnswer};

/// How many epochs a page lists.
const ROWS: u64 = 50;

/// Makes the page of all epochs.
pub(crate) async fn epochs(page: Page) -> Made {
    let from = page.params.number("from")?.unwrap_or(0);
    let answer: Answer<EpochsAnswer> = page.ask(&format!("/v1/epochs?from={from}&limit={ROWS}")).await?;
    let rows = html! {
        @for (place, served) in answer.is.epochs.iter().enumerate() {
            @let epoch = &served.epoch;
            tr data-at=(format!("epochs/{place}")) {
                th scope="row" {
                    (show::link("epoch", epoch.epoch, &page.link(&format!("/epochs/{}", epoch.epoch))))
                }
                td { (show::moment("start", epoch.start)) }
                td { (finality("is_final", served.is_final)) }
                td.num { (show::count("blocks", epoch.blocks)) }
                td.num { (show::metis("reward_wei", &epoch.reward_wei)) }
                td.num {
                    (show::amount_or("rate/reward_per_block_wei", epoch.rate.reward_per_block_wei.as_ref()))
                }
                td.num { (show::percent("target_mrr", &epoch.target_mrr)) }
                td.num { (show::percent_or("realised_mrr", epoch.realised_mrr.as_ref())) }
            }
        }
    };
    let head = [
        ("Epoch", false),
        ("Begins", false),
        ("Sure?", false),
        ("Rewarded blocks", true),
        ("Rewards, METIS", true),
        ("METIS a block", true),
        ("Target", true),
        ("Reached", true),
    ];
    let after =
        answer.is.next.as_ref().and(answer.is.epochs.last()).and_then(|last| last.epoch.epoch.checked_add(1));
    let body = html! {
        (table("The epochs of the policy", &head, true, &rows))
        (more_rows(after.map(|after| page.link(&format!("/epochs?from={after}")))))
        (answers(&[(&answer.url, true)]))
    };
    let main = html! {
        h1 { "Epochs" }
        p.lead {
            "An epoch of the policy " (page.at().policy.name)
            " sets what its blocks earn. What one pays follows from an earlier one, so that it is known "
            "before its blocks are made."
        }
        (section("epochs", "Epoch by epoch", Some(&answer.url), &body))
    };
    Ok(Shown { title: "Epochs".into(), main })
}

/// Makes the page of an epoch.
pub(crate) async fn epoch(page: Page, number: u64) -> Made {
    let answer: Answer<EpochAnswer> = page.ask(&format!("/v1/epochs/{number}")).await?;
    let names = page.names().await?;
    let (served, rows) = (&answer.is.epoch, &answer.is.rows);
    let epoch = &served.epoch;
    let rows = html! {
        @for (place, row) in rows.iter().enumerate() {
            tr data-at=(format!("rows/{place}")) {
                th scope="row" { (show::sequencer(&page, &names, "sequencer", row.sequencer)) }
                td.num { (show::count("blocks", row.blocks)) }
                td.num { (show::metis("reward_wei", &row.reward_wei)) }
                td.num { (show::percent_or("realised_mrr", row.realised_mrr.as_ref())) }
                td.num { (show::big("stake_seconds", &row.stake_seconds)) }
            }
        }
    };
    let head = [
        ("Sequencer", false),
        ("Rewarded blocks", true),
        ("METIS", true),
        ("Rate reached", true),
        ("Capped stake over time, wei·s", true),
    ];
    let before = number.checked_sub(1).map(|before| page.link(&format!("/epochs/{before}")));
    let after =
        number.checked_add(1).filter(|_| epoch.is_closed).map(|after| page.link(&format!("/epochs/{after}")));
    let body = html! {
        (facts(&html! {
            (fact("Begins", &show::moment("epoch/start", epoch.start), Some(&html! {
                @if epoch.is_closed {
                    "it is over"
                } @else {
                    "it runs: its sums reach up to the last counted block"
                }
            })))
            (fact("Rewards", &show::metis_unit("epoch/reward_wei", &epoch.reward_wei), Some(&html! {
                "for " (show::count("epoch/blocks", epoch.blocks)) " rewarded blocks"
            })))
            (fact("A block earns", &show::amount_or("epoch/rate/reward_per_block_wei", epoch.rate.reward_per_block_wei.as_ref()), Some(&html! {
                (show::word("epoch/rate/from", epoch.rate.from.as_str(), super::block::rate_text(epoch.rate.from.as_str())))
                @if let Some(window) = epoch.rate.window_epoch {
                    " It was epoch "
                    (show::link("epoch/rate/window_epoch", window, &page.link(&format!("/epochs/{window}"))))
                    "."
                }
            })))
            (fact("Reached", &show::percent_or("epoch/realised_mrr", epoch.realised_mrr.as_ref()), Some(&html! {
                "of a target of " (show::percent("epoch/target_mrr", &epoch.target_mrr))
            })))
            (fact("Sure?", &finality("epoch/is_final", served.is_final), None))
        }))
        (table("What each sequencer earned in the epoch", &head, true, &rows))
        details { summary { "The sums that rates follow from" }
            dl.pairs {
                dt { "Q, capped stake over time" }
                dd { (show::big("epoch/stake_seconds", &epoch.stake_seconds)) " wei·s" }
                dt { "N, rewarded blocks" } dd { (show::count("epoch/blocks", epoch.blocks)) }
                dt { "W, capped stake by block" }
                dd { (show::big("epoch/stake_blocks", &epoch.stake_blocks)) " wei·blocks" }
                dt { "Digest" } dd { (show::hash("epoch/digest", &epoch.digest)) }
            }
        }
        (answers(&[(&answer.url, true)]))
    };
    let main = html! {
        h1 { "Epoch " (number) }
        p.around {
            @if let Some(before) = before { a href=(before) rel="prev" { "← the epoch before" } " " }
            @if let Some(after) = after { a href=(after) rel="next" { "the epoch after →" } }
        }
        (section("epoch", "What it paid", Some(&answer.url), &body))
    };
    Ok(Shown { title: format!("Epoch {number}"), main })
}
