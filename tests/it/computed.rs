//! Computed columns through the HTTP face: scripts in workers of the real binary, a bot and a
//! language model as servers on this machine.

use crate::common::{Engine, settings};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use quarry_server::Settings;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Calls = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A server that answers posts by a closure over (number of the call, body).
async fn server(reply: fn(usize, &Value) -> (u16, Value)) -> (String, Calls) {
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let handler = move |headers: HeaderMap, body: Bytes| async move {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push((headers, body.clone()));
            seen.len()
        };
        let (status, answer) = reply(number, &body);
        (StatusCode::from_u16(status).unwrap(), answer.to_string())
    };
    let app = Router::new().fallback(post(handler));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), calls)
}

async fn settled(engine: &Engine, table: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        let got = engine.get("b", &format!("/v1/tables/{table}")).await.ok();
        if got["stale"] == 0 {
            let found = engine.post("b", &format!("/v1/tables/{table}/rows/find"), json!({})).await.ok();
            return found["rows"].clone();
        }
        assert!(Instant::now() < deadline, "never settles: {got}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn table(engine: &Engine, name: &str, columns: Value) {
    let schema = json!({ "type": "object", "properties": columns });
    engine.post("b", "/v1/tables", json!({ "name": name, "schema": schema })).await.ok();
}

fn computed(kind: &str, rule: Value) -> Value {
    json!({ "type": kind, "x-zui": { "computed": rule } })
}

#[tokio::test]
async fn code_runs_in_workers_of_the_binary() {
    let engine = Engine::with(Settings { script_timeout_s: Some(1), ..settings() }).await;
    table(&engine, "CodeTable", json!({
        "price": { "type": "number" },
        "net": computed("number", json!({ "action": "code", "dependencies": ["price"], "code": "async (row) => row.price / 2" })),
        "spin": computed("number", json!({ "action": "code", "code": "if (row.price < 0) for (;;) {}\nreturn 1" })),
        "reach": computed("string", json!({ "action": "code", "dependencies": ["price"], "code": "typeof fetch + typeof require + typeof process" })),
    })).await;
    let rows = json!({ "rows": [{ "price": 10 }, { "price": -1 }], "waitComputed": true });
    let written = engine.post("b", "/v1/tables/CodeTable/rows", rows).await.ok();
    let (fine, endless) = (&written["rows"][0], &written["rows"][1]);
    assert_eq!((&fine["net"], &fine["spin"]), (&json!(5), &json!(1)), "{written}");
    assert_eq!(fine["reach"], "undefinedundefinedundefined");
    assert_eq!(fine["computed"]["net"]["status"], "computed");
    assert!(fine.get("stale").is_none());
    assert_eq!(endless["net"], json!(-0.5));
    assert_eq!(endless["computed"]["spin"]["error"], "the code ran longer than 1 s; shorten its work");
    let changed = json!({ "rows": [{ "id": 1, "price": 30 }] });
    let changed = engine.put("b", "/v1/tables/CodeTable/rows", changed).await.ok();
    assert_eq!(
        (&changed["rows"][0]["net"], &changed["rows"][0]["stale"]),
        (&json!(5), &json!(["net", "spin", "reach"]))
    );
    assert_eq!(settled(&engine, "CodeTable").await[0]["net"], 15);
    let upsert = json!({ "rows": [{ "id": 1, "price": 8 }, { "price": 4 }], "waitComputed": true });
    let done = engine.post("b", "/v1/tables/CodeTable/rows/upsert", upsert).await.ok();
    assert_eq!((&done["updated"][0]["net"], &done["inserted"][0]["net"]), (&json!(4), &json!(2)), "{done}");
    let circle = json!({ "schema": { "net": computed("number", json!({ "action": "code", "dependencies": ["net"], "code": "1" })) } });
    let said = engine.put("b", "/v1/tables/CodeTable", circle).await.refused(400, "InvalidJsonSchema");
    assert!(said.contains("net → net"), "{said}");
    let change = json!({ "schema": { "net": computed("number", json!({ "action": "code", "code": "row.price * 10" })) } });
    let updated = engine.put("b", "/v1/tables/CodeTable", change).await.ok();
    assert_eq!(updated["staleColumns"], json!(["net"]));
    assert_eq!(settled(&engine, "CodeTable").await[0]["net"], 80);
}

#[tokio::test]
async fn a_language_model_fills_columns() {
    // The first answer is "busy": it is asked again.
    let (url, calls) = server(|number, body| {
        if number == 1 {
            return (503, json!({ "error": { "message": "busy" } }));
        }
        let prompt = body["messages"][1]["content"].as_str().unwrap().to_owned();
        let words = if prompt.contains("Bob") { "no idea".to_owned() } else { format!("{}", prompt.len()) };
        (200, json!({ "choices": [{ "message": { "role": "assistant", "content": words }, "finish_reason": "stop" }] }))
    })
    .await;
    let columns = json!({
        "name": { "type": "string" },
        "size": computed("number", json!({ "action": "ai", "prompt": "How long is {{name}}?" })),
        "long": computed("number", json!({ "action": "ai", "prompt": "{{name}}?", "model": "large:v2" })),
    });
    let engine = Engine::new().await;
    table(&engine, "AiTable", columns.clone()).await;
    let rows = json!({ "rows": [{ "name": "Ada" }], "waitComputed": true });
    let row = engine.post("b", "/v1/tables/AiTable/rows", rows.clone()).await.ok()["rows"][0].clone();
    let said = row["computed"]["size"]["error"].as_str().unwrap();
    assert!(said.contains("llm_url"), "{said}");
    drop(engine);
    let model = Settings { llm_url: Some(format!("{url}/v1")), llm_model: Some("tiny".into()), ..settings() };
    let engine = Engine::with(model).await;
    table(&engine, "AiTable", columns).await;
    let rows = json!({ "rows": [{ "name": "Ada" }, { "name": "Bob" }], "waitComputed": true });
    let written = engine.post("b", "/v1/tables/AiTable/rows", rows).await.ok();
    assert_eq!(written["rows"][0]["size"], "How long is Ada?".len(), "{written}");
    let refused = written["rows"][1]["computed"]["size"]["error"].as_str().unwrap();
    assert_eq!(refused, "the model answered \"no idea\", which is not a number in digits");
    for (_, body) in calls.lock().unwrap().iter() {
        let wanted = if body["messages"][0]["content"].as_str().unwrap().contains("\"long\"") {
            "large:v2"
        } else {
            "tiny"
        };
        assert_eq!(body["model"], wanted, "{body}");
    }
    assert_eq!(written["rows"][0]["long"], "Ada?".len(), "{written}");
    let other = json!({ "action": "ai", "prompt": "{{name}}?", "model": "other" });
    let change = json!({ "schema": { "long": computed("number", other) } });
    let updated = engine.put("b", "/v1/tables/AiTable", change).await.ok();
    assert_eq!(updated["staleColumns"], json!(["long"]), "another model may answer otherwise");
}

#[tokio::test]
async fn a_bot_fills_columns_through_its_webhook() {
    // One row per call, so three calls; the second call finds the bot restarting.
    let (url, calls) = server(|number, body| {
        if number == 2 {
            return (502, json!({}));
        }
        let requests = body["input"]["requests"].as_array().unwrap();
        let mut row = json!({ "id": requests[0]["row"]["id"] });
        for column in requests[0]["columnsToRecompute"].as_array().unwrap() {
            row[column.as_str().unwrap()] =
                json!({ "status": "computed", "value": requests[0]["row"]["name"] });
        }
        (200, json!({ "output": { "isFinished": requests.len() == 1, "rows": [row] } }))
    })
    .await;
    let engine = Engine::new().await;
    let token =
        engine.post("", "/v1/quarry/tokens", json!({ "botId": "b" })).await.ok()["token"]["token"].clone();
    let hook = json!({ "url": format!("{url}/hook"), "codeIn": "webhook" });
    let as_bot =
        engine.call_as(token.as_str().unwrap(), "b", "PUT", "/v1/quarry/bots/webhook", hook.clone()).await;
    as_bot.refused(403, "Forbidden");
    engine.put("b", "/v1/quarry/bots/webhook", json!({ "url": "bot" })).await.refused(400, "InvalidPayload");
    engine
        .put("b", "/v1/quarry/bots/webhook", json!({ "url": url, "codeIn": "x" }))
        .await
        .refused(400, "InvalidPayload");
    assert_eq!(engine.get("b", "/v1/quarry/bots/webhook").await.ok()["webhook"], Value::Null);
    let set = engine.put("b", "/v1/quarry/bots/webhook", hook.clone()).await.ok();
    assert_eq!(
        (&set["webhook"], &engine.get("b", "/v1/quarry/bots/webhook").await.ok()["webhook"]),
        (&hook, &hook)
    );
    assert_eq!(engine.get("other", "/v1/quarry/bots/webhook").await.ok()["webhook"], Value::Null);
    table(&engine, "BotTable", json!({
        "name": { "type": "string" },
        "flow": computed("string", json!({ "action": "workflow", "workflowId": "w", "dependencies": ["name"] })),
        "code": computed("string", json!({ "action": "code", "dependencies": ["name"], "code": "async (row) => bot.secret" })),
    })).await;
    let rows = json!({ "rows": [{ "name": "a" }, { "name": "b" }, { "name": "c" }], "waitComputed": true });
    let written = engine.post("b", "/v1/tables/BotTable/rows", rows).await.ok();
    for row in written["rows"].as_array().unwrap() {
        assert_eq!((&row["flow"], &row["code"]), (&row["name"], &row["name"]), "{written}");
    }
    let calls = calls.lock().unwrap().clone();
    assert_eq!(calls.len(), 4);
    let (headers, body) = &calls[0];
    for (name, value) in [
        ("x-bot-id", "b"),
        ("x-bp-operation", "action_triggered"),
        ("x-bp-type", "tablesRecomputeRows"),
        ("x-bp-configuration", "e30="),
        ("content-type", "application/json"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(body["type"], "tablesRecomputeRows");
    let table = engine.get("b", "/v1/tables/BotTable").await.ok();
    assert_eq!((&body["input"]["tableId"], &body["input"]["botId"]), (&table["table"]["id"], &json!("b")));
    assert_eq!(body["input"]["schema"], table["table"]["schema"]);
    assert_eq!(body["input"]["requests"][0]["row"]["stale"], json!(["flow", "code"]));
    engine.delete("b", "/v1/quarry/bots/webhook").await.ok();
    let rows = json!({ "rows": [{ "name": "d" }], "waitComputed": true });
    let row = engine.post("b", "/v1/tables/BotTable/rows", rows).await.ok()["rows"][0].clone();
    assert!(row["computed"]["flow"]["error"].as_str().unwrap().contains("webhook"), "{row}");
    assert_eq!(row["computed"]["code"]["error"], "ReferenceError: bot is not defined (line 1)");
    engine.put("b", "/v1/quarry/bots/webhook", hook).await.ok();
    let again =
        engine.post("b", "/v1/quarry/tables/BotTable/recompute", json!({ "columns": ["flow"] })).await.ok();
    assert_eq!(again["rows"], 1);
    assert_eq!(settled(&engine, "BotTable").await[3]["flow"], "d");
}

#[tokio::test]
async fn scripts_fetch_only_when_and_what_they_may() {
    let (url, calls) = server(|_, body| (200, json!({ "echo": body }))).await;
    let columns = json!({
        "n": { "type": "number" },
        "got": computed("object", json!({ "action": "code", "dependencies": ["n"], "code": format!(
            "const answer = await fetch('{url}/x', {{ method: 'POST', headers: {{ 'X-N': row.n }}, body: JSON.stringify(row.n) }});\nreturn await answer.json()"
        ) })),
    });
    let rows = json!({ "rows": [{ "n": 7 }], "waitComputed": true });
    let port = url.rsplit(':').next().unwrap().to_owned();
    for (allow, wanted) in [(None, "may not be fetched"), (Some(vec!["127.0.0.1".to_owned()]), "")] {
        let fine = allow.is_some();
        let fetch_ports = Some(vec![port.clone()]);
        let engine = Engine::with(Settings {
            script_fetch: Some(true),
            fetch_allow: allow,
            fetch_ports,
            ..settings()
        })
        .await;
        table(&engine, "FetchTable", columns.clone()).await;
        let row = engine.post("b", "/v1/tables/FetchTable/rows", rows.clone()).await.ok()["rows"][0].clone();
        if fine {
            assert_eq!(row["got"], json!({ "echo": 7 }), "{row}");
        } else {
            assert!(row["computed"]["got"]["error"].as_str().unwrap().contains(wanted), "{row}");
        }
    }
    assert_eq!(calls.lock().unwrap().len(), 1);
    assert_eq!(calls.lock().unwrap()[0].0["x-n"], "7");
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let engine = Engine::new().await;
    table(&engine, "LateTable", json!({
        "n": { "type": "number" }, "m": computed("number", json!({ "action": "code", "code": "row.n * 2" })),
    })).await;
    let off = json!({ "isComputeEnabled": false });
    engine.put("b", "/v1/tables/LateTable", off).await.ok();
    let rows: Vec<Value> = (1..=40).map(|n| json!({ "n": n })).collect();
    engine.post("b", "/v1/tables/LateTable/rows", json!({ "rows": rows })).await.ok();
    assert_eq!(engine.get("b", "/v1/tables/LateTable").await.ok()["stale"], 40);
    engine.put("b", "/v1/tables/LateTable", json!({ "isComputeEnabled": true })).await.ok();
    let engine = engine.reopened().await;
    let rows = settled(&engine, "LateTable").await;
    assert!(rows.as_array().unwrap().iter().all(|row| row["m"] == json!(row["n"].as_i64().unwrap() * 2)));
}
