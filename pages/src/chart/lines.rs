//! Lines of steps: values that hold from one time to another.

use super::scale::{Scale, Unit, x};
use super::{Frame, HEIGHT, WIDTH};
use alloy_primitives::U256;
use maud::{Markup, html};
use std::fmt::Write;
use tally_engine::UnixTime;

/// A value that holds for a while, with a line about it for the tooltip.
pub(crate) struct Step {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) value: U256,
}

/// A line, which is broken where it has no value.
pub(crate) struct Line {
    /// The class of its colour and dashes.
    pub(crate) class: &'static str,
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// A picture of lines over the same time.
pub(crate) struct Lines<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) about: &'a str,
    pub(crate) unit: Unit,
    pub(crate) all: &'a [Line],
    /// Times with something to say about them: when, until when, and what.
    pub(crate) hints: &'a [(u64, u64, String)],
    pub(crate) table: &'a Markup,
}

impl Lines<'_> {
    /// The picture; nothing where there is nothing to draw.
    pub(crate) fn draw(&self) -> Markup {
        let steps = || self.all.iter().flat_map(|line| &line.steps);
        let (Some(from), Some(until)) =
            (steps().map(|step| step.from).min(), steps().map(|step| step.until).max())
        else {
            return html! { p.note { "There is nothing to draw yet." } };
        };
        let range = (from, until.max(from.saturating_add(1)));
        let scale = Scale::to(self.unit, steps().map(|step| step.value).max().unwrap_or_default());
        let picture = html! {
            @for line in self.all { path.line.(line.class) d=(path(&line.steps, &scale, range)) {} }
            @for (from, until, text) in self.hints {
                @let left = x(*from, range, WIDTH);
                @let width = x(*until, range, WIDTH).saturating_sub(left).max(1);
                rect.hint x=(left) y="0" width=(width) height=(HEIGHT) { title { (text) } }
            }
        };
        let middle = from.midpoint(until);
        let below = [from, middle, until].map(|secs| tally_text::date(UnixTime(secs)));
        let legend = self.all.iter().map(|line| (line.class.to_owned(), line.name.clone()));
        Frame {
            id: self.id,
            title: self.title,
            about: self.about,
            scale: &scale,
            below: &below,
            legend: &legend.collect::<Vec<_>>(),
            table: self.table,
        }
        .around(&picture)
    }
}

/// The way of a line: along each step, and up or down to the next where they meet.
fn path(steps: &[Step], scale: &Scale, range: (u64, u64)) -> String {
    let (mut way, mut end) = (String::new(), None);
    for step in steps {
        let (left, right) = (x(step.from, range, WIDTH), x(step.until, range, WIDTH));
        let y = scale.y(step.value);
        let begun = if end == Some(step.from) { write!(way, "V{y}") } else { write!(way, "M{left} {y}") };
        begun.and_then(|()| write!(way, "H{right}")).expect("writing to a string does not fail");
        end = Some(step.until);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_it_has_no_value() {
        let step = |from, until, value: u64| Step { from, until, value: U256::from(value) };
        let scale = Scale::to(Unit::Metis, U256::from(100));
        let steps = [step(0, 10, 0), step(10, 20, 100), step(30, 40, 50)];
        assert_eq!(path(&steps, &scale, (0, 40)), "M0 240H250V0H500M750 120H1000");
        assert_eq!(path(&[], &scale, (0, 40)), "");
    }
}
