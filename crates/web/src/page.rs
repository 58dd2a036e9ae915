//! What a web page says of itself: title, description, language, links, and a hash of its words.
//!
//! One pass over the text without building a tree, so its cost is linear whatever the nesting. It
//! takes no decision on what is content; extraction does that.

use crate::directives::Directives;
use crate::text::{collapsed, decode, unescape};
use crate::urls;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use url::Url;

const MAX_LINKS: usize = 5_000;
const MAX_ATTRIBUTES: usize = 100;
const MAX_TITLE_CHARS: usize = 300;
const MAX_DESCRIPTION_CHARS: usize = 1_000;

/// A page's own statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageInfo {
    /// `<title>`, else `og:title`.
    pub title: Option<String>,
    /// `<meta name=description>`, else `og:description`.
    pub description: Option<String>,
    /// `<html lang>`.
    pub language: Option<String>,
    /// `<link rel=canonical>`.
    pub canonical: Option<Url>,
    /// `<link rel=icon>`.
    pub icon: Option<Url>,
    /// The page asks not to be indexed.
    pub no_index: bool,
    /// The page asks that its links not be followed.
    pub no_follow: bool,
    /// Where it leads, in order, each once; at most 5,000.
    pub links: Vec<Url>,
    /// SHA-256 of its words: what scripts, comments and attributes hold does not count.
    pub words: [u8; 32],
}

impl PageInfo {
    /// Reads the bytes of an HTML page served at `url`.
    #[must_use]
    pub fn read(bytes: &[u8], content_type: &str, url: &Url) -> Self {
        let text = decode(bytes, content_type);
        let mut reading = Reading {
            base: url.clone(),
            seen: HashSet::new(),
            hash: Sha256::new(),
            info: Self::default(),
            og: <_>::default(),
        };
        reading.run(&text);
        let Reading { mut info, og, hash, .. } = reading;
        let (title, description) = og;
        info.title = info.title.or(title);
        info.description = info.description.or(description);
        info.words = hash.finalize().into();
        info
    }
}

struct Reading {
    base: Url,
    seen: HashSet<String>,
    hash: Sha256,
    info: PageInfo,
    /// Title and description for social networks.
    og: (Option<String>, Option<String>),
}

impl Reading {
    fn run(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            let (before, from) = rest.split_at(at);
            self.words(before);
            rest = self.markup(from);
        }
        self.words(rest);
    }

    fn words(&mut self, text: &str) {
        for word in text.split_whitespace() {
            self.hash.update(word);
            self.hash.update([b' ']);
        }
    }

    /// Reads what starts with `<`; gives what comes after.
    fn markup<'t>(&mut self, text: &'t str) -> &'t str {
        let skip = |end: &str| text.find(end).and_then(|at| text.get(at + end.len()..)).unwrap_or("");
        let inner = text.get(1..).unwrap_or("");
        if inner.starts_with("!--") {
            return skip("-->");
        }
        if inner.starts_with(['!', '?', '/']) {
            return skip(">");
        }
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.words("<");
            return inner;
        }
        let end = inner.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(inner.len());
        let (name, tail) = inner.split_at(end);
        let name = name.to_ascii_lowercase();
        let (attributes, tail) = attributes(tail);
        self.element(&name, &attributes);
        match name.as_str() {
            "script" | "style" | "noscript" | "template" | "textarea" | "title" => {
                let (content, tail) = raw(tail, &name);
                if name == "title" {
                    let title = cut(&collapsed(&unescape(content)), MAX_TITLE_CHARS);
                    self.words(&title);
                    self.info.title = self.info.title.take().or(Some(title).filter(|t| !t.is_empty()));
                }
                tail
            }
            _ => tail,
        }
    }

    fn element(&mut self, name: &str, attributes: &[(String, String)]) {
        let get = |wanted: &str| {
            attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        match name {
            "html" => {
                let language = get("lang").map(|lang| cut(lang.trim(), 35)).filter(|lang| !lang.is_empty());
                self.info.language = self.info.language.take().or(language);
            }
            "base" => {
                if let Some(Ok(base)) = get("href").map(|href| self.base.join(href.trim())) {
                    self.base = base;
                }
            }
            "a" | "area" => {
                if let Some(href) = get("href") {
                    self.link(href);
                }
            }
            "link" => {
                let rel = get("rel").unwrap_or_default().to_ascii_lowercase();
                let target = || get("href").and_then(|href| urls::resolve(&self.base, href).ok());
                if rel.split_whitespace().any(|rel| rel == "canonical") {
                    self.info.canonical = self.info.canonical.take().or_else(target);
                } else if rel.split_whitespace().any(|rel| rel == "icon") {
                    self.info.icon = self.info.icon.take().or_else(target);
                }
            }
            "meta" => self.meta(get("name").or_else(|| get("property")), get("content")),
            _ => {}
        }
    }

    fn meta(&mut self, name: Option<&str>, content: Option<&str>) {
        let (Some(name), Some(content)) = (name, content) else { return };
        let text = |most| Some(cut(&collapsed(content), most)).filter(|text: &String| !text.is_empty());
        match name.to_ascii_lowercase().as_str() {
            "description" => {
                self.info.description = self.info.description.take().or(text(MAX_DESCRIPTION_CHARS))
            }
            "og:title" => self.og.0 = self.og.0.take().or(text(MAX_TITLE_CHARS)),
            "og:description" => self.og.1 = self.og.1.take().or(text(MAX_DESCRIPTION_CHARS)),
            "robots" | crate::AGENT => {
                let mut asked = Directives::default();
                asked.meta(content);
                self.info.no_index |= asked.no_index;
                self.info.no_follow |= asked.no_follow;
            }
            _ => {}
        }
    }

    fn link(&mut self, href: &str) {
        if self.info.links.len() >= MAX_LINKS {
            return;
        }
        if let Ok(url) = urls::resolve(&self.base, href)
            && self.seen.insert(url.as_str().to_owned())
        {
            self.info.links.push(url);
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The content up to the end tag of `name`, and what comes after the tag.
fn raw<'t>(text: &'t str, name: &str) -> (&'t str, &'t str) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("</")).map(|at| at + from) {
        let after = text.get(at + 2..).unwrap_or("");
        let same = after.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if same {
            let tail = after.find('>').and_then(|end| after.get(end + 1..)).unwrap_or("");
            return (text.get(..at).unwrap_or(""), tail);
        }
        from = at + 2;
    }
    (text, "")
}

/// The attributes up to `>`, values unescaped, and what comes after.
fn attributes(text: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (found, "");
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        // A name has at least one character, so every turn takes something.
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let end =
            rest.get(first..).and_then(|tail| tail.find(|c: char| c.is_whitespace() || "=>/".contains(c)));
        let end = end.map_or(rest.len(), |at| at + first);
        let (name, tail) = rest.split_at(end);
        let tail = tail.trim_start();
        let (value, tail) = match tail.strip_prefix('=') {
            None => ("", tail),
            Some(tail) => value(tail.trim_start()),
        };
        if found.len() < MAX_ATTRIBUTES {
            found.push((name.to_ascii_lowercase(), unescape(value)));
        }
        rest = tail;
    }
}

fn value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner.split_once(quote).unwrap_or((inner, ""));
        }
    }
    let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(html: &str) -> PageInfo {
        PageInfo::read(html.as_bytes(), "text/html", &crate::parse("https://x.example/docs/a").unwrap())
    }

    #[test]
    fn statements_of_a_page() {
        let info = read(
            r#"<!doctype html><HTML lang="en-GB"><head><title> The &amp; page
               </title><meta NAME=description content='What it is &#8212; shortly'>
               <link rel="shortcut icon" href=/f.ico><link rel=canonical href="?x=1#f">
               <meta name=robots content="noarchive, NOFOLLOW"></head>
               <body><a href="b.html">b</a><a href='/c?p=1&amp;q=2#top'>c</a><a href="b.html#again">b</a>
               <a href="mailto:x@y.example">m</a><area href=//y.example/z><a>none</a>
               <svg><title>icon</title></svg></body>"#,
        );
        assert_eq!(info.title.as_deref(), Some("The & page"));
        assert_eq!(info.description.as_deref(), Some("What it is — shortly"));
        assert_eq!(info.language.as_deref(), Some("en-GB"));
        assert_eq!(info.icon.unwrap().as_str(), "https://x.example/f.ico");
        assert_eq!(info.canonical.unwrap().as_str(), "https://x.example/docs/a?x=1");
        assert!(info.no_follow && !info.no_index);
        let links: Vec<&str> = info.links.iter().map(Url::as_str).collect();
        let expected =
            ["https://x.example/docs/b.html", "https://x.example/c?p=1&q=2", "https://y.example/z"];
        assert_eq!(links, expected);
    }

    #[test]
    fn scripts_comments_and_bases() {
        let info = read(
            r#"<base href="/other/"><script>document.write('<a href="no1">')</script>
               <!-- <a href="no2"> --><style>a{}</style><a href=yes>y</a><a title="a > b" href=two>"#,
        );
        let links: Vec<&str> = info.links.iter().map(Url::as_str).collect();
        assert_eq!(links, ["https://x.example/other/yes", "https://x.example/other/two"]);
        assert_eq!(read("<meta property=og:title content=T>").title.as_deref(), Some("T"));
    }

    #[test]
    fn only_words_decide_what_has_changed() {
        let page = |nonce: &str, word: &str| {
            read(&format!("<html><script nonce=\"{nonce}\">t={nonce}</script><!--{nonce}--><p class=\"{nonce}\">a {word}\n</p>"))
                .words
        };
        assert_eq!(page("1", "b"), page("2", "b"));
        assert_ne!(page("1", "b"), page("1", "c"));
    }

    #[test]
    fn cost_is_linear() {
        for piece in ["<a ", "<a href=\"", "<div>", "</", "<!--", "<title>", "<script>", "<a b=c ", "&", "< "]
        {
            let _ = read(&piece.repeat(200_000));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(<a href=|<title>|</title>|[<>\"'=&;/ a-c]|\\PC){0,60}") {
            for link in read(&text).links {
                prop_assert!(matches!(link.scheme(), "http" | "https") && link.fragment().is_none());
            }
        }
    }
}
