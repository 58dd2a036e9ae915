//! The pages a run starts from: given, listed by sitemaps, or found by a search.

use crate::Error;
use crate::sources::face::Inner;
use crate::sources::record::{Source, SourceKind};
use quarry_fetch::{Limits, Policy, Request};
use quarry_web::{Pattern, Rules, SearchHit, SearchSpec, Site, Sitemap, SitemapKind, Window};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use url::Url;

/// Sitemaps under sitemaps under sitemaps.
const MAX_SITEMAP_DEPTH: u32 = 3;
/// Sitemaps of one source.
const MAX_SITEMAPS: usize = 2_000;
/// A sitemap as it travels; read, it is bounded again.
const MAX_SITEMAP_BYTES: u64 = 50 << 20;
/// All sitemaps of one source together, unpacked.
const MAX_LISTING_BYTES: usize = 1 << 30;
/// Places named that could not be read; of more, only that there are some.
const MAX_UNREAD: usize = 100;
/// Entries kept that the rules refuse.
pub(crate) const MAX_REFUSED: usize = 1_000;
/// Results asked for when patterns leave out some of them.
const MAX_RESULTS: usize = 1_000;

/// Start of the reason of a listing that could not be read: which pages it lists is unknown.
const UNREAD: &str = "not read: ";
/// The same of one that was read only in part.
const PARTLY: &str = "read only in part: ";

/// The same of one that a source like this never reads.
const BEYOND: &str = "not followed: ";
/// The same where it was not so before: what it lists may have been listed elsewhere until now.
const NEWLY_BEYOND: &str = "not followed from now on: ";

/// Whether a reason tells of a listing that was not read to its end.
pub(crate) fn is_unread(reason: &str) -> bool {
    [UNREAD, PARTLY, NEWLY_BEYOND].iter().any(|start| reason.starts_with(start))
}

/// The reason to note of a place where the run `before` noted another one, or nothing.
pub(crate) fn told_again(reason: String, before: Option<&str>) -> String {
    let known = before.is_some_and(|before| before.starts_with(BEYOND) || before.starts_with(NEWLY_BEYOND));
    match reason.strip_prefix(BEYOND).filter(|_| !known) {
        Some(why) => format!("{NEWLY_BEYOND}{why}"),
        None => reason,
    }
}

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
    /// (URL, reason) of what could not be read: what it lists is unknown, so nothing is retired.
    pub(crate) unread: Vec<(String, String)>,
}

impl Listed {
    /// Takes note of a place that could not be read.
    pub(crate) fn unread(&mut self, place: &str, why: &str) {
        self.note(place, format!("{UNREAD}{why}"));
    }

    fn partly(&mut self, place: &str, why: &str) {
        self.note(place, format!("{PARTLY}{why}"));
    }

    /// Takes note of a place that a source like this never reads.
    fn beyond(&mut self, place: &str, why: &str) {
        self.note(place, format!("{BEYOND}{why}"));
    }

    fn note(&mut self, place: &str, reason: String) {
        if self.unread.len() > MAX_UNREAD || self.unread.iter().any(|(known, _)| known == place) {
            return;
        }
        let entry = match self.unread.len() {
            MAX_UNREAD => ("and more".to_owned(), format!("{UNREAD}there are more than {MAX_UNREAD} such")),
            _ => (place.to_owned(), reason),
        };
        self.unread.push(entry);
    }
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
        // The start of a website leads to what is included; lists name the pages themselves.
        start_is_exempt: source.kind.follows_links(),
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
        let has_patterns = !source.rules.include.is_empty() || !source.rules.exclude.is_empty();
        let most = if has_patterns { MAX_RESULTS } else { source.rules.max_pages };
        let found = engine.search(&spec, most).await?;
        let start = |hit: SearchHit| Start { url: hit.url, lastmod: hit.published };
        let mut listed = Listed { starts: found.hits.into_iter().map(start).collect(), unread: Vec::new() };
        for (name, why) in found.silent {
            listed.unread(&format!("search engine {name}"), &format!("it did not answer ({why})"));
        }
        Ok(listed)
    }

    /// Reads a sitemap and all it leads to. The first one must be readable; of others it is reported.
    async fn list_sitemap(&self, source: &Source, url: &Url) -> Result<Listed, Error> {
        let rules = rules_of(source)?;
        let mut waiting: VecDeque<(Url, u32)> = self.sitemaps_at(source, url).await?.into();
        let mut seen: HashSet<String> = waiting.iter().map(|(url, _)| url.to_string()).collect();
        let mut listed = Listed::default();
        let mut pages: HashSet<String> = HashSet::new();
        let (mut first, mut bytes) = (true, 0);
        let (mut admitted, mut refused) = (0, 0);
        while let Some((place, depth)) = waiting.pop_front() {
            let map = match self.read_sitemap(source, &place).await {
                Ok(map) => map,
                Err(error) if first && waiting.is_empty() => return Err(error),
                Err(error) => {
                    listed.unread(place.as_str(), &error.to_string());
                    continue;
                }
            };
            first = false;
            for warning in &map.warnings {
                listed.partly(place.as_str(), warning);
            }
            for entry in map.entries {
                match map.kind {
                    SitemapKind::Pages => {
                        // One beyond the limit shows that there are more; the others need no memory.
                        let (count, most) = match rules.admit(&entry.url, 0) {
                            Ok(()) => (&mut admitted, source.rules.max_pages),
                            Err(_) => (&mut refused, MAX_REFUSED),
                        };
                        if *count <= most && pages.insert(entry.url.to_string()) {
                            *count += 1;
                            listed.starts.push(Start { url: entry.url, lastmod: entry.lastmod });
                        }
                    }
                    SitemapKind::Index => {
                        let place = entry.url;
                        if depth + 1 >= MAX_SITEMAP_DEPTH {
                            listed.beyond(place.as_str(), "sitemaps are nested deeper than 3");
                        } else if rules.site.as_ref().is_some_and(|site| !site.has(&place)) {
                            listed.beyond(
                                place.as_str(),
                                "it lies on another host; set otherHosts to fetch it",
                            );
                        } else if seen.len() >= MAX_SITEMAPS {
                            listed.unread(place.as_str(), "there are more than 2,000 sitemaps");
                            break;
                        } else if seen.insert(place.to_string()) {
                            waiting.push_back((place, depth + 1));
                        }
                    }
                }
            }
            bytes += map.bytes;
            if admitted > source.rules.max_pages {
                // Whatever the others list, there is no room for it.
                break;
            }
            if bytes > MAX_LISTING_BYTES {
                if let Some((place, _)) = waiting.front() {
                    listed.unread(place.as_str(), "those before it have more than 1 GiB together");
                }
                break;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_bounded() {
        let mut listed = Listed::default();
        for n in 0..500 {
            listed.unread(&format!("https://x.example/{}", n / 2), "why");
        }
        assert_eq!(listed.unread.len(), MAX_UNREAD + 1);
        assert!(listed.unread.iter().all(|(_, reason)| is_unread(reason)));
    }

    #[test]
    fn a_place_that_is_newly_out_of_reach_hides_what_it_lists_once() {
        let mut listed = Listed::default();
        listed.beyond("https://other.example/map.xml", "it lies on another host");
        let (_, reason) = listed.unread.remove(0);
        let first = told_again(reason.clone(), None);
        assert!(is_unread(&first), "{first}");
        let second = told_again(reason.clone(), Some(&first));
        assert!(!is_unread(&second) && told_again(reason, Some(&second)) == second);
        let ill = told_again(format!("{UNREAD}why"), Some(&second));
        assert!(is_unread(&ill), "one that cannot be read hides always");
    }
}
