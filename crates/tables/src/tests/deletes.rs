//! Large deletes among other writers and on a store that fails.

use super::failing::{Failing, Fate, clears, takes_out};
use super::*;
use crate::JobStatus;
use quarry_store::Commit;

const ROWS: u64 = 600;
const SIZES: Sizes = Sizes { arriving: 512, in_place: 100, at_once: 10 };

/// `nTable` with rows, on a store whose commits meet the fates a test chooses.
async fn filled(judge: impl FnMut(&Commit) -> Fate + Send + 'static) -> Bench {
    let bench = Bench::new();
    bench.table("nTable", json!({"n": 1, "m": 1})).await;
    let rows: Vec<Value> = (0..ROWS).map(|n| json!({"n": n})).collect();
    bench.add("nTable", rows.into()).await;
    let store: Arc<dyn RecordStore> = Arc::new(Failing::new(Arc::clone(&bench.store), judge));
    let tables = Tables::new(deps(&store), bench.options.clone());
    Bench { tables, store, ..bench }.with_sizes(SIZES)
}

impl Bench {
    /// Records of rows and removals that still lie in the store.
    async fn left(&self) -> (usize, usize) {
        let coll = crate::record::rows_of(&self.tables.get(&bot(), "nTable").await.unwrap().0.id);
        let mut found = [0, 0];
        for (place, prefix) in found.iter_mut().zip([b"r/", b"d/"]) {
            *place = self.store.scan(bot().bot(), &coll, prefix, None, usize::MAX).await.unwrap().len();
        }
        (found[0], found[1])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_writer_of_the_whole_table_gets_its_turn_while_records_go() {
    let bench = filled(|_| Fate::Done).await.with_sizes(Sizes { in_place: 1, ..SIZES });
    let most = DeleteRows::Filter(json!({"n": {"$lt": ROWS - 10}}));
    let job = bench.tables.remove_rows(&bot(), "nTable", most, Duration::ZERO).await.unwrap().job.unwrap();
    while bench.count("nTable").await > 10 {
        tokio::task::yield_now().await;
    }
    let mut meanwhile = 0;
    for m in 0..10 {
        let row = vec![json!({"n": ROWS - 1, "m": m})];
        let done = bench.tables.upsert_rows(&bot(), "nTable", row, Some("n")).await.unwrap();
        assert_eq!((done.inserted.len(), done.updated.len()), (0, 1));
        meanwhile += usize::from(bench.left().await.1 == 1);
    }
    assert!(meanwhile > 0, "the delete was over before the first write");
    let job = bench.ended("nTable", &job).await;
    assert_eq!((job.status, job.rows, bench.left().await), (JobStatus::Completed, ROWS - 10, (10, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delete_whose_rows_are_out_outlives_failures_of_the_store() {
    let mut failures = 3;
    let bench = filled(move |commit| {
        let fails = clears(commit) && failures > 0;
        failures -= i32::from(fails);
        if fails { Fate::Lost } else { Fate::Done }
    })
    .await;
    let wait = Duration::from_secs(60);
    let deleted = bench.tables.remove_rows(&bot(), "nTable", everything(), wait).await.unwrap();
    let job = deleted.job.unwrap();
    assert_eq!((deleted.rows, job.status, job.error), (ROWS, JobStatus::Completed, None));
    assert_eq!((bench.left().await, bench.usage().await), ((0, 0), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_are_out_wait_for_no_index() {
    // Nothing is ever indexed, and no record of the deleted rows ever goes.
    let indexes = |commit: &Commit| commit.put.iter().any(|(coll, ..)| coll.as_str().starts_with("tv/"));
    let bench = filled(move |commit| if clears(commit) || indexes(commit) { Fate::Lost } else { Fate::Done });
    let bench = bench.await;
    let schema =
        json!({"type": "object", "properties": {"s": {"type": "string", "x-zui": {"searchable": true}}}});
    bench.table("sTable", schema).await;
    bench.add("sTable", (0..50).map(|n| json!({"s": format!("text {n}")})).collect()).await;
    let counts = async || bench.tables.get(&bot(), "sTable").await.unwrap().1;
    let before = counts().await;
    assert_eq!((before.rows, before.indexing), (50, 50));
    let most = DeleteRows::Filter(json!({"id": {"$lte": 30}}));
    bench.tables.remove_rows(&bot(), "sTable", most, Duration::ZERO).await.unwrap();
    while bench.count("sTable").await > 20 {
        tokio::task::yield_now().await;
    }
    let after = counts().await;
    assert_eq!((after.rows, after.indexing), (20, 20));
    assert!(bench.tables.has_unfinished_jobs(&bot()), "their records are still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whether_rows_are_out_is_what_the_store_says() {
    for (fate, status, left) in
        [(Fate::Lost, JobStatus::Failed, ROWS), (Fate::Unheard, JobStatus::Completed, 0)]
    {
        let bench = filled(move |commit| if takes_out(commit) { fate } else { Fate::Done }).await;
        let wait = Duration::from_secs(60);
        let deleted = bench.tables.remove_rows(&bot(), "nTable", everything(), wait).await.unwrap();
        let job = deleted.job.unwrap();
        assert_eq!((job.status, job.rows), (status, ROWS - left), "{fate:?}: {job:?}");
        assert_eq!((bench.count("nTable").await, bench.usage().await), (left, left));
        assert_eq!(bench.left().await, (usize::try_from(left).unwrap(), 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delete_ends_with_its_table() {
    let bench = filled(|commit| if clears(commit) { Fate::Lost } else { Fate::Done }).await;
    bench.tables.remove_rows(&bot(), "nTable", everything(), Duration::ZERO).await.unwrap();
    while bench.count("nTable").await > 0 {
        tokio::task::yield_now().await;
    }
    bench.tables.delete(&bot(), "nTable").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // Between two tries it is not in the queue for a moment.
    for _ in 0..5 {
        while bench.tables.has_unfinished_jobs(&bot()) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert!(!bench.tables.has_unfinished_jobs(&bot()) && Instant::now() < deadline);
    let kept = bench.store.scan(bot().bot(), &crate::record::jobs(), b"", None, 10).await.unwrap();
    assert_eq!(kept, []);
}
