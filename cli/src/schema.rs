//! `tally schema`.

use crate::args::SchemaArgs;
use crate::{DONE, Output, WrongUsage};
use anyhow::Result;

/// Prints the JSON Schema of what a command prints or, without a name, the page that describes all of them.
pub(crate) fn run(args: &SchemaArgs, output: &mut Output<'_>) -> Result<u8> {
    let text = match &args.name {
        None => tally_wire::page(),
        Some(name) => tally_wire::schema(name).ok_or_else(|| {
            let known: Vec<&str> = tally_wire::schemas().collect();
            WrongUsage(format!("{name} is none of {}", known.join(", ")))
        })?,
    };
    write!(output.out, "{text}")?;
    Ok(DONE)
}
