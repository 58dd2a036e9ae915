//! The extraction worker as the tests start it: asked by name, it misbehaves.

use std::process::ExitCode;

fn main() -> ExitCode {
    quarry_extract::worker_main_with(|_, _| None)
}
