//! The table of sequencers.

use super::production::Made;
use crate::page::{Answer, Names, Page};
use crate::show::{self, answers, table};
use maud::{Markup, html};
use tally_wire::{EpochAnswer, PoolAnswer, SequencerWithAccounts, SequencersAnswer};

/// The section. The shares of blocks, and the rates of the last epoch that is over, are of other answers than the rest.
pub(super) fn section(
    page: &Page,
    names: &Names,
    sequencers: &Answer<SequencersAnswer>,
    pool: &PoolAnswer,
    made: &Made,
    reached: Option<&Answer<EpochAnswer>>,
) -> Markup {
    let rows = html! {
        @for (place, one) in sequencers.is.sequencers.iter().enumerate() {
            tr data-at=(format!("sequencers/{place}")) { (row(page, names, one, pool, made, reached)) }
        }
    };
    let head = [
        ("Sequencer", false),
        ("State", false),
        ("Stake, METIS", true),
        ("Least, stake and cap", false),
        ("Made itself, of the last 500", true),
        ("Credited", true),
        ("Unclaimed", true),
    ];
    let title = reached.map(|epoch| format!("Rate reached in epoch {}", epoch.is.epoch.epoch.epoch));
    let by_policy = [("Earned, by the policy", true)];
    let head: Vec<_> =
        head.into_iter().chain(title.as_deref().map(|title| (title, true))).chain(by_policy).collect();
    let body = html! {
        (table("The sequencers of the pool", &head, true, &rows))
        p { a href=(page.link("/join")) { "How to join the pool" } }
        (answers(&[(&sequencers.url, true), (&made.production.url, true)]))
    };
    show::section("sequencers", "Sequencers", Some(&sequencers.url), &body)
}

fn row(
    page: &Page,
    names: &Names,
    one: &SequencerWithAccounts,
    pool: &PoolAnswer,
    made: &Made,
    reached: Option<&Answer<EpochAnswer>>,
) -> Markup {
    let SequencerWithAccounts { sequencer, contract, policy } = one;
    let produced = made.of(sequencer.sequencer);
    html! {
        th scope="row" { (show::sequencer(page, names, "sequencer", sequencer.sequencer)) }
        td { (show::status("status", &sequencer.status)) }
        td.num { (show::metis("stake_wei", &sequencer.stake_wei)) }
        td { (stake_bar(one, pool)) }
        td.num data-source=(made.production.url) {
            @match produced {
                None => (show::NOTHING),
                Some((place, produced)) => {
                    span data-at=(format!("production/makers/{place}")) {
                        (show::count("own_blocks", produced.own_blocks)) " of "
                        (show::count("scheduled_blocks", produced.scheduled_blocks))
                    }
                },
            }
        }
        td.num { (show::metis("contract/credited_wei", &contract.sums.credited_wei)) }
        td.num {
            (show::metis("contract/unclaimed_wei", &contract.sums.unclaimed_wei))
            // Where nothing is unclaimed, nobody asks why it cannot be claimed.
            @if contract.sums.unclaimed_wei.wei().is_none_or(|wei| !wei.is_zero()) {
                @match &contract.not_claimable {
                    Some(why) => span.small { (show::word("contract/not_claimable", why.as_str(), why.text())) },
                    None => span.small { "can be claimed" },
                }
            }
        }
        @if let Some(epoch) = reached {
            @let row = epoch.is.rows.iter().enumerate().find(|(_, row)| row.sequencer == sequencer.sequencer);
            td.num data-source=(epoch.url) {
                @match row {
                    None => (show::NOTHING),
                    Some((place, row)) => (show::percent_or(&format!("rows/{place}/realised_mrr"), row.realised_mrr.as_ref())),
                }
            }
        }
        td.num { (show::metis("policy/accrued_wei", &policy.account.accrued_wei)) }
    }
}

/// A stake between nothing and the most that can be locked, with marks at the least and at the cap.
fn stake_bar(one: &SequencerWithAccounts, pool: &PoolAnswer) -> Markup {
    let wei = |amount: &tally_wire::Amount| amount.wei().map(tally_engine::Wei::get);
    let Some(((stake, least), most)) =
        wei(&one.sequencer.stake_wei).zip(wei(&pool.min_lock_wei)).zip(wei(&pool.max_lock_wei))
    else {
        return html! {};
    };
    let cap = pool.cap_wei.as_ref().and_then(wei);
    let top = most.max(stake).max(cap.unwrap_or(most));
    let place = |value: alloy_primitives::U256| {
        let product = alloy_primitives::U512::from(value) * alloy_primitives::U512::from(200_u64);
        let place = product.checked_div(alloy_primitives::U512::from(top)).unwrap_or_default();
        u64::try_from(place).unwrap_or(200)
    };
    html! {
        svg.stake viewBox="0 0 200 12" aria-hidden="true" preserveAspectRatio="none" {
            path.held d=(format!("M0 6H{}", place(stake))) {}
            path.mark d=(format!("M{} 0V12{}", place(least), cap.map_or(String::new(), |cap| format!("M{} 0V12", place(cap))))) {}
        }
    }
}
