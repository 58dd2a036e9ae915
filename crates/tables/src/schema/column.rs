//! Columns and the schema that holds them, as stored and as the wire shows them.
//!
//! Invariant: a column id belongs to one kind of values for ever; a changed type takes a new id, so
//! old values become unreachable without touching a row.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Number of a column within its table, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ColumnId(pub(crate) u32);

impl ColumnId {
    pub(crate) const ID: Self = Self(0);
    pub(crate) const CREATED_AT: Self = Self(1);
    pub(crate) const UPDATED_AT: Self = Self(2);
    /// The first id a user's column may take.
    pub(crate) const FIRST: u32 = 16;
}

/// How values of a column are kept and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Number,
    Text,
    Bool,
    /// Text that names a moment; compared as milliseconds since 1970.
    DateTime,
    /// Objects, arrays, anything.
    Json,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "string",
            Self::Bool => "boolean",
            Self::DateTime => "date-time",
            Self::Json => "object",
        }
    }
}

/// The wire's `type` of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WireType {
    String,
    Number,
    Boolean,
    Object,
    Array,
    Null,
}

impl WireType {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "string" => Self::String,
            "number" | "integer" => Self::Number,
            "boolean" => Self::Boolean,
            "object" => Self::Object,
            "array" => Self::Array,
            "null" => Self::Null,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Object => "object",
            Self::Array => "array",
            Self::Null => "null",
        }
    }

    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) id: ColumnId,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) wire_type: WireType,
    /// Takes any JSON; shown as `object`.
    #[serde(default)]
    pub(crate) any: bool,
    pub(crate) nullable: bool,
    #[serde(default)]
    pub(crate) required: bool,
    /// Position, set by us.
    pub(crate) index: u32,
    /// `format`, `description`, `pattern`, `enum`, `items`, `properties`, `title` as given.
    #[serde(default)]
    pub(crate) keywords: Map<String, Value>,
    /// Version of the computing rule; 0 = never had one.
    #[serde(default)]
    pub(crate) rule: u32,
    /// `x-zui` as given, without `index`.
    #[serde(default)]
    pub(crate) zui: Map<String, Value>,
}

impl Column {
    pub(crate) fn kind(&self) -> Kind {
        if self.any {
            return Kind::Json;
        }
        match self.wire_type {
            WireType::String if self.is_date_time() => Kind::DateTime,
            WireType::String => Kind::Text,
            WireType::Number => Kind::Number,
            WireType::Boolean => Kind::Bool,
            WireType::Object | WireType::Array | WireType::Null => Kind::Json,
        }
    }

    fn is_date_time(&self) -> bool {
        self.keywords.get("format").and_then(Value::as_str) == Some("date-time")
    }

    /// Whether values kept under `old` are no longer values of this column.
    pub(crate) fn changes_type_of(&self, old: &Self) -> bool {
        let widened = self.any && old.kind() == Kind::Json;
        !widened && (self.wire_type, self.any, self.kind()) != (old.wire_type, old.any, old.kind())
    }

    /// Whether row search looks at its values.
    pub(crate) fn is_searchable(&self) -> bool {
        self.zui.get("searchable") == Some(&Value::Bool(true))
    }

    /// The computing rule, when the column has one that is not switched off.
    pub(crate) fn computed(&self) -> Option<&Map<String, Value>> {
        let rule = self.zui.get("computed")?.as_object()?;
        (rule.get("enabled") != Some(&Value::Bool(false))).then_some(rule)
    }

    fn to_wire(&self) -> Value {
        let mut wire = Map::new();
        wire.insert("type".into(), self.wire_type.as_str().into());
        wire.extend(self.keywords.clone());
        wire.insert("nullable".into(), self.nullable.into());
        let mut zui = Map::new();
        zui.insert("index".into(), self.index.into());
        zui.extend(self.zui.clone());
        wire.insert("x-zui".into(), zui.into());
        wire.into()
    }
}

/// The columns of a table, by index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schema {
    pub(crate) columns: Vec<Column>,
    /// The next free column id.
    pub(crate) next_id: u32,
    /// The next free index.
    pub(crate) next_index: u32,
}

impl Schema {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column names, quoted, for messages.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| format!("{:?}", column.name)).collect();
        names.join(", ")
    }

    pub(crate) fn to_wire(&self) -> Value {
        let properties: Map<String, Value> =
            self.columns.iter().map(|column| (column.name.clone(), column.to_wire())).collect();
        let required: Vec<&str> =
            self.columns.iter().filter(|c| c.required).map(|column| column.name.as_str()).collect();
        let mut wire = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": properties,
            "additionalProperties": true,
        });
        if let (false, Some(map)) = (required.is_empty(), wire.as_object_mut()) {
            map.insert("required".into(), required.into());
        }
        wire
    }
}
