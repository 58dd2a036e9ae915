//! The tables of each bot: metadata followed from the store, and their views.
//!
//! Invariant: metadata is looked up within one bot only; a view exists at most once per table.

use crate::Error;
use crate::compute::Rules;
use crate::query::Output;
use crate::record::{self, StoredRow, TableRecord, Versioned};
use crate::schema::{Checker, Column, ColumnId};
use crate::view::View;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use quarry_store::{Changes, Coll, RecordStore, Seq};
use quarry_types::{BotId, Scope, TableId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

const PAGE: usize = 1_024;

/// A table's metadata, ready for use.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) meta: Versioned,
    pub(crate) checker: Checker,
    pub(crate) rules: Rules,
    /// The ids of its columns, ascending.
    ids: Vec<ColumnId>,
    output: OnceLock<Arc<Output>>,
}

impl Entry {
    pub(crate) fn new(record: TableRecord, seq: Seq) -> Self {
        let checker = Checker::new(&record.schema.columns);
        let rules = Rules::of(&record.schema.columns);
        let mut ids: Vec<ColumnId> = record.schema.columns.iter().map(|column| column.id).collect();
        ids.sort_unstable();
        Self { meta: Versioned { record, seq }, checker, rules, ids, output: OnceLock::new() }
    }

    pub(crate) fn record(&self) -> &TableRecord {
        &self.meta.record
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.meta.record.schema.columns
    }

    /// All its columns as an answer shows them.
    pub(crate) fn output(&self) -> &Arc<Output> {
        self.output.get_or_init(|| Arc::new(Output::whole(self)))
    }

    /// Takes the values of columns that are gone out of a row.
    pub(crate) fn keep_known(&self, row: &mut StoredRow) {
        let mut known = self.ids.iter().copied().peekable();
        row.cells.retain(|(id, _)| {
            while known.next_if(|known| known < id).is_some() {}
            known.peek() == Some(id)
        });
    }
}

/// The metadata of one bot's tables at one moment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Listing {
    seq: Seq,
    by_id: HashMap<String, Arc<Entry>>,
    by_name: HashMap<String, String>,
}

impl Listing {
    pub(crate) fn find(&self, table: &str) -> Option<&Arc<Entry>> {
        let id = self.by_name.get(table).map_or(table, String::as_str);
        self.by_id.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_id.values()
    }

    fn set(&mut self, id: &str, entry: Option<Entry>) {
        if let Some(old) = self.by_id.remove(id)
            && self.by_name.get(&old.record().name).is_some_and(|owner| owner == id)
        {
            self.by_name.remove(&old.record().name);
        }
        if let Some(entry) = entry {
            self.by_name.insert(entry.record().name.clone(), id.to_owned());
            self.by_id.insert(id.to_owned(), Arc::new(entry));
        }
    }
}

struct BotTables {
    listing: ArcSwap<Listing>,
    applying: tokio::sync::Mutex<()>,
    creating: Arc<tokio::sync::Mutex<()>>,
    views: Mutex<HashMap<TableId, Arc<View>>>,
}

pub(crate) struct Catalog {
    store: Arc<dyn RecordStore>,
    coll: Coll,
    bots: Mutex<HashMap<BotId, Arc<BotTables>>>,
    budget_bytes: usize,
    /// Bytes of the budget that others use.
    beside: AtomicUsize,
    ticks: AtomicU64,
}

impl Catalog {
    pub(crate) fn new(store: Arc<dyn RecordStore>, budget_bytes: usize) -> Self {
        let (coll, bots) = (record::tables(), Mutex::new(HashMap::new()));
        Self { store, coll, bots, budget_bytes, beside: AtomicUsize::new(0), ticks: AtomicU64::new(0) }
    }

    fn bot(&self, scope: &Scope) -> Arc<BotTables> {
        let mut bots = self.bots.lock();
        let tables = bots.entry(scope.bot().clone()).or_insert_with(|| {
            Arc::new(BotTables {
                listing: ArcSwap::from_pointee(Listing::default()),
                applying: tokio::sync::Mutex::new(()),
                creating: Arc::default(),
                views: Mutex::new(HashMap::new()),
            })
        });
        Arc::clone(tables)
    }

    /// Drops everything derived from one bot's records.
    pub(crate) fn forget(&self, scope: &Scope) {
        self.bots.lock().remove(scope.bot());
    }

    /// The tables of a bot as the store has them now.
    pub(crate) async fn listing(&self, scope: &Scope) -> Result<Arc<Listing>, Error> {
        let bot = self.bot(scope);
        let head = self.store.head(scope.bot(), &self.coll).await?;
        let current = bot.listing.load_full();
        if current.seq == head.seq {
            return Ok(current);
        }
        let _one_at_a_time = bot.applying.lock().await;
        let mut listing = Listing::clone(&bot.listing.load_full());
        loop {
            match self.store.changes(scope.bot(), &self.coll, listing.seq, PAGE).await? {
                // Metadata keeps no history worth a scan: from zero, changes are all live records.
                Changes::TooOld if listing.seq == 0 => break,
                Changes::TooOld => listing = Listing::default(),
                Changes::Page { changes, upto, more } => {
                    for change in changes {
                        let Ok(key) = std::str::from_utf8(&change.key) else { continue };
                        if key.starts_with("n/") {
                            continue;
                        }
                        let record = change.value.as_deref().map(TableRecord::decode).transpose()?;
                        listing.set(key, record.map(|record| Entry::new(record, change.seq)));
                    }
                    listing.seq = upto;
                    if !more {
                        break;
                    }
                }
            }
        }
        let listing = Arc::new(listing);
        bot.listing.store(Arc::clone(&listing));
        let mut views = bot.views.lock();
        views.retain(|table, _| listing.by_id.contains_key(table.as_str()));
        Ok(listing)
    }

    /// One table by name or id.
    ///
    /// # Errors
    /// [`Error::NoTable`] when the bot has none of that name or id.
    pub(crate) async fn entry(&self, scope: &Scope, table: &str) -> Result<Arc<Entry>, Error> {
        let listing = self.listing(scope).await?;
        let found = listing.find(table).cloned();
        found.ok_or_else(|| Error::NoTable(table.chars().take(100).collect()))
    }

    /// Held by whoever adds a table to a bot.
    pub(crate) async fn creating(&self, scope: &Scope) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.bot(scope).creating).lock_owned().await
    }

    /// The view of a table.
    pub(crate) fn view(&self, scope: &Scope, table: &TableId) -> Arc<View> {
        let bot = self.bot(scope);
        let view = {
            let mut views = bot.views.lock();
            let fresh = || Arc::new(View::new(Arc::clone(&self.store), scope.bot().clone(), table));
            Arc::clone(views.entry(table.clone()).or_insert_with(fresh))
        };
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        view.used.store(tick, Ordering::Relaxed);
        // Looking at every view costs more than a small query; growth between looks is small.
        if tick.is_multiple_of(256) || !view.is_loaded() {
            self.trim(&view);
        }
        view
    }

    /// Leaves this much of the budget to others.
    pub(crate) fn set_beside(&self, bytes: usize) {
        self.beside.store(bytes, Ordering::Relaxed);
    }

    /// Drops the least recently used views until the rest fits the budget.
    fn trim(&self, keep: &Arc<View>) {
        let bots: Vec<Arc<BotTables>> = self.bots.lock().values().cloned().collect();
        let views = bots.iter().flat_map(|bot| bot.views.lock().values().cloned().collect::<Vec<_>>());
        let mut loaded: Vec<(u64, usize, Arc<View>)> = views
            .filter(|view| view.is_loaded())
            .map(|view| (view.used.load(Ordering::Relaxed), view.heap_bytes(), view))
            .collect();
        let mut total: usize = loaded.iter().map(|(_, bytes, _)| bytes).sum();
        loaded.sort_unstable_by_key(|(used, ..)| *used);
        let budget = self.budget_bytes.saturating_sub(self.beside.load(Ordering::Relaxed));
        for (_, bytes, view) in loaded {
            if total <= budget {
                break;
            }
            if !Arc::ptr_eq(&view, keep) {
                view.evict();
                total -= bytes;
            }
        }
    }
}
