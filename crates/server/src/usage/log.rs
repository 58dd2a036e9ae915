//! The durable log of usage: flushed by one task, read together with what is not flushed yet.
//!
//! A level is written when it differs from the last one written, so it holds until the next: that is
//! how a month without records gets its value. A bot without records of its own gets none here.

use super::calendar::{Day, Month};
use super::record::{self, DayRecord, Levels, Point};
use super::tally::{Activity, Counts, Tally};
use crate::error::ApiError;
use futures::StreamExt;
use parking_lot::Mutex;
use quarry_kb::Kb;
use quarry_store::{Coll, Commit, Key, Record, RecordStore};
use quarry_types::{BotId, Scope, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause between two flushes; what is counted since the last is lost when the process is killed.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// Flushes between two looks at the levels of all bots. In between only those of bots in use, or in
/// use a flush ago, are looked at; levels of others change by expiry and long jobs alone.
const FLUSHES_PER_ROUND: u32 = 60;
/// Days are kept this long, months for good.
pub(crate) const KEEP_DAYS: i64 = 400;
/// Days forgotten at once.
const FORGET: usize = 32;
/// Bots whose usage is written at the same time.
const FLUSHED_AT_ONCE: usize = 16;
const PAGE: usize = 512;
/// Attempts at a write another writer was faster than.
const TRIES: usize = 5;

/// Where the one setting lies that callers may change.
fn ai_spend_place() -> (BotId, Coll, Key) {
    let system = BotId::parse(crate::auth::SYSTEM_BOT).expect("the system bot's id is valid");
    (system, Coll::new("settings"), b"ai_spend_quota".to_vec())
}

/// Usage of all bots, past and present.
pub(crate) struct UsageLog {
    store: Arc<dyn RecordStore>,
    kb: Kb,
    tally: Arc<Tally>,
    /// Bots in use before the last flush: indexing of what they sent may end after it.
    recent: Mutex<Vec<BotId>>,
}

/// What the store has of a bot, read for one write or answer.
struct Known {
    /// Last level written, if any.
    last: Option<Levels>,
    live: Levels,
    now: Timestamp,
}

impl Known {
    /// The point to write: none while the level is what it was.
    fn change(&self) -> Option<Point> {
        let point = Point { at: self.now, levels: self.live };
        (self.last.unwrap_or_default() != self.live).then_some(point)
    }
}

impl UsageLog {
    /// The log in a store; `tally` is where activity is counted.
    #[must_use]
    pub(crate) fn new(store: Arc<dyn RecordStore>, kb: Kb, tally: Arc<Tally>) -> Self {
        Self { store, kb, tally, recent: Mutex::default() }
    }

    /// Counts what a bot did.
    pub(crate) fn count(&self, bot: &BotId, done: &[Activity]) {
        self.tally.add(bot, done);
    }

    /// What a bot holds now.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn live(&self, scope: &Scope) -> Result<Levels, ApiError> {
        let usage = self.store.usage(scope.bot()).await?;
        Ok(Levels {
            storage_bytes: usage.storage_bytes,
            vectors: usage.vectors,
            table_rows: usage.table_rows,
            indexed_files: self.kb.indexed_files(scope).await?,
        })
    }

    /// What a bot held at the end of a month: now for this one, nothing for one to come.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub(crate) async fn at_end_of(&self, scope: &Scope, month: Month) -> Result<Levels, ApiError> {
        let current = Month::current();
        if month > current {
            return Ok(Levels::default());
        }
        if month == current {
            return self.live(scope).await;
        }
        let months = self.months(scope).await?;
        Ok(months.range(..=month).next_back().map(|(_, levels)| *levels).unwrap_or_default())
    }

    /// The levels written, by the month they held at the end of; they hold until the next.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub(crate) async fn months(&self, scope: &Scope) -> Result<BTreeMap<Month, Levels>, ApiError> {
        let mut months = BTreeMap::new();
        for record in self.scan(scope, record::MONTHS, None).await? {
            let Some(month) = record::month_of(&record) else { continue };
            months.insert(month, record::decode::<Point>(&record)?.levels);
        }
        Ok(months)
    }

    /// The days from one to another that have anything, today's with what is not flushed yet.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub(crate) async fn days(
        &self,
        scope: &Scope,
        from: Day,
        until: Day,
    ) -> Result<BTreeMap<Day, DayRecord>, ApiError> {
        let mut days = BTreeMap::new();
        let (mut seen, now) = (None, Timestamp::now());
        let today = Day::of(now);
        let after = record::day_key(from.minus(1));
        for record in self.scan(scope, record::DAYS, Some(after)).await? {
            let Some(day) = record::day_of(&record) else { continue };
            if day == today {
                seen = Some(record.seq);
            }
            if day > until {
                break;
            }
            days.insert(day, record::decode::<DayRecord>(&record)?);
        }
        if !(from..=until).contains(&today) {
            return Ok(days);
        }
        // What is not flushed yet is read between two looks at today's record: a flush in between moved some of it
        // there, and everything is read again.
        let mut written = days.remove(&today).unwrap_or_default();
        for _ in 0..TRIES {
            let last = self.months(scope).await?.pop_last().map(|(_, levels)| levels);
            let known = Known { last, live: self.live(scope).await?, now };
            let mut record = written;
            record.add(known.change(), &self.tally.peek(scope.bot()));
            let key = record::day_key(today);
            let again = self
                .store
                .get(scope.bot(), &record::collection(), &[key])
                .await?
                .into_iter()
                .flatten()
                .next();
            if again.as_ref().map(|record| record.seq) == seen {
                if record != DayRecord::default() {
                    days.insert(today, record);
                }
                return Ok(days);
            }
            seen = again.as_ref().map(|record| record.seq);
            written = again.as_ref().map(record::decode::<DayRecord>).transpose()?.unwrap_or_default();
        }
        Err(ApiError::of(quarry_types::ErrorKind::Busy, "usage is written meanwhile; ask again"))
    }

    /// The level before a moment.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub(crate) async fn before(&self, scope: &Scope, moment: Timestamp) -> Result<Levels, ApiError> {
        let month = Month::of(moment);
        let mut level =
            self.months(scope).await?.range(..month).next_back().map(|(_, l)| *l).unwrap_or_default();
        for day in self.days(scope, month.first_day(), Day::of(moment)).await?.values() {
            let earlier = day.points.iter().take_while(|point| point.at < moment);
            level = earlier.last().map_or(level, |point| point.levels);
        }
        Ok(level)
    }

    /// How levels changed between two moments (both included): of several bots the sums, at the end
    /// of each hour in which one of them changed.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub(crate) async fn changes(
        &self,
        scopes: &[Scope],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(Timestamp, Levels)>, ApiError> {
        let mut current = Vec::with_capacity(scopes.len());
        let mut hours: BTreeMap<i64, Vec<(usize, Point)>> = BTreeMap::new();
        for (bot, scope) in scopes.iter().enumerate() {
            let alone = scopes.len() == 1;
            current.push(if alone { Levels::default() } else { self.before(scope, from).await? });
            for day in self.days(scope, Day::of(from), Day::of(until)).await?.into_values() {
                for point in day.points.into_iter().filter(|point| (from..=until).contains(&point.at)) {
                    hours.entry(point.hour()).or_default().push((bot, point));
                }
            }
        }
        let mut changes = Vec::with_capacity(hours.len());
        for points in hours.into_values() {
            let at = points.iter().map(|(_, point)| point.at).max().unwrap_or(from);
            for (bot, point) in points {
                if let Some(level) = current.get_mut(bot) {
                    *level = point.levels;
                }
            }
            changes.push((at, current.iter().fold(Levels::default(), |sum, level| sum.plus(*level))));
        }
        Ok(changes)
    }

    /// Flushes until `stop` turns true, then once more.
    pub(crate) async fn keep(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut flushes = 0_u32;
        loop {
            self.flush(flushes == 0).await;
            flushes = (flushes + 1) % FLUSHES_PER_ROUND;
            let stopping = stop.wait_for(|stopping| *stopping);
            if tokio::time::timeout(FLUSH_EVERY, stopping).await.is_ok() {
                return self.flush(false).await;
            }
        }
    }

    /// Writes what changed of the bots in use, or of all.
    pub(crate) async fn flush(&self, all: bool) {
        let mut bots = self.tally.bots();
        let before = std::mem::replace(&mut *self.recent.lock(), bots.clone());
        bots.extend(before);
        if all {
            match self.store.bots().await {
                Ok(known) => bots.extend(known),
                Err(error) => tracing::error!(%error, "usage of idle bots not looked at"),
            }
        }
        bots.sort();
        bots.dedup();
        bots.retain(|bot| bot.as_str() != crate::auth::SYSTEM_BOT);
        // Several at once share a sync of the disk.
        let each = |bot| self.flush_bot(bot);
        futures::stream::iter(bots).for_each_concurrent(FLUSHED_AT_ONCE, each).await;
    }

    async fn flush_bot(&self, bot: BotId) {
        let counts = self.tally.take(&bot);
        if let Err(error) = self.write(&Scope::of(bot.clone()), &counts).await {
            tracing::error!(%bot, ?error, "usage not written; it will be tried again");
            self.tally.add_all(&bot, &counts);
        }
    }

    /// What may be spent on language models a month; 0 until it is set.
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub(crate) async fn ai_spend_quota(&self) -> Result<u64, ApiError> {
        let (bot, coll, key) = ai_spend_place();
        let found = self.store.get(&bot, &coll, &[key]).await?.into_iter().flatten().next();
        Ok(found.map(|record| record::decode(&record)).transpose()?.unwrap_or(0))
    }

    /// Keeps what may be spent.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) async fn set_ai_spend_quota(&self, limit: u64) -> Result<(), ApiError> {
        let (bot, coll, key) = ai_spend_place();
        let mut commit = Commit::new(&bot);
        commit.put(&coll, key, record::encode(&limit)?);
        self.store.commit(commit).await?;
        Ok(())
    }

    async fn write(&self, scope: &Scope, counts: &Counts) -> Result<(), ApiError> {
        let (bot, coll) = (scope.bot(), record::collection());
        // Looking at a bot that does not exist must not make it.
        if self.store.collections(bot).await?.is_empty() {
            return Ok(());
        }
        for _ in 0..TRIES {
            let now = Timestamp::now();
            let keys = [record::day_key(Day::of(now)), record::month_key(Month::of(now))];
            let mut found = self.store.get(bot, &coll, &keys).await?.into_iter();
            let (day, month) = (found.next().flatten(), found.next().flatten());
            let last = match &month {
                Some(month) => Some(record::decode::<Point>(month)?.levels),
                None => self.months(scope).await?.pop_last().map(|(_, levels)| levels),
            };
            let known = Known { last, live: self.live(scope).await?, now };
            let change = known.change();
            let before = day.as_ref().map(record::decode::<DayRecord>).transpose()?.unwrap_or_default();
            let mut today = before.clone();
            today.add(change, counts);
            if today == before {
                return Ok(());
            }
            let [day_key, month_key] = keys;
            let mut commit = Commit::new(bot);
            commit.expect_key(&coll, day_key.clone(), day.as_ref().map(|record| record.seq));
            commit.put(&coll, day_key, record::encode(&today)?);
            if let Some(point) = change {
                commit.expect_key(&coll, month_key.clone(), month.as_ref().map(|record| record.seq));
                commit.put(&coll, month_key, record::encode(&point)?);
            }
            if day.is_none() {
                self.forget_old_days(scope, Day::of(now), &mut commit).await?;
            }
            match self.store.commit(commit).await {
                Err(quarry_store::Error::Conflict { .. }) => {}
                done => return done.map(drop).map_err(ApiError::from),
            }
        }
        Err(ApiError::of(quarry_types::ErrorKind::Busy, "usage is written by another process too"))
    }

    async fn forget_old_days(&self, scope: &Scope, today: Day, commit: &mut Commit) -> Result<(), ApiError> {
        let coll = record::collection();
        let oldest = self.store.scan(scope.bot(), &coll, record::DAYS, None, FORGET).await?;
        let old = |record: &&Record| record::day_of(record).is_some_and(|day| today.since(day) > KEEP_DAYS);
        for record in oldest.iter().filter(old) {
            commit.del(&coll, record.key.clone());
        }
        Ok(())
    }

    async fn scan(
        &self,
        scope: &Scope,
        prefix: &[u8],
        mut after: Option<Vec<u8>>,
    ) -> Result<Vec<Record>, ApiError> {
        let mut all = Vec::new();
        loop {
            let coll = record::collection();
            let page = self.store.scan(scope.bot(), &coll, prefix, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            let end = page.len() < PAGE;
            after = Some(last.key.clone());
            all.extend(page);
            if end {
                return Ok(all);
            }
        }
    }
}
