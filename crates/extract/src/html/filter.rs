//! A linear pass over the source that leaves only what is read.
//!
//! Comments, scripts, styles and inline markup go; attributes go but a few; elements below the
//! depth limit or past the node limit lose their tags and keep their text. The result is HTML,
//! beside it stands what the head says. Pages of the web keep a little more (classes, links): what
//! tells their content from the rest. Invariant: time and output are linear in the input, nesting
//! and node count are bounded, and no formatting element that the tree builder would repeat is
//! left with attributes.

use super::head::Head;
use crate::limits::Limits;

/// Longest attribute value kept, in bytes.
const MAX_VALUE_BYTES: usize = 2_000;

/// Longest value that holds a whole page as data (Discourse does that).
const MAX_PRELOADED_BYTES: usize = 2 << 20;

/// Longest piece of linked data (JSON-LD) kept, in bytes.
const MAX_LINKED_DATA_BYTES: usize = 256 << 10;

/// Most attributes of one tag that are looked at.
const MAX_ATTRIBUTES: usize = 1_000;

/// Attributes read by the walk.
const KEPT_ATTRIBUTES: &[&str] = &["hidden", "style", "colspan", "rowspan", "start"];

/// Attributes that tell the content of a web page from the rest.
const WEB_ATTRIBUTES: &[&str] = &[
    "hidden",
    "style",
    "colspan",
    "rowspan",
    "start",
    "class",
    "id",
    "role",
    "href",
    "rel",
    "itemprop",
    "itemtype",
    "itemscope",
    "aria-hidden",
    "datetime",
    "lang",
    "name",
    "property",
    "content",
    "type",
    "data-preloaded",
];

/// Attributes of the elements that describe the page.
const HEAD_ATTRIBUTES: &[&str] =
    &["name", "property", "itemprop", "content", "rel", "href", "lang", "http-equiv", "hreflang"];

/// What is left of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// What the walk reads.
    Text,
    /// Also what tells content from the rest.
    Web,
}

/// Elements that have no end tag.
const VOID: [&str; 12] =
    ["br", "hr", "img", "input", "link", "meta", "area", "base", "col", "embed", "source", "track"];

/// Elements left out with all they hold; none of them nests in itself.
const DROPPED: [&str; 9] =
    ["script", "style", "noscript", "iframe", "noembed", "noframes", "svg", "canvas", "object"];

/// Elements that make no break. Unknown elements (`x-card`) count as blocks.
const INLINE: [&str; 46] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "ins", "kbd", "label", "mark", "math", "mi", "mn", "mo", "mrow", "msub", "msup", "mtext", "nobr",
    "picture", "q", "rb", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var",
];

/// Whether the content of an element is text even where it looks like tags.
fn is_raw(name: &str) -> bool {
    matches!(name, "title" | "textarea" | "xmp")
}

/// Whether an element makes no break in the text around it.
pub(crate) fn is_inline(name: &str) -> bool {
    INLINE.contains(&name) || matches!(name, "wbr" | "img" | "input" | "source" | "track")
}

/// Whether an element's attributes hide it.
pub(super) fn is_hidden(hidden: bool, style: Option<&str>) -> bool {
    let style = style.unwrap_or_default();
    if hidden || style.is_empty() {
        return hidden;
    }
    let style: String = style.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let hides = ["display:none", "visibility:hidden", "font-size:0", "opacity:0"];
    style.split(';').any(|rule| {
        hides.contains(&rule.trim_end_matches("!important").trim_end_matches("px").trim_end_matches(".0"))
    })
}

/// Whether a style hides an element in a way that scripts undo once the page has come.
pub(super) fn is_veiled(style: Option<&str>) -> bool {
    let style = style.unwrap_or_default().to_lowercase();
    let gone = style.split(';').any(|rule| {
        let rule: String = rule.chars().filter(|c| !c.is_whitespace()).collect();
        rule.starts_with("display:none") || rule.starts_with("font-size:0")
    });
    !gone && is_hidden(false, Some(&style))
}

/// Words in the classes of what a reader opens: panels of tabs, answers below their questions.
const FOLDED: [&str; 9] =
    ["tab", "tabs", "tabpanel", "tabpane", "tabcontent", "accordion", "collapse", "collapsible", "faq"];

/// Whether an element is there for the reader to open, so that what hides it says nothing.
fn is_folded(role: Option<&str>, class: Option<&str>) -> bool {
    let class = class.unwrap_or_default().to_lowercase();
    let mut words = class.split(|c: char| !c.is_alphanumeric());
    role == Some("tabpanel") || words.any(|word| FOLDED.contains(&word))
}

/// Whether a veiled element is about to move into sight.
fn is_moved(style: Option<&str>) -> bool {
    let lower = style.unwrap_or_default().to_lowercase();
    is_veiled(style)
        && ["transform", "transition", "animation", "will-change"].iter().any(|w| lower.contains(w))
}

/// What is left of a page.
pub(super) struct Filtered {
    pub(super) html: String,
    /// Whether structure was lost to a limit.
    pub(super) cut: bool,
    /// Elements left in it.
    pub(super) nodes: usize,
    pub(super) head: Head,
}

/// Filters a page.
pub(super) fn simplify(source: &str, limits: &Limits, keep: Keep) -> Filtered {
    let mut filter = Filter {
        source,
        keep,
        head: Head::default(),
        out: String::with_capacity(source.len() / 2),
        open: Vec::new(),
        inline: Vec::new(),
        overflow: 0,
        nodes: 0,
        max_depth: limits.max_depth,
        max_nodes: limits.max_nodes,
        cut: false,
        xml: is_xml(source),
        endless: Vec::new(),
    };
    filter.out.push_str("<!DOCTYPE html>");
    filter.run();
    Filtered { html: filter.out, cut: filter.cut, nodes: filter.nodes, head: filter.head }
}

struct Filter<'a> {
    source: &'a str,
    keep: Keep,
    head: Head,
    out: String,
    /// Open elements whose tags were kept.
    open: Vec<String>,
    /// Open inline elements: whether a tag stands for them because they are hidden.
    inline: Vec<(String, bool)>,
    /// Open elements below the depth limit.
    overflow: usize,
    nodes: usize,
    max_depth: usize,
    max_nodes: usize,
    cut: bool,
    /// Whether elements may end in their own tag, as in XML.
    xml: bool,
    /// Names of elements whose end tag does not come any more.
    endless: Vec<String>,
}

/// Whether a page is written in XML.
fn is_xml(source: &str) -> bool {
    let start = source.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let head: String = start.chars().take(2_000).collect();
    head.starts_with("<?xml") || head.contains("xmlns=\"http://www.w3.org/1999/xhtml\"")
}

impl<'a> Filter<'a> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(rest) = self.source.get(at..).filter(|r| !r.is_empty()) {
            let Some(open) = rest.find('<') else {
                self.copy(rest);
                break;
            };
            self.copy(rest.get(..open).unwrap_or_default());
            let markup = rest.get(open..).unwrap_or_default();
            at += open + self.markup(markup).max(1);
        }
    }

    fn copy(&mut self, text: &str) {
        if text.contains('\0') {
            self.out.push_str(&text.replace('\0', ""));
        } else {
            self.out.push_str(text);
        }
    }

    /// Handles what stands at a `<`; answers its length.
    fn markup(&mut self, markup: &'a str) -> usize {
        if let Some(comment) = markup.strip_prefix("<!--") {
            // `<!-->` and `<!--->` are whole comments.
            if comment.starts_with('>') {
                return 5;
            }
            return comment.find("-->").map_or(markup.len(), |end| end + 7);
        }
        if markup.starts_with("<!") || markup.starts_with("<?") {
            return markup.find('>').map_or(markup.len(), |end| end + 1);
        }
        let closing = markup.starts_with("</");
        let name_start = if closing { 2 } else { 1 };
        let tail = markup.get(name_start..).unwrap_or_default();
        if !tail.starts_with(|c: char| c.is_ascii_alphabetic()) {
            if closing {
                return tail.find('>').map_or(markup.len(), |end| end + 3);
            }
            self.out.push_str("&lt;");
            return 1;
        }
        let name_end = tail.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
        let name_end = name_end.unwrap_or(tail.len());
        let name = tail.get(..name_end).unwrap_or_default().to_ascii_lowercase();
        let wanted = match (name.as_str(), self.keep) {
            ("meta" | "link" | "html", Keep::Text) => HEAD_ATTRIBUTES,
            ("script", _) => &["type"],
            (_, Keep::Text) => KEPT_ATTRIBUTES,
            (_, Keep::Web) => WEB_ATTRIBUTES,
        };
        let mut tag = Tag::read(markup, name_start + name_end, wanted);
        if closing {
            self.end_tag(&name);
            return tag.length;
        }
        if matches!(name.as_str(), "meta" | "link" | "html") {
            self.head.element(&name, |key| tag.attribute(key));
        }
        if name == "script" && tag.attribute("type").is_some_and(|kind| kind.contains("ld+json")) {
            return tag.length + self.linked_data(markup.get(tag.length..).unwrap_or_default());
        }
        if tag.self_closed
            && (name == "svg" || self.xml && (DROPPED.contains(&name.as_str()) || is_raw(&name)))
        {
            return tag.length;
        }
        if DROPPED.contains(&name.as_str()) {
            return tag.length + self.skip_to_end(markup.get(tag.length..).unwrap_or_default(), &name);
        }
        if is_raw(&name) {
            // Their content is text even where it looks like tags.
            let body = markup.get(tag.length..).unwrap_or_default();
            let end = find_end_tag(body, &name).unwrap_or(body.len());
            let shown = if name == "xmp" { "pre" } else { &name };
            let text = body.get(..end).unwrap_or_default().replace('<', "&lt;");
            self.nodes += 1;
            if self.nodes <= self.max_nodes {
                self.out.push_str(&format!("<{shown}>{text}</{shown}>"));
            }
            return tag.length + end + self.skip_to_end(body.get(end..).unwrap_or_default(), &name);
        }
        tag.attributes.retain(|(key, value)| {
            let most = if *key == "data-preloaded" { MAX_PRELOADED_BYTES } else { MAX_VALUE_BYTES };
            value.len() <= most
        });
        let page = matches!(name.as_str(), "html" | "body" | "main" | "article");
        let folded = self.keep == Keep::Web && is_folded(tag.attribute("role"), tag.attribute("class"));
        // The page as a whole is never hidden for good.
        tag.attributes.retain(|(key, value)| match *key {
            "style" => !page && !folded && (self.keep == Keep::Text || !is_moved(Some(value))),
            "hidden" => !folded && (!page || name == "article"),
            "aria-hidden" => !folded,
            _ => true,
        });
        if self.keep == Keep::Text && matches!(name.as_str(), "meta" | "link" | "html") {
            tag.attributes.clear();
        }
        self.start_tag(name, &tag);
        tag.length
    }

    /// Notes what a script of linked data says; answers the length up to and with its end tag.
    fn linked_data(&mut self, body: &'a str) -> usize {
        let end = find_end_tag(body, "script").unwrap_or(body.len());
        let data = body.get(..end).unwrap_or_default();
        if data.len() <= MAX_LINKED_DATA_BYTES {
            self.head.linked_data(data);
            if self.keep == Keep::Web && self.nodes < self.max_nodes {
                self.nodes += 1;
                self.out.push_str(&format!("<script type=\"application/ld+json\">{data}</script>"));
            }
        }
        end + self.skip_to_end(body.get(end..).unwrap_or_default(), "script")
    }

    /// Whether an inline element's tags stay: links and spans of web pages say what they hold.
    fn keeps_inline(&self, name: &str) -> bool {
        self.keep == Keep::Web && matches!(name, "a" | "span" | "code" | "time" | "cite")
    }

    /// Length up to and with the end tag of a dropped element. Without one it is the rest of the page for
    /// scripts and styles, nothing for what may hold text.
    fn skip_to_end(&mut self, body: &str, name: &str) -> usize {
        let program = matches!(name, "script" | "style");
        if !program && self.endless.iter().any(|known| known == name) {
            return 0;
        }
        let Some(end) = find_end_tag(body, name) else {
            self.endless.push(name.to_owned());
            return if program || is_raw(name) { body.len() } else { 0 };
        };
        let tag = body.get(end..).unwrap_or_default();
        end + tag.find('>').map_or(tag.len(), |close| close + 1)
    }

    fn start_tag(&mut self, name: String, tag: &Tag) {
        if is_inline(&name) {
            let style = tag.attribute("style");
            let hidden = is_hidden(tag.attribute("hidden").is_some(), style);
            if VOID.contains(&name.as_str()) || name == "wbr" {
                return;
            }
            let room = self.nodes < self.max_nodes && self.open.len() < self.max_depth;
            // A link ends the one before, as the tree builder has it.
            if self.keeps_inline(&name) && room && self.inline.len() < self.max_depth {
                if name == "a" && self.inline.iter().any(|(open, _)| open == "a") {
                    self.end_tag("a");
                }
                self.nodes += 1;
                self.write_tag(&name, if name == "code" { &[] } else { &tag.attributes });
                self.inline.push((name, true));
                return;
            }
            let kept = hidden && room;
            if kept {
                self.nodes += 1;
                self.out.push_str("<span hidden>");
            }
            // Only hidden ones matter later; the rest are remembered as far as that costs little.
            if kept || self.inline.len() < self.max_depth {
                self.inline.push((name, kept));
            }
            return;
        }
        self.nodes += 1;
        if self.nodes > self.max_nodes {
            self.cut = true;
            self.out.push('\u{2029}');
            return;
        }
        let void = VOID.contains(&name.as_str());
        if !void {
            self.imply_ends(&name);
            if self.open.len() >= self.max_depth {
                self.cut = true;
                self.overflow += 1;
                self.out.push('\u{2029}');
                return;
            }
        }
        self.write_tag(&name, &tag.attributes);
        if !void {
            self.open.push(name);
        }
    }

    fn write_tag(&mut self, name: &str, attributes: &[(&'static str, String)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            let value = value.replace('"', "&quot;");
            self.out.push_str(&format!(" {key}=\"{value}\""));
        }
        self.out.push('>');
    }

    /// Elements that a start tag ends without their own end tag.
    fn imply_ends(&mut self, name: &str) {
        let ended: &[&str] = match name {
            "li" => &["li", "p"],
            "dt" | "dd" => &["dt", "dd", "p"],
            "td" | "th" => &["td", "th", "p"],
            "tr" => &["td", "th", "p", "tr"],
            "tbody" | "thead" | "tfoot" => &["td", "th", "p", "tr", "tbody", "thead", "tfoot"],
            "option" => &["option"],
            _ => &["p"],
        };
        while self.open.last().is_some_and(|last| ended.contains(&last.as_str())) {
            self.open.pop();
        }
    }

    fn end_tag(&mut self, name: &str) {
        if is_inline(name) {
            let Some(at) = self.inline.iter().rposition(|(open, _)| open == name) else { return };
            let web = self.keep == Keep::Web;
            for (name, _) in self.inline.drain(at..).rev().filter(|(_, kept)| *kept) {
                // Hidden ones stand as spans where their own tags are not kept.
                let own = web && matches!(name.as_str(), "a" | "span" | "code" | "time" | "cite");
                self.out.push_str(&format!("</{}>", if own { &name } else { "span" }));
            }
            return;
        }
        if self.overflow > 0 {
            self.overflow -= 1;
            self.out.push('\u{2029}');
            return;
        }
        if let Some(at) = self.open.iter().rposition(|open| open == name) {
            self.open.truncate(at);
            self.out.push_str(&format!("</{name}>"));
        }
    }
}

/// Where the end tag of `name` starts.
pub(crate) fn find_end_tag(body: &str, name: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let mut from = 0;
    loop {
        let at = from + body.get(from..)?.find("</")?;
        let after = bytes.get(at + 2..)?;
        let matches = after.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()));
        let ends = after.get(name.len()).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'-');
        if matches && ends {
            return Some(at);
        }
        from = at + 2;
    }
}

/// A tag's kept attributes and length.
pub(crate) struct Tag {
    attributes: Vec<(&'static str, String)>,
    pub(crate) length: usize,
    /// Whether it ends itself: `<svg/>`.
    self_closed: bool,
}

impl Tag {
    /// Reads attributes from `at` to the `>`; a tag without end takes the rest of the source.
    pub(crate) fn read(markup: &str, mut at: usize, wanted: &[&'static str]) -> Self {
        let bytes = markup.as_bytes();
        let byte = |at: usize| bytes.get(at).copied();
        let mut attributes: Vec<(&'static str, String)> = Vec::new();
        let mut seen = 0;
        loop {
            let mut self_closed = false;
            while let Some(b) = byte(at).filter(|b| b.is_ascii_whitespace() || *b == b'/') {
                self_closed = b == b'/';
                at += 1;
            }
            match byte(at) {
                None => return Self { attributes, length: markup.len(), self_closed: false },
                Some(b'>') => return Self { attributes, length: at + 1, self_closed },
                Some(_) => {}
            }
            let name_start = at;
            // An equals sign in front belongs to the name.
            at += 1;
            while byte(at).is_some_and(|b| !b.is_ascii_whitespace() && !b"/>=".contains(&b)) {
                at += 1;
            }
            let name = markup.get(name_start..at).unwrap_or_default();
            while byte(at).is_some_and(|b| b.is_ascii_whitespace()) {
                at += 1;
            }
            let mut value = "";
            if byte(at) == Some(b'=') {
                at += 1;
                while byte(at).is_some_and(|b| b.is_ascii_whitespace()) {
                    at += 1;
                }
                let quote = byte(at).filter(|b| b"\"'".contains(b));
                let start = if quote.is_some() { at + 1 } else { at };
                at = start;
                while byte(at).is_some_and(|b| match quote {
                    Some(q) => b != q,
                    None => !b.is_ascii_whitespace() && b != b'>',
                }) {
                    at += 1;
                }
                value = markup.get(start..at).unwrap_or_default();
                at += usize::from(quote.is_some());
            }
            seen += 1;
            let kept = wanted.iter().find(|kept| kept.eq_ignore_ascii_case(name));
            if let Some(kept) = kept.filter(|_| seen <= MAX_ATTRIBUTES)
                && !attributes.iter().any(|(key, _)| key == kept)
            {
                attributes.push((*kept, value.to_owned()));
            }
        }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}
