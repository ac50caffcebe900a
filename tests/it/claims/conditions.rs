//! Conditions of the contract, each made to fail by itself, and what a sender is told before.

use super::member::{call, failing, metis};
use crate::support::ingested;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, U256};
use engine::{BatchId, SequencerId, SignerState, Status, UnixTime, Wei};
use tally_claims::{
    CallWarningKind, ConditionKind, MemberAction, MemberBasis, Sending, Verdict, member_call,
};

/// A basis in which sequencer 1 of `small-a` can do everything, and the sequencer.
fn able() -> (MemberBasis, SequencerId) {
    let (_dir, log) = ingested("small-a");
    let mut basis = MemberBasis::of(&log).unwrap();
    let id = *basis.pool.sequencers.iter().find(|(_, state)| state.status == Status::Active).unwrap().0;
    let state = basis.pool.sequencers.get_mut(&id).unwrap();
    state.updated_batch = BatchId(1);
    state.amount = metis(30_000);
    state.reward = metis(5);
    state.reward_recipient = Address::repeat_byte(0x77);
    basis.white_list.insert(state.owner);
    basis.white_list.insert(Address::repeat_byte(0x55));
    basis.pool.paused = false;
    (basis.pool.min_lock, basis.pool.max_lock) = (metis(20_000), metis(100_000));
    (basis, id)
}

/// Each condition fails by itself, and nothing else does then.
#[test]
fn each_condition_fails_by_itself() {
    type Change = fn(&mut MemberBasis, SequencerId);
    let own = |basis: &mut MemberBasis, id| basis.pool.sequencers.get_mut(&id).unwrap().clone();
    let (mut basis, id) = able();
    let state = own(&mut basis, id);
    let key: Bytes = vec![0x42; 64].into();
    let signer = Address::from_word(alloy_primitives::keccak256(&key));
    let newcomer = Address::repeat_byte(0x55);
    let join = |owner: Address, amount: Wei, signer: Address, key: &Bytes| MemberAction::Join {
        owner,
        signer,
        pubkey: key.clone(),
        amount,
        recipient: None,
    };
    let nothing: Change = |_, _| {};
    let paused: Change = |basis, _| basis.pool.paused = true;
    let leaving: Change = |basis, id| {
        let state = basis.pool.sequencers.get_mut(&id).unwrap();
        (state.status, state.unlock_claim_time) = (Status::Inactive, basis.head.timestamp);
    };
    let too_early: Change = |basis, id| {
        let state = basis.pool.sequencers.get_mut(&id).unwrap();
        (state.status, state.unlock_claim_time) = (Status::Inactive, UnixTime(basis.head.timestamp.0 + 1));
    };
    let unnamed: Change =
        |basis, id| basis.pool.sequencers.get_mut(&id).unwrap().reward_recipient = Address::ZERO;
    let just_changed: Change = |basis, id| {
        basis.pool.sequencers.get_mut(&id).unwrap().updated_batch = basis.pool.batch.id;
    };
    let banned: Change = |basis, id| {
        let owner = basis.pool.sequencers[&id].owner;
        basis.white_list.remove(&owner);
    };
    let used: Change = |basis, id| {
        let key: Bytes = vec![0x42; 64].into();
        let signer = Address::from_word(alloy_primitives::keccak256(&key));
        basis.pool.signers.insert(signer, SignerState::Of(id));
    };
    let wei = |amount: Wei| Wei::new(amount.get() + U256::from(1));
    let (claim, unlock, finish) = (
        MemberAction::Claim { sequencer: id },
        MemberAction::Unlock { sequencer: id },
        MemberAction::Finish { sequencer: id },
    );
    let increase = |amount, with_rewards| MemberAction::Increase { sequencer: id, amount, with_rewards };
    let withdraw = |amount| MemberAction::Withdraw { sequencer: id, amount };
    let recipient = |recipient| MemberAction::Recipient { sequencer: id, recipient };
    let owner = |owner| MemberAction::Owner { sequencer: id, owner };
    let sign = MemberAction::Signer { sequencer: id, pubkey: key.clone() };
    let stranger = Address::repeat_byte(0x66);
    for (change, action, expected) in [
        (nothing, claim.clone(), ""),
        (paused, claim.clone(), "not_paused"),
        (leaving, claim.clone(), "active"),
        (unnamed, claim.clone(), "recipient_is_set"),
        (banned, claim.clone(), "on_white_list"),
        (nothing, unlock.clone(), ""),
        (unnamed, unlock.clone(), "recipient_is_set"),
        (leaving, unlock, "active"),
        (nothing, finish.clone(), "leaving"),
        (leaving, finish.clone(), ""),
        (too_early, finish, "exit_delay_over"),
        (nothing, increase(metis(70_000), false), ""),
        (nothing, increase(wei(metis(70_000)), false), "stake_at_most_max"),
        (nothing, increase(metis(69_995), true), ""),
        (nothing, increase(metis(69_996), true), "stake_at_most_max"),
        (nothing, increase(Wei::ZERO, true), ""),
        (nothing, increase(Wei::ZERO, false), "amount_not_zero"),
        (nothing, increase(Wei::new(U256::MAX), true), "stake_at_most_max"),
        (nothing, withdraw(metis(10_000)), ""),
        (nothing, withdraw(wei(metis(10_000))), "stake_at_least_min"),
        (nothing, withdraw(Wei::new(U256::MAX)), "stake_at_least_min"),
        (nothing, withdraw(Wei::ZERO), "amount_not_zero"),
        (just_changed, withdraw(metis(1)), "later_batch"),
        (paused, recipient(stranger), ""),
        (leaving, recipient(stranger), "active"),
        (nothing, recipient(Address::ZERO), "recipient_not_zero"),
        (paused, owner(newcomer), ""),
        (nothing, owner(stranger), "new_owner_on_white_list"),
        (nothing, owner(state.owner), "new_owner_is_free"),
        (banned, sign.clone(), ""),
        (just_changed, sign.clone(), "signer_throttle"),
        (used, sign, "signer_is_new"),
        (nothing, MemberAction::Signer { sequencer: id, pubkey: vec![1; 65].into() }, "key_length"),
        (nothing, join(newcomer, metis(20_000), signer, &key), ""),
        (nothing, join(newcomer, metis(100_000), signer, &key), ""),
        (nothing, join(newcomer, metis(19_999), signer, &key), "stake_at_least_min"),
        (nothing, join(newcomer, wei(metis(100_000)), signer, &key), "stake_at_most_max"),
        (nothing, join(stranger, metis(20_000), signer, &key), "on_white_list"),
        (nothing, join(state.owner, metis(20_000), signer, &key), "owner_is_free"),
        (nothing, join(newcomer, metis(20_000), stranger, &key), "key_is_of_signer"),
        (used, join(newcomer, metis(20_000), signer, &key), "signer_is_new"),
        (nothing, join(newcomer, metis(20_000), signer, &vec![1; 33].into()), "key_length"),
    ] {
        let mut basis = basis.clone();
        change(&mut basis, id);
        let made = member_call(&basis, action.clone(), Sending::default()).unwrap();
        assert_eq!(failing(&made).join(" "), expected, "{action:?}");
        assert_eq!(made.is_possible() == Some(false), !expected.is_empty(), "{action:?}");
    }
    // Another sender is refused; what a log cannot know is unknown; and nobody else's call is judged.
    let sending = Sending { sender: Some(stranger), ..Sending::default() };
    let made = member_call(&basis, claim.clone(), sending).unwrap();
    assert_eq!(failing(&made), ["sender_is_owner", "on_white_list"]);
    let made = member_call(&basis, claim.clone(), Sending::default()).unwrap();
    assert_eq!((made.is_possible(), made.call.value), (None, None));
    let with_eth = Sending { eth: Some(metis(1)), ..Sending::default() };
    assert_eq!(member_call(&basis, claim, with_eth).unwrap().call.value, Some(metis(1)));
    assert!(member_call(&basis, recipient(stranger), with_eth).is_err(), "it takes no ETH");
    assert!(
        member_call(&basis, MemberAction::Claim { sequencer: SequencerId(99) }, Sending::default()).is_err()
    );
    let made = member_call(&basis, increase(metis(70_000), false), Sending::default()).unwrap();
    let unknown: Vec<_> = made.conditions.iter().filter(|it| it.verdict == Verdict::Unknown).collect();
    assert_eq!(
        unknown.iter().map(|it| it.kind).collect::<Vec<_>>(),
        [ConditionKind::MetisBalance, ConditionKind::MetisAllowance]
    );
    assert!(
        unknown.iter().all(|it| it.question.as_ref().is_some_and(|ask| ask.to == basis.identity.metis_token))
    );
    let approval = made.approval.unwrap();
    let approved = call::approveCall::abi_decode(&approval.calldata).unwrap();
    assert_eq!((approved.spender, approved.amount), (basis.identity.locking_info, metis(70_000).get()));
    assert_eq!((approval.contract, approval.sender), (basis.identity.metis_token, Some(state.owner)));
}

/// A stake above what counts, a recipient that was never paid, and a claim of nothing are told.
#[test]
fn what_to_know_before_is_told() {
    let (mut basis, id) = able();
    basis.pool.max_lock = metis(200_000);
    let kinds = |basis: &MemberBasis, action| {
        let made = member_call(basis, action, Sending::default()).unwrap();
        made.warnings.iter().map(|warning| warning.kind).collect::<Vec<_>>()
    };
    let increase = |amount| MemberAction::Increase { sequencer: id, amount, with_rewards: false };
    assert_eq!(kinds(&basis, increase(metis(70_000))), []);
    assert_eq!(kinds(&basis, increase(metis(70_001))), [CallWarningKind::StakeAboveCap]);
    let recipient = MemberAction::Recipient { sequencer: id, recipient: Address::repeat_byte(0x11) };
    assert_eq!(
        kinds(&basis, recipient.clone()),
        [CallWarningKind::CheckRecipient, CallWarningKind::NewRecipient]
    );
    basis.paid_recipients.insert(Address::repeat_byte(0x11));
    assert_eq!(kinds(&basis, recipient), [CallWarningKind::CheckRecipient]);
    basis.pool.sequencers.get_mut(&id).unwrap().reward = Wei::ZERO;
    let nothing = kinds(&basis, MemberAction::Claim { sequencer: id });
    assert!(nothing.contains(&CallWarningKind::NothingUnclaimed), "{nothing:?}");
}

/// What a call says that it does is what it does: nothing where the contract refuses it.
#[test]
fn a_call_that_is_refused_does_nothing_and_says_why() {
    let (basis, id) = able();
    let (unlock, finish) = (MemberAction::Unlock { sequencer: id }, MemberAction::Finish { sequencer: id });
    let claim = MemberAction::Claim { sequencer: id };
    let made = |change: &dyn Fn(&mut engine::SequencerState), action: &MemberAction| {
        let mut basis = basis.clone();
        change(basis.pool.sequencers.get_mut(&id).unwrap());
        let made = member_call(&basis, action.clone(), Sending::default()).unwrap();
        (made.summary.clone(), made.changes.len(), made.stake_free_at, made.possible_from())
    };
    let now = basis.head.timestamp;
    let later = UnixTime(now.0 + 1_000);
    let leaving = |state: &mut engine::SequencerState| {
        (state.status, state.unlock_claim_time) = (Status::Inactive, later);
    };
    // An exit that has begun does not begin again, and its stake is free when it was before.
    let (summary, changes, free_at, from) = made(&leaving, &unlock);
    assert_eq!(
        summary,
        "Nothing: the contract refuses it. It takes that the sequencer is active (found: Inactive)."
    );
    assert_eq!((changes, free_at, from), (0, Some(later), None));
    let (summary, changes, free_at, from) = made(&|_| (), &finish);
    assert!(
        summary
            .starts_with("Nothing: the contract refuses it. It takes that the sequencer has begun its exit")
    );
    assert_eq!((changes, free_at, from), (0, None, None));
    // Time alone is against it: it says what comes then.
    let (summary, changes, free_at, from) = made(&leaving, &finish);
    assert!(summary.starts_with("Nothing before ") && summary.contains("from then on it returns the stake"));
    assert_eq!((changes, free_at, from), (0, Some(later), Some(later)));
    // Time is against it, and something else, too: no date can be told.
    let nowhere = |state: &mut engine::SequencerState| {
        leaving(state);
        state.reward_recipient = Address::ZERO;
    };
    let (summary, changes, _, from) = made(&nowhere, &finish);
    assert!(summary.contains("it needs a recipient first") && !summary.contains("0x0000"), "{summary}");
    assert_eq!((changes, from), (0, None));
    let unnamed = |state: &mut engine::SequencerState| state.reward_recipient = Address::ZERO;
    for action in [&claim, &unlock] {
        let (summary, changes, free_at, _) = made(&unnamed, action);
        assert_eq!(summary, "Nothing: the contract refuses it. It needs a recipient first.");
        assert_eq!((changes, free_at), (0, None));
    }
    let withdraw = |amount| MemberAction::Withdraw { sequencer: id, amount };
    let (summary, changes, ..) = made(&|_| (), &withdraw(metis(10_001)));
    assert!(summary.contains("the stake is minLock at least (found: 19,999 METIS)"), "{summary}");
    assert_eq!(changes, 0);
    let increase = MemberAction::Increase { sequencer: id, amount: metis(70_001), with_rewards: false };
    assert_eq!(made(&|_| (), &increase).1, 0);
    // Taken, it does what it says.
    let (summary, changes, free_at, from) = made(&|_| (), &unlock);
    assert!(summary.starts_with("Pays 5 METIS"), "{summary}");
    assert_eq!((changes, from), (3, None));
    assert_eq!(free_at, Some(UnixTime(now.0 + basis.pool.exit_delay_secs)));
}

/// A stake that there is not is no zero, nor the greatest number.
#[test]
fn what_does_not_fit_has_no_value() {
    let (basis, id) = able();
    let found = |action, kind| {
        let made = member_call(&basis, action, Sending::default()).unwrap();
        made.conditions.into_iter().find(|condition| condition.kind == kind).unwrap().found
    };
    let withdraw = MemberAction::Withdraw { sequencer: id, amount: metis(30_001) };
    assert_eq!(found(withdraw, ConditionKind::StakeAtLeastMin), None);
    let increase = MemberAction::Increase { sequencer: id, amount: Wei::new(U256::MAX), with_rewards: false };
    assert_eq!(found(increase, ConditionKind::StakeAtMostMax), None);
}

/// The ETH that is given is what there is, not what is wanted; the check of unlocks is asked only with it; and of a recipient
/// that was never paid L2 is asked whether anybody uses it.
#[test]
fn questions_are_asked_that_an_answer_decides() {
    let (basis, id) = able();
    let unlock = MemberAction::Unlock { sequencer: id };
    let of = |eth, kind| {
        let made = member_call(&basis, unlock.clone(), Sending { eth, ..Sending::default() }).unwrap();
        made.conditions.into_iter().find(|condition| condition.kind == kind).unwrap()
    };
    let eth = Some(metis(1));
    let bridge = of(eth, ConditionKind::BridgeEth);
    assert_eq!((bridge.wanted, bridge.found), (None, Some(tally_claims::CallValue::Eth(metis(1)))));
    assert_eq!(bridge.question.unwrap().value, eth);
    assert_eq!(of(eth, ConditionKind::UnpublishedCheck).question.unwrap().value, eth);
    let unasked = of(None, ConditionKind::UnpublishedCheck);
    assert_eq!((unasked.verdict, unasked.question), (Verdict::Unknown, None));
    let recipient = MemberAction::Recipient { sequencer: id, recipient: Address::repeat_byte(0x11) };
    let made = member_call(&basis, recipient, Sending::default()).unwrap();
    let asked: Vec<_> = made.warnings.iter().map(|warning| warning.question.as_ref().unwrap()).collect();
    let asked: Vec<_> = asked.iter().map(|ask| (ask.method, ask.chain_id, ask.to)).collect();
    let (l2, to) = (basis.identity.l2_chain_id, Address::repeat_byte(0x11));
    assert_eq!(asked, [("eth_getCode", l2, to), ("eth_getTransactionCount", l2, to)]);
}
