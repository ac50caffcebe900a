//! What a node of the simulation does wrong, drawn by the seed: from an endpoint that is *true* the whole log can be had
//! in the end, and of one that is not nothing has to be taken.

use fastrand::Rng;
use replay_node::{
    Amiss, BloomChange, Failure, HeaderChange, Kind, LogChange, Odd, On, ReceiptChange, Refusal,
    TransactionChange, When, Where,
};
use std::collections::BTreeSet;

/// A few ways to be odd, of a node that is true or is not.
pub(super) fn draw(rng: &mut Rng, is_true: bool) -> Vec<Odd> {
    let mut odd: Vec<Odd> = (0..rng.usize(1..=6)).map(|_| mild(rng)).collect();
    odd.extend((0..rng.usize(0..=4)).map(|_| passing(rng)));
    if !is_true {
        odd.extend((0..rng.usize(1..=3)).map(|_| lasting(rng)));
    }
    // Twice the same makes a third thing: a log that nobody asked for would come twice.
    let mut names = BTreeSet::new();
    odd.retain(|odd| names.insert(name_of(odd.kind)));
    // Without batches of four calls only the blooms tell whether a block of L1 has logs: all of its logs are compared with one.
    let has_batches = |odd: &Odd| !matches!(odd.kind, Kind::Batch { above: ..4, .. });
    let spoils_blooms = |odd: &Odd| matches!(odd.kind, Kind::Bloom(_) | Kind::Logs(_, LogChange::Unasked));
    if !odd.iter().all(has_batches) {
        odd.retain(|odd| odd.on == On::L2 || !spoils_blooms(odd));
    }
    odd
}

fn one<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

fn on(rng: &mut Rng) -> On {
    one(rng, &[On::L1, On::L2, On::Both, On::Both])
}

const PAGES: [Failure; 10] = [
    Failure::Status(500),
    Failure::Status(502),
    Failure::Status(503),
    Failure::Status(504),
    Failure::Status(400),
    Failure::Status(413),
    Failure::Html,
    Failure::Reset,
    Failure::Truncate,
    Failure::RpcError,
];

/// Words in which too much is refused, under a status.
const WORDS: [(u16, i64, &str); 10] = [
    (200, -32005, "too many requests in batch, limit 10"),
    (200, -32600, "invalid request"),
    (500, -32000, "batch too large"),
    (200, -32000, "context deadline exceeded"),
    (500, -32000, "block range is too wide"),
    (200, -32001, "Unable to complete request at this time."),
    (403, 35, "batch of more than 3 requests are not allowed on free tier"),
    (400, -32600, "Invalid Request"),
    (200, -32005, "limit exceeded"),
    (200, -32601, "method not found"),
];

/// How something too large is refused.
fn too_large(rng: &mut Rng) -> Refusal {
    if rng.bool() {
        return Refusal::Fails(one(rng, &PAGES));
    }
    let (status, code, words) = one(rng, &WORDS);
    Refusal::Words(status, code, words)
}

/// How a batch is taken ill.
fn amiss(rng: &mut Rng) -> Amiss {
    let (_, code, words) = one(rng, &WORDS);
    match rng.u8(0..12) {
        0 => Amiss::Each(code, words),
        1 => Amiss::ErrorOfFirst(code, words),
        2 => Amiss::ErrorOfNone(code, words),
        3 => Amiss::RestRefused(rng.usize(0..6), -32003, "response too large"),
        4 => Amiss::Answered(rng.usize(0..4)),
        5 => Amiss::FirstAlone,
        6 => Amiss::Null,
        7 => Amiss::Nothing,
        8 => Amiss::Renumbered,
        9 => Amiss::FirstTwice,
        _ => Amiss::Refused(too_large(rng)),
    }
}

/// What an endpoint may do each time, and the whole log can be had of it alone.
fn mild(rng: &mut Rng) -> Odd {
    let (kind, on) = match rng.u8(0..16) {
        0 | 1 => {
            let above = one(rng, &[1, 3, 7, 7, 12, 20, 40]);
            (Kind::Batch { above, amiss: amiss(rng) }, on(rng))
        }
        2 => (Kind::Batch { above: 1, amiss: Amiss::Reversed }, on(rng)),
        3 => (Kind::Range { above: rng.u64(20..2_000), refusal: too_large(rng) }, on(rng)),
        4 => {
            let (_, code, words) = one(rng, &WORDS);
            (Kind::RangeCall { above: rng.u64(20..2_000), code, words }, on(rng))
        }
        5 => (Kind::Hashes { above: rng.usize(1..12), refusal: too_large(rng) }, On::L1),
        6 => {
            let unknown = Kind::FinalizedError(-39001, "Unknown block");
            (one(rng, &[unknown, Kind::FinalizedNull, Kind::FinalizedZero]), On::L1)
        }
        7 | 8 => {
            let changes = [
                LogChange::ZeroTime,
                LogChange::NullTime,
                LogChange::NoTime,
                LogChange::RemovedNull,
                LogChange::NoRemoved,
                LogChange::Reversed,
                LogChange::Capitals,
            ];
            (Kind::Logs(Where::Both, one(rng, &changes)), on(rng))
        }
        9 => (Kind::Logs(Where::Lists, LogChange::Unasked), on(rng)),
        10 => {
            let changes = [BloomChange::Missing, BloomChange::Null, BloomChange::Short];
            (Kind::Bloom(one(rng, &changes)), On::L1)
        }
        11 => {
            let changes = [BloomChange::Missing, BloomChange::Short, BloomChange::Zeros, BloomChange::Ones];
            (Kind::Bloom(one(rng, &changes)), On::L2)
        }
        12 => (Kind::Header(HeaderChange::MoreFields), on(rng)),
        13 => (one(rng, &[Kind::ErrorNull, Kind::ResultNull, Kind::TextIds, Kind::NoVersion]), on(rng)),
        14 => (
            one(rng, &[Kind::Status(500), Kind::Status(403), Kind::PlainText, Kind::ChunkedAndClosed]),
            on(rng),
        ),
        _ => {
            let refused = |code, words| Kind::Call { method: "eth_call", code, words };
            (one(rng, &[refused(-32601, "method not found"), refused(-32000, "missing trie node")]), On::L1)
        }
    };
    let when = match rng.u8(0..4) {
        0 => When::First(rng.u64(1..20)),
        1 => When::Falls(rng.u64(2..6)),
        _ => When::Always,
    };
    Odd { kind, on, when }
}

/// What must never get into the log, and on which chains, and in how many chances it may come once.
fn rough(rng: &mut Rng) -> (Kind, On, u64) {
    match rng.u8(0..13) {
        0 | 1 => {
            let changes = [
                LogChange::WrongTime,
                LogChange::Removed,
                LogChange::RemovedTwin,
                LogChange::Unmined,
                LogChange::Twice,
                LogChange::CutData,
                LogChange::OtherBlock,
                LogChange::Null,
            ];
            (Kind::Logs(Where::Lists, one(rng, &changes)), on(rng), 8)
        }
        2 => {
            let changes = [LogChange::WrongTime, LogChange::Removed, LogChange::CutData];
            (Kind::Logs(Where::Both, one(rng, &changes)), on(rng), 20)
        }
        3 => {
            let changes = [LogChange::None, LogChange::Null, LogChange::CutData];
            (Kind::Logs(Where::Receipts, one(rng, &changes)), On::L1, 12)
        }
        4 => {
            let changes = [
                ReceiptChange::Null,
                ReceiptChange::MoreLogs,
                ReceiptChange::OtherBlock,
                ReceiptChange::OtherTransaction,
            ];
            (Kind::Receipt(one(rng, &changes)), On::L1, 12)
        }
        5 | 6 => {
            let changes = [
                HeaderChange::TimeFalls,
                HeaderChange::OneBefore,
                HeaderChange::OtherParent,
                HeaderChange::NoParent,
                HeaderChange::Null,
                HeaderChange::PlainNumber,
            ];
            (Kind::Header(one(rng, &changes)), on(rng), 150)
        }
        7 => {
            let changes = [
                TransactionChange::SeqV("0x1b"),
                TransactionChange::SeqV("0x8a3"),
                TransactionChange::SeqV("0x"),
                TransactionChange::HalfSigned,
                TransactionChange::Hashes,
                TransactionChange::None,
            ];
            (Kind::Transactions(one(rng, &changes)), On::L2, 200)
        }
        8 => (Kind::RangeCall { above: 0, code: -32000, words: "context deadline exceeded" }, on(rng), 5),
        9 => (Kind::Hashes { above: 0, refusal: too_large(rng) }, On::L1, 4),
        10 => {
            let slow = [Failure::RetryAfter(1), Failure::Silent, Failure::Giant];
            (Kind::Request { method: "", refusal: Refusal::Fails(one(rng, &slow)) }, on(rng), 120)
        }
        _ => (Kind::Request { method: "", refusal: too_large(rng) }, on(rng), 12),
    }
}

/// What an endpoint may do at first, or now and then: when it is asked again, it answers.
fn passing(rng: &mut Rng) -> Odd {
    let (kind, on, rarely) = rough(rng);
    let is_first = rng.bool() && rarely <= 20;
    let when = if is_first { When::First(rng.u64(1..4)) } else { When::Falls(rng.u64(rarely..3 * rarely)) };
    Odd { kind, on, when }
}

/// What makes an endpoint of no use, from some time on or always.
fn lasting(rng: &mut Rng) -> Odd {
    let (kind, on) = match rng.u8(0..9) {
        0 => {
            let changes = [
                TransactionChange::NotL2Geth,
                TransactionChange::Lacks("seqR"),
                TransactionChange::Lacks("seqV"),
                TransactionChange::NoNulls,
            ];
            (Kind::Transactions(one(rng, &changes)), On::L2)
        }
        1 => (Kind::Logs(Where::Lists, LogChange::None), on(rng)),
        2 => (Kind::Logs(Where::Both, LogChange::WrongTotal), On::L1),
        3 => {
            let methods = [
                "eth_getLogs",
                "eth_getTransactionReceipt",
                "eth_getTransactionByHash",
                "eth_getBlockByHash",
            ];
            let words = "the method does not exist/is not available";
            (Kind::Call { method: one(rng, &methods), code: -32601, words }, on(rng))
        }
        4 => {
            let page = Failure::Status(one(rng, &[401, 403, 404, 429, 500]));
            (Kind::Request { method: "", refusal: Refusal::Fails(page) }, on(rng))
        }
        _ => {
            let (kind, on, _) = rough(rng);
            (kind, on)
        }
    };
    // Who leaves out all logs of a final block now and then is seen by nothing (`docs/ingest.md`); always, by history.
    let is_empty = matches!(kind, Kind::Logs(Where::Lists, LogChange::None));
    let when = match rng.u8(0..4) {
        0 if !is_empty => When::After(rng.u64(1..200)),
        1 if !is_empty => When::Falls(2),
        _ => When::Always,
    };
    // Nobody waits for each answer of a node that never gives one.
    let is_silent =
        matches!(kind, Kind::Request { refusal: Refusal::Fails(Failure::Silent | Failure::Giant), .. });
    Odd { kind, on, when: if is_silent { When::Falls(60) } else { when } }
}

/// What a kind is called in the table of figures: its name and what it does, without numbers.
pub(super) fn name_of(kind: Kind) -> String {
    let text = format!("{kind:?}");
    let word = |text: &str| -> String { text.chars().take_while(char::is_ascii_alphanumeric).collect() };
    let first = word(&text);
    let more = match kind {
        Kind::Batch { amiss: Amiss::Refused(refusal), .. } => refused(refusal),
        Kind::Batch { amiss, .. } => word(&format!("{amiss:?}")),
        Kind::Range { refusal, .. } | Kind::Hashes { refusal, .. } | Kind::Request { refusal, .. } => {
            refused(refusal)
        }
        Kind::RangeCall { .. } => "Words".into(),
        Kind::Call { method, .. } => method.into(),
        Kind::Logs(place, change) => format!("{place:?} {}", word(&format!("{change:?}"))),
        Kind::Bloom(change) => word(&format!("{change:?}")),
        Kind::Header(change) => word(&format!("{change:?}")),
        Kind::Transactions(change) => word(&format!("{change:?}")),
        Kind::Receipt(change) => word(&format!("{change:?}")),
        Kind::Status(status) => status.to_string(),
        Kind::FinalizedError(..)
        | Kind::FinalizedNull
        | Kind::FinalizedZero
        | Kind::ErrorNull
        | Kind::ResultNull
        | Kind::NoVersion
        | Kind::TextIds
        | Kind::PlainText
        | Kind::ChunkedAndClosed
        | Kind::State(_) => String::new(),
    };
    format!("{first} {more}").trim_end().to_owned()
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Words(..) => "Words".into(),
        Refusal::Fails(Failure::Status(status)) => format!("Status {status}"),
        Refusal::Fails(failure) => format!("{failure:?}"),
    }
}
