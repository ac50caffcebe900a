//! Results for programs: the shapes of `tally_wire` as JSON.

use crate::Output;
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

/// How an indented object ends.
const END: &str = "\n}";

/// Writes a shape as indented JSON.
pub(crate) fn print(shape: &impl Serialize, output: &mut Output<'_>) -> Result<()> {
    Ok(writeln!(output.out, "{}", serde_json::to_string_pretty(shape)?)?)
}

/// The value that a shape is written as, to be compared field by field.
pub(crate) fn value(shape: impl Serialize) -> Value {
    serde_json::to_value(shape).expect("shapes are objects with text as names")
}

/// Writes an object of the fields of `head` and of one more, a list of this `name`. `write_all` gives the entries one by
/// one, and each is written as a line at once: together they can be many times what fits into memory.
pub(crate) fn print_streamed<T: Serialize>(
    head: &impl Serialize,
    name: &str,
    output: &mut Output<'_>,
    write_all: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let head = serde_json::to_string_pretty(head)?;
    let head = head.strip_suffix(END).expect("a head is an object with fields");
    write!(output.out, "{head},\n  \"{name}\": [")?;
    let mut separator = "\n    ";
    write_all(&mut |entry| {
        write!(output.out, "{separator}{}", serde_json::to_string(&entry)?)?;
        separator = ",\n    ";
        Ok(())
    })?;
    Ok(writeln!(output.out, "\n  ]{END}")?)
}
