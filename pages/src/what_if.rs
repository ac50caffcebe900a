//! What another target, cap or allocation would have paid. The address of the page holds the question.

use crate::chart::{Bar, Bars, Unit};
use crate::page::{Answer, Made, Names, Page, Shown};
use crate::params::bad;
use crate::show::{self, answers, fact, facts, section, table};
use maud::{Markup, html};
use tally_engine::Wei;
use tally_feed::Refusal;
use tally_text::{AmountUnit, given_amount, given_rate, trimmed};
use tally_wire::WhatIfAnswer;

/// What the page can be asked.
pub(crate) const PARAMS: [&str; 3] = ["mrr", "cap", "allocation"];

/// The allocations, and what they mean.
const ALLOCATIONS: [(&str, &str); 2] = [
    ("flat", "every block of an epoch earns the same"),
    ("stake-weighted", "in proportion to the maker's capped stake"),
];

/// Makes the page of what other rules would have paid.
pub(crate) async fn page(page: Page) -> Made {
    let question = question(&page)?;
    let names = page.names().await?;
    let found = match &question {
        Ok(question) => Some(page.ask::<WhatIfAnswer>(question).await),
        Err(_) => None,
    };
    let main = html! {
        h1 { "What if" }
        p.lead {
            "What the policy " (page.at().policy.name)
            " would have paid by now with another target, cap or allocation. The blocks and the stakes are "
            "those that there were."
        }
        @if let Err(why) = &question { p.warning role="alert" { strong { "Not so: " } (why) "." } }
        (form(&page))
        @match &found {
            None => {},
            Some(Err(refusal)) => (show::warning(&html! { (refusal.detail()) "." })),
            Some(Ok(answer)) => (result(&page, &names, answer)),
        }
        @if page.params.text("mrr").or(page.params.text("cap")).or(page.params.text("allocation")).is_some() {
            p.small {
                "The address of this page holds the question: who opens it sees the same, of the state by "
                "then."
            }
        }
    };
    Ok(Shown { title: "What if".into(), main })
}

/// The question to the API; in words, why there is none.
fn question(page: &Page) -> Result<Result<String, String>, Refusal> {
    let mut parts = Vec::new();
    if let Some(text) = page.params.text("mrr") {
        match given_rate(text) {
            Ok(rate) => parts.push(format!("mrr={}", trimmed(rate))),
            Err(why) => return Ok(Err(why)),
        }
    }
    if let Some(text) = page.params.text("cap") {
        match given_amount(text, AmountUnit::Metis) {
            Ok(wei) => parts.push(format!("cap_wei={wei}")),
            Err(why) => return Ok(Err(why)),
        }
    }
    if let Some(word) = page.params.text("allocation") {
        let known = ALLOCATIONS.iter().find(|(known, _)| *known == word);
        let (known, _) = known.ok_or_else(|| bad("allocation is flat or stake-weighted"))?;
        parts.push(format!("allocation={known}"));
    }
    let sign = if parts.is_empty() { "" } else { "?" };
    Ok(Ok(format!("/v1/whatif{sign}{}", parts.join("&"))))
}

fn form(page: &Page) -> Markup {
    let text = |name: &str| page.params.text(name).unwrap_or_default().to_owned();
    html! {
        form.ask method="get" action="/what-if" {
            div {
                label for="mrr" { "Target, a year" }
                input #mrr name="mrr" value=(text("mrr")) maxlength="30" aria-describedby="mrr-hint" autocomplete="off";
                span.hint #mrr-hint { "15% or 0.15; empty: the policy's own" }
            }
            div {
                label for="cap" { "Cap, METIS" }
                input #cap name="cap" value=(text("cap")) maxlength="80" aria-describedby="cap-hint" autocomplete="off";
                span.hint #cap-hint { "100000 or 100k; empty: the policy's own" }
            }
            div {
                label for="allocation" { "How an epoch's rewards are shared" }
                select #allocation name="allocation" aria-describedby="allocation-hint" {
                    option value="" { "as by the policy" }
                    @for (word, about) in ALLOCATIONS {
                        option value=(word) selected[text("allocation") == word] { (word) ": " (about) }
                    }
                }
                span.hint #allocation-hint { "how much each block of an epoch earns" }
            }
            @if let Some(policy) = page.other_policy() { input type="hidden" name="policy" value=(policy); }
            button { "Show" }
        }
    }
}

fn result(page: &Page, names: &Names, answer: &Answer<WhatIfAnswer>) -> Markup {
    let WhatIfAnswer { base, combination, .. } = &answer.is;
    let of_base = |id: u64| base.sequencers.iter().enumerate().find(|(_, earned)| earned.sequencer == id);
    let rows = html! {
        @for (place, one) in combination.sequencers.iter().enumerate() {
            tr {
                th scope="row" data-at=(format!("combination/sequencers/{place}")) {
                    (show::sequencer(page, names, "sequencer", one.sequencer))
                }
                td.num data-at=(format!("combination/sequencers/{place}")) {
                    (show::count("blocks", one.blocks))
                }
                td.num { @match of_base(one.sequencer) {
                    Some((place, earned)) => (show::metis(&format!("base/sequencers/{place}/reward_wei"), &earned.reward_wei)),
                    None => (show::NOTHING),
                } }
                td.num data-at=(format!("combination/sequencers/{place}")) {
                    (show::metis("reward_wei", &one.reward_wei))
                }
                td.num data-at=(format!("combination/sequencers/{place}")) {
                    (show::difference("difference_wei", &one.difference_wei))
                }
            }
        }
    };
    let head = [
        ("Sequencer", false),
        ("Rewarded blocks", true),
        ("By the policy", true),
        ("If so", true),
        ("Difference", true),
    ];
    let numbers = table("What each sequencer would have earned, METIS", &head, true, &rows);
    let bars: Vec<Bar> = combination
        .sequencers
        .iter()
        .flat_map(|one| {
            let bar = |amount: Option<Wei>, class, how: &str| {
                // Who is not in the policy's own ledger has earned nothing by it.
                let amount = amount.unwrap_or(Wei::ZERO);
                let about = format!(
                    "{}: {} METIS {how}",
                    names.label(one.sequencer),
                    tally_text::brief_metis(amount)
                );
                Bar { value: amount.get(), class, about }
            };
            let by_policy = of_base(one.sequencer).and_then(|(_, earned)| earned.reward_wei.wei());
            [bar(by_policy, "open", "by the policy"), bar(one.reward_wei.wei(), "final", "if so")]
        })
        .collect();
    let below: Vec<String> = combination.sequencers.iter().map(|one| one.sequencer.to_string()).collect();
    let legend = [("open".to_owned(), "by the policy".to_owned()), ("final".to_owned(), "if so".to_owned())];
    let chart = Bars {
        id: "what-if-chart",
        title: "By sequencer, METIS",
        about: "Two bars for each sequencer: what the policy has it earn, and what it would have earned.",
        unit: Unit::Metis,
        all: &bars,
        below: &below,
        legend: &legend,
        table: &numbers,
    };
    let body = html! {
        (facts(&html! {
            (fact("By the policy", &show::metis_unit("base/total_wei", &base.total_wei), Some(&html! {
                "at " (show::percent_or("base/mrr", base.mrr.as_ref())) ", up to "
                (show::metis("base/cap_wei", &base.cap_wei)) ", "
                (show::text("base/allocation", &base.allocation))
            })))
            (fact("If so", &show::metis_unit("combination/total_wei", &combination.total_wei), Some(&html! {
                "at " (show::percent_or("combination/mrr", combination.mrr.as_ref())) ", up to "
                (show::metis("combination/cap_wei", &combination.cap_wei)) ", "
                (show::text("combination/allocation", &combination.allocation))
            })))
            (fact("Difference", &show::difference("combination/difference_wei", &combination.difference_wei), Some(&html! { "METIS, for " (show::count("combination/blocks", combination.blocks)) " rewarded blocks" })))
        }))
        (chart.draw())
        p.small {
            "A policy file that says the same has the digest "
            (show::short_hash("combination/policy_digest", &combination.policy_digest)) ", and "
            code { "tally replay" } " under it gives the same."
        }
        (answers(&[(&answer.url, false)]))
    };
    section("result", "What it would have paid", Some(&answer.url), &body)
}
