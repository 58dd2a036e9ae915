//! `quarry quota …`: what a bot may use, and whether the counters are right.

use super::client::{Client, Connection};
use crate::auth::SYSTEM_BOT;
use crate::usage::{Finding, recount};
use crate::wire::finding_body;
use clap::{Args, Subcommand};
use quarry_store::{DataPaths, RecordStore, StoreOptions};
use quarry_types::BotId;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Limits of bots and the counters behind them.
#[derive(Debug, Subcommand)]
pub(super) enum QuotaCommand {
    /// Show what a bot uses of its limits
    Show {
        #[command(flatten)]
        connection: Connection,
        /// The bot
        #[arg(long, env = "QUARRY_BOT", default_value = "default")]
        bot: String,
    },
    /// Count the records and compare with the counters; exit code 1 when one differs
    ///
    /// Without --url a data folder that no server uses is counted itself; else the running server counts.
    Recount(Recount),
}

/// Count and compare.
#[derive(Debug, Args)]
pub(super) struct Recount {
    #[command(flatten)]
    connection: Connection,
    /// Only this bot [default: all bots]
    #[arg(long)]
    bot: Option<String>,
    /// Set counters that differ to what was counted
    #[arg(long)]
    fix: bool,
}

/// The kinds counted, as answers name them.
const KINDS: [&str; 3] = ["vectors", "tableRows", "storageBytes"];

fn print(text: &str) {
    // A closed pipe is the reader's choice, not a failure.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Runs one of the commands.
pub(super) fn run(command: QuotaCommand) -> Result<(), String> {
    match command {
        QuotaCommand::Show { connection, bot } => show(&connection.open(&bot)?),
        QuotaCommand::Recount(args) => args.run(),
    }
}

fn show(client: &Client) -> Result<(), String> {
    let quota = client.call("GET", "/v1/quarry/quota", None)?;
    let Some(kinds) = quota.as_object() else { return Err("the server's answer is no object".to_owned()) };
    print(&format!("{:<20}{:>16}{:>16}{:>16}", "", "used", "reserved", "limit"));
    for (kind, holding) in kinds.iter().filter(|(_, holding)| holding.is_object()) {
        let figure = |name: &str| holding.get(name).map(Value::to_string).unwrap_or_default();
        let [used, reserved, limit] = ["used", "reserved", "limit"].map(figure);
        print(&format!("{kind:<20}{used:>16}{reserved:>16}{limit:>16}"));
    }
    Ok(())
}

/// Differences seen so far.
#[derive(Default)]
struct Report {
    bots: usize,
    open: usize,
}

impl Report {
    /// Prints one bot's lines.
    fn add(&mut self, finding: &Value) {
        let bot = finding.get("botId").and_then(Value::as_str).unwrap_or("");
        let fixed = finding.get("fixed").and_then(Value::as_bool).unwrap_or(false);
        for kind in KINDS {
            let figure = |name: &str| finding.get(kind)?.get(name)?.as_u64();
            let (counter, counted) = (figure("counter").unwrap_or(0), figure("counted").unwrap_or(0));
            let verdict = match (counter == counted, fixed) {
                (true, _) => "ok",
                (false, true) => "fixed",
                (false, false) => "differs",
            };
            self.open += usize::from(counter != counted && !fixed);
            print(&format!("{bot}  {kind}  counter {counter}  counted {counted}  {verdict}"));
        }
        self.bots += 1;
    }

    fn end(self) -> Result<(), String> {
        match self.open {
            0 => {
                print(&format!("{} bots counted, every counter is right now", self.bots));
                Ok(())
            }
            open => Err(format!("{open} counters differ from the records; run it again with --fix")),
        }
    }
}

impl Recount {
    fn run(&self) -> Result<(), String> {
        let folder = self.connection.data_dir();
        if self.connection.names_server() || !is_data_folder(folder)? {
            return self.through_server();
        }
        match quarry_store::open(folder, &StoreOptions::default()) {
            Ok(opened) => self.offline(opened.store),
            // In use, most likely by the server this command would otherwise ask.
            Err(cause @ quarry_store::Error::Open(_)) => {
                let _ =
                    writeln!(std::io::stderr(), "{cause}: asking the server at {}", self.connection.url());
                self.through_server().map_err(|refusal| format!("{refusal} ({cause})"))
            }
            Err(cause) => Err(format!("data folder {}: {cause}", folder.display())),
        }
    }

    fn offline(&self, store: Arc<dyn RecordStore>) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| format!("cannot start threads: {cause}"))?;
        let mut report = Report::default();
        runtime.block_on(async {
            let all = store.bots().await.map_err(|cause| cause.to_string())?;
            for bot in self.wanted(all)? {
                let finding: Finding =
                    recount(&store, &bot, self.fix).await.map_err(|cause| format!("bot {bot}: {cause}"))?;
                report.add(&finding_body(&finding));
            }
            Ok::<_, String>(())
        })?;
        report.end()
    }

    /// The bots to count, of those there are.
    fn wanted(&self, mut all: Vec<BotId>) -> Result<Vec<BotId>, String> {
        all.retain(|bot| bot.as_str() != SYSTEM_BOT);
        let Some(wanted) = &self.bot else { return Ok(all) };
        all.retain(|bot| bot.as_str() == wanted);
        if all.is_empty() {
            return Err(format!("bot {wanted:?} has no records here"));
        }
        Ok(all)
    }

    /// Bot by bot, so that no answer has to wait for all of them.
    fn through_server(&self) -> Result<(), String> {
        let client = self.connection.open("")?;
        let path = "/v1/admin/workspaces/wkspace_local/usages/by-bot?type=storage_count";
        let known = client.call("GET", path, None)?;
        let known = known.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let ids = known.iter().filter_map(|bot| bot.get("botId")?.as_str());
        let all = ids.filter_map(|id| BotId::parse(id).ok()).collect();
        let mut report = Report::default();
        for bot in self.wanted(all)? {
            let body = json!({ "botId": bot.as_str(), "fix": self.fix });
            let answer = client.call("POST", "/v1/quarry/quota/recount", Some(&body))?;
            let findings = answer.get("bots").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            findings.iter().for_each(|finding| report.add(finding));
        }
        report.end()
    }
}

/// Whether there is a data folder to count; opening another folder would make it one.
fn is_data_folder(folder: &Path) -> Result<bool, String> {
    let paths = DataPaths::new(folder);
    let version = paths.read_small(&paths.version()).map_err(|cause| cause.to_string())?;
    Ok(version.is_some())
}
