//! Members' calls, prepared anew before each that the recordings have, against what the contracts did with it.

use super::cut::Cut;
use super::{json_of, keys, output_of};
use crate::support::{fixture, ingested, tally};
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, U256};
use engine::{PoolEvent, PoolState, SequencerId, UnixTime, Wei};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use tally_claims::{
    CallChangeKind, CallValue, MemberAction, MemberBasis, MemberCall, Sending, Verdict, member_call,
};
use tally_eventlog::{L1Head, LogReader, LogView};

pub(super) mod call {
    alloy::sol! {
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
    }
}

/// The lines of a recording's file.
fn lines(recording: &str, file: &str) -> Vec<Value> {
    let file = File::open(fixture(recording).join(file)).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// What a call was to do, and with how much gas on L2; `None` for a call of another kind. The owner of one that joins is who
/// sent it.
fn action_of(input: &Bytes, owner: Address) -> Option<(MemberAction, u32)> {
    let id = |id: U256| SequencerId(id.to());
    let gas = Sending::L2_GAS;
    macro_rules! decoded {
        ($call:ident) => {
            call::$call::abi_decode(input)
        };
    }
    Some(if let Ok(call) = decoded!(lockForCall) {
        let (signer, pubkey, amount) = (call.signer, call.pubkey, Wei::new(call.amount));
        (MemberAction::Join { owner, signer, pubkey, amount, recipient: None }, gas)
    } else if let Ok(call) = decoded!(lockWithRewardRecipientCall) {
        let (signer, pubkey, amount) = (call.signer, call.pubkey, Wei::new(call.amount));
        (MemberAction::Join { owner, signer, pubkey, amount, recipient: Some(call.recipient) }, gas)
    } else if let Ok(call) = decoded!(relockCall) {
        let (sequencer, amount, with_rewards) = (id(call.id), Wei::new(call.amount), call.lockReward);
        (MemberAction::Increase { sequencer, amount, with_rewards }, gas)
    } else if let Ok(call) = decoded!(withdrawCall) {
        (MemberAction::Withdraw { sequencer: id(call.id), amount: Wei::new(call.amount) }, gas)
    } else if let Ok(call) = decoded!(withdrawRewardsCall) {
        (MemberAction::Claim { sequencer: id(call.id) }, call.l2Gas)
    } else if let Ok(call) = decoded!(unlockCall) {
        (MemberAction::Unlock { sequencer: id(call.id) }, call.l2Gas)
    } else if let Ok(call) = decoded!(unlockClaimCall) {
        (MemberAction::Finish { sequencer: id(call.id) }, call.l2Gas)
    } else if let Ok(call) = decoded!(setSequencerRewardRecipientCall) {
        (MemberAction::Recipient { sequencer: id(call.id), recipient: call.recipient }, gas)
    } else if let Ok(call) = decoded!(setSequencerOwnerCall) {
        (MemberAction::Owner { sequencer: id(call.id), owner: call.owner }, gas)
    } else {
        let call = decoded!(updateSignerCall).ok()?;
        (MemberAction::Signer { sequencer: id(call.id), pubkey: call.pubkey }, gas)
    })
}

/// The failing conditions of a call, as words.
pub(super) fn failing(made: &MemberCall) -> Vec<&'static str> {
    let failing = made.conditions.iter().filter(|condition| condition.verdict == Verdict::Fails);
    failing.map(|condition| condition.kind.code()).collect()
}

/// What the transaction really did, from its records and the contracts' state after it.
struct Done {
    pool: PoolState,
    /// METIS from the owner to the escrow, back, and paid to the recipient on L2.
    moved: [Wei; 3],
}

impl Done {
    fn by(log: &LogReader, transaction: B256, owner: Address) -> Self {
        let records = log.l1_records().unwrap();
        let last = records.iter().rposition(|record| record.transaction_hash == transaction).unwrap();
        let mut pool = PoolState::new(&log.identity().genesis);
        let mut moved = [Wei::ZERO; 3];
        let mut add = |index: usize, amount: &Wei| moved[index] = moved[index].checked_add(*amount).unwrap();
        let escrow = log.identity().locking_info;
        for record in &records[..=last] {
            pool.apply(record).unwrap();
            if record.transaction_hash == transaction {
                match &record.event {
                    PoolEvent::MetisTransfer { from, to, amount } if (*from, *to) == (owner, escrow) => {
                        add(0, amount);
                    }
                    PoolEvent::MetisTransfer { from, to, amount } if (*from, *to) == (escrow, owner) => {
                        add(1, amount);
                    }
                    PoolEvent::ClaimRewards { amount, .. } => add(2, amount),
                    _ => {}
                }
            }
        }
        Self { pool, moved }
    }

    fn check(&self, made: &MemberCall, place: &str) {
        let state = &self.pool.sequencers[&made.sequencer];
        let [taken, returned, paid_out] = self.moved;
        for change in &made.changes {
            let found = match change.kind {
                CallChangeKind::Status => CallValue::Status(state.status),
                CallChangeKind::Stake => CallValue::Metis(state.amount),
                CallChangeKind::Unclaimed => CallValue::Metis(state.reward),
                CallChangeKind::Taken => CallValue::Metis(taken),
                CallChangeKind::Returned => CallValue::Metis(returned),
                CallChangeKind::PaidOut => CallValue::Metis(paid_out),
                CallChangeKind::Recipient => CallValue::Address(state.reward_recipient),
                CallChangeKind::Owner => CallValue::Address(state.owner),
                CallChangeKind::Signer => CallValue::Address(state.signer),
            };
            assert_eq!(change.after, found, "{place}: {:?}", change.kind);
        }
        // And nothing else moved.
        for (kind, amount) in [
            (CallChangeKind::Taken, taken),
            (CallChangeKind::Returned, returned),
            (CallChangeKind::PaidOut, paid_out),
        ] {
            let is_told = made.changes.iter().any(|change| change.kind == kind);
            assert!(is_told || amount.is_zero(), "{place}: {kind:?}");
        }
        if matches!(made.action, MemberAction::Unlock { .. }) {
            assert_eq!(made.stake_free_at, Some(state.unlock_claim_time), "{place}");
        }
    }
}

/// The story: owners make their calls, and the contracts take them. Before each of them the log says that nothing is against
/// it, the call is the very same bytes, and what it is said to do is what it did.
#[test]
fn each_call_that_was_taken_is_prepared_as_it_was_sent_and_does_what_is_said() {
    for (name, expected) in [
        (
            "small-a",
            "claim 12, finish 3, increase 19, join 8, owner 1, recipient 8, signer 2, unlock 3, withdraw 11",
        ),
        (
            "pool-a",
            "claim 59, finish 4, increase 60, join 12, owner 2, recipient 14, signer 4, unlock 4, withdraw 21",
        ),
    ] {
        let (_dir, log) = ingested(name);
        let records = log.l1_records().unwrap();
        let mut taken: BTreeMap<&str, u64> = BTreeMap::new();
        for sent in lines(name, "l1_txs.jsonl.gz") {
            let input: Bytes = serde_json::from_value(sent["input"].clone()).unwrap();
            let transaction: B256 = serde_json::from_value(sent["hash"].clone()).unwrap();
            // A stranger's contracts take the same calls, and approvals and transfers are no calls of the pool.
            if !records.iter().any(|record| record.transaction_hash == transaction) {
                continue;
            }
            let owner = records.iter().find_map(|record| match record.event {
                PoolEvent::SequencerOwnerChanged { owner, .. } if record.transaction_hash == transaction => {
                    Some(owner)
                }
                _ => None,
            });
            let Some((action, l2_gas)) = action_of(&input, owner.unwrap_or_default()) else { continue };
            let place = format!("{name}, {transaction}: {action:?}");
            let sender: Option<Address> = serde_json::from_value(sent["from"].clone()).unwrap();
            let basis = MemberBasis::of(&Cut::just_before(&log, transaction)).unwrap();
            let made = member_call(&basis, action, Sending { sender, eth: None, l2_gas }).unwrap();
            assert_eq!(failing(&made), [""; 0], "{place}");
            assert_eq!(made.call.calldata, input, "{place}");
            if let Some(sender) = sender {
                assert_eq!(made.call.sender, Some(sender), "{place}");
            }
            Done::by(&log, transaction, made.call.sender.unwrap()).check(&made, &place);
            *taken.entry(made.action.code()).or_default() += 1;
        }
        let taken: Vec<String> = taken.iter().map(|(code, count)| format!("{code} {count}")).collect();
        assert_eq!(taken.join(", "), expected, "{name}");
    }
}

/// And of each that the contracts reverted, the log says which condition did not hold.
#[test]
fn each_call_that_was_reverted_is_refused_with_its_reason() {
    for (name, expected) in [("small-a", &SMALL_A_REVERTED[..]), ("pool-a", &POOL_A_REVERTED)] {
        let (_dir, log) = ingested(name);
        let mut found = Vec::new();
        for sent in lines(name, "l1_failed_txs.jsonl.gz") {
            let text = |field: &str| serde_json::from_value(sent[field].clone()).unwrap();
            let input: Bytes = serde_json::from_value(sent["input"].clone()).unwrap();
            let sender: Address = serde_json::from_value(sent["from"].clone()).unwrap();
            let Some((action, l2_gas)) = action_of(&input, sender) else { continue };
            let mut cut = Cut::of(&log);
            let block = engine::L1Block(quantity(&sent["blockNumber"]));
            cut.l1.retain(|record| record.block < block);
            let timestamp = UnixTime(quantity(&sent["blockTimestamp"]));
            cut.heads.l1 = Some(L1Head { block, hash: text("blockHash"), timestamp });
            let basis = MemberBasis::of(&cut).unwrap();
            let made =
                member_call(&basis, action, Sending { sender: Some(sender), eth: None, l2_gas }).unwrap();
            assert_eq!(made.call.calldata, input);
            assert_eq!(made.is_possible(), Some(false), "{name}, block {block}: {:?}", made.action);
            found.push(format!("{block} {} {}", made.action.code(), failing(&made).join(" ")));
        }
        assert_eq!(found, expected, "{name}");
    }
}

/// Block, call and the conditions that do not hold.
const SMALL_A_REVERTED: [&str; 9] = [
    "20212984 unlock recipient_is_set",
    "20219056 increase amount_not_zero",
    "20219133 join stake_at_least_min",
    "20219230 increase stake_at_most_max",
    "20219669 finish exit_delay_over",
    "20220173 withdraw later_batch",
    "20220376 signer signer_is_new",
    "20220451 finish exit_delay_over",
    "20220911 finish exit_delay_over",
];
const POOL_A_REVERTED: [&str; 10] = [
    "19430019 unlock recipient_is_set",
    "19430448 increase amount_not_zero",
    "19430642 join stake_at_least_min",
    "19430949 increase stake_at_most_max",
    "19432248 finish exit_delay_over",
    "19433096 signer signer_is_new",
    "19433570 withdraw later_batch",
    "19434105 finish exit_delay_over",
    "19435289 finish exit_delay_over",
    "19436148 finish exit_delay_over",
];

/// So much METIS, in wei.
pub(super) fn metis(amount: u64) -> Wei {
    Wei::new(U256::from(amount) * U256::from(10).pow(U256::from(18)))
}

/// The command says the same as the library, finds a sequencer by whatever it is known by, and writes a file for a wallet
/// that makes the approval and the call together.
#[test]
fn the_command_prepares_calls_for_wallets() {
    let (dir, log) = ingested("pool-a");
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (log_dir, safe, registry) = (path(""), path("safe.json"), path("names.json"));
    let state = json_of(&["state", "--log", &log_dir]);
    let of = |member: &str| state["sequencers"]["7"][member].as_str().unwrap().to_owned();
    let entry =
        serde_json::json!([{ "name": "Seven Seas", "address": of("owner"), "seq_addr": of("signer") }]);
    std::fs::write(&registry, entry.to_string()).unwrap();
    let increase = |sequencer: &str| {
        let args =
            ["claims", "call", "increase", "--log", &log_dir, "--sequencer", sequencer, "--amount", "10000"];
        json_of(&[&args[..], &["--registry", &registry, "--safe", &safe]].concat())
    };
    let made = increase("7");
    for other in [of("owner"), of("signer"), of("rewardRecipient"), "seven seas".into()] {
        assert_eq!(increase(&other), made, "{other}");
    }
    let basis = MemberBasis::of(&log).unwrap();
    let (sequencer, amount) = (SequencerId(7), metis(10_000));
    let action = MemberAction::Increase { sequencer, amount, with_rewards: false };
    let of_library = member_call(&basis, action, Sending::default()).unwrap();
    assert_eq!(made["call"]["calldata"], of_library.call.calldata.to_string());
    assert_eq!(made["is_possible"], Value::Null);
    let conditions = made["conditions"].as_array().unwrap().iter();
    let conditions: Vec<_> = conditions.map(|it| it["condition"].as_str().unwrap()).collect();
    assert_eq!(conditions, of_library.conditions.iter().map(|it| it.kind.code()).collect::<Vec<_>>());
    assert_eq!(
        keys(&made["approval"]),
        ["chain_id", "contract", "sender", "function", "calldata", "value_wei", "arguments"]
    );
    let file: Value = serde_json::from_slice(&std::fs::read(&safe).unwrap()).unwrap();
    let [approve, relock] = &file["transactions"].as_array().unwrap()[..] else { panic!("{file}") };
    assert_eq!(approve["data"], made["approval"]["calldata"]);
    assert_eq!(relock["data"], made["call"]["calldata"]);
    let to = |transaction: &Value| transaction["to"].as_str().unwrap().to_lowercase();
    assert_eq!(to(approve), made["approval"]["contract"].as_str().unwrap());
    assert_eq!(to(relock), made["call"]["contract"].as_str().unwrap());
    assert_eq!(file["meta"]["createdFromSafeAddress"].as_str().unwrap().to_lowercase(), of("owner"));

    // A wallet's file says how much ETH goes along, so that has to be given.
    let claim = ["claims", "call", "claim", "--log", &log_dir, "--sequencer", "7", "--safe", &safe];
    let (status, _, err) = tally(&claim);
    assert!(status == 2 && err.contains("--safe needs --eth"), "{err}");
    output_of(&[&claim[..], &["--eth", "0.005"]].concat());
    let file: Value = serde_json::from_slice(&std::fs::read(&safe).unwrap()).unwrap();
    let [sent] = &file["transactions"].as_array().unwrap()[..] else { panic!("{file}") };
    assert_eq!(
        (&sent["value"], &sent["contractMethod"]["payable"]),
        (&"5000000000000000".into(), &true.into())
    );

    // What has no place in a call is refused, and what it needs is asked for.
    let call = |args: &str| {
        tally(
            &["claims", "call"]
                .into_iter()
                .chain(args.split(' '))
                .chain(["--log", &log_dir])
                .collect::<Vec<_>>(),
        )
    };
    for (args, why) in [
        (
            "claim --sequencer 7 --recipient 0x0000000000000000000000000000000000000009",
            "claim takes no --recipient: rewards go to",
        ),
        ("withdraw --sequencer 7", "withdraw needs --amount"),
        ("increase --sequencer 7", "increase needs --amount, or --with-rewards"),
        ("claim", "claim needs --sequencer"),
        (
            "recipient --sequencer 7 --eth 1 --recipient 0x0000000000000000000000000000000000000009",
            "--eth: setSequencerRewardRecipient takes no ETH",
        ),
        (
            "withdraw --sequencer 7 --amount 1 --eth 0",
            "withdraw takes no --eth: only claim, unlock and finish",
        ),
        ("withdraw --sequencer 7 --amount 1 --l2-gas 1", "withdraw takes no --l2-gas: only claim"),
        ("claim --sequencer 7 --eth 0,005", "it has a comma"),
        ("join --sequencer 7", "join takes no --sequencer"),
        ("join --amount 20000 --pubkey 0x00", "a public key has 64 bytes"),
        ("steal", "invalid value 'steal'"),
    ] {
        let (status, _, err) = call(args);
        assert!(status == 2 && err.contains(why), "{args}: {err}");
    }
    let (status, out, err) = call("increase --sequencer 7 --with-rewards");
    assert!(status == 0 && out.contains("all of its unclaimed rewards"), "{out}{err}");

    // A call that would be refused is written, and that is told.
    let withdraw = ["claims", "call", "withdraw", "--log", &log_dir, "--sequencer", "7", "--amount", "90000"];
    let (status, out, err) = tally(&[&withdraw[..], &["--safe", &safe]].concat());
    assert!(status == 0 && out.contains("REFUSES") && err.contains("would refuse"), "{out}{err}");
    for (asked, why) in [
        ("13", "no sequencer is \"13\": the log knows the ids 1 to 12, and no names"),
        ("nobody", "no sequencer is \"nobody\""),
        ("0x0000000000000000000000000000000000000009", "no sequencer is"),
    ] {
        let (status, _, err) = tally(&["claims", "call", "claim", "--log", &log_dir, "--sequencer", asked]);
        assert!(status == 2 && err.contains(why), "{asked}: {err}");
    }
}
