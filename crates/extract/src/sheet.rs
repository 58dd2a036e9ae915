//! Workbooks (XLSX, XLSB, XLS, ODS): each visible sheet a heading and its tables.
//!
//! Formulas give the values stored with them, and numbers are written as their formats show them ([`formats`]; those of
//! XLSB are not told). An empty row ends a table, a row of one cell above a table is its title, and tables side by
//! side are told apart where they clearly are two ([`grid`]). Cells are read one by one and kept where they are
//! ([`grid::Grid`]), so two cells far apart cost as much as two side by side.

mod formats;
mod grid;
mod ods;
mod xls;

use crate::Error;
use crate::document::Builder;
use crate::limits::Limits;
use crate::package::Package;
use crate::xml::{Token, Xml};
use calamine::{Data, DataRef, Reader, SheetType, SheetVisible, Xlsb, Xlsx, XlsxError};
use formats::Format;
use grid::Grid;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The format's name in errors.
const FORMAT: &str = "workbook";

/// Reads a whole workbook.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    if !bytes.starts_with(b"PK") {
        return xls::read(bytes, limits, builder);
    }
    let mut package = Package::open(FORMAT, bytes, limits)?;
    if package.has("content.xml") && !package.has("xl/workbook.xml") {
        return ods::read(&mut package, limits, builder);
    }
    check_parts(&mut package, limits)?;
    let binary = package.has("xl/workbook.bin");
    // The library panics on some broken files.
    let read = catch_unwind(AssertUnwindSafe(|| match binary {
        true => read_xlsb(bytes, limits, builder),
        false => read_xlsx(bytes, limits, builder),
    }));
    read.unwrap_or_else(|_| Err(Error::broken(FORMAT, "its structure cannot be read; save it again")))
}

/// Inflates every part once under the caps; the library itself has none.
fn check_parts(package: &mut Package<'_>, limits: &Limits) -> Result<(), Error> {
    let names: Vec<String> = package.names().map(|name| name.into_owned()).collect();
    for name in names {
        let lower = name.to_lowercase();
        if lower.ends_with("sharedstrings.xml") {
            let strings = package.minor_part(&name)?.unwrap_or_default();
            check_strings(&strings, limits)?;
        } else if lower.ends_with(".xml") || lower.ends_with(".bin") || lower.ends_with(".rels") {
            package.minor_bytes(&name)?;
        }
    }
    Ok(())
}

/// Refuses a list of strings that claims more of them than it has room for: the library reserves them all.
fn check_strings(text: &str, limits: &Limits) -> Result<(), Error> {
    let mut xml = Xml::new(FORMAT, text, limits);
    while let Ok(Some(token)) = xml.next() {
        let Token::Start(element) = token else { continue };
        if element.name() == "sst" {
            // Whichever of several the library takes.
            let claims = element.attributes("uniqueCount");
            let mut claims = claims.iter().filter_map(|count| count.trim().parse::<u64>().ok());
            if claims.any(|claimed| claimed > text.len() as u64) {
                return Err(Error::broken(FORMAT, "its list of strings claims more than it holds"));
            }
            break;
        }
    }
    Ok(())
}

/// One sheet as a workbook lists it.
#[derive(Debug, Clone)]
struct Sheet {
    name: String,
    visible: bool,
}

/// Names the sheets left out; gives the others and whether each needs a heading.
fn visible(sheets: Vec<Sheet>, builder: &mut Builder) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    for sheet in sheets {
        if sheet.visible {
            names.push(sheet.name);
        } else {
            builder.warn(format!("the hidden sheet {:?} was left out", sheet.name));
        }
    }
    let several = names.len() > 1;
    (names, several)
}

fn listed(sheets: &[calamine::Sheet]) -> Vec<Sheet> {
    let tables = sheets.iter().filter(|sheet| !matches!(sheet.typ, SheetType::ChartSheet | SheetType::Vba));
    tables
        .map(|sheet| Sheet { name: sheet.name.clone(), visible: sheet.visible == SheetVisible::Visible })
        .collect()
}

fn refused(error: impl std::fmt::Display) -> Error {
    let text = error.to_string();
    if text.to_lowercase().contains("password") { Error::Encrypted } else { Error::broken(FORMAT, text) }
}

fn unread(name: &str, error: impl std::fmt::Display, builder: &mut Builder) {
    builder.warn(format!("the sheet {name:?} could not be read to its end: {error}"));
}

fn read_xlsx(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(refused)?;
    let (names, several) = visible(listed(book.sheets_metadata()), builder);
    // Those of all styles, which the first sheet tells.
    let mut formats: Option<Vec<Format>> = None;
    for name in names {
        let mut grid = Grid::new(limits);
        match book.worksheet_cells_reader(&name) {
            Ok(mut cells) => {
                let formats = formats.get_or_insert_with(|| {
                    let styles = cells.styles().iter();
                    styles.map(|style| Format::of_style(style.number_format.as_ref())).collect()
                });
                if let Err(error) = fill(&mut grid, formats, || cells.next_cell_with_style_id()) {
                    unread(&name, error, builder);
                }
            }
            Err(XlsxError::NotAWorksheet(_)) => {}
            Err(error) => unread(&name, error, builder),
        }
        grid.write(several.then_some(&name), builder);
        if builder.is_full() {
            break;
        }
    }
    Ok(())
}

fn read_xlsb(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let mut book = Xlsb::new(Cursor::new(bytes)).map_err(refused)?;
    let (names, several) = visible(listed(book.sheets_metadata()), builder);
    for name in names {
        let mut grid = Grid::new(limits);
        let read = book
            .worksheet_cells_reader(&name)
            .and_then(|mut cells| fill(&mut grid, &[], || Ok(cells.next_cell()?.map(|found| (found, 0)))));
        if let Err(error) = read {
            unread(&name, error, builder);
        }
        grid.write(several.then_some(&name), builder);
        if builder.is_full() {
            break;
        }
    }
    Ok(())
}

/// A cell and the number of its style.
type Styled<'a> = (calamine::Cell<DataRef<'a>>, usize);

/// Puts cells into the grid until they end or it is full.
fn fill<'a, E>(
    grid: &mut Grid,
    formats: &[Format],
    mut next: impl FnMut() -> Result<Option<Styled<'a>>, E>,
) -> Result<(), E> {
    while let Some((found, style)) = next()? {
        let format = formats.get(style).unwrap_or(&Format::Plain);
        let ((row, column), value) = (found.get_position(), found.get_value());
        let fits = match value {
            DataRef::Empty => continue,
            DataRef::SharedString(text) => grid.push_raw(row, column, text),
            DataRef::String(text) => grid.push_raw(row, column, text),
            value => grid.push_value(row, column, &cell(&Data::from(value.clone()), format)),
        };
        if !fits {
            grid.note_cut();
            break;
        }
    }
    Ok(())
}

/// The text of a cell.
fn cell(data: &Data, format: &Format) -> String {
    let text = match data {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Float(number) => format.figure(*number),
        Data::Int(number) => number.to_string(),
        Data::Bool(flag) => flag.to_string(),
        Data::DateTime(moment) => format.moment(*moment),
        Data::Error(error) => format!("{error}"),
    };
    crate::clean::line(&text)
}

#[cfg(test)]
mod tests;
