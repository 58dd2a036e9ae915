//! The leg of a search that needs no vector, on a thread of its own while the question is embedded.

use super::{SearchTuning, Task, Worded};
use crate::Error;
use crate::search::Search;
use crate::view::Snapshot;
use parking_lot::Mutex;
use quarry_types::Timestamp;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Legs that run beside the model: more of them would only keep it from the cores.
static BESIDE: Semaphore = Semaphore::const_new(2);

type Work = Box<dyn FnOnce() -> Result<Worded, Error> + Send>;

/// Dropped before it was waited for, work that has not begun never begins.
pub(crate) struct WordLeg {
    work: Arc<Mutex<Option<Work>>>,
    helper: Option<JoinHandle<Option<Result<Worded, Error>>>>,
}

impl WordLeg {
    /// Begins to look for the words, where few others do.
    pub(crate) fn begin(
        snapshot: &Arc<Snapshot>,
        search: &Search,
        tuning: SearchTuning,
        now: Timestamp,
    ) -> Self {
        let (snapshot, search) = (snapshot.clone(), search.clone());
        let look =
            move || Task { snapshot: &snapshot, search: &search, tuning: &tuning, now }.look_for_words();
        let work: Arc<Mutex<Option<Work>>> = Arc::new(Mutex::new(Some(Box::new(look))));
        let taken = work.clone();
        let helper = BESIDE.try_acquire().ok().map(|permit| {
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let work = taken.lock().take();
                work.map(|work| work())
            })
        });
        Self { work, helper }
    }

    /// What was found, where the runtime lets threads block. Nobody waits for work that has not begun, so that threads
    /// never all wait for one another.
    pub(crate) fn wait(mut self) -> Result<Worded, Error> {
        let left = self.work.lock().take();
        let lost = || Error::Internal("a leg of the search was lost".into());
        match (left, self.helper.take()) {
            (Some(work), _) => work(),
            (None, Some(helper)) => Handle::current().block_on(helper)?.ok_or_else(lost)?,
            (None, None) => Err(lost()),
        }
    }
}

impl Drop for WordLeg {
    fn drop(&mut self) {
        self.work.lock().take();
    }
}
