//! Our own endpoints: extracted text, status, tokens.

use crate::app::{Answer, Call, State};
use crate::body;
use crate::error::ApiError;
use crate::tokens::TokenRecord;
use crate::wire::Fields;
use quarry_types::{BotId, Counter, Scope, Usage};
use serde_json::{Value, json};

/// `GET /v1/quarry/files/{id}/text`: what the character ranges of citations refer to.
pub(crate) async fn text(call: Call) -> Answer {
    let text = call.state.kb.text(call.scope()?, call.matched.param(0)).await?;
    body::json(&json!({ "text": text }))
}

/// `GET /v1/quarry/files/{id}/facts`: title, author, dates, language and warnings of the indexed document.
pub(crate) async fn facts(call: Call) -> Answer {
    let id = call.matched.param(0);
    let file = call.state.kb.file(call.scope()?, id).await?;
    let published = file.readable().filter(|published| published.facts.is_some());
    let Some(published) = published else {
        let missing = quarry_kb::Error::NotFound { what: "facts of file", id: id.to_owned() };
        return Err(missing.into());
    };
    let mut body = serde_json::to_value(&published.facts).unwrap_or_default();
    if let Some(map) = body.as_object_mut() {
        map.insert("warnings".to_owned(), published.warnings.clone().into());
    }
    body::json(&body)
}

/// `GET /v1/quarry/status`; with `recount=true` also the counters as a scan finds them.
pub(crate) async fn status(call: Call) -> Answer {
    let (state, scope) = (&call.state, call.scope()?);
    let usage = state.store.usage(scope.bot()).await?;
    let stats = state.kb.bot_stats(scope).await?;
    let tables = state.tables.list(scope, &std::collections::BTreeMap::new()).await?.len();
    let engine = state.kb.status();
    let mut body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "botId": scope.bot().as_str(),
        "ready": state.embedder.is_ready(),
        "writable": !(state.poisoned)(),
        "languageModel": state.llm.as_ref().map(quarry_fetch::ChatModel::name),
        "usage": usage_body(state, usage),
        "counts": {
            "files": stats.files,
            "indexedFiles": stats.indexed_files,
            "passages": stats.passages,
            "knowledgeBases": stats.knowledge_bases,
            "tables": tables,
        },
        "jobs": { "queued": engine.queued_jobs, "running": engine.running_jobs },
    });
    if call.query.boolean("recount")?.unwrap_or(false)
        && let Some(map) = body.as_object_mut()
    {
        map.insert("recount".to_owned(), recount(state, scope).await?);
    }
    body::json(&body)
}

fn usage_body(state: &State, usage: Usage) -> Value {
    let limit = |counter| match counter {
        Counter::Vectors => state.config.vector_quota,
        Counter::TableRows => state.config.table_row_quota,
        Counter::StorageBytes => state.config.storage_quota_bytes,
    };
    let one = |counter| json!({ "used": usage.get(counter), "limit": limit(counter) });
    json!({
        "vectors": one(Counter::Vectors),
        "tableRows": one(Counter::TableRows),
        "storageBytes": one(Counter::StorageBytes),
    })
}

async fn recount(state: &State, scope: &Scope) -> Result<Value, ApiError> {
    let counted = state.kb.recount(scope).await?;
    let tables = state.tables.recount(scope).await?;
    let vectors = counted.vectors + tables.vectors;
    Ok(json!({ "vectors": vectors, "tableRows": tables.table_rows, "storageBytes": counted.storage_bytes }))
}

fn token_body(token: &TokenRecord) -> Value {
    json!({
        "id": token.id,
        "botId": token.bot.as_str(),
        "name": token.name,
        "createdAt": token.created_at.to_string(),
    })
}

/// `GET /v1/quarry/tokens`.
pub(crate) async fn list_tokens(call: Call) -> Answer {
    let tokens: Vec<Value> = call.state.tokens.list().iter().map(token_body).collect();
    body::json(&json!({ "tokens": tokens }))
}

/// `POST /v1/quarry/tokens`: the token's text is in this answer and never again.
pub(crate) async fn create_token(call: Call) -> Answer {
    let state = call.state.clone();
    let mut fields = Fields::new(call.object().await?);
    let bot = BotId::parse(&fields.required_text("botId")?)?;
    if bot.as_str() == crate::auth::SYSTEM_BOT {
        return Err(ApiError::payload("this bot id is the server's own; choose another"));
    }
    let name = fields.text("name")?.unwrap_or_default();
    if name.chars().count() > 200 {
        return Err(ApiError::payload("name must be at most 200 characters"));
    }
    let (token, text) = state.tokens.create(state.store.as_ref(), bot, name).await?;
    let mut body = token_body(&token);
    if let Some(map) = body.as_object_mut() {
        map.insert("token".to_owned(), text.into());
    }
    body::json(&json!({ "token": body }))
}

/// `DELETE /v1/quarry/tokens/{id}`.
pub(crate) async fn delete_token(call: Call) -> Answer {
    call.state.tokens.revoke(call.state.store.as_ref(), call.matched.param(0)).await?;
    body::empty()
}
