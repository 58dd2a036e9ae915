//! Sources through the HTTP face: pages become files that knowledge search finds, changes are followed,
//! rules are kept, and nothing private is reached.

use crate::common::{Engine, TOKEN, encode, settings};
use crate::process;
use crate::site::{Page, Site};
use quarry_server::Settings;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BOT: &str = "web";

fn open_settings() -> Settings {
    Settings {
        fetch_allow: Some(vec!["127.0.0.1".to_owned()]),
        fetch_ports: Some(vec!["1-65535".to_owned()]),
        ..settings()
    }
}

async fn engine() -> Engine {
    let engine = Engine::with(open_settings()).await;
    engine.post(BOT, "/v1/files/knowledge-bases", json!({ "name": "Ferries" })).await.ok();
    engine
}

async fn make(engine: &Engine, mut body: Value) -> Value {
    body["knowledgeBase"] = "Ferries".into();
    if body.get("delayMs").is_none() {
        body["delayMs"] = 0.into();
    }
    let made = engine.post(BOT, "/v1/quarry/sources", body).await.ok();
    ended(engine, made["source"]["id"].as_str().unwrap()).await
}

/// Waits until a source's run is over.
async fn ended(engine: &Engine, id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let source = engine.get(BOT, &format!("/v1/quarry/sources/{id}")).await.ok()["source"].clone();
        if source.get("job").is_none() {
            return source;
        }
        assert!(Instant::now() < deadline, "never ended: {source}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn refresh(engine: &Engine, source: &Value, body: Value) -> Value {
    let id = source["id"].as_str().unwrap();
    engine.post(BOT, &format!("/v1/quarry/sources/{id}/refresh"), body).await.ok();
    ended(engine, id).await
}

/// (path, status, reason) of every page, by path.
async fn report(engine: &Engine, site: &Site, source: &Value) -> Vec<(String, String, String)> {
    let id = source["id"].as_str().unwrap();
    let found = engine.get(BOT, &format!("/v1/quarry/sources/{id}/pages?pageSize=1000")).await.ok();
    let base = site.url("");
    let text = |page: &Value, name: &str| page[name].as_str().unwrap_or("").to_owned();
    let row = |page: &Value| {
        let url = text(page, "url");
        let path = url.strip_prefix(&base).unwrap_or(&url).to_owned();
        (path, text(page, "status"), text(page, "reason"))
    };
    found["pages"].as_array().unwrap().iter().map(row).collect()
}

fn state_of<'r>(report: &'r [(String, String, String)], path: &str) -> (&'r str, &'r str) {
    let found = report.iter().find(|(known, _, _)| known == path);
    found.map_or(("", ""), |(_, status, reason)| (status.as_str(), reason.as_str()))
}

async fn keys(engine: &Engine) -> Vec<String> {
    let files = engine.get(BOT, "/v1/files?pageSize=1000&sortField=key&sortDirection=asc").await.ok();
    files["files"].as_array().unwrap().iter().map(|file| file["key"].as_str().unwrap().to_owned()).collect()
}

fn page_key(source: &Value, url: &str) -> String {
    format!("data_source://web-page/{}/{}", source["id"].as_str().unwrap(), encode(url))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sitemap_becomes_files_that_knowledge_search_finds() {
    let (site, engine) = (Site::recorded(), engine().await);
    let source = make(&engine, json!({ "type": "sitemap", "url": site.url("/sitemap.xml") })).await;
    assert_eq!(source["status"], "completed", "{source}");
    let pages = report(&engine, &site, &source).await;
    assert_eq!(source["lastRun"]["pages"]["fetched"], 19, "{source} {pages:#?}");
    assert_eq!(source["files"], json!({ "indexing": 0, "searchable": 19, "failed": 0 }));
    assert_eq!(state_of(&pages, "/private/staff.html"), ("skipped", "robots.txt of the site disallows it"));
    assert!(state_of(&pages, "/help/old-luggage.html").1.contains("redirects to"), "{pages:#?}");
    assert_eq!(state_of(&pages, "/news/missing.html").0, "failed");
    assert_eq!(site.count("/private/staff.html"), 0);

    // As the agent runtime asks.
    let query = "/v1/files/search?tags.source=knowledge-base&tags.kbName=Ferries&query=How%20long%20does%20the%20\
                 crossing%20to%20Wether%20take&contextDepth=4&includeBreadcrumb=true&withContext=true";
    let found = engine.get(BOT, query).await.ok();
    let hit = &found["passages"][0];
    assert!(hit["content"].as_str().unwrap().contains("75 minutes"), "{hit}");
    let url = site.url("/routes/wether.html");
    assert_eq!(hit["file"]["key"], page_key(&source, &url));
    let tags = &hit["file"]["tags"];
    assert_eq!(tags["dsType"], "web-page");
    assert_eq!((&tags["dsId"], &tags["kbName"]), (&source["id"], &json!("Ferries")));
    assert_eq!(tags["kbId"], source["knowledgeBase"]["id"]);
    let metadata = &hit["file"]["metadata"];
    assert_eq!(metadata["title"], "Ferry to Wether | Heron Sound Ferries");
    assert_eq!((&metadata["url"], &metadata["favicon"]), (&json!(url), &json!(site.url("/favicon.ico"))));
    assert_eq!(metadata["description"], "Timetable and harbour of Wether.");
    assert_eq!(metadata["hash"].as_str().unwrap().len(), 64);
    assert_eq!(metadata["dsType"], "web-page");
    let fares =
        engine.get(BOT, &format!("/v1/files/{}", encode(&page_key(&source, &site.url("/fares.html"))))).await;
    assert_eq!(fares.ok()["file"]["metadata"]["lastmod"], "2026-01-02");

    let answer = engine
        .post(
            BOT,
            "/v1/quarry/answer",
            json!({ "question": "What does a bicycle cost?", "knowledgeBases": ["Ferries"] }),
        )
        .await
        .ok();
    assert!(answer["citations"][0]["file"]["metadata"]["url"].as_str().is_some(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_fetched_and_indexed_again() {
    let (site, engine) = (Site::recorded(), engine().await);
    let source = make(&engine, json!({ "type": "website", "url": site.url("/"), "maxDepth": 4 })).await;
    let first = report(&engine, &site, &source).await;
    assert_eq!(source["status"], "completed");
    assert_eq!(state_of(&first, "/news/draft.html"), ("skipped", "the page asks not to be indexed"));
    assert_eq!(state_of(&first, "/news/gone.html").0, "failed");
    assert_eq!(state_of(&first, "/files/conditions.pdf").0, "fetched");
    assert_eq!(state_of(&first, "/de/fahrpreise.html").0, "", "nothing links to it");
    let fetched = source["lastRun"]["pages"]["fetched"].as_u64().unwrap();
    let before = keys(&engine).await;
    assert_eq!(before.len() as u64, fetched);
    let weather = format!("/v1/files/{}", encode(&page_key(&source, &site.url("/help/weather.html"))));
    let updated = engine.get(BOT, &weather).await.ok()["file"]["updatedAt"].clone();

    site.taken();
    let again = refresh(&engine, &source, json!({})).await;
    let pages = &again["lastRun"]["pages"];
    assert_eq!(
        (&pages["fetched"], &pages["unchanged"], &pages["retired"]),
        (&json!(0), &json!(fetched), &json!(0))
    );
    let asked = site.taken();
    let answer = |path: &str| asked.iter().find(|(seen, _, _)| seen == path).map(|(_, _, status)| *status);
    assert_eq!((answer("/fares.html"), answer("/help/pets.html")), (Some(304), Some(304)));
    assert_eq!(answer("/fares/passes.html"), Some(200), "known from the links of a page not sent again");

    assert_eq!(engine.get(BOT, &weather).await.ok()["file"]["updatedAt"], updated, "not indexed again");

    site.html("/help/pets.html", "<p>Parrots travel in the saloon since May.</p>");
    site.set("/help/refunds.html", Page::Status(404));
    site.html(
        "/help/",
        "<p>Help <a href='/help/pets.html'>Pets</a> <a href='/help/refunds.html'>Refunds</a></p>",
    );
    let third = refresh(&engine, &source, json!({})).await;
    let pages = &third["lastRun"]["pages"];
    assert_eq!(pages["fetched"], 2, "{third}");
    assert_eq!(engine.get(BOT, &weather).await.status, 404, "no longer linked");
    assert!(pages["retired"].as_u64().unwrap() >= 4, "{third}");
    let found = engine.get(BOT, "/v1/files/search?query=parrots").await.ok();
    assert!(found["passages"][0]["content"].as_str().unwrap().contains("Parrots"));
    let refunds = engine
        .get(BOT, "/v1/files/search?query=ticket%20returned%2048%20hours%20before%20departure")
        .await
        .ok();
    let left = refunds["passages"].as_array().unwrap().iter();
    assert_eq!(left.filter(|hit| hit["content"].as_str().unwrap().contains("48 hours")).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_down_loses_nothing() {
    let (site, engine) = (Site::empty(), engine().await);
    site.html("/", "<p>Alpha lighthouse</p><a href=/b>b</a>");
    site.html("/b", "<p>Beta lighthouse</p>");
    let source = make(&engine, json!({ "type": "website", "url": site.url("/") })).await;
    assert_eq!(source["lastRun"]["pages"]["fetched"], 2, "{source}");
    site.set("/", Page::Status(403));
    let down = refresh(&engine, &source, json!({})).await;
    assert_eq!(down["lastRun"]["pages"]["failed"], 1);
    assert_eq!(down["lastRun"]["pages"]["retired"], 0, "{down}");
    assert_eq!(keys(&engine).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_limit_a_crawl() {
    let (site, engine) = (Site::empty(), engine().await);
    site.html("/", "<p>start</p><a href=/docs/a>a</a><a href=/blog/b>b</a><a href=/docs/x.png>x</a><a href=/docs/c>c</a>");
    for page in ["/docs/a", "/docs/c", "/blog/b"] {
        site.html(page, &format!("<p>This is {page}</p><a href='{page}/deeper'>deeper</a>"));
        site.html(&format!("{page}/deeper"), &format!("<p>Below {page}</p>"));
    }
    site.set("/docs/x.png", Page::Body(b"\x89PNG\r\n\x1a\n0000".to_vec(), "image/png"));
    let body = json!({ "type": "website", "url": site.url("/"), "maxDepth": 1, "include": ["/docs/*"] });
    let source = make(&engine, body).await;
    let pages = report(&engine, &site, &source).await;
    let fetched: Vec<&str> =
        pages.iter().filter(|(_, s, _)| s == "fetched").map(|(p, _, _)| p.as_str()).collect();
    assert_eq!(fetched, ["/", "/docs/a", "/docs/c"], "{pages:?}");
    assert!(state_of(&pages, "/docs/x.png").1.contains("PNG"), "{pages:?}");
    let few = make(&engine, json!({ "type": "website", "url": site.url("/"), "maxPages": 2 })).await;
    assert_eq!(few["lastRun"]["pages"]["found"], 2, "{few}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_is_reached_through_a_source() {
    let (site, secret) = (Site::empty(), Site::empty());
    secret.html("/", "<p>internal secret</p>");
    let engine =
        Engine::with(Settings { fetch_allow: Some(vec!["127.0.0.1".to_owned()]), ..open_settings() }).await;
    engine.post(BOT, "/v1/files/knowledge-bases", json!({ "name": "Ferries" })).await.ok();
    let body = |url: &str| json!({ "knowledgeBase": "Ferries", "type": "urls", "urls": [url] });
    for bad in [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x0a.1/",
        "http://2130706434/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user:pw@127.0.0.1/",
        "nonsense",
    ] {
        let refused = engine.post(BOT, "/v1/quarry/sources", body(bad)).await;
        assert!(matches!(refused.status, 400 | 403), "{bad}: {} {}", refused.status, refused.text());
    }
    // 127.0.0.2 is as private as 10.0.0.1 here; only 127.0.0.1 is allowed.
    let private = format!("http://127.0.0.2:{}/", secret.address.port());
    site.set("/away", Page::Redirect(private.clone()));
    site.set("/meta", Page::Redirect("http://169.254.169.254/".to_owned()));
    let map = format!(
        "<urlset><url><loc>{}</loc></url><url><loc>{private}</loc></url></urlset>",
        site.url("/away")
    );
    site.set("/sitemap.xml", Page::Body(map.into_bytes(), "application/xml"));
    let body =
        json!({ "type": "sitemap", "url": site.url("/sitemap.xml"), "otherHosts": true, "robots": false });
    let source = make(&engine, body).await;
    assert_eq!(source["lastRun"]["pages"]["fetched"], 0, "{source}");
    let pages = report(&engine, &site, &source).await;
    assert_eq!(state_of(&pages, "/away").0, "failed");
    assert!(state_of(&pages, &private).1.contains("may not be fetched"), "{pages:?}");
    let list = make(&engine, json!({ "type": "urls", "urls": [site.url("/meta")] })).await;
    assert!(report(&engine, &site, &list).await[0].2.contains("never fetched"));
    assert_eq!(secret.taken(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_and_bad_sitemaps_are_refused() {
    let (site, other, engine) = (Site::empty(), Site::empty(), engine().await);
    other.html("/", "<p>elsewhere</p>");
    site.html("/mine", "<p>mine</p>");
    let map = format!(
        "<urlset><url><loc>{}</loc></url><url><loc>{}</loc></url></urlset>",
        site.url("/mine"),
        other.url("/")
    );
    site.set("/sitemap.xml", Page::Body(map.into_bytes(), "application/xml"));
    let source = make(&engine, json!({ "type": "sitemap", "url": site.url("/") })).await;
    assert_eq!(source["lastRun"]["pages"]["fetched"], 1, "found under its usual name: {source}");
    assert_eq!(other.taken(), []);
    let pages = report(&engine, &site, &source).await;
    assert!(state_of(&pages, &other.url("/")).1.contains("otherHosts"), "{pages:?}");

    site.set(
        "/evil.xml",
        Page::Body(b"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><urlset/>".to_vec(), "text/xml"),
    );
    for (path, why) in [("/evil.xml", "document type"), ("/mine", "no sitemap"), ("/none.xml", "404")] {
        let failed = make(&engine, json!({ "type": "sitemap", "url": site.url(path) })).await;
        assert_eq!(failed["status"], "failed", "{path}");
        assert!(failed["lastRun"]["error"].as_str().unwrap().contains(why), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_tables_are_sources_too() {
    let engine = engine().await;
    let text = make(&engine, json!({ "type": "text", "title": "Parking", "content": "# Parking\n\nPier 4 has 220 parking spaces." })).await;
    assert_eq!((&text["status"], &text["files"]["searchable"]), (&json!("completed"), &json!(1)), "{text}");
    let found = engine.get(BOT, "/v1/files/search?query=parking%20spaces&tags.dsType=rich-text").await.ok();
    assert!(found["passages"][0]["content"].as_str().unwrap().contains("220"));

    let table = json!({ "name": "ShipsTable", "schema": { "ship": { "type": "string" }, "seats": { "type": "number" } } });
    engine.post(BOT, "/v1/tables", table).await.ok();
    let rows = json!({ "rows": [{ "ship": "Plover", "seats": 310 }, { "ship": "Kittiwake", "seats": 540 }] });
    engine.post(BOT, "/v1/tables/ShipsTable/rows", rows).await.ok();
    let ships = make(&engine, json!({ "type": "table", "table": "ShipsTable" })).await;
    assert_eq!(ships["status"], "completed", "{ships}");
    let found = engine.get(BOT, "/v1/files/search?query=Kittiwake%20seats&tags.dsType=table").await.ok();
    assert!(found["passages"][0]["content"].as_str().unwrap().contains("540"), "{found}");
    assert_eq!(refresh(&engine, &ships, json!({})).await["lastRun"]["pages"]["unchanged"], 1);

    let missing = make(&engine, json!({ "type": "table", "table": "NoTable" })).await;
    assert!(missing["lastRun"]["error"].as_str().unwrap().contains("NoTable"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_search_brings_its_results() {
    let (site, finder) = (Site::recorded(), Site::empty());
    let hit = |path: &str| json!({ "url": site.url(path), "title": "t", "content": "c" });
    let results = json!({ "results": [hit("/help/pets.html"), hit("/help/weather.html"), { "url": "http://other.example/" }] });
    let asked = "/search?q=pets+on+board+site%3A127.0.0.1&format=json&pageno=1&time_range=month";
    finder.set(asked, Page::Body(results.to_string().into_bytes(), "application/json"));
    finder.set(
        &asked.replace("pageno=1", "pageno=2"),
        Page::Body(b"{\"results\":[]}".to_vec(), "application/json"),
    );
    let engine = Engine::with(Settings { search_url: Some(finder.url("")), ..open_settings() }).await;
    engine.post(BOT, "/v1/files/knowledge-bases", json!({ "name": "Ferries" })).await.ok();
    let body = json!({
        "type": "search", "query": "pets on board", "includeDomains": ["127.0.0.1"], "window": "30d", "maxPages": 5,
    });
    let source = make(&engine, body).await;
    assert_eq!(source["lastRun"]["pages"]["fetched"], 2, "{source} {:?}", finder.taken());
    let found = engine.get(BOT, "/v1/files/search?query=dogs%20on%20a%20lead").await.ok();
    assert_eq!(found["passages"][0]["file"]["metadata"]["url"], site.url("/help/pets.html"));
    finder.set(asked, Page::Status(500));
    let failed = refresh(&engine, &source, json!({})).await;
    let error = failed["lastRun"]["error"].as_str().unwrap();
    assert!(failed["status"] == "failed" && !error.contains("127.0.0.1"), "{failed}");
    assert_eq!(keys(&engine).await.len(), 2, "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_and_cancelled_and_sources_deleted() {
    let (site, engine) = (Site::recorded(), engine().await);
    site.hold(true);
    let made = engine
        .post(BOT, "/v1/quarry/sources", json!({ "knowledgeBase": "Ferries", "type": "sitemap", "url": site.url("/sitemap.xml"), "delayMs": 0 }))
        .await
        .ok();
    let id = made["source"]["id"].as_str().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let job = loop {
        let jobs = engine.get(BOT, "/v1/quarry/jobs").await.ok();
        let job = jobs["jobs"][0].clone();
        if job["stage"] == "fetching" && job["total"].as_u64() > Some(10) {
            break job;
        }
        assert!(Instant::now() < deadline, "{jobs}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((&job["kind"], &job["sourceId"]), (&json!("source"), &json!(id)));
    assert_eq!(engine.get("another", "/v1/quarry/jobs").await.ok()["jobs"], json!([]));
    let path = format!("/v1/quarry/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(engine.delete("another", &path).await.status, 404);
    engine.delete(BOT, &path).await.ok();
    site.hold(false);
    let source = ended(&engine, id).await;
    assert_eq!(source["status"], "cancelled", "{source}");
    assert!(source["lastRun"]["pages"]["fetched"].as_u64().unwrap() <= 6);

    let whole = refresh(&engine, &source, json!({})).await;
    assert_eq!(whole["status"], "completed");
    assert_eq!(keys(&engine).await.len(), 19);
    let listed = engine.get(BOT, "/v1/quarry/sources?knowledgeBase=Ferries").await.ok();
    assert_eq!(listed["sources"].as_array().unwrap().len(), 1);
    assert_eq!(engine.get("another", &format!("/v1/quarry/sources/{id}")).await.status, 404);
    engine.delete(BOT, &format!("/v1/quarry/sources/{id}")).await.ok();
    assert_eq!(engine.get(BOT, &format!("/v1/quarry/sources/{id}")).await.status, 404);
    let deadline = Instant::now() + Duration::from_secs(120);
    while !keys(&engine).await.is_empty() {
        assert!(Instant::now() < deadline, "files stay");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_sources_are_refused_with_the_field() {
    let engine = engine().await;
    let long = format!("https://x.example/{}", "a".repeat(350));
    for (body, kind, named) in [
        (
            json!({ "type": "urls", "urls": ["https://x.example"], "knowledgeBase": "none" }),
            "ReferenceNotFound",
            "none",
        ),
        (json!({ "type": "urls", "urls": [], "knowledgeBase": "Ferries" }), "InvalidPayload", "urls"),
        (json!({ "type": "urls", "urls": [long], "knowledgeBase": "Ferries" }), "InvalidPayload", "urls[0]"),
        (json!({ "type": "sitemap", "url": "x", "knowledgeBase": "Ferries" }), "InvalidPayload", "url"),
        (
            json!({ "type": "website", "url": "https://x.example", "include": ["docs"], "knowledgeBase": "Ferries" }),
            "InvalidPayload",
            "docs",
        ),
        (
            json!({ "type": "search", "query": "q", "knowledgeBase": "Ferries" }),
            "InvalidPayload",
            "search_url",
        ),
        (
            json!({ "type": "text", "title": "t", "content": " ", "knowledgeBase": "Ferries" }),
            "InvalidPayload",
            "content",
        ),
    ] {
        let message = engine.post(BOT, "/v1/quarry/sources", body).await.refused(400, kind);
        assert!(message.contains(named), "{message}");
    }
}

/// A server killed while it crawls goes on where it was: no page is lost, none is taken twice.
#[test]
fn a_killed_crawl_goes_on() {
    let site = Site::empty();
    let links: String = (0..60).map(|n| format!("<a href=/p{n}>{n}</a>")).collect();
    site.html("/", &format!("<p>All pages</p>{links}"));
    for n in 0..60 {
        site.html(&format!("/p{n}"), &format!("<p>Page number {n} tells of lighthouse {n}.</p>"));
    }
    let allow = [
        ("QUARRY_ADMIN_TOKEN", TOKEN),
        ("QUARRY_FETCH_ALLOW", "127.0.0.1"),
        ("QUARRY_FETCH_PORTS", "1-65535"),
    ];
    let mut server = process::start(&allow);
    server.call("POST", "/v1/files/knowledge-bases", Some(json!({ "name": "k" })));
    let body = json!({ "knowledgeBase": "k", "type": "website", "url": site.url("/"), "delayMs": 5 });
    let id =
        server.call("POST", "/v1/quarry/sources", Some(body))["source"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/quarry/sources/{id}");
    let deadline = Instant::now() + Duration::from_secs(400);
    for stop_at in [10, 30] {
        loop {
            let source = server.call("GET", &path, None);
            let done = source["source"]["job"]["done"].as_u64().unwrap_or(0);
            if done >= stop_at || source["source"].get("job").is_none() {
                break;
            }
            assert!(Instant::now() < deadline, "{source}");
            std::thread::sleep(Duration::from_millis(5));
        }
        server = server.killed_and_started(&allow);
    }
    let source = loop {
        let source = server.call("GET", &path, None)["source"].clone();
        if source.get("job").is_none() {
            break source;
        }
        assert!(Instant::now() < deadline, "{source}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(source["status"], "completed");
    assert_eq!(source["files"], json!({ "indexing": 0, "searchable": 61, "failed": 0 }));
    let pages = &source["lastRun"]["pages"];
    assert_eq!((&pages["found"], &pages["failed"]), (&json!(61), &json!(0)));
    let asked = site.taken().into_iter().filter(|(path, _, _)| path.starts_with("/p")).count();
    assert!(asked <= 60 + 2 * 8, "only pages in flight are asked for again: {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_its_way_is_cancelled_and_events_tell_of_work() {
    use axum::body::Body;
    use futures::StreamExt;
    let engine = engine().await;
    let long: String =
        (0..1_500).map(|n| format!("Sentence {n} tells of the harbour of number {n}.\n\n")).collect();
    let file = engine.upload(BOT, json!({ "key": "long.txt", "index": true }), long.as_bytes()).await;
    let id = file["id"].as_str().unwrap();
    let request = axum::http::Request::builder()
        .uri("/v1/quarry/jobs/events")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("x-bot-id", BOT);
    let response = engine.stream(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    let mut told = false;
    let deadline = Instant::now() + Duration::from_secs(300);
    while !told {
        assert!(Instant::now() < deadline, "no event tells of the file");
        let event = events.next().await.unwrap().unwrap();
        let text = std::str::from_utf8(&event).unwrap();
        told = text.starts_with("event: jobs\ndata: {") && text.contains(id);
    }
    assert_eq!(engine.delete("another", &format!("/v1/quarry/jobs/{id}")).await.status, 404);
    engine.delete(BOT, &format!("/v1/quarry/jobs/{id}")).await.ok();
    let file = engine.get(BOT, &format!("/v1/files/{id}")).await.ok()["file"].clone();
    assert_eq!(file["status"], "indexing_failed", "{file}");
    assert!(file["failedStatusReason"].as_str().unwrap().contains("cancelled"));
    assert_eq!(engine.delete(BOT, &format!("/v1/quarry/jobs/{id}")).await.status, 404);
    loop {
        assert!(Instant::now() < deadline, "the job does not end");
        let event = events.next().await.unwrap().unwrap();
        if event.as_ref() == b"event: jobs\ndata: {\"jobs\":[]}\n\n" {
            break;
        }
    }
    let status = engine.get(BOT, "/v1/quarry/status?recount=true").await.ok();
    assert_eq!(status["usage"]["vectors"]["used"], 0, "{status}");
    assert_eq!(status["recount"]["vectors"], 0);
}

#[test]
fn the_command_takes_folders_pages_and_sitemaps_and_goes_on() {
    let site = Site::recorded();
    let allow = [
        ("QUARRY_ADMIN_TOKEN", TOKEN),
        ("QUARRY_FETCH_ALLOW", "127.0.0.1"),
        ("QUARRY_FETCH_PORTS", "1-65535"),
    ];
    let server = process::start(&allow);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("a.md"), "# A\n\nThe anchor weighs 80 kilograms.").unwrap();
    std::fs::write(folder.path().join("sub/b.txt"), "The buoy is painted red.").unwrap();
    let place = folder.path().to_str().unwrap().to_owned();
    let (map, page) = (site.url("/sitemap.xml"), site.url("/de/fahrpreise.html"));
    let run = |args: &[&str]| {
        let output = server.prepared(TOKEN, &[&["ingest", "--kb", "k"], args].concat()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (fine, out, err) = run(&[&place, &page]);
    assert!(fine && out.contains("3 indexed, 0 unchanged"), "{out}{err}");
    let (fine, out, err) = run(&[&place, &page]);
    assert!(fine && out.contains("0 indexed, 3 unchanged"), "{out}{err}");
    std::fs::write(folder.path().join("sub/b.txt"), "The buoy is painted green.").unwrap();
    let (fine, out, err) = run(&[&format!("{place}/**/*.txt")]);
    assert!(fine && out.contains("1 indexed, 0 unchanged"), "{out}{err}");
    let (fine, out, err) = run(&[&map]);
    assert!(!fine && out.contains("19 pages fetched") && out.contains("1 failed"), "{out}{err}");
    assert!(err.contains("/news/missing.html: the site answers 404"), "{err}");
    let (fine, _, err) = run(&["/no/such/file"]);
    assert!(!fine && err.contains("does not exist"), "{err}");
    let found = server.call("GET", "/v1/files/search?query=colour%20of%20the%20buoy&tags.kbName=k", None);
    assert!(found["passages"].to_string().contains("green"), "{found}");
}
