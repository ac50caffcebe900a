//! What the contract asks of a call before it takes it.

use super::value::CallValue;
use alloy_primitives::{Address, Bytes};
use tally_engine::{UnixTime, Wei};

/// A condition of the contract, with whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which condition of the contract it is.
    pub kind: ConditionKind,
    /// Whether it holds after the log's last L1 block.
    pub verdict: Verdict,
    /// What is asked for: the least, the most or the very value.
    pub wanted: Option<CallValue>,
    /// The value that is there by the log.
    pub found: Option<CallValue>,
    /// Of one that fails now: from when on it holds, if time alone makes it hold.
    pub holds_from: Option<UnixTime>,
    /// Of one that is unknown: what to ask a node; `None` until the ETH that goes along is known, without which the answer
    /// would tell nothing.
    pub question: Option<Question>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The condition holds by the log.
    Holds,
    /// It does not hold: the contract would refuse the call.
    Fails,
    /// A log cannot know.
    Unknown,
}

impl Verdict {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Unknown => "unknown",
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// Defines the conditions, each with its word for programs and its sentence for people.
macro_rules! conditions {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// A condition of the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ConditionKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ConditionKind {
            /// All conditions that there are.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// A word for programs.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// What has to be so, in a sentence for people.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

conditions! {
    /// The sequencer's owner sends the call.
    SenderIsOwner = "sender_is_owner", "the sequencer's owner sends it";
    /// The sequencer's signer sends the call.
    SenderIsSigner = "sender_is_signer", "the sequencer's present signer sends it";
    /// The sender is on the contract's white list.
    OnWhiteList = "on_white_list", "the owner is on the white list";
    /// The pool is not paused.
    NotPaused = "not_paused", "the pool is not paused";
    /// The sequencer is active.
    Active = "active", "the sequencer is active";
    /// The sequencer has begun its exit, and has not ended it.
    Leaving = "leaving", "the sequencer has begun its exit";
    /// The delay of the exit is over.
    ExitDelayOver = "exit_delay_over", "the exit delay is over";
    /// Somebody is named who gets the rewards.
    RecipientIsSet = "recipient_is_set", "a recipient is set";
    /// The new recipient is an address.
    RecipientNotZero = "recipient_not_zero", "the new recipient is not the zero address";
    /// There is an amount.
    AmountNotZero = "amount_not_zero", "the amount is more than 0";
    /// The stake is the least that may be locked, or more.
    StakeAtLeastMin = "stake_at_least_min", "the stake is minLock at least";
    /// The stake is the greatest that may be locked, or less.
    StakeAtMostMax = "stake_at_most_max", "the stake is maxLock at most";
    /// A batch was paid since the last change of the stake or the signer.
    LaterBatch = "later_batch", "a batch was paid since the last withdrawal, change of signer or lock-up";
    /// Enough batches were paid since the last change of the stake or the signer.
    SignerThrottle = "signer_throttle", "enough batches were paid since the last such change";
    /// The owner has no sequencer yet.
    OwnerIsFree = "owner_is_free", "the owner has no sequencer";
    /// The new owner is on the contract's white list.
    NewOwnerOnWhiteList = "new_owner_on_white_list", "the new owner is on the white list";
    /// The new owner has no sequencer yet.
    NewOwnerIsFree = "new_owner_is_free", "the new owner has no sequencer";
    /// No sequencer ever had the signer.
    SignerIsNew = "signer_is_new", "the signer was never one";
    /// The public key has the length of one.
    KeyLength = "key_length", "the public key has 64 bytes, without the leading 04";
    /// The public key is the signer's.
    KeyIsOfSigner = "key_is_of_signer", "the public key is the signer's";
    /// The owner has the METIS.
    MetisBalance = "metis_balance", "the owner has the METIS";
    /// The escrow may take the METIS.
    MetisAllowance = "metis_allowance", "METIS is approved to LockingInfo (not to LockingPool)";
    /// The ETH that goes along is what the bridge to L2 takes.
    BridgeEth = "bridge_eth", "the ETH that goes along is enough for the bridge to L2";
    /// What the deployed contract asks for beyond its published source.
    UnpublishedCheck = "unpublished_check", "the deployed contract's own check of unlocks passes";
}

/// What to ask a node, whose answer decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What to ask for, and which answer is the good one, in a sentence.
    pub text: &'static str,
    /// The chain whose node knows.
    pub chain_id: u64,
    /// The method of JSON-RPC: `eth_call`, `eth_getCode` or `eth_getTransactionCount`.
    pub method: &'static str,
    /// Who calls, where that matters.
    pub from: Option<Address>,
    /// The contract or account that is asked about.
    pub to: Address,
    /// The input of the call, if it is one.
    pub data: Option<Bytes>,
    /// The ETH that goes along, in wei, if it is known.
    pub value: Option<Wei>,
}
