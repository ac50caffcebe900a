//! What is asked of one endpoint together.

use super::endpoint::{Endpoint, decoded};
use super::envelope::{Answer, Call};
use super::fault::Fault;
use crate::metrics::ChainMetrics;
use std::sync::Arc;

/// One attempt, at one endpoint.
pub(crate) struct Attempt {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(super) metrics: ChainMetrics,
}

impl Attempt {
    /// Makes calls; their answers come in the same order.
    pub(crate) async fn batch(&self, calls: &[Call]) -> Result<Vec<Answer>, Fault> {
        self.count(calls);
        self.endpoint.batch(calls, &self.metrics).await
    }

    /// Makes groups of calls, each in one request, so that one node answers all of a group even where several stand
    /// behind one name. `None` if the endpoint does not take so many calls at once.
    pub(crate) async fn together(&self, groups: &[Vec<Call>]) -> Result<Option<Vec<Vec<Answer>>>, Fault> {
        self.in_one_request(groups, false).await
    }

    /// The same where nothing but answers in one request proves what is asked for: an endpoint that did not take so many
    /// calls before may only have failed at that moment.
    pub(crate) async fn together_again(
        &self,
        groups: &[Vec<Call>],
    ) -> Result<Option<Vec<Vec<Answer>>>, Fault> {
        self.in_one_request(groups, true).await
    }

    async fn in_one_request(
        &self,
        groups: &[Vec<Call>],
        insists: bool,
    ) -> Result<Option<Vec<Vec<Answer>>>, Fault> {
        for group in groups {
            self.count(group);
        }
        self.endpoint.together(groups, insists, &self.metrics).await
    }

    fn count(&self, calls: &[Call]) {
        for part in calls.chunk_by(|left, right| left.method == right.method) {
            let count = u64::try_from(part.len()).unwrap_or(u64::MAX);
            self.metrics.requests(part.first().map_or("", |call| call.method), count);
        }
    }

    /// Makes calls of one kind, none of which may be refused, and decodes what they give. What is `null` is asked for
    /// once more: of several nodes behind one name the next may have it.
    pub(crate) async fn all<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        calls: &[Call],
    ) -> Result<Vec<Option<T>>, Fault> {
        let decode = |answers: Vec<Answer>| {
            answers.into_iter().map(|answer| decoded(what, answer)).collect::<Result<Vec<Option<T>>, _>>()
        };
        let mut found = decode(self.batch(calls).await?)?;
        let is_open = |(call, found): (&Call, &Option<T>)| found.is_none().then(|| call.clone());
        let open: Vec<Call> = calls.iter().zip(&found).filter_map(is_open).collect();
        if !open.is_empty() {
            let again = decode(self.batch(&open).await?)?;
            for (found, again) in found.iter_mut().filter(|found| found.is_none()).zip(again) {
                *found = again;
            }
        }
        Ok(found)
    }
}
