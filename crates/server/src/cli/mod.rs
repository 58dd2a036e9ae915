//! The command line: one server command, the hidden extraction and script children, and small clients of a
//! running server.

mod client;
mod commands;
mod eval;
mod extract;
mod http;
mod ingest;
mod interrupt;
mod output;
mod quota;
mod stop;
mod tables;
mod tune;

use crate::config::Settings;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use stop::Failure;

/// Work on blocking threads gets this long when the server stops.
const BLOCKING_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Parser)]
#[command(name = "quarry", version, about = "Self-hosted knowledge-base retrieval and tables engine")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<Settings>),
    /// Make, list and revoke tokens of single bots
    #[command(subcommand)]
    Token(commands::TokenCommand),
    /// Show what bots use of their limits, and check the counters
    #[command(subcommand)]
    Quota(quota::QuotaCommand),
    /// Bring files and websites into a knowledge base and wait until they can be searched
    Ingest(Box<ingest::Ingest>),
    /// Search the files of a bot
    Search(commands::SearchArgs),
    /// Ask a question and print the answer with its citations
    Ask(commands::AskArgs),
    /// Extract the text of files on this machine, without a server
    Extract(extract::Extract),
    /// Measure retrieval on a set in the BEIR layout, in a temporary store
    Eval(Box<eval::EvalArgs>),
    /// Try search settings on a set in the BEIR layout and recommend the best
    Tune(Box<tune::TuneArgs>),
    /// Import, export and query tables
    #[command(subcommand)]
    Tables(Box<tables::TablesCommand>),
    /// Extract one document (started by the server, never by people)
    #[command(hide = true, name = "extract-worker")]
    ExtractWorker,
    /// Run the code of computed columns (started by the server, never by people)
    #[command(hide = true, name = "script-worker")]
    ScriptWorker,
}

/// Runs the command line; the exit code is 0 only on success.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::ExtractWorker => return quarry_extract::worker_main(),
        Command::ScriptWorker => return quarry_script::worker_main(),
        Command::Serve(settings) => serve(*settings),
        Command::Token(command) => commands::token(command),
        Command::Quota(command) => quota::run(command),
        Command::Ingest(args) => ingest::run(&args),
        Command::Search(args) => commands::search(&args),
        Command::Ask(args) => commands::ask(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Eval(args) => return exit(eval::eval(&args)),
        Command::Tune(args) => return exit(tune::tune(&args)),
        Command::Tables(command) => tables::run(*command),
    };
    exit(result.map_err(Failure::from))
}

fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            let _ = writeln!(std::io::stderr(), "quarry: {message}");
            ExitCode::from(code)
        }
    }
}

fn serve(settings: Settings) -> Result<(), String> {
    let config = settings.resolve().map_err(|cause| cause.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| format!("cannot start threads: {cause}"))?;
    let ended = runtime.block_on(Box::pin(crate::serve::run(config))).map_err(|cause| cause.to_string());
    // Everything acknowledged is on disk; native code on blocking threads should end before the process.
    runtime.shutdown_timeout(BLOCKING_GRACE);
    ended
}
