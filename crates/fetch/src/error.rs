//! Why a request was not sent or its answer not taken.
//!
//! Owns the words users read. Invariant: a message names the host as it was asked for, the rule and the
//! setting that changes it, and never an address a name resolved to, a header value or a key.

use quarry_types::ErrorKind;
use std::time::Duration;

/// What stopped a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be used at all.
    #[error("the URL {problem}")]
    Url {
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// The port is not one that may be fetched.
    #[error("port {port} may not be fetched; use 80 or 443, or have the operator add it to fetch_ports")]
    Port {
        /// The port asked for.
        port: u16,
    },
    /// The host is, or resolves to, an address outside the public internet.
    #[error("{host} may not be fetched: it is not a public address; the operator can add it to fetch_allow")]
    Private {
        /// The host as asked for.
        host: String,
    },
    /// The host is, or resolves to, a link-local or cloud metadata address.
    #[error("{host} is never fetched: it is a link-local or metadata address, which no setting allows")]
    Forbidden {
        /// The host as asked for.
        host: String,
    },
    /// A request for an operator's endpoint names another origin.
    #[error("this request may only go to the configured endpoint, not to {host}")]
    OffEndpoint {
        /// The host asked for.
        host: String,
    },
    /// A request header is malformed or reserved.
    #[error("the request header {name:?} cannot be sent: {problem}")]
    Header {
        /// Its name.
        name: String,
        /// Why.
        problem: &'static str,
    },
    /// The name has no address.
    #[error("{host} has no address; check the spelling")]
    Resolve {
        /// The host as asked for.
        host: String,
    },
    /// No connection came about.
    #[error("cannot connect to {host}: {problem}")]
    Connect {
        /// The host as asked for.
        host: String,
        /// What is known of the cause.
        problem: &'static str,
    },
    /// The connection ended early or what came over it is no HTTP answer.
    #[error("the connection to {host} broke before the answer was complete, or the answer is not HTTP/1.1")]
    Broken {
        /// The host as asked for.
        host: String,
    },
    /// A redirect cannot be followed.
    #[error("{host} redirects in a way that is not followed: {problem}")]
    Redirect {
        /// The host that answered.
        host: String,
        /// Which rule.
        problem: String,
    },
    /// A time limit ran out.
    #[error("{host} took longer than {seconds} s to {phase}", seconds = limit.as_millis() as f64 / 1e3)]
    Timeout {
        /// The host as asked for.
        host: String,
        /// `connect`, `answer` or `finish`.
        phase: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The answer is larger than allowed.
    #[error("the answer of {host} has more than {limit} {unit}")]
    TooLarge {
        /// The host as asked for.
        host: String,
        /// The limit.
        limit: u64,
        /// Of what: bytes, headers, bytes of headers.
        unit: &'static str,
    },
    /// The answer expands far more than real content does.
    #[error("the answer of {host} expands more than {limit} times, as compression bombs do")]
    Ratio {
        /// The host as asked for.
        host: String,
        /// The limit.
        limit: u32,
    },
    /// The answer is encoded in a way that cannot be undone.
    #[error("the answer of {host} cannot be decoded: {problem}")]
    Encoding {
        /// The host as asked for.
        host: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Too many requests wait already.
    #[error("too many requests to {host} are waiting; try again later")]
    Busy {
        /// The host as asked for.
        host: String,
    },
    /// A setting of this client is wrong.
    #[error("{problem}")]
    Setting {
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// The language model endpoint answered with an error status.
    #[error("the language model endpoint answered {status}: {detail}")]
    Model {
        /// The HTTP status.
        status: u16,
        /// What the endpoint says, shortened; never for refused keys.
        detail: String,
    },
    /// The language model endpoint's answer is not a chat completion.
    #[error("the language model endpoint's answer cannot be used: {problem}")]
    ModelAnswer {
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Url { .. }
            | Self::Port { .. }
            | Self::Header { .. }
            | Self::Setting { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Broken { .. }
            | Self::Redirect { .. } => ErrorKind::Invalid,
            Self::Private { .. } | Self::Forbidden { .. } | Self::OffEndpoint { .. } => ErrorKind::Forbidden,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::TooLarge { .. } | Self::Ratio { .. } => ErrorKind::TooLarge,
            Self::Encoding { .. } => ErrorKind::Unsupported,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Model { status, .. } => match status {
                429 | 500..=599 => ErrorKind::Busy,
                400 | 413 | 422 => ErrorKind::Invalid,
                _ => ErrorKind::Internal,
            },
            Self::ModelAnswer { .. } => ErrorKind::Internal,
        }
    }

    /// The same error about a host that goes by another name, so that a configured address stays private.
    #[must_use]
    pub(crate) fn about(mut self, name: &str) -> Self {
        match &mut self {
            Self::Private { host }
            | Self::Forbidden { host }
            | Self::OffEndpoint { host }
            | Self::Resolve { host }
            | Self::Connect { host, .. }
            | Self::Broken { host }
            | Self::Redirect { host, .. }
            | Self::Timeout { host, .. }
            | Self::TooLarge { host, .. }
            | Self::Ratio { host, .. }
            | Self::Encoding { host, .. }
            | Self::Busy { host } => name.clone_into(host),
            Self::Url { .. }
            | Self::Port { .. }
            | Self::Header { .. }
            | Self::Setting { .. }
            | Self::Model { .. }
            | Self::ModelAnswer { .. } => {}
        }
        self
    }

    /// Whether the same request may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::Busy { .. } | Self::Timeout { .. } => true,
            Self::Model { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }
}
