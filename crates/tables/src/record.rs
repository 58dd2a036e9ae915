//! Names and encodings of this crate's records. Nobody else builds a key.
//!
//! Collection `tables`: `<table id>` metadata, `n/<name>` table id (unique name index).
//! Collection `t/<table id>`: `r/<id, 4 bytes big endian>` row, `k/<column id>/<key value>` row id
//! (unique index of the key column), `b` which imports are public, `d/<job id>` rows deleted at once
//! whose records are still to go. Collection `table_jobs`: `<table id>/<job id>`. A row is: version, created and updated at (8 bytes each,
//! little endian), in version 2 also its batch (varint, 0 = none) and the count and states of its computed
//! columns (column varint, state, rule varint, at 8 bytes, error varint length and bytes), then per set column: id (varint), tag, payload (number and moment 8 bytes; text varint
//! length and bytes; a moment written otherwise than 2024-11-21T09:30:00.000Z is followed by its text). Columns are named by id, so renaming or dropping one touches no row.
//! Collection `tv/<table id>/<model fingerprint>`: `r/<id, 4 bytes big endian>` the vectors of a row's
//! searched text, `n` how many there are in all; `search/vectors.rs` has their encoding.

use crate::Error;
use crate::api::Table;
use crate::schema::{ColumnId, Kind, Schema};
use crate::words::Selector;
use bytes::Bytes;
use compact_str::CompactString;
use quarry_store::{Coll, Key, Seq};
use quarry_types::{TableId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub(crate) use crate::batches::Batches;

/// A row without batch and computed states.
const ROW_PLAIN: u8 = 1;
const ROW_EXTENDED: u8 = 2;
const TAG_FALSE: u8 = 0;
const TAG_TRUE: u8 = 1;
const TAG_NUMBER: u8 = 2;
const TAG_TEXT: u8 = 3;
const TAG_JSON: u8 = 4;
const TAG_MOMENT: u8 = 5;
const TAG_MOMENT_TEXT: u8 = 6;
/// Longer key values are kept by their hash: store keys are at most 1,024 bytes.
const MAX_PLAIN_KEY: usize = 256;

pub(crate) fn tables() -> Coll {
    Coll::new("tables")
}

/// What a bot's owner set: `webhook` the bot's webhook as JSON.
pub(crate) fn settings() -> Coll {
    Coll::new("settings")
}

pub(crate) fn webhook_key() -> Key {
    b"webhook".to_vec()
}

pub(crate) fn rows_of(table: &TableId) -> Coll {
    Coll::new(&format!("t/{table}"))
}

/// The vectors of a table's rows under one model.
pub(crate) fn vectors_of(table: &TableId, fingerprint: &str) -> Coll {
    Coll::new(&format!("tv/{table}/{fingerprint}"))
}

/// What the names of all vector collections of a table, or of all tables, begin with.
pub(crate) fn vectors_prefix(table: Option<&TableId>) -> String {
    table.map_or_else(|| "tv/".to_owned(), |table| format!("tv/{table}/"))
}

/// The key of the count in a vector collection; rows have their row key.
pub(crate) const TALLY_KEY: &[u8] = b"n";

pub(crate) fn meta_key(table: &TableId) -> Key {
    table.as_str().as_bytes().to_vec()
}

pub(crate) fn name_key(name: &str) -> Key {
    format!("n/{name}").into_bytes()
}

pub(crate) fn jobs() -> Coll {
    Coll::new("table_jobs")
}

/// What the keys of a table's jobs begin with; they ascend by age.
pub(crate) fn jobs_of(table: &TableId) -> Key {
    format!("{table}/").into_bytes()
}

pub(crate) fn job_key(table: &TableId, job: &str) -> Key {
    format!("{table}/{job}").into_bytes()
}

/// The record that says which imports of a table are public.
pub(crate) const BATCHES_KEY: &[u8] = b"b";

/// What the keys of removals begin with (see `removal.rs`).
pub(crate) const REMOVALS_PREFIX: &[u8] = b"d/";

/// The record of the rows a job deletes.
pub(crate) fn removal_key(job: &str) -> Key {
    [REMOVALS_PREFIX, job.as_bytes()].concat()
}

pub(crate) const ROW_PREFIX: &[u8] = b"r/";

pub(crate) fn row_key(id: u32) -> Key {
    [ROW_PREFIX, &id.to_be_bytes()].concat()
}

/// The row a key names; `None` for other keys of the collection.
pub(crate) fn parse_row_key(key: &[u8]) -> Option<u32> {
    let id = key.strip_prefix(ROW_PREFIX)?;
    Some(u32::from_be_bytes(id.try_into().ok()?))
}

const INDEX_PREFIX: &str = "k/";

/// Whether a key of the collection is one of the unique index.
pub(crate) fn is_index_key(key: &[u8]) -> bool {
    key.starts_with(INDEX_PREFIX.as_bytes())
}

/// The row an entry of the unique index names.
pub(crate) fn owner(entry: &[u8]) -> Option<u32> {
    entry.try_into().ok().map(u32::from_be_bytes)
}

/// The unique-index key of a value.
pub(crate) fn index_key(column: ColumnId, value: &KeyValue) -> Key {
    let mut key = format!("{INDEX_PREFIX}{}/", column.0).into_bytes();
    key.extend_from_slice(&value.0);
    key
}

/// A value of a key column in the form that decides equality.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyValue(Box<[u8]>);

impl KeyValue {
    pub(crate) fn number(value: f64) -> Self {
        Self([b"n".as_slice(), &(value + 0.0).to_bits().to_be_bytes()].concat().into())
    }

    pub(crate) fn bool(value: bool) -> Self {
        Self([b'b', u8::from(value)].into())
    }

    pub(crate) fn moment(value: Timestamp) -> Self {
        Self([b"d".as_slice(), &value.as_ms().to_be_bytes()].concat().into())
    }

    pub(crate) fn text(value: &str) -> Self {
        if value.len() <= MAX_PLAIN_KEY {
            return Self([b"t", value.as_bytes()].concat().into());
        }
        Self([b"h".as_slice(), &Sha256::digest(value)].concat().into())
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Bool(bool),
    /// Never NaN, never -0.
    Number(f64),
    /// Up to 24 bytes in place: most texts of tables are short, and rows are read and made often.
    Text(CompactString),
    /// JSON text of an object, an array or anything.
    Json(CompactString),
    /// A date-time and, when it was not written canonically, how it was.
    Moment(Timestamp, Option<Box<str>>),
}

impl Cell {
    /// A date-time as a caller wrote it; `None` when it is none.
    pub(crate) fn moment(text: &str) -> Option<Self> {
        let moment = Timestamp::parse(text)?;
        let original = (moment.to_string() != text).then(|| text.into());
        Some(Self::Moment(moment, original))
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::Json(_) => Kind::Json,
            Self::Moment(..) => Kind::DateTime,
        }
    }

    /// What decides equality in a unique index; JSON has none.
    pub(crate) fn key_value(&self) -> Option<KeyValue> {
        Some(match self {
            Self::Bool(flag) => KeyValue::bool(*flag),
            Self::Number(number) => KeyValue::number(*number),
            Self::Text(text) => KeyValue::text(text),
            Self::Moment(moment, _) => KeyValue::moment(*moment),
            Self::Json(_) => return None,
        })
    }

    /// The wire form.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(number) => number_value(*number),
            Self::Text(text) => Value::String(text.as_str().to_owned()),
            Self::Json(text) => json_value(text),
            Self::Moment(_, Some(text)) => Value::String(text.as_ref().to_owned()),
            Self::Moment(moment, None) => Value::String(moment.to_string()),
        }
    }
}

/// Whole numbers print without a fraction while every one of them is exact.
pub(crate) fn number_value(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Value::from(number as i64);
    }
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

pub(crate) fn json_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// How far a computed value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComputeState {
    /// An input or the rule changed since the value was made.
    Stale,
    Done,
    Failed,
}

impl ComputeState {
    fn code(self) -> u8 {
        match self {
            Self::Stale => 0,
            Self::Done => 1,
            Self::Failed => 2,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Stale, Self::Done, Self::Failed].into_iter().find(|state| state.code() == code)
    }
}

/// What is known of one computed value of a row, beside the value itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Computed {
    pub(crate) state: ComputeState,
    /// The version of the column's rule the value was made with.
    pub(crate) rule: u32,
    /// When the state was reached.
    pub(crate) at: Timestamp,
    pub(crate) error: Option<Box<str>>,
}

/// A row as stored: unset columns are absent; cells and computed states ascend by column.
#[derive(Debug, Clone)]
pub(crate) struct StoredRow {
    pub(crate) id: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) cells: Vec<(ColumnId, Cell)>,
    pub(crate) computed: Vec<(ColumnId, Computed)>,
    /// The import that brought the row while it is not yet public; 0 = none.
    pub(crate) batch: u32,
    /// Bytes of the record that holds it in the store; 0 = not known. No part of its value.
    pub(crate) stored_len: u32,
}

impl PartialEq for StoredRow {
    fn eq(&self, other: &Self) -> bool {
        let Self { id, created_at, updated_at, cells, computed, batch, stored_len: _ } = self;
        (*id, *created_at, *updated_at, *batch) == (other.id, other.created_at, other.updated_at, other.batch)
            && *cells == other.cells
            && *computed == other.computed
    }
}

impl StoredRow {
    /// A row without values.
    pub(crate) fn new(id: u32, created_at: Timestamp, updated_at: Timestamp) -> Self {
        Self { id, created_at, updated_at, cells: Vec::new(), computed: Vec::new(), batch: 0, stored_len: 0 }
    }

    pub(crate) fn cell(&self, column: ColumnId) -> Option<&Cell> {
        let at = self.cells.binary_search_by_key(&column, |(id, _)| *id).ok()?;
        self.cells.get(at).map(|(_, cell)| cell)
    }

    pub(crate) fn set(&mut self, column: ColumnId, cell: Option<Cell>) {
        match (self.cells.binary_search_by_key(&column, |(id, _)| *id), cell) {
            (Ok(at), Some(cell)) => self.cells[at].1 = cell,
            (Ok(at), None) => {
                self.cells.remove(at);
            }
            (Err(at), Some(cell)) => self.cells.insert(at, (column, cell)),
            (Err(_), None) => {}
        }
    }

    /// Sets the state of a computed column.
    pub(crate) fn set_computed(&mut self, column: ColumnId, state: Computed) {
        match self.computed.binary_search_by_key(&column, |(id, _)| *id) {
            Ok(at) => self.computed[at].1 = state,
            Err(at) => self.computed.insert(at, (column, state)),
        }
    }

    /// About the bytes its states take, which are ours and not the caller's.
    pub(crate) fn states_bytes(&self) -> usize {
        let one = |(_, state): &(ColumnId, Computed)| 24 + state.error.as_deref().map_or(0, str::len);
        self.computed.iter().map(one).sum()
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.cells.len() * 16);
        self.encode_into(&mut out);
        out.into()
    }

    /// As [`StoredRow::encode`], behind what is there.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let plain = self.computed.is_empty() && self.batch == 0;
        out.push(if plain { ROW_PLAIN } else { ROW_EXTENDED });
        out.extend_from_slice(&self.created_at.as_ms().to_le_bytes());
        out.extend_from_slice(&self.updated_at.as_ms().to_le_bytes());
        if !plain {
            self.encode_extension(out);
        }
        for (column, cell) in &self.cells {
            put_varint(out, u64::from(column.0));
            let text = |out: &mut Vec<u8>, tag: u8, text: &str| {
                out.push(tag);
                put_varint(out, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            };
            match cell {
                Cell::Bool(false) => out.push(TAG_FALSE),
                Cell::Bool(true) => out.push(TAG_TRUE),
                Cell::Number(number) => {
                    out.push(TAG_NUMBER);
                    out.extend_from_slice(&number.to_le_bytes());
                }
                Cell::Text(value) => text(out, TAG_TEXT, value),
                Cell::Json(value) => text(out, TAG_JSON, value),
                Cell::Moment(moment, original) => {
                    out.push(if original.is_some() { TAG_MOMENT_TEXT } else { TAG_MOMENT });
                    out.extend_from_slice(&moment.as_ms().to_le_bytes());
                    if let Some(original) = original {
                        put_varint(out, original.len() as u64);
                        out.extend_from_slice(original.as_bytes());
                    }
                }
            }
        }
    }

    fn encode_extension(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.batch));
        put_varint(out, self.computed.len() as u64);
        for (column, computed) in &self.computed {
            put_varint(out, u64::from(column.0));
            out.push(computed.state.code());
            put_varint(out, u64::from(computed.rule));
            out.extend_from_slice(&computed.at.as_ms().to_le_bytes());
            let error = computed.error.as_deref().unwrap_or_default();
            put_varint(out, error.len() as u64);
            out.extend_from_slice(error.as_bytes());
        }
    }

    fn read_extension(&mut self, rest: &mut &[u8]) -> Option<()> {
        self.batch = u32::try_from(take_varint(rest)?).ok()?;
        for _ in 0..take_varint(rest)? {
            let column = ColumnId(u32::try_from(take_varint(rest)?).ok()?);
            let [state] = take(rest)?;
            let state = ComputeState::of(state)?;
            let rule = u32::try_from(take_varint(rest)?).ok()?;
            let at = Timestamp(i64::from_le_bytes(take(rest)?));
            let error = Some(take_text(rest)?).filter(|error| !error.is_empty()).map(Into::into);
            self.computed.push((column, Computed { state, rule, at, error }));
        }
        Some(())
    }

    /// # Errors
    /// [`Error::Corrupt`] when the bytes are no row.
    pub(crate) fn decode(id: u32, bytes: &[u8]) -> Result<Self, Error> {
        Self::read(id, bytes).ok_or_else(|| Error::Corrupt(format!("row {id} does not decode")))
    }

    fn read(id: u32, bytes: &[u8]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first()?;
        if ![ROW_PLAIN, ROW_EXTENDED].contains(version) {
            return None;
        }
        let created_at = Timestamp(i64::from_le_bytes(take(&mut rest)?));
        let updated_at = Timestamp(i64::from_le_bytes(take(&mut rest)?));
        let mut row = Self::new(id, created_at, updated_at);
        if *version == ROW_EXTENDED {
            row.read_extension(&mut rest)?;
        }
        row.cells.reserve(16);
        while !rest.is_empty() {
            let column = ColumnId(u32::try_from(take_varint(&mut rest)?).ok()?);
            let [tag] = take(&mut rest)?;
            let cell = match tag {
                TAG_FALSE => Cell::Bool(false),
                TAG_TRUE => Cell::Bool(true),
                TAG_NUMBER => Cell::Number(f64::from_le_bytes(take(&mut rest)?)),
                TAG_TEXT => Cell::Text(take_text(&mut rest)?.into()),
                TAG_JSON => Cell::Json(take_text(&mut rest)?.into()),
                TAG_MOMENT => Cell::Moment(Timestamp(i64::from_le_bytes(take(&mut rest)?)), None),
                TAG_MOMENT_TEXT => {
                    let moment = Timestamp(i64::from_le_bytes(take(&mut rest)?));
                    Cell::Moment(moment, Some(take_text(&mut rest)?.into()))
                }
                _ => return None,
            };
            row.cells.push((column, cell));
        }
        row.stored_len = u32::try_from(bytes.len()).unwrap_or(0);
        Some(row)
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take_text<'r>(rest: &mut &'r [u8]) -> Option<&'r str> {
    let len = usize::try_from(take_varint(rest)?).ok()?;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    std::str::from_utf8(head).ok()
}

/// Metadata of a table as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    pub(crate) id: TableId,
    pub(crate) name: String,
    pub(crate) factor: u8,
    pub(crate) frozen: bool,
    pub(crate) key_column: Option<ColumnId>,
    pub(crate) schema: Schema,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) is_compute_enabled: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Queries kept under a name.
    #[serde(default)]
    pub(crate) selectors: BTreeMap<String, Selector>,
}

impl TableRecord {
    pub(crate) fn encode(&self) -> Result<Bytes, Error> {
        let text = serde_json::to_vec(self)
            .map_err(|cause| Error::Internal(format!("table record does not encode: {cause}")))?;
        Ok(text.into())
    }

    /// # Errors
    /// [`Error::Corrupt`] when the bytes are no metadata.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|cause| Error::Corrupt(cause.to_string()))
    }

    pub(crate) fn key_column_name(&self) -> Option<&str> {
        let id = self.key_column?;
        self.schema.columns.iter().find(|column| column.id == id).map(|column| column.name.as_str())
    }

    pub(crate) fn to_table(&self) -> Table {
        Table {
            id: self.id.clone(),
            name: self.name.clone(),
            factor: self.factor,
            frozen: self.frozen,
            key_column: self.key_column_name().map(str::to_owned),
            schema: self.schema.to_wire(),
            tags: self.tags.clone(),
            is_compute_enabled: self.is_compute_enabled,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// Metadata with the version of its record: writers expect that version, so no row validated
/// against an older schema or factor is ever committed.
#[derive(Debug, Clone)]
pub(crate) struct Versioned {
    pub(crate) record: TableRecord,
    pub(crate) seq: Seq,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            any::<bool>().prop_map(Cell::Bool),
            any::<f64>().prop_filter("no NaN", |n| !n.is_nan()).prop_map(Cell::Number),
            any::<String>().prop_map(|text| Cell::Text(text.into())),
            any::<String>().prop_map(|text| Cell::Json(text.into())),
            (any::<i64>(), any::<Option<String>>())
                .prop_map(|(ms, text)| Cell::Moment(Timestamp(ms), text.map(Into::into))),
        ]
    }

    fn computed() -> impl Strategy<Value = Computed> {
        (0..3_u8, any::<u32>(), any::<i64>(), any::<Option<String>>()).prop_map(|(state, rule, at, error)| {
            let error = error.filter(|error| !error.is_empty()).map(Into::into);
            Computed { state: ComputeState::of(state).unwrap(), rule, at: Timestamp(at), error }
        })
    }

    proptest! {
        #[test]
        fn rows_decode_to_what_was_encoded(
            id: u32, created: i64, updated: i64,
            cells in proptest::collection::btree_map(any::<u32>(), cell(), 0..20),
            computed in proptest::collection::btree_map(any::<u32>(), computed(), 0..3),
            batch in prop_oneof![Just(0), any::<u32>()],
        ) {
            let mut row = StoredRow::new(id, Timestamp(created), Timestamp(updated));
            row.cells = cells.into_iter().map(|(column, cell)| (ColumnId(column), cell)).collect();
            row.computed = computed.into_iter().map(|(column, state)| (ColumnId(column), state)).collect();
            row.batch = batch;
            let bytes = row.encode();
            let decoded = StoredRow::decode(id, &bytes).unwrap();
            prop_assert_eq!(decoded.stored_len as usize, bytes.len());
            prop_assert_eq!(decoded, row);
        }

        #[test]
        fn damaged_rows_are_errors_not_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = StoredRow::decode(1, &bytes);
        }
    }

    #[test]
    fn row_keys_order_by_id() {
        assert!(row_key(255) < row_key(256) && row_key(1) < row_key(u32::MAX));
        assert_eq!(parse_row_key(&row_key(70_000)), Some(70_000));
        assert_eq!(parse_row_key(b"k/16/tx"), None);
    }
}
