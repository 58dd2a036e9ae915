//! Signed URLs: what they permit, and that nothing else passes.

use crate::common::{Engine, path_of};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;

#[tokio::test]
async fn private_content_needs_the_signature_as_given() {
    let engine = Engine::new().await;
    let file = engine.upload("b", json!({ "key": "dir/a.txt" }), b"hello world").await;
    let url = file["url"].as_str().unwrap();
    assert!(url.starts_with("http://quarry.test:7700/v1/quarry/content/"), "{url}");
    let got = engine.bare("GET", url, Body::empty()).await;
    assert_eq!((got.status, got.text().as_str()), (200, "hello world"));
    assert_eq!((got.header("content-type"), got.header("content-length")), ("text/plain", "11"));
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert!(got.header("content-security-policy").contains("sandbox"));

    let again =
        engine.get("b", "/v1/files/dir%2Fa.txt").await.ok()["file"]["url"].as_str().unwrap().to_owned();
    assert_ne!(again, url, "private URLs are new on each read");
    assert_eq!(engine.bare("GET", &again, Body::empty()).await.status, 200);

    let (path, query) = path_of(url).split_once('?').unwrap();
    let pairs: Vec<(&str, &str)> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    for at in 0..pairs.len() {
        let join = |change: &dyn Fn(usize, &str) -> Option<String>| {
            let kept = pairs
                .iter()
                .enumerate()
                .filter_map(|(n, (key, value))| change(n, value).map(|value| format!("{key}={value}")));
            format!("{path}?{}", kept.collect::<Vec<_>>().join("&"))
        };
        let dropped = join(&|n, value| (n != at).then(|| value.to_owned()));
        let changed = join(&|n, value| Some(if n == at { format!("{value}1") } else { value.to_owned() }));
        for bad in [dropped, changed] {
            engine.bare("GET", &bad, Body::empty()).await.refused(403, "Forbidden");
        }
    }
    for bad in [path.to_owned(), path_of(url).replace("/b/", "/c/"), path_of(url).replace("file_", "file_X")]
    {
        let status = engine.bare("GET", &bad, Body::empty()).await.status;
        assert!(status == 403 || status == 404, "{bad}: {status}");
    }
}

#[tokio::test]
async fn upload_and_content_urls_are_not_each_other() {
    let engine = Engine::new().await;
    let file = engine.put("b", "/v1/files", json!({ "key": "a.txt", "size": 3 })).await.ok()["file"].clone();
    let (upload, url) = (file["uploadUrl"].as_str().unwrap(), file["url"].as_str().unwrap());
    engine.bare("GET", upload, Body::empty()).await.refused(405, "MethodNotFound");
    engine.bare("PUT", url, "abc").await.refused(405, "MethodNotFound");
    let swapped = upload.replace("/upload/", "/content/");
    engine.bare("GET", &swapped, Body::empty()).await.refused(403, "Forbidden");
    let swapped = url.replace("/content/", "/upload/");
    engine.bare("PUT", &swapped, "abc").await.refused(403, "Forbidden");
    engine.bare("GET", url, Body::empty()).await.refused(404, "ResourceNotFound");
    assert_eq!(engine.bare("PUT", upload, "abc").await.status, 200);
    assert_eq!(engine.bare("GET", url, Body::empty()).await.text(), "abc");
}

#[tokio::test]
async fn uploads_have_exactly_the_announced_size() {
    let engine = Engine::new().await;
    let file = engine.put("b", "/v1/files", json!({ "key": "a.txt", "size": 5 })).await.ok()["file"].clone();
    let url = file["uploadUrl"].as_str().unwrap();
    engine.bare("PUT", url, "123456").await.refused(413, "PayloadTooLarge");
    let declared =
        Request::put(path_of(url)).header("content-length", "6").body(Body::from("123456")).unwrap();
    engine.send(declared).await.refused(413, "PayloadTooLarge");
    engine.bare("PUT", url, "1234").await.refused(400, "InvalidPayload");
    assert_eq!(engine.get("b", "/v1/files/a.txt").await.ok()["file"]["size"], json!(null));
    assert_eq!(engine.bare("PUT", url, "12345").await.status, 200);
    let done = engine.get("b", "/v1/files/a.txt").await.ok()["file"].clone();
    assert_eq!((&done["size"], &done["status"]), (&json!(5), &json!("upload_completed")));
}

#[tokio::test]
async fn of_several_upserts_the_last_one_wins() {
    let engine = Engine::new().await;
    let old = engine.upload("b", json!({ "key": "a.txt" }), b"old").await;
    let new = engine.put("b", "/v1/files", json!({ "key": "a.txt", "size": 3 })).await.ok()["file"].clone();
    assert_eq!(old["id"], new["id"], "the same key is the same file");
    let overtaken = old["uploadUrl"].as_str().unwrap();
    assert_eq!(engine.bare("PUT", overtaken, "xxx").await.status, 200);
    engine.bare("PUT", overtaken, "xxxx").await.refused(413, "PayloadTooLarge");
    assert_eq!(engine.get("b", "/v1/files/a.txt").await.ok()["file"]["status"], "upload_pending");
    engine.bare("GET", old["url"].as_str().unwrap(), Body::empty()).await.refused(404, "ResourceNotFound");
    assert_eq!(engine.bare("PUT", new["uploadUrl"].as_str().unwrap(), "new").await.status, 200);
    let url = engine.get("b", "/v1/files/a.txt").await.ok()["file"]["url"].as_str().unwrap().to_owned();
    assert_eq!(engine.bare("PUT", overtaken, "xxx").await.status, 200);
    engine.bare("PUT", new["uploadUrl"].as_str().unwrap(), "xxx").await.refused(409, "AlreadyExists");
    assert_eq!(engine.bare("GET", &url, Body::empty()).await.text(), "new");
    engine.delete("b", "/v1/files/a.txt").await.ok();
    engine.bare("GET", &url, Body::empty()).await.refused(404, "ResourceNotFound");
    engine.bare("PUT", overtaken, "xxx").await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn public_content_has_a_permanent_url_and_never_runs() {
    let engine = Engine::new().await;
    let body = json!({ "key": "a/page.html", "accessPolicies": ["public_content"] });
    let file = engine.upload("b", body, b"<script>alert(1)</script>").await;
    let url = file["url"].as_str().unwrap();
    assert!(!url.contains('?'), "{url}");
    assert_eq!(engine.get("b", "/v1/files/a%2Fpage.html").await.ok()["file"]["url"], url);
    let got = engine.bare("GET", url, Body::empty()).await;
    assert_eq!((got.status, got.header("content-type")), (200, "text/html"));
    assert!(got.header("content-disposition").starts_with("attachment"));
    assert!(got.header("content-security-policy").contains("default-src 'none'"));

    let part = Request::get(path_of(url)).header("range", "bytes=1-6").body(Body::empty()).unwrap();
    let part = engine.send(part).await;
    assert_eq!((part.status, part.text().as_str()), (206, "script"));
    assert_eq!(part.header("content-range"), "bytes 1-6/25");
    let same =
        Request::get(path_of(url)).header("if-none-match", got.header("etag")).body(Body::empty()).unwrap();
    assert_eq!(engine.send(same).await.status, 304);
    let head = engine.bare("HEAD", url, Body::empty()).await;
    assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (200, "25", 0));

    engine.put("b", "/v1/files/a%2Fpage.html", json!({ "accessPolicies": [] })).await.ok();
    engine.bare("GET", url, Body::empty()).await.refused(403, "Forbidden");
}
