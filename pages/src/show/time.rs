//! Times in UTC; a script adds the reader's own zone to the tooltip.

use super::value;
use maud::{Markup, html};
use tally_engine::UnixTime;

/// A time as text.
pub(crate) fn time_text(secs: u64) -> String {
    tally_text::time(UnixTime(secs))
}

/// A time, to the second.
pub(crate) fn moment(field: &str, secs: u64) -> Markup {
    let shown = time_text(secs);
    // A time after the year 9999 has no form that browsers read.
    let datetime = shown.ends_with('Z').then_some(&shown);
    html! {
        time datetime=[datetime] data-field=(field) data-value=(secs) {
            @match shown.split_once(' ') {
                Some((date, clock)) if datetime.is_some() => { (date) " " span.clock { (clock) } },
                _ => (shown),
            }
        }
    }
}

/// A number of seconds.
pub(crate) fn duration(field: &str, secs: u64) -> Markup {
    let title = format!("{} s", tally_text::grouped_number(secs));
    value(field, &secs.to_string(), None, Some(&title), &html! { (tally_text::duration(secs)) })
}
