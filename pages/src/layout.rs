//! What every page has: the head, the way around, and the state that it is of.

use crate::assets;
use crate::page::{Page, Shown};
use crate::show::{self, time_text};
use maud::{DOCTYPE, Markup, html};
use tally_wire::At;

/// The pages that every page links to.
const WAYS: [(&str, &str); 8] = [
    ("/", "Pool"),
    ("/epochs", "Epochs"),
    ("/batches", "Batches"),
    ("/rates", "Rates"),
    ("/audit", "Audit"),
    ("/policies", "Policies"),
    ("/what-if", "What if"),
    ("/check", "Check us"),
];

/// What a page has around its main part.
pub(crate) struct Head {
    path: String,
    ways: Vec<(String, &'static str, bool)>,
    policies: Vec<String>,
    policy: String,
    other_policy: Option<String>,
    at: At,
    not_ready: Option<String>,
    is_followed: bool,
    engine_version: String,
    has_sessions: bool,
    /// What tells the page from those of other states.
    tag: String,
}

impl Head {
    /// What is around the main part of a page.
    pub(crate) fn of(page: &Page, tag: &str) -> Self {
        let is_here = |to: &str| if to == "/" { page.path == "/" } else { page.path.starts_with(to) };
        let ways = WAYS.iter().map(|(to, name)| (page.link(to), *name, is_here(to)));
        Self {
            ways: ways.collect(),
            path: page.path.clone(),
            policies: page.status.policies.iter().map(|policy| policy.at.policy.name.clone()).collect(),
            policy: page.at().policy.name.clone(),
            other_policy: page.other_policy().map(ToOwned::to_owned),
            at: page.at().clone(),
            not_ready: page.status.not_ready.clone(),
            is_followed: page.status.ingest.is_some(),
            engine_version: page.status.engine_version.clone(),
            has_sessions: page.site.has_sessions(),
            tag: tag.to_owned(),
        }
    }

    /// The page as HTML, with the parts that all pages have.
    pub(crate) fn page(&self, shown: &Shown) -> Markup {
        let changes = match &self.other_policy {
            None => "/v1/changes".to_owned(),
            Some(policy) => format!("/v1/changes?policy={}", crate::page::encoded(policy)),
        };
        let header = html! {
            (ways(&self.ways))
            (search(self.other_policy.as_deref()))
            @if self.policies.len() > 1 { (self.choice()) }
            @if self.has_sessions { (log_out()) }
        };
        document(
            &shown.title,
            &header,
            &self.state_line(),
            &html! {
                div #live role="status" aria-live="polite" data-changes=(changes) data-state=(self.tag) {}
                main #main tabindex="-1" { (shown.main) }
                (self.foot())
            },
        )
    }

    /// The policy by which the page is told, to be chosen.
    fn choice(&self) -> Markup {
        html! {
            form.choice method="get" action=(self.path) {
                label.unseen for="policy" { "Policy" }
                select #policy name="policy" {
                    @for name in &self.policies {
                        option value=(name) selected[*name == self.policy] { (name) }
                    }
                }
                button { "Show" }
            }
        }
    }

    /// How far the page reaches, and how sure that is.
    fn state_line(&self) -> Markup {
        let At { horizon, final_horizon, log, .. } = &self.at;
        html! {
            div.state #state {
                @if let Some(why) = &self.not_ready {
                    p.warning { strong { "Not up to date: " } (why) "." }
                }
                p {
                    @match horizon {
                        None => "No block is counted yet.",
                        Some(last) => {
                            "Counted up to L2 block " strong { (last.l2_block) } ", "
                            (show_time(last.timestamp))
                            @match final_horizon {
                                Some(settled) if settled == last => ", all of it final",
                                Some(settled) => { "; final up to block " (settled.l2_block) },
                                None => "; nothing of it final yet",
                            }
                            "."
                        },
                    }
                    @if let Some(l1) = &log.l1_head {
                        " L1 up to block " (l1.block) ", " (show_time(l1.timestamp)) "."
                    }
                    @if !self.is_followed { " This server follows no chain: it shows a log as it is." }
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        html! {
            footer {
                p {
                    "By the policy " strong { (self.policy) } " (version " (self.at.policy.version)
                    "). Amounts are rounded down; the tooltip has all "
                    "18 decimals, and a click copies them. Times are in UTC."
                }
                p {
                    "State " (show::short_hash("log/head_digest", &self.at.log.head_digest)) ", ledger "
                    (show::short_hash("ledger_root", &self.at.ledger_root)) ". Tally " (self.engine_version)
                    ": "
                    a href="/openapi.json" { "API" } " · " a href="/check" { "check these numbers yourself" }
                    "."
                }
            }
        }
    }
}

/// A time of the state line, which shows no member of an answer.
fn show_time(secs: u64) -> Markup {
    let text = time_text(secs);
    html! { time datetime=(text) { (text) } }
}

fn ways(ways: &[(String, &str, bool)]) -> Markup {
    html! {
        nav aria-label="Pages" {
            ul {
                @for (to, name, is_here) in ways {
                    li { a href=(to) aria-current=[is_here.then_some("page")] { (name) } }
                }
            }
        }
    }
}

fn search(policy: Option<&str>) -> Markup {
    html! {
        form.search method="get" action="/find" role="search" {
            label.unseen for="for" { "A sequencer (id, name or address), or an L2 block" }
            input #for name="for" type="search" placeholder="Sequencer or block" maxlength="100" autocomplete="off";
            @if let Some(policy) = policy { input type="hidden" name="policy" value=(policy); }
            button { "Find" }
        }
    }
}

fn log_out() -> Markup {
    html! { form method="post" action="/session/end" { button.quiet { "Log out" } } }
}

/// A document: its title, what its header has beside the name of the site, the state that it is of, and its body.
pub(crate) fn document(title: &str, header: &Markup, state: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Metis sequencer pool" }
                link rel="icon" type="image/svg+xml" href=(assets::url("icon.svg"));
                link rel="stylesheet" href=(assets::url("style.css"));
                script type="module" src=(assets::url("main.js")) {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    div.top {
                        a.brand href="/" {
                            img src=(assets::url("icon.svg")) alt="" width="28" height="28";
                            " Metis sequencer pool"
                        }
                        (header)
                    }
                    (state)
                }
                (body)
            }
        }
    }
}
