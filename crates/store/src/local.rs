//! [`LocalStore`]: the record store on a local disk.
//!
//! Knows nothing of files or tables. Invariant: reads use one engine snapshot each and so never see
//! half a commit or one that is not on disk.

use crate::Error;
use crate::codec::{self, LogEntry, log_key, row_key, row_prefix};
use crate::committer::{Committer, Request};
use crate::engine::{Engine, Space, View};
use crate::local_blobs::blocking;
use crate::record::{Change, Changes, Coll, Commit, Committed, Head, Key, Record, RecordStore, Seq};
use crate::recovery::StoreOptions;
use crate::state::{self, Shared};
use crate::sweep::{self, Limits, Swept};
use async_trait::async_trait;
use bytes::Bytes;
use quarry_types::{BotId, Usage};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Longest collection name in bytes.
const MAX_COLL_BYTES: usize = 200;
/// Longest key in bytes.
const MAX_KEY_BYTES: usize = 1_024;
/// Keys and values of one commit in bytes.
const MAX_COMMIT_BYTES: usize = 256 * 1024 * 1024;
/// Superseded keys looked at for each change a page may hold, before the page ends early.
const SUPERSEDED_PER_CHANGE: usize = 16;
/// Reads of so few keys are done at once; a hop to the blocking pool would cost more than they do.
const INLINE_KEYS: usize = 16;

/// A [`RecordStore`] on fjall with one commit thread. Needs a tokio runtime for its blocking reads.
/// Dropping it waits for the running batch, then closes the folder.
pub struct LocalStore {
    shared: Arc<Shared>,
    queue: Option<mpsc::Sender<Request>>,
    limits: Limits,
    stop: Arc<AtomicBool>,
    wake: Option<std::sync::mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl LocalStore {
    pub(crate) fn start(engine: Engine, lock: File, options: &StoreOptions) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(engine, lock));
        let (queue, receiver) = mpsc::channel(options.queued_commits.max(1));
        let (wake, woken) = std::sync::mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let limits = Limits {
            keep_tombstones_ms: i64::try_from(options.keep_tombstones.as_millis()).unwrap_or(i64::MAX),
            spare_log_keys: options.spare_log_keys,
        };
        let wake_sweep = wake.clone();
        let on_garbage = Box::new(move || {
            // Fails only when the sweep thread has ended; the next start sweeps then.
            let _ = wake_sweep.send(());
        });
        let committer = Committer::new(Arc::clone(&shared), receiver, on_garbage)?;
        let commits = thread("quarry-commit", move || committer.run())?;
        let sweeps = {
            let (shared, queue, stop) = (Arc::clone(&shared), queue.clone(), Arc::clone(&stop));
            let every = options.sweep_every;
            thread("quarry-sweep", move || {
                loop {
                    if let Err(error) = sweep::sweep(&shared, &queue, limits, &stop) {
                        tracing::warn!(%error, "the sweep of the record store failed; it will be tried again");
                    }
                    let woken = woken.recv_timeout(every);
                    if stop.load(Ordering::Relaxed) || woken == Err(RecvTimeoutError::Disconnected) {
                        return;
                    }
                }
            })?
        };
        Ok(Self {
            shared,
            queue: Some(queue),
            limits,
            stop,
            wake: Some(wake),
            threads: vec![sweeps, commits],
        })
    }

    /// Whether writes are refused because a sync failed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.poisoned().is_some()
    }

    /// Refuses writes from now on: for a caller that saw this disk fail. Reads go on.
    pub fn poison(&self, reason: &str) {
        self.shared.poison(reason);
    }

    /// Removes rows of dropped collections and bots, and old tombstones, now. The store does so by
    /// itself at start, after drops and every [`StoreOptions::sweep_every`].
    ///
    /// # Errors
    /// When the engine fails; what was not swept stays for the next sweep.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        let (shared, queue, stop) = (Arc::clone(&self.shared), self.queue()?.clone(), Arc::clone(&self.stop));
        let limits = self.limits;
        blocking(move || sweep::sweep(&shared, &queue, limits, &stop)).await
    }

    /// Bytes the records hold on disk, preallocated journal included.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn disk_bytes(&self) -> Result<u64, Error> {
        self.shared.engine.disk_bytes()
    }

    fn queue(&self) -> Result<&mpsc::Sender<Request>, Error> {
        self.queue.as_ref().ok_or_else(ended)
    }

    async fn send<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request,
    ) -> Result<T, Error> {
        if let Some(error) = self.shared.poisoned() {
            return Err(error);
        }
        let (reply, answer) = oneshot::channel();
        self.queue()?.send(request(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Runs a read on the blocking pool.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        blocking(move || read(&shared.engine.view())).await
    }

    fn bot_no(&self, bot: &BotId) -> Result<Option<u32>, Error> {
        self.shared.with_bot(bot, |state| state.map(|state| state.no))
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(wake) = self.wake.take() {
            // Fails only when the sweep thread has ended already.
            let _ = wake.send(());
        }
        self.queue.take();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the record store had panicked");
            }
        }
    }
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalStore").field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

#[async_trait]
impl RecordStore for LocalStore {
    async fn head(&self, bot: &BotId, coll: &Coll) -> Result<Head, Error> {
        let state = self.shared.coll(bot, coll)?;
        Ok(state.map_or(Head { next_id: 1, ..Head::default() }, |(_, state)| state.head))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        check_form(&commit)?;
        let commit = Box::new(commit);
        self.send(|reply| Request::Commit(commit, reply)).await
    }

    async fn changes(&self, bot: &BotId, coll: &Coll, after: Seq, max: usize) -> Result<Changes, Error> {
        let Some(bot_no) = self.bot_no(bot)? else { return Ok(nothing_after(after)) };
        let coll = coll.clone();
        self.read(move |view| changes(view, bot_no, &coll, after, max.max(1))).await
    }

    async fn get(&self, bot: &BotId, coll: &Coll, keys: &[Key]) -> Result<Vec<Option<Record>>, Error> {
        let Some((bot_no, state)) = self.shared.coll(bot, coll)? else { return Ok(vec![None; keys.len()]) };
        let prefix = row_prefix(bot_no, state.no);
        if keys.len() <= INLINE_KEYS {
            return get(&self.shared.engine.view(), prefix, keys);
        }
        let keys = keys.to_vec();
        self.read(move |view| get(view, prefix, &keys)).await
    }

    async fn scan(
        &self,
        bot: &BotId,
        coll: &Coll,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<Record>, Error> {
        let Some((bot_no, state)) = self.shared.coll(bot, coll)? else { return Ok(Vec::new()) };
        let rows = row_prefix(bot_no, state.no);
        let start = row_key(rows, prefix);
        let end = codec::prefix_end(&start);
        // The smallest key greater than `after` is `after` with a zero byte behind it.
        let from = after.map(|after| [&rows[..], after, &[0]].concat());
        let from = from.map_or(start.clone(), |from| from.max(start));
        self.read(move |view| {
            let pairs = view.range(Space::Records, &from, end.as_deref()).take(max);
            pairs.map(|pair| pair.and_then(|(row, bytes)| record(row.get(8..), &bytes))).collect()
        })
        .await
    }

    async fn usage(&self, bot: &BotId) -> Result<Usage, Error> {
        // As on disk, where it changes with the records: what is in memory follows a moment later.
        let bot_no = self.bot_no(bot)?;
        bot_no.map_or_else(|| Ok(Usage::default()), |no| state::usage(&self.shared.engine.view(), no))
    }

    async fn set_usage(&self, bot: &BotId, usage: Usage) -> Result<(), Error> {
        self.send(|reply| Request::SetUsage(bot.clone(), usage, reply)).await
    }

    async fn bots(&self) -> Result<Vec<BotId>, Error> {
        self.read(|view| Ok(state::all_bots(view)?.into_iter().map(|(bot, _)| bot).collect())).await
    }

    async fn collections(&self, bot: &BotId) -> Result<Vec<(Coll, Head)>, Error> {
        let Some(bot_no) = self.bot_no(bot)? else { return Ok(Vec::new()) };
        self.read(move |view| {
            let colls = state::all_colls(view, bot_no)?;
            Ok(colls.into_iter().map(|(coll, state)| (coll, state.head)).collect())
        })
        .await
    }

    async fn drop_bot(&self, bot: &BotId) -> Result<(), Error> {
        self.send(|reply| Request::DropBot(bot.clone(), reply)).await
    }
}

/// The collections a commit names, each once; it names few, many times over.
#[derive(Default)]
struct Names<'c>(Vec<&'c Coll>);

impl<'c> Names<'c> {
    fn add(&mut self, coll: &'c Coll) {
        if self.0.last() != Some(&coll) && !self.0.contains(&coll) {
            self.0.push(coll);
        }
    }
}

/// What can be seen to be wrong without looking at the data.
fn check_form(commit: &Commit) -> Result<(), Error> {
    let put = commit.put.iter().map(|(coll, key, _)| (coll, key));
    let written = put.chain(commit.del.iter().map(|(coll, key)| (coll, key)));
    let expected = commit.expect_keys.iter().map(|expected| (&expected.coll, &expected.key));
    let mut bytes: usize = commit.put.iter().map(|(_, _, value)| value.len()).sum();
    for (coll, key) in written.clone().chain(expected.clone()) {
        if key.len() > MAX_KEY_BYTES {
            let len = key.len();
            let allowed = format!("{MAX_KEY_BYTES} are allowed");
            return Err(Error::Invalid(format!("a key of {len} bytes in {coll:?}, {allowed}")));
        }
        bytes = bytes.saturating_add(key.len());
    }
    if bytes > MAX_COMMIT_BYTES {
        return Err(Error::Invalid(format!("{bytes} bytes in one commit, {MAX_COMMIT_BYTES} are allowed")));
    }
    let mut used = Names::default();
    written.for_each(|(coll, _)| used.add(coll));
    commit.next_id.iter().for_each(|(coll, _)| used.add(coll));
    let mut dropped = Names::default();
    for coll in &commit.drop {
        if dropped.0.contains(&coll) || used.0.contains(&coll) {
            return Err(Error::Invalid(format!("{coll:?} is dropped and used in one commit")));
        }
        dropped.add(coll);
    }
    expected.for_each(|(coll, _)| used.add(coll));
    commit.expect.iter().chain(&commit.read_at).for_each(|(coll, _)| used.add(coll));
    for coll in used.0.into_iter().chain(dropped.0) {
        let name = coll.as_str();
        if name.is_empty() || name.len() > MAX_COLL_BYTES || name.contains('\0') {
            let message = "a collection name must be 1 to 200 bytes without NUL";
            return Err(Error::Invalid(format!("{message}, got {name:?}")));
        }
    }
    Ok(())
}

fn changes(view: &View<'_>, bot_no: u32, coll: &Coll, after: Seq, max: usize) -> Result<Changes, Error> {
    let Some(state) = state::coll_in(view, bot_no, coll)? else { return Ok(nothing_after(after)) };
    // A watermark from the future belongs to another history, such as the one before a restore.
    if after > state.head.seq || (after > 0 && after < state.floor) {
        return Ok(Changes::TooOld);
    }
    let prefix = row_prefix(bot_no, state.no);
    let from = log_key(prefix, after.saturating_add(1));
    let (mut changes, mut looked, mut upto): (Vec<Change>, usize, Seq) = (Vec::new(), 0, after);
    for pair in view.range(Space::Changes, &from, codec::prefix_end(&prefix).as_deref()) {
        let (key, log) = pair?;
        if changes.len() >= max || looked >= max.saturating_mul(SUPERSEDED_PER_CHANGE) {
            return Ok(Changes::Page { changes, upto, more: true });
        }
        upto = codec::seq_of(&key)?;
        for listed in LogEntry::keys(&log) {
            let (key, is_dead) = listed?;
            looked += 1;
            // What a later commit wrote or deleted again is listed there.
            if let Some(value) = version(view, &row_key(prefix, key), is_dead, upto)? {
                changes.push(Change { key: key.to_vec(), seq: upto, value });
            }
        }
    }
    Ok(Changes::Page { changes, upto: state.head.seq, more: false })
}

/// The value a commit gave a key, `None` inside when it deleted it; `None` when it has another since.
fn version(view: &View<'_>, row: &[u8], is_dead: bool, seq: Seq) -> Result<Option<Option<Bytes>>, Error> {
    if is_dead {
        let Some(bytes) = view.get(Space::Tombs, row)? else { return Ok(None) };
        return Ok((codec::decode_tomb(&bytes)?.0 == seq).then_some(None));
    }
    let Some(bytes) = view.get(Space::Records, row)? else { return Ok(None) };
    let (now, value) = codec::decode_record(&bytes)?;
    Ok((now == seq).then(|| Some(Bytes::copy_from_slice(value))))
}

/// The answer for a collection that does not exist.
fn nothing_after(after: Seq) -> Changes {
    if after > 0 { Changes::TooOld } else { Changes::Page { changes: Vec::new(), upto: 0, more: false } }
}

fn get(view: &View<'_>, prefix: [u8; 8], keys: &[Key]) -> Result<Vec<Option<Record>>, Error> {
    let read = |key: &Key| {
        let bytes = view.get(Space::Records, &row_key(prefix, key))?;
        bytes.map(|bytes| record(Some(key), &bytes)).transpose()
    };
    keys.iter().map(read).collect()
}

fn record(key: Option<&[u8]>, bytes: &[u8]) -> Result<Record, Error> {
    let (seq, value) = codec::decode_record(bytes)?;
    Ok(Record { key: key.unwrap_or_default().to_vec(), seq, value: Bytes::copy_from_slice(value) })
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    Ok(std::thread::Builder::new().name(name.into()).spawn(work)?)
}

fn ended() -> Error {
    Error::Poisoned("the commit thread has ended".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::open;

    #[tokio::test]
    async fn a_failed_sync_ends_all_writes_and_shows_nothing_of_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(dir.path(), &StoreOptions::default()).unwrap();
        let store = &opened.store;
        let (bot, rows) = (BotId::parse("bot").unwrap(), Coll::new("rows"));
        let put = |key: &str, expect: Seq| {
            let mut commit = Commit::new(&bot);
            commit.put(&rows, key, "value").expect.push((rows.clone(), expect));
            store.commit(commit)
        };
        put("kept", 0).await.unwrap();
        store.shared.engine.fail_write.store(true, Ordering::Relaxed);
        let (refused, failed) = tokio::join!(put("refused", 9), put("lost", 1));
        assert!(matches!(refused, Err(Error::Conflict { .. } | Error::Poisoned(_))), "{refused:?}");
        assert!(matches!(&failed, Err(Error::Poisoned(why)) if why.contains("injected")), "{failed:?}");
        // The disk seems well again, but what reached it is unknown.
        store.shared.engine.fail_write.store(false, Ordering::Relaxed);
        assert!(store.is_poisoned());
        assert!(matches!(put("later", 1).await, Err(Error::Poisoned(_))));
        assert!(store.set_usage(&bot, Usage::default()).await.is_err());
        let keys = |records: Vec<Record>| records.into_iter().map(|record| record.key).collect::<Vec<_>>();
        assert_eq!(keys(store.scan(&bot, &rows, b"", None, 9).await.unwrap()), [b"kept"]);
        assert_eq!(store.head(&bot, &rows).await.unwrap().seq, 1);
        drop(opened);
        let opened = open(dir.path(), &StoreOptions::default()).unwrap();
        assert_eq!(keys(opened.store.scan(&bot, &rows, b"", None, 9).await.unwrap()), [b"kept"]);
    }

    #[tokio::test]
    async fn old_tombstones_go_and_late_followers_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { keep_tombstones: std::time::Duration::ZERO, ..StoreOptions::default() };
        let opened = open(dir.path(), &options).unwrap();
        let store = &opened.store;
        let (bot, rows) = (BotId::parse("bot").unwrap(), Coll::new("rows"));
        for key in ["a", "b", "c"] {
            let mut commit = Commit::new(&bot);
            commit.put(&rows, key, "value");
            store.commit(commit).await.unwrap();
        }
        let mut commit = Commit::new(&bot);
        commit.del(&rows, "a");
        store.commit(commit).await.unwrap();
        store.sweep().await.unwrap();
        assert_eq!(store.changes(&bot, &rows, 3, 9).await.unwrap(), Changes::TooOld);
        assert!(matches!(store.changes(&bot, &rows, 4, 9).await.unwrap(), Changes::Page { .. }));
        let Changes::Page { changes, upto, .. } = store.changes(&bot, &rows, 0, 9).await.unwrap() else {
            panic!("a follower that starts from nothing needs no tombstones")
        };
        assert_eq!((changes.len(), upto), (2, 4));
        let left = store.shared.engine.view().prefix(Space::Tombs, b"").count();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn a_sweep_takes_superseded_keys_out_of_the_change_log() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(dir.path(), &StoreOptions::default()).unwrap();
        let (bot, rows) = (BotId::parse("bot").unwrap(), Coll::new("rows"));
        for n in 0..40_u8 {
            let mut commit = Commit::new(&bot);
            commit.put(&rows, [n % 4], vec![n]).put(&rows, [100 + n % 3], "").del(&rows, [100 + (n + 1) % 3]);
            opened.store.commit(commit).await.unwrap();
        }
        let all = async |store: &LocalStore| store.changes(&bot, &rows, 0, usize::MAX).await.unwrap();
        let entries = |store: &LocalStore| store.shared.engine.view().prefix(Space::Changes, b"").count();
        let before = all(&opened.store).await;
        assert_eq!(entries(&opened.store), 40);
        drop(opened);
        // It sweeps itself at its start: whichever of the two comes first does it all.
        let options = StoreOptions { spare_log_keys: 10, ..StoreOptions::default() };
        let opened = open(dir.path(), &options).unwrap();
        let store = &opened.store;
        store.sweep().await.unwrap();
        let left = entries(store);
        assert!(left <= 7, "{left} entries for 4 live keys, 1 that comes and goes and 2 deleted");
        assert_eq!(all(store).await, before);
        assert_eq!(store.sweep().await.unwrap(), Swept::default());
        let Changes::Page { changes, .. } = before else { panic!("nothing is forgotten") };
        assert_eq!(changes.len(), 7);
    }

    #[tokio::test]
    async fn a_dropped_bot_leaves_no_byte_behind_the_sweep() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(dir.path(), &StoreOptions::default()).unwrap();
        let store = &opened.store;
        let (bot, rows) = (BotId::parse("bot").unwrap(), Coll::new("rows"));
        let all = |space| store.shared.engine.view().prefix(space, b"").count();
        let spaces = [Space::Catalog, Space::Records, Space::Changes, Space::Tombs];
        for id in 0..60_u128 {
            let mut commit = Commit::new(&bot);
            commit.put(&rows, id.to_be_bytes(), "value").del(&rows, (id / 2).to_be_bytes());
            commit.quota(quarry_types::Counter::TableRows, 1, u64::MAX);
            commit.id = (id % 7 == 0).then_some(id);
            drop(store.commit(commit).await.unwrap());
        }
        assert!(spaces.map(all).iter().all(|count| *count > 0));
        store.drop_bot(&bot).await.unwrap();
        store.sweep().await.unwrap();
        // Only the next free bot number stays, so that no number is given out twice.
        assert_eq!(spaces.map(all), [1, 0, 0, 0]);
    }
}
