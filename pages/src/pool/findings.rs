//! What the audit of the chain found, in short.

use crate::audited::QUESTION;
use crate::page::{Names, Page};
use crate::show::{self, answers, fact, facts};
use maud::{Markup, html};

/// How many findings the pool's page lists.
const SHOWN: usize = 5;

/// The section about what the audit found.
pub(super) async fn section(page: &Page, names: &Names) -> Markup {
    let title = "What the audit found";
    let found = match page.site.audited.last(&page.pinned).await {
        Ok(found) => found,
        Err(refusal) => {
            return show::section("findings", title, None, &show::note(&html! { (refusal.detail()) "." }));
        }
    };
    let audit = &found.answer;
    let worst = audit.findings.iter().enumerate().filter(|(_, finding)| finding.severity.as_str() != "note");
    let body = html! {
        (facts(&html! {
            (fact("Verdict", &crate::explain::verdict("verdict", audit.audit.verdict.as_str()), Some(&html! {
                (show::count("audited_batches", audit.audited_batches))
                " batches, every total and every claim, up to L1 block "
                (show::count_or("l1_block", audit.audit.l1_block))
            })))
            (fact("Findings", &html! { (show::count("errors", audit.audit.errors)) " errors" }, Some(&html! {
                (show::count("warnings", audit.audit.warnings)) " warnings, "
                (show::count("notes", audit.audit.notes)) " notes"
            })))
        }))
        ul.findings {
            @for (place, finding) in worst.take(SHOWN) {
                li data-at=(format!("findings/{place}")) { (crate::explain::finding(page, names, finding)) }
            }
        }
        p { a href=(page.link("/audit")) { "All findings, and what each means" } }
        (answers(&[(QUESTION, false)]))
    };
    show::section("findings", title, Some(QUESTION), &body)
}
