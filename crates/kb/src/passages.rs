//! Passages as callers list, read and hand them in.

use crate::files::{entry, put_file, put_job};
use crate::kb::{Inner, Kb};
use crate::page::Listing;
use crate::records::{self, GivenPassage, Job, PassageRecord};
use crate::{Error, File, Page, PageRequest};
use quarry_types::{FileId, FileStatus, PassageKind, Scope, Timestamp};

/// A passage with its id.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageView {
    /// UUID, stable for one generation of the file.
    pub id: String,
    /// Its text.
    pub content: String,
    /// What it is and where.
    pub meta: PassageMeta,
}

/// The wire's `meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageMeta {
    /// `chunk` or `consolidated`.
    pub kind: &'static str,
    /// What part of the document.
    pub subtype: Option<PassageKind>,
    /// Page, from 1.
    pub page: Option<u32>,
    /// Order within the file, from 0.
    pub position: Option<u32>,
}

impl PassageMeta {
    pub(crate) fn of(record: &PassageRecord) -> Self {
        let passage = &record.passage;
        let (subtype, position) = (Some(passage.kind), Some(passage.position));
        Self { kind: "chunk", subtype, page: passage.page, position }
    }
}

/// A passage for `setFilePassages`.
#[derive(Debug, Clone)]
pub struct NewPassage {
    /// Its text.
    pub content: String,
    /// What it is.
    pub kind: PassageKind,
    /// Its page.
    pub page: Option<u32>,
}

impl Kb {
    /// The published passages of a file, in order.
    ///
    /// # Errors
    /// `NotFound`; `InvalidQuery` for a foreign page token.
    pub async fn passages(
        &self,
        scope: &Scope,
        id_or_key: &str,
        page: PageRequest,
    ) -> Result<Page<PassageView>, Error> {
        let view = self.inner.views.of(scope).await?;
        for _ in 0..Inner::READ_ATTEMPTS {
            let snapshot = view.snapshot();
            let file = entry(&snapshot, id_or_key)?.file.clone();
            let published = file.readable();
            let generation = published.map_or(0, |published| published.generation);
            let positions = (0..published.map_or(0, |published| published.passages))
                .map(|position| (format!("{position:010}"), position))
                .collect();
            let listing = Listing::new(scope, &format!("passages {} {generation}", file.id));
            let cut = listing.cut(positions, &page)?;
            let Some(records) = self.inner.read_passages(scope, &file.id, generation, &cut.items).await?
            else {
                view.refresh_to_head(self.inner.store.as_ref()).await?;
                continue;
            };
            let view = |record: PassageRecord| PassageView {
                id: records::passage_uuid(&file.id, generation, record.passage.position),
                meta: PassageMeta::of(&record),
                content: record.passage.shown().into_owned(),
            };
            return Ok(Page { items: records.into_iter().map(view).collect(), next: cut.next });
        }
        Err(Error::Busy("the file keeps changing; try again".into()))
    }

    /// The extracted text that character ranges refer to.
    ///
    /// # Errors
    /// `NotFound` when there is no such file or it is not indexed.
    pub async fn text(&self, scope: &Scope, id_or_key: &str) -> Result<String, Error> {
        let file = self.file(scope, id_or_key).await?;
        let Some(published) = file.readable() else {
            return Err(Error::NotFound { what: "indexed text of file", id: id_or_key.to_owned() });
        };
        let hash = self.inner.blob(&published.text_blob)?;
        let size = self.inner.blobs.size(&hash).await?.unwrap_or(0);
        let bytes = self.inner.blobs.read(&hash, 0, usize::try_from(size).unwrap_or(usize::MAX)).await?;
        String::from_utf8(bytes.to_vec()).map_err(|cause| Error::Corrupt(cause.to_string()))
    }

    /// Replaces a file's passages by the caller's own; indexed in the background.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` for an empty passage.
    pub async fn set_passages(
        &self,
        scope: &Scope,
        id_or_key: &str,
        passages: Vec<NewPassage>,
    ) -> Result<(), Error> {
        let bare = passages.into_iter().map(|passage| (Vec::new(), passage)).collect();
        self.set_headed_passages(scope, id_or_key, bare).await
    }

    /// As [`Kb::set_passages`], each passage under headings of its own (outermost first); one without
    /// stands under the titles and subtitles before it.
    ///
    /// # Errors
    /// As [`Kb::set_passages`].
    pub async fn set_headed_passages(
        &self,
        scope: &Scope,
        id_or_key: &str,
        passages: Vec<(Vec<String>, NewPassage)>,
    ) -> Result<(), Error> {
        if let Some(empty) = passages.iter().position(|(_, passage)| passage.content.trim().is_empty()) {
            return Err(Error::Invalid(format!("passages[{empty}].content must not be empty")));
        }
        let given: Vec<_> = passages
            .into_iter()
            .map(|(headings, passage)| GivenPassage {
                content: passage.content,
                kind: passage.kind,
                page: passage.page,
                headings,
            })
            .collect();
        let (job, _) = self
            .inner
            .transact(scope, |snapshot, commit| {
                let old = entry(snapshot, id_or_key)?;
                let now = Timestamp::now();
                let mut file = File::clone(&old.file);
                file.status = FileStatus::IndexingPending;
                file.failed_reason = None;
                file.index = true;
                file.generation += 1;
                file.updated_at = now;
                let job = Job::of(&file, now, Some(given.clone()));
                put_job(commit, &job)?;
                put_file(commit, Some(old), &file)?;
                Ok(job)
            })
            .await?;
        self.inner.enqueue(scope, &job);
        Ok(())
    }
}

impl Inner {
    /// Times a read starts again when the generation it reads was replaced meanwhile.
    pub(crate) const READ_ATTEMPTS: usize = 8;

    /// Some passages of one generation; `None` when it was replaced since the snapshot.
    pub(crate) async fn read_passages(
        &self,
        scope: &Scope,
        file: &FileId,
        generation: u32,
        positions: &[u32],
    ) -> Result<Option<Vec<PassageRecord>>, Error> {
        let keys: Vec<_> = positions.iter().map(|at| records::passage_key(file, generation, *at)).collect();
        let found = self.store.get(scope.bot(), &records::kb(), &keys).await?;
        let Some(found) = found.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        found.iter().map(|record| records::decode(&record.value)).collect::<Result<_, _>>().map(Some)
    }
}
