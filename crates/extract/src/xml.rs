//! XML events under caps: depth is counted, a document type is refused, entities are the five
//! predefined ones.

use crate::Error;
use crate::limits::Limits;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::borrow::Cow;

/// One event; an empty element gives a start and an end.
pub(crate) enum Token<'a> {
    Start(Element<'a>),
    End(String),
    Text(Cow<'a, str>),
}

/// A start tag.
pub(crate) struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// The name without its prefix.
    pub(crate) fn name(&self) -> String {
        local(self.0.name().as_ref())
    }

    /// The value of the first attribute of that name, whatever its prefix.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        // Checks for doubles take time quadratic in the number of attributes.
        let mut attributes = self.0.attributes();
        attributes.with_checks(false);
        let found = attributes.flatten().find(|a| local(a.key.as_ref()) == name)?;
        Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
    }

    /// The values of all attributes of that name, whatever their prefixes.
    pub(crate) fn attributes(&self, name: &str) -> Vec<String> {
        let mut attributes = self.0.attributes();
        attributes.with_checks(false);
        let value = |a: quick_xml::events::attributes::Attribute<'_>| {
            Some(a.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
        };
        attributes.flatten().filter(|a| local(a.key.as_ref()) == name).filter_map(value).collect()
    }

    /// The value of the first attribute of that name with a prefix, such as `r:id`.
    pub(crate) fn prefixed(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        attributes.with_checks(false);
        let found = attributes.flatten().find(|a| {
            let key: &str = a.key.as_ref();
            key.split_once(':').is_some_and(|(_, local)| local == name)
        })?;
        Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
    }

    /// The `val` attribute as a number.
    pub(crate) fn number(&self) -> Option<i64> {
        self.attribute("val")?.trim().parse().ok()
    }

    /// Whether a switch element is on: present without `val`, or with a true one.
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self.attribute("val").as_deref(), Some("0" | "false" | "off" | "none"))
    }
}

/// Reads events of a text.
pub(crate) struct Xml<'a> {
    /// The format's name in errors.
    format: &'static str,
    reader: Reader<&'a [u8]>,
    depth: usize,
    max_depth: usize,
    /// End of an empty element, still to be told.
    end: Option<String>,
}

impl<'a> Xml<'a> {
    pub(crate) fn new(format: &'static str, text: &'a str, limits: &Limits) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        Self { format, reader, depth: 0, max_depth: limits.max_depth, end: None }
    }

    /// The next event; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, Error> {
        if let Some(name) = self.end.take() {
            return Ok(Some(Token::End(name)));
        }
        loop {
            let event = self.reader.read_event().map_err(|e| Error::broken(self.format, e))?;
            return Ok(Some(match event {
                Event::Start(element) => {
                    self.depth += 1;
                    if self.depth > self.max_depth {
                        return Err(Error::broken(self.format, "its elements are nested too deep"));
                    }
                    Token::Start(Element(element))
                }
                Event::Empty(element) => {
                    self.end = Some(local(element.name().as_ref()));
                    Token::Start(Element(element))
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::End(local(end.name().as_ref()))
                }
                Event::Text(text) => Token::Text(text.xml10_content()),
                Event::CData(text) => Token::Text(text.xml10_content()),
                Event::GeneralRef(reference) => Token::Text(resolve(&reference).into()),
                Event::DocType(_) => {
                    return Err(Error::broken(self.format, "document type declarations are not allowed"));
                }
                Event::Eof => return Ok(None),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            }));
        }
    }
}

fn local(name: impl AsRef<str>) -> String {
    let name = name.as_ref();
    name.rsplit_once(':').map_or(name, |(_, local)| local).to_owned()
}

fn resolve(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return c.to_string();
    }
    match reference.xml10_content().as_ref() {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
    .to_owned()
}
