//! The strip of blocks: for whom each was scheduled, who made it, and what is odd about it.

use maud::{Markup, html};

/// The height of a strip in its own units.
const HEIGHT: u64 = 64;

/// A block of the strip. `None` for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) number: u64,
    /// The class of who was to make it, and what they are called.
    pub(crate) scheduled: Option<(String, String)>,
    /// The same of who made it.
    pub(crate) made: Option<(String, String)>,
    /// Why it earned nothing, if it did not.
    pub(crate) unrewarded: Option<&'static str>,
}

impl Block {
    /// Whether another made it than was to, or nobody did.
    fn is_odd(&self) -> bool {
        self.scheduled != self.made || self.unrewarded.is_some()
    }

    /// Whether it goes on from the block before as that was.
    fn goes_on(&self, before: &Self) -> bool {
        self.number.checked_sub(1) == Some(before.number)
            && (&self.scheduled, &self.made, &self.unrewarded)
                == (&before.scheduled, &before.made, &before.unrewarded)
    }
}

/// Blocks beside one another, from the earliest to the last.
pub(crate) struct Strip<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) about: &'a str,
    pub(crate) blocks: &'a [Block],
    /// The classes of the makers, and what they are called.
    pub(crate) legend: &'a [(String, String)],
    pub(crate) table: &'a Markup,
}

/// Blocks in a row that are alike.
struct Run<'a> {
    start: u64,
    count: u64,
    of: &'a Block,
    last: u64,
}

impl Run<'_> {
    fn about(&self) -> String {
        let Self { of, last, .. } = self;
        let blocks = if of.number == *last {
            format!("block {last}")
        } else {
            format!("blocks {} to {last}", of.number)
        };
        let name = |who: &Option<(String, String)>| {
            who.as_ref().map_or("nobody".to_owned(), |(_, name)| name.clone())
        };
        let earned = of.unrewarded.map_or(String::new(), |why| format!("; earned nothing: {why}"));
        format!("{blocks}: scheduled for {}, signed by {}{earned}", name(&of.scheduled), name(&of.made))
    }
}

fn runs(blocks: &[Block]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut before: Option<&Block> = None;
    for (start, block) in (0_u64..).zip(blocks) {
        match runs.last_mut().filter(|_| before.is_some_and(|before| block.goes_on(before))) {
            Some(run) => (run.count, run.last) = (run.count.saturating_add(1), block.number),
            None => runs.push(Run { start, count: 1, of: block, last: block.number }),
        }
        before = Some(block);
    }
    runs
}

impl Strip<'_> {
    /// The picture; nothing where there are no blocks.
    pub(crate) fn draw(&self) -> Markup {
        let (Some(first), Some(last)) = (self.blocks.first(), self.blocks.last()) else {
            return html! { p.note { "No block is counted yet." } };
        };
        let count = u64::try_from(self.blocks.len()).unwrap_or(u64::MAX);
        let (title_id, about_id) = (format!("{}-title", self.id), format!("{}-about", self.id));
        let class = |who: &Option<(String, String)>| {
            who.as_ref().map_or("nobody".to_owned(), |(class, _)| class.clone())
        };
        html! {
            figure.chart.strip #(self.id) {
                figcaption { (self.title) }
                ul.legend {
                    @for (class, name) in self.legend { li { i.key.(class) aria-hidden="true" {} (name) } }
                    li { i.key.odd aria-hidden="true" {} "not as scheduled, or earned nothing" }
                }
                div.plot {
                    div.beside aria-hidden="true" { span { "scheduled" } span { "signed" } span { "odd" } }
                    svg viewBox={ "0 0 " (count) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-labelledby={ (title_id) " " (about_id) } {
                        title #(title_id) { (self.title) }
                        desc #(about_id) { (self.about) }
                        @for run in runs(self.blocks) {
                            rect.(class(&run.of.scheduled)) x=(run.start) y="0" width=(run.count) height="18" {}
                            rect.(class(&run.of.made)) x=(run.start) y="22" width=(run.count) height="26" {}
                            @if run.of.is_odd() {
                                rect.odd x=(run.start) y="52" width=(run.count) height="12" {}
                            }
                            rect.hint x=(run.start) y="0" width=(run.count) height=(HEIGHT) {
                                title { (run.about()) }
                            }
                        }
                    }
                    div.below aria-hidden="true" { span { (first.number) } span { (last.number) } }
                }
                details { summary { "The numbers of this chart" } (self.table) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_are_alike_are_one_run() {
        let who = |name: &str| Some((name.to_owned(), name.to_owned()));
        let block =
            |number, made: &str| Block { number, scheduled: who("a"), made: who(made), unrewarded: None };
        let blocks = [block(5, "a"), block(6, "a"), block(7, "b"), block(9, "b")];
        let found: Vec<_> =
            runs(&blocks).iter().map(|run| (run.start, run.count, run.of.is_odd(), run.about())).collect();
        assert_eq!(
            found,
            [
                (0, 2, false, "blocks 5 to 6: scheduled for a, signed by a".to_owned()),
                (2, 1, true, "block 7: scheduled for a, signed by b".to_owned()),
                (3, 1, true, "block 9: scheduled for a, signed by b".to_owned()),
            ]
        );
    }
}
