//! Filters: JSON → typed [`Filter`] → kernels or plan; see `FILTERS.md` for the meaning.

mod ast;
mod eval;
mod leaf;
mod parse;
mod plan;

pub(crate) use ast::{Bound, Field, Filter, Literal, Op, Test};
pub(crate) use eval::matches;
pub(crate) use leaf::{holds as holds_json, json_eq, modulo};
pub(crate) use parse::{parse, resolve};
pub(crate) use plan::{Slot, expr_of};

#[cfg(test)]
mod tests;
