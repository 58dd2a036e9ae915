//! Sources as callers use them: make, list, refresh, stop, delete; and their workers.

use crate::kb::Kb;
use crate::page::Listing;
use crate::sources::listing::{no_engine, rules_of};
use crate::sources::record::{self, MAX_PAGES, PageRules, PageState, Run, Source, SourceKind, SourcePage};
use crate::sources::robots::RobotsCache;
use crate::sources::runner::{PLACES, RunProgress, Runner};
use crate::sources::{TableText, WebSearch};
use crate::{Error, Page, PageRequest, Tags, records};
use parking_lot::Mutex;
use quarry_fetch::{Client, Policy};
use quarry_store::{Commit, Seq};
use quarry_types::{KbId, Scope, Timestamp, Ulid};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Attempts at a change whose precondition keeps failing.
const ATTEMPTS: usize = 16;
const MAX_SOURCES: usize = 1_000;
const MAX_LISTED_URLS: usize = 2_000;
/// Characters of one URL of a list.
const MAX_LISTED_URL_CHARS: usize = 350;
const MAX_DEPTH: u32 = 20;
const MAX_DELAY_MS: u64 = 60_000;
/// Pause after a run that could not be worked off for a reason of ours.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What sources work with; made by `main`.
pub struct SourcesDeps {
    /// Files and knowledge bases.
    pub kb: Kb,
    /// Every request that leaves the server.
    pub fetch: Client,
    /// Rows of tables.
    pub tables: Option<Arc<dyn TableText>>,
    /// The search engine, when one is configured.
    pub search: Option<Arc<dyn WebSearch>>,
    /// The clock that schedules go by.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// The sources of all bots. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(super) kb: Kb,
    pub(super) fetch: Client,
    pub(super) tables: Option<Arc<dyn TableText>>,
    pub(super) search: Option<Arc<dyn WebSearch>>,
    pub(super) now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub(super) robots: RobotsCache,
    pub(super) runner: Runner,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// A source to make.
#[derive(Debug, Clone)]
pub struct NewSource {
    /// Id or name of its knowledge base.
    pub base: String,
    /// Its name; made from what it is when absent.
    pub name: Option<String>,
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
}

/// A source with how far it is.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// The source.
    pub source: Source,
    /// Its run, when one waits or goes on.
    pub progress: Option<RunProgress>,
    /// Files on their way into the index.
    pub indexing: usize,
    /// Files that can be found.
    pub searchable: usize,
    /// Files that could not be indexed.
    pub failed: usize,
}

impl Sources {
    /// Opens the sources: runs left from last time go on, schedules count.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open(deps: SourcesDeps) -> Result<Self, Error> {
        let SourcesDeps { kb, fetch, tables, search, now } = deps;
        let (robots, runner, tasks) = (RobotsCache::default(), Runner::default(), Mutex::default());
        let inner = Inner { kb, fetch, tables, search, now, robots, runner, tasks };
        let sources = Self { inner: Arc::new(inner) };
        sources.resume().await?;
        sources.start();
        Ok(sources)
    }

    async fn resume(&self) -> Result<(), Error> {
        let inner = &self.inner;
        for bot in inner.kb.inner.store.bots().await? {
            let scope = Scope::of(bot);
            for source in inner.all(&scope).await? {
                match &source.run {
                    Some(run) => inner.queue(&scope, &source, &run.id),
                    None if source.deleting => inner.queue(&scope, &source, &source.id),
                    None => inner.runner.schedule(&scope, &source.id, source.next_refresh_at),
                }
            }
        }
        Ok(())
    }

    fn start(&self) {
        let mut tasks = self.inner.tasks.lock();
        for place in 0..=PLACES {
            let inner = self.inner.clone();
            tasks.push(tokio::spawn(async move {
                // The last place is for those who would wait longer than they take.
                while let Some((ticket, handle)) = inner.runner.pop(place == PLACES).await {
                    // A run of its own task: a panic in it ends that run, not the worker.
                    let (of, held, progress) = (inner.clone(), ticket.clone(), handle.clone());
                    let run = tokio::spawn(async move { of.work(&held, &progress).await });
                    let failed = match run.await {
                        Ok(Ok(())) => false,
                        Ok(Err(error)) => {
                            tracing::error!(source = %ticket.source, %error, "run not worked off");
                            true
                        }
                        Err(failure) => {
                            tracing::error!(source = %ticket.source, %failure, "run failed");
                            true
                        }
                    };
                    if failed {
                        handle.pause(TRY_AGAIN).await;
                    }
                    inner.runner.done(&ticket);
                    inner.requeue(&ticket.scope, &ticket.source).await;
                }
            }));
        }
        let inner = self.inner.clone();
        tasks.push(tokio::spawn(async move {
            while let Some(ticket) = inner.runner.due(inner.now.as_ref()).await {
                if let Err(error) = inner.begin(&ticket.scope, &ticket.source, false).await {
                    tracing::error!(source = %ticket.source, %error, "scheduled run not begun");
                }
            }
        }));
    }

    /// Begins no run and stops the running ones at a page; they go on at the next start.
    pub async fn shutdown(&self) {
        self.inner.runner.close();
        let tasks = std::mem::take(&mut *self.inner.tasks.lock());
        for mut task in tasks {
            if tokio::time::timeout(Duration::from_secs(3), &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    /// Makes a source and begins its first run.
    ///
    /// # Errors
    /// `Invalid` for values that cannot be used, `Reference` for an unknown knowledge base, `Outbound`
    /// for a URL that may not be fetched.
    pub async fn create(&self, scope: &Scope, new: NewSource) -> Result<SourceView, Error> {
        let inner = &self.inner;
        let (base, base_name) = inner.base(scope, &new.base).await?;
        inner.check(&new)?;
        if inner.all(scope).await?.len() >= MAX_SOURCES {
            return Err(Error::Limit(format!("a bot may have at most {MAX_SOURCES} sources; delete some")));
        }
        let now = (inner.now)();
        let source = Source {
            id: format!("ds_{}", Ulid::mint(now.as_ms())),
            name: new.name.unwrap_or_else(|| name_of(&new.kind)).chars().take(255).collect(),
            base,
            base_name,
            kind: new.kind,
            rules: new.rules,
            tags: new.tags,
            indexing: new.indexing,
            refresh_every_ms: new.refresh_every_ms,
            created_at: now,
            next_refresh_at: None,
            runs: 1,
            run: Some(first_run(now, 1, false)),
            last: None,
            deleting: false,
        };
        rules_of(&source)?;
        let mut commit = Commit::new(scope.bot());
        let key = record::source_key(&source.id);
        commit.expect_key(&record::sources(), key.clone(), None);
        commit.put(&record::sources(), key, records::encode(&source)?);
        inner.kb.inner.store.commit(commit).await?;
        let run = source.run.as_ref().map(|run| run.id.clone()).unwrap_or_default();
        inner.queue(scope, &source, &run);
        inner.view(scope, source).await
    }

    /// A source.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn get(&self, scope: &Scope, id: &str) -> Result<SourceView, Error> {
        let source = self.inner.existing(scope, id).await?;
        self.inner.view(scope, source).await
    }

    /// Sources, newest first, of one knowledge base or of all.
    ///
    /// # Errors
    /// `InvalidQuery` for a foreign page token.
    pub async fn list(
        &self,
        scope: &Scope,
        base: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<SourceView>, Error> {
        let mut all = self.inner.all(scope).await?;
        all.retain(|source| {
            let wanted = base.is_none_or(|base| source.base.as_str() == base || source.base_name == base);
            wanted && !source.deleting
        });
        let place = |source: &Source| {
            let age = u64::MAX - source.created_at.as_ms().unsigned_abs();
            format!("{age:020}/{}", source.id)
        };
        let mut ordered: Vec<(String, Source)> = all.into_iter().map(|one| (place(&one), one)).collect();
        ordered.sort_by(|a, b| a.0.cmp(&b.0));
        let cut = Listing::new(scope, &format!("sources {base:?}")).cut(ordered, &page)?;
        let mut items = Vec::with_capacity(cut.items.len());
        for source in cut.items {
            items.push(self.inner.view(scope, source).await?);
        }
        Ok(Page { items, next: cut.next })
    }

    /// The pages of a source as its last run left them, by address, of one state or of all.
    ///
    /// # Errors
    /// `NotFound`, `InvalidQuery` for a foreign page token.
    pub async fn pages(
        &self,
        scope: &Scope,
        id: &str,
        state: Option<PageState>,
        page: PageRequest,
    ) -> Result<Page<SourcePage>, Error> {
        self.inner.existing(scope, id).await?;
        let store = self.inner.kb.inner.store.as_ref();
        let found = records::scan_all(store, scope, &record::sources(), &record::page_prefix(id)).await?;
        let mut pages = Vec::with_capacity(found.len());
        for one in found {
            let one: SourcePage = records::decode(&one.value)?;
            if state.is_none_or(|state| state == one.state) {
                pages.push((one.url.clone(), one));
            }
        }
        pages.sort_by(|a, b| a.0.cmp(&b.0));
        Listing::new(scope, &format!("source pages {id} {state:?}")).cut(pages, &page)
    }

    /// Begins a run, or shows the one that goes on. With `force`, pages are fetched that seem unchanged.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn refresh(&self, scope: &Scope, id: &str, force: bool) -> Result<SourceView, Error> {
        self.inner.existing(scope, id).await?;
        let source = self.inner.begin(scope, id, force).await?;
        self.inner.view(scope, source).await
    }

    /// Removes a source with its files, in the background.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete(&self, scope: &Scope, id: &str) -> Result<(), Error> {
        self.inner.existing(scope, id).await?;
        let source = self
            .inner
            .change(scope, id, |source| {
                source.deleting = true;
                source.run = None;
                Ok(())
            })
            .await?;
        self.inner.runner.schedule(scope, id, None);
        match self.inner.runner.find(id) {
            // Its worker queues what is left of it.
            Some(handle) => handle.stop(),
            None => self.inner.queue(scope, &source, id),
        }
        Ok(())
    }

    /// The runs of a bot that wait or go on.
    #[must_use]
    pub fn runs(&self, scope: &Scope) -> Vec<RunProgress> {
        self.inner.runner.of(scope.bot())
    }

    /// Stops a run by its id; what it took stays.
    ///
    /// # Errors
    /// `NotFound` when no run of that id waits or goes on.
    pub async fn cancel(&self, scope: &Scope, run: &str) -> Result<RunProgress, Error> {
        let gone = || Error::NotFound { what: "job", id: run.to_owned() };
        let progress = self.runs(scope).into_iter().find(|one| one.id == run).ok_or_else(gone)?;
        self.inner
            .change(scope, &progress.source, |source| match &mut source.run {
                Some(going) if going.id == run => {
                    going.cancelled = true;
                    Ok(())
                }
                _ => Err(gone()),
            })
            .await?;
        if let Some(handle) = self.inner.runner.find(&progress.source) {
            handle.stop();
        }
        Ok(progress)
    }
}

fn first_run(now: Timestamp, number: u32, force: bool) -> Run {
    Run {
        id: format!("job_{}", Ulid::mint(now.as_ms())),
        number,
        started_at: now,
        attempts: 0,
        force,
        listed: false,
        cancelled: false,
        retired: 0,
    }
}

fn name_of(kind: &SourceKind) -> String {
    match kind {
        SourceKind::Urls { urls } if urls.len() == 1 => urls.first().cloned().unwrap_or_default(),
        SourceKind::Urls { urls } => format!("{} pages", urls.len()),
        SourceKind::Sitemap { url, .. } | SourceKind::Website { url, .. } => url.clone(),
        SourceKind::Search { query, .. } => query.clone(),
        SourceKind::Text { title, .. } => title.clone(),
        SourceKind::Table { table } => table.clone(),
    }
}

impl Inner {
    fn queue(&self, scope: &Scope, source: &Source, run: &str) {
        let quick = source.deleting || source.kind.is_quick();
        self.runner.push(scope, (&source.id, &source.name), run, quick);
    }

    /// A knowledge base by id or name.
    async fn base(&self, scope: &Scope, id_or_name: &str) -> Result<(KbId, String), Error> {
        let snapshot = self.kb.inner.views.snapshot(scope).await?;
        let by_id = snapshot.bases.get(id_or_name);
        let found = by_id.or_else(|| snapshot.bases.values().find(|(base, _)| base.name == id_or_name));
        let missing = || Error::Reference { what: "knowledge base", id: id_or_name.to_owned() };
        let (base, _) = found.ok_or_else(missing)?;
        Ok((base.id.clone(), base.name.clone()))
    }

    fn check(&self, new: &NewSource) -> Result<(), Error> {
        let invalid = |text: String| Err(Error::Invalid(text));
        if !(1..=MAX_PAGES).contains(&new.rules.max_pages) {
            return invalid(format!("maxPages must be 1 to {MAX_PAGES}"));
        }
        if new.rules.delay_ms > MAX_DELAY_MS {
            return invalid(format!("delayMs must be at most {MAX_DELAY_MS}"));
        }
        if new.rules.include.len() + new.rules.exclude.len() > 200 {
            return invalid("include and exclude together may have at most 200 patterns".to_owned());
        }
        crate::files::check_tags(&new.tags)?;
        match &new.kind {
            SourceKind::Urls { urls } => {
                if urls.is_empty() || urls.len() > MAX_LISTED_URLS {
                    return invalid(format!(
                        "urls must have 1 to {MAX_LISTED_URLS} entries; use a sitemap for more"
                    ));
                }
                for (at, url) in urls.iter().enumerate() {
                    if url.chars().count() > MAX_LISTED_URL_CHARS {
                        return invalid(format!(
                            "urls[{at}] has more than {MAX_LISTED_URL_CHARS} characters"
                        ));
                    }
                    self.check_url(&format!("urls[{at}]: "), url)?;
                }
            }
            SourceKind::Sitemap { url, .. } => self.check_url("url: ", url)?,
            SourceKind::Website { url, max_depth } => {
                if *max_depth > MAX_DEPTH {
                    return invalid(format!("maxDepth must be at most {MAX_DEPTH}"));
                }
                self.check_url("url: ", url)?;
            }
            SourceKind::Search { query, .. } => {
                if query.trim().is_empty() || query.chars().count() > 500 {
                    return invalid("query must have 1 to 500 characters".to_owned());
                }
                if self.search.is_none() {
                    return Err(no_engine());
                }
            }
            SourceKind::Text { title, content } => {
                if title.trim().is_empty() || title.chars().count() > 200 {
                    return invalid("title must have 1 to 200 characters".to_owned());
                }
                if content.trim().is_empty() {
                    return invalid("content must not be empty".to_owned());
                }
            }
            SourceKind::Table { table } => {
                if table.is_empty() || table.chars().count() > 128 {
                    return invalid("table must be the name or id of a table".to_owned());
                }
            }
        }
        Ok(())
    }

    fn check_url(&self, name: &str, url: &str) -> Result<(), Error> {
        let parsed = quarry_web::parse(url).map_err(|error| Error::Invalid(format!("{name}{error}")))?;
        self.fetch.check(parsed.as_str(), &Policy::Public).map_err(|error| Error::refused(&error, name))
    }

    /// The source with its version.
    pub(super) async fn read(&self, scope: &Scope, id: &str) -> Result<Option<(Source, Seq)>, Error> {
        let key = record::source_key(id);
        let store = &self.kb.inner.store;
        let found = store.get(scope.bot(), &record::sources(), std::slice::from_ref(&key)).await?;
        let Some(found) = found.into_iter().flatten().next() else { return Ok(None) };
        Ok(Some((records::decode(&found.value)?, found.seq)))
    }

    async fn existing(&self, scope: &Scope, id: &str) -> Result<Source, Error> {
        let missing = || Error::NotFound { what: "source", id: id.to_owned() };
        let found = self.read(scope, id).await?.filter(|(source, _)| !source.deleting);
        found.map(|(source, _)| source).ok_or_else(missing)
    }

    async fn all(&self, scope: &Scope) -> Result<Vec<Source>, Error> {
        let store = self.kb.inner.store.as_ref();
        let found = records::scan_all(store, scope, &record::sources(), record::SOURCE_PREFIX).await?;
        let mut all = Vec::with_capacity(found.len());
        for one in found {
            match records::decode(&one.value) {
                Ok(source) => all.push(source),
                // One damaged source must not keep the others from working.
                Err(error) => tracing::error!(bot = %scope.bot(), %error, "source skipped"),
            }
        }
        Ok(all)
    }

    /// Changes the record of a source as it is now.
    pub(super) async fn change(
        &self,
        scope: &Scope,
        id: &str,
        mut change: impl FnMut(&mut Source) -> Result<(), Error>,
    ) -> Result<Source, Error> {
        for _ in 0..ATTEMPTS {
            let missing = || Error::NotFound { what: "source", id: id.to_owned() };
            let (mut source, seq) = self.read(scope, id).await?.ok_or_else(missing)?;
            change(&mut source)?;
            let mut commit = Commit::new(scope.bot());
            let key = record::source_key(id);
            commit.expect_key(&record::sources(), key.clone(), Some(seq));
            commit.put(&record::sources(), key, records::encode(&source)?);
            match self.kb.inner.store.commit(commit).await {
                Ok(_) => return Ok(source),
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy("the source is being changed by too many callers at once; try again".into()))
    }

    /// Begins a run unless one goes on.
    async fn begin(&self, scope: &Scope, id: &str, force: bool) -> Result<Source, Error> {
        let now = (self.now)();
        let source = self
            .change(scope, id, |source| {
                if source.run.is_none() && !source.deleting {
                    source.runs += 1;
                    source.run = Some(first_run(now, source.runs, force));
                }
                Ok(())
            })
            .await?;
        if let Some(run) = &source.run {
            self.queue(scope, &source, &run.id);
        }
        Ok(source)
    }

    /// Queues what was asked of a source while its last run ended.
    async fn requeue(&self, scope: &Scope, id: &str) {
        match self.read(scope, id).await {
            Ok(Some((source, _))) => {
                let run = source.run.as_ref().map(|run| run.id.clone());
                let run = run.or_else(|| source.deleting.then(|| source.id.clone()));
                if let Some(run) = run {
                    self.queue(scope, &source, &run);
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(source = %id, %error, "source not looked at again"),
        }
    }

    async fn view(&self, scope: &Scope, source: Source) -> Result<SourceView, Error> {
        let (indexing, searchable, failed) = self.files_of(scope, &source.id).await?;
        let progress = self.runner.find(&source.id).map(|handle| handle.progress());
        Ok(SourceView { source, progress, indexing, searchable, failed })
    }
}
