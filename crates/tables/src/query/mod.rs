//! Queries over a snapshot: rows by direct kernels, groups by a DataFusion plan.

mod find;
mod group;
mod kernel;
mod order;
mod output;
mod plan;
pub(crate) mod pool;
mod scan;

pub(crate) use group::{Group, UniqueLists, direct_groups};
pub(crate) use order::sort_text;
pub(crate) use output::Output;
pub(crate) use plan::Engine;
pub(crate) use scan::Query;

#[cfg(test)]
mod tests;
