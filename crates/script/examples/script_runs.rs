//! How many scripts per second: `cargo run -p quarry-script --release --example script_runs [WORKER]`.
//!
//! With the path of a built `quarry` (or `quarry-script-worker`) scripts run in its workers, as in
//! the server; without, on threads of this process.
#![allow(clippy::print_stdout, reason = "its figures are its purpose")]

use quarry_script::{Engine, EngineOptions};
use serde_json::json;
use std::time::Instant;

const RUNS: u32 = 2_000;
const AT_ONCE: u32 = 2;

#[tokio::main]
async fn main() {
    let options = match std::env::args_os().nth(1) {
        // Workers run in the root folder.
        Some(worker) => {
            EngineOptions::new(std::fs::canonicalize(worker).expect("the worker exists"), AT_ONCE as usize)
        }
        None => EngineOptions::threads(AT_ONCE as usize),
    };
    let engine = Engine::new(options);
    let row = json!({ "price": 20, "name": "Ada", "tags": ["a", "b"] });
    for (name, code) in [
        ("expression", "row.price * 1.2"),
        ("function", "async (row) => { const price = await row.price; return `${row.name}: ${price}` }"),
    ] {
        let started = Instant::now();
        let tasks: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (engine, row) = (engine.clone(), row.clone());
                tokio::spawn(async move {
                    for _ in 0..RUNS / AT_ONCE {
                        engine.run(code, &row, None).await.expect("these run");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        let took = started.elapsed().as_secs_f64();
        println!("{name}: {:.0} runs/s, {AT_ONCE} at once", f64::from(RUNS) / took);
    }
}
