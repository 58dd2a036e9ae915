//! A connection to a running server as the commands use it.

use super::http::{Request, Target, fetch, send, send_from};
use clap::Args;
use serde_json::Value;
use std::io::{Read, Write};
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
        success(self.try_call(method, path, body)?)
    }

    /// The same with the status, whatever it is.
    pub(super) fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        let authorization = format!("Bearer {}", self.token);
        let mut headers =
            vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        if !self.bot.is_empty() {
            headers.push(("x-bot-id", self.bot.as_str()));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        send(&self.target, &Request { method, path, headers: &headers, body: body.as_bytes() })
    }

    /// Puts bytes on an upload URL of this server.
    pub(super) fn upload(&self, url: &str, content_type: &str, mut bytes: &[u8]) -> Result<(), String> {
        let length = bytes.len() as u64;
        self.upload_from(url, content_type, &mut bytes, length)
    }

    /// The same with bytes that are read as they are sent.
    pub(super) fn upload_from(
        &self,
        url: &str,
        content_type: &str,
        bytes: &mut dyn Read,
        length: u64,
    ) -> Result<(), String> {
        let headers = [("content-type", content_type)];
        let request = Request { method: "PUT", path: local_path(url)?, headers: &headers, body: &[] };
        success(send_from(&self.target, &request, bytes, length)?)?;
        Ok(())
    }

    /// Copies what a content URL of this server gives.
    pub(super) fn download(&self, url: &str, into: &mut dyn Write) -> Result<(), String> {
        let request = Request { method: "GET", path: local_path(url)?, headers: &[], body: &[] };
        success(fetch(&self.target, &request, into)?)?;
        Ok(())
    }
}

/// The path of a signed URL; the server may be known under another name here.
fn local_path(url: &str) -> Result<&str, String> {
    let path = url.find("/v1/").and_then(|at| url.get(at..));
    path.ok_or_else(|| "the server gave a URL this command cannot use".to_owned())
}

/// The body of a success, or the reason the server gives.
pub(super) fn success((status, body): (u16, Value)) -> Result<Value, String> {
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let message = body.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    Err(format!("the server refused ({status}): {message}"))
}
