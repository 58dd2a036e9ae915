//! Usage, quotas and their refusals; what was used in the past, and the counters against the records.

use crate::common::{Engine, TOKEN, settings};
use quarry_server::Settings;
use quarry_store::{Coll, Commit, RecordStore, StoreOptions};
use quarry_types::{BotId, Timestamp, Usage};
use serde_json::{Value, json};

const LOCAL: &str = "/v1/admin/workspaces/wkspace_local";

/// `YYYY-MM` so many months ago.
fn month(ago: u32) -> String {
    let now = Timestamp::now().to_string();
    let (year, month): (u32, u32) = (now[..4].parse().unwrap(), now[5..7].parse().unwrap());
    let months = year * 12 + month - 1 - ago;
    format!("{:04}-{:02}", months / 12, months % 12 + 1)
}

/// The date so many days ago.
fn date(ago: i64) -> String {
    at(ago, 0)[..10].to_owned()
}

/// An hour of the day so many days ago, as a date-time.
fn at(ago: i64, hour: i64) -> String {
    Timestamp(ms(ago, hour)).to_string()
}

fn ms(ago: i64, hour: i64) -> i64 {
    (Timestamp::now().as_ms().div_euclid(86_400_000) - ago) * 86_400_000 + hour * 3_600_000
}

/// A data folder with records written as an earlier server would have.
async fn folder(records: &[(&str, &str, Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = quarry_store::open(&folder.path().join("data"), &StoreOptions::default()).unwrap().store;
    for (bot, key, value) in records {
        let mut commit = Commit::new(&BotId::parse(bot).unwrap());
        commit.put(&Coll::new("usage"), key.as_bytes(), value.to_string().into_bytes());
        store.commit(commit).await.unwrap();
    }
    folder
}

fn levels(bytes: u64, rows: u64) -> Value {
    json!({ "storageBytes": bytes, "vectors": 2, "tableRows": rows, "indexedFiles": 1 })
}

async fn value(engine: &Engine, id: &str, kind: &str, period: &str) -> u64 {
    let path = format!("/v1/admin/usages/{id}?type={kind}&period={period}");
    let usage = engine.get("", &path).await.ok()["usage"].clone();
    assert_eq!((usage["id"].as_str(), usage["type"].as_str()), (Some(id), Some(kind)));
    assert_eq!(usage["period"], period);
    usage["value"].as_u64().unwrap()
}

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
    let quotas = engine.get("b", &format!("{LOCAL}/quotas")).await.ok();
    let kinds: Vec<&str> =
        quotas["quotas"].as_array().unwrap().iter().map(|quota| quota["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    let by_bot = format!("{LOCAL}/usages/by-bot?type=storage_count");
    assert_eq!(engine.get("b", &by_bot).await.ok()["data"], json!([{ "botId": "b", "value": 5 }]));
    let known = engine.post("", "/v1/admin/introspect", json!({ "botId": "b" })).await.ok();
    assert_eq!(known, json!({ "workspaceId": "wkspace_local", "botId": "b", "userId": "user_admin" }));
}

#[tokio::test]
async fn past_months_answer_the_level_at_their_end() {
    let folder = folder(&[
        ("a", &format!("m/{}", month(5)), json!({ "at": 1, "levels": levels(100, 7) })),
        ("a", &format!("m/{}", month(2)), json!({ "at": 2, "levels": levels(40, 8) })),
        ("b", &format!("m/{}", month(3)), json!({ "at": 3, "levels": levels(1_000, 0) })),
    ])
    .await;
    let engine = Engine::on(folder, settings()).await;
    let mut seen = Vec::new();
    for ago in (0..=6).rev() {
        let month = month(ago);
        seen.push((
            value(&engine, "a", "storage_count", &month).await,
            value(&engine, "wkspace_local", "storage_count", &month).await,
        ));
    }
    // Nothing before the first record, the last level until the next, and now the (empty) truth.
    let wanted = [(0, 0), (100, 100), (100, 100), (100, 1_100), (40, 1_040), (40, 1_040), (0, 0)];
    assert_eq!(seen, wanted);
    assert_eq!(value(&engine, "a", "table_row_count", &month(2)).await, 8);
    assert_eq!(value(&engine, "a", "indexed_file_count", &month(1)).await, 1);
    assert_eq!(value(&engine, "a", "knowledgebase_vector_storage", &month(1)).await, 2 * 20_000);
    assert_eq!(value(&engine, "a", "storage_count", "2999-01").await, 0, "nothing is used yet then");

    let history = engine.get("", "/v1/admin/usages/wkspace_local/history?type=storage_count").await.ok();
    let history: Vec<(String, u64)> = history["usages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|usage| (usage["period"].as_str().unwrap().to_owned(), usage["value"].as_u64().unwrap()))
        .collect();
    let wanted: Vec<(String, u64)> =
        (0..=5).rev().map(month).zip([100, 100, 1_100, 1_040, 1_040, 0]).collect();
    assert_eq!(history, wanted);
    let by_bot = format!("{LOCAL}/usages/by-bot?type=storage_count&period={}", month(2));
    let wanted = json!([{ "botId": "a", "value": 40 }, { "botId": "b", "value": 1_000 }]);
    assert_eq!(engine.get("", &by_bot).await.ok()["data"], wanted);
    let usages = format!("{LOCAL}/usages?type=storage_count&period={}", month(1));
    assert_eq!(engine.get("", &usages).await.ok()["usages"][0]["value"], 1_040);
    for bad in ["2026", "2026-13", "soon", "2026-01-99"] {
        let path = format!("/v1/admin/usages/a?type=storage_count&period={bad}");
        assert!(engine.get("", &path).await.refused(400, "InvalidQuery").contains("2026-01"));
    }
}

#[tokio::test]
async fn activity_is_listed_by_time_and_paged() {
    let point = |ago, hour, bytes| json!({ "at": ms(ago, hour), "levels": levels(bytes, 0) });
    let folder = folder(&[
        ("a", &format!("d/{}", date(40)), json!({ "points": [point(40, 1, 5)], "counts": { "searches": 9 } })),
        ("a", &format!("d/{}", date(3)), json!({ "points": [point(3, 1, 10), point(3, 4, 20)], "counts": { "searches": 2, "answers": 1 } })),
        ("b", &format!("d/{}", date(3)), json!({ "points": [point(3, 4, 100)], "counts": { "filesIndexed": 4, "filesFailed": 1 } })),
        ("b", &format!("d/{}", date(1)), json!({ "points": [point(1, 9, 300)], "counts": { "searches": 6 } })),
    ])
    .await;
    let engine = Engine::on(folder, settings()).await;
    let list = async |id: &str, rest: &str| {
        let mut all = Vec::new();
        let mut token = String::new();
        for _ in 0..50 {
            let path = format!("/v1/admin/usages/{id}/{rest}&nextToken={token}");
            let page = engine.get("", &path).await.ok();
            all.extend(page["data"].as_array().unwrap().clone());
            match page["meta"]["nextToken"].as_str() {
                Some(next) => token = next.to_owned(),
                None => return all,
            }
        }
        panic!("{rest} never ends");
    };
    let levels = |data: &[Value]| -> Vec<(String, u64)> {
        let one = |entry: &Value| {
            let timestamp = entry["timestamp"].as_str().unwrap();
            assert_eq!(entry["period"], timestamp[..7]);
            assert_eq!(entry["metadata"], json!({}));
            (timestamp.to_owned(), entry["value"].as_u64().unwrap())
        };
        data.iter().map(one).collect()
    };
    let range = format!("timestampFrom={}&timestampUntil={}", at(10, 0), date(1));
    let kind = "type=storage_count&pageSize=1";
    let own = list("a", &format!("activity?{kind}&{range}")).await;
    assert_eq!(levels(&own), [(at(3, 1), 10), (at(3, 4), 20)]);
    // Of the workspace: the sum at the end of each hour in which a bot changed; a starts at 5.
    let sums = list("wkspace_local", &format!("activity?{kind}&{range}")).await;
    assert_eq!(levels(&sums), [(at(3, 1), 10), (at(3, 4), 120), (at(1, 9), 320)]);
    let none = format!("activity?{kind}&timestampFrom={}&timestampUntil={}", at(3, 5), at(2, 0));
    assert_eq!(list("a", &none).await, Vec::<Value>::new());
    let old =
        list("a", &format!("activity?{kind}&timestampFrom={}&timestampUntil={}", date(50), date(40))).await;
    assert_eq!(levels(&old), [(at(40, 1), 5)]);

    let daily = |kind: &str| {
        format!("daily-activity?type={kind}&pageSize=2&dateFrom={}&dateUntil={}", date(3), date(1))
    };
    let searches = list("wkspace_local", &daily("knowledgebase_vector_storage")).await;
    let figures: Vec<(&str, &str, u64)> = searches
        .iter()
        .map(|entry| {
            let what = entry["metadata"]["subtype"].as_str().unwrap();
            (entry["metadata"]["botId"].as_str().unwrap(), what, entry["value"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(figures, [("a", "answers", 1), ("a", "searches", 2), ("b", "searches", 6)]);
    assert_eq!(
        (&searches[2]["date"], &searches[2]["key"]),
        (&json!(date(1)), &json!(format!("{}/b/searches", date(1))))
    );
    let indexed = list("b", &daily("indexed_file_count")).await;
    assert_eq!(indexed[1]["metadata"]["type"], "FileIndexing");
    assert_eq!((&indexed[0]["value"], &indexed[1]["value"]), (&json!(1), &json!(4)));

    for bad in [
        "activity?type=storage_count&timestampFrom=soon",
        "activity?type=storage_count&timestampFrom=2026-02-01&timestampUntil=2026-01-01",
        "activity?type=storage_count&nextToken=abc",
        "activity?type=storage_count&pageSize=many",
        "activity?type=nothing",
        "activity",
        "daily-activity?type=storage_count&dateUntil=2026-02-30",
    ] {
        engine.get("", &format!("/v1/admin/usages/a/{bad}")).await.refused(400, "InvalidQuery");
    }
}

#[tokio::test]
async fn what_a_bot_does_is_counted_at_once_and_survives_a_stop() {
    let engine = Engine::new().await;
    engine.post("b", "/v1/tables", json!({ "name": "T1Table", "schema": { "a": "x" } })).await.ok();
    engine.post("b", "/v1/tables/T1Table/rows", json!({ "rows": [{ "a": "1" }] })).await.ok();
    engine.post("b", "/v1/tables/T1Table/rows/find", json!({})).await.ok();
    engine
        .post("b", "/v1/tables/T1Table/rows/find", json!({ "filter": 3 }))
        .await
        .refused(400, "InvalidPayload");
    engine.put("b", "/v1/files", json!({ "key": "a.txt", "size": 12 })).await.ok();
    // Asking about a bot that does not exist does not make it.
    engine.get("ghost", "/v1/tables").await.ok();
    let seen = async |engine: &Engine| {
        let days = engine.get("b", "/v1/quarry/activity").await.ok()["days"].clone();
        let days = days.as_array().unwrap().clone();
        assert_eq!(days.len(), 1, "{days:?}");
        assert_eq!(days[0]["date"], date(0));
        let held = json!({ "storageBytes": 12, "vectors": 0, "tableRows": 1, "indexedFiles": 0 });
        assert_eq!(days[0]["held"], held);
        let count = |what: &str| days[0]["counts"][what].as_u64().unwrap();
        assert_eq!((count("tableWrites"), count("tableReads"), count("fileWrites")), (1, 1, 1));
        assert_eq!((count("searches"), count("answers"), count("filesIndexed")), (0, 0, 0));
        count("calls")
    };
    assert_eq!(seen(&engine).await, 5);
    assert_eq!(seen(&engine).await, 6, "the call before is counted too");
    let engine = engine.reopened().await;
    assert_eq!(seen(&engine).await, 7, "a stop loses nothing");
    let daily = engine.get("", "/v1/admin/usages/b/daily-activity?type=workspace_ratelimit").await.ok();
    assert_eq!(
        (&daily["data"][0]["value"], &daily["data"][0]["metadata"]["subtype"]),
        (&json!(8), &json!("calls"))
    );
    let activity = engine.get("", "/v1/admin/usages/b/activity?type=storage_count").await.ok();
    assert_eq!(activity["data"].as_array().unwrap().len(), 1);
    assert_eq!(activity["data"][0]["value"], 12);
    let by_bot = engine.get("", &format!("{LOCAL}/usages/by-bot?type=storage_count")).await.ok();
    assert_eq!(by_bot["data"], json!([{ "botId": "b", "value": 12 }]));
    for bad in ["from=soon", "from=2026-02-02&until=2026-02-01"] {
        engine.get("b", &format!("/v1/quarry/activity?{bad}")).await.refused(400, "InvalidQuery");
    }
}

#[tokio::test]
async fn there_is_one_workspace_and_a_bot_sees_itself_only() {
    let engine = Engine::with(Settings { storage_quota_bytes: Some(1_000), ..settings() }).await;
    engine.put("a", "/v1/files", json!({ "key": "x", "size": 100 })).await.ok();
    engine.put("b", "/v1/files", json!({ "key": "x", "size": 800 })).await.ok();
    let token = engine.post("", "/v1/quarry/tokens", json!({ "botId": "a" })).await.ok()["token"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        "/v1/admin/workspaces/wkspace_other/quota?type=storage_count",
        "/v1/admin/workspaces/wkspace_other/quotas",
        "/v1/admin/workspaces/wkspace_other/usages?type=storage_count",
        "/v1/admin/workspaces/b/usages/by-bot?type=storage_count",
        "/v1/admin/usages/wkspace_other?type=storage_count",
        "/v1/admin/usages/wkspace_other/history?type=storage_count",
        "/v1/admin/usages/wkspace_other/activity?type=storage_count",
        "/v1/admin/usages/wkspace_other/daily-activity?type=storage_count",
        "/v1/admin/usages/multiple?types=storage_count&ids=wkspace_other",
    ] {
        let message = engine.get("", path).await.refused(404, "ResourceNotFound");
        assert!(message.contains("wkspace_local"), "{path}: {message}");
    }
    let as_bot =
        async |method: &str, path: &str, body: Value| engine.call_as(&token, "", method, path, body).await;
    let get = async |path: &str| as_bot("GET", path, Value::Null).await;
    assert_eq!(get(&format!("{LOCAL}/usages?type=storage_count")).await.ok()["usages"][0]["value"], 100);
    let by_bot = get(&format!("{LOCAL}/usages/by-bot?type=storage_count")).await.ok();
    assert_eq!(by_bot["data"], json!([{ "botId": "a", "value": 100 }]));
    get("/v1/admin/usages/b?type=storage_count").await.refused(403, "Forbidden");
    get("/v1/admin/usages/b/history?type=storage_count").await.refused(403, "Forbidden");
    let completion = "/v1/admin/workspaces/usages/quota-completion";
    let fullest = |part: f64| json!({ "wkspace_local": { "type": "storage_count", "completion": part } });
    assert_eq!(get(completion).await.ok(), fullest(0.1));
    assert_eq!(engine.get("", completion).await.ok(), fullest(0.8));
    let known = as_bot("POST", "/v1/admin/introspect", json!({ "botId": "a" })).await.ok();
    assert_eq!((&known["botId"], &known["userId"]), (&json!("a"), &json!("user_bot")));
    as_bot("POST", "/v1/admin/introspect", json!({ "botId": "b" })).await.refused(403, "Forbidden");
    let spend = "/v1/admin/quotas/ai-spend";
    as_bot("PUT", spend, json!({ "monthlySpendingLimit": 5 })).await.refused(403, "Forbidden");
    for bad in [json!({}), json!({ "monthlySpendingLimit": -1 }), json!({ "monthlySpendingLimit": "5" })] {
        engine.put("", spend, bad).await.refused(400, "InvalidPayload");
    }
    engine.put("", spend, json!({ "monthlySpendingLimit": 2_000_000_000_u64 })).await.ok();
    let engine = engine.reopened().await;
    let quota = engine.get("", &format!("{LOCAL}/quota?type=ai_spend")).await.ok();
    assert_eq!(quota["quota"], json!({ "period": month(0), "value": 2_000_000_000_u64, "type": "ai_spend" }));
}

#[tokio::test]
async fn exports_may_be_larger_than_files_that_are_uploaded() {
    let engine =
        Engine::with(Settings { max_file_bytes: Some(100), storage_quota_bytes: Some(10_000), ..settings() })
            .await;
    engine.post("b", "/v1/tables", json!({ "name": "T1Table", "schema": { "a": "x" } })).await.ok();
    let rows = vec![json!({ "a": "some text of a row" }); 100];
    engine.post("b", "/v1/tables/T1Table/rows", json!({ "rows": rows })).await.ok();
    let ended = async |path: &str| {
        let job = engine.get("b", path).await.ok()["job"]["id"].clone();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let jobs = engine.get("b", "/v1/tables/T1Table/jobs").await.ok()["jobs"].clone();
            let found = jobs.as_array().unwrap().iter().find(|one| one["id"] == job).cloned().unwrap();
            if ["completed", "failed"].contains(&found["status"].as_str().unwrap()) {
                return found;
            }
            assert!(std::time::Instant::now() < deadline, "{found}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let export = "/v1/tables/T1Table/export?format=csv&compress=false";
    let job = ended(export).await;
    assert_eq!(job["status"], "completed", "{job}");
    let file = engine.get("b", &format!("/v1/files/{}", job["outputFileId"].as_str().unwrap())).await.ok();
    assert!(file["file"]["size"].as_u64().unwrap() > 100, "{file}");
    // The next one passes the storage quota.
    let job = ended(export).await;
    assert_eq!(job["status"], "failed", "{job}");
}

#[tokio::test]
async fn refusals_tell_used_limit_and_needed() {
    let engine = Engine::with(Settings {
        table_row_quota: Some(2),
        storage_quota_bytes: Some(10),
        max_tables: Some(2),
        max_columns: Some(3),
        max_file_bytes: Some(9),
        ..settings()
    })
    .await;
    engine.post("b", "/v1/tables", json!({ "name": "T1Table", "schema": { "a": "x" } })).await.ok();
    engine.post("b", "/v1/tables/T1Table/rows", json!({ "rows": [{ "a": "1" }] })).await.ok();
    let two = json!({ "rows": [{ "a": "2" }, { "a": "3" }] });
    for path in ["rows", "rows/upsert"] {
        let reply = engine.post("b", &format!("/v1/tables/T1Table/{path}"), two.clone()).await;
        let metadata = reply.json()["metadata"].clone();
        assert_eq!(metadata, json!({ "counter": "table_rows", "used": 1, "limit": 2, "needed": 2 }));
        let message = reply.refused(403, "QuotaExceeded");
        assert!(message.contains("1 used of 2, 2 more needed"), "{message}");
    }
    let rows = engine.post("b", "/v1/tables/T1Table/rows/find", json!({})).await.ok();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1, "a refused batch leaves nothing");
    let grown =
        engine.put("b", "/v1/tables/T1Table", json!({ "factor": 5 })).await.refused(403, "QuotaExceeded");
    assert!(grown.contains("1 used of 2, 4 more needed"), "{grown}");

    let wide = json!({ "name": "wideTable", "schema": { "a": "x", "b": "x", "c": "x", "d": "x" } });
    let message = engine.post("b", "/v1/tables", wide).await.refused(413, "LimitExceeded");
    assert!(message.contains("0 used, the limit is 3, 4 more needed"), "{message}");
    let wider = json!({ "schema": { "b": "x", "c": "x", "d": "x" } });
    let message = engine.put("b", "/v1/tables/T1Table", wider).await.refused(413, "LimitExceeded");
    assert!(message.contains("1 used, the limit is 3, 3 more needed"), "{message}");
    engine.post("b", "/v1/tables", json!({ "name": "T2Table", "schema": { "a": "x" } })).await.ok();
    let third = json!({ "name": "T3Table", "schema": { "a": "x" } });
    let message = engine.post("b", "/v1/tables", third.clone()).await.refused(413, "LimitExceeded");
    assert!(message.contains("2 used, the limit is 2, 1 more needed"), "{message}");
    engine.post("b", "/v1/tables/T3Table", third.clone()).await.refused(413, "LimitExceeded");
    engine.post("b", "/v1/tables/T1Table", json!({ "schema": { "a": "x" } })).await.ok();
    engine.delete("b", "/v1/tables/T2Table").await.ok();
    engine.post("b", "/v1/tables", third).await.ok();

    engine.put("b", "/v1/files", json!({ "key": "a", "size": 8 })).await.ok();
    let reply = engine.put("b", "/v1/files", json!({ "key": "b", "size": 8 })).await;
    let metadata = json!({ "counter": "storage_bytes", "used": 8, "limit": 10, "needed": 8 });
    assert_eq!(reply.json()["metadata"], metadata);
    reply.refused(403, "QuotaExceeded");
    let message =
        engine.put("b", "/v1/files", json!({ "key": "b", "size": 10 })).await.refused(413, "LimitExceeded");
    assert!(message.contains("at most 9 bytes") && message.contains("10"), "{message}");

    let quota = engine.get("b", "/v1/quarry/quota").await.ok();
    assert_eq!(quota["storageBytes"], json!({ "used": 8, "reserved": 8, "limit": 10 }));
    assert_eq!(quota["tableRows"], json!({ "used": 1, "reserved": 0, "limit": 2 }));
    assert_eq!(quota["tables"], json!({ "used": 2, "reserved": 0, "limit": 2 }));
    assert_eq!(quota["columnsPerTable"], json!({ "limit": 3 }));
    assert_eq!((&quota["botId"], &quota["vectors"]["limit"]), (&json!("b"), &json!(100_000)));
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

#[tokio::test]
async fn recounts_find_drift_and_mend_it_when_asked() {
    let folder = folder(&[]).await;
    {
        let store = quarry_store::open(&folder.path().join("data"), &StoreOptions::default()).unwrap().store;
        let drift = Usage { vectors: 3, table_rows: 0, storage_bytes: 11 };
        store.set_usage(&BotId::parse("a").unwrap(), drift).await.unwrap();
    }
    let engine = Engine::on(folder, settings()).await;
    engine.put("a", "/v1/files", json!({ "key": "x", "size": 5 })).await.ok();
    engine.put("b", "/v1/files", json!({ "key": "x", "size": 7 })).await.ok();
    let path = "/v1/quarry/quota/recount";
    let found = engine.post("", path, Value::Null).await.ok();
    let a = json!({
        "botId": "a",
        "vectors": { "counter": 3, "counted": 0 },
        "tableRows": { "counter": 0, "counted": 0 },
        "storageBytes": { "counter": 16, "counted": 5 },
        "differs": true,
        "fixed": false,
    });
    assert_eq!((&found["differs"], &found["bots"][0]), (&json!(true), &a));
    assert_eq!((&found["bots"][1]["botId"], &found["bots"][1]["differs"]), (&json!("b"), &json!(false)));
    let fixed = engine.post("", path, json!({ "botId": "a", "fix": true })).await.ok();
    assert_eq!((&fixed["differs"], &fixed["bots"][0]["fixed"]), (&json!(false), &json!(true)));
    let quota = engine.get("a", "/v1/quarry/quota").await.ok();
    assert_eq!((&quota["storageBytes"]["used"], &quota["vectors"]["used"]), (&json!(5), &json!(0)));
    assert_eq!(engine.post("", path, json!({})).await.ok()["differs"], false);
    let token = engine.post("", "/v1/quarry/tokens", json!({ "botId": "a" })).await.ok()["token"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    engine.call_as(&token, "a", "POST", path, json!({})).await.refused(403, "Forbidden");
    engine.call_as(TOKEN, "", "POST", path, json!({ "fix": "yes" })).await.refused(400, "InvalidPayload");
}
