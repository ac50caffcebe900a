//! What a sender should know before.

use super::action::MemberAction;
use super::condition::Question;
use super::outcome::{CallChange, ChangeKind};
use super::value::CallValue;
use super::{Case, MemberBasis};
use alloy_primitives::Address;
use tally_engine::{Policy, Wei};
use tally_text::{address, exact_metis};

/// Something that the sender of a call should know before, and that no condition of the contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallWarning {
    /// What it is about.
    pub kind: WarningKind,
    /// What to know, in a sentence.
    pub text: String,
    /// What to ask a node, where that decides.
    pub question: Option<Question>,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarningKind {
    /// The recipient may be a wrong address, or a contract.
    CheckRecipient,
    /// Rewards were never paid to the recipient.
    NewRecipient,
    /// Nobody is named who gets the rewards.
    NoRecipient,
    /// There are no rewards to claim.
    NothingUnclaimed,
    /// A part of the stake earns nothing.
    StakeAboveCap,
    /// The amounts grow with each batch.
    AmountsGrow,
    /// The way out is for good.
    LeavesForGood,
    /// Nothing of the kind can be done before the next batch.
    WaitsForBatch,
    /// A replaced signer keeps spans from being paid.
    ReplacedSigner,
}

impl WarningKind {
    /// All kinds that there are.
    pub const ALL: [Self; 9] = [
        Self::CheckRecipient,
        Self::NewRecipient,
        Self::NoRecipient,
        Self::NothingUnclaimed,
        Self::StakeAboveCap,
        Self::AmountsGrow,
        Self::LeavesForGood,
        Self::WaitsForBatch,
        Self::ReplacedSigner,
    ];

    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CheckRecipient => "check_recipient",
            Self::NewRecipient => "new_recipient",
            Self::NoRecipient => "no_recipient",
            Self::NothingUnclaimed => "nothing_unclaimed",
            Self::StakeAboveCap => "stake_above_cap",
            Self::AmountsGrow => "amounts_grow",
            Self::LeavesForGood => "leaves_for_good",
            Self::WaitsForBatch => "waits_for_batch",
            Self::ReplacedSigner => "replaced_signer",
        }
    }
}

fn warning(kind: WarningKind, text: impl Into<String>) -> CallWarning {
    CallWarning { kind, text: text.into(), question: None }
}

/// What to know before the call is sent.
pub(super) fn warnings(case: &Case<'_>, changes: &[CallChange]) -> Vec<CallWarning> {
    let mut found = Vec::new();
    let present = case.state.map(|state| state.reward_recipient).filter(|recipient| !recipient.is_zero());
    let recipient = match case.action {
        MemberAction::Join { recipient, .. } => *recipient,
        MemberAction::Recipient { recipient, .. } => Some(*recipient),
        MemberAction::Claim { .. } | MemberAction::Unlock { .. } | MemberAction::Finish { .. } => present,
        MemberAction::Increase { .. }
        | MemberAction::Withdraw { .. }
        | MemberAction::Owner { .. }
        | MemberAction::Signer { .. } => None,
    };
    found.extend(recipient.into_iter().flat_map(|recipient| of_recipient(case.basis, recipient)));
    found.extend(above_cap(changes));
    let grows = "a batch that is paid before the call is credited, too: the amounts are those after the log's last L1 \
                 block";
    match case.action {
        MemberAction::Join { recipient: None, .. } => {
            found.push(warning(
                WarningKind::NoRecipient,
                "until a recipient is set, rewards can be claimed by nobody, and the sequencer cannot leave",
            ));
        }
        MemberAction::Claim { .. } if case.state.is_some_and(|state| state.reward.is_zero()) => {
            found.push(warning(
                WarningKind::NothingUnclaimed,
                "there is nothing to claim: the call would do nothing, and cost gas",
            ));
        }
        MemberAction::Claim { .. } | MemberAction::Increase { with_rewards: true, .. } => {
            found.push(warning(WarningKind::AmountsGrow, grows));
        }
        MemberAction::Unlock { .. } => {
            found.push(warning(
                WarningKind::LeavesForGood,
                "nothing takes an exit back: by the rules of the guide the sequencer earns nothing from then on, and its \
                 id and signer can never be used again; what batches still credit is paid with the call that ends it",
            ));
            found.push(warning(WarningKind::AmountsGrow, grows));
        }
        MemberAction::Withdraw { .. } => {
            found.push(warning(
                WarningKind::WaitsForBatch,
                "after it neither a withdrawal nor a change of signer is taken before the next batch",
            ));
        }
        MemberAction::Signer { .. } => {
            found.push(warning(
                WarningKind::ReplacedSigner,
                "spans that name the old signer and are not paid yet can no longer be paid by the published check of \
                 Themis: wait until they are paid",
            ));
        }
        MemberAction::Join { .. }
        | MemberAction::Increase { .. }
        | MemberAction::Finish { .. }
        | MemberAction::Recipient { .. }
        | MemberAction::Owner { .. } => {}
    }
    found
}

/// A wrong recipient loses the rewards, and nothing on L1 can tell.
fn of_recipient(basis: &MemberBasis, recipient: Address) -> Vec<CallWarning> {
    let shown = address(recipient);
    let mut found = vec![CallWarning {
        kind: WarningKind::CheckRecipient,
        text: format!(
            "rewards that go to a wrong address, or to a contract that cannot move them, are lost: {shown} is an address on \
             L2, whatever it is on L1"
        ),
        question: Some(of_l2(basis, recipient)),
    }];
    if !basis.paid_recipients.contains(&recipient) {
        found.push(CallWarning {
            kind: WarningKind::NewRecipient,
            text: format!("the pool never paid rewards to {shown} so far: compare it letter by letter"),
            question: Some(Question {
                text: "ask L2 how many transactions the recipient has sent: with none (0x0) nobody has shown there that \
                       they hold its key",
                method: "eth_getTransactionCount",
                ..of_l2(basis, recipient)
            }),
        });
    }
    found
}

/// Whether the recipient is a contract.
fn of_l2(basis: &MemberBasis, recipient: Address) -> Question {
    Question {
        text: "ask L2 for the code of the recipient: an account has none (0x)",
        chain_id: basis.identity.l2_chain_id,
        method: "eth_getCode",
        from: None,
        to: recipient,
        data: None,
        value: None,
    }
}

/// What of the stake after the call earns nothing, by the cap of the guide.
fn above_cap(changes: &[CallChange]) -> Option<CallWarning> {
    let cap = Policy::built_in("guide")?.cap();
    let stake = changes.iter().find(|change| change.kind == ChangeKind::Stake)?;
    let CallValue::Metis(after) = stake.after else { return None };
    let above = after.checked_sub(cap).ok().filter(|above: &Wei| !above.is_zero())?;
    let (above, cap) = (exact_metis(above), exact_metis(cap));
    let text = format!("{above} METIS of the stake earn nothing more: only {cap} METIS count");
    Some(warning(WarningKind::StakeAboveCap, text))
}
