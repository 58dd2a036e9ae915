//! The commands that talk to a running server.

use super::client::{Client, Connection};
use crate::router::encode;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Write;

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
    let mut body = json!({ "question": args.question, "mode": args.mode });
    for (name, list) in [("knowledgeBases", &args.kb), ("tables", &args.table)] {
        if let (false, Some(fields)) = (list.is_empty(), body.as_object_mut()) {
            fields.insert(name.to_owned(), json!(list));
        }
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
