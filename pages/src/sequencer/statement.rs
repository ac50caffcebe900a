//! A sequencer's statement in double entry, for any dates.

use super::heading;
use crate::explorers::Chain;
use crate::page::{Answer, Made, Page, Shown, encoded};
use crate::params::bad;
use crate::show::{self, answers, more_rows, section, table};
use maud::{Markup, html};
use tally_engine::UnixTime;
use tally_feed::Refusal;
use tally_text::{GivenTime, given_time};
use tally_wire::StatementAnswer;

/// What the page can be asked.
pub(crate) const PARAMS: [&str; 3] = ["from", "to", "cursor"];

/// How many movements a page lists.
const ROWS: u64 = 30;

/// Makes the page of a sequencer's statement.
pub(crate) async fn page(page: Page, id: u64) -> Made {
    let head = page.at().log.l1_head.as_ref().map_or(0, |head| head.timestamp);
    let (from, to) = (second(&page, "from", head)?, second(&page, "to", head)?);
    let mut query = format!("/v1/sequencers/{id}/statement?limit={ROWS}");
    for (name, value) in [("from", from), ("to", to)] {
        if let Some(value) = value {
            query = format!("{query}&{name}={value}");
        }
    }
    if let Some(cursor) = page.params.text("cursor") {
        query = format!("{query}&cursor={}", encoded(cursor));
    }
    let answer: Answer<StatementAnswer> = page.ask(&query).await?;
    let names = page.names().await?;
    let main = html! {
        h1 { (heading(&names, id)) ": statement" }
        p.around { a href=(page.link(&format!("/sequencers/{id}"))) { "← the sequencer" } }
        (form(&page, id))
        (balances(&answer))
        (movements(&page, id, &answer))
    };
    Ok(Shown { title: format!("Statement of {}", names.label(id)), main })
}

/// A time that was asked for, in seconds.
fn second(page: &Page, name: &str, latest: u64) -> Result<Option<u64>, Refusal> {
    let Some(text) = page.params.text(name) else { return Ok(None) };
    let wrong = |error: String| bad(format!("{name}: {error}"));
    let given: GivenTime = given_time(text).map_err(wrong)?;
    given.second(UnixTime(latest)).map(|time| Some(time.0)).map_err(wrong)
}

fn form(page: &Page, id: u64) -> Markup {
    let text = |name: &str| page.params.text(name).unwrap_or_default().to_owned();
    html! {
        form.ask method="get" action=(format!("/sequencers/{id}/statement")) {
            div {
                label for="from" { "From" }
                input #from name="from" value=(text("from")) placeholder="2024-01-01" maxlength="40";
            }
            div {
                label for="to" { "To, without it" }
                input #to name="to" value=(text("to")) placeholder="2025-01-01" maxlength="40";
            }
            @if let Some(policy) = page.other_policy() { input type="hidden" name="policy" value=(policy); }
            button { "Show" }
            p.small {
                "Dates in UTC: a day (2024-07-01), a second (2024-07-01T12:00:00Z), or so long before the "
                "latest (-30d). Empty: everything."
            }
        }
    }
}

/// The accounts with what they begin and end with.
fn balances(answer: &Answer<StatementAnswer>) -> Markup {
    let rows = html! {
        @for (place, line) in answer.is.head.accounts.iter().enumerate() {
            tr data-at=(format!("accounts/{place}")) {
                th scope="row" { code { (show::text("account", &line.account)) } }
                td.num { (show::signed("opening_wei", &line.opening_wei)) }
                td.num { (show::metis("debits_wei", &line.debits_wei)) }
                td.num { (show::metis("credits_wei", &line.credits_wei)) }
                td.num { (show::signed("closing_wei", &line.closing_wei)) }
            }
        }
    };
    let head =
        [("Account", false), ("Opening", true), ("Left it", true), ("Entered it", true), ("Closing", true)];
    let body = html! {
        (table("The accounts, with opening and closing balances in METIS", &head, false, &rows))
        p.small {
            "Balances are what entered an account less what left it, since the beginning of the log. All of "
            "them together are 0."
        }
    };
    section("balances", "Accounts", Some(&answer.url), &body)
}

/// The table of everything that moved, in order.
fn movements(page: &Page, id: u64, answer: &Answer<StatementAnswer>) -> Markup {
    let rows = html! {
        @for (place, one) in answer.is.movements.iter().enumerate() {
            tr data-at=(format!("movements/{place}")) {
                th scope="row" { (show::moment("time", one.time)) }
                td {
                    (show::word("kind", one.kind.as_str(), one.kind.text()))
                    @if let Some(batch) = one.batch {
                        " " (show::link("batch", batch, &page.link(&format!("/batches/{batch}"))))
                    }
                    @if let Some(epoch) = one.epoch {
                        ", epoch " (show::link("epoch", epoch, &page.link(&format!("/epochs/{epoch}"))))
                    }
                }
                td.num { (show::metis("amount_wei", &one.amount_wei)) }
                td {
                    code { (show::text("debit", &one.debit)) } " → "
                    code { (show::text("credit", &one.credit)) }
                }
                td.num { (show::metis("stake_wei", &one.stake_wei)) }
                td.num { (show::metis("unclaimed_wei", &one.unclaimed_wei)) }
                td.num { (show::amount_or("accrued_wei", one.accrued_wei.as_ref())) }
                td {
                    @if let Some(hash) = &one.transaction {
                        (show::transaction(page, Chain::L1, "transaction", hash))
                    }
                }
            }
        }
    };
    let head = [
        ("When", false),
        ("What", false),
        ("METIS", true),
        ("From → to", false),
        ("Stake after", true),
        ("Unclaimed after", true),
        ("Earned by policy after", true),
        ("L1 transaction", false),
    ];
    let dates = ["from", "to"]
        .into_iter()
        .filter_map(|name| Some(format!("&{name}={}", encoded(page.params.text(name)?))));
    let dates: String = dates.collect();
    let more = answer
        .is
        .next
        .as_ref()
        .map(|next| page.link(&format!("/sequencers/{id}/statement?cursor={}{dates}", encoded(next))));
    let body = html! {
        @if answer.is.movements.is_empty() {
            p { "Nothing moved in this time." }
        } @else {
            (table("Everything that moved", &head, false, &rows))
        }
        (more_rows(more))
        (answers(&[(&answer.url, true)]))
    };
    section("movements", "Movements", Some(&answer.url), &body)
}
