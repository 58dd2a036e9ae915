//! One engine per test in a folder of its own, and short ways to call it.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use quarry_server::{Running, Settings, start};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The admin token of every test server.
pub(crate) const TOKEN: &str = "test-admin-token";

/// A running engine.
pub(crate) struct Engine {
    running: Option<Running>,
    pub(crate) folder: tempfile::TempDir,
}

/// An answer with everything a test may look at.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("no JSON in {}: {:?}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON of a success.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Checks a refusal and gives its message.
    pub(crate) fn refused(self, status: u16, kind: &str) -> String {
        let body = self.json();
        assert_eq!((self.status, body["type"].as_str()), (status, Some(kind)), "{body}");
        assert_eq!(body["code"], status, "{body}");
        assert!(body["id"].as_str().unwrap().starts_with("err_"), "{body}");
        body["message"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        admin_token: Some(TOKEN.to_owned()),
        threads: Some(1),
        ingest_workers: Some(1),
        ..Settings::default()
    }
}

impl Drop for Engine {
    /// The model's runtime must not be loading while the test's process ends.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.running.as_ref().is_some_and(|running| !running.is_settled()) && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Engine {
    pub(crate) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::on(folder, settings).await
    }

    /// An engine on a folder that holds `quarry-store`'s data already.
    pub(crate) async fn on(folder: tempfile::TempDir, settings: Settings) -> Self {
        Self { running: Some(open(&settings, &folder).await), folder }
    }

    /// Stops the engine and opens its folder again.
    pub(crate) async fn reopened(mut self) -> Self {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        // The folder's lock goes with the last task that holds the store.
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let config = in_folder(&settings(), &self.folder).resolve().unwrap();
            match start(config, worker()).await {
                Ok(running) => {
                    self.running = Some(running);
                    return self;
                }
                Err(error) if Instant::now() > deadline => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// An answer whose body is still to come.
    pub(crate) async fn stream(&self, request: Request<Body>) -> axum::http::Response<Body> {
        self.running.as_ref().unwrap().app.clone().handle(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.stream(request).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// Calls as the admin for a bot.
    pub(crate) async fn call(&self, bot: &str, method: &str, path: &str, body: Value) -> Reply {
        self.call_as(TOKEN, bot, method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        token: &str,
        bot: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Reply {
        let content = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "quarry.test:7700")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        if !bot.is_empty() {
            request = request.header("x-bot-id", bot);
        }
        self.send(request.body(content).unwrap()).await
    }

    pub(crate) async fn get(&self, bot: &str, path: &str) -> Reply {
        self.call(bot, "GET", path, Value::Null).await
    }

    pub(crate) async fn post(&self, bot: &str, path: &str, body: Value) -> Reply {
        self.call(bot, "POST", path, body).await
    }

    pub(crate) async fn put(&self, bot: &str, path: &str, body: Value) -> Reply {
        self.call(bot, "PUT", path, body).await
    }

    pub(crate) async fn delete(&self, bot: &str, path: &str) -> Reply {
        self.call(bot, "DELETE", path, json!({})).await
    }

    /// Calls an URL without any header but the host, as holders of signed URLs do.
    pub(crate) async fn bare(&self, method: &str, url: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(path_of(url)).header("host", "quarry.test:7700");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Upserts and uploads; gives the upsert's file.
    pub(crate) async fn upload(&self, bot: &str, mut body: Value, content: &[u8]) -> Value {
        body["size"] = content.len().into();
        let file = self.put(bot, "/v1/files", body).await.ok()["file"].clone();
        let sent = self.bare("PUT", file["uploadUrl"].as_str().unwrap(), content.to_vec()).await;
        assert_eq!(sent.status, 200, "{}", sent.text());
        file
    }

    /// Waits until a file is searchable or has failed.
    pub(crate) async fn indexed(&self, bot: &str, id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            let path = format!("/v1/files/{}", encode(id));
            let file = self.get(bot, &path).await.ok()["file"].clone();
            if file["status"].as_str().unwrap() != "indexing_pending" {
                return file;
            }
            assert!(Instant::now() < deadline, "never indexed: {file}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn open(settings: &Settings, folder: &tempfile::TempDir) -> Running {
    let config = in_folder(settings, folder).resolve().unwrap();
    start(config, worker()).await.unwrap_or_else(|error| panic!("{error}"))
}

fn in_folder(settings: &Settings, folder: &tempfile::TempDir) -> Settings {
    Settings { data_dir: Some(folder.path().join("data")), ..settings.clone() }
}

pub(crate) fn worker() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_quarry"))
}

/// Path and query of an absolute URL.
pub(crate) fn path_of(url: &str) -> &str {
    url.strip_prefix("http://quarry.test:7700").unwrap_or(url)
}

/// Percent-encodes one path segment.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
