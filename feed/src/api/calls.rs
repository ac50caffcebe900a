//! The calls that members of the pool make: what each does, whether the contract would take it, and the call itself.

use super::input::{Asked, CommonParams, Word, bad};
use super::{Moment, broken, refusal};
use crate::http::Problem;
use alloy_primitives::{Address, Bytes, U256};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tally_claims::{ActionAsked, ActionFault, MemberBasis, MemberCall, Sending, member_call};
use tally_engine::{SequencerId, Wei};
use tally_text::{given_address, given_pubkey};
use tally_wire::MemberCallAnswer;
use utoipa::IntoParams;

/// What is said of a call.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CallParams {
    /// The id of the sequencer; for all calls but `join`.
    sequencer: Option<u64>,
    /// An amount of METIS, in wei: for `increase`, `withdraw` and `join`.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,77}$")]
    amount_wei: Option<Amount>,
    /// Whether all unclaimed rewards are moved into the stake: for `increase`.
    with_rewards: Option<bool>,
    /// Who is to get the rewards on L2: for `recipient` and `join`. Capital and small letters mixed have to be its
    /// checksum, as of all addresses here.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{40}$")]
    recipient: Option<GivenAddress>,
    /// Who is to control the stake: for `owner` and `join`.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{40}$")]
    owner: Option<GivenAddress>,
    /// The public key of the signer, 64 bytes, or 65 that begin with 04: for `signer` and `join`.
    #[param(required = false, value_type = String, pattern = "^0x([0-9a-fA-F]{128}|04[0-9a-fA-F]{128})$")]
    pubkey: Option<GivenKey>,
    /// The signer, to be compared with the public key: for `join`.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{40}$")]
    signer: Option<GivenAddress>,
    /// Who is to send the call, to be judged; who has to, if nobody is named.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{40}$")]
    sender: Option<GivenAddress>,
    /// The ETH for the bridge to L2, in wei, which only a node can tell: for `claim`, `unlock` and `finish`.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,77}$")]
    eth_wei: Option<Amount>,
    /// How much gas the bridge may take on L2; 200,000, if nothing is said.
    l2_gas: Option<u32>,
}

/// An amount in wei.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Amount(pub(super) Wei);

impl TryFrom<String> for Amount {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_number = (1..=78).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| U256::from_str_radix(&text, 10).ok()).flatten();
        number.map(|wei| Self(Wei::new(wei))).ok_or("an amount is a number of wei, below 2^256")
    }
}

/// An address that was typed or copied.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct GivenAddress(Address);

impl TryFrom<String> for GivenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        given_address(&text).map(Self)
    }
}

/// A public key that was typed or copied.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct GivenKey(Bytes);

impl TryFrom<String> for GivenKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        given_pubkey(&text).map(Self)
    }
}

/// The call that is asked for, after the log's last L1 block.
async fn made(action: String, asked: &Asked<CallParams>) -> Result<MemberCall, Problem> {
    let Asked { api, moment, params, .. } = asked;
    let given = ActionAsked {
        sequencer: params.sequencer.map(SequencerId),
        amount: params.amount_wei.map(|amount| amount.0),
        with_rewards: params.with_rewards.unwrap_or(false),
        recipient: params.recipient.map(|address| address.0),
        owner: params.owner.map(|address| address.0),
        pubkey: params.pubkey.as_ref().map(|key| key.0.clone()),
        signer: params.signer.map(|address| address.0),
    };
    let wanted = given.action(&action).map_err(|fault| {
        // The words are those of the parameters but for the unit.
        let named = |word: &dyn std::fmt::Display| match word.to_string().replace('-', "_") {
            amount if amount == "amount" => "amount_wei".to_owned(),
            other => other,
        };
        match fault {
            ActionFault::Unknown => {
                let detail = format!("there is no call {action}");
                Problem::new(StatusCode::NOT_FOUND, "unknown-action", detail)
            }
            ActionFault::Needs(word) => bad("bad-combination", format!("{action} needs `{}`", named(&word))),
            ActionFault::TakesNo(word) => {
                bad("bad-combination", format!("{action} takes no `{}`", named(&word)))
            }
        }
    })?;
    let sending = Sending {
        sender: params.sender.map(|address| address.0),
        eth: params.eth_wei.map(|amount| amount.0),
        l2_gas: params.l2_gas.unwrap_or(Sending::L2_GAS),
    };
    let (is_for_bridge, worked) = (params.eth_wei.is_some() || params.l2_gas.is_some(), moment.clone());
    let call = api.heavy(move || {
        let policy = worked.policy();
        let basis = MemberBasis::of(&worked.view.log).map_err(|error| refusal(policy, error))?;
        let id = wanted.sequencer();
        if let Some(id) = id.filter(|id| !basis.pool.sequencers.contains_key(id)) {
            return Err(super::sequencers::unknown(&worked, id.0));
        }
        member_call(&basis, wanted, sending).map_err(|error| refusal(policy, error))
    });
    let call = call.await?;
    if is_for_bridge && !call.call.is_payable {
        let action = call.action.code();
        let detail = format!(
            "{action} takes no `eth_wei` and no `l2_gas`: only claim, unlock and finish pay the bridge"
        );
        return Err(bad("bad-combination", detail));
    }
    Ok(call)
}

/// A call of a member of the pool, judged as the contract would take it after the log's last L1 block: what it does, what
/// the contract asks for and whether that is so, and the call itself. Nothing is sent.
#[utoipa::path(get, path = "/v1/calls/{action}", operation_id = "call", tag = "calls", params(("action" = tally_wire::MemberAction, Path, description = "What is to be done."), CommonParams, CallParams), responses((status = 200, description = "The call.", body = MemberCallAnswer)))]
pub(super) async fn one(Word(action): Word, asked: Asked<CallParams>) -> Result<Response, Problem> {
    let call = made(action, &asked).await?;
    asked.answer(&MemberCallAnswer { at: asked.moment.policy().at.clone(), call: (&call).into() })
}

/// The same call, after an approval where it needs one, as a file for the transaction builder of a Safe wallet. A call
/// that takes ETH along needs `eth_wei`.
#[utoipa::path(get, path = "/v1/calls/{action}/safe", operation_id = "safe_call", tag = "calls", params(("action" = tally_wire::MemberAction, Path, description = "What is to be done."), CommonParams, CallParams), responses((status = 200, description = "The file.", body = serde_json::Value)))]
pub(super) async fn safe(Word(action): Word, asked: Asked<CallParams>) -> Result<Response, Problem> {
    let call = made(action, &asked).await?;
    let file = safe_of(&asked.moment, &call)?;
    asked.answer(&file)
}

fn safe_of(moment: &Moment, call: &MemberCall) -> Result<serde_json::Value, Problem> {
    call.safe_file(moment.view.digest).map_err(|error| {
        if matches!(error, tally_claims::ClaimsError::NoValue { .. }) {
            let detail =
                format!("{} takes ETH along for the bridge to L2: give it as `eth_wei`", call.call.function);
            return bad("bad-combination", detail);
        }
        broken(&error.into())
    })
}
