//! The facts of the feed.

use super::{AddressJson, Amount, At, HashJson, PolicyId, RateJson};
use serde::Serialize;
use utoipa::ToSchema;

/// A part of the feed.
#[derive(ToSchema)]
#[allow(
    dead_code,
    reason = "only its schema is used: the answer is put together from facts that are text already"
)]
pub(crate) struct FeedAnswer {
    at: At,
    /// The cursor to go on with: that of the last of these facts, or the one that was given.
    #[schema(pattern = "^[0-9]+(-[0-9a-f]{16})?$", example = "298-54e1a3f0c2b49d77")]
    cursor: String,
    /// Whether there are no more facts yet.
    is_end: bool,
    /// In order of their sequence numbers.
    facts: Vec<NumberedFact>,
}

/// A fact and its place in the feed.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) struct NumberedFact {
    /// Its place in the feed: each is greater than the one before.
    sequence: u64,
    /// The same, with a digest of what holds up to it: to go on after it, or nowhere, if another feed was read.
    #[schema(pattern = "^[0-9]+-[0-9a-f]{16}$", example = "298-54e1a3f0c2b49d77")]
    cursor: String,
    #[schema(inline)]
    #[serde(flatten)]
    fact: Fact,
}

/// Something that is settled.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Fact {
    /// The same for ever, whatever server says it.
    pub(crate) id: String,
    /// When it came about: the L1 block's timestamp, or the end of the epoch; `null` for a rollback.
    pub(crate) time: Option<u64>,
    /// The L1 block of the event; `null` for what no event says.
    pub(crate) l1_block: Option<u64>,
    /// Its transaction.
    pub(crate) transaction: Option<HashJson>,
    /// Its index among the block's logs.
    pub(crate) log_index: Option<u64>,
    #[serde(flatten)]
    pub(crate) kind: FactKind,
}

/// What happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum FactKind {
    /// An epoch of the policy is over, and all its blocks are folded and final.
    EpochClosed {
        policy: PolicyId,
        epoch: u64,
        /// When it began.
        start: u64,
        /// When it was over: the first second of the next.
        end: u64,
        /// Where its rate comes from.
        rate: RateJson,
        /// All rewarded blocks.
        blocks: u64,
        /// What they earned.
        reward_wei: Amount,
        /// The digest of the epoch in the ledger.
        digest: HashJson,
        /// Its sequencers that earned, by id.
        rows: Vec<EpochRow>,
    },
    /// A batch was paid: the contract credited rewards.
    BatchCredited {
        batch: u64,
        start_span: u64,
        end_span: u64,
        reward_per_block_wei: Amount,
        /// What the event says it paid.
        amount_wei: Amount,
        /// Who was credited, by sequencer.
        rows: Vec<BatchRow>,
    },
    /// A new sequencer locked its stake.
    Locked { sequencer: u64, signer: AddressJson, stake_wei: Amount },
    /// A stake was raised.
    Relocked {
        sequencer: u64,
        amount_wei: Amount,
        /// What of it came from unclaimed rewards.
        from_reward_wei: Amount,
        /// The stake after it.
        stake_wei: Amount,
        /// What is unclaimed after it.
        unclaimed_wei: Amount,
    },
    /// A stake was lowered.
    Withdrawn {
        sequencer: u64,
        amount_wei: Amount,
        /// The stake after it.
        stake_wei: Amount,
    },
    /// Rewards were paid out to L2.
    Claimed {
        sequencer: u64,
        recipient: AddressJson,
        amount_wei: Amount,
        /// What is unclaimed after it.
        unclaimed_wei: Amount,
    },
    /// A sequencer began its exit: from here on it earns nothing.
    UnlockStarted {
        sequencer: u64,
        /// From when on the stake can be taken out.
        stake_free_at: u64,
        stake_wei: Amount,
    },
    /// A sequencer took its stake out and is gone.
    Unlocked { sequencer: u64, amount_wei: Amount },
    /// The contract's reward per block was set.
    RateChanged {
        reward_per_block_wei: Amount,
        /// What it was.
        before_wei: Amount,
    },
    /// A sequencer signs with another key.
    SignerChanged { sequencer: u64, signer: AddressJson, before: AddressJson },
    /// A sequencer has another owner.
    OwnerChanged { sequencer: u64, owner: AddressJson },
    /// A sequencer's rewards go elsewhere; `null` for nowhere yet.
    RecipientChanged { sequencer: u64, recipient: Option<AddressJson> },
    /// The pool was paused: nothing can be claimed.
    Paused,
    /// The pool goes on.
    Unpaused,
    /// Facts that were told before are void: those after `to_sequence` and before this one. What holds instead follows.
    Rollback { to_sequence: u64 },
}

impl FactKind {
    /// The word for it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::EpochClosed { .. } => "epoch_closed",
            Self::BatchCredited { .. } => "batch_credited",
            Self::Locked { .. } => "locked",
            Self::Relocked { .. } => "relocked",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Claimed { .. } => "claimed",
            Self::UnlockStarted { .. } => "unlock_started",
            Self::Unlocked { .. } => "unlocked",
            Self::RateChanged { .. } => "rate_changed",
            Self::SignerChanged { .. } => "signer_changed",
            Self::OwnerChanged { .. } => "owner_changed",
            Self::RecipientChanged { .. } => "recipient_changed",
            Self::Paused => "paused",
            Self::Unpaused => "unpaused",
            Self::Rollback { .. } => "rollback",
        }
    }
}

/// A sequencer in an epoch that is over.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EpochRow {
    pub(crate) sequencer: u64,
    /// Its rewarded blocks.
    pub(crate) blocks: u64,
    /// What they earned.
    pub(crate) reward_wei: Amount,
    /// What it has earned in this epoch and all before it.
    pub(crate) cumulative_wei: Amount,
}

/// A sequencer that a batch credited.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BatchRow {
    pub(crate) sequencer: u64,
    pub(crate) blocks: u64,
    pub(crate) reward_wei: Amount,
    /// What is unclaimed after it.
    pub(crate) unclaimed_wei: Amount,
}
