//! Exports, and that importing one gives the table back.

use super::files::Files;
use super::*;
use crate::{Export, JobStatus};
use quarry_transfer::Format;
use std::sync::atomic::Ordering;

/// A table with a column of every kind.
fn all_kinds() -> TableSpec {
    let schema = json!({"type": "object", "required": ["text"], "properties": {
        "text": {"type": "string", "x-zui": {"searchable": true}},
        "num": {"type": "number"}, "flag": {"type": "boolean", "nullable": true},
        "when": {"type": "string", "format": "date-time"},
        "obj": {"type": "object", "properties": {"a": {"type": "number"}}},
        "list": {"type": "array", "items": {"type": "string"}},
        "any thing": {"x-zui": {}}, "size": {"type": "string", "enum": ["s", "m"]},
    }});
    TableSpec {
        schema,
        key_column: Some("text".into()),
        factor: Some(2),
        tags: [("team".to_owned(), "a,b".to_owned())].into(),
        ..TableSpec::default()
    }
}

fn odd_rows() -> Value {
    json!([
        {"text": "plain", "num": 1, "flag": true, "when": "2024-01-01", "obj": {"a": 1, "b": [null, "x"]}, "list": ["a", "b"], "any thing": 3, "size": "s"},
        {"text": "", "num": -0.5, "flag": false, "when": "2024-11-21T09:30:00.000Z", "obj": {}, "list": [], "any thing": "3"},
        {"text": "comma, \"quote\"\r\nnewline", "num": 1e300, "when": "2024-11-21T10:30:00+01:00", "any thing": {"deep": [{"x": null}]}},
        {"text": " 007 ", "num": 9_007_199_254_740_991_i64, "any thing": [1, 2.5, "ü", false]},
        {"text": "true", "any thing": "null", "list": [[], {}]},
        {"text": "日本語 𝒳 \u{feff}", "any thing": true},
        {"text": "null"},
        {"text": "12345678901234567890", "any thing": ""},
    ])
}

fn without_system(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        for name in ["createdAt", "updatedAt"] {
            assert!(row.remove(name).is_some());
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_imports_to_the_same_table() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    let source = bench.tables.create(&bot(), "allTable", all_kinds()).await.unwrap();
    bench.add("allTable", odd_rows()).await;
    let whole = Find { limit: 1_000, ..Find::default() };
    let rows = bench.find("allTable", whole.clone()).await.rows;
    for (format, compress) in [
        (Format::Json, true),
        (Format::Json, false),
        (Format::Csv, true),
        (Format::Csv, false),
        (Format::Ndjson, true),
        (Format::Ndjson, false),
    ] {
        let job = bench.tables.export(&bot(), "allTable", Export { format, compress }).await.unwrap();
        let job = bench.ended("allTable", &job).await;
        assert_eq!((job.status, job.rows, job.progress), (JobStatus::Completed, 8, 100), "{job:?}");
        let file = job.output_file.unwrap();
        let ending = format!(".{}{}", format.name(), if compress { ".gz" } else { "" });
        assert!(file.starts_with("exports/allTable/job_") && file.ends_with(&ending), "{file}");

        let mut spec = all_kinds();
        if (format, compress) == (Format::Json, false) {
            // The file itself says how to make the table.
            let text: Value = serde_json::from_slice(&files.content(&file)).unwrap();
            let table = &text["table"];
            spec = TableSpec {
                schema: table["schema"].clone(),
                key_column: table["keyColumn"].as_str().map(str::to_owned),
                factor: table["factor"].as_u64().map(|factor| u8::try_from(factor).unwrap()),
                tags: serde_json::from_value(table["tags"].clone()).unwrap(),
                frozen: table["frozen"].as_bool().unwrap(),
                is_compute_enabled: table["isComputeEnabled"].as_bool(),
            };
        }
        let name = format!("copy_{}_{compress}Table", format.name());
        let copy = bench.tables.create(&bot(), &name, spec).await.unwrap();
        assert_eq!(
            (&copy.schema, &copy.tags, &copy.key_column, copy.factor),
            (&source.schema, &source.tags, &source.key_column, source.factor)
        );
        let job = bench.tables.import(&bot(), &name, &file).await.unwrap();
        let job = bench.ended(&name, &job).await;
        assert_eq!((job.rows, job.refused, job.warnings.len()), (8, 0, 0), "{job:?}");
        let copied = bench.find(&name, whole.clone()).await.rows;
        assert_eq!(without_system(&copied), without_system(&rows), "{format:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn column_files_are_written_and_not_read() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.tables.create(&bot(), "allTable", all_kinds()).await.unwrap();
    bench.add("allTable", odd_rows()).await;
    for (format, begins) in [(Format::Parquet, b"PAR1".as_slice()), (Format::Arrow, b"ARROW1")] {
        let how = Export { format, compress: true };
        let job = bench.tables.export(&bot(), "allTable", how).await.unwrap();
        let file = bench.ended("allTable", &job).await.output_file.unwrap();
        assert!(files.content(&file).starts_with(begins));
        let job = bench.tables.import(&bot(), "allTable", &file).await.unwrap();
        assert_eq!(bench.ended("allTable", &job).await.status, JobStatus::Failed);
    }
    // An empty table has a file too.
    bench.table("noneTable", json!({"a": 1})).await;
    let how = Export { format: Format::Csv, compress: false };
    let job = bench.tables.export(&bot(), "noneTable", how).await.unwrap();
    let file = bench.ended("noneTable", &job).await.output_file.unwrap();
    assert_eq!(files.content(&file), b"id,createdAt,updatedAt,a\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_stops_where_the_storage_quota_ends() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.table("nTable", json!({"n": 1})).await;
    for from in 0..40_u32 {
        let rows: Vec<Value> = (0..1_000).map(|n| json!({"n": from * 1_000 + n})).collect();
        bench.add("nTable", rows.into()).await;
    }
    files.room.store(300_000, Ordering::Relaxed);
    for format in [Format::Csv, Format::Arrow] {
        let job = bench.tables.export(&bot(), "nTable", Export { format, compress: false }).await.unwrap();
        let job = bench.ended("nTable", &job).await;
        let said = job.error.as_deref().unwrap();
        assert!(job.status == JobStatus::Failed && said.contains("0 used of 300000"), "{job:?}");
        assert_eq!(files.names(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_is_of_one_moment_and_can_be_cancelled() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.table("nTable", json!({"n": 1})).await;
    bench.add("nTable", json!([{"n": 1}])).await;
    bench.tables.stop_jobs().await;
    let how = Export { format: Format::Ndjson, compress: false };
    let job = bench.tables.export(&bot(), "nTable", how).await.unwrap();
    let other = bench.tables.export(&bot(), "nTable", how).await.unwrap();
    let gone = bench.tables.cancel_job(&bot(), "nTable", &other.id).await.unwrap();
    assert_eq!((gone.status, gone.error.as_deref()), (JobStatus::Failed, Some("cancelled")));
    let bench = bench.reopened().with_files(&files);
    assert_eq!(bench.tables.resume_jobs().await.unwrap(), 1);
    let job = bench.ended("nTable", &job).await;
    assert_eq!(files.names(), [job.output_file.unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_that_begins_anew_replaces_what_it_left() {
    let files = Files::new();
    let bench = Bench::new().with_files(&files);
    bench.table("nTable", json!({"n": 1})).await;
    bench.add("nTable", json!([{"n": 1}])).await;
    bench.tables.stop_jobs().await;
    let how = Export { format: Format::Csv, compress: false };
    let job = bench.tables.export(&bot(), "nTable", how).await.unwrap();
    let key = format!("exports/nTable/{}.csv", job.id);
    files.add(&key, "x".repeat(1_000));
    files.room.store(1, Ordering::Relaxed);
    let bench = bench.reopened().with_files(&files);
    bench.tables.resume_jobs().await.unwrap();
    let job = bench.ended("nTable", &job).await;
    assert_eq!((job.status, job.output_file), (JobStatus::Completed, Some(key.clone())), "{:?}", job.error);
    assert!(files.content(&key).starts_with(b"id,"));
}
