//! Answers for browsers on other origins: preflights and the headers of every response.
//!
//! The exact origin is echoed, never `*`: the official client sends `withCredentials`.

use crate::config::Cors;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS";
const HEADERS: &str = "authorization, content-type, x-bot-id, x-workspace-id, x-integration-id, \
     x-integration-alias, x-destination-bot-id, x-multiple-integrations, x-amz-tagging, range";
const EXPOSED: &str = "ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, etag, \
     content-range, content-length, content-disposition";

/// Whether a request is a preflight.
#[must_use]
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight; [`decorate`] adds the origin.
#[must_use]
pub(crate) fn preflight(request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(request));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// The known headers and whatever else the page asks for: callers may add headers of their own.
fn allowed_headers(request: &HeaderMap) -> HeaderValue {
    let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let mut all = HEADERS.to_owned();
    for name in asked.unwrap_or("").split(',').map(str::trim) {
        let known = HEADERS.split(", ").any(|header| header.eq_ignore_ascii_case(name));
        if !known && all.len() < 4_000 && HeaderName::from_bytes(name.as_bytes()).is_ok() {
            all.push_str(", ");
            all.push_str(&name.to_ascii_lowercase());
        }
    }
    HeaderValue::from_str(&all).unwrap_or(HeaderValue::from_static(HEADERS))
}

/// Adds the CORS headers for an allowed origin.
pub(crate) fn decorate(cors: &Cors, origin: Option<&HeaderValue>, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else { return };
    if !origin.to_str().is_ok_and(|text| cors.allows(text)) {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}
