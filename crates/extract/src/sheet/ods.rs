//! OpenDocument workbooks: the content part walked once.
//!
//! Cells and rows that are repeated are told once with a number, which sheets use to fill themselves up to their
//! edge; only those with text are written again.

use super::grid::Grid;
use super::{FORMAT, Sheet, formats};
use crate::Error;
use crate::document::Builder;
use crate::limits::Limits;
use crate::package::Package;
use crate::xml::{Element, Token, Xml};
use std::borrow::Cow;
use std::collections::HashSet;

/// A cell or row with text is written at most this often.
const MAX_REPEATS: u32 = 1_000;

/// Elements left out with all they hold.
const SKIPPED: [&str; 7] =
    ["annotation", "shapes", "forms", "tracked-changes", "ruby-text", "named-expressions", "dde-links"];

/// Reads a whole workbook.
pub(super) fn read(package: &mut Package<'_>, limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let manifest = package.minor_part("META-INF/manifest.xml")?.unwrap_or_default();
    if manifest.contains("encryption-data") {
        return Err(Error::Encrypted);
    }
    let Some(content) = package.part("content.xml")? else {
        return Err(Error::broken(FORMAT, "it has no content part"));
    };
    let sheets = sheets(&content, limits);
    let several = sheets.iter().filter(|sheet| sheet.visible).count() > 1;
    super::visible(sheets.clone(), builder);
    Tables { limits, builder, sheets: sheets.into_iter(), several }.read(&content)
}

/// The sheets in their order; a damaged part has those before the damage.
fn sheets(content: &str, limits: &Limits) -> Vec<Sheet> {
    let mut xml = Xml::new(FORMAT, content, limits);
    let (mut style, mut hidden) = (String::new(), HashSet::new());
    let (mut sheets, mut skip, mut depth) = (Vec::new(), 0_usize, 0_usize);
    while let Ok(Some(token)) = xml.next() {
        match token {
            Token::Start(element) => match element.name().as_str() {
                name if skip > 0 || SKIPPED.contains(&name) => skip += 1,
                "style" => style = element.attribute("name").unwrap_or_default(),
                "table-properties" if element.attribute("display").as_deref() == Some("false") => {
                    hidden.insert(std::mem::take(&mut style));
                }
                "table" => {
                    depth += 1;
                    if depth == 1 {
                        let name = element.attribute("name").unwrap_or_default();
                        let style = element.attribute("style-name").unwrap_or_default();
                        sheets.push(Sheet { name, visible: !hidden.contains(&style) });
                    }
                }
                _ => {}
            },
            Token::End(_) if skip > 0 => skip -= 1,
            Token::End(name) if name == "table" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    sheets
}

struct Tables<'a> {
    limits: &'a Limits,
    builder: &'a mut Builder,
    sheets: std::vec::IntoIter<Sheet>,
    several: bool,
}

impl Tables<'_> {
    /// Reads to the end; text before a break in the XML is kept with a warning.
    fn read(mut self, content: &str) -> Result<(), Error> {
        let mut xml = Xml::new(FORMAT, content, self.limits);
        let mut open: Option<Table> = None;
        // Open elements that are left out, and tables within tables.
        let (mut skip, mut depth) = (0_usize, 0_usize);
        let ended = loop {
            let token = match xml.next() {
                Ok(Some(token)) => token,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            match token {
                Token::Start(element) => {
                    let name = element.name();
                    if skip > 0 || SKIPPED.contains(&name.as_str()) {
                        skip += 1;
                    } else if name == "table" {
                        depth += 1;
                        if depth == 1 {
                            open = self.sheets.next().map(|sheet| Table::new(sheet, self.limits));
                        }
                    } else if let Some(table) = &mut open {
                        table.start(&name, &element);
                    }
                }
                Token::End(_) if skip > 0 => skip -= 1,
                Token::End(name) if name == "table" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.finish(open.take());
                    }
                }
                Token::End(name) => open.iter_mut().for_each(|table| table.end(&name)),
                Token::Text(text) if skip == 0 => open.iter_mut().for_each(|table| table.text(&text)),
                Token::Text(_) => {}
            }
            if self.builder.is_full() {
                break Ok(());
            }
        };
        self.finish(open);
        match ended {
            Err(error) if error.is_hostile() || self.builder.is_empty() => return Err(error),
            Err(error) => {
                self.builder.warn(format!("the file is damaged; text may be missing ({error})"));
            }
            Ok(()) => {}
        }
        Ok(())
    }

    fn finish(&mut self, table: Option<Table>) {
        let Some(mut table) = table.filter(|table| table.sheet.visible) else { return };
        table.end("table-cell");
        table.end("table-row");
        if table.full {
            table.grid.note_cut();
        }
        if table.cut {
            let name = &table.sheet.name;
            self.builder
                .warn(format!("the sheet {name:?} repeats cells or rows; {MAX_REPEATS} of each were kept"));
        }
        table.grid.write(self.several.then_some(&table.sheet.name), self.builder);
    }
}

/// An open sheet.
struct Table {
    sheet: Sheet,
    grid: Grid,
    row: u32,
    row_repeats: u32,
    column: u32,
    /// Cells of the grid before the open row.
    before: usize,
    cell: Option<Cell>,
    /// Some repeats were left out.
    cut: bool,
    full: bool,
}

/// An open cell.
#[derive(Default)]
struct Cell {
    repeats: u32,
    /// The value it has beside its text.
    value: Option<Value>,
    text: String,
    paragraphs: usize,
    in_paragraph: usize,
}

impl Table {
    fn new(sheet: Sheet, limits: &Limits) -> Self {
        Self {
            sheet,
            grid: Grid::new(limits),
            row: 0,
            row_repeats: 1,
            column: 0,
            before: 0,
            cell: None,
            cut: false,
            full: false,
        }
    }

    fn start(&mut self, name: &str, element: &Element<'_>) {
        let repeated = |of: &str| element.attribute(of).and_then(|n| n.trim().parse().ok()).unwrap_or(1);
        match (name, &mut self.cell) {
            ("table-row", None) => {
                self.row_repeats = repeated("number-rows-repeated");
                self.column = 0;
                self.before = self.grid.len();
            }
            ("table-cell" | "covered-table-cell", None) => {
                self.cell = Some(Cell {
                    repeats: repeated("number-columns-repeated"),
                    value: Value::of(element),
                    ..Cell::default()
                });
            }
            ("p" | "h", Some(cell)) => {
                if cell.paragraphs > 0 {
                    cell.text.push('\n');
                }
                cell.paragraphs += 1;
                cell.in_paragraph += 1;
            }
            ("s" | "tab" | "line-break", Some(cell)) if cell.in_paragraph > 0 => cell.text.push(' '),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(cell) = self.cell.as_mut().filter(|cell| cell.in_paragraph > 0) {
            cell.text.push_str(text);
        }
    }

    fn end(&mut self, name: &str) {
        match (name, &mut self.cell) {
            ("p" | "h", Some(cell)) => cell.in_paragraph = cell.in_paragraph.saturating_sub(1),
            ("table-cell" | "covered-table-cell", Some(_)) => self.end_cell(),
            ("table-row", None) => self.end_row(),
            _ => {}
        }
    }

    fn end_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let words = matches!(cell.value, None | Some(Value::Words(_)));
        let text = crate::clean::line(&cell.shown());
        if self.sheet.visible && !text.is_empty() {
            let columns = self.column..self.column.saturating_add(self.repeats(cell.repeats));
            for column in columns {
                if self.full {
                    break;
                }
                self.full = !self.grid.push(self.row, column, &text, words);
            }
        }
        self.column = self.column.saturating_add(cell.repeats);
    }

    fn end_row(&mut self) {
        if self.grid.len() > self.before {
            let again = 1..self.repeats(self.row_repeats);
            let cells = self.before..self.grid.len();
            for at in again {
                if self.full {
                    break;
                }
                self.full = !self.grid.repeat(cells.clone(), self.row.saturating_add(at));
            }
            self.before = self.grid.len();
        }
        self.row = self.row.saturating_add(self.row_repeats);
    }

    /// How often something is written that claims to be there `claimed` times.
    fn repeats(&mut self, claimed: u32) -> u32 {
        self.cut |= claimed > MAX_REPEATS;
        claimed.min(MAX_REPEATS)
    }
}

/// What a cell holds where that is not its text.
enum Value {
    Number(f64),
    /// A share or an amount: its text tells decimals and currency.
    Figure(f64),
    Time(String),
    /// A date, a truth value, or a number that is none.
    Other(String),
    Words(String),
}

impl Value {
    fn of(cell: &Element<'_>) -> Option<Self> {
        let kind = cell.attribute("value-type")?;
        match kind.as_str() {
            "float" | "percentage" | "currency" => {
                let number = cell.attribute("value")?;
                Some(match number.trim().parse() {
                    Ok(number) if kind == "float" => Self::Number(number),
                    Ok(number) => Self::Figure(number),
                    Err(_) => Self::Other(number),
                })
            }
            "date" => cell.attribute("date-value").map(Self::Other),
            "time" => cell.attribute("time-value").map(Self::Time),
            "boolean" => cell.attribute("boolean-value").map(|truth| Self::Other(truth.to_lowercase())),
            "string" => cell.attribute("string-value").filter(|text| !text.is_empty()).map(Self::Words),
            _ => None,
        }
    }
}

impl Cell {
    fn shown(&self) -> Cow<'_, str> {
        let Some(value) = &self.value else { return Cow::Borrowed(&self.text) };
        match value {
            Value::Number(number) => Cow::Owned(formats::plain(*number)),
            Value::Figure(number) => Cow::Owned(formats::as_shown(*number, &crate::clean::line(&self.text))),
            Value::Time(time) => {
                let seconds = self.text.matches(':').count() > 1;
                formats::iso_time(time, seconds).map_or(Cow::Borrowed(time), Cow::Owned)
            }
            Value::Other(text) | Value::Words(text) => Cow::Borrowed(text),
        }
    }
}
