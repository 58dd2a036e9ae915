//! The queue of jobs: two run at a time, bots take turns.
//!
//! Knows nothing of what jobs do. Invariant: a job is in here at most once.

use quarry_types::{BotId, Scope, TableId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use tokio::sync::watch;

/// Jobs that run at the same time.
const PLACES: usize = 2;
/// Jobs of one bot that wait or run.
pub(super) const MAX_UNFINISHED: usize = 100;

/// How much one commit of a job takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Rows written unseen.
    pub(crate) arriving: usize,
    /// Rows deleted or rewritten where others see them: short, so that writers get their turn.
    pub(crate) in_place: usize,
    /// Rows a request deletes by itself; more make a job.
    pub(crate) at_once: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { arriving: 8_192, in_place: 5_000, at_once: 20_000 }
    }
}

/// Names a job.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) scope: Scope,
    pub(super) table: TableId,
    pub(super) job: String,
    /// How often it was tried and could not be ended.
    pub(super) tries: u32,
}

impl Ticket {
    pub(super) fn new(scope: &Scope, table: &TableId, job: &str) -> Self {
        Self { scope: scope.clone(), table: table.clone(), job: job.to_owned(), tries: 0 }
    }
}

/// A job that waits or runs, as others reach it.
#[derive(Debug)]
pub(super) struct Handle {
    bot: BotId,
    table: TableId,
    stop: AtomicBool,
    progress: AtomicU8,
}

impl Handle {
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn set_progress(&self, percent: u8) {
        self.progress.store(percent.min(99), Ordering::Relaxed);
    }
}

#[derive(Default)]
struct State {
    /// By bot, whose turn it is first.
    waiting: VecDeque<(BotId, VecDeque<Ticket>)>,
    known: HashMap<String, Arc<Handle>>,
    running: usize,
}

pub(crate) struct Runner {
    state: parking_lot::Mutex<State>,
    changes: watch::Sender<u64>,
    stopping: AtomicBool,
    pub(crate) sizes: Sizes,
}

impl Runner {
    pub(crate) fn new(sizes: Sizes) -> Self {
        let (state, stopping) = (parking_lot::Mutex::default(), AtomicBool::new(false));
        Self { state, changes: watch::Sender::new(0), stopping, sizes }
    }

    /// Queues a job; one that is here already stays as it is. Answers whether a worker is needed.
    pub(super) fn add(&self, ticket: Ticket) -> bool {
        let mut state = self.state.lock();
        if self.is_stopping() || state.known.contains_key(&ticket.job) {
            return false;
        }
        let bot = ticket.scope.bot().clone();
        let handle = Handle {
            bot: bot.clone(),
            table: ticket.table.clone(),
            stop: AtomicBool::new(false),
            progress: AtomicU8::new(0),
        };
        state.known.insert(ticket.job.clone(), Arc::new(handle));
        match state.waiting.iter_mut().find(|(known, _)| *known == bot) {
            Some((_, tickets)) => tickets.push_back(ticket),
            None => state.waiting.push_back((bot, VecDeque::from([ticket]))),
        }
        let needed = state.running < PLACES;
        state.running += usize::from(needed);
        needed
    }

    /// The next job for a worker; `None` = the worker's place is given up.
    pub(super) fn next(&self) -> Option<(Ticket, Arc<Handle>)> {
        let mut state = self.state.lock();
        let turn = if self.is_stopping() { None } else { state.waiting.pop_front() };
        let Some((bot, mut tickets)) = turn else {
            state.running = state.running.saturating_sub(1);
            drop(state);
            self.changed();
            return None;
        };
        let ticket = tickets.pop_front();
        if !tickets.is_empty() {
            state.waiting.push_back((bot, tickets));
        }
        let ticket = ticket?;
        let handle = state.known.get(&ticket.job).cloned()?;
        Some((ticket, handle))
    }

    /// Forgets a job that ended.
    pub(super) fn remove(&self, job: &str) {
        self.state.lock().known.remove(job);
        self.changed();
    }

    pub(super) fn find(&self, job: &str) -> Option<Arc<Handle>> {
        self.state.lock().known.get(job).cloned()
    }

    pub(super) fn progress(&self, job: &str) -> u8 {
        self.find(job).map_or(0, |handle| handle.progress.load(Ordering::Relaxed))
    }

    /// Jobs of a bot that wait or run.
    pub(super) fn unfinished(&self, bot: &BotId) -> usize {
        self.state.lock().known.values().filter(|handle| handle.bot == *bot).count()
    }

    /// Tells a running job to look at its record.
    pub(super) fn poke(&self, job: &str) {
        if let Some(handle) = self.find(job) {
            handle.stop.store(true, Ordering::Relaxed);
            self.changed();
        }
    }

    /// Waits until a job is told to look at its record.
    pub(super) async fn stopped(&self, handle: &Handle) {
        let mut changes = self.watch();
        while !handle.is_stopped() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// As [`Runner::poke`], for all jobs of a table.
    pub(crate) fn poke_table(&self, table: &TableId) {
        for handle in self.state.lock().known.values().filter(|handle| handle.table == *table) {
            handle.stop.store(true, Ordering::Relaxed);
        }
        self.changed();
    }

    /// Wakes those who wait for a job.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the process stops its jobs.
    pub(super) async fn stopping(&self) {
        let mut changes = self.watch();
        while !self.is_stopping() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Lets no further step begin and waits for the running ones; the jobs go on at the next start.
    pub(super) async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for handle in self.state.lock().known.values() {
            handle.stop.store(true, Ordering::Relaxed);
        }
        let mut changes = self.watch();
        self.changed();
        while self.state.lock().running > 0 {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Gives a job's place back even when the work panics.
pub(super) struct Ending<'r> {
    pub(super) runner: &'r Runner,
    pub(super) job: String,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.runner.remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ticket(bot: &str, job: &str) -> Ticket {
        let scope = Scope::of(BotId::parse(bot).unwrap());
        Ticket::new(&scope, &TableId::parse("table_1").unwrap(), job)
    }

    #[test]
    fn bots_take_turns_and_places_are_few() {
        let runner = Runner::new(Sizes::default());
        let needed: Vec<bool> = ["a1", "a2", "a3", "a4"].map(|job| runner.add(ticket("a", job))).into();
        assert_eq!(needed, [true, true, false, false]);
        assert!(!runner.add(ticket("a", "a1")), "a job is queued once");
        assert!(!runner.add(ticket("b", "b1")));
        let order: Vec<String> = std::iter::from_fn(|| runner.next()).map(|(ticket, _)| ticket.job).collect();
        assert_eq!(order, ["a1", "b1", "a2", "a3", "a4"]);
        assert_eq!(runner.unfinished(&BotId::parse("a").unwrap()), 4);
    }
}
