//! What a sequencer earned in each epoch, as a chart and its table.

use crate::chart::{Bar, Bars, Unit};
use crate::page::{Answer, Page};
use crate::show::{self, answers, finality, table, time_text};
use maud::{Markup, html};
use tally_engine::Wei;
use tally_feed::Refusal;
use tally_wire::SequencerEpochsAnswer;

/// How many of the last epochs are shown: two years of them.
const EPOCHS: u64 = 52;

/// The section about what the sequencer earned in each epoch, as a chart and a table.
pub(super) async fn section(page: &Page, id: u64) -> Result<Markup, Refusal> {
    let since = page.since_epoch(EPOCHS).await?;
    let answer: Answer<SequencerEpochsAnswer> =
        page.ask(&format!("/v1/sequencers/{id}/epochs?from={since}&limit={EPOCHS}")).await?;
    let epochs = &answer.is.epochs;
    let bars: Vec<Bar> = epochs
        .iter()
        .filter_map(|epoch| {
            // The API gives nothing else than amounts; what is none has no bar.
            let value = epoch.reward_wei.wei()?;
            let (class, sure) = if epoch.is_final { ("final", "final") } else { ("open", "provisional") };
            let about = format!(
                "epoch {}, from {}: {} METIS for {} blocks, {sure}",
                epoch.epoch,
                time_text(epoch.start),
                tally_text::brief_metis(value),
                tally_text::grouped_number(epoch.blocks)
            );
            Some(Bar { value: Wei::get(value), class, about })
        })
        .collect();
    let below: Vec<String> = epochs
        .first()
        .into_iter()
        .chain(epochs.last())
        .map(|epoch| format!("epoch {}", epoch.epoch))
        .collect();
    let legend = [("final".to_owned(), "final".to_owned()), ("open".to_owned(), "provisional".to_owned())];
    let rows = html! {
        @for (place, epoch) in epochs.iter().enumerate().rev() {
            tr data-at=(format!("epochs/{place}")) {
                th scope="row" {
                    (show::link("epoch", epoch.epoch, &page.link(&format!("/epochs/{}", epoch.epoch))))
                }
                td { (show::moment("start", epoch.start)) }
                td { (finality("is_final", epoch.is_final)) }
                td.num { (show::count("blocks", epoch.blocks)) }
                td.num { (show::metis("reward_wei", &epoch.reward_wei)) }
                td.num { (show::metis("cumulative_wei", &epoch.cumulative_wei)) }
            }
        }
    };
    let head = [
        ("Epoch", false),
        ("Begins", false),
        ("Sure?", false),
        ("Rewarded blocks", true),
        ("Earned, METIS", true),
        ("In all by then", true),
    ];
    let numbers = table("What it earned in each epoch", &head, true, &rows);
    let chart = Bars {
        id: "earned-chart",
        title: "Earned by the policy, METIS by epoch",
        about: "One bar for each epoch, from the first on the left to the last on the right. What is provisional is hatched.",
        unit: Unit::Metis,
        all: &bars,
        below: &below,
        legend: &legend,
        table: &numbers,
    };
    let body = html! {
        (chart.draw())
        @if since > 0 {
            (show::note(&html! { "The last " (EPOCHS) " epochs; the answer below has them all, from 0 on." }))
        }
        (answers(&[(&answer.url, true)]))
    };
    Ok(show::section("earned", "Epoch by epoch", Some(&answer.url), &body))
}
