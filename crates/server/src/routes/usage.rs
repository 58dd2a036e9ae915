//! Usage and quotas under the cloud's names. One installation is one workspace; a bot's token sees
//! its own bot only, and as if the workspace held nothing else.

use crate::app::{Answer, Call, Head, State};
use crate::auth::{self, Caller};
use crate::body;
use crate::error::ApiError;
use crate::wire::{Fields, Meta, Period, UsageBody, UsageKind};
use quarry_types::{BotId, Counter, Scope};
use serde_json::{Map, Value, json};

/// The id of the only workspace.
const WORKSPACE: &str = "wkspace_local";
/// Bytes one vector stands for where the cloud counts vectors in bytes: 5,000 are its 100 MB.
const BYTES_PER_VECTOR: u64 = 20_000;

/// `introspect`.
pub(crate) async fn introspect(call: Call) -> Answer {
    let caller = call.caller()?.clone();
    let bot = Fields::new(call.object().await?).required_text("botId")?;
    let scope = auth::scope(&caller, BotId::parse(&bot)?)?;
    body::json(&json!({ "workspaceId": WORKSPACE, "botId": scope.bot().as_str(), "userId": "user_admin" }))
}

fn kind(call: &Head) -> Result<UsageKind, ApiError> {
    let word =
        call.query.text("type").ok_or_else(|| ApiError::query("type is missing; send what to count"))?;
    UsageKind::parse(word)
}

fn period(call: &Head) -> Result<Period, ApiError> {
    Period::parse(call.query.text("period"))
}

fn is_workspace(id: &str) -> bool {
    id.starts_with("wkspace")
}

/// The bots an id stands for, as far as the caller may see them.
async fn bots(call: &Head, id: &str) -> Result<Vec<Scope>, ApiError> {
    let caller = call.caller()?;
    if !is_workspace(id) {
        return Ok(vec![auth::scope(caller, BotId::parse(id)?)?]);
    }
    match caller {
        Caller::Bot(bot) => Ok(vec![Scope::of(bot.clone())]),
        Caller::Admin => {
            let bots = call.state.store.bots().await?;
            Ok(bots.into_iter().filter_map(|bot| auth::scope(caller, bot).ok()).collect())
        }
    }
}

fn quota_of(state: &State, kind: UsageKind) -> u64 {
    let config = &state.config;
    match kind {
        UsageKind::StorageCount => config.storage_quota_bytes,
        UsageKind::VectorStorage => config.vector_quota.saturating_mul(BYTES_PER_VECTOR),
        UsageKind::TableRowCount => config.table_row_quota,
        // A file that can be searched has at least one vector.
        UsageKind::IndexedFileCount => config.vector_quota,
        UsageKind::FileMaxSize => config.max_file_bytes,
        UsageKind::RateLimit => u64::from(config.rate_limit),
        UsageKind::Foreign(_) => 0,
    }
}

async fn value_of(state: &State, kind: UsageKind, scope: &Scope) -> Result<u64, ApiError> {
    let counter = match kind {
        UsageKind::StorageCount => Counter::StorageBytes,
        UsageKind::VectorStorage => Counter::Vectors,
        UsageKind::TableRowCount => Counter::TableRows,
        UsageKind::IndexedFileCount => return Ok(state.kb.bot_stats(scope).await?.indexed_files as u64),
        UsageKind::FileMaxSize | UsageKind::RateLimit | UsageKind::Foreign(_) => return Ok(0),
    };
    let value = state.store.usage(scope.bot()).await?.get(counter);
    Ok(if counter == Counter::Vectors { value.saturating_mul(BYTES_PER_VECTOR) } else { value })
}

async fn usage(call: &Head, id: &str, kind: UsageKind) -> Result<UsageBody, ApiError> {
    let mut value = 0u64;
    for scope in bots(call, id).await? {
        value = value.saturating_add(value_of(&call.state, kind, &scope).await?);
    }
    let quota = quota_of(&call.state, kind);
    Ok(UsageBody { id: id.to_owned(), period: period(call)?, value, quota, r#type: kind.as_str() })
}

/// `getUsage`.
pub(crate) async fn one(call: Call) -> Answer {
    let usage = usage(&call, call.matched.param(0), kind(&call)?).await?;
    body::json(&json!({ "usage": usage }))
}

/// `getMultipleUsages`.
pub(crate) async fn several(call: Call) -> Answer {
    let (types, ids) = (call.query.list("types"), call.query.list("ids"));
    if types.is_empty() || ids.is_empty() || types.len() * ids.len() > 1_000 {
        return Err(ApiError::query("send types and ids, at most 1000 combinations"));
    }
    let mut usages = Vec::new();
    for id in &ids {
        for word in &types {
            usages.push(usage(&call, id, UsageKind::parse(word)?).await?);
        }
    }
    body::json(&json!({ "usages": usages }))
}

/// `listUsageHistory`: counters are levels, not flows; the history is the current month.
pub(crate) async fn history(call: Call) -> Answer {
    let usage = usage(&call, call.matched.param(0), kind(&call)?).await?;
    body::json(&json!({ "usages": [usage] }))
}

/// `listUsageActivity` and its daily form: no activity is recorded.
pub(crate) async fn activity(call: Call) -> Answer {
    kind(&call)?;
    bots(&call, call.matched.param(0)).await?;
    body::json(&json!({ "data": [], "meta": Meta { next_token: None } }))
}

/// `getAllWorkspaceQuotaCompletion`: the fullest quota of the fullest bot.
pub(crate) async fn completion(call: Call) -> Answer {
    let mut fullest = (UsageKind::StorageCount, 0.0f64);
    for scope in bots(&call, WORKSPACE).await? {
        for kind in [UsageKind::StorageCount, UsageKind::VectorStorage, UsageKind::TableRowCount] {
            let (value, quota) = (value_of(&call.state, kind, &scope).await?, quota_of(&call.state, kind));
            #[allow(clippy::cast_precision_loss, reason = "a ratio for people to read")]
            let part = value as f64 / quota.max(1) as f64;
            if part > fullest.1 {
                fullest = (kind, part);
            }
        }
    }
    let mut body = Map::new();
    body.insert(WORKSPACE.to_owned(), json!({ "type": fullest.0.as_str(), "completion": fullest.1 }));
    body::json(&body)
}

fn quota_body(state: &State, kind: UsageKind, period: &Period) -> Value {
    json!({ "period": period, "value": quota_of(state, kind), "type": kind.as_str() })
}

/// `getWorkspaceQuota`.
pub(crate) async fn quota(call: Call) -> Answer {
    body::json(&json!({ "quota": quota_body(&call.state, kind(&call)?, &period(&call)?) }))
}

/// `listWorkspaceQuotas`.
pub(crate) async fn quotas(call: Call) -> Answer {
    let period = period(&call)?;
    let quotas: Vec<Value> =
        UsageKind::OWN.into_iter().map(|kind| quota_body(&call.state, kind, &period)).collect();
    body::json(&json!({ "quotas": quotas }))
}

/// `listWorkspaceUsages`.
pub(crate) async fn workspace(call: Call) -> Answer {
    let usage = usage(&call, WORKSPACE, kind(&call)?).await?;
    body::json(&json!({ "usages": [usage] }))
}

/// `breakDownWorkspaceUsageByBot`.
pub(crate) async fn by_bot(call: Call) -> Answer {
    let kind = kind(&call)?;
    period(&call)?;
    let mut data = Vec::new();
    for scope in bots(&call, WORKSPACE).await? {
        let value = value_of(&call.state, kind, &scope).await?;
        data.push(json!({ "botId": scope.bot().as_str(), "value": value }));
    }
    body::json(&json!({ "data": data }))
}

/// `changeAISpendQuota`: nothing here spends on a language model; taken and ignored.
pub(crate) async fn change_ai_spend(call: Call) -> Answer {
    if *call.caller()? != Caller::Admin {
        return Err(ApiError::forbidden("this needs the admin token"));
    }
    let mut fields = Fields::new(call.object().await?);
    if fields.float("monthlySpendingLimit")?.is_none() {
        return Err(ApiError::payload("monthlySpendingLimit is missing; send a number"));
    }
    body::empty()
}
