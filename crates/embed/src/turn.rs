//! Who may run the model next: one at a time, queries before passages.
//!
//! A long ingest asks for a new turn per small batch, so a query waits for one batch at most.
//! Passages are not starved: after [`STREAK`] queries in a row one waiting passage goes first.

use crate::TextKind;
use parking_lot::{Condvar, Mutex};

/// Queries that may pass a waiting passage before it has its turn.
const STREAK: u32 = 16;

#[derive(Default)]
struct State {
    busy: bool,
    queries: usize,
    passages: usize,
    streak: u32,
}

impl State {
    fn may_go(&self, kind: TextKind) -> bool {
        let passage_due = self.passages > 0 && (self.queries == 0 || self.streak >= STREAK);
        !self.busy
            && match kind {
                TextKind::Query => !passage_due,
                TextKind::Passage => passage_due,
            }
    }

    fn waiting(&mut self, kind: TextKind) -> &mut usize {
        match kind {
            TextKind::Query => &mut self.queries,
            TextKind::Passage => &mut self.passages,
        }
    }
}

/// The queue before the model.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    freed: Condvar,
}

/// The right to run the model until dropped.
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for a turn.
    pub(crate) fn take(&self, kind: TextKind) -> Turn<'_> {
        let mut state = self.state.lock();
        *state.waiting(kind) += 1;
        while !state.may_go(kind) {
            self.freed.wait(&mut state);
        }
        *state.waiting(kind) -= 1;
        state.busy = true;
        state.streak = match kind {
            TextKind::Query => state.streak.saturating_add(1),
            TextKind::Passage => 0,
        };
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().busy = false;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    fn wait_until(turns: &Turns, ready: impl Fn(&State) -> bool) {
        while !ready(&turns.state.lock()) {
            thread::yield_now();
        }
    }

    /// The order in which waiting calls go once the model is free.
    fn order(queries: usize, passages: usize) -> Vec<TextKind> {
        let turns = Turns::default();
        let (went, order) = mpsc::channel();
        thread::scope(|scope| {
            let first = turns.take(TextKind::Passage);
            for (kind, count) in [(TextKind::Passage, passages), (TextKind::Query, queries)] {
                for _ in 0..count {
                    let (turns, went) = (&turns, went.clone());
                    scope.spawn(move || {
                        let turn = turns.take(kind);
                        went.send(kind).unwrap();
                        drop(turn);
                    });
                }
            }
            wait_until(&turns, |state| state.queries == queries && state.passages == passages);
            drop(first);
        });
        drop(went);
        order.iter().collect()
    }

    #[test]
    fn queries_go_before_waiting_passages() {
        let order = order(3, 4);
        assert_eq!(order[..3], [TextKind::Query; 3]);
        assert_eq!(order[3..], [TextKind::Passage; 4]);
    }

    #[test]
    fn passages_are_not_starved() {
        let order = order(STREAK as usize + 4, 2);
        assert_eq!(order.iter().position(|&kind| kind == TextKind::Passage), Some(STREAK as usize));
        assert_eq!(order.len(), STREAK as usize + 6);
    }

    #[test]
    fn one_at_a_time() {
        let (turns, inside) = (Turns::default(), Mutex::new(()));
        thread::scope(|scope| {
            for at in 0..8 {
                let (turns, inside) = (&turns, &inside);
                scope.spawn(move || {
                    let kind = if at % 2 == 0 { TextKind::Query } else { TextKind::Passage };
                    for _ in 0..200 {
                        let _turn = turns.take(kind);
                        assert!(inside.try_lock().is_some());
                    }
                });
            }
        });
    }
}
