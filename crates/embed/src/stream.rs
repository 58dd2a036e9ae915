//! Passages through the model one batch after another, on one thread: it goes on with the next while those that asked
//! still work on what the last one gave, and the engine's own threads stay awake.
//!
//! Knows nothing of texts. Queries do not pass here: they run where they are asked, and have their turn between two batches.

use crate::batch::Batch;
use crate::engine::{GraphEngine, Output};
use crate::turn::Turns;
use crate::{Error, TextKind};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Batches of one caller that wait or run: the next one is there when the engine is done with the last.
const AHEAD: usize = 2;

/// The engine and the queue before it.
pub(crate) struct Shared {
    turns: Turns,
    /// Locked only by the holder of a turn.
    engine: Mutex<Box<dyn GraphEngine>>,
}

impl Shared {
    pub(crate) fn new(engine: Box<dyn GraphEngine>) -> Self {
        Self { turns: Turns::default(), engine: Mutex::new(engine) }
    }

    /// Runs a batch when it has its turn.
    pub(crate) fn run(&self, batch: &Batch, kind: TextKind, tokens: bool) -> Result<Output, Error> {
        let _turn = self.turns.take(kind);
        self.engine.lock().run(batch, tokens)
    }
}

struct Task {
    batch: Batch,
    tokens: bool,
    answer: Sender<(Batch, Result<Output, Error>)>,
}

/// The thread; it ends when this is dropped.
pub(crate) struct Stream {
    tasks: Sender<Task>,
}

impl Stream {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self, Error> {
        let (tasks, queue): (_, Receiver<Task>) = channel();
        let work = move || {
            for Task { batch, tokens, answer } in queue {
                let run = AssertUnwindSafe(|| shared.run(&batch, TextKind::Passage, tokens));
                let panicked = |_| Err(Error::Inference("the engine panicked".into()));
                let output = catch_unwind(run).unwrap_or_else(panicked);
                // Who asked may be gone.
                let _ = answer.send((batch, output));
            }
        };
        let thread = std::thread::Builder::new().name("quarry-embed".into()).spawn(work);
        thread.map_err(|cause| Error::Inference(format!("no thread for the model: {cause}")))?;
        Ok(Self { tasks })
    }

    /// Runs batches, and hands what each gives to `take` in their order.
    pub(crate) fn run(
        &self,
        batches: impl Iterator<Item = Batch>,
        tokens: bool,
        mut take: impl FnMut(&Batch, Output) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let lost = || Error::Inference("the thread of the model has ended".into());
        let (answer, answers) = channel();
        let mut batches = batches.fuse();
        let mut running = 0;
        loop {
            while running < AHEAD
                && let Some(batch) = batches.next()
            {
                let task = Task { batch, tokens, answer: answer.clone() };
                self.tasks.send(task).map_err(|_| lost())?;
                running += 1;
            }
            if running == 0 {
                return Ok(());
            }
            let (batch, output) = answers.recv().map_err(|_| lost())?;
            running -= 1;
            take(&batch, output?)?;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Gives each batch's first token; refuses 13, panics on 99.
    struct Fake(Arc<AtomicUsize>);

    impl GraphEngine for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }

        fn run(&mut self, batch: &Batch, _: bool) -> Result<Output, Error> {
            self.0.fetch_add(1, Ordering::SeqCst);
            match batch.ids[0] {
                13 => Err(Error::Inference("refused".into())),
                99 => panic!("as asked"),
                id => Ok(Output { vectors: vec![id as f32], tokens: Vec::new() }),
            }
        }
    }

    fn batches(ids: &[u32]) -> impl Iterator<Item = Batch> {
        ids.iter().map(|id| Batch::new(std::iter::once([*id].as_slice())))
    }

    #[test]
    fn outputs_come_in_order_and_a_failure_ends_its_call_alone() {
        let ran = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared::new(Box::new(Fake(ran.clone()))));
        let stream = Stream::start(shared.clone()).unwrap();
        let run = |ids: &[u32]| {
            let mut got = Vec::new();
            let done = stream.run(batches(ids), false, |_, output| {
                got.extend(output.vectors);
                Ok(())
            });
            done.map(|()| got)
        };
        std::thread::scope(|scope| {
            for caller in 0..4_u32 {
                let run = &run;
                scope.spawn(move || {
                    let ids: Vec<u32> = (0..50).map(|n| 100 + 100 * caller + n).collect();
                    let wanted: Vec<f32> = ids.iter().map(|id| *id as f32).collect();
                    assert_eq!(run(&ids).unwrap(), wanted);
                });
            }
        });
        assert!(run(&[]).unwrap().is_empty());
        let before = ran.load(Ordering::SeqCst);
        assert!(run(&[1, 13, 2, 3, 4, 5]).unwrap_err().to_string().contains("refused"));
        assert!(run(&[99, 1]).unwrap_err().to_string().contains("panicked"));
        assert_eq!(run(&[7]).unwrap(), [7.0]);
        assert!(
            ran.load(Ordering::SeqCst) - before <= 6,
            "of a call that failed, one batch more runs at most"
        );
        assert!(shared.run(&batches(&[8]).next().unwrap(), TextKind::Query, false).is_ok());
    }
}
