//! What every [`RecordStore`] must do, as checks that run against any implementation.
//!
//! Each check works on bots of its own, so all of them can share one store; [`all`] runs them one
//! after the other. A check panics when the store does not do what the trait says.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use crate::{Change, Changes, Coll, Commit, Error, Head, Record, RecordStore, Seq};
use bytes::Bytes;
use futures::future::join_all;
use quarry_types::{BotId, Counter, Usage};

/// Runs every check.
pub async fn all(store: &dyn RecordStore) {
    nothing_is_there_at_first(store).await;
    a_commit_covers_all_its_collections_or_none(store).await;
    preconditions_refuse_what_changed(store).await;
    malformed_commits_are_refused(store).await;
    deletes_come_before_puts(store).await;
    ids_only_grow(store).await;
    scans_are_ordered_prefixed_and_paged(store).await;
    gets_keep_their_order(store).await;
    changes_show_the_newest_version_once(store).await;
    pages_of_changes_never_split_a_commit(store).await;
    heads_count_records_and_bytes(store).await;
    quotas_refuse_and_release(store).await;
    known_keys_count_in_their_state_only(store).await;
    a_repeated_commit_is_done_once(store).await;
    dropped_collections_are_gone(store).await;
    bots_do_not_see_one_another(store).await;
    one_writer_wins_each_version(store).await;
    waiting_commits_keep_their_order(store).await;
}

fn new_bot() -> BotId {
    BotId::mint(quarry_types::Timestamp::now().as_ms())
}

fn coll(name: &str) -> Coll {
    Coll::new(name)
}

async fn put(store: &dyn RecordStore, bot: &BotId, coll: &Coll, pairs: &[(&str, &str)]) -> Seq {
    let mut commit = Commit::new(bot);
    for (key, value) in pairs {
        commit.put(coll, *key, value.as_bytes().to_vec());
    }
    store.commit(commit).await.unwrap().seq(coll).unwrap()
}

async fn del(store: &dyn RecordStore, bot: &BotId, coll: &Coll, key: &str) -> Seq {
    let mut commit = Commit::new(bot);
    commit.del(coll, key);
    store.commit(commit).await.unwrap().seq(coll).unwrap()
}

async fn value(store: &dyn RecordStore, bot: &BotId, coll: &Coll, key: &str) -> Option<String> {
    let records = store.get(bot, coll, &[key.into()]).await.unwrap();
    assert_eq!(records.len(), 1);
    records[0].as_ref().map(|record| String::from_utf8(record.value.to_vec()).unwrap())
}

fn change(key: &str, seq: Seq, value: Option<&str>) -> Change {
    Change { key: key.into(), seq, value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())) }
}

async fn page(
    store: &dyn RecordStore,
    bot: &BotId,
    coll: &Coll,
    after: Seq,
    max: usize,
) -> (Vec<Change>, Seq, bool) {
    match store.changes(bot, coll, after, max).await.unwrap() {
        Changes::Page { changes, upto, more } => (changes, upto, more),
        Changes::TooOld => panic!("changes after {after} of {coll:?} are too old"),
    }
}

/// Unknown bots and collections read as empty.
pub async fn nothing_is_there_at_first(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    assert_eq!(store.head(&bot, &rows).await.unwrap(), Head { next_id: 1, ..Head::default() });
    assert_eq!(store.get(&bot, &rows, &[b"a".to_vec(), b"b".to_vec()]).await.unwrap(), [None, None]);
    assert_eq!(store.scan(&bot, &rows, b"", None, 10).await.unwrap(), []);
    assert_eq!(page(store, &bot, &rows, 0, 10).await, (vec![], 0, false));
    assert_eq!(store.changes(&bot, &rows, 5, 10).await.unwrap(), Changes::TooOld);
    assert_eq!(store.usage(&bot).await.unwrap(), Usage::default());
    assert_eq!(store.collections(&bot).await.unwrap(), []);
    assert!(!store.bots().await.unwrap().contains(&bot));
    store.drop_bot(&bot).await.unwrap();
}

/// One commit over several collections, and refusals that leave no trace in any of them.
pub async fn a_commit_covers_all_its_collections_or_none(store: &dyn RecordStore) {
    let (bot, a, b) = (new_bot(), coll("a"), coll("b"));
    let mut commit = Commit::new(&bot);
    commit.put(&a, "x", "1").put(&b, "y", "2");
    commit.next_id.push((coll("c"), 7));
    let done = store.commit(commit).await.unwrap();
    let mut changed: Vec<_> = done.seqs.clone();
    changed.sort();
    assert_eq!(changed, [(a.clone(), 1), (b.clone(), 1), (coll("c"), 1)]);
    assert!(store.bots().await.unwrap().contains(&bot));

    let before = store.collections(&bot).await.unwrap();
    let mut refused = Commit::new(&bot);
    refused.put(&a, "x", "changed").put(&b, "z", "new").del(&b, "y");
    refused.put(&coll("d"), "k", "v").quota(Counter::Vectors, 5, 100);
    refused.expect.push((a.clone(), 0));
    let id = 77;
    refused.id = Some(id);
    let error = store.commit(refused.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict { coll } if *coll == a), "{error}");
    assert_eq!(store.collections(&bot).await.unwrap(), before);
    assert_eq!(store.usage(&bot).await.unwrap(), Usage::default());
    assert_eq!(value(store, &bot, &a, "x").await.unwrap(), "1");
    assert_eq!(value(store, &bot, &b, "y").await.unwrap(), "2");
    // A refusal is not remembered as an outcome: with its precondition mended the commit goes through.
    refused.expect = vec![(a.clone(), 1)];
    assert_eq!(store.commit(refused).await.unwrap().seq(&a), Some(2));
    assert_eq!(store.commit(Commit::new(&bot)).await.unwrap().seqs, []);
}

/// Whole-collection and key preconditions.
pub async fn preconditions_refuse_what_changed(store: &dyn RecordStore) {
    let (bot, rows, names) = (new_bot(), coll("rows"), coll("names"));
    let guarded = |expect: Option<(&Coll, Seq)>, key: Option<(&str, Option<Seq>)>| {
        let mut commit = Commit::new(&bot);
        commit.put(&names, "touched", "");
        commit.expect.extend(expect.map(|(coll, seq)| (coll.clone(), seq)));
        if let Some((key, seq)) = key {
            commit.expect_key(&rows, key, seq);
        }
        store.commit(commit)
    };
    let is_conflict =
        |result: Result<_, Error>| matches!(result, Err(Error::Conflict { coll }) if coll == rows);
    guarded(Some((&rows, 0)), Some(("a", None))).await.unwrap();
    assert!(is_conflict(guarded(None, Some(("a", Some(1)))).await));
    assert_eq!(put(store, &bot, &rows, &[("a", "1"), ("b", "1")]).await, 1);
    assert_eq!(put(store, &bot, &rows, &[("b", "2")]).await, 2);
    guarded(Some((&rows, 2)), Some(("a", Some(1)))).await.unwrap();
    assert!(is_conflict(guarded(Some((&rows, 1)), None).await));
    assert!(is_conflict(guarded(Some((&rows, 3)), None).await));
    assert!(is_conflict(guarded(None, Some(("a", None))).await));
    assert!(is_conflict(guarded(None, Some(("a", Some(2)))).await));
    assert_eq!(del(store, &bot, &rows, "a").await, 3);
    assert!(is_conflict(guarded(None, Some(("a", Some(1)))).await));
    assert!(is_conflict(guarded(None, Some(("a", Some(3)))).await));
    guarded(Some((&rows, 3)), Some(("a", None))).await.unwrap();
}

/// Names and keys outside the limits, and a collection dropped and used at once.
pub async fn malformed_commits_are_refused(store: &dyn RecordStore) {
    let bot = new_bot();
    let long_name = "n".repeat(201);
    for (name, key) in [("", "k"), ("a\0b", "k"), (long_name.as_str(), "k"), ("fine", &"k".repeat(1025))] {
        let mut commit = Commit::new(&bot);
        commit.put(&coll(name), key, "v");
        assert!(matches!(store.commit(commit).await, Err(Error::Invalid(_))), "{name:?}");
    }
    let mut both = Commit::new(&bot);
    both.put(&coll("gone"), "k", "v").drop.push(coll("gone"));
    assert!(matches!(store.commit(both).await, Err(Error::Invalid(_))));
    assert!(!store.bots().await.unwrap().contains(&bot));
    let mut widest = Commit::new(&bot);
    widest.put(&coll(&"n".repeat(200)), "k".repeat(1024), "").put(&coll("é"), "", "empty key");
    store.commit(widest).await.unwrap();
    assert_eq!(value(store, &bot, &coll("é"), "").await.unwrap(), "empty key");
}

/// Within one commit deletes come first, and the last put of a key wins.
pub async fn deletes_come_before_puts(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    put(store, &bot, &rows, &[("a", "old")]).await;
    let mut commit = Commit::new(&bot);
    commit.put(&rows, "a", "first").put(&rows, "a", "second").del(&rows, "a").del(&rows, "never there");
    let seq = store.commit(commit).await.unwrap().seq(&rows).unwrap();
    assert_eq!(value(store, &bot, &rows, "a").await.unwrap(), "second");
    let (changes, upto, more) = page(store, &bot, &rows, 0, 10).await;
    assert_eq!((changes, upto, more), (vec![change("a", seq, Some("second"))], seq, false));
    assert_eq!(store.head(&bot, &rows).await.unwrap(), Head { seq, next_id: 1, records: 1, bytes: 6 });
}

/// `next_id` never goes back.
pub async fn ids_only_grow(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    for (raise, expected) in [(5, 5), (3, 5), (9, 9)] {
        let mut commit = Commit::new(&bot);
        commit.next_id.push((rows.clone(), raise));
        store.commit(commit).await.unwrap();
        assert_eq!(store.head(&bot, &rows).await.unwrap().next_id, expected);
    }
    let head = store.head(&bot, &rows).await.unwrap();
    assert_eq!((head.seq, head.records), (3, 0));
    assert_eq!(page(store, &bot, &rows, 0, 10).await, (vec![], 3, false));
}

/// Key order is bytewise; prefix, `after` and `max` together give pages without gaps.
pub async fn scans_are_ordered_prefixed_and_paged(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    let keys: [&[u8]; 8] = [b"a", b"b", b"b\0", b"b\x01", b"ba", b"b\xff", b"b\xff\xff", b"c"];
    let mut commit = Commit::new(&bot);
    for key in keys.iter().rev() {
        commit.put(&rows, *key, "v");
    }
    commit.put(&coll("rowt"), "a", "another collection").put(&coll("row"), "z", "another collection");
    store.commit(commit).await.unwrap();
    let found = |records: Vec<Record>| records.into_iter().map(|record| record.key).collect::<Vec<_>>();
    assert_eq!(found(store.scan(&bot, &rows, b"", None, 100).await.unwrap()), keys);
    assert_eq!(found(store.scan(&bot, &rows, b"b", None, 100).await.unwrap()), keys[1..7]);
    assert_eq!(found(store.scan(&bot, &rows, b"b", Some(b"a"), 100).await.unwrap()), keys[1..7]);
    assert_eq!(found(store.scan(&bot, &rows, b"b", Some(b"c"), 100).await.unwrap()), [b""; 0]);
    assert_eq!(found(store.scan(&bot, &rows, b"b\xff", Some(b"b\xff"), 100).await.unwrap()), keys[6..7]);
    assert_eq!(found(store.scan(&bot, &rows, b"", Some(b"b"), 2).await.unwrap()), keys[2..4]);
    assert_eq!(found(store.scan(&bot, &rows, b"", None, 0).await.unwrap()), [b""; 0]);
    let mut paged = Vec::new();
    while let [record] = &store.scan(&bot, &rows, b"", paged.last().map(Vec::as_slice), 1).await.unwrap()[..]
    {
        paged.push(record.key.clone());
    }
    assert_eq!(paged, keys);
}

/// `get` answers in the order asked, however many keys there are.
pub async fn gets_keep_their_order(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    put(store, &bot, &rows, &[("a", "1"), ("b", "2"), ("c", "3")]).await;
    let asked: Vec<Vec<u8>> =
        ["c", "x", "a", "c"].iter().cycle().take(100).map(|key| (*key).into()).collect();
    let records = store.get(&bot, &rows, &asked).await.unwrap();
    assert_eq!(records.len(), asked.len());
    for (key, record) in asked.iter().zip(records) {
        assert_eq!(record.map(|record| record.key), (key != b"x").then(|| key.clone()));
    }
    assert_eq!(store.get(&bot, &rows, &[]).await.unwrap(), []);
}

/// A key shows up once, with its newest version or as a tombstone, and moves on when it changes.
pub async fn changes_show_the_newest_version_once(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    put(store, &bot, &rows, &[("a", "1"), ("b", "1"), ("c", "1")]).await;
    put(store, &bot, &rows, &[("b", "2")]).await;
    del(store, &bot, &rows, "a").await;
    let all = vec![change("c", 1, Some("1")), change("b", 2, Some("2")), change("a", 3, None)];
    assert_eq!(page(store, &bot, &rows, 0, 10).await, (all.clone(), 3, false));
    assert_eq!(page(store, &bot, &rows, 1, 10).await, (all[1..].to_vec(), 3, false));
    assert_eq!(page(store, &bot, &rows, 3, 10).await, (vec![], 3, false));
    put(store, &bot, &rows, &[("a", "back")]).await;
    assert_eq!(page(store, &bot, &rows, 2, 10).await, (vec![change("a", 4, Some("back"))], 4, false));
    del(store, &bot, &rows, "a").await;
    assert_eq!(page(store, &bot, &rows, 2, 10).await, (vec![change("a", 5, None)], 5, false));
    // Deleting what is not there changes no key, but the collection's number still moves.
    assert_eq!(del(store, &bot, &rows, "never there").await, 6);
    assert_eq!(page(store, &bot, &rows, 5, 10).await, (vec![], 6, false));
    assert_eq!(store.changes(&bot, &rows, 7, 10).await.unwrap(), Changes::TooOld);
}

/// Pages hold whole commits, even when one is larger than `max`, and end with the head's seq.
pub async fn pages_of_changes_never_split_a_commit(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    let keys: Vec<String> = (0..9).map(|i| format!("k{i}")).collect();
    for three in keys.chunks(3) {
        let pairs: Vec<_> = three.iter().map(|key| (key.as_str(), "v")).collect();
        put(store, &bot, &rows, &pairs).await;
    }
    for max in 0..12 {
        let (mut after, mut seen, mut again) = (0, Vec::new(), true);
        while again {
            let (changes, upto, more) = page(store, &bot, &rows, after, max).await;
            assert_eq!(changes.len() % 3, 0, "max {max}");
            assert!(changes.iter().all(|change| change.seq > after && change.seq <= upto));
            assert!(upto > after && changes.len() <= max.max(1).next_multiple_of(3));
            seen.extend(changes.into_iter().map(|change| String::from_utf8(change.key).unwrap()));
            (after, again) = (upto, more);
        }
        assert_eq!((after, &seen), (3, &keys), "max {max}");
    }
}

/// `head` and `collections` count live records and the bytes of their values.
pub async fn heads_count_records_and_bytes(store: &dyn RecordStore) {
    let (bot, rows, other) = (new_bot(), coll("rows"), coll("other"));
    put(store, &bot, &rows, &[("a", "12345"), ("b", "123"), ("c", "")]).await;
    put(store, &bot, &other, &[("a", "1")]).await;
    put(store, &bot, &rows, &[("a", "1")]).await;
    del(store, &bot, &rows, "b").await;
    del(store, &bot, &rows, "b").await;
    let head = Head { seq: 4, next_id: 1, records: 2, bytes: 1 };
    assert_eq!(store.head(&bot, &rows).await.unwrap(), head);
    let other_head = Head { seq: 1, next_id: 1, records: 1, bytes: 1 };
    assert_eq!(store.collections(&bot).await.unwrap(), [(other, other_head), (rows, head)]);
}

/// Counters move with their commit, refuse at the limit, and can be repaired.
pub async fn quotas_refuse_and_release(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    let change = |counter, delta, limit| {
        let mut commit = Commit::new(&bot);
        commit.put(&rows, "k", "v").quota(counter, delta, limit);
        store.commit(commit)
    };
    change(Counter::TableRows, 80, 100).await.unwrap();
    change(Counter::StorageBytes, 7, 7).await.unwrap();
    let refused = change(Counter::TableRows, 21, 100).await.unwrap_err();
    let Error::Quota(refusal) = refused else { panic!("{refused}") };
    assert_eq!(
        (refusal.counter, refusal.used, refusal.limit, refusal.needed),
        (Counter::TableRows, 80, 100, 21)
    );
    assert_eq!(store.head(&bot, &rows).await.unwrap().seq, 2);
    change(Counter::TableRows, 20, 100).await.unwrap();
    change(Counter::TableRows, -90, 0).await.unwrap();
    let usage = Usage { vectors: 0, table_rows: 10, storage_bytes: 7 };
    assert_eq!(store.usage(&bot).await.unwrap(), usage);
    change(Counter::StorageBytes, -100, 0).await.unwrap();
    assert_eq!(store.usage(&bot).await.unwrap().storage_bytes, 0);
    let repaired = Usage { vectors: 3, table_rows: 2, storage_bytes: 1 };
    store.set_usage(&bot, repaired).await.unwrap();
    assert_eq!(store.usage(&bot).await.unwrap(), repaired);
    // Together at most one of many can have the last place.
    let racing = join_all((0..16).map(|_| change(Counter::Vectors, 1, 4))).await;
    assert_eq!(racing.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(store.usage(&bot).await.unwrap().vectors, 4);
}

/// What a caller knows of keys from a state counts as long as the collection is in that state.
pub async fn known_keys_count_in_their_state_only(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    let seq = put(store, &bot, &rows, &[("a", "one"), ("b", "three")]).await;
    let rewrite = |key: &str, version: Option<Seq>, len: Option<u64>, read_at: Seq| {
        let mut commit = Commit::new(&bot);
        commit.expect_key(&rows, key, version).put(&rows, key, "x");
        commit.expect_keys[0].len = len;
        commit.read_at.push((rows.clone(), read_at));
        store.commit(commit)
    };
    let next = rewrite("a", Some(seq), Some(3), seq).await.unwrap().seq(&rows).unwrap();
    // The state is another now: what was known of `a` is wrong, what was known of `b` still right.
    let late = rewrite("a", Some(seq), Some(3), seq).await.unwrap_err();
    assert!(matches!(late, Error::Conflict { .. }), "{late}");
    let last = rewrite("b", Some(seq), Some(5), seq).await.unwrap().seq(&rows).unwrap();
    rewrite("c", None, None, last).await.unwrap();
    let head = store.head(&bot, &rows).await.unwrap();
    assert_eq!((head.records, head.bytes), (3, 3));
    let (changes, ..) = page(store, &bot, &rows, 0, 9).await;
    let newest = |key: &str, seq: Seq| change(key, seq, Some("x"));
    assert_eq!(changes, [newest("a", next), newest("b", last), newest("c", last + 1)]);
}

/// A commit with a known id answers its first outcome, also within one group and for each bot alone.
pub async fn a_repeated_commit_is_done_once(store: &dyn RecordStore) {
    let (bot, other, rows) = (new_bot(), new_bot(), coll("rows"));
    let commit = |bot: &BotId, id: u128, key: &str| {
        let mut commit = Commit::new(bot);
        commit.put(&rows, key, "v").quota(Counter::TableRows, 1, 1_000);
        commit.id = Some(id);
        store.commit(commit)
    };
    let first = commit(&bot, 1, "a").await.unwrap();
    assert_eq!(commit(&bot, 2, "b").await.unwrap().seq(&rows), Some(2));
    assert_eq!(commit(&bot, 1, "a").await.unwrap(), first);
    assert_eq!(commit(&other, 1, "a").await.unwrap().seq(&rows), Some(1));
    for result in join_all((0..8).map(|_| commit(&bot, 3, "c"))).await {
        assert_eq!(result.unwrap().seq(&rows), Some(3));
    }
    assert_eq!(store.usage(&bot).await.unwrap().table_rows, 3);
    assert_eq!(store.head(&bot, &rows).await.unwrap().seq, 3);
    for id in 10..400 {
        commit(&bot, id, "many").await.unwrap();
    }
    let seq = store.head(&bot, &rows).await.unwrap().seq;
    assert_eq!(commit(&bot, 399, "many").await.unwrap().seq(&rows), Some(seq));
    assert_eq!(store.head(&bot, &rows).await.unwrap().seq, seq);
}

/// A dropped collection reads as absent at once; its neighbours stay.
pub async fn dropped_collections_are_gone(store: &dyn RecordStore) {
    let (bot, rows, kept) = (new_bot(), coll("t/1"), coll("t/10"));
    put(store, &bot, &rows, &[("a", "1"), ("b", "1")]).await;
    put(store, &bot, &kept, &[("a", "kept")]).await;
    let mut commit = Commit::new(&bot);
    commit.drop.push(rows.clone());
    commit.put(&coll("tables"), "1", "dropped").quota(Counter::TableRows, -2, 0);
    assert_eq!(store.commit(commit).await.unwrap().seq(&rows), Some(2));
    assert_eq!(store.head(&bot, &rows).await.unwrap(), Head { next_id: 1, ..Head::default() });
    assert_eq!(value(store, &bot, &rows, "a").await, None);
    assert_eq!(store.scan(&bot, &rows, b"", None, 10).await.unwrap(), []);
    assert_eq!(store.changes(&bot, &rows, 1, 10).await.unwrap(), Changes::TooOld);
    assert_eq!(value(store, &bot, &kept, "a").await.unwrap(), "kept");
    let names: Vec<_> = store.collections(&bot).await.unwrap().into_iter().map(|(coll, _)| coll).collect();
    assert_eq!(names, [kept, coll("tables")]);
}

/// Same names in two bots are two things, and dropping one bot leaves the other as it was.
pub async fn bots_do_not_see_one_another(store: &dyn RecordStore) {
    let (mine, yours, rows) = (new_bot(), new_bot(), coll("rows"));
    put(store, &mine, &rows, &[("a", "mine")]).await;
    put(store, &yours, &rows, &[("a", "yours"), ("b", "yours")]).await;
    assert_eq!(value(store, &mine, &rows, "b").await, None);
    assert_eq!(store.scan(&mine, &rows, b"", None, 10).await.unwrap().len(), 1);
    assert_eq!(page(store, &mine, &rows, 0, 10).await.0.len(), 1);
    let repaired = Usage { vectors: 9, ..Usage::default() };
    store.set_usage(&yours, repaired).await.unwrap();
    assert_eq!(store.usage(&mine).await.unwrap(), Usage::default());
    store.drop_bot(&mine).await.unwrap();
    let bots = store.bots().await.unwrap();
    assert!(!bots.contains(&mine) && bots.contains(&yours));
    assert_eq!(store.collections(&mine).await.unwrap(), []);
    assert_eq!(value(store, &mine, &rows, "a").await, None);
    assert_eq!(value(store, &yours, &rows, "a").await.unwrap(), "yours");
    assert_eq!(store.usage(&yours).await.unwrap(), repaired);
    // The same id again starts from nothing.
    assert_eq!(put(store, &mine, &rows, &[("c", "new")]).await, 1);
    assert_eq!(value(store, &mine, &rows, "a").await, None);
    assert_eq!(store.usage(&mine).await.unwrap(), Usage::default());
}

/// 64 writers that all expect the same version of one key: exactly one wins each round.
pub async fn one_writer_wins_each_version(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    let mut version = None;
    for round in 0..10_u64 {
        let write = |writer: usize| {
            let mut commit = Commit::new(&bot);
            commit.expect_key(&rows, "k", version).put(&rows, "k", writer.to_string());
            store.commit(commit)
        };
        let results = join_all((0..64).map(write)).await;
        let winners: Vec<_> = results.iter().enumerate().filter(|(_, result)| result.is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let lost = results.iter().filter(|result| matches!(result, Err(Error::Conflict { .. })));
        assert_eq!(lost.count(), 63);
        assert_eq!(value(store, &bot, &rows, "k").await.unwrap(), winners[0].0.to_string());
        version = Some(store.head(&bot, &rows).await.unwrap().seq);
        assert_eq!(version, Some(round + 1));
    }
}

/// Commits that wait together each get a number of their own, and the highest number's value stays.
pub async fn waiting_commits_keep_their_order(store: &dyn RecordStore) {
    let (bot, rows) = (new_bot(), coll("rows"));
    let write = |writer: u64| {
        let rows = rows.clone();
        let mut commit = Commit::new(&bot);
        commit.put(&rows, "shared", writer.to_string()).put(&rows, format!("own{writer:03}"), "v");
        if writer.is_multiple_of(3) {
            commit.del(&rows, format!("own{:03}", writer.saturating_sub(1)));
        }
        async move { (store.commit(commit).await.unwrap().seq(&rows).unwrap(), writer) }
    };
    let mut done = join_all((0..100).map(write)).await;
    done.sort_unstable();
    let seqs: Vec<_> = done.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    let (_, last_writer) = done.last().unwrap();
    assert_eq!(value(store, &bot, &rows, "shared").await.unwrap(), last_writer.to_string());
    let head = store.head(&bot, &rows).await.unwrap();
    let records = store.scan(&bot, &rows, b"", None, 1_000).await.unwrap();
    assert_eq!(head.records, records.len() as u64);
    assert_eq!(head.bytes, records.iter().map(|record| record.value.len() as u64).sum::<u64>());
    let (changes, upto, more) = page(store, &bot, &rows, 0, usize::MAX).await;
    assert_eq!((upto, more), (100, false));
    let live = changes.iter().filter(|change| change.value.is_some()).count();
    assert_eq!(live, records.len());
}
