//! The way of a sequencer's stake.

use crate::chart::{Line, Lines, Step, Unit};
use crate::explorers::Chain;
use crate::page::{Answer, Page};
use crate::show::{self, answers, table};
use maud::{Markup, html};
use tally_engine::Wei;
use tally_wire::{Amount, Movement, PoolAnswer, SequencerAnswer, StatementAnswer};

/// The section about how the stake came to be what it is.
pub(super) fn section(
    page: &Page,
    answer: &Answer<SequencerAnswer>,
    pool: &Answer<PoolAnswer>,
    statement: &Answer<StatementAnswer>,
) -> Markup {
    let wei = |amount: &Amount| amount.wei().map(Wei::get);
    let changes: Vec<(usize, &Movement)> =
        statement.is.movements.iter().enumerate().filter(|(_, one)| moves_stake(one)).collect();
    let head = answer.is.at.log.l1_head.as_ref().map(|head| head.timestamp);
    let ends = changes.iter().skip(1).map(|(_, next)| Some(next.time)).chain([head]);
    let steps: Vec<Step> = changes
        .iter()
        .zip(ends)
        .filter_map(|((_, one), until)| {
            Some(Step { from: one.time, until: until?.max(one.time), value: wei(&one.stake_wei)? })
        })
        .collect();
    let range = steps.first().map(|first| first.from).zip(steps.last().map(|last| last.until));
    let level = |amount: &Amount| {
        let value = wei(amount);
        range
            .zip(value)
            .map(|((from, until), value)| Step { from, until, value })
            .into_iter()
            .collect::<Vec<_>>()
    };
    let mut lines = vec![Line { class: "policy", name: "its stake".into(), steps }];
    lines.push(Line {
        class: "target",
        name: "the least that can be locked now".into(),
        steps: level(&pool.is.min_lock_wei),
    });
    if let Some(cap) = &pool.is.cap_wei {
        lines.push(Line { class: "chain", name: "the cap: more does not count".into(), steps: level(cap) });
    }
    let rows = html! {
        @for (place, one) in changes.iter().rev() {
            tr data-at=(format!("movements/{place}")) {
                th scope="row" { (show::moment("time", one.time)) }
                td { (show::word("kind", one.kind.as_str(), one.kind.text())) }
                td.num { (show::metis("amount_wei", &one.amount_wei)) }
                td.num { (show::metis("stake_wei", &one.stake_wei)) }
                td {
                    @if let Some(hash) = &one.transaction {
                        (show::transaction(page, Chain::L1, "transaction", hash))
                    }
                }
            }
        }
    };
    let numbers = table(
        "How its stake changed",
        &[
            ("When", false),
            ("What", false),
            ("METIS", true),
            ("Stake after it", true),
            ("L1 transaction", false),
        ],
        true,
        &rows,
    );
    let chart = Lines {
        id: "stake-chart",
        title: "Its stake, METIS",
        about: "The stake over time, beside the least that can be locked now and the cap of the policy.",
        unit: Unit::Metis,
        all: &lines,
        hints: &[],
        table: &numbers,
    };
    let body = html! {
        p {
            "The contract takes stakes of "
            span data-source=(pool.url) { (show::metis_unit("min_lock_wei", &pool.is.min_lock_wei)) } " to "
            span data-source=(pool.url) { (show::metis_unit("max_lock_wei", &pool.is.max_lock_wei)) }
            @if let Some(cap) = &pool.is.cap_wei {
                "; what is above " span data-source=(pool.url) { (show::metis_unit("cap_wei", cap)) }
                " earns nothing more by the policy"
            }
            "."
        }
        (chart.draw())
        @if statement.is.next.is_some() {
            (show::note(&html! { "Only the first 1,000 movements are looked at." }))
        }
        (answers(&[(&statement.url, true)]))
    };
    show::section("stake", "Its stake", Some(&statement.url), &body)
}

/// Whether a movement changes the stake.
fn moves_stake(one: &Movement) -> bool {
    matches!(one.kind.as_str(), "locked" | "relocked" | "relocked_reward" | "withdrawn" | "unlocked")
}
