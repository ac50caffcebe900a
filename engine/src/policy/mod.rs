//! Policies: the rules of a fold, as data.
//!
//! A policy is a small TOML file. It is read strictly (an unknown key is an error), checked, and
//! known by a digest of what it says rather than of how it is written. A published version never
//! changes: what is built in here is in [`BUILT_IN`], one file each.

mod dated;
mod file;
mod mrr;

pub use dated::Dated;
pub use mrr::Mrr;

use crate::ids::UnixTime;
use crate::money::Wei;
use crate::operators::OperatorsRate;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloy_primitives::U256;
use file::{check_cap, value_error};

/// The policies that come with the engine, by name: the file of each, in its latest version.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("guide", include_str!("../../policies/guide.toml")),
    ("stake-weighted", include_str!("../../policies/stake-weighted.toml")),
    ("locking-pool", include_str!("../../policies/locking-pool.toml")),
    ("operators", include_str!("../../policies/operators.toml")),
    ("fixed-reward", include_str!("../../policies/fixed-reward.toml")),
];

/// The earlier versions of these policies, by name and version: the file of each. What was computed under one of them
/// can be computed again.
pub const BUILT_IN_EARLIER: [(&str, &str); 1] =
    [("locking-pool@1", include_str!("../../policies/locking-pool-1.toml"))];

/// What stands between a policy's name and its version.
const VERSION_SEPARATOR: char = '@';

/// How long a policy file may be. The built-in ones have fewer than 2,000 bytes.
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

/// How the rate of an epoch is set, once there has been an epoch before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateRule {
    /// By the capped stake and the rewarded blocks of the epoch before it.
    Window,
    /// By the operators' formula: what is locked when the epoch begins, a whole percentage, whole seconds.
    Operators,
}

impl RateRule {
    /// The word for it in a policy file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Operators => "operators",
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
    targets: Vec<Dated<Mrr>>,
    rate: RateRule,
    /// The seconds from one block to the next, for the operators' formula; else none.
    block_secs: Vec<Dated<u64>>,
    /// Rewards per block that hold whatever the rule says.
    fixed_rewards: Vec<Dated<Wei>>,
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
    /// A cap that no stake is above.
    pub const NO_CAP: Wei = Wei::new(U256::MAX);

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
    /// [`PolicyError::Value`] for a cap of 0, for no cap where the allocation is `stake-weighted`, for `on-chain`, which
    /// has no target, and if the rate of this policy is not set by a target, a cap and an allocation alone.
    pub fn variant(
        &self,
        target: Option<Mrr>,
        cap: Wei,
        allocation: Allocation,
    ) -> Result<Self, PolicyError> {
        check_cap(cap, allocation)?;
        if allocation == Allocation::OnChain {
            return Err(value_error("allocation", "\"on-chain\"", "\"flat\" or \"stake-weighted\""));
        }
        if self.rate != RateRule::Window {
            let expected = "\"window\": only there a target, a cap and an allocation set the rate";
            return Err(value_error("rate", alloc::format!("{:?}", self.rate.name()), expected));
        }
        if !self.fixed_rewards.is_empty() {
            let expected = "left out: what is fixed follows from no target, cap or allocation";
            return Err(value_error("fixed_reward", "given", expected));
        }
        let base = self.name.strip_suffix(VARIANT_SUFFIX).unwrap_or(&self.name);
        // A name has at most so many bytes, all of them ASCII.
        let kept = NAME_BYTES_MAX.saturating_sub(VARIANT_SUFFIX.len());
        let name: String = base.chars().take(kept).chain(VARIANT_SUFFIX.chars()).collect();
        let targets = target.map_or_else(|| self.targets.clone(), |mrr| Vec::from([Dated::always(mrr)]));
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

    /// The stake above which nothing counts. Never 0; [`Policy::NO_CAP`] if everything counts.
    pub const fn cap(&self) -> Wei {
        self.cap
    }

    /// The same rules with another cap, which may be none, under the same name: for telling what the cap is worth.
    /// Stake-weighted without a cap nothing is paid for blocks before there is a rate.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Value`] for a cap of 0.
    pub fn with_cap(&self, cap: Wei) -> Result<Self, PolicyError> {
        if cap.is_zero() {
            return Err(value_error("cap_wei", 0, "more than 0"));
        }
        Ok(Self { cap, ..self.clone() })
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
    pub fn targets(&self) -> &[Dated<Mrr>] {
        &self.targets
    }

    /// The target rate in force at `time`.
    pub fn target_at(&self, time: UnixTime) -> Mrr {
        // The first target holds from time 0, so there always is one.
        Dated::in_force(&self.targets, time).unwrap_or(Mrr::ZERO)
    }

    /// How the rate of an epoch is set, unless its reward is fixed.
    pub const fn rate_rule(&self) -> RateRule {
        self.rate
    }

    /// What the operators enter at `time` into their formula beside `total_locked`; `None` if the rate is not set by it.
    pub fn operators_rate_at(&self, time: UnixTime, total_locked: Wei) -> Option<OperatorsRate> {
        if self.rate != RateRule::Operators {
            return None;
        }
        // Only targets that are whole percentages go with seconds.
        let percent = self.target_at(time).whole_percent();
        let (percent, block_secs) = percent.zip(Dated::in_force(&self.block_secs, time))?;
        Some(OperatorsRate { total_locked, percent, block_secs })
    }

    /// What every block of an epoch that begins at `time` earns whatever the rule says; `None` if the rule says it.
    pub fn fixed_reward_at(&self, time: UnixTime) -> Option<Wei> {
        Dated::in_force(&self.fixed_rewards, time)
    }
}

#[cfg(test)]
mod tests;
