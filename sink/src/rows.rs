//! The tables that go with facts, and the rows that a fact has in them: the one place that knows both.

use crate::error::SinkError;
use alloy_primitives::U256;
use alloy_primitives::hex;
use tally_wire::{Address, Amount, Fact, FactKind, Hash};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    /// A whole number of 256 bits: an amount in wei, or a time that a contract worked out.
    Wide,
    Bytes,
    Text,
    Flag,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    Null,
    Number(i64),
    Wide(U256),
    Bytes(Vec<u8>),
    Text(String),
    Flag(bool),
}

/// A table whose rows go with facts. Beside these columns it has those of `(policy, entry, void_by)`.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

/// The tables, in the order of [`rows`].
pub(crate) const TABLES: [Table; 10] = {
    use Kind::{Bytes, Flag, Number, Text, Wide};
    [
        Table {
            name: "epoch",
            columns: &[
                ("epoch", Number),
                ("starts", Number),
                ("ends", Number),
                ("rate_source", Text),
                ("reward_per_block_wei", Wide),
                ("blocks", Number),
                ("reward_wei", Wide),
                ("digest", Bytes),
            ],
        },
        Table {
            name: "epoch_reward",
            columns: &[
                ("epoch", Number),
                ("sequencer", Number),
                ("blocks", Number),
                ("reward_wei", Wide),
                ("cumulative_wei", Wide),
            ],
        },
        Table {
            name: "distribution",
            columns: &[("epoch", Number), ("root", Bytes), ("leaves_wei", Wide), ("withheld_wei", Wide)],
        },
        Table {
            name: "batch",
            columns: &[
                ("batch", Number),
                ("start_span", Number),
                ("end_span", Number),
                ("reward_per_block_wei", Wide),
                ("amount_wei", Wide),
            ],
        },
        Table {
            name: "batch_credit",
            columns: &[
                ("batch", Number),
                ("sequencer", Number),
                ("blocks", Number),
                ("reward_wei", Wide),
                ("unclaimed_wei", Wide),
            ],
        },
        Table {
            name: "claim",
            columns: &[
                ("sequencer", Number),
                ("recipient", Bytes),
                ("amount_wei", Wide),
                ("unclaimed_wei", Wide),
            ],
        },
        Table {
            name: "stake_change",
            columns: &[
                ("sequencer", Number),
                ("change", Text),
                ("amount_wei", Wide),
                ("from_reward_wei", Wide),
                ("stake_wei", Wide),
                ("unclaimed_wei", Wide),
                ("stake_free_at", Wide),
            ],
        },
        Table { name: "rate_change", columns: &[("reward_per_block_wei", Wide), ("before_wei", Wide)] },
        Table { name: "role_change", columns: &[("sequencer", Number), ("role", Text), ("address", Bytes)] },
        Table { name: "pause_change", columns: &[("is_paused", Flag)] },
    ]
};

/// The tables whose rows go with facts, too, but follow from more than the one fact.
pub(crate) const DERIVED: [&str; 2] = ["leaf", "ledger_epoch"];

const EPOCH: usize = 0;
const EPOCH_REWARD: usize = 1;
const DISTRIBUTION: usize = 2;
const BATCH: usize = 3;
const BATCH_CREDIT: usize = 4;
const CLAIM: usize = 5;
const STAKE_CHANGE: usize = 6;
const RATE_CHANGE: usize = 7;
const ROLE_CHANGE: usize = 8;
const PAUSE_CHANGE: usize = 9;

/// A row of a fact: the index of its table, and its values.
pub(crate) type Row = (usize, Vec<Cell>);

/// The rows of a fact.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each kind of fact, and nothing that branches below it"
)]
pub(crate) fn rows(fact: &Fact) -> Result<Vec<Row>, SinkError> {
    let stake = |sequencer: u64, amount: Option<&Amount>, from: Option<&Amount>, after: [Cell; 3]| {
        let change = Cell::Text(fact.kind.name().into());
        let [stake, unclaimed, free_at] = after;
        let (amount, from) = (optional(amount, "amount_wei")?, optional(from, "from_reward_wei")?);
        let cells = vec![number(sequencer, "sequencer")?, change, amount, from, stake, unclaimed, free_at];
        Ok::<Row, SinkError>((STAKE_CHANGE, cells))
    };
    let role = |sequencer: u64, role: &str, address: Option<&Address>| {
        let address = address.map_or(Ok(Cell::Null), |address| bytes(address.as_str(), "address"))?;
        let cells = vec![number(sequencer, "sequencer")?, Cell::Text(role.into()), address];
        Ok::<Row, SinkError>((ROLE_CHANGE, cells))
    };
    Ok(match &fact.kind {
        FactKind::EpochClosed { epoch, start, end, rate, blocks, reward_wei, digest, rows, .. } => {
            let epoch = number(*epoch, "epoch")?;
            let mut all = vec![(
                EPOCH,
                vec![
                    epoch.clone(),
                    number(*start, "start")?,
                    number(*end, "end")?,
                    Cell::Text(rate.from.as_str().into()),
                    optional(rate.reward_per_block_wei.as_ref(), "reward_per_block_wei")?,
                    number(*blocks, "blocks")?,
                    wei(reward_wei, "reward_wei")?,
                    hash(digest, "digest")?,
                ],
            )];
            for row in rows {
                all.push((
                    EPOCH_REWARD,
                    vec![
                        epoch.clone(),
                        number(row.sequencer, "sequencer")?,
                        number(row.blocks, "blocks")?,
                        wei(&row.reward_wei, "reward_wei")?,
                        wei(&row.cumulative_wei, "cumulative_wei")?,
                    ],
                ));
            }
            all
        }
        FactKind::DistributionReady { epoch, root, leaves_wei, withheld_wei } => vec![(
            DISTRIBUTION,
            vec![
                number(*epoch, "epoch")?,
                hash(root, "root")?,
                wei(leaves_wei, "leaves_wei")?,
                wei(withheld_wei, "withheld_wei")?,
            ],
        )],
        FactKind::BatchCredited { batch, start_span, end_span, reward_per_block_wei, amount_wei, rows } => {
            let batch = number(*batch, "batch")?;
            let mut all = vec![(
                BATCH,
                vec![
                    batch.clone(),
                    number(*start_span, "start_span")?,
                    number(*end_span, "end_span")?,
                    wei(reward_per_block_wei, "reward_per_block_wei")?,
                    wei(amount_wei, "amount_wei")?,
                ],
            )];
            for row in rows {
                all.push((
                    BATCH_CREDIT,
                    vec![
                        batch.clone(),
                        number(row.sequencer, "sequencer")?,
                        number(row.blocks, "blocks")?,
                        wei(&row.reward_wei, "reward_wei")?,
                        wei(&row.unclaimed_wei, "unclaimed_wei")?,
                    ],
                ));
            }
            all
        }
        FactKind::Claimed { sequencer, recipient, amount_wei, unclaimed_wei } => vec![(
            CLAIM,
            vec![
                number(*sequencer, "sequencer")?,
                bytes(recipient.as_str(), "recipient")?,
                wei(amount_wei, "amount_wei")?,
                wei(unclaimed_wei, "unclaimed_wei")?,
            ],
        )],
        FactKind::Locked { sequencer, signer, stake_wei } => {
            let after = [wei(stake_wei, "stake_wei")?, Cell::Null, Cell::Null];
            vec![stake(*sequencer, Some(stake_wei), None, after)?, role(*sequencer, "signer", Some(signer))?]
        }
        FactKind::Relocked { sequencer, amount_wei, from_reward_wei, stake_wei, unclaimed_wei } => {
            let after = [wei(stake_wei, "stake_wei")?, wei(unclaimed_wei, "unclaimed_wei")?, Cell::Null];
            vec![stake(*sequencer, Some(amount_wei), Some(from_reward_wei), after)?]
        }
        FactKind::Withdrawn { sequencer, amount_wei, stake_wei } => {
            let after = [wei(stake_wei, "stake_wei")?, Cell::Null, Cell::Null];
            vec![stake(*sequencer, Some(amount_wei), None, after)?]
        }
        FactKind::UnlockStarted { sequencer, stake_free_at, stake_wei } => {
            let free_at = Cell::Wide(U256::from(*stake_free_at));
            vec![stake(*sequencer, None, None, [wei(stake_wei, "stake_wei")?, Cell::Null, free_at])?]
        }
        FactKind::Unlocked { sequencer, amount_wei } => {
            let after = [Cell::Wide(U256::ZERO), Cell::Null, Cell::Null];
            vec![stake(*sequencer, Some(amount_wei), None, after)?]
        }
        FactKind::RateChanged { reward_per_block_wei, before_wei } => vec![(
            RATE_CHANGE,
            vec![wei(reward_per_block_wei, "reward_per_block_wei")?, wei(before_wei, "before_wei")?],
        )],
        FactKind::SignerChanged { sequencer, signer, .. } => vec![role(*sequencer, "signer", Some(signer))?],
        FactKind::OwnerChanged { sequencer, owner } => vec![role(*sequencer, "owner", Some(owner))?],
        FactKind::RecipientChanged { sequencer, recipient } => {
            vec![role(*sequencer, "recipient", recipient.as_ref())?]
        }
        FactKind::Paused => vec![(PAUSE_CHANGE, vec![Cell::Flag(true)])],
        FactKind::Unpaused => vec![(PAUSE_CHANGE, vec![Cell::Flag(false)])],
        FactKind::Rollback { .. } => Vec::new(),
    })
}

/// A number as PostgreSQL has them.
pub(crate) fn signed(value: u64, field: &'static str) -> Result<i64, SinkError> {
    let expected = "a number below 2^63";
    i64::try_from(value).map_err(|_| SinkError::Value { field, found: value.to_string(), expected })
}

/// A number of PostgreSQL as it was before [`signed`].
pub(crate) fn unsigned(value: i64, field: &'static str) -> Result<u64, SinkError> {
    let expected = "a number from 0 on";
    u64::try_from(value).map_err(|_| SinkError::Value { field, found: value.to_string(), expected })
}

fn number(value: u64, field: &'static str) -> Result<Cell, SinkError> {
    signed(value, field).map(Cell::Number)
}

fn wei(amount: &Amount, field: &'static str) -> Result<Cell, SinkError> {
    amount_of(amount, field).map(Cell::Wide)
}

/// An amount in wei: digits alone, and below 2^256.
pub(crate) fn amount_of(amount: &Amount, field: &'static str) -> Result<U256, SinkError> {
    let text = amount.as_str();
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let value = U256::from_str_radix(text, 10).ok().filter(|_| is_number);
    let expected = "an amount of wei below 2^256";
    value.ok_or_else(|| SinkError::Value { field, found: text.into(), expected })
}

fn optional(amount: Option<&Amount>, field: &'static str) -> Result<Cell, SinkError> {
    amount.map_or(Ok(Cell::Null), |amount| wei(amount, field))
}

fn hash(hash: &Hash, field: &'static str) -> Result<Cell, SinkError> {
    bytes(hash.as_str(), field)
}

fn bytes(text: &str, field: &'static str) -> Result<Cell, SinkError> {
    raw(text, field).map(Cell::Bytes)
}

/// The bytes of an address or a hash. The domains of the columns check how many they are.
pub(crate) fn raw(text: &str, field: &'static str) -> Result<Vec<u8>, SinkError> {
    let bytes = text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
    let expected = "hexadecimal digits after 0x";
    bytes.ok_or_else(|| SinkError::Value { field, found: text.into(), expected })
}

/// Bytes as they are usually written.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    hex::encode_prefixed(bytes)
}
