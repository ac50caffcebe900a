//! What the address of a page says after `?`, taken strictly.

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use std::collections::BTreeMap;
use tally_feed::Refusal;

/// How long what is said can be in all.
const BYTES_MAX: usize = 4_096;

/// The parameters of a page. Those of a form that were left empty are as if they were not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// The parameters of an address, which may have those that are `known`.
    ///
    /// # Errors
    ///
    /// [`Refusal`] for another parameter, one that is given twice, or too long ones.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Refusal> {
        if uri.query().is_some_and(|query| query.len() > BYTES_MAX) {
            return Err(bad(format!("what follows ? has more than {BYTES_MAX} bytes")));
        }
        let given =
            Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|error| bad(error.body_text()))?;
        let mut params = BTreeMap::new();
        for (name, value) in given.0 {
            if !known.contains(&name.as_str()) {
                return Err(bad(format!("the page has no parameter {name:?}, but {}", known.join(", "))));
            }
            let value = value.trim().to_owned();
            if !value.is_empty() && params.insert(name.clone(), value).is_some() {
                return Err(bad(format!("{name} is given twice")));
            }
        }
        Ok(Self(params))
    }

    /// What is said of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that is a number.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is none.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let wrong = |text: &str| bad(format!("{name} is {text:?}, but has to be a whole number"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number =
            |text: &str| digits(text).then(|| text.parse().ok()).flatten().ok_or_else(|| wrong(text));
        self.text(name).map(number).transpose()
    }

    /// Whether a box is ticked.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// That a parameter is not what it should be.
pub(crate) fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad-query", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Params, Refusal> {
        Params::of(&format!("/?{query}").parse().unwrap(), &["a", "b"])
    }

    #[test]
    fn what_is_not_known_or_said_twice_is_refused() {
        let params = of("a=7&b=").unwrap();
        assert_eq!((params.text("a"), params.text("b")), (Some("7"), None));
        assert_eq!(params.number("a").unwrap(), Some(7));
        assert_eq!(of("a=%3Cb%3E").unwrap().text("a"), Some("<b>"));
        for wrong in ["c=1", "a=1&a=2", &format!("a={}", "x".repeat(BYTES_MAX))] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        for wrong in ["a=-1", "a=%2B1", "a=1.5", "a=99999999999999999999"] {
            assert!(of(wrong).unwrap().number("a").is_err(), "{wrong}");
        }
    }
}
