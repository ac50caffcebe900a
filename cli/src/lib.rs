//! The `tally` command: arguments in, text and an exit status out. It does no sums.
//!
//! Exit status: 0 done, or verified and equal; 1 it could not be done; 2 wrong usage; 3 verified and
//! different.

mod accounts;
mod accounts_args;
mod accounts_compare;
mod accounts_recipients;
mod activity_csv;
mod args;
mod audit_args;
mod audit_bundle;
mod audit_chain;
mod audit_compare;
mod audit_live;
mod block_range;
mod bundle;
mod bundle_args;
mod checklist;
mod claims_args;
mod claims_batch;
mod claims_call;
mod claims_call_args;
mod claims_rate;
mod compare;
mod config;
mod explain;
mod format;
mod generated;
mod ignored;
mod ingest;
mod ingest_args;
mod json;
mod kept;
mod ledger;
mod ledger_args;
mod ledger_export;
mod live;
mod log;
mod log_args;
mod log_restore;
mod log_upgrade;
mod merkle;
mod names;
mod network;
mod out_file;
mod owners;
mod policies;
mod policy;
mod production;
mod range;
mod receipt_difference;
mod replay;
mod schema;
mod sequencer;
mod sequencers;
mod serve;
mod serve_args;
mod shared_args;
mod sink;
mod sink_args;
mod state;
mod statement;
mod status;
mod synth;
mod units;
mod watch;
mod what_if_stake;
mod whatif;

use accounts_args::AccountsCommand;
use args::{Cli, Command};
use audit_args::AuditCommand;
use bundle_args::BundleCommand;
use claims_args::ClaimsCommand;
use clap::{CommandFactory, FromArgMatches};
use ledger_args::LedgerCommand;
use log_args::LogCommand;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use tally_ingest::mask_urls;

/// Exit status: the command is done, or what it checked is equal.
pub const DONE: u8 = 0;
/// Exit status: the command could not be done.
pub const FAILED: u8 = 1;
/// Exit status: the command line was wrong.
pub const USAGE: u8 = 2;
/// Exit status: the check was made, and found a difference.
pub const DIFFERENT: u8 = 3;

/// Where a command writes, and by which names.
pub(crate) struct Output<'a> {
    /// Where results are written.
    pub(crate) out: &'a mut dyn Write,
    /// Where warnings and errors are written.
    pub(crate) err: &'a mut dyn Write,
    /// The registry of sequencers' names, for tables.
    pub(crate) registry: Option<&'a Path>,
}

impl Output<'_> {
    /// Writes each of these as a warning.
    pub(crate) fn warn<T: Display>(&mut self, warnings: impl IntoIterator<Item = T>) -> std::io::Result<()> {
        for warning in warnings {
            writeln!(self.err, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// Runs one command and returns its exit status. The first of `args` is the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let given: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (cli, is_rewritten) = match config::command(&args).map(|command| parse(command, args)) {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(error)) => {
            // Help and version are no errors, and belong on the standard output.
            let is_error = error.use_stderr();
            // The values of variables are in a help, and those of flags in an error.
            let text = without_secrets(&in_words(&error.render().to_string()), &given);
            // With nowhere to write to, the status has to do.
            let _ = if is_error { write!(err, "{text}") } else { write!(out, "{text}") };
            return if is_error { USAGE } else { DONE };
        }
        Err(error) => {
            let _ = writeln!(err, "error: {}", without_secrets(&chain_text(&error), &given));
            return USAGE;
        }
    };
    let mut out = UntilClosed { out, is_closed: false };
    let (unit, time) = if is_rewritten { (cli.unit, cli.time) } else { Default::default() };
    let mut out = units::Units::new(&mut out, unit, time);
    let mut output = Output { out: &mut out, err, registry: cli.registry.as_deref() };
    let status = match &cli.command {
        Command::Ingest(args) => ingest::run(args, &mut output),
        Command::Replay(args) => replay::run(args, &mut output),
        Command::Whatif(args) => whatif::run(args, &mut output),
        Command::Synth(args) => synth::run(args, &mut output),
        Command::State(args) => state::run(args, &mut output),
        Command::Status(args) => status::run(args, &mut output),
        Command::Owners(args) => owners::run(args, &mut output),
        Command::Ledger(LedgerCommand::Show(args)) => ledger::show(args, &mut output),
        Command::Ledger(LedgerCommand::Export(args)) => ledger_export::run(args, &mut output),
        Command::Explain(args) => explain::run(args, &mut output),
        Command::Sequencer(args) => sequencer::run(args, &mut output),
        Command::Sequencers(args) => sequencers::run(args, &mut output),
        Command::Production(args) => production::run(args, &mut output),
        Command::Accounts(args) => match &args.command {
            Some(AccountsCommand::Statement(args)) => statement::run(args, &mut output),
            Some(AccountsCommand::Recipients(args)) => accounts_recipients::run(args, &mut output),
            Some(AccountsCommand::Compare(args)) => accounts_compare::run(args, &mut output),
            None => accounts::run(args, &mut output),
        },
        Command::Serve(args) => serve::run(args, &mut output),
        Command::Token(args) => serve::token(args, &mut output),
        Command::Sink(command) => sink::run(command, &mut output),
        Command::Schema(args) => schema::run(args, &mut output),
        Command::Openapi => serve::openapi(&mut output),
        Command::Bundle(BundleCommand::Create(args)) => bundle::create(args, &mut output),
        Command::Bundle(BundleCommand::Show(args)) => bundle::show(args, &mut output),
        Command::Audit(AuditCommand::Chain(args)) => audit_chain::run(args, &mut output),
        Command::Audit(AuditCommand::Live(args)) => audit_live::run(args, &mut output),
        Command::Audit(AuditCommand::Bundle(args)) => audit_bundle::run(args, &mut output),
        Command::Audit(AuditCommand::Compare(args)) => audit_compare::run(args, &mut output),
        Command::Claims(ClaimsCommand::NextBatch(args)) => claims_batch::run(args, &mut output),
        Command::Claims(ClaimsCommand::NextRate(args)) => claims_rate::next(args, &mut output),
        Command::Claims(ClaimsCommand::Rate(args)) => claims_rate::rate(args, &mut output),
        Command::Claims(ClaimsCommand::Merkle(args)) => merkle::run(args, &mut output),
        Command::Claims(ClaimsCommand::Call(args)) => claims_call::run(args, &mut output),
        Command::Network(command) => network::run(command, &mut output),
        Command::Policy(command) => policy::run(command, &mut output),
        Command::Log(LogCommand::Info(args)) => log::info(args, &mut output),
        Command::Log(LogCommand::Verify(args)) => log::verify(args, &mut output),
        Command::Log(LogCommand::Backup(args)) => log::backup(args, &mut output),
        Command::Log(LogCommand::Upgrade(args)) => log_upgrade::run(args, &mut output),
        Command::Log(LogCommand::Restore(args)) => log_restore::run(args, &mut output),
        Command::Completions(args) => generated::completions(args, Cli::command(), &mut output),
        Command::Man(args) => generated::man(args, Cli::command(), &mut output),
    };
    let status = status.and_then(|status| {
        out.finish()?;
        Ok(status)
    });
    status.unwrap_or_else(|error| {
        let _ = writeln!(err, "error: {}", without_secrets(&chain_text(&error), &given));
        if error.is::<WrongUsage>() { USAGE } else { FAILED }
    })
}

/// What the parser of numbers says, in the words of whoever writes one.
fn in_words(text: &str) -> String {
    [
        ("invalid digit found in string", "a whole number is expected, such as 12"),
        (
            "cannot parse integer from empty string",
            "a whole number is expected, such as 12, and nothing is given",
        ),
        ("number too large to fit in target type", "the number is too large"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (parser, people)| text.replace(parser, people))
}

/// A text for people without the secrets of URLs that were `given`, by mistake, where something else should
/// be. Who prints an error of a library cannot know what it repeats.
fn without_secrets(text: &str, given: &[String]) -> String {
    let mut text = text.to_owned();
    // In a text a URL ends with a blank, but one that was given may hold some.
    for arg in given.iter().filter(|arg| arg.contains(":/") && arg.contains(char::is_whitespace)) {
        let value =
            arg.split_once('=').filter(|_| arg.starts_with("--")).map_or(arg.as_str(), |(_, value)| value);
        text = text.replace(value, &mask_urls(&value.replace(char::is_whitespace, "%20")));
    }
    mask_urls(&text)
}

/// What is wrong with a command line, which is not run; `None` if nothing is. The first of `args` is the program's name.
pub fn usage_error(args: impl IntoIterator<Item = OsString>) -> Option<String> {
    parse(Cli::command(), args.into_iter().collect()).err().map(|error| error.to_string())
}

/// The command, and whether amounts and times in what it prints are rewritten.
fn parse(command: clap::Command, args: Vec<OsString>) -> Result<(Cli, bool), clap::Error> {
    let matches = command.try_get_matches_from(args)?;
    let is_rewritten = ignored::check(&matches)?;
    Ok((Cli::from_arg_matches(&matches)?, is_rewritten))
}

/// Output that nobody may be reading to its end: what comes after a closed pipe goes nowhere, and the
/// command still finds out what its status has to say.
struct UntilClosed<'a> {
    out: &'a mut dyn Write,
    is_closed: bool,
}

impl UntilClosed<'_> {
    fn unless_closed<T>(
        &mut self,
        ignored: T,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        if self.is_closed {
            return Ok(ignored);
        }
        match write(self.out) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(ignored)
            }
            written => written,
        }
    }
}

impl Write for UntilClosed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.unless_closed((), |out| out.flush())
    }
}

/// Wrong usage that only the command itself can see.
#[derive(Debug)]
pub(crate) struct WrongUsage(pub(crate) String);

impl std::fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// An error and its causes, each once: some errors say their cause's words themselves.
fn chain_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
