//! Listings of files and of the tags in use.

use crate::files::is_expired;
use crate::kb::Kb;
use crate::page::Listing;
use crate::{Error, File, Page, PageRequest, TagFilter};
use quarry_types::{FileStatus, Scope, Timestamp, hex};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What files are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileSort {
    /// The key.
    Key,
    /// Bytes.
    Size,
    /// First upsert.
    #[default]
    CreatedAt,
    /// Last change.
    UpdatedAt,
    /// Status word.
    Status,
}

/// `listFiles`.
#[derive(Debug, Clone)]
pub struct ListFiles {
    /// Which page.
    pub page: PageRequest,
    /// Order.
    pub sort: FileSort,
    /// Greatest first.
    pub descending: bool,
    /// Only files whose tags pass.
    pub tags: TagFilter,
    /// Only these ids.
    pub ids: Option<Vec<String>>,
    /// Only files that are (`true`) or are not (`false`) searchable.
    pub indexed: Option<bool>,
}

impl Default for ListFiles {
    fn default() -> Self {
        Self {
            page: PageRequest::default(),
            sort: FileSort::default(),
            descending: true,
            tags: TagFilter::default(),
            ids: None,
            indexed: None,
        }
    }
}

impl Kb {
    /// Files, in order, page by page.
    ///
    /// # Errors
    /// `InvalidQuery` for a foreign page token.
    pub async fn list_files(&self, scope: &Scope, query: ListFiles) -> Result<Page<Arc<File>>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        let now = Timestamp::now();
        let wanted = |file: &File| {
            let listed = query.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id == file.id.as_str()));
            let searchable = file.status == FileStatus::IndexingCompleted;
            listed
                && query.indexed.is_none_or(|indexed| indexed == searchable)
                && query.tags.matches(&file.tags)
                && !is_expired(file, now)
        };
        let mut files: Vec<_> = snapshot
            .files
            .values()
            .filter(|entry| wanted(&entry.file))
            .map(|entry| (position(&entry.file, query.sort, query.descending), entry.file.clone()))
            .collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let order = (query.sort, query.descending, &query.tags, &query.ids, query.indexed);
        Listing::new(scope, &format!("files {order:?}")).cut(files, &query.page)
    }

    /// Names of the tags in use, in order.
    ///
    /// # Errors
    /// `InvalidQuery` for a foreign page token.
    pub async fn tag_names(&self, scope: &Scope, page: PageRequest) -> Result<Page<String>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        let names = snapshot.files.values().flat_map(|entry| entry.file.tags.keys().cloned());
        distinct(&Listing::new(scope, "tag names"), names, &page)
    }

    /// Values in use of one tag, in order.
    ///
    /// # Errors
    /// `InvalidQuery` for a foreign page token.
    pub async fn tag_values(
        &self,
        scope: &Scope,
        tag: &str,
        page: PageRequest,
    ) -> Result<Page<String>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        let values = snapshot.files.values().filter_map(|entry| entry.file.tags.get(tag).cloned());
        distinct(&Listing::new(scope, &format!("tag values {tag}")), values, &page)
    }
}

fn distinct(
    listing: &Listing,
    words: impl Iterator<Item = String>,
    page: &PageRequest,
) -> Result<Page<String>, Error> {
    let distinct: BTreeSet<String> = words.collect();
    listing.cut(distinct.into_iter().map(|word| (word.clone(), word)).collect(), page)
}

/// A text that sorts as the listing does and names the file uniquely.
fn position(file: &File, sort: FileSort, descending: bool) -> String {
    let moment = |at: Timestamp| at.as_ms().unsigned_abs().to_be_bytes().to_vec();
    let mut bytes = match sort {
        FileSort::Key => file.key.as_bytes().to_vec(),
        FileSort::Size => file.size.unwrap_or(file.declared_size).to_be_bytes().to_vec(),
        FileSort::CreatedAt => moment(file.created_at),
        FileSort::UpdatedAt => moment(file.updated_at),
        FileSort::Status => file.status.as_str().as_bytes().to_vec(),
    };
    // Ends a text before any longer one that starts with it, in both directions.
    bytes.push(0);
    bytes.extend_from_slice(file.id.as_str().as_bytes());
    if descending {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    hex(&bytes)
}
