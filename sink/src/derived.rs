//! What follows from several facts, and is written with the last of them: the leaves of a distribution, and the ledger by block
//! of an epoch.

use crate::blocks::{BlockSums, HEADER, TRAILER, column_names, encode};
use crate::database::Patience;
use crate::error::SinkError;
use crate::leaves::prove;
use crate::rows::{hex_of, signed, unsigned};
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use futures_util::SinkExt;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tally_feed::LogFeed;
use tally_wire::{Fact, FactKind, Policy};
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
            let text = row.reward_wei.as_str();
            let expected = "an amount of wei below 2^256";
            let reward = text.parse().map_err(|_| SinkError::Value {
                field: "reward_wei",
                found: text.into(),
                expected,
            })?;
            earned.insert(row.sequencer, (row.blocks, reward));
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
