//! The bytes on disk, pinned, and decoded by a second implementation of their format (wincode): the
//! way out of bincode, should it ever be needed, is open.

use alloy_primitives::{Address, B256, Bytes, U256};
use engine::{
    BatchId, Credit, L1Block, L1Record, L2Block, PoolEvent, SequencerId, SpanEvent, SpanId, SpanRecord,
    UnixTime, Wei,
};
use tally_eventlog::{
    OwnerRecord, decode_l1, decode_owner, decode_span, encode_l1, encode_owner, encode_span,
};
use wincode::SchemaRead;

/// A mirror of the stored L1 record, for wincode.
#[derive(SchemaRead, Debug, PartialEq)]
struct WireL1 {
    block: u64,
    block_hash: [u8; 32],
    timestamp: u64,
    transaction_hash: [u8; 32],
    log_index: u64,
    event: WirePoolEvent,
}

/// A mirror of the stored owner record.
#[derive(SchemaRead, Debug, PartialEq)]
struct WireOwner {
    block: u64,
    block_hash: [u8; 32],
    timestamp: u64,
    transaction_hash: [u8; 32],
    log_index: u64,
    contract: WireAddress,
    previous_owner: WireAddress,
    new_owner: WireAddress,
}

type WireAddress = [u8; 20];
type WireWei = [u8; 32];

#[derive(SchemaRead, Debug, PartialEq)]
enum WirePoolEvent {
    Locked {
        signer: WireAddress,
        sequencer: u64,
        nonce: u64,
        batch: u64,
        amount: WireWei,
        total: WireWei,
        pubkey: Vec<u8>,
    },
    Relocked {
        sequencer: u64,
        amount: WireWei,
        total: WireWei,
        from_reward: WireWei,
    },
    Withdraw {
        sequencer: u64,
        amount: WireWei,
    },
    LockUpdate {
        sequencer: u64,
        nonce: u64,
        new_amount: WireWei,
    },
    ClaimRewards {
        sequencer: u64,
        recipient: WireAddress,
        amount: WireWei,
        total: WireWei,
    },
    UnlockInit {
        user: WireAddress,
        sequencer: u64,
        nonce: u64,
        batch: u64,
        time: u64,
        claim_time: u64,
        amount: WireWei,
    },
    Unlocked {
        user: WireAddress,
        sequencer: u64,
        amount: WireWei,
        total: WireWei,
    },
    SignerChange {
        sequencer: u64,
        nonce: u64,
        old: WireAddress,
        new: WireAddress,
        pubkey: Vec<u8>,
    },
    BatchSubmitReward {
        batch: u64,
    },
    SetMinLock {
        wei: WireWei,
    },
    SetMaxLock {
        wei: WireWei,
    },
    SetRewardPayer {
        payer: WireAddress,
    },
    DistributeReward {
        batch: u64,
        start: u64,
        end: u64,
        amount: WireWei,
        rpb: WireWei,
        credits: Vec<(WireAddress, u64)>,
    },
    RewardUpdate {
        new: WireWei,
        old: WireWei,
    },
    WithrawDelayTimeChange {
        current: u64,
        previous: u64,
    },
    UpdateMpc {
        mpc: WireAddress,
    },
    SetSignerUpdateThrottle {
        batches: u64,
    },
    SetWhitelist {
        user: WireAddress,
        allowed: bool,
    },
    SequencerOwnerChanged {
        sequencer: u64,
        owner: WireAddress,
    },
    SequencerRewardRecipientChanged {
        sequencer: u64,
        recipient: WireAddress,
    },
    Paused {
        account: WireAddress,
    },
    Unpaused {
        account: WireAddress,
    },
    MetisTransfer {
        from: WireAddress,
        to: WireAddress,
        amount: WireWei,
    },
}

#[derive(SchemaRead, Debug, PartialEq)]
struct WireSpan {
    block: u64,
    block_hash: [u8; 32],
    transaction_hash: [u8; 32],
    log_index: u64,
    event: WireSpanEvent,
}

#[derive(SchemaRead, Debug, PartialEq)]
enum WireSpanEvent {
    NewEpoch { span: u64, start: u64, end: u64, signer: WireAddress },
    ReCommitEpoch { old: u64, new: u64, current: u64, start: u64, end: u64, signer: WireAddress },
    EpochUpdated { blocks: u64 },
    MpcAddressUpdated { mpc: WireAddress },
}

fn wincode_decode<'a, T>(bytes: &'a [u8]) -> T
where
    T: for<'de> wincode::SchemaRead<'de, WireConfig, Dst = T>,
{
    wincode::config::deserialize_exact(bytes, wire_config()).unwrap()
}

type WireConfig = wincode::config::Configuration<
    true,
    { wincode::config::DEFAULT_PREALLOCATION_SIZE_LIMIT },
    wincode::len::BincodeLen,
    wincode::int_encoding::LittleEndian,
    wincode::int_encoding::VarInt,
>;

fn wire_config() -> WireConfig {
    wincode::config::Configuration::default().with_varint_encoding()
}

fn wei(bytes: WireWei) -> Wei {
    Wei::new(U256::from_be_bytes(bytes))
}

impl From<WirePoolEvent> for PoolEvent {
    fn from(event: WirePoolEvent) -> Self {
        use WirePoolEvent as Wire;
        let at = Address::new;
        match event {
            Wire::Locked { signer, sequencer, nonce, batch, amount, total, pubkey } => Self::Locked {
                signer: at(signer),
                sequencer: SequencerId(sequencer),
                nonce,
                activation_batch: BatchId(batch),
                amount: wei(amount),
                total: wei(total),
                signer_pubkey: Bytes::from(pubkey),
            },
            Wire::Relocked { sequencer, amount, total, from_reward } => Self::Relocked {
                sequencer: SequencerId(sequencer),
                amount: wei(amount),
                total: wei(total),
                from_reward: wei(from_reward),
            },
            Wire::Withdraw { sequencer, amount } => {
                Self::Withdraw { sequencer: SequencerId(sequencer), amount: wei(amount) }
            }
            Wire::LockUpdate { sequencer, nonce, new_amount } => {
                Self::LockUpdate { sequencer: SequencerId(sequencer), nonce, new_amount: wei(new_amount) }
            }
            Wire::ClaimRewards { sequencer, recipient, amount, total } => Self::ClaimRewards {
                sequencer: SequencerId(sequencer),
                recipient: at(recipient),
                amount: wei(amount),
                total_amount: wei(total),
            },
            Wire::UnlockInit { user, sequencer, nonce, batch, time, claim_time, amount } => {
                Self::UnlockInit {
                    user: at(user),
                    sequencer: SequencerId(sequencer),
                    nonce,
                    deactivation_batch: BatchId(batch),
                    deactivation_time: UnixTime(time),
                    unlock_claim_time: UnixTime(claim_time),
                    amount: wei(amount),
                }
            }
            Wire::Unlocked { user, sequencer, amount, total } => Self::Unlocked {
                user: at(user),
                sequencer: SequencerId(sequencer),
                amount: wei(amount),
                total: wei(total),
            },
            Wire::SignerChange { sequencer, nonce, old, new, pubkey } => Self::SignerChange {
                sequencer: SequencerId(sequencer),
                nonce,
                old_signer: at(old),
                new_signer: at(new),
                signer_pubkey: Bytes::from(pubkey),
            },
            Wire::BatchSubmitReward { batch } => Self::BatchSubmitReward { new_batch: BatchId(batch) },
            Wire::SetMinLock { wei: bytes } => Self::SetMinLock { new_min_lock: wei(bytes) },
            Wire::SetMaxLock { wei: bytes } => Self::SetMaxLock { new_max_lock: wei(bytes) },
            Wire::SetRewardPayer { payer } => Self::SetRewardPayer { payer: at(payer) },
            Wire::DistributeReward { batch, start, end, amount, rpb, credits } => Self::DistributeReward {
                batch: BatchId(batch),
                start_span: SpanId(start),
                end_span: SpanId(end),
                amount: wei(amount),
                reward_per_block: wei(rpb),
                credits: credits
                    .into_iter()
                    .map(|(signer, blocks)| Credit { signer: at(signer), blocks })
                    .collect(),
            },
            Wire::RewardUpdate { new, old } => {
                Self::RewardUpdate { new_reward: wei(new), old_reward: wei(old) }
            }
            Wire::WithrawDelayTimeChange { current, previous } => {
                Self::WithrawDelayTimeChange { current_secs: current, previous_secs: previous }
            }
            Wire::UpdateMpc { mpc } => Self::UpdateMpc { new_mpc: at(mpc) },
            Wire::SetSignerUpdateThrottle { batches } => Self::SetSignerUpdateThrottle { batches },
            Wire::SetWhitelist { user, allowed } => Self::SetWhitelist { user: at(user), allowed },
            Wire::SequencerOwnerChanged { sequencer, owner } => {
                Self::SequencerOwnerChanged { sequencer: SequencerId(sequencer), owner: at(owner) }
            }
            Wire::SequencerRewardRecipientChanged { sequencer, recipient } => {
                Self::SequencerRewardRecipientChanged {
                    sequencer: SequencerId(sequencer),
                    recipient: at(recipient),
                }
            }
            Wire::Paused { account } => Self::Paused { account: at(account) },
            Wire::Unpaused { account } => Self::Unpaused { account: at(account) },
            Wire::MetisTransfer { from, to, amount } => {
                Self::MetisTransfer { from: at(from), to: at(to), amount: wei(amount) }
            }
        }
    }
}

impl From<WireSpanEvent> for SpanEvent {
    fn from(event: WireSpanEvent) -> Self {
        match event {
            WireSpanEvent::NewEpoch { span, start, end, signer } => Self::NewEpoch {
                span: SpanId(span),
                start: L2Block(start),
                end: L2Block(end),
                signer: Address::new(signer),
            },
            WireSpanEvent::ReCommitEpoch { old, new, current, start, end, signer } => Self::ReCommitEpoch {
                old_span: SpanId(old),
                new_span: SpanId(new),
                current_span: SpanId(current),
                start: L2Block(start),
                end: L2Block(end),
                new_signer: Address::new(signer),
            },
            WireSpanEvent::EpochUpdated { blocks } => Self::EpochUpdated { new_length_blocks: blocks },
            WireSpanEvent::MpcAddressUpdated { mpc } => {
                Self::MpcAddressUpdated { new_mpc: Address::new(mpc) }
            }
        }
    }
}

/// One event of each kind, with numbers of every width that the format knows.
fn pool_events() -> Vec<PoolEvent> {
    let at = Address::repeat_byte;
    let wei = |value: u64| Wei::new(U256::from(value));
    let sequencer = SequencerId(5);
    let pubkey = Bytes::from(vec![0x9c; 64]);
    vec![
        PoolEvent::Locked {
            signer: at(1),
            sequencer,
            nonce: 1,
            activation_batch: BatchId(300),
            amount: wei(20_000),
            total: Wei::new(U256::MAX),
            signer_pubkey: pubkey.clone(),
        },
        PoolEvent::Relocked { sequencer, amount: wei(7), total: wei(20_007), from_reward: wei(3) },
        PoolEvent::Withdraw { sequencer, amount: wei(1) },
        PoolEvent::LockUpdate { sequencer, nonce: 250, new_amount: wei(20_006) },
        PoolEvent::ClaimRewards { sequencer, recipient: at(2), amount: wei(0), total_amount: wei(9) },
        PoolEvent::UnlockInit {
            user: at(1),
            sequencer,
            nonce: 251,
            deactivation_batch: BatchId(70_000),
            deactivation_time: UnixTime(1_700_000_000),
            unlock_claim_time: UnixTime(u64::from(u32::MAX) + 1),
            amount: wei(0),
        },
        PoolEvent::Unlocked { user: at(3), sequencer, amount: wei(20_006), total: wei(0) },
        PoolEvent::SignerChange {
            sequencer,
            nonce: 3,
            old_signer: at(1),
            new_signer: at(4),
            signer_pubkey: pubkey,
        },
        PoolEvent::BatchSubmitReward { new_batch: BatchId(2) },
        PoolEvent::SetMinLock { new_min_lock: wei(1) },
        PoolEvent::SetMaxLock { new_max_lock: wei(2) },
        PoolEvent::SetRewardPayer { payer: at(5) },
        PoolEvent::DistributeReward {
            batch: BatchId(2),
            start_span: SpanId(1),
            end_span: SpanId(193),
            amount: wei(12),
            reward_per_block: wei(4),
            credits: vec![Credit { signer: at(1), blocks: 3 }, Credit { signer: at(4), blocks: 0 }],
        },
        PoolEvent::RewardUpdate { new_reward: wei(6), old_reward: wei(4) },
        PoolEvent::WithrawDelayTimeChange { current_secs: 2_400, previous_secs: 1_814_400 },
        PoolEvent::UpdateMpc { new_mpc: at(6) },
        PoolEvent::SetSignerUpdateThrottle { batches: 1 },
        PoolEvent::SetWhitelist { user: at(7), allowed: true },
        PoolEvent::SequencerOwnerChanged { sequencer, owner: at(8) },
        PoolEvent::SequencerRewardRecipientChanged { sequencer, recipient: at(9) },
        PoolEvent::Paused { account: at(10) },
        PoolEvent::Unpaused { account: at(11) },
        PoolEvent::MetisTransfer { from: at(12), to: at(13), amount: wei(7) },
    ]
}

fn span_events() -> Vec<SpanEvent> {
    let signer = Address::repeat_byte(1);
    vec![
        SpanEvent::NewEpoch { span: SpanId(0), start: L2Block(15_214_531), end: L2Block(15_215_530), signer },
        SpanEvent::ReCommitEpoch {
            old_span: SpanId(6),
            new_span: SpanId(7),
            current_span: SpanId(7),
            start: L2Block(1_275),
            end: L2Block(1_301),
            new_signer: signer,
        },
        SpanEvent::EpochUpdated { new_length_blocks: 200 },
        SpanEvent::MpcAddressUpdated { new_mpc: signer },
    ]
}

fn l1_record(event: PoolEvent) -> L1Record {
    L1Record {
        block: L1Block(19_424_665),
        block_hash: B256::repeat_byte(0xb1),
        timestamp: UnixTime(1_710_374_412),
        transaction_hash: B256::repeat_byte(0x7a),
        log_index: 251,
        event,
    }
}

fn owner_record() -> OwnerRecord {
    OwnerRecord {
        block: L1Block(19_424_665),
        block_hash: B256::repeat_byte(0xb1),
        timestamp: UnixTime(1_710_374_412),
        transaction_hash: B256::repeat_byte(0x7a),
        log_index: 251,
        contract: Address::repeat_byte(1),
        previous_owner: Address::repeat_byte(2),
        new_owner: Address::repeat_byte(3),
    }
}

fn span_record(event: SpanEvent) -> SpanRecord {
    SpanRecord {
        block: L2Block(15_214_334),
        block_hash: B256::repeat_byte(0xb2),
        transaction_hash: B256::repeat_byte(0x7b),
        log_index: 0,
        event,
    }
}

/// The pinned bytes: a name and hexadecimal digits a line. What is written today has to be read, and
/// hashed the same, for ever; a change of this file is a new format.
const GOLDEN: &str = include_str!("golden.txt");

#[test]
fn the_bytes_of_every_kind_of_record_are_pinned() {
    let mut written = String::new();
    for event in pool_events() {
        let name = event.name();
        let bytes = encode_l1(&l1_record(event)).unwrap();
        written += &format!("{name} {}\n", alloy_primitives::hex::encode(bytes));
    }
    for event in span_events() {
        let name = format!("{event:?}").split(' ').next().unwrap().to_owned();
        let bytes = encode_span(&span_record(event)).unwrap();
        written += &format!("{name} {}\n", alloy_primitives::hex::encode(bytes));
    }
    let bytes = encode_owner(&owner_record()).unwrap();
    written += &format!("OwnershipTransferred {}\n", alloy_primitives::hex::encode(bytes));
    for (written, golden) in written.lines().zip(GOLDEN.lines()) {
        assert_eq!(written, golden);
    }
    assert_eq!(written, GOLDEN, "{written}");
}

#[test]
fn a_maintained_implementation_decodes_the_same_records() {
    for event in pool_events() {
        let record = l1_record(event);
        let bytes = encode_l1(&record).unwrap();
        let wire: WireL1 = wincode_decode(&bytes);
        let decoded = L1Record {
            block: L1Block(wire.block),
            block_hash: B256::new(wire.block_hash),
            timestamp: UnixTime(wire.timestamp),
            transaction_hash: B256::new(wire.transaction_hash),
            log_index: wire.log_index,
            event: wire.event.into(),
        };
        assert_eq!(decoded, record);
        assert_eq!(decode_l1("golden", &bytes).unwrap(), record);
    }
    for event in span_events() {
        let record = span_record(event);
        let bytes = encode_span(&record).unwrap();
        let wire: WireSpan = wincode_decode(&bytes);
        let decoded = SpanRecord {
            block: L2Block(wire.block),
            block_hash: B256::new(wire.block_hash),
            transaction_hash: B256::new(wire.transaction_hash),
            log_index: wire.log_index,
            event: wire.event.into(),
        };
        assert_eq!(decoded, record);
        assert_eq!(decode_span("golden", &bytes).unwrap(), record);
    }
    let record = owner_record();
    let bytes = encode_owner(&record).unwrap();
    let wire: WireOwner = wincode_decode(&bytes);
    let decoded = OwnerRecord {
        block: L1Block(wire.block),
        block_hash: B256::new(wire.block_hash),
        timestamp: UnixTime(wire.timestamp),
        transaction_hash: B256::new(wire.transaction_hash),
        log_index: wire.log_index,
        contract: Address::new(wire.contract),
        previous_owner: Address::new(wire.previous_owner),
        new_owner: Address::new(wire.new_owner),
    };
    assert_eq!(decoded, record);
    assert_eq!(decode_owner("golden", &bytes).unwrap(), record);
}

/// A chunk of each encoding: header, producers and times, pinned.
#[test]
fn the_bytes_of_chunks_are_pinned() {
    let block = |number: u64, signer: u8, time: u64| tally_eventlog::ProducedBlock {
        number: L2Block(number),
        hash: B256::from(U256::from(number)),
        parent_hash: B256::from(U256::from(number - 1)),
        timestamp: UnixTime(time),
        signer: (signer > 0).then(|| Address::repeat_byte(signer)),
    };
    let signers = [(0, 20), (1, 30), (2, 30)].into_iter().flat_map(|(signer, blocks)| vec![signer; blocks]);
    let runs: Vec<(u8, u64)> = signers.zip((100..).step_by(2)).collect();
    let packed = vec![(1, 100), (2, 103), (1, 103), (0, 110), (2, 111), (1, 119), (2, 120), (1, 125)];
    let hex = |bytes: &[u8]| alloy_primitives::hex::encode(bytes);
    let columns = [runs, packed].map(|blocks| {
        let blocks = (7_u64..).zip(blocks).map(|(number, (signer, time))| block(number, signer, time));
        let (chunks, _) = tally_eventlog::encode_chunks(L2Block(7), blocks).unwrap();
        assert_eq!(chunks.len(), 1);
        (hex(&chunks[0].producers), hex(&chunks[0].times), chunks[0].header.clone())
    });
    let [(producers, times, header), (packed_producers, packed_times, packed_header)] = columns;
    // 80 blocks, 20 of them unsigned; three runs of (code, length): 0 × 20, 1 × 30, 2 × 30. From 100 on in
    // steps of 2, of 80 blocks, in no bits.
    assert_eq!(producers, ["5000", "1400", "00", "00001400", "01001e00", "02001e00"].concat());
    assert_eq!(times, ["6400000000000000", "0200000000000000", "5000", "00"].concat());
    // 8 blocks, one of them unsigned; codes of 2 bits: 1 2 1 0, 2 1 2 1. Steps 3 0 7 1 8 1 5 in 4 bits.
    assert_eq!(packed_producers, ["0800", "0100", "02", "1966"].concat());
    assert_eq!(packed_times, ["6400000000000000", "0000000000000000", "0800", "04", "03171805"].concat());
    assert_eq!((header.unsigned, header.signers, header.blocks), (20, 2, 80));
    assert_eq!(packed_header.last_time, UnixTime(125));
}

/// The digests of the fixtures' logs and of the published policies' ledgers on them. If one of them
/// moves, so has the format, the decoding or the money.
#[test]
fn digests_of_the_fixtures_are_pinned() {
    let mut found = String::new();
    for name in crate::support::RECORDINGS {
        let (_dir, log) = crate::support::ingested(name);
        found += &format!("{name} {}\n", log.head_digest().unwrap());
        let policies = engine::BUILT_IN.map(|(name, _)| engine::Policy::built_in(name).unwrap());
        for replayed in tally_replay::replay(&log, &policies, tally_replay::ReplayOptions::default()).unwrap()
        {
            found += &format!("{name} {} {}\n", replayed.policy.name(), replayed.ledger.root);
        }
    }
    assert_eq!(found, include_str!("digests.txt"), "{found}");
}

#[test]
fn bytes_that_are_not_exactly_one_record_are_errors() {
    for event in pool_events() {
        let bytes = encode_l1(&l1_record(event)).unwrap();
        for cut in 0..bytes.len() {
            decode_l1("cut", &bytes[..cut]).unwrap_err();
        }
        let longer = [&bytes[..], &[0]].concat();
        let error = decode_l1("L1 block 7", &longer).unwrap_err().to_string();
        assert!(error.starts_with("the log is damaged at L1 block 7: 1 bytes follow"), "{error}");
    }
}
