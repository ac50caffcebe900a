//! Requests that are refused as a whole, and batches that are answered amiss.

use crate::answer::refusal;
use crate::odd::{Amiss, Kind, Oddities, Refusal};
use crate::odd_answers::blocks_of;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How answers are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) status: u16,
    pub(crate) is_plain_text: bool,
    pub(crate) is_chunked: bool,
}

fn calls(asked: &Value) -> &[Value] {
    asked.as_array().map_or(std::slice::from_ref(asked), Vec::as_slice)
}

impl Oddities {
    /// How a request fails, if it does.
    pub(crate) fn refuses(&self, asked: &Value) -> Option<Refusal> {
        let calls = calls(asked);
        self.here().find_map(|one| refusal_of(one.odd.kind, calls).filter(|_| one.is_turn()))
    }

    /// The body of the answer to a request of several calls.
    pub(crate) fn arranged(&self, calls: &[Value], answers: Vec<String>) -> String {
        let amiss = self.here().find_map(|one| amiss_of(one.odd.kind, calls).filter(|_| one.is_turn()));
        match amiss {
            Some(amiss) => answered_amiss(amiss, calls, answers),
            None => format!("[{}]", answers.join(",")),
        }
    }

    /// How answers are sent.
    pub(crate) fn manner(&self) -> Manner {
        let mut manner = Manner { status: 200, is_plain_text: false, is_chunked: false };
        for one in self.here() {
            let kind = one.odd.kind;
            if let Kind::Status(status) = kind
                && one.is_turn()
            {
                manner.status = status;
            }
            manner.is_plain_text |= kind == Kind::PlainText && one.is_turn();
            manner.is_chunked |= kind == Kind::ChunkedAndClosed && one.is_turn();
        }
        manner
    }
}

/// How a request of these calls fails by an oddity.
fn refusal_of(kind: Kind, calls: &[Value]) -> Option<Refusal> {
    if let Kind::Batch { above, amiss: Amiss::Refused(refusal) } = kind {
        return (calls.len() > above).then_some(refusal);
    }
    if let Kind::Range { above, refusal } = kind {
        return calls.iter().any(|call| blocks_of(call) > above).then_some(refusal);
    }
    if let Kind::Hashes { above, refusal } = kind {
        let hashes = calls.iter().filter_map(|call| call["params"][0]["blockHash"].as_str());
        return (hashes.collect::<BTreeSet<_>>().len() > above).then_some(refusal);
    }
    if let Kind::Request { method, refusal } = kind {
        let is_asked = method.is_empty() || calls.iter().any(|call| call["method"] == method);
        return is_asked.then_some(refusal);
    }
    None
}

/// How a request of these calls is answered amiss by an oddity, beside being refused.
fn amiss_of(kind: Kind, calls: &[Value]) -> Option<Amiss> {
    let Kind::Batch { above, amiss } = kind else { return None };
    (calls.len() > above && !matches!(amiss, Amiss::Refused(_))).then_some(amiss)
}

fn answered_amiss(amiss: Amiss, calls: &[Value], mut answers: Vec<String>) -> String {
    let list = |answers: &[String]| format!("[{}]", answers.join(","));
    let with_id = |answer: &String, id: usize| {
        let mut answer: Value = serde_json::from_str(answer).expect("what was just written");
        answer["id"] = json!(id);
        answer.to_string()
    };
    match amiss {
        Amiss::Refused(_) => unreachable!("it was refused"),
        Amiss::Each(code, words) => {
            list(&calls.iter().map(|call| refusal(&call["id"], code, words)).collect::<Vec<_>>())
        }
        Amiss::ErrorOfFirst(code, words) => list(&[refusal(&calls[0]["id"], code, words)]),
        Amiss::ErrorOfNone(code, words) => list(&[refusal(&Value::Null, code, words)]),
        Amiss::RestRefused(count, code, words) => {
            for (answer, call) in answers.iter_mut().zip(calls).skip(count) {
                *answer = refusal(&call["id"], code, words);
            }
            list(&answers)
        }
        Amiss::Answered(count) => list(&answers[..count.min(answers.len())]),
        Amiss::FirstAlone => answers.swap_remove(0),
        Amiss::Null => "null".into(),
        Amiss::Nothing => String::new(),
        Amiss::Reversed => {
            answers.reverse();
            list(&answers)
        }
        Amiss::Renumbered => {
            let answers = answers.iter().zip(1..).map(|(answer, id)| with_id(answer, id));
            list(&answers.collect::<Vec<_>>())
        }
        Amiss::FirstTwice => {
            answers.push(answers[0].clone());
            list(&answers)
        }
    }
}
