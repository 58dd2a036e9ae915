//! Threads for work over many blocks, as many as there are cores and no more, however many queries
//! run at once.
//!
//! Knows nothing of queries. Work that small threads would only slow down stays with its caller.

use rayon::prelude::*;
use std::cell::Cell;
use std::sync::OnceLock;

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

fn pool() -> Option<&'static rayon::ThreadPool> {
    static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let build = || {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        builder.thread_name(|at| format!("quarry-scan-{at}")).build().ok()
    };
    if ALONE.get() {
        return None;
    }
    POOL.get_or_init(|| if threads > 1 { build() } else { None }).as_ref()
}

/// How many shares work of some cost is best divided into.
pub(crate) fn shares(cost: usize) -> usize {
    if cost < MIN_SHARED_COST { 1 } else { pool().map_or(1, rayon::ThreadPool::current_num_threads) }
}

/// The answers of `work` for each item, in order; on the pool when `cost` is worth it.
pub(crate) fn map<'i, I: Sync, T: Send>(
    cost: usize,
    items: &'i [I],
    work: impl Fn(&'i I) -> T + Sync + Send,
) -> Vec<T> {
    match pool().filter(|_| cost >= MIN_SHARED_COST && items.len() > 1) {
        Some(pool) => pool.install(|| items.par_iter().map(&work).collect()),
        None => items.iter().map(work).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_done_alone_stays_on_its_thread() {
        let here = std::thread::current().id();
        let places = || map(usize::MAX, &[1, 2, 3], |_| std::thread::current().id());
        assert_eq!(alone(|| (shares(usize::MAX), places())), (1, vec![here; 3]));
        if pool().is_some() {
            assert!(!places().contains(&here));
        }
    }
}
