use super::*;
use quarry_types::ErrorKind;

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.table("pTable", people()).await;
    bench.add("pTable", json!([
        {"name": "Ann", "age": 30, "ok": true, "hired": "2023-03-01", "obj": {"city": "Rome", "zip": 1}, "tags": ["a", "b"]},
        {"name": "bob", "age": 20, "ok": false, "hired": "2024-05-01T08:00:00Z", "obj": {"city": "Paris"}},
        {"name": "Cid", "age": null, "ok": true, "obj": {"city": "Rome"}, "tags": []},
        {"name": "dan", "age": 30.5, "hired": "2020-01-01"},
    ])).await;
    bench
}

#[tokio::test]
async fn the_documented_examples_work_as_printed() {
    let bench = bench().await;
    for (filter, ids) in [
        (json!({"updatedAt": {"gte": "2024-01-01"}}), vec![1, 2, 3, 4]),
        (json!({"$not": {"name": "Ann"}}), vec![2, 3, 4]),
        (json!({"age": {"$gt": 20}, "ok": true}), vec![1]),
        (json!({"obj.city": "Rome"}), vec![1, 3]),
        (json!({"age": null}), vec![3]),
        (json!({"ok": {"$ne": true}}), vec![2, 4]),
        (json!({"tags": "a"}), vec![1]),
        (json!({"tags.1": "b"}), vec![1]),
        (json!({"tags": {"$size": 0}}), vec![3]),
        (json!({"name": {"$regex": "^[a-c]", "$options": "i"}}), vec![1, 2, 3]),
        (json!({"hired": {"$lt": "2024-01-01"}}), vec![1, 4]),
        (json!({"id": {"$in": [4, 2, 99]}}), vec![2, 4]),
    ] {
        assert_eq!(bench.ids("pTable", filter.clone()).await, ids, "{filter}");
    }
    let by_row_id = Find { order_by: Some("row_id".into()), descending: true, limit: 2, ..Find::default() };
    let found = bench.find("pTable", by_row_id).await;
    assert_eq!(found.rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), [json!(4), json!(3)]);
    assert!(found.has_more);
}

#[tokio::test]
async fn pages_are_stable_and_complete() {
    let bench = Bench::new();
    bench.table("xTable", json!({"n": 1})).await;
    for start in 0..3 {
        let rows: Vec<Value> = (0..400).map(|n| json!({"n": (n + start) % 7})).collect();
        bench.add("xTable", Value::from(rows)).await;
    }
    for (order_by, descending) in [(None, false), (None, true), (Some("n"), false), (Some("n"), true)] {
        let mut seen = Vec::new();
        loop {
            let find = Find {
                offset: seen.len(),
                limit: 130,
                order_by: order_by.map(str::to_owned),
                descending,
                filter: Some(json!({"n": {"$ne": 3}})),
                ..Find::default()
            };
            let found = bench.find("xTable", find).await;
            seen.extend(
                found.rows.iter().map(|row| (row["n"].as_i64().unwrap(), row["id"].as_i64().unwrap())),
            );
            if !found.has_more {
                break;
            }
        }
        let mut wanted = seen.clone();
        wanted.sort_by_key(|(n, id)| match (order_by, descending) {
            (None, false) => (0, *id),
            (None, true) => (0, -*id),
            (_, false) => (*n, *id),
            (_, true) => (-*n, *id),
        });
        wanted.dedup();
        assert_eq!(seen, wanted);
        assert_eq!(
            seen.len() as u64,
            bench.tables.count(&bot(), "xTable", Some(&json!({"n": {"$ne": 3}}))).await.unwrap()
        );
    }
}

#[tokio::test]
async fn select_shows_columns_and_places() {
    let bench = bench().await;
    let select = |names: &[&str]| Find {
        select: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        limit: 1,
        ..Find::default()
    };
    let row =
        bench.find("pTable", select(&["age", "obj.city", "obj.none.x"])).await.rows.into_rows().remove(0);
    assert_eq!(row["obj"], json!({"city": "Rome", "none": {"x": null}}));
    assert_eq!(
        row.keys().map(String::as_str).collect::<Vec<_>>(),
        ["id", "createdAt", "updatedAt", "computed", "age", "obj"]
    );
    let row = bench.find("pTable", select(&["obj.city", "obj"])).await.rows.into_rows().remove(0);
    assert_eq!(row["obj"], json!({"city": "Rome", "zip": 1}));
    assert_eq!(bench.find("pTable", select(&[])).await.rows[0].len(), 4);
}

#[tokio::test]
async fn groups_answer_named_values() {
    let bench = bench().await;
    let group = |group: Value| Find { group: Some(group), ..Find::default() };
    let found = bench
        .find("pTable", group(json!({"ok": "key", "age": ["sum", "avg", "count"], "name": "unique"})))
        .await;
    assert_eq!(
        Value::from(found.rows.into_rows().into_iter().map(Value::from).collect::<Vec<_>>()),
        json!([
            {"okKey": false, "ageSum": 20, "ageAvg": 20, "ageCount": 1, "nameUnique": ["bob"]},
            {"okKey": true, "ageSum": 30, "ageAvg": 30, "ageCount": 1, "nameUnique": ["Ann", "Cid"]},
            {"okKey": null, "ageSum": 30.5, "ageAvg": 30.5, "ageCount": 1, "nameUnique": ["dan"]},
        ])
    );
    let found = bench
        .find(
            "pTable",
            Find {
                order_by: Some("obj.city".into()),
                limit: 1,
                ..group(json!({"obj.city": "key", "id": "count"}))
            },
        )
        .await;
    assert_eq!(json!(found.rows), json!([{"objCityKey": "Paris", "idCount": 1}]));
    assert!(found.has_more);
    let found = bench
        .find(
            "pTable",
            Find {
                order_by: Some("idCount".into()),
                descending: true,
                limit: 1,
                ..group(json!({"obj.city": "key", "id": "count"}))
            },
        )
        .await;
    assert_eq!(found.rows[0]["objCityKey"], json!("Rome"));
    let none = Find {
        filter: Some(json!({"age": 999})),
        ..group(json!({"age": ["sum", "count", "min"], "hired": "max", "tags": "unique"}))
    };
    let found = bench.find("pTable", none).await;
    assert_eq!(
        json!(found.rows),
        json!([{"ageSum": null, "ageCount": 0, "ageMin": null, "hiredMax": null, "tagsUnique": []}])
    );
    let found =
        bench.find("pTable", group(json!({"hired": ["min", "max"], "obj.zip": ["sum", "max"]}))).await;
    assert_eq!(
        json!(found.rows),
        json!([{
            "hiredMin": "2020-01-01", "hiredMax": "2024-05-01T08:00:00Z", "objZipSum": 1, "objZipMax": 1,
        }])
    );
    for (bad, says) in [
        (json!({"age": "median"}), "unknown operation"),
        (json!({"name": "sum"}), "sum and avg work on numbers"),
        (json!({"nope": "key"}), "there is no column"),
        (json!({}), "must be an object"),
    ] {
        let error = bench.tables.find(&bot(), "pTable", group(bad)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidQuery);
        assert!(text_of(&error).contains(says), "{error}");
    }
}

#[tokio::test]
async fn bad_queries_are_refused() {
    let bench = bench().await;
    for find in [
        Find { limit: 0, ..Find::default() },
        Find { limit: 1_001, ..Find::default() },
        Find { order_by: Some("nope".into()), ..Find::default() },
        Find { select: Some(vec!["nope".into()]), ..Find::default() },
        Find { search: Some("x".into()), ..Find::default() },
        Find { filter: Some(json!({"age": {"$gt": "x"}})), ..Find::default() },
    ] {
        let error = bench.tables.find(&bot(), "pTable", find.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidQuery, "{find:?}");
    }
    assert_eq!(
        bench.tables.find(&bot(), "zTable", Find::default()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let past = bench.find("pTable", Find { offset: 50, ..Find::default() }).await;
    assert!(past.rows.is_empty() && !past.has_more);
}

#[tokio::test]
async fn a_group_may_ask_for_distinct_values_alone() {
    let bench = Bench::new();
    bench.table("xTable", json!({"a": "text", "n": 1})).await;
    bench.add("xTable", json!([{"a": "x", "n": 1}, {"a": "y", "n": 1}, {"a": "x", "n": null}])).await;
    let find = Find { group: Some(json!({"a": "unique"})), ..Find::default() };
    let found = bench.tables.find(&bot(), "xTable", find).await.unwrap();
    let mut values: Vec<_> = found.rows[0]["aUnique"].as_array().unwrap().clone();
    values.sort_by_key(ToString::to_string);
    assert_eq!((found.rows.len(), values), (1, vec![json!("x"), json!("y")]));
}
