//! Usage and quotas under the cloud's names. One installation is one workspace; a bot's token sees
//! its own bot only, and as if the workspace held nothing else.
//!
//! Quotas are per bot, so a workspace's usage is a sum and its completion that of its fullest bot.
//! A past month's value is the level at its end; quotas of past months are today's.

use crate::app::{Answer, Call, Head};
use crate::auth::{self, Caller};
use crate::body;
use crate::error::ApiError;
use crate::usage::{Day, Levels, Month, cut};
use crate::wire::{
    BYTES_PER_VECTOR, ChangeBody, DailyBody, Fields, Meta, QuotaBody, UsageBody, UsageKind, period,
};
use quarry_types::{BotId, Scope, Timestamp};
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// The id of the only workspace.
pub(super) const WORKSPACE: &str = "wkspace_local";
/// Combinations of types and ids in one request.
const MAX_COMBINATIONS: usize = 1_000;
/// Months a history shows.
const MAX_MONTHS: u32 = 120;
/// Days listed when the caller names no start.
const DEFAULT_DAYS: i64 = 30;
/// Days of bots one request may make the server read.
const MAX_BOT_DAYS: i64 = 100_000;
/// Largest spending limit: what every JSON reader keeps exactly.
const MAX_SPENDING: f64 = 9e15;
/// Entries of one page.
const MAX_PAGE: usize = 1_000;

/// `introspect`.
pub(crate) async fn introspect(call: Call) -> Answer {
    let (caller, state) = (call.caller()?.clone(), call.state.clone());
    let bot = Fields::new(call.object().await?).required_text("botId")?;
    let scope = auth::scope(&caller, BotId::parse(&bot)?)?;
    state.check_bot(&caller, &scope).await?;
    let user = if caller == Caller::Admin { "user_admin" } else { "user_bot" };
    body::json(&json!({ "workspaceId": WORKSPACE, "botId": scope.bot().as_str(), "userId": user }))
}

fn kind(call: &Head) -> Result<UsageKind, ApiError> {
    let word =
        call.query.text("type").ok_or_else(|| ApiError::query("type is missing; send what to count"))?;
    UsageKind::parse(word)
}

fn month(call: &Head) -> Result<Month, ApiError> {
    period(call.query.text("period"))
}

fn check_workspace(id: &str) -> Result<(), ApiError> {
    if id == WORKSPACE {
        return Ok(());
    }
    let id: String = id.chars().take(100).collect();
    Err(ApiError::not_found(format!(
        "workspace {id:?} does not exist; this server's only one is {WORKSPACE}"
    )))
}

/// The bots an id stands for, as far as the caller may see them.
async fn bots(call: &Head, id: &str) -> Result<Vec<Scope>, ApiError> {
    let caller = call.caller()?;
    if !id.starts_with("wkspace_") {
        let scope = auth::scope(caller, BotId::parse(id)?)?;
        call.state.check_bot(caller, &scope).await?;
        return Ok(vec![scope]);
    }
    check_workspace(id)?;
    match caller {
        Caller::Bot(bot) => Ok(vec![Scope::of(bot.clone())]),
        Caller::Admin => {
            let bots = call.state.store.bots().await?;
            Ok(bots.into_iter().filter_map(|bot| auth::scope(caller, bot).ok()).collect())
        }
    }
}

async fn quota_of(call: &Head, kind: UsageKind) -> Result<u64, ApiError> {
    let config = &call.state.config;
    Ok(match kind {
        UsageKind::StorageCount => config.storage_quota_bytes,
        UsageKind::VectorStorage => config.vector_quota.saturating_mul(BYTES_PER_VECTOR),
        UsageKind::TableRowCount => config.table_row_quota,
        // A file that can be searched has at least one vector.
        UsageKind::IndexedFileCount => config.vector_quota,
        UsageKind::FileMaxSize => config.max_file_bytes,
        UsageKind::RateLimit => u64::from(config.rate_limit),
        UsageKind::AiSpend => call.state.usage.ai_spend_quota().await?,
        UsageKind::Foreign(_) => 0,
    })
}

async fn value(call: &Head, scope: &Scope, kind: UsageKind, month: Month) -> Result<u64, ApiError> {
    if !kind.is_level() {
        return Ok(0);
    }
    Ok(kind.value(&call.state.usage.at_end_of(scope, month).await?))
}

async fn usage(call: &Head, id: &str, kind: UsageKind) -> Result<UsageBody, ApiError> {
    let period = month(call)?;
    let mut sum = 0u64;
    for scope in bots(call, id).await? {
        sum = sum.saturating_add(value(call, &scope, kind, period).await?);
    }
    let quota = quota_of(call, kind).await?;
    Ok(UsageBody { id: id.to_owned(), period, value: sum, quota, r#type: kind.as_str() })
}

/// `getUsage`.
pub(crate) async fn one(call: Call) -> Answer {
    let usage = usage(&call, call.matched.param(0), kind(&call)?).await?;
    body::json(&json!({ "usage": usage }))
}

/// `getMultipleUsages`.
pub(crate) async fn several(call: Call) -> Answer {
    let (types, ids) = (call.query.list("types"), call.query.list("ids"));
    let combinations = types.len().saturating_mul(ids.len());
    if combinations == 0 || combinations > MAX_COMBINATIONS {
        return Err(ApiError::query(format!(
            "send types and ids, together 1 to {MAX_COMBINATIONS} combinations, got {combinations}"
        )));
    }
    let mut usages = Vec::with_capacity(combinations);
    for id in &ids {
        for word in &types {
            usages.push(usage(&call, id, UsageKind::parse(word)?).await?);
        }
    }
    body::json(&json!({ "usages": usages }))
}

/// `listUsageHistory`: every month from the first that has a value to this one.
pub(crate) async fn history(call: Call) -> Answer {
    let (id, kind, log) = (call.matched.param(0), kind(&call)?, &call.state.usage);
    let current = Month::current();
    // What is held changes at these months, bot by bot.
    let mut changes: BTreeMap<Month, Vec<(usize, Levels)>> = BTreeMap::new();
    let scopes = bots(&call, id).await?;
    for (bot, scope) in scopes.iter().enumerate().filter(|_| kind.is_level()) {
        for (month, levels) in log.months(scope).await? {
            changes.entry(month).or_default().push((bot, levels));
        }
        changes.entry(current).or_default().push((bot, log.live(scope).await?));
    }
    let first = changes.keys().next().copied().unwrap_or(current).max(current.minus(MAX_MONTHS - 1));
    let mut held = vec![Levels::default(); scopes.len()];
    let quota = quota_of(&call, kind).await?;
    let mut usages = Vec::new();
    let mut month = changes.keys().next().copied().unwrap_or(current).min(current);
    while month <= current {
        for (bot, levels) in changes.remove(&month).unwrap_or_default() {
            if let Some(level) = held.get_mut(bot) {
                *level = levels;
            }
        }
        if month >= first {
            let sum = held.iter().fold(Levels::default(), |sum, levels| sum.plus(*levels));
            let (id, value) = (id.to_owned(), kind.value(&sum));
            usages.push(UsageBody { id, period: month, value, quota, r#type: kind.as_str() });
        }
        month = month.next();
    }
    body::json(&json!({ "usages": usages }))
}

/// A moment of the query string; a date alone is its first moment, or its last for an end.
fn moment(call: &Head, name: &str, is_end: bool) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = call.query.text(name) else { return Ok(None) };
    let wrong = || ApiError::query(format!("{name} must be a date or an ISO 8601 date-time, got {text:?}"));
    let moment = Timestamp::parse(text).ok_or_else(wrong)?;
    let whole_day = is_end && text.trim().len() == 10;
    Ok(Some(if whole_day { Timestamp(moment.as_ms() + 86_399_999) } else { moment }))
}

/// The range of a list, and the bots it is about.
struct Range {
    from: Timestamp,
    until: Timestamp,
    bots: Vec<Scope>,
}

async fn range(call: &Head, from: &str, until: &str) -> Result<Range, ApiError> {
    let bots = bots(call, call.matched.param(0)).await?;
    let end = moment(call, until, true)?.unwrap_or_else(Timestamp::now);
    let default = || Day::of(end).minus(DEFAULT_DAYS).start();
    let start = moment(call, from, false)?.unwrap_or_else(default);
    if start > end {
        return Err(ApiError::query(format!("{from} must not be later than {until}")));
    }
    // Older days are not kept, later ones have not come: neither costs anything to ask for.
    let start = start.max(Day::of(Timestamp::now()).minus(crate::usage::KEEP_DAYS).start());
    let end = end.min(Timestamp::now());
    let days = Day::of(end).since(Day::of(start)).max(0) + 1;
    let count = i64::try_from(bots.len()).unwrap_or(i64::MAX);
    if days.saturating_mul(count) > MAX_BOT_DAYS {
        return Err(ApiError::query(format!(
            "{days} days of {count} bots are too many for one list; set {from} and {until} closer together or ask bot by bot"
        )));
    }
    Ok(Range { from: start, until: end, bots })
}

/// What a page token is bound to.
fn query_of<'c>(call: &'c Head, names: [&str; 3]) -> [&'c str; 4] {
    let [a, b, c] = names.map(|name| call.query.text(name).unwrap_or(""));
    [call.matched.param(0), a, b, c]
}

/// `listUsageActivity`: the levels seen, in order of time.
pub(crate) async fn activity(call: Call) -> Answer {
    let (from, until) = ("timestampFrom", "timestampUntil");
    let (kind, range) = (kind(&call)?, range(&call, from, until).await?);
    let changes = match kind.is_level() {
        true => call.state.usage.changes(&range.bots, range.from, range.until).await?,
        false => Vec::new(),
    };
    let entry = |(at, levels): (Timestamp, Levels)| {
        let (timestamp, period, metadata) = (at.to_string(), Month::of(at), Map::new());
        (timestamp.clone(), ChangeBody { timestamp, value: kind.value(&levels), period, metadata })
    };
    let entries = changes.into_iter().map(entry).collect();
    let page = cut(entries, &query_of(&call, ["type", from, until]), &call.query.page(MAX_PAGE)?)?;
    body::json(&json!({ "data": page.items, "meta": Meta { next_token: page.next } }))
}

/// `listUsageActivityDaily`: how often each bot did what concerns the type, in order of days.
pub(crate) async fn daily(call: Call) -> Answer {
    let (from, until) = ("dateFrom", "dateUntil");
    let (kind, range) = (kind(&call)?, range(&call, from, until).await?);
    let mut entries = Vec::new();
    for scope in range.bots.iter().filter(|_| !kind.activities().is_empty()) {
        let days = call.state.usage.days(scope, Day::of(range.from), Day::of(range.until)).await?;
        for (day, record) in days {
            for what in kind.activities() {
                let count = record.count(*what);
                if count > 0 {
                    let entry = DailyBody::new(day, scope.bot(), *what, count);
                    entries.push((entry.key.clone(), entry));
                }
            }
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let page = cut(entries, &query_of(&call, ["type", from, until]), &call.query.page(MAX_PAGE)?)?;
    body::json(&json!({ "data": page.items, "meta": Meta { next_token: page.next } }))
}

/// `getAllWorkspaceQuotaCompletion`: the fullest quota of the fullest bot.
pub(crate) async fn completion(call: Call) -> Answer {
    let mut fullest = (UsageKind::StorageCount, 0.0f64);
    for scope in bots(&call, WORKSPACE).await? {
        let levels = call.state.usage.live(&scope).await?;
        for kind in UsageKind::OWN.into_iter().filter(|kind| kind.is_level()) {
            let (value, quota) = (kind.value(&levels), quota_of(&call, kind).await?);
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

async fn quota_body(call: &Head, kind: UsageKind) -> Result<QuotaBody, ApiError> {
    Ok(QuotaBody { period: month(call)?, value: quota_of(call, kind).await?, r#type: kind.as_str() })
}

/// `getWorkspaceQuota`.
pub(crate) async fn quota(call: Call) -> Answer {
    check_workspace(call.matched.param(0))?;
    body::json(&json!({ "quota": quota_body(&call, kind(&call)?).await? }))
}

/// `listWorkspaceQuotas`.
pub(crate) async fn quotas(call: Call) -> Answer {
    check_workspace(call.matched.param(0))?;
    let mut quotas = Vec::new();
    for kind in UsageKind::OWN.into_iter().chain([UsageKind::AiSpend]) {
        quotas.push(quota_body(&call, kind).await?);
    }
    body::json(&json!({ "quotas": quotas }))
}

/// `listWorkspaceUsages`.
pub(crate) async fn workspace(call: Call) -> Answer {
    check_workspace(call.matched.param(0))?;
    let usage = usage(&call, WORKSPACE, kind(&call)?).await?;
    body::json(&json!({ "usages": [usage] }))
}

/// `breakDownWorkspaceUsageByBot`.
pub(crate) async fn by_bot(call: Call) -> Answer {
    check_workspace(call.matched.param(0))?;
    let (kind, month) = (kind(&call)?, month(&call)?);
    let mut data = Vec::new();
    for scope in bots(&call, WORKSPACE).await? {
        let value = value(&call, &scope, kind, month).await?;
        data.push(json!({ "botId": scope.bot().as_str(), "value": value }));
    }
    body::json(&json!({ "data": data }))
}

/// `changeAISpendQuota`: kept and shown as the quota of `ai_spend`; nothing here spends of it.
pub(crate) async fn change_ai_spend(call: Call) -> Answer {
    if *call.caller()? != Caller::Admin {
        return Err(ApiError::forbidden("this needs the admin token"));
    }
    let state = call.state.clone();
    let limit = Fields::new(call.object().await?).float("monthlySpendingLimit")?;
    let limit = limit.ok_or_else(|| ApiError::payload("monthlySpendingLimit is missing; send a number"))?;
    if !(0.0..=MAX_SPENDING).contains(&limit) {
        return Err(ApiError::payload(format!(
            "monthlySpendingLimit must be 0 to {MAX_SPENDING}, got {limit}"
        )));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=MAX_SPENDING")]
    let limit = limit.round() as u64;
    state.usage.set_ai_spend_quota(limit).await?;
    body::empty()
}
