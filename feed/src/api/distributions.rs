//! The distributions: what a policy that the contract does not pay owes at the ends of its settled epochs. Each is the same
//! for ever, so that a root which was published can be claimed by at any time.

use super::accept::Form;
use super::input::{Asked, CommonParams, Limit, Number, PageCursor, PageParams, bad, page};
use super::table::{DISTRIBUTIONS, LEAVES};
use super::{Moment, Shared, broken, not_final};
use crate::http::Problem;
use alloy_primitives::B256;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use tally_claims::{Distribution, DistributionHead};
use tally_wire::{DistributionAnswer, DistributionsAnswer, LeavesAnswer, ProvenLeaf, next_cursor};
use utoipa::IntoParams;

/// That the policy has no distributions, if it has none.
pub(super) fn refuse_on_chain(moment: &Moment) -> Result<(), Problem> {
    if moment.policy().is_on_chain() {
        let detail = "the contract pays what this policy gives: a distribution would pay it twice";
        return Err(Problem::new(StatusCode::CONFLICT, "paid-by-contract", detail));
    }
    Ok(())
}

/// The distribution of an epoch in short.
pub(super) fn head_of(moment: &Moment, epoch: u64) -> Result<DistributionHead, Problem> {
    refuse_on_chain(moment)?;
    let heads = moment.policy().distributions();
    let found = usize::try_from(epoch).ok().and_then(|index| heads.get(index));
    found.copied().ok_or_else(|| {
        let settled = heads.len();
        let detail = format!("epoch {epoch} is asked for, but {settled} are settled, from 0 on");
        not_final(moment.policy(), detail)
    })
}

/// The last distribution with a root, in short: where nothing was earned and no recipient changed, several have the same.
pub(super) fn head_with(moment: &Moment, root: B256) -> Result<DistributionHead, Problem> {
    refuse_on_chain(moment)?;
    let found = moment.policy().distributions().iter().rev().find(|head| head.root == Some(root));
    found.copied().ok_or_else(|| {
        let detail = format!("no distribution of a settled epoch has the root {root}");
        Problem::new(StatusCode::NOT_FOUND, "unknown-root", detail)
    })
}

/// A distribution with its sums and with what is withheld.
pub(super) async fn whole(
    api: &Shared,
    moment: &Moment,
    head: DistributionHead,
) -> Result<Arc<Distribution>, Problem> {
    let last = moment.policy().last_distribution().filter(|last| last.head == head);
    if let Some(last) = last {
        return Ok(Arc::clone(last));
    }
    let worked = moment.clone();
    let work = move || worked.policy().distribution(&worked.view, &head).map_err(|error| broken(&error));
    api.heavy(work).await
}

/// The distributions of the settled epochs, without their leaves.
#[utoipa::path(get, path = "/v1/distributions", operation_id = "list_distributions", tag = "distributions", params(CommonParams, PageParams), responses((status = 200, description = "A page of distributions.", body = DistributionsAnswer)))]
pub(super) async fn list(mut asked: Asked<PageParams>) -> Result<Response, Problem> {
    let from = asked.page_from(asked.params.cursor.clone(), asked.params.from)?;
    let Asked { moment, params, .. } = &asked;
    refuse_on_chain(moment)?;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let policy = moment.policy();
    let (found, next) = page(policy.distributions(), from, params.limit, |head| head.epoch.0);
    let distributions = found.iter().map(Into::into).collect();
    let next = next.map(|next| next_cursor(next, policy.state()));
    let answer = DistributionsAnswer { at: policy.at.clone(), distributions, next };
    asked.list(&answer, DISTRIBUTIONS, &answer.distributions, answer.next.as_deref())
}

/// The distribution of a settled epoch: its root, its sums, and what of it is withheld, and why.
#[utoipa::path(get, path = "/v1/distributions/{n}", operation_id = "distribution", tag = "distributions", params(("n" = u64, Path, description = "The last epoch that counts."), CommonParams), responses((status = 200, description = "The distribution.", body = DistributionAnswer)))]
pub(super) async fn one(Number(epoch): Number, asked: Asked) -> Result<Response, Problem> {
    let Asked { api, moment, .. } = &asked;
    let head = head_of(moment, epoch)?;
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let made = whole(api, moment, head).await?;
    let present = &moment.view.final_contracts.pool;
    moment.answer(&DistributionAnswer::from((moment.policy().at.clone(), &*made, present)))
}

/// Which leaves are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LeavesParams {
    /// Where a page begins: the `next` of the page before. Not for CSV, which has all leaves.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many leaves at most; 100, if nothing is said. Not for CSV.
    #[param(required = false, value_type = u32, minimum = 1, maximum = 1000)]
    limit: Option<Limit>,
}

/// The leaves of a distribution with their proofs, as pages of JSON or, for who accepts `text/csv`, all of them as CSV.
#[utoipa::path(get, path = "/v1/distributions/{n}/leaves", operation_id = "leaves", tag = "distributions", params(("n" = u64, Path, description = "The last epoch that counts."), CommonParams, LeavesParams), responses(
    (status = 200, description = "The leaves.", body = LeavesAnswer),
))]
pub(super) async fn leaves(
    Number(epoch): Number,
    mut asked: Asked<LeavesParams>,
) -> Result<Response, Problem> {
    let form = asked.list_form();
    if form == Form::Csv && (asked.params.cursor.is_some() || asked.params.limit.is_some()) {
        return Err(bad(
            "bad-combination",
            "`cursor` and `limit` are for pages: as CSV there are all leaves",
        ));
    }
    let position = asked.page_from(asked.params.cursor.clone(), 0)?;
    let Asked { api, moment, params, .. } = &asked;
    let head = head_of(moment, epoch)?;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let made = whole(api, moment, head).await?;
    let present = &moment.view.final_contracts.pool;
    let (skip, limit) = match form {
        Form::Csv => (0, usize::MAX),
        Form::Json | Form::Events => {
            let skip = usize::try_from(position).unwrap_or(usize::MAX);
            (skip, params.limit.unwrap_or_default().get())
        }
    };
    let proven = made.proofs().skip(skip).take(limit);
    let leaves: Vec<ProvenLeaf> = proven.map(|(leaf, proof)| (leaf, proof, present).into()).collect();
    let end = skip.saturating_add(leaves.len());
    let next = u64::try_from(end).ok().filter(|_| end < made.head.leaves);
    let next = next.map(|next| next_cursor(next, moment.policy().state()));
    let root = made.head.root.map(Into::into);
    let answer = LeavesAnswer { at: moment.policy().at.clone(), epoch, root, leaves, next };
    asked.list(&answer, LEAVES, &answer.leaves, answer.next.as_deref())
}
