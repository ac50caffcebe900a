//! Whether the sums of the tables are those that the source works out by itself, and whether something was paid that is not owed.

use crate::error::SinkError;
use crate::rows::{amount_of, unsigned};
use crate::session::Session;
use crate::source::Accounts;
use alloy_primitives::U256;
use std::collections::BTreeMap;
use tally_feed::Cursor;

/// The sums of each sequencer, as the views say; the cursor that they are of; and the end of the epoch after the last that is
/// over, if one is.
const SUMS: &str = "SELECT f.cursor, (SELECT ends + (ends - starts) FROM epoch e \
        WHERE e.policy = f.policy AND e.void_by IS NULL ORDER BY epoch DESC LIMIT 1), \
    b.sequencer, coalesce(b.earned_wei, 0), b.stake_wei, b.unclaimed_wei, b.credited_wei, b.claimed_wei, b.relocked_wei \
    FROM feed f LEFT JOIN balances b USING (policy) WHERE f.policy = $1";

/// What was paid and is not owed; of one payment before all of them together.
const OVERPAID: &str = "SELECT sequencer, cumulative_wei::text, expected, found, reference FROM payout_faults \
    WHERE policy = $1 AND fault IN ('void', 'more than owed') AND accepted IS NULL \
    ORDER BY fault = 'void' DESC, sequencer, cumulative_wei LIMIT 1";

/// What of a sequencer is compared: first what a policy has it earn, then what the contracts owe.
const NAMES: [&str; 6] = ["earned", "stake", "unclaimed", "credited", "claimed", "relocked"];

/// Compares all sums with those of the source; whether that was possible, which it is at the same place of the feed.
///
/// # Errors
///
/// [`SinkError::Sums`] if any is another.
pub(crate) async fn compare(session: &Session, policy: i32, source: &Accounts) -> Result<bool, SinkError> {
    let rows = session.within("adding up", session.client().query(SUMS, &[&policy])).await?;
    let Some(first) = rows.first() else { return Ok(false) };
    let (cursor, open_end): (&str, Option<i64>) = (first.try_get(0)?, first.try_get(1)?);
    let place = |text: &str| Cursor::parse(text).map(|cursor| (cursor.facts, cursor.tag));
    if place(cursor).is_none() || place(cursor) != place(&source.at.feed.cursor) {
        return Ok(false);
    }
    // Events after the end of an epoch that is not over yet are told after it: the contracts may be ahead of the feed. Under
    // `on-chain` there is no such epoch, and nothing is settled by one.
    let has_epochs = source.sequencers.iter().any(|found| found.policy.settled_wei.is_some());
    let has_all = match (source.final_until, open_end) {
        (None, _) => false,
        (Some(_), None) => !has_epochs,
        (Some(until), Some(end)) => until < unsigned(end, "ends")?,
    };
    if !has_all && !has_epochs {
        return Ok(false);
    }
    let compared = if has_all { NAMES.len() } else { 1 };
    let mut tables: BTreeMap<u64, [U256; NAMES.len()]> = BTreeMap::new();
    for row in &rows {
        let Some(sequencer) = row.try_get::<_, Option<i64>>(2)? else { continue };
        let mut sums = [U256::ZERO; NAMES.len()];
        for (column, sum) in (3..).zip(&mut sums) {
            *sum = row.try_get(column)?;
        }
        tables.insert(unsigned(sequencer, "sequencer")?, sums);
    }
    let mut expected: BTreeMap<u64, [U256; NAMES.len()]> = BTreeMap::new();
    for found in &source.sequencers {
        let contract = &found.contract.sums;
        let earned = found.policy.settled_wei.as_ref();
        let sums = [
            earned.map_or(Ok(U256::ZERO), |earned| amount_of(earned, "settled_wei"))?,
            amount_of(&contract.stake_wei, "stake_wei")?,
            amount_of(&contract.unclaimed_wei, "unclaimed_wei")?,
            amount_of(&contract.credited_wei, "credited_wei")?,
            amount_of(&contract.claimed_wei, "claimed_wei")?,
            amount_of(&contract.relocked_wei, "relocked_wei")?,
        ];
        expected.insert(found.sequencer.sequencer, sums);
    }
    if tables.is_empty() && expected.is_empty() {
        return Ok(false);
    }
    // Whoever is on one side alone has nothing on the other.
    let ids = tables.keys().chain(expected.keys());
    for id in ids {
        let nothing = [U256::ZERO; NAMES.len()];
        let (own, theirs) = (tables.get(id).unwrap_or(&nothing), expected.get(id).unwrap_or(&nothing));
        let sums = NAMES.iter().zip(own.iter().zip(theirs)).take(compared);
        for (what, (own, theirs)) in sums {
            if own != theirs {
                return Err(SinkError::Sums {
                    policy: source.at.policy.name.clone(),
                    sequencer: *id,
                    cursor: cursor.into(),
                    what,
                    tables: own.to_string(),
                    source_wei: theirs.to_string(),
                });
            }
        }
    }
    Ok(true)
}

/// Finds out whether something was paid that is void since, or more than is owed, and nobody said that it may be.
///
/// # Errors
///
/// [`SinkError::VoidPaid`] or [`SinkError::Overpaid`] if so.
pub(crate) async fn check_payouts(session: &Session, policy: i32, name: &str) -> Result<(), SinkError> {
    let Some(row) =
        session.within("looking at payments", session.client().query_opt(OVERPAID, &[&policy])).await?
    else {
        return Ok(());
    };
    let (policy, sequencer, expected) = (name.to_owned(), row.try_get(0)?, row.try_get(2)?);
    Err(match row.try_get(4)? {
        Some(reference) => {
            SinkError::VoidPaid { policy, sequencer, cumulative_wei: row.try_get(1)?, expected, reference }
        }
        None => SinkError::Overpaid { policy, sequencer, paid_wei: row.try_get(3)?, expected },
    })
}
