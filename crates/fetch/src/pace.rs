//! How many requests run at once, and how fast they follow one another at one host.
//!
//! Owns slots, turns and waiting. Knows nothing of HTTP. Invariant: the number of waiters and of
//! remembered hosts is bounded, and nobody waits longer than asked for.

use crate::error::Error;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Hosts remembered before idle ones are forgotten.
const MAX_IDLE_HOSTS: usize = 1024;

/// Slots of all requests and turns at each host.
#[derive(Debug)]
pub(crate) struct Pace {
    slots: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Arc<Gate>>>,
    per_host: Option<usize>,
    waiting: AtomicUsize,
    max_waiting: usize,
}

/// One host's turns.
#[derive(Debug)]
struct Gate {
    turns: Arc<Semaphore>,
    next_start: Mutex<Instant>,
}

/// The right to make requests to one host; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _turn: Option<OwnedSemaphorePermit>,
    _slot: OwnedSemaphorePermit,
}

/// Counts a waiter as long as it lives.
struct Waiter<'a>(&'a AtomicUsize);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    /// `slots` requests at once, `per_host` of them at one host (no bound without).
    pub(crate) fn new(slots: usize, per_host: Option<usize>, max_waiting: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS))),
            hosts: Mutex::default(),
            per_host: per_host.map(|turns| turns.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            max_waiting,
        }
    }

    /// Waits for the host's turn and for a slot, at most `longest`.
    pub(crate) async fn enter(&self, host: &str, delay: Duration, longest: Duration) -> Result<Slot, Error> {
        let busy = || Error::Busy { host: host.to_owned() };
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiter = Waiter(&self.waiting);
        if before >= self.max_waiting {
            return Err(busy());
        }
        let now = Instant::now();
        let deadline = now.checked_add(longest).unwrap_or(now);
        let turn = match self.per_host {
            Some(turns) => Some(self.turn(host, turns, delay, deadline).await.ok_or_else(busy)?),
            None => None,
        };
        // The host's turn comes first: a slow host must not hold slots that others could use.
        match timeout_at(deadline, self.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(Slot { _turn: turn, _slot: slot }),
            _ => Err(busy()),
        }
    }

    async fn turn(
        &self,
        host: &str,
        turns: usize,
        delay: Duration,
        deadline: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let gate = self.gate(host, turns);
        let permit = timeout_at(deadline, gate.turns.clone().acquire_owned()).await.ok()?.ok()?;
        let start = {
            let mut next = gate.next_start.lock();
            let now = Instant::now();
            let start = (*next).max(now);
            if start > deadline {
                return None;
            }
            *next = start.checked_add(delay).unwrap_or(start);
            (start > now).then_some(start)
        };
        if let Some(start) = start {
            sleep_until(start).await;
        }
        Some(permit)
    }

    fn gate(&self, host: &str, turns: usize) -> Arc<Gate> {
        let mut hosts = self.hosts.lock();
        if let Some(gate) = hosts.get(host) {
            return gate.clone();
        }
        if hosts.len() >= MAX_IDLE_HOSTS {
            let now = Instant::now();
            let idle =
                |gate: &Gate| gate.turns.available_permits() == turns && *gate.next_start.lock() <= now;
            hosts.retain(|_, gate| Arc::strong_count(gate) > 1 || !idle(gate));
        }
        let fresh = Gate { turns: Arc::new(Semaphore::new(turns)), next_start: Mutex::new(Instant::now()) };
        let gate = Arc::new(fresh);
        hosts.insert(host.to_owned(), gate.clone());
        gate
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(20);
    const NONE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn one_host_has_its_turns_and_others_go_on() {
        let pace = Pace::new(8, Some(1), 8);
        let first = pace.enter("a", NONE, LONG).await.unwrap();
        assert!(matches!(pace.enter("a", NONE, SHORT).await, Err(Error::Busy { .. })));
        pace.enter("b", NONE, LONG).await.unwrap();
        drop(first);
        pace.enter("a", NONE, LONG).await.unwrap();
    }

    #[tokio::test]
    async fn starts_at_one_host_keep_their_distance() {
        let pace = Pace::new(8, Some(4), 8);
        let (begin, delay) = (Instant::now(), Duration::from_millis(30));
        for _ in 0..3 {
            pace.enter("a", delay, LONG).await.unwrap();
        }
        assert!(begin.elapsed() >= delay * 2);
        assert!(pace.enter("a", LONG, LONG).await.is_ok());
        assert!(pace.enter("a", NONE, SHORT).await.is_err(), "the turn is further away than the wait");
    }

    #[tokio::test]
    async fn slots_and_waiters_are_bounded() {
        let pace = Arc::new(Pace::new(1, None, 1));
        let held = pace.enter("a", NONE, LONG).await.unwrap();
        let waiting = tokio::spawn({
            let pace = pace.clone();
            async move { pace.enter("a", NONE, LONG).await.map(drop) }
        });
        while pace.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(pace.enter("a", NONE, LONG).await, Err(Error::Busy { .. })));
        drop(held);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn idle_hosts_are_forgotten() {
        let pace = Pace::new(8, Some(1), 8);
        let held = pace.enter("held", NONE, LONG).await.unwrap();
        for host in 0..3 * MAX_IDLE_HOSTS {
            pace.enter(&host.to_string(), NONE, LONG).await.unwrap();
        }
        assert!(pace.hosts.lock().len() <= MAX_IDLE_HOSTS + 1);
        assert!(pace.enter("held", NONE, SHORT).await.is_err(), "a host in use keeps its turns");
        drop(held);
    }
}
