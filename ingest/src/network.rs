//! Networks: which chains and contracts to ingest, as small TOML files.

use crate::error::IngestError;
use alloy::primitives::{Address, U256};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use tally_engine::{BatchId, L1Block, L2Block, PoolGenesis, Wei};
use tally_eventlog::LogIdentity;

/// No network file is longer; the built-in ones have about 900 bytes.
const NETWORK_BYTES_MAX: u64 = 64 << 10;

/// The files that are built in.
const BUILT_IN: [(&str, &str); 2] = [
    ("mainnet", include_str!("../networks/mainnet.toml")),
    ("sepolia", include_str!("../networks/sepolia.toml")),
];

/// A network by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name, for people.
    pub name: String,
    /// Its chains, contracts, first blocks and initial values.
    pub identity: LogIdentity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    l1: L1,
    l2: L2,
    initial: Initial,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct L1 {
    chain_id: u64,
    first_block: u64,
    locking_info: Address,
    locking_pool: Address,
    metis_token: Address,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct L2 {
    chain_id: u64,
    first_block: u64,
    sequencer_set: Address,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Initial {
    batch_block: u64,
    batch: u64,
    reward_per_block_wei: String,
    min_lock_wei: String,
    max_lock_wei: String,
    exit_delay_secs: u64,
    signer_update_throttle_batches: u64,
}

/// The names of the built-in networks.
pub fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

impl Network {
    /// A built-in network by name, or else the one in the file of that path.
    ///
    /// # Errors
    ///
    /// [`IngestError`] if there is neither, or the file is not a network.
    pub fn load(name: &str) -> Result<Self, IngestError> {
        if let Some((path, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::from_toml(text, Path::new(path));
        }
        let path = Path::new(name);
        let not_found = |source| IngestError::NoNetwork { name: name.into(), known: names(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(not_found)?;
        file.take(NETWORK_BYTES_MAX + 1).read_to_string(&mut text).map_err(not_found)?;
        if u64::try_from(text.len()).is_ok_and(|len| len > NETWORK_BYTES_MAX) {
            let reason = format!("it is longer than the {NETWORK_BYTES_MAX} bytes allowed");
            return Err(IngestError::Network { path: path.into(), reason });
        }
        Self::from_toml(&text, path)
    }

    /// The network that `text`, the contents of `path`, describes.
    ///
    /// # Errors
    ///
    /// [`IngestError::Network`] naming the field that is missing, unknown or wrong.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, IngestError> {
        let invalid = |reason: String| IngestError::Network { path: path.into(), reason };
        let File { name, l1, l2, initial } =
            toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let wei = |field: &str, text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let value = if digits { U256::from_str_radix(text, 10).ok() } else { None };
            let wrong = || invalid(format!("initial.{field} is {text:?}, not a whole number of wei"));
            value.map(Wei::new).ok_or_else(wrong)
        };
        let is_plain = |char: char| char.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&char);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(invalid(format!("name is {name:?}, not letters, digits, '-', '_' or '.'")));
        }
        if initial.batch_block < l1.first_block {
            let (found, first) = (initial.batch_block, l1.first_block);
            return Err(invalid(format!("initial.batch_block is {found}, before l1.first_block, {first}")));
        }
        let genesis = PoolGenesis {
            batch_block: L1Block(initial.batch_block),
            batch: BatchId(initial.batch),
            reward_per_block: wei("reward_per_block_wei", &initial.reward_per_block_wei)?,
            min_lock: wei("min_lock_wei", &initial.min_lock_wei)?,
            max_lock: wei("max_lock_wei", &initial.max_lock_wei)?,
            exit_delay_secs: initial.exit_delay_secs,
            signer_update_throttle_batches: initial.signer_update_throttle_batches,
        };
        let identity = LogIdentity {
            l1_chain_id: l1.chain_id,
            l2_chain_id: l2.chain_id,
            locking_info: l1.locking_info,
            locking_pool: l1.locking_pool,
            metis_token: l1.metis_token,
            sequencer_set: l2.sequencer_set,
            l1_first_block: L1Block(l1.first_block),
            l2_first_block: L2Block(l2.first_block),
            genesis,
        };
        Ok(Self { name, identity })
    }

    /// An L2 block that is known to have an event of the sequencer set. Each built-in network begins with the
    /// block that the set was deployed in, and its initialiser emits some; others may begin anywhere before.
    pub(crate) fn first_span(&self) -> Option<u64> {
        let is_built_in = |(path, text): &(&str, &str)| {
            Self::from_toml(text, Path::new(path)).is_ok_and(|built_in| built_in.identity == self.identity)
        };
        BUILT_IN.iter().any(is_built_in).then_some(self.identity.l2_first_block.0)
    }

    /// The network as a file.
    pub fn to_toml(&self) -> String {
        let LogIdentity {
            l1_chain_id,
            l2_chain_id,
            locking_info,
            locking_pool,
            metis_token,
            sequencer_set,
            l1_first_block,
            l2_first_block,
            genesis,
        } = &self.identity;
        let PoolGenesis {
            batch_block,
            batch,
            reward_per_block,
            min_lock,
            max_lock,
            exit_delay_secs,
            signer_update_throttle_batches,
        } = genesis;
        let name = &self.name;
        format!(
            r#"name = "{name}"

[l1]
chain_id = {l1_chain_id}
first_block = {l1_first_block}
locking_info = "{locking_info}"
locking_pool = "{locking_pool}"
metis_token = "{metis_token}"

[l2]
chain_id = {l2_chain_id}
first_block = {l2_first_block}
sequencer_set = "{sequencer_set}"

[initial]
batch_block = {batch_block}
batch = {batch}
reward_per_block_wei = "{reward_per_block}"
min_lock_wei = "{min_lock}"
max_lock_wei = "{max_lock}"
exit_delay_secs = {exit_delay_secs}
signer_update_throttle_batches = {signer_update_throttle_batches}
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;

    #[test]
    fn the_built_in_networks_hold_what_their_contracts_set() {
        for name in names() {
            let network = Network::load(name).expect("is built in");
            let Network { name: found, identity } = &network;
            assert_eq!(found, name);
            assert_eq!(network.first_span(), Some(identity.l2_first_block.0));
            let mut other = network.clone();
            other.identity.l2_first_block.0 -= 1;
            assert_eq!(other.first_span(), None, "it may begin before the set was deployed");
            assert_eq!(identity.genesis, crate::contract_defaults(identity.genesis.batch_block));
            assert_eq!(
                Network::from_toml(&network.to_toml(), Path::new("again")).expect("reads back"),
                network
            );
        }
        let mainnet = Network::load("mainnet").expect("is built in").identity;
        assert_eq!(mainnet.locking_pool, address!("0xD54c868362C2098E0E46F12E7D924C6A332952Dd"));
        assert_eq!((mainnet.l1_chain_id, mainnet.l2_chain_id), (1, 1_088));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        let text = Network::load("mainnet").expect("is built in").to_toml();
        let error = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            let network = Network::from_toml(&text.replace(from, to), Path::new("mine.toml"));
            network.expect_err(to).to_string()
        };
        assert!(error("chain_id = 1\n", "").contains("missing field `chain_id`"));
        assert!(error("[l2]", "[l2]\nspeed = 1").contains("unknown field `speed`"));
        assert!(error("\"761000000000000\"", "\"-1\"").ends_with("\"-1\", not a whole number of wei"));
        assert!(error("0xD54c", "0xZ54c").contains("line"));
        assert!(error("batch_block = 19424665", "batch_block = 1").contains("before l1.first_block"));
        let error = Network::load("andromeda").expect_err("no such network").to_string();
        assert!(error.starts_with("andromeda is neither a built-in network (mainnet, sepolia) nor a file"));
    }
}
