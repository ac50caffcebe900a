//! Policies: the rules of a fold, as data.
//!
//! A policy is a small TOML file. It is read strictly (an unknown key is an error), checked, and
//! known by a digest of what it says rather than of how it is written. A published version never
//! changes: what is built in here is in [`BUILT_IN`], one file each.

use crate::ids::UnixTime;
use crate::money::Wei;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloy_primitives::{B256, U256};
use core::fmt;
use serde::Deserialize;

/// The policies that come with the engine, by name: the file of each, in its latest version.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("guide", include_str!("../policies/guide.toml")),
    ("stake-weighted", include_str!("../policies/stake-weighted.toml")),
    ("locking-pool", include_str!("../policies/locking-pool.toml")),
];

/// The earlier versions of these policies, by name and version: the file of each. What was computed under one of them
/// can be computed again.
pub const BUILT_IN_EARLIER: [(&str, &str); 1] =
    [("locking-pool@1", include_str!("../policies/locking-pool-1.toml"))];

/// What stands between a policy's name and its version.
const VERSION_SEPARATOR: char = '@';

/// How long a policy file may be. The built-in ones have fewer than 400 bytes.
pub const POLICY_BYTES_MAX: usize = 65_536;

/// How long a policy's name may be.
const NAME_BYTES_MAX: usize = 64;

/// How the name of a variant ends.
const VARIANT_SUFFIX: &str = "-variant";

/// How many decimals a mining reward rate may have.
const MRR_DECIMALS_MAX: usize = 18;

/// How an epoch's rewards are shared among its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Every rewarded block of the epoch earns the same.
    Flat,
    /// Each rewarded block earns in proportion to its producer's capped stake.
    StakeWeighted,
    /// Each block earns what the `LockingPool` contract paid for it.
    OnChain,
}

impl Allocation {
    /// The word for it in a policy file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::StakeWeighted => "stake-weighted",
            Self::OnChain => "on-chain",
        }
    }
}

/// Who a block's reward goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// Who signed it; where nobody did, the signer its span names.
    Signed,
    /// The signer its span names, whoever signed.
    Scheduled,
}

impl Attribution {
    /// The word for it in a policy file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Scheduled => "scheduled",
        }
    }
}

/// When epoch 0 begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Genesis {
    /// At the timestamp of the first `Locked` event.
    FirstLock,
    /// At that, or at the timestamp of the first block that a batch can pay if that is earlier: no block that the
    /// contract pays lies before it. For the allocation `on-chain` alone.
    FirstPayable,
    /// At this time.
    At(UnixTime),
}

/// A mining reward rate as an exact fraction, in lowest powers of ten: 0.20 is 2 / 10.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mrr {
    numerator: u64,
    decimals: u8,
}

impl Mrr {
    /// `m` of `m / d`.
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// `d` of `m / d`, a power of ten.
    pub fn denominator(self) -> U256 {
        // At most 10^18, so it fits.
        U256::from(10_u64.saturating_pow(u32::from(self.decimals)))
    }

    /// The rate that a policy file would write like this: a decimal fraction, at most 18 decimals.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Value`] if it is none.
    pub fn from_decimal(text: &str) -> Result<Self, PolicyError> {
        parse_mrr("target_mrr", text)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if text.starts_with('-') {
            return Err("a rate of at least 0");
        }
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err("a decimal fraction such as \"0.20\"");
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > MRR_DECIMALS_MAX {
            return Err("a rate of at most 18 decimals");
        }
        let mut digits = String::from(whole);
        digits.push_str(fraction);
        let numerator = digits.parse().map_err(|_| "a rate of fewer digits")?;
        let decimals = u8::try_from(fraction.len()).map_err(|_| "a rate of at most 18 decimals")?;
        Ok(Self { numerator, decimals })
    }
}

impl fmt::Display for Mrr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = usize::from(self.decimals).saturating_add(1);
        let digits = alloc::format!("{:0>width$}", self.numerator);
        let point = digits.len().saturating_sub(usize::from(self.decimals));
        let (whole, fraction) = digits.split_at_checked(point).ok_or(fmt::Error)?;
        if fraction.is_empty() { write!(f, "{whole}") } else { write!(f, "{whole}.{fraction}") }
    }
}

impl fmt::Debug for Mrr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A checked policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: String,
    version: u32,
    allocation: Allocation,
    attribution: Attribution,
    cap: Wei,
    epoch_secs: u64,
    genesis: Genesis,
    initial_reward: Wei,
    targets: Vec<(UnixTime, Mrr)>,
}

/// A policy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not a policy file: TOML's own words, with line and column.
    #[error("{0}")]
    Syntax(String),
    /// A value that makes no sense.
    #[error("`{key}` is {found}, but has to be {expected}")]
    Value {
        /// The key, as in the file.
        key: String,
        /// What it says.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// Too long.
    #[error("a policy file of {found} bytes is longer than the {max} allowed")]
    TooLong {
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
}

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

fn value_error(key: &str, found: impl fmt::Display, expected: &str) -> PolicyError {
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

fn parse_mrr(key: &str, text: &str) -> Result<Mrr, PolicyError> {
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

    /// The built-in policy of this name in its latest version, or for a name such as `locking-pool@1` in that
    /// version; `None` if there is none.
    pub fn built_in(name: &str) -> Option<Self> {
        let mut all = BUILT_IN.iter().chain(&BUILT_IN_EARLIER);
        // A test reads each of them, so none fails here.
        all.find_map(|(_, text)| Self::from_toml(text).ok().filter(|policy| policy.is_called(name)))
    }

    /// Whether this is its name, or its name and version as in `locking-pool@1`.
    pub fn is_called(&self, name: &str) -> bool {
        let version =
            name.strip_prefix(&self.name).map(|rest| rest.strip_prefix(VERSION_SEPARATOR).ok_or(rest));
        match version {
            Some(Ok(version)) => version == self.version.to_string(),
            Some(Err(rest)) => rest.is_empty(),
            None => false,
        }
    }

    /// The same rules with another target (at all times; `None` keeps this policy's targets and their
    /// dates), cap and allocation. Its name says that it is a variant of this policy, and its digest
    /// tells it from all others. A genesis that only `on-chain` can have becomes the first lock.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Value`] for a cap of 0, and for `on-chain`, which has no target.
    pub fn variant(
        &self,
        target: Option<Mrr>,
        cap: Wei,
        allocation: Allocation,
    ) -> Result<Self, PolicyError> {
        if cap.is_zero() {
            return Err(value_error("cap_wei", 0, "more than 0"));
        }
        if allocation == Allocation::OnChain {
            return Err(value_error("allocation", "\"on-chain\"", "\"flat\" or \"stake-weighted\""));
        }
        let base = self.name.strip_suffix(VARIANT_SUFFIX).unwrap_or(&self.name);
        // A name has at most so many bytes, all of them ASCII.
        let kept = NAME_BYTES_MAX.saturating_sub(VARIANT_SUFFIX.len());
        let name: String = base.chars().take(kept).chain(VARIANT_SUFFIX.chars()).collect();
        let targets = target.map_or_else(|| self.targets.clone(), |mrr| Vec::from([(UnixTime(0), mrr)]));
        let genesis = match self.genesis {
            Genesis::FirstPayable => Genesis::FirstLock,
            Genesis::FirstLock | Genesis::At(_) => self.genesis,
        };
        Ok(Self { name, allocation, cap, genesis, targets, ..self.clone() })
    }

    /// What the contract pays, over this policy's epochs and in terms of its cap and targets: for comparing
    /// the two epoch by epoch. Its name is `on-chain`.
    #[must_use]
    pub fn on_chain(&self) -> Self {
        Self {
            name: Allocation::OnChain.name().to_string(),
            allocation: Allocation::OnChain,
            attribution: Attribution::Scheduled,
            ..self.clone()
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// How an epoch's rewards are shared.
    pub const fn allocation(&self) -> Allocation {
        self.allocation
    }

    /// Whether what a fold says of a block never changes, so that it can be continued. Not under
    /// `on-chain`, where a pending block is paid later: such a policy is folded anew.
    pub const fn can_continue(&self) -> bool {
        !matches!(self.allocation, Allocation::OnChain)
    }

    /// Who a block's reward goes to.
    pub const fn attribution(&self) -> Attribution {
        self.attribution
    }

    /// The stake above which nothing counts. Never 0.
    pub const fn cap(&self) -> Wei {
        self.cap
    }

    /// How long an epoch is. Never 0.
    pub const fn epoch_secs(&self) -> u64 {
        self.epoch_secs
    }

    /// When epoch 0 begins.
    pub const fn genesis(&self) -> Genesis {
        self.genesis
    }

    /// What a block earns (at the full cap, if stake-weighted) before there is a rate.
    pub const fn initial_reward(&self) -> Wei {
        self.initial_reward
    }

    /// The target rates, each from when it is in force on, in order: the first from 0. Never none.
    pub fn targets(&self) -> &[(UnixTime, Mrr)] {
        &self.targets
    }

    /// The target rate in force at `time`.
    pub fn target_at(&self, time: UnixTime) -> Mrr {
        let before = self.targets.iter().rev().find(|(from, _)| *from <= time);
        // The first target holds from time 0, so there always is one.
        before.map_or(Mrr { numerator: 0, decimals: 0 }, |(_, mrr)| *mrr)
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

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = BUILT_IN[0].1;

    /// The error of `guide` with one line replaced (or added, where no line has the key).
    fn error_of(key: &str, line: &str) -> String {
        let mut text: Vec<&str> = GUIDE.lines().filter(|old| !old.starts_with(key)).collect();
        text.push(line);
        match Policy::from_toml(&text.join("\n")) {
            Ok(policy) => panic!("{line} is accepted: {policy:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_built_in_policy_is_valid_and_named_like_its_key() {
        for (name, text) in BUILT_IN {
            let policy = Policy::from_toml(text).expect("valid");
            assert_eq!(policy.name(), name);
            let versioned = alloc::format!("{name}@{}", policy.version());
            assert_eq!(Policy::built_in(&versioned), Some(policy.clone()));
            assert_eq!(Policy::built_in(name), Some(policy));
        }
        for none in ["nonesuch", "", "@1", "guide@", "guide@2", "guide@01", "guide@1@1", "locking-pool@3"] {
            assert_eq!(Policy::built_in(none), None, "{none}");
        }
    }

    #[test]
    fn every_earlier_version_is_valid_named_by_its_version_and_earlier() {
        for (name, text) in BUILT_IN_EARLIER {
            let policy = Policy::from_toml(text).expect("valid");
            assert_eq!(alloc::format!("{}@{}", policy.name(), policy.version()), name);
            let latest = Policy::built_in(policy.name()).expect("there is a latest version");
            assert!(policy.version() < latest.version());
            assert_eq!(Policy::built_in(name), Some(policy));
        }
    }

    #[test]
    fn published_versions_never_change() {
        let published = [
            ("guide@1", "0x1263666868df45178a1e0e66f7d8e7f263ee926e8548de209c1491b02108a24c"),
            ("stake-weighted@1", "0x7dff13348738b7e0601cbb1d6a9fe2759afd79e83cc4aa4c409da8aa3bc91e2b"),
            ("locking-pool@1", "0x66caa0e506d5c1349184118798a26bce3ccb9da736d3724e48c2980706d47782"),
            ("locking-pool@2", "0x6c98f70e66341e0ae7110fbc306b3deb4528758c5e256e02ac3b2838074cdc90"),
        ];
        assert_eq!(published.len(), BUILT_IN.len() + BUILT_IN_EARLIER.len(), "none is left out");
        for (name, digest) in published {
            assert_eq!(Policy::built_in(name).expect("valid").digest().to_string(), digest, "{name}");
        }
    }

    #[test]
    fn only_what_the_contract_pays_begins_with_the_first_payable_block() {
        let expected = "`genesis` is \"first-payable\", but has to be \"first-lock\" or a unix time: what a batch can \
                        pay matters to the allocation \"on-chain\" alone";
        assert_eq!(error_of("genesis", "genesis = \"first-payable\""), expected);
        let pool = Policy::built_in("locking-pool").expect("valid");
        assert_eq!(pool.genesis(), Genesis::FirstPayable);
        let variant = pool.variant(None, pool.cap(), Allocation::Flat).expect("valid");
        assert_eq!(variant.genesis(), Genesis::FirstLock);
    }

    #[test]
    fn the_digest_is_of_what_a_policy_says() {
        let guide = Policy::from_toml(GUIDE).expect("valid");
        let rewritten = GUIDE.replace("0.20", "0.2000").replace(" = ", "=");
        assert_eq!(Policy::from_toml(&rewritten).expect("valid").digest(), guide.digest());
        let other = Policy::from_toml(&GUIDE.replace("0.20", "0.21")).expect("valid");
        assert_ne!(other.digest(), guide.digest());
    }

    #[test]
    fn a_policy_as_a_file_reads_back() {
        let dated = alloc::format!(
            "{}\n[[target_mrr_change]]\nfrom = 100\nmrr = \"0.150\"\n[[target_mrr_change]]\nfrom = 200\nmrr = \"1\"",
            GUIDE.replace("\"first-lock\"", "17").replace("\"signed\"", "\"scheduled\"")
        );
        for text in BUILT_IN.map(|(_, text)| text).iter().chain([&dated.as_str()]) {
            let policy = Policy::from_toml(text).expect("valid");
            let written = policy.to_toml();
            let read = Policy::from_toml(&written).expect("valid");
            assert_eq!((&read, read.digest()), (&policy, policy.digest()));
            assert_eq!(read.to_toml(), written);
        }
        let expected = "initial_reward_wei = \"761000000000000\"\ntarget_mrr = \"0.2\"\n\n\
                        [[target_mrr_change]]\nfrom = 100\nmrr = \"0.15\"\n\n\
                        [[target_mrr_change]]\nfrom = 200\nmrr = \"1\"\n";
        assert!(Policy::from_toml(&dated).expect("valid").to_toml().ends_with(expected));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_their_key() {
        assert_eq!(error_of("cap_wei", "cap_wei = \"0\""), "`cap_wei` is 0, but has to be more than 0");
        assert_eq!(
            error_of("cap_wei", "cap_wei = \"-1\""),
            "`cap_wei` is \"-1\", but has to be a whole number of wei, in decimal digits"
        );
        let above = alloc::format!("cap_wei = \"{}0\"", U256::MAX);
        assert!(error_of("cap_wei", &above).ends_with("has to be at most 2^256 - 1"));
        assert_eq!(
            error_of("target_mrr", "target_mrr = \"-0.2\""),
            "`target_mrr` is \"-0.2\", but has to be a rate of at least 0"
        );
        assert_eq!(error_of("epoch_secs", "epoch_secs = 0"), "`epoch_secs` is 0, but has to be more than 0");
        assert_eq!(
            error_of("epoch_secs", "epoch_secs = -5"),
            "`epoch_secs` is -5, but has to be more than 0"
        );
        assert!(error_of("genesis", "genesis = \"then\"").contains("\"first-lock\" or a unix time"));
        assert!(error_of("none", "colour = \"red\"").contains("unknown field `colour`"));
        assert!(error_of("name", "# no name").contains("missing field `name`"));
        assert!(error_of("name", "name = \"A b\"").starts_with("`name` is \"A b\""));
        assert!(error_of("version", "version = 0").contains("at least 1"));
        assert!(error_of("allocation", "allocation = \"fair\"").contains("\"flat\""));
        assert!(error_of("allocation", "allocation = \"on-chain\"").contains("counts by schedule"));
        let change = "[[target_mrr_change]]\nfrom = 0\nmrr = \"0.1\"";
        assert!(error_of("none", change).contains("later than the change before it"));
        assert!(matches!(
            Policy::from_toml(&"#".repeat(POLICY_BYTES_MAX + 1)),
            Err(PolicyError::TooLong { .. })
        ));
    }

    #[test]
    fn a_rate_is_an_exact_fraction() {
        let parse = |text| Mrr::parse(text).map(|mrr| (mrr.numerator(), mrr.denominator(), mrr.to_string()));
        let ten = |power: u64| U256::from(10_u64).pow(U256::from(power));
        assert_eq!(parse("0.20"), Ok((2, ten(1), "0.2".into())));
        assert_eq!(parse("0.005"), Ok((5, ten(3), "0.005".into())));
        assert_eq!(parse("12"), Ok((12, ten(0), "12".into())));
        assert_eq!(parse("0"), Ok((0, ten(0), "0".into())));
        assert_eq!(
            parse("1.000000000000000001"),
            Ok((1_000_000_000_000_000_001, ten(18), "1.000000000000000001".into()))
        );
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "+1",
            "1e3",
            "0x1",
            "1.2.3",
            "0.0000000000000000001",
            "99999999999999999999",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_target_in_force_is_the_last_that_has_begun() {
        let text = alloc::format!(
            "{GUIDE}\n[[target_mrr_change]]\nfrom = 100\nmrr = \"0.15\"\n[[target_mrr_change]]\nfrom = 200\nmrr = \"0.1\""
        );
        let policy = Policy::from_toml(&text).expect("valid");
        let at = |secs| policy.target_at(UnixTime(secs)).to_string();
        assert_eq!([0, 99, 100, 199, 200, 9_999].map(at), ["0.2", "0.2", "0.15", "0.15", "0.1", "0.1"]);
    }

    #[test]
    fn a_variant_says_that_it_is_one_and_has_a_digest_of_its_own() {
        let guide = Policy::built_in("guide").expect("valid");
        let (target, cap) = (Mrr::from_decimal("0.2").expect("valid"), guide.cap());
        let same = guide.variant(Some(target), cap, Allocation::Flat).expect("valid");
        assert_eq!((same.name(), same.version()), ("guide-variant", guide.version()));
        assert_ne!(same.digest(), guide.digest());
        let again = same.variant(Some(target), cap, Allocation::StakeWeighted).expect("valid");
        assert_eq!(again.name(), "guide-variant");
        assert_ne!(again.digest(), same.digest());
        assert_eq!(again.target_at(UnixTime(9_999)), target);
        let dated =
            Policy::from_toml(&alloc::format!("{GUIDE}\n[[target_mrr_change]]\nfrom = 100\nmrr = \"0.15\""));
        let kept = dated.expect("valid").variant(None, cap, Allocation::Flat).expect("valid");
        assert_eq!([99, 100].map(|secs| kept.target_at(UnixTime(secs)).to_string()), ["0.2", "0.15"]);
        assert_eq!(kept.targets().len(), 2);
        let long = GUIDE.replace("\"guide\"", &alloc::format!("{:?}", "x".repeat(64)));
        let long = Policy::from_toml(&long).expect("valid").variant(Some(target), cap, Allocation::Flat);
        assert_eq!(long.expect("valid").name().len(), 64);
        let error = |cap, allocation| {
            guide.variant(Some(target), cap, allocation).expect_err("no policy").to_string()
        };
        assert_eq!(error(Wei::ZERO, Allocation::Flat), "`cap_wei` is 0, but has to be more than 0");
        assert!(error(cap, Allocation::OnChain).contains("\"flat\" or \"stake-weighted\""));
        assert!(Mrr::from_decimal("-1").is_err());
    }
}
