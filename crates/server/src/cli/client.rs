//! A connection to a running server as the commands use it.

use super::http::{Request, Target, send};
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where a server listens unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:7700";

/// Which server, as whom.
#[derive(Debug, Clone, Args)]
pub(super) struct Connection {
    /// Base URL of the server [default: http://127.0.0.1:7700]
    #[arg(long, env = "QUARRY_URL")]
    url: Option<String>,
    /// Bearer token [default: the admin token kept in the data folder]
    #[arg(long, env = "QUARRY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Data folder to read the admin token from
    #[arg(long, env = "QUARRY_DATA_DIR", default_value = "quarry-data")]
    data_dir: PathBuf,
}

impl Connection {
    /// Whether the caller named a server.
    pub(super) fn names_server(&self) -> bool {
        self.url.is_some()
    }

    /// The server asked.
    pub(super) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or(DEFAULT_URL)
    }

    /// The data folder named, or the one a server started here would use.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Checks the URL and finds the token.
    pub(super) fn open(&self, bot: &str) -> Result<Client, String> {
        let token = match (&self.token, std::env::var("QUARRY_ADMIN_TOKEN")) {
            (Some(token), _) => token.clone(),
            (None, Ok(token)) => token,
            (None, Err(_)) => self.kept_token()?,
        };
        Ok(Client { target: Target::parse(self.url())?, token, bot: bot.to_owned() })
    }

    fn kept_token(&self) -> Result<String, String> {
        let path = quarry_store::DataPaths::new(&self.data_dir).admin_token();
        let text = std::fs::read_to_string(&path).map_err(|cause| {
            format!(
                "no token: pass --token or set QUARRY_TOKEN ({} is not readable: {cause})",
                path.display()
            )
        })?;
        Ok(text.trim().to_owned())
    }
}

/// Speaks to one server for one bot.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    token: String,
    bot: String,
}

impl Client {
    /// Sends a JSON body (or none) and gives the JSON answer of a success.
    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let authorization = format!("Bearer {}", self.token);
        let mut headers =
            vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        if !self.bot.is_empty() {
            headers.push(("x-bot-id", self.bot.as_str()));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request { method, path, headers: &headers, body: body.as_bytes() };
        success(send(&self.target, &request)?)
    }

    /// Puts bytes on an upload URL of this server.
    pub(super) fn upload(&self, url: &str, content_type: &str, bytes: &[u8]) -> Result<(), String> {
        let path_at = url.find("/v1/").ok_or("the server gave an upload URL this command cannot use")?;
        let path = url.get(path_at..).unwrap_or("/");
        let headers = [("content-type", content_type)];
        success(send(&self.target, &Request { method: "PUT", path, headers: &headers, body: bytes })?)?;
        Ok(())
    }
}

fn success((status, body): (u16, Value)) -> Result<Value, String> {
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let message = body.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    Err(format!("the server refused ({status}): {message}"))
}
