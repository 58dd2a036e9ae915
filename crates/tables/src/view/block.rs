//! An immutable run of rows as Arrow columns, ascending by id.
//!
//! A column a block lacks is null in all its rows. Invariant: all columns have as many values as
//! there are ids; at most [`Block::MAX_ROWS`].

use super::column::{Column, Values, Words};
use super::gather::gather;
use crate::compute::Rules;
use crate::filter::Slot;
use crate::record::{Cell, Computed, KeyValue, StoredRow, json_value, number_value};
use crate::schema::{ColumnId, Kind};
use arc_swap::ArcSwapOption;
use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, Float64Array, Float64Builder, StringViewArray,
    StringViewBuilder, TimestampMillisecondArray, TimestampMillisecondBuilder, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use quarry_store::Seq;
use quarry_types::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows whose values are read together: enough to wait for memory many at a time, few enough to
/// stay in a core's cache.
const ROWS_AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct Block {
    ids: Vec<u32>,
    /// The commit that wrote each row.
    seqs: Vec<Seq>,
    /// The length of each row's record; 0 = not known.
    lens: Vec<u32>,
    columns: BTreeMap<Slot, Column>,
    /// States of computed columns per row; `None` = no row has any.
    computed: Option<Vec<States>>,
    /// Rows with computed values waiting, by the rules of that mark.
    waiting: ArcSwapOption<(u64, BooleanBuffer)>,
    heap_bytes: usize,
}

/// The computed states of one row, ascending by column.
type States = Arc<[(ColumnId, Computed)]>;

impl Block {
    pub(crate) const MAX_ROWS: usize = 8_192;

    /// A block of rows, ascending by id.
    pub(crate) fn from_rows(rows: &[(Seq, Arc<StoredRow>)]) -> Self {
        let mut columns: BTreeMap<ColumnId, Kind> = BTreeMap::new();
        for (_, row) in rows {
            for (column, cell) in &row.cells {
                columns.entry(*column).or_insert_with(|| cell.kind());
            }
        }
        let mut slots = BTreeMap::new();
        let mut cursors = vec![0_usize; rows.len()];
        for (column, kind) in columns {
            let mut builder = ColumnBuilder::new(kind, rows.len());
            for ((_, row), cursor) in rows.iter().zip(&mut cursors) {
                match row.cells.get(*cursor) {
                    Some((id, cell)) if *id == column => {
                        builder.push(Some(cell));
                        *cursor += 1;
                    }
                    _ => builder.push(None),
                }
            }
            builder.finish(column, &mut slots);
        }
        let ids: Vec<u32> = rows.iter().map(|(_, row)| row.id).collect();
        let written = rows.iter().map(|(seq, row)| (*seq, row.stored_len)).unzip();
        let numbers: Float64Array = ids.iter().map(|id| f64::from(*id)).collect::<Vec<_>>().into();
        let moments = |of: fn(&StoredRow) -> Timestamp| -> ArrayRef {
            let moments: Vec<i64> = rows.iter().map(|(_, row)| of(row).as_ms()).collect();
            Arc::new(TimestampMillisecondArray::from(moments))
        };
        slots.insert(Slot::values(ColumnId::ID, Kind::Number), Arc::new(numbers) as ArrayRef);
        slots.insert(Slot::values(ColumnId::CREATED_AT, Kind::DateTime), moments(|row| row.created_at));
        slots.insert(Slot::values(ColumnId::UPDATED_AT, Kind::DateTime), moments(|row| row.updated_at));
        let any_computed = rows.iter().any(|(_, row)| !row.computed.is_empty());
        let computed =
            any_computed.then(|| rows.iter().map(|(_, row)| row.computed.as_slice().into()).collect());
        let column = |(slot, array)| Some((slot, Column::new(slot, &array)?));
        Self::new(ids, written, slots.into_iter().filter_map(column).collect(), computed)
    }

    fn new(
        ids: Vec<u32>,
        (seqs, lens): (Vec<Seq>, Vec<u32>),
        columns: BTreeMap<Slot, Column>,
        computed: Option<Vec<States>>,
    ) -> Self {
        let arrays: usize = columns.values().map(Column::heap_bytes).sum();
        let states: usize =
            computed.iter().flatten().map(|states| size_of::<States>() + size_of_val(states.as_ref())).sum();
        let heap_bytes = arrays + states + ids.len() * (2 * size_of::<u32>() + size_of::<Seq>());
        Self { ids, seqs, lens, columns, computed, waiting: ArcSwapOption::empty(), heap_bytes }
    }

    /// Rows with computed values waiting, dead ones included; found once per set of rules.
    pub(crate) fn waiting(&self, rules: &Rules) -> BooleanBuffer {
        if let Some(known) = self.waiting.load().as_ref().filter(|known| known.0 == rules.mark) {
            return known.1.clone();
        }
        let waiting = BooleanBuffer::collect_bool(self.len(), |row| rules.waits(self.computed(row)));
        self.waiting.store(Some(Arc::new((rules.mark, waiting.clone()))));
        waiting
    }

    /// The computed states of a row, ascending by column.
    pub(crate) fn computed(&self, row: usize) -> &[(ColumnId, Computed)] {
        self.computed.as_ref().and_then(|states| states.get(row)).map_or(&[], AsRef::as_ref)
    }

    /// A block of chosen rows (block, row) of several, which must ascend by id.
    pub(crate) fn gather(blocks: &[&Self], rows: &[(usize, usize)]) -> Self {
        // Only the blocks that give rows, numbered anew.
        let mut places: Vec<usize> = rows.iter().map(|(block, _)| *block).collect();
        places.sort_unstable();
        places.dedup();
        let blocks: Vec<&Self> = places.iter().filter_map(|place| blocks.get(*place).copied()).collect();
        let place = |block: usize| places.binary_search(&block).unwrap_or(0);
        let rows: Vec<(usize, usize)> = rows.iter().map(|(block, row)| (place(*block), *row)).collect();
        let names: BTreeSet<Slot> = blocks.iter().flat_map(|block| block.columns.keys().copied()).collect();
        let mut columns = BTreeMap::new();
        for slot in names {
            let sources: Vec<Option<&Column>> = blocks.iter().map(|block| block.column(slot)).collect();
            if let Some(column) = gather(slot, &sources, &rows) {
                columns.insert(slot, column);
            }
        }
        let ids = rows.iter().filter_map(|(block, row)| Some(*blocks.get(*block)?.ids.get(*row)?)).collect();
        let written = rows.iter().filter_map(|(block, row)| {
            let block = blocks.get(*block)?;
            Some((*block.seqs.get(*row)?, *block.lens.get(*row)?))
        });
        let written = written.unzip();
        let computed = blocks.iter().any(|block| block.computed.is_some()).then(|| {
            let states = |(block, row): &(usize, usize)| {
                blocks.get(*block).map_or(&[][..], |block| block.computed(*row)).into()
            };
            rows.iter().map(states).collect()
        });
        Self::new(ids, written, columns, computed)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub(crate) fn first_id(&self) -> u32 {
        self.ids.first().copied().unwrap_or(0)
    }

    pub(crate) fn last_id(&self) -> u32 {
        self.ids.last().copied().unwrap_or(0)
    }

    pub(crate) fn seq(&self, row: usize) -> Seq {
        self.seqs.get(row).copied().unwrap_or(0)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// One Arrow column; all null when the block has no such column.
    pub(crate) fn slot(&self, slot: Slot) -> ArrayRef {
        match self.columns.get(&slot) {
            Some(column) => column.array(),
            None => new_null_array(&slot.data_type(), self.len()),
        }
    }

    /// One column as it is kept; `None` when all its rows are null.
    pub(crate) fn column(&self, slot: Slot) -> Option<&Column> {
        self.columns.get(&slot)
    }

    pub(crate) fn reader(&self, column: ColumnId, kind: Kind) -> Reader<'_> {
        let stored = self.columns.get(&Slot::values(column, kind));
        stored.map_or(Reader::Null, |stored| self.open(column, kind, stored))
    }

    fn open<'b>(&'b self, column: ColumnId, kind: Kind, stored: &'b Column) -> Reader<'b> {
        match (&stored.values, kind) {
            (Values::Number(array), _) => Reader::Number(array),
            (Values::Bool(array), _) => Reader::Bool(array),
            (Values::Text(array), Kind::Json) => Reader::Json(array),
            (Values::Text(array), _) => Reader::Text(array),
            (Values::Words(words), Kind::Json) => Reader::JsonWords(words),
            (Values::Words(words), _) => Reader::Words(words),
            (Values::Moment(moments), _) => {
                Reader::Moment(moments, self.columns.get(&Slot::Original(column)))
            }
        }
    }

    /// A row as it was stored.
    pub(crate) fn row(&self, row: usize) -> StoredRow {
        let mut stored = self.bare(row);
        self.fill(std::slice::from_mut(&mut stored), &[row]);
        stored
    }

    /// Rows as they were stored, in the order asked for.
    pub(crate) fn rows(&self, rows: &[usize]) -> Vec<StoredRow> {
        let mut stored: Vec<StoredRow> = rows.iter().map(|row| self.bare(*row)).collect();
        for (stored, rows) in stored.chunks_mut(ROWS_AT_ONCE).zip(rows.chunks(ROWS_AT_ONCE)) {
            self.fill(stored, rows);
        }
        stored
    }

    /// A row but for its values.
    fn bare(&self, row: usize) -> StoredRow {
        let id = self.ids.get(row).copied().unwrap_or(0);
        let mut stored = StoredRow::new(id, Timestamp::default(), Timestamp::default());
        stored.computed = self.computed(row).to_vec();
        stored.stored_len = self.lens.get(row).copied().unwrap_or(0);
        stored.cells.reserve(self.columns.len());
        stored
    }

    /// Puts the values of rows in, column by column: row by row, each value would wait for memory alone.
    fn fill(&self, stored: &mut [StoredRow], rows: &[usize]) {
        for (slot, array) in &self.columns {
            let Slot::Values(column, kind) = slot else { continue };
            let reader = self.open(*column, *kind, array);
            for (stored, row) in stored.iter_mut().zip(rows) {
                match (*column, reader.cell(*row)) {
                    (ColumnId::CREATED_AT, Some(Cell::Moment(moment, _))) => stored.created_at = moment,
                    (ColumnId::UPDATED_AT, Some(Cell::Moment(moment, _))) => stored.updated_at = moment,
                    (ColumnId::ID | ColumnId::CREATED_AT | ColumnId::UPDATED_AT, _) | (_, None) => {}
                    (column, Some(cell)) => stored.cells.push((column, cell)),
                }
            }
        }
    }

    /// The value that decides equality in a unique index.
    pub(crate) fn key_value(&self, column: ColumnId, row: usize) -> Option<KeyValue> {
        let kinds = [Kind::Text, Kind::Number, Kind::Bool, Kind::DateTime];
        kinds.iter().find_map(|kind| self.reader(column, *kind).cell(row)?.key_value())
    }
}

/// One column of a block with its type known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader<'b> {
    Null,
    Number(&'b Float64Array),
    Bool(&'b BooleanArray),
    Text(&'b StringViewArray),
    Words(&'b Words),
    Json(&'b StringViewArray),
    JsonWords(&'b Words),
    /// With the column of the texts that are not canonical, if there are any.
    Moment(&'b TimestampMillisecondArray, Option<&'b Column>),
}

impl<'b> Reader<'b> {
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Number(array) => array.is_null(row),
            Self::Bool(array) => array.is_null(row),
            Self::Text(array) | Self::Json(array) => array.is_null(row),
            Self::Words(words) | Self::JsonWords(words) => words.is_null(row),
            Self::Moment(array, _) => array.is_null(row),
        }
    }

    fn original(texts: Option<&'b Column>, row: usize) -> Option<&'b str> {
        texts.and_then(|texts| texts.text(row))
    }

    pub(crate) fn cell(&self, row: usize) -> Option<Cell> {
        if self.is_null(row) {
            return None;
        }
        Some(match self {
            Self::Null => return None,
            Self::Number(array) => Cell::Number(array.value(row)),
            Self::Bool(array) => Cell::Bool(array.value(row)),
            Self::Text(array) => Cell::Text(array.value(row).into()),
            Self::Words(words) => Cell::Text(words.value(row).into()),
            Self::Json(array) => Cell::Json(array.value(row).into()),
            Self::JsonWords(words) => Cell::Json(words.value(row).into()),
            Self::Moment(array, texts) => {
                Cell::Moment(Timestamp(array.value(row)), Self::original(*texts, row).map(Into::into))
            }
        })
    }

    /// The wire form.
    pub(crate) fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match self {
            Self::Null => Value::Null,
            Self::Number(array) => number_value(array.value(row)),
            Self::Bool(array) => Value::Bool(array.value(row)),
            Self::Text(array) => Value::String(array.value(row).to_owned()),
            Self::Words(words) => Value::String(words.value(row).to_owned()),
            Self::Json(array) => json_value(array.value(row)),
            Self::JsonWords(words) => json_value(words.value(row)),
            Self::Moment(array, texts) => Value::String(match Self::original(*texts, row) {
                Some(text) => text.to_owned(),
                None => Timestamp(array.value(row)).to_string(),
            }),
        }
    }

    /// The text of a set string or JSON value.
    pub(crate) fn text(&self, row: usize) -> Option<&'b str> {
        match self {
            Self::Text(array) | Self::Json(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Words(words) | Self::JsonWords(words) => (!words.is_null(row)).then(|| words.value(row)),
            Self::Null | Self::Number(_) | Self::Bool(_) | Self::Moment(..) => None,
        }
    }
}

enum ColumnBuilder {
    Number(Float64Builder),
    Bool(BooleanBuilder),
    Text(StringViewBuilder),
    Json(StringViewBuilder),
    Moment { moments: TimestampMillisecondBuilder, texts: StringViewBuilder, any_text: bool },
}

impl ColumnBuilder {
    fn new(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Number => Self::Number(Float64Builder::with_capacity(rows)),
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Kind::Text => Self::Text(StringViewBuilder::with_capacity(rows)),
            Kind::Json => Self::Json(StringViewBuilder::with_capacity(rows)),
            Kind::DateTime => Self::Moment {
                moments: TimestampMillisecondBuilder::with_capacity(rows),
                texts: StringViewBuilder::with_capacity(rows),
                any_text: false,
            },
        }
    }

    fn push(&mut self, cell: Option<&Cell>) {
        match (self, cell) {
            (Self::Number(builder), Some(Cell::Number(number))) => builder.append_value(*number),
            (Self::Number(builder), _) => builder.append_null(),
            (Self::Bool(builder), Some(Cell::Bool(flag))) => builder.append_value(*flag),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Text(builder), Some(Cell::Text(text))) | (Self::Json(builder), Some(Cell::Json(text))) => {
                builder.append_value(text);
            }
            (Self::Text(builder) | Self::Json(builder), _) => builder.append_null(),
            (Self::Moment { moments, texts, any_text }, Some(Cell::Moment(moment, text))) => {
                moments.append_value(moment.as_ms());
                texts.append_option(text.as_deref());
                *any_text |= text.is_some();
            }
            (Self::Moment { moments, texts, .. }, _) => {
                moments.append_null();
                texts.append_null();
            }
        }
    }

    fn finish(self, column: ColumnId, slots: &mut BTreeMap<Slot, ArrayRef>) {
        let mut put = |kind, array: ArrayRef| slots.insert(Slot::values(column, kind), array);
        match self {
            Self::Number(mut builder) => put(Kind::Number, Arc::new(builder.finish())),
            Self::Bool(mut builder) => put(Kind::Bool, Arc::new(builder.finish())),
            Self::Text(mut builder) => put(Kind::Text, Arc::new(builder.finish())),
            Self::Json(mut builder) => put(Kind::Json, Arc::new(builder.finish())),
            Self::Moment { mut moments, mut texts, any_text } => {
                put(Kind::DateTime, Arc::new(moments.finish()));
                any_text.then(|| slots.insert(Slot::Original(column), Arc::new(texts.finish()))).flatten()
            }
        };
    }
}
