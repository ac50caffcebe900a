//! Charts as SVG, made on the server in whole numbers: lines of steps, bars, and the strip of blocks.
//!
//! A picture is stretched to its place, so that its lines stay thin and what is written beside it stays as large as other
//! text. Each has a title and a description, and beside it stands the table of what it shows.

mod bars;
mod lines;
mod scale;
mod strip;

pub(crate) use bars::{Bar, Bars};
pub(crate) use lines::{Line, Lines, Step};
pub(crate) use scale::Unit;
pub(crate) use strip::{Block, Strip};

use maud::{Markup, html};
use scale::Scale;

/// The size of a picture in its own units.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 240;

/// More texts than so many stand each below its own part of a picture; fewer say where it begins and ends.
const ENDS: usize = 3;

/// A picture with its heading, its axes, its legend and its table.
struct Frame<'a> {
    id: &'a str,
    title: &'a str,
    about: &'a str,
    scale: &'a Scale,
    /// What is written below it, from left to right.
    below: &'a [String],
    /// The classes of its lines, and what they are.
    legend: &'a [(String, String)],
    table: &'a Markup,
}

impl Frame<'_> {
    fn around(&self, picture: &Markup) -> Markup {
        let Self { id, title, about, scale, below, legend, table } = self;
        let (title_id, about_id) = (format!("{id}-title"), format!("{id}-about"));
        html! {
            figure.chart #(id) {
                figcaption { (title) }
                @if !legend.is_empty() {
                    ul.legend {
                        @for (class, name) in *legend { li { i.key.(class) aria-hidden="true" {} (name) } }
                    }
                }
                div.plot {
                    div.beside aria-hidden="true" { @for text in scale.marks() { span { (text) } } }
                    svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-labelledby={ (title_id) " " (about_id) } {
                        title #(title_id) { (title) }
                        desc #(about_id) { (about) }
                        @for y in [0, HEIGHT / 2, HEIGHT] { path.grid d={ "M0 " (y) "H" (WIDTH) } {} }
                        (picture)
                    }
                    div.below.each[below.len() > ENDS] aria-hidden="true" { @for text in *below { span { (text) } } }
                }
                details { summary { "The numbers of this chart" } (table) }
            }
        }
    }
}
