//! Finds what somebody means: a sequencer by its id, its name or an address, or else an L2 block.

use crate::headers::guarded;
use crate::page::encoded;
use crate::params::{Params, bad};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tally_feed::{Pinned, Refusal};

/// How long what is looked for may be: an address has 42 characters, and a name 32.
const CHARS_MAX: usize = 100;

/// Answers with where it is.
pub(crate) fn answer(pinned: &Pinned, uri: &Uri) -> Result<Response, Refusal> {
    let params = Params::of(uri, &["for", "policy"])?;
    let asked = params.text("for").ok_or_else(|| bad("say what to find: a sequencer or an L2 block"))?;
    if asked.chars().count() > CHARS_MAX {
        return Err(bad(format!("what is looked for has more than {CHARS_MAX} characters")));
    }
    let plain: String = asked.chars().filter(|letter| *letter != ',' && *letter != '_').collect();
    let found = pinned.find(asked);
    let path = match (found, plain.parse::<u64>()) {
        (Ok(id), _) => format!("/sequencers/{id}"),
        (Err(_), Ok(block)) => format!("/blocks/{block}"),
        (Err(refusal), Err(_)) => return Err(refusal),
    };
    let policy = params.text("policy").map_or(String::new(), |policy| format!("?policy={}", encoded(policy)));
    Ok(guarded((StatusCode::SEE_OTHER, [(header::LOCATION, format!("{path}{policy}"))]).into_response()))
}
