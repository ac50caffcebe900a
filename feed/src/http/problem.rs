//! Errors as RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// Members that every problem has; no other may be named like one.
const STANDARD: [&str; 4] = ["detail", "status", "title", "type"];

/// Why a request has no other answer, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    more: Map<String, Value>,
    retry_after_secs: Option<u64>,
}

impl Problem {
    /// A problem of a `kind`: words in lower case with `-` between, the same for ever. It becomes the type
    /// `urn:tally:problem:KIND` and, without the `-`, the title. `detail` is about this one case.
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), more: Map::new(), retry_after_secs: None }
    }

    /// With a further member, for programs.
    ///
    /// # Panics
    ///
    /// If `name` is that of a member which every problem has.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        assert!(!STANDARD.contains(&name), "`{name}` is a member that every problem has");
        self.more.insert(name.into(), value.into());
        self
    }

    /// With a `Retry-After` of so many seconds.
    #[must_use]
    pub(crate) fn retry_after(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// The problem as a JSON object.
    pub(crate) fn json(&self) -> Value {
        let mut members = self.more.clone();
        members.insert("type".into(), format!("urn:tally:problem:{}", self.kind).into());
        members.insert("title".into(), self.title().into());
        members.insert("status".into(), self.status.as_u16().into());
        members.insert("detail".into(), self.detail.as_str().into());
        Value::Object(members)
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The kind: words in lower case with `-` between.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// What is the matter with this one case.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// In how many seconds to come back, if that is said.
    pub(crate) fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after_secs
    }

    /// The kind of the problem, as words for people.
    pub(crate) fn title(&self) -> String {
        let mut letters = self.kind.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let rest = letters.map(|letter| if letter == '-' { ' ' } else { letter });
        first.into_iter().chain(rest).collect()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        let mut response = (self.status, kind, self.json().to_string()).into_response();
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, secs.into());
        }
        // Whoever shows it to people, or asked within the process, need not read it back.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_has_the_standard_members_and_those_given() {
        let problem = Problem::new(StatusCode::CONFLICT, "log-has-a-gap", "blocks 5 to 9 are missing")
            .with("from_block", 5)
            .with("to_block", 9);
        let expected = json!({
            "type": "urn:tally:problem:log-has-a-gap",
            "title": "Log has a gap",
            "status": 409,
            "detail": "blocks 5 to 9 are missing",
            "from_block": 5,
            "to_block": 9,
        });
        assert_eq!(problem.json(), expected);
    }

    #[test]
    fn its_response_names_its_type_and_when_to_come_back() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "behind", "").retry_after(7);
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }

    #[test]
    #[should_panic(expected = "every problem has")]
    fn a_standard_member_cannot_be_given() {
        let _ = Problem::new(StatusCode::NOT_FOUND, "not-found", "").with("status", 200);
    }
}
