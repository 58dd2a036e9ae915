use super::*;
use crate::TablePatch;
use quarry_types::ErrorKind;
use std::collections::BTreeMap;

fn column<'v>(table: &'v crate::Table, name: &str) -> &'v Value {
    &table.schema["properties"][name]
}

#[tokio::test]
async fn all_input_shapes_give_typed_columns() {
    let bench = Bench::new();
    let create = |name: &'static str, schema: Value| {
        let tables = bench.tables.clone();
        async move { tables.create(&bot(), name, spec(schema)).await.unwrap() }
    };
    let adk = json!({"type": "object", "x-zui": {}, "additionalProperties": false, "required": ["n"], "properties": {
        "n": {"type": "integer", "exclusiveMinimum": true, "x-zui": {"computed": {"action": "code", "code": "x"}}},
        "any": {"x-zui": {}}, "union": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}], "nullable": true},
        "pair": {"type": "array", "items": [{"type": "string"}]}, "kind": {"type": "string", "enum": ["a", "b"]},
        "My Old Column Name": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
    }});
    let table = create("adkTable", adk).await;
    for (name, wanted) in [
        ("n", "number"),
        ("any", "object"),
        ("union", "object"),
        ("maybe", "string"),
        ("pair", "array"),
        ("kind", "string"),
        ("My Old Column Name", "object"),
    ] {
        assert_eq!(column(&table, name)["type"], wanted, "{name}");
    }
    assert_eq!(table.schema["required"], json!(["n"]));
    assert_eq!(table.schema["additionalProperties"], true);
    assert_eq!(column(&table, "n")["x-zui"]["computed"]["action"], "code");
    assert_eq!(column(&table, "kind")["enum"], json!(["a", "b"]));
    let indexes: Vec<i64> = table.schema["properties"]
        .as_object()
        .unwrap()
        .values()
        .map(|column| column["x-zui"]["index"].as_i64().unwrap())
        .collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4, 5, 6]);

    let zai = json!({"key": {"type": "string"}, "input": {"type": "object", "x-zui": {"searchable": true}}});
    let table = create("zaiTable", zai).await;
    assert_eq!(column(&table, "input")["x-zui"]["searchable"], true);
    let example = json!({"name": "test", "n": 1, "ok": true, "tags": ["a"], "o": {"type": "weird", "x": 1}});
    let table = create("exampleTable", example).await;
    for (name, wanted) in
        [("name", "string"), ("n", "number"), ("ok", "boolean"), ("tags", "array"), ("o", "object")]
    {
        assert_eq!(column(&table, name)["type"], wanted, "{name}");
    }
}

#[tokio::test]
async fn bad_tables_are_refused_with_a_reason() {
    let bench = Bench::with(TablesOptions { max_tables: 2, max_columns: 3, ..TablesOptions::default() });
    let long_name = "x".repeat(31);
    for (name, schema, kind, says) in [
        ("noSuffix", json!({"a": 1}), ErrorKind::Invalid, "end in \"Table\""),
        ("9Table", json!({"a": 1}), ErrorKind::Invalid, "start with a letter"),
        ("xTable", json!([]), ErrorKind::InvalidSchema, "must be an object"),
        ("xTable", json!({"id": 1}), ErrorKind::InvalidSchema, "reserved"),
        ("xTable", json!({long_name: 1}), ErrorKind::InvalidSchema, "1 to 30"),
        ("xTable", json!({"a": null}), ErrorKind::InvalidSchema, "give it a type"),
        (
            "xTable",
            json!({"type": "object", "properties": {"a": {"type": "strng"}}}),
            ErrorKind::InvalidSchema,
            "unknown type \"strng\"",
        ),
        (
            "xTable",
            json!({"type": "object", "properties": {"a": 3}}),
            ErrorKind::InvalidSchema,
            "must be an object with a type",
        ),
        ("xTable", json!({"a": {"type": "string", "pattern": "("}}), ErrorKind::InvalidSchema, "pattern"),
        (
            "xTable",
            json!({"type": "object", "properties": {}, "required": ["z"]}),
            ErrorKind::InvalidSchema,
            "\"z\"",
        ),
        ("xTable", json!({"a": 1, "b": 1, "c": 1, "d": 1}), ErrorKind::LimitExceeded, "limit is 3"),
    ] {
        let error = bench.tables.create(&bot(), name, spec(schema.clone())).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{schema}: {error}");
        assert!(text_of(&error).contains(says), "{error}");
    }
    bench.table("oneTable", json!({"a": 1})).await;
    let again = bench.tables.create(&bot(), "oneTable", spec(json!({"a": 1}))).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    bench.table("twoTable", json!({"a": 1})).await;
    let third = bench.tables.create(&bot(), "threeTable", spec(json!({"a": 1}))).await.unwrap_err();
    assert_eq!(third.kind(), ErrorKind::LimitExceeded);
    for says in ["2 used", "limit is 2", "1 more needed"] {
        assert!(text_of(&third).contains(says), "{third}");
    }
    let wider = TablePatch { schema: Some(json!({"b": 1, "c": 1, "d": 1})), ..TablePatch::default() };
    let wider = bench.tables.update(&bot(), "oneTable", wider).await.unwrap_err();
    assert_eq!(wider.kind(), ErrorKind::LimitExceeded);
    for says in ["1 used", "limit is 3", "3 more needed"] {
        assert!(text_of(&wider).contains(says), "{wider}");
    }
    let factor = TableSpec { factor: Some(31), ..spec(json!({"a": 1})) };
    assert_eq!(bench.tables.create(&bot(), "fTable", factor).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn updates_merge_remove_and_clear() {
    let bench = Bench::new();
    bench.table("xTable", json!({"a": "x", "b": 1, "c": true})).await;
    bench.add("xTable", json!([{"a": "one", "b": 1, "c": true}])).await;
    let patch = |schema: Value| TablePatch { schema: Some(schema), ..TablePatch::default() };
    let (table, stale) = bench.tables.update(&bot(), "xTable", patch(json!({
        "b": {"type": "string"}, "c": null, "d": {"type": "number", "x-zui": {"computed": {"action": "ai", "prompt": "p"}}},
        "a": {"x-zui": {"searchable": true}},
    }))).await.unwrap();
    assert_eq!(stale, ["d"]);
    assert_eq!(column(&table, "a")["type"], "string");
    assert_eq!(column(&table, "a")["x-zui"], json!({"index": 0, "searchable": true}));
    assert_eq!(column(&table, "b")["x-zui"]["index"], 1);
    assert_eq!(column(&table, "d")["x-zui"]["index"], 3);
    assert!(table.schema["properties"].get("c").is_none());
    let row = bench.tables.row(&bot(), "xTable", 1).await.unwrap();
    assert_eq!((&row["a"], &row["b"], &row["d"]), (&json!("one"), &json!(null), &json!(null)));
    assert!(!row.contains_key("c"));
    // A column that comes back does not bring its old values.
    bench.tables.update(&bot(), "xTable", patch(json!({"c": {"type": "boolean"}}))).await.unwrap();
    assert_eq!(bench.tables.row(&bot(), "xTable", 1).await.unwrap()["c"], json!(null));

    let renamed = bench.tables.rename_column(&bot(), "xTable", "a", "alpha").await.unwrap();
    assert_eq!(column(&renamed, "alpha")["x-zui"]["searchable"], true);
    assert_eq!(bench.tables.row(&bot(), "xTable", 1).await.unwrap()["alpha"], json!("one"));
    let taken = bench.tables.rename_column(&bot(), "xTable", "alpha", "b").await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::InvalidSchema);

    let tags = BTreeMap::from([("kind".to_owned(), Some("x".to_owned()))]);
    let patch = TablePatch {
        name: Some("yTable".into()),
        frozen: Some(true),
        tags: Some(tags),
        factor: Some(3),
        ..TablePatch::default()
    };
    let (table, _) = bench.tables.update(&bot(), "xTable", patch).await.unwrap();
    assert_eq!((table.name.as_str(), table.frozen, table.factor), ("yTable", true, 3));
    assert_eq!(bench.usage().await, 3);
    assert_eq!(bench.tables.get(&bot(), "xTable").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.tables.get(&bot(), table.id.as_str()).await.unwrap().1.rows, 1);
    let frozen = TablePatch { schema: Some(json!({"z": 1})), ..TablePatch::default() };
    assert_eq!(bench.tables.update(&bot(), "yTable", frozen).await.unwrap_err().kind(), ErrorKind::Invalid);
    let renamed = TablePatch { name: Some("zTable".into()), ..TablePatch::default() };
    assert_eq!(bench.tables.update(&bot(), "yTable", renamed).await.unwrap_err().kind(), ErrorKind::Invalid);
    let smaller = TablePatch { factor: Some(2), ..TablePatch::default() };
    assert_eq!(bench.tables.update(&bot(), "yTable", smaller).await.unwrap_err().kind(), ErrorKind::Invalid);
    let wanted = |value: &str| BTreeMap::from([("kind".to_owned(), value.to_owned())]);
    assert_eq!(bench.tables.list(&bot(), &wanted("x")).await.unwrap().len(), 1);
    assert_eq!(bench.tables.list(&bot(), &wanted("y")).await.unwrap().len(), 0);
}

#[tokio::test]
async fn key_columns_come_and_go() {
    let bench = Bench::new();
    bench.table("xTable", json!({"k": "a", "o": {}})).await;
    bench.add("xTable", json!([{"k": "a"}, {"k": "a"}, {"k": "b"}, {"k": null}, {}])).await;
    let key = |name: Option<&str>| TablePatch {
        key_column: Some(name.map(str::to_owned)),
        ..TablePatch::default()
    };
    let error = bench.tables.update(&bot(), "xTable", key(Some("k"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(text_of(&error).contains("rows 1, 2"), "{error}");
    assert_eq!(
        bench.tables.update(&bot(), "xTable", key(Some("o"))).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    bench.tables.delete_rows(&bot(), "xTable", DeleteRows::Ids(vec![2])).await.unwrap();
    let (table, _) = bench.tables.update(&bot(), "xTable", key(Some("k"))).await.unwrap();
    assert_eq!(table.key_column.as_deref(), Some("k"));
    let twice = bench
        .tables
        .create_rows(&bot(), "xTable", vec![json!({"k": "b"}), json!({"k": "c"}), json!({"k": "c"})])
        .await
        .unwrap();
    assert_eq!(twice.rows.len(), 1);
    assert_eq!(twice.errors.len(), 2);
    assert!(twice.errors[0].contains("row 3 has the same value"), "{:?}", twice.errors);
    bench.tables.update(&bot(), "xTable", key(None)).await.unwrap();
    bench.add("xTable", json!([{"k": "b"}])).await;
    let error = bench.tables.update(&bot(), "xTable", key(Some("k"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn bots_do_not_see_each_other() {
    let bench = Bench::new();
    bench.table("xTable", json!({"a": 1})).await;
    let theirs = bench.tables.get_or_create(&other_bot(), "xTable", spec(json!({"b": "x"}))).await.unwrap();
    assert!(theirs.created);
    bench.add("xTable", json!([{"a": 1}])).await;
    assert_eq!(bench.tables.get(&other_bot(), "xTable").await.unwrap().1.rows, 0);
    let (mine, counts) = bench.tables.get(&bot(), "xTable").await.unwrap();
    assert_eq!(counts.rows, 1);
    assert_ne!(mine.id, theirs.table.id);
    assert_eq!(
        bench.tables.get(&other_bot(), mine.id.as_str()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let again = bench.tables.get_or_create(&bot(), "xTable", spec(json!({"z": 1}))).await.unwrap();
    assert!(!again.created && again.table == mine && again.counts.rows == 1);
    bench.tables.delete(&bot(), "xTable").await.unwrap();
    assert_eq!(bench.usage().await, 0);
    assert!(bench.tables.get(&other_bot(), "xTable").await.is_ok());
    assert!(bench.tables.list(&bot(), &BTreeMap::new()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_created_at_once_never_pass_the_limit() {
    let bench = Bench::with(TablesOptions { max_tables: 5, ..TablesOptions::default() });
    let creates = (0..32).map(|n| {
        let tables = bench.tables.clone();
        tokio::spawn(async move { tables.create(&bot(), &format!("n{n}Table"), spec(json!({"a": 1}))).await })
    });
    let (mut made, mut refused) = (0, 0);
    for create in creates.collect::<Vec<_>>() {
        match create.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((made, refused), (5, 27));
}
