//! What is kept of a source and of each of its pages.
//!
//! Collection `sources`: `s/<source id>` the source with its run, `p/<source id>/<sha256 of URL>` a page.

use crate::{Error, Tags, records};
use quarry_store::{Coll, Key};
use quarry_types::{KbId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Most pages of one source.
pub const MAX_PAGES: usize = 50_000;

/// What a source is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum SourceKind {
    /// These pages.
    Urls {
        /// Absolute URLs.
        urls: Vec<String>,
    },
    /// The pages a sitemap lists.
    Sitemap {
        /// Where it is; of a bare host, what robots.txt names or `/sitemap.xml`.
        url: String,
        /// Whether entries on other hosts are fetched too.
        other_hosts: bool,
    },
    /// The pages reached by links from one page, on its host.
    Website {
        /// Where to start.
        url: String,
        /// Most links from the start.
        max_depth: u32,
    },
    /// The results of a web search.
    Search {
        /// The words.
        query: String,
        /// Only these domains.
        include_domains: Vec<String>,
        /// Not these domains.
        exclude_domains: Vec<String>,
        /// `24h`, `7d` or `30d`.
        window: Option<String>,
    },
    /// A text given by the caller.
    Text {
        /// Its title.
        title: String,
        /// Markdown or plain text.
        content: String,
    },
    /// The rows of a table.
    Table {
        /// Its name or id.
        table: String,
    },
}

impl SourceKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Urls { .. } => "urls",
            Self::Sitemap { .. } => "sitemap",
            Self::Website { .. } => "website",
            Self::Search { .. } => "search",
            Self::Text { .. } => "text",
            Self::Table { .. } => "table",
        }
    }

    /// The `dsType` tag of its files.
    #[must_use]
    pub fn files_type(&self) -> &'static str {
        match self {
            Self::Text { .. } => "rich-text",
            Self::Table { .. } => "table",
            _ => "web-page",
        }
    }

    /// Whether bringing it up to date takes one file and no site's patience.
    pub(crate) fn is_quick(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Table { .. })
    }

    /// Whether links of pages lead to further pages.
    pub(crate) fn follows_links(&self) -> bool {
        matches!(self, Self::Website { .. })
    }
}

/// Which pages are taken, and how politely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRules {
    /// Patterns of URLs to take; all when empty.
    pub include: Vec<String>,
    /// Patterns of URLs to leave out.
    pub exclude: Vec<String>,
    /// Most pages.
    pub max_pages: usize,
    /// Whether robots.txt and the like are honoured; off is for one's own sites.
    pub robots: bool,
    /// Pause between requests to a host, in milliseconds; longer when the site asks for it.
    pub delay_ms: u64,
}

impl Default for PageRules {
    fn default() -> Self {
        Self { include: Vec::new(), exclude: Vec::new(), max_pages: 1_000, robots: true, delay_ms: 100 }
    }
}

/// A run in progress, or waiting for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id: the job's.
    pub id: String,
    /// The first is 1.
    pub number: u32,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Times it was begun, crashes included.
    pub attempts: u32,
    /// Whether pages are fetched that seem unchanged.
    pub force: bool,
    /// Whether all pages to start from are in their records.
    pub listed: bool,
    /// Whether it is to end without finishing.
    pub cancelled: bool,
    /// Files it removed before it last let others have its place.
    #[serde(default)]
    pub retired: usize,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Every page was looked at.
    Completed,
    /// It could not go on; pages looked at count.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl RunStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Pages of a run by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All pages known so far.
    pub found: usize,
    /// New or changed, and handed to indexing.
    pub fetched: usize,
    /// As they were.
    pub unchanged: usize,
    /// Not wanted.
    pub skipped: usize,
    /// Not reached or not readable.
    pub failed: usize,
    /// Files removed because their pages are gone.
    pub retired: usize,
}

impl Counts {
    /// Pages looked at.
    #[must_use]
    pub fn done(&self) -> usize {
        self.fetched + self.unchanged + self.skipped + self.failed
    }
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Its id.
    pub id: String,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// Its pages.
    pub counts: Counts,
}

/// A source as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its id: the `dsId` tag of its files.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The knowledge base its files belong to.
    pub base: KbId,
    /// That one's name, as of the last run.
    pub base_name: String,
    /// What it is made of.
    pub kind: SourceKind,
    /// Which pages are taken.
    pub rules: PageRules,
    /// Further tags of its files.
    pub tags: Tags,
    /// `indexing.configuration` of its files.
    pub indexing: Value,
    /// Pause between scheduled runs, in milliseconds.
    pub refresh_every_ms: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the next scheduled run is due.
    pub next_refresh_at: Option<Timestamp>,
    /// Number of the last run begun.
    pub runs: u32,
    /// The run in progress.
    pub run: Option<Run>,
    /// The last run that ended.
    pub last: Option<RunReport>,
    /// Whether it and its files are being removed.
    pub deleting: bool,
}

/// What became of a page in the run that last knew of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageState {
    /// Not looked at yet.
    Waiting,
    /// New or changed.
    Fetched,
    /// As it was.
    Unchanged,
    /// Not wanted.
    Skipped,
    /// Not reached or not readable.
    Failed,
}

impl PageState {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fetched => "fetched",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// One page of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePage {
    /// Its address.
    pub url: String,
    /// Links from the start.
    pub depth: u32,
    /// The run that last knew of it.
    pub run: u32,
    /// What became of it there.
    pub state: PageState,
    /// Why it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The site's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// Whether it has a file.
    #[serde(default)]
    pub has_file: bool,
    /// Where it last redirected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Validator of the last content taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Validator of the last content taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// When it changed, as listed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lastmod: Option<String>,
    /// The same, of the last content taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_lastmod: Option<String>,
    /// SHA-256 of the last content taken, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// SHA-256 of its words, hex, when it is a web page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

impl SourcePage {
    /// A page not looked at yet.
    pub(crate) fn waiting(url: &str, depth: u32, run: u32) -> Self {
        Self {
            url: url.to_owned(),
            depth,
            run,
            state: PageState::Waiting,
            reason: None,
            status: None,
            title: None,
            checked_at: None,
            has_file: false,
            target: None,
            etag: None,
            last_modified: None,
            lastmod: None,
            taken_lastmod: None,
            hash: None,
            words: None,
        }
    }

    /// Whether its file holds these words, as far as the run that last knew of it can tell.
    pub(crate) fn holds(&self, words: &str) -> bool {
        let kept = match self.state {
            PageState::Fetched | PageState::Unchanged => true,
            PageState::Failed => self.has_file,
            PageState::Waiting | PageState::Skipped => false,
        };
        kept && self.words.as_deref() == Some(words)
    }

    /// Whether it is still there but could not be read, so that what it leads to is unknown.
    pub(crate) fn hides_links(&self) -> bool {
        self.state == PageState::Failed && !matches!(self.status, Some(404 | 410 | 451))
    }

    /// Sets what became of it.
    pub(crate) fn ended(mut self, state: PageState, reason: impl Into<Option<String>>) -> Self {
        self.state = state;
        self.reason = reason.into().map(|text| text.chars().take(500).collect());
        self.checked_at = Some(Timestamp::now());
        self
    }
}

pub(crate) fn sources() -> Coll {
    Coll::new("sources")
}

pub(crate) const SOURCE_PREFIX: &[u8] = b"s/";

pub(crate) fn source_key(id: &str) -> Key {
    format!("s/{id}").into_bytes()
}

pub(crate) fn page_prefix(id: &str) -> Key {
    format!("p/{id}/").into_bytes()
}

pub(crate) fn page_key(id: &str, url: &str) -> Key {
    [page_prefix(id).as_slice(), &Sha256::digest(url)].concat()
}

pub(crate) fn encode_page(page: &SourcePage) -> Result<bytes::Bytes, Error> {
    records::encode(page)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_of_one_source_lie_together() {
        let key = page_key("ds_1", "https://x.example/");
        assert!(key.starts_with(&page_prefix("ds_1")) && !key.starts_with(&page_prefix("ds_")));
        assert_ne!(key, page_key("ds_1", "https://x.example/a"));
        let page = SourcePage::waiting("https://x.example/", 1, 2).ended(PageState::Failed, "x".repeat(900));
        let back: SourcePage = records::decode(&encode_page(&page).unwrap()).unwrap();
        assert_eq!(back, page);
        assert_eq!(back.reason.unwrap().len(), 500);
    }
}
