//! What happened on the chains, decoded. Variants and fields keep the contracts' words, except that
//! the chain's "epoch" is a *span* here.

use crate::ids::{BatchId, L1Block, L2Block, SequencerId, SpanId, UnixTime};
use crate::money::Wei;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes};

/// One event of the pool on L1, with its place and with what the event alone does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Record {
    /// The block it is in.
    pub block: L1Block,
    /// The hash of that block.
    pub block_hash: B256,
    /// That block's timestamp: the event holds for every L2 block at or after it.
    pub timestamp: UnixTime,
    /// The transaction that emitted it.
    pub transaction_hash: B256,
    /// Its index among the block's logs.
    pub log_index: u64,
    /// The event, with what ingest added to it.
    pub event: PoolEvent,
}

/// An entry of a `batchSubmitRewards` call: `blocks` blocks credited to `signer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// The signer as called.
    pub signer: Address,
    /// How many blocks it is paid for; may be 0.
    pub blocks: u64,
}

/// The events of `LockingInfo` (the escrow) and `LockingPool` (the manager), and of the METIS token where they
/// concern the escrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// A new sequencer locked its stake.
    Locked {
        /// Who signs its L2 blocks.
        signer: Address,
        /// The id that the contract gave it.
        sequencer: SequencerId,
        /// Its operation count, 1 here.
        nonce: u64,
        /// The batch current at lock-up.
        activation_batch: BatchId,
        /// The stake that was locked.
        amount: Wei,
        /// The pool's stake after it.
        total: Wei,
        /// The signer's uncompressed public key, 64 bytes.
        signer_pubkey: Bytes,
    },
    /// A stake was raised. Always with a [`PoolEvent::LockUpdate`].
    Relocked {
        /// The sequencer whose stake was raised.
        sequencer: SequencerId,
        /// By how much, rewards included.
        amount: Wei,
        /// The pool's stake after it.
        total: Wei,
        /// What of `amount` came from unclaimed rewards. Not in the event: ingest takes it from the
        /// METIS transfer of the same transaction, or from the call.
        from_reward: Wei,
    },
    /// A stake was lowered. Always with a [`PoolEvent::LockUpdate`].
    Withdraw {
        /// The sequencer whose stake was lowered.
        sequencer: SequencerId,
        /// By how much it was lowered.
        amount: Wei,
    },
    /// A stake after it was raised or lowered.
    LockUpdate {
        /// The sequencer whose stake it is.
        sequencer: SequencerId,
        /// The sequencer's operation count after it.
        nonce: u64,
        /// Its stake from now on.
        new_amount: Wei,
    },
    /// Rewards were paid out to L2. Also emitted with amount 0.
    ClaimRewards {
        /// The sequencer whose rewards they are.
        sequencer: SequencerId,
        /// Who receives the reward on L2.
        recipient: Address,
        /// How much was paid out.
        amount: Wei,
        /// All that the pool has paid out, after it.
        total_amount: Wei,
    },
    /// A sequencer began its exit: from here on it earns nothing.
    UnlockInit {
        /// The sequencer's signer, who called.
        user: Address,
        /// The sequencer that leaves.
        sequencer: SequencerId,
        /// The sequencer's operation count after it.
        nonce: u64,
        /// The batch current at the call.
        deactivation_batch: BatchId,
        /// When the exit began.
        deactivation_time: UnixTime,
        /// When the stake can be taken out.
        unlock_claim_time: UnixTime,
        /// The *reward* paid out with it, not the stake.
        amount: Wei,
    },
    /// A sequencer took its stake out and is gone.
    Unlocked {
        /// The sequencer's owner, who called.
        user: Address,
        /// The sequencer that left.
        sequencer: SequencerId,
        /// The stake given back.
        amount: Wei,
        /// The pool's stake after it.
        total: Wei,
    },
    /// A sequencer signs with another key from here on. The old one is never valid again.
    SignerChange {
        /// The sequencer that changed its signer.
        sequencer: SequencerId,
        /// The sequencer's operation count after it.
        nonce: u64,
        /// The signer until now.
        old_signer: Address,
        /// The signer from now on.
        new_signer: Address,
        /// Its uncompressed public key, 64 bytes.
        signer_pubkey: Bytes,
    },
    /// The escrow received the rewards of a batch.
    BatchSubmitReward {
        /// The batch that was submitted.
        new_batch: BatchId,
    },
    /// The least stake was set.
    SetMinLock {
        /// The least stake from now on.
        new_min_lock: Wei,
    },
    /// The greatest stake was set.
    SetMaxLock {
        /// The greatest stake from now on.
        new_max_lock: Wei,
    },
    /// Who pays the rewards was set.
    SetRewardPayer {
        /// The account that pays from now on.
        payer: Address,
    },
    /// A batch was paid.
    DistributeReward {
        /// The batch being paid.
        batch: BatchId,
        /// The first span that it pays.
        start_span: SpanId,
        /// The last span that it pays.
        end_span: SpanId,
        /// The sum of its rewards.
        amount: Wei,
        /// The reward per block in force when it was paid.
        reward_per_block: Wei,
        /// Who was credited how many blocks, in the order of the call. Not in the event: ingest takes
        /// it from the transaction's input.
        credits: Vec<Credit>,
    },
    /// The reward per block was set.
    RewardUpdate {
        /// The reward per block from now on.
        new_reward: Wei,
        /// The reward per block until now.
        old_reward: Wei,
    },
    /// The exit delay was set.
    WithrawDelayTimeChange {
        /// The exit delay from now on.
        current_secs: u64,
        /// The exit delay until now.
        previous_secs: u64,
    },
    /// Who may submit batches was set.
    UpdateMpc {
        /// The account that may submit from now on.
        new_mpc: Address,
    },
    /// How many batches must pass between two changes of a signer.
    SetSignerUpdateThrottle {
        /// How many batches from now on.
        batches: u64,
    },
    /// An owner was let in or out.
    SetWhitelist {
        /// The owner that it is about.
        user: Address,
        /// Whether it may lock from now on.
        allowed: bool,
    },
    /// A sequencer has another owner.
    SequencerOwnerChanged {
        /// The sequencer that changed hands.
        sequencer: SequencerId,
        /// Who controls its stake from now on.
        owner: Address,
    },
    /// A sequencer's rewards go elsewhere.
    SequencerRewardRecipientChanged {
        /// The sequencer whose rewards they are.
        sequencer: SequencerId,
        /// Where, zero for nowhere yet.
        recipient: Address,
    },
    /// The pool was paused.
    Paused {
        /// The account that paused it.
        account: Address,
    },
    /// The pool goes on.
    Unpaused {
        /// The account that let it go on.
        account: Address,
    },
    /// METIS moved into the escrow or out of it: an event of the token. What it was for, the other events of
    /// the transaction say; where none does, it is a gift.
    MetisTransfer {
        /// Who paid; the escrow, where it moves out.
        from: Address,
        /// Who got it; the escrow, where it moves in.
        to: Address,
        /// How much METIS moved.
        amount: Wei,
    },
}

impl PoolEvent {
    /// The contract's name of the event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "Locked",
            Self::Relocked { .. } => "Relocked",
            Self::Withdraw { .. } => "Withdraw",
            Self::LockUpdate { .. } => "LockUpdate",
            Self::ClaimRewards { .. } => "ClaimRewards",
            Self::UnlockInit { .. } => "UnlockInit",
            Self::Unlocked { .. } => "Unlocked",
            Self::SignerChange { .. } => "SignerChange",
            Self::BatchSubmitReward { .. } => "BatchSubmitReward",
            Self::SetMinLock { .. } => "SetMinLock",
            Self::SetMaxLock { .. } => "SetMaxLock",
            Self::SetRewardPayer { .. } => "SetRewardPayer",
            Self::DistributeReward { .. } => "DistributeReward",
            Self::RewardUpdate { .. } => "RewardUpdate",
            Self::WithrawDelayTimeChange { .. } => "WithrawDelayTimeChange",
            Self::UpdateMpc { .. } => "UpdateMpc",
            Self::SetSignerUpdateThrottle { .. } => "SetSignerUpdateThrottle",
            Self::SetWhitelist { .. } => "SetWhitelist",
            Self::SequencerOwnerChanged { .. } => "SequencerOwnerChanged",
            Self::SequencerRewardRecipientChanged { .. } => "SequencerRewardRecipientChanged",
            Self::Paused { .. } => "Paused",
            Self::Unpaused { .. } => "Unpaused",
            Self::MetisTransfer { .. } => "Transfer",
        }
    }
}

/// One event of `MetisSequencerSet` on L2, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanRecord {
    /// The block it is in.
    pub block: L2Block,
    /// The hash of that block.
    pub block_hash: B256,
    /// The transaction that emitted it.
    pub transaction_hash: B256,
    /// Its index among the block's logs.
    pub log_index: u64,
    /// The event, as the contract has it.
    pub event: SpanEvent,
}

/// The events of `MetisSequencerSet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanEvent {
    /// A span was announced.
    NewEpoch {
        /// The id of the span.
        span: SpanId,
        /// The first block of the span.
        start: L2Block,
        /// The last block of the span.
        end: L2Block,
        /// Who is to produce it.
        signer: Address,
    },
    /// Announced spans were changed; [`Spans`](crate::Spans) has the two cases.
    ReCommitEpoch {
        /// The span that is cut.
        old_span: SpanId,
        /// The span that follows it from now on.
        new_span: SpanId,
        /// The last span announced before.
        current_span: SpanId,
        /// The new span's first block.
        start: L2Block,
        /// The new span's last block.
        end: L2Block,
        /// Who is to produce it.
        new_signer: Address,
    },
    /// How long new spans are to be.
    EpochUpdated {
        /// How many blocks a new span has.
        new_length_blocks: u64,
    },
    /// Who may announce spans.
    MpcAddressUpdated {
        /// The account that may announce them from now on.
        new_mpc: Address,
    },
}

impl SpanEvent {
    /// The contract's name of the event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NewEpoch { .. } => "NewEpoch",
            Self::ReCommitEpoch { .. } => "ReCommitEpoch",
            Self::EpochUpdated { .. } => "EpochUpdated",
            Self::MpcAddressUpdated { .. } => "MpcAddressUpdated",
        }
    }

    /// Who is to produce the span that it announces; `None` if it announces none.
    pub const fn signer(&self) -> Option<Address> {
        match self {
            Self::NewEpoch { signer, .. } | Self::ReCommitEpoch { new_signer: signer, .. } => Some(*signer),
            Self::EpochUpdated { .. } | Self::MpcAddressUpdated { .. } => None,
        }
    }

    /// The span that it announces; `None` if it announces none.
    pub const fn span(&self) -> Option<SpanId> {
        match self {
            Self::NewEpoch { span, .. } | Self::ReCommitEpoch { new_span: span, .. } => Some(*span),
            Self::EpochUpdated { .. } | Self::MpcAddressUpdated { .. } => None,
        }
    }

    /// The first and the last block of the span that it announces; `None` if it announces none.
    pub const fn blocks(&self) -> Option<(L2Block, L2Block)> {
        match self {
            Self::NewEpoch { start, end, .. } | Self::ReCommitEpoch { start, end, .. } => {
                Some((*start, *end))
            }
            Self::EpochUpdated { .. } | Self::MpcAddressUpdated { .. } => None,
        }
    }
}
