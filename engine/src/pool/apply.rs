//! One record after another.

use super::{BatchState, Discrepancy, PoolError, PoolFault, PoolState, SequencerState, SignerState, Status};
use crate::event::{Credit, L1Record, PoolEvent};
use crate::ids::{BatchId, SequencerId, UnixTime};
use crate::money::{AmountError, Wei};
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

/// Collects what a record claims falsely.
struct Claims<'a> {
    record: &'a L1Record,
    found: Vec<Discrepancy>,
}

impl Claims<'_> {
    fn compare<T: PartialEq + ToString>(
        &mut self,
        sequencer: Option<SequencerId>,
        claim: &'static str,
        expected: &T,
        found: &T,
    ) {
        if expected != found {
            self.found.push(Discrepancy {
                event: self.record.event.name(),
                block: self.record.block,
                log_index: self.record.log_index,
                transaction_hash: self.record.transaction_hash,
                sequencer,
                claim,
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
    }
}

fn amount<T>(what: &'static str, result: Result<T, AmountError>) -> Result<T, PoolFault> {
    result.map_err(|error| PoolFault::Amount { what, error })
}

impl PoolState {
    /// Takes one more record and returns what it claims falsely. On an error nothing is changed.
    ///
    /// # Errors
    ///
    /// [`PoolError`] if no history of the contracts can contain the record here.
    pub fn apply(&mut self, record: &L1Record) -> Result<Vec<Discrepancy>, PoolError> {
        let mut claims = Claims { record, found: Vec::new() };
        self.dispatch(record, &mut claims).map_err(|fault| PoolError {
            event: record.event.name(),
            block: record.block,
            log_index: record.log_index,
            transaction_hash: record.transaction_hash,
            fault,
        })?;
        Ok(claims.found)
    }

    fn sequencer(&mut self, id: SequencerId) -> Result<&mut SequencerState, PoolFault> {
        let last = self.sequencers.last_key_value().map_or(SequencerId(0), |(last, _)| *last);
        let unknown = PoolFault::UnknownSequencer { sequencer: id, last };
        self.sequencers.get_mut(&id).ok_or(unknown)
    }

    /// A sequencer that must have this status.
    fn with_status(&mut self, id: SequencerId, expected: Status) -> Result<&mut SequencerState, PoolFault> {
        let sequencer = self.sequencer(id)?;
        if sequencer.status == expected {
            Ok(sequencer)
        } else {
            Err(PoolFault::WrongStatus { sequencer: id, expected, found: sequencer.status })
        }
    }

    /// Every arm first computes and checks, then assigns: after the first assignment nothing fails.
    fn dispatch(&mut self, record: &L1Record, claims: &mut Claims<'_>) -> Result<(), PoolFault> {
        match &record.event {
            PoolEvent::Locked { .. } => self.lock(&record.event, claims)?,
            PoolEvent::Relocked { sequencer, amount, total, from_reward } => {
                self.relock(*sequencer, *amount, *from_reward)?;
                claims.compare(None, "total", &self.total_locked, total);
                if let Some(state) = self.sequencers.get(sequencer).filter(|_| !from_reward.is_zero()) {
                    // The contract moves the whole reward or none of it.
                    claims.compare(Some(*sequencer), "reward left", &Wei::ZERO, &state.reward);
                }
            }
            PoolEvent::Withdraw { sequencer, amount: taken } => {
                let new_total = amount("totalLocked", self.total_locked.checked_sub(*taken))?;
                let batch = self.batch.id;
                let state = self.with_status(*sequencer, Status::Active)?;
                state.amount = amount("stake withdrawn", state.amount.checked_sub(*taken))?;
                state.updated_batch = batch;
                self.total_locked = new_total;
            }
            PoolEvent::LockUpdate { sequencer, nonce, new_amount } => {
                // It follows the event that changed the stake.
                let state = self.with_status(*sequencer, Status::Active)?;
                claims.compare(Some(*sequencer), "newAmount", &state.amount, new_amount);
                state.amount = *new_amount;
                state.claim_nonce(*sequencer, *nonce, claims);
            }
            PoolEvent::ClaimRewards { sequencer, amount: paid, total_amount, .. } => {
                let new_total =
                    amount("totalRewardsLiquidated", self.total_rewards_liquidated.checked_add(*paid))?;
                let state = self.sequencer(*sequencer)?;
                // The contract pays the whole reward out, whenever it pays.
                claims.compare(Some(*sequencer), "amount", &state.reward, paid);
                state.reward = amount("reward claimed", state.reward.checked_sub(*paid))?;
                self.total_rewards_liquidated = new_total;
                claims.compare(None, "totalAmount", &new_total, total_amount);
            }
            PoolEvent::UnlockInit {
                user,
                sequencer,
                nonce,
                deactivation_batch,
                deactivation_time,
                unlock_claim_time,
                ..
            } => {
                let state = self.with_status(*sequencer, Status::Active)?;
                state.status = Status::Inactive;
                state.deactivation_batch = *deactivation_batch;
                state.deactivation_time = *deactivation_time;
                state.unlock_claim_time = *unlock_claim_time;
                state.claim_nonce(*sequencer, *nonce, claims);
                claims.compare(Some(*sequencer), "user", &state.signer, user);
                // Its reward was paid out just before.
                claims.compare(Some(*sequencer), "reward left", &Wei::ZERO, &state.reward);
            }
            PoolEvent::Unlocked { user, sequencer, amount: returned, total } => {
                self.unlock(*sequencer, *user, *returned, *total, claims)?;
            }
            PoolEvent::SignerChange { sequencer, nonce, old_signer, new_signer, signer_pubkey } => {
                self.check_fresh(new_signer)?;
                let batch = self.batch.id;
                let state = self.with_status(*sequencer, Status::Active)?;
                let replaced = core::mem::replace(&mut state.signer, *new_signer);
                state.pubkey = signer_pubkey.clone();
                state.updated_batch = batch;
                state.claim_nonce(*sequencer, *nonce, claims);
                claims.compare(Some(*sequencer), "oldSigner", &replaced, old_signer);
                self.signers.insert(*new_signer, SignerState::Of(*sequencer));
                self.signers.insert(replaced, SignerState::Invalid);
            }
            PoolEvent::DistributeReward { .. } => self.pay_batch(record, claims)?,
            PoolEvent::RewardUpdate { new_reward, old_reward } => {
                claims.compare(None, "oldReward", &self.reward_per_block, old_reward);
                self.reward_per_block = *new_reward;
            }
            PoolEvent::WithrawDelayTimeChange { current_secs, previous_secs } => {
                claims.compare(None, "_prev", &self.exit_delay_secs, previous_secs);
                self.exit_delay_secs = *current_secs;
            }
            PoolEvent::SequencerOwnerChanged { sequencer, owner } => {
                // Deployed versions differ in when they allow this, so any status may.
                let state = self.sequencer(*sequencer)?;
                let previous = core::mem::replace(&mut state.owner, *owner);
                // At lock-up there is no owner before.
                if previous != Address::ZERO {
                    self.owners.insert(previous, None);
                }
                self.owners.insert(*owner, Some(*sequencer));
            }
            PoolEvent::SequencerRewardRecipientChanged { sequencer, recipient } => {
                self.sequencer(*sequencer)?.reward_recipient = *recipient;
            }
            PoolEvent::SetMinLock { new_min_lock } => self.min_lock = *new_min_lock,
            PoolEvent::SetMaxLock { new_max_lock } => self.max_lock = *new_max_lock,
            PoolEvent::SetRewardPayer { payer } => self.reward_payer = *payer,
            PoolEvent::UpdateMpc { new_mpc } => self.mpc_address = *new_mpc,
            PoolEvent::SetSignerUpdateThrottle { batches } => {
                self.signer_update_throttle_batches = *batches;
            }
            PoolEvent::Paused { .. } => self.paused = true,
            PoolEvent::Unpaused { .. } => self.paused = false,
            // The batch itself is in DistributeReward, the white list decides no reward, and what a transfer was
            // for is in other events.
            PoolEvent::BatchSubmitReward { .. }
            | PoolEvent::SetWhitelist { .. }
            | PoolEvent::MetisTransfer { .. } => {}
        }
        Ok(())
    }

    fn check_fresh(&self, signer: &Address) -> Result<(), PoolFault> {
        let sequencer = match self.signers.get(signer) {
            None => return Ok(()),
            Some(SignerState::Of(sequencer)) => *sequencer,
            Some(SignerState::Invalid) => SequencerId(0),
        };
        Err(PoolFault::SignerReused { signer: *signer, sequencer })
    }

    fn lock(&mut self, event: &PoolEvent, claims: &mut Claims<'_>) -> Result<(), PoolFault> {
        let PoolEvent::Locked {
            signer,
            sequencer,
            nonce,
            activation_batch,
            amount: stake,
            total,
            signer_pubkey,
        } = event
        else {
            unreachable!("only called for Locked");
        };
        let last = self.sequencers.last_key_value().map_or(SequencerId(0), |(last, _)| *last);
        if last.next() != Some(*sequencer) {
            let expected = last.next().unwrap_or(last);
            return Err(PoolFault::NotNextSequencer { expected, found: *sequencer });
        }
        self.check_fresh(signer)?;
        let new_total = amount("totalLocked", self.total_locked.checked_add(*stake))?;
        self.total_locked = new_total;
        self.signers.insert(*signer, SignerState::Of(*sequencer));
        self.sequencers.insert(
            *sequencer,
            SequencerState {
                amount: *stake,
                reward: Wei::ZERO,
                activation_batch: *activation_batch,
                updated_batch: self.batch.id,
                deactivation_batch: BatchId(0),
                deactivation_time: UnixTime(0),
                unlock_claim_time: UnixTime(0),
                nonce: *nonce,
                // The owner and the recipient follow in events of the same transaction.
                owner: Address::ZERO,
                signer: *signer,
                pubkey: signer_pubkey.clone(),
                reward_recipient: Address::ZERO,
                status: Status::Active,
            },
        );
        claims.compare(None, "total", &new_total, total);
        claims.compare(Some(*sequencer), "nonce", &1, nonce);
        claims.compare(Some(*sequencer), "activationBatch", &self.batch.id, activation_batch);
        Ok(())
    }

    fn relock(&mut self, id: SequencerId, added: Wei, from_reward: Wei) -> Result<(), PoolFault> {
        let total = amount("totalLocked", self.total_locked.checked_add(added))?;
        let sequencer = self.with_status(id, Status::Active)?;
        let stake = amount("stake", sequencer.amount.checked_add(added))?;
        let left = amount("reward moved into the stake", sequencer.reward.checked_sub(from_reward))?;
        (sequencer.amount, sequencer.reward) = (stake, left);
        self.total_locked = total;
        Ok(())
    }

    fn unlock(
        &mut self,
        id: SequencerId,
        user: Address,
        returned: Wei,
        claimed_total: Wei,
        claims: &mut Claims<'_>,
    ) -> Result<(), PoolFault> {
        let new_total = amount("totalLocked", self.total_locked.checked_sub(returned))?;
        let state = self.with_status(id, Status::Inactive)?;
        // `unlockClaim` raises the nonce without saying so.
        let nonce = state.nonce.checked_add(1).ok_or(PoolFault::Amount {
            what: "nonce",
            error: AmountError::Overflow {
                operation: "sum",
                left: U256::from(state.nonce),
                right: U256::ONE,
            },
        })?;
        claims.compare(Some(id), "amount", &state.amount, &returned);
        claims.compare(Some(id), "user", &state.owner, &user);
        state.amount = Wei::ZERO;
        state.status = Status::Unlocked;
        state.nonce = nonce;
        let (owner, signer) = (state.owner, state.signer);
        self.total_locked = new_total;
        self.owners.insert(owner, None);
        self.signers.insert(signer, SignerState::Invalid);
        claims.compare(None, "total", &new_total, &claimed_total);
        Ok(())
    }

    fn pay_batch(&mut self, record: &L1Record, claims: &mut Claims<'_>) -> Result<(), PoolFault> {
        let PoolEvent::DistributeReward {
            batch,
            start_span,
            end_span,
            amount: paid,
            reward_per_block,
            credits,
        } = &record.event
        else {
            unreachable!("only called for DistributeReward");
        };
        if self.batch.id.next() != Some(*batch) {
            let expected = self.batch.id.next().unwrap_or(self.batch.id);
            return Err(PoolFault::NotNextBatch { expected, found: *batch });
        }
        let mut rewards = BTreeMap::new();
        let mut sum = Wei::ZERO;
        for Credit { signer, blocks } in credits {
            let uncreditable = PoolFault::UncreditableSigner { signer: *signer, blocks: *blocks };
            let sequencer = self.creditable(signer).ok_or(uncreditable)?;
            let credit = amount("credit", reward_per_block.times(*blocks))?;
            sum = amount("rewards of the batch", sum.checked_add(credit))?;
            let reward = match rewards.get(&sequencer) {
                Some(reward) => *reward,
                None => self.sequencer(sequencer)?.reward,
            };
            rewards.insert(sequencer, amount("reward", reward.checked_add(credit))?);
        }
        for (id, reward) in rewards {
            self.sequencer(id)?.reward = reward;
        }
        claims.compare(None, "rpb", &self.reward_per_block, reward_per_block);
        claims.compare(None, "amount", &sum, paid);
        if let Some(expected) = self.batch.end_span.next() {
            claims.compare(None, "startEpoch", &expected, start_span);
        }
        self.batch =
            BatchState { id: *batch, number: record.block, start_span: *start_span, end_span: *end_span };
        Ok(())
    }
}

impl SequencerState {
    /// Takes the nonce that an event tells.
    fn claim_nonce(&mut self, id: SequencerId, nonce: u64, claims: &mut Claims<'_>) {
        if let Some(expected) = self.nonce.checked_add(1) {
            claims.compare(Some(id), "nonce", &expected, &nonce);
        }
        self.nonce = nonce;
    }
}
