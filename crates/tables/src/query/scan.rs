//! The direct path: conjunct by conjunct over projected blocks, masks and-ed, hits gathered late.
//!
//! Conditions on `id` or the key column look rows up instead of scanning.

use super::order::{Top, sort_text};
use crate::Error;
use crate::api::Row;
use crate::catalog::Entry;
use crate::filter::{Field, Filter, Literal, Op, Slot, conjuncts};
use crate::record::{KeyValue, StoredRow};
use crate::rows::row_matches;
use crate::schema::{ColumnId, Kind};
use crate::view::{Block, Reader, Slab, Snapshot};
use crate::wire;
use arrow::array::{Array, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::PhysicalExpr;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

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

    /// Rows a scan would look at.
    pub(crate) fn rows(&self) -> usize {
        self.snapshot.rows
    }

    /// The ids of all matching rows, ascending.
    pub(crate) fn ids(&self) -> Result<Vec<u32>, Error> {
        if let Some(rows) = self.looked_up() {
            return Ok(rows.iter().map(|row| row.id).collect());
        }
        let kernel = Kernel::new(&self.filter)?;
        let mut ids = Vec::new();
        for slab in self.snapshot.slabs() {
            let mask = kernel.mask(slab)?;
            each_set(mask.as_ref(), slab.block.len(), |row| ids.extend(slab.block.ids().get(row)));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    pub(crate) fn count(&self) -> Result<u64, Error> {
        if let Some(rows) = self.looked_up() {
            return Ok(rows.len() as u64);
        }
        let kernel = Kernel::new(&self.filter)?;
        let mut count = 0;
        for slab in self.snapshot.slabs() {
            count += kernel.mask(slab)?.map_or(slab.block.len(), |mask| mask.count_set_bits()) as u64;
        }
        Ok(count)
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
        let kernel = Kernel::new(&self.filter)?;
        let hits = if by_id {
            self.page_by_id(&kernel, descending, need)?
        } else {
            self.top(&kernel, order, descending, need)?
        };
        Ok(Page::Hits(hits))
    }

    fn page_by_id(&self, kernel: &Kernel, descending: bool, need: usize) -> Result<Vec<Hit>, Error> {
        let main = self.snapshot.main();
        let mut hits = Vec::new();
        for (at, slab) in self.snapshot.side().enumerate() {
            kernel.hits(slab, main.len() + at, &mut hits)?;
        }
        // The main run ascends by id, so its first `need` hits are enough.
        let enough = hits.len() + need;
        let ordered: Box<dyn Iterator<Item = (usize, &Slab)>> = if descending {
            Box::new(main.iter().enumerate().rev())
        } else {
            Box::new(main.iter().enumerate())
        };
        for (at, slab) in ordered {
            if hits.len() >= enough {
                break;
            }
            kernel.hits(slab, at, &mut hits)?;
        }
        hits.sort_unstable();
        if descending {
            hits.reverse();
        }
        hits.truncate(need);
        Ok(hits)
    }

    fn top(&self, kernel: &Kernel, order: &Field, descending: bool, need: usize) -> Result<Vec<Hit>, Error> {
        let slabs: Vec<&Slab> = self.snapshot.slabs().collect();
        let readers: Vec<Reader<'_>> =
            slabs.iter().map(|slab| slab.block.reader(order.column, order.kind)).collect();
        macro_rules! top {
            ($order:expr, $values:pat, $row:ident => $key:expr) => {{
                let mut top = Top::new(need, descending, $order);
                for (at, (slab, reader)) in slabs.iter().zip(&readers).enumerate() {
                    let mask = kernel.mask(slab)?;
                    each_set(mask.as_ref(), slab.block.len(), |$row| {
                        let key = match *reader {
                            $values if !reader.is_null($row) => $key,
                            _ => None,
                        };
                        top.push(key, hit(slab, at, $row));
                    });
                }
                Ok(top.finish())
            }};
        }
        match order.kind {
            Kind::Number => top!(f64::total_cmp, Reader::Number(array), row => Some(array.value(row))),
            Kind::DateTime => top!(i64::cmp, Reader::Moment(array, _), row => Some(array.value(row))),
            Kind::Bool => top!(bool::cmp, Reader::Bool(array), row => Some(array.value(row))),
            Kind::Text => top!(<&str>::cmp, Reader::Text(array), row => Some(array.value(row))),
            Kind::Json => {
                top!(String::cmp, Reader::Json(array), row => sort_text(array.value(row), &order.path))
            }
        }
    }

    /// Rows named by `id` or key value, filtered, ascending; `None` when the filter names none.
    fn looked_up(&self) -> Option<Vec<Arc<StoredRow>>> {
        let mut ids = self.named_ids(&self.filter)?;
        ids.sort_unstable();
        ids.dedup();
        let rows = ids.into_iter().filter_map(|id| self.snapshot.get(id).map(|(_, row)| row));
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

fn each_set(mask: Option<&BooleanBuffer>, len: usize, mut each: impl FnMut(usize)) {
    match mask {
        None => (0..len).for_each(each),
        Some(mask) => mask.set_indices().for_each(&mut each),
    }
}

/// The conjuncts of a filter, ready to run on blocks.
pub(crate) struct Kernel {
    slots: Vec<Slot>,
    schema: SchemaRef,
    conjuncts: Vec<(Arc<dyn PhysicalExpr>, bool)>,
}

impl Kernel {
    pub(crate) fn new(filter: &Filter) -> Result<Self, Error> {
        let mut slots = BTreeSet::new();
        let parts = conjuncts(filter, &mut slots);
        let schema = schema_of(&slots);
        let names = DFSchema::from_unqualified_fields(schema.fields().clone(), HashMap::new())?;
        let (props, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let conjuncts = parts
            .iter()
            .map(|(part, slow)| Ok((create_physical_expr(part, &names, &props, &context)?, *slow)))
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Self { slots: slots.into_iter().collect(), schema, conjuncts })
    }

    /// The matching live rows of a block; `None` = all.
    pub(crate) fn mask(&self, slab: &Slab) -> Result<Option<BooleanBuffer>, Error> {
        let mut mask = slab.alive();
        if self.conjuncts.is_empty() {
            return Ok(mask);
        }
        let batch = batch_of(&slab.block, &self.slots, &self.schema)?;
        for (conjunct, slow) in &self.conjuncts {
            let hits = match &mask {
                Some(mask) if mask.count_set_bits() == 0 => break,
                // Row-by-row tests cost more than copying the rows that are left.
                Some(mask) if *slow => {
                    let chosen = BooleanArray::new(mask.clone(), None);
                    let left = filter_record_batch(&batch, &chosen)?;
                    scatter(mask, &evaluate(conjunct, &left)?)
                }
                _ => evaluate(conjunct, &batch)?,
            };
            mask = Some(mask.map_or_else(|| hits.clone(), |mask| &mask & &hits));
        }
        Ok(mask)
    }

    fn hits(&self, slab: &Slab, at: usize, hits: &mut Vec<Hit>) -> Result<(), Error> {
        let mask = self.mask(slab)?;
        each_set(mask.as_ref(), slab.block.len(), |row| hits.push(hit(slab, at, row)));
        Ok(())
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

fn evaluate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanBuffer, Error> {
    let array = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    let hits = array.as_boolean_opt().ok_or_else(|| Error::Internal("a condition is not boolean".into()))?;
    // Null is no hit.
    Ok(match hits.nulls() {
        Some(valid) => hits.values() & valid.inner(),
        None => hits.values().clone(),
    })
}

/// Spreads answers for the chosen rows over all rows.
fn scatter(chosen: &BooleanBuffer, answers: &BooleanBuffer) -> BooleanBuffer {
    let mut spread = BooleanBufferBuilder::new(chosen.len());
    spread.append_n(chosen.len(), false);
    for (at, row) in chosen.set_indices().enumerate() {
        if answers.value(at) {
            spread.set_bit(row, true);
        }
    }
    spread.finish()
}
