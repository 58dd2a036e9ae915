//! `quarry ingest`: files, folders, patterns, pages, sitemaps and websites into a knowledge base.
//!
//! Content that the server has already is not sent again, so a command that was cut off is repeated as
//! it was. Exit code 0 only when everything can be searched.

mod files;
mod web;

use super::client::Client;
use super::commands::{ForBot, list, print, text};
use super::interrupt::Interrupt;
use clap::Args;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};

/// Failures shown by name; the others are counted.
const SHOWN: usize = 20;

/// Bring files and websites into a knowledge base and wait until they can be searched.
#[derive(Debug, Args)]
pub(super) struct Ingest {
    #[command(flatten)]
    target: ForBot,
    /// Files, folders, patterns such as 'docs/**/*.md', or URLs of pages and sitemaps
    #[arg(required = true)]
    what: Vec<String>,
    /// Tags as name=value
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
    /// Knowledge base they belong to (made when absent); URLs need one
    #[arg(long)]
    kb: Option<String>,
    /// Take URLs as starts of websites and follow their links
    #[arg(long, conflicts_with = "sitemap")]
    crawl: bool,
    /// Take URLs as sitemaps, whatever they are called
    #[arg(long)]
    sitemap: bool,
    /// Most pages of each website or sitemap
    #[arg(long, value_name = "N")]
    max_pages: Option<u64>,
    /// Most links from the start of a website
    #[arg(long, value_name = "N", requires = "crawl")]
    max_depth: Option<u64>,
    /// Have the server look for changes this often, such as 12h or 7d
    #[arg(long, value_name = "TIME")]
    refresh_every: Option<String>,
    /// Do not ask robots.txt; for your own sites
    #[arg(long)]
    no_robots: bool,
    /// Send and fetch what seems unchanged too
    #[arg(long)]
    force: bool,
}

/// What a command came to.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    unchanged: usize,
    skipped: usize,
    /// (what, why).
    failed: Vec<(String, String)>,
    failures: usize,
}

impl Tally {
    fn fail(&mut self, what: &str, why: &str) {
        self.failures += 1;
        if self.failed.len() < SHOWN {
            self.failed.push((what.to_owned(), why.to_owned()));
        }
    }

    fn end(&self) -> Result<(), String> {
        let (done, unchanged, skipped, failures) = (self.done, self.unchanged, self.skipped, self.failures);
        print(&format!("{done} indexed, {unchanged} unchanged, {skipped} skipped, {failures} failed"));
        for (what, why) in &self.failed {
            let _ = writeln!(std::io::stderr(), "  {what}: {why}");
        }
        match failures {
            0 => Ok(()),
            _ => Err(format!("{failures} could not be indexed")),
        }
    }
}

fn is_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// `quarry ingest`.
pub(super) fn run(args: &Ingest) -> Result<(), String> {
    let (urls, paths): (Vec<&String>, Vec<&String>) = args.what.iter().partition(|what| is_url(what));
    if !urls.is_empty() && args.kb.is_none() {
        return Err("URLs need a knowledge base; name it with --kb".to_owned());
    }
    // Found before anything is sent: a misspelt path costs nothing.
    let mut found = Vec::new();
    for path in paths {
        found.extend(files::find(path)?);
    }
    if args.kb.is_none() {
        files::check_keys(&mut found)?;
    }
    let client = args.target.open()?;
    let interrupt = Interrupt::listen();
    let mut tags = Map::new();
    for tag in &args.tags {
        let (name, value) = tag.split_once('=').ok_or_else(|| format!("--tag {tag:?} must be NAME=VALUE"))?;
        tags.insert(name.to_owned(), value.into());
    }
    let base = args.kb.as_deref().map(|name| base_id(&client, name)).transpose()?;
    let mut tally = Tally::default();
    let mut sources = Vec::new();
    if let Some(base) = &base {
        let urls: Vec<&str> = urls.iter().map(|url| url.as_str()).collect();
        sources = web::begin(&client, args, base, &tags, &urls)?;
    }
    if let (Some(name), Some(base)) = (&args.kb, &base) {
        tags.insert("source".to_owned(), "knowledge-base".into());
        tags.insert("kbName".to_owned(), name.as_str().into());
        tags.insert("kbId".to_owned(), base.as_str().into());
        found.iter_mut().for_each(|file| file.belong(base));
        files::check_keys(&mut found)?;
    }
    files::ingest(&client, &found, &tags, args.force, &interrupt, &mut tally)?;
    for source in sources {
        web::follow(&client, &source, &interrupt, &mut tally)?;
    }
    if interrupt.is_pressed() {
        return Err("interrupted; the same command goes on where it was".to_owned());
    }
    tally.end()
}

fn base_id(client: &Client, name: &str) -> Result<String, String> {
    let all = client.call("GET", "/v1/files/knowledge-bases?pageSize=1000", None)?;
    let known = list(&all, "knowledgeBases").iter().find(|base| text(base, "/name") == name);
    if let Some(base) = known {
        return Ok(text(base, "/id").to_owned());
    }
    let made = client.call("POST", "/v1/files/knowledge-bases", Some(&json!({ "name": name })))?;
    Ok(text(&made, "/knowledgeBase/id").to_owned())
}

/// A progress bar on a terminal, plain lines elsewhere.
struct Bar {
    terminal: bool,
    last: String,
}

impl Bar {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), last: String::new() }
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }

    /// A line of its own.
    fn say(&self, line: &str) {
        self.clear();
        print(line);
    }

    /// `part` of all is done.
    fn show(&mut self, part: f64, note: &str) {
        if !self.terminal {
            return;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=30")]
        let full = (part.clamp(0.0, 1.0) * 30.0) as usize;
        let bar = format!("[{}{}] {note}", "#".repeat(full), "-".repeat(30 - full));
        if bar != self.last {
            let _ = write!(std::io::stderr(), "\r\x1b[2K{bar}");
            let _ = std::io::stderr().flush();
            self.last = bar;
        }
    }
}

/// A share of two counts.
#[allow(clippy::cast_precision_loss, reason = "a bar for people to watch")]
fn share(done: u64, total: u64) -> f64 {
    done as f64 / total.max(1) as f64
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::is_url;

    #[test]
    fn urls_and_paths() {
        assert!(
            is_url("HTTPS://x.example")
                && is_url("http://x")
                && !is_url("httpd.conf")
                && !is_url("a/http://")
        );
    }
}
