//! The history of the rate as a picture, for people. Only here are there floats: nothing is computed from them.

use crate::calendar::{date_points, date_text};
use crate::error::ClaimsError;
use crate::rate::NextRate;
use crate::rate_history::RateHistory;
use alloy_primitives::U256;
use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, BindKeyPoints, ChartBuilder, Color, DrawingArea, IntoDrawingArea, IntoFont, LineSeries,
    PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};
use std::fmt::Display;
use tally_engine::UnixTime;

/// Of the whole picture, in pixels.
const SIZE: (u32, u32) = (1_000, 760);

/// How much higher a panel is than what it shows: room for the legend.
const HEADROOM: f64 = 1.35;

/// Wei of a METIS, and units of a rate.
const UNIT: f64 = 1e18;

/// Of Okabe and Ito, told apart by the colour-blind, too; lines also differ in width.
const BY_POLICY: RGBColor = RGBColor(0, 114, 178);
const ON_CHAIN: RGBColor = RGBColor(213, 94, 0);
const TARGET: RGBColor = RGBColor(120, 120, 120);

/// Points of a line: unix time and value.
type Points = Vec<(i64, f64)>;

struct Line {
    label: &'static str,
    color: RGBColor,
    width_px: u32,
    /// Nothing is drawn between one and the next.
    pieces: Vec<Points>,
}

/// Draws the reward per block, by the policy and on chain, and the rates that were aimed at and reached, over time, as
/// SVG. The same history gives the same bytes.
///
/// # Errors
///
/// [`ClaimsError::Drawing`] if the history spans no time, or times beyond the calendar.
pub fn draw(rate: &NextRate) -> Result<String, ClaimsError> {
    let history = &rate.history;
    let (Some(first), Some(last)) = (history.first(), history.last()) else {
        return Err(ClaimsError::Drawing("it is empty".into()));
    };
    let range = (secs(first.start)?, secs(last.until)?);
    if range.0 >= range.1 {
        return Err(ClaimsError::Drawing(format!("it begins at {} and ends at {}", range.0, range.1)));
    }
    let mut svg = String::new();
    {
        let whole = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        whole.fill(&WHITE).map_err(failed)?;
        let (upper, lower) = whole.split_vertically(SIZE.1.div_euclid(2));
        let caption = format!("Reward per block (policy {} {})", rate.policy.name(), rate.policy.version());
        panel(&upper, &caption, "METIS a block", range, &reward_lines(history, last.until)?)?;
        let caption = "Mining reward rate (MRR) of the pool, by epoch";
        panel(&lower, caption, "% a year", range, &mrr_lines(history)?)?;
        whole.present().map_err(failed)?;
    }
    Ok(svg)
}

fn reward_lines(history: &[RateHistory], until: UnixTime) -> Result<[Line; 2], ClaimsError> {
    let mut by_policy = Points::new();
    let mut on_chain = Points::new();
    for epoch in history {
        let value = scaled(epoch.reward_per_block.get())?;
        by_policy.extend([(secs(epoch.start)?, value), (secs(epoch.until)?, value)]);
        let mut value = scaled(epoch.on_chain.get())?;
        on_chain.push((secs(epoch.start)?, value));
        for change in epoch.changes.iter().filter(|change| change.time <= until) {
            let time = secs(change.time)?;
            on_chain.push((time, value));
            value = scaled(change.reward_per_block.get())?;
            on_chain.push((time, value));
        }
        on_chain.push((secs(epoch.until)?, value));
    }
    Ok([
        Line { label: "by the policy", color: BY_POLICY, width_px: 3, pieces: vec![by_policy] },
        Line { label: "on chain", color: ON_CHAIN, width_px: 2, pieces: vec![on_chain] },
    ])
}

fn mrr_lines(history: &[RateHistory]) -> Result<[Line; 3], ClaimsError> {
    let mut target = Points::new();
    for epoch in history {
        // A target has at most 18 decimals, so nothing is lost before it is drawn.
        let value = percent(parsed(&epoch.target.to_string())?);
        target.extend([(secs(epoch.start)?, value), (secs(epoch.until)?, value)]);
    }
    let closed = |mrr: fn(&RateHistory) -> Option<U256>| {
        pieces(history.iter().filter(|epoch| epoch.is_closed).map(|epoch| (epoch, mrr(epoch))))
    };
    Ok([
        Line { label: "target", color: TARGET, width_px: 2, pieces: vec![target] },
        Line {
            label: "reached by the policy",
            color: BY_POLICY,
            width_px: 3,
            pieces: closed(|epoch| epoch.realised_mrr)?,
        },
        Line {
            label: "reached by what the contract pays",
            color: ON_CHAIN,
            width_px: 2,
            pieces: closed(|epoch| epoch.paid_mrr)?,
        },
    ])
}

/// Steps over the epochs that have a rate, broken where one has none.
fn pieces<'a>(
    epochs: impl Iterator<Item = (&'a RateHistory, Option<U256>)>,
) -> Result<Vec<Points>, ClaimsError> {
    let mut pieces = vec![Points::new()];
    for (epoch, mrr) in epochs {
        match (mrr, pieces.last_mut()) {
            (Some(mrr), Some(piece)) => {
                let value = percent(scaled(mrr)?);
                piece.extend([(secs(epoch.start)?, value), (secs(epoch.until)?, value)]);
            }
            _ => pieces.push(Points::new()),
        }
    }
    Ok(pieces)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    unit: &str,
    range: (i64, i64),
    lines: &[Line],
) -> Result<(), ClaimsError> {
    let values = lines.iter().flat_map(|line| line.pieces.iter().flatten()).map(|(_, value)| *value);
    let highest = values.fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * HEADROOM } else { 1.0 };
    let dates = date_points(range);
    let days_only = dates.days_only;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(caption, ("sans-serif", 20).into_font())
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d((range.0..range.1).with_key_points(dates.points), 0.0..top)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.1))
        .x_desc("date (UTC)")
        .y_desc(unit)
        .y_labels(8)
        .label_style(("sans-serif", 14).into_font())
        .x_label_formatter(&|time| date_text(*time, days_only))
        .y_label_formatter(&|value| value_text(*value, highest))
        .draw()
        .map_err(failed)?;
    for Line { label, color, width_px, pieces } in lines {
        let style = color.stroke_width(*width_px);
        for (index, points) in pieces.iter().enumerate() {
            let drawn = chart.draw_series(LineSeries::new(points.iter().copied(), style)).map_err(failed)?;
            if index == 0 {
                drawn
                    .label(*label)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x.saturating_add(24), y)], style));
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .legend_area_size(32)
        .margin(8)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 14).into_font())
        .draw()
        .map_err(failed)
}

/// A value beside its axis, with more decimals the smaller the highest is.
fn value_text(value: f64, highest: f64) -> String {
    let mut decimals = 2;
    let mut scale = highest;
    while scale < 1.0 && decimals < 18 {
        scale *= 10.0;
        decimals += 1;
    }
    format!("{value:.decimals$}")
}

fn percent(rate: f64) -> f64 {
    rate * 100.0
}

/// A value in units of 10^-18, as near as a float is.
fn scaled(value: U256) -> Result<f64, ClaimsError> {
    Ok(parsed(&value.to_string())? / UNIT)
}

fn parsed(text: &str) -> Result<f64, ClaimsError> {
    text.parse().map_err(failed)
}

fn secs(time: UnixTime) -> Result<i64, ClaimsError> {
    crate::calendar::secs(time)
        .ok_or_else(|| ClaimsError::Drawing(format!("time {time} is beyond the calendar")))
}

fn failed(error: impl Display) -> ClaimsError {
    ClaimsError::Drawing(error.to_string())
}
