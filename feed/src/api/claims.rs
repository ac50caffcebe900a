//! What sequencers can claim, their accounts at any time, and their statements.

use super::distributions::{head_of, head_with, whole};
use super::input::{Asked, CommonParams, Limit, Number, PageCursor, bad};
use super::sequencers::unknown;
use super::table::MOVEMENTS;
use super::{not_final, refusal};
use crate::http::Problem;
use alloy_primitives::B256;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tally_claims::{Cut, StatementRange, accounts};
use tally_engine::{L1Block, SequencerId, UnixTime};
use tally_wire::{Accounts, AccountsAnswer, ClaimAnswer, PageOf, StatementAnswer};
use utoipa::IntoParams;

/// Which distribution is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ClaimParams {
    /// The epoch of the distribution; the last that is settled, if nothing is said.
    epoch: Option<u64>,
    /// The root of the distribution, instead of its epoch: what was published.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{64}$")]
    root: Option<Root>,
}

/// The root of a tree.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Root(B256);

impl TryFrom<String> for Root {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
        let parsed = digits.and_then(|digits| digits.parse().ok());
        parsed.map(Self).ok_or("a root is 0x and 64 hexadecimal digits")
    }
}

/// What a sequencer can claim, of the contracts and of a distribution of the policy: by what is final alone. A distribution
/// stays claimable as it was frozen, by the recipient of then.
#[utoipa::path(get, path = "/v1/sequencers/{id}/claim", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams, ClaimParams), responses((status = 200, description = "What it can claim.", body = ClaimAnswer)))]
pub(super) async fn claim(Number(id): Number, asked: Asked<ClaimParams>) -> Result<Response, Problem> {
    let Asked { api, moment, params, .. } = &asked;
    let (view, policy, id) = (&moment.view, moment.policy(), SequencerId(id));
    let contracts = &view.final_contracts;
    let Some((facts, account)) = contracts.sequencers.get(&id).zip(contracts.accounts.sequencers.get(&id))
    else {
        if view.contracts.sequencers.contains_key(&id) {
            return Err(not_final(policy, format!("sequencer {id} has locked, but that is not final yet")));
        }
        return Err(unknown(moment, id.0));
    };
    let head = match (params.epoch, params.root) {
        (None, None) => policy.last_distribution().map(|last| last.head),
        (Some(epoch), None) => Some(head_of(moment, epoch)?),
        (None, Some(Root(root))) => Some(head_with(moment, root)?),
        (Some(_), Some(_)) => return Err(bad("bad-combination", "`epoch` or `root` is given, not both")),
    };
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let distribution = match head {
        Some(head) => Some((&*whole(api, moment, head).await?, id).into()),
        None => None,
    };
    moment.answer(&ClaimAnswer {
        at: policy.at.clone(),
        sequencer: id.0,
        recipient: facts.recipient.map(Into::into),
        contract: account.into(),
        distribution,
    })
}

/// The time and the page that a statement is asked of.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatementParams {
    /// The first second; the beginning of the log, if none is given.
    from: Option<u64>,
    /// The second after the last; everything in the log, if none is given.
    to: Option<u64>,
    /// Where a page of movements begins: the `next` of the page before.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many movements at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

/// A sequencer's statement of account: opening and closing balances, and what moved between.
#[utoipa::path(get, path = "/v1/sequencers/{id}/statement", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams, StatementParams), responses((status = 200, description = "The statement.", body = StatementAnswer)))]
pub(super) async fn statement(
    Number(id): Number,
    mut asked: Asked<StatementParams>,
) -> Result<Response, Problem> {
    let position = asked.page_from(asked.params.cursor.clone(), 0)?;
    let Asked { api, moment, params, .. } = &asked;
    if !moment.view.contracts.sequencers.contains_key(&SequencerId(id)) {
        return Err(unknown(moment, id));
    }
    let worked = moment.clone();
    let range = StatementRange { from: params.from.map(UnixTime), to: params.to.map(UnixTime) };
    let limit = params.limit.get();
    let answer = api
        .heavy(move || {
            let (view, policy) = (&worked.view, worked.policy());
            let rules = &policy.replayed.policy;
            // One thread: who asks shares the machine with the others.
            let made = tally_claims::statement(&view.log, SequencerId(id), Some(rules), range, Some(1));
            let made = made.map_err(|error| refusal(policy, error))?;
            let page = PageOf { position, limit, state: policy.state() };
            Ok(StatementAnswer::from((policy.at.clone(), &made, page)))
        })
        .await?;
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    asked.list(&answer, MOVEMENTS, &answer.movements, answer.next.as_deref())
}

/// When, and of whom, accounts are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountsParams {
    /// The last second that counts, in Unix seconds; everything in the log, if nothing is said.
    at_time: Option<u64>,
    /// The last L1 block that counts, instead of a time.
    at_l1_block: Option<u64>,
    /// The id of one sequencer; all of them, if none is given.
    sequencer: Option<u64>,
}

/// The accounts of sequencers as they were at some time: with the contracts, and under the policy.
#[utoipa::path(get, path = "/v1/accounts", operation_id = "accounts", tag = "sequencers", params(CommonParams, AccountsParams), responses((status = 200, description = "The accounts.", body = AccountsAnswer)))]
pub(super) async fn accounts_at(asked: Asked<AccountsParams>) -> Result<Response, Problem> {
    let Asked { api, moment, params, .. } = &asked;
    let cut = match (params.at_time, params.at_l1_block) {
        (None, None) => Cut::End,
        (Some(time), None) => Cut::Time(UnixTime(time)),
        (None, Some(block)) => Cut::L1Block(L1Block(block)),
        (Some(_), Some(_)) => {
            return Err(bad("bad-combination", "`at_time` or `at_l1_block` is given, not both"));
        }
    };
    let only = params.sequencer.map(SequencerId);
    let worked = moment.clone();
    let answer = api
        .heavy(move || {
            let (view, policy) = (&worked.view, worked.policy());
            let policies = std::slice::from_ref(&policy.replayed.policy);
            // One thread: who asks shares the machine with the others.
            let found = accounts(&view.log, cut, policies, Some(1));
            let found = found.map_err(|error| refusal(policy, error))?;
            if let Some(id) = only.filter(|id| !found.chain.sequencers.contains_key(id)) {
                if !view.contracts.sequencers.contains_key(&id) {
                    return Err(unknown(&worked, id.0));
                }
                let detail = format!("sequencer {id} had not locked by then");
                return Err(Problem::new(StatusCode::NOT_FOUND, "unknown-sequencer", detail));
            }
            let log = policy.at.log.clone();
            Ok(AccountsAnswer { at: policy.at.clone(), accounts: Accounts::from((log, &found, only)) })
        })
        .await?;
    asked.answer(&answer)
}
