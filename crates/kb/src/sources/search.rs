//! Web search engines: the seam and the one engine there is.

use crate::Error;
use async_trait::async_trait;
use quarry_fetch::{Client, Endpoint, Limits, Policy, Request};
use quarry_types::Timestamp;
use quarry_web::{SearchAnswer, SearchHit, SearchSpec};
use std::time::Duration;

/// Most pages of results asked for.
const MAX_RESULT_PAGES: u32 = 10;
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// A search engine.
#[async_trait]
pub trait WebSearch: Send + Sync {
    /// The best results, at most `most`, within the domains and the window asked for.
    ///
    /// # Errors
    /// `Outbound` when the engine does not answer as it should, or finds nothing at all: that tells more of
    /// the engine than of the web.
    async fn search(&self, spec: &SearchSpec, most: usize) -> Result<SearchAnswer, Error>;
}

/// A self-hosted SearXNG, or anything with its JSON interface.
#[derive(Debug, Clone)]
pub struct Searxng {
    fetch: Client,
    endpoint: Endpoint,
}

impl Searxng {
    /// The engine at an address the operator configured.
    #[must_use]
    pub fn new(fetch: Client, endpoint: Endpoint) -> Self {
        Self { fetch, endpoint }
    }

    async fn page(&self, spec: &SearchSpec, page: u32) -> Result<SearchAnswer, Error> {
        let base = self.endpoint.as_str().trim_end_matches('/');
        let limits = Limits {
            first_byte: Duration::from_secs(30),
            max_bytes: MAX_ANSWER_BYTES,
            max_wire_bytes: MAX_ANSWER_BYTES,
            max_redirects: 0,
            ..Limits::default()
        };
        let request =
            Request::get(format!("{base}/{}", spec.path(page)), Policy::Operator(self.endpoint.clone()));
        let request = request.header("accept", "application/json").limits(limits);
        let answer = self.fetch.send(request).await.map_err(|error| unusable(error.to_string()))?;
        if !answer.is_success() {
            let status = answer.status;
            return Err(unusable(format!("it answers {status}")));
        }
        let bytes = answer.bytes().await.map_err(|error| unusable(error.to_string()))?;
        SearchAnswer::read(&bytes).map_err(|error| unusable(error.to_string()))
    }
}

/// The operator's address is nobody's business: hosts in messages are left to the log.
fn unusable(why: String) -> Error {
    tracing::warn!(%why, "the search engine does not answer");
    Error::outbound("the search engine does not answer as it should; the operator's log says why".to_owned())
}

#[async_trait]
impl WebSearch for Searxng {
    async fn search(&self, spec: &SearchSpec, most: usize) -> Result<SearchAnswer, Error> {
        let oldest = spec.window.map(|window| Timestamp::now().as_ms() - window.as_ms());
        let recent = |hit: &SearchHit| match (oldest, hit.published.as_deref().and_then(Timestamp::parse)) {
            (Some(oldest), Some(published)) => published.as_ms() >= oldest,
            _ => true,
        };
        let mut hits: Vec<SearchHit> = Vec::new();
        let mut silent: Vec<(String, String)> = Vec::new();
        for page in 1..=MAX_RESULT_PAGES {
            let found = self.page(spec, page).await?;
            for engine in found.silent {
                if !silent.iter().any(|(name, _)| *name == engine.0) {
                    silent.push(engine);
                }
            }
            if page == 1 && found.hits.is_empty() {
                let names: Vec<&str> = silent.iter().map(|(name, _)| name.as_str()).collect();
                tracing::warn!(silent = names.join(", "), "the search engine finds nothing");
                let problem = "the search engine gave no results at all, so what is known is kept; try other \
                               words, or have the operator see whether its engines answer";
                return Err(Error::outbound(problem.to_owned()));
            }
            let before = hits.len();
            for hit in found.hits {
                let wanted = spec.admits(&hit.url) && recent(&hit);
                if wanted && hits.len() < most && !hits.iter().any(|known| known.url == hit.url) {
                    hits.push(hit);
                }
            }
            if hits.len() >= most || hits.len() == before {
                break;
            }
        }
        Ok(SearchAnswer { hits, silent })
    }
}
