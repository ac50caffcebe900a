//! Blocks of the ledger: all of them, or those of one sequencer.

use super::input::{Asked, CommonParams, Limit, Number, PageCursor, bad};
use super::sequencers::unknown;
use super::table::BLOCKS;
use super::{Moment, broken, gap};
use crate::http::Problem;
use crate::view::PolicyView;
use axum::response::Response;
use serde::Deserialize;
use tally_engine::{L2Block, SequencerId};
use tally_eventlog::LogView;
use tally_replay::BlockLedger;
use tally_wire::{BlocksAnswer, LedgerAnswer, ServedBlock, next_cursor};
use utoipa::IntoParams;

/// How many blocks one page of a ledger is looked for in, at most.
const BLOCKS_SCANNED_MAX: u64 = 65_536;

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
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many blocks at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

/// The blocks of a sequencer, and what each earned. A page looks through 65,536 blocks at most, so it may have few
/// entries, or none, and still not be the last.
#[utoipa::path(get, path = "/v1/sequencers/{id}/ledger", operation_id = "ledger", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams, LedgerParams), responses((status = 200, description = "A page of its blocks.", body = LedgerAnswer)))]
pub(super) async fn ledger(Number(id): Number, mut asked: Asked<LedgerParams>) -> Result<Response, Problem> {
    let position = asked.page_from(asked.params.cursor.clone(), 0)?;
    if !asked.moment.policy().answers.contains_key(&SequencerId(id)) {
        return Err(unknown(&asked.moment, id));
    }
    let LedgerParams { from, to, ref cursor, limit } = asked.params;
    let (start, to) = range(asked.moment.policy(), first(&asked.moment), (from, to))
        .and_then(|range| begun(range, cursor.is_some().then_some(position)))?;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let (worked, limit) = (asked.moment.clone(), limit.get());
    let page = asked.api.heavy(move || page_of(&worked, Some(SequencerId(id)), (start, to), limit)).await?;
    let Page { to, blocks, next } = page;
    let answer =
        LedgerAnswer { at: asked.moment.policy().at.clone(), sequencer: id, from: start, to, blocks, next };
    asked.list(&answer, BLOCKS, &answer.blocks, answer.next.as_deref())
}

/// The range of blocks that is asked for, or the last of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BlocksParams {
    /// The first L2 block; the log's first, if none is given.
    from: Option<u64>,
    /// The last L2 block; the horizon, if none is given.
    to: Option<u64>,
    /// The last so many blocks up to the horizon, instead of a range.
    #[param(required = false, minimum = 1)]
    last_blocks: Option<u64>,
    /// Where a page begins: the `next` of the page before.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many blocks at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

/// Blocks of the ledger, of all sequencers and of none, and what each earned.
#[utoipa::path(get, path = "/v1/blocks", operation_id = "list_blocks", tag = "ledger", params(CommonParams, BlocksParams), responses((status = 200, description = "A page of blocks.", body = BlocksAnswer)))]
pub(super) async fn list(mut asked: Asked<BlocksParams>) -> Result<Response, Problem> {
    let position = asked.page_from(asked.params.cursor.clone(), 0)?;
    let BlocksParams { from, to, last_blocks, ref cursor, limit } = asked.params;
    let (policy, first) = (asked.moment.policy(), first(&asked.moment));
    let from = match last_blocks {
        None => from,
        Some(_) if from.is_some() || to.is_some() => {
            return Err(bad("bad-combination", "`last_blocks`, or `from` and `to` are given, not both"));
        }
        Some(0) => return Err(bad("bad-range", "the last 0 blocks are none")),
        Some(count) => {
            let horizon = policy.at.horizon.map(|horizon| horizon.l2_block);
            horizon.map(|last| last.checked_sub(count - 1).map_or(first, |from| from.max(first)))
        }
    };
    let (start, to) = range(policy, first, (from, to))
        .and_then(|range| begun(range, cursor.is_some().then_some(position)))?;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let (worked, limit) = (asked.moment.clone(), limit.get());
    let Page { to, blocks, next } =
        asked.api.heavy(move || page_of(&worked, None, (start, to), limit)).await?;
    let answer = BlocksAnswer { at: asked.moment.policy().at.clone(), from: start, to, blocks, next };
    asked.list(&answer, BLOCKS, &answer.blocks, answer.next.as_deref())
}

/// The first L2 block of the log.
fn first(moment: &Moment) -> u64 {
    moment.view.log.identity().l2_first_block.0
}

/// The first and the last block that are asked for, of the ledger that begins with `first`.
fn range(policy: &PolicyView, first: u64, asked: (Option<u64>, Option<u64>)) -> Result<(u64, u64), Problem> {
    let Some(horizon) = policy.at.horizon else {
        return Err(gap(policy, "no block is folded yet".into()));
    };
    let last = horizon.l2_block;
    let (from, to) = (asked.0.unwrap_or(first), asked.1.unwrap_or(last));
    if from < first || to < first || from > last || to > last {
        let detail =
            format!("blocks {from} to {to} are asked for, but the ledger has blocks {first} to {last}");
        return Err(gap(policy, detail));
    }
    if from > to {
        return Err(bad("bad-range", format!("blocks {from} to {to} are asked for, which are none")));
    }
    Ok((from, to))
}

/// The first block of the page, which begins at `position` where a cursor says so, and the last that is asked for.
fn begun((from, to): (u64, u64), position: Option<u64>) -> Result<(u64, u64), Problem> {
    let start = position.unwrap_or(from);
    if !(from..=to).contains(&start) {
        let detail = format!("the cursor is block {start}, which is not of {from} to {to}");
        return Err(bad("bad-cursor", detail));
    }
    Ok((start, to))
}

/// A page of blocks, up to which block was looked, and where the next page begins.
struct Page {
    to: u64,
    blocks: Vec<ServedBlock>,
    next: Option<String>,
}

fn page_of(
    moment: &Moment,
    only: Option<SequencerId>,
    (start, to): (u64, u64),
    limit: usize,
) -> Result<Page, Problem> {
    let policy = moment.policy();
    let last = to.min(start.saturating_add(BLOCKS_SCANNED_MAX - 1));
    let ledger =
        BlockLedger::new(&moment.view.log, &policy.replayed).map_err(|error| broken(&error.into()))?;
    let mut blocks = Vec::new();
    let mut end = last;
    for entry in ledger.iter(L2Block(start)..=L2Block(last)) {
        let entry = entry.map_err(|error| broken(&error.into()))?;
        if only.is_none() || entry.sequencer == only {
            let is_final = policy.is_final(&moment.view, &entry);
            blocks.push(ServedBlock { block: (&entry).into(), is_final });
            if blocks.len() >= limit {
                end = entry.block.0;
                break;
            }
        }
    }
    let next = end.checked_add(1).filter(|_| end < to).map(|next| next_cursor(next, policy.state()));
    Ok(Page { to: end, blocks, next })
}
