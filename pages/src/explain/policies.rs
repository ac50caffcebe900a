//! The policies that are served, and how far each is.

use crate::page::{Made, Page, Shown};
use crate::show::{self, answers, section, table};
use maud::html;

/// Makes the page of the policies that are served.
pub(crate) async fn policies(page: Page) -> Made {
    let rows = html! {
        @for (place, status) in page.status.policies.iter().enumerate() {
            @let at = &status.at;
            tr data-at=(format!("policies/{place}/at")) {
                th scope="row" {
                    a href=(format!("/?policy={}", crate::page::encoded(&at.policy.name))) {
                        (show::text("policy/name", &at.policy.name))
                    }
                }
                td.num { (show::id("policy/version", at.policy.version.into())) }
                td { (about(&at.policy.name)) }
                td.num {
                    @match at.horizon { Some(last) => (show::id("horizon/l2_block", last.l2_block)), None => (show::nothing("horizon")) }
                }
                td { (show::short_hash("policy/digest", &at.policy.digest)) }
                td { (show::short_hash("ledger_root", &at.ledger_root)) }
            }
        }
    };
    let head = [
        ("Policy", false),
        ("Version", true),
        ("What it answers", false),
        ("Counted up to", true),
        ("Digest of its rules", false),
        ("Digest of its ledger", false),
    ];
    let body = html! {
        (table("The policies that are served", &head, false, &rows))
        (answers(&[("/v1/status", false)]))
    };
    let main = html! {
        h1 { "Policies" }
        p.lead {
            "A policy is a set of rules by which rewards are computed. Two that have the same digest have "
            "the same rules, on every machine."
        }
        (section("served", "What this server serves", Some("/v1/status"), &body))
    };
    Ok(Shown { title: "Policies".into(), main })
}

/// What a built-in policy answers.
fn about(name: &str) -> &'static str {
    match name {
        "guide" => "What the pool's guide promises: every block of an epoch earns the same, at its target.",
        "stake-weighted" => {
            "The same money, shared in proportion to the capped stake of who made each block."
        }
        "locking-pool" => "What the contract really pays, batch by batch.",
        "operators" => "What the formula of the pool's operators gives.",
        "fixed-reward" => "The operators' formula up to the day from which they left the reward unchanged.",
        _ => "A policy of this server's operator.",
    }
}
