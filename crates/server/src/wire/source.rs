//! Sources: what makes one, how it is shown, and the report of its pages.

use super::Fields;
use crate::error::ApiError;
use quarry_kb::{
    Counts, MAX_PAGES, NewSource, PageRules, PageState, RunProgress, RunReport, SourceKind, SourcePage,
    SourceView,
};
use serde_json::{Map, Value, json};

/// Characters of a tag's value.
const TAG_CHARS: usize = 1000;
const MIN_REFRESH_S: u64 = 60;
const MAX_REFRESH_S: u64 = 365 * 24 * 3600;
/// Pages of a crawl and results of a search, unless the caller says otherwise.
const CRAWLED_PAGES: usize = 1_000;
const SEARCHED_PAGES: usize = 10;

/// Body of `POST /v1/quarry/sources`.
///
/// # Errors
/// 400 naming the field.
pub(crate) fn new_source(body: Map<String, Value>) -> Result<NewSource, ApiError> {
    let mut fields = Fields::new(body);
    let base = fields.required_text("knowledgeBase")?;
    let word = fields.required_text("type")?;
    let kind = kind(&word, &mut fields)?;
    let most = match &kind {
        SourceKind::Website { .. } => CRAWLED_PAGES,
        SourceKind::Search { .. } => SEARCHED_PAGES,
        _ => MAX_PAGES,
    };
    let max_pages = fields.number("maxPages", 1, MAX_PAGES as u64)?;
    let defaults = PageRules::default();
    let rules = PageRules {
        include: fields.texts("include")?.unwrap_or_default(),
        exclude: fields.texts("exclude")?.unwrap_or_default(),
        max_pages: max_pages.and_then(|pages| usize::try_from(pages).ok()).unwrap_or(most),
        robots: fields.boolean("robots")?.unwrap_or(defaults.robots),
        delay_ms: fields.number("delayMs", 0, 60_000)?.unwrap_or(defaults.delay_ms),
    };
    let indexing = fields.object("indexing")?.and_then(|mut indexing| indexing.remove("configuration"));
    Ok(NewSource {
        base,
        name: fields.text("name")?.filter(|name| !name.trim().is_empty()),
        kind,
        rules,
        tags: fields.tags("tags", TAG_CHARS)?.unwrap_or_default(),
        indexing: indexing.unwrap_or(Value::Null),
        refresh_every_ms: fields.text("refreshEvery")?.map(|text| period_ms(&text)).transpose()?,
    })
}

fn kind(word: &str, fields: &mut Fields) -> Result<SourceKind, ApiError> {
    Ok(match word {
        "urls" => SourceKind::Urls { urls: urls(fields)? },
        "sitemap" => SourceKind::Sitemap {
            url: fields.required_text("url")?,
            other_hosts: fields.boolean("otherHosts")?.unwrap_or(false),
        },
        "website" => SourceKind::Website {
            url: fields.required_text("url")?,
            max_depth: fields
                .number("maxDepth", 0, 20)?
                .and_then(|depth| u32::try_from(depth).ok())
                .unwrap_or(5),
        },
        "search" => {
            let window = fields.text("window")?;
            if window.as_deref().is_some_and(|window| !["24h", "7d", "30d"].contains(&window)) {
                return Err(ApiError::payload("window must be 24h, 7d or 30d"));
            }
            SourceKind::Search {
                query: fields.required_text("query")?,
                include_domains: fields.texts("includeDomains")?.unwrap_or_default(),
                exclude_domains: fields.texts("excludeDomains")?.unwrap_or_default(),
                window,
            }
        }
        "text" => SourceKind::Text {
            title: fields.required_text("title")?,
            content: fields.required_text("content")?,
        },
        "table" => SourceKind::Table { table: fields.required_text("table")? },
        other => {
            let other: String = other.chars().take(40).collect();
            let known = "urls, sitemap, website, search, text or table";
            return Err(ApiError::payload(format!("type must be {known}, got {other:?}")));
        }
    })
}

/// A list, or a text with one URL per line.
fn urls(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let given = fields.value("urls");
    let lines =
        |text: &str| text.lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    match given {
        Some(Value::String(text)) => Ok(lines(&text)),
        Some(list @ Value::Array(_)) => {
            let mut again = Fields::new(Map::from_iter([("urls".to_owned(), list)]));
            let texts = again.texts("urls")?.unwrap_or_default();
            Ok(texts.iter().map(|text| text.trim().to_owned()).collect())
        }
        _ => Err(ApiError::payload("urls must be a list of URLs, or a text with one per line")),
    }
}

/// `30m`, `12h`, `7d` in milliseconds.
fn period_ms(text: &str) -> Result<i64, ApiError> {
    let wrong = || ApiError::payload("refreshEvery must be a time such as 30m, 12h or 7d, from 1m to 365d");
    let text = text.trim();
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let total = number.checked_mul(seconds).ok_or_else(wrong)?;
    if !(MIN_REFRESH_S..=MAX_REFRESH_S).contains(&total) {
        return Err(wrong());
    }
    i64::try_from(total * 1000).map_err(|_| wrong())
}

fn period_text(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        days if days % (24 * 60) == 0 => format!("{}d", days / (24 * 60)),
        hours if hours % 60 == 0 => format!("{}h", hours / 60),
        minutes => format!("{minutes}m"),
    }
}

/// The word of a page's state in a query.
///
/// # Errors
/// 400 for another word.
pub(crate) fn page_state(word: &str) -> Result<PageState, ApiError> {
    let known =
        [PageState::Waiting, PageState::Fetched, PageState::Unchanged, PageState::Skipped, PageState::Failed];
    known.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
        ApiError::query("status must be waiting, fetched, unchanged, skipped or failed".to_owned())
    })
}

fn counts_body(counts: &Counts) -> Value {
    json!({
        "found": counts.found,
        "fetched": counts.fetched,
        "unchanged": counts.unchanged,
        "skipped": counts.skipped,
        "failed": counts.failed,
        "retired": counts.retired,
    })
}

fn report_body(report: &RunReport) -> Value {
    let mut body = json!({
        "jobId": report.id,
        "status": report.status.as_str(),
        "startedAt": report.started_at.to_string(),
        "endedAt": report.ended_at.to_string(),
        "pages": counts_body(&report.counts),
    });
    put(&mut body, "error", report.error.clone());
    body
}

fn put(body: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(map), Some(value)) = (body.as_object_mut(), value) {
        map.insert(name.to_owned(), value.into());
    }
}

/// A source with how far it is.
#[must_use]
pub(crate) fn source_body(view: &SourceView) -> Value {
    let source = &view.source;
    let mut body = json!({
        "id": source.id,
        "type": source.kind.as_str(),
        "name": source.name,
        "knowledgeBase": { "id": source.base.as_str(), "name": source.base_name },
        "createdAt": source.created_at.to_string(),
        "status": status(view),
        "files": { "indexing": view.indexing, "searchable": view.searchable, "failed": view.failed },
    });
    match &source.kind {
        SourceKind::Urls { urls } => put(&mut body, "urls", Some(urls.clone())),
        SourceKind::Sitemap { url, other_hosts } => {
            put(&mut body, "url", Some(url.as_str()));
            put(&mut body, "otherHosts", Some(*other_hosts));
        }
        SourceKind::Website { url, max_depth } => {
            put(&mut body, "url", Some(url.as_str()));
            put(&mut body, "maxDepth", Some(*max_depth));
        }
        SourceKind::Search { query, include_domains, exclude_domains, window } => {
            put(&mut body, "query", Some(query.as_str()));
            put(&mut body, "includeDomains", Some(include_domains.clone()));
            put(&mut body, "excludeDomains", Some(exclude_domains.clone()));
            put(&mut body, "window", window.clone());
        }
        SourceKind::Text { title, .. } => put(&mut body, "title", Some(title.as_str())),
        SourceKind::Table { table } => put(&mut body, "table", Some(table.as_str())),
    }
    if source.kind.files_type() == "web-page" {
        put(&mut body, "include", Some(source.rules.include.clone()));
        put(&mut body, "exclude", Some(source.rules.exclude.clone()));
        put(&mut body, "maxPages", Some(source.rules.max_pages));
        put(&mut body, "robots", Some(source.rules.robots));
        put(&mut body, "delayMs", Some(source.rules.delay_ms));
    }
    put(&mut body, "refreshEvery", source.refresh_every_ms.map(period_text));
    put(&mut body, "nextRefreshAt", source.next_refresh_at.map(|at| at.to_string()));
    put(&mut body, "lastRun", source.last.as_ref().map(report_body));
    put(&mut body, "job", job_of(view));
    body
}

/// `running` and `queued` of a run, else how the last one ended.
fn status(view: &SourceView) -> &'static str {
    let queued = view.progress.as_ref().is_none_or(|run| run.phase.as_str() == "queued");
    match (&view.source.run, &view.source.last) {
        (Some(_), _) if queued => "queued",
        (Some(_), _) => "running",
        (None, Some(last)) => last.status.as_str(),
        (None, None) => "queued",
    }
}

fn job_of(view: &SourceView) -> Option<Value> {
    let run = view.source.run.as_ref()?;
    match &view.progress {
        Some(progress) => Some(run_body(progress)),
        None => {
            Some(json!({ "id": run.id, "kind": "source", "sourceId": view.source.id, "stage": "queued" }))
        }
    }
}

/// A run as lists of jobs show it.
#[must_use]
pub(crate) fn run_body(run: &RunProgress) -> Value {
    json!({
        "id": run.id,
        "kind": "source",
        "sourceId": run.source,
        "name": run.name,
        "stage": run.phase.as_str(),
        "done": run.counts.done(),
        "total": run.counts.found,
        "pages": counts_body(&run.counts),
        "indexing": run.indexing,
    })
}

/// One page of a source.
#[must_use]
pub(crate) fn page_body(page: &SourcePage) -> Value {
    let mut body = json!({
        "url": page.url,
        "status": page.state.as_str(),
        "depth": page.depth,
        "hasFile": page.has_file,
    });
    put(&mut body, "reason", page.reason.clone());
    put(&mut body, "httpStatus", page.status);
    put(&mut body, "title", page.title.clone());
    put(&mut body, "lastmod", page.lastmod.clone());
    put(&mut body, "checkedAt", page.checked_at.map(|at| at.to_string()));
    body
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn made(body: Value) -> Result<NewSource, String> {
        let Value::Object(map) = body else { panic!("no object") };
        new_source(map).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn sources_are_read_field_by_field() {
        let list = made(
            json!({ "knowledgeBase": "k", "type": "urls", "urls": "https://a.example\n\n https://b.example " }),
        );
        let SourceKind::Urls { urls } = list.unwrap().kind else { panic!("other kind") };
        assert_eq!(urls, ["https://a.example", "https://b.example"]);
        let site = made(json!({
            "knowledgeBase": "k", "type": "website", "url": "https://a.example", "maxPages": 7, "robots": false,
            "refreshEvery": "12h", "indexing": { "configuration": { "x": 1 } },
        }));
        let site = site.unwrap();
        assert_eq!(site.kind, SourceKind::Website { url: "https://a.example".into(), max_depth: 5 });
        assert_eq!((site.rules.max_pages, site.rules.robots), (7, false));
        assert_eq!(site.refresh_every_ms, Some(12 * 3_600_000));
        assert_eq!(site.indexing, json!({ "x": 1 }));
        for (bad, named) in [
            (json!({ "type": "urls", "urls": [] }), "knowledgeBase"),
            (json!({ "knowledgeBase": "k", "type": "ftp" }), "type must be"),
            (json!({ "knowledgeBase": "k", "type": "urls", "urls": 5 }), "urls must be"),
            (json!({ "knowledgeBase": "k", "type": "sitemap" }), "url is missing"),
            (json!({ "knowledgeBase": "k", "type": "website", "url": "u", "maxPages": 0 }), "maxPages"),
            (json!({ "knowledgeBase": "k", "type": "search", "query": "q", "window": "1y" }), "window"),
            (
                json!({ "knowledgeBase": "k", "type": "table", "table": "T", "refreshEvery": "5s" }),
                "refreshEvery",
            ),
        ] {
            let message = made(bad).unwrap_err();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn periods() {
        for text in ["30m", "12h", "7d", "90m"] {
            assert_eq!(period_text(period_ms(text).unwrap()), text);
        }
        for bad in ["", "m", "1", "1s", "0m", "366d", "-1h", "1é", "99999999999999999999d"] {
            assert!(period_ms(bad).is_err(), "{bad}");
        }
    }
}
