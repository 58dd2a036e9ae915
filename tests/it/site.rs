//! The recorded website of `testdata/site` on loopback, with pages that a test can change.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

/// What a test puts in the place of a page.
#[derive(Clone)]
pub(crate) enum Page {
    /// HTML.
    Html(String),
    /// Any body with its type.
    Body(Vec<u8>, &'static str),
    Redirect(String),
    Status(u16),
}

/// A site on a port of its own.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    manifest: Option<Value>,
    changed: Mutex<HashMap<String, Page>>,
    /// Every request: method, path, whether it was conditional, status.
    seen: Mutex<Vec<(String, bool, u16)>>,
    /// While set, pages other than robots.txt and sitemaps are not answered.
    held: (Mutex<bool>, Condvar),
}

impl Site {
    /// The recorded site.
    pub(crate) fn recorded() -> Self {
        let text = std::fs::read_to_string(folder().join("site.json")).unwrap();
        Self::start(Some(serde_json::from_str(&text).unwrap()))
    }

    /// A site without pages.
    pub(crate) fn empty() -> Self {
        Self::start(None)
    }

    fn start(manifest: Option<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            manifest,
            changed: Mutex::default(),
            seen: Mutex::default(),
            held: (Mutex::new(false), Condvar::new()),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || {
                    let _ = shared.answer(stream);
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves something else under a path.
    pub(crate) fn set(&self, path: &str, page: Page) {
        self.shared.changed.lock().unwrap().insert(path.to_owned(), page);
    }

    pub(crate) fn html(&self, path: &str, body: &str) {
        let title = path.trim_matches('/');
        self.set(path, Page::Html(format!("<html><title>{title}</title><body>{body}</body></html>")));
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|(seen, _, _)| seen == path).count()
    }

    /// All requests so far, and forgets them.
    pub(crate) fn taken(&self) -> Vec<(String, bool, u16)> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// Lets pages wait, or go.
    pub(crate) fn hold(&self, hold: bool) {
        *self.shared.held.0.lock().unwrap() = hold;
        self.shared.held.1.notify_all();
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/site"))
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Shared {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        if !path.starts_with("/robots.txt") && !path.contains("sitemap") {
            let mut held = self.held.0.lock().unwrap();
            while *held {
                held = self.held.1.wait(held).unwrap();
            }
        }
        let host = headers.get("host").cloned().unwrap_or_default();
        let mut answer = self.page(&path, &host);
        let known = [headers.get("if-none-match"), headers.get("if-modified-since")];
        let conditional = known.iter().any(Option::is_some);
        let validator = |(name, _): &&(&str, String)| matches!(*name, "etag" | "last-modified");
        if answer.headers.iter().filter(validator).any(|(_, value)| known.contains(&Some(value))) {
            answer.status = 304;
            answer.body.clear();
        }
        self.seen.lock().unwrap().push((path, conditional, answer.status));
        let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", answer.status);
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len()));
        let mut stream = reader.into_inner();
        stream.write_all(head.as_bytes())?;
        stream.write_all(&answer.body)
    }

    fn page(&self, path: &str, host: &str) -> Answer {
        let html = "text/html; charset=utf-8".to_owned();
        if let Some(page) = self.changed.lock().unwrap().get(path).cloned() {
            return match page {
                Page::Html(text) => {
                    Answer { status: 200, headers: vec![("content-type", html)], body: text.into_bytes() }
                }
                Page::Body(body, kind) => {
                    Answer { status: 200, headers: vec![("content-type", kind.to_owned())], body }
                }
                Page::Redirect(to) => Answer { status: 302, headers: vec![("location", to)], body: vec![] },
                Page::Status(status) => Answer { status, headers: vec![], body: b"no".to_vec() },
            };
        }
        let entry = self.manifest.as_ref().and_then(|manifest| manifest.get(path));
        let Some(entry) = entry else { return Answer { status: 404, headers: vec![], body: b"no".to_vec() } };
        if let Some(to) = entry["redirect"].as_str() {
            return Answer { status: 301, headers: vec![("location", to.to_owned())], body: vec![] };
        }
        if let Some(status) = entry["status"].as_u64() {
            return Answer { status: u16::try_from(status).unwrap(), headers: vec![], body: vec![] };
        }
        let file = entry["file"].as_str().unwrap();
        let mut body = std::fs::read(folder().join(file)).unwrap();
        if file.ends_with(".xml") {
            let text = String::from_utf8(body).unwrap();
            body = text.replace("{{base}}", &format!("http://{host}")).into_bytes();
        }
        if entry["gzip"] == true {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body).unwrap();
            body = encoder.finish().unwrap();
        }
        let mut headers = vec![("content-type", entry["type"].as_str().unwrap().to_owned())];
        if entry["etag"] == true {
            headers.push(("etag", format!("\"{}-{}\"", body.len(), file.len())));
        }
        if let Some(moment) = entry["lastModified"].as_str() {
            headers.push(("last-modified", moment.to_owned()));
        }
        Answer { status: 200, headers, body }
    }
}
