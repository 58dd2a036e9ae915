//! The address others reach this server under.

use super::{ConfigError, wrong};

/// An absolute http(s) URL without query, without trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    path_at: usize,
}

impl PublicUrl {
    /// Checks and keeps a URL such as `https://data.example.org/quarry`.
    ///
    /// # Errors
    /// When it is not absolute http(s), has no host, or carries a query or fragment.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let text = url.trim().trim_end_matches('/').to_owned();
        let form = "must look like https://host or https://host:port/prefix, without query";
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(|| wrong("public_url", form))?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '"');
        let host_end = rest.find('/').unwrap_or(rest.len());
        if host_end == 0 || rest.contains(odd) {
            return Err(wrong("public_url", form));
        }
        let path_at = text.len() - rest.len() + host_end;
        Ok(Self { text, path_at })
    }

    /// The whole URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its path, empty or starting with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn public_urls_know_their_path() {
        let url = PublicUrl::parse("https://h.example:8443/pre/fix/").unwrap();
        assert_eq!((url.as_str(), url.path()), ("https://h.example:8443/pre/fix", "/pre/fix"));
        assert_eq!(PublicUrl::parse("http://h").unwrap().path(), "");
        for bad in ["", "h", "https://", "https:///x", "https://h/?q", "https://u@h"] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
