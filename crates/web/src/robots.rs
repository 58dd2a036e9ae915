//! robots.txt as RFC 9309 has it: groups of rules by product token, the longest matching rule decides.

use crate::pattern::fits;
use crate::text::decode;
use std::time::Duration;
use url::Url;

/// Our product token: what a site's `User-agent` lines name.
pub const AGENT: &str = "quarry";

/// Bytes read of a file; RFC 9309 asks for at least 500 KiB.
const MAX_BYTES: usize = 500 << 10;
const MAX_RULES: usize = 10_000;
const MAX_SITEMAPS: usize = 100;
/// Longer pauses are a wish to be left alone; pages would take days.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// What one site allows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Robots {
    rules: Vec<Rule>,
    delay: Option<Duration>,
    sitemaps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allow: bool,
    path: String,
}

/// Rules of the groups for one agent.
#[derive(Default)]
struct Group {
    named: bool,
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

impl Robots {
    /// No rules: what a site without the file says.
    #[must_use]
    pub fn allow_all() -> Self {
        Self { rules: Vec::new(), delay: None, sitemaps: Vec::new() }
    }

    /// Nothing allowed: what a site whose file cannot be reached is taken to say.
    #[must_use]
    pub fn deny_all() -> Self {
        let rules = vec![Rule { allow: false, path: "/".to_owned() }];
        Self { rules, ..Self::allow_all() }
    }

    /// Reads the rules for [`AGENT`], or for everyone when it is not named. Whatever cannot be read is
    /// passed over; of larger files the first 500 KiB count.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let cut = bytes.get(..MAX_BYTES).map_or(bytes, |head| {
            // A rule cut in half could allow or forbid too much.
            let end = head.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0);
            head.get(..end).unwrap_or(head)
        });
        let text = decode(cut, "text/plain; charset=utf-8");
        let (mut ours, mut everyone) = (Group::default(), Group::default());
        let mut sitemaps = Vec::new();
        let (mut for_us, mut for_all, mut in_agents) = (false, false, false);
        for line in text.split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "user-agent" | "useragent" => {
                    if !in_agents {
                        (for_us, for_all) = (false, false);
                    }
                    in_agents = true;
                    for_us |= token(value).eq_ignore_ascii_case(AGENT);
                    for_all |= value.starts_with('*');
                    ours.named |= for_us;
                }
                "allow" | "disallow" => {
                    in_agents = false;
                    // An empty rule matches nothing.
                    if !value.is_empty() {
                        let rule = Rule { allow: name == "allow", path: normalised(value) };
                        for (_, group) in
                            [(for_us, &mut ours), (for_all, &mut everyone)].into_iter().filter(|(on, _)| *on)
                        {
                            if group.rules.len() < MAX_RULES {
                                group.rules.push(rule.clone());
                            }
                        }
                    }
                }
                "crawl-delay" => {
                    in_agents = false;
                    let seconds = value.parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0);
                    let delay = seconds.map(|s| Duration::from_secs_f64(s.min(MAX_DELAY.as_secs_f64())));
                    if for_us {
                        ours.delay = ours.delay.or(delay);
                    }
                    if for_all {
                        everyone.delay = everyone.delay.or(delay);
                    }
                }
                "sitemap" if sitemaps.len() < MAX_SITEMAPS => sitemaps.push(value.to_owned()),
                _ => {}
            }
        }
        let group = if ours.named { ours } else { everyone };
        Self { rules: group.rules, delay: group.delay, sitemaps }
    }

    /// Whether a page may be fetched.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        if url.path() == "/robots.txt" {
            return true;
        }
        let path = match url.query() {
            None => normalised(url.path()),
            Some(query) => normalised(&format!("{}?{query}", url.path())),
        };
        let fitting = self.rules.iter().filter(|rule| covers(&rule.path, &path));
        // Of two rules of one length, the one that allows.
        let decisive = fitting.max_by_key(|rule| (rule.path.len(), rule.allow));
        decisive.is_none_or(|rule| rule.allow)
    }

    /// The pause between requests that the site asks for, at most 30 s.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// The sitemaps it names, as written.
    #[must_use]
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }
}

/// The product token at the start of a `User-agent` value.
fn token(value: &str) -> &str {
    let end = value.find(|c: char| !(c.is_ascii_alphabetic() || c == '-' || c == '_'));
    value.get(..end.unwrap_or(value.len())).unwrap_or(value)
}

/// One spelling of percent-encodings: unreserved characters bare, all others that need it in upper case.
fn normalised(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    let encode = |out: &mut String, byte: u8| {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        out.push('%');
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(HEX.get(usize::from(digit)).copied().unwrap_or(b'0')));
        }
    };
    while let Some(byte) = bytes.next() {
        let escaped = (byte == b'%').then(|| {
            let mut ahead = bytes.clone();
            let (high, low) = (ahead.next()?, ahead.next()?);
            let digit = |byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            Some((digit(high)? * 16 + digit(low)?, ahead))
        });
        match escaped.flatten() {
            Some((decoded, ahead)) => {
                bytes = ahead;
                if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) {
                    out.push(char::from(decoded));
                } else {
                    encode(&mut out, decoded);
                }
            }
            None if byte.is_ascii_graphic() => out.push(char::from(byte)),
            None => encode(&mut out, byte),
        }
    }
    out
}

/// Whether a rule's path stands for a beginning of `path`: `*` for any run, a final `$` for the end.
fn covers(rule: &str, path: &str) -> bool {
    let (rule, to_end) = rule.strip_suffix('$').map_or((rule, false), |rule| (rule, true));
    fits(rule, path, to_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allows(file: &str, path: &str) -> bool {
        Robots::parse(file.as_bytes()).allows(&crate::parse(&format!("https://x.example{path}")).unwrap())
    }

    #[test]
    fn the_longest_rule_decides_and_allow_wins_a_tie() {
        let file = "User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /a/b/c\nDisallow: /t\nAllow: /t\n";
        for (path, fine) in [("/", true), ("/a", false), ("/ax", false), ("/a/b/x", true), ("/a/b/c", false)]
        {
            assert_eq!(allows(file, path), fine, "{path}");
        }
        assert!(allows(file, "/t") && allows(file, "/robots.txt"));
    }

    #[test]
    fn groups_are_chosen_and_joined() {
        let file = "user-agent: Other\nuser-agent: QUARRY/2.0 # we\nDisallow: /ours\n\nUser-agent: *\n\
                    Disallow: /\nCrawl-delay: 7\n\nUser-agent: quarry\nDisallow: /more\nCrawl-delay: 0.5\n";
        assert!(allows(file, "/any") && !allows(file, "/ours/x") && !allows(file, "/more"));
        assert_eq!(Robots::parse(file.as_bytes()).delay(), Some(Duration::from_millis(500)));
        assert!(!allows("User-agent: *\nDisallow: /\n", "/any"));
        assert!(allows("User-agent: quarrybot\nDisallow: /\n", "/any"), "another product");
        assert!(allows("User-agent: quarry\n\nUser-agent: *\nDisallow:\n", "/any"));
        assert!(!allows("User-agent: quarry\n\nUser-agent: *\nDisallow: /\n", "/any"), "one group");
        assert!(allows("Disallow: /\n", "/any"), "a rule before any agent");
    }

    #[test]
    fn special_characters() {
        let file = "User-agent: *\nDisallow: /*.php$\nDisallow: /q*z/\nDisallow: /%7Euser\nDisallow: /ü\n\
                    Disallow: /x?id=\r\nDisallow: /e$\n";
        for (path, fine) in [
            ("/a.php", false),
            ("/a.php?x", true),
            ("/q/1/z/2", false),
            ("/qz", true),
            ("/~user/", false),
            ("/%C3%BC", false),
            ("/x?id=3", false),
            ("/x", true),
            ("/e", false),
            ("/e/f", true),
        ] {
            assert_eq!(allows(file, path), fine, "{path}");
        }
    }

    #[test]
    fn odd_files() {
        for odd in
            ["", "\u{feff}", "<html>no robots here</html>", "Disallow", ":::\n:", "User-agent:\nDisallow: /"]
        {
            assert!(allows(odd, "/"), "{odd:?}");
        }
        assert!(!allows("\u{feff}User-agent: *\nDisallow: /\n", "/x"));
        let mut long = b"User-agent: *\nDisallow: /first\n".to_vec();
        long.extend(std::iter::repeat_n(b'#', 600 << 10));
        long.extend(b"\nDisallow: /last\n");
        let robots = Robots::parse(&long);
        assert!(!robots.allows(&crate::parse("https://x.example/first").unwrap()));
        assert!(robots.allows(&crate::parse("https://x.example/last").unwrap()), "beyond 500 KiB");
        let named = Robots::parse(b"Sitemap: https://x.example/a.xml\nsitemap:/b.xml\n");
        assert_eq!(named.sitemaps(), ["https://x.example/a.xml", "/b.xml"]);
        assert!(!Robots::deny_all().allows(&crate::parse("https://x.example/").unwrap()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400), path in "/\\PC{0,30}") {
            let robots = Robots::parse(&bytes);
            if let Ok(url) = crate::parse(&format!("https://x.example{path}")) {
                let _ = robots.allows(&url);
            }
        }
    }
}
