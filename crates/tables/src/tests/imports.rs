//! Imports: all rows or none, whatever happens on the way.

use super::files::{Files, csv};
use super::*;
use crate::JobStatus;
use crate::TablePatch;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// More than two commits' worth.
const ROWS: u32 = 2_000;
/// The first commit's worth.
const CHUNK: u64 = 512;

/// A bench whose `kTable` has a key column and whose file `rows.csv` is read up to half.
async fn half_way(key: bool) -> (Bench, Arc<Files>) {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    let schema = json!({"k": "a", "n": 1});
    let spec = if key { keyed(schema, "k") } else { spec(schema) };
    bench.tables.create(&bot(), "kTable", spec).await.unwrap();
    let text = csv(0..ROWS);
    files.gate.close_at(text.len() / 2);
    files.add("rows.csv", text);
    (bench, files)
}

async fn assert_nothing_is_left(bench: &Bench) {
    assert_eq!((bench.count("kTable").await, bench.counted().await), (0, 0));
    assert_eq!(bench.cold().count(&bot(), "kTable", None).await.unwrap(), 0);
    // The key values are free again.
    let upserted = vec![json!({"k": "k1", "n": 1})];
    let done = bench.tables.upsert_rows(&bot(), "kTable", upserted, Some("k")).await.unwrap();
    assert_eq!((done.inserted.len(), done.errors.len()), (1, 0));
    assert_eq!(bench.counted().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_of_an_import_appear_all_at_once() {
    let (bench, files) = half_way(true).await;
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    let job = bench.reached("kTable", &job, CHUNK).await;
    assert!((1..100).contains(&job.progress), "{job:?}");
    assert_eq!(bench.counted().await, CHUNK, "rows on their way count in the quota");
    assert_eq!(bench.count("kTable").await, 0);
    assert_eq!(bench.cold().count(&bot(), "kTable", None).await.unwrap(), 0);
    assert!(bench.ids("kTable", json!({"k": "k7"})).await.is_empty());
    assert!(matches!(bench.tables.row(&bot(), "kTable", 1).await, Err(Error::NoRow { .. })));
    let group = Find { group: Some(json!({"n": "count"})), ..Find::default() };
    assert_eq!(bench.find("kTable", group).await.rows[0]["nCount"], json!(0));

    // Others write meanwhile, but not what the import holds.
    let mine = bench.add("kTable", json!([{"k": "mine", "n": -1}])).await[0]["id"].as_u64().unwrap();
    let rows = vec![json!({"k": "k5", "n": 0}), json!({"k": "mine", "n": -2})];
    let done = bench.tables.upsert_rows(&bot(), "kTable", rows, Some("k")).await.unwrap();
    assert_eq!((done.inserted.len(), done.updated.len()), (0, 1));
    assert!(done.errors[0].contains("running import"), "{:?}", done.errors);
    assert_eq!(bench.count("kTable").await, 1);

    let seen = Arc::new(AtomicBool::new(false));
    let watching = {
        let (tables, seen) = (bench.tables.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let mut counts = BTreeSet::new();
            while !seen.load(Ordering::Relaxed) {
                counts.insert(tables.count(&bot(), "kTable", None).await.unwrap());
                tokio::task::yield_now().await;
            }
            counts
        })
    };
    files.gate.open();
    let job = bench.ended("kTable", &job).await;
    seen.store(true, Ordering::Relaxed);
    let whole = u64::from(ROWS) + 1;
    assert!(watching.await.unwrap().iter().all(|count| [1, whole].contains(count)));
    assert_eq!((job.status, job.progress, job.error), (JobStatus::Completed, 100, None));
    assert_eq!((job.rows, job.total, job.refused), (u64::from(ROWS), Some(u64::from(ROWS)), 0));
    assert_eq!((bench.count("kTable").await, bench.counted().await), (whole, whole));
    assert_eq!(bench.ids("kTable", json!({"n": -2})).await, [mine]);
    let one = bench.ids("kTable", json!({"k": "k1234"})).await;
    assert_eq!(bench.ids("kTable", json!({"n": 1_234})).await, one);
    // A table read from disk is the same.
    let last = Find { order_by: Some("n".into()), descending: true, limit: 50, ..Find::default() };
    let warm = bench.find("kTable", last.clone()).await.rows;
    assert_eq!(bench.cold().find(&bot(), "kTable", last).await.unwrap().rows, warm);
    assert_eq!(warm[0]["k"], json!(format!("k{}", ROWS - 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn imported_rows_change_like_any_others() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.tables.create(&bot(), "kTable", keyed(json!({"k": "a", "n": 1}), "k")).await.unwrap();
    bench.add("kTable", json!([{"k": "x", "n": 0}])).await;
    files.add("rows.csv", csv(0..3));
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    assert_eq!(bench.ended("kTable", &job).await.status, JobStatus::Completed);
    let rows = vec![json!({"k": "k1", "n": 10}), json!({"k": "k2", "n": 20})];
    let done = bench.tables.upsert_rows(&bot(), "kTable", rows, Some("k")).await.unwrap();
    assert_eq!((done.updated.len(), done.errors.len()), (2, 0));
    let id = done.updated[0]["id"].as_i64().unwrap();
    bench.tables.delete_rows(&bot(), "kTable", DeleteRows::Ids(vec![id])).await.unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.counted().await, 3);
    assert_eq!(bench.ids("kTable", json!({"n": {"$in": [0, 20]}})).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancelled_import_leaves_nothing() {
    for key in [true, false] {
        let (bench, files) = half_way(key).await;
        let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
        bench.reached("kTable", &job, CHUNK).await;
        bench.tables.cancel_job(&bot(), "kTable", &job.id).await.unwrap();
        let job = bench.ended("kTable", &job).await;
        files.gate.open();
        assert_eq!((job.status, job.error.as_deref()), (JobStatus::Failed, Some("cancelled")));
        assert_nothing_is_left(&bench).await;
        let again = bench.tables.cancel_job(&bot(), "kTable", &job.id).await.unwrap();
        assert_eq!(again, bench.tables.job(&bot(), "kTable", &job.id).await.unwrap());
        // The next import of the same file works.
        bench.tables.delete_rows(&bot(), "kTable", everything()).await.unwrap();
        let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
        assert_eq!(bench.ended("kTable", &job).await.status, JobStatus::Completed);
        assert_eq!(bench.counted().await, u64::from(ROWS));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_import_goes_on_after_a_restart() {
    for key in [true, false] {
        let (bench, files) = half_way(key).await;
        let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
        bench.reached("kTable", &job, CHUNK).await;
        bench.tables.stop_jobs().await;
        files.gate.open();
        let bench = bench.reopened().with_files(&files);
        assert_eq!((bench.count("kTable").await, bench.counted().await), (0, CHUNK));
        assert_eq!(bench.tables.resume_jobs().await.unwrap(), 1);
        let job = bench.ended("kTable", &job).await;
        assert_eq!((job.status, job.rows), (JobStatus::Completed, u64::from(ROWS)), "{job:?}");
        assert_eq!((bench.count("kTable").await, bench.counted().await), (u64::from(ROWS), u64::from(ROWS)));
        let group = Find { group: Some(json!({"n": ["sum", "min", "max"]})), ..Find::default() };
        let sums = bench.find("kTable", group).await.rows;
        let sum: u64 = (0..u64::from(ROWS)).sum();
        assert_eq!((&sums[0]["nSum"], &sums[0]["nMax"]), (&json!(sum), &json!(ROWS - 1)));
        assert_eq!(bench.tables.resume_jobs().await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancel_is_carried_out_after_a_restart() {
    let (bench, files) = half_way(true).await;
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    bench.reached("kTable", &job, CHUNK).await;
    bench.tables.stop_jobs().await;
    bench.tables.cancel_job(&bot(), "kTable", &job.id).await.unwrap();
    files.gate.open();
    let bench = bench.reopened().with_files(&files);
    bench.tables.resume_jobs().await.unwrap();
    assert_eq!(bench.ended("kTable", &job).await.error.as_deref(), Some("cancelled"));
    assert_nothing_is_left(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_replaced_while_the_server_was_down_fails_its_import() {
    let (bench, files) = half_way(true).await;
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    bench.reached("kTable", &job, CHUNK).await;
    bench.tables.stop_jobs().await;
    files.gate.open();
    files.add("rows.csv", csv(0..5));
    let bench = bench.reopened().with_files(&files);
    bench.tables.resume_jobs().await.unwrap();
    let job = bench.ended("kTable", &job).await;
    assert!(job.error.unwrap().contains("replaced"));
    assert_nothing_is_left(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_that_runs_out_takes_the_whole_import_back() {
    let files = Files::new();
    let options = TablesOptions { row_quota: 3_000, ..TablesOptions::default() };
    let bench = Bench::with(options).with_files(&files);
    let mut spec = keyed(json!({"k": "a", "n": 1}), "k");
    spec.factor = Some(2);
    bench.tables.create(&bot(), "kTable", spec).await.unwrap();
    files.add("rows.csv", csv(0..ROWS));
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    let job = bench.ended("kTable", &job).await;
    let error = job.error.unwrap();
    assert!(job.status == JobStatus::Failed && error.contains("3000"), "{error}");
    assert_eq!((bench.count("kTable").await, bench.counted().await, job.rows), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_do_not_fit_are_named_and_the_others_come() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    let schema = json!({"type": "object", "required": ["k"], "properties": {
        "k": {"type": "string", "pattern": "^k"}, "n": {"type": "number"},
    }});
    bench.tables.create(&bot(), "kTable", keyed(schema, "k")).await.unwrap();
    bench.add("kTable", json!([{"k": "k0"}])).await;
    let long = "x".repeat(5_000);
    files
        .add("rows.csv", format!("n,k,odd\n1,k1,a\nmany,k2,\n3,,\n4,x4,\n5,k1,\n6,k0,\n7,k{long},\n8,k8,\n"));
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.status, job.rows, job.refused, job.total), (JobStatus::Completed, 2, 6, Some(8)));
    let named: Vec<(u64, Option<&str>)> =
        job.refused_rows.iter().map(|row| (row.line, row.column.as_deref())).collect();
    assert_eq!(
        named,
        [(3, Some("n")), (4, Some("k")), (5, Some("k")), (6, Some("k")), (7, Some("k")), (8, None)]
    );
    for (row, says) in
        job.refused_rows.iter().zip(["many", "null", "pattern", "same value", "row 1 has", "limit"])
    {
        assert!(row.reason.contains(says), "{row:?}");
    }
    assert_eq!(job.warnings, ["column \"odd\" does not exist in the table; its values were ignored"]);
    assert_eq!(bench.counted().await, 3);

    files.add("bad.csv", "n\nx\ny\n");
    let job = bench.tables.import(&bot(), "kTable", "bad.csv").await.unwrap();
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.status, job.refused), (JobStatus::Failed, 2));
    let error = job.error.unwrap();
    assert!(error.contains("none of the 2 rows") && error.contains("line 2"), "{error}");

    let many: String = (0..300).map(|n| format!("bad{n},k{n}\n")).collect();
    files.add("many.csv", format!("n,k\n{many}1,k_last\n"));
    let job = bench.tables.import(&bot(), "kTable", "many.csv").await.unwrap();
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.rows, job.refused, job.refused_rows.len()), (1, 300, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_and_missing_files_are_named() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.table("kTable", json!({"k": "a", "n": 1})).await;
    let error = bench.tables.import(&bot(), "kTable", "none.csv").await.unwrap_err();
    assert_eq!(error.kind(), quarry_types::ErrorKind::ReferenceNotFound);
    files.add("rows.json", "[{\"k\": \"a\"}, {\"k\": ");
    files.add("rows.csv", b"PK\x03\x04 workbook".as_slice());
    files.add("empty.csv", "k,n\n");
    for (file, status, says) in [
        ("rows.json", JobStatus::Failed, "line"),
        ("rows.csv", JobStatus::Failed, "Excel"),
        ("empty.csv", JobStatus::Completed, "no rows"),
    ] {
        let job = bench.tables.import(&bot(), "kTable", file).await.unwrap();
        let job = bench.ended("kTable", &job).await;
        assert_eq!(job.status, status, "{job:?}");
        let text = job.error.into_iter().chain(job.warnings).collect::<String>();
        assert!(text.contains(says), "{file}: {text}");
        assert_eq!((bench.count("kTable").await, bench.counted().await), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn schema_changes_meet_a_running_import() {
    // A new column, a factor and a key column are taken along.
    let (bench, files) = half_way(false).await;
    bench.add("kTable", json!([{"k": "k3", "n": 0}])).await;
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    bench.reached("kTable", &job, CHUNK).await;
    let keyed = TablePatch { key_column: Some(Some("k".into())), ..TablePatch::default() };
    let error = bench.tables.update(&bot(), "kTable", keyed.clone()).await.unwrap_err();
    assert!(text_of(&error).contains("more than once"), "{error}");
    bench.tables.delete_rows(&bot(), "kTable", everything()).await.unwrap();
    let patch = TablePatch { factor: Some(3), schema: Some(json!({"extra": "x"})), ..keyed };
    bench.tables.update(&bot(), "kTable", patch).await.unwrap();
    assert_eq!(bench.counted().await, CHUNK * 3);
    let taken = vec![json!({"k": "k3", "n": 0})];
    let written = bench.tables.create_rows(&bot(), "kTable", taken).await.unwrap();
    assert!(written.errors[0].contains("running import"), "{written:?}");
    files.gate.open();
    let job = bench.ended("kTable", &job).await;
    assert_eq!((job.status, job.rows), (JobStatus::Completed, u64::from(ROWS)), "{job:?}");
    assert_eq!(bench.counted().await, u64::from(ROWS) * 3);
    let none = Find { filter: Some(json!({"extra": null})), limit: 1, ..Find::default() };
    assert_eq!(bench.find("kTable", none).await.rows[0]["extra"], Value::Null);

    // A column it reads into is not.
    let (bench, files) = half_way(true).await;
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    bench.reached("kTable", &job, CHUNK).await;
    bench.tables.rename_column(&bot(), "kTable", "n", "number").await.unwrap();
    files.gate.open();
    let job = bench.ended("kTable", &job).await;
    assert!(job.error.unwrap().contains("\"n\" was changed"));
    assert_eq!((bench.count("kTable").await, bench.counted().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deleted_table_takes_its_import_with_it() {
    let (bench, files) = half_way(true).await;
    let job = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    bench.reached("kTable", &job, CHUNK).await;
    bench.tables.delete(&bot(), "kTable").await.unwrap();
    assert_eq!(bench.counted().await, 0);
    files.gate.open();
    bench.tables.stop_jobs().await;
    assert_eq!(bench.counted().await, 0);
    let bench = bench.reopened().with_files(&files);
    assert_eq!(bench.tables.resume_jobs().await.unwrap(), 0);
    assert_eq!(bench.store.head(bot().bot(), &crate::record::jobs()).await.unwrap().records, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_imports_and_writers_share_a_key_column() {
    let (bench, files) = half_way(true).await;
    files.gate.open();
    files.add("other.csv", csv(1_000..3_000));
    let a = bench.tables.import(&bot(), "kTable", "rows.csv").await.unwrap();
    let b = bench.tables.import(&bot(), "kTable", "other.csv").await.unwrap();
    let writer = {
        let tables = bench.tables.clone();
        tokio::spawn(async move {
            let mut mine = 0;
            for at in 0..60 {
                let rows = (0..20).map(|k| json!({"k": format!("k{}", at * 50 + k), "n": -1})).collect();
                mine += tables.upsert_rows(&bot(), "kTable", rows, Some("k")).await.unwrap().inserted.len()
                    as u64;
            }
            mine
        })
    };
    let (a, b) = (bench.ended("kTable", &a).await, bench.ended("kTable", &b).await);
    let mine = writer.await.unwrap();
    assert_eq!((a.status, b.status), (JobStatus::Completed, JobStatus::Completed));
    assert_eq!((a.rows + a.refused, b.rows + b.refused), (2_000, 2_000));
    assert_eq!(a.rows + b.rows + mine, 3_000, "each of the 3,000 keys is there once");
    assert_eq!((bench.count("kTable").await, bench.counted().await), (3_000, 3_000));
    let group = Find { group: Some(json!({"k": "unique"})), ..Find::default() };
    let unique = bench.find("kTable", group).await.rows[0]["kUnique"].as_array().map(Vec::len);
    assert_eq!(unique, Some(3_000));
}
