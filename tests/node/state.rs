//! What the contracts answer to `eth_call` at the blocks at which a recording has their state.

use crate::branch::{manifest, text};
use alloy_primitives::{U256, hex, keccak256};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// The states of a recording.
pub(crate) struct States {
    locking_pool: String,
    locking_info: String,
    /// By L1 block.
    at: BTreeMap<u64, Value>,
}

/// The fields that are read by a function of their name without arguments, of each contract.
const POOL: [&str; 6] =
    ["totalSequencers", "rewardPerBlock", "exitDelayPeriod", "signerUpdateThrottle", "mpcAddress", "paused"];
const INFO: [&str; 5] = ["totalLocked", "totalRewardsLiquidated", "minLock", "maxLock", "rewardPayer"];

/// The fields of a sequencer, in the order in which the contract gives them.
const SEQUENCER: [&str; 13] = [
    "amount",
    "reward",
    "activationBatch",
    "updatedBatch",
    "deactivationBatch",
    "deactivationTime",
    "unlockClaimTime",
    "nonce",
    "owner",
    "signer",
    "pubkey",
    "rewardRecipient",
    "status",
];

/// The statuses of sequencers, by their numbers.
const STATUSES: [&str; 3] = ["Inactive", "Active", "Unlocked"];

impl States {
    /// Those of a recording; of one without any there are none.
    pub(crate) fn of(directory: &Path) -> Option<Arc<Self>> {
        let file = File::open(directory.join("expected.json")).ok()?;
        let mut truth: Value = serde_json::from_reader(BufReader::new(file)).expect("JSON");
        let contracts = manifest(directory)["l1"]["contracts"].take();
        let states = truth["checkpoints"].as_array_mut().expect("checkpoints").drain(..).collect::<Vec<_>>();
        let states = states.into_iter().chain([truth["final"].take()]);
        let at = states.map(|state| (state["l1_block"].as_u64().expect("a block"), state)).collect();
        let (locking_pool, locking_info) = (text(&contracts["lockingPool"]), text(&contracts["lockingInfo"]));
        Some(Arc::new(Self { locking_pool, locking_info, at }))
    }

    /// Whether the state after this block is known, which has to have this hash.
    pub(crate) fn has(&self, block: u64, hash: &str) -> bool {
        self.at.get(&block).is_some_and(|state| text(&state["l1_hash"]) == hash)
    }

    /// What a contract answers; `None` where it has no such function.
    pub(crate) fn call(&self, block: u64, to: &str, input: &str) -> Option<String> {
        let state = &self.at[&block];
        let input = hex::decode(input).ok()?;
        let (selector, argument) = input.split_at_checked(4)?;
        let is = |signature: &str| keccak256(signature)[..4] == *selector;
        let names = match to {
            to if to == self.locking_pool => &POOL[..],
            to if to == self.locking_info => &INFO[..],
            _ => return None,
        };
        let told = if let Some(name) = names.iter().find(|name| is(&format!("{name}()"))) {
            word(&state[name]).to_vec()
        } else if to != self.locking_pool {
            return None;
        } else if is("curBatchState()") {
            let fields = ["id", "number", "startEpoch", "endEpoch"];
            fields.iter().flat_map(|field| word(&state["curBatchState"][field])).collect()
        } else {
            let argument = U256::try_from_be_slice(argument.get(..32)?)?;
            let address = format!("0x{}", hex::encode(&argument.to_be_bytes::<32>()[12..]));
            if is("seqStatuses(uint8)") {
                let name = STATUSES.get(usize::try_from(argument).ok()?)?;
                word(&state["seqStatuses"][name]).to_vec()
            } else if is("seqOwners(address)") {
                word(&state["seqOwners"][&address]).to_vec()
            } else if is("seqSigners(address)") {
                word(&state["seqSigners"][&address]).to_vec()
            } else if is("sequencers(uint256)") {
                sequencer(&state["sequencers"][argument.to_string()])
            } else {
                return None;
            }
        };
        Some(format!("0x{}", hex::encode(told)))
    }
}

/// A value of the recording as the contract encodes it. What is not there is zero, as in a map of the contract.
fn word(value: &Value) -> [u8; 32] {
    let number = match value {
        Value::Null => U256::ZERO,
        Value::Bool(is_set) => U256::from(u8::from(*is_set)),
        Value::Number(number) => U256::from(number.as_u64().expect("a number without a sign")),
        Value::String(text) if text == "invalid" => U256::MAX,
        Value::String(text) => match STATUSES.iter().position(|status| status == text) {
            Some(status) => U256::from(status),
            None => text.parse().expect("a number or an address"),
        },
        Value::Array(_) | Value::Object(_) => panic!("{value} is no word"),
    };
    number.to_be_bytes()
}

/// A sequencer, with the bytes of its key after all other fields.
fn sequencer(state: &Value) -> Vec<u8> {
    let head = 32 * SEQUENCER.len();
    let mut told = Vec::new();
    for field in SEQUENCER {
        if field == "pubkey" {
            told.extend(U256::from(head).to_be_bytes::<32>());
        } else {
            told.extend(word(&state[field]));
        }
    }
    let key = state["pubkey"].as_str().map(|key| hex::decode(key).expect("a key")).unwrap_or_default();
    told.extend(U256::from(key.len()).to_be_bytes::<32>());
    told.extend(&key);
    told.resize(told.len().next_multiple_of(32), 0);
    told
}
