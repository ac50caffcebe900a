//! The ways in which nodes, and what stands before them, are odd.

use crate::odd_answers;
use crate::options::Failure;
use alloy_primitives::keccak256;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that a node does wrong, or otherwise than most.
#[derive(Clone, Copy, Debug)]
pub struct Odd {
    /// What it does.
    pub kind: Kind,
    /// On which chain.
    pub on: On,
    /// Which of the times that it could.
    pub when: When,
}

impl Odd {
    /// Always, on both chains.
    pub fn always(kind: Kind) -> Self {
        Self { kind, on: On::Both, when: When::Always }
    }
}

/// The chains that something is odd on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// L1 alone.
    L1,
    /// L2 alone.
    L2,
    /// Each of them.
    Both,
}

/// Which of the times that a node could be odd it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Each.
    Always,
    /// So many at first.
    First(u64),
    /// All but so many at first.
    After(u64),
    /// Each so-manieth.
    Every(u64),
    /// One of so many, as it falls, and the same in each run.
    Falls(u64),
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request of more than so many calls is not answered as it should be.
    Batch {
        /// So many are answered well.
        above: usize,
        /// How more are answered.
        amiss: Amiss,
    },
    /// A request for the logs of more than so many blocks at once fails as a whole.
    Range {
        /// So many blocks are well.
        above: u64,
        /// How it fails.
        refusal: Refusal,
    },
    /// Of such a request only the call for the logs is refused, with a code and words. `{above}` in them is the number.
    RangeCall {
        /// So many blocks are well.
        above: u64,
        /// The error's code.
        code: i64,
        /// The error's message.
        words: &'static str,
    },
    /// A request for the logs of more than so many blocks by their hashes fails as a whole.
    Hashes {
        /// So many blocks are well.
        above: usize,
        /// How it fails.
        refusal: Refusal,
    },
    /// A request with a call of this method fails as a whole; without a name, any request.
    Request {
        /// The method that is called.
        method: &'static str,
        /// How it fails.
        refusal: Refusal,
    },
    /// Each call of this method is refused.
    Call {
        /// The method that is called.
        method: &'static str,
        /// The error's code.
        code: i64,
        /// The error's message.
        words: &'static str,
    },
    /// The tag `finalized` is answered with an error.
    FinalizedError(i64, &'static str),
    /// It is answered with `null`.
    FinalizedNull,
    /// It is answered with the header of block 0.
    FinalizedZero,
    /// The logs that it gives are not as they should be.
    Logs(Where, LogChange),
    /// The blooms of blocks are not.
    Bloom(BloomChange),
    /// Other fields of blocks are not.
    Header(HeaderChange),
    /// The transactions in the blocks of L2 are not.
    Transactions(TransactionChange),
    /// Receipts are not, beside their logs.
    Receipt(ReceiptChange),
    /// Beside each result there is `"error": null`.
    ErrorNull,
    /// Beside each error there is `"result": null`.
    ResultNull,
    /// Answers do not say of which version of JSON-RPC they are.
    NoVersion,
    /// The ids of answers are texts.
    TextIds,
    /// Answers come with this HTTP status.
    Status(u16),
    /// Answers come as plain text, after white space.
    PlainText,
    /// Answers come in chunks, and each ends the connection.
    ChunkedAndClosed,
    /// A contract's answer ends in another digit, where this function is called: its signature.
    State(&'static str),
}

/// How a request of several calls is answered amiss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amiss {
    /// It fails as a whole.
    Refused(Refusal),
    /// Each call is refused.
    Each(i64, &'static str),
    /// A list with one error, of the first call.
    ErrorOfFirst(i64, &'static str),
    /// A list with one error, of no call.
    ErrorOfNone(i64, &'static str),
    /// So many calls are answered, and the rest is refused.
    RestRefused(usize, i64, &'static str),
    /// So many calls are answered, and of the rest nothing is said.
    Answered(usize),
    /// The answer of the first call, and no list.
    FirstAlone,
    /// It is `null`.
    Null,
    /// A body of no bytes.
    Nothing,
    /// All answers, the last one first.
    Reversed,
    /// All answers with other ids: those that the calls would have, were they counted from 1.
    Renumbered,
    /// All answers, and the first once more.
    FirstTwice,
}

/// How a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// With an error of JSON-RPC under this HTTP status: its code and message. In a request of several calls it is of
    /// none of them.
    Words(u16, i64, &'static str),
    /// In another way.
    Fails(Failure),
}

/// Which logs are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Those of `eth_getLogs`.
    Lists,
    /// Those in receipts.
    Receipts,
    /// All.
    Both,
}

/// What is wrong with logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogChange {
    /// Each is of time 0.
    ZeroTime,
    /// Their times are null.
    NullTime,
    /// They have no times.
    NoTime,
    /// Each is of a second that is not its block's.
    WrongTime,
    /// Each is said to be removed.
    Removed,
    /// Beside each there is one like it that is said to be removed, of another branch.
    RemovedTwin,
    /// Whether they are removed is null.
    RemovedNull,
    /// Whether they are removed is not said.
    NoRemoved,
    /// The last comes first.
    Reversed,
    /// Each comes twice.
    Twice,
    /// Their data lacks its last byte.
    CutData,
    /// Their hashes and data are in capitals.
    Capitals,
    /// There are none.
    None,
    /// There is `null` in place of the list.
    Null,
    /// The one at this place is missing.
    Lost {
        /// Its block.
        block: u64,
        /// Its index in it.
        index: u64,
    },
    /// Each is of another block, by its hash.
    OtherBlock,
    /// There is one more, which nobody asked for.
    Unasked,
    /// There is one more, which is in no block yet.
    Unmined,
    /// A stake raised claims a total that is one above what it is.
    WrongTotal,
}

/// What is wrong with blooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloomChange {
    /// There are none.
    Missing,
    /// They are null.
    Null,
    /// They are `0x`.
    Short,
    /// They are all zeros.
    Zeros,
    /// They are all ones.
    Ones,
}

/// What is wrong with blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderChange {
    /// Each seventh is older than the one before it.
    TimeFalls,
    /// Each is the one before the one asked for, where it is asked for by number.
    OneBefore,
    /// Each has another parent.
    OtherParent,
    /// They do not name their parents.
    NoParent,
    /// Each is null, but the last.
    Null,
    /// Their numbers are numbers of JSON.
    PlainNumber,
    /// There are fields that nobody knows.
    MoreFields,
}

/// What is wrong with the transactions of L2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionChange {
    /// They lack the fields that l2geth adds, as on any other node.
    NotL2Geth,
    /// They lack this field.
    Lacks(&'static str),
    /// What is null is left out.
    NoNulls,
    /// `seqV`, where there is one, is this.
    SeqV(&'static str),
    /// `seqS` is null.
    HalfSigned,
    /// There are their hashes in their place.
    Hashes,
    /// There are none.
    None,
}

/// What is wrong with receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptChange {
    /// There are none.
    Null,
    /// Each has its logs once more, further behind.
    MoreLogs,
    /// Each is of another block, by its hash.
    OtherBlock,
    /// Each is of another transaction.
    OtherTransaction,
}

/// What an endpoint does wrong, and how often it could have and did.
pub(crate) struct Oddities(Vec<Counted>);

pub(crate) struct Counted {
    pub(crate) odd: Odd,
    is_here: bool,
    chances: AtomicU64,
    played: AtomicU64,
}

impl Counted {
    /// Whether it is to be done this time.
    pub(crate) fn is_turn(&self) -> bool {
        let chance = self.chances.fetch_add(1, Ordering::Relaxed) + 1;
        let is_turn = match self.odd.when {
            When::Always => true,
            When::First(count) => chance <= count,
            When::After(count) => chance > count,
            When::Every(count) => chance.is_multiple_of(count),
            When::Falls(count) => {
                let digest = keccak256(chance.to_be_bytes());
                let fallen = u64::from_be_bytes(digest[..8].try_into().expect("eight bytes"));
                fallen.is_multiple_of(count)
            }
        };
        self.played.fetch_add(u64::from(is_turn), Ordering::Relaxed);
        is_turn
    }
}

impl Oddities {
    /// Those of one chain.
    pub(crate) fn of(odd: &[Odd], is_l1: bool) -> Self {
        let counted = |odd: &Odd| {
            let is_here = odd.on == On::Both || (odd.on == On::L1) == is_l1;
            Counted { odd: *odd, is_here, chances: AtomicU64::new(0), played: AtomicU64::new(0) }
        };
        Self(odd.iter().map(counted).collect())
    }

    pub(crate) fn here(&self) -> impl Iterator<Item = &Counted> {
        self.0.iter().filter(|one| one.is_here)
    }

    /// How often each was played here.
    pub(crate) fn played(&self) -> Vec<u64> {
        self.0.iter().map(|one| one.played.load(Ordering::Relaxed)).collect()
    }

    /// What becomes of the answer to a call.
    pub(crate) fn changed(&self, call: &Value, told: String) -> String {
        let concerned: Vec<&Counted> =
            self.here().filter(|one| odd_answers::concerns(one.odd.kind, call)).collect();
        if concerned.is_empty() {
            return told;
        }
        let mut told: Value = serde_json::from_str(&told).expect("what was just written");
        for one in concerned {
            let mut changed = told.clone();
            odd_answers::change(one.odd.kind, call, &mut changed);
            if changed != told && one.is_turn() {
                told = changed;
            }
        }
        told.to_string()
    }
}
