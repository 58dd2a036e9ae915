//! All work of a bot that outlives its request, in one list: files, sources, tables.

use crate::app::{Answer, Call, State};
use crate::body;
use crate::error::ApiError;
use crate::wire::{JobBody, run_body};
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use quarry_types::{ErrorKind, Scope};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between two looks for what has changed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A stream says something at least this often, so that both ends know it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /v1/quarry/jobs`.
pub(crate) async fn list(call: Call) -> Answer {
    let jobs = jobs(&call.state, call.scope()?).await?;
    body::json(&json!({ "jobs": jobs }))
}

async fn jobs(state: &State, scope: &Scope) -> Result<Vec<Value>, ApiError> {
    let mut all: Vec<Value> = state.sources.runs(scope).iter().map(run_body).collect();
    for job in state.kb.progress(scope).await? {
        all.push(json!({
            "id": job.file.as_str(),
            "kind": "file",
            "fileId": job.file.as_str(),
            "key": job.key,
            "stage": job.stage,
            "done": job.done,
            "total": job.total,
            "attempts": job.attempts,
        }));
    }
    if state.tables.has_unfinished_jobs(scope) {
        for table in state.tables.list(scope, &BTreeMap::new()).await? {
            for job in state.tables.jobs(scope, table.id.as_str()).await? {
                if job.status.is_finished() {
                    continue;
                }
                let mut shown = serde_json::to_value(JobBody::of(scope.bot().as_str(), &job))
                    .map_err(|cause| ApiError::of(ErrorKind::Internal, cause.to_string()))?;
                if let Some(map) = shown.as_object_mut() {
                    map.insert("kind".to_owned(), "table".into());
                    map.insert("stage".to_owned(), job.status.as_str().into());
                    map.insert("done".to_owned(), job.rows.into());
                    map.insert("total".to_owned(), job.total.into());
                }
                all.push(shown);
            }
        }
    }
    Ok(all)
}

/// `DELETE /v1/quarry/jobs/{id}`: ends it; what it has done so far stays unless its kind says otherwise.
pub(crate) async fn cancel(call: Call) -> Answer {
    let (state, scope, id) = (&call.state, call.scope()?, call.matched.param(0));
    match state.sources.cancel(scope, id).await {
        Ok(run) => return body::json(&json!({ "job": run_body(&run) })),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    if id.starts_with("job_") {
        for table in state.tables.list(scope, &BTreeMap::new()).await? {
            match state.tables.cancel_job(scope, table.id.as_str(), id).await {
                Ok(job) => {
                    return body::json(&json!({ "job": JobBody::of(scope.bot().as_str(), &job) }));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let file = state.kb.cancel_indexing(scope, id).await?;
    body::json(
        &json!({ "job": { "id": file.id.as_str(), "kind": "file", "fileId": file.id.as_str(), "key": file.key } }),
    )
}

/// `GET /v1/quarry/jobs/events`: the list whenever it changes, as server-sent events.
pub(crate) async fn events(call: Call) -> Answer {
    let watch = Watch {
        scope: call.scope()?.clone(),
        stop: call.state.streams.subscribe(),
        state: call.state.clone(),
        last: None,
        said: Instant::now(),
    };
    let stream = futures::stream::unfold(watch, Watch::next);
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One stream of events.
struct Watch {
    state: Arc<State>,
    scope: Scope,
    stop: tokio::sync::watch::Receiver<bool>,
    last: Option<String>,
    said: Instant,
}

impl Watch {
    /// The next event; `None` when the server stops or can no longer tell.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        loop {
            if *self.stop.borrow() {
                return None;
            }
            let jobs = jobs(&self.state, &self.scope).await.ok()?;
            let text = json!({ "jobs": jobs }).to_string();
            if self.last.as_ref() != Some(&text) {
                let event = Bytes::from(format!("event: jobs\ndata: {text}\n\n"));
                self.last = Some(text);
                self.said = Instant::now();
                return Some((Ok(event), self));
            }
            if self.said.elapsed() >= KEEP_ALIVE {
                self.said = Instant::now();
                return Some((Ok(Bytes::from_static(b": still here\n\n")), self));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = self.stop.changed() => {}
            }
        }
    }
}
