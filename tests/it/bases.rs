//! Knowledge bases.

use crate::common::Engine;
use serde_json::json;

#[tokio::test]
async fn create_update_list_delete() {
    let engine = Engine::new().await;
    let at = "/v1/files/knowledge-bases";
    let made = engine.post("b", at, json!({ "name": "docs", "tags": { "team": "a", "x": "y" } })).await.ok();
    let id = made["knowledgeBase"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made["knowledgeBase"], json!({ "id": id, "name": "docs", "tags": { "team": "a", "x": "y" } }));

    let patch = json!({ "name": "manuals", "tags": { "team": "b", "x": null, "gone": null } });
    let changed = engine.put("b", &format!("{at}/{id}"), patch).await.ok();
    assert_eq!(changed["knowledgeBase"], json!({ "id": id, "name": "manuals", "tags": { "team": "b" } }));

    engine.post("b", at, json!({ "name": "other" })).await.ok();
    let listed = engine.get("b", &format!("{at}?tags.team=b")).await.ok();
    assert_eq!(listed["knowledgeBases"].as_array().unwrap().len(), 1);
    assert_eq!(listed["knowledgeBases"][0]["name"], "manuals");
    assert!(listed["knowledgeBases"][0]["createdAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(listed["meta"], json!({}));

    engine.delete("b", &format!("{at}/{id}")).await.ok();
    engine.delete("b", &format!("{at}/{id}")).await.refused(404, "ResourceNotFound");
    engine.post("b", at, json!({})).await.refused(400, "InvalidPayload");
    let left = engine.reopened().await.get("b", at).await.ok();
    assert_eq!(left["knowledgeBases"].as_array().unwrap().len(), 1);
}
