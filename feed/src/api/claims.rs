//! What a sequencer can claim, and its statement.

use super::input::{Limit, Number, PolicyParams, Question, bad, names_policy};
use super::sequencers::unknown;
use super::{broken, gap, not_final};
use crate::http::Problem;
use crate::view::PolicyView;
use axum::response::Response;
use serde::Deserialize;
use tally_claims::{AccountsError, StatementRange};
use tally_engine::{SequencerId, UnixTime};
use tally_wire::{ClaimAnswer, StatementAnswer};
use utoipa::IntoParams;

/// What a sequencer can claim now, of the contracts and of a policy's distribution: by what is final alone.
#[utoipa::path(get, path = "/v1/sequencers/{id}/claim", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), PolicyParams), responses((status = 200, description = "What it can claim.", body = ClaimAnswer)))]
pub(super) async fn claim(
    Number(id): Number,
    Question { moment, .. }: Question<PolicyParams>,
) -> Result<Response, Problem> {
    let (view, policy, id) = (&moment.view, moment.policy(), SequencerId(id));
    let contracts = &view.final_contracts;
    let Some((facts, account)) = contracts.sequencers.get(&id).zip(contracts.accounts.sequencers.get(&id))
    else {
        if view.contracts.sequencers.contains_key(&id) {
            return Err(not_final(policy, format!("sequencer {id} has locked, but that is not final yet")));
        }
        return Err(unknown(&moment, id.0));
    };
    if let Some(response) = moment.not_modified() {
        return Ok(response);
    }
    let distribution = policy.distribution(view).map_err(|error| broken(&error))?;
    moment.answer(&ClaimAnswer {
        at: policy.at.clone(),
        sequencer: id.0,
        recipient: facts.recipient.map(Into::into),
        contract: account.into(),
        distribution: distribution.map(|made| (made, id).into()),
    })
}

/// The range of time and the page that a statement is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatementParams {
    /// The name of a policy that is served; the first of them, if none is named.
    policy: Option<String>,
    /// The first second; the beginning of the log, if none is given.
    from: Option<u64>,
    /// The second after the last; everything in the log, if none is given.
    to: Option<u64>,
    /// Where a page of movements begins: the `next` of the page before.
    #[serde(default)]
    #[param(required = false, default = 0, minimum = 0)]
    cursor: u64,
    /// How many movements at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

names_policy!(StatementParams);

/// A sequencer's statement of account: opening and closing balances, and what moved between.
#[utoipa::path(get, path = "/v1/sequencers/{id}/statement", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), StatementParams), responses((status = 200, description = "The statement.", body = StatementAnswer)))]
pub(super) async fn statement(
    Number(id): Number,
    question: Question<StatementParams>,
) -> Result<Response, Problem> {
    if !question.moment.view.contracts.sequencers.contains_key(&SequencerId(id)) {
        return Err(unknown(&question.moment, id));
    }
    let answer = question.answer_in_turn(move |moment, params| {
        let policy = moment.policy();
        let range = StatementRange { from: params.from.map(UnixTime), to: params.to.map(UnixTime) };
        let rules = &policy.replayed.policy;
        // One thread: who asks shares the machine with the others.
        let made = tally_claims::statement(&moment.view.log, SequencerId(id), Some(rules), range, Some(1));
        let made = made.map_err(|error| refusal(policy, error))?;
        Ok(StatementAnswer::from((policy.at.clone(), &made, params.cursor, params.limit.get())))
    });
    answer.await
}

/// Why there is no such statement.
fn refusal(policy: &PolicyView, error: AccountsError) -> Problem {
    match error {
        AccountsError::Backwards { .. } => bad("bad-range", error.to_string()),
        AccountsError::BeyondLog { .. }
        | AccountsError::BeyondHorizon { .. }
        | AccountsError::UnknownSequencer { .. } => gap(policy, error.to_string()),
        AccountsError::Replay(_)
        | AccountsError::Pool(_)
        | AccountsError::Amount { .. }
        | AccountsError::Total { .. }
        | AccountsError::Unbalanced { .. }
        | AccountsError::ExitBackwards { .. }
        | AccountsError::EpochEnd { .. } => broken(&error.into()),
    }
}
