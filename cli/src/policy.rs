//! `tally policy`: the built-in policies, to start from.

use crate::format::table;
use crate::{DONE, Output, policies};
use anyhow::Result;
use clap::{Args, Subcommand};
use tally_engine::{BUILT_IN, BUILT_IN_EARLIER, Policy};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// The policies that are built in, with their versions and digests
    List,
    /// Print a policy, as a file to start one's own from
    Show(PolicyShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyShowArgs {
    /// A built-in policy (as guide, or with its version as locking-pool@1) or a policy file
    #[arg(value_name = "NAME|FILE")]
    pub(crate) policy: String,
}

pub(crate) fn run(command: &PolicyCommand, output: &mut Output<'_>) -> Result<u8> {
    match command {
        PolicyCommand::List => {
            let mut rows = table(&["policy", "digest"], 2);
            for (_, text) in built_in() {
                let policy = Policy::from_toml(text)?;
                rows.add_row([versioned(&policy), policy.digest().to_string()]);
            }
            writeln!(output.out, "{rows}")?;
        }
        PolicyCommand::Show(PolicyShowArgs { policy }) => {
            let loaded = policies::load_one(policy)?;
            // A built-in one as it was written, with its comments.
            let is_same = |text: &str| Policy::from_toml(text).is_ok_and(|other| other == loaded);
            let written = built_in().find(|(_, text)| is_same(text)).map(|(_, text)| text.to_owned());
            write!(output.out, "{}", written.unwrap_or_else(|| loaded.to_toml()))?;
        }
    }
    Ok(DONE)
}

fn built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN.into_iter().chain(BUILT_IN_EARLIER)
}

fn versioned(policy: &Policy) -> String {
    format!("{}@{}", policy.name(), policy.version())
}
