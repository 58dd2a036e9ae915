//! The settings of computed columns.
//!
//! Invariant: a refused value names its setting.

use super::{ConfigError, wrong};
use quarry_tables::{CodeIn, Webhook};
use std::time::Duration;

/// Longest time a script may be given.
const MAX_TIMEOUT_S: u64 = 600;

/// How computed columns are filled.
#[derive(Debug, Clone)]
pub struct Computing {
    /// Scripts at the same time.
    pub script_workers: usize,
    /// How long one may run.
    pub script_timeout: Duration,
    /// Whether they may fetch.
    pub script_fetch: bool,
    /// The webhook of bots without one of their own.
    pub webhook: Option<Webhook>,
}

pub(super) fn timeout(seconds: Option<u64>) -> Result<Duration, ConfigError> {
    let seconds = seconds.unwrap_or(120);
    if (1..=MAX_TIMEOUT_S).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(wrong("script_timeout_s", format!("must be 1 to {MAX_TIMEOUT_S}, got {seconds}")))
}

/// An empty URL counts as not set.
pub(super) fn webhook(url: Option<String>, code_in: Option<String>) -> Result<Option<Webhook>, ConfigError> {
    let code_in = match code_in.as_deref().map(str::trim) {
        None | Some("" | "engine") => CodeIn::Engine,
        Some("webhook") => CodeIn::Webhook,
        Some(other) => return Err(wrong("code_in", format!("must be engine or webhook, got {other:?}"))),
    };
    let Some(url) = url.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()) else {
        return match code_in {
            CodeIn::Engine => Ok(None),
            CodeIn::Webhook => Err(wrong("bot_webhook", "is missing, but code_in is webhook; set it too")),
        };
    };
    let webhook = Webhook { url, code_in };
    webhook.check().map_err(|cause| wrong("bot_webhook", format!("is wrong: {cause}")))?;
    Ok(Some(webhook))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Settings;
    use super::*;

    #[test]
    fn the_webhook_is_whole_or_absent() {
        let set = |url: &str, code_in: &str| {
            Settings { bot_webhook: Some(url.into()), code_in: Some(code_in.into()), ..Settings::default() }
                .resolve()
        };
        assert!(set("", "").unwrap().computing.webhook.is_none());
        let webhook = set(" http://127.0.0.1:3000/bot ", "webhook").unwrap().computing.webhook.unwrap();
        assert_eq!((webhook.url.as_str(), webhook.code_in), ("http://127.0.0.1:3000/bot", CodeIn::Webhook));
        for (url, code_in, named) in
            [("bot", "", "bot_webhook"), ("", "webhook", "bot_webhook"), ("http://bot", "both", "code_in")]
        {
            let message = set(url, code_in).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
        let late = Settings { script_timeout_s: Some(0), ..Settings::default() };
        assert!(late.resolve().unwrap_err().to_string().contains("script_timeout_s"));
    }
}
