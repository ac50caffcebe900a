//! Batches that Tally prepares, sent to contracts that check them, by whom they have to be sent.

use super::calls::{
    setSequencerRewardRecipientCall, setSequencerSignerCall, unlockCall, unlockClaimCall,
    updateBlockRewardCall,
};
use super::{Chains, MPC, l2geth, n, public_key, signer, span};
use crate::support::{Tool, tally};
use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use tempfile::TempDir;

mod pool {
    alloy::sol! {
        event DistributeReward(uint256 indexed batchId, uint256 startEpoch, uint256 endEpoch, uint256 amount, uint256 rpb);
        function sequencers(uint256 id) returns (
            uint256 amount, uint256 reward, uint256 activationBatch, uint256 updatedBatch, uint256 deactivationBatch,
            uint256 deactivationTime, uint256 unlockClaimTime, uint256 nonce, address owner, address signer,
            bytes pubkey, address rewardRecipient, uint8 status
        );
        function rewardPerBlock() returns (uint256);
    }
}

impl Chains {
    fn ask_pool(&self, call: &impl SolCall) -> Bytes {
        let call = json!({ "to": self.pool, "input": Bytes::from(call.abi_encode()) });
        serde_json::from_value(self.l1.ask("eth_call", &json!([call, "latest"]))).unwrap()
    }

    /// A sequencer's unclaimed reward, as the contract has it.
    pub(super) fn reward_of(&self, id: u64) -> U256 {
        let answer = self.ask_pool(&pool::sequencersCall { id: n(id) });
        pool::sequencersCall::abi_decode_returns(&answer).unwrap().reward
    }

    /// Sends a call that Tally prepared, as it is, from `who`; returns its transaction, or nothing if it was refused.
    pub(super) fn send(&self, who: Address, call: &Value) -> Option<B256> {
        assert_eq!(call["contract"].as_str().unwrap().parse::<Address>().unwrap(), self.pool);
        self.send_to(who, call)
    }

    /// The same to whichever contract it is for.
    pub(super) fn send_to(&self, who: Address, call: &Value) -> Option<B256> {
        let transaction = json!({
            "from": who, "to": call["contract"], "input": call["calldata"], "gas": "0x2dc6c0", "gasPrice": "0x77359400",
        });
        let hash = self.l1.ask("eth_sendTransaction", &json!([transaction]));
        self.l1.ask("evm_mine", &json!([]));
        let receipt = self.l1.ask("eth_getTransactionReceipt", &json!([hash]));
        (receipt["status"] == "0x1").then(|| serde_json::from_value(hash).unwrap())
    }

    /// The amount and the reward per block that a transaction paid out.
    fn distributed(&self, transaction: B256) -> (U256, U256) {
        let receipt = self.l1.ask("eth_getTransactionReceipt", &json!([transaction]));
        let logs = receipt["logs"].as_array().unwrap().iter();
        let mut paid =
            logs.filter(|log| log["topics"][0] == pool::DistributeReward::SIGNATURE_HASH.to_string());
        let data: Bytes = serde_json::from_value(paid.next().unwrap()["data"].clone()).unwrap();
        let words: Vec<U256> = data.chunks(32).map(U256::from_be_slice).collect();
        (words[2], words[3])
    }
}

fn amount(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

fn failed(batch: &Value) -> Vec<&str> {
    let checks = batch["checks"].as_array().unwrap().iter().filter(|check| check["state"] == "failed");
    checks.map(|check| check["check"].as_str().unwrap()).collect()
}

/// What a block earns in these stories.
const REWARD_WEI: u64 = 5_000_000_000_000_001;

/// An entry of a batch, as the command says it.
fn entry(who: u8, sequencer: u64, blocks: u64) -> Value {
    let reward = n(blocks) * n(REWARD_WEI);
    json!({ "signer": signer(who), "sequencer": sequencer, "blocks": blocks, "reward_wei": reward.to_string() })
}

/// Chains with three sequencers, and a log of them.
pub(super) struct Story {
    pub(super) chains: Chains,
    dir: TempDir,
    l1_url: String,
    l2_url: String,
}

impl Story {
    /// The spans are ids, first and last blocks, and signers.
    pub(super) fn of(spans: &[(u64, [u64; 2], u8)]) -> Self {
        let chains = Chains::start();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("network.toml"), chains.network()).unwrap();
        let (l1_url, l2_url) = (chains.l1.url(), l2geth::in_front_of(&chains.l2));
        chains.set_up();
        for (who, stake) in [(1, 20_000), (2, 30_000), (3, 40_000)] {
            chains.lock(usize::from(who), 0x10 + who, stake);
        }
        for (id, blocks, who) in spans {
            chains.l2.mine(&[chains.to_spans(&span(*id, *blocks, *who))]);
        }
        chains.act(0, &updateBlockRewardCall { newReward: n(REWARD_WEI) });
        Self { chains, dir, l1_url, l2_url }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn ingest(&self) {
        let (network, log) = (self.path("network.toml"), self.path("log"));
        let mut args =
            vec!["ingest", "--network", &network, "--l1-rpc", &self.l1_url, "--l2-rpc", &self.l2_url];
        args.extend(["--l1-finality", "0", "--l2-confirmations", "0", "--level", "error", "--log", &log]);
        let (status, out, err) = tally(&args);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
    }

    /// What a command says as JSON, and what it warns of.
    pub(super) fn said(&self, args: &[&str]) -> (Value, String) {
        let (status, out, err) = tally(&[args, &["--log", &self.path("log"), "--format", "json"]].concat());
        assert_eq!(status, 0, "{err}");
        (serde_json::from_str(&out).unwrap(), err)
    }

    pub(super) fn claims(&self, args: &[&str]) -> Value {
        let (json, err) = self.said(&[&["claims"], args].concat());
        assert_eq!(err, "");
        json
    }

    /// The next batch up to a span, which is refused unless present signers are to be credited.
    fn by_present_signers(&self, to_span: &str) -> Value {
        let command = ["claims", "next-batch", "--to-span", to_span];
        let (status, _, err) = tally(&[&command[..], &["--log", &self.path("log")]].concat());
        let replaced = "0x1111111111111111111111111111111111111111, which sequencer 1 has replaced by 0x2121";
        assert!(status == 1 && err.contains(replaced), "{err}");
        let (json, err) = self.said(&[&command[..], &["--credit", "present-signer"]].concat());
        assert!(
            err.starts_with("warning: the published check of Themis would not sign this batch: "),
            "{err}"
        );
        json
    }
}

/// The story: a sequencer has changed its signer within the batch, and another has taken its stake out. Such a batch is
/// prepared only if it is asked for; the call is taken as it is, from the MPC address alone, and credits to the wei what
/// was said.
#[test]
fn prepared_calls_are_taken_and_do_what_was_said() {
    if !Tool::Npm.is_there() {
        return;
    }
    let story = Story::of(&[
        (0, [5, 14], 0x11),
        (1, [15, 34], 0x11),
        (2, [35, 44], 0x12),
        (3, [45, 51], 0x13),
        (4, [52, 61], 0x21),
        (5, [62, 71], 0x12),
        (6, [72, 76], 0x11),
        (7, [77, 200], 0x11),
    ]);
    let Story { chains, .. } = &story;
    let Chains { l1, l2, .. } = chains;
    let mpc = l1.accounts[MPC];
    let pubkey = public_key(0x21);
    chains.act(1, &setSequencerSignerCall { id: n(1), signer: signer(0x21), pubkey });
    chains.act(3, &unlockCall { id: n(3) });
    let (.., time) = l1.head();
    l1.ask("evm_setNextBlockTimestamp", &json!([time + 3_600]));
    chains.act(3, &unlockClaimCall { id: n(3) });
    l2.mine_to(80);
    l1.mine_to(40);
    story.ingest();

    let batch = story.by_present_signers("4");
    assert_eq!(
        (&batch["batch"], &batch["start_span"], &batch["end_span"]),
        (&json!(2), &json!(1), &json!(4))
    );
    assert_eq!(batch["entries"], json!([entry(0x21, 1, 30), entry(0x12, 2, 10)]));
    let gone = json!({ "signer": signer(0x13), "sequencer": 3, "blocks": 7, "why": "sequencer_gone" });
    assert_eq!(batch["unpayable"], json!([gone]));
    let call = &batch["call"];
    assert_eq!(call["sender"].as_str().unwrap().parse::<Address>().unwrap(), mpc);

    let before = [1, 2, 3].map(|id| chains.reward_of(id));
    assert_eq!(chains.send(l1.accounts[0], call), None, "only the MPC address may");
    let paid = chains.send(mpc, call).expect("the contract takes it");
    let credited: Vec<U256> =
        [1, 2, 3].iter().zip(before).map(|(id, before)| chains.reward_of(*id) - before).collect();
    let rewards: Vec<U256> = [0, 1].map(|index| amount(&batch["entries"][index]["reward_wei"])).into();
    assert_eq!(credited, [rewards[0], rewards[1], U256::ZERO]);
    assert_eq!(
        chains.distributed(paid),
        (amount(&batch["total_wei"]), amount(&batch["reward_per_block_wei"]))
    );
    assert_eq!(chains.send(mpc, call), None, "no batch is paid twice");

    // With that in the log, the next one begins where it ended, and is taken, too.
    story.ingest();
    let next = story.by_present_signers("6");
    assert_eq!((&next["batch"], &next["start_span"], &next["end_span"]), (&json!(3), &json!(5), &json!(6)));
    assert_eq!(next["entries"], json!([entry(0x21, 1, 5), entry(0x12, 2, 10)]));
    let paid = chains.send(mpc, &next["call"]).expect("the contract takes it");
    assert_eq!(chains.distributed(paid).0, amount(&next["total_wei"]));

    // And so is the rate, from the contract's owner.
    let policy = story.path("short.toml");
    let text = "name = \"short\"\nversion = 1\nallocation = \"flat\"\ncap_wei = \"100000000000000000000000\"\nepoch_secs = 240\n\
                initial_reward_wei = \"761000000000000\"\ntarget_mrr = \"0.20\"\n";
    std::fs::write(&policy, text).unwrap();
    let rate = story.claims(&["next-rate", "--policy", &policy, "--decimals", "9"]);
    chains.send(l1.accounts[0], &rate["call"]).expect("the contract takes it");
    let in_force =
        pool::rewardPerBlockCall::abi_decode_returns(&chains.ask_pool(&pool::rewardPerBlockCall {})).unwrap();
    assert_eq!(in_force, amount(&rate["rounded"]["reward_per_block_wei"]));
    story.ingest();
    assert_eq!(story.claims(&["next-rate", "--policy", &policy, "--decimals", "9"])["call"], Value::Null);
}

/// The story: nobody has changed its signer. The batch goes up to the last finished span, and is ready when the contracts
/// say so: they take it then, and not before.
#[test]
fn a_batch_that_is_ready_is_taken() {
    if !Tool::Npm.is_there() {
        return;
    }
    let story =
        Story::of(&[(0, [5, 14], 0x11), (1, [15, 24], 0x11), (2, [25, 34], 0x12), (3, [35, 200], 0x13)]);
    let Story { chains, l1_url, .. } = &story;
    let Chains { l1, l2, .. } = chains;
    let mpc = l1.accounts[MPC];
    l2.mine_to(48);
    l1.mine_to(40);
    story.ingest();
    chains.approve(n(0));
    let ready = ["next-batch", "--l1-rpc", l1_url, "--settle-blocks", "14", "--min-interval-secs", "12"];
    let batch = story.claims(&ready);
    assert_eq!((&batch["start_span"], &batch["end_span"]), (&json!(1), &json!(2)));
    assert_eq!(batch["entries"], json!([entry(0x11, 1, 10), entry(0x12, 2, 10)]));
    assert_eq!((failed(&batch), &batch["is_ready"]), (vec!["payer_allowance", "call"], &json!(false)));
    let why = batch["checks"].as_array().unwrap().last().unwrap()["found"].as_str().unwrap();
    assert!(why.contains("insufficient allowance"), "{why}");
    assert_eq!(chains.send(mpc, &batch["call"]), None, "as it was said");
    chains.approve(U256::MAX);
    let batch = story.claims(&ready);
    assert_eq!((failed(&batch), &batch["is_ready"]), (vec![], &json!(true)), "{batch:#}");
    assert_eq!(batch["asked_at"]["block"], l1.head().0);
    let paid = chains.send(mpc, &batch["call"]).expect("the contract takes it");
    assert_eq!(chains.distributed(paid).0, amount(&batch["total_wei"]));
    assert_eq!(
        failed(&story.claims(&ready)),
        ["contract_state", "call"],
        "it is paid, and the log does not know"
    );
}

/// Recipients are addresses on L2, whatever they are on L1.
#[test]
fn recipients_are_what_the_node_of_l2_has() {
    if !Tool::Npm.is_there() {
        return;
    }
    let story = Story::of(&[(0, [5, 14], 0x11)]);
    let Story { chains, l2_url, .. } = &story;
    let unused = Address::repeat_byte(0xd0);
    chains.act(1, &setSequencerRewardRecipientCall { id: n(1), recipient: unused });
    chains.act(2, &setSequencerRewardRecipientCall { id: n(2), recipient: chains.spans });
    story.ingest();
    let (found, _) = story.said(&["accounts", "recipients", "--l2-rpc", l2_url]);
    let kind = |recipient: Address| {
        let all = found["recipients"].as_array().unwrap();
        let own = all.iter().find(|own| own["recipient"] == json!(recipient)).unwrap();
        (own["sequencers"][0].as_u64().unwrap(), own["l2_account"]["kind"].as_str().unwrap())
    };
    assert_eq!(kind(unused), (1, "unused"));
    assert_eq!(kind(chains.spans), (2, "contract"));
    assert_eq!(kind(chains.l1.accounts[3]), (3, "account"));
}
