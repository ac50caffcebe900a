//! Policies as text: the file that is read, the digest of what it says, and how it is written.

use super::{
    Allocation, Attribution, Dated, Genesis, Mrr, NAME_BYTES_MAX, POLICY_BYTES_MAX, Policy, PolicyError,
    RateRule,
};
use crate::ids::{UnixTime, YEAR_SECS};
use crate::money::Wei;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloy_primitives::{B256, U256};
use core::fmt;
use serde::Deserialize;

/// The word for a cap that no stake is above.
const NO_CAP: &str = "none";

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
    #[serde(default)]
    rate: Option<String>,
    #[serde(default)]
    block_secs: Option<i64>,
    #[serde(default)]
    block_secs_change: Vec<BlockSecsFile>,
    #[serde(default)]
    fixed_reward: Vec<FixedRewardFile>,
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
    #[serde(default)]
    approximate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockSecsFile {
    from: i64,
    secs: i64,
    #[serde(default)]
    approximate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FixedRewardFile {
    from: i64,
    reward_wei: String,
    #[serde(default)]
    approximate: bool,
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

/// A cap as it is written, which may be none.
fn parse_cap(text: &str, allocation: Allocation) -> Result<Wei, PolicyError> {
    let cap = if text == NO_CAP { Policy::NO_CAP } else { parse_wei("cap_wei", text)? };
    check_cap(cap, allocation)?;
    Ok(cap)
}

/// Whether a policy with this allocation may have the cap, by whatever way it came to it.
pub(super) fn check_cap(cap: Wei, allocation: Allocation) -> Result<(), PolicyError> {
    if cap.is_zero() {
        return Err(value_error("cap_wei", 0, "more than 0"));
    }
    if cap == Policy::NO_CAP && allocation == Allocation::StakeWeighted {
        let expected =
            "a number of wei with the allocation \"stake-weighted\": the initial reward is that of the cap";
        return Err(value_error("cap_wei", "\"none\"", expected));
    }
    Ok(())
}

fn parse_block_secs(key: &str, secs: i64) -> Result<u64, PolicyError> {
    let parsed = u64::try_from(secs).ok().filter(|secs| (1..=YEAR_SECS).contains(secs));
    parsed.ok_or_else(|| value_error(key, secs, "from 1 to 31536000 seconds, a year"))
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
        let cap = parse_cap(&file.cap_wei, allocation)?;
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
        let mut targets = Vec::from([Dated::always(parse_mrr("target_mrr", &file.target_mrr)?)]);
        for change in file.target_mrr_change {
            let value = parse_mrr("target_mrr_change.mrr", &change.mrr)?;
            push(&mut targets, "target_mrr_change.from", change.from, change.approximate, value)?;
        }
        let rate = rate_rule(file.rate.as_deref(), allocation)?;
        let block_secs = block_secs(rate, file.block_secs, &file.block_secs_change)?;
        if rate == RateRule::Operators
            && let Some(odd) = targets.iter().find(|target| target.value.whole_percent().is_none())
        {
            let key = if odd.from == UnixTime(0) { "target_mrr" } else { "target_mrr_change.mrr" };
            let found = alloc::format!("\"{}\"", odd.value);
            return Err(value_error(
                key,
                found,
                "a whole percentage, as \"0.20\", with the rate \"operators\"",
            ));
        }
        let fixed_rewards = fixed_rewards(allocation, &file.fixed_reward)?;
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
            rate,
            block_secs,
            fixed_rewards,
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
        for target in &self.targets {
            line("target_mrr", &Line(target));
        }
        // What follows is in few policies, and the lines above are those of the first.
        if self.rate != RateRule::Window {
            line("rate", &self.rate.name());
        }
        for secs in &self.block_secs {
            line("block_secs", &Line(secs));
        }
        for fixed in &self.fixed_rewards {
            line("fixed_reward_wei", &Line(fixed));
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
        let head = alloc::format!(
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
        let mut lines = Vec::from([head]);
        // First what holds from time 0; then the tables, in which TOML would take a key for their own.
        for target in self.targets.iter().filter(|target| target.from == UnixTime(0)) {
            lines.push(alloc::format!("target_mrr = \"{}\"\n", target.value));
        }
        if self.rate != RateRule::Window {
            lines.push(alloc::format!("rate = \"{}\"\n", self.rate.name()));
        }
        for secs in self.block_secs.iter().filter(|secs| secs.from == UnixTime(0)) {
            lines.push(alloc::format!("block_secs = {}\n", secs.value));
        }
        for target in self.targets.iter().filter(|target| target.from > UnixTime(0)) {
            lines.push(table("target_mrr_change", target, "mrr", format_args!("\"{}\"", target.value)));
        }
        for secs in self.block_secs.iter().filter(|secs| secs.from > UnixTime(0)) {
            lines.push(table("block_secs_change", secs, "secs", format_args!("{}", secs.value)));
        }
        for fixed in &self.fixed_rewards {
            lines.push(table("fixed_reward", fixed, "reward_wei", format_args!("\"{}\"", fixed.value)));
        }
        lines.concat()
    }
}

/// A dated value as the digest has it.
struct Line<'v, T>(&'v Dated<T>);

impl<T: fmt::Display> fmt::Display for Line<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dated { from, is_approximate, value } = self.0;
        write!(f, "{value} from {from}{}", if *is_approximate { " approximate" } else { "" })
    }
}

/// A dated value as a table of TOML.
fn table<T>(name: &str, dated: &Dated<T>, key: &str, value: fmt::Arguments<'_>) -> String {
    let approximate = if dated.is_approximate { "approximate = true\n" } else { "" };
    alloc::format!("\n[[{name}]]\nfrom = {}\n{key} = {value}\n{approximate}", dated.from)
}

/// Adds a dated value behind those before it in time.
fn push<T>(
    values: &mut Vec<Dated<T>>,
    key: &str,
    from: i64,
    is_approximate: bool,
    value: T,
) -> Result<(), PolicyError> {
    let from = parse_time(key, from)?;
    if values.last().is_some_and(|before| from <= before.from) {
        return Err(value_error(key, from, "later than the change before it, and later than 0"));
    }
    values.push(Dated { from, is_approximate, value });
    Ok(())
}

fn rate_rule(word: Option<&str>, allocation: Allocation) -> Result<RateRule, PolicyError> {
    match (word, allocation) {
        (None | Some("window"), _) => Ok(RateRule::Window),
        (Some("operators"), Allocation::Flat) => Ok(RateRule::Operators),
        (Some("operators"), Allocation::StakeWeighted | Allocation::OnChain) => {
            let expected =
                "\"window\", but with the allocation \"flat\": the operators set one reward for every block";
            Err(value_error("rate", "\"operators\"", expected))
        }
        (Some(other), _) => {
            Err(value_error("rate", alloc::format!("{other:?}"), "\"window\" or \"operators\""))
        }
    }
}

/// The seconds from one block to the next, which the operators' formula needs and nothing else does.
fn block_secs(
    rate: RateRule,
    first: Option<i64>,
    changes: &[BlockSecsFile],
) -> Result<Vec<Dated<u64>>, PolicyError> {
    let first = match (rate, first) {
        (RateRule::Operators, Some(secs)) => parse_block_secs("block_secs", secs)?,
        (RateRule::Operators, None) => {
            let expected = "the seconds from one block to the next, with the rate \"operators\"";
            return Err(value_error("block_secs", "missing", expected));
        }
        (RateRule::Window, None) if changes.is_empty() => return Ok(Vec::new()),
        (RateRule::Window, _) => {
            let expected = "left out, but with the rate \"operators\": a window has its own blocks";
            return Err(value_error("block_secs", "given", expected));
        }
    };
    let mut values = Vec::from([Dated::always(first)]);
    for change in changes {
        let secs = parse_block_secs("block_secs_change.secs", change.secs)?;
        push(&mut values, "block_secs_change.from", change.from, change.approximate, secs)?;
    }
    Ok(values)
}

/// Rewards per block that hold whatever the rule says.
fn fixed_rewards(
    allocation: Allocation,
    written: &[FixedRewardFile],
) -> Result<Vec<Dated<Wei>>, PolicyError> {
    if !written.is_empty() && allocation != Allocation::Flat {
        let expected = "left out, but with the allocation \"flat\": only there every block earns the same";
        return Err(value_error("fixed_reward", "given", expected));
    }
    let mut values = Vec::new();
    for fixed in written {
        let value = parse_wei("fixed_reward.reward_wei", &fixed.reward_wei)?;
        push(&mut values, "fixed_reward.from", fixed.from, fixed.approximate, value)?;
    }
    Ok(values)
}
