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
