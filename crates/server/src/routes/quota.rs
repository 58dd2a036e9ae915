//! Our own view of usage: limits of the caller's bot, what it did by day, counters against records.

use crate::app::{Answer, Call};
use crate::auth;
use crate::body;
use crate::error::ApiError;
use crate::usage::{Activity, Day, RecountError, recount};
use crate::wire::{Fields, HoldingBody, finding_body};
use quarry_types::{BotId, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Days shown when the caller names no start.
const DEFAULT_DAYS: i64 = 30;

/// `GET /v1/quarry/quota`: used, reserved and limit of everything bounded.
pub(crate) async fn show(call: Call) -> Answer {
    let (state, scope) = (&call.state, call.scope()?);
    let (usage, config) = (state.store.usage(scope.bot()).await?, &state.config);
    let held = state.kb.recount(scope).await?;
    let tables = state.tables.list(scope, &BTreeMap::new()).await?.len() as u64;
    let one = |used, reserved, limit| HoldingBody { used, reserved, limit };
    body::json(&json!({
        "botId": scope.bot().as_str(),
        "vectors": one(usage.vectors, held.reserved_vectors, config.vector_quota),
        "tableRows": one(usage.table_rows, 0, config.table_row_quota),
        "storageBytes": one(usage.storage_bytes, held.reserved_bytes, config.storage_quota_bytes),
        "tables": one(tables, 0, config.max_tables as u64),
        "columnsPerTable": { "limit": config.max_columns },
        "bytesPerFile": { "limit": config.max_file_bytes },
        "requestsPerSecond": { "limit": config.rate_limit },
    }))
}

fn day(call: &Call, name: &str) -> Result<Option<Day>, ApiError> {
    let Some(text) = call.query.text(name) else { return Ok(None) };
    let wrong = || ApiError::query(format!("{name} must be a date such as 2026-01-31, got {text:?}"));
    Day::parse(text).map(Some).ok_or_else(wrong)
}

/// `GET /v1/quarry/activity`: what the bot did and held, day by day.
pub(crate) async fn activity(call: Call) -> Answer {
    let until = day(&call, "until")?.unwrap_or_else(|| Day::of(Timestamp::now()));
    let from = day(&call, "from")?.unwrap_or_else(|| until.minus(DEFAULT_DAYS));
    if from > until {
        return Err(ApiError::query("from must not be later than until"));
    }
    let (log, scope) = (&call.state.usage, call.scope()?);
    let mut held = log.before(scope, from.start()).await?;
    let mut days = Vec::new();
    for (day, record) in log.days(scope, from, until).await? {
        held = record.points.last().map_or(held, |point| point.levels);
        let counts: Map<String, Value> =
            Activity::ALL.iter().map(|what| (what.word().to_owned(), record.count(*what).into())).collect();
        days.push(json!({ "date": day.to_string(), "held": held, "counts": counts }));
    }
    body::json(&json!({ "days": days }))
}

/// `POST /v1/quarry/quota/recount`: counters against the records of one bot, or of all.
pub(crate) async fn check(call: Call) -> Answer {
    let (state, caller) = (call.state.clone(), call.caller()?.clone());
    let mut fields =
        Fields::new(body::optional_object(&call.head.headers, call.body, body::FILES_CAP).await?);
    let fix = fields.boolean("fix")?.unwrap_or(false);
    let bots = match fields.text("botId")? {
        Some(bot) => vec![auth::scope(&caller, BotId::parse(&bot)?)?.bot().clone()],
        None => state.store.bots().await?,
    };
    let mut findings = Vec::new();
    let (one, mut differs) = (bots.len() == 1, false);
    for bot in bots.iter().filter(|bot| bot.as_str() != auth::SYSTEM_BOT) {
        match recount(&state.store, bot, fix).await {
            Ok(finding) => {
                differs |= finding.differs() && !finding.fixed;
                findings.push(finding_body(&finding));
            }
            // Of many, one that never rests must not keep the others from being told.
            Err(RecountError::Busy(bot)) if !one => {
                findings.push(json!({ "botId": bot.as_str(), "busy": true }));
            }
            Err(error) => return Err(error.into()),
        }
    }
    body::json(&json!({ "bots": findings, "differs": differs }))
}
