//! Bars: one value after another, each with a line about it.

use super::scale::{Scale, Unit};
use super::{Frame, HEIGHT, WIDTH};
use alloy_primitives::U256;
use maud::{Markup, html};

/// A bar, with the class of its colour and a line about it for the tooltip.
pub(crate) struct Bar {
    pub(crate) value: U256,
    pub(crate) class: &'static str,
    pub(crate) about: String,
}

/// A picture of bars.
pub(crate) struct Bars<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) about: &'a str,
    pub(crate) unit: Unit,
    pub(crate) all: &'a [Bar],
    /// What is written below the bars, from left to right.
    pub(crate) below: &'a [String],
    /// The classes of the bars, and what they are.
    pub(crate) legend: &'a [(String, String)],
    pub(crate) table: &'a Markup,
}

impl Bars<'_> {
    /// The picture; nothing where there is nothing to draw.
    pub(crate) fn draw(&self) -> Markup {
        let count = u64::try_from(self.all.len()).unwrap_or(u64::MAX);
        let Some(highest) = self.all.iter().map(|bar| bar.value).max() else {
            return html! { p.note { "There is nothing to draw yet." } };
        };
        let scale = Scale::to(self.unit, highest);
        let edge = |index: u64| super::scale::x(index, (0, count), WIDTH);
        let picture = html! {
            @for (index, bar) in (0_u64..).zip(self.all) {
                @let (left, right, top) = (edge(index), edge(index.saturating_add(1)), scale.y(bar.value));
                @let width = right.saturating_sub(left).max(1);
                // A fifth of its room is left free, while there is some.
                @let space = if width > 5 { width / 5 } else { 0 };
                rect.bar.(bar.class) x=(left.saturating_add(space / 2)) y=(top) width=(width.saturating_sub(space)) height=(HEIGHT.saturating_sub(top)) {}
                rect.hint x=(left) y="0" width=(width) height=(HEIGHT) { title { (bar.about) } }
            }
        };
        Frame {
            id: self.id,
            title: self.title,
            about: self.about,
            scale: &scale,
            below: self.below,
            legend: self.legend,
            table: self.table,
        }
        .around(&picture)
    }
}
