//! Web search: what is asked of a metasearch engine's JSON interface, and what it answers.

use crate::{Error, urls};
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

/// Engines named as silent.
const MAX_SILENT: usize = 50;

/// How recent results must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last 24 hours.
    Day,
    /// The last seven days.
    Week,
    /// The last 30 days.
    Month,
}

impl Window {
    /// Reads `24h`, `7d` or `30d`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "24h" => Some(Self::Day),
            "7d" => Some(Self::Week),
            "30d" => Some(Self::Month),
            _ => None,
        }
    }

    /// The word that [`Window::parse`] reads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub fn as_ms(self) -> i64 {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        };
        days * 24 * 3_600_000
    }
}

/// A search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchSpec {
    /// The words.
    pub query: String,
    /// Only results of these domains and what lies below them; any when empty.
    pub include_domains: Vec<String>,
    /// No results of these domains.
    pub exclude_domains: Vec<String>,
    /// Only results this recent.
    pub window: Option<Window>,
}

impl SearchSpec {
    /// Path and query of one page of results (the first is 1) of a SearXNG-style engine.
    #[must_use]
    pub fn path(&self, page: u32) -> String {
        let mut words = self.query.clone();
        // Engines take one such word; what they give is checked whatever they make of it.
        if let [domain] = self.include_domains.as_slice() {
            words.push_str(&format!(" site:{domain}"));
        }
        let mut query = Serializer::new(String::new());
        query.append_pair("q", &words).append_pair("format", "json").append_pair("pageno", &page.to_string());
        if let Some(window) = self.window {
            let range = match window {
                Window::Day => "day",
                Window::Week => "week",
                Window::Month => "month",
            };
            query.append_pair("time_range", range);
        }
        format!("search?{}", query.finish())
    }

    /// Whether a result is wanted.
    #[must_use]
    pub fn admits(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let below = |domain: &String| {
            let domain = domain.trim_start_matches('.');
            host.eq_ignore_ascii_case(domain)
                || host
                    .len()
                    .checked_sub(domain.len() + 1)
                    .and_then(|at| Some((host.get(at..=at)?, host.get(at + 1..)?)))
                    .is_some_and(|(dot, tail)| dot == "." && tail.eq_ignore_ascii_case(domain))
        };
        (self.include_domains.is_empty() || self.include_domains.iter().any(below))
            && !self.exclude_domains.iter().any(below)
    }
}

/// One result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// Where.
    pub url: Url,
    /// Its title.
    pub title: String,
    /// What the engine shows of it.
    pub snippet: String,
    /// When it was published, as the engine says.
    pub published: Option<String>,
}

/// An answer of a search engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchAnswer {
    /// The results, best first.
    pub hits: Vec<SearchHit>,
    /// (engine, why) of engines behind it that did not answer: what they would have found is unknown.
    pub silent: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Raw>,
    /// Pairs of name and reason, or names alone.
    #[serde(default, rename = "unresponsive_engines")]
    silent: Value,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default, rename = "publishedDate")]
    published: Option<String>,
}

impl SearchAnswer {
    /// Reads an answer; results without a usable URL are left out.
    ///
    /// # Errors
    /// [`Error::Results`] when it is no such JSON.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let answer: Answer = serde_json::from_slice(bytes).map_err(|cause| Error::Results {
            problem: format!("it is not JSON with results ({cause}); allow the json format in its settings"),
        })?;
        let hit = |raw: Raw| {
            let cut = |text: Option<String>, most| text.unwrap_or_default().chars().take(most).collect();
            Some(SearchHit {
                url: urls::parse(raw.url.as_deref()?).ok()?,
                title: cut(raw.title, 300),
                snippet: cut(raw.content, 1_000),
                published: raw.published.map(|moment| moment.chars().take(64).collect()),
            })
        };
        let hits = answer.results.into_iter().filter_map(hit).collect();
        let silent = answer.silent.as_array().into_iter().flatten().take(MAX_SILENT).map(silent).collect();
        Ok(Self { hits, silent })
    }
}

fn silent(engine: &Value) -> (String, String) {
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).unwrap_or_default().chars().take(100).collect::<String>()
    };
    match engine {
        Value::Array(pair) => (text(pair.first()), text(pair.get(1))),
        name => (text(Some(name)), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions() {
        let mut spec = SearchSpec { query: "a b&c".into(), ..SearchSpec::default() };
        assert_eq!(spec.path(1), "search?q=a+b%26c&format=json&pageno=1");
        spec.include_domains = vec!["x.example".into()];
        spec.window = Some(Window::Week);
        assert_eq!(spec.path(2), "search?q=a+b%26c+site%3Ax.example&format=json&pageno=2&time_range=week");
        for word in ["24h", "7d", "30d"] {
            assert_eq!(Window::parse(word).unwrap().as_str(), word);
        }
        assert_eq!(Window::parse("1y"), None);
    }

    #[test]
    fn domains() {
        let spec = |include: &[&str], exclude: &[&str]| SearchSpec {
            include_domains: include.iter().map(|d| (*d).to_owned()).collect(),
            exclude_domains: exclude.iter().map(|d| (*d).to_owned()).collect(),
            ..SearchSpec::default()
        };
        let url = crate::parse("https://docs.x.example/a").unwrap();
        assert!(spec(&[], &[]).admits(&url) && spec(&["x.example"], &[]).admits(&url));
        assert!(!spec(&["x.example"], &["docs.x.example"]).admits(&url));
        assert!(!spec(&["s.x.example"], &[]).admits(&url) && !spec(&["example.x"], &[]).admits(&url));
        assert!(!spec(&["y.example"], &[]).admits(&url) && spec(&[], &["cs.x.example"]).admits(&url));
    }

    #[test]
    fn answers() {
        let json = r#"{"query":"q","results":[{"url":"https://x.example/a#b","title":"A","content":"c",
            "publishedDate":"2024-05-01T00:00:00","engine":"e"},{"url":"ftp://x/","title":"no"},{"title":"no url"}]}"#;
        let SearchAnswer { hits, silent } = SearchAnswer::read(json.as_bytes()).unwrap();
        assert!(silent.is_empty());
        assert_eq!(hits.len(), 1);
        assert_eq!((hits[0].url.as_str(), hits[0].title.as_str()), ("https://x.example/a", "A"));
        assert!(SearchAnswer::read(b"<html>").is_err());
        assert_eq!(SearchAnswer::read(b"{}").unwrap(), SearchAnswer::default());
        let json = br#"{"results":[],"unresponsive_engines":[["bing","timeout"],"brave",[]]}"#;
        let pair = |name: &str, why: &str| (name.to_owned(), why.to_owned());
        let silent = SearchAnswer::read(json).unwrap().silent;
        assert_eq!(silent, [pair("bing", "timeout"), pair("brave", ""), pair("", "")]);
    }
}
