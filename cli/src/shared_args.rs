//! Arguments that several commands share: each is declared here, once, with what a command makes of it.

use crate::{WrongUsage, policies};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;
use tally_engine::{Policy, UnixTime};
use tally_eventlog::{LogError, LogReader, LogView};
use tally_ingest::Endpoints;
use tally_text::GivenTime;

#[derive(Debug, Args)]
pub(crate) struct LogArg {
    /// The directory of the log
    #[arg(long, short, env = "TALLY_LOG", value_name = "DIR")]
    pub(crate) log: PathBuf,
}

impl LogArg {
    /// Opens the log for reading.
    pub(crate) fn open(&self) -> Result<LogReader, LogError> {
        LogReader::open(&self.log)
    }
}

/// How `--sequencer` says which one is meant.
pub(crate) const SEQUENCER_HELP: &str = "The sequencer: its id, its name by the registry, or an address that owns it, signs for it or gets its rewards";

/// The second that is meant: the latest is the last up to which the log has both chains.
pub(crate) fn second(flag: &str, given: GivenTime, log: &LogReader) -> Result<UnixTime> {
    let latest = || {
        let reach = log.reach();
        let times = [reach.l1.map(|head| head.timestamp), reach.l2.map(|head| head.timestamp)];
        let latest = times.into_iter().flatten().min();
        latest.ok_or_else(|| WrongUsage(format!("{flag}: the log is empty, so nothing is the latest in it")))
    };
    let second = match given {
        GivenTime::At(time) => return Ok(time),
        GivenTime::BeforeLatest(_) => given.second(latest()?),
    };
    second.map_err(|error| WrongUsage(format!("{flag}: {error}")).into())
}

/// The policy of a command that works by one.
#[derive(Debug, Args)]
pub(crate) struct PolicyArg {
    /// A built-in policy (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy file
    #[arg(long, env = "TALLY_POLICY", value_name = "NAME|FILE", default_value = "guide")]
    pub(crate) policy: String,
}

impl PolicyArg {
    /// Loads the policy that was named.
    pub(crate) fn load(&self) -> Result<Policy> {
        policies::load_one(&self.policy)
    }
}

/// The policies of a command that works by several.
#[derive(Debug, Args)]
pub(crate) struct PoliciesArg {
    /// A built-in policy (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy file; may be repeated
    #[arg(
        long,
        env = "TALLY_POLICY",
        value_name = "NAME|FILE",
        value_delimiter = ',',
        default_value = "guide"
    )]
    pub(crate) policy: Vec<String>,
}

impl PoliciesArg {
    /// Loads the policies, each of which may be given once.
    pub(crate) fn load(&self) -> Result<Vec<Policy>> {
        policies::load(&self.policy)
    }
}

/// How many threads a command counts with.
#[derive(Debug, Args)]
pub(crate) struct ThreadsArg {
    /// How many threads count [default: one a core]
    #[arg(long, env = "TALLY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

impl ThreadsArg {
    /// The number of threads, if one was given.
    pub(crate) fn count(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }
}

/// The endpoints by which a command asks L1.
#[derive(Debug, Args)]
pub(crate) struct L1Endpoints {
    /// An L1 endpoint; may be repeated, and the first that works is used
    #[arg(
        long,
        env = "TALLY_L1_RPC",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) l1_rpc: Vec<String>,
}

impl L1Endpoints {
    /// The endpoints, if any are given.
    pub(crate) fn endpoints(&self, rpc: &RpcArgs) -> Option<Endpoints> {
        rpc.endpoints(&self.l1_rpc)
    }
}

/// The endpoints by which a command asks L2.
#[derive(Debug, Args)]
pub(crate) struct L2Endpoints {
    /// An L2 endpoint; may be repeated, and the first that works is used
    #[arg(
        long,
        env = "TALLY_L2_RPC",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) l2_rpc: Vec<String>,
}

impl L2Endpoints {
    /// The endpoints, if any are given.
    pub(crate) fn endpoints(&self, rpc: &RpcArgs) -> Option<Endpoints> {
        rpc.endpoints(&self.l2_rpc)
    }
}

/// How a command asks a node.
#[derive(Debug, Args)]
pub(crate) struct RpcArgs {
    /// How long an answer may take
    #[arg(long, env = "TALLY_RPC_TIMEOUT_SECS", value_name = "SECS", default_value = "30", value_parser = secs)]
    pub(crate) rpc_timeout_secs: Duration,
    /// How often to try all endpoints before giving up, with pauses of up to 30 s; --follow never does
    #[arg(long, env = "TALLY_RPC_ROUNDS", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rpc_rounds: u32,
}

impl RpcArgs {
    /// The endpoints at these URLs, if there are any.
    fn endpoints(&self, urls: &[String]) -> Option<Endpoints> {
        let RpcArgs { rpc_timeout_secs, rpc_rounds } = *self;
        let urls = urls.to_vec();
        (!urls.is_empty()).then_some(Endpoints { urls, timeout: rpc_timeout_secs, rounds_max: rpc_rounds })
    }
}

/// Reads a number of seconds, which may have decimals.
pub(crate) fn secs(text: &str) -> Result<Duration, String> {
    let secs: f64 = text.parse().map_err(|error| format!("not a number of seconds: {error}"))?;
    match Duration::try_from_secs_f64(secs) {
        Ok(secs) if (Duration::from_millis(1)..=Duration::from_hours(24)).contains(&secs) => Ok(secs),
        _ => Err("not from 0.001 to 86400".into()),
    }
}

/// Reads where to listen: a host with a port, or a port of this machine alone.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |why: &str| {
        format!(
            "{why}: write a port (8700, for this machine alone), or a host and a port (0.0.0.0:8700, localhost:8700)"
        )
    };
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let found = text.to_socket_addrs().map_err(|_| wrong("it is no address with a port"))?;
    // A name may have addresses of both kinds: the older one is what is meant by 127.0.0.1.
    let found = found.min_by_key(SocketAddr::is_ipv6);
    found.ok_or_else(|| wrong("the name has no address"))
}

/// How a command prints a result that has rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Table,
    /// For programs: amounts as decimal strings
    Json,
    /// A row for each line of what there is, all of it, with a header
    Csv,
}

/// How a command prints a result that is no list of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// A table for people
    Table,
    /// For programs: amounts as decimal strings
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_listen_is_read_as_people_write_it() {
        let read = |text: &str| listen_address(text).map(|address| address.to_string());
        for (text, address) in [
            ("8700", "127.0.0.1:8700"),
            ("0", "127.0.0.1:0"),
            ("localhost:8700", "127.0.0.1:8700"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:8700", "[::1]:8700"),
        ] {
            assert_eq!(read(text), Ok(address.into()), "{text}");
        }
        for text in ["", "70000", "localhost", "0.0.0.0", "-1", "localhost:x", "::1"] {
            let error = read(text).expect_err(text);
            assert!(error.contains("localhost:8700"), "{error}");
        }
    }
}
