//! The one way out of a script, and only when the caller of [`crate::Engine::run`] opens it.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a script asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// As the script wrote it, unchecked.
    pub url: String,
    /// `GET` unless given.
    pub method: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Text to send.
    pub body: Option<String>,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The address that answered.
    pub url: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
}

/// Performs a request; the error text is what the script's promise is rejected with. Guarding
/// addresses, sizes and times is the closure's part.
pub type Fetch = Arc<dyn Fn(FetchRequest) -> BoxFuture<'static, Result<FetchAnswer, String>> + Send + Sync>;
