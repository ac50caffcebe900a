//! The pool as it is really run, on a real node: spans that were paid although nobody had locked when their blocks were
//! made, stakes at exactly the least and the greatest amount, one recipient for two sequencers and none for a third, and
//! a signer that was replaced while its spans were unpaid.

use super::calls::{
    lockForCall, relockCall, setSequencerRewardRecipientCall, setSequencerSignerCall, transferOwnershipCall,
    updateBlockRewardCall, withdrawRewardsCall,
};
use super::{
    Chains, HEIR, MPC, PAYER, l2geth, lockWithRewardRecipientCall, metis, mintCall, n, public_key,
    setRewardPayerCall, signer, span, transaction, unlockCall, updateMpcCall,
};
use crate::support::{Tool, tally};
use alloy_primitives::U256;
use serde_json::{Value, json};

/// How long before the first lock the last of the first spans' blocks was made.
const LATER_SECS: u64 = 86_400;

/// The log that follows both chains, and the questions that are put to it.
struct Pool<'a> {
    chains: &'a Chains,
    network: String,
    log: String,
    l1_url: String,
    l2_url: String,
}

impl Pool<'_> {
    /// Appends what is new, and checks that the log gives the contracts' own state.
    fn ingest(&self) {
        let mut args = vec!["ingest", "--network", &self.network, "--log", &self.log, "--level", "error"];
        args.extend(["--l1-rpc", &self.l1_url, "--l2-rpc", &self.l2_url]);
        args.extend(["--l1-finality", "0", "--l2-confirmations", "0"]);
        let (status, out, err) = tally(&args);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        let (status, out, err) = tally(&["audit", "live", "--log", &self.log, "--l1-rpc", &self.l1_url]);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
    }

    fn ask(&self, args: &[&str]) -> Value {
        let (status, out, err) = tally(&[args, &["--log", &self.log, "--format", "json"]].concat());
        assert_eq!(status, 0, "{args:?}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// What `locking-pool` says that sequencers 1 to 3 accrued and the contract credited is what the contract has, and
    /// what these were paid.
    fn assert_paid_as_the_contract_did(&self, claimed: [U256; 3]) {
        let accounts = self.ask(&["accounts", "--policy", "locking-pool"]);
        for (at, claimed) in claimed.into_iter().enumerate() {
            let credited = self.chains.reward_of(u64::try_from(at).unwrap() + 1) + claimed;
            let own = &accounts["sequencers"][at];
            assert_eq!(own["credited_wei"], credited.to_string(), "{accounts:#}");
            let policy = &accounts["policies"][0]["sequencers"][at];
            let [accrued, pending] = ["accrued_wei", "pending_wei"].map(|name| wei(&policy[name]));
            assert_eq!(accrued - pending, credited, "{accounts:#}");
        }
    }
}

fn wei(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

/// L2 runs, with a day of spans before anybody locks; then there is METIS for everyone, and who pays and submits batches.
fn run_before_anybody_locks(chains: &Chains) {
    let Chains { l1, l2, .. } = chains;
    let first_spans = [
        ([5, 14], 0x11),
        ([15, 24], 0x11),
        ([25, 34], 0x12),
        ([35, 44], 0x11),
        ([45, 54], 0x13),
        ([55, 64], 0x11),
    ];
    for (id, (blocks, who)) in (0..).zip(first_spans) {
        l2.mine(&[chains.to_spans(&span(id, blocks, who))]);
    }
    l2.mine_to(60);
    let (.., last_of_l2) = l2.head();
    l1.ask("evm_setNextBlockTimestamp", &json!([last_of_l2 + LATER_SECS]));
    let [admin, payer] = [0, PAYER].map(|who| l1.accounts[who]);
    let mint = |who: usize| {
        transaction(admin, chains.token, &mintCall { to: l1.accounts[who], value: metis(200_000) })
    };
    l1.mine(&[1, 2, 3, PAYER].map(mint));
    l1.mine(&[
        transaction(admin, chains.info, &setRewardPayerCall { _payer: payer }),
        chains.to_pool(0, &updateMpcCall { _newMpc: l1.accounts[MPC] }),
    ]);
}

/// The escrow gets another owner, and the pool twice: the log has them.
fn hand_over(pool: &Pool<'_>) {
    let chains = pool.chains;
    let l1 = &chains.l1;
    let [multisig, council] = [PAYER, HEIR].map(|who| l1.accounts[who]);
    l1.mine(&[
        transaction(l1.accounts[0], chains.info, &transferOwnershipCall { newOwner: council }),
        chains.to_pool(0, &transferOwnershipCall { newOwner: multisig }),
    ]);
    chains.act(0, &transferOwnershipCall { newOwner: council });
    pool.ingest();
    let owners = pool.ask(&["owners"]);
    let lower = format!("{council:#x}");
    assert_eq!([&owners["locking_info"], &owners["locking_pool"]], [&lower, &lower], "{owners:#}");
    assert_eq!(owners["history"].as_array().unwrap().len(), 5, "{owners:#}");
}

#[test]
fn the_pool_as_it_is_run_is_paid_and_shown_as_its_contracts_do() {
    if !Tool::Npm.is_there() {
        return;
    }
    let chains = Chains::start();
    let Chains { l1, l2, .. } = &chains;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let pool = Pool {
        chains: &chains,
        network: path("network.toml"),
        log: path("log"),
        l1_url: l1.url(),
        l2_url: l2geth::in_front_of(l2),
    };
    std::fs::write(&pool.network, chains.network()).unwrap();

    run_before_anybody_locks(&chains);
    // The least stake without a recipient, and the greatest and the least with the same one.
    let shared = l1.accounts[HEIR];
    let without = lockForCall { signer: signer(0x11), amount: metis(20_000), pubkey: public_key(0x11) };
    chains.act(1, &without);
    for (who, signer_index, amount) in [(2, 0x12, 100_000), (3, 0x13, 20_000)] {
        let call = lockWithRewardRecipientCall {
            signer: signer(signer_index),
            recipient: shared,
            amount: metis(amount),
            pubkey: public_key(signer_index),
        };
        chains.act(who, &call);
    }
    // One wei above the greatest stake is refused, and leaves no event.
    let above = chains.to_pool(2, &relockCall { _seqId: n(2), _amount: n(1), _lockReward: false });
    assert!(chains.is_refused(&above), "a stake above the greatest one");
    chains.approve(metis(1_000));
    pool.ingest();
    let sequencers = pool.ask(&["sequencers"]);
    let shown = |at: usize, name: &str| sequencers["sequencers"][at][name].clone();
    assert_eq!([0, 1, 2].map(|at| wei(&shown(at, "stake_wei"))), [20_000, 100_000, 20_000].map(metis));
    let lower = format!("{shared:#x}");
    assert_eq!([0, 1, 2].map(|at| shown(at, "recipient")), [json!(null), json!(lower), json!(lower)]);

    // The first batch pays blocks that were made before there was any stake.
    let batch = pool.ask(&["claims", "next-batch"]);
    assert_eq!([&batch["batch"], &batch["start_span"], &batch["end_span"]], [2, 1, 4]);
    assert_eq!(wei(&batch["total_wei"]), n(40) * n(761_000_000_000_000));
    chains.send(l1.accounts[MPC], &batch["call"]).expect("the contract takes it");
    pool.ingest();
    pool.assert_paid_as_the_contract_did([U256::ZERO; 3]);

    // Nobody can claim without a recipient; one that is named later gets all of it.
    assert!(chains.is_refused(&chains.to_pool(1, &withdrawRewardsCall { id: n(1) })), "nowhere to pay to");
    let named = setSequencerRewardRecipientCall { id: n(1), recipient: shared };
    chains.act(1, &named);
    let claimed = chains.reward_of(1);
    chains.act(1, &withdrawRewardsCall { id: n(1) });
    pool.ingest();
    pool.assert_paid_as_the_contract_did([claimed, U256::ZERO, U256::ZERO]);

    hand_over(&pool);

    // The rate changes, and a signer is replaced before its span is paid.
    chains.act(0, &updateBlockRewardCall { newReward: n(1_504_744_000_000_000) });
    let next_spans = [([65, 74], 0x12), ([75, 84], 0x13), ([85, 94], 0x12), ([95, 300], 0x11)];
    for (id, (blocks, who)) in (6..).zip(next_spans) {
        l2.mine(&[chains.to_spans(&span(id, blocks, who))]);
    }
    l2.mine_to(110);
    let replaced = setSequencerSignerCall { id: n(3), signer: signer(0x23), pubkey: public_key(0x23) };
    chains.act(3, &replaced);
    pool.ingest();
    let batch = pool.ask(&["claims", "next-batch"]);
    assert_eq!(
        [&batch["start_span"], &batch["end_span"]],
        [5, 6],
        "it ends before the replaced signer's span"
    );
    chains.send(l1.accounts[MPC], &batch["call"]).expect("the contract takes it");
    pool.ingest();
    pool.assert_paid_as_the_contract_did([claimed, U256::ZERO, U256::ZERO]);
    let (status, _, err) = tally(&["claims", "next-batch", "--log", &pool.log]);
    assert_ne!(status, 0, "one span at most can be paid before the replaced signer's");
    assert!(err.contains("--credit present-signer"), "{err}");
    let batch = pool.ask(&["claims", "next-batch", "--credit", "present-signer"]);
    assert_eq!([&batch["start_span"], &batch["end_span"]], [7, 8]);
    chains.send(l1.accounts[MPC], &batch["call"]).expect("the contract takes it");
    pool.ingest();
    pool.assert_paid_as_the_contract_did([claimed, U256::ZERO, U256::ZERO]);

    // Its own owner takes the stake of 100,000 out again.
    chains.act(2, &unlockCall { id: n(2) });
    pool.ingest();
    assert_eq!(pool.ask(&["sequencers"])["sequencers"][1]["status"], "Inactive");
}
