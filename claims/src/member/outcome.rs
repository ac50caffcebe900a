//! What a call does: in a sentence, and as amounts before and after.

use super::action::MemberAction;
use super::condition::{Condition, ConditionKind, Verdict};
use super::encode::signer_of;
use super::value::CallValue;
use super::{Case, ClaimsError, possible_from};
use alloy_primitives::Address;
use tally_engine::{AmountError, SequencerState, Status, UnixTime, Wei};
use tally_text::{address, exact_metis, time};

/// Something that a call changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallChange {
    /// Which value of the contracts is changed.
    pub kind: ChangeKind,
    /// How it is before the call; `None` where there is nothing yet.
    pub before: Option<CallValue>,
    /// How it is after it.
    pub after: CallValue,
}

/// What a call can change, or move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Where the sequencer is between locking and leaving.
    Status,
    /// The stake that is locked.
    Stake,
    /// The rewards that are neither claimed nor relocked.
    Unclaimed,
    /// What the escrow takes from the owner.
    Taken,
    /// What the escrow gives back to the owner.
    Returned,
    /// What the bridge pays to the recipient on L2.
    PaidOut,
    /// Who gets the rewards on L2.
    Recipient,
    /// Who controls the stake.
    Owner,
    /// Who signs the blocks.
    Signer,
}

impl ChangeKind {
    /// All kinds that there are.
    pub const ALL: [Self; 9] = [
        Self::Status,
        Self::Stake,
        Self::Unclaimed,
        Self::Taken,
        Self::Returned,
        Self::PaidOut,
        Self::Recipient,
        Self::Owner,
        Self::Signer,
    ];

    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Stake => "stake",
            Self::Unclaimed => "unclaimed",
            Self::Taken => "taken",
            Self::Returned => "returned",
            Self::PaidOut => "paid_out",
            Self::Recipient => "recipient",
            Self::Owner => "owner",
            Self::Signer => "signer",
        }
    }

    /// What it is, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Stake => "stake",
            Self::Unclaimed => "unclaimed rewards",
            Self::Taken => "taken from the owner",
            Self::Returned => "returned to the owner",
            Self::PaidOut => "paid to the recipient on L2",
            Self::Recipient => "recipient on L2",
            Self::Owner => "owner",
            Self::Signer => "signer",
        }
    }
}

/// What comes of a call.
pub(super) struct Outcome {
    pub(super) summary: String,
    pub(super) changes: Vec<CallChange>,
    pub(super) stake_free_at: Option<UnixTime>,
}

fn change(kind: ChangeKind, before: Option<CallValue>, after: CallValue) -> CallChange {
    CallChange { kind, before, after }
}

fn amount(kind: ChangeKind, before: Wei, after: Wei) -> CallChange {
    change(kind, Some(CallValue::Metis(before)), CallValue::Metis(after))
}

/// An amount that moves, and is not there before.
fn moved(kind: ChangeKind, amount: Wei) -> CallChange {
    change(kind, None, CallValue::Metis(amount))
}

fn addressed(kind: ChangeKind, before: Address, after: Address) -> CallChange {
    change(
        kind,
        Some(before).filter(|before| !before.is_zero()).map(CallValue::Address),
        CallValue::Address(after),
    )
}

/// What comes of the call right after the log's last L1 block: nothing, with the reason, if a condition fails.
pub(super) fn outcome(case: &Case<'_>, conditions: &[Condition]) -> Result<Outcome, ClaimsError> {
    let (summary, changes) = if_taken(case)?;
    let is_active = case.state.is_some_and(|state| state.status == Status::Active);
    let is_refused = conditions.iter().any(|condition| condition.verdict == Verdict::Fails);
    let stake_free_at = match (case.action, case.state) {
        (MemberAction::Unlock { .. }, Some(_)) if is_active && !is_refused => {
            case.basis.head.timestamp.0.checked_add(case.basis.pool.exit_delay_secs).map(UnixTime)
        }
        (_, Some(state)) if state.status == Status::Inactive => Some(state.unlock_claim_time),
        _ => None,
    };
    if is_refused {
        let summary = if summary.starts_with("Nothing:") { summary } else { refused(&summary, conditions) };
        return Ok(Outcome { summary, changes: Vec::new(), stake_free_at });
    }
    let summary = match (case.action, stake_free_at) {
        (MemberAction::Unlock { .. }, Some(at)) => {
            format!("{summary} The stake can be taken out from {} on, at the earliest.", time(at))
        }
        _ => summary,
    };
    Ok(Outcome { summary, changes, stake_free_at })
}

/// What a call does that the contract refuses now, and why.
fn refused(if_taken: &str, conditions: &[Condition]) -> String {
    if let Some(from) = possible_from(conditions) {
        let mut rest = if_taken.chars();
        let first = rest.next().map(|first| first.to_ascii_lowercase());
        let later: String = first.into_iter().chain(rest).collect();
        return format!("Nothing before {}; from then on it {later}", time(from));
    }
    let failing = conditions.iter().filter(|condition| condition.verdict == Verdict::Fails);
    let reasons = failing.map(|condition| match (condition.kind, &condition.found) {
        (ConditionKind::RecipientIsSet, _) => "it needs a recipient first".to_owned(),
        (kind, Some(found)) => format!("it takes that {} (found: {})", kind.text(), found.shown()),
        (kind, None) => format!("it takes that {}", kind.text()),
    });
    format!("Nothing: the contract refuses it. {}.", sentence(&reasons.collect::<Vec<_>>().join("; ")))
}

/// A text that begins with a capital letter.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect()
}

/// What comes of the call, if the contract takes it.
fn if_taken(case: &Case<'_>) -> Result<(String, Vec<CallChange>), ClaimsError> {
    let id = case.id;
    Ok(match (case.action, case.state) {
        (MemberAction::Join { owner, signer, amount, recipient, .. }, _) => {
            let mut changes = vec![
                moved(ChangeKind::Taken, *amount),
                change(ChangeKind::Status, None, CallValue::Status(Status::Active)),
                change(ChangeKind::Stake, None, CallValue::Metis(*amount)),
                change(ChangeKind::Owner, None, CallValue::Address(*owner)),
                change(ChangeKind::Signer, None, CallValue::Address(*signer)),
            ];
            changes.extend(recipient.map(|to| change(ChangeKind::Recipient, None, CallValue::Address(to))));
            let named = match recipient {
                Some(to) => format!("its rewards go to {} on L2", address(*to)),
                None => "nobody is named yet who gets its rewards".into(),
            };
            let stake = exact_metis(*amount);
            (
                format!("Locks {stake} METIS of the owner as the stake of a new sequencer, {id}; {named}."),
                changes,
            )
        }
        (action, Some(state)) => of_sequencer(action, state)
            .map_err(ClaimsError::amount(format!("what the call makes of sequencer {id}")))?,
        // Every other action names a sequencer, which was found before.
        (_, None) => (String::new(), Vec::new()),
    })
}

/// What the action makes of a sequencer that there is.
fn of_sequencer(
    action: &MemberAction,
    state: &SequencerState,
) -> Result<(String, Vec<CallChange>), AmountError> {
    let reward = exact_metis(state.reward);
    let to = || address(state.reward_recipient);
    Ok(match action {
        MemberAction::Increase { amount, with_rewards, .. } => increase(state, *amount, *with_rewards)?,
        MemberAction::Withdraw { amount: taken, .. } => {
            let Ok(left) = state.amount.checked_sub(*taken) else {
                let (asked, held) = (exact_metis(*taken), exact_metis(state.amount));
                return Ok((format!("Nothing: {asked} METIS are asked for, and {held} are locked."), vec![]));
            };
            let summary = format!(
                "Returns {} METIS of the stake to the owner on L1; {} METIS stay locked.",
                exact_metis(*taken),
                exact_metis(left)
            );
            (
                summary,
                vec![moved(ChangeKind::Returned, *taken), amount(ChangeKind::Stake, state.amount, left)],
            )
        }
        MemberAction::Claim { .. } if state.reward.is_zero() => {
            ("Nothing: there are no unclaimed rewards.".into(), vec![])
        }
        MemberAction::Claim { .. } => {
            let summary = format!(
                "Pays {reward} METIS, all of the unclaimed rewards, to {} on L2 through the bridge.",
                to()
            );
            (summary, paid_out(state).into())
        }
        MemberAction::Unlock { .. } => {
            let summary = format!(
                "Pays {reward} METIS, all of the unclaimed rewards, to {} on L2, and begins the exit: the sequencer \
                 is inactive from then on.",
                to()
            );
            let status = amount_of_status(state.status, Status::Inactive);
            (summary, [&paid_out(state)[..], &[status]].concat())
        }
        MemberAction::Finish { .. } => {
            let summary = format!(
                "Returns the stake of {} METIS to the owner on L1, and pays {reward} METIS, credited since the exit \
                 began, to {} on L2: the sequencer is gone then.",
                exact_metis(state.amount),
                to()
            );
            let changes = [
                moved(ChangeKind::Returned, state.amount),
                amount(ChangeKind::Stake, state.amount, Wei::ZERO),
                amount_of_status(state.status, Status::Unlocked),
            ];
            (summary, [&paid_out(state)[..], &changes].concat())
        }
        MemberAction::Recipient { recipient, .. } => {
            let summary = format!(
                "Names {} as who gets the rewards on L2, those that are unclaimed now ({reward} METIS) included.",
                address(*recipient)
            );
            (summary, vec![addressed(ChangeKind::Recipient, state.reward_recipient, *recipient)])
        }
        MemberAction::Owner { owner, .. } => {
            let summary = format!(
                "Hands the sequencer over to {}, with its stake of {} METIS: the owner before can do nothing with it \
                 any more.",
                address(*owner),
                exact_metis(state.amount)
            );
            (summary, vec![addressed(ChangeKind::Owner, state.owner, *owner)])
        }
        MemberAction::Signer { pubkey, .. } => match signer_of(pubkey) {
            Some(signer) => {
                let (from, to) = (address(state.signer), address(signer));
                let summary = format!("Replaces the signer {from} for ever by {to}.");
                (summary, vec![addressed(ChangeKind::Signer, state.signer, signer)])
            }
            None => ("Nothing: that is no public key.".into(), vec![]),
        },
        // It names no sequencer that there is.
        MemberAction::Join { .. } => (String::new(), vec![]),
    })
}

/// Raises the stake by METIS of the owner, and by the unclaimed rewards if they are to be moved.
fn increase(
    state: &SequencerState,
    added: Wei,
    with_rewards: bool,
) -> Result<(String, Vec<CallChange>), AmountError> {
    let rewards = if with_rewards { state.reward } else { Wei::ZERO };
    let Ok(raised) = added.checked_add(rewards).and_then(|more| state.amount.checked_add(more)) else {
        return Ok(("Nothing: the stake would not fit into 256 bits.".into(), vec![]));
    };
    let moved_rewards = if with_rewards {
        format!(", and {} METIS, all of its unclaimed rewards,", exact_metis(state.reward))
    } else {
        String::new()
    };
    let summary = format!(
        "Moves {} METIS of the owner{moved_rewards} into the stake, which is {} METIS then.",
        exact_metis(added),
        exact_metis(raised)
    );
    let mut changes = vec![moved(ChangeKind::Taken, added), amount(ChangeKind::Stake, state.amount, raised)];
    if with_rewards {
        changes.push(amount(ChangeKind::Unclaimed, state.reward, state.reward.checked_sub(rewards)?));
    }
    Ok((summary, changes))
}

fn amount_of_status(before: Status, after: Status) -> CallChange {
    change(ChangeKind::Status, Some(CallValue::Status(before)), CallValue::Status(after))
}

/// The unclaimed rewards, as they are paid out.
fn paid_out(state: &SequencerState) -> [CallChange; 2] {
    [moved(ChangeKind::PaidOut, state.reward), amount(ChangeKind::Unclaimed, state.reward, Wei::ZERO)]
}
