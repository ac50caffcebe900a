//! A chain as an endpoint shows it: up to a head, on one of two branches.

use crate::branch::{Branch, manifest, number, parsed, recorded};
use crate::odd::Oddities;
use crate::options::{Options, Reorg};
use crate::state::States;
use alloy_primitives::B256;
use serde_json::Value;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// A chain as one endpoint sees it.
pub(crate) struct Chain {
    pub(crate) is_l1: bool,
    pub(crate) id: u64,
    pub(crate) options: Options,
    /// What it does wrong.
    pub(crate) oddities: Arc<Oddities>,
    /// What the contracts' state was, where that is known.
    pub(crate) states: Option<Arc<States>>,
    recorded: Arc<Branch>,
    /// The branches that L1 has yet to give up, the lowest first.
    others: VecDeque<(Reorg, Branch)>,
    calls_at_fork: u64,
    first: u64,
    last: u64,
    head: u64,
    /// How far below the head the node is that answers now.
    lag: u64,
}

impl Chain {
    pub(crate) fn l1(directory: &Path, options: &Options) -> Self {
        let id = manifest(directory)["l1"]["chain_id"].as_u64().expect("a chain id");
        let id = options.l1_chain_id.unwrap_or(id);
        let mut chain = Self::new(true, id, options, recorded(directory, true), options.l1_head);
        chain.states = options.has_states.then(|| States::of(directory)).flatten();
        for reorg in options.reorg.iter().chain(&options.more_reorgs) {
            chain.others.push_back((*reorg, chain.recorded.other(directory, *reorg)));
        }
        if let (Some(reorg), None) = (options.reorg, options.l1_head) {
            chain.head = reorg.at;
        }
        chain
    }

    pub(crate) fn l2(directory: &Path, options: &Options) -> Self {
        let id = manifest(directory)["l2"]["chain_id"].as_u64().expect("a chain id");
        Self::new(false, id, options, recorded(directory, false), options.l2_head)
    }

    fn new(is_l1: bool, id: u64, options: &Options, recorded: Arc<Branch>, head: Option<u64>) -> Self {
        let first = *recorded.blocks.first_key_value().expect("the recording has blocks").0;
        let last = *recorded.blocks.last_key_value().expect("the recording has blocks").0;
        let last = options.ends.map_or(last, |(l1, l2)| if is_l1 { l1 } else { l2 });
        let (options, oddities) = (options.clone(), Arc::new(Oddities::of(&options.odd, is_l1)));
        let (others, states, head) = (VecDeque::new(), None, head.unwrap_or(last));
        let (calls_at_fork, lag) = (0, 0);
        Self { is_l1, id, options, oddities, states, recorded, others, calls_at_fork, first, last, head, lag }
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn head(&self) -> u64 {
        self.head.saturating_sub(self.lag).max(self.first)
    }

    pub(crate) fn set_head(&mut self, head: u64) {
        self.head = head.clamp(self.first, self.last);
    }

    /// What is told next is told by a node so many blocks behind.
    pub(crate) fn set_lag(&mut self, lag: u64) {
        self.lag = lag;
    }

    pub(crate) fn has_reorganized(&self) -> bool {
        self.options.reorg.is_some() && self.others.is_empty()
    }

    /// Before a call is answered: the other branch stands for some calls only.
    pub(crate) fn tick(&mut self) {
        let Some(&(Reorg { at, calls, .. }, _)) = self.others.front() else {
            return;
        };
        if self.head >= at {
            self.head = at;
            self.calls_at_fork += 1;
            if self.calls_at_fork > calls {
                self.reorganize();
                self.head = if self.options.advance_blocks > 0 { at + 1 } else { self.last };
            }
        }
    }

    /// Gives up the branch that the head is on, if it is not the recorded one.
    pub(crate) fn reorganize(&mut self) {
        if self.others.front().is_some_and(|(reorg, _)| self.head >= reorg.at) {
            self.others.pop_front();
            self.calls_at_fork = 0;
        }
    }

    /// After a call that looked at the head.
    pub(crate) fn looked(&mut self) {
        self.set_head(self.head + self.options.advance_blocks);
    }

    /// The branch that a block is taken from.
    pub(crate) fn branch(&self, block: u64) -> &Branch {
        let holds = |reorg: &Reorg| (reorg.at - reorg.depth + 1..=reorg.at).contains(&block);
        let other = self.others.iter().find(|(reorg, _)| holds(reorg));
        other.map_or(&*self.recorded, |(_, other)| other)
    }

    /// A block as it was recorded, unless it is to name another parent.
    pub(crate) fn block(&self, block: u64) -> Option<String> {
        if block < self.first() || block > self.head() {
            return None;
        }
        let line = self.branch(block).blocks[&block].clone();
        if !self.is_l1 && self.options.l2_wrong_parent == Some(block) {
            let parent = parsed(&line)["parentHash"].as_str().expect("a parent").to_owned();
            return Some(line.replace(&parent, &B256::repeat_byte(0x77).to_string()));
        }
        Some(line)
    }

    /// The number of the block with a hash, on the branch that stands.
    pub(crate) fn block_of(&self, hash: &str) -> Option<u64> {
        let other = self.others.iter().find_map(|(_, other)| other.hashes.get(hash));
        let number = *other.or_else(|| self.recorded.hashes.get(hash))?;
        let is_there = self.branch(number).hashes.contains_key(hash);
        (is_there && number <= self.head()).then_some(number)
    }

    /// The receipt of a transaction on the branch that stands, with its logs.
    pub(crate) fn receipt(&self, hash: &str) -> Option<Value> {
        let mut others = self.others.iter().map(|(_, other)| other);
        let other = others.find(|other| other.places.contains_key(hash));
        let branch = other.unwrap_or(&self.recorded);
        let block = *branch.places.get(hash)?;
        let is_there = std::ptr::eq(self.branch(block), branch) && block <= self.head();
        is_there.then(|| branch.receipt(hash)).flatten()
    }

    /// A transaction on the branch that stands: of L1 whole, of L2 where it is.
    pub(crate) fn transaction(&self, hash: &str) -> Option<&Value> {
        let other = self.others.iter().find_map(|(_, other)| other.transactions.get(hash));
        let found = other.or_else(|| {
            let recorded = self.recorded.transactions.get(hash)?;
            let block = recorded.get("blockNumber").map(number)?;
            std::ptr::eq(self.branch(block), &raw const *self.recorded).then_some(recorded)
        })?;
        (number(&found["blockNumber"]) <= self.head()).then_some(found)
    }
}
