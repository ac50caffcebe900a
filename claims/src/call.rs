//! Calls of the pool that somebody has to send.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, sol};
use tally_engine::{BatchId, SpanId, Wei};
use tally_eventlog::LogIdentity;

sol! {
    function batchSubmitRewards(uint256 _batchId, uint256 _startEpoch, uint256 _endEpoch, address[] _seqs, uint256[] _blocks);
    function updateBlockReward(uint256 newReward);
}

/// An argument as people and wallets read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name in the contract.
    pub name: &'static str,
    /// The argument's type in Solidity.
    pub kind: &'static str,
    /// Its value: numbers in decimal, lists as JSON lists of strings.
    pub value: String,
}

/// A call of the pool's contract, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedCall {
    /// The chain that the contract is on.
    pub chain_id: u64,
    /// The address of the contract: `LockingPool`, or the METIS token for an approval.
    pub contract: Address,
    /// Who has to send it; `None` if the log does not tell.
    pub sender: Option<Address>,
    /// What the sender is: the contract's `MPC` or `owner`, or a sequencer's owner or signer.
    pub role: &'static str,
    /// The ETH that goes along, in wei; `None` where it has to be found out first.
    pub value: Option<Wei>,
    /// Whether the function takes ETH.
    pub is_payable: bool,
    /// The name of the function.
    pub function: &'static str,
    /// The arguments, in order.
    pub arguments: Vec<Argument>,
    /// The input of the transaction, with the selector.
    pub calldata: Bytes,
}

impl PreparedCall {
    /// Pays a batch: the MPC address is the one whose call the contract takes.
    pub(crate) fn batch_submit_rewards(
        identity: &LogIdentity,
        mpc_address: Address,
        batch: BatchId,
        spans: (SpanId, SpanId),
        entries: &[(Address, u64)],
    ) -> Self {
        let signers: Vec<Address> = entries.iter().map(|(signer, _)| *signer).collect();
        let blocks: Vec<U256> = entries.iter().map(|(_, blocks)| U256::from(*blocks)).collect();
        let (start, end) = spans;
        let arguments = vec![
            Argument::number("_batchId", &batch.0),
            Argument::number("_startEpoch", &start.0),
            Argument::number("_endEpoch", &end.0),
            Argument::list("_seqs", "address[]", &signers),
            Argument::list("_blocks", "uint256[]", &blocks),
        ];
        let call = batchSubmitRewardsCall {
            _batchId: U256::from(batch.0),
            _startEpoch: U256::from(start.0),
            _endEpoch: U256::from(end.0),
            _seqs: signers,
            _blocks: blocks,
        };
        let to = (identity.l1_chain_id, identity.locking_pool);
        Self::new(to, (Some(mpc_address), "MPC"), "batchSubmitRewards", arguments, &call)
    }

    /// Sets the reward per block: only the contract's owner may.
    pub(crate) fn update_block_reward(identity: &LogIdentity, owner: Option<Address>, reward: Wei) -> Self {
        let arguments = vec![Argument::number("newReward", &reward)];
        let call = updateBlockRewardCall { newReward: reward.get() };
        let to = (identity.l1_chain_id, identity.locking_pool);
        Self::new(to, (owner, "owner"), "updateBlockReward", arguments, &call)
    }

    /// A call without ETH to a contract, on a chain.
    pub(crate) fn new(
        (chain_id, contract): (u64, Address),
        (sender, role): (Option<Address>, &'static str),
        function: &'static str,
        arguments: Vec<Argument>,
        call: &impl SolCall,
    ) -> Self {
        Self {
            chain_id,
            contract,
            sender,
            role,
            value: Some(Wei::ZERO),
            is_payable: false,
            function,
            arguments,
            calldata: call.abi_encode().into(),
        }
    }
}

impl Argument {
    pub(crate) fn number(name: &'static str, value: &impl ToString) -> Self {
        Self { name, kind: "uint256", value: value.to_string() }
    }

    /// A value of another type, as wallets read it.
    pub(crate) fn of(name: &'static str, kind: &'static str, value: &impl ToString) -> Self {
        Self { name, kind, value: value.to_string() }
    }

    fn list(name: &'static str, kind: &'static str, values: &[impl ToString]) -> Self {
        // Neither numbers nor addresses have anything to escape.
        let values: Vec<String> = values.iter().map(|value| format!("\"{}\"", value.to_string())).collect();
        Self { name, kind, value: format!("[{}]", values.join(",")) }
    }
}
