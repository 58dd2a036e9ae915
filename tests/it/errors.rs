//! Bad input: every refusal is well formed, names what to change, and is never a 5xx.

use crate::common::Engine;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

#[tokio::test]
async fn unknown_paths_and_methods() {
    let engine = Engine::new().await;
    engine.get("b", "/v1/nothing").await.refused(404, "ResourceNotFound");
    engine.get("b", "/v2/cognitive/models").await.refused(404, "ResourceNotFound");
    engine.call("b", "PATCH", "/v1/tables", json!({})).await.refused(405, "MethodNotFound");
    engine.get("b", "/v1/files/%ff").await.refused(400, "InvalidPayload");
    engine.get("b", "/v1/files?x=%f").await.refused(400, "InvalidQuery");
}

#[tokio::test]
async fn bodies_that_are_no_json_objects() {
    let engine = Engine::new().await;
    let send = async |method: &str, path: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", crate::common::TOKEN))
            .header("x-bot-id", "b");
        engine.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    let routes = [
        ("PUT", "/v1/files"),
        ("PUT", "/v1/files/x"),
        ("POST", "/v1/files/knowledge-bases"),
        ("PUT", "/v1/files/x/passages"),
        ("POST", "/v1/tables"),
        ("POST", "/v1/tables/XTable"),
        ("PUT", "/v1/tables/XTable"),
        ("POST", "/v1/tables/XTable/rows"),
        ("POST", "/v1/tables/XTable/rows/find"),
        ("POST", "/v1/tables/XTable/rows/upsert"),
        ("POST", "/v1/tables/XTable/rows/delete"),
        ("POST", "/v1/quarry/answer"),
        ("POST", "/v1/quarry/tokens"),
        ("POST", "/v1/admin/introspect"),
    ];
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(3_000), "]".repeat(3_000));
    for (method, path) in routes {
        for body in ["", "nonsense", "[]", "\"x\"", "{\"a\":", "{\"a\":1}}", "\u{feff}{}", &deep] {
            let reply = send(method, path, body).await;
            assert_eq!(reply.status, 400, "{method} {path} {body:.20}: {}", reply.text());
            assert_eq!(reply.json()["type"], "InvalidPayload", "{method} {path} {body:.20}");
        }
    }
}

#[tokio::test]
async fn bodies_over_the_cap() {
    let engine = Engine::new().await;
    let big = |bytes: usize| json!({ "key": "x".repeat(bytes), "size": 1 });
    engine.put("b", "/v1/files", big(1 << 20)).await.refused(413, "PayloadTooLarge");
    let rows = json!({ "rows": [{ "a": "x".repeat(2 << 20) }] });
    engine.post("b", "/v1/tables/NoTable/rows", rows).await.refused(404, "ResourceNotFound");
    let rows = json!({ "rows": [{ "a": "x".repeat(40 << 20) }] });
    engine.post("b", "/v1/tables/NoTable/rows", rows).await.refused(413, "PayloadTooLarge");
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let engine = Engine::new().await;
    let cases = [
        (json!({ "size": 1 }), "key"),
        (json!({ "key": "a" }), "size"),
        (json!({ "key": "a", "size": -1 }), "size"),
        (json!({ "key": "a", "size": "1" }), "size"),
        (json!({ "key": 5, "size": 1 }), "key"),
        (json!({ "key": "", "size": 1 }), "key"),
        (json!({ "key": "a", "size": 1, "tags": { "t": 1 } }), "tags.t"),
        (json!({ "key": "a", "size": 1, "tags": { "t": "x".repeat(1_001) } }), "tags.t"),
        (json!({ "key": "a", "size": 1, "metadata": [] }), "metadata"),
        (json!({ "key": "a", "size": 1, "index": "yes" }), "index"),
        (json!({ "key": "a", "size": 1, "accessPolicies": ["all"] }), "accessPolicies"),
        (json!({ "key": "a", "size": 1, "expiresAt": "soon" }), "expiresAt"),
        (json!({ "key": "a", "size": 1, "contentType": "text/plain\r\nx: y" }), "contentType"),
    ];
    for (body, field) in cases {
        let message = engine.put("b", "/v1/files", body).await.refused(400, "InvalidPayload");
        assert!(message.contains(field), "{field}: {message}");
    }
    let queries = [
        ("/v1/files?pageSize=many", "pageSize"),
        ("/v1/files?sortField=name", "sortField"),
        ("/v1/files?sortDirection=up", "sortDirection"),
        ("/v1/files?indexed=maybe", "indexed"),
        ("/v1/files?tags=%7Bbroken", "tags"),
        ("/v1/files?nextToken=garbage", "nextToken"),
        ("/v1/files/search", "query"),
        ("/v1/files/search?query=x&limit=51", "limit"),
        ("/v1/files/search?query=x&contextDepth=11", "contextDepth"),
        ("/v1/admin/usages/b?type=nothing", "type"),
    ];
    for (path, field) in queries {
        let message = engine.get("b", path).await.refused(400, "InvalidQuery");
        assert!(message.contains(field), "{field}: {message}");
    }
    let long = format!("/v1/files/search?query={}", "x".repeat(2_049));
    engine.get("b", &long).await.refused(400, "InvalidQuery");
}

#[tokio::test]
async fn browsers_get_their_exact_origin() {
    let engine = Engine::new().await;
    let preflight = Request::options("/v1/files")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "authorization,x-bot-id,x-own");
    let reply = engine.send(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    for wanted in ["authorization", "x-bot-id", "x-destination-bot-id", "x-own"] {
        assert!(reply.header("access-control-allow-headers").contains(wanted), "{wanted}");
    }
    for wanted in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(reply.header("access-control-allow-methods").contains(wanted), "{wanted}");
    }
    let failed = Request::get("/v1/files").header("origin", "https://app.example");
    let reply = engine.send(failed.body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (401, "https://app.example"));
}

#[tokio::test]
async fn origins_can_be_narrowed() {
    let settings = quarry_server::Settings {
        cors_origins: Some(vec!["https://app.example".to_owned()]),
        ..crate::common::settings()
    };
    let engine = Engine::with(settings).await;
    for (origin, echoed) in [("https://app.example", "https://app.example"), ("https://evil.example", "")] {
        let request = Request::get("/healthz").header("origin", origin).body(Body::empty()).unwrap();
        assert_eq!(engine.send(request).await.header("access-control-allow-origin"), echoed);
    }
}

#[tokio::test]
async fn health_readiness_metrics_and_description() {
    let engine = Engine::new().await;
    assert_eq!(engine.bare("GET", "/healthz", Body::empty()).await.ok()["status"], "ok");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while engine.bare("GET", "/readyz", Body::empty()).await.status != 200 {
        assert!(std::time::Instant::now() < deadline, "the model never loads");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let metrics = engine.bare("GET", "/metrics", Body::empty()).await.text();
    assert!(metrics.contains("quarry_request_duration_seconds_count{route=\"Healthz\",status=\"200\"} 1"));
    let description: Value = engine.bare("GET", "/openapi.json", Body::empty()).await.ok();
    assert_eq!(description["openapi"], "3.0.3");
}
