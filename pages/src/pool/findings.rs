//! What the audit of the chain found, in short.

use crate::page::{Names, Page};
use crate::show::{self, answers, fact, facts};
use maud::{Markup, html};
use tally_wire::AuditAnswer;

/// How many findings the pool's page lists.
const SHOWN: usize = 5;

/// The section.
pub(super) async fn section(page: &Page, names: &Names) -> Markup {
    let answer = match page.ask::<AuditAnswer>("/v1/audit?limit=100").await {
        Ok(answer) => answer,
        Err(refusal) => {
            return show::section(
                "findings",
                "What the audit found",
                None,
                &show::note(&html! { (refusal.detail()) "." }),
            );
        }
    };
    let audit = &answer.is;
    let worst = audit.findings.iter().enumerate().filter(|(_, finding)| finding.severity.as_str() != "note");
    let body = html! {
        (facts(&html! {
            (fact("Verdict", &crate::explain::verdict("verdict", audit.audit.verdict.as_str()), Some(&html! {
                (show::count("audited_batches", audit.audited_batches)) " batches, every total and every claim against the log"
            })))
            (fact("Findings", &html! { (show::count("errors", audit.audit.errors)) " errors" }, Some(&html! {
                (show::count("warnings", audit.audit.warnings)) " warnings, " (show::count("notes", audit.audit.notes)) " notes"
            })))
        }))
        ul.findings {
            @for (place, finding) in worst.take(SHOWN) {
                li data-at=(format!("findings/{place}")) { (crate::explain::finding(page, names, finding)) }
            }
        }
        p { a href=(page.link("/audit")) { "All findings, and what each means" } }
        (answers(&[(&answer.url, false)]))
    };
    show::section("findings", "What the audit found", Some(&answer.url), &body)
}
