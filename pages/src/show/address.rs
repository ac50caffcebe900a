//! Addresses and hashes: short where space is, whole on focus, and copied with a click.

use super::nothing;
use crate::explorers::Chain;
use crate::page::Page;
use maud::{Markup, html};
use tally_wire::{Address, Hash};

/// A short form of a text that is known by its ends, and the whole of it.
fn ends(field: &str, exact: &str, short: &str, whole: &str) -> Markup {
    html! {
        span.ends tabindex="0" data-field=(field) data-value=(exact) title=(whole) {
            span.short aria-hidden="true" { (short) }
            span.whole { (whole) }
        }
    }
}

/// An address of an account on a chain.
pub(crate) fn address(page: &Page, chain: Chain, field: &str, of: &Address) -> Markup {
    let Some(parsed) = of.address() else { return super::text(field, of.as_str()) };
    let whole = tally_text::address(parsed);
    let shown = ends(field, of.as_str(), &tally_text::short_address(parsed), &whole);
    html! { span.addr { (shown) (out(page, chain, "address", &whole)) } }
}

/// An address of which both forms are known: in lower case, and with its checksum.
pub(crate) fn short_address(field: &str, exact: &str, whole: &str) -> Markup {
    let short = whole.parse().map_or_else(|_| whole.to_owned(), tally_text::short_address);
    ends(field, exact, &short, whole)
}

/// An address, if there is one.
pub(crate) fn address_or(page: &Page, chain: Chain, field: &str, of: Option<&Address>) -> Markup {
    of.map_or_else(|| nothing(field), |of| address(page, chain, field, of))
}

/// A link to the explorer, if there is one.
fn out(page: &Page, chain: Chain, kind: &str, of: &str) -> Markup {
    match page.explorer(chain, kind, of) {
        None => html! {},
        Some(url) => html! {
            a.out href=(url) rel="external" aria-label=(format!("In the explorer of {}", chain.name())) {
                "↗"
            }
        },
    }
}

/// The transaction of an event, in short.
pub(crate) fn transaction(page: &Page, chain: Chain, field: &str, of: &Hash) -> Markup {
    html! { span.addr { (short_hash(field, of)) (out(page, chain, "tx", of.as_str())) } }
}

/// A hash or a digest in short.
pub(crate) fn short_hash(field: &str, of: &Hash) -> Markup {
    let whole = of.as_str();
    let short = match (whole.get(..10), whole.get(whole.len().saturating_sub(6)..)) {
        (Some(first), Some(last)) => format!("{first}…{last}"),
        _ => whole.to_owned(),
    };
    ends(field, whole, &short, whole)
}

/// A hash or a digest, whole.
pub(crate) fn hash(field: &str, of: &Hash) -> Markup {
    html! { code.hash data-field=(field) data-value=(of.as_str()) data-copy { (of.as_str()) } }
}
