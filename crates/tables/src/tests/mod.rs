//! Tables on a real store in a temporary folder, through the public face.
#![allow(clippy::unwrap_used)]

mod compute;
mod concurrency;
mod deletes;
mod exports;
mod failing;
mod files;
mod imports;
mod jobs;
mod queries;
mod rows;
mod schemas;
mod search;

use crate::jobs::{Runner, Sizes};
use crate::{DeleteRows, Error, Find, Found, Row, TableSpec, Tables, TablesDeps, TablesOptions};
use quarry_embed::EmbedderSlot;
use quarry_embed::testing::HashEmbedder;
use quarry_store::{RecordStore, StoreOptions};
use quarry_types::{BotId, Scope};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A store, tables on it, and the folder it lies in.
struct Bench {
    folder: TempDir,
    store: Arc<dyn RecordStore>,
    tables: Tables,
    options: TablesOptions,
}

fn deps(store: &Arc<dyn RecordStore>) -> TablesDeps {
    let embedder = EmbedderSlot::ready(Arc::new(HashEmbedder::new(64, 64)));
    TablesDeps { store: Arc::clone(store), embedder }
}

impl Bench {
    fn new() -> Self {
        Self::with(TablesOptions::default())
    }

    fn with(options: TablesOptions) -> Self {
        Self::at(TempDir::new().unwrap(), options)
    }

    fn at(folder: TempDir, options: TablesOptions) -> Self {
        let opened = quarry_store::open(folder.path(), &StoreOptions::default()).unwrap();
        let store: Arc<dyn RecordStore> = opened.store;
        let tables = Tables::new(deps(&store), options.clone());
        Self { folder, store, tables, options }
    }

    /// The same with files to import and export, and jobs that commit few rows at a time.
    fn with_files(self, files: &Arc<files::Files>) -> Self {
        let tables = self.tables.with_files(Arc::clone(files) as _);
        Self { tables, ..self }.with_sizes(Sizes { arriving: 512, in_place: 300, at_once: 1_500 })
    }

    /// The same with jobs that commit so many rows at a time.
    fn with_sizes(self, sizes: Sizes) -> Self {
        let tables = Tables { jobs: Arc::new(Runner::new(sizes)), ..self.tables };
        Self { tables, ..self }
    }

    /// Closes the store and opens it again, as a restart does.
    fn reopened(self) -> Self {
        let Self { folder, store, tables, options } = self;
        drop(tables);
        // A job that has just ended may still be letting go.
        let deadline = Instant::now() + Duration::from_secs(20);
        while Arc::strong_count(&store) > 1 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        drop(store);
        Self::at(folder, options)
    }

    /// Tables with nothing cached, on the same store.
    fn cold(&self) -> Tables {
        Tables::new(deps(&self.store), self.options.clone())
    }

    async fn table(&self, name: &str, schema: Value) {
        self.tables.create(&bot(), name, spec(schema)).await.unwrap();
    }

    async fn add(&self, table: &str, rows: Value) -> Vec<Row> {
        let written = self.tables.create_rows(&bot(), table, rows.as_array().unwrap().clone()).await.unwrap();
        assert_eq!(written.errors, Vec::<String>::new());
        written.rows.into_rows()
    }

    async fn find(&self, table: &str, find: Find) -> Found {
        self.tables.find(&bot(), table, find).await.unwrap()
    }

    async fn ids(&self, table: &str, filter: Value) -> Vec<u64> {
        let find = Find { filter: Some(filter), limit: 1_000, ..Find::default() };
        self.find(table, find).await.rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
    }

    async fn usage(&self) -> u64 {
        self.store.usage(bot().bot()).await.unwrap().table_rows
    }
}

fn bot() -> Scope {
    Scope::of(BotId::parse("bot_1").unwrap())
}

fn other_bot() -> Scope {
    Scope::of(BotId::parse("bot_2").unwrap())
}

fn spec(schema: Value) -> TableSpec {
    TableSpec { schema, ..TableSpec::default() }
}

fn keyed(schema: Value, key: &str) -> TableSpec {
    TableSpec { schema, key_column: Some(key.to_owned()), ..TableSpec::default() }
}

fn people() -> Value {
    json!({"type": "object", "properties": {
        "name": {"type": "string"}, "age": {"type": "number"}, "ok": {"type": "boolean"},
        "hired": {"type": "string", "format": "date-time"}, "obj": {"type": "object"}, "tags": {"type": "array"},
    }})
}

fn everything() -> DeleteRows {
    DeleteRows::All
}

fn text_of(error: &Error) -> String {
    error.to_string()
}
