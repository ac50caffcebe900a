// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.0;

import { LockingInfo, LockingPool, MetisToken, Status } from "./l1.sol";

// The same pool with the checks of the calls that members make, and with the ETH that the bridge to L2 takes.
contract MemberPool is LockingPool {
    uint256 constant BRIDGE_WEI = 0.001 ether;

    MetisToken immutable metis;
    mapping(address => bool) public whitelist;

    constructor(LockingInfo _escrow, MetisToken _metis) LockingPool(_escrow) {
        metis = _metis;
    }

    modifier byOwner(uint256 id) {
        require(!paused, "the pool is paused");
        require(whitelist[msg.sender], "not on the white list");
        require(sequencers[id].owner == msg.sender, "not the sequencer's owner");
        _;
    }

    modifier whileActive(uint256 id) {
        require(sequencers[id].status == Status.Active, "not active");
        _;
    }

    modifier payingBridge() {
        require(msg.value >= BRIDGE_WEI, "too little ETH for the bridge");
        _;
    }

    // METIS asks for no allowance here, so the pool does.
    modifier approving(uint256 amount) {
        require(metis.allowance(msg.sender, address(escrow)) >= amount, "METIS is not approved to the escrow");
        _;
    }

    function setWhitelist(address user, bool yes) public override {
        whitelist[user] = yes;
        super.setWhitelist(user, yes);
    }

    modifier joining(address signer, bytes calldata pubkey) {
        require(!paused, "the pool is paused");
        require(whitelist[msg.sender], "not on the white list");
        require(seqOwners[msg.sender] == 0, "the owner has a sequencer");
        require(seqSigners[signer] == 0, "the signer was one before");
        require(pubkey.length == 64, "not a public key");
        require(address(uint160(uint256(keccak256(pubkey)))) == signer, "the key of another signer");
        _;
    }

    function lockFor(address signer, uint256 amount, bytes calldata pubkey)
        public
        override
        joining(signer, pubkey)
        approving(amount)
    {
        super.lockFor(signer, amount, pubkey);
    }

    function lockWithRewardRecipient(address signer, address recipient, uint256 amount, bytes calldata pubkey)
        public
        override
        joining(signer, pubkey)
        approving(amount)
    {
        super.lockWithRewardRecipient(signer, recipient, amount, pubkey);
    }

    function relock(uint256 id, uint256 amount, bool lockReward)
        public
        override
        byOwner(id)
        whileActive(id)
        approving(amount)
    {
        require(amount + (lockReward ? sequencers[id].reward : 0) > 0, "nothing to lock");
        super.relock(id, amount, lockReward);
    }

    function withdraw(uint256 id, uint256 amount) public override byOwner(id) whileActive(id) {
        require(amount > 0, "nothing to take out");
        require(sequencers[id].amount - amount >= escrow.minLock(), "less than minLock would be left");
        require(curBatchState.id > sequencers[id].updatedBatch, "no batch since the last change");
        super.withdraw(id, amount);
    }

    function setSequencerRewardRecipient(uint256 id, address recipient) public override whileActive(id) {
        require(whitelist[msg.sender] && sequencers[id].owner == msg.sender, "not the sequencer's owner");
        require(recipient != address(0), "no recipient");
        super.setSequencerRewardRecipient(id, recipient);
    }

    function withdrawRewards(uint256 id, uint32) external payable byOwner(id) whileActive(id) payingBridge {
        withdrawRewards(id);
    }

    function unlock(uint256 id, uint32) external payable byOwner(id) whileActive(id) payingBridge {
        unlock(id);
    }

    function unlockClaim(uint256 id, uint32) external payable byOwner(id) payingBridge {
        require(sequencers[id].status == Status.Inactive, "not leaving");
        unlockClaim(id);
    }
}
