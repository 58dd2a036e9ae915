//! How far each ingest is: in memory only, for people to watch.

use parking_lot::Mutex;
use quarry_types::{BotId, FileId};
use std::collections::HashMap;

/// One file on its way into the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobProgress {
    /// The file.
    pub file: FileId,
    /// Its key.
    pub key: String,
    /// `queued`, `extracting`, `chunking`, `embedding` or `publishing`.
    pub stage: &'static str,
    /// Units done in this stage (pages or passages).
    pub done: u32,
    /// Units in all; 0 when unknown.
    pub total: u32,
    /// Starts so far.
    pub attempts: u32,
}

#[derive(Default)]
pub(crate) struct Progress {
    jobs: Mutex<HashMap<(BotId, FileId), Step>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) stage: &'static str,
    pub(crate) done: u32,
    pub(crate) total: u32,
    pub(crate) attempts: u32,
}

impl Progress {
    pub(crate) fn set(&self, bot: &BotId, file: &FileId, step: Step) {
        self.jobs.lock().insert((bot.clone(), file.clone()), step);
    }

    pub(crate) fn end(&self, bot: &BotId, file: &FileId) {
        self.jobs.lock().remove(&(bot.clone(), file.clone()));
    }

    pub(crate) fn of(&self, bot: &BotId, key_of: impl Fn(&FileId) -> String) -> Vec<JobProgress> {
        let jobs = self.jobs.lock();
        let mine = jobs.iter().filter(|((owner, _), _)| owner == bot);
        let mut all: Vec<_> = mine
            .map(|((_, file), step)| JobProgress {
                file: file.clone(),
                key: key_of(file),
                stage: step.stage,
                done: step.done,
                total: step.total,
                attempts: step.attempts,
            })
            .collect();
        all.sort_by(|a, b| a.file.cmp(&b.file));
        all
    }
}
