//! The commands that talk to a running server.

use super::client::{Client, Connection};
use crate::router::encode;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tokens of single bots.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token for a bot and print it once
    Create {
        #[command(flatten)]
        connection: Connection,
        /// The bot it opens
        bot: String,
        /// What it is for
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List tokens (never their text)
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Revoke a token at once
    Revoke {
        #[command(flatten)]
        connection: Connection,
        /// Its id, as listed
        id: String,
    },
}

/// Which bot of which server.
#[derive(Debug, Args)]
pub(super) struct ForBot {
    #[command(flatten)]
    connection: Connection,
    /// The bot
    #[arg(long, env = "QUARRY_BOT", default_value = "default")]
    bot: String,
}

impl ForBot {
    pub(super) fn open(&self) -> Result<Client, String> {
        self.connection.open(&self.bot)
    }
}

/// Upload files.
#[derive(Debug, Args)]
pub(super) struct Ingest {
    #[command(flatten)]
    target: ForBot,
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Tags as name=value
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
    /// Knowledge base the files belong to (made when absent)
    #[arg(long)]
    kb: Option<String>,
}

/// Search.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    target: ForBot,
    /// What to search for
    query: String,
    /// Most hits
    #[arg(long, default_value_t = 5)]
    limit: u32,
}

/// Ask.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    #[command(flatten)]
    target: ForBot,
    /// The question
    question: String,
    /// Only these knowledge bases (ids or names)
    #[arg(long)]
    kb: Vec<String>,
    /// Also these tables
    #[arg(long)]
    table: Vec<String>,
    /// Who writes the answer: extractive (sentences and values as they stand) or llm (the configured model)
    #[arg(long, default_value = "extractive")]
    mode: String,
}

pub(super) fn print(text: &str) {
    // A closed pipe is the reader's choice, not a failure.
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `quarry token …`.
pub(super) fn token(command: TokenCommand) -> Result<(), String> {
    match command {
        TokenCommand::Create { connection, bot, name } => {
            let body = json!({ "botId": bot, "name": name });
            let made = connection.open("")?.call("POST", "/v1/quarry/tokens", Some(&body))?;
            print(text(&made, "/token/token"));
        }
        TokenCommand::List { connection } => {
            let all = connection.open("")?.call("GET", "/v1/quarry/tokens", None)?;
            for token in list(&all, "tokens") {
                let (id, bot) = (text(token, "/id"), text(token, "/botId"));
                print(&format!("{id}  {bot}  {}  {}", text(token, "/createdAt"), text(token, "/name")));
            }
        }
        TokenCommand::Revoke { connection, id } => {
            let path = format!("/v1/quarry/tokens/{}", encode(&id));
            connection.open("")?.call("DELETE", &path, None)?;
            print(&format!("revoked {id}"));
        }
    }
    Ok(())
}

/// `quarry search`.
pub(super) fn search(args: &SearchArgs) -> Result<(), String> {
    let path = format!("/v1/files/search?query={}&limit={}", encode(&args.query), args.limit);
    let found = args.target.open()?.call("GET", &path, None)?;
    for hit in list(&found, "passages") {
        let score = hit.get("score").and_then(Value::as_f64).unwrap_or(0.0);
        print(&format!("{score:.3}  {}{}", text(hit, "/file/key"), page_of(hit.pointer("/meta/pageNumber"))));
        print(&indented(text(hit, "/content")));
    }
    Ok(())
}

/// `quarry ask`.
pub(super) fn ask(args: &AskArgs) -> Result<(), String> {
    let mut body = json!({ "question": args.question, "knowledgeBases": args.kb, "mode": args.mode });
    if let (false, Some(fields)) = (args.table.is_empty(), body.as_object_mut()) {
        fields.insert("tables".to_owned(), json!(args.table));
    }
    let answer = args.target.open()?.call("POST", "/v1/quarry/answer", Some(&body))?;
    if answer.get("responded").and_then(Value::as_bool) != Some(true) {
        print("no answer: nothing in the files and tables is close enough to the question");
        return Ok(());
    }
    print(text(&answer, "/answer"));
    for citation in list(&answer, "citations") {
        let place = match citation.get("rowId").and_then(Value::as_i64) {
            Some(row) => format!("{}, row {row}", text(citation, "/table")),
            None => format!("{}{}", text(citation, "/file/key"), page_of(citation.get("pageNumber"))),
        };
        print(&format!("{} {place}: “{}”", text(citation, "/token"), text(citation, "/quote")));
    }
    Ok(())
}

fn page_of(number: Option<&Value>) -> String {
    number.and_then(Value::as_u64).map(|page| format!(", page {page}")).unwrap_or_default()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// `quarry ingest`.
pub(super) fn ingest(args: &Ingest) -> Result<(), String> {
    let client = args.target.open()?;
    let mut tags = serde_json::Map::new();
    for tag in &args.tags {
        let (name, value) = tag.split_once('=').ok_or_else(|| format!("--tag {tag:?} must be NAME=VALUE"))?;
        tags.insert(name.to_owned(), value.into());
    }
    if let Some(name) = &args.kb {
        tags.insert("source".to_owned(), "knowledge-base".into());
        tags.insert("kbName".to_owned(), name.as_str().into());
        tags.insert("kbId".to_owned(), base_id(&client, name)?.into());
    }
    let mut keys = Vec::new();
    for path in &args.files {
        keys.push(upload(&client, path, &tags)?);
    }
    wait(&client, &keys)
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

fn upload(client: &Client, path: &Path, tags: &serde_json::Map<String, Value>) -> Result<String, String> {
    let unreadable = |cause: std::io::Error| format!("cannot read {}: {cause}", path.display());
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let key = path.file_name().and_then(|name| name.to_str());
    let key = key.ok_or_else(|| format!("{} has no usable name", path.display()))?.to_owned();
    let body = json!({
        "key": key,
        "size": bytes.len(),
        "index": true,
        "tags": tags,
        "metadata": { "title": key },
    });
    let made = client.call("PUT", "/v1/files", Some(&body))?;
    client.upload(text(&made, "/file/uploadUrl"), text(&made, "/file/contentType"), &bytes)?;
    Ok(key)
}

/// Shows progress until every file is searchable or has failed.
fn wait(client: &Client, keys: &[String]) -> Result<(), String> {
    let mut waiting: Vec<&String> = keys.iter().collect();
    let (mut failed, mut bar) = (0usize, Bar::new(keys.len()));
    while !waiting.is_empty() {
        let mut open = Vec::new();
        for key in waiting {
            let file = client.call("GET", &format!("/v1/files/{}", encode(key)), None)?;
            match text(&file, "/file/status") {
                "indexing_completed" => bar.say(&format!("{key}: can be searched")),
                "indexing_failed" | "upload_failed" => {
                    failed += 1;
                    bar.say(&format!("{key}: {}", text(&file, "/file/failedStatusReason")));
                }
                _ => open.push(key),
            }
        }
        let jobs = client.call("GET", "/v1/quarry/jobs", None)?;
        bar.show(keys.len() - open.len(), list(&jobs, "jobs"));
        if !open.is_empty() {
            std::thread::sleep(Duration::from_millis(150));
        }
        waiting = open;
    }
    bar.end();
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {} files could not be indexed", keys.len())),
    }
}

/// A progress bar on a terminal, one line per file elsewhere.
struct Bar {
    total: usize,
    terminal: bool,
}

impl Bar {
    fn new(total: usize) -> Self {
        Self { total, terminal: std::io::stderr().is_terminal() }
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }

    fn say(&self, line: &str) {
        self.clear();
        print(line);
    }

    fn show(&mut self, done: usize, jobs: &[Value]) {
        if !self.terminal {
            return;
        }
        let parts: f64 = jobs.iter().map(share_done).sum();
        #[allow(clippy::cast_precision_loss, reason = "a bar for people to watch")]
        let part = ((done as f64 + parts) / self.total.max(1) as f64).clamp(0.0, 1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=30")]
        let full = (part * 30.0) as usize;
        let stage = jobs.first().map_or("", |job| text(job, "/stage"));
        let bar = format!("[{}{}]", "#".repeat(full), "-".repeat(30 - full));
        let _ = write!(std::io::stderr(), "\r\x1b[2K{bar} {done}/{} files {stage}", self.total);
        let _ = std::io::stderr().flush();
    }

    fn end(&self) {
        self.clear();
    }
}

/// How far one job is: reading is the smaller half of the work, embedding the larger.
fn share_done(job: &Value) -> f64 {
    let number = |name: &str| job.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let part = if number("total") > 0.0 { number("done") / number("total") } else { 0.0 };
    match text(job, "/stage") {
        "extracting" => 0.3 * part,
        "embedding" => 0.3 + 0.65 * part,
        "publishing" => 0.95,
        _ => 0.0,
    }
}
