//! Rows as aligned columns of text.

use serde_json::Value;
use std::fmt;
use unicode_width::UnicodeWidthStr;

/// Widest cell, in terminal columns.
const MOST: usize = 48;

/// A table to print.
#[derive(Debug)]
pub(super) struct Grid {
    names: Vec<String>,
    rows: Vec<Vec<(String, bool)>>,
}

impl Grid {
    pub(super) fn new(names: Vec<String>) -> Self {
        let names = names.iter().map(|name| one_line(name)).collect();
        Self { names, rows: Vec::new() }
    }

    /// Adds a row with one value per column; numbers stand on the right.
    pub(super) fn push(&mut self, values: Vec<Value>) {
        let cell = |value: Value| match value {
            Value::Null => (String::new(), false),
            Value::String(text) => (one_line(&text), false),
            Value::Number(number) => (number.to_string(), true),
            other => (one_line(&other.to_string()), false),
        };
        self.rows.push(values.into_iter().map(cell).collect());
    }
}

/// Text without line ends and control letters, cut to fit.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for letter in text.chars() {
        let shown = match letter {
            '\n' => "⏎".to_owned(),
            '\t' => " ".to_owned(),
            letter if letter.is_control() => "\u{FFFD}".to_owned(),
            letter => letter.to_string(),
        };
        width += shown.width();
        if width > MOST - 1 {
            out.push('…');
            return out;
        }
        out.push_str(&shown);
    }
    out
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| text.width());
            let name = self.names.get(at).map_or(0, |name| name.width());
            cells.chain([name]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.names.len()).map(width).collect();
        let line = |cells: &[(String, bool)]| {
            let mut out = String::new();
            for ((text, right), width) in cells.iter().zip(&widths) {
                let blank = " ".repeat(width.saturating_sub(text.width()));
                let (before, after) = if *right { (blank.as_str(), "") } else { ("", blank.as_str()) };
                out.push_str(&format!("{before}{text}{after}  "));
            }
            out.trim_end().to_owned()
        };
        let head: Vec<(String, bool)> = self.names.iter().map(|name| (name.clone(), false)).collect();
        write!(f, "{}", line(&head))?;
        for row in &self.rows {
            write!(f, "\n{}", line(row))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_under_their_names() {
        let mut grid = Grid::new(vec!["id".into(), "名前".into(), "o".into()]);
        grid.push(vec![json!(1), json!("山\n田"), json!({ "a": 1 })]);
        grid.push(vec![json!(200), json!("x".repeat(100)), json!(null)]);
        let text = grid.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].trim_end(), format!("id   名前{}  o", " ".repeat(44)));
        assert_eq!(lines[1], format!("  1  山⏎田{}  {{\"a\":1}}", " ".repeat(43)));
        assert_eq!(lines[2], format!("200  {}…", "x".repeat(47)));
    }
}
