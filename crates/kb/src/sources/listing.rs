//! The pages a run starts from: given, listed by sitemaps, or found by a search.

use crate::Error;
use crate::sources::face::Inner;
use crate::sources::record::{Source, SourceKind};
use quarry_fetch::{Limits, Policy, Request};
use quarry_web::{Pattern, Rules, SearchSpec, Site, Sitemap, SitemapKind, Window};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use url::Url;

/// Sitemaps under sitemaps under sitemaps.
const MAX_SITEMAP_DEPTH: u32 = 3;
/// Sitemaps of one source.
const MAX_SITEMAPS: usize = 2_000;
/// A sitemap as it travels; read, it is bounded again.
const MAX_SITEMAP_BYTES: u64 = 50 << 20;

/// A page to start from.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) url: Url,
    pub(crate) lastmod: Option<String>,
}

/// What was listed, and what went wrong without ending it.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) starts: Vec<Start>,
    /// (URL, reason) of sitemaps that could not be read: what they list is unknown, so nothing is retired.
    pub(crate) unread: Vec<(String, String)>,
}

/// The rules of a source as the frontier takes them.
///
/// # Errors
/// `Invalid` for a pattern or URL that cannot be used.
pub(crate) fn rules_of(source: &Source) -> Result<Rules, Error> {
    let patterns = |list: &[String]| list.iter().map(|p| Pattern::parse(p)).collect::<Result<Vec<_>, _>>();
    let site = match &source.kind {
        SourceKind::Sitemap { url, other_hosts: false } | SourceKind::Website { url, .. } => {
            Some(Site::of(&quarry_web::parse(url)?))
        }
        _ => None,
    };
    let max_depth = match source.kind {
        SourceKind::Website { max_depth, .. } => max_depth,
        _ => 0,
    };
    Ok(Rules {
        site,
        include: patterns(&source.rules.include)?,
        exclude: patterns(&source.rules.exclude)?,
        max_depth,
        max_pages: source.rules.max_pages,
    })
}

impl Inner {
    /// Finds the pages a run starts from.
    pub(super) async fn list_pages(&self, source: &Source) -> Result<Listed, Error> {
        let start = |text: &String| Ok::<_, Error>(Start { url: quarry_web::parse(text)?, lastmod: None });
        match &source.kind {
            SourceKind::Urls { urls } => {
                let starts = urls.iter().map(start).collect::<Result<_, _>>()?;
                Ok(Listed { starts, unread: Vec::new() })
            }
            SourceKind::Website { url, .. } => Ok(Listed { starts: vec![start(url)?], unread: Vec::new() }),
            SourceKind::Sitemap { url, .. } => self.list_sitemap(source, &quarry_web::parse(url)?).await,
            SourceKind::Search { .. } => self.list_results(source).await,
            SourceKind::Text { .. } | SourceKind::Table { .. } => Ok(Listed::default()),
        }
    }

    async fn list_results(&self, source: &Source) -> Result<Listed, Error> {
        let SourceKind::Search { query, include_domains, exclude_domains, window } = &source.kind else {
            return Ok(Listed::default());
        };
        let spec = SearchSpec {
            query: query.clone(),
            include_domains: include_domains.clone(),
            exclude_domains: exclude_domains.clone(),
            window: window.as_deref().and_then(Window::parse),
        };
        let engine = self.search.as_ref().ok_or_else(no_engine)?;
        let hits = engine.search(&spec, source.rules.max_pages).await?;
        let starts = hits.into_iter().map(|hit| Start { url: hit.url, lastmod: hit.published }).collect();
        Ok(Listed { starts, unread: Vec::new() })
    }

    /// Reads a sitemap and all it leads to. The first one must be readable; of others it is reported.
    async fn list_sitemap(&self, source: &Source, url: &Url) -> Result<Listed, Error> {
        let rules = rules_of(source)?;
        let mut waiting: VecDeque<(Url, u32)> = self.sitemaps_at(source, url).await?.into();
        let mut seen: HashSet<String> = waiting.iter().map(|(url, _)| url.to_string()).collect();
        let mut listed = Listed::default();
        let mut pages: HashSet<String> = HashSet::new();
        let mut first = true;
        while let Some((place, depth)) = waiting.pop_front() {
            let map = match self.read_sitemap(source, &place).await {
                Ok(map) => map,
                Err(error) if first && waiting.is_empty() => return Err(error),
                Err(error) => {
                    listed.unread.push((place.to_string(), error.to_string()));
                    continue;
                }
            };
            first = false;
            for entry in map.entries {
                match map.kind {
                    SitemapKind::Pages => {
                        // One beyond the limit shows that there are more; the others need no memory.
                        let room = listed.starts.len() <= source.rules.max_pages;
                        if room && pages.insert(entry.url.to_string()) {
                            listed.starts.push(Start { url: entry.url, lastmod: entry.lastmod });
                        }
                    }
                    SitemapKind::Index => {
                        let place = entry.url;
                        let mut refuse = |why: &str| listed.unread.push((place.to_string(), why.to_owned()));
                        if depth + 1 >= MAX_SITEMAP_DEPTH {
                            refuse("sitemaps are nested deeper than 3");
                        } else if rules.site.as_ref().is_some_and(|site| !site.has(&place)) {
                            refuse("it lies on another host; set otherHosts to fetch it");
                        } else if seen.len() >= MAX_SITEMAPS {
                            refuse("there are more than 2,000 sitemaps");
                        } else if seen.insert(place.to_string()) {
                            waiting.push_back((place, depth + 1));
                        }
                    }
                }
            }
        }
        Ok(listed)
    }

    /// Where the sitemaps of a site are: the URL itself, unless it names only a host.
    async fn sitemaps_at(&self, source: &Source, url: &Url) -> Result<Vec<(Url, u32)>, Error> {
        if url.path() != "/" || url.query().is_some() {
            return Ok(vec![(url.clone(), 0)]);
        }
        let named = match self.robots.of(&self.fetch, url, super::visit::QUEUE).await {
            Ok(robots) => {
                robots.sitemaps().iter().filter_map(|at| quarry_web::resolve(url, at).ok()).collect()
            }
            Err(_) => Vec::new(),
        };
        let site = rules_of(source)?.site;
        let named: Vec<Url> =
            named.into_iter().filter(|at| site.as_ref().is_none_or(|site| site.has(at))).collect();
        if named.is_empty() {
            return Ok(vec![(quarry_web::resolve(url, "/sitemap.xml")?, 0)]);
        }
        Ok(named.into_iter().map(|at| (at, 0)).collect())
    }

    async fn read_sitemap(&self, source: &Source, url: &Url) -> Result<Sitemap, Error> {
        let limits = Limits {
            queue: super::visit::QUEUE,
            max_bytes: MAX_SITEMAP_BYTES,
            max_wire_bytes: MAX_SITEMAP_BYTES,
            // Lists of URLs compress far better than pages.
            max_ratio: 1_000,
            host_delay: Duration::from_millis(source.rules.delay_ms),
            ..Limits::default()
        };
        let about = |why: String| Error::outbound(format!("the sitemap {url} cannot be read: {why}"));
        let answer = self.fetch.send(Request::get(url.as_str(), Policy::Public).limits(limits)).await;
        let answer =
            answer.map_err(|error| Error::refused(&error, &format!("the sitemap {url} cannot be read: ")))?;
        if !answer.is_success() {
            let status = answer.status;
            return Err(about(format!("the site answers {status}")));
        }
        let base = quarry_web::parse(&answer.url)?;
        let bytes = answer.bytes().await.map_err(|error| about(error.to_string()))?;
        let read = tokio::task::spawn_blocking(move || Sitemap::read(&bytes, &base)).await?;
        read.map_err(|error| about(error.to_string()))
    }
}

/// Refusal of searches when there is nothing to search with.
pub(crate) fn no_engine() -> Error {
    Error::Invalid("no search engine is configured; the operator sets search_url to a SearXNG address".into())
}
