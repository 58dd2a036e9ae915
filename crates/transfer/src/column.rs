//! The columns a caller reads into or writes from.

/// What values a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A finite double.
    Number,
    /// A whole number, such as a row id; read and written like [`Kind::Number`] but 64-bit in Arrow.
    Integer,
    /// Text, kept to the letter.
    String,
    /// True or false.
    Boolean,
    /// ISO 8601 text that names a moment.
    DateTime,
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
    /// Any JSON value.
    Any,
}

impl Kind {
    /// The word for it in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Integer => "integer",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::DateTime => "date-time",
            Self::Object => "object",
            Self::Array => "array",
            Self::Any => "any",
        }
    }
}

/// A column by name and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the header or the keys of objects spell it.
    pub name: String,
    /// What values it takes.
    pub kind: Kind,
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }
}
