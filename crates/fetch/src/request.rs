//! What is asked and what comes back.
//!
//! Plain data: a request with its policy and limits, an answer with its body still to be read.

use crate::body::Body;
use crate::error::Error;
use crate::guard::Endpoint;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use std::time::Duration;

/// On whose word a request is made; decides which addresses it may reach.
#[derive(Debug, Clone)]
pub enum Policy {
    /// A URL that came from users or content: public addresses, the allow-list and the port rule only.
    Public,
    /// A URL the operator configured: exactly this origin, wherever it lies; no redirects off it.
    Operator(Endpoint),
}

impl Policy {
    pub(crate) fn is_operator(&self) -> bool {
        matches!(self, Self::Operator(_))
    }
}

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait for a free slot and the host's turn.
    pub queue: Duration,
    /// Longest time from sending to the head of the answer, for each redirect anew.
    pub first_byte: Duration,
    /// Longest time for everything after the wait, redirects and body included.
    pub total: Duration,
    /// Bytes of body taken from the wire.
    pub max_wire_bytes: u64,
    /// Bytes of body after decompression.
    pub max_bytes: u64,
    /// Decompressed bytes per compressed byte, once a mebibyte has come out.
    pub max_ratio: u32,
    /// Redirects followed.
    pub max_redirects: u8,
    /// Pause between the starts of two requests to one host of [`Policy::Public`].
    pub host_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: Duration::from_secs(30),
            first_byte: Duration::from_secs(10),
            total: Duration::from_secs(60),
            max_wire_bytes: 50_000_000,
            max_bytes: 50_000_000,
            max_ratio: 200,
            max_redirects: 5,
            host_delay: Duration::from_millis(100),
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method; a 303 and, for POST, a 301 or 302 turn it to GET.
    pub method: Method,
    /// The URL as the user wrote it.
    pub url: String,
    /// Headers beside those the client sets itself; only `accept` and `accept-language` go on to
    /// another origin.
    pub headers: Vec<(String, String)>,
    /// The body, sent again on a 307 or 308 of the same origin.
    pub body: Bytes,
    /// On whose word.
    pub policy: Policy,
    /// Bounds.
    pub limits: Limits,
}

impl Request {
    /// A GET without headers and with the default limits.
    #[must_use]
    pub fn get(url: impl Into<String>, policy: Policy) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            policy,
            limits: Limits::default(),
        }
    }

    /// A POST of `body`, otherwise as [`Request::get`].
    #[must_use]
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>, policy: Policy) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(url, policy) }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same request with other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// An answer whose body is still to be read. Any status is an answer, 4xx and 5xx too.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The URL that answered, after redirects.
    pub url: String,
    /// Whether every redirect on the way was permanent (301 or 308); so it is when there was none.
    pub moved_for_good: bool,
    /// Its headers, without those that describe the encoding once that is undone.
    pub headers: HeaderMap,
    /// The body; it holds the host's slot until it is read or dropped.
    pub body: Body,
}

impl Response {
    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text, when it is there and visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn bytes(self) -> Result<Bytes, Error> {
        self.body.bytes().await
    }
}
