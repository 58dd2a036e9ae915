//! What becomes of files when sites move, break or answer half.

use super::*;
use crate::PageRequest;
use crate::sources::page_file::{self, Content};
use std::collections::HashMap;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Status, headers with their line ends, body; status 0 = no answer at all.
type Answer = (u16, String, String);

/// A site of this machine whose pages a test sets; others are not there.
#[derive(Clone)]
struct Site {
    base: String,
    pages: Arc<parking_lot::Mutex<HashMap<String, Answer>>>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let site = Self { base, pages: Arc::default() };
        let pages = site.pages.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let pages = pages.clone();
                tokio::spawn(async move {
                    let (mut stream, mut path, mut line) =
                        (BufReader::new(stream), String::new(), String::new());
                    while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
                        if path.is_empty() {
                            path = line.split(' ').nth(1).unwrap_or("/").to_owned();
                        }
                        line.clear();
                    }
                    let known = pages.lock().get(&path).cloned();
                    let (status, headers, body) = known.unwrap_or((404, String::new(), "no".to_owned()));
                    if status == 0 {
                        std::future::pending::<()>().await;
                    }
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}");
                    let answer = format!("{head}content-length: {length}\r\n\r\n{body}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        site
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn set(&self, path: &str, status: u16, headers: &str, body: &str) {
        self.pages.lock().insert(path.to_owned(), (status, headers.to_owned(), body.to_owned()));
    }

    fn html(&self, path: &str, body: &str) {
        self.set(path, 200, "content-type: text/html\r\n", &format!("<html><body>{body}</body></html>"));
    }

    fn status(&self, path: &str, status: u16) {
        self.set(path, status, "", "no");
    }

    fn redirect(&self, path: &str, status: u16, to: &str) {
        self.set(path, status, &format!("location: {to}\r\n"), "");
    }

    fn map(&self, paths: &[&str]) {
        let one = |path: &&str| format!("<url><loc>{}</loc></url>", self.url(path));
        let pages: String = paths.iter().map(one).collect();
        self.set("/map.xml", 200, "", &format!("<urlset>{pages}</urlset>"));
    }
}

/// A knowledge base with one source of a site.
struct Case {
    _dir: tempfile::TempDir,
    world: World,
    scope: Scope,
    site: Site,
    id: String,
    runs: u32,
}

impl Case {
    async fn of(site: &Site, kind: SourceKind, rules: PageRules, search: Option<Arc<dyn WebSearch>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
        let rows = Arc::new(Rows(parking_lot::Mutex::new(String::new())));
        let scope = Scope::of(BotId::parse("a").unwrap());
        let world = open_with(dir.path(), &clock, &rows, search).await;
        world.kb.create_base(&scope, "k", crate::Tags::new()).await.unwrap();
        let new = NewSource {
            base: "k".into(),
            name: None,
            kind,
            rules: PageRules { delay_ms: 0, ..rules },
            tags: crate::Tags::new(),
            indexing: serde_json::Value::Null,
            refresh_every_ms: None,
        };
        let id = world.sources.create(&scope, new).await.unwrap().source.id;
        let case = Self { _dir: dir, world, scope, site: site.clone(), id, runs: 1 };
        case.ended().await;
        case
    }

    async fn sitemap(site: &Site) -> Self {
        let kind = SourceKind::Sitemap { url: site.url("/map.xml"), other_hosts: false };
        Self::of(site, kind, PageRules::default(), None).await
    }

    async fn website(site: &Site) -> Self {
        let kind = SourceKind::Website { url: site.url("/"), max_depth: 3 };
        Self::of(site, kind, PageRules::default(), None).await
    }

    async fn ended(&self) -> RunReport {
        self.world.runs_done(&self.scope, &self.id, self.runs).await.last.unwrap()
    }

    async fn again(&mut self) -> RunReport {
        self.world.sources.refresh(&self.scope, &self.id, false).await.unwrap();
        self.runs += 1;
        self.ended().await
    }

    /// Paths of the pages with a file.
    async fn files(&self) -> Vec<String> {
        let source = self.world.sources.get(&self.scope, &self.id).await.unwrap().source;
        let snapshot = self.world.kb.inner.views.snapshot(&self.scope).await.unwrap();
        let prefix = page_file::page_key(&source, &self.site.base);
        let mut paths: Vec<String> = snapshot
            .keys
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix))
            .map(|path| path.replace("%2F", "/"))
            .collect();
        paths.sort();
        paths
    }

    async fn reason(&self, path: &str) -> String {
        let request = PageRequest { size: 1_000, ..PageRequest::default() };
        let pages = self.world.sources.pages(&self.scope, &self.id, None, request).await.unwrap().items;
        let url = self.site.url(path);
        let page = pages.iter().find(|page| page.url == url || page.url == path);
        page.and_then(|page| page.reason.clone()).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_moved_is_found_at_its_new_place() {
    let site = Site::start().await;
    site.html("/a", "Alpha lighthouse");
    site.html("/c", "Gamma lighthouse");
    site.map(&["/a", "/c"]);
    let mut case = Case::sitemap(&site).await;
    assert_eq!(case.files().await, ["/a", "/c"]);

    site.html("/b", "Alpha lighthouse");
    site.redirect("/a", 301, "/b");
    case.again().await;
    assert_eq!(case.files().await, ["/b", "/c"], "{}", case.reason("/b").await);

    for path in ["/new/b", "/new/c"] {
        let text = if path.ends_with('b') { "Alpha lighthouse" } else { "Gamma lighthouse" };
        site.html(path, text);
    }
    site.map(&["/new/b", "/new/c"]);
    case.again().await;
    assert_eq!(case.files().await, ["/new/b", "/new/c"]);

    // Two alike, and the one with the file goes.
    site.html("/copy", "Alpha lighthouse");
    site.map(&["/copy", "/new/b", "/new/c"]);
    case.again().await;
    assert_eq!(case.files().await, ["/new/b", "/new/c"], "the file stays where it is");
    site.status("/new/b", 404);
    case.again().await;
    assert_eq!(case.files().await, ["/copy", "/new/c"], "{}", case.reason("/copy").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_for_now_is_kept() {
    let site = Site::start().await;
    site.redirect("/a", 301, "/b");
    site.html("/b", "Alpha lighthouse");
    site.html("/c", "Gamma lighthouse");
    site.html("/login", "Log in");
    site.map(&["/a", "/c"]);
    let mut case = Case::sitemap(&site).await;
    assert_eq!(case.files().await, ["/b", "/c"]);

    site.status("/a", 403);
    site.redirect("/c", 302, "/login");
    let report = case.again().await;
    assert_eq!(case.files().await, ["/b", "/c"], "{report:?}");
    assert!(case.reason("/c").await.contains("for now"), "{}", case.reason("/c").await);
    assert_eq!((report.counts.failed, report.counts.retired), (2, 0));

    site.map(&["/c"]);
    case.again().await;
    assert_eq!(case.files().await, ["/c"], "nothing leads to /b any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_website_whose_start_is_ill_keeps_its_pages() {
    let site = Site::start().await;
    site.html("/", "Start <a href=/p>p</a>");
    site.html("/p", "Page of the lighthouse");
    site.html("/login", "Log in");
    let mut case = Case::website(&site).await;
    assert_eq!(case.files().await, ["/", "/p"]);
    site.redirect("/", 302, "/login");
    case.again().await;
    assert_eq!(case.files().await, ["/", "/p"]);
    site.status("/", 404);
    case.again().await;
    assert_eq!(case.files().await, ["/p"]);
    site.html("/", "Start without links");
    case.again().await;
    assert_eq!(case.files().await, ["/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_sitemap_or_an_empty_one_retires_nothing() {
    let site = Site::start().await;
    for path in ["/a", "/b"] {
        site.html(path, &format!("Lighthouse of {path}"));
    }
    site.map(&["/a", "/b"]);
    let mut case = Case::sitemap(&site).await;
    let whole = site.pages.lock()["/map.xml"].2.clone();
    let at = whole.rfind("<url>").unwrap();
    for half in ["<urlset></urlset>", &whole[..at], &whole[..at + 20]] {
        site.set("/map.xml", 200, "", half);
        let report = case.again().await;
        assert_eq!(case.files().await, ["/a", "/b"], "{half} {report:?}");
        assert!(case.reason("/map.xml").await.contains("read"), "{half}");
    }
    // A file left by a server that ended before it wrote so, of a page that is gone.
    let source = case.world.sources.get(&case.scope, &case.id).await.unwrap().source;
    let content = Content {
        key: page_file::page_key(&source, &site.url("/gone")),
        content_type: "text/plain".to_owned(),
        bytes: "Orphan".into(),
        facts: Vec::new(),
    };
    page_file::store(&case.world.kb, &case.scope, &source, content).await.unwrap();
    site.map(&["/a", "/gone"]);
    case.again().await;
    assert_eq!(case.files().await, ["/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_hold_for_listed_pages_and_for_their_count() {
    let site = Site::start().await;
    for path in ["/blog/1", "/blog/2", "/docs/1", "/docs/2", "/docs/3"] {
        site.html(path, &format!("Lighthouse of {path}"));
    }
    site.map(&["/blog/1", "/blog/2", "/docs/1", "/docs/2", "/docs/3"]);
    let kind = SourceKind::Sitemap { url: site.url("/map.xml"), other_hosts: false };
    let rules = PageRules { include: vec!["/docs/*".into()], max_pages: 2, ..PageRules::default() };
    let case = Case::of(&site, kind, rules, None).await;
    assert_eq!(case.files().await, ["/docs/1", "/docs/2"]);
    assert!(case.reason("/blog/1").await.contains("include"), "{}", case.reason("/blog/1").await);
    assert!(case.reason("/docs/3").await.contains("maxPages"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_for_robots_speak_to_the_right_one() {
    let site = Site::start().await;
    let page = |path: &str, headers: &str, body: &str| {
        site.set(path, 200, &format!("content-type: text/html\r\n{headers}"), body);
    };
    page("/", "x-robots-tag: noarchive\r\nx-robots-tag: noindex\r\n", "Start <a href=/p>p</a>");
    page("/p", "x-robots-tag: googlebot: noindex\r\n", "P <a href=/q>q</a>");
    page("/q", "x-robots-tag: max-image-preview: none, nofollow\r\n", "Q <a href=/r>r</a>");
    page("/r", "", "R");
    let case = Case::website(&site).await;
    assert_eq!(case.files().await, ["/p", "/q"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_search_engine_retires_nothing() {
    let site = Site::start().await;
    for path in ["/a", "/b"] {
        site.html(path, &format!("Lighthouse of {path}"));
    }
    let answer = |paths: &[&str], silent: &str| {
        let hits: Vec<_> = paths.iter().map(|path| format!("{{\"url\":\"{}\"}}", site.url(path))).collect();
        let body = format!("{{\"results\":[{}],\"unresponsive_engines\":{silent}}}", hits.join(","));
        site.set("/search?q=q&format=json&pageno=1", 200, "", &body);
        site.set("/search?q=q&format=json&pageno=2", 200, "", "{\"results\":[]}");
    };
    answer(&["/a", "/b"], "[]");
    let endpoint = quarry_fetch::Endpoint::parse(&site.base).unwrap();
    let engine: Arc<dyn WebSearch> = Arc::new(Searxng::new(client(), endpoint));
    let (include_domains, exclude_domains, window) = (Vec::new(), Vec::new(), None);
    let kind = SourceKind::Search { query: "q".into(), include_domains, exclude_domains, window };
    let mut case = Case::of(&site, kind, PageRules::default(), Some(engine)).await;
    assert_eq!(case.files().await, ["/a", "/b"]);
    answer(&[], "[[\"bing\",\"timeout\"]]");
    let report = case.again().await;
    assert_eq!(report.status, RunStatus::Failed);
    assert!(report.error.unwrap().contains("no results"));
    answer(&["/a"], "[[\"bing\",\"timeout\"]]");
    assert_eq!(case.again().await.status, RunStatus::Completed);
    assert_eq!(case.files().await, ["/a", "/b"]);
    assert!(case.reason("search engine bing").await.contains("timeout"));
    answer(&["/a"], "[]");
    case.again().await;
    assert_eq!(case.files().await, ["/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_hangs_can_be_stopped() {
    let site = Site::start().await;
    site.html("/a", "Lighthouse");
    site.map(&["/a"]);
    let mut case = Case::sitemap(&site).await;
    site.set("/map.xml", 0, "", "");
    let (sources, scope) = (case.world.sources.clone(), case.scope.clone());
    sources.refresh(&scope, &case.id, false).await.unwrap();
    case.runs += 1;
    let begun = Instant::now();
    let run = loop {
        if let Some(run) = sources.runs(&scope).into_iter().find(|run| run.phase == Phase::Listing) {
            break run.id;
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    sources.cancel(&scope, &run).await.unwrap();
    assert_eq!(case.ended().await.status, RunStatus::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(case.files().await, ["/a"]);
}
