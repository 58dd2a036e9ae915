//! How fast a file becomes rows: `cargo run --release --workspace --example import_speed -- 1000000`.
//!
//! Imports a CSV of ten columns, prints rows per second, the longest wait of a reader meanwhile and
//! the peak memory, then exports, copies and deletes the rows.

use async_trait::async_trait;
use quarry_embed::EmbedderSlot;
use quarry_embed::testing::HashEmbedder;
use quarry_store::{RecordStore, StoreOptions};
use quarry_tables::{
    DeleteRows, Duplicate, Error, Export, Find, InputFile, Job, JobStatus, NewFile, OpenFile, Room,
    TableFiles, TableSpec, Tables, TablesDeps, TablesOptions,
};
use quarry_transfer::Format;
use quarry_types::{BotId, Scope};
use serde_json::json;
use std::error::Error as AnyError;
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Files of a folder, by name.
struct Folder(PathBuf);

#[async_trait]
impl TableFiles for Folder {
    async fn open(&self, _: &Scope, id: &str) -> Result<InputFile, Error> {
        let path = self.0.join(id);
        let size = std::fs::metadata(&path).map_err(|cause| Error::Internal(cause.to_string()))?.len();
        let open: OpenFile =
            Arc::new(move || Ok(Box::new(std::fs::File::open(&path)?) as Box<dyn Read + Send>));
        let (id, media_type) = (id.to_owned(), "text/csv".to_owned());
        Ok(InputFile { name: id.clone(), content: id.clone(), id, media_type, size, open })
    }

    fn scratch(&self) -> std::io::Result<std::fs::File> {
        tempfile::tempfile_in(&self.0)
    }

    async fn room(&self, _: &Scope, _: &str) -> Result<Room, Error> {
        Ok(Room { used: 0, limit: u64::MAX })
    }

    async fn store(&self, _: &Scope, file: NewFile) -> Result<String, Error> {
        Ok(format!("{} bytes", file.size))
    }

    async fn remove(&self, _: &Scope, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

fn write_csv(path: &std::path::Path, rows: u32) -> std::io::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "key,name,city,age,score,active,hired,note,level,amount")?;
    for n in 0..rows {
        let (city, active) = (["Berlin", "Paris", "Rome", "Oslo"][n as usize % 4], n % 3 == 0);
        let (age, score, month, day) = (18 + n % 60, f64::from(n % 1_000) / 7.0, n % 12 + 1, n % 28 + 1);
        writeln!(
            file,
            "k{n},\"Person {n}, the {}th\",{city},{age},{score:.3},{active},2024-{month:02}-{day:02}T09:30:00Z,note number {n} of many,{},{}",
            n % 97,
            n % 5,
            n * 3
        )?;
    }
    file.flush()
}

fn memory(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or("?");
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "a program for people")]
async fn main() -> Result<(), Box<dyn AnyError>> {
    let mut arguments = std::env::args().skip(1);
    let rows: u32 = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    let keyed = arguments.next().is_none_or(|word| word != "no-key");
    let folder = tempfile::tempdir()?;
    write_csv(&folder.path().join("rows.csv"), rows)?;
    let size = std::fs::metadata(folder.path().join("rows.csv"))?.len();
    let opened = quarry_store::open(&folder.path().join("data"), &StoreOptions::default())?;
    let store: Arc<dyn RecordStore> = opened.store;
    let options = TablesOptions { row_quota: u64::MAX / 2, ..TablesOptions::default() };
    let embedder = EmbedderSlot::ready(Arc::new(HashEmbedder::new(64, 64)));
    let tables = Tables::new(TablesDeps { store, embedder }, options);
    let tables = tables.with_files(Arc::new(Folder(folder.path().to_owned())));
    let scope = Scope::of(BotId::parse("bot")?);
    let schema = json!({"type": "object", "properties": {
        "key": {"type": "string"}, "name": {"type": "string"}, "city": {"type": "string"},
        "age": {"type": "number"}, "score": {"type": "number"}, "active": {"type": "boolean"},
        "hired": {"type": "string", "format": "date-time"}, "note": {"type": "string"},
        "level": {"type": "number"}, "amount": {"type": "number"},
    }});
    let key_column = keyed.then(|| "key".to_owned());
    tables.create(&scope, "peopleTable", TableSpec { schema, key_column, ..TableSpec::default() }).await?;
    let seed = vec![json!({"key": "seed", "age": 1})];
    tables.create_rows(&scope, "peopleTable", seed).await?;
    println!("{rows} rows, 10 columns, {} MB of CSV, key column: {keyed}", size / 1_000_000);

    let begun = Instant::now();
    let job = tables.import(&scope, "peopleTable", "rows.csv").await?;
    let mut longest = Duration::ZERO;
    let job = loop {
        let asked = Instant::now();
        let find = Find { limit: 10, filter: Some(json!({"age": {"$gte": 1}})), ..Find::default() };
        let found = tables.find(&scope, "peopleTable", find).await?;
        longest = longest.max(asked.elapsed());
        let now = tables.job(&scope, "peopleTable", &job.id).await?;
        if now.status.is_finished() {
            break now;
        }
        if found.rows.len() != 1 && now.status == JobStatus::InProgress {
            return Err("a reader saw rows of an unfinished import".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    report("import", begun, &job);
    println!("  longest find meanwhile {longest:?}, RSS {} (peak {})", memory("VmRSS"), memory("VmHWM"));

    for (format, compress) in
        [(Format::Csv, true), (Format::Json, true), (Format::Ndjson, false), (Format::Parquet, true)]
    {
        let begun = Instant::now();
        let job = tables.export(&scope, "peopleTable", Export { format, compress }).await?;
        let job = tables.wait_for_job(&scope, "peopleTable", &job.id, Duration::from_secs(3_600)).await?;
        report(&format!("export {}", format.name()), begun, &job);
    }
    let begun = Instant::now();
    let (_, _, job) = tables.duplicate(&scope, "peopleTable", Duplicate::default()).await?;
    if let Some(job) = job {
        let job = tables.wait_for_job(&scope, "peopleTable", &job.id, Duration::from_secs(3_600)).await?;
        report("copy", begun, &job);
    }
    let begun = Instant::now();
    let deleted = tables.delete_rows(&scope, "peopleTable", DeleteRows::All).await?;
    println!("delete: {deleted} rows in {:.1?}", begun.elapsed());
    println!("RSS {} (peak {})", memory("VmRSS"), memory("VmHWM"));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a program for people")]
fn report(what: &str, begun: Instant, job: &Job) {
    let (took, status) = (begun.elapsed(), job.status.as_str());
    let rate = job.rows as f64 / took.as_secs_f64();
    println!(
        "{what}: {} rows in {took:.1?}, {rate:.0} rows/s, {status} {}",
        job.rows,
        job.output_file.as_deref().unwrap_or("")
    );
}
