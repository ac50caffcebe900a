//! The whole life of a sequencer through the pages of the server, with a wallet in a real browser: on a real node, and with
//! contracts that check each call.

use super::calls::{
    approveCall, batchSubmitRewardsCall, mintCall, setRewardPayerCall, setWhitelistCall, updateMpcCall,
};
use super::node::transaction;
use super::{Chains, MPC, PAYER, l2geth, metis, n, span};
use crate::serve::Served;
use crate::support::{Tool, in_tests, tally};
use alloy_primitives::{Address, U256, keccak256};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// Who becomes a sequencer, and who gets its rewards.
const OWNER: usize = 1;
const HEIR: usize = 8;

/// How long an exit takes, in seconds.
const EXIT_DELAY_SECS: u64 = 1_814_400;

/// The public key with which it joins, and the signer that it is of.
fn key() -> (String, Address) {
    let key = [0x42; 64];
    (format!("0x{}", "42".repeat(64)), Address::from_slice(&keccak256(key)[12..]))
}

impl Chains {
    /// METIS for who joins and for who pays, and what the pool's owner sets.
    fn set_up_for_members(&self) {
        let [admin, payer, owner] = [0, PAYER, OWNER].map(|who| self.l1.accounts[who]);
        let approve = approveCall { spender: self.info, value: U256::MAX };
        self.l1.mine(&[
            transaction(admin, self.info, &setRewardPayerCall { _payer: payer }),
            transaction(admin, self.token, &mintCall { to: owner, value: metis(100_000) }),
            transaction(admin, self.token, &mintCall { to: payer, value: metis(100_000) }),
            transaction(payer, self.token, &approve),
        ]);
        self.act(0, &updateMpcCall { _newMpc: self.l1.accounts[MPC] });
        self.act(0, &setWhitelistCall { _user: owner, _yes: true });
    }

    /// The sequencer gets two spans, which a batch pays.
    fn produce(&self) {
        let (_, signer) = key();
        for (id, blocks) in [(0, [5, 14]), (1, [15, 34]), (2, [35, 54])] {
            let mut announced = span(id, blocks, 0);
            announced.signer = signer;
            self.l2.mine(&[self.to_spans(&announced)]);
        }
        self.l2.mine_to(60);
        let batch = batchSubmitRewardsCall {
            _batchId: n(2),
            _startEpoch: n(1),
            _endEpoch: n(2),
            _seqs: vec![signer],
            _blocks: vec![n(40)],
        };
        self.act(MPC, &batch);
    }

    /// The delay of an exit passes.
    fn wait(&self) {
        let (.., time) = self.l1.head();
        self.l1.ask("evm_setNextBlockTimestamp", &json!([time + EXIT_DELAY_SECS]));
        self.l1.mine(&[]);
    }
}

/// The story: it joins with an approval, makes blocks and is paid, names a new recipient, claims, adds to its stake, takes out
/// down to the least, begins its exit, waits and ends it. On the way everything goes wrong that a wallet can do. After each
/// step the contracts are what the log says.
#[test]
fn a_sequencer_lives_its_life_in_a_browser() {
    if !Tool::Npm.is_there() || !Tool::Browser.is_there() {
        return;
    }
    let chains = Chains::with_pool("MemberPool");
    chains.set_up_for_members();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (network, log) = (path("network.toml"), path("log"));
    std::fs::write(&network, chains.network()).unwrap();
    let (l1_url, l2_url) = (chains.l1.url(), l2geth::in_front_of(&chains.l2));
    let mut args = vec!["serve", "--log", &log, "--network", &network, "--follow", "--requests-per-sec", "0"];
    args.extend(["--l1-rpc", &l1_url, "--l2-rpc", &l2_url, "--l1-finality", "0", "--l2-confirmations", "0"]);
    args.extend(["--poll-secs", "0.05", "--ready-lag-secs", "100000000", "--level", "error"]);
    let served = Served::with_args(&args);
    served.wait_for("/v1/status", |answer| answer.status == 200);

    let (owner, heir) = (chains.l1.accounts[OWNER].to_string(), chains.l1.accounts[HEIR].to_string());
    let mut script = Tool::Browser.command();
    script.arg(in_tests("browser/wallet.mjs")).args([&served.url(), &l1_url, &owner, &heir, &key().0]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut told, mut checks) = (Vec::new(), 0);
    for line in BufReader::new(output).lines() {
        let line = line.unwrap();
        match line.as_str() {
            "do produce" => chains.produce(),
            "do wait" => chains.wait(),
            "do check" => {
                let head = chains.l1.head().0;
                served.wait_for("/v1/status", |answer| {
                    answer.json()["policies"][0]["at"]["log"]["l1_head"]["block"] == head
                });
                let (status, out, err) = tally(&["audit", "live", "--log", &log, "--l1-rpc", &l1_url]);
                assert_eq!((status, err.as_str()), (0, ""), "{out}");
                checks += 1;
            }
            _ => {
                told.push(line);
                continue;
            }
        }
        writeln!(input, "done").unwrap();
    }
    let done = child.wait_with_output().unwrap();
    let failed = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "after {checks} checks:\n{}\n{failed}", told.join("\n"));
    assert_eq!(checks, 7);
}
