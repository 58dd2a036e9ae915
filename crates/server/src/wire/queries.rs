//! The query log.

use super::Fields;
use crate::error::ApiError;
use quarry_answers::{Feedback, LogSettings, LoggedQuery, NoMatch, Rating};
use quarry_types::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Characters of a comment.
const MAX_COMMENT: usize = 2_000;
/// Passages named in feedback; a question has no more results.
const MAX_RELEVANT: usize = 20;

/// A logged question.
pub(crate) fn logged_query(entry: &LoggedQuery) -> Value {
    let [question, passages, prompt, completion] = entry.tokens;
    let mut body = json!({
        "id": entry.id,
        "createdAt": entry.at.to_string(),
        "question": entry.question,
        "filters": entry.filters,
        "mode": entry.mode,
        "answer": entry.answer,
        "responded": entry.responded,
        "outcome": entry.outcome(),
        "confidence": entry.confidence,
        "results": entry.results,
        "citations": entry.citations,
        "tokens": { "question": question, "passages": passages, "prompt": prompt, "completion": completion },
        "latencyMs": entry.latency_ms,
    });
    if let Some(map) = body.as_object_mut() {
        if let Some(understood) = &entry.understood_as {
            map.insert("understoodAs".to_owned(), understood.clone().into());
        }
        if !entry.missed.is_empty() {
            map.insert("missed".to_owned(), json!(entry.missed));
        }
        if let Some(feedback) = &entry.feedback {
            map.insert(
                "feedback".to_owned(),
                json!({
                    "rating": match feedback.rating { Rating::Good => "good", Rating::Bad => "bad" },
                    "comment": feedback.comment,
                    "relevant": feedback.relevant,
                    "createdAt": feedback.at.to_string(),
                }),
            );
        }
    }
    body
}

/// A question asked in vain.
pub(crate) fn no_match(found: &NoMatch) -> Value {
    json!({
        "question": found.question,
        "count": found.count,
        "lastAt": found.last_at.to_string(),
        "bestConfidence": found.best_confidence,
        "nearestFile": found.nearest,
        "queryIds": found.queries,
    })
}

/// Body of `PUT …/feedback`: `{rating: "good" | "bad" | null, comment?, relevant?: [passageId]}`.
///
/// # Errors
/// 400 naming the field.
pub(crate) fn feedback(body: Map<String, Value>) -> Result<Option<Feedback>, ApiError> {
    let mut fields = Fields::new(body);
    let rating = match fields.raw("rating") {
        Some(Value::Null) => None,
        Some(Value::String(word)) if word == "good" => Some(Rating::Good),
        Some(Value::String(word)) if word == "bad" => Some(Rating::Bad),
        _ => return Err(ApiError::payload("rating must be good, bad, or null to take it back")),
    };
    let comment = fields.text("comment")?.filter(|comment| !comment.is_empty());
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > MAX_COMMENT) {
        return Err(ApiError::payload(format!("comment must have at most {MAX_COMMENT} characters")));
    }
    let relevant: BTreeSet<String> = fields.texts("relevant")?.unwrap_or_default().into_iter().collect();
    if relevant.len() > MAX_RELEVANT {
        return Err(ApiError::payload(format!("relevant must be at most {MAX_RELEVANT} passage ids")));
    }
    fields.end()?;
    let relevant = relevant.into_iter().collect();
    Ok(rating.map(|rating| Feedback { rating, comment, relevant, at: Timestamp::now() }))
}

/// How the log is kept.
pub(crate) fn log_settings(settings: LogSettings) -> Value {
    json!({
        "enabled": settings.enabled,
        "retentionDays": settings.retention_days,
        "maxEntries": settings.max_entries,
    })
}

/// The settings with the fields of a body changed.
///
/// # Errors
/// 400 naming the field.
pub(crate) fn changed_log_settings(
    fields: &mut Fields,
    before: LogSettings,
) -> Result<LogSettings, ApiError> {
    let mut number = |name: &str, most: u64, old: u32| -> Result<u32, ApiError> {
        let given = fields.number(name, 1, most)?;
        Ok(given.and_then(|given| u32::try_from(given).ok()).unwrap_or(old))
    };
    let retention_days = number("retentionDays", 365, before.retention_days)?;
    let max_entries = number("maxEntries", 100_000, before.max_entries)?;
    let enabled = fields.boolean("enabled")?.unwrap_or(before.enabled);
    fields.end()?;
    Ok(LogSettings { enabled, retention_days, max_entries })
}
