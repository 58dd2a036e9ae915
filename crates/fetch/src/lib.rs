//! The one guarded outbound HTTP client, and chat completions on top of it.
//!
//! Every request that leaves Quarry passes [`Client::send`]. It owns which addresses, ports, redirects,
//! sizes and durations are allowed; it does not know what an answer is for. Invariant: a connection is
//! only ever made to an address that was checked, each time a name is resolved and each time a redirect
//! is followed, and no byte is taken past the caps.

mod address;
mod body;
pub mod chat;
mod client;
mod error;
mod guard;
mod pace;
mod request;
#[cfg(test)]
mod testing;
mod transport;

pub use body::Body;
pub use chat::ChatModel;
pub use client::{Client, Settings};
pub use error::Error;
pub use guard::{Allow, Endpoint, Ports};
pub use request::{Limits, Policy, Request, Response};
pub use reqwest::Method;
pub use reqwest::header::HeaderMap;
