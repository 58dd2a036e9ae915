//! Workbooks (XLSX, XLSB, XLS, ODS): each visible sheet a heading and its tables.
//!
//! Formulas give the values stored with them; an empty row ends a table.

mod far;

use crate::Error;
use crate::document::Builder;
use crate::flow::push_table;
use crate::limits::Limits;
use calamine::{Data, Range, Reader, SheetVisible, open_workbook_auto_from_rs};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The format's name in errors.
const FORMAT: &str = "workbook";
/// Rows of one table block; the passages are cut within it, this bounds what is built at once.
const BLOCK_ROWS: usize = 2_000;

/// Reads a whole workbook.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    check_parts(bytes, limits)?;
    // The library panics on some broken files.
    let read = catch_unwind(AssertUnwindSafe(|| read_book(bytes, builder)));
    read.unwrap_or_else(|_| Err(Error::broken(FORMAT, "its structure cannot be read; save it again")))
}

fn read_book(bytes: &[u8], builder: &mut Builder) -> Result<(), Error> {
    let mut book = open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(|error| {
        let text = error.to_string();
        if text.to_lowercase().contains("password") { Error::Encrypted } else { Error::broken(FORMAT, text) }
    })?;
    let sheets: Vec<(String, bool)> = book
        .sheets_metadata()
        .iter()
        .map(|sheet| (sheet.name.clone(), sheet.visible == SheetVisible::Visible))
        .collect();
    let several = sheets.iter().filter(|(_, visible)| *visible).count() > 1;
    for (name, visible) in sheets {
        if !visible {
            builder.warn(format!("the hidden sheet {name:?} was left out"));
            continue;
        }
        match book.worksheet_range(&name) {
            Ok(range) => write_sheet(&name, several, &range, builder),
            Err(error) => builder.warn(format!("the sheet {name:?} could not be read: {error}")),
        }
        if builder.is_full() {
            break;
        }
    }
    Ok(())
}

/// Inflates every part once under the caps; the workbook reader itself has none.
fn check_parts(bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    if !bytes.starts_with(b"PK") {
        crate::compound::check(FORMAT, bytes)?;
        return far::check(bytes, limits.max_part_bytes);
    }
    let mut package = crate::package::Package::open(FORMAT, bytes, limits)?;
    let names: Vec<String> = package.names().map(|name| name.into_owned()).collect();
    for name in names.iter().filter(|name| name.ends_with(".xml") || name.ends_with(".bin")) {
        package.minor_bytes(name)?;
    }
    Ok(())
}

fn write_sheet(name: &str, several: bool, range: &Range<Data>, builder: &mut Builder) {
    if range.is_empty() {
        return;
    }
    if several {
        builder.heading(2, &crate::clean::line(name), None);
    }
    let mut header: Option<Vec<String>> = None;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in range.rows() {
        let cells: Vec<String> = row.iter().map(cell).collect();
        let empty = cells.iter().all(String::is_empty);
        if empty || rows.len() >= BLOCK_ROWS {
            write_rows(&mut rows, builder);
        }
        if empty {
            header = None;
            continue;
        }
        match &header {
            None => header = Some(cells.clone()),
            // A long table goes on under its header.
            Some(header) if rows.is_empty() => rows.push(header.clone()),
            Some(_) => {}
        }
        rows.push(cells);
        if builder.is_full() {
            return;
        }
    }
    write_rows(&mut rows, builder);
}

fn write_rows(rows: &mut Vec<Vec<String>>, builder: &mut Builder) {
    let rows = std::mem::take(rows);
    if !rows.is_empty() {
        push_table(builder, &rows, Some(1), None);
    }
}

fn cell(data: &Data) -> String {
    let text = match data {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Float(number) => number.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Bool(flag) => flag.to_string(),
        Data::DateTime(moment) => moment_text(*moment),
        Data::Error(error) => format!("{error}"),
    };
    crate::clean::line(&text)
}

fn moment_text(moment: calamine::ExcelDateTime) -> String {
    if moment.is_duration() {
        let seconds = (moment.as_f64() * 86_400.0).round();
        let whole = if seconds.is_finite() && seconds.abs() < 1e12 { seconds as i64 } else { 0 };
        return format!("{}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60);
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    match (hour, minute, second) {
        (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        (_, _, 0) => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
    }
}
