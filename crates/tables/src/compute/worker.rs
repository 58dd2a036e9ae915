//! Computing in the background, and for callers who wait.
//!
//! Waiting values are durable, so there is nothing to lose: the queue only remembers where to look.
//! Invariant: after [`Tables::shutdown`] no task of this module runs.

use super::outside::{ComputeDeps, ComputeOptions};
use super::queue::{Key, Next, Queue};
use super::step::Step;
use crate::Error;
use crate::api::Row;
use crate::catalog::Entry;
use crate::schema::ColumnId;
use crate::tables::Tables;
use crate::wire;
use parking_lot::Mutex;
use quarry_types::{BotId, Scope, TableId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// How long one table's turn goes on while there is work; what has begun is ended.
const TURN: Duration = Duration::from_secs(2);
/// Pause after a failure of the store.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// Cells that may wait for another try; past it a passing failure counts as lasting.
const MAX_PUT_OFF: usize = 10_000;
/// Bots whose shares are kept before unused ones are dropped.
const MAX_SHARES: usize = 1_000;

type Cell = (TableId, u32, ColumnId);

#[derive(Debug, Clone, Copy)]
struct PutOff {
    tries: u32,
    due: Instant,
}

/// What this process knows of computing beside the records.
#[derive(Default)]
pub(crate) struct Compute {
    started: OnceLock<Arc<Started>>,
    queue: Queue,
    claimed: Mutex<HashSet<(TableId, u32)>>,
    put_off: Mutex<HashMap<Cell, PutOff>>,
    /// A claim ended.
    released: Notify,
}

pub(crate) struct Started {
    pub(crate) deps: ComputeDeps,
    pub(crate) options: ComputeOptions,
    code: Shares,
    calls: Shares,
    stop: watch::Sender<bool>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

/// A resource of which one bot may have a part at a time.
struct Shares {
    each: usize,
    bots: Mutex<HashMap<BotId, Arc<Semaphore>>>,
}

impl Shares {
    fn new(all: usize) -> Self {
        Self { each: all.div_ceil(2).max(1), bots: Mutex::default() }
    }

    async fn take(&self, scope: &Scope) -> Option<OwnedSemaphorePermit> {
        let share = {
            let mut bots = self.bots.lock();
            if bots.len() >= MAX_SHARES {
                bots.retain(|_, share| Arc::strong_count(share) > 1);
            }
            let fresh = || Arc::new(Semaphore::new(self.each));
            Arc::clone(bots.entry(scope.bot().clone()).or_insert_with(fresh))
        };
        share.acquire_owned().await.ok()
    }
}

impl Started {
    pub(crate) async fn code_share(&self, scope: &Scope) -> Option<OwnedSemaphorePermit> {
        self.code.take(scope).await
    }

    pub(crate) async fn call_share(&self, scope: &Scope) -> Option<OwnedSemaphorePermit> {
        self.calls.take(scope).await
    }
}

/// Rows of a table nobody else works on until this is dropped.
pub(crate) struct Claim<'c> {
    compute: &'c Compute,
    table: TableId,
    rows: Vec<u32>,
}

impl Claim<'_> {
    pub(crate) fn table(&self) -> &TableId {
        &self.table
    }

    /// Takes a row; false when somebody has it.
    pub(crate) fn take(&mut self, row: u32) -> bool {
        let taken = self.compute.claimed.lock().insert((self.table.clone(), row));
        if taken {
            self.rows.push(row);
        }
        taken
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let mut claimed = self.compute.claimed.lock();
        for row in &self.rows {
            claimed.remove(&(self.table.clone(), *row));
        }
        drop(claimed);
        self.compute.released.notify_waiters();
    }
}

impl Compute {
    pub(crate) fn started(&self) -> Option<Arc<Started>> {
        self.started.get().filter(|started| !*started.stop.borrow()).cloned()
    }

    pub(crate) fn claim(&self, table: &TableId) -> Claim<'_> {
        Claim { compute: self, table: table.clone(), rows: Vec::new() }
    }

    /// When a cell that failed may be tried again.
    pub(crate) fn due(&self, table: &TableId, row: u32, column: ColumnId) -> Option<Instant> {
        let put_off = self.put_off.lock();
        if put_off.is_empty() {
            return None;
        }
        put_off.get(&(table.clone(), row, column)).map(|put_off| put_off.due)
    }

    /// Notes a passing failure; answers the number of tries when there shall be no other.
    pub(crate) fn put_off(
        &self,
        table: &TableId,
        cell: (u32, ColumnId),
        options: &ComputeOptions,
    ) -> Option<u32> {
        let key = (table.clone(), cell.0, cell.1);
        let mut put_off = self.put_off.lock();
        let tries = put_off.get(&key).map_or(0, |put_off| put_off.tries) + 1;
        let full = put_off.len() >= MAX_PUT_OFF && !put_off.contains_key(&key);
        if tries >= options.max_tries || full {
            put_off.remove(&key);
            return Some(tries);
        }
        let pause = options.retry_after.saturating_mul(4_u32.saturating_pow(tries - 1));
        put_off.insert(key, PutOff { tries, due: Instant::now() + pause });
        None
    }

    pub(crate) fn forget(&self, table: &TableId, cell: (u32, ColumnId)) {
        let mut put_off = self.put_off.lock();
        if !put_off.is_empty() {
            put_off.remove(&(table.clone(), cell.0, cell.1));
        }
    }

    /// Says that rows of a table were written or its rules changed.
    pub(crate) fn touched(&self, scope: &Scope, entry: &Entry) {
        if !entry.rules.is_empty() && entry.record().is_compute_enabled && self.started().is_some() {
            self.queue.touch((scope.bot().clone(), entry.record().id.clone()));
        }
    }
}

/// A turn that ends even if its work panics.
struct Turn {
    tables: Tables,
    key: Key,
    next: Next,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.tables.compute.queue.finish(&self.key, self.next);
    }
}

impl Tables {
    /// Starts computing: first what waits since before. A second start changes nothing.
    pub fn start_compute(&self, deps: ComputeDeps, options: ComputeOptions) {
        let (stop, stopping) = watch::channel(false);
        let started = Arc::new(Started {
            code: Shares::new(deps.scripts.workers()),
            calls: Shares::new(options.calls_at_once),
            deps,
            options,
            stop,
            worker: Mutex::default(),
        });
        if self.compute.started.set(Arc::clone(&started)).is_ok() {
            let task = tokio::spawn(work(self.clone(), Arc::clone(&started), stopping));
            *started.worker.lock() = Some(task);
        }
    }

    /// Stops computing for good; what is in the making is given up and stays waiting.
    pub(crate) async fn stop_compute(&self) {
        let Some(started) = self.compute.started.get() else { return };
        let _ = started.stop.send(true);
        let worker = started.worker.lock().take();
        if let Some(worker) = worker {
            let _ = worker.await;
        }
    }

    /// Waits until no value of `rows` (as a write answered them) is waiting, for `wait` at most, and
    /// answers the rows as they are then. Computes them even in a table that does not compute by itself.
    ///
    /// # Errors
    /// When the store fails; [`Error::NoTable`] when the table went away.
    pub async fn computed_rows(
        &self,
        scope: &Scope,
        table: &str,
        rows: Vec<Row>,
        wait: Duration,
    ) -> Result<Vec<Row>, Error> {
        let id = |row: &Row| {
            row.get("id").and_then(serde_json::Value::as_u64).and_then(|id| u32::try_from(id).ok())
        };
        let waits = |row: &&Row| row.contains_key("stale");
        let ids: Vec<u32> = rows.iter().filter(waits).filter_map(id).collect();
        let Some(started) = self.compute.started().filter(|_| !ids.is_empty()) else { return Ok(rows) };
        let deadline = Instant::now() + wait;
        // On a task of its own: when the caller leaves, what has begun still is stored.
        let (tables, scope_, table_) = (self.clone(), scope.clone(), table.to_owned());
        let mut stopping = started.stop.subscribe();
        let waiting = tokio::spawn(async move {
            tokio::select! {
                done = tables.compute_until(&scope_, &table_, &ids, deadline) => done,
                _ = stopping.wait_for(|stop| *stop) => Ok(()),
            }
        });
        drop(started);
        if let Ok(ended) = tokio::time::timeout_at(deadline, waiting).await {
            ended??;
        }
        let entry = self.catalog.entry(scope, table).await?;
        let view = self.catalog.view(scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        let now = |row: Row| match id(&row).and_then(|id| snapshot.get(id)) {
            Some((_, stored)) => wire::row(entry.columns(), &stored),
            None => row,
        };
        Ok(rows.into_iter().map(now).collect())
    }

    async fn compute_until(
        &self,
        scope: &Scope,
        table: &str,
        ids: &[u32],
        deadline: Instant,
    ) -> Result<(), Error> {
        while Instant::now() < deadline {
            let released = self.compute.released.notified();
            let mut released = std::pin::pin!(released);
            released.as_mut().enable();
            let again = match self.step(scope, table, Some(ids), deadline).await? {
                Step::Nothing => return Ok(()),
                Step::Worked => continue,
                Step::Wait(due) => due,
                Step::Elsewhere => deadline,
            };
            let _ = tokio::time::timeout_at(again.min(deadline), released).await;
        }
        Ok(())
    }

    /// Looks for waiting values of all bots and queues their tables.
    async fn sweep(&self) -> Result<(), Error> {
        let mut found = 0_u64;
        for bot in self.store.bots().await? {
            let scope = Scope::of(bot);
            for entry in self.catalog.listing(&scope).await?.entries() {
                if !entry.rules.is_empty() && entry.record().is_compute_enabled {
                    self.compute.touched(&scope, entry);
                    found += 1;
                }
            }
        }
        if found > 0 {
            tracing::info!(tables = found, "tables with computed columns looked through");
        }
        Ok(())
    }

    async fn turn(&self, key: &Key) -> Next {
        let scope = Scope::of(key.0.clone());
        let until = Instant::now() + TURN;
        loop {
            match self.step(&scope, key.1.as_str(), None, until).await {
                // Whoever works on the rest touches the table when done.
                Ok(Step::Nothing) => return Next::Idle,
                Ok(Step::Elsewhere) => return Next::Later(Instant::now() + Duration::from_millis(50)),
                Ok(Step::Wait(due)) => return Next::Later(due),
                Ok(Step::Worked) if Instant::now() < until => {}
                Ok(Step::Worked) => return Next::More,
                Err(Error::NoTable(_)) => return Next::Idle,
                Err(error) => {
                    tracing::warn!(bot = %key.0, table = %key.1, %error, "computing put off");
                    return Next::Later(Instant::now() + STORE_PAUSE);
                }
            }
        }
    }
}

async fn take_turn(tables: Tables, key: Key) {
    // What stands if the turn panics or is given up.
    let next = Next::Later(Instant::now() + STORE_PAUSE);
    let mut turn = Turn { tables, key, next };
    let next = turn.tables.turn(&turn.key).await;
    turn.next = next;
}

async fn work(tables: Tables, started: Arc<Started>, mut stopping: watch::Receiver<bool>) {
    let mut turns: JoinSet<()> = JoinSet::new();
    let at_once = started.options.tables_at_once.max(1);
    let sweeping = {
        let tables = tables.clone();
        async move {
            while let Err(error) = tables.sweep().await {
                tracing::warn!(%error, "cannot look for computed values that wait");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    };
    turns.spawn(sweeping);
    let mut running = 1_usize;
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = turns.join_next(), if running > 0 => running -= 1,
            key = tables.compute.queue.next(at_once.div_ceil(2)), if running < at_once + 1 => {
                running += 1;
                turns.spawn(take_turn(tables.clone(), key));
            }
        }
    }
    turns.shutdown().await;
}
