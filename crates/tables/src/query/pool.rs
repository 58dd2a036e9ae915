//! Threads for work over many blocks, as many as there are cores and no more, however many queries
//! run at once.
//!
//! Knows nothing of queries. Work that small threads would only slow down stays with its caller.

use rayon::prelude::*;
use std::sync::OnceLock;

/// Work below this many plain comparisons is not worth waking a thread for (about 0.2 ms).
const MIN_SHARED_COST: usize = if cfg!(test) { 50 } else { 200_000 };

fn pool() -> Option<&'static rayon::ThreadPool> {
    static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let build = || {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        builder.thread_name(|at| format!("quarry-scan-{at}")).build().ok()
    };
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
