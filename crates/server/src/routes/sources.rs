//! Sources of knowledge: websites, sitemaps, lists of pages, web searches, texts, tables.

use crate::app::{Answer, Call};
use crate::body;
use crate::wire::{Fields, Meta, new_source, page_body, page_state, source_body};
use serde_json::{Value, json};

/// `POST /v1/quarry/sources`.
pub(crate) async fn create(call: Call) -> Answer {
    let (sources, scope) = (call.state.sources.clone(), call.scope()?.clone());
    let new = new_source(call.object().await?)?;
    let view = sources.create(&scope, new).await?;
    body::json(&json!({ "source": source_body(&view) }))
}

/// `GET /v1/quarry/sources`.
pub(crate) async fn list(call: Call) -> Answer {
    let page = call.query.page(1000)?;
    let base = call.query.text("knowledgeBase");
    let found = call.state.sources.list(call.scope()?, base, page).await?;
    let sources: Vec<Value> = found.items.iter().map(source_body).collect();
    body::json(&json!({ "sources": sources, "meta": Meta { next_token: found.next } }))
}

/// `GET /v1/quarry/sources/{id}`.
pub(crate) async fn get(call: Call) -> Answer {
    let view = call.state.sources.get(call.scope()?, call.matched.param(0)).await?;
    body::json(&json!({ "source": source_body(&view) }))
}

/// `POST /v1/quarry/sources/{id}/refresh`.
pub(crate) async fn refresh(call: Call) -> Answer {
    let (sources, scope) = (call.state.sources.clone(), call.scope()?.clone());
    let id = call.matched.param(0).to_owned();
    let given = body::optional_object(&call.head.headers, call.body, body::FILES_CAP).await?;
    let force = Fields::new(given).boolean("force")?.unwrap_or(false);
    let view = sources.refresh(&scope, &id, force).await?;
    body::json(&json!({ "source": source_body(&view) }))
}

/// `DELETE /v1/quarry/sources/{id}`: its files go with it, in the background.
pub(crate) async fn delete(call: Call) -> Answer {
    call.state.sources.delete(call.scope()?, call.matched.param(0)).await?;
    body::empty()
}

/// `GET /v1/quarry/sources/{id}/pages`: the report of the last run, page by page.
pub(crate) async fn pages(call: Call) -> Answer {
    let page = call.query.page(1000)?;
    let state = call.query.text("status").map(page_state).transpose()?;
    let found = call.state.sources.pages(call.scope()?, call.matched.param(0), state, page).await?;
    let pages: Vec<Value> = found.items.iter().map(page_body).collect();
    body::json(&json!({ "pages": pages, "meta": Meta { next_token: found.next } }))
}
