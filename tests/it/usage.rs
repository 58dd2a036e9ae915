//! Usage, quotas and their refusals.

use crate::common::Engine;
use quarry_server::Settings;
use serde_json::json;

#[tokio::test]
async fn status_and_cloud_names_tell_the_same_figures() {
    let engine = Engine::new().await;
    engine
        .post("b", "/v1/tables", json!({ "name": "T1Table", "factor": 3, "schema": { "a": "x" } }))
        .await
        .ok();
    engine.post("b", "/v1/tables/T1Table/rows", json!({ "rows": [{ "a": "1" }, { "a": "2" }] })).await.ok();
    engine.upload("b", json!({ "key": "a.txt" }), b"12345").await;

    let status = engine.get("b", "/v1/quarry/status?recount=true").await.ok();
    assert_eq!(status["usage"]["tableRows"], json!({ "used": 6, "limit": 1_000_000 }));
    assert_eq!(status["usage"]["storageBytes"]["used"], 5);
    assert_eq!(status.get("languageModel"), Some(&json!(null)));
    assert_eq!(status["recount"], json!({ "vectors": 0, "tableRows": 6, "storageBytes": 5 }));
    assert_eq!((&status["counts"]["files"], &status["counts"]["tables"]), (&json!(1), &json!(1)));

    let usage = engine.get("b", "/v1/admin/usages/b?type=table_row_count").await.ok();
    assert_eq!((&usage["usage"]["value"], &usage["usage"]["quota"]), (&json!(6), &json!(1_000_000)));
    let whole = engine.get("b", "/v1/admin/usages/wkspace_local?type=storage_count").await.ok();
    assert_eq!(whole["usage"]["value"], 5);
    let many = "/v1/admin/usages/multiple?types=storage_count&types=table_row_count&ids=b&ids=c";
    let values: Vec<u64> = engine.get("b", many).await.ok()["usages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|usage| usage["value"].as_u64().unwrap())
        .collect();
    assert_eq!(values, [5, 6, 0, 0]);
    let quotas = engine.get("b", "/v1/admin/workspaces/wkspace_local/quotas").await.ok();
    assert_eq!(quotas["quotas"].as_array().unwrap().len(), 6);
    let by_bot = "/v1/admin/workspaces/wkspace_local/usages/by-bot?type=storage_count";
    assert_eq!(engine.get("b", by_bot).await.ok()["data"], json!([{ "botId": "b", "value": 5 }]));
    let known = engine.post("", "/v1/admin/introspect", json!({ "botId": "b" })).await.ok();
    assert_eq!((&known["botId"], &known["workspaceId"]), (&json!("b"), &json!("wkspace_local")));
}

#[tokio::test]
async fn refusals_tell_used_limit_and_needed() {
    let engine = Engine::with(Settings {
        table_row_quota: Some(2),
        storage_quota_bytes: Some(10),
        ..crate::common::settings()
    })
    .await;
    engine.post("b", "/v1/tables", json!({ "name": "T1Table", "schema": { "a": "x" } })).await.ok();
    engine.post("b", "/v1/tables/T1Table/rows", json!({ "rows": [{ "a": "1" }] })).await.ok();
    let two = json!({ "rows": [{ "a": "2" }, { "a": "3" }] });
    let reply = engine.post("b", "/v1/tables/T1Table/rows", two).await;
    let metadata = reply.json()["metadata"].clone();
    assert_eq!(metadata, json!({ "counter": "table_rows", "used": 1, "limit": 2, "needed": 2 }));
    reply.refused(403, "QuotaExceeded");
    let rows = engine.post("b", "/v1/tables/T1Table/rows/find", json!({})).await.ok();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1, "a refused batch leaves nothing");

    engine.put("b", "/v1/files", json!({ "key": "a", "size": 8 })).await.ok();
    engine.put("b", "/v1/files", json!({ "key": "b", "size": 8 })).await.refused(403, "QuotaExceeded");
    engine.delete("b", "/v1/files/a").await.ok();
    engine.put("b", "/v1/files", json!({ "key": "b", "size": 8 })).await.ok();
}

#[tokio::test]
async fn status_names_the_language_model() {
    let engine = Engine::with(Settings {
        llm_url: Some("http://127.0.0.1:9/v1".to_owned()),
        llm_api_key: Some("sk-secret".to_owned()),
        llm_model: Some("tiny".to_owned()),
        ..crate::common::settings()
    })
    .await;
    let status = engine.get("b", "/v1/quarry/status").await.ok();
    assert_eq!(status["languageModel"], "tiny");
    assert!(!status.to_string().contains("sk-secret"));
}
