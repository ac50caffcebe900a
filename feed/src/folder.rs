//! From a log that grows to what is served: the one place that folds.
//!
//! Two replays go along the log. One is of what is final, and only ever goes on. The other starts from it and goes to
//! the log's end; it is thrown away each time, so a reorg needs no special case.

use crate::error::FeedError;
use crate::facts::{Facts, Frozen, batch_rows};
use crate::journal::Journal;
use crate::told::Teller;
use crate::view::{PolicyView, PoolContracts, Upcoming, View, cells};
use alloy_primitives::B256;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tally_claims::{ChainAccounts, ClaimsError, Names, Registry, sequencers};
use tally_engine::{L1Record, Policy, PoolEvent, PoolState};
use tally_eventlog::{LogError, LogIdentity, LogReader, LogView, Reach};
use tally_replay::{Replay, ReplayError, ReplayOptions, Replayed, StateAt, state_at};
use tally_wire::{Fact, PaidBatch};

/// How often to look again at a log whose writer is just at work, and how long to wait between.
const OPEN_ATTEMPTS: u32 = 20;
const OPEN_PAUSE: Duration = Duration::from_millis(2);

/// Folds a log, as it grows, into the views that are served.
pub(crate) struct Folder {
    log: PathBuf,
    /// Where the journals are kept.
    feed_dir: PathBuf,
    policies: Vec<Policy>,
    registry: Option<Registry>,
    names_digest: B256,
    /// Whether a writer may just be making it.
    may_be_made: bool,
    /// What the log was of when it was first read.
    identity: Option<LogIdentity>,
    /// Which directory it was in, and what RocksDB calls it.
    directory: Option<((u64, u64), Vec<u8>)>,
    tellers: Vec<Teller>,
    state: Option<State>,
}

/// What has been folded of what is final.
struct State {
    replay: Replay,
    facts: Vec<Facts>,
    last: Arc<View>,
}

impl Folder {
    /// Nothing folded yet. With the registry comes a digest, which tells it from others; `may_be_made` says whether there
    /// is a writer that makes the log if there is none.
    pub(crate) fn new(
        log: PathBuf,
        feed_dir: PathBuf,
        policies: Vec<Policy>,
        registry: Option<(Registry, B256)>,
        may_be_made: bool,
    ) -> Self {
        let (registry, names_digest) = registry.unzip();
        let names_digest = names_digest.unwrap_or_default();
        Self {
            log,
            feed_dir,
            policies,
            registry,
            names_digest,
            may_be_made,
            identity: None,
            directory: None,
            tellers: Vec::new(),
            state: None,
        }
    }

    /// How many rollbacks each policy's feed has.
    pub(crate) fn rollbacks(&self) -> Vec<usize> {
        self.tellers.iter().map(Teller::rollbacks).collect()
    }

    /// Folds what is new in the log; `None` if nothing is, or there is no log yet. Where nothing was folded before and only
    /// what is not final does not add up, the error is [`FeedError::NotFinal`] if an ingest is at work that may replace it.
    pub(crate) fn advance(&mut self) -> Result<Option<Arc<View>>, FeedError> {
        let is_first = self.state.is_none();
        self.fold_news().map_err(|error| {
            if is_first && self.may_be_made && is_of_events(&error) && self.check_final_part().is_ok() {
                FeedError::NotFinal(Box::new(error))
            } else {
                error
            }
        })
    }

    /// Checks that what is final of the log can be folded, and adds up.
    fn check_final_part(&self) -> Result<(), FeedError> {
        let Some(log) = self.open()? else { return Ok(()) };
        let is_final = log.final_part()?;
        Replay::new(&self.policies).advance(&is_final, ReplayOptions::default())?;
        self.contracts(&is_final).map(drop)
    }

    fn fold_news(&mut self) -> Result<Option<Arc<View>>, FeedError> {
        // Before it is opened: what is put in its place after that is noticed the next time.
        self.notice_exchange();
        let Some(log) = self.open()? else {
            return Ok(None);
        };
        self.check_identity(&log)?;
        let digest = log.head_digest()?;
        let final_reach = log.final_part()?.reach();
        if let Some(State { last, .. }) = &self.state
            && last.digest == digest
            && last.final_reach == final_reach
        {
            return Ok(None);
        }
        self.open_journals()?;
        let prior = self.state.take();
        let last = prior.as_ref().map(|state| Arc::clone(&state.last));
        let mut folded = self.fold(&log, prior);
        if let Err(error @ (FeedError::Replay(_) | FeedError::Log(_))) = &folded
            && last.is_some()
        {
            // What was final is so no more, or another log is there: the journals will tell what is void.
            tracing::warn!("the log does not go on from what was folded, and is folded anew: {error}");
            folded = self.fold(&log, None);
        }
        let Folded { is_anew, replay, facts, new, parts } = folded?;
        let mut view = self.view(log, digest, final_reach, parts, last.as_deref())?;
        if let Some(last) = last.filter(|last| !is_anew && last.final_reach == final_reach) {
            view.upcoming = Arc::clone(&last.upcoming);
        }
        // Only now: what does not add up was found before anything of it is told, for ever.
        if let Err(error) = self.tell(is_anew, &new, &mut view) {
            // What a journal holds after a failed write is only known to who opens it again.
            self.tellers.clear();
            return Err(error);
        }
        let view = Arc::new(view);
        self.state = Some(State { replay, facts, last: Arc::clone(&view) });
        Ok(Some(view))
    }

    /// Tells the new facts of each policy, and ties the view to the feeds.
    fn tell(&mut self, is_anew: bool, new: &[Vec<Fact>], view: &mut View) -> Result<(), FeedError> {
        for ((teller, facts), policy) in self.tellers.iter_mut().zip(new).zip(&mut view.policies) {
            if is_anew {
                teller.restart();
            }
            policy.tell(self.names_digest, teller.tell(facts)?)?;
        }
        Ok(())
    }

    /// The log at rest; `None` if there is none yet, or nothing in it.
    fn open(&self) -> Result<Option<LogReader>, FeedError> {
        let is_at_work = |error: &LogError| error.is_damage() || matches!(error, LogError::Storage { .. });
        for _ in 0..OPEN_ATTEMPTS {
            match LogReader::open_once(&self.log) {
                Ok(log) => return Ok(Some(log)),
                // Once it was there, it has to be.
                Err(LogError::NotFound { .. } | LogError::Empty { .. }) if self.identity.is_none() => {
                    return Ok(None);
                }
                // Whoever makes it may have been killed before it had all its families: it will make the rest.
                Err(LogError::NotALog { .. }) if self.may_be_made && self.identity.is_none() => {
                    return Ok(None);
                }
                Err(error) if is_at_work(&error) => std::thread::sleep(OPEN_PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(LogReader::open(&self.log)?))
    }

    /// Whether this is the log that was there before, as far as what it is of tells.
    fn check_identity(&mut self, log: &LogReader) -> Result<(), FeedError> {
        let found = log.identity();
        let expected = self.identity.get_or_insert_with(|| found.clone());
        if expected == found {
            return Ok(());
        }
        let text = |identity: &LogIdentity| {
            let LogIdentity { l1_chain_id, l2_chain_id, locking_info, .. } = identity;
            format!("chains {l1_chain_id} and {l2_chain_id}, escrow {locking_info:#x}")
        };
        let (expected, found) = (text(expected), text(found));
        Err(FeedError::OtherLog { path: self.log.clone(), expected, found })
    }

    /// Forgets what was folded if another database is there now, or another directory.
    fn notice_exchange(&mut self) {
        let directory = std::fs::metadata(&self.log).map(|found| (found.dev(), found.ino()));
        let database = std::fs::read(self.log.join("IDENTITY"));
        // Where it is not there, opening it will say so.
        let (Ok(directory), Ok(database)) = (directory, database) else { return };
        let found = Some((directory, database));
        if self.directory.is_some() && self.directory != found {
            tracing::warn!("{}: another log was put in its place, and is folded anew", self.log.display());
            self.state = None;
        }
        self.directory = found;
    }

    fn open_journals(&mut self) -> Result<(), FeedError> {
        if self.tellers.len() == self.policies.len() {
            return Ok(());
        }
        self.tellers.clear();
        let failed = |source| {
            let path = self.feed_dir.clone();
            FeedError::Files { path, what: "making the directory", source }
        };
        std::fs::create_dir_all(&self.feed_dir).map_err(failed)?;
        for policy in &self.policies {
            let path = self.feed_dir.join(format!("{:x}.facts", policy.digest()));
            self.tellers.push(Teller::new(Journal::open(&path)?));
        }
        Ok(())
    }

    /// Goes on from what was folded, or begins.
    fn fold(&self, log: &LogReader, prior: Option<State>) -> Result<Folded, FeedError> {
        let is_final = log.final_part()?;
        let is_anew = prior.is_none();
        let (mut replay, mut facts) = if let Some(State { replay, facts, .. }) = prior {
            (replay, facts)
        } else {
            let facts = self.policies.iter().map(|policy| Facts::new(policy, &is_final));
            (Replay::new(&self.policies), facts.collect())
        };
        replay.advance(&is_final, ReplayOptions::default())?;
        let mut current = replay.clone();
        current.advance(log, ReplayOptions::default())?;
        // Only what can be folded to the end is told.
        let mut new = Vec::new();
        for (facts, (_, ledger, _)) in facts.iter_mut().zip(replay.ledgers()) {
            new.push(facts.advance(&is_final, ledger)?);
        }
        let settled = replay.ledgers().map(|(policy, ledger, stop)| Replayed {
            policy: policy.clone(),
            ledger: ledger.clone(),
            stop,
        });
        let parts = current.into_replayed().into_iter().zip(settled).zip(facts.iter().map(Facts::frozen));
        let parts = parts.map(|((replayed, settled), frozen)| (replayed, settled, frozen)).collect();
        Ok(Folded { is_anew, replay, facts, new, parts })
    }

    /// The view of what was folded, of which nothing is told yet.
    fn view(
        &self,
        log: LogReader,
        digest: B256,
        final_reach: Reach,
        parts: Vec<Part>,
        last: Option<&View>,
    ) -> Result<View, FeedError> {
        let is_same = last.is_some_and(|last| last.log.heads().l1_events == log.heads().l1_events);
        let contracts = match last.filter(|_| is_same) {
            Some(last) => Arc::clone(&last.contracts),
            None => Arc::new(self.contracts(&log)?),
        };
        let final_records = {
            let until = final_reach.l1.map(|head| head.block);
            contracts.records.partition_point(|record| Some(record.block) <= until)
        };
        let is_same = is_same && last.is_some_and(|last| last.final_contracts.records.len() == final_records);
        let final_contracts = match last.filter(|_| is_same) {
            Some(last) => Arc::clone(&last.final_contracts),
            None if final_records == contracts.records.len() => Arc::clone(&contracts),
            None => Arc::new(self.contracts(&log.final_part()?)?),
        };
        let mut policies = Vec::new();
        for (replayed, settled, frozen) in parts {
            let of = (digest, log.heads()).into();
            policies.push(PolicyView::new(of, final_reach, &contracts, (replayed, settled), frozen)?);
        }
        let (audit, upcoming) = (OnceLock::new(), Arc::new(Upcoming::new(policies.len())));
        let what_ifs = cells(policies.len());
        Ok(View { log, digest, final_reach, contracts, final_contracts, policies, audit, upcoming, what_ifs })
    }

    /// What L1 says in `log`, or in a part of one.
    fn contracts<L: LogView>(&self, log: &L) -> Result<PoolContracts, FeedError> {
        let records = log.l1_records()?;
        let StateAt { pool, .. } = state_at(log, None)?;
        let accounts = ChainAccounts::after(&log.identity().genesis, &records)?;
        let sequencers = sequencers(log)?;
        let names = self.registry.as_ref().map(|registry| Names::new(registry, &sequencers));
        let (names, batches) = (names.unwrap_or_default(), paid_batches(log, &records)?);
        Ok(PoolContracts { records, pool, accounts, sequencers, names, batches })
    }
}

/// Whether an error is of what the log's events say, and not of how the log is stored or of files beside it.
fn is_of_events(error: &FeedError) -> bool {
    if let FeedError::Replay(error) | FeedError::Claims(ClaimsError::Replay(error)) = error {
        return !matches!(error, ReplayError::Log(_));
    }
    let is_of_claims = matches!(error, FeedError::Claims(error) if !matches!(error, ClaimsError::Log(_)));
    is_of_claims || matches!(error, FeedError::Amount { .. })
}

/// What a fold gives.
struct Folded {
    /// Whether it was from the log's beginning.
    is_anew: bool,
    replay: Replay,
    facts: Vec<Facts>,
    /// For each policy, the facts that were not told yet.
    new: Vec<Vec<Fact>>,
    parts: Vec<Part>,
}

/// Of a policy: the replay up to the log's end, that of what is final, and the distributions.
type Part = (Replayed, Replayed, Frozen);

/// The batches that were paid, in order.
fn paid_batches<L: LogView>(log: &L, records: &[L1Record]) -> Result<Vec<PaidBatch>, FeedError> {
    let mut pool = PoolState::new(&log.identity().genesis);
    let mut batches = Vec::new();
    for record in records {
        let _discrepancies = pool.apply(record).map_err(ReplayError::from)?;
        if let PoolEvent::DistributeReward { batch, start_span, end_span, amount, reward_per_block, .. } =
            record.event
        {
            batches.push(PaidBatch {
                batch: batch.0,
                start_span: start_span.0,
                end_span: end_span.0,
                l1_block: record.block.0,
                timestamp: record.timestamp.0,
                transaction: record.transaction_hash.into(),
                reward_per_block_wei: reward_per_block.into(),
                amount_wei: amount.into(),
                rows: batch_rows(&pool, record)?,
                is_final: false,
            });
        }
    }
    Ok(batches)
}
