//! Rows in and out of files: CSV, JSON, NDJSON, Parquet, Arrow.
