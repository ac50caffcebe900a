//! A real node, with contracts that hold their own state, followed live through a reorg: the log has to be
//! the one that never saw it, and what it gives has to be what the contracts say.

mod claims;
mod l2geth;
mod members;
mod node;
mod pages;
mod practice;

use crate::support::{Tool, tally, wait_for};
use crate::transfers::left_in_escrow;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, U256};
use calls::{
    approveCall, balanceOfCall, batchSubmitRewardsCall, commitEpochCall, lockWithRewardRecipientCall,
    mintCall, plantCall, recommitEpochCall, relockCall, setMaxLockCall, setMinLockCall, setPauseCall,
    setRewardPayerCall, setSequencerOwnerCall, setSequencerRewardRecipientCall, setSequencerSignerCall,
    setSignerUpdateThrottleCall, setWhitelistCall, transferFromCall, unlockCall, unlockClaimCall,
    updateBlockRewardCall, updateMpcCall, updateWithdrawDelayTimeValueCall, withdrawCall,
    withdrawRewardsCall,
};
use node::{Node, compiled, transaction};
use serde_json::{Value, json};
use std::path::Path;
use std::thread::JoinHandle;
use tally_eventlog::{LogReader, LogView};

/// What the contracts in `tests/anvil` can be asked to do.
mod calls {
    alloy::sol! {
        function mint(address to, uint256 value);
        function approve(address spender, uint256 value);
        function transferFrom(address from, address to, uint256 value);
        function balanceOf(address who) returns (uint256);
        function setMinLock(uint256 _newMinLock);
        function setMaxLock(uint256 _newMaxLock);
        function setRewardPayer(address _payer);
        function plant(uint256 id, uint256 reward);
        function updateBlockReward(uint256 newReward);
        function updateWithdrawDelayTimeValue(uint256 time);
        function updateMpc(address _newMpc);
        function setSignerUpdateThrottle(uint256 _n);
        function setWhitelist(address _user, bool _yes);
        function setPause(bool _yes);
        function transferOwnership(address newOwner);
        function lockFor(address signer, uint256 amount, bytes pubkey);
        function lockWithRewardRecipient(address signer, address recipient, uint256 amount, bytes pubkey);
        function setSequencerOwner(uint256 id, address owner);
        function setSequencerRewardRecipient(uint256 id, address recipient);
        function relock(uint256 _seqId, uint256 _amount, bool _lockReward);
        function withdraw(uint256 id, uint256 amount);
        function withdrawRewards(uint256 id);
        function setSequencerSigner(uint256 id, address signer, bytes pubkey);
        function unlock(uint256 id);
        function unlockClaim(uint256 id);
        function batchSubmitRewards(uint256 _batchId, uint256 _startEpoch, uint256 _endEpoch, address[] _seqs, uint256[] _blocks);
        function commitEpoch(uint256 newId, uint256 startBlock, uint256 endBlock, address signer);
        function recommitEpoch(uint256 oldId, uint256 newId, uint256 curId, uint256 startBlock, uint256 endBlock, address newSigner);
    }
}

const L1_CHAIN_ID: u64 = 31_337;
const L2_CHAIN_ID: u64 = 31_338;

/// How far the chains are followed: so far that their first blocks are final by then, and a fresh ingest
/// fetches these in ranges and the last ones one by one.
const L1_TO: u64 = 150;
const L2_TO: u64 = 300;

/// Among the accounts, the owners of sequencers 1 to 3 are 1 to 3; 0 deploys and sets.
const PAYER: usize = 4;
const MPC: usize = 5;
/// They own sequencer 4 before and after the reorg.
const VANISHING_OWNER: usize = 6;
const OTHER_OWNER: usize = 7;
/// It takes sequencer 2 over, and gets rewards.
const HEIR: usize = 8;

fn n(value: u64) -> U256 {
    U256::from(value)
}

fn metis(value: u64) -> U256 {
    n(value) * n(10).pow(n(18))
}

fn signer(index: u8) -> Address {
    Address::repeat_byte(index)
}

fn public_key(signer_index: u8) -> Bytes {
    Bytes::from(vec![signer_index; 64])
}

fn batch(id: u64, spans: [u64; 2], blocks: &[(u8, u64)]) -> batchSubmitRewardsCall {
    batchSubmitRewardsCall {
        _batchId: n(id),
        _startEpoch: n(spans[0]),
        _endEpoch: n(spans[1]),
        _seqs: blocks.iter().map(|(index, _)| signer(*index)).collect(),
        _blocks: blocks.iter().map(|(_, blocks)| n(*blocks)).collect(),
    }
}

fn span(id: u64, blocks: [u64; 2], signer_index: u8) -> commitEpochCall {
    commitEpochCall {
        newId: n(id),
        startBlock: n(blocks[0]),
        endBlock: n(blocks[1]),
        signer: signer(signer_index),
    }
}

/// Both chains with the contracts on them.
struct Chains {
    l1: Node,
    l2: Node,
    token: Address,
    info: Address,
    pool: Address,
    spans: Address,
    /// The block that the pool was made in.
    pool_block: u64,
}

impl Chains {
    fn start() -> Self {
        Self::with_pool("LockingPool")
    }

    /// With one of the pools there are: they are made with the escrow, and the one that asks it with METIS.
    fn with_pool(name: &str) -> Self {
        let (l1, l2) = (Node::start(L1_CHAIN_ID), Node::start(L2_CHAIN_ID));
        let contracts = compiled();
        let token = l1.deploy(&contracts["MetisToken"], &[]);
        let info = l1.deploy(&contracts["LockingInfo"], &[token.into_word()]);
        let made_with = [info.into_word(), token.into_word()];
        let made_with = if name == "MemberPool" { &made_with[..] } else { &made_with[..1] };
        let pool = l1.deploy(&contracts[name], made_with);
        let pool_block = l1.head().0;
        let length = B256::left_padding_from(&[50]);
        let spans = l2.deploy(&contracts["MetisSequencerSet"], &[l2.accounts[MPC].into_word(), length]);
        Self { l1, l2, token, info, pool, spans, pool_block }
    }

    /// The network as a file, with what the contracts' constructors set.
    fn network(&self) -> String {
        let Self { token, info, pool, spans, pool_block, .. } = self;
        format!(
            r#"
            name = "anvil"
            [l1]
            chain_id = {L1_CHAIN_ID}
            first_block = 1
            locking_info = "{info}"
            locking_pool = "{pool}"
            metis_token = "{token}"
            [l2]
            chain_id = {L2_CHAIN_ID}
            first_block = 1
            sequencer_set = "{spans}"
            [initial]
            batch_block = {pool_block}
            batch = 1
            reward_per_block_wei = "761000000000000"
            min_lock_wei = "20000000000000000000000"
            max_lock_wei = "100000000000000000000000"
            exit_delay_secs = 1814400
            signer_update_throttle_batches = 1
            "#
        )
    }

    /// A transaction to the pool.
    fn to_pool(&self, who: usize, call: &impl SolCall) -> Value {
        transaction(self.l1.accounts[who], self.pool, call)
    }

    /// Has one call to the pool done, in a block of its own.
    fn act(&self, who: usize, call: &impl SolCall) -> B256 {
        self.l1.mine(&[self.to_pool(who, call)])[0]
    }

    /// The payer lets the escrow take so much METIS for batches.
    fn approve(&self, value: U256) {
        let approve = approveCall { spender: self.info, value };
        self.l1.mine(&[transaction(self.l1.accounts[PAYER], self.token, &approve)]);
    }

    /// A transaction by which an account becomes a sequencer that gets its own rewards.
    fn to_lock(&self, who: usize, signer_index: u8, amount: u64) -> Value {
        let call = lockWithRewardRecipientCall {
            signer: signer(signer_index),
            recipient: self.l1.accounts[who],
            amount: metis(amount),
            pubkey: public_key(signer_index),
        };
        self.to_pool(who, &call)
    }

    /// Makes an account a sequencer that gets its own rewards, in a block of its own.
    fn lock(&self, who: usize, signer_index: u8, amount: u64) -> B256 {
        self.l1.mine(&[self.to_lock(who, signer_index, amount)])[0]
    }

    /// Whether the pool reverts a transaction that is sent in a block of its own.
    fn is_refused(&self, transaction: &Value) -> bool {
        let hash = self.l1.ask("eth_sendTransaction", &json!([transaction]));
        self.l1.ask("evm_mine", &json!([]));
        self.l1.ask("eth_getTransactionReceipt", &json!([hash]))["status"] == "0x0"
    }

    /// The METIS that the escrow has after an L1 block, by the token.
    fn held_after(&self, block: u64) -> U256 {
        let input = Bytes::from(balanceOfCall { who: self.info }.abi_encode());
        let call = json!([{ "to": self.token, "input": input }, format!("{block:#x}")]);
        self.l1.ask("eth_call", &call).as_str().unwrap().parse().unwrap()
    }

    /// A transaction to the set of spans.
    fn to_spans(&self, call: &impl SolCall) -> Value {
        transaction(self.l2.accounts[0], self.spans, call)
    }

    /// What is set first, all with values of its own, and METIS for everyone.
    fn set_up(&self) {
        let Self { l1, .. } = self;
        let [admin, payer] = [0, PAYER].map(|who| l1.accounts[who]);
        l1.mine(&[
            transaction(admin, self.info, &setMinLockCall { _newMinLock: metis(10_000) }),
            transaction(admin, self.info, &setMaxLockCall { _newMaxLock: metis(90_000) }),
            transaction(admin, self.info, &setRewardPayerCall { _payer: payer }),
        ]);
        self.approve(U256::MAX);
        self.act(0, &updateMpcCall { _newMpc: l1.accounts[MPC] });
        self.act(0, &updateWithdrawDelayTimeValueCall { time: n(3_600) });
        self.act(0, &setSignerUpdateThrottleCall { _n: n(2) });
        let mint = |who: usize| {
            transaction(admin, self.token, &mintCall { to: l1.accounts[who], value: metis(100_000) })
        };
        l1.mine(&[1, 2, 3, PAYER, VANISHING_OWNER, OTHER_OWNER].map(mint));
        let who = l1.accounts[1];
        self.act(0, &setWhitelistCall { _user: who, _yes: true });
    }

    /// Three sequencers, a batch, and each way to use a reward.
    fn play_before_the_reorg(&self) {
        let Self { l1, l2, .. } = self;
        self.lock(1, 0x11, 20_000);
        l1.mine(&[self.to_lock(2, 0x12, 30_000), self.to_lock(3, 0x13, 40_000)]);
        l2.mine(&[self.to_spans(&span(0, [5, 54], 0x11))]);
        l2.mine(&[self.to_spans(&span(1, [55, 104], 0x12))]);
        l1.mine(&[]);
        self.act(MPC, &batch(2, [1, 2], &[(0x11, 50), (0x12, 50), (0x13, 7)]));
        self.act(1, &withdrawRewardsCall { id: n(1) });
        self.act(2, &relockCall { _seqId: n(2), _amount: metis(5), _lockReward: true });
        self.act(3, &relockCall { _seqId: n(3), _amount: metis(1), _lockReward: false });
    }

    /// The rest, beginning with what only the new branch made possible.
    fn play_after_the_reorg(&self) {
        let Self { l1, l2, .. } = self;
        let (new_signer, pubkey) = (signer(0x21), public_key(0x21));
        self.act(0, &setPauseCall { _yes: false });
        self.act(1, &setSequencerSignerCall { id: n(1), signer: new_signer, pubkey });
        self.act(0, &updateBlockRewardCall { newReward: n(5_000_000_000_000_001) });
        l2.mine(&[self.to_spans(&span(3, [155, 204], 0x13))]);
        let recommit = recommitEpochCall {
            oldId: n(3),
            newId: n(4),
            curId: n(3),
            startBlock: n(180),
            endBlock: n(229),
            newSigner: new_signer,
        };
        l2.mine(&[self.to_spans(&recommit)]);
        self.act(MPC, &batch(4, [5, 6], &[(0x21, 3), (0x13, 25), (0x22, 4), (0x21, 1)]));
        self.act(OTHER_OWNER, &relockCall { _seqId: n(4), _amount: n(0), _lockReward: true });
        let heir = l1.accounts[HEIR];
        self.act(2, &setSequencerOwnerCall { id: n(2), owner: heir });
        self.act(HEIR, &setSequencerRewardRecipientCall { id: n(2), recipient: l1.accounts[1] });
        self.act(HEIR, &withdrawCall { id: n(2), amount: metis(4_000) });
        self.act(3, &unlockCall { id: n(3) });
        let (.., time) = l1.head();
        l1.ask("evm_setNextBlockTimestamp", &json!([time + 3_600]));
        self.act(3, &unlockClaimCall { id: n(3) });
        self.act(0, &setPauseCall { _yes: true });
        // A gift, and METIS that the escrow moves to itself.
        let (admin, token, info) = (l1.accounts[0], self.token, self.info);
        let to_itself = transferFromCall { from: info, to: info, value: metis(2) };
        l1.mine(&[
            transaction(admin, token, &mintCall { to: info, value: metis(3) }),
            transaction(admin, token, &to_itself),
        ]);
    }
}

/// `tally ingest --follow`, in a thread of its own.
struct Following(JoinHandle<(u8, String, String)>);

impl Following {
    fn start(args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Self(std::thread::spawn(move || tally(&args.iter().map(String::as_str).collect::<Vec<_>>())))
    }

    /// Waits until the log reaches the heads of both chains.
    fn wait_for_heads(self, log: &str, chains: &Chains) -> Self {
        let heads = json!([chains.l1.head().1, chains.l2.head().1]);
        let is_following = wait_for("the log to reach the chains' heads", || {
            if self.0.is_finished() {
                return Ok(false);
            }
            let (status, out, err) = tally(&["log", "info", "--log", log, "--format", "json"]);
            if status != 0 {
                return Err(err);
            }
            let info: Value = serde_json::from_str(&out).unwrap();
            let reached = json!([info["l1"]["head"]["hash"], info["l2"]["head"]["hash"]]);
            if reached == heads { Ok(true) } else { Err(format!("{info:#}, not {heads}")) }
        });
        assert!(is_following, "it has ended: {:?}", self.0.join());
        self
    }

    fn wait_for_end(self) -> (u8, String, String) {
        wait_for("the follower to end", || self.0.is_finished().then_some(()).ok_or_else(String::new));
        self.0.join().unwrap()
    }
}

/// The transactions that a log has records of.
fn recorded(log: &str) -> Vec<B256> {
    let log = LogReader::open(Path::new(log)).unwrap();
    let l1 = log.l1_records().unwrap().into_iter().map(|record| record.transaction_hash);
    let spans = log.span_records().unwrap().into_iter().map(|record| record.transaction_hash);
    l1.chain(spans).collect()
}

fn head_digest(log: &str) -> Value {
    let (status, out, err) = tally(&["log", "info", "--log", log, "--format", "json"]);
    assert_eq!((status, err.as_str()), (0, ""));
    serde_json::from_str::<Value>(&out).unwrap()["head_digest"].clone()
}

#[test]
fn a_real_node_is_followed_through_a_reorg_and_its_contracts_are_audited() {
    if !Tool::Npm.is_there() {
        return;
    }
    let chains = Chains::start();
    let Chains { l1, l2, .. } = &chains;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (network, log, fresh) = (path("network.toml"), path("log"), path("fresh"));
    std::fs::write(&network, chains.network()).unwrap();
    let (l1_url, l2_url) = (l1.url(), l2geth::in_front_of(l2));
    let (l1_to, l2_to) = (L1_TO.to_string(), L2_TO.to_string());
    let mut ingest = vec!["ingest", "--network", &network, "--l1-rpc", &l1_url, "--l2-rpc", &l2_url];
    ingest.extend(["--l1-finality", "0", "--l2-confirmations", "0", "--level", "error"]);
    let limits = ["--l1-to", &l1_to, "--l2-to", &l2_to];

    let follow = [&ingest[..], &limits, &["--log", &log, "--follow", "--poll-secs", "0.05"]].concat();
    let following = Following::start(&follow);
    chains.set_up();
    chains.play_before_the_reorg();
    let following = following.wait_for_heads(&log, &chains);

    // Blocks that the log takes in, and that are replaced then.
    let batch = chains.to_pool(MPC, &batch(3, [3, 4], &[(0x11, 20), (0x12, 30)]));
    let moved = l1.mine(std::slice::from_ref(&batch))[0];
    let was_in = l1.head().0;
    let withdrawn = chains.act(1, &withdrawCall { id: n(1), amount: metis(100) });
    let locked = chains.lock(VANISHING_OWNER, 0x14, 50_000);
    l1.mine(&[]);
    let announced = l2.mine(&[chains.to_spans(&span(2, [105, 154], 0x13))])[0];
    l2.mine(&[]);
    let following = following.wait_for_heads(&log, &chains);
    let before = recorded(&log);
    let vanishing = [withdrawn, locked, announced];
    assert!(vanishing.iter().chain([&moved]).all(|hash| before.contains(hash)));

    // On the new branch the same batch is paid a block later, sequencer 4 is another, sequencer 1 raises its
    // stake where it had taken some out, and the pool is paused.
    let relock = relockCall { _seqId: n(1), _amount: metis(7), _lockReward: true };
    let instead = [
        (chains.to_lock(OTHER_OWNER, 0x22, 60_000), 0),
        (batch, 1),
        (chains.to_pool(1, &relock), 2),
        (chains.to_pool(0, &setPauseCall { _yes: true }), 3),
    ];
    l1.reorg(4, &instead);
    l2.reorg(2, &[(chains.to_spans(&span(2, [105, 154], 0x12)), 1)]);
    assert_eq!(l1.block_of(moved), Some(was_in + 1), "the batch is in the next block now");
    assert_eq!([l1.block_of(withdrawn), l1.block_of(locked), l2.block_of(announced)], [None; 3]);
    let appeared: Vec<B256> = (was_in..was_in + 4).flat_map(|block| l1.transactions_of(block)).collect();
    assert_eq!(appeared.len(), instead.len());
    let following = following.wait_for_heads(&log, &chains);
    let after = recorded(&log);
    assert!(!vanishing.iter().any(|hash| after.contains(hash)), "the log holds what is not on the chain");
    assert!(appeared.iter().chain(&l2.transactions_of(l2.head().0)).all(|hash| after.contains(hash)));

    chains.play_after_the_reorg();
    let played = l1.head().0;
    l1.mine_to(L1_TO);
    l2.mine_to(L2_TO);
    let (status, out, err) = following.wait_for_end();
    assert_eq!((status, err.as_str()), (0, ""), "{out}");

    // The log is the one that never saw another branch.
    let (status, out, _) = tally(&["log", "verify", "--log", &log]);
    assert_eq!(status, 0, "{out}");
    assert!(!vanishing.iter().any(|hash| recorded(&log).contains(hash)));
    let (status, out, err) = tally(&[&ingest[..], &limits, &["--log", &fresh]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert_eq!(head_digest(&log), head_digest(&fresh));

    // It gives what the contracts say, after each block in which something happened, and at the end.
    let audit = ["audit", "live", "--log", &log, "--l1-rpc", &l1_url];
    for block in (chains.pool_block..=played + 1).chain([L1_TO]) {
        let (status, out, err) = tally(&[&audit[..], &["--at-l1-block", &block.to_string()]].concat());
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        let equal = format!("equal: the contracts' state after L1 block {block}, 0 differences\n");
        assert_eq!(out, equal);
        let left = left_in_escrow(&LogReader::open(Path::new(&log)).unwrap(), block);
        assert_eq!(left, chains.held_after(block), "METIS in the escrow after L1 block {block}");
    }

    // And a change that no event tells is found.
    chains.act(0, &plantCall { id: n(2), reward: metis(1) });
    l1.mine(&[]);
    let apart = ["--log", &log, "--state-check-hours", "0"];
    let (status, out, err) = tally(&[&ingest[..], &apart].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let (status, out, err) = tally(&[&audit[..], &["--format", "json"]].concat());
    assert_eq!((status, err.as_str()), (3, ""), "{out}");
    let reward = n(30) * n(761_000_000_000_000);
    let planted = json!({
        "l1_block": L1_TO + 2,
        "verdict": "different",
        "differences": [{
            "field": "sequencers.2.reward",
            "contract": metis(1).to_string(),
            "log": reward.to_string(),
        }],
        "sample": null,
    });
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), planted);
    let (status, out, _) = tally(&[&audit[..], &["--at-l1-block", &l1_to]].concat());
    assert_eq!(status, 0, "{out}");
}
