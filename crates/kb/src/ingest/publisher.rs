//! Makes finished files searchable; those of a bot that are finished close to each other in one commit. What a commit
//! costs (a wait for the disk, a commit of the word index) hardly depends on how much is in it.
//!
//! Invariant: a file is published whole or not at all, and one that cannot be takes no other with it.

use crate::file::Published;
use crate::files::{delta, put_file};
use crate::ingest::worker::{Stop, current};
use crate::kb::Inner;
use crate::publish::{self, Publishing, Replacement};
use crate::records::{self, Job, PassageRecord, TextHash};
use crate::vectors::TextVectors;
use crate::view::{FileEntry, Snapshot};
use crate::{Error, File};
use parking_lot::Mutex;
use quarry_store::Commit;
use quarry_types::{BotId, Counter, FileStatus, Passage, Scope, Timestamp, hex};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};

/// How long a finished file waits for others that are on their way; without any it does not wait.
const LINGER: Duration = Duration::from_millis(400);
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Most files of one commit.
const MAX_FILES: usize = 64;
/// Most bytes of texts and vectors of one commit, unless one file has more.
const MAX_BYTES: usize = 4 << 20;
/// Room for finished files of all bots that wait, in KiB, and what each takes at least.
const ROOM_KIB: usize = 32 << 10;
const MIN_KIB: usize = 256;

/// All that a file needs to become searchable.
pub(crate) struct Finished {
    /// Without what was given to it.
    pub(crate) job: Job,
    pub(crate) passages: Vec<Passage>,
    /// Of each passage: the hash of what was embedded, and its vectors.
    pub(crate) hashed: Vec<(TextHash, Arc<TextVectors>)>,
    pub(crate) published: Published,
}

/// Finished files by bot.
pub(crate) struct Publisher {
    bots: Mutex<HashMap<BotId, Arc<Waiting>>>,
    room: Semaphore,
}

/// Tells the one that handed in a file how it went.
type Answer = oneshot::Sender<Result<(), Stop>>;

#[derive(Default)]
struct Waiting {
    /// Held by the one that waits for others and then takes all that wait.
    turn: Arc<tokio::sync::Mutex<()>>,
    files: Mutex<VecDeque<(Finished, Answer)>>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self { bots: Mutex::default(), room: Semaphore::new(ROOM_KIB) }
    }
}

impl Finished {
    fn bytes(&self) -> usize {
        let texts: usize = self.passages.iter().map(|passage| passage.text.len()).sum();
        let vectors: usize = self.hashed.iter().map(|(_, vectors)| vectors.heap_bytes()).sum();
        texts + vectors
    }

    fn room(&self) -> u32 {
        u32::try_from((self.bytes() >> 10).clamp(MIN_KIB, ROOM_KIB)).unwrap_or(u32::MAX)
    }
}

impl Inner {
    /// Makes the new generation searchable and retires the old one, in one commit with other files of the bot.
    /// `worker` may take the next file as soon as there is room for this one to wait.
    pub(super) async fn publish(
        &self,
        scope: &Scope,
        finished: Finished,
        worker: OwnedSemaphorePermit,
    ) -> Result<(), Stop> {
        let lost = || Stop::Later(Error::Internal("a publication has ended without a word".into()));
        let _room = self.publisher.room.acquire_many(finished.room()).await.map_err(|_| lost())?;
        let waiting = self.publisher.bots.lock().entry(scope.bot().clone()).or_default().clone();
        let (answer, mut answered) = oneshot::channel();
        waiting.files.lock().push_back((finished, answer));
        drop(worker);
        loop {
            tokio::select! {
                biased;
                answer = &mut answered => return answer.unwrap_or_else(|_| Err(lost())),
                turn = waiting.turn.clone().lock_owned() => self.publish_waiting(scope, &waiting, turn).await,
            }
        }
    }

    /// Publishes what waits by then, once nothing more comes or it has waited long enough.
    async fn publish_waiting(&self, scope: &Scope, waiting: &Waiting, turn: OwnedMutexGuard<()>) {
        let until = Instant::now() + LINGER;
        let more = || {
            let here = waiting.files.lock().len();
            (1..MAX_FILES).contains(&here) && self.queue.coming(scope) > here && !self.queue.is_closed()
        };
        while more() && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let publishing = self.publishing.lock(scope.bot()).await;
        let mut files: Vec<_> = {
            let mut files = waiting.files.lock();
            let mut bytes = 0;
            let mut fits = |(finished, _): &(Finished, Answer)| {
                bytes += finished.bytes();
                bytes <= MAX_BYTES
            };
            let most = files.iter().take(MAX_FILES).take_while(|file| fits(file)).count().max(1);
            let most = most.min(files.len());
            files.drain(..most).collect()
        };
        // The next one waits for others while these are written.
        drop(turn);
        if files.is_empty() {
            return;
        }
        let finished: Vec<&Finished> = files.iter().map(|(finished, _)| finished).collect();
        let outcome = |wanted: bool| wanted.then_some(()).ok_or(Stop::Obsolete);
        let mut outcomes = Vec::with_capacity(finished.len());
        match self.publish_all(scope, &publishing, &finished).await {
            Ok(wanted) => outcomes.extend(wanted.into_iter().map(outcome)),
            Err(error) if finished.len() == 1 => outcomes.push(Err(Stop::from(error))),
            Err(error) => {
                tracing::warn!(bot = %scope.bot(), files = finished.len(), %error, "published one by one");
                for alone in finished {
                    let published = self.publish_all(scope, &publishing, &[alone]).await;
                    outcomes.push(
                        published.map_err(Stop::from).and_then(|wanted| outcome(wanted.contains(&true))),
                    );
                }
            }
        }
        for ((_, answer), outcome) in files.drain(..).zip(outcomes) {
            // Whoever asked may be gone.
            let _ = answer.send(outcome);
        }
    }

    /// Publishes all of them in one commit. Answers which still were wanted; one that is published already is not
    /// published twice, for a commit may have reached the store and failed to be shown.
    pub(crate) async fn publish_all(
        &self,
        scope: &Scope,
        publishing: &Publishing,
        files: &[&Finished],
    ) -> Result<Vec<bool>, Error> {
        let view = self.views.of(scope).await?;
        // Ordinals are taken under the lock, so no other publish of this process takes the same.
        let first = self.store.head(scope.bot(), &records::kb()).await?.next_id;
        let mut next = first..;
        let mut new = Vec::with_capacity(files.len());
        for finished in files {
            let pairs = finished.passages.iter().zip(&finished.hashed).zip(&mut next);
            let records = pairs.map(|((passage, (hash, vectors)), number)| {
                let ordinal = u32::try_from(number)
                    .map_err(|_| Error::Limit("this bot has used up its passage numbers".into()))?;
                let record = PassageRecord { ordinal, passage: passage.clone(), vector: hex(hash) };
                Ok((record, *hash, vectors.clone()))
            });
            new.push(records.collect::<Result<Vec<_>, Error>>()?);
        }
        let after = next.start;
        let form = view.vector_form();
        let build = |snapshot: &Snapshot, commit: &mut Commit| {
            let entries: Vec<_> =
                files.iter().map(|finished| current(snapshot, &finished.job).ok()).collect();
            let is_new = |entry: &FileEntry, job: &Job| {
                entry.file.published.as_ref().is_none_or(|published| published.generation != job.generation)
            };
            let wanted = || {
                let all = entries.iter().zip(files).zip(&new);
                let wanted = all.filter_map(|((entry, finished), new)| Some(((*entry)?, finished, new)));
                wanted.filter(|(entry, finished, _)| is_new(entry, &finished.job))
            };
            let replacements: Vec<_> =
                wanted().map(|(entry, _, new)| Replacement { old: &entry.file, new }).collect();
            if !replacements.is_empty() {
                publish::publish(publishing, snapshot, commit, form, &replacements)?;
                commit.next_id.push((records::kb(), after));
            }
            for (entry, Finished { job, published, .. }, new) in wanted() {
                let mut file = File::clone(&entry.file);
                file.published = Some(published.clone());
                file.status = FileStatus::IndexingCompleted;
                file.failed_reason = None;
                file.updated_at = Timestamp::now();
                put_file(commit, Some(entry), &file)?;
                commit.del(&records::jobs(), records::job_key(&job.file, job.generation));
                commit.quota(Counter::Vectors, delta(new.len() as u64, job.reserved), u64::MAX);
            }
            Ok(entries.iter().map(Option::is_some).collect())
        };
        Ok(self.transact(scope, build).await?.0)
    }
}
