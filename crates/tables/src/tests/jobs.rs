//! Copies, large deletes, clean-up, and the list of jobs.

use super::files::{Files, csv};
use super::*;
use crate::jobs::{Duplicate, JobKind};
use crate::{JobStatus, TablePatch};

fn named(name: &str) -> Duplicate {
    Duplicate { name: Some(name.into()), ..Duplicate::default() }
}

/// `kTable` with so many imported rows.
async fn filled(rows: u32) -> Bench {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.tables.create(&bot(), "kTable", keyed(json!({"k": "a", "n": 1}), "k")).await.unwrap();
    files.add("rows.csv", csv(0..rows));
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    assert_eq!(bench.ended("kTable", &job).await.status, JobStatus::Completed);
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_has_the_rows_the_schema_and_the_ids() {
    let bench = filled(2_000).await;
    bench.tables.delete_rows(&bot(), "kTable", DeleteRows::Ids((1..100).collect())).await.unwrap();
    let patch = TablePatch {
        tags: Some([("a".to_owned(), Some("b".to_owned()))].into()),
        schema: Some(json!({"n": null, "m": 1})),
        ..TablePatch::default()
    };
    bench.tables.update(&bot(), "kTable", patch).await.unwrap();
    let (copy, rows, job) = bench.tables.duplicate(&bot(), "kTable", Duplicate::default()).await.unwrap();
    assert_eq!((copy.name.as_str(), rows), ("k_copyTable", 1_901));
    let job = bench.ended("kTable", &job.unwrap()).await;
    assert_eq!((job.kind, job.status), (JobKind::DuplicateTable, JobStatus::Completed), "{job:?}");
    assert_eq!((job.rows, job.target_table), (1_901, Some(copy.id.clone())));
    let (source, _) = bench.tables.get(&bot(), "kTable").await.unwrap();
    assert_eq!((copy.schema, copy.tags, copy.key_column), (source.schema, source.tags, source.key_column));
    for offset in [0, 1_500] {
        let find = Find { limit: 1_000, offset, ..Find::default() };
        assert_eq!(bench.find("k_copyTable", find.clone()).await.rows, bench.find("kTable", find).await.rows);
    }
    assert_eq!(bench.counted().await, 2 * 1_901);
    // Their keys are unique too, and new rows get new ids.
    let known = vec![json!({"k": "k500", "m": 3})];
    let done = bench.tables.upsert_rows(&bot(), "k_copyTable", known, Some("k")).await.unwrap();
    assert_eq!(done.updated.len(), 1);
    assert_eq!(bench.add("k_copyTable", json!([{"k": "new"}])).await[0]["id"], json!(2_001));
    let (second, _, job) = bench.tables.duplicate(&bot(), "kTable", Duplicate::default()).await.unwrap();
    assert_eq!(second.name, "k_copy2Table");
    bench.ended("kTable", &job.unwrap()).await;
    let bench = bench.reopened();
    assert_eq!(bench.count("k_copyTable").await, 1_902);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_are_checked_before_they_begin() {
    let bench = Bench::with(TablesOptions { row_quota: 25, max_tables: 3, ..TablesOptions::default() });
    bench.table("aTable", json!({"a": 1})).await;
    bench.add("aTable", Value::from(vec![json!({"a": 1}); 10])).await;
    let bot = bot();
    let copy = |how: Duplicate| bench.tables.duplicate(&bot, "aTable", how);
    assert!(matches!(copy(named("aTable")).await, Err(Error::NameTaken(_))));
    assert!(matches!(copy(named("no name")).await, Err(Error::Invalid(_))));
    assert!(matches!(copy(Duplicate { factor: Some(2), ..named("bTable") }).await, Err(Error::Quota(_))));
    assert!(matches!(copy(Duplicate { factor: Some(31), ..named("bTable") }).await, Err(Error::Invalid(_))));
    let (_, rows, job) =
        copy(Duplicate { schema_only: true, factor: Some(2), ..named("bTable") }).await.unwrap();
    assert_eq!((rows, job), (10, None));
    assert_eq!((bench.count("bTable").await, bench.counted().await), (0, 10));
    let (_, _, job) = copy(named("cTable")).await.unwrap();
    assert_eq!(bench.ended("aTable", &job.unwrap()).await.status, JobStatus::Completed);
    assert_eq!(bench.counted().await, 20);
    assert!(matches!(copy(Duplicate::default()).await, Err(Error::Limit(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_that_cannot_be_whole_is_none() {
    let bench = Bench::new();
    let mut big = spec(json!({"a": "x"}));
    big.factor = Some(2);
    bench.tables.create(&bot(), "aTable", big).await.unwrap();
    bench.add("aTable", json!([{"a": "small"}, {"a": "x".repeat(5_000)}])).await;
    let how = Duplicate { factor: Some(1), ..named("bTable") };
    let (_, _, job) = bench.tables.duplicate(&bot(), "aTable", how).await.unwrap();
    let job = bench.ended("aTable", &job.unwrap()).await;
    let error = job.error.unwrap();
    assert!(job.status == JobStatus::Failed && error.contains("row 2"), "{error}");
    assert!(matches!(bench.tables.get(&bot(), "bTable").await, Err(Error::NoTable(_))));
    assert_eq!(bench.counted().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_interrupted_by_a_restart_is_of_one_moment() {
    let bench = filled(2_000).await;
    let (copy, _, job) = bench.tables.duplicate(&bot(), "kTable", named("bTable")).await.unwrap();
    let job = job.unwrap();
    // Stop wherever it happens to be.
    bench.tables.stop_jobs().await;
    bench.tables.delete_rows(&bot(), "kTable", DeleteRows::Ids(vec![1])).await.unwrap();
    let bench = bench.reopened();
    bench.tables.resume_jobs().await.unwrap();
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.status, &job.target_table), (JobStatus::Completed, &Some(copy.id)), "{job:?}");
    let rows = bench.count("bTable").await;
    assert!([1_999, 2_000].contains(&rows), "{rows}");
    assert_eq!(bench.counted().await, rows + 1_999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn small_deletes_are_one_commit_and_large_ones_a_job() {
    let bench = filled(3_000).await;
    let half = DeleteRows::Filter(json!({"n": {"$lt": 1_000}}));
    let view = crate::record::rows_of(&bench.tables.get(&bot(), "kTable").await.unwrap().0.id);
    let before = bench.store.head(bot().bot(), &view).await.unwrap().seq;
    let deleted = bench.tables.remove_rows(&bot(), "kTable", half, Duration::ZERO).await.unwrap();
    assert_eq!((deleted.rows, deleted.job), (1_000, None));
    assert_eq!(bench.store.head(bot().bot(), &view).await.unwrap().seq, before + 1);

    let most = DeleteRows::Filter(json!({"n": {"$lt": 2_990}}));
    let wait = Duration::from_secs(120);
    let deleted = bench.tables.remove_rows(&bot(), "kTable", most, wait).await.unwrap();
    let job = deleted.job.unwrap();
    assert_eq!((deleted.rows, job.kind, job.status), (1_990, JobKind::DeleteRows, JobStatus::Completed));
    assert_eq!((bench.count("kTable").await, bench.counted().await), (10, 10));
    assert_eq!(bench.tables.delete_rows(&bot(), "kTable", everything()).await.unwrap(), 10);
    let bad = DeleteRows::Filter(json!({"x": 1}));
    assert!(matches!(bench.tables.delete_rows(&bot(), "kTable", bad).await, Err(Error::InvalidQuery(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_delete_goes_on_after_a_restart_and_spares_younger_rows() {
    let bench = filled(2_000).await;
    bench.tables.stop_jobs().await;
    let deleted = bench.tables.remove_rows(&bot(), "kTable", everything(), Duration::ZERO).await.unwrap();
    let job = deleted.job.unwrap();
    assert_eq!((deleted.rows, job.status), (0, JobStatus::Pending));
    bench.add("kTable", json!([{"k": "young", "n": 1}])).await;
    let bench = bench.reopened();
    assert_eq!(bench.tables.resume_jobs().await.unwrap(), 1);
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.status, job.rows), (JobStatus::Completed, 2_000));
    assert_eq!(bench.ids("kTable", json!({})).await, [2_001]);
    assert_eq!(bench.counted().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn values_of_columns_that_are_gone_are_dropped() {
    let bench = Bench::new();
    bench.table("aTable", json!({"a": "text", "b": 1, "c": "text"})).await;
    let rows = bench.add("aTable", json!([{"a": "1", "b": 2, "c": "3"}, {"b": 3}])).await;
    let patch = |schema| TablePatch { schema: Some(schema), ..TablePatch::default() };
    bench.tables.update(&bot(), "aTable", patch(json!({"a": {"type": "number"}, "c": null}))).await.unwrap();
    let job = bench.tables.jobs(&bot(), "aTable").await.unwrap().remove(0);
    assert_eq!(job.kind, JobKind::ClearColumn);
    let job = bench.ended("aTable", &job).await;
    assert_eq!((job.status, job.rows), (JobStatus::Completed, 2));
    let id = bench.tables.get(&bot(), "aTable").await.unwrap().0.id;
    let key = [crate::record::row_key(1)];
    let stored = bench.store.get(bot().bot(), &crate::record::rows_of(&id), &key).await.unwrap();
    let stored = crate::record::StoredRow::decode(1, &stored[0].as_ref().unwrap().value).unwrap();
    assert_eq!(stored.cells.len(), 1, "only b is left");
    let now = bench.tables.row(&bot(), "aTable", 1).await.unwrap();
    assert_eq!((&now["a"], &now["b"]), (&Value::Null, &json!(2)));
    assert_eq!(now["updatedAt"], rows[0]["updatedAt"], "nobody changed the row");
    // Without rows there is nothing to clear.
    bench.table("eTable", json!({"a": "text", "b": 1})).await;
    bench.tables.update(&bot(), "eTable", patch(json!({"a": null}))).await.unwrap();
    assert_eq!(bench.tables.jobs(&bot(), "eTable").await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_are_listed_youngest_first_and_the_old_ones_go() {
    let bench = Bench::new().with_files(&Files::new());
    bench.table("aTable", json!({"a": 1})).await;
    let how = crate::Export { format: quarry_transfer::Format::Csv, compress: false };
    let mut last = None;
    for _ in 0..103 {
        let job = bench.tables.export(&bot(), "aTable", how).await.unwrap();
        last = Some(bench.ended("aTable", &job).await);
    }
    // The oldest go after a job has ended.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let jobs = loop {
        let jobs = bench.tables.jobs(&bot(), "aTable").await.unwrap();
        assert!(std::time::Instant::now() < deadline, "{} jobs stay", jobs.len());
        if jobs.len() <= 100 {
            break jobs;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(jobs.len(), 100);
    assert_eq!(jobs.first(), last.as_ref());
    assert!(jobs.iter().map(|job| job.created_at).rev().is_sorted());
    assert!(matches!(bench.tables.job(&bot(), "aTable", "job_1").await, Err(Error::NoJob(_))));
    assert!(matches!(bench.tables.jobs(&other_bot(), "aTable").await, Err(Error::NoTable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bot_may_not_pile_up_jobs() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.table("aTable", json!({"k": "a", "n": 1})).await;
    // Two imports that cannot go on keep all others waiting.
    files.gate.close_at(0);
    files.add("rows.csv", csv(0..3));
    for _ in 0..2 {
        bench.tables.import(&bot(), "aTable", "rows.csv").await.unwrap();
    }
    let how = crate::Export { format: quarry_transfer::Format::Csv, compress: false };
    for _ in 0..98 {
        bench.tables.export(&bot(), "aTable", how).await.unwrap();
    }
    let error = bench.tables.export(&bot(), "aTable", how).await.unwrap_err();
    assert!(text_of(&error).contains("100 unfinished jobs"), "{error}");
    let waiting = bench.tables.jobs(&bot(), "aTable").await.unwrap();
    assert_eq!(waiting.iter().filter(|job| job.status == JobStatus::Pending).count(), 98);
    bench.tables.cancel_job(&bot(), "aTable", &waiting[0].id).await.unwrap();
    files.gate.open();
    for job in &waiting {
        bench.ended("aTable", job).await;
    }
    let done = bench.tables.jobs(&bot(), "aTable").await.unwrap();
    assert_eq!(done.iter().filter(|job| job.status == JobStatus::Completed).count(), 99);
    assert_eq!(bench.count("aTable").await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_of_a_large_delete_go_at_once_and_free_their_keys() {
    let bench = filled(3_000).await;
    // Records go two by two, so that there is time to look.
    let sizes = Sizes { arriving: 512, in_place: 2, at_once: 100 };
    let bench = bench.with_sizes(sizes);
    let most = DeleteRows::Filter(json!({"n": {"$lt": 2_900}}));
    let deleted = bench.tables.remove_rows(&bot(), "kTable", most, Duration::ZERO).await.unwrap();
    let job = deleted.job.unwrap();
    let rows = loop {
        let (rows, now) =
            (bench.count("kTable").await, bench.tables.job(&bot(), "kTable", &job.id).await.unwrap());
        assert!([3_000, 100].contains(&rows), "{rows} rows: a part of the delete is seen");
        assert_ne!(now.status, JobStatus::Failed, "{now:?}");
        if now.rows > 0 {
            break now.rows;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((rows, bench.count("kTable").await, bench.counted().await), (2_900, 100, 100));
    let now = bench.tables.cancel_job(&bot(), "kTable", &job.id).await.unwrap();
    assert_eq!(now.error, None, "what is out cannot be taken back");

    // Their keys are free, and they are not there to be changed.
    let rows = vec![json!({"k": "k2899", "n": 1}), json!({"k": "k2950", "n": 2}), json!({"k": "k7", "n": 3})];
    let done = bench.tables.upsert_rows(&bot(), "kTable", rows, Some("k")).await.unwrap();
    assert_eq!((done.inserted.len(), done.updated.len(), done.errors.len()), (2, 1, 0), "{done:?}");
    let late = bench.tables.update_rows(&bot(), "kTable", vec![json!({"id": 2_899, "n": 5})]).await.unwrap();
    assert!(late.errors[0].contains("does not exist"), "{late:?}");
    let files = Files::new();
    files.add("rows.csv", "k,n\nk2898,9\nk2951,9\n");
    let bench = Bench { tables: bench.tables.with_files(Arc::clone(&files) as _), ..bench };
    let import = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    let import = bench.ended("kTable", &import).await;
    assert_eq!((import.rows, import.refused), (1, 1), "{import:?}");
    assert_eq!(
        (bench.counted().await, bench.cold().count(&bot(), "kTable", None).await.unwrap()),
        (103, 103)
    );

    // A restart goes on, and in the end no record and no key of theirs is left.
    bench.tables.stop_jobs().await;
    let bench = bench.reopened();
    assert_eq!(bench.count("kTable").await, 103);
    bench.tables.resume_jobs().await.unwrap();
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.status, job.rows, job.error), (JobStatus::Completed, 2_900, None));
    let coll = crate::record::rows_of(&bench.tables.get(&bot(), "kTable").await.unwrap().0.id);
    let bot_id = bot().bot().clone();
    for (prefix, left) in [(b"r/".as_slice(), 103), (b"k/", 103), (b"d/", 0)] {
        let found = bench.store.scan(&bot_id, &coll, prefix, None, usize::MAX).await.unwrap().len();
        assert_eq!(found, left, "{}", String::from_utf8_lossy(prefix));
    }
    // A try that lost to a chunk has used up ids.
    let ids = bench.ids("kTable", json!({"k": "k2899"})).await;
    assert!(matches!(ids[..], [id] if id > 3_000), "{ids:?}");
    assert_eq!((bench.count("kTable").await, bench.counted().await), (103, 103));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_delete_that_fails_deletes_nothing() {
    let bench = filled(3_000).await;
    let sizes = Sizes { arriving: 512, in_place: 300, at_once: 1_500 };
    let bench = bench.with_sizes(sizes);
    bench.tables.stop_jobs().await;
    let most = DeleteRows::Filter(json!({"n": {"$lt": 2_900}}));
    let job = bench.tables.remove_rows(&bot(), "kTable", most, Duration::ZERO).await.unwrap().job.unwrap();
    // The filter reads a column that is gone when its turn comes.
    let patch = TablePatch { schema: Some(json!({"n": null})), ..TablePatch::default() };
    bench.tables.update(&bot(), "kTable", patch).await.unwrap();
    let bench = bench.reopened();
    bench.tables.resume_jobs().await.unwrap();
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.status, job.rows), (JobStatus::Failed, 0), "{job:?}");
    assert_eq!((bench.count("kTable").await, bench.counted().await), (3_000, 3_000));
}
