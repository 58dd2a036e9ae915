//! One spelling per page: parsing, resolving and normalising URLs, and which belong to one site.

use crate::Error;
use crate::error::shortened;
use url::Url;

/// Longest URL of a page, in characters.
pub const MAX_URL_CHARS: usize = 2048;

/// Parameters that name where a visitor came from and never which page it is.
const TRACKING: [&str; 6] = ["gclid", "fbclid", "msclkid", "mc_cid", "mc_eid", "igshid"];

/// An absolute URL as given by a person or a sitemap, normalised.
///
/// # Errors
/// [`Error::Url`] when it is not absolute, not http(s), carries a user name or is too long.
pub fn parse(text: &str) -> Result<Url, Error> {
    let wrong = |problem| Error::Url { url: shortened(text), problem };
    if text.chars().nth(MAX_URL_CHARS).is_some() {
        return Err(wrong("it has more than 2048 characters"));
    }
    let url = Url::parse(text.trim()).map_err(|_| wrong("write it as https://host/path"))?;
    normalised(url).map_err(wrong)
}

/// A reference found on the page `base`, normalised.
///
/// # Errors
/// As [`parse`].
pub fn resolve(base: &Url, reference: &str) -> Result<Url, Error> {
    let wrong = |problem| Error::Url { url: shortened(reference), problem };
    if reference.len() > 4 * MAX_URL_CHARS {
        return Err(wrong("it has more than 2048 characters"));
    }
    let url = base.join(reference.trim()).map_err(|_| wrong("it is malformed"))?;
    normalised(url).map_err(wrong)
}

fn normalised(mut url: Url) -> Result<Url, &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it must start with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a user name or password");
    }
    if url.host_str().is_none_or(|host| host.trim_matches('.').is_empty()) {
        return Err("it has no host");
    }
    url.set_fragment(None);
    let tracked = |name: &str| {
        let lower = name.to_ascii_lowercase();
        lower.starts_with("utm_") || TRACKING.contains(&lower.as_str())
    };
    if let Some(query) = url.query() {
        let name_of = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        if query.is_empty() || query.split('&').any(|pair| tracked(&name_of(pair))) {
            let kept: Vec<&str> = query.split('&').filter(|pair| !tracked(&name_of(pair))).collect();
            let kept = kept.join("&");
            url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
        }
    }
    if url.as_str().len() > MAX_URL_CHARS {
        return Err("it has more than 2048 characters");
    }
    Ok(url)
}

/// Host and port that pages share; `www.` and the choice between http and https make no difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    host: String,
    port: Option<u16>,
}

impl Site {
    /// The site of a page.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let host = host.strip_prefix("www.").map_or(host.as_str(), |bare| bare).to_owned();
        Self { host, port: url.port() }
    }

    /// Whether a page belongs to it.
    #[must_use]
    pub fn has(&self, url: &Url) -> bool {
        Self::of(url) == *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_per_page() {
        for (given, normal) in [
            ("HTTP://Example.COM:80", "http://example.com/"),
            ("https://example.com/a/../b?x=1&utm_source=y#frag", "https://example.com/b?x=1"),
            ("https://example.com/?utm_source=y&fbclid=z", "https://example.com/"),
            ("https://example.com/?", "https://example.com/"),
            ("https://example.com/a b", "https://example.com/a%20b"),
            (" https://bücher.example/ä ", "https://xn--bcher-kva.example/%C3%A4"),
        ] {
            assert_eq!(parse(given).unwrap().as_str(), normal);
        }
        for bad in ["", "/a", "ftp://x/y", "javascript:alert(1)", "http://u:p@x/", "http://", "mailto:a@b.c"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("https://x.example/{}", "a".repeat(2048))).is_err());
    }

    #[test]
    fn references_resolve() {
        let base = parse("https://x.example/docs/a.html").unwrap();
        let at = |reference: &str| resolve(&base, reference).map(|url| url.to_string()).ok();
        assert_eq!(at("b.html#top").as_deref(), Some("https://x.example/docs/b.html"));
        assert_eq!(at("/c").as_deref(), Some("https://x.example/c"));
        assert_eq!(at("//y.example/d").as_deref(), Some("https://y.example/d"));
        assert_eq!(at("?q=1").as_deref(), Some("https://x.example/docs/a.html?q=1"));
        for bad in ["mailto:x@y.example", "javascript:void(0)", "data:text/html,x", "tel:1"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn sites() {
        let url = |text| parse(text).unwrap();
        let site = Site::of(&url("https://www.x.example/a"));
        assert!(site.has(&url("http://x.example/b")));
        assert!(!site.has(&url("http://x.example:8080/b")));
        assert!(!site.has(&url("http://docs.x.example/b")));
    }
}
