//! Files: upsert, read, patch, delete, copy. The upload itself is in `upload.rs`.

use crate::kb::{Inner, Kb};
use crate::publish::{self, Publishing};
use crate::records::{self, Job};
use crate::view::{FileEntry, Snapshot};
use crate::{Error, File, FilePatch, Tags, TagsPatch, UpsertFile};
use bytes::Bytes;
use quarry_store::Commit;
use quarry_types::{Counter, FileId, FileStatus, Scope, Timestamp};
use serde_json::{Map, Value};
use std::sync::Arc;

const MAX_KEY_CHARS: usize = 2048;
const MAX_TAGS: usize = 50;
const MAX_TAG_NAME_CHARS: usize = 256;
const MAX_TAG_VALUE_CHARS: usize = 1000;
const MAX_FREE_JSON_BYTES: usize = 256 * 1024;
const MAX_EXPIRY_MS: i64 = 90 * 24 * 3600 * 1000;
/// Larger files are stored but not indexed: 95 MB, counted in powers of two so that no reading of it is refused.
pub(crate) const MAX_INDEXED_BYTES: u64 = 95 << 20;

impl Kb {
    /// Creates a file, or replaces the one with the same key: its content is dropped and its status
    /// is `upload_pending` again. What was searchable stays so, under the tags it had, until the new
    /// content is; unless that is not to be indexed or does not arrive in time.
    ///
    /// # Errors
    /// `Invalid` for a bad key, tag or expiry, `Limit` for too many bytes, a quota refusal.
    pub async fn upsert_file(&self, scope: &Scope, input: UpsertFile) -> Result<Arc<File>, Error> {
        self.upsert_up_to(scope, input, self.inner.settings.max_file_bytes).await
    }

    /// As [`Kb::upsert_file`] for a file this server makes itself, such as an export: only the
    /// storage quota bounds it.
    ///
    /// # Errors
    /// As [`Kb::upsert_file`], save for its size.
    pub async fn upsert_made_file(&self, scope: &Scope, input: UpsertFile) -> Result<Arc<File>, Error> {
        self.upsert_up_to(scope, input, u64::MAX).await
    }

    /// Bytes of files a bot has, and the most it may have.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn storage(&self, scope: &Scope) -> Result<(u64, u64), Error> {
        let used = self.inner.store.usage(scope.bot()).await?.storage_bytes;
        Ok((used, self.inner.settings.storage_quota_bytes))
    }

    async fn upsert_up_to(
        &self,
        scope: &Scope,
        input: UpsertFile,
        max_bytes: u64,
    ) -> Result<Arc<File>, Error> {
        let inner = &self.inner;
        let expires_at = check_upsert(&input, max_bytes)?;
        let view = inner.views.of(scope).await?;
        let begun = Timestamp::now();
        let indexable = input.index && input.size <= MAX_INDEXED_BYTES;
        let is_kept = |entry: &FileEntry| indexable && !is_expired(&entry.found, begun);
        let retires = |s: &Snapshot| {
            let old = s.keys.get(&input.key).and_then(|id| s.files.get(id));
            old.is_some_and(|entry| entry.file.published.is_some() && !is_kept(entry))
        };
        let publishing = match retires(&view.snapshot()) {
            true => Some(inner.publishing.lock(scope.bot()).await),
            false => None,
        };
        let vectors = view.vectors().clone();
        let limit = inner.settings.storage_quota_bytes;
        let upload_ms = i64::try_from(inner.settings.upload_time.as_millis()).unwrap_or(i64::MAX);
        let (id, after) = inner
            .transact(scope, |snapshot, commit| {
                let now = Timestamp::now();
                let old = snapshot.keys.get(&input.key).and_then(|id| snapshot.files.get(id));
                let mut file = new_file(&input, expires_at, now);
                file.upload_until = Some(Timestamp(now.as_ms().saturating_add(upload_ms)));
                check_extent(&file)?;
                if let Some(entry) = old {
                    let old = &entry.file;
                    file.id = old.id.clone();
                    file.version = old.version + 1;
                    file.created_at = old.created_at;
                    file.generation = old.generation;
                    match (&old.published, is_kept(entry), &publishing) {
                        (Some(_), false, Some(publishing)) => {
                            publish::retire(publishing, snapshot, commit, &vectors, old);
                        }
                        (Some(_), false, None) => {
                            return Err(Error::Busy("the file was indexed meanwhile; try again".into()));
                        }
                        _ => file.published = old.kept(),
                    }
                }
                let charged_before = old.map_or(0, |entry| entry.file.charged);
                commit.quota(Counter::StorageBytes, delta(file.charged, charged_before), limit);
                put_file(commit, old, &file)?;
                if old.is_none() {
                    let unique = records::unique_key(&file.key);
                    commit.expect_key(&records::kb(), unique.clone(), None);
                    commit.put(&records::kb(), unique, file.id.as_str().as_bytes().to_vec());
                }
                Ok(file.id)
            })
            .await?;
        entry(&after, id.as_str()).map(|entry| entry.file.clone())
    }

    /// A file by id or key.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn file(&self, scope: &Scope, id_or_key: &str) -> Result<Arc<File>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        entry(&snapshot, id_or_key).map(|entry| entry.file.clone())
    }

    /// A file by id, for callers who have shown no permission yet: one record is read and no view
    /// is opened, so guessing costs the server next to nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stored_file(&self, scope: &Scope, id: &FileId) -> Result<Arc<File>, Error> {
        let keys = [records::file_key(id)];
        let found = self.inner.store.get(scope.bot(), &records::kb(), &keys).await?;
        let record = found.into_iter().flatten().next().ok_or_else(|| Error::no_file(id.as_str()))?;
        let file: File = records::decode(&record.value)?;
        if is_expired(&file, Timestamp::now()) {
            return Err(Error::no_file(id.as_str()));
        }
        Ok(Arc::new(file))
    }

    /// Changes metadata, tags, policies or expiry.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` for bad values.
    pub async fn update_file(
        &self,
        scope: &Scope,
        id_or_key: &str,
        patch: FilePatch,
    ) -> Result<Arc<File>, Error> {
        let now = Timestamp::now();
        let expires_at = match patch.expires_at {
            Some(Some(moment)) => Some(Some(check_expiry(moment, now)?)),
            other => other,
        };
        let (id, after) = self
            .inner
            .transact(scope, |snapshot, commit| {
                let old = entry(snapshot, id_or_key)?;
                let mut file = File::clone(&old.file);
                if let Some(replaced) = file.published.as_mut().and_then(|of| of.replaced.as_mut()) {
                    replaced.patch(&patch);
                }
                if let Some(metadata) = &patch.metadata {
                    merge_metadata(&mut file.metadata, metadata);
                }
                if let Some(tags) = &patch.tags {
                    patch_tags(&mut file.tags, tags)?;
                }
                if let Some(access) = &patch.access {
                    file.access.clone_from(access);
                }
                if let Some(expires_at) = expires_at {
                    file.expires_at = expires_at;
                }
                file.updated_at = now;
                check_extent(&file)?;
                put_file(commit, Some(old), &file)?;
                Ok(file.id)
            })
            .await?;
        entry(&after, id.as_str()).map(|entry| entry.file.clone())
    }

    /// Deletes a file with its passages.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_file(&self, scope: &Scope, id_or_key: &str) -> Result<(), Error> {
        let view = self.inner.views.of(scope).await?;
        let publishing = self.inner.publishing.lock(scope.bot()).await;
        let remove = |snapshot: &Snapshot, commit: &mut Commit| {
            let old = entry(snapshot, id_or_key)?;
            remove_file(&publishing, snapshot, commit, view.vectors(), old);
            Ok(())
        };
        self.inner.transact(scope, remove).await?;
        Ok(())
    }

    /// Copies a file, within a bot or to another one: content, tags, metadata, policies, indexing.
    ///
    /// # Errors
    /// `NotFound`, `KeyTaken` unless `overwrite`, `Invalid` when there is no content yet.
    pub async fn copy_file(
        &self,
        from: &Scope,
        id_or_key: &str,
        to: &Scope,
        destination_key: &str,
        overwrite: bool,
    ) -> Result<Arc<File>, Error> {
        check_key(destination_key)?;
        let source = self.file(from, id_or_key).await?;
        if source.blob.is_none() {
            return Err(Error::Invalid(format!("file {id_or_key:?} has no content yet; upload it first")));
        }
        let inner = &self.inner;
        let view = inner.views.of(to).await?;
        let publishing = inner.publishing.lock(to.bot()).await;
        let limit = inner.settings.storage_quota_bytes;
        let (copy, after) = inner
            .transact(to, |snapshot, commit| {
                let now = Timestamp::now();
                let old = snapshot.keys.get(destination_key).and_then(|id| snapshot.files.get(id));
                let itself = |file: &File| file.id == source.id && from == to;
                let taken = |file: &File| !overwrite && !is_expired(file, now);
                if old.is_some_and(|entry| itself(&entry.file)) {
                    return Err(Error::Invalid(
                        "a file cannot be copied onto itself; choose another key".into(),
                    ));
                }
                if old.is_some_and(|entry| taken(&entry.file)) {
                    return Err(Error::KeyTaken(destination_key.to_owned()));
                }
                let mut copy = File::clone(&source);
                copy.id = FileId::mint(now.as_ms());
                copy.key = destination_key.to_owned();
                copy.version = 1;
                copy.generation = 0;
                copy.published = None;
                copy.failed_reason = None;
                (copy.created_at, copy.updated_at) = (now, now);
                let unique = records::unique_key(destination_key);
                match old {
                    Some(old) => remove_file(&publishing, snapshot, commit, view.vectors(), old),
                    None => {
                        commit.expect_key(&records::kb(), unique.clone(), None);
                    }
                }
                commit.del.retain(|(_, key)| *key != unique);
                commit.put(&records::kb(), unique, copy.id.as_str().as_bytes().to_vec());
                commit.quota(Counter::StorageBytes, delta(copy.charged, 0), limit);
                let job = received(&mut copy, now);
                if let Some(job) = &job {
                    put_job(commit, job)?;
                }
                put_file(commit, None, &copy)?;
                Ok((copy.id, job))
            })
            .await?;
        drop(publishing);
        let (id, job) = copy;
        if let Some(job) = job {
            inner.enqueue(to, &job);
        }
        entry(&after, id.as_str()).map(|entry| entry.file.clone())
    }

    /// Some of a file's stored bytes, for downloads.
    ///
    /// # Errors
    /// `NotFound` when there is no such file or it has no content.
    pub async fn read_content(
        &self,
        scope: &Scope,
        id: &FileId,
        offset: u64,
        len: usize,
    ) -> Result<Bytes, Error> {
        let file = self.file(scope, id.as_str()).await?;
        let hash = file.blob.as_deref().ok_or_else(|| Error::no_file(id.as_str()))?;
        Ok(self.inner.blobs.read(&self.inner.blob(hash)?, offset, len).await?)
    }
}

impl Inner {
    pub(crate) fn enqueue(&self, scope: &Scope, job: &Job) {
        self.queue.push(scope, &job.file, job.generation, std::time::Duration::ZERO);
    }
}

/// The file as callers may see it: expired ones are gone already.
pub(crate) fn entry<'a>(snapshot: &'a Snapshot, id_or_key: &str) -> Result<&'a Arc<FileEntry>, Error> {
    let now = Timestamp::now();
    let found = snapshot.find(id_or_key).filter(|entry| !is_expired(&entry.file, now));
    found.ok_or_else(|| Error::no_file(id_or_key))
}

pub(crate) fn is_expired(file: &File, now: Timestamp) -> bool {
    file.expires_at.is_some_and(|moment| moment <= now)
}

/// Adds the write of a file record that must not have changed since `old` was read.
pub(crate) fn put_file(commit: &mut Commit, old: Option<&Arc<FileEntry>>, file: &File) -> Result<(), Error> {
    let key = records::file_key(&file.id);
    commit.expect_key(&records::kb(), key.clone(), old.map(|entry| entry.seq));
    commit.put(&records::kb(), key, records::encode(file)?);
    Ok(())
}

pub(crate) fn put_job(commit: &mut Commit, job: &Job) -> Result<(), Error> {
    commit.put(&records::jobs(), records::job_key(&job.file, job.generation), records::encode(job)?);
    Ok(())
}

/// Adds the removal of a file and all that hangs on it. A job of it ends itself.
pub(crate) fn remove_file(
    publishing: &Publishing,
    snapshot: &Snapshot,
    commit: &mut Commit,
    vectors: &quarry_store::Coll,
    old: &Arc<FileEntry>,
) {
    let key = records::file_key(&old.file.id);
    commit.expect_key(&records::kb(), key.clone(), Some(old.seq));
    commit.del(&records::kb(), key);
    commit.del(&records::kb(), records::unique_key(&old.file.key));
    publish::retire(publishing, snapshot, commit, vectors, &old.file);
    commit.quota(Counter::StorageBytes, delta(0, old.file.charged), u64::MAX);
}

/// Moves a file whose bytes have just arrived to its next status; the job to index it, if any.
pub(crate) fn received(file: &mut File, now: Timestamp) -> Option<Job> {
    file.updated_at = now;
    file.failed_reason = None;
    if !file.index {
        file.status = FileStatus::UploadCompleted;
        return None;
    }
    if file.size.is_some_and(|size| size > MAX_INDEXED_BYTES) {
        file.status = FileStatus::IndexingFailed;
        let reason = "files over 95 MB cannot be indexed; split it into smaller files";
        file.failed_reason = Some(reason.to_owned());
        return None;
    }
    file.status = FileStatus::IndexingPending;
    file.generation += 1;
    Some(Job::of(file, now, None))
}

/// Signed difference of two counts.
pub(crate) fn delta(after: u64, before: u64) -> i64 {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    signed(after) - signed(before)
}

fn new_file(input: &UpsertFile, expires_at: Option<Timestamp>, now: Timestamp) -> File {
    File {
        id: FileId::mint(now.as_ms()),
        key: input.key.clone(),
        version: 1,
        declared_size: input.size,
        size: None,
        content_type: input.content_type.clone().unwrap_or_else(|| content_type_of(&input.key).to_owned()),
        tags: input.tags.clone(),
        metadata: input.metadata.clone(),
        created_at: now,
        updated_at: now,
        access: input.access.clone(),
        index: input.index,
        indexing: input.indexing.clone().unwrap_or(Value::Null),
        status: FileStatus::UploadPending,
        failed_reason: None,
        expires_at,
        upload_until: None,
        blob: None,
        charged: input.size,
        generation: 0,
        published: None,
    }
}

fn check_upsert(input: &UpsertFile, max_file_bytes: u64) -> Result<Option<Timestamp>, Error> {
    check_key(&input.key)?;
    if input.size > max_file_bytes {
        let size = input.size;
        return Err(Error::Limit(format!(
            "a file may have at most {max_file_bytes} bytes, this one has {size}"
        )));
    }
    check_tags(&input.tags)?;
    if let Some(kind) = &input.content_type
        && (kind.is_empty() || kind.len() > 255 || kind.chars().any(char::is_control))
    {
        return Err(Error::Invalid("contentType must be a media type without control characters".into()));
    }
    input.expires_at.map(|moment| check_expiry(moment, Timestamp::now())).transpose()
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
        return Err(Error::Invalid(format!("key must have 1 to {MAX_KEY_CHARS} characters")));
    }
    if key.chars().any(char::is_control) {
        return Err(Error::Invalid("key must not hold control characters".into()));
    }
    Ok(())
}

pub(crate) fn check_tags(tags: &Tags) -> Result<(), Error> {
    if tags.len() > MAX_TAGS {
        return Err(Error::Invalid(format!("at most {MAX_TAGS} tags are allowed, {} given", tags.len())));
    }
    for (name, value) in tags {
        if name.is_empty() || name.chars().count() > MAX_TAG_NAME_CHARS {
            return Err(Error::Invalid(format!("tag names must have 1 to {MAX_TAG_NAME_CHARS} characters")));
        }
        if value.chars().count() > MAX_TAG_VALUE_CHARS {
            return Err(Error::Invalid(format!("tag {name:?} is over {MAX_TAG_VALUE_CHARS} characters")));
        }
    }
    Ok(())
}

/// Records of files are kept in memory and are not counted in the storage quota, so what callers
/// put into them is bounded.
fn check_extent(file: &File) -> Result<(), Error> {
    let free = records::encode(&(&file.metadata, &file.indexing))?.len();
    if free > MAX_FREE_JSON_BYTES {
        return Err(Error::Invalid(format!(
            "metadata and indexing together have {free} bytes of JSON; at most {MAX_FREE_JSON_BYTES} are stored"
        )));
    }
    Ok(())
}

/// Expiry in whole minutes.
fn check_expiry(moment: Timestamp, now: Timestamp) -> Result<Timestamp, Error> {
    if moment <= now || moment.as_ms() - now.as_ms() > MAX_EXPIRY_MS {
        return Err(Error::Invalid("expiresAt must lie in the future, at most 90 days ahead".into()));
    }
    let minutes = moment.as_ms().div_euclid(60_000);
    let rounded = Timestamp(minutes * 60_000);
    // A moment in this very minute would be over before the upload starts.
    Ok(if rounded <= now { Timestamp((minutes + 1) * 60_000) } else { rounded })
}

pub(crate) fn patch_tags(tags: &mut Tags, patch: &TagsPatch) -> Result<(), Error> {
    merge_tags(tags, patch);
    check_tags(tags)
}

pub(crate) fn merge_tags(tags: &mut Tags, patch: &TagsPatch) {
    for (name, value) in patch {
        match value {
            Some(value) => tags.insert(name.clone(), value.clone()),
            None => tags.remove(name),
        };
    }
}

pub(crate) fn merge_metadata(metadata: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        if value.is_null() {
            metadata.shift_remove(name);
        } else {
            metadata.insert(name.clone(), value.clone());
        }
    }
}

/// The content type that the extension of a key names, as uploads without one get it.
#[must_use]
pub fn content_type_of(key: &str) -> &'static str {
    let extension = key.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("pdf") => "application/pdf",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("doc") => "application/msword",
        Some("html" | "htm") => "text/html",
        Some("md" | "mdx" | "markdown") => "text/markdown",
        Some("txt" | "text" | "log") => "text/plain",
        Some("csv") => "text/csv",
        Some("tsv") => "text/tab-separated-values",
        Some("rtf") => "application/rtf",
        Some("eml") => "message/rfc822",
        Some("epub") => "application/epub+zip",
        Some("odt") => "application/vnd.oasis.opendocument.text",
        Some("ods") => "application/vnd.oasis.opendocument.spreadsheet",
        Some("xls") => "application/vnd.ms-excel",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("js" | "mjs") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("mp3") => "audio/mpeg",
        Some("mp4") => "video/mp4",
        Some("zip") => "application/zip",
        Some("gz") => "application/gzip",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn expiry_is_cut_to_minutes_and_bounded() {
        let now = Timestamp(1_700_000_000_000);
        let at = |ms| check_expiry(Timestamp(now.as_ms() + ms), now);
        assert_eq!(at(120_000).unwrap().as_ms() % 60_000, 0);
        assert!(at(1).unwrap() > now);
        assert!(at(0).is_err() && at(-5).is_err() && at(MAX_EXPIRY_MS + 1).is_err());
    }

    #[test]
    fn keys_and_tags_are_checked() {
        assert!(
            check_key("a/b c.txt").is_ok() && check_key("data_source://web-page/x/https%3A%2F%2Fe").is_ok()
        );
        for bad in ["", "a\nb", "nul\0", &"k".repeat(MAX_KEY_CHARS + 1)] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
        let long = Tags::from([("t".into(), "x".repeat(1001))]);
        assert!(check_tags(&long).is_err());
        assert!(check_tags(&Tags::from([("t".into(), "x".repeat(1000))])).is_ok());
    }

    #[test]
    fn tag_patches_add_change_and_remove() {
        let mut tags = Tags::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
        let patch = TagsPatch::from([
            ("a".into(), None),
            ("missing".into(), None),
            ("b".into(), Some("3".into())),
            ("c".into(), Some("4".into())),
        ]);
        patch_tags(&mut tags, &patch).unwrap();
        assert_eq!(tags, Tags::from([("b".into(), "3".into()), ("c".into(), "4".into())]));
    }

    #[test]
    fn types_follow_the_extension() {
        assert_eq!(content_type_of("x/y.MDX"), "text/markdown");
        assert_eq!(content_type_of("noext"), "application/octet-stream");
    }
}
