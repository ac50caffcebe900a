//! The calls that members of the pool make: what the contract wants of each, what it does, and the call itself.
//!
//! A log knows nearly all of what the contract asks for, and each condition is told with the value that decides it. What
//! it cannot know (ETH for the bridge, METIS outside the pool, whether an address is a contract) is told as unknown, with
//! the [`Question`] that a node answers.

mod action;
mod asked;
mod basis;
mod condition;
mod encode;
mod judge;
mod outcome;
mod value;
mod warning;

pub use action::{MemberAction, Sending};
pub use asked::{ActionAsked, ActionFault, ActionWord};
pub use basis::MemberBasis;
pub use condition::{Condition, ConditionKind, Question, Verdict};
pub use outcome::{CallChange, ChangeKind as CallChangeKind};
pub use value::CallValue;
pub use warning::{CallWarning, WarningKind as CallWarningKind};

use crate::call::PreparedCall;
use crate::error::ClaimsError;
use crate::safe::safe_file;
use alloy_primitives::{Address, B256};
use outcome::Outcome;
use serde_json::Value;
use tally_engine::{SequencerId, SequencerState, UnixTime};
use tally_eventlog::L1Head;

/// A call that a member of the pool can make, as the contract would take it after the log's last L1 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberCall {
    /// What the call is to do.
    pub action: MemberAction,
    /// The sequencer that it is about; for a new one, the id that the contract would give it.
    pub sequencer: SequencerId,
    /// The L1 block after which it is judged: the log's last.
    pub as_of: L1Head,
    /// What the contract asks for, each with whether it is so.
    pub conditions: Vec<Condition>,
    /// What the call does, in a sentence.
    pub summary: String,
    /// What it changes; empty where the contract would refuse it.
    pub changes: Vec<CallChange>,
    /// From when on the stake can be taken out: of an exit that has begun, or begins with the call right after `as_of`.
    pub stake_free_at: Option<UnixTime>,
    /// What its sender should know before.
    pub warnings: Vec<CallWarning>,
    /// The call that has to be made before: METIS' approval of the exact amount that the pool takes.
    pub approval: Option<PreparedCall>,
    /// The encoded call, ready to be sent.
    pub call: PreparedCall,
}

impl MemberCall {
    /// The call, after its approval if it needs one, as a file of the transaction builder of `Safe` wallets. It names the
    /// log by its digest.
    ///
    /// # Errors
    ///
    /// As [`safe_file`].
    pub fn safe_file(&self, log_digest: B256) -> Result<Value, ClaimsError> {
        let calls: Vec<&PreparedCall> = self.approval.iter().chain([&self.call]).collect();
        let name = format!("Metis sequencer pool: {} of sequencer {}", self.action.code(), self.sequencer);
        let description = format!("{} Prepared by Tally from the log {log_digest}.", self.summary);
        safe_file(&calls, &name, &description, self.as_of.timestamp)
    }

    /// Whether the contract would take it: `None` if nothing is against it and not all is known.
    pub fn is_possible(&self) -> Option<bool> {
        let is = |verdict: Verdict| self.conditions.iter().any(|condition| condition.verdict == verdict);
        if is(Verdict::Fails) {
            Some(false)
        } else if is(Verdict::Unknown) {
            None
        } else {
            Some(true)
        }
    }

    /// From when on the contract would take a call that it refuses now; `None` unless time alone is against it.
    pub fn possible_from(&self) -> Option<UnixTime> {
        possible_from(&self.conditions)
    }
}

/// When the last of the failing conditions holds, if all of them will by themselves.
fn possible_from(conditions: &[Condition]) -> Option<UnixTime> {
    let failing = conditions.iter().filter(|condition| condition.verdict == Verdict::Fails);
    let from: Option<Vec<UnixTime>> = failing.map(|condition| condition.holds_from).collect();
    from?.into_iter().max()
}

/// An action with what the log knows of those that it concerns.
struct Case<'a> {
    basis: &'a MemberBasis,
    action: &'a MemberAction,
    id: SequencerId,
    /// `None` for one that is to join.
    state: Option<&'a SequencerState>,
    /// Who has to send the call, if anybody can.
    by: Option<Address>,
}

/// Prepares the call of `action`, sent as `sending` says.
///
/// # Errors
///
/// [`ClaimsError::UnknownSequencer`] if there is no such sequencer, [`ClaimsError::TakesNoEth`] if ETH is to go along with
/// a call that takes none, and [`ClaimsError::Amount`] if an amount does not fit into 256 bits.
pub fn member_call(
    basis: &MemberBasis,
    action: MemberAction,
    sending: Sending,
) -> Result<MemberCall, ClaimsError> {
    let id = action.sequencer().map_or_else(|| basis.next_id(), Ok)?;
    let state = action.sequencer().map(|id| basis.sequencer(id)).transpose()?;
    let by = action.sender_of(state);
    let case = Case { basis, action: &action, id, state, by };
    let (call, approval) = encode::calls(&case, sending)?;
    let conditions = judge::conditions(&case, sending, &call);
    let Outcome { summary, changes, stake_free_at } = outcome::outcome(&case, &conditions)?;
    let warnings = warning::warnings(&case, &changes);
    let as_of = basis.head;
    Ok(MemberCall {
        sequencer: id,
        as_of,
        conditions,
        summary,
        changes,
        stake_free_at,
        warnings,
        approval,
        call,
        action,
    })
}
