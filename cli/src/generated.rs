//! `tally completions` and `tally man`: what clap makes of the arguments.

use crate::{DONE, Output};
use anyhow::{Context, Result};
use clap::{Arg, Args, Command, ValueHint};
use std::path::{Path, PathBuf};

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

/// Prints what a shell needs to complete the command line.
pub(crate) fn completions(args: &CompletionsArgs, command: Command, output: &mut Output<'_>) -> Result<u8> {
    let mut command = with_hints(command);
    let mut script = Vec::new();
    // It panics where it cannot write, so not straight to the output.
    clap_complete::generate(args.shell, &mut command, "tally", &mut script);
    output.out.write_all(&script)?;
    Ok(DONE)
}

/// Writes a manual page for each command.
pub(crate) fn man(args: &ManArgs, command: Command, output: &mut Output<'_>) -> Result<u8> {
    let dir = &args.dir;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    std::fs::create_dir_all(dir)
        .and_then(|()| pages(&command, dir))
        .with_context(|| format!("manual pages in {}", dir.display()))?;
    writeln!(output.out, "wrote manual pages to {}", dir.display())?;
    Ok(DONE)
}

/// The page of a command, and of each below it. All are Tally's, where `clap_mangen::generate_to` would name each
/// command as where its page is from.
fn pages(command: &Command, dir: &Path) -> std::io::Result<()> {
    for below in command.get_subcommands() {
        pages(below, dir)?;
    }
    let source = concat!("tally ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone()).source(source).manual("Tally").generate_to(dir).map(drop)
}

/// The command line with what shells offer as values, which the values' names say.
fn with_hints(command: Command) -> Command {
    let with_hint = |arg: Arg| {
        let name = arg.get_value_names().and_then(<[_]>::first).map(clap::builder::Str::as_str);
        match name {
            Some("DIR") => arg.value_hint(ValueHint::DirPath),
            Some("FILE" | "NAME|FILE") => arg.value_hint(ValueHint::FilePath),
            Some("URL") => arg.value_hint(ValueHint::Url),
            _ => arg,
        }
    };
    command.mut_args(with_hint).mut_subcommands(with_hints)
}
