//! The pool's page: how far everything is, who makes blocks, what is locked and paid, what comes next, and who is in it.

mod findings;
mod members;
mod next;
mod production;
mod rates;
mod sync;

pub(crate) use next::rate_section as next_rate;
pub(crate) use production::maker;
pub(crate) use rates::{changes, chart as rates_chart, rewards_chart};

use crate::page::{Answer, Made, Names, Page, Shown};
use crate::show::{self, answers, fact, facts, section};
use maud::{Markup, html};
use tally_feed::Refusal;
use tally_wire::{EpochAnswer, PoolAnswer};

/// How many of the last epochs the chart of rates has: a year of them.
const EPOCHS: u64 = 26;

/// Makes the page of the whole pool.
pub(crate) async fn page(page: Page) -> Made {
    let pool: Answer<PoolAnswer> = page.ask("/v1/pool").await?;
    let sequencers = page.sequencers().await?;
    let names = Names::of(&sequencers.is);
    let made = production::Made::ask(&page).await?;
    let since = page.since_epoch(EPOCHS).await?;
    let rates = page.ask(&format!("/v1/rates?from={since}&limit=1000")).await;
    let reached = last_closed(&page).await?;
    let main = html! {
        h1 { "The pool" }
        (overview(&page, &pool))
        (members::section(&page, &names, &sequencers, &pool.is, &made, reached.as_ref()))
        (production::section(&page, &names, &made))
        (rates::section(&page, &rates))
        (next::section(&page, &names).await)
        (findings::section(&page, &names).await)
        (sync::section(&page))
    };
    Ok(Shown { title: "Pool".into(), main })
}

/// The last epoch of the policy that is over; `None` before there is one.
async fn last_closed(page: &Page) -> Result<Option<Answer<EpochAnswer>>, Refusal> {
    let epochs = page.epochs().await?;
    let last = epochs.is.epochs.iter().rev().find(|served| served.epoch.is_closed);
    match last {
        None => Ok(None),
        Some(served) => page.ask(&format!("/v1/epochs/{}", served.epoch.epoch)).await.map(Some),
    }
}

/// What there is to know first.
fn overview(page: &Page, pool: &Answer<PoolAnswer>) -> Markup {
    let PoolAnswer { contract, policy, statuses, .. } = &pool.is;
    let body = html! {
        @if pool.is.is_paused {
            (show::warning(&html! {
                "the pool is paused: nothing can be claimed, and of the calls of members only those that name another recipient or "
                "owner are taken."
            }))
        }
        (facts(&html! {
            (fact("Locked", &show::metis_unit("contract/stake_wei", &contract.stake_wei), Some(&html! {
                (show::metis("counted_stake_wei", &pool.is.counted_stake_wei)) " counts"
                @if let Some(cap) = &pool.is.cap_wei {
                    ": active stakes up to " (show::metis("cap_wei", cap)) " each"
                }
            })))
            (fact("Sequencers", &html! { (show::count("statuses/Active", statuses.active)) " active" }, Some(&html! {
                (show::count("statuses/Inactive", statuses.inactive)) " leaving, "
                (show::count("statuses/Unlocked", statuses.unlocked)) " gone"
            })))
            (fact("Reward per block, on chain", &show::metis_unit("reward_per_block_wei", &pool.is.reward_per_block_wei), Some(&html! {
                "what the contract pays for each block of a batch"
            })))
            (fact("Last batch paid", &html! {
                a href=(page.link(&format!("/batches/{}", pool.is.last_batch.id))) {
                    (show::id("last_batch/id", pool.is.last_batch.id))
                }
            }, Some(&html! { "up to span " (show::id("last_batch/endEpoch", pool.is.last_batch.end_epoch)) })))
            (fact("Credited so far", &show::metis_unit("contract/credited_wei", &contract.credited_wei), Some(&html! {
                (show::metis("contract/claimed_wei", &contract.claimed_wei)) " claimed, "
                (show::metis("contract/relocked_wei", &contract.relocked_wei)) " moved into stakes"
            })))
            (fact("Unclaimed", &show::metis_unit("contract/unclaimed_wei", &contract.unclaimed_wei), Some(&html! {
                (show::metis("contract/claimable_wei", &contract.claimable_wei)) " of it can be claimed now"
            })))
            (fact(&format!("Earned by the policy {}", page.at().policy.name), &show::metis_unit("policy/accrued_wei", &policy.accrued_wei), Some(&html! {
                "by " (show::count("policy/blocks", policy.blocks)) " blocks; a rule, not what is paid"
            })))
        }))
        (answers(&[(&pool.url, false)]))
    };
    section("overview", "Now", Some(&pool.url), &body)
}
