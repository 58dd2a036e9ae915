//! OpenDocument texts, sheets and slides: the content part walked once.
//!
//! Deleted text of tracked changes, comments and master pages are left out; notes follow the
//! paragraph that refers to them.

use crate::Error;
use crate::document::Builder;
use crate::flow::{Flow, Unit};
use crate::limits::Limits;
use crate::package::Package;
use crate::xml::{Element, Token, Xml};
use std::collections::HashMap;

/// The format's name in errors.
const FORMAT: &str = "OpenDocument";

/// Elements left out with all they hold.
const SKIPPED: [&str; 8] = [
    "tracked-changes",
    "annotation",
    "annotation-end",
    "forms",
    "note-citation",
    "ruby-text",
    "title",
    "desc",
];

/// A repeated cell or row is written at most this often: sheets fill themselves up with empty ones.
const MAX_REPEATS: usize = 64;

/// Reads a whole document.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let mut package = Package::open(FORMAT, bytes, limits)?;
    let manifest = package.minor_part("META-INF/manifest.xml")?.unwrap_or_default();
    if manifest.contains("encryption-data") {
        return Err(Error::Encrypted);
    }
    let Some(content) = package.part("content.xml")? else {
        return Err(Error::broken(FORMAT, "it has no content part"));
    };
    let styles = package.minor_part("styles.xml")?.unwrap_or_default();
    package.read_properties("meta.xml", builder)?;
    let mut outline = HashMap::new();
    read_styles(&styles, limits, &mut outline);
    read_styles(&content, limits, &mut outline);
    Body::new(builder, outline).read(&content, limits)
}

/// What the paragraph styles say: list headings by their outline level, titles as level 0.
fn read_styles(text: &str, limits: &Limits, outline: &mut HashMap<String, u8>) {
    let mut xml = Xml::new(FORMAT, text, limits);
    while let Ok(Some(token)) = xml.next() {
        let Token::Start(element) = token else { continue };
        if element.name() != "style" {
            continue;
        }
        let Some(name) = element.attribute("name") else { continue };
        let parent = element.attribute("parent-style-name").unwrap_or_default();
        if name == "Title" || parent == "Title" {
            outline.insert(name, 0);
        } else if let Some(level) = element.attribute("default-outline-level").and_then(|l| l.parse().ok()) {
            outline.insert(name, level);
        }
    }
}

struct Body<'b> {
    flow: Flow<'b>,
    outline: HashMap<String, u8>,
    /// Open elements whose content is left out.
    skip: usize,
    /// Level of the open heading, and whether it is the title.
    heading: Option<(u8, bool)>,
    /// Open paragraphs and headings.
    paragraphs: usize,
    title: String,
    /// Lists opened, so that the paragraphs of an item know their place.
    lists: usize,
    header_row: bool,
    /// Times the open cell is repeated.
    repeats: usize,
    /// Rows that the open cell spans.
    rows: usize,
    cell: String,
    in_cell: usize,
    notes: Vec<String>,
    note: Option<String>,
    shift: u8,
    page: u32,
}

impl<'b> Body<'b> {
    fn new(builder: &'b mut Builder, outline: HashMap<String, u8>) -> Self {
        Self {
            flow: Flow::new(builder),
            outline,
            skip: 0,
            heading: None,
            paragraphs: 0,
            title: String::new(),
            lists: 0,
            header_row: false,
            repeats: 1,
            rows: 1,
            cell: String::new(),
            in_cell: 0,
            notes: Vec::new(),
            note: None,
            shift: 0,
            page: 0,
        }
    }

    /// Reads to the end; text before a break in the XML is kept with a warning.
    fn read(mut self, text: &str, limits: &Limits) -> Result<(), Error> {
        let mut xml = Xml::new(FORMAT, text, limits);
        loop {
            match xml.next() {
                Ok(Some(Token::Start(element))) => self.start(&element),
                Ok(Some(Token::End(name))) => self.end(&name),
                Ok(Some(Token::Text(text))) => self.text(&text),
                Ok(None) => break,
                Err(error) if error.is_hostile() => return Err(error),
                Err(error) => {
                    self.flow.end_paragraph();
                    if self.flow.builder.is_empty() {
                        return Err(error);
                    }
                    self.flow.builder.warn(format!("the file is damaged; text may be missing ({error})"));
                    break;
                }
            }
            if self.flow.builder.is_full() {
                break;
            }
        }
        self.flow.finish();
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.skip == 0 && self.paragraphs > 0 {
            self.write(&text.replace(['\n', '\r', '\t'], " "));
        }
    }

    fn write(&mut self, text: &str) {
        if let Some(note) = &mut self.note {
            note.push_str(text);
            return;
        }
        if self.heading.is_some_and(|(_, title)| title) {
            self.title.push_str(text);
        }
        if self.in_cell > 0 {
            self.cell.push_str(text);
        } else {
            self.flow.text(text);
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        let name = element.name();
        if self.skip > 0 || SKIPPED.contains(&name.as_str()) {
            self.skip += 1;
            return;
        }
        match name.as_str() {
            "h" => {
                self.paragraphs += 1;
                let level = element.attribute("outline-level").and_then(|l| l.parse().ok()).unwrap_or(1);
                self.heading = Some((level, false));
            }
            "p" => self.start_paragraph(element),
            "list" => {
                self.flow.begin_list(None);
                self.lists += 1;
            }
            "list-item" | "list-header" if self.in_cell == 0 => self.flow.begin_item(),
            "s" if self.paragraphs > 0 => self.write(" "),
            "tab" if self.paragraphs > 0 => self.write("\t"),
            "line-break" if self.paragraphs > 0 => self.write("\n"),
            "note-body" => self.note = Some(String::new()),
            "page" => {
                self.flow.end_paragraph();
                self.page += 1;
            }
            _ => self.start_table_part(&name, element),
        }
    }

    fn start_paragraph(&mut self, element: &Element<'_>) {
        self.paragraphs += 1;
        if let Some(note) = &mut self.note {
            if !note.is_empty() {
                note.push(' ');
            }
            return;
        }
        if self.in_cell > 0 {
            if !self.cell.is_empty() {
                self.cell.push(' ');
            }
            return;
        }
        let style = element.attribute("style-name").unwrap_or_default();
        // Texts of a word processor put their headings in `h`; a title is a paragraph of that style.
        if self.paragraphs == 1 && self.outline.get(&style) == Some(&0) {
            self.heading = Some((1, true));
        }
    }

    fn start_table_part(&mut self, name: &str, element: &Element<'_>) {
        let repeated = |of: &str| {
            let count = element.attribute(of).and_then(|n| n.parse::<usize>().ok());
            count.unwrap_or(1).clamp(1, MAX_REPEATS)
        };
        match name {
            "table" if self.in_cell == 0 => {
                let sheet = element.attribute("name").filter(|_| self.paragraphs == 0 && self.lists == 0);
                self.flow.begin_table();
                self.title = sheet.unwrap_or_default();
            }
            "table-header-rows" => self.header_row = true,
            "table-row" if self.in_cell == 0 => self.flow.begin_row(),
            "table-cell" => {
                if self.in_cell == 0 {
                    self.cell.clear();
                    let rows = element.attribute("number-rows-spanned").and_then(|n| n.parse().ok());
                    self.rows = rows.unwrap_or(1);
                    self.repeats = repeated("number-columns-repeated");
                    let columns = repeated("number-columns-spanned");
                    self.flow.begin_cell(self.header_row, columns, self.rows);
                }
                self.in_cell += 1;
            }
            // What a span hides; the span itself leaves room.
            "covered-table-cell" => self.skip += 1,
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        match name {
            "h" | "p" => self.end_paragraph(),
            "list" => {
                self.flow.end_list();
                self.lists = self.lists.saturating_sub(1);
            }
            "note-body" => self.notes.extend(self.note.take()),
            "table-header-rows" => self.header_row = false,
            "table-cell" => {
                self.in_cell = self.in_cell.saturating_sub(1);
                if self.in_cell == 0 {
                    self.end_cell();
                }
            }
            "table" if self.in_cell == 0 => {
                self.flow.end_table();
                self.write_notes();
            }
            _ => {}
        }
    }

    fn end_cell(&mut self) {
        let text = std::mem::take(&mut self.cell);
        // An empty cell repeated to the end of the sheet is its edge.
        let times = if text.trim().is_empty() { self.repeats.min(8) } else { self.repeats };
        for again in 0..times {
            if again > 0 {
                self.flow.begin_cell(self.header_row, 1, self.rows);
            }
            self.flow.text(&text);
            self.flow.end_paragraph();
        }
    }

    fn end_paragraph(&mut self) {
        self.paragraphs = self.paragraphs.saturating_sub(1);
        if self.note.is_some() || self.in_cell > 0 {
            self.heading = None;
            return;
        }
        match self.heading.take() {
            Some((_, true)) => {
                let title = std::mem::take(&mut self.title);
                self.flow.builder.set_title(&crate::clean::line(&title));
                if self.flow.builder.is_empty() {
                    self.shift = 1;
                }
                self.flow.end(Unit::Heading(1));
            }
            Some((level, false)) => self.flow.end(Unit::Heading(level.saturating_add(self.shift))),
            None => self.flow.end_paragraph(),
        }
        self.write_notes();
    }

    fn write_notes(&mut self) {
        if self.in_cell > 0 || self.lists > 0 {
            return;
        }
        for note in std::mem::take(&mut self.notes) {
            self.flow.text(&note);
            self.flow.end_paragraph();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_cells_keep_the_columns() {
        let cell = |marks: &str, text: &str| format!("<t:table-cell {marks}><p>{text}</p></t:table-cell>");
        let row = |cells: &[String]| format!("<t:table-row>{}</t:table-row>", cells.concat());
        let covered = "<t:covered-table-cell/>".to_owned();
        let down = "t:number-rows-spanned='2'";
        let rows = [
            row(&[
                cell(down, "Type"),
                cell("t:number-columns-spanned='2'", "Size"),
                covered.clone(),
                cell(down, "Weight"),
            ]),
            row(&[covered.clone(), cell("", "W"), cell("", "H"), covered.clone()]),
            row(&[
                cell("t:number-rows-spanned='99999999999'", "Washer"),
                cell("", "60"),
                cell("", "85"),
                cell("", "45 kg"),
            ]),
            row(&[covered.clone(), cell("t:number-columns-repeated='2'", "61"), cell("", "38 kg")]),
        ];
        let mut builder = Builder::new(&Limits::default());
        let text = format!("<x xmlns:t='t'><t:table>{}</t:table></x>", rows.concat());
        Body::new(&mut builder, HashMap::new()).read(&text, &Limits::default()).unwrap();
        let table = "Type | Size |  | Weight\n| W | H\nWasher | 60 | 85 | 45 kg\n| 61 | 61 | 38 kg";
        assert_eq!(builder.finish().text, table);
    }
}
