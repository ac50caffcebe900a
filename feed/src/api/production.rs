//! Who made the blocks that it was to make.

use super::input::{Asked, CommonParams, Limit, Number, PageCursor, PageParams, bad, page};
use super::sequencers::unknown;
use super::table::{PRODUCTION_EPOCHS, SPANS};
use super::{Moment, broken, gap};
use crate::error::FeedError;
use crate::http::Problem;
use axum::response::Response;
use serde::Deserialize;
use std::ops::RangeInclusive;
use tally_engine::{EpochIndex, L2Block, SequencerId};
use tally_eventlog::LogView;
use tally_replay::{BlockLedger, Maker, ProductionReader, ReplayError};
use tally_wire::{
    EpochProduction, Production, ProductionAnswer, ProductionEpochsAnswer, ServedEpochProduction, next_cursor,
};
use utoipa::IntoParams;

/// How many blocks are looked at, unless others are asked for.
const LAST_BLOCKS: u64 = 5_000;

/// Which blocks are asked for: the last 5,000, if nothing is said.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProductionParams {
    /// The blocks of this epoch of the policy.
    epoch: Option<u64>,
    /// The last so many blocks of the log.
    #[param(required = false, minimum = 1)]
    last_blocks: Option<u64>,
    /// The first of the blocks; the log's first, if only `to` is given.
    from: Option<u64>,
    /// The last of the blocks; the log's last, if only `from` is given.
    to: Option<u64>,
    /// Where a page of spans begins: the `next` of the page before.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many spans at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

/// Who made the blocks of a range: by sequencer, and by span.
#[utoipa::path(get, path = "/v1/production", operation_id = "production", tag = "pool", params(CommonParams, ProductionParams), responses((status = 200, description = "Who made them.", body = ProductionAnswer)))]
pub(super) async fn all(asked: Asked<ProductionParams>) -> Result<Response, Problem> {
    made(asked, None).await
}

/// The blocks that a sequencer was to make, and those that it made: in all, and by span.
#[utoipa::path(get, path = "/v1/sequencers/{id}/production", operation_id = "sequencer_production", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams, ProductionParams), responses((status = 200, description = "Who made them.", body = ProductionAnswer)))]
pub(super) async fn of_sequencer(
    Number(id): Number,
    asked: Asked<ProductionParams>,
) -> Result<Response, Problem> {
    if !asked.moment.policy().answers.contains_key(&SequencerId(id)) {
        return Err(unknown(&asked.moment, id));
    }
    made(asked, Some(SequencerId(id))).await
}

/// Who made the blocks of each epoch of the policy, from epoch 0 on.
#[utoipa::path(get, path = "/v1/production/epochs", operation_id = "production_epochs", tag = "pool", params(CommonParams, PageParams), responses((status = 200, description = "A page of epochs.", body = ProductionEpochsAnswer)))]
pub(super) async fn all_by_epoch(asked: Asked<PageParams>) -> Result<Response, Problem> {
    by_epoch(asked, None).await
}

/// The blocks of each epoch of the policy that a sequencer was to make, and those that it made.
#[utoipa::path(get, path = "/v1/sequencers/{id}/production/epochs", operation_id = "sequencer_production_epochs", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams, PageParams), responses((status = 200, description = "A page of epochs.", body = ProductionEpochsAnswer)))]
pub(super) async fn of_sequencer_by_epoch(
    Number(id): Number,
    asked: Asked<PageParams>,
) -> Result<Response, Problem> {
    if !asked.moment.policy().answers.contains_key(&SequencerId(id)) {
        return Err(unknown(&asked.moment, id));
    }
    by_epoch(asked, Some(SequencerId(id))).await
}

async fn by_epoch(mut asked: Asked<PageParams>, only: Option<SequencerId>) -> Result<Response, Problem> {
    let from = asked.page_from(asked.params.cursor.clone(), asked.params.from)?;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let (worked, limit) = (asked.moment.clone(), asked.params.limit);
    let answer = asked.api.heavy(move || epochs_of(&worked, only, from, limit)).await?;
    asked.list(&answer, PRODUCTION_EPOCHS, &answer.epochs, answer.next.as_deref())
}

/// Reads no more of the log than the blocks of the page's epochs.
fn epochs_of(
    moment: &Moment,
    only: Option<SequencerId>,
    from: u64,
    limit: Limit,
) -> Result<ProductionEpochsAnswer, Problem> {
    let policy = moment.policy();
    let failed = |error: ReplayError| broken(&FeedError::from(error));
    let log = &moment.view.log;
    let (ledger, reader) = (
        BlockLedger::new(log, &policy.replayed).map_err(failed)?,
        ProductionReader::new(log).map_err(failed)?,
    );
    let (epochs, next) = page(&policy.replayed.ledger.epochs, from, limit, |epoch| epoch.epoch.0);
    let served = |epoch: EpochIndex| {
        let made = match ledger.blocks_of(Some(epoch)).map_err(failed)? {
            None => tally_replay::Production::default(),
            Some(range) => reader.of(range).map_err(failed)?,
        };
        let is_final = policy.has_final_after(epoch, moment.view.final_reach);
        let production = Production::of(&made, only).map_err(failed)?;
        let production = EpochProduction { epoch: Some(epoch.0), production };
        Ok(ServedEpochProduction { production, is_final })
    };
    let epochs = epochs.iter().map(|epoch| served(epoch.epoch)).collect::<Result<_, Problem>>()?;
    let next = next.map(|next| next_cursor(next, policy.state()));
    Ok(ProductionEpochsAnswer { at: policy.at.clone(), epochs, next })
}

async fn made(mut asked: Asked<ProductionParams>, only: Option<SequencerId>) -> Result<Response, Problem> {
    let position = asked.page_from(asked.params.cursor.clone(), 0)?;
    let range = range_of(&asked.moment, &asked.params)?;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let (worked, limit, epoch) = (asked.moment.clone(), asked.params.limit.get(), asked.params.epoch);
    let work = move || page_of(&worked, range, only, epoch, (position, limit));
    let answer = asked.api.heavy(work).await?;
    asked.list(&answer, SPANS, &answer.spans, answer.next.as_deref())
}

/// What of the blocks is wanted.
enum Wanted {
    Blocks(RangeInclusive<L2Block>),
    OfEpoch(EpochIndex),
}

fn range_of(moment: &Moment, params: &ProductionParams) -> Result<Wanted, Problem> {
    let ProductionParams { epoch, last_blocks, from, to, .. } = params;
    let policy = moment.policy();
    let log = &moment.view.log;
    let first = log.identity().l2_first_block;
    let Some(head) = log.reach().l2.map(|head| head.block) else {
        return Err(gap(policy, "no L2 block is in the log yet".into()));
    };
    match (epoch, last_blocks, from, to) {
        (Some(epoch), None, None, None) => {
            let epochs = policy.replayed.ledger.epochs.len();
            let is_there = usize::try_from(*epoch).is_ok_and(|epoch| epoch < epochs);
            let detail = format!("epoch {epoch} is asked for, but there are {epochs} yet, from 0 on");
            if is_there { Ok(Wanted::OfEpoch(EpochIndex(*epoch))) } else { Err(gap(policy, detail)) }
        }
        (None, count, None, None) => {
            let count = count.unwrap_or(LAST_BLOCKS);
            let before =
                count.checked_sub(1).ok_or_else(|| bad("bad-range", "the last 0 blocks are none"))?;
            let from = head.0.checked_sub(before).unwrap_or(first.0);
            Ok(Wanted::Blocks(first.max(L2Block(from))..=head))
        }
        (None, None, from, to) => {
            let (from, to) = (from.unwrap_or(first.0), to.unwrap_or(head.0));
            if from.min(to) < first.0 || from.max(to) > head.0 {
                let detail =
                    format!("blocks {from} to {to} are asked for, but the log has {first} to {head}");
                return Err(gap(policy, detail));
            }
            if from > to {
                return Err(bad("bad-range", format!("blocks {from} to {to} are asked for, which are none")));
            }
            Ok(Wanted::Blocks(L2Block(from)..=L2Block(to)))
        }
        _ => Err(bad("bad-combination", "`epoch`, or `last_blocks`, or `from` and `to` are given, not both")),
    }
}

fn page_of(
    moment: &Moment,
    wanted: Wanted,
    only: Option<SequencerId>,
    epoch: Option<u64>,
    (position, limit): (u64, usize),
) -> Result<ProductionAnswer, Problem> {
    let policy = moment.policy();
    let failed = |error: ReplayError| broken(&FeedError::from(error));
    let log = &moment.view.log;
    let range = match wanted {
        Wanted::Blocks(range) => Some(range),
        Wanted::OfEpoch(epoch) => {
            let ledger = BlockLedger::new(log, &policy.replayed).map_err(failed)?;
            ledger.blocks_of(Some(epoch)).map_err(failed)?
        }
    };
    let reader = ProductionReader::new(log).map_err(failed)?;
    let made = match range {
        None => tally_replay::Production::default(),
        Some(range) => reader.of(range).map_err(failed)?,
    };
    let is_wanted = |scheduled: Maker| only.is_none_or(|id| scheduled.sequencer() == Some(id));
    let head = log.reach().l2.map_or(log.identity().l2_first_block, |head| head.block);
    let announced = reader.announced_after(head).filter(|(_, maker)| is_wanted(*maker)).map(Into::into);
    let announced = announced.collect();
    let skip = usize::try_from(position).unwrap_or(usize::MAX);
    let mut spans = made.spans.iter().filter(|span| is_wanted(span.scheduled)).skip(skip);
    let page: Vec<_> = spans.by_ref().take(limit).map(Into::into).collect();
    let end = u64::try_from(page.len()).ok().and_then(|count| position.checked_add(count));
    let next = end.filter(|_| spans.next().is_some()).map(|end| next_cursor(end, policy.state()));
    let last = made.range.map(|(_, last)| last.block);
    let is_final = last <= moment.view.final_reach.l2.map(|head| head.block);
    let production = Production::of(&made, only).map_err(failed)?;
    Ok(ProductionAnswer { at: policy.at.clone(), epoch, is_final, production, spans: page, announced, next })
}
