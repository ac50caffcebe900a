//! What the operators wait for before they send a batch: a checklist, of what the log tells and of what only L1 does.

use crate::claims_args::NextBatchArgs;
use anyhow::{Context, Result};
use tally_claims::NextBatch;
use tally_engine::{UnixTime, Wei};
use tally_ingest::BatchCallState;
use tally_text::{address, duration, metis};
use tally_wire::BatchCheck;

/// A condition that the operators wait for before they send a batch.
pub(crate) struct Check {
    /// Its name, for programs and people.
    name: &'static str,
    title: &'static str,
    /// Whether the condition holds; `None` if nobody was asked.
    is_passed: Option<bool>,
    wanted: Option<Quantity>,
    found: Option<Quantity>,
}

/// A value that a check wants or found, with its unit.
enum Quantity {
    Blocks(u64),
    Secs(u64),
    Metis(Wei),
    Eth(Wei),
    Words(String),
}

impl Quantity {
    /// The value as programs read it.
    fn exact(&self) -> String {
        match self {
            Self::Blocks(number) | Self::Secs(number) => number.to_string(),
            Self::Metis(wei) | Self::Eth(wei) => wei.to_string(),
            Self::Words(words) => words.clone(),
        }
    }

    /// The value as people read it.
    fn shown(&self) -> String {
        match self {
            Self::Blocks(number) => format!("{number} blocks"),
            Self::Secs(secs) => duration(*secs),
            Self::Metis(wei) => format!("{} METIS", metis(*wei)),
            Self::Eth(wei) => format!("{} ETH", metis(*wei)),
            Self::Words(words) => words.clone(),
        }
    }
}

impl Check {
    /// Passed unless there is something against it, in words.
    fn unless(name: &'static str, title: &'static str, against: &[String]) -> Self {
        let found = (!against.is_empty()).then(|| Quantity::Words(against.join("; ")));
        Self { name, title, is_passed: Some(against.is_empty()), wanted: None, found }
    }

    fn not_asked(name: &'static str, title: &'static str) -> Self {
        Self { name, title, is_passed: None, wanted: None, found: None }
    }

    /// What is told of it in JSON.
    pub(crate) fn shape(&self) -> BatchCheck {
        let state = match self.is_passed {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "not_asked",
        };
        let exact = |value: &Option<Quantity>| value.as_ref().map(Quantity::exact);
        let (wanted, found) = (exact(&self.wanted), exact(&self.found));
        BatchCheck { check: self.name.into(), state: state.into(), wanted, found }
    }

    /// What is told of it in a table: a mark, what it is, what it wants, and what there is.
    pub(crate) fn row(&self) -> [String; 4] {
        let mark = match self.is_passed {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "not asked",
        };
        let shown = |value: &Option<Quantity>| value.as_ref().map_or(String::new(), Quantity::shown);
        [mark.into(), self.title.into(), shown(&self.wanted), shown(&self.found)]
    }
}

/// Whether all is as it has to be; `None` if nothing is otherwise, and not all was asked.
pub(crate) fn is_ready(checks: &[Check]) -> Option<bool> {
    if checks.iter().any(|check| check.is_passed == Some(false)) {
        return Some(false);
    }
    checks.iter().all(|check| check.is_passed.is_some()).then_some(true)
}

/// The checks of a batch, those that the log tells of first. `live` is what L1 said, if it was asked.
pub(crate) fn checks(
    batch: &NextBatch,
    args: &NextBatchArgs,
    live: Option<&BatchCallState>,
) -> Result<Vec<Check>> {
    let against = match batch.check_differences.len() {
        0 => None,
        1 => Some("1 entry is not as it wants".to_owned()),
        many => Some(format!("{many} entries are not as it wants")),
    };
    let title = "Themis' published check signs it, by the log's spans";
    let published = Check::unless("published_check", title, against.as_slice());
    let discrepancies: Vec<String> = batch.discrepancies.iter().map(ToString::to_string).collect();
    let adds_up = Check::unless("log_adds_up", "what the log's events claim adds up", &discrepancies);
    let mut checks =
        vec![published, adds_up, settled(batch, args.settle_blocks)?, interval(batch, args, live)?];
    match live {
        Some(live) => checks.extend(of_l1(batch, args, live)?),
        None => checks.extend(ON_L1.map(|(name, title)| Check::not_asked(name, title))),
    }
    Ok(checks)
}

fn settled(batch: &NextBatch, wanted: u64) -> Result<Check> {
    let past = batch.l2_head.0.checked_sub(batch.last_block.0);
    let past = past.context("the batch ends after the log's last L2 block")?;
    Ok(Check {
        name: "depth",
        title: "the log's L2 head is past its last block by",
        is_passed: Some(past >= wanted),
        wanted: Some(Quantity::Blocks(wanted)),
        found: Some(Quantity::Blocks(past)),
    })
}

/// Without an endpoint it is as of the log's last L1 block, with one as of the block at which it was asked.
fn interval(batch: &NextBatch, args: &NextBatchArgs, live: Option<&BatchCallState>) -> Result<Check> {
    let now = live.map_or(batch.l1_time, |live| live.timestamp);
    let since = |last: UnixTime| {
        now.0.checked_sub(last.0).with_context(|| format!("the last batch, of {last}, is later than {now}"))
    };
    let since = batch.last_batch_time.map(since).transpose()?;
    let wanted = args.min_interval_secs;
    Ok(Check {
        name: "interval",
        title: "since the last batch",
        is_passed: wanted.map(|wanted| since.is_none_or(|since| since >= wanted)),
        wanted: wanted.map(Quantity::Secs),
        found: since
            .map_or(Some(Quantity::Words("none was paid".into())), |since| Some(Quantity::Secs(since))),
    })
}

/// The checks that only L1 can answer.
const ON_L1: [(&str, &str); 6] = [
    ("contract_state", "the contracts hold what the log says"),
    ("not_paused", "the pool is not paused"),
    ("payer_balance", "the reward payer has"),
    ("payer_allowance", "the escrow may take of that"),
    ("mpc_balance", "the MPC address has"),
    ("call", "the call succeeds"),
];

fn of_l1(batch: &NextBatch, args: &NextBatchArgs, live: &BatchCallState) -> Result<[Check; ON_L1.len()]> {
    // The contract pays by the reward per block in force when it gets the call.
    let needed = live.reward_per_block.times(batch.blocks).context("what the batch costs on L1")?;
    let [state, paused, balance, allowance, mpc, call] = ON_L1;
    let at_least = |(name, title), found: Option<Quantity>, is_enough: bool, wanted: Quantity| Check {
        name,
        title,
        is_passed: Some(found.is_some() && is_enough),
        wanted: Some(wanted),
        found: Some(found.unwrap_or(Quantity::Words("no reward payer is set".into()))),
    };
    let of_payer = |check, wei: Wei| {
        let found = (!live.reward_payer.is_zero()).then_some(Quantity::Metis(wei));
        at_least(check, found, wei >= needed, Quantity::Metis(needed))
    };
    let (eth, min_eth) = (live.sender_balance, args.min_mpc_eth);
    let is_paused = live.is_paused.then(|| "it is paused".to_owned());
    Ok([
        Check::unless(state.0, state.1, &contract_differences(batch, live)),
        Check::unless(paused.0, paused.1, is_paused.as_slice()),
        of_payer(balance, live.payer_balance),
        of_payer(allowance, live.payer_allowance),
        at_least(mpc, Some(Quantity::Eth(eth)), eth >= min_eth, Quantity::Eth(min_eth)),
        Check::unless(call.0, call.1, live.reverts.as_slice()),
    ])
}

/// In what the contracts differ from what the batch was made of.
fn contract_differences(batch: &NextBatch, live: &BatchCallState) -> Vec<String> {
    let mut found = Vec::new();
    let next = (live.batch.id.next(), live.batch.end_span.next());
    if next != (Some(batch.batch), Some(batch.start_span)) {
        let (id, end) = (live.batch.id, live.batch.end_span);
        found.push(format!("the last batch is {id}, up to span {end}"));
    }
    if live.reward_per_block != batch.reward_per_block {
        let (theirs, ours) = (live.reward_per_block, batch.reward_per_block);
        found.push(format!("the reward per block is {theirs} wei, not {ours}"));
    }
    if Some(live.mpc_address) != batch.call.sender {
        found.push(format!("the MPC address is {}", address(live.mpc_address)));
    }
    found
}
