//! The rates that were aimed at and reached, epoch by epoch, as a chart and its table.

use crate::chart::{Line, Lines, Step, Unit};
use crate::explorers::Chain;
use crate::page::{Answer, Page};
use crate::show::{self, answers, table};
use alloy_primitives::U256;
use maud::{Markup, html};
use tally_feed::Refusal;
use tally_wire::{EpochRates, Fraction, RatesAnswer};

/// The section of the pool's page.
pub(super) fn section(page: &Page, rates: &Result<Answer<RatesAnswer>, Refusal>) -> Markup {
    let (source, body) = match rates {
        Ok(rates) => (
            Some(rates.url.as_str()),
            html! {
                (chart(&rates.is.rates))
                p { a href=(page.link("/rates")) { "All rates, and how the reward per block came to be" } }
                (answers(&[(&rates.url, false)]))
            },
        ),
        Err(refusal) => (None, show::note(&html! { (refusal.detail()) "." })),
    };
    show::section("rates", "What is earned on a stake", source, &body)
}

/// The chart, whose table has the values of an answer of rates.
pub(crate) fn chart(rates: &[EpochRates]) -> Markup {
    let steps = |of: &dyn Fn(&EpochRates) -> Option<U256>| {
        let known = rates.iter().filter_map(|epoch| Some((epoch, of(epoch)?)));
        known.map(|(epoch, value)| Step { from: epoch.start, until: epoch.until, value }).collect::<Vec<_>>()
    };
    // What is reached so far in an epoch that runs says nothing yet.
    let closed = |epoch: &EpochRates, rate: &Option<Fraction>| {
        rate.as_ref().filter(|_| epoch.is_closed).and_then(Fraction::units)
    };
    let lines = [
        Line { class: "target", name: "target".into(), steps: steps(&|epoch| epoch.target_mrr.units()) },
        Line {
            class: "policy",
            name: "reached by the policy".into(),
            steps: steps(&|epoch| closed(epoch, &epoch.realised_mrr)),
        },
        Line {
            class: "chain",
            name: "reached by what the contract pays".into(),
            steps: steps(&|epoch| closed(epoch, &epoch.paid_mrr)),
        },
    ];
    let text = |rate: &Option<Fraction>| {
        rate.as_ref().and_then(Fraction::units).map_or("not known".to_owned(), tally_text::percent)
    };
    let hints: Vec<_> = rates
        .iter()
        .map(|epoch| {
            let about = format!(
                "epoch {}: target {}, by the policy {}, by what is paid {}",
                epoch.epoch,
                text(&Some(epoch.target_mrr.clone())),
                text(&epoch.realised_mrr),
                text(&epoch.paid_mrr)
            );
            (epoch.start, epoch.until, about)
        })
        .collect();
    let about = "The mining reward rate of the pool, a year's rewards over the stake that counts, by epoch: what was aimed at, \
                 what the policy would have paid, and what the contract pays for the same time.";
    let numbers = numbers(rates);
    Lines {
        id: "mrr",
        title: "Mining reward rate (MRR) of the pool, by epoch",
        about,
        unit: Unit::PerCent,
        all: &lines,
        hints: &hints,
        table: &numbers,
    }
    .draw()
}

fn numbers(rates: &[EpochRates]) -> Markup {
    let rows = html! {
        @for (place, epoch) in rates.iter().enumerate().rev() {
            tr data-at=(format!("rates/{place}")) {
                th scope="row" { (show::link("epoch", epoch.epoch, &format!("/epochs/{}", epoch.epoch))) }
                td { (show::moment("start", epoch.start)) }
                td { @if epoch.is_closed { "over" } @else { "runs" } }
                td.num { (show::percent("target_mrr", &epoch.target_mrr)) }
                td.num { (show::percent_or("realised_mrr", epoch.realised_mrr.as_ref())) }
                td.num { (show::percent_or("paid_mrr", epoch.paid_mrr.as_ref())) }
                td.num {
                    (show::amount_or("rate/reward_per_block_wei", epoch.rate.reward_per_block_wei.as_ref()))
                }
                td.num {
                    (show::metis("on_chain_reward_per_block_wei", &epoch.on_chain_reward_per_block_wei))
                }
                td.num { (show::count("blocks", epoch.blocks)) }
            }
        }
    };
    let head = [
        ("Epoch", false),
        ("Begins", false),
        ("State", false),
        ("Target", true),
        ("By the policy", true),
        ("By what is paid", true),
        ("METIS a block, policy", true),
        ("METIS a block, on chain", true),
        ("Blocks", true),
    ];
    table("Rates by epoch", &head, true, &rows)
}

/// The rewards per block by the policy and on chain. The table of the other chart has their values.
pub(crate) fn rewards_chart(rates: &[EpochRates]) -> Markup {
    let wei = |amount: &tally_wire::Amount| amount.wei().map(tally_engine::Wei::get);
    let by_policy = rates.iter().filter_map(|epoch| {
        let value = wei(epoch.rate.reward_per_block_wei.as_ref()?)?;
        Some(Step { from: epoch.start, until: epoch.until, value })
    });
    let mut on_chain = Vec::new();
    for epoch in rates {
        let (mut from, mut value) = (epoch.start, wei(&epoch.on_chain_reward_per_block_wei));
        for change in epoch.on_chain_changes.iter().filter(|change| change.timestamp <= epoch.until) {
            on_chain.extend(value.map(|value| Step { from, until: change.timestamp, value }));
            (from, value) = (change.timestamp, wei(&change.reward_per_block_wei));
        }
        on_chain.extend(value.map(|value| Step { from, until: epoch.until, value }));
    }
    let lines = [
        Line { class: "policy", name: "by the policy".into(), steps: by_policy.collect() },
        Line { class: "chain", name: "on chain".into(), steps: on_chain },
    ];
    let table =
        html! { p { "The columns “METIS a block” of the table above, and the changes on chain below." } };
    Lines {
        id: "reward",
        title: "Reward per block, METIS",
        about: "What each block earns by the policy, and what the contract pays for it, over time.",
        unit: Unit::Metis,
        all: &lines,
        hints: &[],
        table: &table,
    }
    .draw()
}

/// How the reward per block on chain changed.
pub(crate) fn changes(page: &Page, rates: &[EpochRates]) -> Markup {
    let all = rates.iter().enumerate().flat_map(|(place, epoch)| {
        let changes = epoch.on_chain_changes.iter().enumerate();
        changes.map(move |(index, change)| (format!("rates/{place}/on_chain_changes/{index}"), change))
    });
    let all: Vec<_> = all.collect();
    let rows = html! {
        @for (at, change) in all.iter().rev() {
            tr data-at=(at) {
                th scope="row" { (show::moment("timestamp", change.timestamp)) }
                td.num {
                    (page.explained(Chain::L1, "block", &change.l1_block.to_string(), &show::id("l1_block", change.l1_block)))
                }
                td.num { (show::metis("reward_per_block_wei", &change.reward_per_block_wei)) }
            }
        }
    };
    if all.is_empty() {
        return html! { p { "The contract's reward per block was never changed." } };
    }
    table(
        "Changes of the reward per block on chain",
        &[("Set", false), ("L1 block", true), ("METIS a block", true)],
        true,
        &rows,
    )
}
