//! What a page is made of: one state of the server, and whom it is for.

use crate::explorers::Chain;
use crate::params::Params;
use crate::site::Site;
use axum::http::{StatusCode, Uri};
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_feed::{Pinned, Refusal};
use tally_wire::{At, EpochsAnswer, SequencersAnswer, StatusAnswer};

/// What is shown of a page: all but what every page has.
pub(crate) struct Shown {
    /// What the page is called.
    pub(crate) title: String,
    /// The main part of the page.
    pub(crate) main: Markup,
}

/// What comes of a page.
pub(crate) type Made = Result<Shown, Refusal>;

/// What a page is made of.
pub(crate) struct Page {
    pub(crate) site: Arc<Site>,
    /// The state that all of its answers are of.
    pub(crate) pinned: Pinned,
    pub(crate) status: StatusAnswer,
    /// Where the page is, without what follows `?`.
    pub(crate) path: String,
    pub(crate) params: Params,
    /// The policy that was asked for; `None` for the server's first.
    policy: Option<String>,
    at: At,
}

/// An answer of the API, and the address at which everybody gets it.
pub(crate) struct Answer<T> {
    pub(crate) url: String,
    pub(crate) is: T,
}

impl Page {
    /// A page at an address, of the present state.
    pub(crate) fn new(
        site: Arc<Site>,
        pinned: Pinned,
        status: StatusAnswer,
        uri: &Uri,
        known: &[&str],
    ) -> Result<Self, Refusal> {
        let known: Vec<&str> = known.iter().copied().chain(["policy"]).collect();
        let params = Params::of(uri, &known)?;
        let policy = params.text("policy").map(ToOwned::to_owned);
        let served = |name: &str| status.policies.iter().find(|policy| policy.at.policy.name == name);
        let found = match &policy {
            None => status.policies.first(),
            Some(name) => served(name),
        };
        let at = found.map(|policy| policy.at.clone()).ok_or_else(|| {
            let detail = "no such policy is served: the page says which are, without `policy`";
            Refusal::new(StatusCode::NOT_FOUND, "unknown-policy", detail)
        })?;
        let policy =
            policy.filter(|name| status.policies.first().is_some_and(|first| first.at.policy.name != *name));
        Ok(Self { site, pinned, status, path: uri.path().to_owned(), params, policy, at })
    }

    /// The state, as answers under the page's policy name it.
    pub(crate) fn at(&self) -> &At {
        &self.at
    }

    /// The name of the policy, where it is not the server's first.
    pub(crate) fn other_policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// The address of a page or an answer under the same policy.
    pub(crate) fn link(&self, path: &str) -> String {
        match &self.policy {
            None => path.to_owned(),
            Some(policy) => {
                let sign = if path.contains('?') { '&' } else { '?' };
                format!("{path}{sign}policy={}", encoded(policy))
            }
        }
    }

    /// Asks the API, of the page's state and under its policy.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, question: &str) -> Result<Answer<T>, Refusal> {
        let url = self.link(question);
        let is = self.pinned.ask(&url).await?;
        Ok(Answer { url, is })
    }

    /// The sequencers, with their names.
    pub(crate) async fn sequencers(&self) -> Result<Answer<SequencersAnswer>, Refusal> {
        self.ask("/v1/sequencers").await
    }

    /// The epochs of the policy, without their rows.
    pub(crate) async fn epochs(&self) -> Result<Answer<EpochsAnswer>, Refusal> {
        self.ask("/v1/epochs?limit=1000").await
    }

    /// The first of the last `count` epochs.
    pub(crate) async fn since_epoch(&self, count: u64) -> Result<u64, Refusal> {
        let last = self.epochs().await?.is.epochs.last().map(|served| served.epoch.epoch);
        // Where there are fewer, it is the first of all.
        Ok(last.and_then(|last| last.checked_sub(count.checked_sub(1)?)).unwrap_or_default())
    }

    /// What sequencers are called.
    pub(crate) async fn names(&self) -> Result<Names, Refusal> {
        Ok(Names::of(&self.sequencers().await?.is))
    }

    /// The explorer's page of something, if there is an explorer: `kind` is `block`, `tx` or `address`.
    pub(crate) fn explorer(&self, chain: Chain, kind: &str, of: &str) -> Option<String> {
        let chain_id = match chain {
            Chain::L1 => self.status.l1_chain_id,
            Chain::L2 => self.status.l2_chain_id,
        };
        self.site.explorers.of(chain, chain_id).map(|site| format!("{site}/{kind}/{of}"))
    }

    /// Something with a link to its page in the explorer, if there is one.
    pub(crate) fn explained(&self, chain: Chain, kind: &str, of: &str, shown: &Markup) -> Markup {
        match self.explorer(chain, kind, of) {
            None => shown.clone(),
            Some(url) => html! { a href=(url) rel="external" { (shown) } },
        }
    }
}

/// What sequencers are called, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<u64, String>);

impl Names {
    pub(crate) fn of(answer: &SequencersAnswer) -> Self {
        let all = answer.sequencers.iter().map(|with| &with.sequencer);
        Self(all.filter_map(|one| Some((one.sequencer, one.name.clone()?))).collect())
    }

    pub(crate) fn get(&self, id: u64) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }

    /// A sequencer by its id and its name, as text.
    pub(crate) fn label(&self, id: u64) -> String {
        self.get(id).map_or_else(|| format!("sequencer {id}"), |name| format!("{id} {name}"))
    }
}

/// A text as a part of an address.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
