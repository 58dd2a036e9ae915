//! Sandboxed JavaScript for computed columns.
