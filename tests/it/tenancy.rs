//! Two bots: neither sees, changes or learns of anything of the other's.

use crate::common::{Engine, encode};
use serde_json::json;

#[tokio::test]
async fn files_of_another_bot_do_not_exist() {
    let engine = Engine::new().await;
    let tags = json!({ "secret": "alpha-only" });
    let body = json!({ "key": "plans.txt", "index": true, "tags": tags });
    let file = engine.upload("alpha", body, b"The vault code of the north tower is 4711.").await;
    let id = file["id"].as_str().unwrap();
    engine.indexed("alpha", id).await;

    for name in [id, "plans.txt"] {
        let path = format!("/v1/files/{}", encode(name));
        engine.get("beta", &path).await.refused(404, "ResourceNotFound");
        engine.put("beta", &path, json!({ "tags": {} })).await.refused(404, "ResourceNotFound");
        engine.delete("beta", &path).await.refused(404, "ResourceNotFound");
        engine.get("beta", &format!("{path}/passages")).await.refused(404, "ResourceNotFound");
        let passages = json!({ "passages": [{ "content": "x" }] });
        engine.put("beta", &format!("{path}/passages"), passages).await.refused(404, "ResourceNotFound");
        engine.post("beta", &format!("{path}/copy.txt"), json!({})).await.refused(404, "ResourceNotFound");
        engine
            .get("beta", &format!("/v1/quarry/files/{}/text", encode(name)))
            .await
            .refused(404, "ResourceNotFound");
    }
    assert_eq!(engine.get("beta", "/v1/files").await.ok()["files"], json!([]));
    assert_eq!(engine.get("beta", "/v1/files/tags").await.ok()["tags"], json!([]));
    assert_eq!(engine.get("beta", "/v1/files/tags/secret/values").await.ok()["values"], json!([]));
    let found = engine.get("beta", "/v1/files/search?query=vault%20code").await.ok();
    assert_eq!(found["passages"], json!([]));
    let answer =
        engine.post("beta", "/v1/quarry/answer", json!({ "question": "What is the vault code?" })).await;
    assert_eq!(answer.ok()["responded"], false);

    let own = engine.get("alpha", "/v1/files/search?query=vault%20code").await.ok();
    assert_eq!(own["passages"][0]["file"]["id"], id);
}

#[tokio::test]
async fn tables_of_another_bot_do_not_exist() {
    let engine = Engine::new().await;
    let schema = json!({ "name": { "type": "string" } });
    let made =
        engine.post("alpha", "/v1/tables", json!({ "name": "PeopleTable", "schema": schema })).await.ok();
    let id = made["table"]["id"].as_str().unwrap().to_owned();
    engine.post("alpha", "/v1/tables/PeopleTable/rows", json!({ "rows": [{ "name": "Ada" }] })).await.ok();

    for name in ["PeopleTable", &id] {
        let at = |rest: &str| format!("/v1/tables/{name}{rest}");
        let rows = json!({ "rows": [{ "name": "Eve" }] });
        let calls = [
            ("GET", at(""), json!({})),
            ("PUT", at(""), json!({ "frozen": true })),
            ("DELETE", at(""), json!({})),
            ("PUT", at("/column"), json!({ "name": "name", "newName": "n" })),
            ("GET", at("/row?id=1"), json!({})),
            ("POST", at("/rows"), rows.clone()),
            ("PUT", at("/rows"), json!({ "rows": [{ "id": 1, "name": "Eve" }] })),
            ("POST", at("/rows/upsert"), rows),
            ("POST", at("/rows/find"), json!({})),
            ("POST", at("/rows/delete"), json!({ "deleteAllRows": true })),
            ("GET", at("/jobs"), json!({})),
            ("GET", at("/export"), json!({})),
            ("POST", at("/import"), json!({ "fileId": "rows.csv" })),
            ("POST", at("/duplicate"), json!({})),
            ("POST", format!("/v1/quarry/tables/{name}/export"), json!({})),
            ("GET", format!("/v1/quarry/tables/{name}/jobs/job_1"), json!({})),
            ("DELETE", format!("/v1/quarry/tables/{name}/jobs/job_1"), json!({})),
        ];
        for (method, path, body) in calls {
            let reply = engine.call("beta", method, &path, body).await;
            assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text());
        }
    }
    let own = engine.post("alpha", "/v1/tables/PeopleTable/rows/find", json!({})).await.ok();
    assert_eq!(own["rows"].as_array().unwrap().len(), 1);
    assert_eq!(own["rows"][0]["name"], "Ada");
    engine.post("beta", "/v1/tables", json!({ "name": "PeopleTable", "schema": { "x": "y" } })).await.ok();
}

#[tokio::test]
async fn knowledge_bases_and_page_tokens_stay_with_their_bot() {
    let engine = Engine::new().await;
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        let made = engine.post("alpha", "/v1/files/knowledge-bases", json!({ "name": name })).await.ok();
        ids.push(made["knowledgeBase"]["id"].as_str().unwrap().to_owned());
    }
    let path = format!("/v1/files/knowledge-bases/{}", ids[0]);
    engine.put("beta", &path, json!({ "name": "stolen" })).await.refused(404, "ResourceNotFound");
    engine.delete("beta", &path).await.refused(404, "ResourceNotFound");
    let first = engine.get("alpha", "/v1/files/knowledge-bases?pageSize=1").await.ok();
    let token = first["meta"]["nextToken"].as_str().unwrap();
    let foreign = format!("/v1/files/knowledge-bases?pageSize=1&nextToken={}", encode(token));
    engine.get("beta", &foreign).await.refused(400, "InvalidQuery");
    engine.get("alpha", &foreign).await.ok();
}
