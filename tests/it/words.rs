//! Questions in plain words, selectors, and a model's second opinion, through the HTTP face.

use crate::common::{Engine, encode, settings};
use quarry_server::Settings;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn chairs(engine: &Engine) {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "category": { "type": "string" },
            "color": { "type": "string" },
            "price": { "type": "number" },
            "tags": { "type": "array", "items": { "type": "string" } },
            "maker": { "type": "object" },
        },
    });
    engine.post("b", "/v1/tables", json!({ "name": "productsTable", "schema": schema })).await.ok();
    let rows = json!({ "rows": [
        { "name": "Red Velvet Chair", "category": "chair", "color": "red", "price": 129, "tags": ["soft"], "maker": { "city": "Rome" } },
        { "name": "Blue Oak Chair", "category": "chair", "color": "blue", "price": 89, "maker": { "city": "Paris" } },
        { "name": "Red Oak Table", "category": "table", "color": "red", "price": 410, "tags": ["solid", "sale"] },
        { "name": "White Lamp", "category": "lamp", "color": "white", "price": 20, "maker": { "city": "Rome" } },
    ] });
    let written = engine.post("b", "/v1/tables/productsTable/rows", rows).await.ok();
    assert_eq!(written["rows"].as_array().unwrap().len(), 4, "{written}");
}

async fn ask(engine: &Engine, text: &str) -> Value {
    engine.post("b", "/v1/quarry/tables/productsTable/filter", json!({ "text": text })).await.ok()
}

/// The names a proposed query finds.
async fn names(engine: &Engine, proposed: &Value) -> Vec<String> {
    let mut body = proposed.clone();
    let fields = body.as_object_mut().unwrap();
    fields.retain(|name, value| {
        !value.is_null() && ["filter", "orderBy", "orderDirection", "limit"].contains(&name.as_str())
    });
    found(engine, body).await
}

async fn found(engine: &Engine, body: Value) -> Vec<String> {
    let found = engine.post("b", "/v1/tables/productsTable/rows/find", body).await.ok();
    found["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn words_become_queries_that_find_the_rows_meant() {
    let engine = Engine::new().await;
    chairs(&engine).await;
    let asked = ask(&engine, "red chairs or tables, most expensive first").await;
    assert_eq!(asked["filter"], json!({ "color": "red", "category": { "$in": ["chair", "table"] } }));
    assert_eq!((&asked["orderBy"], &asked["orderDirection"]), (&json!("price"), &json!("desc")));
    assert_eq!(asked["source"], "rules");
    assert!(asked["explanation"].as_str().unwrap().contains("price"), "{asked}");
    assert_eq!(names(&engine, &asked).await, ["Red Oak Table", "Red Velvet Chair"]);
    let asked = ask(&engine, "made in Rome, under $50").await;
    assert_eq!(names(&engine, &asked).await, ["White Lamp"], "{asked}");
    let asked = ask(&engine, "average price per category").await;
    assert_eq!(asked["group"], json!({ "category": "key", "price": "avg" }));
    let asked = ask(&engine, "price of the red velvet chair?").await;
    assert_eq!(
        (&asked["select"], &asked["filter"]),
        (&json!(["price"]), &json!({ "name": "Red Velvet Chair" }))
    );

    // A value written a moment ago is known.
    let row =
        json!({ "rows": [{ "name": "Green Stool", "category": "stool", "color": "green", "price": 55 }] });
    engine.post("b", "/v1/tables/productsTable/rows", row).await.ok();
    assert_eq!(ask(&engine, "stools").await["filter"], json!({ "category": "stool" }));
}

#[tokio::test]
async fn what_is_not_understood_is_said() {
    let engine = Engine::new().await;
    chairs(&engine).await;
    let asked = ask(&engine, "what is the meaning of life").await;
    for empty in ["filter", "orderBy", "limit", "group"] {
        assert!(asked[empty].is_null(), "{asked}");
    }
    assert_eq!(asked["confidence"], 0.0);
    assert!(asked["explanation"].as_str().unwrap().contains("price"), "{asked}");
    let path = "/v1/quarry/tables/productsTable/filter";
    for body in [
        json!({}),
        json!({ "text": "" }),
        json!({ "text": "x".repeat(2_049) }),
        json!({ "text": "x", "model": "best" }),
        json!({ "text": 1 }),
    ] {
        engine.post("b", path, body).await.refused(400, "InvalidPayload");
    }
    engine
        .post("b", "/v1/quarry/tables/noTable/filter", json!({ "text": "x" }))
        .await
        .refused(404, "ResourceNotFound");
    engine.post("other", path, json!({ "text": "chairs" })).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn selectors_are_kept_used_and_removed() {
    let engine = Engine::new().await;
    chairs(&engine).await;
    let path = |name: &str| format!("/v1/quarry/tables/productsTable/selectors/{}", encode(name));
    let put = engine
        .put("b", &path("red things"), json!({ "filter": { "color": "red" }, "orderBy": "price" }))
        .await
        .ok();
    assert_eq!(put["selector"]["name"], "red things");
    let made = engine.put("b", &path("cheap"), json!({ "text": "two cheapest products" })).await.ok();
    assert_eq!((&made["selector"]["limit"], &made["selector"]["orderBy"]), (&json!(2), &json!("price")));
    assert_eq!(made["selector"]["text"], "two cheapest products");

    assert_eq!(
        found(&engine, json!({ "selectorName": "red things" })).await,
        ["Red Velvet Chair", "Red Oak Table"]
    );
    assert_eq!(found(&engine, json!({ "selectorName": "cheap" })).await, ["White Lamp", "Blue Oak Chair"]);
    let both = json!({ "selectorName": "red things", "filter": { "price": { "$gt": 200 } } });
    assert_eq!(found(&engine, both).await, ["Red Oak Table"]);
    let own = json!({ "selectorName": "cheap", "limit": 1, "orderBy": "price", "orderDirection": "desc" });
    assert_eq!(found(&engine, own).await, ["Red Oak Table"]);

    // They outlive a restart, and belong to one bot.
    let engine = engine.reopened().await;
    let listed = engine.get("b", "/v1/quarry/tables/productsTable/selectors").await.ok();
    let kept: Vec<&str> =
        listed["selectors"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(kept, ["cheap", "red things"]);
    engine.get("other", &path("cheap")).await.refused(404, "ResourceNotFound");

    let refused = [
        (path("x"), json!({ "filter": { "nothing": 1 } })),
        (path("x"), json!({ "orderBy": "nothing" })),
        (path("x"), json!({ "text": "what is the meaning of life" })),
        (path("x"), json!({})),
        (path("x"), json!({ "text": "chairs", "limit": 3 })),
        (path("a/b"), json!({ "limit": 3 })),
        (path(&"n".repeat(65)), json!({ "limit": 3 })),
        (path("x"), json!({ "description": "y".repeat(20_000), "limit": 1 })),
    ];
    for (path, body) in refused {
        assert_eq!(engine.put("b", &path, body.clone()).await.status, 400, "{path} {body}");
    }
    engine.get("b", &path("x")).await.refused(404, "ResourceNotFound");
    engine.delete("b", &path("cheap")).await.ok();
    engine.delete("b", &path("cheap")).await.refused(404, "ResourceNotFound");
    let find = "/v1/tables/productsTable/rows/find";
    engine.post("b", find, json!({ "selectorName": "cheap" })).await.refused(404, "ResourceNotFound");
    engine.post("b", find, json!({ "selectorName": 1 })).await.refused(400, "InvalidQuery");
}

/// A chat endpoint that gives these answers in turn and then fails; also the requests it saw.
async fn model_saying(answers: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (requests, mut answers) = (Arc::clone(&seen), answers.into_iter());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut piece = [0_u8; 4_096];
            loop {
                let read = stream.read(&mut piece).await.unwrap_or(0);
                request.extend_from_slice(&piece[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                let length = head
                    .to_lowercase()
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                if read == 0 || length.is_some_and(|length| body.len() >= length) {
                    break;
                }
            }
            requests.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let (status, body) = match answers.next() {
                Some(text) => ("200 OK", json!({ "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }] }).to_string()),
                None => ("400 Bad Request", json!({ "error": { "message": "no more" } }).to_string()),
            };
            let reply = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(reply.as_bytes()).await.ok();
        }
    });
    (url, seen)
}

async fn with_model(answers: &[Value]) -> (Engine, Arc<Mutex<Vec<String>>>) {
    let (url, seen) = model_saying(answers.iter().map(Value::to_string).collect()).await;
    let engine =
        Engine::with(Settings { llm_url: Some(url), llm_model: Some("tiny".to_owned()), ..settings() }).await;
    chairs(&engine).await;
    (engine, seen)
}

#[tokio::test]
async fn a_model_proposes_and_is_told_once_what_is_wrong() {
    let wrong = json!({ "filter": { "colour": "red" } });
    let right = json!({ "filter": { "color": "red" }, "limit": 3, "explanation": "Red rows." });
    let (engine, seen) = with_model(&[wrong, right]).await;
    let asked = ask(&engine, "the ones in the colour of blood").await;
    assert_eq!((&asked["filter"], &asked["source"]), (&json!({ "color": "red" }), &json!("llm")), "{asked}");
    assert_eq!(asked["explanation"], "Red rows.");
    {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert!(seen[0].contains("Red Velvet Chair") && seen[1].contains("there is no column"), "{seen:?}");
    }
    // Rules alone, when asked for: the model is not called again.
    let body = json!({ "text": "red chairs", "model": "rules" });
    let asked = engine.post("b", "/v1/quarry/tables/productsTable/filter", body).await.ok();
    assert_eq!((&asked["source"], seen.lock().unwrap().len()), (&json!("rules"), 2));
}

#[tokio::test]
async fn rules_answer_when_the_model_fails() {
    let wrong = json!({ "filter": { "colour": "red" } });
    for answers in
        [vec![], vec![wrong.clone(), wrong], vec![json!({})], vec![json!("no JSON object"), json!(7)]]
    {
        let (engine, _) = with_model(&answers).await;
        let asked = ask(&engine, "red chairs").await;
        assert_eq!(asked["source"], "rules", "{answers:?}");
        assert_eq!(asked["filter"], json!({ "color": "red", "category": "chair" }), "{answers:?}");
    }
}
