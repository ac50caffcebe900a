//! L1 blocks that are not final, each with its header and its own logs.

use super::{Found, L1, Stand};
use crate::error::IngestError;
use crate::fetch::{all_logs_call, bloom_of, hash_call, headers, merged, numbered};
use crate::json::{ChainLog, Hashes, Header};
use crate::live::receipts::{InBlock, check_same, for_each_receipt};
use crate::rpc::{Attempt, Call, Fault, FaultKind, decoded};
use crate::signer::EMPTY_ROOT;
use tally_eventlog::RecentBlock;

impl L1 {
    /// Some blocks from `from` on, each with its header and its own logs. `None` if they are of another branch than the
    /// block before them.
    pub(super) async fn open_part(
        &self,
        from: u64,
        to: u64,
        stand: Stand<'_>,
    ) -> Result<Option<Found>, IngestError> {
        loop {
            let last = to.min(from.saturating_add(self.open_range.now() - 1));
            let size = last - from + 1;
            let attempt = move |attempt: Attempt| self.open_once(attempt, from, last, stand);
            let what = format!("blocks {from} to {last} and their logs");
            let Some(found) = self.rpc.ask_of(&self.open_range, size, &what, attempt).await? else {
                continue;
            };
            let Some(found) = found else {
                return Ok(None);
            };
            let Some(found) = self.second_opinion(&what, size, found, attempt).await else {
                self.open_range.refused(size);
                continue;
            };
            self.open_range.given(size);
            return Ok(Some(found));
        }
    }

    async fn open_once(
        &self,
        attempt: Attempt,
        from: u64,
        to: u64,
        stand: Stand<'_>,
    ) -> Result<Option<Found>, Fault> {
        self.history.check_endpoint(&attempt).await?;
        let numbers: Vec<u64> = (from..=to).collect();
        let found = headers(&attempt, &numbers).await?;
        if let (Some(before), Some(first)) = (stand.head, found.first())
            && first.parent_hash != before.hash
        {
            return Ok(None);
        }
        check_parents(&found)?;
        let logs = self.wanted(merged(self.logs_of(&attempt, &found).await?, from, to)?);
        let heads: Vec<RecentBlock> = found.iter().map(RecentBlock::from).collect();
        let blocks = heads.iter().map(|head| (head.number, *head)).collect();
        self.found(&attempt, &logs, &blocks, heads, stand).await.map(Some)
    }

    /// The logs of some blocks. Some nodes give none of a block that they do not have; so the block itself, by its hash,
    /// has to come with them, or, where that cannot be asked for at once, its bloom has to tell that they are all.
    pub(super) async fn logs_of(
        &self,
        attempt: &Attempt,
        found: &[Header],
    ) -> Result<Vec<Option<Vec<ChainLog>>>, Fault> {
        let group = |header: &Header| -> Vec<Call> {
            let logs = self.filters.iter().map(|filter| filter.block(header.hash));
            logs.chain([hash_call(header.hash)]).collect()
        };
        let groups: Vec<Vec<Call>> = found.iter().map(group).collect();
        let mut lists = Vec::new();
        let mut together = attempt.together(&groups).await?;
        if together.is_none() && found.iter().any(|header| header.logs_bloom.is_none()) {
            together = attempt.together_again(&groups).await?;
            if together.is_none() {
                // All logs of a block are more than is needed, but two calls where the filters make four.
                let pair = |header: &Header| vec![all_logs_call(header.hash), hash_call(header.hash)];
                together = attempt.together_again(&found.iter().map(pair).collect::<Vec<_>>()).await?;
            }
        }
        if let Some(groups) = together {
            for (header, mut answers) in found.iter().zip(groups) {
                let again = answers.pop().ok_or_else(|| {
                    Fault::inconsistent("the reply has fewer answers than there are calls".into())
                })?;
                let again = numbered(decoded("a header", again)?, header.number.0)?;
                if again.hash != header.hash {
                    let (number, hash, again) = (header.number.0, header.hash, again.hash);
                    let reason = format!("asked for block {number} by its hash {hash}, it gave {again}");
                    return Err(Fault::inconsistent(reason));
                }
                for answer in answers {
                    lists.push(decoded("logs", answer)?);
                }
            }
            return Ok(lists);
        }
        for header in found {
            let bloom = header.logs_bloom.filter(|bloom| !bloom.is_zero());
            let Some(bloom) = &bloom else {
                if header.logs_bloom.is_some() {
                    // It has no log, or zeros stand in the place of its bloom.
                    self.check_empty(attempt, header).await?;
                    continue;
                }
                return Err(Fault::unfit(
                    "it takes no batches of two calls, and its headers have no logsBloom: nothing proves that the logs that it gives \
                     of a block are all"
                        .into(),
                ));
            };
            if !self.filters.iter().any(|filter| filter.may_be_in(bloom)) {
                continue;
            }
            let logs = attempt.all::<Vec<ChainLog>>("logs", &[all_logs_call(header.hash)]).await?;
            let made = logs.iter().flatten().flatten();
            if bloom_of(made) != *bloom {
                let (number, hash) = (header.number.0, header.hash);
                let reason =
                    format!("it lacks logs: those of block {number} ({hash}) do not give its logsBloom");
                return Err(Fault::inconsistent(reason));
            }
            lists.extend(logs);
        }
        Ok(lists)
    }

    /// Checks that the transactions of a block made no log of the pool, by their receipts.
    async fn check_empty(&self, attempt: &Attempt, header: &Header) -> Result<(), Fault> {
        if header.receipts_root == Some(EMPTY_ROOT) {
            return Ok(());
        }
        let (block, block_hash) = (header.number.0, header.hash);
        let found = attempt.all::<Hashes>("a block", &[hash_call(block_hash)]).await?.pop().flatten();
        let lacks = || Fault::temporary(FaultKind::Behind, format!("it has no block {block} ({block_hash})"));
        let found = found.filter(|found| found.hash == block_hash).ok_or_else(lacks)?;
        let in_block = |transaction| InBlock { transaction, block, block_hash };
        let transactions: Vec<InBlock> = found.transactions.into_iter().map(in_block).collect();
        for_each_receipt(attempt, &transactions, |wanted, made| check_same(wanted, &[], made, &self.filters))
            .await
    }
}

/// Checks that headers, in order, are of one branch.
pub(super) fn check_parents(headers: &[Header]) -> Result<(), Fault> {
    for pair in headers.windows(2) {
        let [before, header] = pair else { continue };
        if header.parent_hash != before.hash {
            let (number, parent, before) = (header.number.0, header.parent_hash, before.hash);
            let reason = format!("block {number} has the parent {parent}, but before it is {before}");
            return Err(Fault::inconsistent(reason));
        }
    }
    Ok(())
}
