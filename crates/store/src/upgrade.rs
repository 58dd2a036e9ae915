//! Brings a folder of format 1 to format 2: one entry of the change log per commit instead of per key.
//!
//! Knows the layout of format 1. Invariant: killed at any moment it goes on at the next start, for it
//! takes what it finds in either form, and `VERSION` changes last.

use crate::Error;
use crate::codec::{self, CollState, LogEntry, tag};
use crate::engine::{Effect, Engine, Space};
use std::collections::HashMap;

/// Old entries rewritten in one batch, about: a commit's entries stay together.
const BATCH: usize = 4_096;
/// Bytes of bot, collection and seq in front of the key of an old entry; a new one has no more.
const HEAD: usize = 16;

/// Rewrites the change log and the states of all collections.
///
/// # Errors
/// [`Error::Io`] and [`Error::Corrupt`]; then the folder is still of format 1.
pub(crate) fn to_format_2(engine: &Engine) -> Result<(), Error> {
    let mut listed: HashMap<[u8; 8], u64> = HashMap::new();
    let mut effects = Vec::new();
    let mut commit: Option<([u8; HEAD], LogEntry)> = None;
    let view = engine.view();
    for pair in view.range(Space::Changes, &[], None) {
        let (key, value) = pair?;
        let head: [u8; HEAD] = key
            .first_chunk()
            .copied()
            .ok_or_else(|| Error::Corrupt("an entry of the change log has a short key".into()))?;
        let old = key.get(HEAD..).unwrap_or_default();
        if old.is_empty() {
            // Of format 2 already: an earlier upgrade was killed.
            let keys = LogEntry::keys(&value).collect::<Result<Vec<_>, _>>()?.len();
            *count(&mut listed, &head) += keys as u64;
            continue;
        }
        if commit.as_ref().is_some_and(|(of, _)| *of != head) {
            finish(&mut commit, &mut effects);
            if effects.len() >= BATCH {
                engine.write(std::mem::take(&mut effects))?;
            }
        }
        commit.get_or_insert_with(|| (head, LogEntry::default())).1.push(old, !value.is_empty());
        effects.push(Effect::new(Space::Changes, &key, None));
        *count(&mut listed, &head) += 1;
    }
    finish(&mut commit, &mut effects);
    for pair in view.prefix(Space::Catalog, &[tag::COLL]) {
        let (key, value) = pair?;
        if CollState::decode(&value).is_ok() {
            continue;
        }
        // The new state has one number more, the last.
        let mut longer = value.to_vec();
        codec::put_varint(&mut longer, 0);
        let mut state = CollState::decode(&longer)?;
        let bot = key.get(1..5).and_then(<[u8]>::first_chunk).map_or(0, |bot| u32::from_be_bytes(*bot));
        state.logged = listed.get(&codec::row_prefix(bot, state.no)).copied().unwrap_or(0);
        effects.push(Effect::new(Space::Catalog, &key, Some(state.encode())));
    }
    engine.write(effects)
}

fn count<'a>(listed: &'a mut HashMap<[u8; 8], u64>, head: &[u8; HEAD]) -> &'a mut u64 {
    listed.entry(head.first_chunk().copied().unwrap_or_default()).or_default()
}

fn finish(commit: &mut Option<([u8; HEAD], LogEntry)>, effects: &mut Vec<Effect>) {
    if let Some((head, entry)) = commit.take() {
        effects.push(Effect::new(Space::Changes, &head, Some(entry.encode())));
    }
}

/// Writes a folder's log and states as format 1 had them; some commits stay new when `half`.
#[cfg(test)]
pub(crate) fn to_format_1(engine: &Engine, half: bool) -> Result<(), Error> {
    let mut effects = Vec::new();
    let view = engine.view();
    for (at, pair) in view.range(Space::Changes, &[], None).enumerate() {
        let (key, value) = pair?;
        if half && at % 2 == 0 {
            continue;
        }
        effects.push(Effect::new(Space::Changes, &key, None));
        for entry in LogEntry::keys(&value) {
            let (of, is_dead) = entry?;
            let old = [&key, of].concat();
            effects.push(Effect::new(Space::Changes, &old, Some(if is_dead { vec![1] } else { Vec::new() })));
        }
    }
    for pair in view.prefix(Space::Catalog, &[tag::COLL]) {
        let (key, value) = pair?;
        let mut state = value.to_vec();
        state.pop();
        effects.push(Effect::new(Space::Catalog, &key, Some(state)));
    }
    engine.write(effects)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::recovery::{StoreOptions, open};
    use crate::{Changes, Coll, Commit, DataPaths, RecordStore};
    use quarry_types::BotId;

    #[tokio::test]
    async fn a_folder_of_format_1_opens_with_all_its_changes() {
        for half in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (bot, rows, more) = (BotId::parse("bot").unwrap(), Coll::new("rows"), Coll::new("more"));
            let opened = open(dir.path(), &StoreOptions::default()).unwrap();
            for step in 0..5_u64 {
                let mut commit = Commit::new(&bot);
                commit.put(&rows, format!("row {step}"), "value").put(
                    &rows,
                    format!("other {step}"),
                    "value",
                );
                commit.put(&more, format!("key {step}"), "value");
                opened.store.commit(commit).await.unwrap();
            }
            let mut gone = Commit::new(&bot);
            gone.del(&rows, "row 2");
            opened.store.commit(gone).await.unwrap();
            let everything = async |store: &crate::LocalStore| {
                let mut all = Vec::new();
                for coll in [&rows, &more] {
                    match store.changes(&bot, coll, 0, 1000).await.unwrap() {
                        Changes::Page { changes, upto, .. } => all.push((changes, upto)),
                        Changes::TooOld => panic!("too old"),
                    }
                }
                format!("{all:?}")
            };
            let before = everything(&opened.store).await;
            drop(opened);

            let paths = DataPaths::new(dir.path());
            let engine = Engine::open(&paths.records(), 1 << 20).unwrap();
            to_format_1(&engine, half).unwrap();
            drop(engine);
            paths.write_small(&paths.version(), b"quarry data 1\n").unwrap();

            let opened = open(dir.path(), &StoreOptions::default()).unwrap();
            assert_eq!(everything(&opened.store).await, before);
            assert_eq!(opened.store.head(&bot, &rows).await.unwrap().records, 9);
            let mut next = Commit::new(&bot);
            next.put(&rows, "row 2", "again");
            opened.store.commit(next).await.unwrap();
            drop(opened);
            let version = paths.read_small(&paths.version()).unwrap().unwrap();
            assert_eq!(version, b"quarry data 2\n");
            open(dir.path(), &StoreOptions::default()).unwrap();
        }
    }
}
