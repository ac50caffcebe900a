//! The sequencers: who they are, what they have, and what each of their blocks earned.

use super::accept::Form;
use super::input::{Asked, CommonParams, Limit, Number, PageCursor, parse, varies};
use super::table::SEQUENCERS;
use super::{Moment, text_of};
use crate::http::Problem;
use alloy_primitives::Address;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tally_claims::SequencerFacts;
use tally_engine::SequencerId;
use tally_wire::{SequencerAnswer, SequencerStatus, SequencersAnswer, next_cursor, status_name};
use utoipa::IntoParams;

/// Which sequencers are asked for: those of whom everything that is said holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SequencersParams {
    /// These ids, with commas between.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}(,[0-9]{1,19}){0,99}$")]
    id: Option<Ids>,
    /// Only sequencers that have this status.
    #[param(required = false, value_type = SequencerStatus, inline)]
    status: Option<OfStatus>,
    /// Controlled by this address.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{40}$")]
    owner: Option<OfAddress>,
    /// Whose blocks are, or were, signed by this address.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{40}$")]
    signer: Option<OfAddress>,
    /// Whose rewards go to this address on L2.
    #[param(required = false, value_type = String, pattern = "^0x[0-9a-fA-F]{40}$")]
    recipient: Option<OfAddress>,
    /// Where a page begins: the `next` of the page before.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    cursor: Option<PageCursor>,
    /// How many sequencers at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
}

impl SequencersParams {
    /// Whether nothing is said that leaves a sequencer out.
    fn is_empty(&self) -> bool {
        let Self { id, status, owner, signer, recipient, cursor, limit } = self;
        let is_whole = id.is_none() && status.is_none() && cursor.is_none() && *limit == Limit::default();
        is_whole && owner.is_none() && signer.is_none() && recipient.is_none()
    }

    /// Whether a sequencer is asked for.
    fn admits(&self, id: SequencerId, facts: &SequencerFacts) -> bool {
        let is = |asked: &Option<OfAddress>, found: Option<Address>| {
            asked.as_ref().is_none_or(|OfAddress(asked)| Some(*asked) == found)
        };
        let has_signed =
            |OfAddress(asked): &OfAddress| facts.signers.iter().any(|(signer, _)| signer == asked);
        self.id.as_ref().is_none_or(|Ids(ids)| ids.contains(&id.0))
            && self.status.as_ref().is_none_or(|OfStatus(status)| status == status_name(facts.status))
            && is(&self.owner, Some(facts.owner))
            && self.signer.as_ref().is_none_or(has_signed)
            && is(&self.recipient, facts.recipient)
    }
}

/// A status, by the word for it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct OfStatus(String);

impl TryFrom<String> for OfStatus {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let known = SequencerStatus::ALL;
        if known.contains(&&*text) {
            Ok(Self(text))
        } else {
            Err(format!("a status is one of {}", known.join(", ")))
        }
    }
}

/// Ids, of which there may be 100.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Ids(Vec<u64>);

impl TryFrom<String> for Ids {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let ids: Option<Vec<u64>> = text.split(',').map(parse).collect();
        ids.filter(|ids| ids.len() <= 100).map(Self).ok_or("ids are numbers with commas between, 100 at most")
    }
}

/// An address that somebody asks for.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct OfAddress(Address);

impl TryFrom<String> for OfAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 40);
        let address = digits.and_then(|digits| digits.parse().ok());
        address.map(Self).ok_or("an address is 0x and 40 hexadecimal digits")
    }
}

/// Sequencers, and what is owed to them.
#[utoipa::path(get, path = "/v1/sequencers", operation_id = "list_sequencers", tag = "sequencers", params(CommonParams, SequencersParams), responses((status = 200, description = "A page of sequencers.", body = SequencersAnswer)))]
pub(super) async fn list(mut asked: Asked<SequencersParams>) -> Result<Response, Problem> {
    let from = asked.page_from(asked.params.cursor.clone(), 0)?;
    let Asked { moment, params, .. } = &asked;
    let is_whole = params.is_empty();
    if let Some(response) = asked.list_not_modified() {
        return Ok(response);
    }
    let (view, policy) = (&moment.view, moment.policy());
    let is_kept = is_whole && asked.list_form() == Form::Json;
    if let Some(text) = policy.all.get().filter(|_| is_kept) {
        return Ok(varies(moment.text(text.clone())));
    }
    let contracts = &view.contracts;
    let wanted =
        contracts.sequencers.range(SequencerId(from)..).filter(|(id, facts)| params.admits(**id, facts));
    let (mut found, mut next) = (Vec::new(), None);
    for (id, _) in wanted {
        if found.len() == params.limit.get() {
            next = Some(next_cursor(id.0, policy.state()));
            break;
        }
        found.extend(policy.sequencer(contracts, *id));
    }
    let answer = SequencersAnswer { at: policy.at.clone(), sequencers: found, next };
    if !is_kept {
        return asked.list(&answer, SEQUENCERS, &answer.sequencers, answer.next.as_deref());
    }
    let text = text_of(&answer)?;
    Ok(varies(moment.text(policy.all.get_or_init(|| text).clone())))
}

/// That there is no such sequencer.
pub(super) fn unknown(moment: &Moment, id: u64) -> Problem {
    let known = moment.view.contracts.sequencers.len();
    let detail = format!("no sequencer has the id {id}: {known} have locked up to the log's end");
    Problem::new(StatusCode::NOT_FOUND, "unknown-sequencer", detail)
}

/// A sequencer, and what is owed to it.
#[utoipa::path(get, path = "/v1/sequencers/{id}", operation_id = "sequencer", tag = "sequencers", params(("id" = u64, Path, description = "Its id."), CommonParams), responses((status = 200, description = "The sequencer.", body = SequencerAnswer)))]
pub(super) async fn one(Number(id): Number, asked: Asked) -> Result<Response, Problem> {
    let Asked { moment, .. } = &asked;
    let policy = moment.policy();
    let Some(cell) = policy.answers.get(&SequencerId(id)) else {
        return Err(unknown(moment, id));
    };
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    if let Some(text) = cell.get() {
        return Ok(moment.text(text.clone()));
    }
    let found = policy.sequencer(&moment.view.contracts, SequencerId(id));
    let sequencer = found.ok_or_else(|| unknown(moment, id))?;
    let text = text_of(&SequencerAnswer { at: policy.at.clone(), sequencer })?;
    Ok(moment.text(cell.get_or_init(|| text).clone()))
}
