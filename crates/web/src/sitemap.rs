//! Sitemaps: XML lists and indexes of them, feeds, and plain lists of URLs, gzipped or not.
//!
//! Reads what real sites serve: foreign namespaces are passed over, an entry that is no URL is counted
//! and left out, XML that breaks off keeps what came before. Invariant: a document type is refused, and
//! neither bytes nor entries pass their limits.

use crate::Error;
use crate::text::{collapsed, decode, unescape};
use crate::urls;
use flate2::read::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::io::Read;
use url::Url;

/// Bytes after decompression.
const MAX_BYTES: u64 = 50 << 20;
/// Entries of one file.
const MAX_ENTRIES: usize = 50_000;
/// Characters of one value.
const MAX_VALUE: usize = 8_192;
const MAX_DEPTH: usize = 64;

/// What the entries of a sitemap are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SitemapKind {
    /// Pages.
    Pages,
    /// Other sitemaps.
    Index,
}

/// One line of a sitemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub url: Url,
    /// When it last changed, in the site's own words.
    pub lastmod: Option<String>,
}

/// A sitemap read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sitemap {
    /// What its entries are.
    pub kind: SitemapKind,
    /// At most 50,000, each URL once.
    pub entries: Vec<Entry>,
    /// Entries that are no usable URL.
    pub unusable: usize,
    /// Bytes read, unpacked.
    pub bytes: usize,
    /// Why what was read may be only a part of the file.
    pub warnings: Vec<&'static str>,
}

impl Sitemap {
    /// Reads a sitemap served at `base`, against which relative entries are resolved.
    ///
    /// # Errors
    /// [`Error::DocType`], [`Error::TooLarge`] and, when nothing of it is a sitemap, [`Error::NotSitemap`].
    pub fn read(bytes: &[u8], base: &Url) -> Result<Self, Error> {
        let (bytes, partial) = unpacked(bytes)?;
        let text = decode(&bytes, "");
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let mut map = if text.starts_with('<') { read_xml(text, base) } else { read_lines(text, base) }?;
        map.bytes = bytes.len();
        if partial {
            map.warnings.push("its gzip data is damaged or cut short; what came before is used");
        }
        Ok(map)
    }
}

/// The bytes without gzip, and whether some are missing.
fn unpacked(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, bool), Error> {
    let too_large = Error::TooLarge { what: "the sitemap", limit: "50 MiB" };
    let most = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        return if bytes.len() > most { Err(too_large) } else { Ok((bytes.into(), false)) };
    }
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut out);
    if out.len() > most {
        return Err(too_large);
    }
    match read {
        Err(_) if out.is_empty() => Err(Error::NotSitemap { problem: "its gzip data is damaged" }),
        read => Ok((out.into(), read.is_err())),
    }
}

/// Collects entries.
struct List<'b> {
    base: &'b Url,
    seen: std::collections::HashSet<String>,
    map: Sitemap,
}

impl<'b> List<'b> {
    fn new(base: &'b Url) -> Self {
        let (entries, warnings) = (Vec::new(), Vec::new());
        let map = Sitemap { kind: SitemapKind::Pages, entries, unusable: 0, bytes: 0, warnings };
        Self { base, seen: std::collections::HashSet::new(), map }
    }

    fn add(&mut self, location: &str, lastmod: Option<String>) -> Result<(), Error> {
        let Ok(url) = urls::resolve(self.base, location) else {
            self.map.unusable += 1;
            return Ok(());
        };
        if !self.seen.insert(url.as_str().to_owned()) {
            return Ok(());
        }
        if self.map.entries.len() >= MAX_ENTRIES {
            return Err(Error::TooLarge { what: "the sitemap", limit: "50,000 entries" });
        }
        self.map.entries.push(Entry { url, lastmod });
        Ok(())
    }
}

fn read_lines(text: &str, base: &Url) -> Result<Sitemap, Error> {
    let mut list = List::new(base);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // A list of URLs has nothing but absolute ones.
        match urls::parse(line) {
            Ok(url) => list.add(url.as_str(), None)?,
            Err(_) => list.map.unusable += 1,
        }
        if list.map.entries.is_empty() && list.map.unusable > 100 {
            break;
        }
    }
    if list.map.entries.is_empty() {
        return Err(Error::NotSitemap { problem: "it holds neither XML nor lines with URLs" });
    }
    Ok(list.map)
}

/// An entry in the making.
#[derive(Default)]
struct Draft {
    location: Option<String>,
    lastmod: Option<String>,
}

/// Which value the text that comes next belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Location,
    Lastmod,
}

fn read_xml(text: &str, base: &Url) -> Result<Sitemap, Error> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut list = List::new(base);
    let mut known = false;
    // Names with their prefixes, outermost first.
    let mut path: Vec<String> = Vec::new();
    let mut draft: Option<Draft> = None;
    let mut field: Option<(Field, String)> = None;
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(_) => {
                list.map.warnings.push("its XML is broken; what came before is used");
                break;
            }
        };
        match event {
            Event::DocType(kind) if !known && path.is_empty() => {
                // Pages of error are served as sitemaps more often than entities are declared in them.
                let html = kind.trim_start().to_ascii_lowercase().starts_with("html");
                return Err(if html {
                    Error::NotSitemap { problem: "it is a web page" }
                } else {
                    Error::DocType
                });
            }
            Event::DocType(_) => return Err(Error::DocType),
            Event::Start(element) => {
                if path.len() >= MAX_DEPTH {
                    return Err(Error::NotSitemap { problem: "its elements are nested too deep" });
                }
                let name = element.name().as_ref().to_owned();
                known |= begin(&name, path.last(), &mut list, &mut draft);
                field = field_of(&name, path.last(), draft.is_some()).map(|field| (field, String::new()));
                atom_link(&element, path.last(), &mut draft);
                path.push(name);
            }
            Event::Empty(element) => atom_link(&element, path.last(), &mut draft),
            Event::Text(text) => append(&mut field, &text.xml10_content()),
            Event::CData(text) => append(&mut field, &text.xml10_content()),
            Event::GeneralRef(name) => append(&mut field, &unescape(&format!("&{};", name.xml10_content()))),
            Event::End(element) => {
                let name = element.name().as_ref().to_owned();
                // Closes what is open up to the element of that name, so that one lost end costs little.
                if let Some(at) = path.iter().rposition(|open| *open == name) {
                    path.truncate(at);
                }
                if let Some((field, value)) = field.take() {
                    keep(field, &value, &mut draft);
                }
                if is_entry(local(&name)) {
                    finish(&mut list, draft.take())?;
                }
            }
            Event::Eof => {
                if !path.is_empty() {
                    list.map.warnings.push("its XML ends before it is closed; what came before is used");
                }
                break;
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    // XML that breaks off inside an entry leaves no half a URL: only closed values are kept.
    finish(&mut list, draft.take())?;
    if !known {
        let problem = "its XML has no urlset, sitemapindex, rss or feed element";
        return Err(Error::NotSitemap { problem });
    }
    Ok(list.map)
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn prefix(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn is_entry(name: &str) -> bool {
    matches!(name, "url" | "sitemap" | "item" | "entry")
}

/// Takes note of a start tag; whether it makes the file one we know.
fn begin(name: &str, parent: Option<&String>, list: &mut List<'_>, draft: &mut Option<Draft>) -> bool {
    let name = local(name);
    match (name, parent) {
        ("sitemapindex", None) => list.map.kind = SitemapKind::Index,
        ("urlset" | "rss" | "feed" | "RDF", None) => {}
        (entry, Some(_)) if is_entry(entry) => {
            if let Some(open) = draft.replace(Draft::default()) {
                // The entry before was never closed.
                if let Some(location) = open.location {
                    let _ = list.add(&location, open.lastmod);
                }
            }
            return false;
        }
        _ => return false,
    }
    true
}

fn field_of(name: &str, parent: Option<&String>, in_entry: bool) -> Option<Field> {
    let parent = parent.filter(|_| in_entry)?;
    // `image:loc` and the like stand for something else than the page.
    if !is_entry(local(parent)) || prefix(parent) != prefix(name) {
        return None;
    }
    match local(name) {
        "loc" | "link" => Some(Field::Location),
        "lastmod" | "pubDate" | "updated" => Some(Field::Lastmod),
        _ => None,
    }
}

fn append(field: &mut Option<(Field, String)>, text: &str) {
    if let Some((_, value)) = field
        && value.len() + text.len() <= MAX_VALUE
    {
        value.push_str(text);
    }
}

fn keep(field: Field, value: &str, draft: &mut Option<Draft>) {
    let (value, Some(draft)) = (collapsed(value), draft) else { return };
    if value.is_empty() {
        return;
    }
    match field {
        Field::Location => draft.location = draft.location.take().or(Some(value)),
        Field::Lastmod => draft.lastmod = Some(value.chars().take(64).collect()),
    }
}

/// `<link href="…"/>` of Atom feeds: the page itself, not its comments or enclosures.
fn atom_link(element: &BytesStart<'_>, parent: Option<&String>, draft: &mut Option<Draft>) {
    let name = element.name().as_ref().to_owned();
    let in_entry = parent.is_some_and(|parent| local(parent) == "entry" && prefix(parent) == prefix(&name));
    let (true, "link", Some(draft)) = (in_entry, local(&name), draft) else { return };
    let mut attributes = element.attributes();
    attributes.with_checks(false);
    let (mut href, mut rel) = (None, None);
    for attribute in attributes.flatten().take(20) {
        let key: &str = attribute.key.as_ref();
        let value = || unescape(&attribute.value);
        match key {
            "href" => href = Some(value()),
            "rel" => rel = Some(value()),
            _ => {}
        }
    }
    if rel.is_none_or(|rel| rel == "alternate") && draft.location.is_none() {
        draft.location = href;
    }
}

fn finish(list: &mut List<'_>, draft: Option<Draft>) -> Result<(), Error> {
    let Some(draft) = draft else { return Ok(()) };
    match draft.location {
        Some(location) => list.add(&location, draft.lastmod),
        None => {
            list.map.unusable += 1;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
