//! The contracts' events and calls, as their interfaces declare them.

use alloy::sol;

sol! {
    /// The escrow, which holds stakes and pays rewards out.
    contract LockingInfo {
        event Locked(address indexed signer, uint256 indexed sequencerId, uint256 nonce, uint256 indexed activationBatch, uint256 amount, uint256 total, bytes signerPubkey);
        event Relocked(uint256 indexed sequencerId, uint256 amount, uint256 total);
        event Withdraw(uint256 indexed sequencerId, uint256 amount);
        event LockUpdate(uint256 indexed sequencerId, uint256 indexed nonce, uint256 indexed newAmount);
        event ClaimRewards(uint256 indexed sequencerId, address recipient, uint256 indexed amount, uint256 indexed totalAmount);
        event UnlockInit(address indexed user, uint256 indexed sequencerId, uint256 nonce, uint256 deactivationBatch, uint256 deactivationTime, uint256 unlockClaimTime, uint256 indexed amount);
        event Unlocked(address indexed user, uint256 indexed sequencerId, uint256 amount, uint256 total);
        event SignerChange(uint256 indexed sequencerId, uint256 nonce, address indexed oldSigner, address indexed newSigner, bytes signerPubkey);
        event BatchSubmitReward(uint256 _newBatchId);
        event SetMinLock(uint256 _newMinLock);
        event SetMaxLock(uint256 _newMaxLock);
        event SetRewardPayer(address _payer);

        function totalLocked() view returns (uint256);
        function totalRewardsLiquidated() view returns (uint256);
        function minLock() view returns (uint256);
        function maxLock() view returns (uint256);
        function rewardPayer() view returns (address);
    }

    /// The manager, which keeps sequencers, credits batches and rules exits.
    contract LockingPool {
        event DistributeReward(uint256 indexed batchId, uint256 startEpoch, uint256 endEpoch, uint256 amount, uint256 rpb);
        event RewardUpdate(uint256 newReward, uint256 oldReward);
        event WithrawDelayTimeChange(uint256 _cur, uint256 _prev);
        event UpdateMpc(address _newMpc);
        event SetSignerUpdateThrottle(uint256 _n);
        event SetWhitelist(address _user, bool _yes);
        event SequencerOwnerChanged(uint256 _seqId, address _owner);
        event SequencerRewardRecipientChanged(uint256 _seqId, address _recipient);
        event Paused(address account);
        event Unpaused(address account);

        function batchSubmitRewards(uint256 _batchId, uint256 _startEpoch, uint256 _endEpoch, address[] _seqs, uint256[] _blocks);
        function relock(uint256 _seqId, uint256 _amount, bool _lockReward);

        function totalSequencers() view returns (uint256);
        function curBatchState() view returns (uint256 id, uint256 number, uint256 startEpoch, uint256 endEpoch);
        function rewardPerBlock() view returns (uint256);
        function exitDelayPeriod() view returns (uint256);
        function signerUpdateThrottle() view returns (uint256);
        function mpcAddress() view returns (address);
        function paused() view returns (bool);
        function seqStatuses(uint8 status) view returns (uint256 count);
        function seqOwners(address owner) view returns (uint256 seqId);
        function seqSigners(address signer) view returns (uint256 seqId);
        function sequencers(uint256 seqId) view returns (
            uint256 amount, uint256 reward, uint256 activationBatch, uint256 updatedBatch, uint256 deactivationBatch,
            uint256 deactivationTime, uint256 unlockClaimTime, uint256 nonce, address owner, address signer,
            bytes pubkey, address rewardRecipient, uint8 status
        );
    }

    /// The set of spans on L2, which says whose turn it is.
    contract MetisSequencerSet {
        event NewEpoch(uint256 indexed epochId, uint256 startBlock, uint256 endBlock, address signer);
        event ReCommitEpoch(uint256 indexed oldEpochId, uint256 indexed newEpochId, uint256 curEpochId, uint256 startBlock, uint256 endBlock, address newSigner);
        event EpochUpdated(uint256 _newLength);
        event MpcAddressUpdated(address _newMpcAddress);
    }

    /// The METIS token, of which transfers to and from the escrow count.
    contract Metis {
        event Transfer(address indexed from, address indexed to, uint256 value);

        function balanceOf(address account) view returns (uint256);
        function allowance(address owner, address spender) view returns (uint256);
    }

    /// What proxies and owners of contracts emit. It bears on no reward.
    contract Housekeeping {
        event Initialized(uint8 version);
        event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
        event Upgraded(address indexed implementation);
        event AdminChanged(address previousAdmin, address newAdmin);
    }
}
