//! Threads that help with work over many blocks: none where as many threads as there are cores are at
//! such work already.
//!
//! Knows nothing of queries. Work that small threads would only slow down stays with its caller.

use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Work below this many plain comparisons is not worth waking a thread for (about 0.2 ms).
const MIN_SHARED_COST: usize = if cfg!(test) { 50 } else { 200_000 };

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs work without the pool: its caller may not wait behind the work of others.
pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _back = Back(ALONE.replace(true));
    work()
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// One thread for each core but the caller's.
fn pool() -> Option<&'static rayon::ThreadPool> {
    static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    let build = || {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(cores() - 1);
        builder.thread_name(|at| format!("quarry-scan-{at}")).build().ok()
    };
    if ALONE.get() {
        return None;
    }
    POOL.get_or_init(|| if cores() > 1 { build() } else { None }).as_ref()
}

/// How many shares work of some cost is best divided into.
pub(crate) fn shares(cost: usize) -> usize {
    if cost < MIN_SHARED_COST { 1 } else { pool().map_or(1, |_| cores()) }
}

/// Threads at work on what is shared, callers included.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

struct AtWork(usize);

impl AtWork {
    /// Counts a caller and the helpers it may have, at most `wanted`.
    fn caller_with(wanted: usize) -> (Self, usize) {
        let helpers = |before: usize| wanted.min(cores().saturating_sub(before + 1));
        let with_them = |before: usize| Some(before + 1 + helpers(before));
        let counted = AT_WORK.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_them);
        let helpers = counted.map_or(0, helpers);
        (Self(1 + helpers), helpers)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// The answers of `work` for each item, in order; with others when `cost` is worth it. The caller
/// takes part: it would only wait, and waking its helpers takes a while.
pub(crate) fn map<'i, I: Sync, T: Send>(
    cost: usize,
    items: &'i [I],
    work: impl Fn(&'i I) -> T + Sync + Send,
) -> Vec<T> {
    let Some(pool) = pool().filter(|_| cost >= MIN_SHARED_COST && items.len() > 1) else {
        return items.iter().map(work).collect();
    };
    let (_at_work, helpers) = AtWork::caller_with(items.len() - 1);
    let next = AtomicUsize::new(0);
    let take = || {
        let mut made = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return made };
            made.push((at, work(item)));
        }
    };
    let by_others = Mutex::new(Vec::new());
    let mut made = pool.in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| {
                let made = take();
                by_others.lock().extend(made);
            });
        }
        take()
    });
    made.extend(by_others.into_inner());
    made.sort_unstable_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_done_alone_stays_on_its_thread() {
        let here = std::thread::current().id();
        let places = || map(usize::MAX, &[1, 2, 3], |_| std::thread::current().id());
        assert_eq!(alone(|| (shares(usize::MAX), places())), (1, vec![here; 3]));
    }

    #[test]
    fn answers_keep_the_order_of_their_items() {
        let items: Vec<usize> = (0..5_000).collect();
        let wait = |item: &usize| {
            if item.is_multiple_of(97) {
                std::thread::yield_now();
            }
            item * 2
        };
        let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(map(usize::MAX, &items, wait), doubled));
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_leaves_the_pool_usable() {
        let broken = || map(usize::MAX, &[1, 2, 3, 4], |item| assert!(*item < 3));
        assert!(std::panic::catch_unwind(broken).is_err());
        assert_eq!(map(usize::MAX, &[1, 2, 3], |item| item + 1), vec![2, 3, 4]);
    }
}
