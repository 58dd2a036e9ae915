//! Files through the HTTP face: life of the status, listing, tags, search, passages, answers.

use crate::common::{Engine, encode};
use serde_json::{Value, json};

const MANUAL: &[u8] =
    b"# Aurora kettle\n\n## Descaling\n\nDescale the kettle every three months with citric acid. \
Fill it with one litre of water, add twenty grams of citric acid and boil it once.\n\n## Warranty\n\n\
The warranty of the Aurora kettle lasts five years from the day of purchase.\n";

async fn indexed(engine: &Engine, key: &str, tags: Value, text: &[u8]) -> Value {
    let file = engine.upload("b", json!({ "key": key, "index": true, "tags": tags }), text).await;
    let done = engine.indexed("b", file["id"].as_str().unwrap()).await;
    assert_eq!(done["status"], "indexing_completed", "{done}");
    done
}

fn keys(listed: &Value) -> Vec<&str> {
    listed["files"].as_array().unwrap().iter().map(|file| file["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_upsert_answer_has_the_contract_s_fields() {
    let engine = Engine::new().await;
    let body = json!({
        "key": "folder/a b.md", "size": 3, "tags": { "kbId": "kb_1" }, "index": true,
        "metadata": { "title": "T", "nested": { "n": [1, null] } }, "accessPolicies": ["integrations"],
        "indexing": { "configuration": { "vision": { "indexPages": true }, "summarization": { "enable": false } } },
        "expiresAt": "2999-01-01T00:00:30Z", "unknownProperty": 1,
    });
    let far = engine.put("b", "/v1/files", body.clone()).await;
    assert_eq!(far.status, 400, "expiry is at most 90 days ahead: {}", far.text());
    let mut body = body;
    body.as_object_mut().unwrap().remove("expiresAt");
    let file = engine.put("b", "/v1/files", body).await.ok()["file"].clone();
    assert!(file["id"].as_str().unwrap().starts_with("file_"));
    assert_eq!(file["botId"], "b");
    assert_eq!((&file["status"], &file["size"]), (&json!("upload_pending"), &Value::Null));
    assert_eq!(file["contentType"], "text/markdown");
    assert_eq!(file["metadata"], json!({ "title": "T", "nested": { "n": [1, null] } }));
    assert_eq!(file["accessPolicies"], json!(["integrations"]));
    assert_eq!(file["owner"], json!({ "type": "bot", "id": "b" }));
    assert!(file.get("failedStatusReason").is_none() && file.get("indexingStack").is_none());
    let read = engine.get("b", "/v1/files/folder%2Fa%20b.md").await.ok()["file"].clone();
    assert_eq!((&read["id"], read.get("uploadUrl")), (&file["id"], None));
}

#[tokio::test]
async fn keys_with_every_character_find_their_file() {
    let engine = Engine::new().await;
    for key in [
        "a/b c",
        "100%3A",
        "data_source://web-page/x/https%3A%2F%2Fh%2Fp",
        "ünïcode €",
        "bot->x->y",
        "a+b&c=d?e#f",
    ] {
        let made = engine.put("b", "/v1/files", json!({ "key": key, "size": 0 })).await.ok();
        let read = engine.get("b", &format!("/v1/files/{}", encode(key))).await.ok();
        assert_eq!((&read["file"]["id"], &read["file"]["key"]), (&made["file"]["id"], &json!(key)));
    }
    engine.get("b", "/v1/files/missing").await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn lists_filter_sort_and_page() {
    let engine = Engine::new().await;
    for (key, tags) in [
        ("a", json!({ "category": "Sales & Co" })),
        ("b", json!({ "category": "Support", "lang": "de" })),
        ("c", json!({ "a.b": "x" })),
    ] {
        engine.upload("b", json!({ "key": key, "tags": tags }), key.as_bytes()).await;
    }
    let list = async |query: &str| engine.get("b", &format!("/v1/files?{query}")).await.ok();
    assert_eq!(keys(&list("").await), ["c", "b", "a"], "newest first");
    assert_eq!(keys(&list("sortField=key").await), ["a", "b", "c"]);
    for query in [
        "tags.category=Sales%20%26%20Co",
        "tags[category]=Sales%20%26%20Co",
        "tags=%7B%22category%22%3A%22Sales%20%26%20Co%22%7D",
    ] {
        assert_eq!(keys(&list(query).await), ["a"], "{query}");
    }
    assert_eq!(
        keys(&list("tags.category=Support&tags.category=Sales%20%26%20Co&sortField=key").await),
        ["a", "b"]
    );
    assert_eq!(keys(&list("tags.category.not=Support&sortField=key").await), ["a", "c"]);
    assert_eq!(keys(&list("tags.category.exists=false").await), ["c"]);
    assert_eq!(keys(&list("tags.a.b=x").await), ["c"]);
    assert_eq!(keys(&list("tags.category.exists=true&tags.lang=de").await), ["b"]);
    assert_eq!(engine.get("b", "/v1/files/tags").await.ok()["tags"], json!(["a.b", "category", "lang"]));
    assert_eq!(
        engine.get("b", "/v1/files/tags/category/values").await.ok()["values"],
        json!(["Sales & Co", "Support"])
    );
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = list(&format!("pageSize=1&sortField=key&nextToken={}", encode(&token))).await;
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        match page["meta"]["nextToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
}

#[tokio::test]
async fn metadata_and_tags_are_patched() {
    let engine = Engine::new().await;
    let body = json!({ "key": "a", "tags": { "x": "1", "y": "2" }, "metadata": { "m": 1, "n": 2 } });
    engine.upload("b", body, b"x").await;
    let patch =
        json!({ "tags": { "x": null, "z": "3", "never": null }, "metadata": { "m": null, "o": [1] } });
    let file = engine.put("b", "/v1/files/a", patch).await.ok()["file"].clone();
    assert_eq!(file["tags"], json!({ "y": "2", "z": "3" }));
    assert_eq!(file["metadata"], json!({ "n": 2, "o": [1] }));
    let same = engine.reopened().await.get("b", "/v1/files/a").await.ok()["file"].clone();
    assert_eq!((&same["tags"], &same["metadata"]), (&file["tags"], &file["metadata"]));
}

#[tokio::test]
async fn search_follows_current_tags_and_content() {
    let engine = Engine::new().await;
    let file = indexed(&engine, "manual.md", json!({ "kbName": "docs" }), MANUAL).await;
    assert_eq!(file["indexingStack"], "v2");
    let search = async |query: &str| engine.get("b", &format!("/v1/files/search?{query}")).await.ok();
    let found =
        search("query=how%20often%20should%20I%20descale&includeBreadcrumb=true&withContext=true").await;
    let first = &found["passages"][0];
    assert!(first["content"].as_str().unwrap().contains("every three months"), "{first}");
    assert_eq!(first["file"]["key"], "manual.md");
    assert!(first["file"].get("url").is_none());
    let score = first["score"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&score), "{score}");
    assert!(first["context"].as_array().unwrap().iter().any(|item| item["type"] == "current"));

    assert_eq!(search("query=descale&tags.kbName=other").await["passages"], json!([]));
    engine.put("b", "/v1/files/manual.md", json!({ "tags": { "kbName": "other" } })).await.ok();
    assert_eq!(search("query=descale&tags.kbName=other").await["passages"][0]["file"]["id"], file["id"]);
    assert_eq!(search("query=descale&tags.kbName=docs").await["passages"], json!([]));

    indexed(&engine, "manual.md", json!({}), b"The lawn mower must be sharpened in spring.").await;
    let found = search("query=descale%20citric%20acid").await;
    assert!(!found.to_string().contains("citric"), "the old generation is gone: {found}");
    engine.delete("b", "/v1/files/manual.md").await.ok();
    assert_eq!(search("query=lawn%20mower").await["passages"], json!([]));
    let status = engine.get("b", "/v1/quarry/status?recount=true").await.ok();
    assert_eq!((&status["usage"]["vectors"]["used"], &status["recount"]["vectors"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn passages_can_be_listed_and_set() {
    let engine = Engine::new().await;
    indexed(&engine, "manual.md", json!({}), MANUAL).await;
    let listed = engine.get("b", "/v1/files/manual.md/passages").await.ok();
    let first = &listed["passages"][0];
    assert_eq!((first["id"].as_str().unwrap().len(), &first["meta"]["position"]), (36, &json!(0)));
    let own = json!({ "passages": [
        { "content": "Chapter one", "type": "title" },
        { "content": "Penguins live in the south.", "pageNumber": 4 },
    ] });
    engine.put("b", "/v1/files/manual.md/passages", own).await.ok();
    let done = engine.indexed("b", "manual.md").await;
    assert_eq!(done["status"], "indexing_completed", "{done}");
    let found = engine.get("b", "/v1/files/search?query=where%20do%20penguins%20live").await.ok();
    assert!(found["passages"][0]["content"].as_str().unwrap().contains("Penguins"), "{found}");
    let bad = json!({ "passages": [{ "content": "x", "type": "poem" }] });
    engine.put("b", "/v1/files/manual.md/passages", bad).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn answers_quote_the_extracted_text() {
    let engine = Engine::new().await;
    indexed(&engine, "manual.md", json!({}), MANUAL).await;
    let ask = async |question: &str| {
        engine.post("b", "/v1/quarry/answer", json!({ "question": question })).await.ok()
    };
    let answer = ask("How long is the warranty of the Aurora kettle?").await;
    assert_eq!(answer["responded"], true, "{answer}");
    let citation = &answer["citations"][0];
    assert_eq!((&citation["token"], &citation["file"]["key"]), (&json!("【1】"), &json!("manual.md")));
    let text = engine.get("b", "/v1/quarry/files/manual.md/text").await.ok();
    let (start, end) =
        (citation["start"].as_u64().unwrap() as usize, citation["end"].as_u64().unwrap() as usize);
    let slice: String = text["text"].as_str().unwrap().chars().skip(start).take(end - start).collect();
    assert_eq!(citation["quote"], slice);
    assert!(slice.contains("five years"), "{slice}");
    let facts = engine.get("b", "/v1/quarry/files/manual.md/facts").await.ok();
    assert_eq!(facts["mediaType"], "text/markdown", "{facts}");
    assert_eq!(facts["characters"], text["text"].as_str().unwrap().chars().count());

    let none = ask("Who won the football world championship in 1954?").await;
    assert_eq!(
        (&none["responded"], &none["answer"], &none["citations"]),
        (&json!(false), &json!(""), &json!([]))
    );
}

#[tokio::test]
async fn files_that_cannot_be_read_fail_with_a_reason() {
    let engine = Engine::new().await;
    let files: [(&str, &[u8]); 4] = [
        ("empty.txt", b""),
        ("broken.pdf", b"%PDF-1.7\nthis is no document"),
        ("fake.docx", b"PK\x03\x04 not a zip"),
        ("noise.bin", &[0, 159, 146, 150, 255, 0, 1, 2, 3]),
    ];
    for (key, content) in files {
        let file = engine.upload("b", json!({ "key": key, "index": true }), content).await;
        let done = engine.indexed("b", file["id"].as_str().unwrap()).await;
        assert_eq!(done["status"], "indexing_failed", "{done}");
        assert!(done["failedStatusReason"].as_str().unwrap().len() > 10, "{done}");
    }
}

#[tokio::test]
async fn copies_are_files_of_their_own() {
    let engine = Engine::new().await;
    indexed(&engine, "manual.md", json!({ "t": "v" }), MANUAL).await;
    let copy = engine.post("b", "/v1/files/manual.md/copy%2Fmanual.md", json!({})).await.ok()["file"].clone();
    assert_eq!((&copy["key"], &copy["tags"]), (&json!("copy/manual.md"), &json!({ "t": "v" })));
    assert_eq!(engine.indexed("b", "copy/manual.md").await["status"], "indexing_completed");
    engine.post("b", "/v1/files/manual.md/copy%2Fmanual.md", json!({})).await.refused(409, "AlreadyExists");
    let again = json!({ "overwrite": true });
    engine.post("b", "/v1/files/manual.md/copy%2Fmanual.md", again).await.ok();
    engine.indexed("b", "copy/manual.md").await;
    engine.delete("b", "/v1/files/manual.md").await.ok();
    let url =
        engine.get("b", "/v1/files/copy%2Fmanual.md").await.ok()["file"]["url"].as_str().unwrap().to_owned();
    assert_eq!(engine.bare("GET", &url, axum::body::Body::empty()).await.bytes, MANUAL);
}
