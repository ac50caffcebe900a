//! What follows from several facts, and is written with the last of them: the leaves of a distribution, and the ledger by block
//! of an epoch.

use crate::blocks::{BlockSums, HEADER, TRAILER, column_names, encode};
use crate::database::Patience;
use crate::error::SinkError;
use crate::leaves::prove;
use crate::rows::{amount_of, hex_of, signed, unsigned};
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use futures_util::SinkExt;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tally_feed::LogFeed;
use tally_wire::{Fact, FactKind, Policy};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

/// The distributions that hold and have no leaves yet, from an entry on.
const WITHOUT_LEAVES: &str = "SELECT entry, epoch, root, leaves_wei FROM distribution d \
    WHERE policy = $1 AND void_by IS NULL AND entry >= $2 \
    AND NOT EXISTS (SELECT FROM leaf l WHERE l.policy = d.policy AND l.entry = d.entry) ORDER BY entry";

/// What is owed at the end of an epoch, and the recipients by what was told before an entry.
const OWED: &str = "SELECT r.sequencer, r.cumulative_wei, named.address FROM (\
        SELECT DISTINCT ON (sequencer) sequencer, cumulative_wei FROM epoch_reward \
        WHERE policy = $1 AND void_by IS NULL AND epoch <= $2 ORDER BY sequencer, epoch DESC) r \
    LEFT JOIN LATERAL (SELECT address FROM role_change c \
        WHERE c.policy = $1 AND c.sequencer = r.sequencer AND c.role = 'recipient' AND c.void_by IS NULL AND c.entry < $3 \
        ORDER BY c.entry DESC LIMIT 1) named ON true \
    ORDER BY r.sequencer";

/// Epochs from an entry on whose rows do not add up to what the fact says.
const UNEQUAL_EPOCH: &str = "SELECT e.entry, e.epoch, e.blocks, e.reward_wei::text, r.blocks::text, r.reward_wei::text FROM epoch e, \
    LATERAL (SELECT coalesce(sum(blocks), 0) AS blocks, coalesce(sum(reward_wei), 0) AS reward_wei FROM epoch_reward r \
        WHERE r.policy = e.policy AND r.entry = e.entry) r \
    WHERE e.policy = $1 AND e.entry >= $2 AND (e.blocks, e.reward_wei) IS DISTINCT FROM (r.blocks, r.reward_wei) \
    ORDER BY e.entry LIMIT 1";

/// Rows of epochs from an entry on that hold and whose sum since the beginning is not that of before and what they earned.
const UNEQUAL_SUM: &str = "SELECT r.entry, r.epoch, r.sequencer, r.cumulative_wei::text, before.cumulative_wei::text, r.reward_wei::text \
    FROM epoch_reward r, LATERAL (SELECT coalesce((SELECT p.cumulative_wei FROM epoch_reward p \
        WHERE p.policy = r.policy AND p.sequencer = r.sequencer AND p.void_by IS NULL AND p.epoch < r.epoch \
        ORDER BY p.epoch DESC LIMIT 1), 0) AS cumulative_wei) before \
    WHERE r.policy = $1 AND r.entry >= $2 AND r.void_by IS NULL AND r.cumulative_wei <> before.cumulative_wei + r.reward_wei \
    ORDER BY r.entry, r.sequencer LIMIT 1";

const ADD_LEAVES: &str = "INSERT INTO leaf (policy, entry, epoch, sequencer, recipient, cumulative_wei, proof) \
    SELECT $1, $2, $3, sequencer, recipient, cumulative_wei, proof \
    FROM unnest($4::bigint[], $5::bytea[], $6::numeric[], $7::bytea[]) AS told (sequencer, recipient, cumulative_wei, proof)";

const WITHOUT_BLOCKS: &str = "SELECT e.entry, f.body::text FROM epoch e JOIN fact f USING (policy, entry) \
    WHERE e.policy = $1 AND e.void_by IS NULL \
    AND NOT EXISTS (SELECT FROM ledger_epoch l WHERE l.policy = e.policy AND l.entry = e.entry) ORDER BY entry";

const ADD_EPOCH: &str = "INSERT INTO ledger_epoch \
    (policy, entry, epoch, first_block, last_block, blocks, rewarded_blocks, reward_wei, digest) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::numeric, $9::bytea)";

/// Adds the leaves of the distributions from entry `from` on that hold and have none. They are worked out from the tables; a
/// distribution whose root is not theirs is none that these facts give.
pub(crate) async fn add_leaves(
    transaction: &Transaction<'_>,
    patience: Patience,
    (policy, name): (i32, &str),
    from: i64,
) -> Result<(), SinkError> {
    for row in patience
        .within("looking for distributions", transaction.query(WITHOUT_LEAVES, &[&policy, &from]))
        .await?
    {
        let (entry, epoch, root): (i64, i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let leaves_wei: U256 = row.try_get(3)?;
        let mut owed = Vec::new();
        for row in patience
            .within("asking what is owed", transaction.query(OWED, &[&policy, &epoch, &entry]))
            .await?
        {
            let recipient: Option<&[u8]> = row.try_get(2)?;
            let address = |bytes: &[u8]| {
                let expected = "20 bytes";
                Address::try_from(bytes).map_err(|_| SinkError::Value {
                    field: "recipient",
                    found: hex_of(bytes),
                    expected,
                })
            };
            let recipient = recipient.map(address).transpose()?;
            owed.push((unsigned(row.try_get(0)?, "sequencer")?, row.try_get(1)?, recipient));
        }
        let (found, leaves) = prove(owed);
        let broken = |what: String| SinkError::Underived { policy: name.into(), entry, what };
        if found.as_ref().map(B256::as_slice) != Some(root) {
            let found = found.map_or_else(|| "none".into(), |root| root.to_string());
            let root = hex_of(root);
            return Err(broken(format!(
                "its root is {root}, and that of the leaves that the facts give is {found}"
            )));
        }
        let (mut sequencers, mut recipients, mut sums, mut proofs) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut all = U256::ZERO;
        for (leaf, proof) in leaves {
            all = all
                .checked_add(leaf.cumulative.get())
                .ok_or_else(|| broken("its leaves come to 2^256 or more".into()))?;
            sequencers.push(signed(leaf.sequencer.0, "sequencer")?);
            recipients.push(leaf.recipient.to_vec());
            sums.push(leaf.cumulative.get());
            proofs.push(proof);
        }
        if all != leaves_wei {
            return Err(broken(format!(
                "its leaves have {leaves_wei} wei, and those that the facts give have {all}"
            )));
        }
        patience
            .within(
                "adding leaves",
                transaction.execute(
                    ADD_LEAVES,
                    &[&policy, &entry, &epoch, &sequencers, &recipients, &sums, &proofs],
                ),
            )
            .await?;
    }
    Ok(())
}

/// Refuses epochs from entry `from` on whose sums are not what their rows come to: what is paid goes by these sums.
pub(crate) async fn check_sums(
    transaction: &Transaction<'_>,
    patience: Patience,
    (policy, name): (i32, &str),
    from: i64,
) -> Result<(), SinkError> {
    let broken = |entry, what| SinkError::Underived { policy: name.into(), entry, what };
    let parameters: [&(dyn ToSql + Sync); 2] = [&policy, &from];
    let found =
        patience.within("adding epochs up", transaction.query_opt(UNEQUAL_EPOCH, &parameters)).await?;
    if let Some(row) = found {
        let (epoch, blocks): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let [reward, row_blocks, row_reward]: [&str; 3] = [row.try_get(3)?, row.try_get(4)?, row.try_get(5)?];
        let what = format!(
            "epoch {epoch} earned {reward} wei for {blocks} blocks, and its rows come to {row_reward} wei for {row_blocks}"
        );
        return Err(broken(row.try_get(0)?, what));
    }
    let found = patience.within("adding sums up", transaction.query_opt(UNEQUAL_SUM, &parameters)).await?;
    if let Some(row) = found {
        let (epoch, sequencer): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let [sum, before, reward]: [&str; 3] = [row.try_get(3)?, row.try_get(4)?, row.try_get(5)?];
        let what = format!(
            "sequencer {sequencer} has {sum} wei since the beginning after epoch {epoch}, and had {before} before it and \
             earned {reward} in it"
        );
        return Err(broken(row.try_get(0)?, what));
    }
    Ok(())
}

/// What a fact says of an epoch that is over.
pub(crate) struct Closed {
    entry: i64,
    epoch: u64,
    digest: String,
    /// Of each sequencer that earned: how many blocks, and how much.
    earned: BTreeMap<u64, (u64, U256)>,
}

impl Closed {
    /// That of the fact with this place in the tables; `None` if it says something else.
    pub(crate) fn of(entry: u64, fact: &Fact) -> Result<Option<Self>, SinkError> {
        let FactKind::EpochClosed { epoch, digest, rows, .. } = &fact.kind else { return Ok(None) };
        let entry = signed(entry, "entry")?;
        let mut earned = BTreeMap::new();
        for row in rows {
            earned.insert(row.sequencer, (row.blocks, amount_of(&row.reward_wei, "reward_wei")?));
        }
        Ok(Some(Self { entry, epoch: *epoch, digest: digest.as_str().into(), earned }))
    }
}

/// The epochs that hold and whose ledger by block is not there.
pub(crate) async fn epochs_without_blocks(
    client: &Client,
    patience: Patience,
    policy: i32,
) -> Result<Vec<Closed>, SinkError> {
    let mut all = Vec::new();
    for row in patience.within("looking for epochs", client.query(WITHOUT_BLOCKS, &[&policy])).await? {
        let fact: Fact = serde_json::from_str(row.try_get(1)?)?;
        all.extend(Closed::of(unsigned(row.try_get(0)?, "entry")?, &fact)?);
    }
    Ok(all)
}

/// Adds the ledger by block of an epoch: a partition that is made, filled and put in its place in this transaction.
pub(crate) async fn add_blocks(
    transaction: &Transaction<'_>,
    patience: Patience,
    (number, policy): (i32, &Policy),
    closed: &Closed,
    feed: &Arc<Mutex<LogFeed>>,
) -> Result<(), SinkError> {
    let Closed { entry, epoch, digest, earned } = closed;
    // A thread that panicked has left nothing half done that folding anew would not replace.
    let blocks = feed.lock().unwrap_or_else(PoisonError::into_inner).epoch_blocks(policy.digest.as_str());
    let broken = |what: String| SinkError::Underived { policy: policy.name.clone(), entry: *entry, what };
    let blocks = blocks.ok_or_else(|| broken("the log has nothing of the policy".into()))?;
    patience
        .within("making a partition", transaction.execute("SELECT ledger_begin($1, $2)", &[&number, entry]))
        .await?;
    // What is frozen is not written a second time when it is first read.
    let copy =
        format!("COPY ledger_{number}_{entry} ({}) FROM STDIN (FORMAT binary, FREEZE)", column_names());
    let sink = patience.within("beginning to copy", transaction.copy_in::<_, Bytes>(&copy)).await?;
    let mut sink = pin!(sink);
    let (epoch, digest) = (*epoch, digest.clone());
    let (mut pieces, sums) = encode(move |each| blocks.for_each(epoch, &digest, &mut |run| each(run)));
    patience.within("copying blocks", sink.send(Bytes::from_static(HEADER))).await?;
    while let Some(piece) = pieces.recv().await {
        patience.within("copying blocks", sink.send(piece)).await?;
    }
    let sums: BlockSums = sums.await??;
    patience.within("copying blocks", sink.send(Bytes::from_static(TRAILER))).await?;
    patience.within("copying blocks", sink.as_mut().finish()).await?;
    if sums.earned != *earned {
        let differs = |id: &&u64| sums.earned.get(id) != earned.get(id);
        let id = sums.earned.keys().chain(earned.keys()).find(differs).copied().unwrap_or_default();
        let shown = |of: Option<&(u64, U256)>| {
            of.map_or_else(|| "nothing".into(), |(blocks, wei)| format!("{wei} wei for {blocks} blocks"))
        };
        let (fact, found) = (shown(earned.get(&id)), shown(sums.earned.get(&id)));
        return Err(broken(format!("sequencer {id} earned {fact}, and its blocks come to {found}")));
    }
    patience
        .within(
            "attaching the partition",
            transaction.execute("SELECT ledger_end($1, $2)", &[&number, entry]),
        )
        .await?;
    let (rewarded, reward) = sums.total()?;
    let block = |number: u64| signed(number, "block");
    let (first, last) = (
        sums.range.map(|(first, _)| block(first)).transpose()?,
        sums.range.map(|(_, last)| block(last)).transpose()?,
    );
    patience
        .within(
            "adding an epoch of the ledger",
            transaction.execute(
                ADD_EPOCH,
                &[
                    &number,
                    entry,
                    &signed(epoch, "epoch")?,
                    &first,
                    &last,
                    &block(sums.blocks)?,
                    &block(rewarded)?,
                    &reward,
                    &sums.digest.as_slice(),
                ],
            ),
        )
        .await?;
    Ok(())
}
