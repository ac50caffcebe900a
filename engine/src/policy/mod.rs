//! Policies: the rules of a fold, as data.
//!
//! A policy is a small TOML file. It is read strictly (an unknown key is an error), checked, and
//! known by a digest of what it says rather than of how it is written. A published version never
//! changes: what is built in here is in [`BUILT_IN`], one file each.

mod file;
mod mrr;

pub use mrr::Mrr;

use crate::ids::UnixTime;
use crate::money::Wei;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use file::value_error;

/// The policies that come with the engine, by name: the file of each, in its latest version.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("guide", include_str!("../../policies/guide.toml")),
    ("stake-weighted", include_str!("../../policies/stake-weighted.toml")),
    ("locking-pool", include_str!("../../policies/locking-pool.toml")),
];

/// The earlier versions of these policies, by name and version: the file of each. What was computed under one of them
/// can be computed again.
pub const BUILT_IN_EARLIER: [(&str, &str); 1] =
    [("locking-pool@1", include_str!("../../policies/locking-pool-1.toml"))];

/// What stands between a policy's name and its version.
const VERSION_SEPARATOR: char = '@';

/// How long a policy file may be. The built-in ones have fewer than 400 bytes.
pub const POLICY_BYTES_MAX: usize = 65_536;

/// How long a policy's name may be.
const NAME_BYTES_MAX: usize = 64;

/// How the name of a variant ends.
const VARIANT_SUFFIX: &str = "-variant";

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
    /// At this time, as the policy states it.
    At(UnixTime),
}

/// A policy whose fields have all been checked.
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
        /// The value that the file has.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// The text is too long to be a policy.
    #[error("a policy file of {found} bytes is longer than the {max} allowed")]
    TooLong {
        /// How many bytes it has.
        found: usize,
        /// How many bytes a policy may have.
        max: usize,
    },
}

impl Policy {
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

    /// The name of the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the policy.
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
        before.map_or(Mrr::ZERO, |(_, mrr)| *mrr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

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
