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

/// Adds the removal of a file's published passages, and of the vectors nobody else uses.
pub(crate) fn retire(
    publishing: &Publishing,
    snapshot: &Snapshot,
    commit: &mut Commit,
    vectors: &Coll,
    file: &File,
) {
    replace(publishing, snapshot, commit, vectors, file, &HashSet::new());
}

/// As [`retire`], keeping the vectors in `kept`.
fn replace(
    _: &Publishing,
    snapshot: &Snapshot,
    commit: &mut Commit,
    vectors: &Coll,
    file: &File,
    kept: &HashSet<TextHash>,
) {
    let Some(published) = &file.published else { return };
    let generation = Generation { file: file.id.clone(), number: published.generation };
    let mut used_here: HashMap<TextHash, u32> = HashMap::new();
    let ordinals = snapshot.generations.get(&generation).into_iter().flat_map(|ordinals| ordinals.values());
    for place in ordinals.filter_map(|ordinal| snapshot.places.get(*ordinal)) {
        *used_here.entry(place.hash).or_default() += 1;
    }
    for position in 0..published.passages {
        commit.del(&records::kb(), records::passage_key(&file.id, published.generation, position));
    }
    for (hash, here) in used_here {
        let unused = snapshot.vector_uses.get(&hash).is_none_or(|uses| *uses <= here);
        if unused && !kept.contains(&hash) {
            commit.del(vectors, hash.to_vec());
        }
    }
    commit.quota(Counter::Vectors, -i64::from(published.passages), u64::MAX);
}

/// Adds the publication of new passages in place of what `old` has published.
pub(crate) fn publish(
    publishing: &Publishing,
    snapshot: &Snapshot,
    commit: &mut Commit,
    form: &VectorForm,
    old: &File,
    new: &[(PassageRecord, TextHash, Arc<TextVectors>)],
) -> Result<(), crate::Error> {
    let kept: HashSet<TextHash> = new.iter().map(|(_, hash, _)| *hash).collect();
    replace(publishing, snapshot, commit, &form.coll, old, &kept);
    let mut written = HashSet::new();
    for (record, hash, vectors) in new {
        let key = records::passage_key(&old.id, old.generation, record.passage.position);
        commit.put(&records::kb(), key, records::encode(record)?);
        // Written even when it should be there: that mends a lost one, and another model has none yet.
        if written.insert(*hash) {
            commit.put(&form.coll, hash.to_vec(), form.encode(vectors));
        }
    }
    Ok(())
}
