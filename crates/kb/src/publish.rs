//! Which generation of a file is searchable: published and retired whole, in one commit.
//!
//! Owns the rule that a vector record lives as long as a published passage uses it. That needs one
//! decision at a time per bot: functions here ask for a [`Publishing`] guard as proof.

use crate::File;
use crate::places::Generation;
use crate::records::{self, PassageRecord, TextHash};
use crate::vectors::{TextVectors, VectorForm};
use crate::view::Snapshot;
use parking_lot::Mutex;
use quarry_store::{Coll, Commit};
use quarry_types::{BotId, Counter};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// Proof that no other publish, retire or delete of this bot runs.
pub(crate) struct Publishing {
    _guard: OwnedMutexGuard<()>,
}

#[derive(Default)]
pub(crate) struct Locks {
    bots: Mutex<HashMap<BotId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Locks {
    pub(crate) async fn lock(&self, bot: &BotId) -> Publishing {
        let lock = self.bots.lock().entry(bot.clone()).or_default().clone();
        Publishing { _guard: lock.lock_owned().await }
    }
}

/// New passages of a file in place of those it has published.
pub(crate) struct Replacement<'a> {
    pub(crate) old: &'a File,
    pub(crate) new: &'a [(PassageRecord, TextHash, Arc<TextVectors>)],
}

/// Adds the removal of a file's published passages, and of the vectors nobody else uses.
pub(crate) fn retire(
    publishing: &Publishing,
    snapshot: &Snapshot,
    commit: &mut Commit,
    vectors: &Coll,
    file: &File,
) {
    retire_all(publishing, snapshot, commit, vectors, [file], &HashSet::new());
}

/// As [`retire`], of files that are retired together, keeping the vectors in `kept`.
fn retire_all<'f>(
    _: &Publishing,
    snapshot: &Snapshot,
    commit: &mut Commit,
    vectors: &Coll,
    files: impl IntoIterator<Item = &'f File>,
    kept: &HashSet<TextHash>,
) {
    let mut used_here: HashMap<TextHash, u32> = HashMap::new();
    for file in files {
        let Some(published) = &file.published else { continue };
        let generation = Generation { file: file.id.clone(), number: published.generation };
        let ordinals = snapshot.generations.get(&generation).into_iter().flat_map(|of| of.values());
        for place in ordinals.filter_map(|ordinal| snapshot.places.get(*ordinal)) {
            *used_here.entry(place.hash).or_default() += 1;
        }
        for position in 0..published.passages {
            commit.del(&records::kb(), records::passage_key(&file.id, published.generation, position));
        }
        commit.quota(Counter::Vectors, -i64::from(published.passages), u64::MAX);
    }
    for (hash, here) in used_here {
        let unused = snapshot.vector_uses.get(&hash).is_none_or(|uses| *uses <= here);
        if unused && !kept.contains(&hash) {
            commit.del(vectors, hash.to_vec());
        }
    }
}

/// Adds the publication of new passages, each file's in place of what it has published.
pub(crate) fn publish(
    publishing: &Publishing,
    snapshot: &Snapshot,
    commit: &mut Commit,
    form: &VectorForm,
    files: &[Replacement<'_>],
) -> Result<(), crate::Error> {
    let kept: HashSet<TextHash> = files.iter().flat_map(|file| file.new).map(|(_, hash, _)| *hash).collect();
    let old = files.iter().map(|file| file.old);
    retire_all(publishing, snapshot, commit, &form.coll, old, &kept);
    let mut written = HashSet::new();
    for Replacement { old, new } in files {
        for (record, hash, vectors) in *new {
            let key = records::passage_key(&old.id, old.generation, record.passage.position);
            commit.put(&records::kb(), key, records::encode(record)?);
            // Written even when it should be there: that mends a lost one, and another model has none yet.
            if written.insert(*hash) {
                commit.put(&form.coll, hash.to_vec(), form.encode(vectors));
            }
        }
    }
    Ok(())
}
