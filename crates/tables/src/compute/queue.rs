//! Which table is worked on next: each at most once, bots by turns.
//!
//! Invariant: a table that was touched is handed out after the touch, unless it is removed.

use parking_lot::Mutex;
use quarry_types::{BotId, TableId};
use std::collections::{HashMap, VecDeque};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) type Key = (BotId, TableId);

/// What comes after a turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    /// Nothing until the next touch.
    Idle,
    /// Another turn.
    More,
    /// Another turn, not before then.
    Later(Instant),
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Queued,
    Running { touched: bool },
    Asleep(Instant),
}

#[derive(Default)]
struct Inner {
    places: HashMap<Key, Place>,
    queued: VecDeque<Key>,
    /// Turns running per bot.
    busy: HashMap<BotId, usize>,
    /// When a bot last had a turn; forgotten when nothing is queued.
    served: HashMap<BotId, u64>,
    ticks: u64,
}

/// Tables with work. Bounded by the number of tables: it holds each once.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Queue {
    /// Says that a table may have work.
    pub(crate) fn touch(&self, key: Key) {
        let mut inner = self.inner.lock();
        match inner.places.get_mut(&key) {
            Some(Place::Running { touched }) => {
                *touched = true;
                return;
            }
            Some(Place::Queued) => return,
            Some(Place::Asleep(_)) | None => {}
        }
        inner.enqueue(key);
        drop(inner);
        self.changed.notify_one();
    }

    /// Waits for a table whose bot has less than `per_bot` turns running and starts its turn, which
    /// [`Queue::finish`] ends.
    pub(crate) async fn next(&self, per_bot: usize) -> Key {
        loop {
            let wake = {
                let mut inner = self.inner.lock();
                match inner.start(per_bot) {
                    Ok(key) => return key,
                    Err(wake) => wake,
                }
            };
            match wake {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// Ends a turn.
    pub(crate) fn finish(&self, key: &Key, next: Next) {
        let mut inner = self.inner.lock();
        if let Some(busy) = inner.busy.get_mut(&key.0) {
            *busy -= 1;
            if *busy == 0 {
                inner.busy.remove(&key.0);
            }
        }
        let touched = matches!(inner.places.remove(key), Some(Place::Running { touched: true }));
        match next {
            Next::Later(at) if !touched => {
                inner.places.insert(key.clone(), Place::Asleep(at));
            }
            Next::Idle if !touched => {}
            _ => inner.enqueue(key.clone()),
        }
        drop(inner);
        self.changed.notify_one();
    }
}

impl Inner {
    fn enqueue(&mut self, key: Key) {
        self.places.insert(key.clone(), Place::Queued);
        self.queued.push_back(key);
    }

    /// The next turn, or when to look again.
    fn start(&mut self, per_bot: usize) -> Result<Key, Option<Instant>> {
        let now = Instant::now();
        let mut wake: Option<Instant> = None;
        let mut awake = Vec::new();
        for (key, place) in &self.places {
            match place {
                Place::Asleep(until) if *until <= now => awake.push(key.clone()),
                Place::Asleep(until) => wake = Some(wake.map_or(*until, |at| at.min(*until))),
                _ => {}
            }
        }
        for key in awake {
            self.enqueue(key);
        }
        // The bot that waited longest; of its tables the one queued first.
        let free = |key: &&Key| self.busy.get(&key.0).copied().unwrap_or(0) < per_bot;
        let turn = |key: &&Key| self.served.get(&key.0).copied().unwrap_or(0);
        let Some(key) = self.queued.iter().filter(free).min_by_key(turn).cloned() else {
            if self.queued.is_empty() && self.busy.is_empty() {
                self.served.clear();
            }
            return Err(wake);
        };
        self.queued.retain(|other| *other != key);
        self.ticks += 1;
        self.served.insert(key.0.clone(), self.ticks);
        *self.busy.entry(key.0.clone()).or_insert(0) += 1;
        self.places.insert(key.clone(), Place::Running { touched: false });
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    fn key(bot: u32, table: u64) -> Key {
        (BotId::parse(&format!("bot_{bot}")).unwrap(), TableId::mint(1_000 + table as i64))
    }

    #[tokio::test]
    async fn bots_take_turns_and_tables_come_once() {
        let queue = Queue::default();
        let many: Vec<Key> = (0..5).map(|table| key(1, table)).collect();
        let other = key(2, 9);
        for key in many.iter().chain([&other]).chain(&many) {
            queue.touch(key.clone());
        }
        let first = queue.next(2).await;
        assert_eq!(first, many[0]);
        assert_eq!(queue.next(2).await, other, "the bot that had no turn yet");
        assert_eq!(queue.next(2).await, many[1]);
        assert!(queue.next(2).now_or_never().is_none(), "its share is taken");
        queue.finish(&first, Next::Idle);
        assert_eq!(queue.next(2).await, many[2]);
    }

    #[tokio::test]
    async fn touches_are_never_lost() {
        let queue = Queue::default();
        let table = key(1, 1);
        queue.touch(table.clone());
        let running = queue.next(1).await;
        queue.touch(table.clone());
        queue.finish(&running, Next::Idle);
        let running = queue.next(1).now_or_never().expect("touched while it ran");
        queue.finish(&running, Next::Later(Instant::now() + Duration::from_secs(60)));
        assert!(queue.next(1).now_or_never().is_none());
        queue.touch(table.clone());
        let running = queue.next(1).now_or_never().expect("a touch wakes it");
        let due = Instant::now() + Duration::from_millis(30);
        queue.finish(&running, Next::Later(due));
        assert_eq!(queue.next(1).await, table);
        assert!(Instant::now() >= due);
    }
}
