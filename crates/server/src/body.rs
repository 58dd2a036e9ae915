//! Reading request bodies within a size and a time, and writing JSON answers.

use crate::error::{ApiError, ErrorType};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use quarry_types::ErrorKind;
use serde::Serialize;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Cap of JSON bodies of the Files API and of everything else without a cap of its own.
pub(crate) const FILES_CAP: usize = 1 << 20;
/// Cap of JSON bodies of the Tables API.
pub(crate) const TABLES_CAP: usize = 40 << 20;
/// A body must have arrived whole after this.
const BODY_DEADLINE: Duration = Duration::from_secs(60);
/// Bodies above this are parsed on a blocking thread.
const INLINE_BYTES: usize = 64 << 10;
/// Of a refused body, this much is read and thrown away, so that a client still writing sees the
/// answer instead of a broken connection.
const DRAIN_BYTES: usize = 128 << 20;
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// Bodies larger than [`FILES_CAP`] held in memory at the same time.
const MAX_LARGE_BODIES: usize = 8;

static LARGE_BODIES: Semaphore = Semaphore::const_new(MAX_LARGE_BODIES);

/// The length a request declares.
#[must_use]
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body whole.
///
/// # Errors
/// 413 over the cap, 504 when it does not arrive in time, 400 when the connection breaks.
pub(crate) async fn read(headers: &HeaderMap, body: Body, cap: usize) -> Result<Bytes, ApiError> {
    let declared = declared_length(headers);
    let large = cap > FILES_CAP && declared.is_none_or(|length| length > FILES_CAP as u64);
    let _permit = match large {
        true => LARGE_BODIES.acquire().await.ok(),
        false => None,
    };
    let late =
        || ApiError::new(ErrorType::OperationTimeout, "the body did not arrive in time; send it again");
    tokio::time::timeout(BODY_DEADLINE, collect(body, cap, declared)).await.map_err(|_| late())?
}

async fn collect(mut body: Body, cap: usize, declared: Option<u64>) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is larger than {cap} bytes; send less at a time");
        ApiError::new(ErrorType::PayloadTooLarge, message)
    };
    if declared.is_some_and(|length| length > cap as u64) {
        drain(body).await;
        return Err(too_large());
    }
    let expected = usize::try_from(declared.unwrap_or(0)).unwrap_or(0).min(cap);
    let mut bytes = Vec::with_capacity(expected);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::payload("the body broke off; send it again"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > cap {
            drop(bytes);
            drain(body).await;
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

/// Throws the rest of a refused body away, within bounds.
pub(crate) async fn drain(mut body: Body) {
    let mut left = DRAIN_BYTES;
    let discard = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_DEADLINE, discard).await;
}

/// Reads a JSON object.
///
/// # Errors
/// As [`read`]; 400 when the body is no JSON object.
pub(crate) async fn object(
    headers: &HeaderMap,
    body: Body,
    cap: usize,
) -> Result<Map<String, Value>, ApiError> {
    let bytes = read(headers, body, cap).await?;
    if bytes.is_empty() {
        return Err(ApiError::payload("the body is empty; send a JSON object"));
    }
    parse(bytes).await
}

/// Like [`object`], an absent body counting as `{}`.
///
/// # Errors
/// As [`object`].
pub(crate) async fn optional_object(
    headers: &HeaderMap,
    body: Body,
    cap: usize,
) -> Result<Map<String, Value>, ApiError> {
    let bytes = read(headers, body, cap).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    parse(bytes).await
}

async fn parse(bytes: Bytes) -> Result<Map<String, Value>, ApiError> {
    let parsed = if bytes.len() > INLINE_BYTES {
        tokio::task::spawn_blocking(move || serde_json::from_slice::<Value>(&bytes))
            .await
            .map_err(|cause| ApiError::of(ErrorKind::Internal, cause.to_string()))?
    } else {
        serde_json::from_slice::<Value>(&bytes)
    };
    match parsed {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ApiError::payload("the body must be a JSON object")),
        Err(cause) => Err(ApiError::payload(format!("the body is not valid JSON: {cause}"))),
    }
}

/// A 200 answer.
///
/// # Errors
/// When the value cannot be written as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<Response<Body>, ApiError> {
    let bytes =
        serde_json::to_vec(value).map_err(|cause| ApiError::of(ErrorKind::Internal, cause.to_string()))?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A 200 answer with the empty object.
///
/// # Errors
/// Never; the type fits the handlers'.
pub(crate) fn empty() -> Result<Response<Body>, ApiError> {
    json(&Map::new())
}
