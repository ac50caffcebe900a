//! What another target, cap or allocation would have paid.

use super::calls::Amount;
use super::input::{Asked, CommonParams, bad};
use super::{Moment, broken};
use crate::error::FeedError;
use crate::http::Problem;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tally_engine::{Allocation, Mrr, Policy};
use tally_replay::{ReplayError, ReplayOptions, WhatIf};
use tally_wire::{Combination, WhatIfAnswer};
use utoipa::IntoParams;

/// What is to be otherwise than under the policy; the rest is as there.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhatIfParams {
    /// The target for the mining reward rate, at all times: `0.15` stands for 15 % a year. The policy's own, with their dates,
    /// if nothing is said.
    #[param(required = false, value_type = String, pattern = "^[0-9]([.][0-9]{1,18})?$")]
    mrr: Option<Target>,
    /// The cap, in wei: stake above it does not count.
    #[param(required = false, value_type = String, pattern = "^[1-9][0-9]{0,59}$")]
    cap_wei: Option<Amount>,
    /// `flat`, or `stake-weighted`.
    #[param(required = false, value_type = String, pattern = "^(flat|stake-weighted)$")]
    allocation: Option<Shared>,
}

/// A target for the mining reward rate.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Target(Mrr);

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
        let is_all = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        // A rate of ten times the stake a year is a mistake.
        if whole.len() != 1 || !(1..=18).contains(&decimals.len()) || !is_all(whole) || !is_all(decimals) {
            return Err("a target is a rate of a year below 10, of up to 18 decimals, such as 0.15".into());
        }
        Mrr::from_decimal(&text).map(Self).map_err(|error| error.to_string())
    }
}

/// How the rewards of an epoch are shared.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Shared(Allocation);

impl TryFrom<String> for Shared {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let known = [Allocation::Flat, Allocation::StakeWeighted];
        let found = known.into_iter().find(|allocation| allocation.name() == text);
        found.map(Self).ok_or("an allocation is `flat` or `stake-weighted`")
    }
}

/// What the policy would have paid by now with another target, cap or allocation: in all, and to each sequencer, beside what
/// it pays.
#[utoipa::path(get, path = "/v1/whatif", operation_id = "what_if", tag = "ledger", params(CommonParams, WhatIfParams), responses((status = 200, description = "What it would have paid.", body = WhatIfAnswer)))]
pub(super) async fn one(asked: Asked<WhatIfParams>) -> Result<Response, Problem> {
    let Asked { api, moment, params, .. } = &asked;
    let base = &moment.policy().replayed.policy;
    if base.allocation() == Allocation::OnChain {
        let detail = format!("{} pays what the contract does, so there is nothing to vary", base.name());
        return Err(Problem::new(StatusCode::CONFLICT, "paid-by-contract", detail));
    }
    let target = params.mrr.map(|target| target.0);
    let cap = params.cap_wei.map_or(base.cap(), |cap| cap.0);
    let allocation = params.allocation.map_or(base.allocation(), |shared| shared.0);
    let variant = base.variant(target, cap, allocation);
    let variant = variant.map_err(|error| bad("bad-range", error.to_string()))?;
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let worked = moment.clone();
    let answer = api.heavy(move || priced(&worked, &variant)).await?;
    moment.answer(&answer)
}

fn priced(moment: &Moment, variant: &Policy) -> Result<WhatIfAnswer, Problem> {
    let (policy, kept) = (moment.policy(), &moment.view.what_ifs[moment.index]);
    let failed = |error: ReplayError| broken(&FeedError::from(error));
    let what_if = super::kept_or(kept, || {
        // One thread: who asks shares the machine with the others.
        let options = ReplayOptions { threads: Some(1), ..ReplayOptions::default() };
        WhatIf::new(&moment.view.log, policy.replayed.policy.clone(), options).map_err(failed)
    })?;
    let mut found = None;
    let evaluated = what_if.evaluate(std::slice::from_ref(variant), |variation| {
        found = Some(Combination::from(variation));
        Ok::<(), ReplayError>(())
    });
    evaluated.map_err(|error| {
        // Amounts that do not fit are those of the target or the cap that was asked for.
        let is_asked = matches!(error, ReplayError::Fold { .. });
        if is_asked { bad("bad-range", error.to_string()) } else { failed(error) }
    })?;
    let combination = found.ok_or_else(|| broken(&FeedError::Broken("a variant was not priced".into())))?;
    Ok(WhatIfAnswer { at: policy.at.clone(), base: what_if.into(), combination })
}
