//! Brings an index up to its rows, a bounded piece at a time.
//!
//! Knows nothing of when it runs or of other tables. Invariant: the vector counter changes in the
//! commit that changes vector records, by as much.

use super::index::{Index, RowText, Work};
use super::passages::passages;
use super::tracker::Excuse;
use super::vectors::{RowVectors, Tally};
use crate::Error;
use crate::batch::FACTOR_BYTES;
use crate::catalog::Entry;
use crate::record::{self, TALLY_KEY};
use half::f16;
use quarry_embed::TextKind;
use quarry_index::LexDoc;
use quarry_store::{Commit, Error as StoreError};
use quarry_types::Counter;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows per commit of the lexical index.
const WORDS_BATCH: usize = 1_000;
/// Bytes of rows read at a time, if each were as large as its table allows.
const READ_BYTES: usize = 16 << 20;
/// Passages per commit of vectors, at least and at most; in between their number follows the time
/// they take. A row is never divided.
const BATCH_MIN: usize = 4;
const BATCH_MAX: usize = 512;
/// Passages per call of the model.
const CALL: usize = 32;
/// Time a batch should take: a row just written waits for the running one.
const BATCH_TIME: Duration = Duration::from_millis(400);

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many rows; there may be more.
    Did(usize),
    /// Everything is indexed.
    Idle,
    /// Stored vectors changed under this index: it must be built anew.
    Outdated,
    /// It was told to stop.
    Stopped,
}

/// What a step may use.
pub(super) struct Means<'a> {
    pub(super) entry: &'a Entry,
    /// Most vectors of the bot.
    pub(super) quota: u64,
    /// Whether to stop at the next chance.
    pub(super) stop: &'a (dyn Fn() -> bool + Sync),
}

/// Rows of a table that may be read at a time.
fn rows_at_once(factor: u8) -> usize {
    READ_BYTES / (usize::from(factor).max(1) * FACTOR_BYTES)
}

/// A row about to be embedded.
struct Fresh {
    id: u32,
    text: u64,
    passages: Vec<String>,
    before: u32,
}

impl Index {
    pub(super) async fn step(self: &Arc<Self>, means: &Means<'_>) -> Result<Step, Error> {
        let mut work = self.work.lock().await;
        let head = self.store.head(&self.bot, &self.rows).await?;
        self.at_least(head.seq).await?;
        let words = self.index_words(rows_at_once(means.entry.record().factor)).await?;
        let vectors = self.index_vectors(&mut work, means).await?;
        let step = match vectors {
            Step::Did(rows) if rows + words > 0 => Step::Did(rows + words),
            Step::Did(_) => self.settle(&mut work, means).await?,
            other => other,
        };
        let tracker = self.tracker.lock().await;
        self.measure(&tracker);
        Ok(step)
    }

    /// Builds the words of an index that has everything else, before it is shown: its rows were found
    /// until now and must not be absent for a while.
    pub(super) async fn restore_words(self: &Arc<Self>, factor: u8) -> Result<(), Error> {
        let _work = self.work.lock().await;
        if self.tracker.lock().await.vectors_due() > 0 {
            return Ok(());
        }
        while self.index_words(rows_at_once(factor)).await? > 0 {}
        Ok(())
    }

    async fn index_words(self: &Arc<Self>, most: usize) -> Result<usize, Error> {
        let (ids, all, seq) = {
            let tracker = self.tracker.lock().await;
            (tracker.next_words(WORDS_BATCH.min(most)), tracker.words_due(), tracker.seq)
        };
        if ids.is_empty() {
            return Ok(0);
        }
        let watermark = if ids.len() == all { seq } else { self.lexical.watermark() };
        let texts = self.texts(&ids).await?;
        let index = Arc::clone(self);
        let texts = tokio::task::spawn_blocking(move || {
            let gone: Vec<u32> = texts.iter().filter(|row| row.hash == 0).map(|row| row.id).collect();
            let live = texts.iter().filter(|row| row.hash != 0);
            let mut docs = live.map(|row| LexDoc { id: row.id, title: "", body: &row.text });
            index.lexical.apply(&mut docs, &gone, watermark)?;
            Ok::<_, Error>(texts)
        })
        .await??;
        let mut tracker = self.tracker.lock().await;
        texts.iter().for_each(|row| tracker.words_are(row.id, row.hash));
        self.publish(&tracker);
        Ok(texts.len())
    }

    async fn index_vectors(self: &Arc<Self>, work: &mut Work, means: &Means<'_>) -> Result<Step, Error> {
        let started = Instant::now();
        let used = self.store.usage(&self.bot).await?.vectors;
        let room = means.quota.saturating_sub(used);
        let ids = {
            let mut tracker = self.tracker.lock().await;
            if tracker.over_quota() > 0 && work.tight_room.is_none_or(|tight| room > tight) {
                // A few at a time: they are absent until they are done.
                tracker.retry_over_quota(room.min(work.batch as u64));
            }
            tracker.next_vectors(work.batch.min(rows_at_once(means.entry.record().factor)))
        };
        if ids.is_empty() {
            return Ok(Step::Did(0));
        }
        let texts = self.texts(&ids).await?;
        let (mut fresh, gone) = self.judge(texts, room, work).await?;
        let made = match self.embed(&fresh, means).await? {
            None => return Ok(Step::Stopped),
            Some(made) => made,
        };
        let mut rows = Vec::with_capacity(fresh.len());
        let mut refused = Vec::new();
        for (row, vectors) in fresh.drain(..).zip(made) {
            match vectors {
                Some(vectors) => {
                    rows.push((row.id, row.before, RowVectors { text: row.text, vectors }));
                }
                None => refused.push(row.id),
            }
        }
        let step = self.commit(work, means, rows, gone).await?;
        if !refused.is_empty() {
            let mut tracker = self.tracker.lock().await;
            refused.iter().for_each(|id| tracker.excuse(*id, Excuse::Model));
            self.publish(&tracker);
        }
        // Enough at a time to be fast, little enough not to keep a new row waiting.
        let took = started.elapsed();
        if took < BATCH_TIME / 2 {
            work.batch = (work.batch * 2).min(BATCH_MAX);
        } else if took > BATCH_TIME {
            work.batch = (work.batch / 2).max(BATCH_MIN);
        }
        Ok(match step {
            Step::Did(_) => Step::Did(ids.len()),
            other => other,
        })
    }

    /// Sorts due rows into those to embed, as far as the quota goes, and those (with what they
    /// release) whose vectors go.
    async fn judge(
        self: &Arc<Self>,
        texts: Vec<RowText>,
        room: u64,
        work: &mut Work,
    ) -> Result<(Vec<Fresh>, Vec<(u32, u32)>), Error> {
        let counter = self.embedder.token_counter();
        let split = move || {
            let cut = |row: RowText| {
                let (pieces, whole) = passages(&row.text, counter.as_ref());
                let pieces: Vec<String> = pieces.into_iter().map(str::to_owned).collect();
                (row.id, row.hash, pieces, whole)
            };
            texts.into_iter().map(cut).collect::<Vec<_>>()
        };
        let cut = tokio::task::spawn_blocking(split).await?;
        let mut tracker = self.tracker.lock().await;
        let (mut fresh, mut gone) = (Vec::new(), Vec::new());
        let mut room = i128::from(room);
        let mut later = Vec::new();
        for (id, text, passages, whole) in cut {
            let row = tracker.state(id);
            if text == 0 || tracker.is_excused(id) {
                room += i128::from(row.count);
                gone.push((id, row.count));
            } else if text == row.vectors {
                // Changed back since the change that made it due; the tracker is about to see that.
            } else if passages.is_empty() {
                tracker.excuse(id, Excuse::Model);
                tracing::warn!(table = %self.table, row = id, "a row cannot be cut into passages; found by words only");
            } else {
                if !whole {
                    tracing::warn!(table = %self.table, row = id, passages = passages.len(), "a row is too long to be embedded whole; its end is found by words only");
                }
                later.push(Fresh { id, text, passages, before: row.count });
            }
        }
        let mut passages = 0;
        for row in later {
            passages += row.passages.len();
            if passages > work.batch && !fresh.is_empty() {
                // The rest stays due.
                break;
            }
            let needed = row.passages.len() as i128 - i128::from(row.before);
            if needed > 0 && needed > room {
                tracker.excuse(row.id, Excuse::Quota);
                work.tight_room = Some(u64::try_from(room.max(0)).unwrap_or(u64::MAX));
            } else {
                room -= needed;
                fresh.push(row);
            }
        }
        self.publish(&tracker);
        Ok((fresh, gone))
    }

    /// The vectors of each row, `None` for one the model cannot embed; `None` altogether when told to
    /// stop.
    async fn embed(
        self: &Arc<Self>,
        fresh: &[Fresh],
        means: &Means<'_>,
    ) -> Result<Option<Vec<Option<Vec<Vec<f32>>>>>, Error> {
        let mut texts: Vec<&String> = fresh.iter().flat_map(|row| &row.passages).collect();
        texts.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        let mut made: HashMap<&String, Vec<f32>> = HashMap::with_capacity(texts.len());
        let mut failed: Option<Error> = None;
        for call in texts.chunks(CALL) {
            if (means.stop)() {
                return Ok(None);
            }
            match self.call(call).await {
                Ok(vectors) => made.extend(call.iter().copied().zip(vectors)),
                // One bad text must not keep its neighbours from being found.
                Err(_) => {
                    for text in call {
                        match self.call(&[*text]).await {
                            Ok(mut vectors) => made.extend(vectors.pop().map(|vector| (*text, vector))),
                            Err(error) => failed = Some(error),
                        }
                    }
                }
            }
        }
        if let Some(error) = failed {
            if made.is_empty() {
                return Err(error);
            }
            tracing::error!(table = %self.table, %error, "some rows cannot be embedded; found by words only");
        }
        let of_row = |row: &Fresh| row.passages.iter().map(|text| made.get(text).cloned()).collect();
        Ok(Some(fresh.iter().map(of_row).collect()))
    }

    async fn call(&self, texts: &[&String]) -> Result<Vec<Vec<f32>>, Error> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).clone()).collect();
        let embedder = Arc::clone(&self.embedder);
        let work = move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            embedder.embed(&texts, TextKind::Passage)
        };
        let mut vectors = tokio::task::spawn_blocking(work).await??;
        // As they will be read back: an index built anew must give the same answers.
        for number in vectors.iter_mut().flatten() {
            *number = f16::from_f32(*number).to_f32();
        }
        Ok(vectors)
    }

    /// Writes vectors and removals with what they count, then shows them.
    async fn commit(
        self: &Arc<Self>,
        work: &mut Work,
        means: &Means<'_>,
        rows: Vec<(u32, u32, RowVectors)>,
        gone: Vec<(u32, u32)>,
    ) -> Result<Step, Error> {
        if rows.is_empty() && gone.is_empty() {
            return Ok(Step::Did(0));
        }
        let added: u64 = rows.iter().map(|(_, _, row)| row.vectors.len() as u64).sum();
        let counts = rows.iter().map(|(_, before, _)| before).chain(gone.iter().map(|(_, count)| count));
        let removed: u64 = counts.map(|count| u64::from(*count)).sum();
        let tally =
            Tally { vectors: (work.tally.vectors + added).saturating_sub(removed), ..Tally::default() };
        let mut commit = self.commit_of(work, means);
        for (id, _, row) in &rows {
            commit.put(&self.vectors, record::row_key(*id), row.encode());
        }
        for (id, _) in &gone {
            commit.del(&self.vectors, record::row_key(*id));
        }
        commit.put(&self.vectors, TALLY_KEY, tally.encode());
        let delta = i64::try_from(added).unwrap_or(i64::MAX) - i64::try_from(removed).unwrap_or(i64::MAX);
        commit.quota(Counter::Vectors, delta, means.quota);
        match self.store.commit(commit).await {
            Ok(committed) => {
                work.vectors_seq = committed.seq(&self.vectors).unwrap_or(work.vectors_seq);
                work.tally = tally;
            }
            Err(StoreError::Conflict { coll }) if coll == self.vectors => return Ok(Step::Outdated),
            // The table's metadata changed: the next step starts from what it is now.
            Err(StoreError::Conflict { .. }) => return Ok(Step::Did(1)),
            Err(StoreError::Quota(refusal)) => {
                // Someone else took the room meanwhile.
                work.tight_room = Some(refusal.limit.saturating_sub(refusal.used));
                let mut tracker = self.tracker.lock().await;
                rows.iter().for_each(|(id, ..)| tracker.excuse(*id, Excuse::Quota));
                self.publish(&tracker);
                return Ok(Step::Did(1));
            }
            Err(error) => return Err(error.into()),
        }
        let index = Arc::clone(self);
        let rows = rows.into_iter().map(|(id, _, row)| (id, row)).collect::<Vec<_>>();
        let (rows, gone) = tokio::task::spawn_blocking(move || {
            let ids: Vec<u32> = gone.iter().map(|(id, _)| *id).collect();
            index.take_vectors(&rows, &ids)?;
            Ok::<_, Error>((rows, ids))
        })
        .await??;
        let mut tracker = self.tracker.lock().await;
        for (id, row) in &rows {
            tracker.vectors_are(*id, row.text, u32::try_from(row.vectors.len()).unwrap_or(u32::MAX));
        }
        gone.iter().for_each(|id| tracker.vectors_are(*id, 0, 0));
        self.publish(&tracker);
        Ok(Step::Did(rows.len() + gone.len()))
    }

    /// A commit that holds only if table and vectors are as this index knows them.
    fn commit_of(&self, work: &Work, means: &Means<'_>) -> Commit {
        let mut commit = Commit::new(&self.bot);
        let key = record::meta_key(&self.table);
        commit.expect_key(&record::tables(), key, Some(means.entry.meta.seq));
        commit.expect.push((self.vectors.clone(), work.vectors_seq));
        commit
    }

    /// Notes that nothing is left to do, so that a restart need not look.
    async fn settle(&self, work: &mut Work, means: &Means<'_>) -> Result<Step, Error> {
        let (seq, due) = {
            let tracker = self.tracker.lock().await;
            (tracker.seq, tracker.words_due() + tracker.vectors_due())
        };
        let tally = Tally { settled: seq, layout: self.layout.mark(), ..work.tally };
        if due > 0 || seq == 0 || tally == work.tally {
            return Ok(Step::Idle);
        }
        let mut commit = self.commit_of(work, means);
        commit.put(&self.vectors, TALLY_KEY, tally.encode());
        match self.store.commit(commit).await {
            Ok(committed) => {
                work.vectors_seq = committed.seq(&self.vectors).unwrap_or(work.vectors_seq);
                work.tally = tally;
                Ok(Step::Idle)
            }
            Err(StoreError::Conflict { coll }) if coll == self.vectors => Ok(Step::Outdated),
            Err(StoreError::Conflict { .. }) => Ok(Step::Did(1)),
            Err(error) => Err(error.into()),
        }
    }
}
