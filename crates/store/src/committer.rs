//! The one thread that writes: takes what waits, makes one batch of it, syncs once, answers all.
//!
//! Knows nothing of what a commit means. Invariants: an answer is sent only after the sync; a
//! request that waits alone is not held back for others; after a failed batch nothing more is written.

use crate::Error;
use crate::engine::{Engine, Space};
use crate::group::{Expire, Group, Thinned};
use crate::outcomes::Outcomes;
use crate::record::{Commit, Committed};
use crate::state::Shared;
use quarry_types::{BotId, Timestamp, Usage};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Requests of one batch at most.
const GROUP_REQUESTS: usize = 512;
/// Value bytes of one batch at most, unless a single commit has more.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the commit thread can do.
pub(crate) enum Request {
    Commit(Box<Commit>, Reply<Committed>),
    SetUsage(BotId, Usage, Reply<()>),
    DropBot(BotId, Reply<()>),
    Expire(Expire, Reply<()>),
    Thinned(Thinned, Reply<()>),
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Commit(commit, _) => commit.put.iter().map(|(_, key, value)| key.len() + value.len()).sum(),
            Self::SetUsage(..) | Self::DropBot(..) | Self::Expire(..) | Self::Thinned(..) => 0,
        }
    }

    fn refuse(self, error: Error) {
        // A caller that has gone away needs no answer.
        match self {
            Self::Commit(_, reply) => drop(reply.send(Err(error))),
            Self::SetUsage(_, _, reply)
            | Self::DropBot(_, reply)
            | Self::Expire(_, reply)
            | Self::Thinned(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// An answer that waits for the sync.
enum Answer {
    Commit(Reply<Committed>, Result<Committed, Error>),
    Done(Reply<()>, Result<(), Error>),
}

impl Answer {
    fn send(self) {
        match self {
            Self::Commit(reply, result) => drop(reply.send(result)),
            Self::Done(reply, result) => drop(reply.send(result)),
        }
    }

    /// What was accepted failed after all; what was refused stays refused for its own reason.
    fn fail(self, error: &Error) -> Self {
        match self {
            Self::Commit(reply, Ok(_)) => Self::Commit(reply, Err(error.clone())),
            Self::Done(reply, Ok(())) => Self::Done(reply, Err(error.clone())),
            refused => refused,
        }
    }
}

/// The state of the commit thread.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    outcomes: Outcomes,
    next_bot: u32,
    on_garbage: Box<dyn Fn() + Send>,
}

impl Committer {
    /// `on_garbage` is called after a batch that made rows garbage.
    pub(crate) fn new(
        shared: Arc<Shared>,
        queue: mpsc::Receiver<Request>,
        on_garbage: Box<dyn Fn() + Send>,
    ) -> Result<Self, Error> {
        let next_bot = read_next_bot(&shared.engine)?;
        Ok(Self { shared, queue, outcomes: Outcomes::default(), next_bot, on_garbage })
    }

    /// Works until every sender of the queue is gone.
    pub(crate) fn run(mut self) {
        let _guard = PoisonOnPanic(Arc::clone(&self.shared));
        while let Some(first) = self.queue.blocking_recv() {
            let mut bytes = first.bytes();
            let mut requests = vec![first];
            while requests.len() < GROUP_REQUESTS && bytes < GROUP_BYTES {
                let Ok(request) = self.queue.try_recv() else { break };
                bytes += request.bytes();
                requests.push(request);
            }
            self.write(requests);
        }
    }

    fn write(&mut self, requests: Vec<Request>) {
        if let Some(error) = self.shared.poisoned() {
            requests.into_iter().for_each(|request| request.refuse(error.clone()));
            return;
        }
        self.outcomes.trim();
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared, &mut self.outcomes, self.next_bot, Timestamp::now().as_ms());
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(match request {
                Request::Commit(commit, reply) => Answer::Commit(reply, group.commit(*commit)),
                Request::SetUsage(bot, usage, reply) => Answer::Done(reply, group.set_usage(&bot, usage)),
                Request::DropBot(bot, reply) => Answer::Done(reply, group.drop_bot(&bot)),
                Request::Expire(expire, reply) => Answer::Done(reply, group.expire(&expire)),
                Request::Thinned(thinned, reply) => Answer::Done(reply, group.thinned(&thinned)),
            });
        }
        let mut ready = group.finish();
        let effects = std::mem::take(&mut ready.effects);
        let written = if effects.is_empty() { Ok(()) } else { shared.engine.write(effects) };
        match written {
            Ok(()) => {
                self.next_bot = ready.next_bot;
                let garbage = ready.garbage;
                ready.publish(&shared);
                answers.into_iter().for_each(Answer::send);
                if garbage {
                    (self.on_garbage)();
                }
            }
            Err(cause) => {
                shared.poison(&cause.to_string());
                let error = Error::Poisoned(cause.to_string());
                answers.into_iter().for_each(|answer| answer.fail(&error).send());
            }
        }
    }
}

fn read_next_bot(engine: &Engine) -> Result<u32, Error> {
    let Some(bytes) = engine.view().get(Space::Catalog, &[crate::codec::tag::NEXT_BOT])? else {
        return Ok(1);
    };
    let bytes = <[u8; 4]>::try_from(&*bytes).map_err(|_| Error::Corrupt("next bot number".into()))?;
    Ok(u32::from_be_bytes(bytes))
}

struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("the commit thread panicked");
        }
    }
}
