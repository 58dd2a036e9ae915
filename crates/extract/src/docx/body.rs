//! The document part: paragraphs, lists, tables, notes, text boxes.

use super::FORMAT;
use super::numbering::Numbering;
use super::styles::{Role, Styles};
use crate::Error;
use crate::document::Builder;
use crate::flow::{Flow, Unit};
use crate::limits::Limits;
use crate::xml::{Element, Token, Xml};
use std::collections::HashMap;

/// Texts of foot- and endnotes by kind and id.
pub(super) type Notes = HashMap<(&'static str, String), String>;

/// Elements left out with all they hold: deleted text, the older form of drawings that stand
/// there twice, field codes, pronunciation aids, properties as they were before a tracked change.
const SKIPPED: [&str; 16] = [
    "del",
    "moveFrom",
    "Fallback",
    "instrText",
    "delText",
    "delInstrText",
    "rt",
    "sectPr",
    "sdtPr",
    "rPrChange",
    "pPrChange",
    "tblPrChange",
    "trPrChange",
    "tcPrChange",
    "sectPrChange",
    "numberingChange",
];

/// After so many paragraphs without its result a field is taken for broken.
const MAX_FIELD_PARAGRAPHS: usize = 20;

/// Reads the notes part; `kind` is its element's name.
pub(super) fn read_notes(text: &str, kind: &'static str, limits: &Limits) -> Result<Notes, Error> {
    let mut xml = Xml::new(FORMAT, text, limits);
    let mut notes = Notes::new();
    let mut current: Option<(String, String)> = None;
    let mut skip: Vec<String> = Vec::new();
    loop {
        let token = match xml.next() {
            Ok(Some(token)) => token,
            Ok(None) => return Ok(notes),
            Err(error) if error.is_hostile() => return Err(error),
            Err(_) => return Ok(notes),
        };
        match token {
            Token::Start(element) => {
                let name = element.name();
                if !skip.is_empty() || SKIPPED.contains(&name.as_str()) {
                    skip.push(name);
                } else if name == kind {
                    // Separators are notes too, with a type.
                    let real = element.attribute("type").is_none_or(|t| t == "normal");
                    current = element.attribute("id").filter(|_| real).map(|id| (id, String::new()));
                } else if let (Some((_, text)), "br" | "tab" | "p") = (&mut current, name.as_str()) {
                    text.push(' ');
                }
            }
            Token::End(name) => {
                if skip.pop().is_none() && name == kind {
                    notes.extend(current.take().map(|(id, text)| ((kind, id), text)));
                }
            }
            Token::Text(text) => {
                if let (Some((_, note)), true) = (&mut current, skip.is_empty()) {
                    note.push_str(&text);
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    style: Option<String>,
    list: Option<i64>,
    level: Option<usize>,
    outline: Option<u8>,
    /// Finished text boxes anchored in it.
    boxes: Vec<String>,
}

/// Walks the document part.
pub(super) struct Body<'b> {
    flow: Flow<'b>,
    styles: Styles,
    numbering: Numbering,
    notes: Notes,
    /// The open paragraph, and those around it when it is in a text box.
    paragraphs: Vec<Paragraph>,
    /// Open elements whose content is left out.
    skip: usize,
    in_text: bool,
    in_run_properties: bool,
    hidden_run: bool,
    in_paragraph_properties: bool,
    /// Open fields: whether the result has begun. What stands before it is no text.
    fields: Vec<bool>,
    /// Paragraphs that ended within the instruction of a field.
    field_paragraphs: usize,
    /// Open lists of the flow.
    lists: usize,
    tables: usize,
    header_row: bool,
    /// A cell whose span is still to be read.
    cell: Option<usize>,
    /// Notes whose paragraph is being read.
    pending: Vec<String>,
    /// Levels that headings are moved down because a title stands above them.
    shift: u8,
}

impl<'b> Body<'b> {
    pub(super) fn new(builder: &'b mut Builder, styles: Styles, numbering: Numbering, notes: Notes) -> Self {
        Self {
            flow: Flow::new(builder),
            styles,
            numbering,
            notes,
            paragraphs: Vec::new(),
            skip: 0,
            in_text: false,
            in_run_properties: false,
            hidden_run: false,
            in_paragraph_properties: false,
            fields: Vec::new(),
            field_paragraphs: 0,
            lists: 0,
            tables: 0,
            header_row: false,
            cell: None,
            pending: Vec::new(),
            shift: 0,
        }
    }

    /// Reads to the end; text before a break in the XML is kept with a warning.
    pub(super) fn read(mut self, text: &str, limits: &Limits) -> Result<(), Error> {
        let mut xml = Xml::new(FORMAT, text, limits);
        loop {
            match xml.next() {
                Ok(Some(Token::Start(element))) => self.start(&element),
                Ok(Some(Token::End(name))) => self.end(&name),
                Ok(Some(Token::Text(text))) => self.text(&text),
                Ok(None) => break,
                Err(error) if error.is_hostile() => return Err(error),
                Err(error) => {
                    while !self.paragraphs.is_empty() {
                        self.end_paragraph();
                    }
                    if self.flow.builder.is_empty() && self.tables == 0 && self.lists == 0 {
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
        self.close_lists(0);
        self.write_notes();
        self.flow.finish();
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.skip == 0
            && self.in_text
            && !self.hidden_run
            && !self.in_instruction()
            && let Some(paragraph) = self.paragraphs.last_mut()
        {
            // Line feeds in the XML are blanks.
            paragraph.text.push_str(&text.replace(['\n', '\r'], " "));
        }
    }

    /// Whether a field is open whose result has not begun.
    fn in_instruction(&self) -> bool {
        self.fields.contains(&false)
    }

    fn field(&mut self, mark: &str) {
        match mark {
            "begin" => self.fields.push(false),
            "separate" => {
                if let Some(result) = self.fields.last_mut() {
                    *result = true;
                }
            }
            "end" => {
                self.fields.pop();
            }
            _ => {}
        }
        if !self.in_instruction() {
            self.field_paragraphs = 0;
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        let name = element.name();
        if self.skip > 0 || SKIPPED.contains(&name.as_str()) {
            // Marks of tracked paragraph ends and moves hold nothing.
            self.skip += 1;
            return;
        }
        match name.as_str() {
            "p" => {
                self.begin_cell();
                self.paragraphs.push(Paragraph::default());
            }
            "pPr" => self.in_paragraph_properties = true,
            "rPr" => self.in_run_properties = true,
            "r" => self.hidden_run = false,
            "vanish" if self.in_run_properties && !self.in_paragraph_properties => {
                self.hidden_run = element.is_on();
            }
            "t" => self.in_text = true,
            "fldChar" => self.field(&element.attribute("fldCharType").unwrap_or_default()),
            "tbl" if self.paragraphs.is_empty() => {
                self.begin_cell();
                if self.tables == 0 {
                    self.close_lists(0);
                    self.write_notes();
                }
                self.tables += 1;
                self.flow.begin_table();
            }
            "tr" if self.paragraphs.is_empty() => {
                self.header_row = false;
                self.flow.begin_row();
            }
            "tblHeader" => self.header_row = element.is_on(),
            "tc" if self.paragraphs.is_empty() => self.cell = Some(1),
            "gridSpan" if self.cell.is_some() => {
                let span = element.number().and_then(|n| usize::try_from(n).ok());
                self.cell = Some(span.unwrap_or(1).clamp(1, 64));
            }
            _ => self.paragraph_element(&name, element),
        }
    }

    fn paragraph_element(&mut self, name: &str, element: &Element<'_>) {
        let hidden = self.hidden_run || self.in_instruction();
        let in_properties = self.in_paragraph_properties;
        let Some(paragraph) = self.paragraphs.last_mut() else {
            return;
        };
        match name {
            "pStyle" => paragraph.style = element.attribute("val"),
            "numId" if in_properties => paragraph.list = element.number(),
            "ilvl" if in_properties => {
                paragraph.level = element.number().and_then(|n| usize::try_from(n).ok());
            }
            "outlineLvl" => paragraph.outline = element.number().and_then(|n| u8::try_from(n).ok()),
            // Tab stops among the properties are no text.
            "tab" | "ptab" if !in_properties && !hidden => paragraph.text.push('\t'),
            "br" | "cr" if !hidden => paragraph.text.push('\n'),
            "noBreakHyphen" if !hidden => paragraph.text.push('-'),
            "sym" if !hidden => {
                let code = element.attribute("char").and_then(|c| u32::from_str_radix(&c, 16).ok());
                paragraph.text.extend(code.and_then(char::from_u32));
            }
            "footnoteReference" | "endnoteReference" => {
                let kind = if name.starts_with("foot") { "footnote" } else { "endnote" };
                let note = element.attribute("id").and_then(|id| self.notes.remove(&(kind, id)));
                self.pending.extend(note);
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        match name {
            "p" => self.end_paragraph(),
            "pPr" => self.in_paragraph_properties = false,
            "rPr" => self.in_run_properties = false,
            "r" => self.hidden_run = false,
            "t" => self.in_text = false,
            "tc" if self.paragraphs.is_empty() => {
                self.begin_cell();
                self.close_lists(0);
            }
            "tbl" if self.paragraphs.is_empty() && self.tables > 0 => {
                self.tables -= 1;
                self.flow.end_table();
                if self.tables == 0 {
                    self.write_notes();
                }
            }
            _ => {}
        }
    }

    fn begin_cell(&mut self) {
        if let Some(span) = self.cell.take() {
            // Cells merged down are there in every row.
            self.flow.begin_cell(self.header_row, span, 1);
        }
    }

    fn end_paragraph(&mut self) {
        let Some(paragraph) = self.paragraphs.pop() else {
            return;
        };
        if self.in_instruction() {
            self.field_paragraphs += 1;
            if self.field_paragraphs > MAX_FIELD_PARAGRAPHS {
                self.fields.clear();
                self.field_paragraphs = 0;
            }
        }
        if let Some(outer) = self.paragraphs.last_mut() {
            outer.boxes.push(paragraph.text);
            outer.boxes.extend(paragraph.boxes);
            return;
        }
        self.write(&paragraph);
        for text in &paragraph.boxes {
            self.flow.text(text);
            self.flow.end_paragraph();
        }
    }

    fn write(&mut self, paragraph: &Paragraph) {
        let style = paragraph.style.as_deref().unwrap_or_default();
        let role = match paragraph.outline {
            Some(level) if level < 9 => Role::Heading(level + 1),
            _ => self.styles.role(style),
        };
        let list = match (paragraph.list, paragraph.level) {
            // Number 0 takes a paragraph out of its style's list.
            (Some(number), level) => (number > 0).then_some((number, level.unwrap_or(0))),
            (None, level) => self.styles.list(style).map(|(number, own)| (number, level.unwrap_or(own))),
        };
        if paragraph.text.trim().is_empty() {
            return;
        }
        let marker = list.map(|(number, level)| self.numbering.marker(number, level));
        match (role, list) {
            (Role::Title | Role::Heading(_), _) => {
                self.close_lists(0);
                self.write_notes();
                self.write_heading(role, marker, &paragraph.text);
            }
            (_, Some((_, level))) => {
                let depth = level.min(8) + 1;
                self.close_lists(depth);
                while self.lists < depth {
                    self.flow.begin_list(None);
                    self.lists += 1;
                }
                self.flow.begin_item_with(&marker.unwrap_or_default());
                self.flow.text(&paragraph.text);
                self.flow.end_paragraph();
            }
            (Role::Quote, None) => {
                self.close_lists(0);
                self.flow.begin_quote();
                self.flow.text(&paragraph.text);
                self.flow.end_quote();
                self.write_notes();
            }
            (Role::Plain, None) => {
                self.close_lists(0);
                self.flow.text(&paragraph.text);
                self.flow.end_paragraph();
                self.write_notes();
            }
        }
    }

    fn write_heading(&mut self, role: Role, marker: Option<String>, text: &str) {
        let level = match role {
            Role::Heading(level) => level.saturating_add(self.shift),
            _ => 1,
        };
        if role == Role::Title && self.tables == 0 {
            self.flow.builder.set_title(&crate::clean::line(text));
            if self.flow.builder.is_empty() {
                self.shift = 1;
            }
        }
        if let Some(number) = marker.filter(|m| !m.is_empty() && m != "-") {
            self.flow.text(&number);
            self.flow.text(" ");
        }
        self.flow.text(text);
        self.flow.end(Unit::Heading(level));
    }

    fn close_lists(&mut self, depth: usize) {
        while self.lists > depth {
            self.flow.end_list();
            self.lists -= 1;
        }
    }

    /// Writes the notes of what was read so far, unless a table is open.
    fn write_notes(&mut self) {
        if self.tables > 0 {
            return;
        }
        for note in std::mem::take(&mut self.pending) {
            self.flow.text(&note);
            self.flow.end_paragraph();
        }
    }
}
