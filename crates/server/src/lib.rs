//! Quarry: the HTTP server and command line.
//!
//! Owns routes, wire shapes, authentication, settings and start-up; every operation is asked of
//! `quarry-kb` or `quarry-tables`. Invariant: a request reaches another crate only with a
//! [`quarry_types::Scope`] made from a checked token (or a checked signature).

pub mod cli;

mod app;
mod auth;
mod body;
mod config;
mod cors;
mod error;
mod limiter;
mod logging;
mod metrics;
mod query;
mod router;
mod routes;
mod serve;
mod start;
mod table_files;
mod table_text;
mod tokens;
mod urls;
mod usage;
mod wire;

pub use app::App;
pub use config::{Computing, Config, ConfigError, Settings};
pub use router::{Access, Route};
pub use routes::OPENAPI;
pub use serve::{Listening, run};
pub use start::{Running, StartError, start};
