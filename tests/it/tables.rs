//! Tables through the HTTP face; the engine's own tests go deeper.

use crate::common::Engine;
use serde_json::{Value, json};

async fn people(engine: &Engine) {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "age": { "type": "number" },
            "ok": { "type": "boolean" },
            "joined": { "type": "string", "format": "date-time" },
            "obj": { "type": "object" },
        },
    });
    engine.post("b", "/v1/tables", json!({ "name": "PeopleTable", "schema": schema })).await.ok();
    let rows = json!({ "rows": [
        { "name": "Ada", "age": 36, "ok": true, "joined": "2024-01-05T00:00:00Z", "obj": { "city": "London" } },
        { "name": "Bob", "age": 25, "ok": false, "joined": "2023-06-01T00:00:00Z" },
        { "name": "Cem", "age": 51, "ok": true, "obj": { "city": "Izmir" } },
    ] });
    let written = engine.post("b", "/v1/tables/PeopleTable/rows", rows).await.ok();
    assert_eq!(written["rows"].as_array().unwrap().len(), 3, "{written}");
}

async fn names(engine: &Engine, body: Value) -> Vec<String> {
    let found = engine.post("b", "/v1/tables/PeopleTable/rows/find", body).await.ok();
    found["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn schemas_of_all_three_shapes() {
    let engine = Engine::new().await;
    let shapes = [
        (
            "ATable",
            json!({ "type": "object", "properties": { "n": { "type": "number" } }, "required": ["n"] }),
        ),
        ("BTable", json!({ "n": { "type": "number", "x-zui": { "searchable": true } } })),
        ("CTable", json!({ "n": 1, "s": "text", "tags": ["a"] })),
    ];
    for (name, schema) in shapes {
        let made = engine.post("b", "/v1/tables", json!({ "name": name, "schema": schema })).await.ok();
        let column = &made["table"]["schema"]["properties"]["n"];
        assert_eq!(column["type"], "number", "{name}");
        assert!(column["x-zui"]["index"].is_number(), "{name}");
    }
    let listed = engine.get("b", "/v1/tables").await.ok();
    assert_eq!(listed["tables"].as_array().unwrap().len(), 3);
    engine
        .post("b", "/v1/tables", json!({ "name": "ATable", "schema": { "a": 1 } }))
        .await
        .refused(409, "AlreadyExists");
    engine
        .post("b", "/v1/tables", json!({ "name": "no table", "schema": { "a": 1 } }))
        .await
        .refused(400, "InvalidPayload");
    engine.post("b", "/v1/tables", json!({ "name": "DTable" })).await.refused(400, "InvalidPayload");
    let same = engine.post("b", "/v1/tables/ATable", json!({ "schema": { "other": 1 } })).await.ok();
    assert_eq!((&same["created"], &same["rows"]), (&json!(false), &json!(0)));
    let new = engine
        .post("b", "/v1/tables/ETable", json!({ "schema": { "other": 1 }, "tags": { "k": "v" } }))
        .await
        .ok();
    assert_eq!((&new["created"], &new["table"]["tags"]), (&json!(true), &json!({ "k": "v" })));
    assert_eq!(engine.get("b", "/v1/tables?tags.k=v").await.ok()["tables"][0]["name"], "ETable");
}

#[tokio::test]
async fn rows_live_and_survive() {
    let engine = Engine::new().await;
    people(&engine).await;
    let row = engine.get("b", "/v1/tables/PeopleTable/row?id=1").await.ok()["row"].clone();
    assert_eq!((&row["id"], &row["name"], &row["computed"]), (&json!(1), &json!("Ada"), &json!({})));
    let bob = engine.get("b", "/v1/tables/PeopleTable/row?id=2").await.ok()["row"].clone();
    assert_eq!(bob["obj"], Value::Null, "unset columns are null");

    let changed = json!({ "rows": [{ "id": 1, "age": 37 }] });
    let changed = engine.put("b", "/v1/tables/PeopleTable/rows", changed).await.ok();
    assert_eq!((&changed["rows"][0]["age"], &changed["rows"][0]["name"]), (&json!(37), &json!("Ada")));
    let upsert =
        json!({ "keyColumn": "name", "rows": [{ "name": "Bob", "age": 26 }, { "name": "Dan", "age": 1 }] });
    let upserted = engine.post("b", "/v1/tables/PeopleTable/rows/upsert", upsert).await.ok();
    assert_eq!(
        (&upserted["updated"][0]["age"], &upserted["inserted"][0]["name"]),
        (&json!(26), &json!("Dan"))
    );
    let gone = engine.post("b", "/v1/tables/PeopleTable/rows/delete", json!({ "ids": [3] })).await.ok();
    assert_eq!(gone["deletedRows"], 1);

    let engine = engine.reopened().await;
    assert_eq!(names(&engine, json!({})).await, ["Ada", "Bob", "Dan"]);
    let next = json!({ "rows": [{ "name": "Eve" }] });
    let next = engine.post("b", "/v1/tables/PeopleTable/rows", next).await.ok();
    assert_eq!(next["rows"][0]["id"], 5, "ids are never used again");
    let all =
        engine.post("b", "/v1/tables/PeopleTable/rows/delete", json!({ "deleteAllRows": true })).await.ok();
    assert_eq!(all["deletedRows"], 4);
    engine.delete("b", "/v1/tables/PeopleTable").await.ok();
    engine.get("b", "/v1/tables/PeopleTable").await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn filters_orders_groups_and_pages() {
    let engine = Engine::new().await;
    people(&engine).await;
    let filter = async |filter: Value| names(&engine, json!({ "filter": filter })).await;
    assert_eq!(filter(json!({ "ok": true, "age": { "$gt": 40 } })).await, ["Cem"]);
    assert_eq!(filter(json!({ "obj.city": "London" })).await, ["Ada"]);
    assert_eq!(
        filter(json!({ "$or": [{ "name": "Bob" }, { "age": { "$in": [51] } }] })).await,
        ["Bob", "Cem"]
    );
    assert_eq!(filter(json!({ "joined": { "$lt": "2024-01-01" } })).await, ["Bob"]);
    assert_eq!(filter(json!({ "obj": { "$exists": false } })).await, ["Bob"]);
    assert_eq!(filter(json!({ "name": { "$regex": "^a", "$options": "i" } })).await, ["Ada"]);
    assert_eq!(
        names(&engine, json!({ "orderBy": "age", "orderDirection": "desc" })).await,
        ["Cem", "Ada", "Bob"]
    );
    let page = json!({ "orderBy": "age", "limit": 1, "offset": 1 });
    let page = engine.post("b", "/v1/tables/PeopleTable/rows/find", page).await.ok();
    assert_eq!((&page["hasMore"], &page["rows"][0]["name"]), (&json!(true), &json!("Ada")));
    let group = json!({ "group": { "ok": "key", "age": ["sum", "max"] } });
    let groups = engine.post("b", "/v1/tables/PeopleTable/rows/find", group).await.ok();
    let rows = groups["rows"].as_array().unwrap();
    assert!(rows.contains(&json!({ "okKey": true, "ageSum": 87, "ageMax": 51 })), "{groups}");

    let find = "/v1/tables/PeopleTable/rows/find";
    for bad in [
        json!({ "filter": { "nope": 1 } }),
        json!({ "filter": { "age": { "$near": 1 } } }),
        json!({ "filter": { "name": { "$regex": "(" } } }),
        json!({ "orderBy": "nope" }),
        json!({ "orderDirection": "up" }),
        json!({ "search": "x".repeat(1_025) }),
    ] {
        let message = engine.post("b", find, bad.clone()).await.refused(400, "InvalidQuery");
        assert!(!message.is_empty(), "{bad}");
    }
    engine.post("b", find, json!({ "limit": 1_001 })).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn single_rows_fail_alone() {
    let engine = Engine::new().await;
    people(&engine).await;
    let rows = json!({ "rows": [{ "name": "Fay", "age": "old" }, { "name": "Gil", "shoe": 44 }] });
    let written = engine.post("b", "/v1/tables/PeopleTable/rows", rows).await.ok();
    assert_eq!(written["rows"].as_array().unwrap().len(), 1, "{written}");
    assert!(written["errors"][0].as_str().unwrap().contains("age"), "{written}");
    assert!(written["warnings"][0].as_str().unwrap().contains("shoe"), "{written}");
    for bad in [json!({ "rows": [] }), json!({ "rows": [1] }), json!({})] {
        engine.post("b", "/v1/tables/PeopleTable/rows", bad).await.refused(400, "InvalidPayload");
    }
    let both = json!({ "ids": [1], "deleteAllRows": true });
    engine.post("b", "/v1/tables/PeopleTable/rows/delete", both).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn schemas_change() {
    let engine = Engine::new().await;
    people(&engine).await;
    let rename = json!({ "name": "age", "newName": "years" });
    engine.put("b", "/v1/tables/PeopleTable/column", rename).await.ok();
    let row = engine.get("b", "/v1/tables/PeopleTable/row?id=1").await.ok()["row"].clone();
    assert_eq!((&row["years"], row.get("age")), (&json!(36), None));
    let patch = json!({ "schema": { "ok": null, "extra": { "type": "string" } }, "frozen": true });
    let table = engine.put("b", "/v1/tables/PeopleTable", patch).await.ok()["table"].clone();
    let columns = table["schema"]["properties"].as_object().unwrap();
    assert!(columns.contains_key("extra") && !columns.contains_key("ok"), "{columns:?}");
    let refused = engine.put("b", "/v1/tables/PeopleTable", json!({ "schema": { "more": 1 } })).await;
    assert!((400..500).contains(&refused.status), "frozen: {}", refused.text());
    let copy = engine.post("b", "/v1/tables/PeopleTable/duplicate", json!({})).await.ok();
    assert_eq!((&copy["table"]["name"], &copy["rows"]), (&json!("People_copyTable"), &json!(3)), "{copy}");
    let jobs = engine.get("b", "/v1/tables/PeopleTable/jobs").await.ok()["jobs"].clone();
    let kinds: Vec<&Value> = jobs.as_array().unwrap().iter().map(|job| &job["type"]).collect();
    assert_eq!(kinds, ["duplicate_table", "clear_column"], "{jobs}");
}
