//! The direct path: kernels over blocks, pages and orders from the rows they keep, values read late.
//!
//! Conditions on `id` or the key column look rows up instead of scanning.

use super::kernel::{Bits, Ends, Kernel, alive, keep_bounded_text};
use super::order::{Top, sort_text};
use super::pool;
use crate::Error;
use crate::api::Row;
use crate::catalog::Entry;
use crate::filter::{Bound, Field, Filter, Literal, Op, Slot};
use crate::record::{KeyValue, StoredRow};
use crate::rows::row_matches;
use crate::schema::{ColumnId, Kind};
use crate::view::{Block, Column, Reader, Slab, Snapshot, Values};
use crate::wire;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Blocks read one after the other before a page takes several at once.
const FIRST_BLOCKS: usize = if cfg!(test) { 2 } else { 8 };
/// Blocks a page takes at once.
const NEXT_BLOCKS: usize = 32;
/// What reading a place in JSON costs in an order, in units of one comparison.
const JSON_ORDER_COST: usize = 500;

/// Rows looked up one by one; more are found faster by a scan.
const MAX_LOOKUPS: usize = 1_000;

/// A filter over one state of one table.
pub(crate) struct Query {
    pub(crate) entry: Arc<Entry>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) filter: Filter,
}

/// A matching row: where it lies in a list of slabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) id: u32,
    slab: u32,
    row: u32,
}

/// Rows of a page, as they lie in the snapshot or copied out of it.
pub(crate) enum Page {
    Hits(Vec<Hit>),
    Rows(Vec<Arc<StoredRow>>),
}

impl Query {
    pub(crate) fn new(entry: Arc<Entry>, snapshot: Arc<Snapshot>, filter: Filter) -> Self {
        Self { entry, snapshot, filter }
    }

    /// Rows a scan would look at, a dear test counted as several; few when rows are looked up.
    pub(crate) fn rows(&self) -> usize {
        if self.named_ids(&self.filter).is_some() {
            return 1;
        }
        self.snapshot.rows.saturating_mul(Kernel::new(&self.filter).cost().max(1))
    }

    /// As [`Query::rows`], for a page in an order.
    pub(crate) fn page_rows(&self, order: &Field) -> usize {
        let json = order.column != ColumnId::ID && order.kind == Kind::Json;
        self.rows().saturating_mul(if json { JSON_ORDER_COST } else { 1 })
    }

    /// The ids of all matching rows, ascending.
    pub(crate) fn ids(&self) -> Result<Vec<u32>, Error> {
        if let Some(rows) = self.looked_up() {
            return Ok(rows.iter().map(|row| row.id).collect());
        }
        let kernel = Kernel::new(&self.filter);
        let slabs: Vec<&Slab> = self.snapshot.slabs().collect();
        let found = pool::map(self.rows(), &slabs, |slab| {
            let ids = slab.block.ids();
            kernel.rows(slab).rows().filter_map(|row| ids.get(row).copied()).collect::<Vec<u32>>()
        });
        let mut ids = found.concat();
        ids.sort_unstable();
        Ok(ids)
    }

    pub(crate) fn count(&self) -> Result<u64, Error> {
        if let Some(rows) = self.looked_up() {
            return Ok(rows.len() as u64);
        }
        let kernel = Kernel::new(&self.filter);
        if kernel.passes_all() {
            return Ok(self.snapshot.rows as u64);
        }
        let slabs: Vec<&Slab> = self.snapshot.slabs().collect();
        let counts = pool::map(self.rows(), &slabs, |slab| kernel.rows(slab).count() as u64);
        Ok(counts.iter().sum())
    }

    /// The first `need` matching rows in an order.
    pub(crate) fn page(&self, order: &Field, descending: bool, need: usize) -> Result<Page, Error> {
        let by_id = order.column == ColumnId::ID;
        if let Some(mut rows) = self.looked_up()
            && (by_id || rows.len() <= 1)
        {
            if descending {
                rows.reverse();
            }
            rows.truncate(need);
            return Ok(Page::Rows(rows));
        }
        let kernel = Kernel::new(&self.filter);
        let hits = if by_id {
            self.page_by_id(&kernel, descending, need)
        } else {
            self.top(&Walk { kernel: &kernel, order, descending, need })
        };
        Ok(Page::Hits(hits))
    }

    fn page_by_id(&self, kernel: &Kernel<'_>, descending: bool, need: usize) -> Vec<Hit> {
        let main = self.snapshot.main();
        let hits_of = |at: usize, slab: &Slab| {
            let mut rows: Vec<Hit> = Vec::new();
            // A block's rows ascend, and no more than `need` of them can be on the page.
            let bits = kernel.rows(slab);
            if descending {
                rows.extend(bits.rows().map(|row| hit(slab, at, row)));
                rows.reverse();
                rows.truncate(need);
            } else {
                rows.extend(bits.rows().take(need).map(|row| hit(slab, at, row)));
            }
            rows
        };
        let mut hits: Vec<Hit> = Vec::new();
        for (at, slab) in self.snapshot.side().enumerate() {
            hits.extend(hits_of(main.len() + at, slab));
        }
        // The main run ascends by id, so its first `need` hits are enough.
        let enough = hits.len() + need;
        let mut ordered: Vec<(usize, &Slab)> = main.iter().enumerate().collect();
        if descending {
            ordered.reverse();
        }
        let (first, later) = ordered.split_at(ordered.len().min(FIRST_BLOCKS));
        for (at, slab) in first {
            if hits.len() >= enough {
                break;
            }
            hits.extend(hits_of(*at, slab));
        }
        for slabs in later.chunks(NEXT_BLOCKS) {
            if hits.len() >= enough {
                break;
            }
            let cost = slabs.len() * Block::MAX_ROWS * kernel.cost();
            hits.extend(pool::map(cost, slabs, |(at, slab)| hits_of(*at, slab)).into_iter().flatten());
        }
        hits.sort_unstable();
        if descending {
            hits.reverse();
        }
        hits.truncate(need);
        hits
    }

    fn top(&self, walk: &Walk<'_>) -> Vec<Hit> {
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        match walk.order.kind {
            Kind::Number => self.top_by(
                walk,
                f64::total_cmp,
                |reader, row| match reader {
                    Reader::Number(array) if !reader.is_null(row) => Some(array.value(row)),
                    _ => None,
                },
                |column, limit, bits| {
                    if let Values::Number(array) = &column.values {
                        let ends = walk.ends(*limit, (low, high));
                        ends.keep(array.values(), column.numbers(), bits);
                    }
                },
            ),
            Kind::DateTime => self.top_by(
                walk,
                i64::cmp,
                |reader, row| match reader {
                    Reader::Moment(array, _) if !reader.is_null(row) => Some(array.value(row)),
                    _ => None,
                },
                |column, limit, bits| {
                    if let Values::Moment(array) = &column.values {
                        let ends = walk.ends(*limit, (i64::MIN, i64::MAX));
                        ends.keep(array.values(), column.moments(), bits);
                    }
                },
            ),
            Kind::Bool => self.top_by(
                walk,
                bool::cmp,
                |reader, row| match reader {
                    Reader::Bool(array) if !reader.is_null(row) => Some(array.value(row)),
                    _ => None,
                },
                |_, _, _| {},
            ),
            Kind::Text => self.top_by(
                walk,
                <&str>::cmp,
                |reader, row| reader.text(row),
                |column, limit, bits| keep_bounded_text(column, walk.bound(), limit, bits),
            ),
            Kind::Json => self.top_by(
                walk,
                String::cmp,
                |reader, row| sort_text(reader.text(row)?, &walk.order.path),
                |_, _, _| {},
            ),
        }
    }

    /// The best hits by a key: `read` finds it, `cut` keeps the rows that may still be as good as
    /// the worst one worth keeping.
    fn top_by<'s, K: Clone + Send + Sync>(
        &'s self,
        walk: &Walk<'_>,
        compare: fn(&K, &K) -> Ordering,
        read: impl Fn(&Reader<'s>, usize) -> Option<K> + Sync + Send,
        cut: impl Fn(&Column, &K, &mut Bits) + Sync + Send,
    ) -> Vec<Hit> {
        let slabs = self.promising(walk);
        let json = if walk.order.kind == Kind::Json { JSON_ORDER_COST } else { 1 };
        let cost = self.snapshot.rows.saturating_mul(walk.kernel.cost() + json);
        let shares = pool::shares(cost);
        // Neighbours go to different shares: all of them soon meet good rows.
        let shared: Vec<Vec<(usize, &'s Slab)>> =
            (0..shares).map(|share| slabs.iter().skip(share).step_by(shares).copied().collect()).collect();
        let slot = Slot::values(walk.order.column, walk.order.kind);
        let tops = pool::map(cost, &shared, |slabs| {
            let mut top = Top::new(walk.need, walk.descending, compare);
            for (at, slab) in slabs {
                let mut bits = alive(slab);
                if let Some(limit) = top.limit() {
                    // Rows without a value come after all others.
                    match slab.block.column(slot) {
                        None => continue,
                        Some(column) => {
                            if let Some(nulls) = column.nulls() {
                                bits.keep_where(nulls.inner(), true);
                            }
                            cut(column, limit, &mut bits);
                        }
                    }
                    if bits.is_empty() {
                        continue;
                    }
                }
                walk.kernel.keep(&slab.block, &mut bits);
                let reader = slab.block.reader(walk.order.column, walk.order.kind);
                bits.rows().for_each(|row| top.push(read(&reader, row), hit(slab, *at, row)));
                top.tighten();
            }
            top
        });
        let best = tops.into_iter().reduce(|mut best, other| {
            best.merge(other);
            best
        });
        best.map(Top::finish).unwrap_or_default()
    }

    /// All blocks, those whose bounds promise the best rows first.
    fn promising(&self, walk: &Walk<'_>) -> Vec<(usize, &Slab)> {
        let mut slabs: Vec<(usize, &Slab)> = self.snapshot.slabs().enumerate().collect();
        let slot = Slot::values(walk.order.column, walk.order.kind);
        let best = |slab: &Slab| {
            let column = slab.block.column(slot)?;
            let numbers = column.numbers().map(|zone| if walk.descending { -zone.max } else { zone.min });
            let moments = column
                .moments()
                .map(|zone| if walk.descending { -(zone.max as f64) } else { zone.min as f64 });
            numbers.or(moments)
        };
        slabs.sort_by_cached_key(|(_, slab)| {
            // Sorts as the number does; blocks without bounds come last.
            best(slab).map_or(i64::MAX, |best| {
                let bits = best.to_bits() as i64;
                bits ^ ((bits >> 63) as u64 >> 1) as i64
            })
        });
        slabs
    }

    /// Rows named by `id` or key value, filtered, ascending; `None` when the filter names none.
    fn looked_up(&self) -> Option<Vec<Arc<StoredRow>>> {
        let mut ids = self.named_ids(&self.filter)?;
        ids.sort_unstable();
        ids.dedup();
        let rows = ids.into_iter().filter_map(|id| self.snapshot.get(id).map(|(_, row)| row));
        if matches!(self.filter, Filter::Test(_)) {
            // The condition that names the rows is all there is.
            return Some(rows.collect());
        }
        let matching = |row: &Arc<StoredRow>| {
            let row: Row = wire::row(self.entry.columns(), row);
            row_matches(&self.entry, &self.filter, &row)
        };
        Some(rows.filter(matching).collect())
    }

    fn named_ids(&self, filter: &Filter) -> Option<Vec<u32>> {
        let test = match filter {
            Filter::All(parts) => return parts.iter().find_map(|part| self.named_ids(part)),
            Filter::Test(test) => test,
            Filter::Any(_) | Filter::Not(_) => return None,
        };
        let by_id = test.field.column == ColumnId::ID;
        if !by_id && self.snapshot.key_column() != Some(test.field.column) {
            return None;
        }
        let one = match &test.op {
            Op::Equals(literal) => std::slice::from_ref(literal),
            Op::In(literals) if literals.len() <= MAX_LOOKUPS => literals,
            _ => return None,
        };
        let mut ids = Vec::with_capacity(one.len());
        for literal in one {
            let value = match literal {
                // Rows without a value are in no index.
                Literal::Null if by_id => continue,
                Literal::Null | Literal::Json(_) => return None,
                Literal::Number(number) if by_id => {
                    let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number);
                    ids.extend(whole.then_some(*number as u32).filter(|id| self.snapshot.contains(*id)));
                    continue;
                }
                Literal::Number(number) => KeyValue::number(*number),
                Literal::Bool(flag) => KeyValue::bool(*flag),
                Literal::Text(text) => KeyValue::text(text),
                Literal::Moment(moment) => KeyValue::moment(*moment),
            };
            ids.extend(self.snapshot.by_key(&value));
        }
        Some(ids)
    }
}

fn hit(slab: &Slab, at: usize, row: usize) -> Hit {
    let id = slab.block.ids().get(row).copied().unwrap_or(0);
    Hit { id, slab: at as u32, row: row as u32 }
}

/// Blocks of a snapshot in the order hits count them.
pub(crate) struct Places<'s> {
    slabs: Vec<&'s Slab>,
}

impl<'s> Places<'s> {
    pub(crate) fn new(snapshot: &'s Snapshot) -> Self {
        Self { slabs: snapshot.slabs().collect() }
    }

    pub(crate) fn block(&self, hit: Hit) -> Option<(&'s Block, usize)> {
        let slab = self.slabs.get(hit.slab as usize)?;
        Some((slab.block.as_ref(), hit.row as usize))
    }
}

/// What a walk over all blocks in search of the best rows knows.
struct Walk<'w> {
    kernel: &'w Kernel<'w>,
    order: &'w Field,
    descending: bool,
    need: usize,
}

impl Walk<'_> {
    fn bound(&self) -> Bound {
        if self.descending { Bound::GreaterOrEqual } else { Bound::LessOrEqual }
    }

    /// The keys at least as good as a limit, out of all there can be.
    fn ends<T>(&self, limit: T, (lowest, highest): (T, T)) -> Ends<T> {
        if self.descending { Ends { low: limit, high: highest } } else { Ends { low: lowest, high: limit } }
    }
}

pub(crate) fn schema_of(slots: &BTreeSet<Slot>) -> SchemaRef {
    let fields: Vec<ArrowField> =
        slots.iter().map(|slot| ArrowField::new(slot.name(), slot.data_type(), true)).collect();
    Arc::new(ArrowSchema::new(fields))
}

pub(crate) fn batch_of(block: &Block, slots: &[Slot], schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns = slots.iter().map(|slot| block.slot(*slot)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(block.len()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
