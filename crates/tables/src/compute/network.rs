//! The world outside over the guarded client.

use super::outside::{Ask, Failure, HookCall, Outside};
use async_trait::async_trait;
use futures::FutureExt;
use quarry_fetch::chat::{Message, Options};
use quarry_fetch::{ChatModel, Client, Endpoint, Error, Limits, Method, Policy, Request};
use quarry_script::{Fetch, FetchAnswer, FetchRequest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A bot may compute for two minutes.
const HOOK_LIMITS: (Duration, Duration, u64) = (Duration::from_secs(125), Duration::from_secs(130), 40 << 20);
/// What a script may get in one request.
const SCRIPT_LIMITS: (Duration, Duration, u64) = (Duration::from_secs(20), Duration::from_secs(30), 5 << 20);
const SCRIPT_METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// A language model and bots' webhooks, reached over the network.
#[derive(Debug, Clone)]
pub struct Network {
    /// What every request passes.
    pub client: Client,
    /// The operator's model.
    pub model: Option<ChatModel>,
}

fn limits((first_byte, total, max_bytes): (Duration, Duration, u64)) -> Limits {
    Limits { first_byte, total, max_bytes, max_wire_bytes: max_bytes, ..Limits::default() }
}

fn failure(error: &Error) -> Failure {
    let text = error.to_string();
    if error.is_transient() { Failure::Passing(text) } else { Failure::Lasting(text) }
}

#[async_trait]
impl Outside for Network {
    fn has_model(&self) -> bool {
        self.model.is_some()
    }

    async fn ask(&self, ask: Ask) -> Result<String, Failure> {
        let Some(model) = &self.model else {
            return Err(Failure::Lasting("no language model is configured".into()));
        };
        let messages = [Message::system(ask.system), Message::user(ask.prompt)];
        // A JSON mode of endpoints means one object, which a wanted array is not; the words say it.
        let options = Options { temperature: Some(0.0), ..Options::default() };
        let model = ask.model.as_deref().map_or_else(|| model.clone(), |name| model.named(name));
        let done = model.complete(&messages, &options).await.map_err(|error| failure(&error))?;
        if done.is_cut {
            return Err(Failure::Lasting("the model's answer was cut off at its token limit".into()));
        }
        Ok(done.text)
    }

    async fn call(&self, call: HookCall) -> Result<String, Failure> {
        let endpoint = Endpoint::parse(&call.url).map_err(|error| failure(&error))?;
        let mut request =
            Request::post(call.url, call.body, Policy::Operator(endpoint)).limits(limits(HOOK_LIMITS));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let response = self.client.send(request).await.map_err(|error| failure(&error))?;
        let (status, fine) = (response.status, response.is_success());
        if !fine {
            let text = format!("the bot's webhook answered with status {status}");
            let passing = matches!(status, 408 | 425 | 429 | 500..=599);
            return Err(if passing { Failure::Passing(text) } else { Failure::Lasting(text) });
        }
        let body = response.bytes().await.map_err(|error| failure(&error))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

impl Network {
    /// What scripts fetch with: addresses that users may fetch, texts up to 5 MB.
    #[must_use]
    pub fn script_fetch(&self) -> Fetch {
        let client = self.client.clone();
        Arc::new(move |request| {
            let client = client.clone();
            async move { fetch(&client, request).await }.boxed()
        })
    }
}

async fn fetch(client: &Client, asked: FetchRequest) -> Result<FetchAnswer, String> {
    if !SCRIPT_METHODS.contains(&asked.method.as_str()) {
        return Err(format!("the method must be one of {}", SCRIPT_METHODS.join(", ")));
    }
    let method = Method::from_bytes(asked.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut request =
        Request { method, ..Request::get(asked.url, Policy::Public) }.limits(limits(SCRIPT_LIMITS));
    request.body = asked.body.unwrap_or_default().into();
    request.headers = asked.headers.into_iter().collect();
    let response = client.send(request).await.map_err(|error| error.to_string())?;
    let (status, url) = (response.status, response.url.clone());
    let headers: BTreeMap<String, String> = response
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let body = response.bytes().await.map_err(|error| error.to_string())?;
    Ok(FetchAnswer { status, url, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
