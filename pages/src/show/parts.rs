//! Parts that pages are put together of.

use super::{NOTHING, id, nothing, word};
use crate::page::{Names, Page};
use maud::{Markup, html};
use tally_wire::SequencerStatus;

/// A section with a heading; its values are members of the answer at `source`.
pub(crate) fn section(name: &str, title: &str, source: Option<&str>, body: &Markup) -> Markup {
    html! {
        section #(name) aria-labelledby=(format!("{name}-title")) data-source=[source] {
            h2 #(format!("{name}-title")) { (title) }
            (body)
        }
    }
}

/// Where the answers behind a section are: as JSON, and as CSV where they are lists.
pub(crate) fn answers(urls: &[(&str, bool)]) -> Markup {
    html! {
        p.answers {
            span { "Behind this: " }
            @for (url, is_list) in urls {
                span.answer {
                    a href=(url) { code { (url) } " JSON" }
                    @if *is_list {
                        @let sign = if url.contains('?') { '&' } else { '?' };
                        " · " a href=(format!("{url}{sign}format=csv")) download { "CSV" }
                    }
                }
            }
        }
    }
}

/// A table that scrolls by itself where it is too wide. `label` says what it is of.
pub(crate) fn table(label: &str, head: &[(&str, bool)], sorts: bool, rows: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table data-sorts[sorts] {
                caption.unseen { (label) }
                thead {
                    tr {
                        @for (title, is_number) in head {
                            th scope="col" class=[is_number.then_some("num")] { (title) }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

/// Facts beside one another, each a name and a value.
pub(crate) fn facts(all: &Markup) -> Markup {
    html! { dl.facts { (all) } }
}

/// A fact: what it is, its value, and what there is to know about it.
pub(crate) fn fact(name: &str, shown: &Markup, about: Option<&Markup>) -> Markup {
    html! {
        div.fact {
            dt { (name) }
            dd { span.main { (shown) } @if let Some(about) = about { span.about { (about) } } }
        }
    }
}

/// A note beside numbers, for whoever reads them.
pub(crate) fn note(text: &Markup) -> Markup {
    html! { p.note { (text) } }
}

/// Something to look at.
pub(crate) fn warning(text: &Markup) -> Markup {
    html! { p.warning role="note" { strong { "Note: " } (text) } }
}

/// A word that stands out, with a class for its colour.
pub(crate) fn badge(class: &str, shown: &Markup) -> Markup {
    html! { span.badge.(class) { (shown) } }
}

/// Whether something can still change, in words.
pub(crate) fn finality(field: &str, is_final: bool) -> Markup {
    let (class, text) = if is_final { ("final", "final") } else { ("open", "provisional") };
    badge(class, &word(field, &is_final.to_string(), text))
}

/// Where a sequencer is.
pub(crate) fn status(field: &str, status: &SequencerStatus) -> Markup {
    let (class, text) = match status.as_str() {
        "Active" => ("good", "● active"),
        "Inactive" => ("leaving", "◐ leaving"),
        _ => ("gone", "○ gone"),
    };
    badge(class, &word(field, status.as_str(), text))
}

/// How many colours there are for sequencers.
const COLOURS: u64 = 12;

/// The class by which a sequencer is coloured.
pub(crate) fn colour(id: u64) -> String {
    format!("seq-{}", id % COLOURS)
}

/// A sequencer: its colour, its id and its name, with a link to its page.
pub(crate) fn sequencer(page: &Page, names: &Names, field: &str, number: u64) -> Markup {
    html! {
        a.seq href=(page.link(&format!("/sequencers/{number}"))) {
            i.dot.(colour(number)) aria-hidden="true" {}
            (id(field, number))
            @if let Some(name) = names.get(number) { " " bdi { (name) } }
        }
    }
}

/// A sequencer, if there is one.
pub(crate) fn sequencer_or(page: &Page, names: &Names, field: &str, number: Option<u64>) -> Markup {
    number.map_or_else(|| nothing(field), |number| sequencer(page, names, field, number))
}

/// Where a list goes on; nothing at its end.
pub(crate) fn more_rows(url: Option<String>) -> Markup {
    match url {
        None => html! {},
        Some(url) => html! { p.more { a href=(url) rel="next" { "More " (NOTHING) " the next page" } } },
    }
}
