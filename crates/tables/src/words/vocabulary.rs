//! The vocabulary of a table: its columns and the values its rows hold, gathered from the view.
//!
//! Compilers are kept for the tables asked about last. Invariant: a kept compiler is used only for the
//! schema it was made from, and for small tables only for exactly the rows it was made from.

use crate::Error;
use crate::catalog::Entry;
use crate::schema::{Column, Kind, WireType};
use crate::tables::Tables;
use crate::view::{Reader, Snapshot};
use arrow::array::Array;
use parking_lot::Mutex;
use quarry_store::Seq;
use quarry_types::{Scope, TableId};
use quarry_words::{Collector, Compiler, Vocabulary};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tables whose compiler is kept; one takes up to about 20 MB (20 columns of 2,000 values).
const MAX_KEPT: usize = 16;
/// Rows looked at for strings and numbers, and for JSON; larger tables are sampled evenly.
const MAX_ROWS: usize = 200_000;
const MAX_JSON_ROWS: usize = 5_000;
/// A table over this many rows is looked at again only after a while, however often it changes.
const LARGE_ROWS: usize = 20_000;
const LARGE_AGE: Duration = Duration::from_secs(15);

struct Kept {
    scope: Scope,
    table: TableId,
    schema: Seq,
    rows: Seq,
    is_large: bool,
    made: Instant,
    compiler: Arc<Compiler>,
}

/// The compilers of the tables asked about last, latest last.
#[derive(Default)]
pub(crate) struct Compilers {
    kept: Mutex<Vec<Kept>>,
}

impl Compilers {
    fn get(&self, scope: &Scope, entry: &Entry, rows: Seq) -> Option<Arc<Compiler>> {
        let mut kept = self.kept.lock();
        let at = kept.iter().position(|one| one.scope == *scope && one.table == entry.record().id)?;
        let found = kept.remove(at);
        let fresh = found.rows == rows || (found.is_large && found.made.elapsed() < LARGE_AGE);
        if found.schema != entry.meta.seq || !fresh {
            return None;
        }
        let compiler = Arc::clone(&found.compiler);
        kept.push(found);
        Some(compiler)
    }

    /// Drops what is kept of a bot.
    pub(crate) fn forget(&self, scope: &Scope) {
        self.kept.lock().retain(|one| one.scope != *scope);
    }

    fn keep(&self, one: Kept) {
        let mut kept = self.kept.lock();
        kept.retain(|other| other.scope != one.scope || other.table != one.table);
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        kept.push(one);
    }
}

impl Tables {
    /// The compiler of a table as its rows are now.
    pub(super) async fn compiler(&self, scope: &Scope, entry: &Arc<Entry>) -> Result<Arc<Compiler>, Error> {
        let view = self.catalog.view(scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        if let Some(compiler) = self.compilers.get(scope, entry, snapshot.seq) {
            return Ok(compiler);
        }
        let (rows, seq, made) = (snapshot.rows, snapshot.seq, Instant::now());
        let of = Arc::clone(entry);
        let build = move || Ok(Arc::new(Compiler::new(&vocabulary(&of, &snapshot))));
        let compiler = self.run(rows, build).await?;
        self.compilers.keep(Kept {
            scope: scope.clone(),
            table: entry.record().id.clone(),
            schema: entry.meta.seq,
            rows: seq,
            is_large: rows > LARGE_ROWS,
            made,
            compiler: Arc::clone(&compiler),
        });
        Ok(compiler)
    }
}

fn vocabulary(entry: &Entry, snapshot: &Snapshot) -> Vocabulary {
    let columns = entry.columns().iter().flat_map(|column| gather(column, snapshot).finish()).collect();
    Vocabulary { table: entry.record().name.clone(), columns }
}

fn gather(column: &Column, snapshot: &Snapshot) -> Collector {
    let kind = match column.kind() {
        Kind::Number => quarry_words::Kind::Number,
        Kind::Text => quarry_words::Kind::Text,
        Kind::Bool => quarry_words::Kind::Bool,
        Kind::DateTime => quarry_words::Kind::DateTime,
        Kind::Json if column.wire_type == WireType::Array => quarry_words::Kind::List,
        Kind::Json => quarry_words::Kind::Object,
    };
    let description = column.keywords.get("description").and_then(Value::as_str);
    let mut collector = Collector::new(&column.name, kind, description);
    for value in column.keywords.get("enum").and_then(Value::as_array).into_iter().flatten() {
        if let Some(text) = value.as_str() {
            collector.allow(text);
        }
    }
    let most = if column.kind() == Kind::Json { MAX_JSON_ROWS } else { MAX_ROWS };
    let step = snapshot.rows.div_ceil(most).max(1);
    for slab in snapshot.slabs() {
        let reader = slab.block.reader(column.id, column.kind());
        let rows = (0..slab.block.len()).step_by(step).filter(|row| slab.is_alive(*row));
        match reader {
            Reader::Number(numbers) => {
                rows.filter(|row| numbers.is_valid(*row))
                    .for_each(|row| collector.add_number(numbers.value(row)));
            }
            Reader::Text(_) | Reader::Words(_) => {
                rows.filter_map(|row| reader.text(row)).for_each(|text| collector.add_text(text, 1));
            }
            Reader::Json(_) | Reader::JsonWords(_) => rows.for_each(|row| collector.add(&reader.value(row))),
            Reader::Null | Reader::Bool(_) | Reader::Moment(..) => {}
        }
    }
    if step > 1 {
        collector.mark_sampled();
    }
    collector
}
