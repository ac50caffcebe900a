//! The pages by their addresses, and how each is made, kept and answered.

use crate::audited::Audited;
use crate::explorers::Explorers;
use crate::headers::guarded;
use crate::kept::Kept;
use crate::page::{Made, Page};
use crate::{act, assets, check, explain, find, layout, pool, problem, sequencer, what_if};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use tally_feed::{InProcess, Pages, Pinned, Refusal};
use tally_wire::StatusAnswer;

/// The pool's dashboard.
#[derive(Clone, Debug, Default)]
pub struct Dashboard {
    /// The explorers of the chains, where others than the known ones are wanted.
    pub explorers: Explorers,
}

/// What all pages have.
pub(crate) struct Site {
    api: InProcess,
    pub(crate) explorers: Explorers,
    /// What the audit found last.
    pub(crate) audited: Arc<Audited>,
    kept: Kept,
}

type Shared = State<Arc<Site>>;

/// The address and the headers of a request.
type Asked = (Uri, HeaderMap);

impl Pages for Dashboard {
    fn router(&self, api: InProcess) -> Router {
        let site =
            Site { api, explorers: self.explorers.clone(), audited: Arc::default(), kept: Kept::default() };
        Router::new()
            .route("/", get(pool_page))
            .route("/find", get(find_page))
            .route("/sequencers/{id}", get(sequencer_page))
            .route("/sequencers/{id}/statement", get(statement_page))
            .route("/sequencers/{id}/blocks", get(sequencer_blocks_page))
            .route("/sequencers/{id}/{action}", get(act_page))
            .route("/join", get(join_page))
            .route("/blocks/{n}", get(block_page))
            .route("/epochs", get(epochs_page))
            .route("/epochs/{n}", get(epoch_page))
            .route("/batches", get(batches_page))
            .route("/batches/{n}", get(batch_page))
            .route("/rates", get(rates_page))
            .route("/audit", get(audit_page))
            .route("/policies", get(policies_page))
            .route("/what-if", get(what_if_page))
            .route("/check", get(check_page))
            .with_state(Arc::new(site))
            .route("/assets/{digest}/{name}", get(assets::serve))
    }

    fn problem(&self, refusal: &Refusal, path: &str, has_sessions: bool) -> Response {
        let text = problem::page(refusal, path, has_sessions);
        guarded(html_of(Bytes::from(text.into_string())))
    }
}

fn html_of(text: Bytes) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], Body::from(text)).into_response()
}

impl Site {
    /// Whether one can log in and out.
    pub(crate) fn has_sessions(&self) -> bool {
        self.api.has_sessions()
    }

    /// Answers with the page that `make` makes of the present state; it may be told what is `known`.
    async fn show<F: Future<Output = Made> + Send>(
        self: Arc<Self>,
        (uri, headers): Asked,
        known: &[&str],
        make: impl FnOnce(Page) -> F,
    ) -> Result<Response, Refusal> {
        let pinned = self.api.now()?;
        let status: StatusAnswer = pinned.ask("/v1/status").await?;
        let address = uri.path_and_query().map_or("/", |address| address.as_str());
        let tag = tag(address, &pinned, &status, &self.audited.stale(&pinned));
        let etag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        if headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == etag) {
            return Ok(guarded((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response()));
        }
        // An address that is refused takes no place among the pages that are kept.
        let page = Page::new(Arc::clone(&self), pinned, status, &uri, known)?;
        let cell = self.kept.cell(address, &tag);
        let text = cell.get_or_try_init(async || {
            let head = layout::Head::of(&page, &tag);
            let shown = make(page).await?;
            Ok::<_, Refusal>(Bytes::from(head.page(&shown).into_string()))
        });
        let mut response = html_of(text.await?.clone());
        response.headers_mut().insert(header::ETAG, etag);
        Ok(guarded(response))
    }
}

/// What tells a page from others and from those of other states: its address, the state, what was audited last, how far the
/// chains are, and the version of the pages.
fn tag(address: &str, pinned: &Pinned, status: &StatusAnswer, audited: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(blake3::hash(address.as_bytes()).as_bytes());
    hasher.update(assets::digest().as_bytes());
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(pinned.tag().map_or(&[][..], HeaderValue::as_bytes));
    hasher.update(audited);
    hasher.update(status.not_ready.as_deref().unwrap_or_default().as_bytes());
    if let Some(ingest) = &status.ingest {
        let heads = [&ingest.l1_chain_head, &ingest.l2_chain_head];
        for head in heads.into_iter().flatten() {
            hasher.update(&head.block.to_be_bytes());
        }
        for lag in [ingest.l1_lag_secs, ingest.l2_lag_secs].into_iter().flatten() {
            hasher.update(&lag.to_be_bytes());
        }
        hasher.update(&[u8::from(ingest.is_running)]);
    }
    format!("\"{}\"", &hasher.finalize().to_hex()[..32])
}

async fn pool_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &[], pool::page).await
}

async fn find_page(State(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let pinned = site.api.now()?;
    find::answer(&pinned, &uri)
}

/// The sequencer that an address names: by its id, or else where its page is.
fn named(site: &Site, asked: &str, below: &str, uri: &Uri) -> Result<Result<u64, Response>, Refusal> {
    if !asked.is_empty()
        && asked.bytes().all(|byte| byte.is_ascii_digit())
        && (asked == "0" || !asked.starts_with('0'))
        && let Ok(id) = asked.parse()
    {
        return Ok(Ok(id));
    }
    let id = site.api.now()?.find(asked)?;
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    let location = format!("/sequencers/{id}{below}{query}");
    Ok(Err(guarded((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())))
}

async fn sequencer_page(
    State(site): Shared,
    Path(asked): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    match named(&site, &asked, "", &uri)? {
        Ok(id) => site.show((uri, headers), &[], move |page| sequencer::page(page, id)).await,
        Err(moved) => Ok(moved),
    }
}

async fn statement_page(
    State(site): Shared,
    Path(asked): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    match named(&site, &asked, "/statement", &uri)? {
        Ok(id) => {
            let known = sequencer::STATEMENT_PARAMS;
            site.show((uri, headers), &known, move |page| sequencer::statement(page, id)).await
        }
        Err(moved) => Ok(moved),
    }
}

async fn sequencer_blocks_page(
    State(site): Shared,
    Path(asked): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    match named(&site, &asked, "/blocks", &uri)? {
        Ok(id) => {
            let known = sequencer::BLOCKS_PARAMS;
            site.show((uri, headers), &known, move |page| sequencer::blocks(page, id)).await
        }
        Err(moved) => Ok(moved),
    }
}

async fn act_page(
    State(site): Shared,
    Path((asked, action)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let action = act::Action::named(&action)?;
    match named(&site, &asked, &format!("/{}", action.word()), &uri)? {
        Ok(id) => {
            site.show((uri, headers), action.params(), move |page| act::page(page, action, Some(id))).await
        }
        Err(moved) => Ok(moved),
    }
}

async fn join_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let action = act::Action::Join;
    site.show((uri, headers), action.params(), move |page| act::page(page, action, None)).await
}

/// A number in the address of a page.
fn number(text: &str) -> Result<u64, Refusal> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "pages are named by whole numbers up to 18446744073709551615",
        )
    })
}

async fn block_page(
    State(site): Shared,
    Path(n): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let n = number(&n)?;
    site.show((uri, headers), &[], move |page| explain::block(page, n)).await
}

async fn epochs_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &["from"], explain::epochs).await
}

async fn epoch_page(
    State(site): Shared,
    Path(n): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let n = number(&n)?;
    site.show((uri, headers), &[], move |page| explain::epoch(page, n)).await
}

async fn batches_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &["from"], explain::batches).await
}

async fn batch_page(
    State(site): Shared,
    Path(n): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let n = number(&n)?;
    site.show((uri, headers), &[], move |page| explain::batch(page, n)).await
}

async fn rates_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &["from"], explain::rates).await
}

async fn audit_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &["cursor"], explain::audit).await
}

async fn policies_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &[], explain::policies).await
}

async fn what_if_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &what_if::PARAMS, what_if::page).await
}

async fn check_page(State(site): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    site.show((uri, headers), &[], check::page).await
}
