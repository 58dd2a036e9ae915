use super::*;
use quarry_types::ErrorKind;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

#[tokio::test]
async fn rows_come_back_as_they_were_written() {
    let bench = Bench::new();
    bench.table("xTable", people()).await;
    let given = json!({"name": "Ünï 😀", "age": 3.5, "ok": false, "hired": "2024-01-01T01:00:00+01:00",
        "obj": {"b": [1, {"c": null}], "a": "9007199254740993"}, "tags": []});
    let rows = bench.add("xTable", json!([given, {"name": "x", "age": 7}])).await;
    for (name, value) in given.as_object().unwrap() {
        assert_eq!(&rows[0][name], value, "{name}");
    }
    let keys: Vec<&str> = rows[1].keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["id", "createdAt", "updatedAt", "computed", "name", "age", "ok", "hired", "obj", "tags"]
    );
    assert_eq!((&rows[1]["id"], &rows[1]["age"], &rows[1]["ok"]), (&json!(2), &json!(7), &json!(null)));
    assert_eq!(rows[1]["computed"], json!({}));
    assert_eq!(bench.tables.row(&bot(), "xTable", 1).await.unwrap(), rows[0]);
    assert_eq!(bench.find("xTable", Find::default()).await.rows, rows.into());
    assert_eq!(bench.tables.row(&bot(), "xTable", 3).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.tables.row(&bot(), "xTable", -1).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn bad_rows_are_left_out_and_named() {
    let bench = Bench::new();
    bench.table("xTable", people()).await;
    let big = "x".repeat(5_000);
    let rows = vec![
        json!({"name": "a"}),
        json!({"age": "old"}),
        json!({"name": big}),
        json!({"name": "b", "nmae": 1}),
    ];
    let written = bench.tables.create_rows(&bot(), "xTable", rows).await.unwrap();
    assert_eq!(written.rows.len(), 2);
    assert_eq!(written.warnings, ["column \"nmae\" does not exist; its values were ignored"]);
    assert_eq!(written.errors.len(), 2);
    assert!(written.errors[0].starts_with("rows[1]: column \"age\" takes number"), "{:?}", written.errors);
    assert!(written.errors[1].contains("limit is 4096 (factor 1 × 4 KB)"), "{:?}", written.errors);
    let none = bench.tables.create_rows(&bot(), "xTable", vec![json!({"age": "old"})]).await.unwrap();
    assert!(none.rows.is_empty() && none.errors.len() == 1);
    for rows in [vec![], vec![json!(3)], vec![json!({}); 1_001]] {
        let error = bench.tables.create_rows(&bot(), "xTable", rows).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[tokio::test]
async fn updates_keep_what_is_absent() {
    let bench = Bench::new();
    bench.table("xTable", people()).await;
    bench.add("xTable", json!([{"name": "a", "age": 1}, {"name": "b", "age": 2}])).await;
    let rows = vec![
        json!({"id": 2, "age": null, "ok": true}),
        json!({"id": 9}),
        json!({"age": 1}),
        json!({"id": "1"}),
    ];
    let written = bench.tables.update_rows(&bot(), "xTable", rows).await.unwrap();
    assert_eq!(written.rows.len(), 1);
    let row = &written.rows[0];
    assert_eq!((&row["name"], &row["age"], &row["ok"]), (&json!("b"), &json!(null), &json!(true)));
    assert_eq!(written.errors.len(), 3);
    assert_eq!(written.errors[0], "rows[1]: row 9 does not exist");
    assert_eq!(bench.tables.row(&bot(), "xTable", 2).await.unwrap(), *row);
    assert_eq!(bench.tables.row(&bot(), "xTable", 1).await.unwrap()["age"], json!(1));
}

#[tokio::test]
async fn a_write_answers_the_same_as_text_and_as_objects() {
    let bench = Bench::new();
    let mut schema = people();
    bench.table("plainTable", schema.clone()).await;
    schema["properties"]["net"] = json!({"type": "number", "x-zui": {"computed": {
        "action": "code", "dependencies": ["age"], "code": "row.age / 2"}}});
    bench.table("computedTable", schema).await;
    let rows = json!([
        {"name": "a \"b\"\n\u{1} ü", "age": 1.5, "ok": true, "hired": "2024-02-03", "obj": {"b": [1, 2.50], "a": null}},
        {"name": "", "age": -3, "ok": false, "hired": "2024-02-03T04:05:06.789Z", "tags": ["x", {"y": "\u{7f}"}]},
        {"age": 9_007_199_254_740_993_u64},
        {"age": 1e300},
    ]);
    for table in ["plainTable", "computedTable"] {
        let rows = rows.as_array().unwrap().clone();
        let written = bench.tables.create_rows(&bot(), table, rows).await.unwrap();
        assert_eq!((written.rows.len(), written.errors.len()), (4, 0), "{:?}", written.errors);
        let text = serde_json::to_string(&written.rows).unwrap();
        let objects = written.rows.clone().into_rows();
        assert_eq!(text, serde_json::to_string(&objects).unwrap());
        assert_eq!(text, serde_json::to_string(&written.rows).unwrap(), "once looked at");
        let found = bench.find(table, Find { limit: 10, ..Find::default() }).await.rows;
        assert_eq!(found, objects.into());
        for select in [&["name", "obj", "id"][..], &["age", "hired"], &["obj.b", "tags", "obj.none"]] {
            let select = Some(select.iter().map(|name| (*name).to_owned()).collect());
            let filter = Some(json!({"age": {"$gt": -10}}));
            let some = bench.find(table, Find { filter, select, ..Find::default() }).await.rows;
            let text = serde_json::to_string(&some).unwrap();
            assert_eq!(some.len(), 4);
            assert_eq!(text, serde_json::to_string(&some.into_rows()).unwrap());
        }
    }
}

#[tokio::test]
async fn keys_move_within_a_request_and_back() {
    let bench = Bench::new();
    bench.tables.create(&bot(), "kTable", keyed(json!({"k": "a", "n": 1}), "k")).await.unwrap();
    bench.add("kTable", json!([{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "c", "n": 3}])).await;
    let update = async |rows: Value| {
        let rows = rows.as_array().unwrap().clone();
        bench.tables.update_rows(&bot(), "kTable", rows).await.unwrap()
    };
    // A row changed twice in one request; the second time after its key was freed and taken.
    let done = update(json!([
        {"id": 1, "k": "x"}, {"id": 2, "k": "a"}, {"id": 1, "n": 10}, {"id": 3, "k": null}, {"id": 1, "k": "c"},
        {"id": 3, "k": "a"}, {"id": 3, "n": 30},
    ]))
    .await;
    assert_eq!(done.errors.len(), 1, "{:?}", done.errors);
    assert!(done.errors[0].starts_with("rows[5]: row 2 has the same value"), "{:?}", done.errors);
    let key = |row: &Row| (row["id"].as_u64().unwrap(), row["k"].clone(), row["n"].clone());
    let wanted = [(1, json!("c"), json!(10)), (2, json!("a"), json!(2)), (3, json!(null), json!(30))];
    let find = Find { limit: 10, ..Find::default() };
    for tables in [bench.tables.clone(), bench.cold()] {
        let rows = tables.find(&bot(), "kTable", find.clone()).await.unwrap().rows;
        assert_eq!(rows.iter().map(key).collect::<Vec<_>>(), wanted);
        for (id, k, _) in &wanted[..2] {
            let find = Find { filter: Some(json!({"k": k})), limit: 10, ..Find::default() };
            assert_eq!(tables.find(&bot(), "kTable", find).await.unwrap().rows[0]["id"], json!(id));
        }
    }
}

#[tokio::test]
async fn upsert_matches_by_id_by_key_and_by_any_column() {
    let bench = Bench::new();
    bench.tables.create(&bot(), "kTable", keyed(json!({"k": "a", "n": 1}), "k")).await.unwrap();
    let upsert = |rows: Value, key: Option<&'static str>| {
        let tables = bench.tables.clone();
        async move { tables.upsert_rows(&bot(), "kTable", rows.as_array().unwrap().clone(), key).await.unwrap() }
    };
    let done =
        upsert(json!([{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "a", "n": 3}, {"n": 4}]), Some("k"))
            .await;
    assert_eq!((done.inserted.len(), done.updated.len()), (3, 0));
    assert_eq!(done.inserted[0]["n"], json!(3));
    let done = upsert(json!([{"k": "b", "n": 20}, {"k": "c"}]), Some("k")).await;
    assert_eq!((done.inserted.len(), done.updated.len()), (1, 1));
    assert_eq!((&done.updated[0]["id"], &done.updated[0]["n"]), (&json!(2), &json!(20)));
    // By id: the key column stays unique, absent ids are new rows.
    let done = upsert(json!([{"id": 2, "k": "a"}, {"id": 77, "k": "z"}, {"k": "y"}]), None).await;
    assert_eq!(
        (done.inserted.len(), done.updated.len(), done.errors.len(), done.warnings.len()),
        (2, 0, 1, 1)
    );
    assert_ne!(done.inserted[0]["id"], json!(77));
    // Keys may change hands within one request.
    let done = upsert(json!([{"id": 1, "k": "swap"}, {"id": 2, "k": "a"}, {"id": 1, "k": "b"}]), None).await;
    assert_eq!(done.errors, Vec::<String>::new());
    assert_eq!(bench.ids("kTable", json!({"k": "b"})).await, [1]);
    assert_eq!(bench.ids("kTable", json!({"k": {"$in": ["a", "b", "none"]}})).await, [1, 2]);
    // A column without index: one match is changed, several are an error.
    let done =
        upsert(json!([{"n": 3, "k": "three"}, {"n": 555, "k": "new"}, {"n": 555, "k": "newer"}]), Some("n"))
            .await;
    assert_eq!((done.inserted.len(), done.updated.len()), (1, 1));
    bench.add("kTable", json!([{"n": 6}, {"n": 6}])).await;
    let done = upsert(json!([{"n": 6, "k": "six"}]), Some("n")).await;
    assert!(done.errors[0].contains("2 rows have this value"), "{:?}", done.errors);
    let error = bench.tables.upsert_rows(&bot(), "kTable", vec![json!({})], Some("nope")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn deletes_by_ids_filter_and_all() {
    let bench = Bench::new();
    bench.table("xTable", people()).await;
    let rows: Vec<Value> = (0..50).map(|n| json!({"name": format!("r{n}"), "age": n})).collect();
    bench.add("xTable", Value::from(rows)).await;
    let delete = |which: DeleteRows| {
        let tables = bench.tables.clone();
        async move { tables.delete_rows(&bot(), "xTable", which).await }
    };
    assert_eq!(delete(DeleteRows::Ids(vec![1, 2, 2, 99, -4])).await.unwrap(), 2);
    assert_eq!(delete(DeleteRows::Filter(json!({"age": {"$gte": 40}}))).await.unwrap(), 10);
    assert_eq!(bench.tables.get(&bot(), "xTable").await.unwrap().1.rows, 38);
    assert_eq!(bench.usage().await, 38);
    assert_eq!(
        delete(DeleteRows::Filter(json!({"nope": 1}))).await.unwrap_err().kind(),
        ErrorKind::InvalidQuery
    );
    assert_eq!(delete(everything()).await.unwrap(), 38);
    assert_eq!(bench.usage().await, 0);
    let row = bench.add("xTable", json!([{"name": "next"}])).await;
    assert_eq!(row[0]["id"], json!(51));
}

#[tokio::test]
async fn quota_is_refused_before_work_with_its_figures() {
    let bench = Bench::with(TablesOptions { row_quota: 20, ..TablesOptions::default() });
    bench
        .tables
        .create(&bot(), "xTable", TableSpec { factor: Some(3), ..spec(json!({"a": 1})) })
        .await
        .unwrap();
    bench.add("xTable", json!([{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, {"a": 5}])).await;
    let error = bench.tables.create_rows(&bot(), "xTable", vec![json!({}), json!({})]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    for figure in ["15 used of 20", "6 more needed"] {
        assert!(text_of(&error).contains(figure), "{error}");
    }
    assert_eq!(bench.tables.get(&bot(), "xTable").await.unwrap().1.rows, 5);
    let grow = crate::TablePatch { factor: Some(5), ..crate::TablePatch::default() };
    assert_eq!(
        bench.tables.update(&bot(), "xTable", grow).await.unwrap_err().kind(),
        ErrorKind::QuotaExceeded
    );
    // Another bot has its own quota.
    bench.tables.create(&other_bot(), "xTable", spec(json!({"a": 1}))).await.unwrap();
    bench.tables.create_rows(&other_bot(), "xTable", vec![json!({"a": 1}); 20]).await.unwrap();
}

#[tokio::test]
async fn a_restart_keeps_everything_and_reuses_no_id() {
    let bench = Bench::new();
    bench.tables.create(&bot(), "kTable", keyed(people(), "name")).await.unwrap();
    let rows: Vec<Value> =
        (0..700).map(|n| json!({"name": format!("n{n}"), "age": n, "tags": [n]})).collect();
    bench.add("kTable", Value::from(rows)).await;
    bench.tables.update_rows(&bot(), "kTable", vec![json!({"id": 5, "age": -1})]).await.unwrap();
    bench.tables.delete_rows(&bot(), "kTable", DeleteRows::Ids(vec![3, 699, 700])).await.unwrap();
    let before = bench.find("kTable", Find { limit: 1_000, ..Find::default() }).await;
    let (table, counts) = bench.tables.get(&bot(), "kTable").await.unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.tables.get(&bot(), "kTable").await.unwrap(), (table, counts));
    assert_eq!(bench.find("kTable", Find { limit: 1_000, ..Find::default() }).await, before);
    assert_eq!(bench.add("kTable", json!([{"name": "n699"}])).await[0]["id"], json!(701));
    let taken = bench.tables.create_rows(&bot(), "kTable", vec![json!({"name": "n0"})]).await.unwrap();
    assert_eq!(taken.errors.len(), 1);
    assert_eq!(bench.tables.recount(&bot()).await.unwrap().table_rows, bench.usage().await);
}

#[tokio::test]
async fn usage_equals_a_recount_after_any_history() {
    let bench = Bench::new();
    let mut dice = StdRng::seed_from_u64(7);
    let names = ["aTable", "bTable", "cTable"];
    for step in 0..250 {
        let name = names[dice.random_range(0..3)];
        let rows: Vec<Value> = (0..dice.random_range(1..20))
            .map(|_| match dice.random_range(0..8) {
                0 => json!({"k": 1, "bad": 2}),
                n => json!({"id": dice.random_range(1..200), "k": format!("k{}", dice.random_range(0..40)), "n": n}),
            })
            .collect();
        let tables = &bench.tables;
        // Refusals (no such table, row or schema change) are part of the history.
        let _ = match dice.random_range(0..10) {
            0 => tables
                .create(
                    &bot(),
                    name,
                    TableSpec { factor: Some(1 + step % 3), ..keyed(json!({"k": "a", "n": 1}), "k") },
                )
                .await
                .map(drop),
            1 => tables.delete(&bot(), name).await,
            2 => tables.create_rows(&bot(), name, rows).await.map(drop),
            3 => tables.update_rows(&bot(), name, rows).await.map(drop),
            4 | 5 => tables.upsert_rows(&bot(), name, rows, Some("k")).await.map(drop),
            6 => tables.delete_rows(&bot(), name, DeleteRows::Filter(json!({"n": 3}))).await.map(drop),
            7 => tables
                .update(
                    &bot(),
                    name,
                    crate::TablePatch { factor: Some(dice.random_range(1..5)), ..Default::default() },
                )
                .await
                .map(drop),
            8 => tables.upsert_rows(&bot(), name, rows, None).await.map(drop),
            _ => tables.delete_rows(&bot(), name, DeleteRows::Ids((0..30).collect())).await.map(drop),
        };
        assert_eq!(tables.recount(&bot()).await.unwrap().table_rows, bench.usage().await, "step {step}");
    }
    // What is cached equals what is stored.
    let cold = bench.cold();
    for name in names {
        let warm = bench.tables.find(&bot(), name, Find { limit: 1_000, ..Find::default() }).await.ok();
        assert_eq!(
            cold.find(&bot(), name, Find { limit: 1_000, ..Find::default() }).await.ok(),
            warm,
            "{name}"
        );
    }
}
