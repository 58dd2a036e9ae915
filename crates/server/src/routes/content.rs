//! Bytes in and out through URLs that carry their own permission.

use crate::app::{Answer, Call};
use crate::body;
use crate::error::{ApiError, ErrorType};
use crate::urls::Purpose;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use quarry_kb::{File, Upload};
use quarry_store::{BlobHash, BlobStore};
use quarry_types::{BotId, ErrorKind, FileId, Scope, Visibility};
use std::sync::Arc;
use std::time::Duration;

/// Longest silence of an uploader.
const CHUNK_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes read from the store at a time.
const READ_BYTES: usize = 256 << 10;

/// `PUT /v1/quarry/upload/…`: takes exactly the bytes that the upsert announced. Those of an upsert that another one has
/// followed are dropped with success, for of several writers the last one wins.
pub(crate) async fn upload(call: Call) -> Answer {
    let state = call.state.clone();
    let (bot, file) = (call.matched.param(0), call.matched.param(1));
    let grant = match state.signer.check(Purpose::Upload, bot, file, &call.query) {
        Ok(grant) => grant,
        Err(error) => {
            body::drain(call.body).await;
            return Err(error);
        }
    };
    let (declared, size) = (body::declared_length(&call.headers), grant.size);
    let scope = Scope::of(grant.bot);
    if let Some(length) = declared.filter(|length| *length > size) {
        body::drain(call.body).await;
        let message = format!("{length} bytes are more than the {size} announced; upsert with the real size");
        return Err(ApiError::new(ErrorType::PayloadTooLarge, message));
    }
    match state.kb.begin_upload(&scope, &grant.file, grant.version).await {
        Ok(upload) => receive(upload, call.body).await,
        Err(quarry_kb::Error::Superseded) => drop_bytes(call.body, size).await,
        Err(error) => {
            body::drain(call.body).await;
            Err(error.into())
        }
    }
}

async fn receive(mut upload: Upload, mut body: Body) -> Answer {
    while let Some(data) = next_piece(&mut body).await? {
        if let Err(error) = upload.write(data).await {
            drop(upload);
            body::drain(body).await;
            return Err(error.into());
        }
    }
    let mut response = body::empty()?;
    match upload.finish().await {
        Ok(file) => {
            if let Some(tag) = etag(&file) {
                response.headers_mut().insert(header::ETAG, tag);
            }
        }
        Err(quarry_kb::Error::Superseded) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(response)
}

async fn drop_bytes(mut body: Body, size: u64) -> Answer {
    let mut left = size;
    while let Some(data) = next_piece(&mut body).await? {
        left = left.checked_sub(data.len() as u64).ok_or_else(|| {
            let message = format!("more than the {size} bytes announced; upsert with the real size");
            ApiError::new(ErrorType::PayloadTooLarge, message)
        })?;
    }
    body::empty()
}

/// What comes next of an upload; `None` at its end.
async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = tokio::time::timeout(CHUNK_DEADLINE, body.frame())
            .await
            .map_err(|_| ApiError::new(ErrorType::OperationTimeout, "the upload stalled; start it again"))?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| ApiError::payload("the upload broke off; start it again"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// `GET /v1/quarry/content/…`: public content by its plain URL, other content by a signed one.
pub(crate) async fn download(call: Call) -> Answer {
    let state = &call.state;
    let (bot, id) = (call.matched.param(0), call.matched.param(1));
    let gone = || ApiError::not_found("this content is gone; ask for the file again to get its current URL");
    let (scope, id, version) = if call.query.text("sig").is_some() {
        let grant = state.signer.check(Purpose::Content, bot, id, &call.query)?;
        (Scope::of(grant.bot), grant.file, Some(grant.version))
    } else {
        let bot = BotId::parse(bot).map_err(|_| gone())?;
        (Scope::of(bot), FileId::parse(id).map_err(|_| gone())?, None)
    };
    let file = state.kb.stored_file(&scope, &id).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => gone(),
        _ => error.into(),
    })?;
    if version.is_some_and(|version| version != file.version) {
        return Err(gone());
    }
    if version.is_none() && !file.access.contains(&Visibility::PublicContent) {
        return Err(ApiError::forbidden("this content is private; ask for the file to get a signed URL"));
    }
    let Some((hash, size)) = stored(&file) else {
        return Err(ApiError::not_found("the file has no content yet; upload it first"));
    };
    serve(&call, &file, hash, size)
}

fn stored(file: &File) -> Option<(BlobHash, u64)> {
    Some((BlobHash::parse(file.blob.as_deref()?)?, file.size?))
}

fn etag(file: &File) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{}\"", file.blob.as_deref()?)).ok()
}

fn serve(call: &Call, file: &File, hash: BlobHash, size: u64) -> Answer {
    let tag = etag(file);
    let unchanged = tag.is_some() && call.headers.get(header::IF_NONE_MATCH) == tag.as_ref();
    let wanted = match range(&call.headers, size) {
        Ok(wanted) => wanted,
        Err(()) => return Ok(unsatisfiable(size)),
    };
    let (start, end) = wanted.unwrap_or((0, size));
    let send = call.method != Method::HEAD && !unchanged;
    let content = match send {
        true => stream(call.state.blobs.clone(), hash, start, end),
        false => Body::empty(),
    };
    let mut response = Response::new(content);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if wanted.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    if !unchanged {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    }
    if wanted.is_some() {
        let text = format!("bytes {start}-{}/{size}", end.saturating_sub(1));
        headers.insert(header::CONTENT_RANGE, header_value(&text));
    }
    protect(file, headers);
    Ok(response)
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// What was uploaded must never run as a page of this origin.
fn protect(file: &File, headers: &mut HeaderMap) {
    let fallback = HeaderValue::from_static("application/octet-stream");
    let kind = HeaderValue::from_str(&file.content_type).unwrap_or(fallback);
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static("sandbox; default-src 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let public = file.access.contains(&Visibility::PublicContent);
    let cache = if public { "public, no-cache" } else { "private, no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    let lower = file.content_type.to_ascii_lowercase();
    if ["html", "svg", "xml", "javascript", "ecmascript"].iter().any(|word| lower.contains(word)) {
        let name = file.key.rsplit(['/', '\\']).next().unwrap_or("file");
        let text = format!("attachment; filename*=UTF-8''{}", crate::router::encode(name));
        headers.insert(header::CONTENT_DISPOSITION, header_value(&text));
    }
}

/// One byte range as (start, end); several, or another unit, are answered whole.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Ok(None);
    };
    if headers.contains_key(header::IF_RANGE) || last.contains(',') {
        return Ok(None);
    }
    let number = |text: &str| text.trim().parse::<u64>();
    let (start, end) = match (number(first), number(last)) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, size),
        (Err(_), Ok(tail)) if first.trim().is_empty() => (size.saturating_sub(tail), size),
        _ => return Ok(None),
    };
    if start >= end { Err(()) } else { Ok(Some((start, end))) }
}

fn unsatisfiable(size: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    response.headers_mut().insert(header::CONTENT_RANGE, header_value(&format!("bytes */{size}")));
    response
}

/// Reads by content hash, so that an update meanwhile cannot mix two versions in one answer.
fn stream(blobs: Arc<dyn BlobStore>, hash: BlobHash, start: u64, end: u64) -> Body {
    let pieces = futures::stream::try_unfold(start, move |at| {
        let (blobs, hash) = (blobs.clone(), hash.clone());
        async move {
            if at >= end {
                return Ok::<Option<(Bytes, u64)>, quarry_store::Error>(None);
            }
            let length = usize::try_from(end - at).unwrap_or(READ_BYTES).min(READ_BYTES);
            let piece = blobs.read(&hash, at, length).await?;
            if piece.is_empty() {
                return Err(quarry_store::Error::Corrupt(
                    "a blob is shorter than its record says".to_owned(),
                ));
            }
            let next = at + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(text: &str) -> Result<Option<(u64, u64)>, ()> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, text.parse().unwrap());
        range(&headers, 100)
    }

    #[test]
    fn ranges() {
        assert_eq!(ask("bytes=0-0"), Ok(Some((0, 1))));
        assert_eq!(ask("bytes=90-"), Ok(Some((90, 100))));
        assert_eq!(ask("bytes=90-500"), Ok(Some((90, 100))));
        assert_eq!(ask("bytes=-5"), Ok(Some((95, 100))));
        assert_eq!(ask("bytes=-500"), Ok(Some((0, 100))));
        assert_eq!(ask("bytes=100-"), Err(()));
        assert_eq!(ask("bytes=-0"), Err(()));
        for whole in ["bytes=5-1", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"] {
            assert_eq!(ask(whole), Ok(None), "{whole}");
        }
    }
}
