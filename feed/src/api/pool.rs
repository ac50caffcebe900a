//! What was paid, what is to be paid next, and what the audit says of it.

use super::input::{Asked, CommonParams, Limit, Number, PageCursor, PageParams, page};
use super::table::{BATCH_ROWS, BATCHES};
use super::{Moment, broken, gap, in_turn, kept_or, refusal};
use crate::error::FeedError;
use crate::http::Problem;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use tally_audit::{AuditOptions, CountRule, audit_chain};
use tally_claims::{ClaimsError, CreditRule, NextRate};
use tally_engine::{AmountError, Policy, Status, Wei};
use tally_wire::{
    AuditAnswer, BatchAnswer, BatchesAnswer, EpochRates, NextBatchAnswer, NextRateAnswer, PageOf, PoolAnswer,
    RatesAnswer, StatusCounts, next_cursor,
};
use utoipa::IntoParams;

/// How the audit counts the blocks of a batch.
const COUNT_RULE: CountRule = CountRule::Scheduled;

/// The pool as a whole: stakes, sums and rates by everything in the log.
#[utoipa::path(get, path = "/v1/pool", operation_id = "pool", tag = "pool", params(CommonParams), responses((status = 200, description = "The pool.", body = PoolAnswer)))]
pub(super) async fn one(asked: Asked) -> Result<Response, Problem> {
    let Asked { moment, .. } = &asked;
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let policy = moment.policy();
    let (contracts, cap) = (&moment.view.contracts, policy.replayed.policy.cap());
    let pool = &contracts.pool;
    let active = pool.sequencers.values().filter(|sequencer| sequencer.status == Status::Active);
    let counted = active.map(|sequencer| sequencer.amount.min(cap));
    let counted = counted.into_iter().try_fold(Wei::ZERO, Wei::checked_add).map_err(no_amount)?;
    let cap_wei = (cap != Policy::NO_CAP).then(|| cap.into());
    moment.answer(&PoolAnswer {
        at: policy.at.clone(),
        is_paused: pool.paused,
        statuses: StatusCounts::of(pool),
        min_lock_wei: pool.min_lock.into(),
        max_lock_wei: pool.max_lock.into(),
        cap_wei,
        counted_stake_wei: counted.into(),
        exit_delay_secs: pool.exit_delay_secs,
        reward_per_block_wei: pool.reward_per_block.into(),
        last_batch: pool.batch.into(),
        contract: (&contracts.accounts.totals).into(),
        policy: (&policy.accounts.totals).into(),
    })
}

/// The batches that were paid.
#[utoipa::path(get, path = "/v1/batches", tag = "pool", params(CommonParams, PageParams), responses((status = 200, description = "A page of batches.", body = BatchesAnswer)))]
pub(super) async fn batches(mut asked: Asked<PageParams>) -> Result<Response, Problem> {
    let from = asked.page_from(asked.params.cursor.clone(), asked.params.from)?;
    let Asked { moment, params, .. } = &asked;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let view = &moment.view;
    let (found, next) = page(&view.contracts.batches, from, params.limit, |batch| batch.batch);
    let last = view.final_reach.l1.map(|head| head.block.0);
    let mut batches = found.to_vec();
    for batch in &mut batches {
        batch.is_final = Some(batch.l1_block) <= last;
    }
    let policy = moment.policy();
    let next = next.map(|next| next_cursor(next, policy.state()));
    let answer = BatchesAnswer { at: policy.at.clone(), batches, next };
    asked.list(&answer, BATCHES, &answer.batches, answer.next.as_deref())
}

/// A batch that was paid.
#[utoipa::path(get, path = "/v1/batches/{n}", operation_id = "batch", tag = "pool", params(("n" = u64, Path, description = "Its number."), CommonParams), responses((status = 200, description = "The batch.", body = BatchAnswer)))]
pub(super) async fn batch(Number(number): Number, asked: Asked) -> Result<Response, Problem> {
    let Asked { moment, .. } = &asked;
    let (view, policy) = (&moment.view, moment.policy());
    let batches = &view.contracts.batches;
    let Ok(place) = batches.binary_search_by_key(&number, |batch| batch.batch) else {
        let last = batches.last().map(|batch| batch.batch);
        if last.is_none_or(|last| number > last) {
            let last = last.map_or("none".into(), |last| last.to_string());
            return Err(gap(
                policy,
                format!("batch {number} is asked for, but the last that was paid is {last}"),
            ));
        }
        let detail = format!("no batch that was paid has the number {number}");
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown-batch", detail));
    };
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let mut batch = batches[place].clone();
    batch.is_final = Some(batch.l1_block) <= view.final_reach.l1.map(|head| head.block.0);
    let answer = BatchAnswer { at: policy.at.clone(), batch };
    asked.list(&answer, BATCH_ROWS, &answer.batch.rows, None)
}

/// The batch that can be paid next by what is final, and the call that pays it.
#[utoipa::path(get, path = "/v1/batches/next", tag = "pool", params(CommonParams), responses((status = 200, description = "The batch.", body = NextBatchAnswer)))]
pub(super) async fn next_batch(asked: Asked) -> Result<Response, Problem> {
    let Asked { api, moment, .. } = &asked;
    let worked = moment.clone();
    let answer = api
        .heavy(move || {
            let (policy, kept) = (worked.policy(), &worked.view.upcoming.batch);
            let next = kept_or(kept, || {
                // Whoever sends the call pays by what no reorg can take back.
                let is_final = worked.view.log.final_part().map_err(|error| broken(&error.into()))?;
                let next = tally_claims::next_batch(&is_final, None, CreditRule::SpanSigner);
                next.map_err(|error| refusal(policy, error))
            })?;
            Ok(NextBatchAnswer { at: policy.at.clone(), next: next.into() })
        })
        .await?;
    asked.answer(&answer)
}

/// The reward per block that holds the policy's target from now on, by what is final, and the call that sets it.
#[utoipa::path(get, path = "/v1/rates/next", tag = "pool", params(CommonParams), responses((status = 200, description = "The rate.", body = NextRateAnswer)))]
pub(super) async fn next_rate(asked: Asked) -> Result<Response, Problem> {
    let Asked { api, moment, .. } = &asked;
    let worked = moment.clone();
    let answer = api
        .heavy(move || {
            let next = upcoming_rate(&worked)?.try_into().map_err(no_amount)?;
            Ok(NextRateAnswer { at: worked.policy().at.clone(), next })
        })
        .await?;
    asked.answer(&answer)
}

/// The reward per block by the policy and on chain, and the rates that the pool reached by each, epoch by epoch, by what is
/// final.
#[utoipa::path(get, path = "/v1/rates", operation_id = "list_rates", tag = "pool", params(CommonParams, PageParams), responses((status = 200, description = "A page of epochs.", body = RatesAnswer)))]
pub(super) async fn rates(mut asked: Asked<PageParams>) -> Result<Response, Problem> {
    let from = asked.page_from(asked.params.cursor.clone(), asked.params.from)?;
    let (worked, limit) = (asked.moment.clone(), asked.params.limit);
    let work = move || {
        let (next, at) = (upcoming_rate(&worked)?, worked.policy().at.clone());
        let (found, more) = page(&next.history, from, limit, |epoch| epoch.epoch.0);
        let rates = found.iter().map(|epoch| EpochRates::try_from((&next.policy, epoch)));
        let rates = rates.collect::<Result<_, _>>().map_err(no_amount)?;
        let more = more.map(|next| next_cursor(next, worked.policy().state()));
        Ok(RatesAnswer { at, horizon: next.horizon.into(), rates, next: more })
    };
    let answer = asked.api.heavy(work).await?;
    asked.answer(&answer)
}

fn no_amount(error: AmountError) -> Problem {
    broken(&ClaimsError::Amount { what: "the pool's stake or reward per block".into(), error }.into())
}

/// The next rate of the policy, with its history.
fn upcoming_rate(moment: &Moment) -> Result<&NextRate, Problem> {
    let (policy, kept) = (moment.policy(), &moment.view.upcoming.rates[moment.index]);
    kept_or(kept, || {
        let is_final = moment.view.log.final_part().map_err(|error| broken(&error.into()))?;
        let next = tally_claims::next_rate(&is_final, &policy.replayed.policy, None);
        next.map_err(|error| refusal(policy, error))
    })
}

/// The page of findings that is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Where a page of findings begins: the `next` of the page before.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many findings at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

/// What the chain claims, against the log.
#[utoipa::path(get, path = "/v1/audit", tag = "pool", params(CommonParams, AuditParams), responses((status = 200, description = "The audit.", body = AuditAnswer)))]
pub(super) async fn audit(mut asked: Asked<AuditParams>) -> Result<Response, Problem> {
    let position = asked.page_from(asked.params.cursor.clone(), 0)?;
    let Asked { api, moment, params, .. } = &asked;
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    if moment.view.audit.get().is_none() {
        // Once for all who ask of this moment.
        let view = Arc::clone(&moment.view);
        let work = move || {
            if view.audit.get().is_none() {
                let audited = audit_of(&view)?;
                view.audit.get_or_init(|| audited);
            }
            Ok(())
        };
        in_turn(&api.audits, work).await?;
    }
    let audited = moment.view.audit.get().ok_or_else(|| broken(&FeedError::Broken("no audit".into())))?;
    let policy = moment.policy();
    let page = PageOf { position, limit: params.limit.get(), state: policy.state() };
    moment.answer(&AuditAnswer::from((policy.at.clone(), audited, COUNT_RULE, page)))
}

fn audit_of(view: &crate::view::View) -> Result<tally_audit::ChainAudit, Problem> {
    let options = AuditOptions { rule: COUNT_RULE, from_batch: None, to_batch: None };
    audit_chain(&view.log, options).map_err(|error| broken(&FeedError::from(error)))
}
