// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.0;

// A stand-in for the sequencer pool's contracts on L1, written for tests. It keeps the real contracts' events,
// getters and bookkeeping, and the checks of a batch, of stakes and of recipients; not the other checks: whoever
// calls it has to ask for what is allowed.

enum Status {
    Inactive,
    Active,
    Unlocked
}

struct Sequencer {
    uint256 amount;
    uint256 reward;
    uint256 activationBatch;
    uint256 updatedBatch;
    uint256 deactivationBatch;
    uint256 deactivationTime;
    uint256 unlockClaimTime;
    uint256 nonce;
    address owner;
    address signer;
    bytes pubkey;
    address rewardRecipient;
    Status status;
}

struct BatchState {
    uint256 id;
    uint256 number;
    uint256 startEpoch;
    uint256 endEpoch;
}

contract MetisToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    // It asks for no allowance: the escrow does, of who pays batches.
    function transferFrom(address from, address to, uint256 value) external {
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

// The escrow: it holds the METIS and the totals. The pool tells it a sequencer as it is after the change.
contract LockingInfo {
    event Initialized(uint8 version);
    event Locked(
        address indexed signer,
        uint256 indexed sequencerId,
        uint256 nonce,
        uint256 indexed activationBatch,
        uint256 amount,
        uint256 total,
        bytes signerPubkey
    );
    event Relocked(uint256 indexed sequencerId, uint256 amount, uint256 total);
    event Withdraw(uint256 indexed sequencerId, uint256 amount);
    event LockUpdate(uint256 indexed sequencerId, uint256 indexed nonce, uint256 indexed newAmount);
    event ClaimRewards(
        uint256 indexed sequencerId, address recipient, uint256 indexed amount, uint256 indexed totalAmount
    );
    event UnlockInit(
        address indexed user,
        uint256 indexed sequencerId,
        uint256 nonce,
        uint256 deactivationBatch,
        uint256 deactivationTime,
        uint256 unlockClaimTime,
        uint256 indexed amount
    );
    event Unlocked(address indexed user, uint256 indexed sequencerId, uint256 amount, uint256 total);
    event SignerChange(
        uint256 indexed sequencerId,
        uint256 nonce,
        address indexed oldSigner,
        address indexed newSigner,
        bytes signerPubkey
    );
    event BatchSubmitReward(uint256 _newBatchId);
    event SetMinLock(uint256 _newMinLock);
    event SetMaxLock(uint256 _newMaxLock);
    event SetRewardPayer(address _payer);

    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    MetisToken immutable metis;
    address public owner;
    uint256 public totalLocked;
    uint256 public totalRewardsLiquidated;
    uint256 public minLock = 20_000 ether;
    uint256 public maxLock = 100_000 ether;
    address public rewardPayer;

    constructor(MetisToken _metis) {
        metis = _metis;
        transferOwnership(msg.sender);
        emit Initialized(1);
    }

    function transferOwnership(address newOwner) public {
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }

    function setMinLock(uint256 _newMinLock) external {
        minLock = _newMinLock;
        emit SetMinLock(_newMinLock);
    }

    function setMaxLock(uint256 _newMaxLock) external {
        maxLock = _newMaxLock;
        emit SetMaxLock(_newMaxLock);
    }

    function setRewardPayer(address _payer) external {
        rewardPayer = _payer;
        emit SetRewardPayer(_payer);
    }

    function lock(uint256 id, Sequencer memory s) external {
        metis.transferFrom(s.owner, address(this), s.amount);
        totalLocked += s.amount;
        emit Locked(s.signer, id, s.nonce, s.activationBatch, s.amount, totalLocked, s.pubkey);
    }

    // The transfer comes first, also one of nothing: what it lacks of the event's amount were rewards.
    function relock(uint256 id, uint256 amount, uint256 fromReward, Sequencer memory s) external {
        metis.transferFrom(s.owner, address(this), amount);
        totalLocked += amount + fromReward;
        emit Relocked(id, amount + fromReward, totalLocked);
        emit LockUpdate(id, s.nonce, s.amount);
    }

    function withdraw(uint256 id, uint256 amount, Sequencer memory s) external {
        totalLocked -= amount;
        metis.transferFrom(address(this), s.owner, amount);
        emit Withdraw(id, amount);
        emit LockUpdate(id, s.nonce, s.amount);
    }

    function claim(uint256 id, uint256 amount, address recipient) external {
        totalRewardsLiquidated += amount;
        metis.transferFrom(address(this), recipient, amount);
        emit ClaimRewards(id, recipient, amount, totalRewardsLiquidated);
    }

    function unlockInit(uint256 id, Sequencer memory s) external {
        emit UnlockInit(
            s.signer, id, s.nonce, s.deactivationBatch, s.deactivationTime, s.unlockClaimTime, s.amount
        );
    }

    function unlock(uint256 id, uint256 amount, address to) external {
        totalLocked -= amount;
        metis.transferFrom(address(this), to, amount);
        emit Unlocked(to, id, amount, totalLocked);
    }

    function changeSigner(uint256 id, address oldSigner, Sequencer memory s) external {
        emit SignerChange(id, s.nonce, oldSigner, s.signer, s.pubkey);
    }

    function payBatch(uint256 batchId, uint256 amount) external {
        require(metis.allowance(rewardPayer, address(this)) >= amount, "insufficient allowance");
        metis.transferFrom(rewardPayer, address(this), amount);
        emit BatchSubmitReward(batchId);
    }
}

// The manager: it holds the sequencers.
contract LockingPool {
    event Initialized(uint8 version);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
    event DistributeReward(
        uint256 indexed batchId, uint256 startEpoch, uint256 endEpoch, uint256 amount, uint256 rpb
    );
    event RewardUpdate(uint256 newReward, uint256 oldReward);
    event WithrawDelayTimeChange(uint256 _cur, uint256 _prev);
    event UpdateMpc(address _newMpc);
    event SetSignerUpdateThrottle(uint256 _n);
    event SetWhitelist(address _user, bool _yes);
    event SequencerOwnerChanged(uint256 _seqId, address _owner);
    event SequencerRewardRecipientChanged(uint256 _seqId, address _recipient);
    event Paused(address account);
    event Unpaused(address account);

    uint256 constant INVALID = type(uint256).max;

    LockingInfo immutable escrow;
    address public owner;
    uint256 public totalSequencers;
    BatchState public curBatchState;
    uint256 public rewardPerBlock = 761_000_000_000_000;
    uint256 public exitDelayPeriod = 21 days;
    uint256 public signerUpdateThrottle = 1;
    address public mpcAddress;
    bool public paused;
    mapping(uint256 => Sequencer) public sequencers;
    mapping(Status => uint256) public seqStatuses;
    mapping(address => uint256) public seqOwners;
    mapping(address => uint256) public seqSigners;

    constructor(LockingInfo _escrow) {
        escrow = _escrow;
        curBatchState = BatchState(1, block.number, 0, 0);
        transferOwnership(msg.sender);
        emit Initialized(1);
    }

    function transferOwnership(address newOwner) public {
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }

    // What no event tells: the change that an audit has to find.
    function plant(uint256 id, uint256 reward) external {
        sequencers[id].reward = reward;
    }

    function updateBlockReward(uint256 newReward) external {
        require(newReward != 0, "invalid newReward");
        emit RewardUpdate(newReward, rewardPerBlock);
        rewardPerBlock = newReward;
    }

    function updateWithdrawDelayTimeValue(uint256 time) external {
        emit WithrawDelayTimeChange(time, exitDelayPeriod);
        exitDelayPeriod = time;
    }

    function updateMpc(address _newMpc) external {
        mpcAddress = _newMpc;
        emit UpdateMpc(_newMpc);
    }

    function setSignerUpdateThrottle(uint256 _n) external {
        signerUpdateThrottle = _n;
        emit SetSignerUpdateThrottle(_n);
    }

    function setWhitelist(address _user, bool _yes) public virtual {
        emit SetWhitelist(_user, _yes);
    }

    function setPause(bool _yes) external {
        paused = _yes;
        if (_yes) emit Paused(msg.sender);
        else emit Unpaused(msg.sender);
    }

    function lockFor(address signer, uint256 amount, bytes calldata pubkey) public virtual {
        lock(signer, amount, pubkey);
    }

    function lockWithRewardRecipient(address signer, address recipient, uint256 amount, bytes calldata pubkey)
        public
        virtual
    {
        setSequencerRewardRecipient(lock(signer, amount, pubkey), recipient);
    }

    function lock(address signer, uint256 amount, bytes calldata pubkey) internal returns (uint256 id) {
        require(escrow.minLock() <= amount && amount <= escrow.maxLock(), "invalid amount");
        id = ++totalSequencers;
        Sequencer storage s = sequencers[id];
        s.amount = amount;
        s.activationBatch = curBatchState.id;
        s.updatedBatch = curBatchState.id;
        s.nonce = 1;
        s.owner = msg.sender;
        s.signer = signer;
        s.pubkey = pubkey;
        seqOwners[msg.sender] = id;
        seqSigners[signer] = id;
        setStatus(s, Status.Active);
        escrow.lock(id, s);
        emit SequencerOwnerChanged(id, msg.sender);
    }

    function setSequencerOwner(uint256 id, address newOwner) external {
        seqOwners[sequencers[id].owner] = 0;
        seqOwners[newOwner] = id;
        sequencers[id].owner = newOwner;
        emit SequencerOwnerChanged(id, newOwner);
    }

    function setSequencerRewardRecipient(uint256 id, address recipient) public virtual {
        sequencers[id].rewardRecipient = recipient;
        emit SequencerRewardRecipientChanged(id, recipient);
    }

    function relock(uint256 _seqId, uint256 _amount, bool _lockReward) public virtual {
        Sequencer storage s = sequencers[_seqId];
        uint256 fromReward = _lockReward ? s.reward : 0;
        s.reward -= fromReward;
        s.amount += _amount + fromReward;
        require(s.amount <= escrow.maxLock(), "above maxLock");
        s.nonce++;
        escrow.relock(_seqId, _amount, fromReward, s);
    }

    function withdraw(uint256 id, uint256 amount) public virtual {
        Sequencer storage s = sequencers[id];
        s.amount -= amount;
        s.updatedBatch = curBatchState.id;
        s.nonce++;
        escrow.withdraw(id, amount, s);
    }

    function withdrawRewards(uint256 id) public {
        Sequencer storage s = sequencers[id];
        require(s.rewardRecipient != address(0), "no recipient");
        uint256 amount = s.reward;
        s.reward = 0;
        if (amount > 0) escrow.claim(id, amount, s.rewardRecipient);
    }

    function setSequencerSigner(uint256 id, address signer, bytes calldata pubkey) external {
        Sequencer storage s = sequencers[id];
        address oldSigner = s.signer;
        seqSigners[oldSigner] = INVALID;
        seqSigners[signer] = id;
        s.signer = signer;
        s.pubkey = pubkey;
        s.updatedBatch = curBatchState.id;
        s.nonce++;
        escrow.changeSigner(id, oldSigner, s);
    }

    function unlock(uint256 id) public {
        withdrawRewards(id);
        Sequencer storage s = sequencers[id];
        s.deactivationBatch = curBatchState.id;
        s.deactivationTime = block.timestamp;
        s.unlockClaimTime = block.timestamp + exitDelayPeriod;
        s.nonce++;
        seqStatuses[s.status]--;
        setStatus(s, Status.Inactive);
        escrow.unlockInit(id, s);
    }

    function unlockClaim(uint256 id) public {
        Sequencer storage s = sequencers[id];
        require(block.timestamp >= s.unlockClaimTime, "too early");
        withdrawRewards(id);
        uint256 amount = s.amount;
        s.amount = 0;
        s.nonce++;
        seqOwners[s.owner] = 0;
        seqSigners[s.signer] = INVALID;
        seqStatuses[s.status]--;
        setStatus(s, Status.Unlocked);
        escrow.unlock(id, amount, s.owner);
    }

    function batchSubmitRewards(
        uint256 _batchId,
        uint256 _startEpoch,
        uint256 _endEpoch,
        address[] calldata _seqs,
        uint256[] calldata _blocks
    ) external {
        require(msg.sender == mpcAddress, "not MPC");
        require(_seqs.length == _blocks.length && _seqs.length > 0, "mismatch length");
        require(_batchId == curBatchState.id + 1, "invalid batch id");
        require(_startEpoch == curBatchState.endEpoch + 1, "invalid startEpoch");
        require(_startEpoch < _endEpoch, "invalid endEpoch");
        curBatchState = BatchState(_batchId, block.number, _startEpoch, _endEpoch);
        uint256 amount;
        for (uint256 i = 0; i < _seqs.length; i++) {
            uint256 id = seqSigners[_seqs[i]];
            require(id != 0 && id != INVALID, "no such sequencer");
            uint256 reward = _blocks[i] * rewardPerBlock;
            sequencers[id].reward += reward;
            amount += reward;
        }
        escrow.payBatch(_batchId, amount);
        emit DistributeReward(_batchId, _startEpoch, _endEpoch, amount, rewardPerBlock);
    }

    function setStatus(Sequencer storage s, Status status) internal {
        s.status = status;
        seqStatuses[status]++;
    }
}
