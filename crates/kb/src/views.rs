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
    budget_bytes: usize,
    recall_target: f64,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    clock: u64,
    slots: HashMap<BotId, Slot>,
}

struct Slot {
    used: u64,
    view: Arc<OnceCell<Arc<View>>>,
}

impl Views {
    pub(crate) fn new(
        store: Arc<dyn RecordStore>,
        embedder: EmbedderSlot,
        dir: impl Fn(&BotId) -> PathBuf + Send + Sync + 'static,
        (budget_bytes, recall_target): (usize, f64),
    ) -> Self {
        Self { store, embedder, dir: Box::new(dir), budget_bytes, recall_target, open: Mutex::default() }
    }

    /// The view of a bot, opened at first use.
    pub(crate) async fn of(&self, scope: &Scope) -> Result<Arc<View>, Error> {
        let bot = scope.bot();
        let cell = {
            let mut open = self.open.lock();
            open.clock += 1;
            let clock = open.clock;
            let slot =
                open.slots.entry(bot.clone()).or_insert_with(|| Slot { used: clock, view: Arc::default() });
            slot.used = clock;
            slot.view.clone()
        };
        let fresh = !cell.initialized();
        let view = cell
            .get_or_try_init(|| async {
                let embedder = self.embedder.get().await?;
                let options = VectorOptions { recall_target: self.recall_target, ..VectorOptions::default() };
                let dir = (self.dir)(bot);
                let view = View::open(&self.store, bot, &dir, embedder.as_ref(), options).await?;
                Ok::<_, Error>(Arc::new(view))
            })
            .await?
            .clone();
        if fresh {
            self.evict(bot);
        }
        Ok(view)
    }

    /// The newest snapshot of a bot.
    pub(crate) async fn snapshot(&self, scope: &Scope) -> Result<Arc<Snapshot>, Error> {
        Ok(self.of(scope).await?.snapshot())
    }

    /// The open views; looking at them is no use of them.
    pub(crate) fn opened(&self) -> Vec<(Scope, Arc<View>)> {
        let open = self.open.lock();
        let opened = open.slots.iter().filter_map(|(bot, slot)| Some((bot, slot.view.get()?.clone())));
        opened.map(|(bot, view)| (Scope::of(bot.clone()), view)).collect()
    }

    /// A bot's view when it is open; looking at it is no use of it.
    pub(crate) fn opened_of(&self, scope: &Scope) -> Option<Arc<View>> {
        self.open.lock().slots.get(scope.bot())?.view.get().cloned()
    }

    /// (open bots, bytes).
    pub(crate) fn size(&self) -> (usize, usize) {
        let open = self.open.lock();
        (open.slots.len(), open.slots.values().map(Slot::heap_bytes).sum())
    }

    /// The lowest recall of the approximate vector searches of open views; 1 when there are none.
    pub(crate) fn vector_recall(&self) -> f64 {
        let measured = |(_, view): &(Scope, Arc<View>)| view.snapshot().vectors.recall();
        let recalls = self.opened().iter().filter_map(measured).collect::<Vec<_>>();
        recalls.iter().map(|recall| recall.probed.unwrap_or(recall.built)).fold(1.0, f64::min)
    }

    /// Drops the least recently used idle views while over the budget; a view in use is kept, for
    /// two views of one bot must never write the same lexical index.
    fn evict(&self, keep: &BotId) {
        let mut open = self.open.lock();
        let mut total: usize = open.slots.values().map(Slot::heap_bytes).sum();
        while total > self.budget_bytes {
            let idle = open.slots.iter().filter(|(bot, slot)| *bot != keep && slot.is_idle());
            let Some(oldest) = idle.min_by_key(|(_, slot)| slot.used).map(|(bot, _)| bot.clone()) else {
                break;
            };
            if let Some(slot) = open.slots.remove(&oldest) {
                total = total.saturating_sub(slot.heap_bytes());
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
