//! Calls as JSON-RPC writes them, and what its answers say of each.

use super::fault::{Fault, FaultKind, NodeError};
use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// A call of JSON-RPC.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
}

/// A call of JSON-RPC.
pub(crate) fn call(method: &'static str, params: Value) -> Call {
    Call { method, params }
}

/// What came of one call: what it gave, or how the node refused it.
pub(crate) type Answer = Result<Box<RawValue>, Fault>;

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    /// The place of the call in its batch.
    id: usize,
    method: &'static str,
    params: &'a Value,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Box<RawValue>>,
}

/// A list of answers, which is not read further than it may be long.
struct Responses {
    max: usize,
}

impl<'de> DeserializeSeed<'de> for Responses {
    type Value = Vec<Response>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Responses {
    type Value = Vec<Response>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {} answers at most", self.max)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut responses = Vec::new();
        while let Some(response) = list.next_element()? {
            if responses.len() == self.max {
                return Err(A::Error::invalid_length(self.max.saturating_add(1), &self));
            }
            responses.push(response);
        }
        Ok(responses)
    }
}

/// A result that is there, if only as `null`.
fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(input).map(Some)
}

/// The body of a request: one call by itself, or several as a batch.
pub(crate) fn body_of(calls: &[&Call]) -> Result<Vec<u8>, Fault> {
    let requests: Vec<Request<'_>> = calls
        .iter()
        .enumerate()
        .map(|(id, call)| Request { jsonrpc: "2.0", id, method: call.method, params: &call.params })
        .collect();
    let body = match &requests[..] {
        [request] => serde_json::to_vec(request),
        requests => serde_json::to_vec(requests),
    };
    body.map_err(|error| Fault::refused(format!("the request cannot be written: {error}")))
}

/// What an answer says of each call, in their order; `None` where it says nothing. A fault is of the request as a whole.
pub(crate) fn answers_in(body: &[u8], calls: &[&Call]) -> Result<Vec<Option<Answer>>, Fault> {
    let count = calls.len();
    let not_json = |error: serde_json::Error| {
        Fault::temporary(FaultKind::NotJson, format!("an answer that is not JSON-RPC: {error}"))
    };
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let responses: Vec<Response> = if is_list {
        let mut input = serde_json::Deserializer::from_slice(body);
        let responses = Responses { max: count }.deserialize(&mut input).map_err(not_json)?;
        input.end().map_err(not_json)?;
        responses
    } else {
        vec![serde_json::from_slice(body).map_err(not_json)?]
    };
    // One error instead of all answers, whichever call it claims to be of, is of the batch.
    if let ([Response { error: Some(error), .. }], true) = (&responses[..], count > 1) {
        return Err(Fault::of_batch(&NodeError::of(error)));
    }
    let mut answers: Vec<Option<Answer>> = (0..count).map(|_| None).collect();
    for Response { id, result, error } in responses {
        // Of a call that it could not read, a node does not know the id.
        let place = match &id {
            None if error.is_some() => Some(0),
            id => id.as_deref().and_then(number_in),
        };
        let answer = match (result, error) {
            (Some(result), None) => Ok(result),
            (Some(result), Some(_)) if result.get() != "null" => {
                return Err(Fault::inconsistent("an answer with a result and an error".into()));
            }
            (_, Some(error)) => {
                let error = NodeError::of(&error);
                if id.is_none() && count > 1 {
                    return Err(Fault::of_batch(&error));
                }
                let method = place.and_then(|place| calls.get(place)).map_or("", |call| call.method);
                Err(Fault::of_call(&error, method))
            }
            (None, None) => {
                let reason = "an answer with neither a result nor an error".into();
                return Err(Fault::temporary(FaultKind::NotJson, reason));
            }
        };
        let slot = place.and_then(|place| answers.get_mut(place));
        let slot = slot.ok_or_else(|| Fault::inconsistent("an answer to a call that was not made".into()))?;
        if slot.replace(answer).is_some() {
            return Err(Fault::inconsistent("two answers to one call".into()));
        }
    }
    Ok(answers)
}

/// An id as it was sent, or as text, which some make of it.
fn number_in(id: &RawValue) -> Option<usize> {
    let text = id.get();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of each of three calls: a result, the kind of an error, or nothing.
    fn told(body: &str) -> Result<Vec<String>, (FaultKind, String)> {
        let calls = ["eth_getLogs", "eth_call", "eth_call"].map(|method| call(method, Value::Null));
        let answers =
            answers_in(body.as_bytes(), &calls.each_ref()).map_err(|fault| (fault.kind, fault.reason))?;
        let shown = |answer: Option<Answer>| match answer {
            Some(Ok(result)) => result.get().to_owned(),
            Some(Err(fault)) => fault.kind.name().to_owned(),
            None => "nothing".to_owned(),
        };
        Ok(answers.into_iter().map(shown).collect())
    }

    #[test]
    fn a_call_by_itself_is_no_batch() {
        let calls = [call("a", Value::Array(Vec::new())), call("b", Value::Array(Vec::new()))];
        let body = |calls: &[&Call]| String::from_utf8(body_of(calls).expect("it is JSON")).expect("text");
        assert_eq!(body(&[&calls[0]]), r#"{"jsonrpc":"2.0","id":0,"method":"a","params":[]}"#);
        assert_eq!(
            body(&[&calls[0], &calls[1]]),
            r#"[{"jsonrpc":"2.0","id":0,"method":"a","params":[]},{"jsonrpc":"2.0","id":1,"method":"b","params":[]}]"#
        );
    }

    #[test]
    fn answers_are_told_by_their_ids() {
        let whole = r#" [{"id":2,"result":"c"},{"id":"0","result":null,"error":null},{"id":1,"error":null,"result":[1]}]"#;
        assert_eq!(told(whole), Ok(vec!["null".into(), "[1]".into(), "\"c\"".into()]));
        let part = r#"[{"id":1,"error":{"code":-32601,"message":"no such method"}},{"id":2,"result":1}]"#;
        assert_eq!(told(part), Ok(vec!["nothing".into(), "refused".into(), "1".into()]));
        assert_eq!(told("[]"), Ok(vec!["nothing".into(); 3]));
        // Only a contract that was called reverts.
        let reverted = r#"[{"id":0,"error":{"code":3,"message":"index reverted to a snapshot"}},{"id":1,"error":{"code":3,"message":"execution reverted"}}]"#;
        assert_eq!(told(reverted), Ok(vec!["rpc".into(), "reverted".into(), "nothing".into()]));
        let error = |body| told(body).expect_err("it contradicts itself").1;
        assert_eq!(error(r#"[{"id":1,"result":1},{"id":1,"result":1}]"#), "two answers to one call");
        assert_eq!(
            error(r#"[{"id":3,"result":1},{"id":1,"result":1}]"#),
            "an answer to a call that was not made"
        );
        assert_eq!(error(r#"[{"result":1},{"id":1,"result":1}]"#), "an answer to a call that was not made");
        assert_eq!(
            error(r#"[{"id":0,"result":1,"error":{"code":1,"message":""}},{"id":1,"result":1}]"#),
            "an answer with a result and an error"
        );
        assert_eq!(
            error(r#"[{"id":0},{"id":1,"result":1}]"#),
            "an answer with neither a result nor an error"
        );
    }

    #[test]
    fn one_error_instead_of_all_answers_is_of_the_batch() {
        let error = r#""error":{"code":-32600,"message":"batch too large, limit 2"}"#;
        for body in [
            format!("[{{\"id\":0,{error}}}]"),
            format!("[{{\"id\":null,{error}}}]"),
            format!("{{\"id\":null,{error}}}"),
            format!("{{{error}}}"),
            format!("[{{\"id\":0,\"result\":1}},{{\"id\":null,{error}}}]"),
        ] {
            let fault = told(&body).expect_err("all of it failed");
            assert_eq!(
                fault,
                (FaultKind::TooMuch, "JSON-RPC error -32600: batch too large, limit 2".into()),
                "{body}"
            );
        }
        let calls = [call("eth_call", Value::Null)];
        let one = answers_in(br#"{"id":null,"error":"no such thing"}"#, &calls.each_ref())
            .expect("it is of the call");
        assert!(matches!(&one[..], [Some(Err(fault))] if fault.reason.ends_with("no such thing")));
    }
}
