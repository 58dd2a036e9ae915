//! Usage and quota figures under the names the client knows.

use crate::error::ApiError;
use quarry_types::Timestamp;
use serde::Serialize;

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
    /// A figure of the cloud that has no meaning here; always 0.
    Foreign(&'static str),
}

/// Types of the cloud that count nothing here.
const FOREIGN: [&str; 9] = [
    "invocation_calls",
    "invocation_timeout",
    "bot_count",
    "workspace_member_count",
    "integrations_owned_count",
    "always_alive",
    "ai_spend",
    "openai_spend",
    "bing_search_spend",
];

impl UsageKind {
    /// Those this server counts.
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
            Self::Foreign(word) => word,
        }
    }

    /// Reads the wire word.
    ///
    /// # Errors
    /// 400 listing the words.
    pub(crate) fn parse(word: &str) -> Result<Self, ApiError> {
        let own = Self::OWN.into_iter().find(|kind| kind.as_str() == word);
        let foreign = || FOREIGN.into_iter().find(|known| *known == word).map(Self::Foreign);
        own.or_else(foreign).ok_or_else(|| {
            let words: Vec<&str> = Self::OWN.into_iter().map(Self::as_str).chain(FOREIGN).collect();
            ApiError::query(format!("type must be one of {}, got {word:?}", words.join(", ")))
        })
    }
}

/// A month as `YYYY-MM`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Period(String);

impl Period {
    /// This month.
    #[must_use]
    pub(crate) fn current() -> Self {
        Self(Timestamp::now().to_string().chars().take(7).collect())
    }

    /// A month a caller named; this one when absent.
    ///
    /// # Errors
    /// 400 when it is no `YYYY-MM` (a longer date is cut to its month).
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        let Some(text) = text else { return Ok(Self::current()) };
        let month: String = text.chars().take(7).collect();
        if Timestamp::parse(&format!("{month}-01")).is_some() {
            return Ok(Self(month));
        }
        Err(ApiError::query(format!("period must be a month such as 2026-01, got {text:?}")))
    }
}

/// One usage.
#[derive(Debug, Serialize)]
pub(crate) struct UsageBody {
    /// Whose.
    pub(crate) id: String,
    /// Which month.
    pub(crate) period: Period,
    /// How much.
    pub(crate) value: u64,
    /// Of how much.
    pub(crate) quota: u64,
    /// Of what.
    pub(crate) r#type: &'static str,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_and_periods() {
        assert_eq!(UsageKind::parse("storage_count").unwrap(), UsageKind::StorageCount);
        assert_eq!(UsageKind::parse("ai_spend").unwrap().as_str(), "ai_spend");
        assert!(UsageKind::parse("bot_log_count").is_err());
        assert_eq!(Period::parse(Some("2026-03-05T00:00:00Z")).unwrap(), Period("2026-03".to_owned()));
        assert!(Period::parse(Some("soon")).is_err());
    }
}
