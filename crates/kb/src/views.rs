//! The open views of all bots, under one memory budget: least recently used ones are dropped.

use crate::Error;
use crate::view::{Snapshot, View};
use parking_lot::Mutex;
use quarry_embed::EmbedderSlot;
use quarry_index::VectorOptions;
use quarry_store::RecordStore;
use quarry_types::{BotId, Scope};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::OnceCell;

pub(crate) struct Views {
    store: Arc<dyn RecordStore>,
    embedder: EmbedderSlot,
    dir: Box<dyn Fn(&BotId) -> PathBuf + Send + Sync>,
    vectors: VectorOptions,
    open: Arc<Open>,
}

/// The open views and what they may hold together.
struct Open {
    budget_bytes: usize,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    clock: u64,
    of: HashMap<BotId, Slot>,
}

struct Slot {
    used: u64,
    /// When last measured: at its opening, its commits and its new graphs.
    bytes: usize,
    view: Arc<OnceCell<Arc<View>>>,
}

impl Views {
    pub(crate) fn new(
        store: Arc<dyn RecordStore>,
        embedder: EmbedderSlot,
        dir: impl Fn(&BotId) -> PathBuf + Send + Sync + 'static,
        (budget_bytes, vectors): (usize, VectorOptions),
    ) -> Self {
        let open = Arc::new(Open { budget_bytes, slots: Mutex::default() });
        Self { store, embedder, dir: Box::new(dir), vectors, open }
    }

    /// The view of a bot, opened at first use.
    pub(crate) async fn of(&self, scope: &Scope) -> Result<Arc<View>, Error> {
        let bot = scope.bot();
        let cell = {
            let mut open = self.open.slots.lock();
            open.clock += 1;
            let clock = open.clock;
            let blank = || Slot { used: clock, bytes: 0, view: Arc::default() };
            let slot = open.of.entry(bot.clone()).or_insert_with(blank);
            slot.used = clock;
            slot.view.clone()
        };
        let fresh = !cell.initialized();
        let view = cell
            .get_or_try_init(|| async {
                let embedder = self.embedder.get().await?;
                let dir = (self.dir)(bot);
                let view = View::open(&self.store, bot, &dir, embedder.as_ref(), self.vectors).await?;
                Ok::<_, Error>(Arc::new(view))
            })
            .await?
            .clone();
        if fresh {
            drop(cell);
            self.changed(bot, &view);
        }
        Ok(view)
    }

    /// After a view was opened or took in a commit: keeps to the memory budget and builds a graph when one
    /// is due.
    pub(crate) fn changed(&self, bot: &BotId, view: &Arc<View>) {
        self.open.evict(bot);
        let (open, bot) = (self.open.clone(), bot.clone());
        view.build_graph_if_due(move || open.evict(&bot));
    }

    /// The newest snapshot of a bot.
    pub(crate) async fn snapshot(&self, scope: &Scope) -> Result<Arc<Snapshot>, Error> {
        Ok(self.of(scope).await?.snapshot())
    }

    /// The open views; looking at them is no use of them.
    pub(crate) fn opened(&self) -> Vec<(Scope, Arc<View>)> {
        let open = self.open.slots.lock();
        let opened = open.of.iter().filter_map(|(bot, slot)| Some((bot, slot.view.get()?.clone())));
        opened.map(|(bot, view)| (Scope::of(bot.clone()), view)).collect()
    }

    /// A bot's view when it is open; looking at it is no use of it.
    pub(crate) fn opened_of(&self, scope: &Scope) -> Option<Arc<View>> {
        self.open.slots.lock().of.get(scope.bot())?.view.get().cloned()
    }

    /// (open bots, bytes).
    pub(crate) fn size(&self) -> (usize, usize) {
        let open = self.open.slots.lock();
        (open.of.len(), open.of.values().map(Slot::heap_bytes).sum())
    }

    /// The lowest recall of the approximate vector searches of open views; 1 when there are none.
    pub(crate) fn vector_recall(&self) -> f64 {
        let measured = |(_, view): &(Scope, Arc<View>)| view.snapshot().vectors.recall();
        let recalls = self.opened().iter().filter_map(measured).collect::<Vec<_>>();
        recalls.iter().map(|recall| recall.probed.unwrap_or(recall.built)).fold(1.0, f64::min)
    }
}

impl Open {
    /// Measures a view that has changed, then drops the least recently used idle ones while all are over
    /// the budget; a view in use is kept, for two views of one bot must never write the same lexical index.
    fn evict(&self, changed: &BotId) {
        let view = self.slots.lock().of.get(changed).and_then(|slot| slot.view.get().cloned());
        let bytes = view.map_or(0, |view| view.snapshot().heap_bytes());
        let mut open = self.slots.lock();
        if let Some(slot) = open.of.get_mut(changed) {
            slot.bytes = bytes;
        }
        let mut total: usize = open.of.values().map(|slot| slot.bytes).sum();
        while total > self.budget_bytes {
            let idle = open.of.iter().filter(|(bot, slot)| *bot != changed && slot.is_idle());
            let Some(oldest) = idle.min_by_key(|(_, slot)| slot.used).map(|(bot, _)| bot.clone()) else {
                break;
            };
            if let Some(slot) = open.of.remove(&oldest) {
                total = total.saturating_sub(slot.bytes);
                tracing::info!(bot = %oldest, "view dropped to stay within the memory budget");
            }
        }
    }
}

impl Slot {
    fn heap_bytes(&self) -> usize {
        self.view.get().map_or(0, |view| view.snapshot().heap_bytes())
    }

    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.view) == 1 && self.view.get().is_some_and(|view| Arc::strong_count(view) == 1)
    }
}
