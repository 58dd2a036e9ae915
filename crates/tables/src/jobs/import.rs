//! Imports: a file is read on a blocking thread, its rows written unseen chunk by chunk, and all of
//! them shown by the commit that ends the job.
//!
//! Memory is bounded by three chunks: one being read, one waiting, one being written.

use super::clear::percent;
use super::files::InputFile;
use super::hidden::{Arriving, CHUNK_BYTES, Ids};
use super::live::{Halt, Live};
use super::record::{Arrival, Job, JobRecord, RefusedRow, Work};
use crate::Error;
use crate::catalog::Entry;
use crate::record::StoredRow;
use crate::schema::{Column, ColumnId, Kind, WireType};
use crate::tables::Tables;
use quarry_store::Commit;
use quarry_transfer::{ReadOptions, Reader};
use quarry_types::{Scope, Timestamp};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;

const MAX_TRIES: usize = 20;

/// Rows of a file that become one commit.
#[derive(Default)]
struct Chunk {
    rows: Vec<(u64, Map<String, Value>)>,
    refused: Vec<RefusedRow>,
    /// Number of the last row in it.
    last: u64,
    /// Bytes of the file read by then.
    bytes_read: u64,
}

/// A chunk checked against the schema.
struct Checked {
    rows: Arc<Vec<Arriving>>,
    refused: Vec<RefusedRow>,
    /// What was passed over.
    warnings: BTreeSet<String>,
}

impl Tables {
    /// Adds the rows of a file (CSV, JSON or NDJSON, gzipped or not) to a table, by a job. They are
    /// seen once all of them are in; rows that do not fit are left out, counted, and the first
    /// 100 named in the job.
    ///
    /// # Errors
    /// [`Error::NoTable`]; [`Error::File`] when there is no such file; [`Error::Limit`] past the
    /// most unfinished jobs.
    pub async fn import(&self, scope: &Scope, table: &str, file: &str) -> Result<Job, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let input = self.files()?.open(scope, file).await?;
        let work = Work::Import {
            file: input.id,
            content: input.content,
            read: 0,
            arrival: None,
            columns: Vec::new(),
        };
        self.start_job(scope, JobRecord::new(&entry.record().id, work), Commit::new(scope.bot())).await
    }

    pub(super) async fn import_rows(&self, live: &mut Live, file: &str, content: &str) -> Result<(), Halt> {
        let input = self.files()?.open(&live.scope, file).await?;
        if input.content != content {
            let message = "the file was replaced while it was being imported; import it again";
            return Err(Halt::Failed(Error::Invalid(message.into())));
        }
        let table = live.record.table.clone();
        let arrival = self.begin_import(live).await?;
        let (read, shape) = match &live.record.work {
            Work::Import { read, columns, .. } => (*read, columns.clone()),
            _ => return Err(Halt::Gone),
        };
        let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
        let size = input.size;
        let (send, mut chunks) = mpsc::channel(1);
        let columns = entry.columns().iter().map(file_column).collect();
        let most = self.jobs.sizes.arriving;
        let reading = tokio::task::spawn_blocking(move || read_chunks(&input, columns, (read, most), &send));
        loop {
            let chunk = tokio::select! {
                chunk = chunks.recv() => chunk,
                () = self.jobs.stopped(&live.handle) => return Err(Halt::Stopped),
            };
            let Some(chunk) = chunk else { break };
            let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
            same_columns(&shape, &entry)?;
            let (last, bytes_read) = (chunk.last, chunk.bytes_read);
            let checked = tokio::task::spawn_blocking(move || check(&entry, chunk)).await?;
            let (refused, warnings) = (checked.refused, checked.warnings);
            let advance = |record: &mut JobRecord| {
                record.refuse(refused.iter().cloned());
                record.warn(warnings.iter().cloned());
                if let Work::Import { read, .. } = &mut record.work {
                    *read = last;
                }
                record.progress = percent(bytes_read, Some(size));
            };
            self.write_arriving(live, &table, (arrival, Ids::New), checked.rows, advance).await?;
        }
        reading.await??;
        let rows = live.record.rows;
        live.record.total = Some(rows + live.record.refused);
        if let (0, Some(first)) = (rows, live.record.refused_rows.first()) {
            let (count, line, reason) = (live.record.refused, first.line, &first.reason);
            return Err(Halt::Failed(Error::Invalid(format!(
                "none of the {count} rows fits the table; the first, line {line}: {reason}"
            ))));
        }
        if rows == 0 {
            live.record.warn(["the file has no rows".to_owned()]);
        }
        self.publish_arrival(live, &table, arrival).await
    }

    /// Takes a batch number for the rows, unless an earlier process did.
    async fn begin_import(&self, live: &mut Live) -> Result<Arrival, Halt> {
        let table = live.record.table.clone();
        for _ in 0..MAX_TRIES {
            if let Some((_, arrival)) = live.record.arrival() {
                return Ok(arrival);
            }
            let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
            let mut commit = Commit::new(live.scope.bot());
            let begun = self.stage_arrival(&live.scope, &entry, &mut commit).await?;
            let before = live.record.clone();
            if let Work::Import { arrival, columns, .. } = &mut live.record.work {
                *arrival = Some(begun);
                *columns = entry.columns().iter().map(|column| (column.id, column.name.clone())).collect();
            }
            if self.commit_step(live, commit).await?.is_none() {
                live.record = before;
            }
        }
        Err(Halt::Failed(Error::Busy(table.to_string())))
    }
}

/// A column as readers of files know it.
pub(super) fn file_column(column: &Column) -> quarry_transfer::Column {
    use quarry_transfer::Kind as FileKind;
    let kind = match (column.kind(), column.wire_type) {
        (Kind::Number, _) => FileKind::Number,
        (Kind::Text, _) => FileKind::String,
        (Kind::Bool, _) => FileKind::Boolean,
        (Kind::DateTime, _) => FileKind::DateTime,
        (Kind::Json, WireType::Object) if !column.any => FileKind::Object,
        (Kind::Json, WireType::Array) => FileKind::Array,
        (Kind::Json, _) => FileKind::Any,
    };
    quarry_transfer::Column::new(column.name.clone(), kind)
}

fn of_file(cause: quarry_transfer::Error) -> Error {
    match cause {
        quarry_transfer::Error::Io(cause) => Error::Internal(format!("reading an import: {cause}")),
        other => Error::File { kind: other.kind(), message: other.to_string() },
    }
}

/// Reads the rows behind the first `read` into chunks of at most `most`; ends when nobody takes them any more.
fn read_chunks(
    input: &InputFile,
    columns: Vec<quarry_transfer::Column>,
    (read, most): (u64, usize),
    chunks: &mpsc::Sender<Chunk>,
) -> Result<(), Error> {
    let options = ReadOptions {
        name: Some(input.name.clone()),
        media_type: Some(input.media_type.clone()),
        columns: Some(columns),
        ..ReadOptions::default()
    };
    let file = (input.open)().map_err(|cause| Error::Internal(format!("opening an import: {cause}")))?;
    let mut reader = Reader::open(file, &options).map_err(of_file)?;
    if !reader.skip_to(read + 1).map_err(of_file)? {
        return Ok(());
    }
    let mut chunk = Chunk { last: read, ..Chunk::default() };
    let mut begin = None;
    loop {
        let next = reader.next_row().map_err(of_file)?;
        let offset = match &next {
            Some(Ok(row)) => Some(row.offset),
            _ => None,
        };
        let bytes = match (offset, begin) {
            (Some(offset), Some(begin)) => offset.saturating_sub(begin),
            _ => 0,
        };
        begin = begin.or(offset);
        let full = chunk.rows.len() + chunk.refused.len() >= most || bytes >= CHUNK_BYTES;
        if full || (next.is_none() && chunk.last > read) {
            chunk.bytes_read = reader.bytes_read();
            let empty = Chunk { last: chunk.last, ..Chunk::default() };
            let done = std::mem::replace(&mut chunk, empty);
            begin = offset;
            let nothing = done.rows.is_empty() && done.refused.is_empty();
            if !nothing && chunks.blocking_send(done).is_err() {
                return Ok(());
            }
        }
        match next {
            None => return Ok(()),
            Some(Ok(row)) => {
                chunk.last = row.number;
                chunk.rows.push((row.line, row.values));
            }
            Some(Err(wrong)) => {
                chunk.last = wrong.number;
                let (line, column, reason) = (wrong.line, wrong.column, wrong.message);
                chunk.refused.push(RefusedRow { line, column, reason });
            }
        }
    }
}

fn check(entry: &Entry, chunk: Chunk) -> Checked {
    let (mut refused, mut unknown, mut warnings) = (chunk.refused, BTreeSet::new(), BTreeSet::new());
    let mut rows = Vec::with_capacity(chunk.rows.len());
    let now = Timestamp::now();
    for (line, values) in chunk.rows {
        for rule in entry.rules.iter() {
            if values.get(&rule.name).is_some_and(|value| !value.is_null()) {
                let name = &rule.name;
                warnings.insert(format!("column {name:?} is computed; the values given were ignored"));
            }
        }
        let cells = entry.checker.check(&values, &mut unknown);
        match cells.and_then(|cells| entry.checker.complete(&values).map(|()| cells)) {
            Ok(cells) => {
                let mut row = StoredRow::new(0, now, now);
                for (column, cell) in cells {
                    row.set(column, cell);
                }
                rows.push(Arriving { line, row });
            }
            Err(reason) => {
                let blamed = |column: &&Column| reason.starts_with(&format!("column {:?} ", column.name));
                let column = entry.columns().iter().find(blamed).map(|column| column.name.clone());
                refused.push(RefusedRow { line, column, reason });
            }
        }
    }
    refused.sort_by_key(|row| row.line);
    let ignored =
        |name: String| format!("column {name:?} does not exist in the table; its values were ignored");
    warnings.extend(unknown.into_iter().map(ignored));
    Checked { rows: Arc::new(rows), refused, warnings }
}

/// Rows of one import must mean the same: the columns they go into stay as they were.
fn same_columns(shape: &[(ColumnId, String)], entry: &Entry) -> Result<(), Halt> {
    let kept = |(id, name): &(ColumnId, String)| {
        entry.columns().iter().any(|column| column.id == *id && column.name == *name)
    };
    match shape.iter().find(|column| !kept(column)) {
        None => Ok(()),
        Some((_, name)) => Err(Halt::Failed(Error::Conflict(format!(
            "column {name:?} was changed during the import; nothing was added, import the file again"
        )))),
    }
}
