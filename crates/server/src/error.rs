//! The one place where failures become answers: `{id, code, type, message, metadata?}`.
//!
//! Knows the wire's error types and nothing of how failures arise. Invariant: causes that are ours
//! (paths, engine messages) go to the log under the answer's id, never to the caller.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use quarry_types::{ErrorKind, IdError, QuotaRefusal, Timestamp};
use serde_json::{Map, Value, json};

/// The client's error classes this server uses; each fixes the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    /// 500: a fault of ours.
    Internal,
    /// 401: no token or a wrong one.
    Unauthorized,
    /// 403: the token may not do this.
    Forbidden,
    /// 413: the body is over the cap.
    PayloadTooLarge,
    /// 400: the body or its values are wrong.
    InvalidPayload,
    /// 415: content of a kind not taken.
    UnsupportedMediaType,
    /// 405: the path exists, the method does not.
    MethodNotFound,
    /// 404: nothing there.
    ResourceNotFound,
    /// 400: a table schema is wrong.
    InvalidJsonSchema,
    /// 400: an id in the body names nothing.
    ReferenceNotFound,
    /// 400: the query string, a filter or an order is wrong.
    InvalidQuery,
    /// 409: the name or key is taken.
    AlreadyExists,
    /// 429: try again later.
    RateLimited,
    /// 403: a raisable limit.
    QuotaExceeded,
    /// 413: a hard limit.
    LimitExceeded,
    /// 504: ran out of time.
    OperationTimeout,
}

impl ErrorType {
    /// The wire name and its code.
    #[must_use]
    pub(crate) fn wire(self) -> (&'static str, u16) {
        match self {
            Self::Internal => ("Internal", 500),
            Self::Unauthorized => ("Unauthorized", 401),
            Self::Forbidden => ("Forbidden", 403),
            Self::PayloadTooLarge => ("PayloadTooLarge", 413),
            Self::InvalidPayload => ("InvalidPayload", 400),
            Self::UnsupportedMediaType => ("UnsupportedMediaType", 415),
            Self::MethodNotFound => ("MethodNotFound", 405),
            Self::ResourceNotFound => ("ResourceNotFound", 404),
            Self::InvalidJsonSchema => ("InvalidJsonSchema", 400),
            Self::ReferenceNotFound => ("ReferenceNotFound", 400),
            Self::InvalidQuery => ("InvalidQuery", 400),
            Self::AlreadyExists => ("AlreadyExists", 409),
            Self::RateLimited => ("RateLimited", 429),
            Self::QuotaExceeded => ("QuotaExceeded", 403),
            Self::LimitExceeded => ("LimitExceeded", 413),
            Self::OperationTimeout => ("OperationTimeout", 504),
        }
    }
}

impl From<ErrorKind> for ErrorType {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::InvalidPayload,
            ErrorKind::InvalidQuery => Self::InvalidQuery,
            ErrorKind::InvalidSchema => Self::InvalidJsonSchema,
            ErrorKind::NotFound => Self::ResourceNotFound,
            ErrorKind::ReferenceNotFound => Self::ReferenceNotFound,
            ErrorKind::Conflict => Self::AlreadyExists,
            ErrorKind::Forbidden => Self::Forbidden,
            ErrorKind::QuotaExceeded => Self::QuotaExceeded,
            ErrorKind::LimitExceeded => Self::LimitExceeded,
            ErrorKind::TooLarge => Self::PayloadTooLarge,
            ErrorKind::Unsupported => Self::UnsupportedMediaType,
            ErrorKind::Busy => Self::RateLimited,
            ErrorKind::Timeout => Self::OperationTimeout,
            _ => Self::Internal,
        }
    }
}

/// A failure on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    kind: ErrorType,
    message: String,
    metadata: Map<String, Value>,
    retry_after_s: Option<u64>,
    /// Whether the message of a fault that is not the caller's was written for callers.
    is_told: bool,
}

impl ApiError {
    /// A failure with a message the caller may read.
    #[must_use]
    pub(crate) fn new(kind: ErrorType, message: impl Into<String>) -> Self {
        let retry_after_s = (kind == ErrorType::RateLimited).then_some(1);
        Self { kind, message: message.into(), metadata: Map::new(), retry_after_s, is_told: false }
    }

    /// 400 about the body.
    #[must_use]
    pub(crate) fn payload(message: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidPayload, message)
    }

    /// 400 about the query string.
    #[must_use]
    pub(crate) fn query(message: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidQuery, message)
    }

    /// 404.
    #[must_use]
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorType::ResourceNotFound, message)
    }

    /// 403.
    #[must_use]
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, message)
    }

    /// A failure of a lower crate; messages of our own faults are kept for the log.
    #[must_use]
    pub(crate) fn of(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(ErrorType::from(kind), message)
    }

    /// Adds a machine-readable fact.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the seconds after which the same request may pass.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The wire type.
    #[cfg(test)]
    pub(crate) fn kind(&self) -> ErrorType {
        self.kind
    }

    /// The body alone, for an answer that has already begun.
    #[must_use]
    pub(crate) fn into_body(self) -> Value {
        let (name, code) = self.kind.wire();
        let id = mint_id();
        let message = if self.kind == ErrorType::Internal && !self.is_told {
            tracing::error!(error_id = %id, cause = %self.message, "request failed");
            "something went wrong on the server; the operator finds the cause in the log under this id"
                .to_owned()
        } else {
            tracing::debug!(error_id = %id, kind = name, "request refused");
            self.message
        };
        let mut body = json!({ "id": id, "code": code, "type": name, "message": message });
        if let (false, Some(fields)) = (self.metadata.is_empty(), body.as_object_mut()) {
            fields.insert("metadata".to_owned(), Value::Object(self.metadata));
        }
        body
    }

    /// The answer, with an id that the log line carries too.
    #[must_use]
    pub(crate) fn into_response(self) -> Response<Body> {
        let (_, code) = self.kind.wire();
        let retry_after_s = self.retry_after_s;
        let mut response = Response::new(Body::from(self.into_body().to_string()));
        *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// `err_<YYYYMMDDHHMMSS>x<8 hex>`, the form the official client makes itself.
fn mint_id() -> String {
    let digits: String = Timestamp::now().to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    format!("err_{digits}x{:08x}", rand::random::<u32>())
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        Self::payload(error.to_string())
    }
}

impl From<QuotaRefusal> for ApiError {
    fn from(refusal: QuotaRefusal) -> Self {
        Self::new(ErrorType::QuotaExceeded, refusal.to_string())
            .with("counter", refusal.counter.as_str())
            .with("used", refusal.used)
            .with("limit", refusal.limit)
            .with("needed", refusal.needed)
    }
}

impl From<quarry_store::Error> for ApiError {
    fn from(error: quarry_store::Error) -> Self {
        match error {
            quarry_store::Error::Quota(refusal) => refusal.into(),
            other => Self::of(other.kind(), other.to_string()),
        }
    }
}

impl From<quarry_tables::Error> for ApiError {
    fn from(error: quarry_tables::Error) -> Self {
        match error {
            quarry_tables::Error::Quota(refusal) => refusal.into(),
            other => Self::of(other.kind(), other.to_string()),
        }
    }
}

impl From<quarry_kb::Error> for ApiError {
    fn from(error: quarry_kb::Error) -> Self {
        match error {
            quarry_kb::Error::Store(cause) => cause.into(),
            other => Self::of(other.kind(), other.to_string()),
        }
    }
}

impl From<quarry_answers::Error> for ApiError {
    fn from(error: quarry_answers::Error) -> Self {
        use quarry_answers::Error;
        match error {
            Error::Kb(cause) => cause.into(),
            Error::Tables(cause) => cause.into(),
            Error::Store(cause) => cause.into(),
            // Its text names no address and no key, and says what to do.
            Error::Model(..) => Self { is_told: true, ..Self::of(error.kind(), error.to_string()) },
            other => Self::of(other.kind(), other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn body_of(error: ApiError) -> (u16, Value) {
        let response = error.into_response();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn bodies_have_what_the_client_parses() {
        let (status, body) = body_of(ApiError::payload("size is missing").with("field", "size")).await;
        assert_eq!(status, 400);
        assert_eq!((&body["code"], &body["type"]), (&json!(400), &json!("InvalidPayload")));
        assert_eq!(body["message"], "size is missing");
        assert_eq!(body["metadata"]["field"], "size");
        let id = body["id"].as_str().unwrap();
        let (date, chance) = id.strip_prefix("err_").unwrap().split_once('x').unwrap();
        assert!(date.len() == 14 && date.bytes().all(|b| b.is_ascii_digit()), "{id}");
        assert!(chance.len() == 8 && chance.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }

    #[tokio::test]
    async fn internal_causes_stay_inside() {
        let (status, body) = body_of(ApiError::of(ErrorKind::Corrupt, "/secret/path broke")).await;
        assert_eq!(status, 500);
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}
