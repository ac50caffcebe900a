//! `--policy NAME|FILE`.

use crate::WrongUsage;
use anyhow::{Context, Result};
use std::io::Read;
use tally_engine::{BUILT_IN, POLICY_BYTES_MAX, Policy};

/// The policies of these names and files, each once. A built-in name comes before a file of that name.
pub(crate) fn load(names: &[String]) -> Result<Vec<Policy>> {
    let mut policies: Vec<Policy> = Vec::new();
    for name in names {
        let policy = match Policy::built_in(name) {
            Some(policy) => policy,
            None => read(name)?,
        };
        if policies.iter().any(|before| before.digest() == policy.digest()) {
            return Err(WrongUsage(format!("--policy {name}: the same policy is given twice")).into());
        }
        policies.push(policy);
    }
    Ok(policies)
}

fn read(path: &str) -> Result<Policy> {
    let built_in = BUILT_IN.map(|(name, _)| name).join(", ");
    let file = std::fs::File::open(path).map_err(|error| {
        WrongUsage(format!(
            "--policy {path}: it is neither built in ({built_in}) nor a file that can be read: {error}"
        ))
    })?;
    let mut text = String::new();
    let limit = u64::try_from(POLICY_BYTES_MAX)?.saturating_add(1);
    file.take(limit).read_to_string(&mut text).with_context(|| format!("--policy {path}"))?;
    Policy::from_toml(&text).with_context(|| format!("--policy {path}"))
}
