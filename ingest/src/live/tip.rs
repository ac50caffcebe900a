//! What a node says of its chain before anything is asked of it: its head, what of it is final, and whether the log is
//! of the same branch.

use crate::error::IngestError;
use crate::fetch::{header_call, numbered, tag_call};
use crate::json::{Header, Quantity};
use crate::rpc::{Answer, Attempt, Call, Fault, FaultKind, Rpc, call, decoded};
use alloy::primitives::{B256, Bytes};
use serde_json::json;
use tally_eventlog::RecentBlock;

/// A look at the head of a chain.
pub(crate) struct Look {
    pub(crate) latest: Header,
    /// What was said of each tag.
    pub(crate) tagged: Vec<Answer>,
    /// What the chain has at the log's head.
    pub(crate) at_head: Option<B256>,
}

/// How often the head is looked at in one request, first and later.
const LOOKS_FIRST: usize = 8;
const LOOKS_LATER: usize = 2;

/// Asks for the head, the blocks of some tags, and the block at the log's head, which the node has to have. A head that
/// goes back from one call of the request to the next is not of one node.
pub(crate) async fn look(attempt: &Attempt, tags: &[&str], head: Option<RecentBlock>) -> Result<Look, Fault> {
    let mut calls = vec![tag_call("latest")];
    calls.extend(tags.iter().map(|tag| tag_call(tag)));
    calls.extend(head.map(|head| header_call(head.number)));
    let looks = if attempt.endpoint.is_seen_first() { LOOKS_FIRST } else { LOOKS_LATER };
    calls.extend((0..looks).map(|_| call("eth_blockNumber", json!([]))));
    let mut answers = attempt.batch(&calls).await?.into_iter();
    let mut next = || {
        answers
            .next()
            .ok_or_else(|| Fault::inconsistent("the reply has fewer answers than there are calls".into()))
    };
    let latest: Option<Header> = decoded("the latest block", next()?)?;
    let latest = latest.ok_or_else(|| Fault::temporary(FaultKind::Behind, "it has no block yet".into()))?;
    let tagged = tags.iter().map(|_| next()).collect::<Result<_, _>>()?;
    let number = latest.number.0;
    let at_head = match head {
        None => None,
        Some(head) if head.number > number => {
            let reached = head.number;
            let reason = format!("its head is block {number}, and the log reaches block {reached}");
            return Err(Fault::temporary(FaultKind::Behind, reason));
        }
        Some(head) => Some(numbered(decoded("a header", next()?)?, head.number)?.hash),
    };
    // A node that does not tell it shows nothing.
    let mut highest = number;
    for look in answers.filter_map(Result::ok) {
        let seen: Option<Quantity> = decoded("the number of the latest block", Ok(look))?;
        if seen.is_some_and(|seen| seen.0 < highest) {
            attempt.endpoint.is_of_several_nodes();
        }
        highest = seen.map_or(highest, |seen| seen.0.max(highest));
    }
    Ok(Look { latest, tagged, at_head })
}

/// A look at the head of a chain that the log is of: its latest block, and the hash of the block at the log's head.
pub(crate) async fn look_beyond(attempt: &Attempt, head: RecentBlock) -> Result<(Header, B256), Fault> {
    let Look { latest, at_head, .. } = look(attempt, &[], Some(head)).await?;
    let at_head = at_head
        .ok_or_else(|| Fault::inconsistent("the reply has fewer answers than there are calls".into()))?;
    Ok((latest, at_head))
}

/// The number of the block of a tag, or `None` if there is none yet, which some nodes say by an error, by `null` or by
/// block 0. Where it is needed, an endpoint that does not tell it is of no use.
pub(crate) fn numbered_by(
    tag: &str,
    answer: Answer,
    latest: u64,
    is_needed: bool,
) -> Result<Option<u64>, Fault> {
    let found = decoded::<Header>(tag, answer).map(|header| header.map(|header| header.number.0));
    match found {
        Ok(Some(number)) if number > latest => Err(Fault::inconsistent(format!(
            "its {tag} block is {number}, above its head, which is block {latest}"
        ))),
        Ok(Some(number)) if number > 0 => Ok(Some(number)),
        // Whatever the reason: it was asked several times, and blocks far below the head are final without it.
        Ok(_) | Err(_) if !is_needed => Ok(None),
        Ok(_) => Err(Fault::temporary(FaultKind::Behind, format!("it has no {tag} block yet"))),
        Err(mut fault) => {
            if matches!(fault.kind, FaultKind::Refused | FaultKind::Rpc | FaultKind::NotJson) {
                fault.reason = format!(
                    "it does not know the block tag {tag} ({fault}); ask for a number of confirmations instead"
                );
            }
            Err(fault)
        }
    }
}

/// Whether there is a contract at each address. Nodes that cannot tell are believed.
pub(crate) async fn check_contracts(
    rpc: &Rpc,
    contracts: &[(&'static str, alloy::primitives::Address)],
) -> Result<(), IngestError> {
    let attempt = move |attempt: Attempt| async move {
        let code = |address| call("eth_getCode", json!([address, "latest"]));
        let calls: Vec<Call> = contracts.iter().map(|(_, address)| code(address)).collect();
        let answers = attempt.batch(&calls).await?.into_iter();
        let codes = answers.map(|answer| match decoded::<Bytes>("code", answer) {
            Err(fault) if fault.kind == FaultKind::Refused => Ok(None),
            code => code,
        });
        codes.collect::<Result<Vec<_>, Fault>>()
    };
    let codes = rpc.ask("the code of the contracts", attempt).await?;
    for ((contract, address), code) in contracts.iter().zip(codes) {
        if code.is_some_and(|code| code.is_empty()) {
            return Err(IngestError::NoContract { chain: rpc.chain(), contract, address: *address });
        }
    }
    Ok(())
}
