//! Answers, whole or step by step, and the query log.

use crate::app::{Answer, Call};
use crate::body;
use crate::error::ApiError;
use crate::wire::{self, AnswerBody, Fields, HitBody, QuestionBody};
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use futures::StreamExt;
use quarry_answers::{Error, Event, LogFilter, Part, Rating};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// A stream with nothing to say says so this often, so that nobody between takes it for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// `POST /v1/quarry/answer`; with `stream: true` as [`stream`].
pub(crate) async fn answer(call: Call) -> Answer {
    let (answers, scope) = (call.state.answers.clone(), call.scope()?.clone());
    let QuestionBody { ask, filters, stream } = QuestionBody::parse(call.object().await?)?;
    if stream {
        return Ok(events(answers.stream(&scope, ask, filters)?));
    }
    let reply = answers.answer(&scope, ask, filters).await?;
    body::json(&AnswerBody::from(&reply))
}

/// `POST /v1/quarry/answer/stream`: server-sent events `passages`, `delta` and, at the end, `result` or
/// `error`.
pub(crate) async fn stream(call: Call) -> Answer {
    let (answers, scope) = (call.state.answers.clone(), call.scope()?.clone());
    let QuestionBody { ask, filters, .. } = QuestionBody::parse(call.object().await?)?;
    Ok(events(answers.stream(&scope, ask, filters)?))
}

fn events(receiver: Receiver<Result<Event, Error>>) -> Response<Body> {
    let steps = futures::stream::unfold(receiver, |mut receiver| async move {
        let text = match tokio::time::timeout(ALIVE_EVERY, receiver.recv()).await {
            Err(_) => ": still at work\n\n".to_owned(),
            Ok(None) => return None,
            Ok(Some(step)) => event(step),
        };
        Some((Ok::<_, Infallible>(text), receiver))
    });
    let mut response = Response::new(Body::from_stream(steps));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One event; JSON has no line ends, so one `data` line holds it.
fn event(step: Result<Event, Error>) -> String {
    let (name, data) = match step {
        Ok(Event::Passages(passages)) => {
            let passages: Vec<HitBody<'_>> = passages.iter().map(HitBody::from).collect();
            ("passages", serde_json::to_string(&json!({ "passages": passages })))
        }
        Ok(Event::Delta(text)) => ("delta", serde_json::to_string(&json!({ "text": text }))),
        Ok(Event::Reply(reply)) => ("result", serde_json::to_string(&AnswerBody::from(reply.as_ref()))),
        Err(error) => ("error", Ok(ApiError::from(error).into_body().to_string())),
    };
    let data = data.unwrap_or_else(|_| "{}".to_owned());
    format!("event: {name}\ndata: {data}\n\n")
}

/// `GET /v1/quarry/queries`: newest first.
pub(crate) async fn list_queries(call: Call) -> Answer {
    let rating = match call.query.text("feedback") {
        None | Some("") => None,
        Some("good") => Some(Some(Rating::Good)),
        Some("bad") => Some(Some(Rating::Bad)),
        Some("any" | "none") => Some(None),
        Some(other) => {
            return Err(ApiError::query(format!("feedback must be good, bad, any or none, got {other:?}")));
        }
    };
    let filter = LogFilter {
        responded: call.query.boolean("responded")?,
        rating: rating.flatten(),
        rated: rating.map(|_| call.query.text("feedback") != Some("none")),
    };
    let limit = limit(&call, 200, 50)?;
    let after = call.query.text("nextToken").filter(|token| !token.is_empty());
    let page = call.state.answers.log().list(call.scope()?, &filter, after, limit).await;
    let page = page.map_err(|error| match error {
        Error::Invalid(message) => ApiError::query(message),
        other => other.into(),
    })?;
    let queries: Vec<Value> = page.queries.iter().map(wire::logged_query).collect();
    body::json(&json!({ "queries": queries, "meta": wire::Meta { next_token: page.next } }))
}

fn limit(call: &Call, most: i64, default: usize) -> Result<usize, ApiError> {
    Ok(call.query.number("limit", 1, most)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default))
}

/// `GET /v1/quarry/queries/{id}`.
pub(crate) async fn get_query(call: Call) -> Answer {
    let entry = call.state.answers.log().get(call.scope()?, call.matched.param(0)).await?;
    body::json(&json!({ "query": wire::logged_query(&entry) }))
}

/// `PUT /v1/quarry/queries/{id}/feedback`; `rating: null` takes it back.
pub(crate) async fn rate_query(call: Call) -> Answer {
    let (state, scope) = (call.state.clone(), call.scope()?.clone());
    let id = call.matched.param(0).to_owned();
    let feedback = wire::feedback(call.object().await?)?;
    let entry = state.answers.log().rate(&state.kb, &scope, &id, feedback).await?;
    body::json(&json!({ "query": wire::logged_query(&entry) }))
}

/// `DELETE /v1/quarry/queries/{id}`.
pub(crate) async fn remove_query(call: Call) -> Answer {
    call.state.answers.log().remove(call.scope()?, call.matched.param(0)).await?;
    body::json(&json!({}))
}

/// `DELETE /v1/quarry/queries`.
pub(crate) async fn clear_queries(call: Call) -> Answer {
    let removed = call.state.answers.log().clear(call.scope()?).await?;
    body::json(&json!({ "removed": removed }))
}

/// `GET /v1/quarry/queries/no-match`: what was asked in vain, the most asked first.
pub(crate) async fn unmatched_queries(call: Call) -> Answer {
    let limit = limit(&call, 1_000, 100)?;
    let found = call.state.answers.log().no_match(call.scope()?, limit).await?;
    let found: Vec<Value> = found.iter().map(wire::no_match).collect();
    body::json(&json!({ "questions": found }))
}

/// `GET /v1/quarry/queries/export/{part}`: a file of the evaluation set made from feedback.
pub(crate) async fn export_queries(call: Call) -> Answer {
    let part = match call.matched.param(0) {
        "corpus.jsonl" => Part::Corpus,
        "queries.jsonl" => Part::Queries,
        "test.tsv" => Part::Qrels,
        other => {
            let message = format!("the set has corpus.jsonl, queries.jsonl and test.tsv, not {other:?}");
            return Err(ApiError::not_found(message));
        }
    };
    let mut export = call.state.answers.log().export(&call.state.kb, call.scope()?, part).await?;
    let first = export.next().await?;
    // What fails later breaks the body off, so that nobody takes it for whole.
    let rest = futures::stream::try_unfold(export, |mut export| async move {
        let piece = export.next().await;
        let piece = piece.inspect_err(|error| tracing::error!(%error, "an evaluation set broke off"))?;
        Ok::<_, Error>(piece.map(|text| (text, export)))
    });
    let pieces = futures::stream::iter(first.map(Ok)).chain(rest);
    let mut response = Response::new(Body::from_stream(pieces));
    let kind = if part == Part::Qrels { "text/tab-separated-values" } else { "application/x-ndjson" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// `GET /v1/quarry/queries/settings`.
pub(crate) async fn log_settings(call: Call) -> Answer {
    let settings = call.state.answers.log().settings(call.scope()?).await?;
    body::json(&json!({ "settings": wire::log_settings(settings) }))
}

/// `PUT /v1/quarry/queries/settings`: what is left out stays.
pub(crate) async fn set_log_settings(call: Call) -> Answer {
    let (answers, scope) = (call.state.answers.clone(), call.scope()?.clone());
    let before = answers.log().settings(&scope).await?;
    let settings = wire::changed_log_settings(&mut Fields::new(call.object().await?), before)?;
    answers.log().set(&scope, settings).await?;
    body::json(&json!({ "settings": wire::log_settings(settings) }))
}
