//! What a recording is of.

use crate::decode_fault::DecodeFault;
use crate::error::IngestError;
use alloy::primitives::{Address, U256};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use tally_engine::{BatchId, L1Block, L2Block, PoolGenesis, Wei};
use tally_eventlog::LogIdentity;

/// No manifest is longer; the recorded ones have 5 kB.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

#[derive(Deserialize)]
struct Manifest {
    l1: L1,
    l2: L2,
    #[serde(default)]
    counts: Option<Counts>,
}

/// What a recording is of, and how much of it there has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingManifest {
    /// The chains and contracts.
    pub identity: LogIdentity,
    /// How many lines each file has, and its last block, where the manifest says so.
    pub(crate) totals: Totals,
}

/// What each file of a recording has to hold; `None` where the manifest does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) l1_blocks: Option<u64>,
    pub(crate) l1_logs: Option<u64>,
    pub(crate) l1_txs: Option<u64>,
    pub(crate) l1_last_block: Option<u64>,
    pub(crate) l2_blocks: Option<u64>,
    pub(crate) l2_logs: Option<u64>,
    pub(crate) l2_last_block: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Counts {
    l1_blocks: Option<u64>,
    l1_logs: Option<u64>,
    l1_txs: Option<u64>,
    l2_blocks: Option<u64>,
    l2_logs: Option<u64>,
}

#[derive(Deserialize)]
struct L1 {
    chain_id: u64,
    first_block: u64,
    last_block: Option<u64>,
    pool_initialized_at: u64,
    contracts: L1Contracts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct L1Contracts {
    metis_token: Address,
    locking_info: Address,
    locking_pool: Address,
}

#[derive(Deserialize)]
struct L2 {
    chain_id: u64,
    first_block: u64,
    last_block: Option<u64>,
    contracts: L2Contracts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct L2Contracts {
    sequencer_set: Address,
}

/// What the contracts' initialisers set, by their source; no event tells it.
pub fn contract_defaults(batch_block: L1Block) -> PoolGenesis {
    let metis = |amount: u64| Wei::new(U256::from(amount) * U256::from(1_000_000_000_000_000_000_u64));
    PoolGenesis {
        batch_block,
        batch: BatchId(1),
        reward_per_block: Wei::new(U256::from(761_000_000_000_000_u64)),
        min_lock: metis(20_000),
        max_lock: metis(100_000),
        exit_delay_secs: 1_814_400,
        signer_update_throttle_batches: 1,
    }
}

/// Reads the `manifest.json` of a recording.
///
/// # Errors
///
/// [`IngestError`] naming the file and what is missing or wrong in it.
pub fn read_manifest(recording: &Path) -> Result<RecordingManifest, IngestError> {
    let path = recording.join("manifest.json");
    let file = |source| IngestError::File { path: path.clone(), line: 0, source };
    let mut text = Vec::new();
    let opened = std::fs::File::open(&path).map_err(file)?;
    opened.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut text).map_err(file)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > MANIFEST_BYTES_MAX) {
        return Err(IngestError::LineTooLong { path, line: 0, max: MANIFEST_BYTES_MAX });
    }
    let Manifest { l1, l2, counts } = serde_json::from_slice(&text).map_err(|source| {
        let line = u64::try_from(source.line()).unwrap_or_default();
        IngestError::Json { path: path.clone(), line, source }
    })?;
    if l1.pool_initialized_at < l1.first_block {
        return Err(IngestError::Line {
            path,
            line: 0,
            fault: DecodeFault::Manifest {
                what: "pool_initialized_at",
                expected: format!("at least the first_block {}", l1.first_block),
                found: l1.pool_initialized_at.to_string(),
            },
        });
    }
    let identity = LogIdentity {
        l1_chain_id: l1.chain_id,
        l2_chain_id: l2.chain_id,
        locking_info: l1.contracts.locking_info,
        locking_pool: l1.contracts.locking_pool,
        metis_token: l1.contracts.metis_token,
        sequencer_set: l2.contracts.sequencer_set,
        l1_first_block: L1Block(l1.first_block),
        l2_first_block: L2Block(l2.first_block),
        genesis: contract_defaults(L1Block(l1.pool_initialized_at)),
    };
    let counts = counts.unwrap_or_default();
    let totals = Totals {
        l1_blocks: counts.l1_blocks,
        l1_logs: counts.l1_logs,
        l1_txs: counts.l1_txs,
        l1_last_block: l1.last_block,
        l2_blocks: counts.l2_blocks,
        l2_logs: counts.l2_logs,
        l2_last_block: l2.last_block,
    };
    Ok(RecordingManifest { identity, totals })
}
