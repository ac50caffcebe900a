//! The config file: flags of any command, by their names. It gives them the values that they have when
//! neither a flag nor a variable does. Where no file is named, that of the user is read, if there is one.

use crate::args::Cli;
use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No config file is longer: it holds a few dozen lines.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The command line, with the values of the config file that `args` or the environment name.
pub(crate) fn command(args: &[OsString]) -> Result<Command> {
    let command = Cli::command();
    let Some(path) = path_of(args).or_else(users_own) else {
        return Ok(command);
    };
    let place = || format!("--config {}", path.display());
    let mut values = read(&path).with_context(place)?;
    let mut known = BTreeMap::new();
    names(&command, &mut known);
    for (name, value) in &values {
        match known.get(name.as_str()) {
            Some(is_list) if *is_list || value.len() == 1 => {}
            Some(_) => bail!("{}: {name} takes one value, and has {}", place(), value.len()),
            None => bail!("{}: no command has a flag {name}", place()),
        }
    }
    // It names itself, if anything does.
    values.remove("config");
    Ok(with_defaults(command, &values))
}

/// The path after `--config`, or else in the environment. What is wrong with the rest of the arguments is
/// found when they are parsed as a whole.
fn path_of(args: &[OsString]) -> Option<PathBuf> {
    let mut given = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--config" {
            given = args.next().map(PathBuf::from);
        } else if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            given = Some(path.into());
        }
    }
    given.or_else(|| std::env::var_os("TALLY_CONFIG").map(PathBuf::from))
}

/// The file that a user has for all commands, if it is there.
fn users_own() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let configs = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(configs.join("tally/config.toml")).filter(|path| path.is_file())
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > CONFIG_BYTES_MAX) {
        bail!("it is longer than the {CONFIG_BYTES_MAX} bytes allowed");
    }
    // The parser's own words would quote the line, which may hold the secrets of a URL.
    let table: toml::Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        anyhow::anyhow!("line {line}: {}", error.message())
    })?;
    table.into_iter().map(|(name, value)| Ok((name.replace('_', "-"), values_of(&name, value)?))).collect()
}

fn values_of(name: &str, value: toml::Value) -> Result<Vec<String>> {
    match value {
        toml::Value::String(text) => Ok(vec![text]),
        toml::Value::Integer(number) => Ok(vec![number.to_string()]),
        toml::Value::Float(number) => Ok(vec![number.to_string()]),
        toml::Value::Boolean(is_set) => Ok(vec![is_set.to_string()]),
        toml::Value::Array(list) => {
            let values: Result<Vec<Vec<String>>> =
                list.into_iter().map(|value| values_of(name, value)).collect();
            Ok(values?.concat())
        }
        // As it would be written after the flag.
        toml::Value::Datetime(time) => Ok(vec![time.to_string()]),
        toml::Value::Table(_) => bail!("{name} is neither text, number, flag, date nor list"),
    }
}

/// The long flags of a command and all below it, and whether they take lists.
fn names(command: &Command, known: &mut BTreeMap<String, bool>) {
    for arg in command.get_arguments() {
        if let Some(long) = arg.get_long() {
            let is_list = matches!(arg.get_action(), ArgAction::Append);
            known.entry(long.into()).and_modify(|known| *known |= is_list).or_insert(is_list);
        }
    }
    for below in command.get_subcommands() {
        names(below, known);
    }
}

fn with_defaults(command: Command, values: &BTreeMap<String, Vec<String>>) -> Command {
    let with_default = |arg: Arg| match arg.get_long().and_then(|long| values.get(long)) {
        Some(value) => arg.required(false).default_values(value.clone()),
        None => arg,
    };
    command.mut_args(with_default).mut_subcommands(|below| with_defaults(below, values))
}
