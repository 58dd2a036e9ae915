//! Background removal of what is logically gone: rows of dropped collections and bots, old tombstones,
//! superseded keys of change logs.
//!
//! Knows nothing of blobs and views. Invariant: only rows under numbers that no name leads to are
//! removed and log entries of past commits thinned here directly; everything else goes through the
//! commit thread.

use crate::Error;
use crate::codec::{self, LogEntry, catalog_key, log_key, row_key, row_prefix, tag};
use crate::committer::Request;
use crate::engine::{Effect, Space, View};
use crate::group::{Expire, Thinned};
use crate::record::Seq;
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
    /// Superseded keys taken out of change logs.
    pub superseded: u64,
}

/// When a sweep finds something to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Tombstones younger than this stay.
    pub(crate) keep_tombstones_ms: i64,
    /// A change log may list so many keys more than twice those that are current.
    pub(crate) spare_log_keys: u64,
}

/// Sweeps everything once; ends early, with what it did so far, when `stop` is set.
pub(crate) fn sweep(
    shared: &Shared,
    queue: &mpsc::Sender<Request>,
    limits: Limits,
    stop: &AtomicBool,
) -> Result<Swept, Error> {
    let _one_at_a_time = shared.sweeping.lock();
    let mut swept = Swept::default();
    sweep_garbage(shared, stop, &mut swept)?;
    sweep_tombstones(shared, queue, limits.keep_tombstones_ms, stop, &mut swept)?;
    thin_logs(shared, queue, limits.spare_log_keys, stop, &mut swept)?;
    if swept != Swept::default() {
        let Swept { dropped, rows, tombstones, superseded } = swept;
        tracing::info!(dropped, rows, tombstones, superseded, "swept the record store");
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
                let effects = keys.iter().map(|key| Effect::new(space, key, None)).collect();
                shared.engine.write(effects)?;
            }
        }
        let done = vec![Effect::new(Space::Catalog, &marker, None)];
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
                ask(queue, |reply| Request::Expire(expire, reply))?;
            }
        }
    }
    Ok(())
}

/// Sends a request to the commit thread and waits for its answer.
fn ask(
    queue: &mpsc::Sender<Request>,
    request: impl FnOnce(oneshot::Sender<Result<(), Error>>) -> Request,
) -> Result<(), Error> {
    let (reply, answer) = oneshot::channel();
    let closed = || Error::Poisoned("the commit thread has ended".into());
    queue.blocking_send(request(reply)).map_err(|_| closed())?;
    answer.blocking_recv().map_err(|_| closed())?
}

/// Takes superseded keys out of the logs that list many. Commits never touch the log of earlier ones
/// and a superseded key stays so, so this needs no lock.
fn thin_logs(
    shared: &Shared,
    queue: &mpsc::Sender<Request>,
    spare: u64,
    stop: &AtomicBool,
    swept: &mut Swept,
) -> Result<(), Error> {
    for (bot, bot_no) in state::all_bots(&shared.engine.view())? {
        for (coll, before) in state::all_colls(&shared.engine.view(), bot_no)? {
            let current = before.head.records.saturating_add(before.tombs);
            if before.logged <= current.saturating_mul(2).saturating_add(spare) {
                continue;
            }
            let prefix = row_prefix(bot_no, before.no);
            let end = log_key(prefix, before.head.seq.saturating_add(1));
            let (mut from, mut kept) = (prefix.to_vec(), 0_u64);
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let view = shared.engine.view();
                let (mut effects, mut looked, mut last) = (Vec::new(), 0, None);
                for pair in view.range(Space::Changes, &from, Some(&end[..])) {
                    let (key, log) = pair?;
                    let seq = codec::seq_of(&key)?;
                    let (mut rest, mut gone) = (LogEntry::default(), 0);
                    for listed in LogEntry::keys(&log) {
                        let (row, is_dead) = listed?;
                        looked += 1;
                        if is_current(&view, &row_key(prefix, row), is_dead, seq)? {
                            rest.push(row, is_dead);
                            kept += 1;
                        } else {
                            gone += 1;
                        }
                    }
                    if gone > 0 {
                        swept.superseded += gone;
                        let rest = (!rest.is_empty()).then(|| rest.encode());
                        effects.push(Effect::new(Space::Changes, &key, rest));
                    }
                    last = Some(key);
                    if looked >= CHUNK_KEYS {
                        break;
                    }
                }
                drop(view);
                if !effects.is_empty() {
                    shared.engine.write(effects)?;
                }
                let Some(last) = last else { break };
                from = [&last[..], &[0]].concat();
            }
            let keys = before.logged.saturating_sub(kept);
            let thinned = Thinned { bot: bot.clone(), coll, coll_no: before.no, keys };
            ask(queue, |reply| Request::Thinned(thinned, reply))?;
        }
    }
    Ok(())
}

/// Whether a log entry's key has not been written since.
fn is_current(view: &View<'_>, row: &[u8], is_dead: bool, seq: Seq) -> Result<bool, Error> {
    let space = if is_dead { Space::Tombs } else { Space::Records };
    let Some(bytes) = view.get(space, row)? else { return Ok(false) };
    let now = if is_dead { codec::decode_tomb(&bytes)?.0 } else { codec::decode_record(&bytes)?.0 };
    Ok(now == seq)
}
