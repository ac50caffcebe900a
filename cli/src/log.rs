//! `tally log`.

use crate::args::{BackupArgs, InfoArgs, PlainFormat, VerifyArgs};
use crate::format::{address, table};
use crate::{DIFFERENT, DONE, Output};
use anyhow::Result;
use serde_json::{Map, Value, json};
use tally_eventlog::{FORMAT, LogReader, LogView};

pub(crate) fn info(args: &InfoArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = LogReader::open(&args.log.log)?;
    let info = info_json(&log)?;
    match args.format {
        PlainFormat::Json => writeln!(output.out, "{info:#}")?,
        PlainFormat::Table => {
            let mut rows = table(&["what", "value"], 2);
            flatten(String::new(), &info, &mut |name, value| {
                rows.add_row([name, value]);
            });
            writeln!(output.out, "{rows}")?;
        }
    }
    Ok(DONE)
}

fn info_json(log: &LogReader) -> Result<Value> {
    let identity = log.identity();
    let heads = log.heads();
    let sizes: Map<String, Value> =
        log.sizes_bytes()?.into_iter().map(|(name, bytes)| (name.into(), json!(bytes))).collect();
    let blocks = match heads.l2 {
        None => 0,
        Some(head) => head.block.0.saturating_sub(identity.l2_first_block.0).saturating_add(1),
    };
    let [sealed_l1, sealed_l2] = log.sealed()?.map(|block| block.map(|block| block.number));
    Ok(json!({
        "format": FORMAT,
        "head_digest": log.head_digest()?,
        "l1": {
            "chain_id": identity.l1_chain_id,
            "first_block": identity.l1_first_block.0,
            "head": heads.l1.map(|head| json!({
                "block": head.block.0, "hash": head.hash, "timestamp": head.timestamp.0,
            })),
            "sealed_block": sealed_l1,
            "events": heads.l1_events.count,
        },
        "l2": {
            "chain_id": identity.l2_chain_id,
            "first_block": identity.l2_first_block.0,
            "head": heads.l2.map(|head| json!({
                "block": head.block.0, "hash": head.hash, "timestamp": head.timestamp.0,
            })),
            "sealed_block": sealed_l2,
            "blocks": blocks,
            "chunks": heads.chunks.count,
            "span_events": heads.span_events.count,
        },
        "contracts": {
            "locking_info": address(identity.locking_info),
            "locking_pool": address(identity.locking_pool),
            "metis_token": address(identity.metis_token),
            "sequencer_set": address(identity.sequencer_set),
        },
        "bytes": sizes,
    }))
}

/// Calls `each` for every leaf of a JSON object, by its path.
fn flatten(path: String, value: &Value, each: &mut impl FnMut(String, String)) {
    if let Value::Object(members) = value {
        for (name, member) in members {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(path, member, each);
        }
    } else {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        each(path, text);
    }
}

pub(crate) fn verify(args: &VerifyArgs, output: &mut Output<'_>) -> Result<u8> {
    let verified = LogReader::open(&args.log.log).and_then(|log| tally_eventlog::verify(&log));
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
    let head = |block: Option<u64>| block.map_or("none".into(), |block| block.to_string());
    writeln!(
        output.out,
        "backup at {}: L1 up to block {}, L2 up to block {}, every byte checked\nhead digest {}",
        args.to.display(),
        head(copy.heads.l1.map(|head| head.block.0)),
        head(copy.heads.l2.map(|head| head.block.0)),
        copy.head_digest,
    )?;
    Ok(DONE)
}
