//! Whether the contract's conditions hold, each with the value that decides it.

use super::action::{MemberAction, Sending};
use super::condition::{Condition, ConditionKind as Kind, Question, Verdict};
use super::encode::{KEY_BYTES, allowanceCall, balanceOfCall, is_payable, signer_of, taken};
use super::value::CallValue;
use super::{Case, PreparedCall};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use tally_engine::{SequencerId, SequencerState, SignerState, Status, Wei};

/// The conditions of one call, as they are found.
struct Judge<'a> {
    case: &'a Case<'a>,
    found: Vec<Condition>,
}

/// The conditions of the call, in the order in which the document of the contracts lists them.
pub(super) fn conditions(case: &Case<'_>, sending: Sending, call: &PreparedCall) -> Vec<Condition> {
    let mut judge = Judge { case, found: Vec::new() };
    judge.sender(sending.sender);
    judge.pool();
    if let Some(state) = case.state {
        judge.of_sequencer(state);
    }
    match case.action {
        MemberAction::Join { owner, signer, pubkey, amount, .. } => {
            judge.free(Kind::OwnerIsFree, *owner);
            judge.at_least_min(Some(*amount));
            judge.at_most_max(Some(*amount));
            judge.key(pubkey, Some(*signer));
            judge.signer_is_new(*signer);
        }
        MemberAction::Owner { owner, .. } => {
            let is_on = case.basis.white_list.contains(owner);
            judge.is(Kind::NewOwnerOnWhiteList, is_on, None, Some(CallValue::Address(*owner)));
            judge.free(Kind::NewOwnerIsFree, *owner);
        }
        MemberAction::Recipient { recipient, .. } => {
            judge.is(
                Kind::RecipientNotZero,
                !recipient.is_zero(),
                None,
                Some(CallValue::Address(*recipient)),
            );
        }
        MemberAction::Signer { pubkey, .. } => {
            judge.key(pubkey, None);
            if let Some(signer) = signer_of(pubkey) {
                judge.signer_is_new(signer);
            }
        }
        MemberAction::Increase { .. }
        | MemberAction::Withdraw { .. }
        | MemberAction::Claim { .. }
        | MemberAction::Unlock { .. }
        | MemberAction::Finish { .. } => {}
    }
    judge.ask_for_metis();
    judge.ask_for_eth(call);
    judge.found
}

impl Judge<'_> {
    fn is(&mut self, kind: Kind, holds: bool, wanted: Option<CallValue>, found: Option<CallValue>) {
        let verdict = holds.into();
        self.found.push(Condition { kind, verdict, wanted, found, holds_from: None, question: None });
    }

    fn unknown(
        &mut self,
        kind: Kind,
        (wanted, found): (Option<CallValue>, Option<CallValue>),
        question: Option<Question>,
    ) {
        let verdict = Verdict::Unknown;
        self.found.push(Condition { kind, verdict, wanted, found, holds_from: None, question });
    }

    /// Who sends it, and whether that address may.
    fn sender(&mut self, sender: Option<Address>) {
        let is_by_signer = matches!(self.case.action, MemberAction::Signer { .. });
        let kind = if is_by_signer { Kind::SenderIsSigner } else { Kind::SenderIsOwner };
        let by = self.case.by;
        let sender = sender.or(by);
        self.is(
            kind,
            by.is_some() && sender == by,
            by.map(CallValue::Address),
            sender.map(CallValue::Address),
        );
        if !is_by_signer {
            let is_on = sender.is_some_and(|sender| self.case.basis.white_list.contains(&sender));
            self.is(Kind::OnWhiteList, is_on, None, sender.map(CallValue::Address));
        }
    }

    fn pool(&mut self) {
        if !matches!(self.case.action, MemberAction::Recipient { .. } | MemberAction::Owner { .. }) {
            self.is(Kind::NotPaused, !self.case.basis.pool.paused, None, None);
        }
    }

    /// What is asked of a sequencer that there is.
    fn of_sequencer(&mut self, state: &SequencerState) {
        let status = Some(CallValue::Status(state.status));
        if let MemberAction::Finish { .. } = self.case.action {
            let is_leaving = state.status == Status::Inactive;
            self.is(Kind::Leaving, is_leaving, Some(CallValue::Status(Status::Inactive)), status);
            if is_leaving {
                self.exit_delay(state);
            }
        } else {
            let wanted = Some(CallValue::Status(Status::Active));
            self.is(Kind::Active, state.status == Status::Active, wanted, status);
        }
        if is_payable(self.case.action) {
            let recipient = Some(state.reward_recipient).filter(|recipient| !recipient.is_zero());
            self.is(Kind::RecipientIsSet, recipient.is_some(), None, recipient.map(CallValue::Address));
        }
        let basis = self.case.basis;
        match self.case.action {
            MemberAction::Increase { amount, with_rewards, .. } => {
                let rewards = if *with_rewards { state.reward } else { Wei::ZERO };
                let is_some = !amount.is_zero() || !rewards.is_zero();
                let added = amount.checked_add(rewards).ok();
                self.is(Kind::AmountNotZero, is_some, None, added.map(CallValue::Metis));
                // A sum that does not fit in 256 bits is above any maximum, and no stake.
                self.at_most_max(added.and_then(|added| state.amount.checked_add(added).ok()));
            }
            MemberAction::Withdraw { amount, .. } => {
                self.is(Kind::AmountNotZero, !amount.is_zero(), None, Some(CallValue::Metis(*amount)));
                // More than is locked leaves no stake, and so less than any minimum.
                self.at_least_min(state.amount.checked_sub(*amount).ok());
                let batch = CallValue::Batch;
                let next = state.updated_batch.next();
                let is_later = basis.pool.batch.id > state.updated_batch;
                self.is(Kind::LaterBatch, is_later, next.map(batch), Some(batch(basis.pool.batch.id)));
            }
            MemberAction::Signer { .. } => {
                let from = basis.signer_change_from(state);
                let is_over = from.is_some_and(|from| basis.pool.batch.id >= from);
                let found = Some(CallValue::Batch(basis.pool.batch.id));
                self.is(Kind::SignerThrottle, is_over, from.map(CallValue::Batch), found);
            }
            MemberAction::Join { .. }
            | MemberAction::Claim { .. }
            | MemberAction::Unlock { .. }
            | MemberAction::Finish { .. }
            | MemberAction::Recipient { .. }
            | MemberAction::Owner { .. } => {}
        }
    }

    fn exit_delay(&mut self, state: &SequencerState) {
        let (now, from) = (self.case.basis.head.timestamp, state.unlock_claim_time);
        let is_over = now >= from;
        self.found.push(Condition {
            kind: Kind::ExitDelayOver,
            verdict: is_over.into(),
            wanted: Some(CallValue::Time(from)),
            found: Some(CallValue::Time(now)),
            holds_from: (!is_over).then_some(from),
            question: None,
        });
    }

    fn at_least_min(&mut self, stake: Option<Wei>) {
        let min = self.case.basis.pool.min_lock;
        let holds = stake.is_some_and(|stake| stake >= min);
        self.is(Kind::StakeAtLeastMin, holds, Some(CallValue::Metis(min)), stake.map(CallValue::Metis));
    }

    fn at_most_max(&mut self, stake: Option<Wei>) {
        let max = self.case.basis.pool.max_lock;
        let holds = stake.is_some_and(|stake| stake <= max);
        self.is(Kind::StakeAtMostMax, holds, Some(CallValue::Metis(max)), stake.map(CallValue::Metis));
    }

    /// An address may own one sequencer at a time.
    fn free(&mut self, kind: Kind, owner: Address) {
        let held: Option<SequencerId> = self.case.basis.pool.owners.get(&owner).copied().flatten();
        self.is(kind, held.is_none(), None, held.map(CallValue::Sequencer));
    }

    fn key(&mut self, pubkey: &Bytes, signer: Option<Address>) {
        let bytes = |length: usize| u64::try_from(length).ok().map(CallValue::Bytes);
        let of = signer_of(pubkey);
        self.is(Kind::KeyLength, of.is_some(), bytes(KEY_BYTES), bytes(pubkey.len()));
        if let (Some(signer), Some(of)) = (signer, of) {
            let (wanted, found) = (CallValue::Address(signer), CallValue::Address(of));
            self.is(Kind::KeyIsOfSigner, signer == of, Some(wanted), Some(found));
        }
    }

    fn signer_is_new(&mut self, signer: Address) {
        let before = self.case.basis.pool.signers.get(&signer);
        let found = before.map(|before| match before {
            SignerState::Of(id) => CallValue::Sequencer(*id),
            SignerState::Invalid => CallValue::Address(signer),
        });
        self.is(Kind::SignerIsNew, before.is_none(), None, found);
    }

    fn ask_for_metis(&mut self) {
        let identity = &self.case.basis.identity;
        let (Some(amount), Some(owner)) =
            (taken(self.case.action).filter(|amount| !amount.is_zero()), self.case.by)
        else {
            return;
        };
        let wanted = || (Some(CallValue::Metis(amount)), None);
        let ask = |text: &'static str, data: Vec<u8>| Question {
            text,
            chain_id: identity.l1_chain_id,
            method: "eth_call",
            from: None,
            to: identity.metis_token,
            data: Some(data.into()),
            value: None,
        };
        let balance = ask(
            "ask METIS for balanceOf(owner): it has to be that much",
            balanceOfCall { account: owner }.abi_encode(),
        );
        self.unknown(Kind::MetisBalance, wanted(), Some(balance));
        let spender = identity.locking_info;
        let allowance = ask(
            "ask METIS for allowance(owner, LockingInfo): it has to be that much, else send the approval first",
            allowanceCall { owner, spender }.abi_encode(),
        );
        self.unknown(Kind::MetisAllowance, wanted(), Some(allowance));
    }

    fn ask_for_eth(&mut self, call: &PreparedCall) {
        if !is_payable(self.case.action) {
            return;
        }
        let try_it = |text: &'static str| Question {
            text,
            chain_id: call.chain_id,
            method: "eth_call",
            from: call.sender,
            to: call.contract,
            data: Some(call.calldata.clone()),
            value: call.value,
        };
        let text = "the bridge to L2 takes ETH for gas there, and a log does not know how much: let a node try the call \
                    with an amount; if it does not revert, that is enough";
        // How much is wanted is what nobody knows; what is given is only what there is.
        self.unknown(Kind::BridgeEth, (None, call.value.map(CallValue::Eth)), Some(try_it(text)));
        if let MemberAction::Unlock { .. } = self.case.action {
            let text = "mainnet's contract has a check of two thirds on unlocks that its published source has not: let a \
                        node try the call; if it does not revert, that passes";
            // Without the ETH the call would revert at the bridge, and tell nothing of this check.
            self.unknown(Kind::UnpublishedCheck, (None, None), call.value.map(|_| try_it(text)));
        }
    }
}
