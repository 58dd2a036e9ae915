//! What computing reaches for: scripts, a language model, a bot; and its settings.

use async_trait::async_trait;
use quarry_script::{Engine, Fetch};
use std::sync::Arc;
use std::time::Duration;

/// Why a value could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may be had later: the network, a busy or failing server.
    Passing(String),
    /// Trying again changes nothing.
    Lasting(String),
}

/// A question to a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What kind of answer is wanted.
    pub system: String,
    /// The question.
    pub prompt: String,
    /// Whether the answer must be JSON.
    pub json: bool,
    /// The model the column names; the operator's without.
    pub model: Option<String>,
}

/// A call of a bot's webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCall {
    /// Where to.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: String,
}

/// The world outside, with its own guards, limits and short retries.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Whether a language model is configured.
    fn has_model(&self) -> bool;

    /// Asks the language model, or another of the same endpoint that the question names.
    async fn ask(&self, ask: Ask) -> Result<String, Failure>;

    /// Posts to a bot and answers the body of a 2xx answer.
    async fn call(&self, call: HookCall) -> Result<String, Failure>;
}

/// What computing works with.
#[derive(Clone)]
pub struct ComputeDeps {
    /// Runs code.
    pub scripts: Engine,
    /// What scripts may fetch with; `None` = nothing.
    pub fetch: Option<Fetch>,
    /// Reaches models and bots.
    pub outside: Arc<dyn Outside>,
}

/// Settings of computing.
#[derive(Debug, Clone)]
pub struct ComputeOptions {
    /// The webhook of bots without one of their own.
    pub webhook: Option<super::Webhook>,
    /// Tables worked on at the same time; one bot gets half.
    pub tables_at_once: usize,
    /// Questions and calls at the same time; one bot gets half.
    pub calls_at_once: usize,
    /// Pause before the second try of a passing failure; each further one is four times as long.
    pub retry_after: Duration,
    /// Tries before a passing failure is taken for lasting.
    pub max_tries: u32,
}

impl Default for ComputeOptions {
    fn default() -> Self {
        let retry_after = Duration::from_secs(1);
        Self { webhook: None, tables_at_once: 4, calls_at_once: 8, retry_after, max_tries: 6 }
    }
}
