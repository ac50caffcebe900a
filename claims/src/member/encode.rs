//! Encodes members' calls as the contracts take them.

use super::action::{MemberAction, Sending};
use super::{Case, ClaimsError};
use crate::call::{Argument, PreparedCall};
use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use tally_engine::Wei;

sol! {
    function lockFor(address signer, uint256 amount, bytes pubkey);
    function lockWithRewardRecipient(address signer, address recipient, uint256 amount, bytes pubkey);
    function relock(uint256 id, uint256 amount, bool lockReward);
    function withdraw(uint256 id, uint256 amount);
    function withdrawRewards(uint256 id, uint32 l2Gas);
    function unlock(uint256 id, uint32 l2Gas);
    function unlockClaim(uint256 id, uint32 l2Gas);
    function setSequencerRewardRecipient(uint256 id, address recipient);
    function setSequencerOwner(uint256 id, address owner);
    function updateSigner(uint256 id, bytes pubkey);

    function approve(address spender, uint256 amount);
    function allowance(address owner, address spender);
    function balanceOf(address account);
}

/// How many bytes a public key has, without the first that says that it is not compressed.
pub(super) const KEY_BYTES: usize = 64;

/// The address that signs with a public key, as the contract finds it; `None` if it has another length.
pub(super) fn signer_of(pubkey: &[u8]) -> Option<Address> {
    (pubkey.len() == KEY_BYTES).then(|| Address::from_word(keccak256(pubkey)))
}

/// The call of the action, and the approval that has to be made before.
pub(super) fn calls(
    case: &Case<'_>,
    sending: Sending,
) -> Result<(PreparedCall, Option<PreparedCall>), ClaimsError> {
    let (function, arguments, calldata) = encoded(case, sending);
    let is_by_signer = matches!(case.action, MemberAction::Signer { .. });
    let role = if is_by_signer { "the sequencer's signer" } else { "the sequencer's owner" };
    let identity = &case.basis.identity;
    let to = (identity.l1_chain_id, identity.locking_pool);
    let mut call = PreparedCall {
        chain_id: to.0,
        contract: to.1,
        sender: case.by,
        role,
        value: Some(Wei::ZERO),
        is_payable: false,
        function,
        arguments,
        calldata: calldata.into(),
    };
    if is_payable(case.action) {
        (call.is_payable, call.value) = (true, sending.eth);
    } else if let Some(eth) = sending.eth.filter(|eth| !eth.is_zero()) {
        return Err(ClaimsError::TakesNoEth { function, eth });
    }
    let approval = taken(case.action).filter(|amount| !amount.is_zero()).map(|amount| {
        let spender = identity.locking_info;
        let arguments =
            vec![Argument::of("spender", "address", &spender), Argument::number("amount", &amount)];
        let approve = approveCall { spender, amount: amount.get() };
        let to = (identity.l1_chain_id, identity.metis_token);
        PreparedCall::new(to, (case.by, role), "approve", arguments, &approve)
    });
    Ok((call, approval))
}

/// Whether the contract pays through the bridge, so that ETH goes along.
pub(super) const fn is_payable(action: &MemberAction) -> bool {
    matches!(action, MemberAction::Claim { .. } | MemberAction::Unlock { .. } | MemberAction::Finish { .. })
}

/// The METIS that the escrow takes from the owner; `None` for an action that takes none.
pub(super) const fn taken(action: &MemberAction) -> Option<Wei> {
    match action {
        MemberAction::Join { amount, .. } | MemberAction::Increase { amount, .. } => Some(*amount),
        MemberAction::Withdraw { .. }
        | MemberAction::Claim { .. }
        | MemberAction::Unlock { .. }
        | MemberAction::Finish { .. }
        | MemberAction::Recipient { .. }
        | MemberAction::Owner { .. }
        | MemberAction::Signer { .. } => None,
    }
}

/// The function, its arguments as people read them, and its input.
fn encoded(case: &Case<'_>, sending: Sending) -> (&'static str, Vec<Argument>, Vec<u8>) {
    let id = U256::from(case.id.0);
    let id_argument = Argument::number("id", &id);
    let l2_gas = sending.l2_gas;
    let with_gas = || vec![id_argument.clone(), Argument::of("l2Gas", "uint32", &l2_gas)];
    match case.action {
        MemberAction::Join { signer, pubkey, amount, recipient, .. } => {
            let mut arguments = vec![Argument::of("signer", "address", signer)];
            arguments.extend(recipient.iter().map(|to| Argument::of("recipient", "address", to)));
            arguments.push(Argument::number("amount", amount));
            arguments.push(Argument::of("pubkey", "bytes", pubkey));
            let (signer, amount, pubkey) = (*signer, amount.get(), pubkey.clone());
            match *recipient {
                None => ("lockFor", arguments, lockForCall { signer, amount, pubkey }.abi_encode()),
                Some(recipient) => {
                    let call = lockWithRewardRecipientCall { signer, recipient, amount, pubkey };
                    ("lockWithRewardRecipient", arguments, call.abi_encode())
                }
            }
        }
        MemberAction::Increase { amount, with_rewards, .. } => {
            let arguments = vec![
                id_argument,
                Argument::number("amount", amount),
                Argument::of("lockReward", "bool", with_rewards),
            ];
            let call = relockCall { id, amount: amount.get(), lockReward: *with_rewards };
            ("relock", arguments, call.abi_encode())
        }
        MemberAction::Withdraw { amount, .. } => {
            let arguments = vec![id_argument, Argument::number("amount", amount)];
            ("withdraw", arguments, withdrawCall { id, amount: amount.get() }.abi_encode())
        }
        MemberAction::Claim { .. } => {
            ("withdrawRewards", with_gas(), withdrawRewardsCall { id, l2Gas: l2_gas }.abi_encode())
        }
        MemberAction::Unlock { .. } => ("unlock", with_gas(), unlockCall { id, l2Gas: l2_gas }.abi_encode()),
        MemberAction::Finish { .. } => {
            ("unlockClaim", with_gas(), unlockClaimCall { id, l2Gas: l2_gas }.abi_encode())
        }
        MemberAction::Recipient { recipient, .. } => {
            let arguments = vec![id_argument, Argument::of("recipient", "address", recipient)];
            let call = setSequencerRewardRecipientCall { id, recipient: *recipient };
            ("setSequencerRewardRecipient", arguments, call.abi_encode())
        }
        MemberAction::Owner { owner, .. } => {
            let arguments = vec![id_argument, Argument::of("owner", "address", owner)];
            ("setSequencerOwner", arguments, setSequencerOwnerCall { id, owner: *owner }.abi_encode())
        }
        MemberAction::Signer { pubkey, .. } => {
            let arguments = vec![id_argument, Argument::of("pubkey", "bytes", pubkey)];
            ("updateSigner", arguments, updateSignerCall { id, pubkey: pubkey.clone() }.abi_encode())
        }
    }
}
