//! What a difference between two ledgers is made of.

use tally_engine::{AmountError, Difference, Earned, Wei};

/// What a part of a difference comes from. `docs/policies.md` has the exact rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One has another producer for the block, or none.
    Schedule,
    /// One has the block before its epoch 0, or in a span that is never paid, or nobody had introduced its signer yet.
    BeforeLock,
    /// One no longer rewards the sequencer: it had begun its exit, or taken its stake out.
    AfterUnlock,
    /// A cap on stakes, under which a rate was set.
    Cap,
    /// Everything else that sets what a block earns: formula, target, time, and when it was set.
    Rate,
    /// No batch has paid the block yet.
    Unpaid,
    /// A batch posted another number of blocks than the schedule gives.
    Posted,
    /// A batch paid blocks that lie beyond the last one that is compared, so that no schedule says how many.
    BeyondHorizon,
}

impl Part {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Schedule,
        Self::BeforeLock,
        Self::AfterUnlock,
        Self::Cap,
        Self::Rate,
        Self::Unpaid,
        Self::Posted,
        Self::BeyondHorizon,
    ];

    fn place(self) -> usize {
        Self::ALL.iter().position(|part| *part == self).expect("all of them are listed")
    }
}

/// An amount that goes up and down: what was added and what was taken, each of which only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    more: Wei,
    less: Wei,
}

impl Change {
    pub(super) fn add(&mut self, amount: Wei) -> Result<(), AmountError> {
        self.more = self.more.checked_add(amount)?;
        Ok(())
    }

    pub(super) fn take(&mut self, amount: Wei) -> Result<(), AmountError> {
        self.less = self.less.checked_add(amount)?;
        Ok(())
    }

    /// Takes what it was and adds what it is.
    pub(super) fn replace(&mut self, was: Wei, is: Wei) -> Result<(), AmountError> {
        if is > was { self.add(is.checked_sub(was)?) } else { self.take(was.checked_sub(is)?) }
    }

    fn plus(&mut self, other: &Self) -> Result<(), AmountError> {
        self.add(other.more)?;
        self.take(other.less)
    }

    /// What was added less what was taken.
    pub fn net(&self) -> Difference {
        Difference::new(self.more, self.less)
    }
}

/// What two policies give, and what the difference is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparedSums {
    /// The blocks that the first rewards, and what they earn.
    pub first: Earned,
    /// How many blocks the second rewards.
    pub second_blocks: u64,
    /// What the second gives. Of what the contract credited it is below 0 where a batch posted fewer blocks than the
    /// schedule gives: these are counted where they were made, and what is missing where the batch was paid.
    pub second: Change,
    parts: [Change; Part::ALL.len()],
}

impl ComparedSums {
    /// What a part of the difference comes to.
    pub fn part(&self, part: Part) -> Difference {
        self.change(part).net()
    }

    /// How much more the second gives.
    ///
    /// # Errors
    ///
    /// [`AmountError`] if a sum does not fit.
    pub fn difference(&self) -> Result<Difference, AmountError> {
        let Change { more, less } = self.second;
        Ok(Difference::new(more, less.checked_add(self.first.reward)?))
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The sum of all parts.
    pub(super) fn sum_of_parts(&self) -> Result<Difference, AmountError> {
        let mut sum = Change::default();
        for part in &self.parts {
            sum.plus(part)?;
        }
        Ok(sum.net())
    }

    pub(super) fn plus(&mut self, other: &Self) -> Result<(), AmountError> {
        add_earned(&mut self.first, other.first)?;
        self.second_blocks = add_blocks(self.second_blocks, other.second_blocks);
        self.second.plus(&other.second)?;
        for (sum, part) in self.parts.iter_mut().zip(&other.parts) {
            sum.plus(part)?;
        }
        Ok(())
    }

    pub(super) fn add_first(&mut self, blocks: u64, reward: Wei) -> Result<(), AmountError> {
        add_earned(&mut self.first, Earned { blocks, reward })
    }

    pub(super) fn add_second(&mut self, blocks: u64, reward: Wei) -> Result<(), AmountError> {
        self.second_blocks = add_blocks(self.second_blocks, blocks);
        self.second.add(reward)
    }

    fn change(&self, part: Part) -> &Change {
        &self.parts[part.place()]
    }

    pub(super) fn change_mut(&mut self, part: Part) -> &mut Change {
        &mut self.parts[part.place()]
    }
}

fn add_blocks(left: u64, right: u64) -> u64 {
    left.checked_add(right).expect("there are no more blocks than numbers")
}

fn add_earned(sum: &mut Earned, more: Earned) -> Result<(), AmountError> {
    sum.blocks = add_blocks(sum.blocks, more.blocks);
    sum.reward = sum.reward.checked_add(more.reward)?;
    Ok(())
}
