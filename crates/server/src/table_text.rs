//! The rows of a bot's tables as the sources of a knowledge base see them.
//!
//! Joins the two crates that do not know each other. Invariant: rows are read within the scope they are
//! asked for in, and a text never grows past what may be indexed.

use async_trait::async_trait;
use bytes::Bytes;
use quarry_kb::{Error, TableText};
use quarry_tables::{Find, Tables};
use quarry_types::{ErrorKind, Scope};
use serde_json::Value;

/// Rows read at a time.
const PAGE: usize = 1_000;
/// Rows of one table that become knowledge; more are a matter for filters, not for passages.
const MAX_ROWS: usize = 50_000;
const MAX_BYTES: usize = 50 << 20;
/// What every row has besides its columns.
const OWN: [&str; 5] = ["createdAt", "updatedAt", "computed", "stale", "similarity"];

/// Tables as texts.
pub(crate) struct TableRows(pub(crate) Tables);

fn of_tables(error: quarry_tables::Error, table: &str) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::Reference { what: "table", id: table.to_owned() },
        ErrorKind::Internal | ErrorKind::Corrupt => Error::Internal(error.to_string()),
        _ => Error::Invalid(format!("table {table:?} cannot be read: {error}")),
    }
}

/// One field of CSV.
fn field(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quoted = text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ');
    if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[async_trait]
impl TableText for TableRows {
    async fn csv(&self, scope: &Scope, table: &str) -> Result<(String, Bytes), Error> {
        let (found, _) = self.0.get(scope, table).await.map_err(|error| of_tables(error, table))?;
        let id = found.id.as_str();
        let mut columns: Option<Vec<String>> = None;
        let (mut text, mut offset) = (String::new(), 0);
        loop {
            let find = Find { limit: PAGE, offset, ..Find::default() };
            let page = self.0.find(scope, id, find).await.map_err(|error| of_tables(error, table))?;
            for row in page.rows.iter() {
                let names = columns.get_or_insert_with(|| {
                    let names = row.keys().filter(|name| !OWN.contains(&name.as_str()));
                    let names: Vec<String> = names.cloned().collect();
                    let header: Vec<String> = names.iter().map(|name| field(&name.as_str().into())).collect();
                    text.push_str(&header.join(","));
                    text.push('\n');
                    names
                });
                let values: Vec<String> =
                    names.iter().map(|name| field(row.get(name).unwrap_or(&Value::Null))).collect();
                text.push_str(&values.join(","));
                text.push('\n');
            }
            offset += page.rows.len();
            if offset > MAX_ROWS || text.len() > MAX_BYTES {
                return Err(Error::Limit(format!(
                    "table {table:?} has more than {MAX_ROWS} rows or {MAX_BYTES} bytes; ask it with filters instead"
                )));
            }
            if !page.has_more || page.rows.is_empty() {
                break;
            }
        }
        if text.is_empty() {
            return Err(Error::Invalid(format!(
                "table {table:?} has no rows yet; refresh the source when it has"
            )));
        }
        Ok((found.name, Bytes::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::field;
    use serde_json::json;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let shown: Vec<String> = [json!("a"), json!("a,\"b\""), json!(null), json!(1.5), json!({ "k": 1 })]
            .iter()
            .map(field)
            .collect();
        assert_eq!(shown, ["a", "\"a,\"\"b\"\"\"", "", "1.5", "\"{\"\"k\"\":1}\""]);
    }
}
