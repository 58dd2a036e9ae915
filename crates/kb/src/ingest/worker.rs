//! Works one job off: extract, cut, reserve, embed, publish.
//!
//! Everything before the last commit can be repeated; the last commit does all or nothing. Errors
//! are told apart by who can mend them: the file's owner (the file fails with a reason) or time
//! (the job is tried again).

use crate::file::{Facts, Published};
use crate::files::{delta, put_file};
use crate::ingest::given;
use crate::ingest::publisher::Finished;
use crate::ingest::queue::Ticket;
use crate::kb::{Inner, Kb};
use crate::progress::Step;
use crate::records::{self, Job, TextHash, text_hash};
use crate::vectors::{TextVectors, VectorForm};
use crate::view::Snapshot;
use crate::{Error, File, publish};
use quarry_embed::TextKind;
use quarry_extract::{ChunkOptions, Document, HtmlContent, Source, chunk, embedded_text};
use quarry_store::{Commit, Seq};
use quarry_types::{Counter, ErrorKind, FileStatus, Passage, Scope, Timestamp};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Attempts that failed in a way that may pass, before a job is given up.
const MAX_FAILURES: u32 = 4;
/// Attempts the process did not live to end. Parsers run in children, so a process killed from outside
/// is far likelier than a file that kills it.
const MAX_CUT_SHORT: u32 = 30;
/// Texts embedded between two looks at the clock and the stop signal.
const EMBED_GROUP: usize = 16;

const MODEL_WAIT: Duration = Duration::from_secs(30);
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Why a job ended without a published generation.
pub(super) enum Stop {
    /// The file is gone or has newer content: nothing to report.
    Obsolete,
    /// The file cannot be indexed; the reason is for its owner.
    Failed(String),
    /// Something that may pass.
    Later(Error),
    /// The server stops; the job goes on at the next start.
    Closing,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match (&error, error.kind()) {
            (Error::Store(quarry_store::Error::Quota(refusal)), _) => Self::Failed(refusal.to_string()),
            (
                _,
                ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::TooLarge | ErrorKind::LimitExceeded,
            ) => Self::Failed(error.to_string()),
            _ => Self::Later(error),
        }
    }
}

impl From<quarry_embed::Error> for Stop {
    fn from(error: quarry_embed::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<quarry_store::Error> for Stop {
    fn from(error: quarry_store::Error) -> Self {
        Error::from(error).into()
    }
}

impl Kb {
    /// Queues the jobs left from last time.
    pub(crate) async fn resume_jobs(&self) -> Result<(), Error> {
        let mut resumed = 0;
        for bot in self.inner.store.bots().await? {
            let scope = Scope::of(bot);
            for record in self.inner.scan_all(&scope, &records::jobs(), b"j/").await? {
                match records::decode::<Job>(&record.value) {
                    Ok(job) => {
                        self.inner.enqueue(&scope, &job);
                        resumed += 1;
                    }
                    // One damaged job must not keep the server from starting.
                    Err(error) => tracing::error!(bot = %scope.bot(), %error, "job skipped"),
                }
            }
        }
        if resumed > 0 {
            tracing::info!(jobs = resumed, "ingest jobs resumed");
        }
        Ok(())
    }

    /// Ends files whose time is over, of bots in use; those of other bots are hidden already and
    /// go when the bot is next used.
    async fn sweep_files(self) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        while !self.inner.queue.is_closed() {
            ticks.tick().await;
            for (scope, view) in self.inner.views.opened() {
                match self.sweep(&scope, &view, Timestamp::now()).await {
                    Ok(0) => {}
                    Ok(files) => tracing::info!(bot = %scope.bot(), files, "files whose time was over ended"),
                    Err(error) => {
                        tracing::error!(bot = %scope.bot(), %error, "files whose time is over not ended")
                    }
                }
            }
        }
    }

    pub(crate) fn start_workers(&self) {
        let mut tasks = self.inner.tasks.lock();
        tasks.push(tokio::spawn(self.clone().sweep_files()));
        tasks.push(tokio::spawn(self.clone().work_off()));
    }

    /// Starts a job whenever a worker is free. Workers are free again while their files wait to be published.
    async fn work_off(self) {
        let workers = Arc::new(Semaphore::new(self.inner.settings.ingest_workers.max(1)));
        while let Ok(worker) = workers.clone().acquire_owned().await {
            let Some(ticket) = self.inner.queue.pop().await else { return };
            let inner = self.inner.clone();
            tokio::spawn(async move {
                // A job of its own task: a panic in it ends that task, and this one goes on.
                let (working, held) = (inner.clone(), ticket.clone());
                let run = tokio::spawn(async move { working.work(&held, worker).await });
                if let Err(failure) = run.await {
                    tracing::error!(file = %ticket.file, %failure, "ingest task failed");
                    let again = Duration::from_secs(5);
                    inner.queue.push(&ticket.scope, &ticket.file, ticket.generation, again);
                }
                inner.queue.done(&ticket.scope);
            });
        }
    }
}

impl Inner {
    async fn work(&self, ticket: &Ticket, worker: OwnedSemaphorePermit) {
        let scope = &ticket.scope;
        // A model that does not load is nobody's failed attempt.
        if let Err(error) = self.embedder.get().await {
            tracing::warn!(%error, "indexing waits for the model");
            self.queue.push(scope, &ticket.file, ticket.generation, MODEL_WAIT);
            return;
        }
        let (mut job, mut seq) = match self.start(ticket).await {
            Ok(Some(started)) => started,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(bot = %scope.bot(), file = %ticket.file, %error, "job not started");
                self.queue.push(scope, &ticket.file, ticket.generation, Duration::from_secs(2));
                return;
            }
        };
        let began = std::time::Instant::now();
        let outcome = if job.attempts.saturating_sub(job.failures) > MAX_CUT_SHORT {
            Err(Stop::Failed(format!(
                "the server ended {MAX_CUT_SHORT} times while it indexed the file; upload it again if that had other causes"
            )))
        } else {
            self.index(scope, &mut job, &mut seq, worker).await
        };
        let bot = scope.bot();
        let ended = match outcome {
            Ok(passages) => {
                let ms = began.elapsed().as_millis();
                tracing::info!(%bot, file = %job.file, passages, ms, "file indexed");
                (self.on_indexed)(bot, true);
                Ok(())
            }
            Err(Stop::Closing) => {
                // Stopping is no failure of the file: the attempt is not counted.
                job.attempts -= 1;
                if let Err(error) = self.save_job(scope, &job, seq, 0).await {
                    tracing::warn!(%error, "an interrupted attempt stays counted");
                }
                return;
            }
            Err(Stop::Obsolete) => self.end(scope, &job, None).await,
            Err(Stop::Failed(reason)) => {
                tracing::warn!(%bot, file = %job.file, "indexing failed");
                (self.on_indexed)(bot, false);
                self.end(scope, &job, Some(reason)).await
            }
            Err(Stop::Later(error)) if job.failures + 1 < MAX_FAILURES => {
                job.failures += 1;
                if let Err(error) = self.save_job(scope, &job, seq, 0).await {
                    tracing::warn!(%error, "a failed attempt is not counted");
                }
                Err(error)
            }
            Err(Stop::Later(error)) => {
                tracing::error!(%bot, file = %job.file, %error, "indexing given up");
                (self.on_indexed)(bot, false);
                let reason = "an internal failure kept the file from being indexed; upload it again";
                self.end(scope, &job, Some(reason.to_owned())).await
            }
        };
        self.progress.end(bot, &job.file);
        if let Err(error) = ended {
            tracing::warn!(%bot, file = %job.file, %error, attempt = job.attempts, "indexing will be tried again");
            let back_off = Duration::from_millis(200 << job.attempts.min(8));
            self.queue.push(scope, &job.file, job.generation, back_off);
        }
    }

    /// Reads the job and counts the attempt, so that a file that kills the process is not tried for ever.
    async fn start(&self, ticket: &Ticket) -> Result<Option<(Job, Seq)>, Error> {
        let key = records::job_key(&ticket.file, ticket.generation);
        let bot = ticket.scope.bot();
        let found = self.store.get(bot, &records::jobs(), std::slice::from_ref(&key)).await?;
        let Some(record) = found.into_iter().flatten().next() else { return Ok(None) };
        let mut job: Job = records::decode(&record.value)?;
        job.attempts += 1;
        let seq = self.save_job(&ticket.scope, &job, record.seq, 0).await?;
        Ok(Some((job, seq)))
    }

    /// Writes the job with a change of its reserved vectors.
    async fn save_job(&self, scope: &Scope, job: &Job, seq: Seq, reserve: i64) -> Result<Seq, Error> {
        let key = records::job_key(&job.file, job.generation);
        let mut commit = Commit::new(scope.bot());
        commit.expect_key(&records::jobs(), key.clone(), Some(seq));
        commit.put(&records::jobs(), key, records::encode(job)?);
        commit.quota(Counter::Vectors, reserve, self.settings.vector_quota);
        let committed = self.store.commit(commit).await?;
        committed.seq(&records::jobs()).ok_or_else(|| Error::Internal("a job write changed nothing".into()))
    }

    /// `seq` is the version of the job record this worker wrote last.
    async fn index(
        &self,
        scope: &Scope,
        job: &mut Job,
        seq: &mut Seq,
        worker: OwnedSemaphorePermit,
    ) -> Result<usize, Stop> {
        let began = tokio::time::Instant::now();
        let view = self.views.of(scope).await?;
        let snapshot = view.refresh_to_head(self.store.as_ref()).await?;
        let file = current(&snapshot, job)?.file.clone();
        let reading = self.passages_of(scope, &file, job);
        let (document, passages, headings) = self.while_wanted(scope, job, began, reading).await?;
        if passages.is_empty() && job.given.is_none() {
            return Err(Stop::Failed("no text found in the file".into()));
        }
        let count = passages.len();
        let old = file.published.as_ref().map_or(0, |published| u64::from(published.passages));
        let needed = (count as u64).saturating_sub(old);
        if needed != job.reserved {
            // Refused, the job must go on owning what it owned before: that is what its end releases.
            let reserving = Job { reserved: needed, ..job.clone() };
            let change = delta(needed, job.reserved);
            let saved = self.save_job(scope, &reserving, *seq, change).await;
            *seq = saved.map_err(|error| match error {
                Error::Store(quarry_store::Error::Conflict { .. }) => Stop::Obsolete,
                other => other.into(),
            })?;
            *job = reserving;
        }
        let embedding = self.embed(scope, job, &passages, headings);
        let hashed = self.while_wanted(scope, job, began, embedding).await?;
        self.step(scope, job, "publishing", count, count);
        let mut writer = self.blobs.create().await?;
        writer.write(document.text.clone().into()).await?;
        let (text_blob, _) = writer.finish().await?;
        let published = Published {
            generation: job.generation,
            passages: u32::try_from(count).map_err(|_| Stop::Failed("too many passages".into()))?,
            text_blob: text_blob.as_str().to_owned(),
            page_starts: page_starts(&document),
            facts: Some(Facts { skipped_options: skipped_options(&file.indexing), ..Facts::of(&document) }),
            warnings: [document.warnings, chunk_options(&file.indexing).1].concat(),
            replaced: None,
        };
        // While it waits it holds what it needs only.
        drop((document.text, document.blocks, snapshot, file));
        let given = job.given.take();
        let held = job.clone();
        job.given = given;
        self.publish(scope, Finished { job: held, passages, hashed, published }, worker).await?;
        Ok(count)
    }

    /// The document and its passages, from the stored bytes or as handed in.
    async fn passages_of(
        &self,
        scope: &Scope,
        file: &File,
        job: &Job,
    ) -> Result<(Document, Vec<Passage>, usize), Stop> {
        let (options, _) = chunk_options(&file.indexing);
        let headings = options.headings;
        let embedder = self.embedder.get().await?;
        if let Some(given) = job.given.clone() {
            let counter = embedder.token_counter();
            let task =
                tokio::task::spawn_blocking(move || given::document(&given, &options, counter.as_ref()));
            let (document, passages) = task.await.map_err(Error::from)?;
            return Ok((document, passages, headings));
        }
        self.step(scope, job, "extracting", 0, 0);
        let missing = || Stop::Failed("the file has no content; upload it again".into());
        let hash = file.blob.as_deref().ok_or_else(missing)?;
        let path = self.blobs.local_path(&self.blob(hash)?).await?;
        let document = self
            .extractor
            .extract_source(&path, &source_of(file), |seen| {
                self.step(scope, job, "extracting", seen.page as usize, seen.pages as usize);
            })
            .await
            .map_err(|error| match error.kind() {
                ErrorKind::Busy | ErrorKind::Internal => Stop::Later(Error::Busy(error.to_string())),
                _ => Stop::Failed(error.to_string()),
            })?;
        self.step(scope, job, "chunking", 0, 0);
        let counter = embedder.token_counter();
        let task = tokio::task::spawn_blocking(move || {
            let passages = chunk(&document, &options, counter.as_ref());
            (document, passages)
        });
        let (document, passages) = task.await.map_err(Error::from)?;
        Ok((document, passages, headings))
    }

    /// The vector of every passage, by its text's hash; only texts never seen in this bot are embedded.
    async fn embed(
        &self,
        scope: &Scope,
        job: &Job,
        passages: &[Passage],
        headings: usize,
    ) -> Result<Vec<(TextHash, Arc<TextVectors>)>, Stop> {
        let texts: Vec<String> = passages.iter().map(|passage| embedded_text(passage, headings)).collect();
        let hashes: Vec<TextHash> = texts.iter().map(|text| text_hash(text)).collect();
        let form = VectorForm::of(self.embedder.get().await?.as_ref());
        let mut known: HashMap<TextHash, Arc<TextVectors>> = HashMap::new();
        let stored = form.fetch(self.store.as_ref(), scope.bot(), &hashes).await?;
        for (hash, stored) in hashes.iter().zip(stored) {
            if let Some(stored) = stored.filter(|stored| form.is_whole(stored)) {
                known.insert(*hash, Arc::new(stored));
            }
        }
        let mut missing: Vec<(TextHash, String)> = Vec::new();
        let mut asked: std::collections::HashSet<TextHash> = known.keys().copied().collect();
        for (hash, text) in hashes.iter().zip(texts) {
            if asked.insert(*hash) {
                missing.push((*hash, text));
            }
        }
        let total = passages.len();
        let have = total - missing.len().min(total);
        for (group, done) in missing.chunks(EMBED_GROUP).zip((0..).step_by(EMBED_GROUP)) {
            if self.queue.is_closed() {
                return Err(Stop::Closing);
            }
            self.step(scope, job, "embedding", have + done, total);
            let texts = group.iter().map(|(_, text)| text.clone()).collect();
            let made = self.embedder.embed_tokens(texts, TextKind::Passage).await?;
            let coding = form.clone();
            let coded = tokio::task::spawn_blocking(move || {
                made.into_iter().map(|text| Arc::new(coding.made(text))).collect::<Vec<_>>()
            });
            known.extend(group.iter().map(|(hash, _)| *hash).zip(coded.await.map_err(Error::from)?));
        }
        let vector_of = |hash: TextHash| {
            let vector = known.get(&hash).cloned();
            vector.map(|vector| (hash, vector)).ok_or_else(|| Error::Internal("a text has no vector".into()))
        };
        Ok(hashes.into_iter().map(vector_of).collect::<Result<_, _>>()?)
    }

    /// Ends a job without publishing: releases what it reserved and, with a reason, fails the file.
    async fn end(&self, scope: &Scope, job: &Job, reason: Option<String>) -> Result<(), Error> {
        let view = self.views.of(scope).await?;
        let publishing = self.publishing.lock(scope.bot()).await;
        view.refresh_to_head(self.store.as_ref()).await?;
        let build = |snapshot: &Snapshot, commit: &mut Commit| {
            if let (Some(reason), Ok(entry)) = (&reason, current(snapshot, job)) {
                let mut file = File::clone(&entry.file);
                publish::retire(&publishing, snapshot, commit, view.vectors(), &file);
                file.published = None;
                file.status = FileStatus::IndexingFailed;
                file.failed_reason = Some(reason.clone());
                file.updated_at = Timestamp::now();
                put_file(commit, Some(entry), &file)?;
            }
            commit.del(&records::jobs(), records::job_key(&job.file, job.generation));
            commit.quota(Counter::Vectors, delta(0, job.reserved), u64::MAX);
            Ok(())
        };
        self.transact(scope, build).await?;
        Ok(())
    }

    fn step(&self, scope: &Scope, job: &Job, stage: &'static str, done: usize, total: usize) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let step = Step { stage, done: count(done), total: count(total), attempts: job.attempts };
        self.progress.set(scope.bot(), &job.file, step);
    }
}

/// The file, if the job is still for what it holds.
pub(super) fn current<'a>(
    snapshot: &'a Snapshot,
    job: &Job,
) -> Result<&'a Arc<crate::view::FileEntry>, Stop> {
    let entry = snapshot.files.get(&job.file);
    let fits = |file: &File| file.version == job.version && file.generation == job.generation;
    entry.filter(|entry| fits(&entry.file)).ok_or(Stop::Obsolete)
}

/// How a file is to be read: pages that say they come from a website give their main content.
fn source_of(file: &File) -> Source<'_> {
    let is_page = file.tags.get("dsType").is_some_and(|kind| kind == "web-page");
    let url = file.metadata.get("url").and_then(serde_json::Value::as_str);
    Source {
        name: &file.key,
        content_type: &file.content_type,
        url: url.unwrap_or_default(),
        html: if is_page { HtmlContent::Main } else { HtmlContent::All },
        keep_running: false,
    }
}

fn page_starts(document: &Document) -> Vec<(u32, u32)> {
    let mut starts: Vec<(u32, u32)> = Vec::new();
    for block in &document.blocks {
        let Some(page) = block.page else { continue };
        if starts.last().is_none_or(|(_, last)| *last != page) {
            starts.push((block.range.start, page));
        }
    }
    starts
}

/// What `indexing.configuration` asks for that this engine does not do.
fn skipped_options(configuration: &serde_json::Value) -> Vec<String> {
    const NOT_HERE: [(&str, &str); 4] = [
        ("parsing", "smartCleanup"),
        ("summarization", "enable"),
        ("vision", "transcribePages"),
        ("vision", "indexPages"),
    ];
    let asked =
        |(group, name): &(&str, &str)| match configuration.get(group).and_then(|group| group.get(name)) {
            None | Some(serde_json::Value::Null | serde_json::Value::Bool(false)) => false,
            Some(serde_json::Value::Array(pages)) => !pages.is_empty(),
            Some(_) => true,
        };
    NOT_HERE.iter().filter(|option| asked(option)).map(|(group, name)| format!("{group}.{name}")).collect()
}

/// Reads `indexing.configuration`: how passages are cut, and which of its numbers could not be followed. What we
/// do not know is passed over.
fn chunk_options(configuration: &serde_json::Value) -> (ChunkOptions, Vec<String>) {
    let mut options = ChunkOptions::default();
    let mut warnings = Vec::new();
    let mut number = |group: &str, name: &str, range: RangeInclusive<u64>| {
        let given = configuration.get(group)?.get(name).filter(|given| !given.is_null())?;
        let nearest = given.as_u64().map(|number| number.clamp(*range.start(), *range.end()));
        if nearest != given.as_u64() || nearest.is_none() {
            let used = nearest.map_or("the default".to_owned(), |number| number.to_string());
            let (from, to) = (range.start(), range.end());
            warnings
                .push(format!("{group}.{name} must be a whole number from {from} to {to}; {used} was used"));
        }
        usize::try_from(nearest?).ok()
    };
    if let Some(chars) = number("chunking", "maximumChunkLength", 100..=5000) {
        options.max_chars = chars;
    }
    if let Some(chars) = number("parsing", "minimumParagraphLength", 50..=2000) {
        options.min_paragraph_chars = chars;
    }
    if let Some(levels) = number("chunking", "embeddedContextLevels", 0..=3) {
        options.headings = levels;
    }
    let breadcrumb = configuration.get("chunking").and_then(|chunking| chunking.get("embedBreadcrumb"));
    match breadcrumb.and_then(serde_json::Value::as_bool) {
        Some(false) => options.headings = 0,
        Some(true) => options.headings = options.headings.max(1),
        None => {}
    }
    (options, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_configuration_is_followed_or_named() {
        assert_eq!(chunk_options(&json!({})), (ChunkOptions::default(), Vec::new()));
        let asked = json!({
            "chunking": { "maximumChunkLength": 300, "embeddedContextLevels": 1, "embedBreadcrumb": true },
            "parsing": { "minimumParagraphLength": 60, "smartCleanup": true },
            "summarization": { "enable": false },
            "vision": { "transcribePages": [1, 2], "indexPages": [] },
        });
        let wanted = ChunkOptions { max_chars: 300, min_paragraph_chars: 60, headings: 1 };
        assert_eq!(chunk_options(&asked), (wanted, Vec::new()));
        assert_eq!(skipped_options(&asked), ["parsing.smartCleanup", "vision.transcribePages"]);
        let headings = |levels: u32, breadcrumb: bool| {
            chunk_options(
                &json!({ "chunking": { "embeddedContextLevels": levels, "embedBreadcrumb": breadcrumb } }),
            )
            .0
            .headings
        };
        assert_eq!((headings(2, false), headings(0, true), headings(9, true)), (0, 1, 3));
        let odd = json!({ "chunking": "all", "vision": { "indexPages": "all", "transcribePages": null } });
        assert_eq!(chunk_options(&odd).0, ChunkOptions::default());
        assert_eq!(skipped_options(&odd), ["vision.indexPages"]);
        let beyond = json!({ "chunking": { "maximumChunkLength": 9000, "embeddedContextLevels": "all" } });
        let (options, warnings) = chunk_options(&beyond);
        assert_eq!((options.max_chars, options.headings), (5000, usize::MAX));
        assert_eq!(
            warnings,
            [
                "chunking.maximumChunkLength must be a whole number from 100 to 5000; 5000 was used",
                "chunking.embeddedContextLevels must be a whole number from 0 to 3; the default was used",
            ]
        );
    }
}
