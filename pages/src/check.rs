//! How anybody checks what the pages show, without this server.

use crate::page::{Made, Page, Shown};
use crate::show::{self, answers, section};
use maud::html;

/// Makes the page by which anybody can check the others.
pub(crate) async fn page(page: Page) -> Made {
    let at = page.at();
    let index = page.status.policies.iter().position(|policy| policy.at.policy.name == at.policy.name);
    let policy = &at.policy.name;
    let digests = html! {
        dl.pairs data-at=(format!("policies/{}/at", index.unwrap_or_default())) {
            dt { "The log" } dd { (show::hash("log/head_digest", &at.log.head_digest)) }
            dt { "The policy " (policy) ", version " (show::id("policy/version", at.policy.version.into())) }
            dd { (show::hash("policy/digest", &at.policy.digest)) }
            dt { "The ledger" } dd { (show::hash("ledger_root", &at.ledger_root)) }
            @if let Some(last) = at.horizon {
                dt { "Up to L2 block" }
                dd {
                    (show::id("horizon/l2_block", last.l2_block)) ", "
                    (show::moment("horizon/timestamp", last.timestamp))
                }
            }
        }
        p {
            "Two servers whose digests are the same show the same numbers. The digest of the log is over "
            "every event and every block in it, that of the ledger over what each sequencer earned in each "
            "epoch."
        }
        (answers(&[("/v1/status", false)]))
    };
    let files = html! {
        ul {
            li {
                a href=(page.link("/v1/receipt")) download=(format!("{policy}-receipt.json")) {
                    "The receipt"
                }
                ": what the policy gives of this log, with all digests. Small."
            }
            li {
                a href=(page.link("/v1/bundle")) download=(format!("{policy}.bundle")) { "The bundle" }
                ": the whole log, the policy and the receipt in one file. It grows with the log, and is made "
                "while it is sent, one at a time."
            }
        }
        p { "Then, on a machine of your own, without a network:" }
        pre tabindex="0" role="region" aria-label="The two commands" {
            code {
                "tally audit bundle " (policy) ".bundle\ntally log restore --bundle " (policy)
                ".bundle --log pool.log"
            }
        }
        p {
            "The first replays the bundle and compares every number with the receipt. The second makes a log "
            "of it, of which every command shows the same as these pages: "
            code { "tally accounts --log pool.log" } ", " code { "tally audit chain --log pool.log" } "."
        }
        p {
            "Whether the log itself is what the chains have, a node of L1 says: "
            code { "tally audit live --log pool.log --l1-rpc URL" } " compares every field of the contracts."
        }
    };
    let main = html! {
        h1 { "Check us" }
        p.lead {
            "Nothing here has to be believed. What these pages show follows from the chains alone, and "
            "anybody can work it out again."
        }
        (section("digests", "What is shown, in digests", Some("/v1/status"), &digests))
        (section("files", "Work it out yourself", None, &files))
    };
    Ok(Shown { title: "Check us".into(), main })
}
