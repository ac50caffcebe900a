//! Sequencers, and the blocks of one.

use super::accept::Form;
use super::input::{CommonParams, Limit, NoParams, Number, Of, PageCursor, Params, bad};
use super::{Moment, Shared, broken, gap, text_of};
use crate::http::Problem;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use tally_engine::{L2Block, SequencerId};
use tally_eventlog::LogView;
use tally_replay::BlockLedger;
use tally_wire::{LedgerAnswer, SequencerAnswer, SequencersAnswer, ServedBlock, next_cursor};
use utoipa::IntoParams;

/// How many blocks one page of a ledger is looked for in, at most.
const BLOCKS_SCANNED_MAX: u64 = 65_536;

/// All sequencers, and what is owed to them.
#[utoipa::path(get, path = "/v1/sequencers", operation_id = "list_sequencers", tag = "sequencers", params(CommonParams), responses((status = 200, description = "By id.", body = SequencersAnswer)))]
pub(super) async fn list(
    Of(moment): Of,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(response) = moment.not_modified(&headers, Form::Json) {
        return Ok(response);
    }
    let (view, policy) = (&moment.view, moment.policy());
    if let Some(text) = policy.all.get() {
        return Ok(moment.text(text.clone()));
    }
    let mut found = Vec::new();
    for id in view.contracts.sequencers.keys() {
        found.extend(policy.sequencer(&view.contracts, *id));
    }
    let text = text_of(&SequencersAnswer { at: policy.at.clone(), sequencers: found })?;
    Ok(moment.text(policy.all.get_or_init(|| text).clone()))
}

/// That there is no such sequencer.
pub(super) fn unknown(moment: &Moment, id: u64) -> Problem {
    let known = moment.view.contracts.sequencers.len();
    let detail = format!("no sequencer has the id {id}: {known} have locked up to the log's end");
    Problem::new(StatusCode::NOT_FOUND, "unknown-sequencer", detail)
}

/// A sequencer, and what is owed to it.
#[utoipa::path(get, path = "/v1/sequencers/{id}", operation_id = "sequencer", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams), responses((status = 200, description = "The sequencer.", body = SequencerAnswer)))]
pub(super) async fn one(
    Of(moment): Of,
    Number(id): Number,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let policy = moment.policy();
    let Some(cell) = policy.answers.get(&SequencerId(id)) else {
        return Err(unknown(&moment, id));
    };
    if let Some(response) = moment.not_modified(&headers, Form::Json) {
        return Ok(response);
    }
    if let Some(text) = cell.get() {
        return Ok(moment.text(text.clone()));
    }
    let found = policy.sequencer(&moment.view.contracts, SequencerId(id));
    let sequencer = found.ok_or_else(|| unknown(&moment, id))?;
    let text = text_of(&SequencerAnswer { at: policy.at.clone(), sequencer })?;
    Ok(moment.text(cell.get_or_init(|| text).clone()))
}

/// The range of blocks that is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LedgerParams {
    /// The first L2 block; the log's first, if none is given.
    from: Option<u64>,
    /// The last L2 block; the horizon, if none is given.
    to: Option<u64>,
    /// Where a page begins: the `next` of the page before.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,20}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many blocks at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

/// The blocks of a sequencer, and what each earned. A page looks through 65,536 blocks at most, so it may have few
/// entries, or none, and still not be the last.
#[utoipa::path(get, path = "/v1/sequencers/{id}/ledger", operation_id = "ledger", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams, LedgerParams), responses((status = 200, description = "A page of its blocks.", body = LedgerAnswer)))]
pub(super) async fn ledger(
    State(api): State<Shared>,
    Of(moment): Of,
    Number(id): Number,
    Params(params): Params<LedgerParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let is_first = params.cursor.is_none();
    let (moment, position) = api.page_of(moment, params.cursor, 0)?;
    let policy = moment.policy();
    if !policy.answers.contains_key(&SequencerId(id)) {
        return Err(unknown(&moment, id));
    }
    let first = moment.view.log.identity().l2_first_block.0;
    let Some(horizon) = policy.at.horizon else {
        return Err(gap(policy, "no block is folded yet".into()));
    };
    let (from, to) = (params.from.unwrap_or(first), params.to.unwrap_or(horizon.l2_block));
    if from < first || to < first || from > horizon.l2_block || to > horizon.l2_block {
        let last = horizon.l2_block;
        let detail =
            format!("blocks {from} to {to} are asked for, but the ledger has blocks {first} to {last}");
        return Err(gap(policy, detail));
    }
    if from > to {
        return Err(bad("bad-range", format!("blocks {from} to {to} are asked for, which are none")));
    }
    let start = if is_first { from } else { position };
    if !(from..=to).contains(&start) {
        return Err(bad(
            "bad-cursor",
            format!("the cursor is block {start}, which is not of {from} to {to}"),
        ));
    }
    if let Some(response) = moment.not_modified(&headers, Form::Json) {
        return Ok(response);
    }
    let worked = moment.clone();
    let answer = api.heavy(move || page_of(&worked, SequencerId(id), start, to, params.limit.get())).await?;
    moment.answer(&answer)
}

fn page_of(
    moment: &Moment,
    id: SequencerId,
    start: u64,
    to: u64,
    limit: usize,
) -> Result<LedgerAnswer, Problem> {
    let policy = moment.policy();
    let last = to.min(start.saturating_add(BLOCKS_SCANNED_MAX - 1));
    let ledger =
        BlockLedger::new(&moment.view.log, &policy.replayed).map_err(|error| broken(&error.into()))?;
    let mut blocks = Vec::new();
    let mut end = last;
    for entry in ledger.iter(L2Block(start)..=L2Block(last)) {
        let entry = entry.map_err(|error| broken(&error.into()))?;
        if entry.sequencer == Some(id) {
            let is_final = policy.is_final(&moment.view, &entry);
            blocks.push(ServedBlock { block: (&entry).into(), is_final });
            if blocks.len() >= limit {
                end = entry.block.0;
                break;
            }
        }
    }
    let next = end.checked_add(1).filter(|_| end < to).map(|next| next_cursor(next, policy.state()));
    Ok(LedgerAnswer { at: policy.at.clone(), sequencer: id.0, from: start, to: end, blocks, next })
}
