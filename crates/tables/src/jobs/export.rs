//! Exports: one state of a table, written to a file and kept with the bot's files.

use super::clear::percent;
use super::files::{NewFile, Room, TableFiles};
use super::import::file_column;
use super::live::{Halt, Live};
use super::record::{Job, JobRecord, JobStatus, Work};
use super::runner::Handle;
use crate::Error;
use crate::catalog::Entry;
use crate::record::TableRecord;
use crate::tables::Tables;
use crate::view::Snapshot;
use quarry_store::Commit;
use quarry_transfer::{Column, Format, Kind, RowWriter, WriteOptions};
use quarry_types::{Counter, QuotaRefusal, Scope};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows between two looks at whether to go on.
const STEP_ROWS: usize = 1_024;

/// How to export a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// The format of the file.
    pub format: Format,
    /// Whether to compress it, in the way its format does.
    pub compress: bool,
}

impl Tables {
    /// Writes all rows of a table to a private file of the bot, by a job whose `output_file` names
    /// it. The file holds one state of the table, ordered by id.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::Limit`] past the most unfinished jobs.
    pub async fn export(&self, scope: &Scope, table: &str, how: Export) -> Result<Job, Error> {
        self.files()?;
        let entry = self.catalog.entry(scope, table).await?;
        let work = Work::Export { format: how.format.name().to_owned(), compress: how.compress };
        self.start_job(scope, JobRecord::new(&entry.record().id, work), Commit::new(scope.bot())).await
    }

    pub(crate) fn files(&self) -> Result<&Arc<dyn TableFiles>, Error> {
        self.files.as_ref().ok_or_else(|| Error::Internal("tables were started without files".into()))
    }

    pub(super) async fn export_rows(
        &self,
        live: &mut Live,
        format: &str,
        compress: bool,
    ) -> Result<(), Halt> {
        let format = Format::parse(format)
            .ok_or_else(|| Error::Invalid(format!("format {format:?} is not written any more")))?;
        let entry = self.catalog.entry(&live.scope, live.record.table.as_str()).await?;
        let view = self.catalog.view(&live.scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        live.record.total = Some(snapshot.rows as u64);
        let options = WriteOptions {
            format,
            compress,
            columns: columns(&entry),
            table: (format == Format::Json).then(|| description(entry.record())),
        };
        let key = format!("exports/{}/{}.{}", entry.record().name, live.record.id, options.extension());
        let media_type = options.media_type().to_owned();
        let rows = snapshot.rows as u64;
        let writing = Writing {
            files: Arc::clone(self.files()?),
            room: self.files()?.room(&live.scope, &key).await?,
            entry: Arc::clone(&entry),
            snapshot,
            handle: Arc::clone(&live.handle),
        };
        let written = tokio::task::spawn_blocking(move || writing.run(options)).await??;
        let Some((content, size)) = written else { return Err(Halt::Stopped) };
        live.check()?;
        live.record.status = JobStatus::Finalizing;
        self.save(live).await?;
        let meta = entry.record();
        let tags = [
            ("system", "true"),
            ("purpose", "table-export"),
            ("tableId", meta.id.as_str()),
            ("tableName", &meta.name),
        ];
        let file = NewFile {
            key,
            media_type,
            tags: tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            size,
            content,
        };
        let files = self.files()?;
        let id = files.store(&live.scope, file).await?;
        live.record.rows = rows;
        live.record.output_file = Some(id.clone());
        match self.end(live, JobStatus::Completed, Commit::new(live.scope.bot())).await {
            Err(halt) => {
                files.remove(&live.scope, &id).await?;
                Err(halt)
            }
            ended => ended,
        }
    }
}

/// What the blocking part of an export needs.
struct Writing {
    files: Arc<dyn TableFiles>,
    room: Room,
    entry: Arc<Entry>,
    snapshot: Arc<Snapshot>,
    handle: Arc<Handle>,
}

impl Writing {
    /// The file and its size; `None` when told to stop.
    fn run(self, options: WriteOptions) -> Result<Option<(File, u64)>, Error> {
        let scratch = self.files.scratch().map_err(|cause| of_disk(&cause))?;
        let written = Arc::new(AtomicU64::new(0));
        let most = self.room.limit.saturating_sub(self.room.used);
        let scratch = Bounded { file: scratch, written: Arc::clone(&written), most };
        let done = self.write(scratch, options);
        let needed = written.load(Ordering::Relaxed);
        if done.is_err() && needed > most {
            let Room { used, limit } = self.room;
            return Err(QuotaRefusal { counter: Counter::StorageBytes, used, limit, needed }.into());
        }
        done
    }

    fn write(&self, scratch: Bounded, options: WriteOptions) -> Result<Option<(File, u64)>, Error> {
        let mut writer = RowWriter::new(scratch, options).map_err(of_writer)?;
        let total = self.snapshot.rows as u64;
        let mut values: Map<String, Value> = Map::new();
        for ids in self.snapshot.ids().chunks(STEP_ROWS) {
            if self.handle.is_stopped() {
                return Ok(None);
            }
            for id in ids {
                let Some((_, row)) = self.snapshot.get(*id) else { continue };
                values.insert("id".into(), row.id.into());
                values.insert("createdAt".into(), row.created_at.to_string().into());
                values.insert("updatedAt".into(), row.updated_at.to_string().into());
                for column in self.entry.columns() {
                    let value = row.cell(column.id).map_or(Value::Null, |cell| cell.to_value());
                    match values.get_mut(&column.name) {
                        Some(place) => *place = value,
                        None => drop(values.insert(column.name.clone(), value)),
                    }
                }
                writer.write(&values).map_err(of_writer)?;
            }
            self.handle.set_progress(percent(writer.rows(), Some(total)));
        }
        let mut file = writer.finish().map_err(of_writer)?.file;
        let size = file.seek(SeekFrom::End(0)).map_err(|cause| of_disk(&cause))?;
        file.seek(SeekFrom::Start(0)).map_err(|cause| of_disk(&cause))?;
        Ok(Some((file, size)))
    }
}

/// A file that takes no more bytes than there is room for.
struct Bounded {
    file: File,
    /// What was asked to be written, the refused piece included.
    written: Arc<AtomicU64>,
    most: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let before = self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if before.saturating_add(bytes.len() as u64) > self.most {
            return Err(std::io::Error::from(std::io::ErrorKind::QuotaExceeded));
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn of_disk(cause: &std::io::Error) -> Error {
    Error::Internal(format!("writing an export: {cause}"))
}

fn of_writer(cause: quarry_transfer::Error) -> Error {
    match cause {
        quarry_transfer::Error::Io(cause) => of_disk(&cause),
        other => Error::File { kind: other.kind(), message: other.to_string() },
    }
}

/// The columns of the file: those of the system first, which an import passes over.
fn columns(entry: &Entry) -> Vec<Column> {
    let mut columns = vec![
        Column::new("id", Kind::Integer),
        Column::new("createdAt", Kind::DateTime),
        Column::new("updatedAt", Kind::DateTime),
    ];
    columns.extend(entry.columns().iter().map(file_column));
    columns
}

/// What makes the same table again: the arguments of its creation.
fn description(table: &TableRecord) -> Value {
    let mut schema = table.schema.to_wire();
    for column in table.schema.columns.iter().filter(|column| column.any) {
        // The wire shows columns of any type as objects; without a type they stay what they are.
        let place = schema.pointer_mut("/properties").and_then(|all| all.get_mut(&column.name));
        if let Some(place) = place.and_then(Value::as_object_mut) {
            place.remove("type");
        }
    }
    let tags: BTreeMap<&String, &String> = table.tags.iter().collect();
    json!({
        "name": table.name,
        "schema": schema,
        "factor": table.factor,
        "keyColumn": table.key_column_name(),
        "frozen": table.frozen,
        "tags": tags,
        "isComputeEnabled": table.is_compute_enabled,
    })
}
