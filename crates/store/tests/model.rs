//! Random histories against a model in memory: what the store answers is what the model says, at
//! any time and after any reopen.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use quarry_store::{Changes, Coll, Commit, Error, LocalStore, RecordStore, Seq, StoreOptions, open};
use quarry_types::{BotId, Counter, Usage};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const BOTS: [&str; 2] = ["bot_a", "bot_b"];
const COLLS: u8 = 3;
const LIMIT: u64 = 40;

#[derive(Debug, Clone)]
enum Step {
    Commit(usize, Vec<Op>),
    /// Several commits sent at once.
    Burst(Vec<(usize, Vec<Op>)>),
    DropBot(usize),
    Sweep,
    Reopen,
}

#[derive(Debug, Clone)]
enum Op {
    Put(u8, u8, u8),
    Del(u8, u8),
    NextId(u8, u8),
    Quota(Counter, i64),
    Drop(u8),
    /// Whole-collection precondition, right or wrong.
    Expect(u8, bool),
    /// Key precondition, right or wrong.
    ExpectKey(u8, u8, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let (coll, key) = (0..COLLS, 0..12_u8);
    prop_oneof![
        8 => (coll.clone(), key.clone(), 0..40_u8).prop_map(|(c, k, len)| Op::Put(c, k, len)),
        4 => (coll.clone(), key.clone()).prop_map(|(c, k)| Op::Del(c, k)),
        1 => (coll.clone(), any::<u8>()).prop_map(|(c, id)| Op::NextId(c, id)),
        3 => (prop::sample::select(&Counter::ALL[..]), -20..25_i64).prop_map(|(c, d)| Op::Quota(c, d)),
        1 => coll.clone().prop_map(Op::Drop),
        1 => (coll.clone(), prop::bool::weighted(0.8)).prop_map(|(c, right)| Op::Expect(c, right)),
        1 => (coll, key, prop::bool::weighted(0.8)).prop_map(|(c, k, right)| Op::ExpectKey(c, k, right)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let commit = || (0..BOTS.len(), prop::collection::vec(op(), 1..8));
    prop_oneof![
        10 => commit().prop_map(|(bot, ops)| Step::Commit(bot, ops)),
        3 => prop::collection::vec(commit(), 2..6).prop_map(Step::Burst),
        1 => (0..BOTS.len()).prop_map(Step::DropBot),
        1 => Just(Step::Sweep),
        2 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone, Default, PartialEq)]
struct ModelColl {
    seq: Seq,
    next_id: u64,
    rows: BTreeMap<Vec<u8>, (Seq, Vec<u8>)>,
    deleted: BTreeMap<Vec<u8>, Seq>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct ModelBot {
    colls: BTreeMap<String, ModelColl>,
    usage: Usage,
}

#[derive(Debug, Default)]
struct Model {
    bots: [ModelBot; 2],
    /// How often a collection was dropped: a name is never used again, so the count is part of it.
    drops: BTreeMap<(usize, u8), u32>,
}

impl Model {
    fn name(&self, bot: usize, coll: u8) -> String {
        format!("c{coll}.{}", self.drops.get(&(bot, coll)).copied().unwrap_or(0))
    }

    /// The commit for some ops, and the bot after it; `None` when it must be refused.
    fn apply(&self, bot: usize, ops: &[Op]) -> (Commit, Option<ModelBot>) {
        let mut commit = Commit::new(&BotId::parse(BOTS[bot]).unwrap());
        let now = &self.bots[bot];
        let (mut fine, mut used, mut dropped) = (true, Vec::new(), Vec::new());
        for op in ops {
            match op {
                Op::Drop(coll) => dropped.push(self.name(bot, *coll)),
                Op::Put(coll, ..) | Op::Del(coll, _) | Op::NextId(coll, _) => {
                    used.push(self.name(bot, *coll))
                }
                _ => {}
            }
        }
        // A drop of what the commit uses is malformed, and tested elsewhere.
        dropped.retain(|name| !used.contains(name));
        dropped.sort();
        dropped.dedup();
        for op in ops {
            match op {
                Op::Put(coll, key, len) => {
                    let value = vec![*key; *len as usize];
                    commit.put(&Coll::new(&self.name(bot, *coll)), [*key], value);
                }
                Op::Del(coll, key) => drop(commit.del(&Coll::new(&self.name(bot, *coll)), [*key])),
                Op::NextId(coll, id) => {
                    commit.next_id.push((Coll::new(&self.name(bot, *coll)), u64::from(*id)));
                }
                Op::Quota(counter, delta) => drop(commit.quota(*counter, *delta, LIMIT)),
                Op::Drop(_) => {}
                Op::Expect(coll, right) => {
                    let name = self.name(bot, *coll);
                    let seq = now.colls.get(&name).map_or(0, |coll| coll.seq);
                    commit.expect.push((Coll::new(&name), if *right { seq } else { seq + 1 }));
                    fine &= right;
                }
                Op::ExpectKey(coll, key, right) => {
                    let name = self.name(bot, *coll);
                    let row = now.colls.get(&name).and_then(|coll| coll.rows.get(&vec![*key]));
                    let seq = row.map(|(seq, _)| *seq);
                    let seq = if *right { seq } else { Some(seq.map_or(1, |seq| seq + 1)) };
                    commit.expect_key(&Coll::new(&name), [*key], seq);
                    if *right && let Some(expected) = commit.expect_keys.last_mut() {
                        expected.len = row.map(|(_, value)| value.len() as u64);
                    }
                    // What was found in this state, or in one that is not this.
                    let read_at = now.colls.get(&name).map_or(0, |coll| coll.seq) + u64::from(!right);
                    if commit.read_at.iter().all(|(coll, _)| coll.as_str() != name) || !right {
                        commit.read_at.retain(|(coll, _)| coll.as_str() != name);
                        commit.read_at.push((Coll::new(&name), read_at));
                    }
                    fine &= right;
                }
            }
        }
        commit.drop = dropped.iter().map(|name| Coll::new(name)).collect();
        let after = fine.then(|| now.after(&commit)).flatten();
        (commit, after)
    }

    fn accept(&mut self, bot: usize, commit: &Commit, after: ModelBot) {
        self.bots[bot] = after;
        for coll in &commit.drop {
            let digit = coll.as_str().as_bytes()[1] - b'0';
            *self.drops.entry((bot, digit)).or_default() += 1;
        }
    }
}

impl ModelBot {
    fn after(&self, commit: &Commit) -> Option<Self> {
        let mut after = self.clone();
        for counter in Counter::ALL {
            let deltas = commit.quota.iter().filter(|change| change.counter == counter);
            let net: i64 = deltas.map(|change| change.delta).sum();
            let value = after.usage.get_mut(counter);
            if net > 0 && *value + net.unsigned_abs() > LIMIT {
                return None;
            }
            *value = value.saturating_add_signed(net);
        }
        let mut touched: Vec<&str> = commit.del.iter().map(|(coll, _)| coll.as_str()).collect();
        touched.extend(commit.put.iter().map(|(coll, ..)| coll.as_str()));
        touched.extend(commit.next_id.iter().map(|(coll, _)| coll.as_str()));
        touched.sort_unstable();
        touched.dedup();
        for name in touched {
            let fresh = ModelColl { next_id: 1, ..ModelColl::default() };
            after.colls.entry(name.to_owned()).or_insert(fresh).seq += 1;
        }
        for (coll, key) in &commit.del {
            let coll = after.colls.get_mut(coll.as_str()).unwrap();
            if coll.rows.remove(key).is_some() {
                coll.deleted.insert(key.clone(), coll.seq);
            }
        }
        for (coll, key, value) in &commit.put {
            let coll = after.colls.get_mut(coll.as_str()).unwrap();
            coll.deleted.remove(key);
            coll.rows.insert(key.clone(), (coll.seq, value.to_vec()));
        }
        for (coll, next_id) in &commit.next_id {
            let coll = after.colls.get_mut(coll.as_str()).unwrap();
            coll.next_id = coll.next_id.max(*next_id);
        }
        for coll in &commit.drop {
            after.colls.remove(coll.as_str());
        }
        Some(after)
    }
}

/// A follower of one collection, as the views are: it pages through `changes` and starts again
/// from a scan when told to.
#[derive(Default)]
struct Follower {
    seq: Seq,
    rows: BTreeMap<Vec<u8>, (Seq, Vec<u8>)>,
}

impl Follower {
    async fn catch_up(&mut self, store: &dyn RecordStore, bot: &BotId, coll: &Coll) {
        loop {
            match store.changes(bot, coll, self.seq, 3).await.unwrap() {
                Changes::Page { changes, upto, more } => {
                    for change in changes {
                        match change.value {
                            Some(value) => drop(self.rows.insert(change.key, (change.seq, value.to_vec()))),
                            None => drop(self.rows.remove(&change.key)),
                        }
                    }
                    self.seq = upto;
                    if !more {
                        return;
                    }
                }
                Changes::TooOld => {
                    self.seq = store.head(bot, coll).await.unwrap().seq;
                    let records = store.scan(bot, coll, b"", None, usize::MAX).await.unwrap();
                    self.rows = records.into_iter().map(|r| (r.key, (r.seq, r.value.to_vec()))).collect();
                }
            }
        }
    }
}

async fn check(store: &dyn RecordStore, model: &Model, followers: &mut BTreeMap<(usize, String), Follower>) {
    for (index, expected) in model.bots.iter().enumerate() {
        let bot = BotId::parse(BOTS[index]).unwrap();
        assert_eq!(store.usage(&bot).await.unwrap(), expected.usage);
        let names: Vec<_> = expected.colls.keys().cloned().collect();
        let listed = store.collections(&bot).await.unwrap();
        assert_eq!(listed.iter().map(|(coll, _)| coll.as_str().to_owned()).collect::<Vec<_>>(), names);
        for ((name, expected), (coll, listed_head)) in expected.colls.iter().zip(listed) {
            let head = store.head(&bot, &coll).await.unwrap();
            assert_eq!(head, listed_head);
            assert_eq!((head.seq, head.next_id), (expected.seq, expected.next_id));
            assert_eq!(head.records, expected.rows.len() as u64);
            assert_eq!(head.bytes, expected.rows.values().map(|(_, value)| value.len() as u64).sum::<u64>());
            let records = store.scan(&bot, &coll, b"", None, usize::MAX).await.unwrap();
            let rows: BTreeMap<_, _> =
                records.into_iter().map(|r| (r.key, (r.seq, r.value.to_vec()))).collect();
            assert_eq!(rows, expected.rows);
            let keys: Vec<_> = (0..12_u8).map(|key| vec![key]).collect();
            for (key, record) in keys.iter().zip(store.get(&bot, &coll, &keys).await.unwrap()) {
                assert_eq!(record.map(|r| (r.seq, r.value.to_vec())).as_ref(), expected.rows.get(key));
            }
            let follower = followers.entry((index, name.clone())).or_default();
            follower.catch_up(store, &bot, &coll).await;
            assert_eq!((follower.seq, &follower.rows), (expected.seq, &expected.rows));
        }
    }
}

async fn run(folder: &Path, steps: Vec<Step>, options: &StoreOptions) {
    let reopen = |old: Option<Arc<LocalStore>>| {
        drop(old);
        open(folder, options).unwrap().store
    };
    let (mut store, mut model, mut followers) = (reopen(None), Model::default(), BTreeMap::new());
    for step in steps {
        match step {
            Step::Commit(bot, ops) => {
                let (commit, after) = model.apply(bot, &ops);
                let result = store.commit(commit.clone()).await;
                match after {
                    Some(after) => {
                        result.unwrap();
                        model.accept(bot, &commit, after);
                    }
                    None => {
                        assert!(
                            matches!(result, Err(Error::Conflict { .. } | Error::Quota(_))),
                            "{result:?}"
                        );
                    }
                }
            }
            Step::Burst(commits) => {
                // The queue keeps their order, so each is judged on the state the ones before leave.
                let mut sent = Vec::new();
                for (bot, ops) in commits {
                    let (commit, after) = model.apply(bot, &ops);
                    sent.push((store.commit(commit.clone()), after.is_some()));
                    if let Some(after) = after {
                        model.accept(bot, &commit, after);
                    }
                }
                let (futures, expected): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
                let results = futures::future::join_all(futures).await;
                assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), expected);
            }
            Step::DropBot(bot) => {
                store.drop_bot(&BotId::parse(BOTS[bot]).unwrap()).await.unwrap();
                model.bots[bot] = ModelBot::default();
                followers.retain(|(of, _), _| *of != bot);
            }
            Step::Sweep => drop(store.sweep().await.unwrap()),
            Step::Reopen => store = reopen(Some(store)),
        }
        check(&*store, &model, &mut followers).await;
    }
    let mut store = reopen(Some(store));
    check(&*store, &model, &mut followers).await;
    if options.keep_tombstones > Duration::ZERO {
        for (index, bot) in model.bots.iter().enumerate() {
            let id = BotId::parse(BOTS[index]).unwrap();
            for (name, expected) in &bot.colls {
                // One entry per live key or tombstone, however often it changed.
                let Changes::Page { changes, .. } =
                    store.changes(&id, &Coll::new(name), 0, usize::MAX).await.unwrap()
                else {
                    panic!("tombstones are kept")
                };
                let (live, dead): (Vec<_>, Vec<_>) = changes.into_iter().partition(|c| c.value.is_some());
                assert_eq!(live.len(), expected.rows.len());
                let dead: BTreeMap<_, _> = dead.into_iter().map(|c| (c.key, c.seq)).collect();
                assert_eq!(dead, expected.deleted);
            }
        }
    } else {
        // A sweep leaves nothing for the next one.
        store.sweep().await.unwrap();
        store = reopen(Some(store));
        assert_eq!(store.sweep().await.unwrap(), quarry_store::Swept::default());
    }
}

fn check_history(steps: Vec<Step>, keep_tombstones: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { keep_tombstones, spare_log_keys: 0, ..StoreOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(run(dir.path(), steps, &options));
}

/// Histories per test; each takes several starts of the store.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories_match_the_model(steps in prop::collection::vec(step(), 1..40)) {
        check_history(steps, Duration::from_secs(3600));
    }

    #[test]
    fn histories_match_the_model_when_tombstones_go_at_once(steps in prop::collection::vec(step(), 1..40)) {
        check_history(steps, Duration::ZERO);
    }
}
