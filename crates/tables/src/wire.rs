//! Rows in wire form.

use crate::api::Row;
use crate::compute::Watched;
use crate::record::StoredRow;
use crate::schema::{Column, ColumnId};
use serde_json::{Map, Value};

/// A stored row with every column by name.
pub(crate) fn row(columns: &[Column], stored: &StoredRow) -> Row {
    let mut row = Map::with_capacity(columns.len() + 4);
    row.insert("id".into(), stored.id.into());
    row.insert("createdAt".into(), stored.created_at.to_string().into());
    row.insert("updatedAt".into(), stored.updated_at.to_string().into());
    Watched::insert(&mut row, &Watched::of(columns), &stored.computed);
    for column in columns {
        let value = stored.cell(column.id).map_or(Value::Null, |cell| cell.to_value());
        row.insert(column.name.clone(), value);
    }
    row
}

/// The name under which a wire row holds a column.
pub(crate) fn name_of(columns: &[Column], column: ColumnId) -> Option<&str> {
    match column {
        ColumnId::ID => Some("id"),
        ColumnId::CREATED_AT => Some("createdAt"),
        ColumnId::UPDATED_AT => Some("updatedAt"),
        other => columns.iter().find(|column| column.id == other).map(|column| column.name.as_str()),
    }
}
