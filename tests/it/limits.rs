//! The rate limit: what every response tells, and the window it is counted in.

use crate::common::{Engine, Reply, settings};
use axum::body::Body;
use axum::http::Request;
use quarry_server::Settings;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn limited(limit: u32) -> Engine {
    Engine::with(Settings { rate_limit: Some(limit), ..settings() }).await
}

/// Limit, remaining and reset; whole numbers all three.
fn told(reply: &Reply) -> [u64; 3] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| {
        let text = reply.header(name);
        text.parse().unwrap_or_else(|_| panic!("{name} is {text:?} with {}", reply.status))
    })
}

#[tokio::test]
async fn every_response_tells_limit_remaining_and_reset() {
    let engine = limited(50).await;
    let counted = [
        engine.get("b", "/v1/tables").await,
        engine.get("b", "/v1/tables/noneTable").await,
        engine.get("", "/v1/tables").await,
        engine.get("b", "/v1/quarry/quota?%zz").await,
        engine.get("b", "/v1/no/such/path").await,
        engine.call("b", "PATCH", "/v1/tables", Value::Null).await,
        engine.post("b", "/v1/tables", json!([])).await,
        engine.get("", "/v1/admin/usages/b?type=storage_count").await,
    ];
    for (reply, status) in counted.iter().zip([200, 404, 400, 400, 404, 405, 400, 200]) {
        assert_eq!(reply.status, status, "{}", reply.text());
        let [limit, remaining, reset] = told(reply);
        assert_eq!((limit, reset), (50, 1), "{}", reply.text());
        assert!((42..50).contains(&remaining), "{remaining} left after {}", reply.text());
    }
    let preflight = Request::builder()
        .method("OPTIONS")
        .uri("/v1/files")
        .header("origin", "https://app.example.org")
        .header("access-control-request-method", "GET");
    let uncounted = [
        engine.bare("GET", "/healthz", "").await,
        engine.bare("GET", "/v1/files", "").await,
        engine.bare("GET", "/v1/no/such/path", "").await,
        engine.bare("GET", "/v1/quarry/content/b/none", "").await,
        engine.call_as("wrong", "b", "GET", "/v1/files", Value::Null).await,
        engine.send(preflight.body(Body::empty()).unwrap()).await,
    ];
    for (reply, status) in uncounted.iter().zip([200, 401, 404, 404, 401, 204]) {
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(told(reply), [50, 50, 1], "{}", reply.text());
    }
}

#[tokio::test]
async fn past_the_limit_there_is_a_wait_and_then_room_again() {
    let engine = limited(3).await;
    let token = engine.post("", "/v1/quarry/tokens", json!({ "botId": "b" })).await.ok()["token"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let started = Instant::now();
    let refused = |path: &'static str| async {
        loop {
            let reply = engine.get("b", path).await;
            if reply.status == 429 {
                return reply;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "never refused");
        }
    };
    for path in ["/v1/tables", "/v1/no/such/path"] {
        let reply = refused(path).await;
        assert_eq!((told(&reply), reply.header("retry-after")), ([3, 0, 1], "1"));
        assert!(reply.refused(429, "RateLimited").contains("wait 1 s"));
    }
    // The bot's own token is counted by itself, and health not at all.
    let own = engine.call_as(&token, "b", "GET", "/v1/tables", Value::Null).await;
    assert_eq!((own.status, told(&own)), (200, [3, 2, 1]));
    assert_eq!(engine.bare("GET", "/healthz", "").await.status, 200);
    let refused_at = Instant::now();
    while engine.get("b", "/v1/tables").await.status == 429 {
        assert!(refused_at.elapsed() < Duration::from_secs(5), "asking on must not lengthen the wait");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_second_holds_more_than_the_limit() {
    const LIMIT: usize = 20;
    let engine = std::sync::Arc::new(limited(20).await);
    let end = Instant::now() + Duration::from_millis(2_600);
    let ask = |engine: std::sync::Arc<Engine>| async move {
        let mut admitted = Vec::new();
        while Instant::now() < end {
            let before = Instant::now();
            let status = engine.get("b", "/v1/tables").await.status;
            match status {
                429 => tokio::task::yield_now().await,
                _ => admitted.push((before, Instant::now())),
            }
        }
        admitted
    };
    let callers: Vec<_> = (0..4).map(|_| tokio::spawn(ask(engine.clone()))).collect();
    let mut admitted = Vec::new();
    for caller in callers {
        admitted.extend(caller.await.unwrap());
    }
    // A request took its place somewhere between the two moments: the earliest begin and the latest
    // end of LIMIT + 1 places that follow one another are a second apart at least.
    admitted.sort_by_key(|(_, after)| *after);
    for at in 0..admitted.len().saturating_sub(LIMIT) {
        let begin = admitted[at..=at + LIMIT].iter().map(|(before, _)| *before).min().unwrap();
        assert!(admitted[at + LIMIT].1 - begin >= Duration::from_secs(1));
    }
    assert!(admitted.len() >= 2 * LIMIT, "{} admitted in 2.6 s", admitted.len());
}

#[tokio::test]
async fn without_a_limit_nothing_is_told() {
    let engine = Engine::new().await;
    let reply = engine.get("b", "/v1/tables").await;
    assert_eq!((reply.status, reply.header("ratelimit-limit")), (200, ""));
}
