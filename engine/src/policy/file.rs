//! Policies as text: the file that is read, the digest of what it says, and how it is written.

use super::{Allocation, Attribution, Genesis, Mrr, NAME_BYTES_MAX, POLICY_BYTES_MAX, Policy, PolicyError};
use crate::ids::UnixTime;
use crate::money::Wei;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloy_primitives::{B256, U256};
use core::fmt;
use serde::Deserialize;

/// A policy file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    name: String,
    version: u32,
    allocation: String,
    #[serde(default)]
    attribution: Option<String>,
    cap_wei: String,
    epoch_secs: i64,
    #[serde(default)]
    genesis: Option<GenesisFile>,
    initial_reward_wei: String,
    target_mrr: String,
    #[serde(default)]
    target_mrr_change: Vec<TargetFile>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GenesisFile {
    Time(i64),
    Word(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetFile {
    from: i64,
    mrr: String,
}

pub(super) fn value_error(key: &str, found: impl fmt::Display, expected: &str) -> PolicyError {
    PolicyError::Value { key: key.to_string(), found: found.to_string(), expected: expected.to_string() }
}

fn parse_wei(key: &str, text: &str) -> Result<Wei, PolicyError> {
    let expected = "a whole number of wei, in decimal digits";
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(value_error(key, alloc::format!("{text:?}"), expected));
    }
    let value = U256::from_str_radix(text, 10);
    value.map(Wei::new).map_err(|_| value_error(key, text, "at most 2^256 - 1"))
}

pub(super) fn parse_mrr(key: &str, text: &str) -> Result<Mrr, PolicyError> {
    Mrr::parse(text).map_err(|expected| value_error(key, alloc::format!("{text:?}"), expected))
}

fn parse_time(key: &str, secs: i64) -> Result<UnixTime, PolicyError> {
    let time = u64::try_from(secs).map(UnixTime);
    time.map_err(|_| value_error(key, secs, "a unix time, in seconds since 1970"))
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] naming the key (or TOML's line and column) and what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { found: text.len(), max: POLICY_BYTES_MAX });
        }
        let file: PolicyFile =
            toml::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        let is_name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if file.name.is_empty() || file.name.len() > NAME_BYTES_MAX || !file.name.bytes().all(is_name_byte) {
            let expected = "1 to 64 lower-case letters, digits and hyphens";
            return Err(value_error("name", alloc::format!("{:?}", file.name), expected));
        }
        if file.version == 0 {
            return Err(value_error("version", 0, "at least 1"));
        }
        let allocation = match file.allocation.as_str() {
            "flat" => Allocation::Flat,
            "stake-weighted" => Allocation::StakeWeighted,
            "on-chain" => Allocation::OnChain,
            other => {
                let expected = "\"flat\", \"stake-weighted\" or \"on-chain\"";
                return Err(value_error("allocation", alloc::format!("{other:?}"), expected));
            }
        };
        let attribution = match (file.attribution.as_deref(), allocation) {
            (Some("scheduled"), _) | (None, Allocation::OnChain) => Attribution::Scheduled,
            (Some("signed"), Allocation::OnChain) => {
                let expected =
                    "\"scheduled\" with the allocation \"on-chain\": the contract counts by schedule";
                return Err(value_error("attribution", "\"signed\"", expected));
            }
            (Some("signed") | None, Allocation::Flat | Allocation::StakeWeighted) => Attribution::Signed,
            (Some(other), _) => {
                let expected = "\"signed\" or \"scheduled\"";
                return Err(value_error("attribution", alloc::format!("{other:?}"), expected));
            }
        };
        let cap = parse_wei("cap_wei", &file.cap_wei)?;
        if cap.is_zero() {
            return Err(value_error("cap_wei", 0, "more than 0"));
        }
        let epoch_secs = match u64::try_from(file.epoch_secs) {
            Ok(secs) if secs > 0 => secs,
            _ => return Err(value_error("epoch_secs", file.epoch_secs, "more than 0")),
        };
        let genesis = match file.genesis {
            None => Genesis::FirstLock,
            Some(GenesisFile::Word(word)) => match (word.as_str(), allocation) {
                ("first-lock", _) => Genesis::FirstLock,
                ("first-payable", Allocation::OnChain) => Genesis::FirstPayable,
                ("first-payable", _) => {
                    let expected = "\"first-lock\" or a unix time: what a batch can pay matters to the allocation \
                                    \"on-chain\" alone";
                    return Err(value_error("genesis", "\"first-payable\"", expected));
                }
                _ => {
                    let expected = "\"first-lock\" or a unix time, or with the allocation \"on-chain\" \
                                    \"first-payable\"";
                    return Err(value_error("genesis", alloc::format!("{word:?}"), expected));
                }
            },
            Some(GenesisFile::Time(secs)) => Genesis::At(parse_time("genesis", secs)?),
        };
        let mut targets = Vec::from([(UnixTime(0), parse_mrr("target_mrr", &file.target_mrr)?)]);
        for change in file.target_mrr_change {
            let from = parse_time("target_mrr_change.from", change.from)?;
            if targets.last().is_some_and(|(previous, _)| from <= *previous) {
                let expected = "later than the change before it, and later than 0";
                return Err(value_error("target_mrr_change.from", from, expected));
            }
            targets.push((from, parse_mrr("target_mrr_change.mrr", &change.mrr)?));
        }
        Ok(Self {
            name: file.name,
            version: file.version,
            allocation,
            attribution,
            cap,
            epoch_secs,
            genesis,
            initial_reward: parse_wei("initial_reward_wei", &file.initial_reward_wei)?,
            targets,
        })
    }

    /// What the policy says, whatever the file looks like: BLAKE3 over `key=value` lines in a fixed
    /// order. The digest of two policies is the same exactly if they say the same.
    pub fn digest(&self) -> B256 {
        let mut hasher = blake3::Hasher::new();
        let mut line = |key: &str, value: &dyn fmt::Display| {
            hasher.update(alloc::format!("{key}={value}\n").as_bytes());
        };
        line("format", &"tally.policy.1");
        line("name", &self.name);
        line("version", &self.version);
        line("allocation", &self.allocation.name());
        line("attribution", &self.attribution.name());
        line("cap_wei", &self.cap);
        line("epoch_secs", &self.epoch_secs);
        match self.genesis {
            Genesis::FirstLock => line("genesis", &"first-lock"),
            Genesis::FirstPayable => line("genesis", &"first-payable"),
            Genesis::At(time) => line("genesis", &time),
        }
        line("initial_reward_wei", &self.initial_reward);
        for (from, mrr) in &self.targets {
            line("target_mrr", &format_args!("{mrr} from {from}"));
        }
        B256::from(*hasher.finalize().as_bytes())
    }

    /// The policy as a file, which [`Policy::from_toml`] reads back: the same text for all that say the same.
    pub fn to_toml(&self) -> String {
        let genesis = match self.genesis {
            Genesis::FirstLock => "\"first-lock\"".to_string(),
            Genesis::FirstPayable => "\"first-payable\"".to_string(),
            Genesis::At(time) => time.to_string(),
        };
        let mut text = alloc::format!(
            "name = \"{}\"\nversion = {}\nallocation = \"{}\"\nattribution = \"{}\"\ncap_wei = \"{}\"\n\
             epoch_secs = {}\ngenesis = {genesis}\ninitial_reward_wei = \"{}\"\n",
            self.name,
            self.version,
            self.allocation.name(),
            self.attribution.name(),
            self.cap,
            self.epoch_secs,
            self.initial_reward,
        );
        for (from, mrr) in &self.targets {
            // Only the first target holds from time 0.
            let line = if *from == UnixTime(0) {
                alloc::format!("target_mrr = \"{mrr}\"\n")
            } else {
                alloc::format!("\n[[target_mrr_change]]\nfrom = {from}\nmrr = \"{mrr}\"\n")
            };
            text.push_str(&line);
        }
        text
    }
}
