//! Filters: JSON → typed [`Filter`] → kernels or plan; see `FILTERS.md` for the meaning.

mod ast;
mod eval;
mod leaf;
mod parse;
mod plan;

pub(crate) use ast::{Field, Filter, Literal, Op};
pub(crate) use eval::matches;
pub(crate) use leaf::json_eq;
pub(crate) use parse::{parse, resolve};
pub(crate) use plan::{Slot, conjuncts, expr_of};

#[cfg(test)]
mod tests;
