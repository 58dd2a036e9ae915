//! What time takes away: files past their end, and uploads whose bytes never came.
//!
//! Invariant: each file is ended in one commit that also gives back what it held, so a crash leaves
//! it as it was, to be ended by the next sweep.

use crate::files::{delta, is_expired, put_file, remove_file};
use crate::kb::Kb;
use crate::view::{FileEntry, Snapshot, View};
use crate::{Error, File, publish};
use quarry_store::Commit;
use quarry_types::{Counter, FileStatus, Scope, Timestamp};
use std::sync::Arc;

impl Kb {
    /// Ends what is over by `now` in a bot; answers how many files that were.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn sweep(&self, scope: &Scope, view: &View, now: Timestamp) -> Result<usize, Error> {
        let over = view.snapshot().over(now);
        if over.is_empty() {
            return Ok(0);
        }
        let publishing = self.inner.publishing.lock(scope.bot()).await;
        for id in &over {
            let end = |snapshot: &Snapshot, commit: &mut Commit| {
                let Some(entry) = snapshot.files.get(id) else { return Ok(()) };
                if is_expired(&entry.file, now) {
                    remove_file(&publishing, snapshot, commit, view.vectors(), entry);
                    return Ok(());
                }
                let Some(file) = ended(entry, now) else { return Ok(()) };
                if file.published.is_none() {
                    publish::retire(&publishing, snapshot, commit, view.vectors(), &entry.file);
                }
                commit.quota(Counter::StorageBytes, delta(file.charged, entry.file.charged), u64::MAX);
                put_file(commit, Some(entry), &file)
            };
            self.inner.transact(scope, end).await?;
        }
        Ok(over.len())
    }
}

/// The file without what is over of it; `None` when nothing is.
fn ended(entry: &Arc<FileEntry>, now: Timestamp) -> Option<File> {
    let mut file = File::clone(&entry.file);
    if is_expired(&entry.found, now) {
        file.published = None;
    }
    if file.awaits_upload() && file.upload_ends_at() <= now {
        file.charged = 0;
        if file.status == FileStatus::UploadPending {
            file.status = FileStatus::UploadFailed;
            let reason =
                "the content was not uploaded in time; call upsertFile again and send it to the new URL";
            file.failed_reason = Some(reason.to_owned());
            file.updated_at = now;
        }
    }
    (file != *entry.file).then_some(file)
}
