//! Tokens and who they open what for.

use crate::common::{Engine, TOKEN};
use axum::body::Body;
use axum::http::Request;
use quarry_server::{Access, Route, Settings};
use serde_json::{Value, json};

#[tokio::test]
async fn every_guarded_route_wants_a_token_and_a_bot() {
    let engine = Engine::new().await;
    for (_, method, pattern, access) in Route::ALL {
        let path = pattern.replace(['{', '}'], "");
        if matches!(access, Access::Open | Access::Signed) {
            continue;
        }
        let bare = engine.bare(method, &path, Body::empty()).await;
        bare.refused(401, "Unauthorized");
        engine.call_as("wrong", "b", method, &path, json!({})).await.refused(401, "Unauthorized");
        if *access == Access::Bot {
            let message = engine.call("", method, &path, json!({})).await.refused(400, "InvalidPayload");
            assert!(message.contains("x-bot-id"), "{message}");
        }
    }
}

#[tokio::test]
async fn odd_authorization_headers_are_refused() {
    let engine = Engine::new().await;
    for value in [
        "",
        "Bearer",
        "Basic dGVzdA==",
        TOKEN,
        "Bearer test-admin-toke",
        "Bearer  ",
        "Bearer test-admin-token2",
    ] {
        let request = Request::get("/v1/tables").header("x-bot-id", "b").header("authorization", value);
        engine.send(request.body(Body::empty()).unwrap()).await.refused(401, "Unauthorized");
    }
    let request = Request::get("/v1/tables")
        .header("x-bot-id", "b")
        .header("authorization", format!("bearer {TOKEN}"))
        .header("x-multiple-integrations", "true");
    engine.send(request.body(Body::empty()).unwrap()).await.ok();
}

#[tokio::test]
async fn bot_tokens_open_their_bot_until_revoked() {
    let engine = Engine::new().await;
    let made = engine.post("", "/v1/quarry/tokens", json!({ "botId": "b1", "name": "ci" })).await.ok();
    let (id, token) = (
        made["token"]["id"].as_str().unwrap().to_owned(),
        made["token"]["token"].as_str().unwrap().to_owned(),
    );
    engine.call_as(&token, "b1", "GET", "/v1/tables", Value::Null).await.ok();
    engine.call_as(&token, "b2", "GET", "/v1/tables", Value::Null).await.refused(403, "Forbidden");
    engine.call_as(&token, "", "GET", "/v1/quarry/tokens", Value::Null).await.refused(403, "Forbidden");
    engine.call("_system", "GET", "/v1/tables", Value::Null).await.refused(403, "Forbidden");

    let engine = engine.reopened().await;
    engine.call_as(&token, "b1", "GET", "/v1/tables", Value::Null).await.ok();
    let listed = engine.get("", "/v1/quarry/tokens").await.ok();
    assert_eq!(listed["tokens"][0]["botId"], "b1");
    assert!(!listed.to_string().contains(&token), "a token's text is shown once only");

    engine.delete("", &format!("/v1/quarry/tokens/{id}")).await.ok();
    engine.call_as(&token, "b1", "GET", "/v1/tables", Value::Null).await.refused(401, "Unauthorized");
    engine.delete("", &format!("/v1/quarry/tokens/{id}")).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn unknown_bots_can_be_refused() {
    let settings = Settings { auto_create_bots: Some(false), ..crate::common::settings() };
    let engine = Engine::with(settings).await;
    engine.get("new", "/v1/tables").await.refused(403, "Forbidden");
    engine.post("", "/v1/quarry/tokens", json!({ "botId": "new" })).await.ok();
    engine.get("new", "/v1/tables").await.ok();
}

#[tokio::test]
async fn the_rate_limit_answers_429_with_seconds() {
    let settings = Settings { rate_limit: Some(3), ..crate::common::settings() };
    let engine = Engine::with(settings).await;
    let mut refused = None;
    for _ in 0..8 {
        let reply = engine.get("b", "/v1/tables").await;
        assert_eq!((reply.header("ratelimit-limit"), reply.header("ratelimit-reset")), ("3", "1"));
        if reply.status == 429 {
            refused = Some(reply);
        }
    }
    let refused = refused.expect("eight calls at once pass a limit of three");
    assert_eq!(refused.header("retry-after"), "1");
    refused.refused(429, "RateLimited");
    assert_eq!(engine.bare("GET", "/healthz", Body::empty()).await.status, 200);
}
