//! What happened before any rate, from a log.

use crate::error::ReplayError;
use crate::horizon::Stop;
use crate::options::ReplayOptions;
use crate::run::Replayed;
use crate::survey::{Survey, Surveyor};
use crate::threads::Threads;
use tally_engine::{Activity, Allocation, Policy, fold};
use tally_eventlog::LogView;

/// What happened, as a policy sees it, up to its horizon.
#[derive(Clone, Debug)]
pub struct ReplayedActivity {
    /// Who made how many blocks in each epoch, and held which stake for how long.
    pub activity: Activity,
    /// Why it ends where it does.
    pub stop: Stop,
}

/// The activity of a log in the epochs and by the attribution of `policy`: the log is read once, and
/// tells what any number of targets, caps and allocations would pay.
///
/// # Errors
///
/// [`ReplayError::NoActivity`] for a policy `on-chain`, and [`ReplayError`] if the log cannot be read
/// or counted.
pub fn activity<L: LogView>(
    log: &L,
    policy: &Policy,
    options: ReplayOptions<'_>,
) -> Result<ReplayedActivity, ReplayError> {
    refuse_on_chain(policy)?;
    Threads::new(options.threads)?.run(|| {
        let mut surveyor = Surveyor::default();
        surveyor.read_on(log, options)?;
        activity_of(policy, &surveyor.survey(log, options, None, &[policy])?)
    })
}

/// Folds a log under several policies, as [`crate::replay`] does, and gives the activity of the first
/// of them, too: from the same counts, so that the blocks are read once.
///
/// # Errors
///
/// As [`crate::replay`], and [`ReplayError::NoActivity`] if the first policy is `on-chain`. Without a
/// policy there is no ledger and `None`.
pub fn replay_with_activity<L: LogView>(
    log: &L,
    policies: &[Policy],
    options: ReplayOptions<'_>,
) -> Result<(Vec<Replayed>, Option<ReplayedActivity>), ReplayError> {
    policies.first().map_or(Ok(()), refuse_on_chain)?;
    Threads::new(options.threads)?.run(|| {
        let mut surveyor = Surveyor::default();
        surveyor.read_on(log, options)?;
        let all: Vec<&Policy> = policies.iter().collect();
        let survey = surveyor.survey(log, options, None, &all)?;
        let replayed = policies.iter().zip(&survey.ends).map(|(policy, (horizon, stop))| {
            let ledger = fold(policy, &survey.history(), *horizon);
            let ledger = ledger.map_err(|error| ReplayError::of_policy(policy, error))?;
            Ok(Replayed { policy: policy.clone(), ledger, stop: *stop })
        });
        let replayed = replayed.collect::<Result<Vec<Replayed>, ReplayError>>()?;
        let activity = policies.first().map(|policy| activity_of(policy, &survey)).transpose()?;
        Ok((replayed, activity))
    })
}

fn refuse_on_chain(policy: &Policy) -> Result<(), ReplayError> {
    if policy.allocation() == Allocation::OnChain {
        return Err(ReplayError::NoActivity { policy: policy.name().into() });
    }
    Ok(())
}

/// The activity of `policy`, the first of those that were surveyed.
fn activity_of(policy: &Policy, survey: &Survey<'_>) -> Result<ReplayedActivity, ReplayError> {
    let (horizon, stop) = *survey.ends.first().expect("the policy was surveyed");
    let activity = Activity::new(policy, &survey.history(), horizon);
    let activity = activity.map_err(|error| ReplayError::of_policy(policy, error))?;
    Ok(ReplayedActivity { activity, stop })
}
