//! Quotas: three counters per bot, changed only inside a store transaction.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// Vectors of passages and of searchable rows.
    Vectors,
    /// Table rows times their table's factor.
    TableRows,
    /// Bytes of file content (declared bytes while an upload is pending).
    StorageBytes,
}

impl Counter {
    /// All counters.
    pub const ALL: [Self; 3] = [Self::Vectors, Self::TableRows, Self::StorageBytes];

    /// A stable word for storage keys and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vectors => "vectors",
            Self::TableRows => "table_rows",
            Self::StorageBytes => "storage_bytes",
        }
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vectors => "vectors",
            Self::TableRows => "table rows × factor",
            Self::StorageBytes => "bytes of file storage",
        })
    }
}

/// The counters of one bot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// See [`Counter::Vectors`].
    pub vectors: u64,
    /// See [`Counter::TableRows`].
    pub table_rows: u64,
    /// See [`Counter::StorageBytes`].
    pub storage_bytes: u64,
}

impl Usage {
    /// The value of one counter.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        match counter {
            Counter::Vectors => self.vectors,
            Counter::TableRows => self.table_rows,
            Counter::StorageBytes => self.storage_bytes,
        }
    }

    /// The place of one counter.
    pub fn get_mut(&mut self, counter: Counter) -> &mut u64 {
        match counter {
            Counter::Vectors => &mut self.vectors,
            Counter::TableRows => &mut self.table_rows,
            Counter::StorageBytes => &mut self.storage_bytes,
        }
    }
}

/// Work refused because it would pass a quota; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "quota of {counter} exceeded: {used} used of {limit}, {needed} more needed; delete something or ask the operator to raise the quota"
)]
pub struct QuotaRefusal {
    /// Which counter.
    pub counter: Counter,
    /// Its value now.
    pub used: u64,
    /// The most it may be.
    pub limit: u64,
    /// What the refused work would have added.
    pub needed: u64,
}
