//! `--policy NAME|FILE`: finds the policies that a command works by.

use crate::WrongUsage;
use anyhow::{Context, Result};
use std::io::Read;
use tally_engine::{Allocation, BUILT_IN, BUILT_IN_EARLIER, POLICY_BYTES_MAX, Policy};
use tally_replay::ReplayError;
use tally_text::given_rate;

/// The policies of these names and files, each once. A built-in name comes before a file of that name.
pub(crate) fn load(names: &[String]) -> Result<Vec<Policy>> {
    let mut policies: Vec<Policy> = Vec::new();
    for name in names {
        let policy = load_one(name)?;
        if policies.iter().any(|before| before.digest() == policy.digest()) {
            return Err(WrongUsage(format!("--policy {name}: the same policy is given twice")).into());
        }
        policies.push(policy);
    }
    Ok(policies)
}

/// The policy of this name or file.
pub(crate) fn load_one(name: &str) -> Result<Policy> {
    Policy::built_in(name).map_or_else(|| read(name), Ok)
}

/// Refuses a policy that has no activity, before anything is read.
pub(crate) fn check_has_activity(policy: &Policy) -> Result<()> {
    if policy.allocation() == Allocation::OnChain {
        let error = ReplayError::NoActivity { policy: policy.name().into() };
        return Err(WrongUsage(error.to_string()).into());
    }
    Ok(())
}

fn read(path: &str) -> Result<Policy> {
    let built_in: Vec<&str> = BUILT_IN.iter().chain(&BUILT_IN_EARLIER).map(|(name, _)| *name).collect();
    let built_in = built_in.join(", ");
    let file = std::fs::File::open(path).map_err(|error| {
        WrongUsage(format!(
            "--policy {path}: it is neither built in ({built_in}) nor a file that can be read: {error}"
        ))
    })?;
    let mut text = String::new();
    let limit = u64::try_from(POLICY_BYTES_MAX)?.saturating_add(1);
    file.take(limit).read_to_string(&mut text).with_context(|| format!("--policy {path}"))?;
    let policy = Policy::from_toml(&text).with_context(|| format!("--policy {path}"))?;
    for target in policy.targets() {
        // The engine takes any rate, so that whatever was published can be worked out again. Here it is a mistake.
        let target = target.value.to_string();
        given_rate(&target).map_err(|said| WrongUsage(format!("--policy {path}: target_mrr: {said}")))?;
    }
    Ok(policy)
}
