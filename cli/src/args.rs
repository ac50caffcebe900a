//! The command line: what commands there are. Every flag is also an environment variable.
//!
//! The arguments of a command are beside it, or with those of its family in a module whose name ends in `_args`.
//! Arguments that several commands share are in `shared_args`.

use crate::accounts_args::AccountsArgs;
use crate::audit_args::AuditCommand;
use crate::bundle_args::BundleCommand;
use crate::claims_args::ClaimsCommand;
use crate::explain::ExplainArgs;
use crate::generated::{CompletionsArgs, ManArgs};
use crate::ingest_args::IngestArgs;
use crate::ledger_args::LedgerCommand;
use crate::log_args::LogCommand;
use crate::network::NetworkCommand;
use crate::owners::OwnersArgs;
use crate::policy::PolicyCommand;
use crate::production::ProductionArgs;
use crate::replay::ReplayArgs;
use crate::schema::SchemaArgs;
use crate::sequencer::SequencerArgs;
use crate::sequencers::SequencersArgs;
use crate::serve_args::{ServeArgs, TokenArgs};
use crate::sink_args::SinkCommand;
use crate::state::StateArgs;
use crate::status::StatusArgs;
use crate::synth::SynthArgs;
use crate::units::{TimeForm, Unit};
use crate::whatif::WhatIfArgs;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Reward accounting for the Metis sequencer pool: exact to the wei, from an append-only log.
#[derive(Debug, Parser)]
#[command(name = "tally", version, propagate_version = true)]
#[command(after_help = "Exit status: 0 done, or verified and equal; 1 it could not be done; 2 wrong usage; \
                        3 verified and different.")]
pub(crate) struct Cli {
    /// A TOML file with flags of any command, as `log = "pool.log"`; flags and variables go before it
    /// [default: ~/.config/tally/config.toml, if it is there]
    #[arg(long, global = true, env = "TALLY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sequencers' names, for tables: a JSON file as the pool publishes it (`sequencers/1088/all.json`)
    #[arg(long, global = true, env = "TALLY_REGISTRY", value_name = "FILE")]
    pub(crate) registry: Option<PathBuf>,
    /// Amounts in JSON and CSV
    #[arg(long, global = true, env = "TALLY_UNIT", value_enum, default_value_t = Unit::Wei)]
    pub(crate) unit: Unit,
    /// Times in JSON and CSV
    #[arg(long, global = true, env = "TALLY_TIME", value_enum, default_value_t = TimeForm::Unix)]
    pub(crate) time: TimeForm,
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
    /// Say in a few lines where a log stands
    Status(StatusArgs),
    /// Show the contracts' state, rebuilt from the log alone
    State(StateArgs),
    /// Say who owns the contracts, and who did before
    Owners(OwnersArgs),
    /// Show the ledger by block
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Say why a block, or a sequencer in an epoch, earned what it did
    Explain(ExplainArgs),
    /// Say what the owner of a sequencer asks first: what it has, gets, and can do, and why its rate is what it is
    Sequencer(SequencerArgs),
    /// Say who the sequencers are, and what they are called
    Sequencers(SequencersArgs),
    /// Say who made the blocks that it was to make, and who made them in its place
    Production(ProductionArgs),
    /// Say what is owed to each sequencer, by the contracts and under policies
    Accounts(AccountsArgs),
    /// Make what it takes to pay: the next batch, the next rate, distributions
    #[command(subcommand)]
    Claims(ClaimsCommand),
    /// Serve what is owed over HTTP, while the log grows
    Serve(Box<ServeArgs>),
    /// Make a token for `tally serve`: the token to the standard error, its line for the file to the output
    Token(TokenArgs),
    /// The claim feed in a database: every fact once, with the tables that a claim service needs
    #[command(subcommand)]
    Sink(SinkCommand),
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
