//! Usage and quota figures under the names the client knows.

use crate::error::ApiError;
use crate::usage::{Activity, Day, Finding, Levels, Month};
use quarry_types::{BotId, Counter};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Bytes one vector stands for where the contract counts vectors in bytes: 5,000 are 100 MB.
pub(crate) const BYTES_PER_VECTOR: u64 = 20_000;

/// What a usage counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageKind {
    /// Bytes of files.
    StorageCount,
    /// Bytes of indexed documents; shown from the vectors they have.
    VectorStorage,
    /// Rows × factor.
    TableRowCount,
    /// Files that can be searched.
    IndexedFileCount,
    /// Bytes of one file.
    FileMaxSize,
    /// Requests per second.
    RateLimit,
    /// Spending on language models; kept as set, spent by nothing here.
    AiSpend,
    /// A figure of the cloud that has no meaning here; always 0.
    Foreign(&'static str),
}

/// Types of the cloud that count nothing here.
const FOREIGN: [&str; 8] = [
    "invocation_calls",
    "invocation_timeout",
    "bot_count",
    "workspace_member_count",
    "integrations_owned_count",
    "always_alive",
    "openai_spend",
    "bing_search_spend",
];

impl UsageKind {
    /// Those this server bounds.
    pub(crate) const OWN: [Self; 6] = [
        Self::StorageCount,
        Self::VectorStorage,
        Self::TableRowCount,
        Self::IndexedFileCount,
        Self::FileMaxSize,
        Self::RateLimit,
    ];

    /// The wire word.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::StorageCount => "storage_count",
            Self::VectorStorage => "knowledgebase_vector_storage",
            Self::TableRowCount => "table_row_count",
            Self::IndexedFileCount => "indexed_file_count",
            Self::FileMaxSize => "file_max_size_bytes",
            Self::RateLimit => "workspace_ratelimit",
            Self::AiSpend => "ai_spend",
            Self::Foreign(word) => word,
        }
    }

    /// Its part of what a bot holds; 0 for what is no level.
    #[must_use]
    pub(crate) fn value(self, levels: &Levels) -> u64 {
        match self {
            Self::StorageCount => levels.storage_bytes,
            Self::VectorStorage => levels.vectors.saturating_mul(BYTES_PER_VECTOR),
            Self::TableRowCount => levels.table_rows,
            Self::IndexedFileCount => levels.indexed_files,
            Self::FileMaxSize | Self::RateLimit | Self::AiSpend | Self::Foreign(_) => 0,
        }
    }

    /// Whether bots hold some of it.
    #[must_use]
    pub(crate) fn is_level(self) -> bool {
        matches!(
            self,
            Self::StorageCount | Self::VectorStorage | Self::TableRowCount | Self::IndexedFileCount
        )
    }

    /// What bots do with it.
    #[must_use]
    pub(crate) fn activities(self) -> &'static [Activity] {
        match self {
            Self::StorageCount => &[Activity::FileWrite],
            Self::IndexedFileCount => &[Activity::FileIndexed, Activity::FileFailed],
            Self::VectorStorage => &[Activity::Search, Activity::Answer],
            Self::TableRowCount => &[Activity::TableRead, Activity::TableWrite],
            Self::RateLimit => &[Activity::Call],
            Self::FileMaxSize | Self::AiSpend | Self::Foreign(_) => &[],
        }
    }

    /// Reads the wire word.
    ///
    /// # Errors
    /// 400 listing the words.
    pub(crate) fn parse(word: &str) -> Result<Self, ApiError> {
        let own = Self::OWN.into_iter().chain([Self::AiSpend]).find(|kind| kind.as_str() == word);
        let foreign = || FOREIGN.into_iter().find(|known| *known == word).map(Self::Foreign);
        own.or_else(foreign).ok_or_else(|| {
            let words: Vec<&str> =
                Self::OWN.into_iter().map(Self::as_str).chain(["ai_spend"]).chain(FOREIGN).collect();
            ApiError::query(format!("type must be one of {}, got {word:?}", words.join(", ")))
        })
    }
}

/// The month `period` names; this one when absent.
///
/// # Errors
/// 400 when it is no month. A date or date-time counts as its month.
pub(crate) fn period(text: Option<&str>) -> Result<Month, ApiError> {
    let Some(text) = text else { return Ok(Month::current()) };
    Month::parse(text)
        .ok_or_else(|| ApiError::query(format!("period must be a month such as 2026-01, got {text:?}")))
}

/// One usage.
#[derive(Debug, Serialize)]
pub(crate) struct UsageBody {
    /// Whose.
    pub(crate) id: String,
    /// Which month.
    pub(crate) period: Month,
    /// How much.
    pub(crate) value: u64,
    /// Of how much.
    pub(crate) quota: u64,
    /// Of what.
    pub(crate) r#type: &'static str,
}

/// One quota.
#[derive(Debug, Serialize)]
pub(crate) struct QuotaBody {
    /// Which month.
    pub(crate) period: Month,
    /// How much.
    pub(crate) value: u64,
    /// Of what.
    pub(crate) r#type: &'static str,
}

/// One level, as `listUsageActivity` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeBody {
    /// When it was seen.
    pub(crate) timestamp: String,
    /// The level from then on.
    pub(crate) value: u64,
    /// Which month.
    pub(crate) period: Month,
    /// Always empty.
    pub(crate) metadata: Map<String, Value>,
}

/// How often one bot did one thing on one day, as `listUsageActivityDaily` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct DailyBody {
    /// Names it: day, bot and activity.
    pub(crate) key: String,
    /// The day.
    pub(crate) date: String,
    /// How often.
    pub(crate) value: u64,
    /// Who and what.
    pub(crate) metadata: DailyMetadata,
}

/// Who did what.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DailyMetadata {
    bot_id: String,
    r#type: &'static str,
    subtype: &'static str,
    source: &'static str,
}

impl DailyBody {
    /// One entry.
    #[must_use]
    pub(crate) fn new(day: Day, bot: &BotId, what: Activity, value: u64) -> Self {
        // The client knows four types; of ours only indexing is one of them.
        let r#type = match what {
            Activity::FileIndexed | Activity::FileFailed => "FileIndexing",
            _ => "IntegrationAction",
        };
        Self {
            key: format!("{day}/{bot}/{}", what.word()),
            date: day.to_string(),
            value,
            metadata: DailyMetadata {
                bot_id: bot.to_string(),
                r#type,
                subtype: what.word(),
                source: "quarry",
            },
        }
    }
}

/// A counter, its limit, and the part of it held by work that has not ended.
#[derive(Debug, Serialize)]
pub(crate) struct HoldingBody {
    /// What counts against the limit.
    pub(crate) used: u64,
    /// Of it: held by uploads and indexing that have not ended.
    pub(crate) reserved: u64,
    /// The most it may be.
    pub(crate) limit: u64,
}

/// What a recount of one bot found.
#[must_use]
pub(crate) fn finding_body(finding: &Finding) -> Value {
    let one = |counter| json!({ "counter": finding.counters.get(counter), "counted": finding.counted.get(counter) });
    json!({
        "botId": finding.bot.as_str(),
        "vectors": one(Counter::Vectors),
        "tableRows": one(Counter::TableRows),
        "storageBytes": one(Counter::StorageBytes),
        "differs": finding.differs(),
        "fixed": finding.fixed,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_and_periods() {
        assert_eq!(UsageKind::parse("storage_count").unwrap(), UsageKind::StorageCount);
        assert_eq!(UsageKind::parse("ai_spend").unwrap(), UsageKind::AiSpend);
        assert_eq!(UsageKind::parse("always_alive").unwrap().as_str(), "always_alive");
        assert!(UsageKind::parse("bot_log_count").is_err());
        assert_eq!(period(Some("2026-03-05T00:00:00Z")).unwrap(), period(Some("2026-03")).unwrap());
        assert!(period(Some("soon")).is_err() && period(Some("2026-13")).is_err());
    }

    #[test]
    fn levels_are_told_in_the_units_of_the_contract() {
        let levels = Levels { storage_bytes: 1, vectors: 5_000, table_rows: 3, indexed_files: 4 };
        let values = UsageKind::OWN.map(|kind| kind.value(&levels));
        assert_eq!(values, [1, 100_000_000, 3, 4, 0, 0]);
    }
}
