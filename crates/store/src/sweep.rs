//! Background removal of what is logically gone: rows of dropped collections and bots, old tombstones.
//!
//! Knows nothing of blobs and views. Invariant: only rows under numbers that no name leads to are
//! removed here directly; everything else goes through the commit thread.

use crate::Error;
use crate::codec::{self, catalog_key, row_prefix, tag};
use crate::committer::Request;
use crate::engine::Space;
use crate::group::Expire;
use crate::state::{self, Shared};
use quarry_types::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Keys removed per batch: small, so that commits in between wait little.
const CHUNK_KEYS: usize = 1_000;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Dropped collections and bots whose rows are gone now.
    pub dropped: u64,
    /// Rows and index entries of those.
    pub rows: u64,
    /// Forgotten tombstones.
    pub tombstones: u64,
}

/// Sweeps everything once; ends early, with what it did so far, when `stop` is set.
pub(crate) fn sweep(
    shared: &Shared,
    queue: &mpsc::Sender<Request>,
    keep_tombstones_ms: i64,
    stop: &AtomicBool,
) -> Result<Swept, Error> {
    let _one_at_a_time = shared.sweeping.lock();
    let mut swept = Swept::default();
    sweep_garbage(shared, stop, &mut swept)?;
    sweep_tombstones(shared, queue, keep_tombstones_ms, stop, &mut swept)?;
    if swept != Swept::default() {
        let Swept { dropped, rows, tombstones } = swept;
        tracing::info!(dropped, rows, tombstones, "swept the record store");
    }
    Ok(swept)
}

/// Finishes drops. The marker goes last, so that a crash in between leaves it to the next start.
fn sweep_garbage(shared: &Shared, stop: &AtomicBool, swept: &mut Swept) -> Result<(), Error> {
    let markers: Result<Vec<_>, Error> =
        shared.engine.view().prefix(Space::Catalog, &[tag::GARBAGE]).map(|pair| Ok(pair?.0)).collect();
    for marker in markers? {
        let numbers = marker.get(1..).unwrap_or_default();
        let mut ranges: Vec<(Space, Vec<u8>)> =
            [Space::Records, Space::Changes, Space::Tombs].map(|space| (space, numbers.to_vec())).into();
        match numbers.len() {
            // A bot: everything of the catalog under its number too.
            4 => ranges.extend(
                [tag::COLL, tag::USAGE, tag::OUTCOME, tag::GARBAGE]
                    .map(|tag| (Space::Catalog, catalog_key(tag, &[numbers]))),
            ),
            8 => {}
            len => return Err(Error::Corrupt(format!("a garbage marker of {len} bytes"))),
        }
        for (space, prefix) in ranges {
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let keys = shared.engine.view().prefix(space, &prefix).map(|pair| Ok(pair?.0.to_vec()));
                let keys: Result<Vec<Vec<u8>>, Error> = keys
                    .filter(|key| key.as_ref().map_or(true, |key| key[..] != marker[..]))
                    .take(CHUNK_KEYS)
                    .collect();
                let keys = keys?;
                if keys.is_empty() {
                    break;
                }
                swept.rows += keys.len() as u64;
                let effects = keys.into_iter().map(|key| (space, key, None)).collect();
                shared.engine.write(effects)?;
            }
        }
        let done = vec![(Space::Catalog, marker.to_vec(), None)];
        shared.engine.write(done)?;
        swept.dropped += 1;
    }
    Ok(())
}

fn sweep_tombstones(
    shared: &Shared,
    queue: &mpsc::Sender<Request>,
    keep_ms: i64,
    stop: &AtomicBool,
    swept: &mut Swept,
) -> Result<(), Error> {
    let before = Timestamp::now().as_ms().saturating_sub(keep_ms);
    for (bot, bot_no) in state::all_bots(&shared.engine.view())? {
        for (coll, coll_state) in state::all_colls(&shared.engine.view(), bot_no)? {
            if coll_state.tombs == 0 {
                continue;
            }
            let prefix = row_prefix(bot_no, coll_state.no);
            let mut from = prefix.to_vec();
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let mut tombs = Vec::new();
                let mut last = None;
                let view = shared.engine.view();
                let to = codec::prefix_end(&prefix);
                for pair in view.range(Space::Tombs, &from, to.as_deref()).take(CHUNK_KEYS) {
                    let (row, value) = pair?;
                    let (seq, at_ms) = codec::decode_tomb(&value)?;
                    if at_ms <= before {
                        tombs.push((row.get(prefix.len()..).unwrap_or_default().to_vec(), seq));
                    }
                    last = Some(row);
                }
                drop(view);
                let Some(last) = last else { break };
                from = [&last[..], &[0]].concat();
                if tombs.is_empty() {
                    continue;
                }
                swept.tombstones += tombs.len() as u64;
                let expire = Expire { bot: bot.clone(), coll: coll.clone(), coll_no: coll_state.no, tombs };
                let (reply, answer) = oneshot::channel();
                let closed = || Error::Poisoned("the commit thread has ended".into());
                queue.blocking_send(Request::Expire(expire, reply)).map_err(|_| closed())?;
                answer.blocking_recv().map_err(|_| closed())??;
            }
        }
    }
    Ok(())
}
