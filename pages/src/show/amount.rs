//! Amounts and rates: rounded down to what matters, with everything exact in the tooltip and to be copied.

use super::{nothing, value};
use maud::{Markup, html};
use tally_text::{brief_difference, brief_metis, brief_signed_metis, exact_metis};
use tally_wire::{Amount, Fraction, SignedAmount};

/// A number with its decimals apart, so that they can be shown paler.
fn parted(text: &str) -> Markup {
    match text.split_once('.') {
        None => html! { (text) },
        Some((whole, decimals)) => html! { (whole) small { "." (decimals) } },
    }
}

/// An amount of METIS, without its unit.
pub(crate) fn metis(field: &str, amount: &Amount) -> Markup {
    let Some(wei) = amount.wei() else { return big(field, amount) };
    let title = format!("{} METIS", exact_metis(wei));
    html! {
        span.amount data-field=(field) data-value=(amount.as_str()) title=(title) {
            (parted(&brief_metis(wei)))
        }
    }
}

/// An amount of METIS with its unit.
pub(crate) fn metis_unit(field: &str, amount: &Amount) -> Markup {
    html! { (metis(field, amount)) " " span.unit { "METIS" } }
}

/// An amount of METIS, if there is one.
pub(crate) fn amount_or(field: &str, amount: Option<&Amount>) -> Markup {
    amount.map_or_else(|| nothing(field), |amount| metis(field, amount))
}

/// A number of any size, such as a product of amounts, as it is.
pub(crate) fn big(field: &str, number: &Amount) -> Markup {
    value(field, number.as_str(), Some("exact"), None, &html! { (number.as_str()) })
}

/// How much more or less METIS it is.
pub(crate) fn difference(field: &str, amount: &SignedAmount) -> Markup {
    let Some(found) = amount.difference() else {
        return value(field, amount.as_str(), None, None, &html! { (amount.as_str()) });
    };
    let class = if found.size().is_zero() {
        "amount"
    } else if found.is_negative() {
        "amount less"
    } else {
        "amount greater"
    };
    let title = format!("{} wei", amount.as_str());
    value(field, amount.as_str(), Some(class), Some(&title), &parted(&brief_difference(found)))
}

/// A balance, which may be below 0.
pub(crate) fn signed(field: &str, amount: &SignedAmount) -> Markup {
    let shown = amount.difference().map_or_else(|| amount.as_str().to_owned(), brief_signed_metis);
    let title = format!("{} wei", amount.as_str());
    value(field, amount.as_str(), Some("amount"), Some(&title), &parted(&shown))
}

/// A rate of a year, or a share, in per cent.
pub(crate) fn percent(field: &str, rate: &Fraction) -> Markup {
    let shown = rate.units().map_or_else(|| rate.as_str().to_owned(), tally_text::percent);
    value(field, rate.as_str(), None, Some(rate.as_str()), &html! { (shown) })
}

/// A rate, if there is one.
pub(crate) fn percent_or(field: &str, rate: Option<&Fraction>) -> Markup {
    rate.map_or_else(|| nothing(field), |rate| percent(field, rate))
}
