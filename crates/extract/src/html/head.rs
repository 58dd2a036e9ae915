//! What a page says about itself: its meta elements, links and linked data (JSON-LD).
//!
//! Bounded: the first [`MAX_VALUES`] values are kept, linked data is looked through to a fixed depth.

use crate::document::Builder;
use crate::metadata::Field;
use mail_parser::decoders::html::add_html_token;
use serde_json::Value;

/// Most values kept of one page.
const MAX_VALUES: usize = 200;

/// Deepest level of linked data looked at.
const MAX_DEPTH: usize = 6;

/// Programs that write documents as HTML rather than pages of a website.
const OFFICE: [&str; 5] = ["libreoffice", "openoffice", "microsoft word", "microsoft excel", "google docs"];

/// Facts in the order of their weight.
#[derive(Debug, Default)]
pub(super) struct Head {
    values: Vec<(u8, Field, String)>,
    title: Option<String>,
    generator: String,
    /// Types of linked data and of `og:type`, in small letters.
    pub(super) types: Vec<String>,
    /// Whether it has what only pages of websites have.
    pub(super) is_web: bool,
}

impl Head {
    /// Notes a `meta`, `link` or `html` element.
    pub(super) fn element<'v>(&mut self, element: &str, attribute: impl Fn(&str) -> Option<&'v str>) {
        match element {
            "html" => {
                if let Some(language) = attribute("lang") {
                    self.note(0, Field::Language, language);
                }
            }
            "link" => {
                let (rel, href) = (attribute("rel").unwrap_or_default(), attribute("href"));
                if rel.eq_ignore_ascii_case("canonical") && attribute("hreflang").is_none() {
                    self.is_web = true;
                    self.note(0, Field::Url, href.unwrap_or_default());
                }
            }
            _ => {
                let key = attribute("property").or(attribute("name")).or(attribute("itemprop"));
                let key = key.or(attribute("http-equiv")).unwrap_or_default().to_ascii_lowercase();
                self.meta(&key, attribute("content").unwrap_or_default());
            }
        }
    }

    fn meta(&mut self, key: &str, content: &str) {
        self.is_web |= key.starts_with("og:") || key.starts_with("twitter:");
        match key {
            "og:title" if self.title.is_none() => self.title = Some(unescape(content)),
            "og:type" => self.types.push(content.to_ascii_lowercase()),
            "generator" => self.generator = content.to_ascii_lowercase(),
            "description" => self.note(0, Field::Description, content),
            "og:description" | "twitter:description" | "dc.description" => {
                self.note(1, Field::Description, content);
            }
            "author" => self.note(0, Field::Author, content),
            // Some name a profile's address there.
            "article:author" | "dc.creator" | "dcterms.creator" | "parsely-author" | "byl"
                if !content.starts_with("http") =>
            {
                self.note(2, Field::Author, content);
            }
            "og:url" => self.note(1, Field::Url, content),
            "og:site_name" | "application-name" => self.note(0, Field::Site, content),
            "content-language" | "dc.language" => self.note(1, Field::Language, content),
            "og:locale" => self.note(2, Field::Language, content),
            "article:published_time" | "datepublished" => self.note(0, Field::Created, content),
            "date" | "dc.date" | "dcterms.created" | "dc.date.issued" | "parsely-pub-date" | "pubdate" => {
                self.note(2, Field::Created, content);
            }
            "article:modified_time"
            | "og:updated_time"
            | "datemodified"
            | "last-modified"
            | "dcterms.modified" => self.note(0, Field::Modified, content),
            _ => {}
        }
    }

    /// Notes the facts of a linked data script.
    pub(super) fn linked_data(&mut self, data: &str) {
        if let Ok(value) = serde_json::from_str::<Value>(data.trim()) {
            self.linked(&value, 0);
        }
    }

    fn linked(&mut self, value: &Value, depth: usize) {
        if depth > MAX_DEPTH || self.values.len() >= MAX_VALUES {
            return;
        }
        match value {
            Value::Array(items) => {
                items.iter().take(MAX_VALUES).for_each(|item| self.linked(item, depth + 1))
            }
            Value::Object(object) => {
                let names = object.get("@type").map(|kind| match kind {
                    Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
                    other => other.as_str().into_iter().collect::<Vec<_>>(),
                });
                let names: Vec<String> =
                    names.unwrap_or_default().into_iter().map(str::to_ascii_lowercase).collect();
                let is_work = names.iter().any(|name| {
                    ["article", "posting", "webpage", "report", "newsarticle", "qapage"]
                        .iter()
                        .any(|work| name.contains(work))
                });
                self.types.extend(names);
                if is_work {
                    self.work(object);
                }
                for key in ["@graph", "mainEntity", "mainEntityOfPage"] {
                    if let Some(inner) = object.get(key) {
                        self.linked(inner, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn work(&mut self, object: &serde_json::Map<String, Value>) {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        self.note(1, Field::Created, text("datePublished"));
        self.note(1, Field::Modified, text("dateModified"));
        self.note(2, Field::Description, text("description"));
        self.note(1, Field::Language, text("inLanguage"));
        let author = object.get("author").map(|author| match author {
            Value::Array(authors) => authors.first().unwrap_or(&Value::Null),
            other => other,
        });
        let name = author.and_then(|author| author.get("name").unwrap_or(author).as_str());
        self.note(1, Field::Author, name.unwrap_or_default());
    }

    fn note(&mut self, weight: u8, field: Field, value: &str) {
        if self.values.len() < MAX_VALUES && !value.trim().is_empty() {
            self.values.push((weight, field, unescape(value)));
        }
    }

    /// The best value of a field.
    pub(super) fn value(&self, field: Field) -> Option<&str> {
        let of_field = self.values.iter().filter(|(_, kind, _)| *kind == field);
        of_field.min_by_key(|(weight, _, _)| *weight).map(|(_, _, value)| value.as_str())
    }

    /// The program that made the page, in small letters.
    pub(super) fn generator(&self) -> &str {
        &self.generator
    }

    /// Whether a word processor wrote the page.
    pub(super) fn is_office(&self) -> bool {
        OFFICE.iter().any(|program| self.generator.contains(program))
    }

    /// Hands everything to the document.
    pub(super) fn tell(&mut self, builder: &mut Builder) {
        self.values.sort_by_key(|(weight, _, _)| *weight);
        for (_, field, value) in &self.values {
            builder.set(*field, value);
        }
    }

    /// The title for other sites, where the page has no element for it.
    pub(super) fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }
}

/// Replaces character references; unknown ones stay as they are.
pub(crate) fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.char_indices().take(12).find(|(_, c)| *c == ';').map(|(end, _)| end);
        let name = end.and_then(|end| from.get(1..end));
        let c = name.and_then(|name| match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some(' '),
            name => {
                let Some(digits) = name.strip_prefix('#') else { return named(from.get(..=end?)?) };
                let hex = digits.strip_prefix(['x', 'X']);
                let code = hex.map_or_else(|| digits.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
                code.and_then(char::from_u32)
            }
        });
        match (c, end) {
            (Some(c), Some(end)) => {
                out.push(c);
                rest = from.get(end + 1..).unwrap_or_default();
            }
            _ => {
                out.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character of `&name;`.
fn named(reference: &str) -> Option<char> {
    let mut found = String::new();
    add_html_token(&mut found, reference.as_bytes(), false);
    let mut chars = found.chars();
    chars.next().filter(|_| chars.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn facts_are_weighed() {
        let mut head = Head::default();
        let attributes = |pairs: &'static [(&str, &str)]| {
            move |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
        };
        head.element("meta", attributes(&[("property", "og:description"), ("content", "second")]));
        head.element("meta", attributes(&[("name", "Description"), ("content", "R&amp;D &#39;first&#x27;")]));
        head.element("html", attributes(&[("lang", "en-gb")]));
        head.element("link", attributes(&[("rel", "canonical"), ("href", "https://a.example/x")]));
        head.linked_data(
            r#"{"@graph":[{"@type":["NewsArticle"],"author":[{"name":"Ada Holm"}],
                "datePublished":"2026-03-01T10:00:00+01:00","dateModified":"2026-03-02"}]}"#,
        );
        head.linked_data("{broken");
        assert!(head.is_web);
        let mut builder = Builder::new(&Limits::default());
        head.tell(&mut builder);
        let facts = builder.finish().metadata;
        assert_eq!(facts.description.as_deref(), Some("R&D 'first'"));
        assert_eq!(facts.author.as_deref(), Some("Ada Holm"));
        assert_eq!(facts.language.as_deref(), Some("en-GB"));
        assert_eq!(facts.url.as_deref(), Some("https://a.example/x"));
        assert_eq!(facts.created.as_deref(), Some("2026-03-01T10:00:00+01:00"));
        assert_eq!(facts.modified.as_deref(), Some("2026-03-02"));
        assert_eq!(unescape("a & b &unknown; &#1114112; &"), "a & b &unknown; &#1114112; &");
        assert_eq!(unescape("&eacute;&mdash;&; &é; &&lt;"), "é—&; &é; &<");
    }
}
