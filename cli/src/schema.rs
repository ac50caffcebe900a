//! `tally schema`: the JSON schemas of what commands print.

use crate::format::table;
use crate::{DONE, Output, WrongUsage};
use anyhow::Result;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// What to describe, as `replay` or `log-info` [default: a list of what there is]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Prints the JSON Schema of what a command prints or, without a name, what there is.
pub(crate) fn run(args: &SchemaArgs, output: &mut Output<'_>) -> Result<u8> {
    let Some(name) = &args.name else {
        let mut rows = table(&["name", "of"], 2);
        for (name, command) in tally_wire::schemas() {
            rows.add_row([name, command]);
        }
        writeln!(output.out, "{rows}")?;
        return Ok(DONE);
    };
    let unknown = || WrongUsage(format!("{name}: `tally schema` lists what there is, and that is not"));
    write!(output.out, "{}", tally_wire::schema(name).ok_or_else(unknown)?)?;
    Ok(DONE)
}
