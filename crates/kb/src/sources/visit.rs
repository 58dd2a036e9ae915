//! One page: may it be fetched, has it changed, what becomes of its file.
//!
//! Every way out names the page's state and, when it was not taken, the reason. An `Err` ends the run:
//! the store or a quota refuses, not the page.

use crate::sources::book::Book;
use crate::sources::face::Inner;
use crate::sources::page_file::{self, Content, hash_of, is_sound};
use crate::sources::record::{PageState, Run, Source, SourcePage};
use crate::sources::runner::Handle;
use crate::{Error, File};
use bytes::Bytes;
use parking_lot::Mutex;
use quarry_extract::MediaType;
use quarry_fetch::{Limits, Policy, Request, Response};
use quarry_types::{Scope, hex};
use quarry_web::{Directives, PageInfo};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Longest wait for a host's turn: politeness is no failure of a page.
pub(crate) const QUEUE: Duration = Duration::from_secs(600);
const MAX_PAGE_BYTES: u64 = 25 << 20;
/// Times a page is asked for whose site is busy or out of reach.
const ATTEMPTS: u32 = 3;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
/// Files that pages need and people do not read.
const NO_TEXT: [&str; 8] = [
    "text/css",
    "text/javascript",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "image/svg+xml",
    "application/rss+xml",
    "application/atom+xml",
];

/// What all visits of a run share.
pub(crate) struct Walk<'r> {
    pub(crate) inner: &'r Inner,
    pub(crate) scope: &'r Scope,
    pub(crate) source: &'r Source,
    pub(crate) run: &'r Run,
    pub(crate) handle: &'r Handle,
    pub(crate) book: Mutex<Book>,
}

/// What a visit found.
pub(crate) struct Visit {
    pub(crate) page: SourcePage,
    /// The page that led here by a redirect.
    pub(crate) through: Option<SourcePage>,
    pub(crate) links: Vec<Url>,
    /// Whether the site was busy or out of reach.
    pub(crate) unreached: bool,
    /// Files removed.
    pub(crate) retired: usize,
}

impl Visit {
    pub(crate) fn of(page: SourcePage) -> Self {
        Self { page, through: None, links: Vec::new(), unreached: false, retired: 0 }
    }

    fn failed(page: SourcePage, reason: String, unreached: bool) -> Self {
        Self { unreached, ..Self::of(page.ended(PageState::Failed, reason)) }
    }
}

/// A page as it came.
struct Arrived {
    url: Url,
    headers: Headers,
    bytes: Bytes,
}

#[derive(Default)]
struct Headers {
    etag: Option<String>,
    last_modified: Option<String>,
    content_type: String,
    asked: Directives,
}

impl Headers {
    fn of(answer: &Response) -> Self {
        let text = |name| answer.header(name).map(|value| value.chars().take(500).collect::<String>());
        let essence = text("content-type").unwrap_or_default();
        let mut asked = Directives::default();
        for value in answer.headers.get_all("x-robots-tag") {
            asked.header(&String::from_utf8_lossy(value.as_bytes()));
        }
        Self { etag: text("etag"), last_modified: text("last-modified"), content_type: essence, asked }
    }

    fn essence(&self) -> String {
        self.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

impl Walk<'_> {
    /// Looks at one page, that many links from the start.
    pub(crate) async fn visit(&self, url: Url, depth: u32) -> Result<Visit, Error> {
        let page = self.page(&url, depth);
        // A page whose answer is not waited for stays as it was: waiting.
        let Some(allowed) = self.handle.unless_stopped(self.is_allowed(&url)).await else {
            return Ok(Visit::of(page));
        };
        match allowed {
            Ok(true) => {}
            Ok(false) => return self.leave(page, PageState::Skipped, DISALLOWED).await,
            Err(why) => return Ok(Visit::failed(page, why, true)),
        }
        let file = self.sound_file(&page).await?;
        let listed_as_known = page.lastmod.is_some() && page.lastmod == page.taken_lastmod;
        if let Some(file) = &file
            && listed_as_known
            && !self.run.force
        {
            return self.unchanged(page, file, "its lastmod is as before").await;
        }
        let asked = self.fetch(&url, &page, file.is_some() && !self.run.force);
        let Some(answer) = self.handle.unless_stopped(asked).await else { return Ok(Visit::of(page)) };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Visit::failed(page, error.to_string(), error.is_transient())),
        };
        let page = SourcePage { status: Some(answer.status), ..page };
        match (answer.status, &file) {
            (304, Some(file)) => {
                let mut visit = self.unchanged(page, file, "the site says so").await?;
                visit.links = self.stored_links(&url, file).await?;
                Ok(visit)
            }
            (200..=299, _) => self.arrived(page, url, depth, answer).await,
            (404 | 410 | 451, _) => {
                let reason = format!("the site answers {}: the page is gone", answer.status);
                self.leave(page, PageState::Failed, &reason).await
            }
            (status, _) => {
                let busy = status == 429 || status >= 500;
                Ok(Visit::failed(page, format!("the site answers {status}"), busy))
            }
        }
    }

    pub(crate) fn page(&self, url: &Url, depth: u32) -> SourcePage {
        let known = self.book.lock().pages.get(url.as_str()).cloned();
        let number = self.run.number;
        let page = known.unwrap_or_else(|| SourcePage::waiting(url.as_str(), depth, number));
        SourcePage { run: number, state: PageState::Waiting, reason: None, ..page }
    }

    async fn is_allowed(&self, url: &Url) -> Result<bool, String> {
        if !self.source.rules.robots {
            return Ok(true);
        }
        Ok(self.inner.robots.of(&self.inner.fetch, url, QUEUE).await?.allows(url))
    }

    /// The page's file, when what it holds was taken and could be read.
    async fn sound_file(&self, page: &SourcePage) -> Result<Option<Arc<File>>, Error> {
        if !page.has_file {
            return Ok(None);
        }
        match self.inner.kb.file(self.scope, &page_file::page_key(self.source, &page.url)).await {
            Ok(file) => Ok(Some(file).filter(|file| is_sound(file))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn fetch(
        &self,
        url: &Url,
        page: &SourcePage,
        conditional: bool,
    ) -> Result<Response, quarry_fetch::Error> {
        let mut delay = Duration::from_millis(self.source.rules.delay_ms);
        if self.source.rules.robots
            && let Ok(robots) = self.inner.robots.of(&self.inner.fetch, url, QUEUE).await
        {
            delay = delay.max(robots.delay().unwrap_or_default());
        }
        let limits = Limits {
            queue: QUEUE,
            max_bytes: MAX_PAGE_BYTES,
            max_wire_bytes: MAX_PAGE_BYTES,
            host_delay: delay,
            ..Limits::default()
        };
        let mut request = Request::get(url.as_str(), Policy::Public).limits(limits);
        request = request
            .header("accept", "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,*/*;q=0.5");
        if conditional {
            for (name, value) in [("if-none-match", &page.etag), ("if-modified-since", &page.last_modified)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
        }
        let mut attempt = 1;
        loop {
            let answer = self.inner.fetch.send(request.clone()).await;
            let wait = match &answer {
                Err(error) if error.is_transient() => Duration::from_millis(500 << attempt),
                Ok(answer) if answer.status == 429 || answer.status >= 500 => {
                    let asked = answer.header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
                    asked.map_or(Duration::from_millis(500 << attempt), Duration::from_secs)
                }
                _ => return answer,
            };
            if attempt >= ATTEMPTS || self.handle.is_stopped() {
                return answer;
            }
            // The host's slot is free while it is left alone.
            drop(answer);
            self.handle.pause(wait.min(MAX_RETRY_AFTER)).await;
            attempt += 1;
        }
    }

    /// Reads what came and decides; a redirect makes it another page's.
    async fn arrived(
        &self,
        page: SourcePage,
        url: Url,
        depth: u32,
        answer: Response,
    ) -> Result<Visit, Error> {
        let headers = Headers::of(&answer);
        let landed = match quarry_web::parse(&answer.url) {
            Ok(landed) => landed,
            Err(error) => return Ok(Visit::failed(page, error.to_string(), false)),
        };
        if landed != url {
            return self.moved(page, landed, depth, (headers, answer)).await;
        }
        let page = SourcePage { target: None, ..page };
        match answer.bytes().await {
            Ok(bytes) => self.taken(page, Arrived { url: landed, headers, bytes }).await,
            Err(error) => Ok(Visit::failed(page, error.to_string(), error.is_transient())),
        }
    }

    /// What comes of a page that redirects: the page it leads to has the content.
    async fn moved(
        &self,
        page: SourcePage,
        landed: Url,
        depth: u32,
        (headers, answer): (Headers, Response),
    ) -> Result<Visit, Error> {
        let (status, for_good) = (answer.status, answer.moved_for_good);
        let (rules, target_has_file, is_taken) = {
            let book = self.book.lock();
            let target = page.target.as_ref().and_then(|target| book.pages.get(target));
            let has_file = target.is_some_and(|target| target.has_file);
            (book.frontier.rules().clone(), has_file, book.frontier.is_taken(&landed))
        };
        let admitted = rules.admit(&landed, depth);
        // A site that is being mended, or wants a login, sends its visitors elsewhere for a while.
        if !for_good && (page.has_file || admitted.is_err() && target_has_file) {
            let reason = format!("it redirects to {landed} for now; what is known is kept");
            return Ok(Visit::failed(page, reason, false));
        }
        if let Err(refusal) = admitted {
            let reason = format!("it redirects to {landed}: {}", refusal.reason());
            return self.leave(page, PageState::Skipped, &reason).await;
        }
        if is_taken {
            return self.leave_for(page, &landed, ", which is a page of this source too").await;
        }
        // Read first: until then the answer holds the turn of the host that may be asked for its robots.txt.
        let bytes = match answer.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Visit::failed(page, error.to_string(), error.is_transient())),
        };
        let allowed = match self.handle.unless_stopped(self.is_allowed(&landed)).await {
            None => return Ok(Visit::of(page)),
            Some(Err(why)) => return Ok(Visit::failed(page, why, true)),
            Some(Ok(allowed)) => allowed,
        };
        if !self.book.lock().frontier.claim(&landed) {
            return self.leave_for(page, &landed, ", which is a page of this source too").await;
        }
        let known = page.target.as_ref().is_some_and(|target| target != landed.as_str());
        let (lastmod, is_start) = (page.lastmod.clone(), depth == 0 && self.source.kind.follows_links());
        let mut left = self.leave_for(page, &landed, "").await?;
        if is_start && known && !for_good {
            left.page.reason = Some(format!("{ELSEWHERE}{landed}"));
        }
        let page = SourcePage { status: Some(status), lastmod, ..self.page(&landed, depth) };
        let page = SourcePage { target: None, ..page };
        let mut visit = match allowed {
            true => self.taken(page, Arrived { url: landed, headers, bytes }).await?,
            false => self.leave(page, PageState::Skipped, DISALLOWED).await?,
        };
        visit.retired += left.retired;
        visit.through = Some(left.page);
        Ok(visit)
    }

    async fn taken(&self, page: SourcePage, arrived: Arrived) -> Result<Visit, Error> {
        let Arrived { url, headers, bytes } = arrived;
        let honours = self.source.rules.robots;
        let essence = headers.essence();
        if NO_TEXT.contains(&essence.as_str()) {
            return self.leave(page, PageState::Skipped, &format!("{essence} is not for readers")).await;
        }
        let name = last_segment(&url);
        let media = match MediaType::sniff(&bytes, &name, &headers.content_type) {
            Ok(media) => media,
            Err(error) => return self.leave(page, PageState::Skipped, &error.to_string()).await,
        };
        let is_html = media == MediaType::Html;
        let (base, kept, declared) = (url.clone(), bytes.clone(), headers.content_type.clone());
        let read = tokio::task::spawn_blocking(move || {
            let info = is_html.then(|| PageInfo::read(&kept, &declared, &base));
            (hash_of(&kept), info.unwrap_or_default())
        });
        let (hash, mut info) = read.await?;
        info.no_index |= headers.asked.no_index;
        info.no_follow |= headers.asked.no_follow;
        let links = match honours && info.no_follow {
            true => Vec::new(),
            false => info.links.clone(),
        };
        let mut visit = self.weigh(page, (&url, hash, is_html), &info, (headers, media), bytes).await?;
        visit.links = links;
        Ok(visit)
    }

    /// Compares what came with what is known, and takes it when it is new.
    async fn weigh(
        &self,
        page: SourcePage,
        (url, hash, is_html): (&Url, String, bool),
        info: &PageInfo,
        (headers, media): (Headers, MediaType),
        bytes: Bytes,
    ) -> Result<Visit, Error> {
        if self.source.rules.robots && info.no_index {
            return self.leave(page, PageState::Skipped, NO_INDEX).await;
        }
        if let Some(canonical) = info.canonical.as_ref().filter(|_| self.source.kind.follows_links()) {
            let mut bare = url.clone();
            bare.set_query(None);
            if url.query().is_some() && *canonical == bare {
                let reason = format!("it is another address of {canonical}");
                return self.leave(page, PageState::Skipped, &reason).await;
            }
        }
        let words = is_html.then(|| hex(&info.words));
        if let Some(words) = &words {
            let twin = self.book.lock().twin_of(words, (&page.url, page.depth), self.run.number);
            if let Some(twin) = twin {
                let reason = format!("it has the same text as {twin}");
                return self.leave(page, PageState::Skipped, &reason).await;
            }
        }
        let before = page.clone();
        let title = info.title.clone().or_else(|| Some(last_segment(url)).filter(|name| !name.is_empty()));
        let same = page.hash.as_ref() == Some(&hash) || (words.is_some() && page.words == words);
        let file = self.sound_file(&page).await?;
        let page = SourcePage {
            title: title.clone(),
            etag: headers.etag.clone(),
            last_modified: headers.last_modified.clone(),
            taken_lastmod: page.lastmod.clone(),
            hash: Some(hash),
            words,
            ..page
        };
        if let Some(file) = file.filter(|_| same) {
            return self.unchanged(page, &file, "its text is as before").await;
        }
        let content_type = match headers.essence() {
            plain if plain.is_empty() || plain == "application/octet-stream" => {
                media.content_type().to_owned()
            }
            essence => essence,
        };
        let lastmod = page.lastmod.clone().or(headers.last_modified);
        let facts = [
            ("title", title.or_else(|| Some(page.url.clone()))),
            ("url", Some(page.url.clone())),
            ("favicon", info.icon.as_ref().map(Url::to_string)),
            ("description", info.description.clone()),
            ("language", info.language.clone()),
            ("lastmod", lastmod),
        ];
        let facts = facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let key = page_file::page_key(self.source, &page.url);
        let content = Content { key, content_type, bytes, facts };
        match page_file::store(&self.inner.kb, self.scope, self.source, content).await {
            Ok(_) => Ok(Visit::of(SourcePage { has_file: true, ..page }.ended(PageState::Fetched, None))),
            // A key that is too long, a file that is too large: the page's own fault.
            Err(error @ (Error::Invalid(_) | Error::Limit(_) | Error::TooLarge(_))) => {
                // Nothing was taken: what is told of the content is still true of the one before.
                Ok(Visit::failed(before, error.to_string(), false))
            }
            Err(error) => Err(error),
        }
    }

    async fn unchanged(&self, page: SourcePage, file: &File, why: &str) -> Result<Visit, Error> {
        page_file::retag(&self.inner.kb, self.scope, self.source, file).await?;
        if let Some(words) = &page.words {
            self.book.lock().keep_words(words, &page.url);
        }
        Ok(Visit::of(page.ended(PageState::Unchanged, why.to_owned())))
    }

    /// Links of a page that has not changed, out of the content kept of it.
    async fn stored_links(&self, url: &Url, file: &File) -> Result<Vec<Url>, Error> {
        let is_html = file.content_type == "text/html" || file.content_type == "application/xhtml+xml";
        if !self.source.kind.follows_links() || !is_html {
            return Ok(Vec::new());
        }
        let size = usize::try_from(file.size.unwrap_or(0)).unwrap_or(0);
        let bytes = self.inner.kb.read_content(self.scope, &file.id, 0, size).await?;
        let (url, kind) = (url.clone(), file.content_type.clone());
        let info = tokio::task::spawn_blocking(move || PageInfo::read(&bytes, &kind, &url)).await?;
        Ok(if self.source.rules.robots && info.no_follow { Vec::new() } else { info.links })
    }

    /// Ends a page that is not to be searched, and removes the file it may have from before.
    async fn leave(&self, page: SourcePage, state: PageState, reason: &str) -> Result<Visit, Error> {
        // Whatever the record says: a server that ended in between may have left a file without it.
        let key = page_file::page_key(self.source, &page.url);
        let removed = page_file::remove(&self.inner.kb, self.scope, &key).await?;
        if let Some(words) = &page.words {
            self.book.lock().drop_words(words, &page.url);
        }
        let page = SourcePage {
            has_file: false,
            target: None,
            etag: None,
            last_modified: None,
            taken_lastmod: None,
            hash: None,
            words: None,
            ..page
        };
        Ok(Visit { retired: usize::from(removed), ..Visit::of(page.ended(state, reason.to_owned())) })
    }

    /// Leaves a page for the one it redirects to.
    async fn leave_for(&self, page: SourcePage, landed: &Url, more: &str) -> Result<Visit, Error> {
        let reason = format!("it redirects to {landed}{more}");
        let mut visit = self.leave(page, PageState::Skipped, &reason).await?;
        visit.page.target = Some(landed.to_string());
        Ok(visit)
    }
}

/// Start of the reason of a start page that leads elsewhere than before, for now.
pub(crate) const ELSEWHERE: &str = "it redirects elsewhere than before: ";
const DISALLOWED: &str = "robots.txt of the site disallows it";
const NO_INDEX: &str = "the page asks not to be indexed";

/// The last part of the path, for titles and for the ending.
fn last_segment(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.rfind(|segment| !segment.is_empty()));
    last.unwrap_or_default().chars().take(200).collect()
}
