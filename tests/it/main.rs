//! Integration tests: the whole engine in process through its HTTP face, with the real store,
//! model and extraction children; and the real binary where the process itself is the subject.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(clippy::print_stderr, reason = "a failing run shows its seed and the server's log")]

mod answers;
mod architecture;
mod auth;
mod bases;
mod common;
mod computed;
mod errors;
mod eval_command;
mod extract_command;
mod files;
mod limits;
mod process;
mod recovery;
mod site;
mod sources;
mod tables;
mod tables_command;
mod tenancy;
mod uploads;
mod usage;
mod words;
