//! What if: what other targets, caps and allocations would have paid, from one [`Activity`].
//!
//! Everything here is the same sums as a fold's, in another order, so a policy gives the same wei as
//! a fold under it. What depends on the cap alone is done once for each cap.

use crate::activity::{Activity, Rules};
use crate::epoch::EpochActivity;
use crate::error::FoldError;
use crate::grid::sum_blocks;
use crate::ids::{EpochIndex, SequencerId, UnixTime};
use crate::ledger::Earned;
use crate::money::{AmountError, Wei};
use crate::policy::{Allocation, Policy};
use crate::rate::{Past, Price, Sums, next_rate};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;
use alloy_primitives::U256;

/// An [`Activity`] as policies with one cap see it.
#[derive(Clone, Debug)]
pub struct Capped {
    rules: Rules,
    cap: Wei,
    /// Those with blocks, by id. Their index is their slot.
    sequencers: Vec<SequencerId>,
    epochs: Vec<CappedEpoch>,
    /// The epochs' groups, one epoch after the other.
    groups: Vec<Group>,
    /// The groups' shares, one group after the other.
    shares: Vec<Share>,
}

/// What a policy would pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// What each sequencer with rewarded blocks would earn, by id.
    pub sequencers: BTreeMap<SequencerId, Earned>,
    /// What they would earn together.
    pub total: Earned,
}

#[derive(Clone, Copy, Debug)]
struct CappedEpoch {
    start: UnixTime,
    total_locked: Wei,
    sums: Sums,
    groups: usize,
    shares: usize,
}

/// The blocks of an epoch that were made with the same effective stake, and so earn the same.
#[derive(Clone, Copy, Debug)]
struct Group {
    effective: Wei,
    shares: usize,
}

/// The blocks of one sequencer in a group.
#[derive(Clone, Copy, Debug)]
struct Share {
    slot: usize,
    blocks: u64,
}

impl Activity {
    /// The activity under a cap, for any number of policies with that cap.
    ///
    /// # Errors
    ///
    /// [`FoldError`] if a sum does not fit.
    pub fn under_cap(&self, cap: Wei) -> Result<Capped, FoldError> {
        let rows = self.epochs.iter().flat_map(|epoch| &epoch.rows).filter(|row| row.blocks > 0);
        let sequencers: BTreeSet<SequencerId> = rows.map(|row| row.sequencer).collect();
        let mut capped = Capped {
            rules: self.rules(),
            cap,
            sequencers: sequencers.into_iter().collect(),
            epochs: Vec::with_capacity(self.epochs.len()),
            groups: Vec::new(),
            shares: Vec::new(),
        };
        let mut made: Vec<(Wei, Share)> = Vec::new();
        for epoch in &self.epochs {
            let mut sums = Sums::default();
            made.clear();
            for row in &epoch.rows {
                let effective = row.stake.min(cap);
                sums.add(effective, row.blocks, row.secs)?;
                if row.blocks == 0 {
                    continue;
                }
                let slot = capped.sequencers.binary_search(&row.sequencer);
                let slot = slot.expect("every sequencer with blocks is listed");
                made.push((effective, Share { slot, blocks: row.blocks }));
            }
            made.sort_unstable_by_key(|(effective, share)| (*effective, share.slot));
            let groups = made.chunk_by(|(left, _), (right, _)| left == right);
            let before = capped.groups.len();
            for group in groups {
                capped.groups.extend(
                    group.first().map(|(effective, _)| Group { effective: *effective, shares: group.len() }),
                );
                capped.shares.extend(group.iter().map(|(_, share)| *share));
            }
            let groups = capped.groups.len().checked_sub(before).expect("groups are only added");
            let EpochActivity { start, total_locked, .. } = *epoch;
            capped.epochs.push(CappedEpoch { start, total_locked, sums, groups, shares: made.len() });
        }
        Ok(capped)
    }
}

impl Capped {
    /// The cap, in wei.
    pub const fn cap(&self) -> Wei {
        self.cap
    }

    /// What `policy` would pay: for each sequencer and together exactly what a fold of the same history
    /// says. The policy has this cap, and the genesis, epoch length and attribution of the activity.
    ///
    /// # Errors
    ///
    /// [`FoldError::OtherCap`] or [`FoldError::OtherRules`] for another policy,
    /// [`FoldError::ByContract`] for `on-chain`, and [`FoldError::Amount`] if an amount does not fit.
    pub fn evaluate(&self, policy: &Policy) -> Result<Evaluation, FoldError> {
        self.check(policy)?;
        let mut totals: Vec<Total> = alloc::vec![Total::default(); self.sequencers.len()];
        let (mut groups, mut shares) = (self.groups.as_slice(), self.shares.as_slice());
        let mut past = None;
        for (index, epoch) in (0_u64..).zip(&self.epochs) {
            let rate = next_rate(policy, past, epoch.start, epoch.total_locked);
            let mut price = Price::new(policy, rate);
            let own_groups = take(&mut groups, epoch.groups);
            let mut own_shares = take(&mut shares, epoch.shares);
            if policy.allocation() == Allocation::Flat && !own_shares.is_empty() {
                // The stake makes no difference.
                add(&mut totals, own_shares, price.each(Wei::ZERO)?)?;
            } else {
                for group in own_groups {
                    let each = price.each(group.effective)?;
                    add(&mut totals, take(&mut own_shares, group.shares), each)?;
                }
            }
            past = Some(Past { epoch: EpochIndex(index), sums: epoch.sums, rate });
        }
        let mut evaluation = Evaluation { sequencers: BTreeMap::new(), total: Earned::default() };
        for (sequencer, total) in self.sequencers.iter().zip(&totals) {
            let earned = Earned { blocks: total.blocks, reward: total.reward()? };
            evaluation.total.add(earned.blocks, earned.reward)?;
            evaluation.sequencers.insert(*sequencer, earned);
        }
        Ok(evaluation)
    }

    fn check(&self, policy: &Policy) -> Result<(), FoldError> {
        let name = || policy.name().into();
        if policy.allocation() == Allocation::OnChain {
            return Err(FoldError::ByContract { policy: name() });
        }
        let rules = Rules::of(policy);
        if rules != self.rules {
            let (wanted, found) = (rules.to_string(), self.rules.to_string());
            return Err(FoldError::OtherRules { policy: name(), wanted, found });
        }
        if policy.cap() != self.cap {
            return Err(FoldError::OtherCap { policy: name(), wanted: policy.cap(), found: self.cap });
        }
        Ok(())
    }
}

/// What a sequencer earns in all. The reward is kept in two parts, so that ordinary amounts are
/// added in 128 bits, at a fraction of the cost; which part takes what makes no difference to the sum.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    blocks: u64,
    low: u128,
    high: Wei,
}

impl Total {
    fn reward(&self) -> Result<Wei, AmountError> {
        self.high.checked_add(Wei::new(U256::from(self.low)))
    }
}

/// Adds `each` for each block of `shares`.
fn add(totals: &mut [Total], shares: &[Share], each: Wei) -> Result<(), FoldError> {
    let narrow = u64::try_from(each.get()).ok();
    for Share { slot, blocks } in shares {
        let total = totals.get_mut(*slot).expect("every slot has a total");
        total.blocks = sum_blocks(total.blocks, *blocks)?;
        let product = narrow.and_then(|each| u128::from(each).checked_mul(u128::from(*blocks)));
        match product.and_then(|product| total.low.checked_add(product)) {
            Some(low) => total.low = low,
            None => total.high = total.high.checked_add(each.times(*blocks)?)?,
        }
    }
    Ok(())
}

/// The next `count` of `items`, which are left with the rest.
fn take<'a, T>(items: &mut &'a [T], count: usize) -> &'a [T] {
    let (taken, rest) = items.split_at_checked(count).expect("there are as many as were counted");
    *items = rest;
    taken
}
