//! Which runs go on: two at a time and a quick one, bots take turns; when sources are due; how far each
//! run is.
//!
//! Knows nothing of what a run does. Invariant: a source is in here at most once.

use crate::sources::record::Counts;
use parking_lot::Mutex;
use quarry_types::{BotId, Scope, Timestamp};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Runs at the same time.
pub(crate) const PLACES: usize = 2;
/// How long a run keeps its place while others wait.
const TURN: Duration = Duration::from_secs(60);

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for its turn.
    Queued,
    /// Finds the pages to start from.
    Listing,
    /// Looks at pages.
    Fetching,
    /// Removes files whose pages are gone.
    Retiring,
    /// Waits until its files can be searched.
    Indexing,
    /// Removes the source.
    Deleting,
}

impl Phase {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Listing => "listing",
            Self::Fetching => "fetching",
            Self::Retiring => "retiring",
            Self::Indexing => "indexing",
            Self::Deleting => "deleting",
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProgress {
    /// Its id.
    pub id: String,
    /// The source.
    pub source: String,
    /// What it is called.
    pub name: String,
    /// What it is at.
    pub phase: Phase,
    /// Its pages so far.
    pub counts: Counts,
    /// Files of the source still on their way into the index, in the phase of that name.
    pub indexing: usize,
}

/// A run that waits or goes on, as others reach it.
pub(crate) struct Handle {
    bot: BotId,
    stop: AtomicBool,
    stopped: Notify,
    /// When it got its place.
    since: OnceLock<Instant>,
    progress: Mutex<RunProgress>,
}

impl Handle {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.stopped.notify_waiters();
    }

    /// Waits until the run is stopped.
    pub(crate) async fn until_stopped(&self) {
        loop {
            let stopped = self.stopped.notified();
            if self.is_stopped() {
                return;
            }
            stopped.await;
        }
    }

    /// What comes of `work`, unless the run is stopped meanwhile.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.until_stopped() => None,
            done = work => Some(done),
        }
    }

    /// Waits that long, or until the run is stopped.
    pub(crate) async fn pause(&self, longest: Duration) {
        let stopped = self.stopped.notified();
        if !self.is_stopped() {
            let _ = tokio::time::timeout(longest, stopped).await;
        }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut RunProgress)) {
        change(&mut self.progress.lock());
    }

    pub(crate) fn progress(&self) -> RunProgress {
        self.progress.lock().clone()
    }
}

/// Names the run of a source.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) scope: Scope,
    pub(crate) source: String,
    /// Whether it is done soon, so that it need not wait for the long ones.
    quick: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Ticket>,
    running: Vec<BotId>,
    known: HashMap<String, Arc<Handle>>,
    due: BTreeMap<(i64, String), Scope>,
    closed: bool,
}

#[derive(Default)]
pub(crate) struct Runner {
    state: Mutex<State>,
    changed: Notify,
}

impl Runner {
    /// Queues the run of a source; one that is here already stays as it is.
    pub(crate) fn push(&self, scope: &Scope, (source, name): (&str, &str), run: &str, quick: bool) {
        let mut state = self.state.lock();
        if state.closed || state.known.contains_key(source) {
            return;
        }
        let progress = RunProgress {
            id: run.to_owned(),
            source: source.to_owned(),
            name: name.to_owned(),
            phase: Phase::Queued,
            counts: Counts::default(),
            indexing: 0,
        };
        let bot = scope.bot().clone();
        let (stop, stopped, since) = (AtomicBool::new(false), Notify::new(), OnceLock::new());
        let handle = Handle { bot, stop, stopped, since, progress: Mutex::new(progress) };
        state.known.insert(source.to_owned(), Arc::new(handle));
        state.waiting.push_back(Ticket { scope: scope.clone(), source: source.to_owned(), quick });
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits for a run, or for a quick one; `None` once closed. Every ticket must be given back with
    /// [`Runner::done`].
    pub(crate) async fn pop(&self, only_quick: bool) -> Option<(Ticket, Arc<Handle>)> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.closed {
                    return None;
                }
                // A bot without a running one goes first.
                let fits = |ticket: &Ticket| ticket.quick || !only_quick;
                let idle = |ticket: &Ticket| fits(ticket) && !state.running.contains(ticket.scope.bot());
                let at = state.waiting.iter().position(idle);
                let at = at.or_else(|| state.waiting.iter().position(fits));
                if let Some(ticket) = at.and_then(|at| state.waiting.remove(at))
                    && let Some(handle) = state.known.get(&ticket.source).cloned()
                {
                    let _ = handle.since.set(Instant::now());
                    state.running.push(ticket.scope.bot().clone());
                    return Some((ticket, handle));
                }
            }
            changed.await;
        }
    }

    /// Whether a run has had its place for long enough while others wait for one.
    pub(crate) fn is_over(&self, handle: &Handle) -> bool {
        handle.since.get().is_some_and(|since| since.elapsed() >= TURN) && self.others_wait()
    }

    fn others_wait(&self) -> bool {
        self.state.lock().waiting.iter().any(|ticket| !ticket.quick)
    }

    /// Gives a ticket back; its source may be queued again.
    pub(crate) fn done(&self, ticket: &Ticket) {
        let mut state = self.state.lock();
        state.known.remove(&ticket.source);
        if let Some(at) = state.running.iter().position(|bot| bot == ticket.scope.bot()) {
            state.running.swap_remove(at);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn find(&self, source: &str) -> Option<Arc<Handle>> {
        self.state.lock().known.get(source).cloned()
    }

    /// The runs of a bot, oldest source first.
    pub(crate) fn of(&self, bot: &BotId) -> Vec<RunProgress> {
        let handles: Vec<Arc<Handle>> =
            self.state.lock().known.values().filter(|handle| handle.bot == *bot).cloned().collect();
        let mut all: Vec<_> = handles.iter().map(|handle| handle.progress()).collect();
        all.sort_by(|a, b| a.source.cmp(&b.source));
        all
    }

    /// Sets when a source is due; `None` = never.
    pub(crate) fn schedule(&self, scope: &Scope, source: &str, at: Option<Timestamp>) {
        let mut state = self.state.lock();
        state.due.retain(|(_, known), _| known != source);
        if let Some(at) = at {
            state.due.insert((at.as_ms(), source.to_owned()), scope.clone());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits for the next source that is due; `None` once closed.
    pub(crate) async fn due(&self, now: &(dyn Fn() -> Timestamp + Send + Sync)) -> Option<Ticket> {
        /// Clocks are set: looked at again this often.
        const LOOK_AGAIN: Duration = Duration::from_secs(30);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wait = {
                let mut state = self.state.lock();
                if state.closed {
                    return None;
                }
                let moment = now().as_ms();
                match state.due.first_key_value() {
                    Some(((at, _), _)) if *at <= moment => {
                        let ((_, source), scope) = state.due.pop_first()?;
                        return Some(Ticket { scope, source, quick: false });
                    }
                    Some(((at, _), _)) => {
                        let left = u64::try_from(at.saturating_sub(moment)).unwrap_or(0);
                        Duration::from_millis(left.saturating_add(1)).min(LOOK_AGAIN)
                    }
                    None => LOOK_AGAIN,
                }
            };
            let _ = tokio::time::timeout(wait, changed).await;
        }
    }

    /// Lets no run begin and stops the running ones; they go on at the next start.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        for handle in state.known.values() {
            handle.stop();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn scope(bot: &str) -> Scope {
        Scope::of(BotId::parse(bot).unwrap())
    }

    #[tokio::test]
    async fn bots_take_turns_and_a_source_is_in_once() {
        let runner = Runner::default();
        for (bot, source) in [("a", "1"), ("a", "1"), ("a", "2"), ("b", "3")] {
            runner.push(&scope(bot), (source, ""), "run", false);
        }
        let mut order = Vec::new();
        for _ in 0..3 {
            order.push(runner.pop(false).await.unwrap().0.source);
        }
        assert_eq!(order, ["1", "3", "2"]);
        assert_eq!(runner.of(scope("a").bot()).len(), 2);
        runner.done(&Ticket { scope: scope("a"), source: "1".into(), quick: false });
        assert!(runner.find("1").is_none() && runner.find("2").is_some());
        runner.close();
        assert!(runner.pop(false).await.is_none() && runner.find("2").unwrap().is_stopped());
    }

    #[tokio::test]
    async fn quick_runs_do_not_wait_for_long_ones() {
        let runner = Runner::default();
        for (source, quick) in [("long", false), ("longer", false), ("text", true)] {
            runner.push(&scope("a"), (source, ""), "run", quick);
        }
        assert_eq!(runner.pop(true).await.unwrap().0.source, "text");
        let (_, long) = runner.pop(false).await.unwrap();
        assert!(runner.others_wait() && !runner.is_over(&long), "it has its turn first");
        runner.pop(false).await.unwrap();
        assert!(!runner.others_wait());
    }

    #[tokio::test]
    async fn what_is_waited_for_ends_with_the_run() {
        let runner = Runner::default();
        runner.push(&scope("a"), ("1", ""), "run", false);
        let (_, handle) = runner.pop(false).await.unwrap();
        assert_eq!(handle.unless_stopped(async { 1 }).await, Some(1));
        handle.stop();
        assert_eq!(handle.unless_stopped(std::future::pending::<u8>()).await, None);
    }

    #[tokio::test]
    async fn sources_are_due_in_order_and_may_be_put_off() {
        let runner = Runner::default();
        let now = || Timestamp(1_000);
        runner.schedule(&scope("a"), "late", Some(Timestamp(900)));
        runner.schedule(&scope("a"), "soon", Some(Timestamp(100)));
        runner.schedule(&scope("a"), "never", Some(Timestamp(1)));
        runner.schedule(&scope("a"), "never", None);
        assert_eq!(runner.due(&now).await.unwrap().source, "soon");
        assert_eq!(runner.due(&now).await.unwrap().source, "late");
        runner.close();
        assert!(runner.due(&now).await.is_none());
    }
}
