//! The command line. Every flag is also an environment variable.

use crate::accounts_args::AccountsArgs;
use crate::bundle_args::{AuditBundleArgs, AuditCompareArgs, BundleCommand};
use crate::chain_args::{AuditChainArgs, AuditLiveArgs};
use crate::claims_args::ClaimsCommand;
use crate::ledger_args::{ExplainArgs, LedgerCommand};
use crate::log_args::{LogCommand, OwnersArgs};
use crate::policy::PolicyCommand;
use crate::range::Range;
use crate::serve_args::{ServeArgs, TokenArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tally_ingest::Finality;
use tally_synth::Pattern;

/// Reward accounting for the Metis sequencer pool: exact to the wei, from an append-only log.
#[derive(Debug, Parser)]
#[command(name = "tally", version, propagate_version = true)]
#[command(after_help = "Exit status: 0 done, or verified and equal; 1 it could not be done; 2 wrong usage; \
                        3 verified and different.")]
pub(crate) struct Cli {
    /// A TOML file with flags of any command, as `log = "pool.log"`; flags and variables go before it
    #[arg(long, global = true, env = "TALLY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sequencers' names, for tables: a JSON file as the pool publishes it (`sequencers/1088/all.json`)
    #[arg(long, global = true, env = "TALLY_REGISTRY", value_name = "FILE")]
    pub(crate) registry: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Append what the chains, or a recording of them, hold to a log
    Ingest(IngestArgs),
    /// Fold a log into reward ledgers
    Replay(ReplayArgs),
    /// Say what other targets, caps and allocations would have paid
    Whatif(WhatIfArgs),
    /// Make a log up, of any size: to see what one takes
    Synth(SynthArgs),
    /// Show the contracts' state, rebuilt from the log alone
    State(StateArgs),
    /// Say who owns the contracts, and who did before
    Owners(OwnersArgs),
    /// Show the ledger by block
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Say why a block, or a sequencer in an epoch, earned what it did
    Explain(ExplainArgs),
    /// Say who the sequencers are, and what they are called
    Sequencers(SequencersArgs),
    /// Say what is owed to each sequencer, by the contracts and under policies
    Accounts(AccountsArgs),
    /// Make what it takes to pay: the next batch, the next rate, distributions
    #[command(subcommand)]
    Claims(ClaimsCommand),
    /// Serve what is owed over HTTP, while the log grows
    Serve(Box<ServeArgs>),
    /// Make a token for `tally serve`: the token to the standard error, its line for the file to the output
    Token(TokenArgs),
    /// Print the description of what `tally serve` answers, as `OpenAPI` 3.1
    Openapi,
    /// Print the JSON Schema of what a command prints as JSON
    Schema(SchemaArgs),
    /// Logs with policy and receipt, as single files to be audited offline
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Check what others say
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The chains and contracts that can be ingested
    #[command(subcommand)]
    Network(NetworkCommand),
    /// The rules by which rewards are computed
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look at a log, or check it
    #[command(subcommand)]
    Log(LogCommand),
    /// Print what a shell needs to complete the command line
    Completions(CompletionsArgs),
    /// Write the manual pages of all commands
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// What to describe, as `replay` or `log-info` [default: a list of what there is]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check what the chain claims (batches, totals, nonces, payouts) against the log; 3 if any of it is wrong
    Chain(AuditChainArgs),
    /// Compare the contracts' state, asked of a node, with the log's; 3 if any field differs
    Live(AuditLiveArgs),
    /// Replay a bundle's log, offline, and compare with its receipt; 3 if they differ
    Bundle(AuditBundleArgs),
    /// Say where two receipts or bundles part; 3 if they do
    Compare(AuditCompareArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// The networks that are built in
    List,
    /// Print a network, as a file to start one's own from
    Show(NetworkShowArgs),
    /// Print the network that a recording is of
    FromRecording(NetworkFromRecordingArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NetworkShowArgs {
    /// A built-in network or a network file
    #[arg(value_name = "NAME|FILE")]
    pub(crate) network: String,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkFromRecordingArgs {
    /// The directory of the recording
    #[arg(value_name = "DIR")]
    pub(crate) recording: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LogArg {
    /// The directory of the log
    #[arg(long, env = "TALLY_LOG", value_name = "DIR")]
    pub(crate) log: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// Ingest the recording in this directory
    #[arg(long, env = "TALLY_RECORDING", value_name = "DIR", conflicts_with = "network")]
    pub(crate) recording: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The last L1 block to ingest [default: the last there is]
    #[arg(long, env = "TALLY_L1_TO", value_name = "BLOCK")]
    pub(crate) l1_to: Option<u64>,
    /// The last L2 block to ingest [default: the last there is]
    #[arg(long, env = "TALLY_L2_TO", value_name = "BLOCK")]
    pub(crate) l2_to: Option<u64>,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

/// How to ingest from live chains.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live chains")]
pub(crate) struct LiveArgs {
    /// Ingest this network, live: a built-in one (mainnet, sepolia) or a network file
    #[arg(long, env = "TALLY_NETWORK", value_name = "NAME|FILE")]
    pub(crate) network: Option<String>,
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
    /// Up to where to ingest L1: the chain's finalized or safe block, or so many blocks below its head
    #[arg(long, env = "TALLY_L1_FINALITY", value_name = "finalized|safe|BLOCKS", default_value = "finalized", value_parser = finality)]
    pub(crate) l1_finality: Finality,
    /// How many blocks below its head to ingest L2
    #[arg(long, env = "TALLY_L2_CONFIRMATIONS", value_name = "BLOCKS", default_value_t = 10)]
    pub(crate) l2_confirmations: u64,
    /// Go on with new blocks as they come, until a signal ends it
    #[arg(long, env = "TALLY_FOLLOW", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) follow: bool,
    /// How long to wait before looking for new blocks
    #[arg(long, env = "TALLY_POLL_SECS", value_name = "SECS", default_value = "5", value_parser = secs)]
    pub(crate) poll_secs: Duration,
    /// How often to compare the log with the contracts' own state while following, besides once at the end of L1; 0:
    /// never
    #[arg(long, env = "TALLY_STATE_CHECK_HOURS", value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(..=8_760))]
    pub(crate) state_check_hours: u32,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    /// Serve Prometheus metrics at this address, under /metrics
    #[arg(long, env = "TALLY_METRICS_LISTEN", value_name = "HOST:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How to tell what happens: bars on a terminal, else lines
    #[arg(long, env = "TALLY_PROGRESS", value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
    /// From which level on to tell what happens
    #[arg(long, env = "TALLY_LEVEL", value_enum, default_value_t = Level::Info)]
    pub(crate) level: Level,
}

/// How to ask a node.
#[derive(Debug, Args)]
pub(crate) struct RpcArgs {
    /// How long an answer may take
    #[arg(long, env = "TALLY_RPC_TIMEOUT_SECS", value_name = "SECS", default_value = "30", value_parser = secs)]
    pub(crate) rpc_timeout_secs: Duration,
    /// How often to try all endpoints before giving up, with pauses of up to 30 s; --follow never does
    #[arg(long, env = "TALLY_RPC_ROUNDS", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rpc_rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Bars if the standard error is a terminal, else lines
    Auto,
    /// A bar for each chain
    Bars,
    /// A line now and then
    Lines,
    /// Each line is one JSON object
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Only what ends the command
    Error,
    /// What somebody should look at, too
    Warn,
    /// How it goes, too
    Info,
    /// Each failed request, too
    Debug,
}

fn finality(text: &str) -> Result<Finality, String> {
    match text {
        "finalized" => Ok(Finality::Finalized),
        "safe" => Ok(Finality::Safe),
        blocks => match blocks.parse() {
            Ok(blocks) => Ok(Finality::Confirmations(blocks)),
            Err(error) => Err(format!("neither finalized, nor safe, nor a number of blocks: {error}")),
        },
    }
}

fn secs(text: &str) -> Result<Duration, String> {
    let secs: f64 = text.parse().map_err(|error| format!("not a number of seconds: {error}"))?;
    match Duration::try_from_secs_f64(secs) {
        Ok(secs) if (Duration::from_millis(1)..=Duration::from_hours(24)).contains(&secs) => Ok(secs),
        _ => Err("not from 0.001 to 86400".into()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// A built-in policy (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy file; may be repeated
    #[arg(
        long,
        env = "TALLY_POLICY",
        value_name = "NAME|FILE",
        value_delimiter = ',',
        default_value = "guide"
    )]
    pub(crate) policy: Vec<String>,
    /// The last L2 block to fold [default: as far as the log allows]
    #[arg(long, env = "TALLY_TO", value_name = "BLOCK")]
    pub(crate) to: Option<u64>,
    /// How many threads count [default: one a core]
    #[arg(long, env = "TALLY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Check every byte on the way, as `tally log verify` does
    #[arg(long, env = "TALLY_VERIFY", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) verify: bool,
    /// Also write, as CSV, who made how many rewarded blocks in each epoch at which stake, as the first
    /// policy (not on-chain) sees it; the blocks are still read once
    #[arg(long, env = "TALLY_ACTIVITY", value_name = "FILE")]
    pub(crate) activity: Option<PathBuf>,
    /// Also write a receipt, by which others can compare their result (of one policy)
    #[arg(long, env = "TALLY_RECEIPT", value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// Say on standard error how long reading and folding took
    #[arg(long, env = "TALLY_TIMING", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) timing: bool,
    /// How to print the result
    #[arg(long, env = "TALLY_REPLAY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(
    after_help = "RANGE is a value A, or A:B:STEP for A, A + STEP and so on up to B, or a list of these, with \
                        commas; values are decimal fractions of at most 18 decimals. One run evaluates at most \
                        100,000 combinations."
)]
pub(crate) struct WhatIfArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The base policy: a built-in one (guide, stake-weighted) or a policy file. All but what is given
    /// here is taken from it, and the results are compared with what it pays
    #[arg(
        long,
        env = "TALLY_POLICY",
        value_name = "NAME|FILE",
        value_delimiter = ',',
        default_value = "guide"
    )]
    pub(crate) policy: Vec<String>,
    /// Target mining reward rates, as 0.10:0.30:0.005; each holds at all times [default: the base
    /// policy's, with their dates]
    #[arg(long, env = "TALLY_MRR", value_name = "RANGE", value_delimiter = ',')]
    pub(crate) mrr: Vec<Range>,
    /// Caps in METIS, as 50000:150000:10000: stake above it does not count [default: the base policy's]
    #[arg(long, env = "TALLY_CAP", value_name = "RANGE", value_delimiter = ',')]
    pub(crate) cap: Vec<Range>,
    /// How the rewards of an epoch are shared [default: as the base policy does]
    #[arg(long, env = "TALLY_ALLOCATION", value_enum, value_delimiter = ',')]
    pub(crate) allocation: Vec<AllocationArg>,
    /// The last L2 block to count [default: as far as the log allows]
    #[arg(long, env = "TALLY_TO", value_name = "BLOCK")]
    pub(crate) to: Option<u64>,
    /// How many threads count and evaluate [default: one a core]
    #[arg(long, env = "TALLY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Add a table by sequencer (as for a single combination); JSON and CSV always have it
    #[arg(long, env = "TALLY_BY_SEQUENCER", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) by_sequencer: bool,
    /// How to print the result
    #[arg(long, env = "TALLY_WHATIF_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AllocationArg {
    /// Every rewarded block of an epoch earns the same
    Flat,
    /// In proportion to its producer's capped stake
    StakeWeighted,
}

#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How many L2 blocks
    #[arg(long, env = "TALLY_BLOCKS", value_name = "N")]
    pub(crate) blocks: u64,
    /// How many sequencers make them
    #[arg(long, env = "TALLY_SEQUENCERS", value_name = "N", default_value_t = 32)]
    pub(crate) sequencers: u16,
    /// Who makes which block: spans:N, the signer of its span of N blocks; random; or mixed, some of both
    #[arg(long, env = "TALLY_PATTERN", value_name = "PATTERN", default_value = "spans:200")]
    pub(crate) pattern: Pattern,
    /// How often some stake changes, over all the blocks
    #[arg(long, env = "TALLY_STAKE_CHANGES", value_name = "N", default_value_t = 0)]
    pub(crate) stake_changes: u64,
    /// The same seed gives the same log
    #[arg(long, env = "TALLY_SEED", value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The state after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// Compare with the recorded states of this file (up to that block) instead of printing; 3 if any differs
    #[arg(long, env = "TALLY_EXPECT", value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
    /// How to print the state
    #[arg(long, env = "TALLY_STATE_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct SequencersArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How to print them
    #[arg(long, env = "TALLY_SEQUENCERS_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "For a session of bash: source <(tally completions bash)")]
pub(crate) struct CompletionsArgs {
    /// The shell whose completions are printed
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory to write them into
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Table,
    /// For programs: amounts as decimal strings
    Json,
    /// A row for each line of what there is, all of it, with a header
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// A table for people
    Table,
    /// For programs: amounts as decimal strings
    Json,
}
