//! The shapes in which the engine's types are stored.
//!
//! The definitions mirror the engine's types field by field (serde checks that at compile time) and
//! fix their order: **variants and fields are only ever added at the end**, with a new format version.
//! Golden tests pin the bytes of each kind, and decode them with a second implementation.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tally_engine::{
    BatchId, Credit, L1Block, L1Record, L2Block, PoolEvent, PoolGenesis, SequencerId, SpanEvent, SpanId,
    SpanRecord, UnixTime, Wei,
};

/// A module for `#[serde(with)]` that writes a value as another one.
macro_rules! as_other {
    ($module:ident, $type:ty, $other:ty, $to:expr, $from:expr) => {
        pub(crate) mod $module {
            use super::*;

            pub(crate) fn serialize<S: Serializer>(value: &$type, out: S) -> Result<S::Ok, S::Error> {
                let to: fn(&$type) -> $other = $to;
                to(value).serialize(out)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<$type, D::Error> {
                let from: fn($other) -> $type = $from;
                <$other>::deserialize(input).map(from)
            }
        }
    };
}

as_other!(address, Address, [u8; 20], |address| address.into_array(), Address::new);
as_other!(hash, B256, [u8; 32], |hash| hash.0, B256::new);
as_other!(wei, Wei, [u8; 32], |wei| wei.get().to_be_bytes(), |bytes| Wei::new(U256::from_be_bytes(bytes)));
as_other!(bytes, Bytes, Vec<u8>, |bytes| bytes.to_vec(), Bytes::from);
as_other!(sequencer, SequencerId, u64, |id| id.0, SequencerId);
as_other!(span, SpanId, u64, |id| id.0, SpanId);
as_other!(batch, BatchId, u64, |id| id.0, BatchId);
as_other!(l1_block, L1Block, u64, |block| block.0, L1Block);
as_other!(l1_block_or_none, Option<L1Block>, Option<u64>, |block| block.map(|block| block.0), |block| block
    .map(L1Block));
as_other!(l2_block, L2Block, u64, |block| block.0, L2Block);
as_other!(time, UnixTime, u64, |time| time.0, UnixTime);
as_other!(
    credits,
    Vec<Credit>,
    Vec<([u8; 20], u64)>,
    |credits| credits.iter().map(|credit| (credit.signer.into_array(), credit.blocks)).collect(),
    |pairs| pairs
        .into_iter()
        .map(|(signer, blocks)| Credit { signer: Address::new(signer), blocks })
        .collect()
);

#[derive(Serialize, Deserialize)]
#[serde(remote = "PoolGenesis")]
pub(crate) struct PoolGenesisDef {
    #[serde(with = "l1_block")]
    batch_block: L1Block,
    #[serde(with = "batch")]
    batch: BatchId,
    #[serde(with = "wei")]
    reward_per_block: Wei,
    #[serde(with = "wei")]
    min_lock: Wei,
    #[serde(with = "wei")]
    max_lock: Wei,
    exit_delay_secs: u64,
    signer_update_throttle_batches: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "L1Record")]
struct L1RecordDef {
    #[serde(with = "l1_block")]
    block: L1Block,
    #[serde(with = "hash")]
    block_hash: B256,
    #[serde(with = "time")]
    timestamp: UnixTime,
    #[serde(with = "hash")]
    transaction_hash: B256,
    log_index: u64,
    #[serde(with = "PoolEventDef")]
    event: PoolEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PoolEvent")]
enum PoolEventDef {
    Locked {
        #[serde(with = "address")]
        signer: Address,
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        nonce: u64,
        #[serde(with = "batch")]
        activation_batch: BatchId,
        #[serde(with = "wei")]
        amount: Wei,
        #[serde(with = "wei")]
        total: Wei,
        #[serde(with = "bytes")]
        signer_pubkey: Bytes,
    },
    Relocked {
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        #[serde(with = "wei")]
        amount: Wei,
        #[serde(with = "wei")]
        total: Wei,
        #[serde(with = "wei")]
        from_reward: Wei,
    },
    Withdraw {
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        #[serde(with = "wei")]
        amount: Wei,
    },
    LockUpdate {
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        nonce: u64,
        #[serde(with = "wei")]
        new_amount: Wei,
    },
    ClaimRewards {
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        #[serde(with = "address")]
        recipient: Address,
        #[serde(with = "wei")]
        amount: Wei,
        #[serde(with = "wei")]
        total_amount: Wei,
    },
    UnlockInit {
        #[serde(with = "address")]
        user: Address,
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        nonce: u64,
        #[serde(with = "batch")]
        deactivation_batch: BatchId,
        #[serde(with = "time")]
        deactivation_time: UnixTime,
        #[serde(with = "time")]
        unlock_claim_time: UnixTime,
        #[serde(with = "wei")]
        amount: Wei,
    },
    Unlocked {
        #[serde(with = "address")]
        user: Address,
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        #[serde(with = "wei")]
        amount: Wei,
        #[serde(with = "wei")]
        total: Wei,
    },
    SignerChange {
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        nonce: u64,
        #[serde(with = "address")]
        old_signer: Address,
        #[serde(with = "address")]
        new_signer: Address,
        #[serde(with = "bytes")]
        signer_pubkey: Bytes,
    },
    BatchSubmitReward {
        #[serde(with = "batch")]
        new_batch: BatchId,
    },
    SetMinLock {
        #[serde(with = "wei")]
        new_min_lock: Wei,
    },
    SetMaxLock {
        #[serde(with = "wei")]
        new_max_lock: Wei,
    },
    SetRewardPayer {
        #[serde(with = "address")]
        payer: Address,
    },
    DistributeReward {
        #[serde(with = "batch")]
        batch: BatchId,
        #[serde(with = "span")]
        start_span: SpanId,
        #[serde(with = "span")]
        end_span: SpanId,
        #[serde(with = "wei")]
        amount: Wei,
        #[serde(with = "wei")]
        reward_per_block: Wei,
        #[serde(with = "credits")]
        credits: Vec<Credit>,
    },
    RewardUpdate {
        #[serde(with = "wei")]
        new_reward: Wei,
        #[serde(with = "wei")]
        old_reward: Wei,
    },
    WithrawDelayTimeChange {
        current_secs: u64,
        previous_secs: u64,
    },
    UpdateMpc {
        #[serde(with = "address")]
        new_mpc: Address,
    },
    SetSignerUpdateThrottle {
        batches: u64,
    },
    SetWhitelist {
        #[serde(with = "address")]
        user: Address,
        allowed: bool,
    },
    SequencerOwnerChanged {
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        #[serde(with = "address")]
        owner: Address,
    },
    SequencerRewardRecipientChanged {
        #[serde(with = "sequencer")]
        sequencer: SequencerId,
        #[serde(with = "address")]
        recipient: Address,
    },
    Paused {
        #[serde(with = "address")]
        account: Address,
    },
    Unpaused {
        #[serde(with = "address")]
        account: Address,
    },
    MetisTransfer {
        #[serde(with = "address")]
        from: Address,
        #[serde(with = "address")]
        to: Address,
        #[serde(with = "wei")]
        amount: Wei,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SpanRecord")]
struct SpanRecordDef {
    #[serde(with = "l2_block")]
    block: L2Block,
    #[serde(with = "hash")]
    block_hash: B256,
    #[serde(with = "hash")]
    transaction_hash: B256,
    log_index: u64,
    #[serde(with = "SpanEventDef")]
    event: SpanEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SpanEvent")]
enum SpanEventDef {
    NewEpoch {
        #[serde(with = "span")]
        span: SpanId,
        #[serde(with = "l2_block")]
        start: L2Block,
        #[serde(with = "l2_block")]
        end: L2Block,
        #[serde(with = "address")]
        signer: Address,
    },
    ReCommitEpoch {
        #[serde(with = "span")]
        old_span: SpanId,
        #[serde(with = "span")]
        new_span: SpanId,
        #[serde(with = "span")]
        current_span: SpanId,
        #[serde(with = "l2_block")]
        start: L2Block,
        #[serde(with = "l2_block")]
        end: L2Block,
        #[serde(with = "address")]
        new_signer: Address,
    },
    EpochUpdated {
        new_length_blocks: u64,
    },
    MpcAddressUpdated {
        #[serde(with = "address")]
        new_mpc: Address,
    },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredL1(#[serde(with = "L1RecordDef")] pub(crate) L1Record);

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredSpan(#[serde(with = "SpanRecordDef")] pub(crate) SpanRecord);
