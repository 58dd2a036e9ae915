//! Health, readiness, metrics and the description of our own endpoints.

use crate::app::{Answer, Call};
use crate::auth::{self, Caller};
use crate::body;
use crate::error::ApiError;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

/// Description of the `/v1/quarry` endpoints.
pub const OPENAPI: &str = include_str!("../../openapi.json");

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> Answer {
    body::json(&json!({ "status": "ok" }))
}

/// `GET /readyz`: the model is loaded and writes are taken; 503 says what is missing.
pub(crate) async fn readyz(call: Call) -> Answer {
    let state = &call.state;
    let model = match (state.embedder.is_ready(), state.embedder.failure()) {
        (true, _) => "ready",
        (false, None) => "loading",
        (false, Some(_)) => "failed",
    };
    let writable = !(state.poisoned)();
    let ready = model == "ready" && writable;
    let status = if ready { "ready" } else { "not ready" };
    let mut response = body::json(&json!({ "status": status, "model": model, "writable": writable }))?;
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// `GET /metrics`: open on loopback, else for the admin.
pub(crate) async fn metrics(call: Call) -> Answer {
    let state = &call.state;
    let open = state.config.loopback;
    if !open && auth::caller(&call.headers, &state.admin, &state.tokens)? != Caller::Admin {
        return Err(ApiError::forbidden("this needs the admin token"));
    }
    let kb = state.kb.status();
    #[allow(clippy::cast_precision_loss, reason = "gauges for people to read")]
    let gauges = [
        ("quarry_ingest_jobs_queued", "Files waiting to be indexed.", kb.queued_jobs as f64),
        ("quarry_ingest_jobs_running", "Files being indexed.", kb.running_jobs as f64),
        ("quarry_open_bots", "Bots with indexes in memory.", kb.open_bots as f64),
        ("quarry_index_heap_bytes", "Bytes of those indexes.", kb.heap_bytes as f64),
        (
            "quarry_vector_recall",
            "Lowest measured recall@10 of approximate vector searches; 1 while no graph is walked.",
            kb.vector_recall,
        ),
        (
            "quarry_model_ready",
            "Whether the model is loaded.",
            f64::from(u8::from(state.embedder.is_ready())),
        ),
        ("quarry_writable", "Whether writes are taken.", f64::from(u8::from(!(state.poisoned)()))),
    ];
    let mut response = Response::new(Body::from(state.metrics.render(&gauges)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Answer {
    let mut response = Response::new(Body::from(OPENAPI));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
