//! Queries kept under a name with their table.
//!
//! Invariant: a kept query parsed against the schema of the moment it was kept; a later change of the
//! schema is found when the query is used.

use super::interpret::checked;
use crate::Error;
use crate::api::Find;
use crate::record::TableRecord;
use crate::tables::Tables;
use quarry_types::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const MAX_SELECTORS: usize = 100;
const MAX_NAME_CHARS: usize = 64;
const MAX_BYTES: usize = 16 << 10;

/// A query kept with its table; absent parts are left to whoever uses it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Selector {
    /// Filter JSON; and-ed with the filter of the query that uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    /// See [`Find::order_by`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// See [`Find::descending`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descending: Option<bool>,
    /// 1..=1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// See [`Find::group`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Value>,
    /// See [`Find::select`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Vec<String>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The words it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Selector {
    fn find(&self) -> Find {
        let default = Find::default();
        Find {
            filter: self.filter.clone(),
            order_by: self.order_by.clone(),
            descending: self.descending.unwrap_or(false),
            limit: self.limit.unwrap_or(default.limit),
            group: self.group.clone(),
            select: self.select.clone(),
            ..default
        }
    }
}

impl Tables {
    /// The selectors of a table, by name.
    ///
    /// # Errors
    /// [`Error::NoTable`].
    pub async fn selectors(&self, scope: &Scope, table: &str) -> Result<BTreeMap<String, Selector>, Error> {
        Ok(self.catalog.entry(scope, table).await?.record().selectors.clone())
    }

    /// One selector.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::NoSelector`].
    pub async fn selector(&self, scope: &Scope, table: &str, name: &str) -> Result<Selector, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        entry.record().selectors.get(name).cloned().ok_or_else(|| missing(entry.record(), name))
    }

    /// Keeps a selector under a name, replacing one of that name. At most 100 per table, 16 KiB each.
    ///
    /// # Errors
    /// [`Error::InvalidQuery`] when it does not fit the table; [`Error::Invalid`] for its name or size,
    /// [`Error::Limit`] past the most.
    pub async fn put_selector(
        &self,
        scope: &Scope,
        table: &str,
        name: &str,
        selector: Selector,
    ) -> Result<(), Error> {
        let fine = |letter: char| letter.is_alphanumeric() || " _-.:".contains(letter);
        if name.trim() != name
            || name.is_empty()
            || name.chars().count() > MAX_NAME_CHARS
            || !name.chars().all(fine)
        {
            return Err(Error::Invalid(format!(
                "a selector's name must have 1 to {MAX_NAME_CHARS} letters, digits, spaces and _ - . :"
            )));
        }
        let bytes = serde_json::to_vec(&selector).map_or(usize::MAX, |bytes| bytes.len());
        if bytes > MAX_BYTES {
            return Err(Error::Invalid(format!(
                "the selector has {bytes} bytes as JSON, the limit is {MAX_BYTES}"
            )));
        }
        let entry = self.catalog.entry(scope, table).await?;
        checked(&entry, &selector.find())?;
        let put = |before: &TableRecord| {
            let mut next = before.clone();
            next.selectors.insert(name.to_owned(), selector.clone());
            if next.selectors.len() > MAX_SELECTORS {
                return Err(Error::Limit(format!(
                    "table {:?} has {MAX_SELECTORS} selectors, which is the most; delete one",
                    before.name
                )));
            }
            Ok(next)
        };
        self.change(scope, table, put).await.map(|_| ())
    }

    /// Removes a selector.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::NoSelector`].
    pub async fn delete_selector(&self, scope: &Scope, table: &str, name: &str) -> Result<(), Error> {
        let remove = |before: &TableRecord| {
            let mut next = before.clone();
            match next.selectors.remove(name) {
                Some(_) => Ok(next),
                None => Err(missing(before, name)),
            }
        };
        self.change(scope, table, remove).await.map(|_| ())
    }
}

fn missing(record: &TableRecord, name: &str) -> Error {
    Error::NoSelector { table: record.name.clone(), name: name.chars().take(MAX_NAME_CHARS).collect() }
}
