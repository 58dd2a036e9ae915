//! Which URLs of a site are wanted: patterns with `*` for any run of characters.

use crate::Error;
use crate::error::shortened;
use url::Url;

const MAX_CHARS: usize = 500;
const MAX_STARS: usize = 20;

/// A pattern over the path and query of a URL when it starts with `/`, else over the whole URL.
/// `*` stands for any run of characters, everything else for itself; the whole text must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern such as `/docs/*` or `https://example.com/*.pdf`.
    ///
    /// # Errors
    /// [`Error::Pattern`] when it is empty, too long or could match no URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let wrong = |problem| Err(Error::Pattern { pattern: shortened(text), problem });
        if text.is_empty() || text.chars().count() > MAX_CHARS {
            return wrong("must have 1 to 500 characters");
        }
        if text.matches('*').count() > MAX_STARS {
            return wrong("has more than 20 asterisks");
        }
        if !text.starts_with(['/', '*']) && !text.starts_with("http") {
            return wrong("must start with /, * or http, such as /docs/*");
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for this URL.
    #[must_use]
    pub fn matches(&self, url: &Url) -> bool {
        if !self.0.starts_with('/') {
            return fits(&self.0, url.as_str(), true);
        }
        match url.query() {
            None => fits(&self.0, url.path(), true),
            Some(query) => fits(&self.0, &format!("{}?{query}", url.path()), true),
        }
    }
}

/// Whether a pattern stands for a text (`whole`) or for a beginning of it; `*` is any run of characters.
/// Greedy: each piece between asterisks is found as early as it can be, the last one at the end.
pub(crate) fn fits(pattern: &str, text: &str, whole: bool) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return !whole || rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() && whole {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn asterisks() {
        let url = |text: &str| crate::parse(text).unwrap();
        let page = url("https://x.example/docs/v2/a.html?p=1");
        for fine in ["/docs/*", "*", "*a.html*", "/docs/*/a.html?p=1", "https://x.example/*", "/*html*=1"] {
            assert!(Pattern::parse(fine).unwrap().matches(&page), "{fine}");
        }
        for not in ["/docs", "/docs/", "/blog/*", "/docs/*.pdf", "http://x.example/*", "/docs/*/a.html"] {
            assert!(!Pattern::parse(not).unwrap().matches(&page), "{not}");
        }
        for bad in ["", "docs/*", &"*".repeat(21), &format!("/{}", "a".repeat(500))] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| slowly(rest, &text[skip..])),
            Some((c, rest)) => text.first() == Some(c) && slowly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn as_the_definition_says(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(fits(&pattern, &text, true), slowly(&p, &t));
            let beginning: Vec<char> = pattern.chars().chain(['*']).collect();
            prop_assert_eq!(fits(&pattern, &text, false), slowly(&beginning, &t));
        }
    }
}
