//! Rich Text Format: one pass over groups, control words and text.
//!
//! The state of a group is kept on a stack; pictures, objects, headers and other destinations
//! that are no body text are left out. Nesting is bounded, so the stack is.

pub(crate) mod codepage;

use crate::Error;
use crate::document::Builder;
use crate::flow::{Flow, Unit};
use crate::limits::Limits;
use crate::metadata::Field;
use codepage::Charset;
use std::collections::HashMap;

/// The format's name in errors.
const FORMAT: &str = "RTF";

/// Destinations whose text is no part of the document.
const SKIPPED: [&str; 34] = [
    "colortbl",
    "pict",
    "object",
    "objdata",
    "header",
    "headerl",
    "headerr",
    "headerf",
    "footer",
    "footerl",
    "footerr",
    "footerf",
    "fldinst",
    "themedata",
    "colorschememapping",
    "latentstyles",
    "datastore",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "xmlnstbl",
    "bkmkstart",
    "bkmkend",
    "filetbl",
    "revtbl",
    "annotation",
    "atnid",
    "atnauthor",
    "pgptbl",
    "private",
    "userprops",
    "listpicture",
    "falt",
];

/// Where text of a group goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Body,
    Title,
    Author,
    Description,
    Created,
    Modified,
    OtherInfo,
    Fonts,
    Styles,
    ListText,
    Nowhere,
}

/// A day of the document's history.
#[derive(Debug, Clone, Copy, Default)]
struct Day {
    year: i32,
    month: i32,
    day: i32,
}

impl Day {
    fn word(&mut self, word: &str, value: i32) {
        match word {
            "yr" => self.year = value,
            "mo" => self.month = value,
            "dy" => self.day = value,
            _ => {}
        }
    }
}

#[derive(Debug, Clone)]
struct Group {
    target: Target,
    charset: Charset,
    /// Bytes that stand for a Unicode character where it is not known.
    unicode_skip: usize,
    hidden: bool,
    deleted: bool,
}

/// What the paragraph being read is.
#[derive(Debug, Clone, Default)]
struct Paragraph {
    in_table: bool,
    outline: Option<u8>,
    style: i32,
    listed: bool,
    level: usize,
    marker: String,
}

/// Reads a whole document.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let mut reader = Reader::new(bytes, limits.max_depth, builder);
    reader.read()?;
    reader.close();
    Ok(())
}

struct Reader<'a, 'b> {
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
    flow: Flow<'b>,
    groups: Vec<Group>,
    group: Group,
    paragraph: Paragraph,
    default_charset: Charset,
    fonts: HashMap<i32, Charset>,
    /// The font being defined.
    font: i32,
    styles: HashMap<i32, u8>,
    /// The style being defined with its outline level and name.
    style: (i32, Option<u8>, String),
    title: String,
    author: String,
    description: String,
    created: Day,
    modified: Day,
    /// Bytes not yet decoded: characters of several bytes come as several escapes.
    pending: Vec<u8>,
    /// Fallback bytes still to be dropped after a Unicode character.
    skip: usize,
    high: Option<u16>,
    table: bool,
    row: bool,
    /// Right edges of the cells of the row being read.
    edges: Vec<i32>,
    lists: usize,
    /// Levels that headings are moved down because a title stands above them.
    shift: u8,
}

impl<'a, 'b> Reader<'a, 'b> {
    fn new(bytes: &'a [u8], max_depth: usize, builder: &'b mut Builder) -> Self {
        let charset = Charset::default();
        let group = Group { target: Target::Body, charset, unicode_skip: 1, hidden: false, deleted: false };
        Self {
            bytes,
            at: 0,
            max_depth,
            flow: Flow::new(builder),
            groups: Vec::new(),
            group,
            paragraph: Paragraph::default(),
            default_charset: charset,
            fonts: HashMap::new(),
            font: 0,
            styles: HashMap::new(),
            style: (0, None, String::new()),
            title: String::new(),
            author: String::new(),
            description: String::new(),
            created: Day::default(),
            modified: Day::default(),
            pending: Vec::new(),
            skip: 0,
            high: None,
            table: false,
            row: false,
            edges: Vec::new(),
            lists: 0,
            shift: 0,
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'{' => {
                    self.flush();
                    if self.groups.len() >= self.max_depth {
                        return Err(Error::broken(FORMAT, "its groups are nested too deep"));
                    }
                    self.groups.push(self.group.clone());
                }
                b'}' => self.end_group(),
                b'\\' => self.control(),
                b'\r' | b'\n' | 0 => {}
                byte => self.byte(byte),
            }
            if self.flow.builder.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn close(mut self) {
        self.flush();
        self.end_paragraph();
        self.end_table();
        self.end_lists(0);
        let title = crate::clean::line(&self.title);
        self.flow.builder.set_title(&title);
        self.flow.builder.set(Field::Author, &self.author);
        self.flow.builder.set(Field::Description, &self.description);
        for (field, Day { year, month, day }) in
            [(Field::Created, self.created), (Field::Modified, self.modified)]
        {
            self.flow.builder.set(field, &format!("{year:04}-{month:02}-{day:02}"));
        }
        self.flow.finish();
    }

    fn end_group(&mut self) {
        self.flush();
        if self.group.target == Target::Styles {
            self.end_style();
        }
        if let Some(outer) = self.groups.pop() {
            self.group = outer;
        }
        self.skip = 0;
    }

    fn end_style(&mut self) {
        let (number, outline, name) = std::mem::take(&mut self.style);
        let name = name.trim().trim_end_matches(';').to_lowercase();
        let named = name.strip_prefix("heading ").and_then(|level| level.trim().parse::<u8>().ok());
        let level = named.or_else(|| (name == "title").then_some(0)).or(outline.map(|level| level + 1));
        if let Some(level) = level.filter(|level| *level <= 9) {
            self.styles.insert(number, level);
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.pending.push(byte);
    }

    /// Decodes the bytes gathered so far.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.pending);
        let charset =
            if self.group.target == Target::Body { self.group.charset } else { self.default_charset };
        let text = charset.decode(&bytes);
        self.text(&text);
    }

    fn text(&mut self, text: &str) {
        self.high = None;
        match self.group.target {
            Target::Body if self.group.hidden || self.group.deleted => {}
            Target::Body => self.flow.text(text),
            Target::Title => self.title.push_str(text),
            Target::Author => self.author.push_str(text),
            Target::Description => self.description.push_str(text),
            Target::ListText => self.paragraph.marker.push_str(text),
            Target::Styles => self.style.2.push_str(text),
            Target::Created | Target::Modified | Target::Fonts | Target::OtherInfo | Target::Nowhere => {}
        }
    }

    fn control(&mut self) {
        let Some(byte) = self.bytes.get(self.at).copied() else { return };
        if !byte.is_ascii_alphabetic() {
            self.at += 1;
            self.symbol(byte);
            return;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let letters = rest.iter().take(40).take_while(|b| b.is_ascii_alphabetic()).count();
        let word = String::from_utf8_lossy(rest.get(..letters).unwrap_or_default()).into_owned();
        let after = rest.get(letters..).unwrap_or_default();
        let sign = usize::from(after.first() == Some(&b'-'));
        let digits = after.iter().skip(sign).take(10).take_while(|b| b.is_ascii_digit()).count();
        let mut number = None;
        let mut used = letters;
        if digits > 0 {
            used += sign + digits;
            let text = String::from_utf8_lossy(after.get(..sign + digits).unwrap_or_default()).into_owned();
            number = text.parse::<i32>().ok();
        }
        if rest.get(used) == Some(&b' ') {
            used += 1;
        }
        self.at += used;
        if self.skip > 0 && word != "u" && word != "bin" {
            self.skip -= 1;
            return;
        }
        self.word(&word, number);
    }

    fn symbol(&mut self, byte: u8) {
        match byte {
            b'\'' => {
                let digit = |at: usize| {
                    self.bytes
                        .get(at)
                        .and_then(|b| char::from(*b).to_digit(16))
                        .and_then(|d| u8::try_from(d).ok())
                };
                if let (Some(high), Some(low)) = (digit(self.at), digit(self.at + 1)) {
                    self.at += 2;
                    self.byte(high * 16 + low);
                }
            }
            b'*' => {
                // A destination a reader may skip when it does not know it.
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                let known: [&[u8]; 3] = [b"\\pn", b"\\shptxt", b"\\listtext"];
                let shape = rest.starts_with(b"\\shpinst") || known.iter().any(|word| rest.starts_with(word));
                if !shape && self.group.target == Target::Body {
                    self.flush();
                    self.group.target = Target::Nowhere;
                }
            }
            b'~' => self.write("\u{a0}"),
            b'_' => self.write("-"),
            b'\r' | b'\n' => self.word("par", None),
            b'\\' | b'{' | b'}' => self.byte(byte),
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        self.flush();
        self.text(text);
    }

    fn word(&mut self, word: &str, number: Option<i32>) {
        if word == "u" {
            self.unicode(number.unwrap_or(0));
            return;
        }
        self.flush();
        let value = number.unwrap_or(0);
        let on = number != Some(0);
        match word {
            "bin" => self.at = self.at.saturating_add(usize::try_from(value).unwrap_or(0)),
            "uc" => self.group.unicode_skip = usize::try_from(value).unwrap_or(1).min(16),
            "ansicpg" => {
                self.default_charset = Charset::of_codepage(value);
                self.group.charset = self.default_charset;
            }
            "mac" => self.default_charset = Charset::of_codepage(10_000),
            "v" => self.group.hidden = on,
            "deleted" => self.group.deleted = on,
            "plain" => {
                self.group.hidden = false;
                self.group.deleted = false;
                self.group.charset = self.default_charset;
            }
            _ if self.destination(word) => {}
            _ => match self.group.target {
                Target::Fonts => match word {
                    "f" => self.font = value,
                    "fcharset" => {
                        self.fonts.insert(self.font, Charset::of_font(value).unwrap_or(self.default_charset));
                    }
                    "cpg" => {
                        self.fonts.insert(self.font, Charset::of_codepage(value));
                    }
                    _ => {}
                },
                Target::Styles => match word {
                    "s" => self.style.0 = value,
                    "outlinelevel" => self.style.1 = u8::try_from(value).ok().filter(|level| *level < 9),
                    _ => {}
                },
                Target::Body | Target::ListText => self.body_word(word, value),
                Target::Created => self.created.word(word, value),
                Target::Modified => self.modified.word(word, value),
                Target::OtherInfo if word == "nofpages" => self.flow.builder.set_claimed_pages(value),
                Target::Title
                | Target::Author
                | Target::Description
                | Target::OtherInfo
                | Target::Nowhere => {}
            },
        }
    }

    /// Words that say where a group's text goes.
    fn destination(&mut self, word: &str) -> bool {
        let target = match word {
            "fonttbl" => Target::Fonts,
            "stylesheet" => Target::Styles,
            "info" => Target::OtherInfo,
            "title" if self.group.target == Target::OtherInfo => Target::Title,
            // Some writers name the author again beside the date of the last change.
            "author" if self.group.target == Target::OtherInfo && self.author.is_empty() => Target::Author,
            "subject" if self.group.target == Target::OtherInfo => Target::Description,
            "creatim" if self.group.target == Target::OtherInfo => Target::Created,
            "revtim" if self.group.target == Target::OtherInfo => Target::Modified,
            "listtext" | "pntext" => Target::ListText,
            // Notes and shapes hold text of the document.
            "footnote" | "shptxt" => {
                self.group.hidden = false;
                return false;
            }
            word if SKIPPED.contains(&word) => Target::Nowhere,
            _ => return false,
        };
        if self.group.target != Target::Nowhere {
            self.group.target = target;
        }
        true
    }

    fn unicode(&mut self, value: i32) {
        self.flush();
        // Values over 32,767 are written as negative numbers; pairs of surrogates as two words.
        let unit = u16::try_from(value.rem_euclid(65_536)).unwrap_or(0xfffd);
        let high = self.high.take();
        let mut buffer = String::new();
        match (high, unit) {
            (Some(high), 0xdc00..=0xdfff) => buffer.push_str(&String::from_utf16_lossy(&[high, unit])),
            (_, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                self.skip = self.group.unicode_skip;
                return;
            }
            // The Symbol font's private use characters keep their place for the cleaning.
            (_, unit) => buffer.push_str(&String::from_utf16_lossy(&[unit])),
        }
        self.text(&buffer);
        self.skip = self.group.unicode_skip;
    }

    fn body_word(&mut self, word: &str, value: i32) {
        match word {
            "par" | "sect" | "page" => self.end_paragraph(),
            "line" => self.write("\n"),
            "tab" => self.write("\t"),
            "emdash" => self.write("—"),
            "endash" => self.write("–"),
            "lquote" => self.write("‘"),
            "rquote" => self.write("’"),
            "ldblquote" => self.write("“"),
            "rdblquote" => self.write("”"),
            "bullet" => self.write("•"),
            "emspace" | "enspace" | "qmspace" => self.write(" "),
            "f" => {
                self.group.charset = self.fonts.get(&value).copied().unwrap_or(self.default_charset);
            }
            "pard" => {
                let marker = std::mem::take(&mut self.paragraph.marker);
                self.paragraph = Paragraph { marker, ..Paragraph::default() };
            }
            "s" => self.paragraph.style = value,
            "outlinelevel" => self.paragraph.outline = u8::try_from(value).ok().filter(|level| *level < 9),
            "ls" => self.paragraph.listed = value > 0,
            "ilvl" => self.paragraph.level = usize::try_from(value).unwrap_or(0).min(8),
            "intbl" => self.paragraph.in_table = true,
            "trowd" => self.begin_row(),
            "cell" | "nestcell" => self.end_cell(),
            "cellx" => self.edges.push(value),
            "row" => self.end_row(),
            "nestrow" => self.row = false,
            _ => {}
        }
    }

    fn begin_row(&mut self) {
        self.edges.clear();
        if !self.table {
            self.end_paragraph();
            self.end_lists(0);
            self.flow.begin_table();
            self.table = true;
        }
        if !self.row {
            self.flow.begin_row();
            self.row = true;
            self.flow.begin_cell(false, 1, 1);
        }
    }

    /// Begins a row that is as the one above: its first text comes without a definition.
    fn begin_undefined_row(&mut self) {
        if !self.row {
            let text = self.flow.take_text();
            self.begin_row();
            self.flow.text(&text);
        }
    }

    fn end_cell(&mut self) {
        self.begin_undefined_row();
        self.flow.end_paragraph();
        self.flow.begin_cell(false, 1, 1);
    }

    fn end_row(&mut self) {
        let edges = std::mem::take(&mut self.edges);
        if std::mem::take(&mut self.row) {
            self.flow.row_edges(edges);
        }
    }

    fn end_table(&mut self) {
        if std::mem::take(&mut self.table) {
            self.row = false;
            self.flow.end_table();
        }
    }

    fn end_lists(&mut self, depth: usize) {
        while self.lists > depth {
            self.flow.end_list();
            self.lists -= 1;
        }
    }

    fn end_paragraph(&mut self) {
        self.flush();
        if self.table && (self.paragraph.in_table || self.row) {
            self.begin_undefined_row();
            self.flow.end_paragraph();
            return;
        }
        // What was read stands after the table.
        let text = self.flow.take_text();
        self.end_table();
        let style = self.styles.get(&self.paragraph.style).copied();
        let level = self.paragraph.outline.map(|level| level + 1).or(style);
        let marker = std::mem::take(&mut self.paragraph.marker);
        match level {
            Some(level) => {
                self.end_lists(0);
                if level == 0 && !text.trim().is_empty() {
                    self.flow.builder.set_title(&crate::clean::line(&text));
                    if self.flow.builder.is_empty() {
                        self.shift = 1;
                    }
                }
                self.flow.text(&text);
                let level = if level == 0 { 1 } else { level.saturating_add(self.shift) };
                self.flow.end(Unit::Heading(level));
            }
            None if self.paragraph.listed || !marker.trim().is_empty() => {
                let depth = self.paragraph.level + 1;
                self.end_lists(depth);
                while self.lists < depth {
                    self.flow.begin_list(None);
                    self.lists += 1;
                }
                self.flow.begin_item_with(&list_marker(&marker));
                self.flow.text(&text);
                self.flow.end_paragraph();
            }
            None => {
                self.end_lists(0);
                self.flow.text(&text);
                self.flow.end_paragraph();
            }
        }
    }
}

/// A number as it is, any drawn bullet as a dash.
fn list_marker(marker: &str) -> String {
    let marker = crate::clean::line(marker);
    if marker.chars().any(char::is_alphanumeric) && marker.chars().count() <= 12 {
        marker
    } else {
        "-".to_owned()
    }
}

#[cfg(test)]
mod tests;
