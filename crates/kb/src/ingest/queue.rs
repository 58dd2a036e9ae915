//! Which file is worked on next: bots take turns, each bot's files in order of arrival.
//!
//! Holds references only; the jobs themselves are records and outlive the process.

use parking_lot::Mutex;
use quarry_types::{FileId, Scope};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) scope: Scope,
    pub(crate) file: FileId,
    pub(crate) generation: u32,
    not_before: Instant,
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    turns: VecDeque<Scope>,
    waiting: HashMap<Scope, VecDeque<Ticket>>,
    running: HashMap<Scope, usize>,
    closed: bool,
}

impl State {
    /// The next ticket that may start; else how long until one may.
    fn next(&mut self, now: Instant) -> Result<Ticket, Option<Duration>> {
        let mut soonest: Option<Duration> = None;
        for _ in 0..self.turns.len() {
            let Some(scope) = self.turns.pop_front() else { break };
            let Some(tickets) = self.waiting.get_mut(&scope) else { continue };
            let due = tickets.iter().position(|ticket| ticket.not_before <= now);
            let ticket = due.and_then(|at| tickets.remove(at));
            for waiting in tickets.iter() {
                let left = waiting.not_before.saturating_duration_since(now);
                soonest = Some(soonest.map_or(left, |so_far| so_far.min(left)));
            }
            if tickets.is_empty() {
                self.waiting.remove(&scope);
            } else {
                self.turns.push_back(scope);
            }
            if let Some(ticket) = ticket {
                *self.running.entry(ticket.scope.clone()).or_default() += 1;
                return Ok(ticket);
            }
        }
        Err(soonest)
    }
}

impl Queue {
    pub(crate) fn push(&self, scope: &Scope, file: &FileId, generation: u32, delay: Duration) {
        let not_before = Instant::now() + delay;
        let ticket = Ticket { scope: scope.clone(), file: file.clone(), generation, not_before };
        let mut state = self.state.lock();
        let tickets = state.waiting.entry(scope.clone()).or_default();
        let first = tickets.is_empty();
        tickets.push_back(ticket);
        if first {
            state.turns.push_back(scope.clone());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for work; `None` once closed. Every ticket must be given back with [`Queue::done`].
    pub(crate) async fn pop(&self) -> Option<Ticket> {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut state = self.state.lock();
                if state.closed {
                    return None;
                }
                match state.next(Instant::now()) {
                    Ok(ticket) => return Some(ticket),
                    Err(wait) => wait,
                }
            };
            match wait {
                // A millisecond more, so that a rounded-down timer does not spin.
                Some(wait) => drop(tokio::time::timeout(wait + Duration::from_millis(1), changed).await),
                None => changed.await,
            }
        }
    }

    pub(crate) fn done(&self, scope: &Scope) {
        let mut state = self.state.lock();
        if let Some(running) = state.running.get_mut(scope) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(scope);
            }
        }
        drop(state);
        // Wakes one that waits for idleness, or another worker when tickets are left.
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// (waiting, running).
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.waiting.values().map(VecDeque::len).sum(), state.running.values().sum())
    }

    /// Files of a bot that are in work or may be at once.
    pub(crate) fn coming(&self, scope: &Scope) -> usize {
        let (state, now) = (self.state.lock(), Instant::now());
        // One that waits is enough to know of: there may be very many.
        let due = state.waiting.get(scope).is_some_and(|of| of.iter().any(|ticket| ticket.not_before <= now));
        state.running.get(scope).copied().unwrap_or(0) + usize::from(due)
    }

    /// Waits until fewer than `most` tickets wait, or the queue is closed: what makes work faster than
    /// it is done stops here.
    pub(crate) async fn wait_below(&self, most: usize) {
        /// Looked at, not notified: a wake-up that a worker waits for must not end here.
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        while !self.is_closed() && self.size().0 >= most {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(crate) async fn wait_idle(&self, longest: Duration) {
        let idle = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that a change in between is not missed.
                changed.as_mut().enable();
                if self.size().1 == 0 {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(longest, idle).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quarry_types::BotId;

    fn scope(bot: &str) -> Scope {
        Scope::of(BotId::parse(bot).unwrap())
    }

    #[tokio::test]
    async fn bots_take_turns() {
        let queue = Queue::default();
        let file = |n: i32| FileId::parse(&format!("f{n}")).unwrap();
        for n in 0..3 {
            queue.push(&scope("a"), &file(n), 1, Duration::ZERO);
        }
        queue.push(&scope("b"), &file(9), 1, Duration::ZERO);
        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(queue.pop().await.unwrap().file.to_string());
        }
        assert_eq!(order, ["f0", "f9", "f1", "f2"]);
        assert_eq!(queue.size(), (0, 4));
    }

    #[tokio::test]
    async fn delayed_work_waits_and_does_not_block_other_work() {
        let queue = Queue::default();
        let file = |n: &str| FileId::parse(n).unwrap();
        queue.push(&scope("a"), &file("late"), 1, Duration::from_millis(30));
        queue.push(&scope("a"), &file("now"), 1, Duration::ZERO);
        assert_eq!(queue.pop().await.unwrap().file, file("now"));
        let before = Instant::now();
        assert_eq!(queue.pop().await.unwrap().file, file("late"));
        assert!(before.elapsed() >= Duration::from_millis(15));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_nothing_and_idleness_is_seen() {
        let queue = Queue::default();
        queue.push(&scope("a"), &FileId::parse("x").unwrap(), 1, Duration::ZERO);
        queue.pop().await.unwrap();
        queue.close();
        assert!(queue.pop().await.is_none());
        let (_, ()) =
            tokio::join!(queue.wait_idle(Duration::from_secs(5)), async { queue.done(&scope("a")) });
        assert_eq!(queue.size(), (0, 0));
    }
}
