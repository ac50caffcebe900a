//! Carries actions out in order, as the contracts would, and passes over what they would refuse.

use super::*;

/// How far a sequencer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Exiting { unlock_claim_time: u64 },
    Gone,
}

/// A sequencer as the contracts have it.
struct Member {
    id: SequencerId,
    /// All its signers; the last is the present one.
    signers: Vec<Address>,
    owner: Address,
    recipients: u8,
    status: Status,
    stake_wei: u128,
    reward_wei: u128,
    nonce: u64,
    /// The batch current at its lock, or at its last withdrawal or change of signer.
    updated_batch: u64,
}

impl Member {
    fn signer(&self) -> Address {
        *self.signers.last().expect("a sequencer has a signer")
    }

    fn recipient(&self) -> Address {
        address(0xec, low_byte(self.id.0), self.recipients)
    }
}

/// A span as announced so far.
#[derive(Clone, Copy)]
struct Announced {
    id: u64,
    start: u64,
    end: u64,
    signer: Address,
}

/// Both chains as they stand while a history is made.
pub(super) struct Builder {
    history: History,
    first_block: u64,
    /// The timestamp of the last L2 block, or later after a wait.
    clock: u64,
    has_spans: bool,
    tells_transfers: bool,
    members: Vec<Member>,
    spans: Vec<Announced>,
    span_length_blocks: u64,
    /// The block, its timestamp and the transaction that L1 events go to.
    here: (u64, u64, u64),
    exit_delay_secs: u64,
    total_locked_wei: u128,
    total_claimed_wei: u128,
    reward_per_block_wei: u128,
    batch: u64,
    last_paid_span: u64,
}

impl Builder {
    /// Both chains after the deployment, the owner's settings and the leading blocks.
    pub(super) fn new(frame: Frame) -> Self {
        let mut builder = Self {
            history: History { l1: Vec::new(), l1_head_timestamp: 0, spans: Vec::new(), blocks: Vec::new() },
            first_block: frame.first_block,
            clock: START,
            has_spans: !matches!(frame.first_span, FirstSpan::Never),
            tells_transfers: frame.tells_transfers,
            members: Vec::new(),
            spans: Vec::new(),
            span_length_blocks: 0,
            here: (19_424_665, START - 1, 0),
            exit_delay_secs: u64::from(frame.exit_delay_secs),
            total_locked_wei: 0,
            total_claimed_wei: 0,
            reward_per_block_wei: INITIAL_REWARD_PER_BLOCK_WEI,
            batch: 1,
            last_paid_span: 0,
        };
        // Without these the contracts would refuse small and large stakes, quick exits, and two
        // changes of a signer within one batch.
        builder.emit(PoolEvent::SetMinLock { new_min_lock: wei(1) });
        builder.emit(PoolEvent::SetMaxLock { new_max_lock: wei(MAX_LOCK_WEI) });
        builder.emit(PoolEvent::SetSignerUpdateThrottle { batches: 0 });
        builder.emit(PoolEvent::WithrawDelayTimeChange {
            current_secs: builder.exit_delay_secs,
            previous_secs: INITIAL_EXIT_DELAY_SECS,
        });
        builder.emit(PoolEvent::UpdateMpc { new_mpc: address(0x3c, 0, 0) });
        builder.emit(PoolEvent::SetRewardPayer { payer: payer() });
        for _ in 0..frame.lead_blocks {
            builder.make_block(12, Signing::By(Who::Future(0)));
        }
        if let FirstSpan::Ahead { blocks, length_blocks } = frame.first_span {
            builder.make_block(2, Signing::Nobody);
            let start =
                builder.last_number().checked_add_signed(i64::from(blocks)).expect("blocks begin at 5");
            builder.announce(start, length_blocks, Who::Future(0));
        }
        builder
    }

    pub(super) fn finish(mut self, frame: Frame) -> History {
        let reach = self.next_number();
        while frame.catches_up && self.spans.last().is_some_and(|last| last.end + 1 < reach) {
            let next = self.spans.last().expect("there is one").end + 1;
            let turn = low_byte(next);
            self.announce(next, 2 + turn % 24, Who::Present(turn));
        }
        let last_block_time = self.history.blocks.last().map_or(START, |block| block.timestamp);
        let head = last_block_time.checked_add_signed(i64::from(frame.head_offset_secs));
        let last_event_time = self.here.1;
        self.history.l1_head_timestamp = head.expect("START is long after 1970").max(last_event_time);
        self.history
    }

    pub(super) fn act(&mut self, action: &Action) {
        match *action {
            Action::Blocks { count, gap_secs, signing } => {
                for _ in 0..count {
                    self.make_block(gap_secs, signing);
                }
            }
            Action::Wait { secs } => self.clock += u64::from(secs),
            Action::Announce { length_blocks, signer, in_new_block } => {
                // Only the last span may be unfinished when another is announced.
                let carrier = self.next_number() - u64::from(!in_new_block);
                let is_refused = match &self.spans[..] {
                    [_, .., last_but_one, _] => last_but_one.end >= carrier,
                    _ => false,
                };
                if is_refused || !self.has_spans || self.history.blocks.len() == BLOCKS_MAX {
                    return;
                }
                if in_new_block || self.history.blocks.is_empty() {
                    self.make_block(2, Signing::Schedule);
                }
                let start = self.spans.last().map_or(self.last_number(), |last| last.end + 1);
                self.announce(start, length_blocks, signer);
            }
            Action::Recommit { when, last_but_one, length_blocks, signer, signing } => {
                self.recommit(when, last_but_one, length_blocks, signer, signing);
            }
            Action::Pool(place, call) => self.call(place, call),
        }
    }

    fn next_number(&self) -> u64 {
        self.first_block + u64::try_from(self.history.blocks.len()).expect("few blocks")
    }

    /// The number of the last block made; one is.
    fn last_number(&self) -> u64 {
        self.history.blocks.last().expect("a block was made").number
    }

    fn make_block(&mut self, gap_secs: u8, signing: Signing) {
        if self.history.blocks.len() == BLOCKS_MAX {
            return;
        }
        self.clock += u64::from(gap_secs);
        let number = self.next_number();
        let signed_by = match signing {
            Signing::Schedule => {
                let span = self.spans.iter().find(|span| span.start <= number && number <= span.end);
                span.map(|span| span.signer)
            }
            Signing::Nobody => None,
            Signing::By(who) => Some(self.address_of(who)),
        };
        self.history.blocks.push(Block { number, timestamp: self.clock, signed_by });
    }

    fn address_of(&self, who: Who) -> Address {
        let retired = self.members.iter().flat_map(|m| m.signers.split_last().expect("it has one").1);
        let retired: Vec<Address> = retired.copied().collect();
        match who {
            Who::Retired(n) if !retired.is_empty() => retired[usize::from(n) % retired.len()],
            Who::Present(n) | Who::Retired(n) if !self.members.is_empty() => {
                self.members[usize::from(n) % self.members.len()].signer()
            }
            Who::Present(n) | Who::Retired(n) | Who::Future(n) => {
                // That of a sequencer still to lock, or the next one of a sequencer that has.
                let place = usize::from(n) % SEQUENCERS_MAX;
                let generation = self.members.get(place).map_or(0, |member| member.signers.len());
                signer_address(place + 1, generation)
            }
            Who::Stranger(n) => address(0xff, n, 0),
        }
    }

    /// Announces the next span in the last block made.
    fn announce(&mut self, start: u64, length_blocks: u8, signer: Who) {
        let length_blocks = u64::from(length_blocks);
        let span = Announced {
            id: u64::try_from(self.spans.len()).expect("few spans"),
            start,
            end: start + length_blocks - 1,
            signer: self.address_of(signer),
        };
        // Span 0 comes with the deployment; after it every span has the length that is set.
        if span.id > 0 && length_blocks != self.span_length_blocks {
            self.emit_span(SpanEvent::EpochUpdated { new_length_blocks: length_blocks });
        }
        self.span_length_blocks = length_blocks;
        self.emit_span(SpanEvent::NewEpoch {
            span: SpanId(span.id),
            start: L2Block(span.start),
            end: L2Block(span.end),
            signer: span.signer,
        });
        self.spans.push(span);
    }

    /// Recommits in the next block, unless neither of the last two spans has begun by then or the
    /// span to be cut is long over.
    fn recommit(&mut self, when: When, last_but_one: bool, length_blocks: u8, who: Who, signing: Signing) {
        let Some(&current) = self.spans.last() else {
            return;
        };
        let previous = self.spans.iter().rev().nth(1).copied();
        let target = match when {
            When::Now => self.next_number(),
            When::FirstBlockOfLastButOne => previous.unwrap_or(current).start,
            When::FirstBlockOfLast => current.start,
            When::AfterLast(blocks) => current.end + 1 + u64::from(blocks),
        };
        while self.next_number() < target && self.history.blocks.len() < BLOCKS_MAX {
            self.make_block(2, Signing::Schedule);
        }
        if self.history.blocks.len() == BLOCKS_MAX {
            return;
        }
        let start = self.next_number();
        // Blocks after the last span but one and before `start` would be left without a span.
        let previous = previous.filter(|old| old.start <= start && start <= old.end + 1);
        let has_begun = current.start <= start;
        let signer = self.address_of(who);
        let old = match previous {
            Some(old) if last_but_one || !has_begun => {
                self.spans.pop();
                old
            }
            Some(_) | None if has_begun => current,
            Some(_) | None => return,
        };
        let cut = self.spans.last_mut().expect("the span to be cut is the last that stays");
        cut.end = if old.id == current.id { start - 1 } else { old.end.min(start - 1) };
        let new = Announced { id: old.id + 1, start, end: start + u64::from(length_blocks) - 1, signer };
        self.spans.push(new);
        self.make_block(2, signing);
        self.emit_span(SpanEvent::ReCommitEpoch {
            old_span: SpanId(old.id),
            new_span: SpanId(new.id),
            current_span: SpanId(current.id),
            start: L2Block(new.start),
            end: L2Block(new.end),
            new_signer: new.signer,
        });
    }

    /// Puts a span event into the last block made.
    fn emit_span(&mut self, event: SpanEvent) {
        let block = L2Block(self.last_number());
        let last = self.history.spans.last().filter(|record| record.block == block);
        let record = SpanRecord {
            block,
            // The hash that `memory::produced` gives the block.
            block_hash: B256::from(alloy_primitives::U256::from(block.0)),
            transaction_hash: hash(0x72, block.0),
            log_index: last.map_or(0, |record| record.log_index + 1),
            event,
        };
        self.history.spans.push(record);
    }

    /// Puts a pool event where the last call landed.
    fn emit(&mut self, event: PoolEvent) {
        let (block, timestamp, transaction) = self.here;
        let last = self.history.l1.last().filter(|record| record.block.0 == block);
        let record = L1Record {
            block: L1Block(block),
            block_hash: hash(0x11, block),
            timestamp: UnixTime(timestamp),
            transaction_hash: hash(0x71, transaction),
            log_index: last.map_or(0, |record| record.log_index + 1),
            event,
        };
        self.history.l1.push(record);
    }

    /// Tells that METIS moves, in the call at hand, if this is told at all.
    fn move_metis(&mut self, from: Address, to: Address, amount_wei: u128) {
        if self.tells_transfers {
            self.emit(PoolEvent::MetisTransfer { from, to, amount: wei(amount_wei) });
        }
    }

    /// The L1 block and the time at which a call would land.
    fn landing(&self, place: Place) -> (u64, u64) {
        let (block, timestamp, _) = self.here;
        if place.same_block {
            return (block, timestamp);
        }
        (block + 1, (timestamp + 1).max(self.clock + u64::from(place.later_secs)))
    }

    /// One of the sequencers that may make a call.
    fn pick(&self, n: u8, may: impl Fn(&Member) -> bool) -> Option<usize> {
        let able = self.members.iter().enumerate().filter(|(_, member)| may(member));
        let able: Vec<usize> = able.map(|(place, _)| place).collect();
        able.get(usize::from(n).checked_rem(able.len())?).copied()
    }

    fn call(&mut self, place: Place, call: Call) {
        let (block, now) = self.landing(place);
        let batch = self.batch;
        let is_active = |member: &Member| member.status == Status::Active;
        let who = match call {
            Call::Lock(_) if self.members.len() == SEQUENCERS_MAX => return,
            Call::Lock(_) | Call::SetReward(_) | Call::PayBatch(..) | Call::Pause => Some(0),
            Call::Relock(n, ..) | Call::ChangeSigner(n) | Call::BeginExit(n) => self.pick(n, is_active),
            Call::Withdraw(n, _) => {
                self.pick(n, |m| is_active(m) && m.updated_batch < batch && m.stake_wei > 1)
            }
            Call::Claim(n) => self.pick(n, |m| is_active(m) && m.reward_wei > 0),
            Call::FinishExit(n) => self.pick(n, |m| match m.status {
                Status::Exiting { unlock_claim_time } => unlock_claim_time <= now,
                Status::Active | Status::Gone => false,
            }),
            Call::ChangeRecipient(n) => self.pick(n, |m| m.status != Status::Gone && m.recipients < u8::MAX),
        };
        let Some(who) = who else {
            return;
        };
        self.here = (block, now, self.here.2 + 1);
        match call {
            Call::Lock(stake) => self.lock(stake),
            Call::Relock(_, more, with_reward) => self.relock(who, more, with_reward),
            Call::Withdraw(_, less) => self.withdraw(who, less),
            Call::ChangeSigner(_) => self.change_signer(who),
            Call::Claim(_) => self.claim(who),
            Call::BeginExit(_) => self.begin_exit(who),
            Call::FinishExit(_) => self.finish_exit(who),
            Call::ChangeRecipient(_) => {
                self.members[who].recipients += 1;
                self.emit_recipient(who);
            }
            Call::SetReward(reward) => self.set_reward(reward),
            Call::PayBatch(spans, reward) => self.pay_batch(spans, reward),
            Call::Pause => {
                self.emit(PoolEvent::Paused { account: address(0x0a, 0, 0) });
                self.emit(PoolEvent::Unpaused { account: address(0x0a, 0, 0) });
            }
        }
    }

    fn lock(&mut self, stake_wei: u128) {
        let place = self.members.len() + 1;
        let id = SequencerId(u64::try_from(place).expect("few sequencers"));
        let member = Member {
            id,
            signers: vec![signer_address(place, 0)],
            owner: address(0x0e, low_byte(id.0), 0),
            recipients: 0,
            status: Status::Active,
            stake_wei,
            reward_wei: 0,
            nonce: 1,
            updated_batch: self.batch,
        };
        self.total_locked_wei += stake_wei;
        self.emit(PoolEvent::SetWhitelist { user: member.owner, allowed: true });
        self.here.2 += 1;
        self.move_metis(member.owner, ESCROW, stake_wei);
        self.emit(PoolEvent::Locked {
            signer: member.signer(),
            sequencer: id,
            nonce: 1,
            activation_batch: BatchId(self.batch),
            amount: wei(stake_wei),
            total: wei(self.total_locked_wei),
            signer_pubkey: public_key(member.signer()),
        });
        self.emit(PoolEvent::SequencerOwnerChanged { sequencer: id, owner: member.owner });
        self.members.push(member);
        self.emit_recipient(place - 1);
    }

    fn emit_recipient(&mut self, who: usize) {
        let (sequencer, recipient) = (self.members[who].id, self.members[who].recipient());
        self.emit(PoolEvent::SequencerRewardRecipientChanged { sequencer, recipient });
    }

    /// A stake is raised by up to `more`, within the contract's greatest stake. Of the reward all
    /// goes in or, if that would be too much, nothing.
    fn relock(&mut self, who: usize, more: u128, with_reward: bool) {
        let member = &mut self.members[who];
        let room = MAX_LOCK_WEI - member.stake_wei;
        let from_reward = if with_reward && member.reward_wei <= room { member.reward_wei } else { 0 };
        let amount = from_reward + more % (room - from_reward + 1);
        if amount == 0 {
            return;
        }
        member.reward_wei -= from_reward;
        member.stake_wei += amount;
        let (sequencer, owner) = (member.id, member.owner);
        self.total_locked_wei += amount;
        self.move_metis(owner, ESCROW, amount - from_reward);
        let (amount, from_reward) = (wei(amount), wei(from_reward));
        self.emit(PoolEvent::Relocked { sequencer, amount, total: wei(self.total_locked_wei), from_reward });
        self.emit_lock_update(who);
    }

    fn withdraw(&mut self, who: usize, less: u128) {
        let member = &mut self.members[who];
        // The least stake, 1 wei, stays.
        let amount = 1 + less % (member.stake_wei - 1);
        member.stake_wei -= amount;
        member.updated_batch = self.batch;
        let (sequencer, owner) = (member.id, member.owner);
        self.total_locked_wei -= amount;
        self.move_metis(ESCROW, owner, amount);
        self.emit(PoolEvent::Withdraw { sequencer, amount: wei(amount) });
        self.emit_lock_update(who);
    }

    fn emit_lock_update(&mut self, who: usize) {
        let member = &mut self.members[who];
        member.nonce += 1;
        let (sequencer, nonce, new_amount) = (member.id, member.nonce, wei(member.stake_wei));
        self.emit(PoolEvent::LockUpdate { sequencer, nonce, new_amount });
    }

    fn change_signer(&mut self, who: usize) {
        let batch = self.batch;
        let member = &mut self.members[who];
        let (old_signer, new_signer) = (member.signer(), signer_address(who + 1, member.signers.len()));
        member.signers.push(new_signer);
        member.nonce += 1;
        member.updated_batch = batch;
        let (sequencer, nonce, signer_pubkey) = (member.id, member.nonce, public_key(new_signer));
        self.emit(PoolEvent::SignerChange { sequencer, nonce, old_signer, new_signer, signer_pubkey });
    }

    /// Claims the whole reward, also if it is 0.
    fn claim(&mut self, who: usize) {
        let member = &mut self.members[who];
        let amount = member.reward_wei;
        member.reward_wei = 0;
        let (sequencer, recipient) = (member.id, member.recipient());
        self.total_claimed_wei += amount;
        if amount > 0 {
            self.move_metis(ESCROW, recipient, amount);
        }
        let (amount, total_amount) = (wei(amount), wei(self.total_claimed_wei));
        self.emit(PoolEvent::ClaimRewards { sequencer, recipient, amount, total_amount });
    }

    fn begin_exit(&mut self, who: usize) {
        let reward = wei(self.members[who].reward_wei);
        self.claim(who);
        let unlock_claim_time = self.here.1 + self.exit_delay_secs;
        let member = &mut self.members[who];
        member.status = Status::Exiting { unlock_claim_time };
        member.nonce += 1;
        let event = PoolEvent::UnlockInit {
            user: member.signer(),
            sequencer: member.id,
            nonce: member.nonce,
            deactivation_batch: BatchId(self.batch),
            deactivation_time: UnixTime(self.here.1),
            unlock_claim_time: UnixTime(unlock_claim_time),
            amount: reward,
        };
        self.emit(event);
    }

    fn finish_exit(&mut self, who: usize) {
        if self.members[who].reward_wei > 0 {
            self.claim(who);
        }
        let member = &mut self.members[who];
        member.status = Status::Gone;
        let (user, sequencer, amount) = (member.owner, member.id, member.stake_wei);
        member.stake_wei = 0;
        self.total_locked_wei -= amount;
        self.move_metis(ESCROW, user, amount);
        let (amount, total) = (wei(amount), wei(self.total_locked_wei));
        self.emit(PoolEvent::Unlocked { user, sequencer, amount, total });
    }

    fn set_reward(&mut self, new_reward: u64) {
        let old_reward = wei(self.reward_per_block_wei);
        self.reward_per_block_wei = u128::from(new_reward);
        self.emit(PoolEvent::RewardUpdate { new_reward: wei(self.reward_per_block_wei), old_reward });
    }

    /// Pays some of the spans that are over and that no recommit can touch any more.
    fn pay_batch(&mut self, spans: u8, new_reward: Option<u64>) {
        let next = self.next_number();
        let [_, .., last] = &self.spans[..] else {
            return;
        };
        let current = last.id;
        let payable = self.spans.iter().filter(|span| span.id > self.last_paid_span);
        let payable = payable.take_while(|span| span.id < current && span.end < next);
        let payable: Vec<Announced> = payable.copied().collect();
        // A batch has at least two spans.
        let Some(choices) = payable.len().checked_sub(1).filter(|choices| *choices > 0) else {
            return;
        };
        let paid = &payable[..2 + usize::from(spans) % choices];
        let credits = self.credits(paid);
        if credits.is_empty() {
            return;
        }
        if let Some(new_reward) = new_reward {
            self.set_reward(new_reward);
            self.here.2 += 1;
        }
        let mut blocks: u64 = 0;
        for credit in &credits {
            blocks += credit.blocks;
            let member = self.members.iter_mut().find(|m| m.signer() == credit.signer);
            let member = member.expect("a present signer is credited");
            member.reward_wei += u128::from(credit.blocks) * self.reward_per_block_wei;
        }
        self.batch += 1;
        self.last_paid_span = paid[paid.len() - 1].id;
        self.move_metis(payer(), ESCROW, u128::from(blocks) * self.reward_per_block_wei);
        self.emit(PoolEvent::BatchSubmitReward { new_batch: BatchId(self.batch) });
        self.emit(PoolEvent::DistributeReward {
            batch: BatchId(self.batch),
            start_span: SpanId(paid[0].id),
            end_span: SpanId(self.last_paid_span),
            amount: wei(u128::from(blocks) * self.reward_per_block_wei),
            reward_per_block: wei(self.reward_per_block_wei),
            credits,
        });
    }

    /// Who is credited how many blocks by the schedule. The contract takes present signers only, so
    /// a retired one's blocks go to its successor; an unknown one's and a gone sequencer's go to
    /// nobody. A successor may come twice.
    fn credits(&self, spans: &[Announced]) -> Vec<Credit> {
        let mut blocks: BTreeMap<Address, u64> = BTreeMap::new();
        for span in spans {
            *blocks.entry(span.signer).or_default() += span.end + 1 - span.start;
        }
        let present = blocks.into_iter().filter_map(|(signer, blocks)| {
            let member = self.members.iter().find(|member| member.signers.contains(&signer))?;
            (member.status != Status::Gone).then(|| Credit { signer: member.signer(), blocks })
        });
        present.collect()
    }
}

pub(super) fn wei(amount: u128) -> Wei {
    Wei::new(U256::from(amount))
}

/// An address of its own for each triple.
fn address(role: u8, of: u8, generation: u8) -> Address {
    Address::left_padding_from(&[role, of, generation])
}

/// Who pays batches.
fn payer() -> Address {
    address(0x9a, 0, 0)
}

/// The signer that a sequencer has after so many changes.
pub(super) fn signer_address(sequencer: usize, generation: usize) -> Address {
    let byte = |number: usize| u8::try_from(number).expect("a history is too short for more");
    address(0x51, byte(sequencer), byte(generation))
}

fn low_byte(number: u64) -> u8 {
    number.to_be_bytes()[7]
}

pub(super) fn public_key(signer: Address) -> Bytes {
    let mut key = vec![0x04; 44];
    key.extend_from_slice(signer.as_slice());
    Bytes::from(key)
}

fn hash(kind: u8, number: u64) -> B256 {
    let mut bytes = [0; 32];
    bytes[0] = kind;
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    B256::from(bytes)
}
