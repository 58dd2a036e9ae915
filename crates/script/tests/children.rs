//! Hostile scripts in worker processes: each is answered with a named error within its limits, and
//! the engine goes on.
#![allow(clippy::unwrap_used)]

use quarry_script::{Engine, EngineOptions, Error, Home, Limits};
use serde_json::json;
use std::time::{Duration, Instant};

fn engine(limits: Limits) -> Engine {
    let command = env!("CARGO_BIN_EXE_quarry-script-worker").into();
    Engine::new(EngineOptions { home: Home::Children { command, args: Vec::new() }, workers: 2, limits })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Time,
    Memory,
    Stack,
    Size,
    Settle,
    Thrown,
    /// Time or memory, whichever runs out first on this machine.
    Either,
}

const HOSTILE: &[(&str, End)] = &[
    ("while (true) {}", End::Time),
    ("try { for (;;) {} } catch { 'caught' } finally { for (;;) {} }", End::Time),
    ("async () => { while (true) await null }", End::Time),
    ("new Promise(() => { const f = () => Promise.resolve().then(f); f() })", End::Time),
    ("class A { static { while (true) {} } }", End::Time),
    ("({ toJSON() { while (true) {} } })", End::Time),
    ("({ get a() { while (true) {} } })", End::Time),
    ("new Proxy({}, { ownKeys() { while (true) {} } })", End::Time),
    ("throw { toString() { while (true) {} } }", End::Time),
    ("eval('for (;;) {}')", End::Time),
    ("new Function('for (;;) {}')()", End::Time),
    ("/(a+)+$/.test('a'.repeat(40) + 'b')", End::Time),
    ("/^(?:(?:a|b|ab)*)*c/.test('ab'.repeat(60))", End::Time),
    ("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)", End::Time),
    // Loops inside the engine that never look at the clock: the worker is ended from outside.
    ("Array.prototype.reverse.call({ length: 2 ** 53 - 1 })", End::Time),
    ("Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 1)", End::Time),
    ("Array.prototype.join.call({ length: 2 ** 53 - 1 })", End::Either),
    ("Array.prototype.sort.call({ length: 2 ** 53 - 1 })", End::Time),
    ("(2n ** 1000000n).toString().length + BigInt('9'.repeat(3e5)).toString().length", End::Either),
    ("'a'.repeat(2 ** 29)", End::Memory),
    ("new ArrayBuffer(1e9)", End::Memory),
    ("new Uint8Array(6e7).slice().sort()", End::Memory),
    ("const all = []; for (;;) all.push('x'.repeat(1e6) + all.length)", End::Either),
    ("let o = {}; for (;;) o = { o }", End::Either),
    ("const m = new Map(); for (let i = 0; ; i++) m.set(i, i)", End::Either),
    ("const f = () => f(); f()", End::Stack),
    ("JSON.parse('['.repeat(1e5))", End::Stack),
    ("let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; o", End::Stack),
    ("'x'.repeat(2e6)", End::Size),
    ("await new Promise(() => {})", End::Settle),
    ("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", End::Thrown),
    ("import('fs')", End::Thrown),
    ("(() => {}).constructor('return process')()", End::Thrown),
    ("throw null", End::Thrown),
];

#[tokio::test]
async fn hostile_scripts_end_in_named_errors() {
    let engine = engine(Limits { wall_ms: 400, ..Limits::default() });
    for (code, wanted) in HOSTILE {
        let started = Instant::now();
        let error = engine.run(code, &json!({ "a": 1 }), None).await.unwrap_err();
        let ended = match &error {
            Error::TimedOut { .. } => End::Time,
            Error::OutOfMemory { .. } => End::Memory,
            Error::StackOverflow => End::Stack,
            Error::TooLarge { .. } => End::Size,
            Error::NeverSettles => End::Settle,
            Error::Thrown { .. } => End::Thrown,
            other => panic!("{code}: {other}"),
        };
        let either = *wanted == End::Either && [End::Time, End::Memory].contains(&ended);
        assert!(ended == *wanted || either, "{code}: {error}");
        assert!(started.elapsed() < Duration::from_secs(15), "{code}: {:?}", started.elapsed());
        assert_eq!(engine.run("row.a", &json!({ "a": 1 }), None).await, Ok(json!(1)), "after {code}");
    }
}

#[tokio::test]
async fn a_worker_that_cannot_start_is_our_fault() {
    let home = Home::Children { command: "/nonexistent/worker".into(), args: Vec::new() };
    let engine = Engine::new(EngineOptions { home, workers: 1, limits: Limits::default() });
    let error = engine.run("1", &json!({}), None).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable), "{error}");
    let home = Home::Children { command: "/bin/true".into(), args: Vec::new() };
    let engine = Engine::new(EngineOptions { home, workers: 1, limits: Limits::default() });
    let error = engine.run("1", &json!({}), None).await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_closes_itself_off_before_its_first_script() {
    use std::process::{Command, Stdio};
    let mut worker = Command::new(env!("CARGO_BIN_EXE_quarry-script-worker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", worker.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&status).unwrap().contains("Seccomp:\t2") {
        assert!(Instant::now() < deadline, "no system call filter");
        std::thread::sleep(Duration::from_millis(1));
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.id())).unwrap();
    for wanted in ["Max open files            8 ", "Max file size             0 "] {
        assert!(limits.contains(wanted), "{limits}");
    }
    drop(worker.stdin.take());
    let ended = worker.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn a_worker_whose_engine_is_gone_ends_its_script_itself() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut worker = Command::new(env!("CARGO_BIN_EXE_quarry-script-worker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let limits =
        json!({ "memory_bytes": 1 << 26, "wall_ms": 100, "stack_bytes": 1 << 19, "output_bytes": 100 });
    let code = "Array.prototype.reverse.call({ length: 2 ** 53 - 1 })";
    let order = json!({ "Run": { "code": code, "row": "{}", "limits": limits, "fetch": false } }).to_string();
    let mut stdin = worker.stdin.take().unwrap();
    stdin.write_all(&u32::try_from(order.len()).unwrap().to_le_bytes()).unwrap();
    stdin.write_all(order.as_bytes()).unwrap();
    drop(stdin);
    let deadline = Instant::now() + Duration::from_secs(60);
    while worker.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it runs for ever");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!worker.wait().unwrap().success());
}
