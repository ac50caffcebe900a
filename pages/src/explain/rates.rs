//! The rate by the policy and on chain, and the next one.

use crate::page::{Answer, Made, Page, Shown};
use crate::show::{answers, section};
use maud::html;
use tally_wire::RatesAnswer;

/// How many epochs are shown: two years of them.
const EPOCHS: u64 = 52;

/// Makes the page of the rate by the policy and on chain.
pub(crate) async fn rates(page: Page) -> Made {
    let since = match page.params.number("from")? {
        Some(since) => since,
        None => page.since_epoch(EPOCHS).await?,
    };
    let answer: Answer<RatesAnswer> = page.ask(&format!("/v1/rates?from={since}&limit={EPOCHS}")).await?;
    let before = since.checked_sub(EPOCHS).or((since > 0).then_some(0));
    let body = html! {
        (crate::pool::rates_chart(&answer.is.rates))
        @if let Some(before) = before {
            p { a href=(page.link(&format!("/rates?from={before}"))) { "The epochs before these" } }
        }
        (answers(&[(&answer.url, false)]))
    };
    let changes = crate::pool::changes(&page, &answer.is.rates);
    let rewards = html! { (crate::pool::rewards_chart(&answer.is.rates)) (changes) };
    let main = html! {
        h1 { "Rates" }
        p.lead {
            "What a block earns by the policy " (page.at().policy.name)
            " beside what the contract pays for it, and the rate of a year that the pool reaches by each. By "
            "what is final."
        }
        (section("reached", "Rates of a year", Some(&answer.url), &body))
        (section("rewards", "Reward per block", Some(&answer.url), &rewards))
        (crate::pool::next_rate(&page).await)
    };
    Ok(Shown { title: "Rates".into(), main })
}
