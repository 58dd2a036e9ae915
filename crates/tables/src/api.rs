//! What callers hand in and get back, free of storage and query details.

use crate::answer_rows::AnswerRows;
use crate::jobs::Job;
use quarry_embed::EmbedderSlot;
use quarry_store::{DataPaths, RecordStore};
use quarry_types::{TableId, Timestamp};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One row in wire form: `id`, `createdAt`, `updatedAt`, `computed`, then every column by name
/// (`null` when unset).
pub type Row = Map<String, Value>;

/// What the tables engine works with.
#[derive(Clone)]
pub struct TablesDeps {
    /// Where tables and rows are kept.
    pub store: Arc<dyn RecordStore>,
    /// The model of row search.
    pub embedder: EmbedderSlot,
}

/// Settings of the tables engine.
#[derive(Debug, Clone)]
pub struct TablesOptions {
    /// Most rows × factor per bot.
    pub row_quota: u64,
    /// Most tables per bot.
    pub max_tables: usize,
    /// Most columns per table.
    pub max_columns: usize,
    /// Most vectors per bot; those of files count as well.
    pub vector_quota: u64,
    /// Where search indexes are kept between starts; `None` = built anew each time.
    pub paths: Option<DataPaths>,
    /// Heap bytes all loaded tables together may take before the least recently used are dropped.
    pub view_budget_bytes: usize,
}

impl Default for TablesOptions {
    fn default() -> Self {
        Self {
            row_quota: 1_000_000,
            max_tables: 1_000,
            max_columns: 20,
            vector_quota: 100_000,
            paths: None,
            view_budget_bytes: 1 << 30,
        }
    }
}

/// A table as the wire shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its id.
    pub id: TableId,
    /// Its name, unique per bot.
    pub name: String,
    /// Row size in units of 4 KB; each row counts this much in the quota. 1..=30.
    pub factor: u8,
    /// Whether the schema is closed to change.
    pub frozen: bool,
    /// The column with unique values.
    pub key_column: Option<String>,
    /// JSON schema: every column has a `type` and an `x-zui.index`.
    pub schema: Value,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// Whether computed columns follow changes by themselves.
    pub is_compute_enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its metadata last changed.
    pub updated_at: Timestamp,
}

/// What a new table should be.
#[derive(Debug, Clone, Default)]
pub struct TableSpec {
    /// A JSON schema, a map column → schema, or an example row.
    pub schema: Value,
    /// 1..=30; 1 when absent.
    pub factor: Option<u8>,
    /// See [`Table::frozen`].
    pub frozen: bool,
    /// See [`Table::key_column`].
    pub key_column: Option<String>,
    /// See [`Table::tags`].
    pub tags: BTreeMap<String, String>,
    /// See [`Table::is_compute_enabled`]; `true` when absent.
    pub is_compute_enabled: Option<bool>,
}

/// Changes to a table; absent fields stay.
#[derive(Debug, Clone, Default)]
pub struct TablePatch {
    /// A new name.
    pub name: Option<String>,
    /// Columns to add or change; `null` removes one; unlisted ones stay.
    pub schema: Option<Value>,
    /// May only grow.
    pub factor: Option<u8>,
    /// See [`Table::frozen`].
    pub frozen: Option<bool>,
    /// `Some(None)` removes the unique index.
    pub key_column: Option<Option<String>>,
    /// Tags to set; `None` removes one; unlisted ones stay.
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// See [`Table::is_compute_enabled`].
    pub is_compute_enabled: Option<bool>,
}

/// Row counts of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Live rows.
    pub rows: u64,
    /// Rows with computed values waiting.
    pub stale: u64,
    /// Rows waiting for the search index.
    pub indexing: u64,
}

/// What a scan of a bot's records counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recount {
    /// Rows × factor.
    pub table_rows: u64,
    /// Vectors of searchable rows.
    pub vectors: u64,
}

/// Answer of get-or-create.
#[derive(Debug, Clone, PartialEq)]
pub struct GotTable {
    /// The table.
    pub table: Table,
    /// Whether this call made it.
    pub created: bool,
    /// Its counts.
    pub counts: TableCounts,
}

/// A query over rows. [`Find::default`] asks for the first 100 rows by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// 1..=1000.
    pub limit: usize,
    /// Rows (or groups) to skip.
    pub offset: usize,
    /// Filter JSON; see `FILTERS.md`.
    pub filter: Option<Value>,
    /// Group JSON: path → op or list of ops.
    pub group: Option<Value>,
    /// Words to search for in searchable columns, at most 1,024 characters. Each row gets a `similarity`
    /// (0..=1, comparable within one answer); the best come first unless `order_by` is given. A search
    /// ranks the up to 1,000 rows nearest in meaning and the up to 1,000 that share most words.
    pub search: Option<String>,
    /// Columns or dotted paths to return; system columns always come.
    pub select: Option<Vec<String>>,
    /// Column or dotted path; `id` when absent.
    pub order_by: Option<String>,
    /// Largest first.
    pub descending: bool,
}

impl Default for Find {
    fn default() -> Self {
        Self {
            limit: 100,
            offset: 0,
            filter: None,
            group: None,
            search: None,
            select: None,
            order_by: None,
            descending: false,
        }
    }
}

/// Answer of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The rows; with `group` plain objects without system columns.
    pub rows: AnswerRows,
    /// Whether more follow.
    pub has_more: bool,
    /// The offset asked for.
    pub offset: usize,
    /// The limit asked for.
    pub limit: usize,
    /// Hints about parts of the query that can never match.
    pub warnings: Vec<String>,
}

/// Answer of row creation and update.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// The rows written, as they are now, in the order given.
    pub rows: AnswerRows,
    /// What was ignored.
    pub warnings: Vec<String>,
    /// One text per row that was refused.
    pub errors: Vec<String>,
}

/// Answer of upsert.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Upserted {
    /// New rows.
    pub inserted: AnswerRows,
    /// Rows that existed, as they are now.
    pub updated: AnswerRows,
    /// What was ignored.
    pub warnings: Vec<String>,
    /// One text per row that was refused.
    pub errors: Vec<String>,
}

/// Which rows to delete.
#[derive(Debug, Clone, PartialEq)]
pub enum DeleteRows {
    /// By id, at most 1,000; absent ones are no error.
    Ids(Vec<i64>),
    /// Those a filter matches.
    Filter(Value),
    /// All.
    All,
}

/// Answer of a delete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Deleted {
    /// Rows deleted so far.
    pub rows: u64,
    /// The job that deletes them, when there are many.
    pub job: Option<Job>,
}
