//! What is served, as JSON: its shapes are also those of the `OpenAPI` file.
//!
//! Amounts are wei as decimal strings, numbers of blocks and times (Unix seconds) are integers. What is not known, or
//! does not apply, is `null`.

mod accounts;
mod audit;
mod facts;
mod ledger;
mod pool;
mod sequencers;
mod status;

pub(crate) use accounts::{ClaimAnswer, DistributionJson, StatementAnswer};
pub(crate) use audit::AuditAnswer;
pub(crate) use facts::{BatchRow, EpochRow, Fact, FactKind, FeedAnswer};
pub(crate) use ledger::{
    BlockAnswer, EpochAnswer, EpochJson, EpochsAnswer, LedgerAnswer, LedgerBlock, RateJson, RowJson,
};
pub(crate) use pool::{BatchesAnswer, NextBatchAnswer, NextRateAnswer, PaidBatchJson};
pub(crate) use sequencers::{SequencerAnswer, SequencerJson, SequencersAnswer};
pub(crate) use status::{Ingesting, PolicyStatus, StatusAnswer};

use alloy_primitives::{Address, B256, U256, U512};
use serde::Serialize;
use tally_engine::{Difference, Horizon, Policy, REALISED_MRR_DECIMALS, StakeSeconds, Wei};
use tally_replay::Stop;
use utoipa::ToSchema;

/// Wei, or wei·s, as a decimal number.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(pattern = "^[0-9]+$", example = "761000000000000")]
pub(crate) struct Amount(String);

/// Wei as a decimal number, which may be below 0.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(pattern = "^-?[0-9]+$", example = "-761000000000000")]
pub(crate) struct SignedAmount(String);

/// An address, in lower case.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(pattern = "^0x[0-9a-f]{40}$", example = "0x0fe382b74c3894b65c10e5c12ae60bbd8faf5b48")]
pub(crate) struct AddressJson(String);

/// A hash or a digest.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(
    pattern = "^0x[0-9a-f]{64}$",
    example = "0x86d0d6fa6f1c9b3cbf3b92b0e05d6f6d0d2a6c4b9ed6b0b5b1a2f0f3c1d2e3f4"
)]
pub(crate) struct HashJson(String);

/// A rate as an exact decimal fraction: 0.2 is 20 % a year.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(pattern = "^[0-9]+(\\.[0-9]+)?$", example = "0.2")]
pub(crate) struct RateFraction(String);

impl From<Wei> for Amount {
    fn from(wei: Wei) -> Self {
        Self(wei.to_string())
    }
}

impl From<StakeSeconds> for Amount {
    fn from(stake_seconds: StakeSeconds) -> Self {
        Self(stake_seconds.to_string())
    }
}

impl From<U256> for Amount {
    fn from(number: U256) -> Self {
        Self(number.to_string())
    }
}

impl From<U512> for Amount {
    fn from(number: U512) -> Self {
        Self(number.to_string())
    }
}

impl From<tally_engine::StakeBlocks> for Amount {
    fn from(stake_blocks: tally_engine::StakeBlocks) -> Self {
        Self(stake_blocks.to_string())
    }
}

impl From<Difference> for SignedAmount {
    fn from(difference: Difference) -> Self {
        Self(difference.to_string())
    }
}

impl From<Address> for AddressJson {
    fn from(address: Address) -> Self {
        Self(format!("{address:#x}"))
    }
}

impl From<B256> for HashJson {
    fn from(hash: B256) -> Self {
        Self(hash.to_string())
    }
}

impl RateFraction {
    /// A target.
    pub(crate) fn target(mrr: tally_engine::Mrr) -> Self {
        Self(mrr.to_string())
    }

    /// A rate that was reached, in units of 10^-18.
    pub(crate) fn realised(units: U256) -> Self {
        let decimals = usize::from(REALISED_MRR_DECIMALS);
        let digits = format!("{units:0>width$}", units = units.to_string(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        Self(format!("{whole}.{fraction}"))
    }
}

/// Which rules.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PolicyId {
    /// Its name.
    name: String,
    /// Its version.
    version: u32,
    /// The digest of all its rules.
    digest: HashJson,
}

impl From<&Policy> for PolicyId {
    fn from(policy: &Policy) -> Self {
        Self { name: policy.name().into(), version: policy.version(), digest: policy.digest().into() }
    }
}

/// A block and its time.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct BlockPlace {
    /// Its number.
    pub(crate) block: u64,
    /// Its timestamp.
    pub(crate) timestamp: u64,
}

impl From<Horizon> for BlockPlace {
    fn from(horizon: Horizon) -> Self {
        Self { block: horizon.block.0, timestamp: horizon.timestamp.0 }
    }
}

/// Why no further block is folded.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Stopped {
    /// `log_end`: the log has no more. `l1_behind`: the next block is later than the last L1 block in the log.
    /// `unsettled`: no announced span tells who is to produce the next block.
    pub(crate) reason: &'static str,
    /// The first block that could not be folded.
    pub(crate) next_l2_block: Option<u64>,
}

impl From<Stop> for Stopped {
    fn from(stop: Stop) -> Self {
        Self { reason: stop.code(), next_l2_block: stop.next_block().map(|block| block.0) }
    }
}

/// At which state of the log an answer was computed. Equal digests mean equal answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct At {
    /// The digest of everything in the log.
    pub(crate) log_digest: HashJson,
    /// The log's last L1 block.
    pub(crate) l1: Option<BlockPlace>,
    /// The log's last L2 block.
    pub(crate) l2: Option<BlockPlace>,
    /// The last L1 block that no reorg can take back.
    pub(crate) final_l1: Option<BlockPlace>,
    /// The last L2 block that no reorg can take back.
    pub(crate) final_l2: Option<BlockPlace>,
    /// By which rules.
    pub(crate) policy: PolicyId,
    /// The last L2 block that is folded.
    pub(crate) horizon: Option<BlockPlace>,
    /// The last L2 block that is folded and final: what is said of blocks up to here does not change any more (under
    /// `on-chain`: but for pending blocks).
    pub(crate) final_horizon: Option<BlockPlace>,
    /// Why no further block is folded.
    pub(crate) stopped: Stopped,
    /// The digest of the whole ledger up to the horizon.
    pub(crate) ledger_root: HashJson,
    /// Whether everything in the log up to here is final.
    pub(crate) is_final: bool,
}
