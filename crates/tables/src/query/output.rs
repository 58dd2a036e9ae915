//! Hits to rows: chosen columns, nested selections, wire form.

use super::order::pick;
use super::pool;
use super::scan::{Hit, Page, Places};
use crate::Error;
use crate::answer_rows::AnswerRows;
use crate::api::Row;
use crate::catalog::Entry;
use crate::compute::Watched;
use crate::filter::resolve;
use crate::record::{Cell, StoredRow, json_value, number_value};
use crate::schema::{ColumnId, Kind};
use crate::view::{Block, Reader, Snapshot};
use quarry_types::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use std::sync::Arc;

const MAX_SELECTED: usize = 200;
/// What a value of an answer costs, in units of one plain comparison.
const VALUE_COST: usize = 25;

/// Which columns an answer shows.
#[derive(Debug)]
pub(crate) struct Output {
    columns: Vec<Shown>,
    /// Always shown whole: what a row's values stand for.
    watched: Vec<Watched>,
    /// The columns to read, ascending by id.
    read: Vec<(ColumnId, Kind)>,
    /// Whether all columns are shown whole and as they are stored.
    is_plain: bool,
    /// A row with every name in place and no values: copying it is cheaper than naming values one
    /// by one.
    blank: Row,
}

#[derive(Debug)]
struct Shown {
    name: String,
    column: ColumnId,
    kind: Kind,
    /// Places inside the column; empty = all of it.
    paths: Vec<Vec<String>>,
}

impl Output {
    /// # Errors
    /// [`Error::InvalidQuery`] when a selected column does not exist.
    pub(crate) fn new(entry: &Entry, select: Option<&[String]>) -> Result<Arc<Self>, Error> {
        let Some(select) = select else { return Ok(Arc::clone(entry.output())) };
        if select.len() > MAX_SELECTED {
            return Err(Error::InvalidQuery(format!(
                "select has {} entries, the limit is {MAX_SELECTED}",
                select.len()
            )));
        }
        let mut wanted: Vec<(ColumnId, Vec<Vec<String>>)> = Vec::new();
        for (at, name) in select.iter().enumerate() {
            if matches!(name.as_str(), "computed" | "stale" | "similarity") {
                continue;
            }
            let field = resolve(name, &entry.record().schema, &format!("select[{at}]"))?;
            match wanted.iter_mut().find(|(column, _)| *column == field.column) {
                // The whole column covers every place in it.
                Some((_, paths)) if paths.is_empty() || field.path.is_empty() => paths.clear(),
                Some((_, paths)) => paths.push(field.path),
                None => {
                    let paths = if field.path.is_empty() { Vec::new() } else { vec![field.path] };
                    wanted.push((field.column, paths));
                }
            }
        }
        let columns = shown(entry).filter_map(|mut shown| {
            let (_, paths) = wanted.iter().find(|(column, _)| *column == shown.column)?;
            shown.paths.clone_from(paths);
            Some(shown)
        });
        Ok(Arc::new(Self::of(columns.collect(), Watched::of(entry.columns()))))
    }

    /// All columns; [`Entry::output`] keeps it.
    pub(crate) fn whole(entry: &Entry) -> Self {
        Self::of(shown(entry).collect(), Watched::of(entry.columns()))
    }

    fn of(columns: Vec<Shown>, watched: Vec<Watched>) -> Self {
        let mut blank = Map::with_capacity(columns.len() + 4);
        for name in ["id", "createdAt", "updatedAt", "computed"] {
            blank.insert(name.into(), Value::Null);
        }
        for shown in &columns {
            blank.insert(shown.name.clone(), Value::Null);
        }
        let mut read: Vec<(ColumnId, Kind)> =
            columns.iter().map(|shown| (shown.column, shown.kind)).collect();
        read.sort_unstable_by_key(|(column, _)| *column);
        let is_plain = watched.is_empty() && columns.iter().all(|shown| shown.paths.is_empty());
        Self { columns, watched, read, is_plain, blank }
    }

    /// The rows of a page from `offset`.
    pub(crate) fn rows(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        page: &Page,
        offset: usize,
        limit: usize,
    ) -> AnswerRows {
        let rows = match page {
            Page::Rows(rows) => rows.iter().skip(offset).take(limit).map(Arc::clone).collect(),
            Page::Hits(hits) => {
                let places = Places::new(snapshot);
                let end = offset.saturating_add(limit).min(hits.len());
                let hits = hits.get(offset..end).unwrap_or_default();
                let cost = hits.len() * (self.read.len() + 2) * VALUE_COST;
                let shares: Vec<&[Hit]> =
                    hits.chunks(hits.len().div_ceil(pool::shares(cost)).max(1)).collect();
                let rows = pool::map(cost, &shares, |hits| {
                    let mut readers: Vec<(*const Block, Vec<Reader<'_>>)> = Vec::new();
                    let read = |hit: &Hit| self.hit(&places, *hit, &mut readers).map(Arc::new);
                    hits.iter().filter_map(read).collect::<Vec<Arc<StoredRow>>>()
                });
                rows.into_iter().flatten().collect()
            }
        };
        let rows = AnswerRows::new(Arc::clone(self), rows);
        // Reading JSON takes a while: that is done here, where it blocks nobody.
        let is_dear = !self.is_plain || self.columns.iter().any(|shown| shown.kind == Kind::Json);
        if is_dear { rows.made_now() } else { rows }
    }

    /// What this output shows of a row.
    fn hit<'s>(
        &self,
        places: &Places<'s>,
        hit: Hit,
        readers: &mut Vec<(*const Block, Vec<Reader<'s>>)>,
    ) -> Option<StoredRow> {
        let (block, row) = places.block(hit)?;
        let address: *const Block = block;
        let known = readers.iter().position(|(known, _)| *known == address);
        let at = known.unwrap_or_else(|| {
            let moments = [ColumnId::CREATED_AT, ColumnId::UPDATED_AT];
            let mut opened: Vec<Reader<'s>> =
                moments.iter().map(|column| block.reader(*column, Kind::DateTime)).collect();
            opened.extend(self.read.iter().map(|(column, kind)| block.reader(*column, *kind)));
            readers.push((address, opened));
            readers.len() - 1
        });
        let (_, opened) = readers.get(at)?;
        let (moments, columns) = opened.split_at_checked(2)?;
        let moment = |at: usize| match moments.get(at).and_then(|reader| reader.cell(row)) {
            Some(Cell::Moment(moment, _)) => moment,
            _ => Timestamp::default(),
        };
        let mut stored = StoredRow::new(hit.id, moment(0), moment(1));
        stored.cells.reserve_exact(columns.len());
        let cells = self.read.iter().zip(columns);
        stored.cells.extend(cells.filter_map(|((column, _), reader)| Some((*column, reader.cell(row)?))));
        if !self.watched.is_empty() {
            stored.computed = block.computed(row).to_vec();
        }
        Some(stored)
    }

    /// A row in wire form.
    pub(crate) fn stored(&self, row: &StoredRow) -> Row {
        let moment = |moment: Timestamp| Value::String(moment.to_string());
        let mut wire = self.blank.clone();
        let empty = Value::Object(Map::new());
        let system = [row.id.into(), moment(row.created_at), moment(row.updated_at), empty];
        let columns = self.columns.iter().map(|shown| {
            let value = row.cell(shown.column).map_or(Value::Null, |cell| cell.to_value());
            if shown.paths.is_empty() { value } else { nested(&value, &shown.paths) }
        });
        for (place, value) in wire.values_mut().zip(system.into_iter().chain(columns)) {
            *place = value;
        }
        if !self.watched.is_empty() {
            Watched::insert(&mut wire, &self.watched, &row.computed);
        }
        wire
    }

    /// A row to be written as text: the text of what [`Output::stored`] makes.
    pub(crate) fn wire<'o>(&'o self, row: &'o StoredRow) -> impl Serialize + 'o {
        WireRow { output: self, row }
    }
}

struct WireRow<'o> {
    output: &'o Output,
    row: &'o StoredRow,
}

impl Serialize for WireRow<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { output, row } = self;
        if !output.is_plain {
            return output.stored(row).serialize(to);
        }
        let mut map = to.serialize_map(Some(output.blank.len()))?;
        map.serialize_entry("id", &row.id)?;
        map.serialize_entry("createdAt", &Text(row.created_at))?;
        map.serialize_entry("updatedAt", &Text(row.updated_at))?;
        map.serialize_entry("computed", &Map::new())?;
        for shown in &output.columns {
            map.serialize_entry(&shown.name, &WireCell(row.cell(shown.column)))?;
        }
        map.end()
    }
}

struct Text(Timestamp);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A value of a row; unset ones are null.
struct WireCell<'o>(Option<&'o Cell>);

impl Serialize for WireCell<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => to.serialize_unit(),
            Some(Cell::Bool(flag)) => to.serialize_bool(*flag),
            Some(Cell::Number(number)) => number_value(*number).serialize(to),
            Some(Cell::Text(text)) => to.serialize_str(text),
            Some(Cell::Moment(_, Some(text))) => to.serialize_str(text),
            Some(Cell::Moment(moment, None)) => to.collect_str(moment),
            Some(Cell::Json(text)) => json_value(text).serialize(to),
        }
    }
}

/// All columns, each as a whole.
fn shown(entry: &Entry) -> impl Iterator<Item = Shown> {
    entry.columns().iter().map(|column| Shown {
        name: column.name.clone(),
        column: column.id,
        kind: column.kind(),
        paths: Vec::new(),
    })
}

/// An object with only some places of a value; missing places are null.
fn nested(value: &Value, paths: &[Vec<String>]) -> Value {
    let mut out = Map::new();
    for path in paths {
        let found = pick(value, path).cloned().unwrap_or(Value::Null);
        put(&mut out, path, found);
    }
    Value::Object(out)
}

fn put(out: &mut Map<String, Value>, path: &[String], found: Value) {
    match path {
        [] => {}
        [last] => {
            out.insert(last.clone(), found);
        }
        [first, rest @ ..] => {
            let inner = out.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, found);
            }
        }
    }
}
