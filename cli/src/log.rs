//! `tally log`: what a log holds, and whether it is sound.

use crate::format::{or_none, table};
use crate::log_args::{BackupArgs, InfoArgs};
use crate::shared_args::{LogArg, PlainFormat};
use crate::{DIFFERENT, DONE, Output, json};
use anyhow::Result;
use serde_json::Value;
use tally_engine::UnixTime;
use tally_eventlog::Heads;
use tally_wire::LogInfo;

pub(crate) fn info(args: &InfoArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let info = LogInfo::try_from(&log)?;
    match args.format {
        PlainFormat::Json => json::print(&info, output)?,
        PlainFormat::Table => {
            let mut rows = table(&["what", "value"], 2);
            flatten(String::new(), &json::value(info), &mut |name, value| {
                rows.add_row([name, value]);
            });
            writeln!(output.out, "{rows}")?;
        }
    }
    Ok(DONE)
}

/// Calls `each` for every leaf of a JSON object, by its path.
fn flatten(path: String, value: &Value, each: &mut impl FnMut(String, String)) {
    if let Value::Object(members) = value {
        for (name, member) in members {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(path, member, each);
        }
    } else {
        let text = shown(&path, value);
        each(path, text);
    }
}

/// A leaf as people read it: times in UTC, and addresses with their checksum.
fn shown(path: &str, value: &Value) -> String {
    match value {
        Value::Number(number) if path.ends_with("timestamp") => {
            number.as_u64().map_or_else(|| number.to_string(), |secs| tally_text::time(UnixTime(secs)))
        }
        Value::String(text) => text.parse().map_or_else(|_| text.clone(), tally_text::address),
        Value::Null => "none".into(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

pub(crate) fn verify(log: &LogArg, output: &mut Output<'_>) -> Result<u8> {
    let verified = log.open().and_then(|log| tally_eventlog::verify(&log));
    match verified {
        Ok(verified) => {
            writeln!(
                output.out,
                "verified: {} pool events, {} span events, {} chunks with {} L2 blocks; head digest {}",
                verified.l1_events,
                verified.span_events,
                verified.chunks,
                verified.l2_blocks,
                verified.head_digest,
            )?;
            Ok(DONE)
        }
        Err(error) if error.is_damage() => {
            writeln!(output.out, "different: {error}")?;
            Ok(DIFFERENT)
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn backup(args: &BackupArgs, output: &mut Output<'_>) -> Result<u8> {
    let copy = tally_eventlog::backup(&args.log.log, &args.to)?;
    let (to, reach) = (args.to.display(), reach(&copy.heads));
    writeln!(output.out, "backup at {to}: {reach}, every byte checked\nhead digest {}", copy.head_digest)?;
    Ok(DONE)
}

/// How far a log reaches, for people.
pub(crate) fn reach(heads: &Heads) -> String {
    let (l1, l2) = (heads.l1.map(|head| head.block), heads.l2.map(|head| head.block));
    format!("L1 up to block {}, L2 up to block {}", or_none(l1), or_none(l2))
}
