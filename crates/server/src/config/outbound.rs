//! The settings of requests that leave the server: what users may fetch, and the language model.
//!
//! Turns texts into what `quarry-fetch` takes. Invariant: a refused value names its setting.

use super::{ConfigError, wrong};
use quarry_fetch::chat::ChatSettings;
use quarry_fetch::{Allow, Endpoint, Ports};

/// What users may fetch.
pub(super) fn client(
    allow: Option<Vec<String>>,
    ports: Option<Vec<String>>,
    contact: Option<String>,
) -> Result<quarry_fetch::Settings, ConfigError> {
    let allow = allow.unwrap_or_default();
    let entries = allow.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty());
    let allow: Result<Vec<Allow>, _> = entries.map(str::parse).collect();
    let allow = allow.map_err(|cause| wrong("fetch_allow", format!("is wrong: {cause}")))?;
    let ports = Ports::parse(&ports.unwrap_or_default())
        .map_err(|cause| wrong("fetch_ports", format!("is wrong: {cause}")))?;
    let mut settings = quarry_fetch::Settings { allow, ports, ..quarry_fetch::Settings::default() };
    if let Some(contact) = contact {
        settings.contact = contact;
    }
    settings.validate().map_err(|cause| wrong("fetch_contact", format!("is wrong: {cause}")))?;
    Ok(settings)
}

/// The search engine's address; an empty one counts as not set.
pub(super) fn search_engine(url: Option<String>) -> Result<Option<Endpoint>, ConfigError> {
    let url = url.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let parsed = url.map(|url| Endpoint::parse(&url)).transpose();
    parsed.map_err(|cause| wrong("search_url", format!("is wrong: {cause}")))
}

/// The language model's settings; empty values count as not set, so that a deployment's file of
/// variables may list them all.
pub(super) fn language_model(
    url: Option<String>,
    api_key: Option<String>,
    model: Option<String>,
) -> Result<Option<ChatSettings>, ConfigError> {
    let given =
        |value: Option<String>| value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (url, api_key, model) = (given(url), given(api_key), given(model));
    let Some(url) = url else {
        return match (api_key, model) {
            (None, None) => Ok(None),
            _ => Err(wrong("llm_url", "is missing, but llm_api_key or llm_model is set; set it too")),
        };
    };
    let Some(model) = model else {
        return Err(wrong("llm_model", "is missing, but llm_url is set; name the model to use"));
    };
    let settings = ChatSettings::new(url, model, api_key);
    settings.validate().map_err(|cause| match cause {
        quarry_fetch::Error::Url { problem } => wrong("llm_url", problem),
        other => wrong("llm_api_key", format!("is wrong: {other}")),
    })?;
    Ok(Some(settings))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Settings;

    #[test]
    fn what_users_may_fetch() {
        let list = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
        let base = Settings::default;
        let fetch_allow = list(&[" 10.0.0.0/8", "", "wiki.intra", "::1"]);
        let fetch_ports = list(&["8080", "9000-9009"]);
        let fetch_contact = Some("mail@example.org".to_owned());
        let set = Settings { fetch_allow, fetch_ports, fetch_contact, ..base() }.resolve().unwrap().fetch;
        assert_eq!((set.allow.len(), set.contact.as_str()), (3, "mail@example.org"));
        let fetch = quarry_fetch::Client::new(set).unwrap();
        let public = quarry_fetch::Policy::Public;
        for url in ["http://10.1.2.3:9009/", "http://[::1]/", "http://wiki.intra:8080/"] {
            fetch.check(url, &public).unwrap();
        }
        assert!(fetch.check("http://10.1.2.3:9010/", &public).is_err());
        assert!(fetch.check("http://11.1.2.3:9010/", &public).is_err());

        let message = |settings: Settings| settings.resolve().unwrap_err().to_string();
        for bad in ["10.0.0.0/40", "http://wiki", "*"] {
            let said = message(Settings { fetch_allow: list(&[bad]), ..base() });
            assert!(said.contains("fetch_allow") && said.contains(bad), "{said}");
        }
        assert!(message(Settings { fetch_ports: list(&["http"]), ..base() }).contains("fetch_ports"));
        let contact = Some("a\nb".to_owned());
        assert!(message(Settings { fetch_contact: contact, ..base() }).contains("fetch_contact"));
    }

    #[test]
    fn the_language_model_is_whole_or_absent() {
        let set = |url: &str, key: &str, model: &str| {
            let (url, key, model) = (Some(url.into()), Some(key.into()), Some(model.into()));
            Settings { llm_url: url, llm_api_key: key, llm_model: model, ..Settings::default() }.resolve()
        };
        assert!(set("", " ", "").unwrap().llm.is_none());
        let config = set("http://127.0.0.1:11434/v1", "sk-secret", "tiny").unwrap();
        assert!(!format!("{config:?}").contains("sk-secret"));
        assert_eq!(config.llm.unwrap().model, "tiny");
        for (url, key, model, named) in [
            ("", "k", "", "llm_url"),
            ("", "", "m", "llm_url"),
            ("http://x", "", "", "llm_model"),
            ("x", "", "m", "llm_url"),
            ("http://u:p@x", "", "m", "llm_url"),
            ("http://x", "a b", "m", "llm_api_key"),
        ] {
            let message = set(url, key, model).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }
}
