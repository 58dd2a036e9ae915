//! Chat completions of any endpoint that speaks the OpenAI form.
//!
//! Owns attempts, waiting and what differs between servers. Knows nothing of prompts. Invariant: the key
//! goes to the configured endpoint only, and neither it nor any message is logged.

mod sse;
mod stream;
mod wire;

pub use stream::Deltas;

use crate::client::Client;
use crate::error::Error;
use crate::guard::Endpoint;
use crate::request::{Limits, Policy, Request, Response};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use wire::Shape;

/// Attempts at one completion, the first included.
const MAX_ATTEMPTS: u32 = 3;
/// Bytes of an answer, streamed or not.
const MAX_ANSWER: u64 = 8 << 20;
/// Bytes of an error answer that are looked at.
const MAX_ERROR: usize = 64 << 10;
/// What errors call the endpoint, whose address is the operator's business.
const NAME: &str = "the language model";

/// Where the model is and how it is used.
#[derive(Clone)]
pub struct ChatSettings {
    /// Up to and without `/chat/completions`, such as `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// Sent as bearer token; local servers often need none.
    pub api_key: Option<String>,
    /// The model's name as the endpoint knows it.
    pub model: String,
    /// Longest time for one completion, waiting and attempts included.
    pub timeout: Duration,
    /// Completions at once; more wait.
    pub max_concurrent: usize,
    /// Pause before the second attempt, doubled before the third, when the endpoint names none.
    pub backoff: Duration,
}

impl ChatSettings {
    /// Settings with 120 s, four completions at once and half a second of pause.
    #[must_use]
    pub fn new(base_url: impl Into<String>, model: impl Into<String>, api_key: Option<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            model: model.into(),
            timeout: Duration::from_secs(120),
            max_concurrent: 4,
            backoff: Duration::from_millis(500),
        }
    }

    /// Checks what can be checked without asking the endpoint.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::Setting`] naming what to change.
    pub fn validate(&self) -> Result<(), Error> {
        Endpoint::parse(&self.base_url)?;
        let wrong = |problem: &str| Err(Error::Setting { problem: problem.to_owned() });
        if self.model.trim().is_empty() {
            return wrong("the language model needs a name; set llm_model");
        }
        match &self.api_key {
            Some(key) if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                wrong("the language model's key must be visible ASCII characters without spaces")
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for ChatSettings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.api_key.as_ref().map(|_| "…");
        out.debug_struct("ChatSettings")
            .field("base_url", &self.base_url)
            .field("api_key", &key)
            .field("model", &self.model)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The one who asks.
    User,
    /// The model, earlier.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// Instructions to the model.
    #[must_use]
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }

    /// What is asked.
    #[must_use]
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// What the model said earlier.
    #[must_use]
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// How to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// Longest answer in tokens; the endpoint's own bound without.
    pub max_tokens: Option<u32>,
    /// Randomness, 0 for the likeliest words; the endpoint's own value without.
    pub temperature: Option<f32>,
    /// Whether the answer shall be one JSON object; read it with [`Completion::json`].
    pub json: bool,
}

/// A model's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// The words, without reasoning that precedes them in `<think>` marks.
    pub text: String,
    /// Tokens read; 0 when the endpoint does not say.
    pub prompt_tokens: u64,
    /// Tokens written; 0 when the endpoint does not say.
    pub completion_tokens: u64,
    /// Whether the answer ended at the token limit and not by itself.
    pub is_cut: bool,
}

impl Completion {
    /// The answer read as JSON; a code fence around it is taken off.
    ///
    /// # Errors
    /// [`Error::ModelAnswer`] when it is none.
    pub fn json(&self) -> Result<serde_json::Value, Error> {
        serde_json::from_str(wire::unfenced(&self.text)).map_err(|cause| Error::ModelAnswer {
            problem: match self.is_cut {
                true => "it ended at the token limit before its JSON was complete".to_owned(),
                false => format!("JSON was asked for, but it is not JSON ({cause})"),
            },
        })
    }
}

/// A language model behind an endpoint. Cheap to clone; all clones share its slots.
#[derive(Clone)]
pub struct ChatModel {
    inner: Arc<Inner>,
    /// Asked for instead of the one of the settings.
    named: Option<Arc<str>>,
}

struct Inner {
    client: Client,
    endpoint: Endpoint,
    url: String,
    settings: ChatSettings,
    slots: Arc<Semaphore>,
    /// What this server was found not to know, as bits of [`Shape`].
    shape: AtomicU8,
}

impl std::fmt::Debug for ChatModel {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ChatModel").field("settings", &self.inner.settings).finish()
    }
}

/// One attempt that failed.
struct Failure {
    error: Error,
    retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

/// What an attempt brings.
enum Taken {
    Whole(Bytes),
    Begun(Box<Response>),
}

impl ChatModel {
    /// Makes a model; asks nothing of the endpoint yet.
    ///
    /// # Errors
    /// As [`ChatSettings::validate`].
    pub fn new(client: Client, settings: ChatSettings) -> Result<Self, Error> {
        settings.validate()?;
        let endpoint = Endpoint::parse(&settings.base_url)?;
        let url = endpoint.join("chat/completions");
        let slots = Arc::new(Semaphore::new(settings.max_concurrent.clamp(1, Semaphore::MAX_PERMITS)));
        let inner = Inner { client, endpoint, url, settings, slots, shape: AtomicU8::new(0) };
        Ok(Self { inner: Arc::new(inner), named: None })
    }

    /// The model's name, for metadata of what it wrote.
    #[must_use]
    pub fn name(&self) -> &str {
        self.named.as_deref().unwrap_or(&self.inner.settings.model)
    }

    /// Another model of the same endpoint, with the same key and slots.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { inner: Arc::clone(&self.inner), named: Some(name.into()) }
    }

    /// Asks for an answer. Busy and failing endpoints are asked up to three times, at the times they name.
    ///
    /// # Errors
    /// [`Error::Model`] for an error status, [`Error::ModelAnswer`] for an answer of another form,
    /// otherwise as [`Client::send`].
    pub async fn complete(&self, messages: &[Message], options: &Options) -> Result<Completion, Error> {
        let deadline = self.deadline();
        let _slot = self.slot(deadline).await?;
        let call = wire::Call { model: self.name(), messages, options, is_stream: false };
        match self.taken(&call, deadline).await? {
            Taken::Whole(bytes) => wire::completion(&bytes),
            Taken::Begun(_) => Err(Error::ModelAnswer { problem: "it is a stream".to_owned() }),
        }
    }

    /// Asks for an answer as it is written. Attempts end with the first piece.
    ///
    /// # Errors
    /// As [`ChatModel::complete`].
    pub async fn stream(&self, messages: &[Message], options: &Options) -> Result<Deltas, Error> {
        let deadline = self.deadline();
        let slot = self.slot(deadline).await?;
        let call = wire::Call { model: self.name(), messages, options, is_stream: true };
        match self.taken(&call, deadline).await? {
            Taken::Begun(answer) => Ok(Deltas::begun(*answer, slot)),
            Taken::Whole(bytes) => Ok(Deltas::whole(wire::completion(&bytes)?)),
        }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.inner.settings.timeout).unwrap_or(now)
    }

    async fn slot(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        match timeout_at(deadline, self.inner.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(Error::Busy { host: NAME.to_owned() }),
        }
    }

    async fn taken(&self, call: &wire::Call<'_>, deadline: Instant) -> Result<Taken, Error> {
        let mut shape = Shape::from_bits(self.inner.shape.load(Ordering::Relaxed));
        let mut attempts = 1;
        loop {
            let failure = match self.attempt(call, shape, deadline).await.map_err(|failure| self.own(failure))
            {
                Ok(taken) => {
                    self.inner.shape.fetch_or(shape.bits(), Ordering::Relaxed);
                    return Ok(taken);
                }
                Err(failure) => failure,
            };
            if let Some(other) = shape.without_what(&failure.error, call) {
                tracing::debug!(error = %failure.error, "asking the language model in another form");
                shape = other;
                continue;
            }
            let pause = failure.retry_after.unwrap_or_else(|| self.pause(attempts));
            let is_late = Instant::now().checked_add(pause).is_none_or(|then| then >= deadline);
            if attempts >= MAX_ATTEMPTS || is_late || !failure.error.is_transient() {
                return Err(failure.error);
            }
            tracing::info!(error = %failure.error, attempts, "asking the language model again");
            sleep(pause).await;
            attempts += 1;
        }
    }

    /// A failure in words that do not tell where the endpoint is.
    fn own(&self, failure: Failure) -> Failure {
        let error = match failure.error {
            Error::Timeout { phase, .. } if phase != "connect" => {
                Error::Timeout { host: NAME.to_owned(), phase, limit: self.inner.settings.timeout }
            }
            other => other.about(NAME),
        };
        Failure { error, ..failure }
    }

    /// The pause after this many attempts, between half and one and a half times its nominal length so
    /// that callers who failed together do not come back together.
    fn pause(&self, attempts: u32) -> Duration {
        let nominal = self.inner.settings.backoff.saturating_mul(1 << attempts.saturating_sub(1).min(8));
        nominal.mul_f64(rand::random_range(0.5..1.5))
    }

    async fn attempt(
        &self,
        call: &wire::Call<'_>,
        shape: Shape,
        deadline: Instant,
    ) -> Result<Taken, Failure> {
        let inner = &self.inner;
        let left = deadline.saturating_duration_since(Instant::now());
        let limits = Limits {
            queue: left,
            first_byte: left,
            total: left,
            max_wire_bytes: MAX_ANSWER,
            max_bytes: MAX_ANSWER,
            ..Limits::default()
        };
        let policy = Policy::Operator(inner.endpoint.clone());
        let mut request = Request::post(inner.url.clone(), call.body(shape), policy)
            .header("content-type", "application/json")
            .limits(limits);
        if let Some(key) = &inner.settings.api_key {
            request = request.header("authorization", &format!("Bearer {key}"));
        }
        let answer = inner.client.send(request).await?;
        if !answer.is_success() {
            return Err(self.refusal(answer).await);
        }
        // Some servers answer in one piece whatever was asked for.
        let is_events =
            answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        if call.is_stream && is_events {
            return Ok(Taken::Begun(Box::new(answer)));
        }
        Ok(Taken::Whole(answer.bytes().await?))
    }

    async fn refusal(&self, answer: Response) -> Failure {
        let status = answer.status;
        let retry_after = answer.header("retry-after").and_then(wire::retry_after);
        let mut body = answer.body;
        let mut bytes = Vec::new();
        while let Ok(Some(piece)) = body.next().await {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MAX_ERROR {
                break;
            }
        }
        let said = wire::error_text(&bytes, self.inner.settings.api_key.as_deref());
        tracing::warn!(status, said, "the language model endpoint refused");
        let detail = match status {
            401 | 403 => "it refuses the key; the operator must check llm_api_key".to_owned(),
            404 => match &self.named {
                Some(name) => format!("{said}; it may not have the model {name:?}: name another or none"),
                None => format!("{said}; the operator must check llm_url and llm_model"),
            },
            300..=399 => "it redirects; the operator must set llm_url to the final address".to_owned(),
            _ => said,
        };
        Failure { error: Error::Model { status, detail }, retry_after }
    }
}

#[cfg(test)]
mod tests;
