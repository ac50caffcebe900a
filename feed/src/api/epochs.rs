//! Epochs and single blocks.

use super::input::{Asked, CommonParams, Number, PageParams, page};
use super::sequencers::unknown;
use super::table::{EPOCH_ROWS, EPOCHS, SEQUENCER_EPOCHS};
use super::{broken, gap};
use crate::error::FeedError;
use crate::http::Problem;
use crate::view::PolicyView;
use axum::http::StatusCode;
use axum::response::Response;
use tally_engine::{AmountError, EpochLedger, L2Block, SequencerId, Wei};
use tally_eventlog::LogView;
use tally_replay::{BlockLedger, explain_block};
use tally_wire::{
    BlockAnswer, EpochAnswer, EpochsAnswer, SequencerEpoch, SequencerEpochsAnswer, ServedEpoch, next_cursor,
    rows,
};

fn no_amount(error: AmountError) -> Problem {
    broken(&FeedError::Amount { place: "an epoch".into(), error })
}

fn served(policy: &PolicyView, epoch: &EpochLedger) -> Result<ServedEpoch, Problem> {
    let is_final = policy.is_epoch_final(epoch.epoch);
    Ok(ServedEpoch { epoch: (&policy.replayed, epoch).try_into().map_err(no_amount)?, is_final })
}

/// The epochs, without their rows.
#[utoipa::path(get, path = "/v1/epochs", operation_id = "list_epochs", tag = "ledger", params(CommonParams, PageParams), responses((status = 200, description = "A page of epochs.", body = EpochsAnswer)))]
pub(super) async fn list(mut asked: Asked<PageParams>) -> Result<Response, Problem> {
    let from = asked.page_from(asked.params.cursor.clone(), asked.params.from)?;
    let Asked { moment, params, .. } = &asked;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let policy = moment.policy();
    let (epochs, next) = page(&policy.replayed.ledger.epochs, from, params.limit, |epoch| epoch.epoch.0);
    let epochs = epochs.iter().map(|epoch| served(policy, epoch)).collect::<Result<_, _>>()?;
    let next = next.map(|next| next_cursor(next, policy.state()));
    let answer = EpochsAnswer { at: policy.at.clone(), epochs, next };
    asked.list(&answer, EPOCHS, &answer.epochs, answer.next.as_deref())
}

/// An epoch, with what each sequencer earned.
#[utoipa::path(get, path = "/v1/epochs/{n}", operation_id = "epoch", tag = "ledger", params(("n" = u64, Path, description = "Which, from 0."), CommonParams), responses((status = 200, description = "The epoch.", body = EpochAnswer)))]
pub(super) async fn one(Number(number): Number, asked: Asked) -> Result<Response, Problem> {
    let Asked { moment, .. } = &asked;
    let policy = moment.policy();
    let epochs = &policy.replayed.ledger.epochs;
    let found = usize::try_from(number).ok().and_then(|index| epochs.get(index));
    let Some(epoch) = found else {
        let detail = format!("epoch {number} is asked for, but there are {} yet, from 0 on", epochs.len());
        return Err(gap(policy, detail));
    };
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let rows = rows(epoch).map_err(no_amount)?;
    let answer = EpochAnswer { at: policy.at.clone(), epoch: served(policy, epoch)?, rows };
    asked.list(&answer, EPOCH_ROWS, &answer.rows, None)
}

/// What a sequencer earned in each epoch, from the first on.
#[utoipa::path(get, path = "/v1/sequencers/{id}/epochs", operation_id = "sequencer_epochs", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams, PageParams), responses((status = 200, description = "A page of epochs.", body = SequencerEpochsAnswer)))]
pub(super) async fn of_sequencer(
    Number(id): Number,
    mut asked: Asked<PageParams>,
) -> Result<Response, Problem> {
    let from = asked.page_from(asked.params.cursor.clone(), asked.params.from)?;
    let Asked { moment, params, .. } = &asked;
    let policy = moment.policy();
    if !policy.answers.contains_key(&SequencerId(id)) {
        return Err(unknown(moment, id));
    }
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let all = &policy.replayed.ledger.epochs;
    let (found, next) = page(all, from, params.limit, |epoch| epoch.epoch.0);
    let (mut cumulative, mut epochs) = (Wei::ZERO, Vec::new());
    // What it earned before the page counts, too.
    let until = found.last().map(|last| last.epoch);
    for epoch in all.iter().take_while(|epoch| Some(epoch.epoch) <= until) {
        let earned = epoch.rows.iter().find(|row| row.sequencer.0 == id).map(|row| row.earned);
        // Who has no row in it earned nothing.
        let earned = earned.unwrap_or_default();
        cumulative = cumulative.checked_add(earned.reward).map_err(no_amount)?;
        if epoch.epoch.0 >= from {
            epochs.push(SequencerEpoch {
                epoch: epoch.epoch.0,
                start: epoch.start.0,
                is_final: policy.is_epoch_final(epoch.epoch),
                blocks: earned.blocks,
                reward_wei: earned.reward.into(),
                cumulative_wei: cumulative.into(),
            });
        }
    }
    let next = next.map(|next| next_cursor(next, policy.state()));
    let answer = SequencerEpochsAnswer { at: policy.at.clone(), sequencer: id, epochs, next };
    asked.list(&answer, SEQUENCER_EPOCHS, &answer.epochs, answer.next.as_deref())
}

/// What an L2 block earned, and everything that decides it.
#[utoipa::path(get, path = "/v1/blocks/{n}", tag = "ledger", params(("n" = u64, Path, description = "Its number."), CommonParams), responses((status = 200, description = "The block.", body = BlockAnswer)))]
pub(super) async fn block(Number(number): Number, asked: Asked) -> Result<Response, Problem> {
    let Asked { api, moment, .. } = &asked;
    let policy = moment.policy();
    let first = moment.view.log.identity().l2_first_block.0;
    if number < first {
        let detail = format!("block {number} is asked for, but the log's first is {first}");
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown-block", detail));
    }
    if policy.at.horizon.is_none_or(|horizon| number > horizon.l2_block) {
        return Err(gap(policy, format!("block {number} is asked for, which is not folded yet")));
    }
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let worked = moment.clone();
    let answer = api
        .heavy(move || {
            let policy = worked.policy();
            let failed = |error| broken(&FeedError::Replay(error));
            let ledger = BlockLedger::new(&worked.view.log, &policy.replayed).map_err(failed)?;
            let explained = explain_block(&ledger, L2Block(number)).map_err(failed)?;
            let explained =
                explained.ok_or_else(|| gap(policy, format!("the ledger has no block {number}")))?;
            let is_final = policy.is_final(&worked.view, &explained.entry);
            let explanation = (&policy.replayed.policy, &explained).try_into().map_err(no_amount)?;
            Ok(BlockAnswer { at: policy.at.clone(), is_final, explanation })
        })
        .await?;
    moment.answer(&answer)
}
