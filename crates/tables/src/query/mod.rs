//! Queries over a snapshot: rows by direct kernels, groups by a DataFusion plan.

mod find;
mod group;
mod order;
mod output;
mod plan;
mod scan;

pub(crate) use plan::Engine;
pub(crate) use scan::Query;

#[cfg(test)]
mod tests;
