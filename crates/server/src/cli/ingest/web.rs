//! Pages, sitemaps and websites: made sources of the server and followed until they can be searched.

use super::{Bar, Ingest, Tally, number, share};
use crate::cli::client::{Client, success};
use crate::cli::commands::{list, text};
use crate::cli::interrupt::Interrupt;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

const POLL_EVERY: Duration = Duration::from_millis(200);
/// A server that restarts goes on with its sources; this long it may be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a source of these URLs is made of, one each; single pages go together.
fn wanted(args: &Ingest, urls: &[&str]) -> Vec<Value> {
    let is_map = |url: &str| {
        let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
        args.sitemap
            || (path.contains("sitemap")
                && (path.ends_with(".xml") || path.ends_with(".gz") || path.ends_with(".txt")))
    };
    let (mut all, mut pages) = (Vec::new(), Vec::new());
    for url in urls {
        if args.crawl {
            all.push(json!({ "type": "website", "url": url }));
        } else if is_map(url) {
            all.push(json!({ "type": "sitemap", "url": url }));
        } else {
            pages.push(*url);
        }
    }
    if !pages.is_empty() {
        all.push(json!({ "type": "urls", "urls": pages }));
    }
    all
}

/// Makes the sources, or refreshes those that are there; their ids.
pub(super) fn begin(
    client: &Client,
    args: &Ingest,
    base: &str,
    tags: &Map<String, Value>,
    urls: &[&str],
) -> Result<Vec<String>, String> {
    let mut begun = Vec::new();
    if urls.is_empty() {
        return Ok(begun);
    }
    let known =
        client.call("GET", &format!("/v1/quarry/sources?pageSize=1000&knowledgeBase={base}"), None)?;
    for mut body in wanted(args, urls) {
        let same =
            |source: &&Value| ["type", "url", "urls"].iter().all(|name| source.get(*name) == body.get(*name));
        if let Some(source) = list(&known, "sources").iter().find(same) {
            let id = text(source, "/id");
            let path = format!("/v1/quarry/sources/{id}/refresh");
            client.call("POST", &path, Some(&json!({ "force": args.force })))?;
            begun.push(id.to_owned());
            continue;
        }
        if let Some(map) = body.as_object_mut() {
            map.insert("knowledgeBase".to_owned(), base.into());
            map.insert("tags".to_owned(), tags.clone().into());
            map.insert("robots".to_owned(), (!args.no_robots).into());
            for (name, value) in [("maxPages", args.max_pages), ("maxDepth", args.max_depth)] {
                if let Some(value) = value {
                    map.insert(name.to_owned(), value.into());
                }
            }
            if let Some(every) = &args.refresh_every {
                map.insert("refreshEvery".to_owned(), every.as_str().into());
            }
        }
        let made = client.call("POST", "/v1/quarry/sources", Some(&body))?;
        begun.push(text(&made, "/source/id").to_owned());
    }
    Ok(begun)
}

/// Shows progress until the run of a source is over, and adds up its pages. Ctrl-C stops the run.
pub(super) fn follow(
    client: &Client,
    id: &str,
    interrupt: &Interrupt,
    tally: &mut Tally,
) -> Result<(), String> {
    let (mut bar, mut heard, mut stopped) = (Bar::new(), Instant::now(), false);
    let path = format!("/v1/quarry/sources/{id}");
    let source = loop {
        let answer = client.try_call("GET", &path, None);
        match answer {
            Ok((status, answer)) if status < 500 => {
                heard = Instant::now();
                let answer = success((status, answer))?;
                let source = answer.get("source").cloned().unwrap_or_default();
                let Some(job) = source.get("job") else { break source };
                let (done, total) = (number(job, "/done"), number(job, "/total"));
                let note = match number(job, "/indexing") {
                    0 => format!("{done}/{total} pages {}", text(job, "/stage")),
                    files => format!("{done}/{total} pages, {files} files to index"),
                };
                bar.show(share(done, total), &note);
                if interrupt.is_pressed() && !stopped {
                    let job = format!("/v1/quarry/jobs/{}", text(job, "/id"));
                    stopped = client.try_call("DELETE", &job, None).is_ok();
                }
            }
            other if heard.elapsed() > PATIENCE => {
                let why = other.and_then(success).err().unwrap_or_default();
                return Err(format!("{why}; the source goes on when the server is back"));
            }
            _ => {}
        }
        std::thread::sleep(POLL_EVERY);
    };
    bar.clear();
    let pages = |name: &str| usize::try_from(number(&source, &format!("/lastRun/pages/{name}"))).unwrap_or(0);
    tally.done += pages("fetched");
    tally.unchanged += pages("unchanged");
    tally.skipped += pages("skipped");
    let name = text(&source, "/name");
    bar.say(&format!(
        "{name}: {} pages fetched, {} unchanged, {} skipped, {} failed, {} retired",
        pages("fetched"),
        pages("unchanged"),
        pages("skipped"),
        pages("failed"),
        pages("retired")
    ));
    let failed = client.call("GET", &format!("{path}/pages?status=failed&pageSize=1000"), None)?;
    let named = list(&failed, "pages");
    for page in named {
        tally.fail(text(page, "/url"), text(page, "/reason"));
    }
    tally.failures += pages("failed").saturating_sub(named.len());
    let files = number(&source, "/files/failed");
    if files > 0 {
        tally.fail(
            name,
            &format!("{files} pages were fetched but could not be indexed; their files name the reason"),
        );
    }
    match text(&source, "/status") {
        "completed" => {}
        "cancelled" => tally.fail(name, "cancelled"),
        _ => tally.fail(name, text(&source, "/lastRun/error")),
    }
    Ok(())
}
