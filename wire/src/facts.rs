//! The facts of the feed: what is settled, in order.

use crate::shape::list;
use crate::{Address, Amount, At, Hash, Policy, Rate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

shapes! {
    /// A reader of a stream has everything that there is by now.
    pub struct CaughtUp {
        /// How far that is: the cursor of the last fact that was looked at, whether it was told to this reader or not.
        #[schema(pattern = "^(0|[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?)$", example = "298-54e1a3f0c2b49d77")]
        cursor: String,
        /// The state that it is of.
        at: At,
    }

    /// There is a new state, of which answers are from now on.
    pub struct Changed {
        /// The state that is told.
        at: At,
    }

    /// A page of the feed of a policy.
    pub struct FeedAnswer {
        /// The state that the answer is of.
        at: At,
        /// The cursor to go on with: that of the last fact that was looked at for the page, whether `types` or `sequencer` let
        /// it through or not, or the one that was given.
        #[schema(pattern = "^(0|[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?)$", example = "298-54e1a3f0c2b49d77")]
        cursor: String,
        /// Whether there are no more facts yet.
        is_end: bool,
        /// The facts, in the order of their sequence numbers.
        facts: Vec<NumberedFact>,
    }

    /// A fact and its place in the feed.
    pub struct NumberedFact {
        /// Its place in the feed: each is greater than the one before.
        sequence: u64,
        /// How many facts hold up to it, with a digest of them: to go on after it, here or at another server with the same
        /// history. A rollback has a digest of its own besides.
        #[schema(pattern = "^[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?$", example = "298-54e1a3f0c2b49d77")]
        cursor: String,
        /// The fields of the fact itself.
        #[schema(inline)]
        #[serde(flatten)]
        fact: Fact,
    }

    /// A fact: something that is settled.
    pub struct Fact {
        /// The same for ever, whatever server says it.
        id: String,
        /// When it came about, in Unix seconds: the timestamp of the L1 block, or the end of the epoch; `null` for a rollback.
        time: Option<u64>,
        /// The number of the event's L1 block; of a distribution, that of the last event that counts; `null` for what no event
        /// says.
        l1_block: Option<u64>,
        /// The hash of the event's L1 transaction; `null` for what no event says.
        transaction: Option<Hash>,
        /// The index of the event among the logs of its block; `null` for what no event says.
        log_index: Option<u64>,
        /// What happened, with the word for it in `type`.
        #[serde(flatten)]
        kind: FactKind,
    }

    /// A sequencer in an epoch that is over, with what it has earned since the beginning.
    pub struct ClosedRow from
        (row, cumulative): (&tally_engine::Row, tally_engine::Wei)
    {
        /// The id of the sequencer.
        sequencer: u64 = row.sequencer.0,
        /// How many of its blocks were rewarded in the epoch.
        blocks: u64 = row.earned.blocks,
        /// What these blocks earned, in wei.
        reward_wei: Amount = row.earned.reward.into(),
        /// What it has earned in this epoch and all before it, in wei.
        cumulative_wei: Amount = cumulative.into(),
    }

    /// A sequencer that a batch credited.
    pub struct CreditedRow {
        /// The id of the sequencer.
        sequencer: u64,
        /// How many blocks it was credited with.
        blocks: u64,
        /// What these blocks earned, in wei.
        reward_wei: Amount,
        /// The unclaimed rewards after it, in wei.
        unclaimed_wei: Amount,
    }
}

/// What happened, with what the fact says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FactKind {
    /// An epoch of the policy is over, and all its blocks are folded and final.
    EpochClosed {
        /// The policy by which rewards are computed.
        policy: Policy,
        /// The number of the epoch, from 0.
        epoch: u64,
        /// When the epoch began, in Unix seconds.
        start: u64,
        /// When the epoch was over, in Unix seconds: the first second of the next.
        end: u64,
        /// What sets the reward of the epoch's blocks.
        rate: Rate,
        /// How many blocks of the epoch were rewarded.
        blocks: u64,
        /// What these blocks earned, in wei.
        reward_wei: Amount,
        /// The digest of the epoch in the ledger.
        digest: Hash,
        /// The sequencers that earned in it, by id.
        rows: Vec<ClosedRow>,
    },
    /// The distribution of the epoch that was closed right before is frozen: its root can be published.
    DistributionReady {
        /// The number of the last epoch that counts.
        epoch: u64,
        /// The root of the tree.
        root: Hash,
        /// What all leaves have together since the beginning, claimed or not, in wei.
        leaves_wei: Amount,
        /// What is withheld from sequencers without a recipient together, in wei.
        withheld_wei: Amount,
    },
    /// A batch was paid: the contract credited rewards.
    BatchCredited {
        /// The number of the batch.
        batch: u64,
        /// The first span of the batch.
        start_span: u64,
        /// The last span of the batch.
        end_span: u64,
        /// What each block earned, in wei.
        reward_per_block_wei: Amount,
        /// What the event says it paid, in wei.
        amount_wei: Amount,
        /// The sequencers that were credited, by id.
        rows: Vec<CreditedRow>,
    },
    /// A new sequencer locked its stake.
    Locked {
        /// The id of the sequencer.
        sequencer: u64,
        /// The address that signs its blocks.
        signer: Address,
        /// The stake of the sequencer after the event, in wei.
        stake_wei: Amount,
    },
    /// The stake of a sequencer was raised.
    Relocked {
        /// The id of the sequencer.
        sequencer: u64,
        /// How much it was raised by, in wei.
        amount_wei: Amount,
        /// What of that came from unclaimed rewards, in wei.
        from_reward_wei: Amount,
        /// The stake after it, in wei.
        stake_wei: Amount,
        /// The unclaimed rewards after it, in wei.
        unclaimed_wei: Amount,
    },
    /// The stake of a sequencer was lowered.
    Withdrawn {
        /// The id of the sequencer.
        sequencer: u64,
        /// How much it was lowered by, in wei.
        amount_wei: Amount,
        /// The stake after it, in wei.
        stake_wei: Amount,
    },
    /// Rewards were paid out to L2.
    Claimed {
        /// The id of the sequencer.
        sequencer: u64,
        /// The address on L2 that got them.
        recipient: Address,
        /// How much was paid out, in wei.
        amount_wei: Amount,
        /// The unclaimed rewards after it, in wei.
        unclaimed_wei: Amount,
    },
    /// A sequencer began its exit: from here on it earns nothing.
    UnlockStarted {
        /// The id of the sequencer.
        sequencer: u64,
        /// From when on the stake can be taken out, in Unix seconds.
        stake_free_at: u64,
        /// The stake of the sequencer after the event, in wei.
        stake_wei: Amount,
    },
    /// A sequencer took its stake out and is gone.
    Unlocked {
        /// The id of the sequencer.
        sequencer: u64,
        /// How much it took out, in wei.
        amount_wei: Amount,
    },
    /// The contract's reward per block was set.
    RateChanged {
        /// The reward per block from then on, in wei.
        reward_per_block_wei: Amount,
        /// The reward per block before it, in wei.
        before_wei: Amount,
    },
    /// A sequencer signs with another key.
    SignerChanged {
        /// The id of the sequencer.
        sequencer: u64,
        /// The address that signs its blocks from then on.
        signer: Address,
        /// The address that signed its blocks before.
        before: Address,
    },
    /// A sequencer has another owner.
    OwnerChanged {
        /// The id of the sequencer.
        sequencer: u64,
        /// The address that controls its stake from then on.
        owner: Address,
    },
    /// The rewards of a sequencer go to another address.
    RecipientChanged {
        /// The id of the sequencer.
        sequencer: u64,
        /// The address on L2 that gets its rewards from then on; `null` for none.
        recipient: Option<Address>,
    },
    /// The pool was paused: nothing can be claimed.
    Paused,
    /// The pool goes on after a pause.
    Unpaused,
    /// Facts that were told before are void: those after `to_sequence` and before this one. What holds instead follows.
    Rollback {
        /// The sequence number of the last fact that still holds.
        to_sequence: u64,
    },
}

impl FactKind {
    /// All words for kinds of facts.
    pub const NAMES: [&'static str; 16] = [
        "epoch_closed",
        "distribution_ready",
        "batch_credited",
        "locked",
        "relocked",
        "withdrawn",
        "claimed",
        "unlock_started",
        "unlocked",
        "rate_changed",
        "signer_changed",
        "owner_changed",
        "recipient_changed",
        "paused",
        "unpaused",
        "rollback",
    ];

    /// The sequencers that it is about; `None` if it is about all of them.
    pub fn sequencers(&self) -> Option<Vec<u64>> {
        Some(match self {
            Self::EpochClosed { rows, .. } => list(rows, |row| row.sequencer),
            Self::BatchCredited { rows, .. } => list(rows, |row| row.sequencer),
            Self::Locked { sequencer, .. }
            | Self::Relocked { sequencer, .. }
            | Self::Withdrawn { sequencer, .. }
            | Self::Claimed { sequencer, .. }
            | Self::UnlockStarted { sequencer, .. }
            | Self::Unlocked { sequencer, .. }
            | Self::SignerChanged { sequencer, .. }
            | Self::OwnerChanged { sequencer, .. }
            | Self::RecipientChanged { sequencer, .. } => vec![*sequencer],
            Self::DistributionReady { .. }
            | Self::RateChanged { .. }
            | Self::Paused
            | Self::Unpaused
            | Self::Rollback { .. } => return None,
        })
    }

    /// The word for it, which is its `type` in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EpochClosed { .. } => "epoch_closed",
            Self::DistributionReady { .. } => "distribution_ready",
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
