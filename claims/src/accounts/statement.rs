//! A sequencer's statement of account: double entry, from one time to another.

use super::books::{AccountLine, Books, StatementEntry};
use super::chain::{Played, Player};
use super::cut::{Cut, records_by, replayed_by};
use super::movement::{LedgerAccount, Movement, MovementKind};
use crate::epochs::epoch_end;
use crate::error::ClaimsError;
use tally_engine::{
    Difference, Discrepancy, Earned, EpochIndex, Horizon, Ledger, Policy, SequencerId, UnixTime, Wei,
};
use tally_eventlog::LogView;
use tally_replay::Replayed;

/// The seconds of a statement: from `from` on, and before `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatementRange {
    /// Its first second; `None`: the beginning of the log.
    pub from: Option<UnixTime>,
    /// The second after its last; `None`: everything in the log.
    pub to: Option<UnixTime>,
}

/// What moved on a sequencer's accounts.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The sequencer whose statement it is.
    pub sequencer: SequencerId,
    /// From when to when.
    pub range: StatementRange,
    /// The policy that accrues, if one was asked for.
    pub policy: Option<Policy>,
    /// The last L2 block that the policy counts.
    pub horizon: Option<Horizon>,
    /// The sequencer's own accounts (stake, unclaimed and, with a policy, accrued), then all others that it ever had to
    /// do with, in the order of [`LedgerAccount`].
    pub accounts: Vec<AccountLine>,
    /// What moved, in chain order; what accrues in a second comes after the events of L1 in it.
    pub entries: Vec<StatementEntry>,
    /// Where records up to its end claim what the records before them do not add up to.
    pub discrepancies: Vec<Discrepancy>,
}

/// The statement of `sequencer` over `range`, with what `policy` accrues if one is given.
///
/// Checked here, as an error otherwise: opening and closing balances are what the contracts' state and the policy's
/// ledger say at these times, opening and movements give closing for every account, and what left accounts entered
/// others.
///
/// # Errors
///
/// [`ClaimsError`] if the log does not reach the range, cannot be read or folded, has no such sequencer, or does not
/// add up.
pub fn statement<L: LogView>(
    log: &L,
    sequencer: SequencerId,
    policy: Option<&Policy>,
    range: StatementRange,
    threads: Option<usize>,
) -> Result<Statement, ClaimsError> {
    let closing_cut = range.closing()?;
    let (as_of, records) = records_by(log, closing_cut)?;
    let replayed_at = |cut: Cut| -> Result<Option<Replayed>, ClaimsError> {
        let (as_of, _) = records_by(log, cut)?;
        let Some(policy) = policy else { return Ok(None) };
        let replayed = replayed_by(log, as_of, cut, std::slice::from_ref(policy), threads)?;
        Ok(replayed.and_then(|mut replayed| replayed.pop()))
    };
    let at_opening = range.opening().map(replayed_at).transpose()?.flatten();
    let at_closing = replayed_at(closing_cut)?;

    let mut player = Player::new(&log.identity().genesis, &records);
    let mut books = Books::new(sequencer, policy.is_some());
    let is_before = |time: UnixTime| range.from.is_some_and(|from| time < from);
    while player.peek().is_some_and(|record| is_before(record.timestamp)) {
        for movement in own(player.play()?, sequencer) {
            books.open(&movement)?;
        }
    }
    let held = |player: &Player<'_>| {
        let own = player.pool.sequencers.get(&sequencer);
        own.map_or((Wei::ZERO, Wei::ZERO), |own| (own.amount, own.reward))
    };
    let (stake, unclaimed) = held(&player);
    let accrued = |replayed: &Option<Replayed>| {
        replayed.as_ref().map_or(Wei::ZERO, |replayed| total(&replayed.ledger, sequencer).reward)
    };
    books.open_accrued(accrued(&at_opening))?;
    books.check("the opening balance", stake, unclaimed, accrued(&at_opening))?;
    let mut moved: Vec<Movement> = Vec::new();
    while player.peek().is_some() {
        moved.extend(own(player.play()?, sequencer));
    }
    if !player.pool.sequencers.contains_key(&sequencer) {
        return Err(ClaimsError::UnknownSequencer {
            asked: sequencer,
            block: as_of.l1_block.unwrap_or_default(),
            known: player.pool.sequencers.len(),
        });
    }
    if let Some(closing) = &at_closing {
        moved.extend(accruals(at_opening.as_ref(), closing, sequencer, range)?);
    }
    // Stable: events keep their order, and so do epochs.
    moved.sort_by_key(|movement| (movement.time, movement.place.is_none()));
    let entries = moved.iter().map(|movement| books.enter(movement)).collect::<Result<Vec<_>, _>>()?;
    let (stake, unclaimed) = held(&player);
    books.check("the closing balance", stake, unclaimed, accrued(&at_closing))?;
    Ok(Statement {
        sequencer,
        range,
        policy: policy.cloned(),
        horizon: at_closing.and_then(|replayed| replayed.ledger.horizon),
        accounts: books.lines()?,
        entries,
        discrepancies: player.discrepancies,
    })
}

impl StatementRange {
    /// The last second of the range, as a cut.
    fn closing(self) -> Result<Cut, ClaimsError> {
        let Some(to) = self.to else { return Ok(Cut::End) };
        let from = self.from.unwrap_or_default();
        match to.previous() {
            Some(last) if from <= to => Ok(Cut::Time(last)),
            _ => Err(ClaimsError::Backwards { from, to }),
        }
    }

    /// The last second before it, if there is one.
    fn opening(self) -> Option<Cut> {
        self.from.and_then(UnixTime::previous).map(Cut::Time)
    }
}

/// The movements of one sequencer in what was played.
fn own(played: Option<Played<'_>>, sequencer: SequencerId) -> impl Iterator<Item = Movement> {
    let moved = played.map_or(Vec::new(), |(_, moved)| moved);
    moved.into_iter().filter(move |(id, _)| *id == sequencer).map(|(_, movement)| movement)
}

/// What a ledger has a sequencer earn in all.
fn total(ledger: &Ledger, sequencer: SequencerId) -> Earned {
    ledger.sequencers.get(&sequencer).map_or(Earned::default(), |total| total.earned)
}

/// What a ledger has a sequencer earn in an epoch.
fn earned_in(ledger: &Ledger, epoch: EpochIndex, sequencer: SequencerId) -> Earned {
    let index = usize::try_from(epoch.0).ok();
    let rows = index.and_then(|index| ledger.epochs.get(index)).map(|epoch| &epoch.rows);
    let row = rows.and_then(|rows| rows.iter().find(|row| row.sequencer == sequencer));
    row.map_or(Earned::default(), |row| row.earned)
}

/// What a policy gives from one ledger to a later one, by epoch.
fn accruals(
    opening: Option<&Replayed>,
    closing: &Replayed,
    sequencer: SequencerId,
    range: StatementRange,
) -> Result<Vec<Movement>, ClaimsError> {
    let Some(horizon) = closing.ledger.horizon else {
        return Ok(Vec::new());
    };
    let last_second = range.to.and_then(UnixTime::previous).unwrap_or(horizon.timestamp);
    let mut found = Vec::new();
    for ended in &closing.ledger.epochs {
        let epoch = &ended.epoch;
        let now = earned_in(&closing.ledger, *epoch, sequencer);
        let then = opening.map_or(Earned::default(), |opening| earned_in(&opening.ledger, *epoch, sequencer));
        let difference = Difference::new(now.reward, then.reward);
        if difference.size().is_zero() {
            continue;
        }
        let more_blocks = now.blocks.checked_sub(then.blocks).filter(|blocks| *blocks > 0);
        let kind = match more_blocks.filter(|_| !difference.is_negative()) {
            Some(blocks) => MovementKind::Accrued { epoch: *epoch, blocks },
            None => MovementKind::Revalued { epoch: *epoch },
        };
        // An epoch has at least a second.
        let end = epoch_end(&closing.policy, ended)?.previous().unwrap_or_default();
        let (policy, accrued) = (LedgerAccount::Policy, LedgerAccount::Accrued(sequencer));
        let (debit, credit) = if difference.is_negative() { (accrued, policy) } else { (policy, accrued) };
        found.push(Movement {
            time: end.min(last_second).max(range.from.unwrap_or_default()),
            place: None,
            kind,
            amount: difference.size(),
            debit,
            credit,
        });
    }
    Ok(found)
}
