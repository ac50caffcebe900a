//! The logs of L1 blocks that are final, in ranges as large as a node gives.

use super::{L1, SealedPart, Stand};
use crate::error::IngestError;
use crate::fetch::{blocks_of, headers, logs_of_any, logs_of_one, tag_call};
use crate::json::Header;
use crate::rpc::{Attempt, Fault, FaultKind};
use std::collections::BTreeMap;
use tally_eventlog::RecentBlock;

/// Of several nodes behind one name, none is so many blocks behind the lowest head that was seen.
pub(super) const LAG_BLOCKS: u64 = 512;

/// How often the head is looked at to see the lowest one.
const LOOKS: usize = 8;

impl L1 {
    /// A part of `from..=to`, all of which is final: as much as the node gives at once.
    pub(super) async fn sealed_part(
        &self,
        from: u64,
        to: u64,
        stand: Stand<'_>,
    ) -> Result<SealedPart, IngestError> {
        loop {
            let last = to.min(from.saturating_add(self.range.now() - 1));
            let size = last - from + 1;
            let attempt = move |attempt: Attempt| self.sealed_once(attempt, from, last, stand);
            let what = format!("the logs of blocks {from} to {last}");
            let Some(part) = self.rpc.ask_of(&self.range, size, &what, attempt).await? else { continue };
            let SealedPart::Found(found, logs) = part else {
                return Ok(part);
            };
            let reached = found.piece.heads.last().map_or(last, |head| head.number);
            let size = reached - from + 1;
            let again = |attempt| async move {
                match self.sealed_once(attempt, from, reached, stand).await? {
                    SealedPart::Found(found, _) => Ok(Some(*found)),
                    SealedPart::BlockByBlock | SealedPart::OtherBranch => Ok(None),
                }
            };
            let Some(found) = self.second_opinion(&what, size, *found, again).await else {
                self.range.refused(size);
                continue;
            };
            self.range.given(size);
            self.history.saw(&logs);
            return Ok(SealedPart::Found(Box::new(found), logs));
        }
    }

    async fn sealed_once(
        &self,
        attempt: Attempt,
        from: u64,
        last: u64,
        stand: Stand<'_>,
    ) -> Result<SealedPart, Fault> {
        self.history.check_endpoint(&attempt).await?;
        let mut last = last;
        let of_one = logs_of_one(&attempt, &self.filters, self.history.has_log(), from, last).await?;
        let (logs, head) = if let Some(found) = of_one {
            found
        } else {
            // Several nodes behind one name may answer, and one that lags gives empty lists. What none of them can
            // lack may be asked for call by call.
            let known = self.lowest_head(&attempt).await?.saturating_sub(LAG_BLOCKS);
            if known < from {
                return Ok(SealedPart::BlockByBlock);
            }
            last = last.min(known);
            logs_of_any(&attempt, &self.filters, from, last).await?
        };
        let (logs, head) = (self.wanted(logs), RecentBlock::from(&head));
        let mut numbers = blocks_of(&logs);
        numbers.splice(..0, stand.head.map(|head| head.number));
        let mut found = headers(&attempt, &numbers).await?;
        // The log's head may not have been final, and of a branch that did not last.
        if let Some(before) = stand.head
            && found.remove(0).hash != before.hash
        {
            return Ok(SealedPart::OtherBranch);
        }
        let blocks = found.iter().map(|header| (header.number.0, RecentBlock::from(header)));
        let mut blocks: BTreeMap<u64, RecentBlock> = blocks.collect();
        blocks.insert(last, head);
        let found = self.found(&attempt, &logs, &blocks, vec![head], stand).await?;
        Ok(SealedPart::Found(Box::new(found), logs))
    }

    /// The lowest of several looks at the head.
    pub(super) async fn lowest_head(&self, attempt: &Attempt) -> Result<u64, Fault> {
        let mut lowest = u64::MAX;
        for _ in 0..LOOKS {
            let latest = attempt.all::<Header>("the latest block", &[tag_call("latest")]).await?.pop();
            let latest = latest.flatten();
            let latest =
                latest.ok_or_else(|| Fault::temporary(FaultKind::Behind, "it has no block yet".into()))?;
            lowest = lowest.min(latest.number.0);
        }
        Ok(lowest)
    }
}
