//! How single values are shown: each beside the member of the answer that it comes from.
//!
//! An element with `data-field` says which member it shows, as a pointer of names and places with `/` between, and in
//! `data-value` its exact value, unless that is what it shows (but for commas). The pointer goes on from the `data-at` of the elements around it, up to the one whose
//! `data-source` is the address of the answer. So a test, or anybody, can compare every number of a page with the API's.

mod address;
mod amount;
mod parts;
mod time;

pub(crate) use address::{address, address_or, hash, short_address, short_hash, transaction};
pub(crate) use amount::{amount_or, big, difference, metis, metis_unit, percent, percent_or, signed};
pub(crate) use parts::{
    answers, badge, colour, fact, facts, finality, more_rows, note, section, sequencer, sequencer_or, status,
    table, warning,
};
pub(crate) use time::{duration, moment, time_text};

use maud::{Markup, html};

/// What stands where there is nothing.
pub(crate) const NOTHING: &str = "–";

/// A value of a member.
pub(crate) fn value(
    field: &str,
    exact: &str,
    class: Option<&str>,
    title: Option<&str>,
    shown: &Markup,
) -> Markup {
    html! { span class=[class] data-field=(field) data-value=(exact) title=[title] { (shown) } }
}

/// That a member is `null`.
pub(crate) fn nothing(field: &str) -> Markup {
    html! { span.nothing data-field=(field) data-null { (NOTHING) } }
}

/// A text of a member, which may be hostile: its direction does not change that of what is around it.
pub(crate) fn text(field: &str, text: &str) -> Markup {
    html! { bdi data-field=(field) data-value=(text) { (text) } }
}

/// A word of a member, shown by other words.
pub(crate) fn word(field: &str, exact: &str, shown: &str) -> Markup {
    value(field, exact, None, None, &html! { (shown) })
}

/// How many there are.
pub(crate) fn count(field: &str, number: u64) -> Markup {
    html! { span data-field=(field) { (tally_text::grouped_number(number)) } }
}

/// How many there are, if that is known.
pub(crate) fn count_or(field: &str, number: Option<u64>) -> Markup {
    number.map_or_else(|| nothing(field), |number| count(field, number))
}

/// A number by which something is known: without groups, as people copy it.
pub(crate) fn id(field: &str, number: u64) -> Markup {
    html! { span data-field=(field) { (number) } }
}

/// The same with a link to what it names.
pub(crate) fn link(field: &str, number: u64, to: &str) -> Markup {
    html! { a href=(to) { (id(field, number)) } }
}
