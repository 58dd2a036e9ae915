//! Scripts on threads of this process; `tests/children.rs` runs the ones that would take it along.
#![allow(clippy::unwrap_used)]

use super::*;
use futures::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn engine(wall_ms: u64) -> Engine {
    let limits = Limits { wall_ms, ..Limits::default() };
    Engine::new(EngineOptions { limits, ..EngineOptions::threads(2) })
}

fn row() -> Value {
    json!({ "id": 7, "price": 20, "name": "Ada", "full name": "Ada L", "tags": ["a", "b"], "none": null })
}

#[tokio::test]
async fn code_may_come_in_any_form() {
    let engine = engine(20_000);
    for (code, wanted) in [
        ("row.price * 1.5", json!(30)),
        ("row['full name']", json!("Ada L")),
        ("row.price * 1.5;", json!(30)),
        ("row.price // the price\n + 1", json!(21)),
        ("return row.price + 1", json!(21)),
        ("const tax = 0.2;\nreturn row.price * (1 + tax);", json!(24)),
        ("const x = row.price; x * 2", json!(40)),
        ("if (row.price > 10) { 'dear' } else { 'cheap' }", json!("dear")),
        ("if (row.price > 10) { return 'dear' }", json!("dear")),
        ("let t = 0; for (const tag of row.tags) t += tag.length; return t", json!(2)),
        ("(row) => row.price", json!(20)),
        ("row => row.price;", json!(20)),
        ("async (row) => { const v = await Promise.resolve(row.price); return v + 1 }", json!(21)),
        ("({ price, name }) => `${name}:${price}`", json!("Ada:20")),
        ("async ({ row }) => row.price", json!(20)),
        ("function (row) { return row.price }", json!(20)),
        ("function total(row) { return row.price }", json!(20)),
        ("async function total(row) { return row.price }", json!(20)),
        ("value(row) { return row.price }", json!(20)),
        ("async value(row) { return await row.price }", json!(20)),
        ("const f = (r) => r.price;\nf(row)", json!(20)),
        ("await Promise.all([1, row.price])", json!([1, 20])),
        ("return await new Promise((done) => done(row.price))", json!(20)),
        ("({ then(done) { done(5) } })", json!(5)),
        ("{ a: row.price }", json!({ "a": 20 })),
        ("undefined", Value::Null),
        ("", Value::Null),
        ("() => {}", Value::Null),
        ("Symbol('x')", Value::Null),
        ("row.none", Value::Null),
        ("new Date(0)", json!("1970-01-01T00:00:00.000Z")),
        ("new Date(NaN)", Value::Null),
        ("10n", json!(10)),
        ("({ big: 2n ** 64n })", json!({ "big": "18446744073709551616" })),
        ("[0 / 0, undefined, () => 1]", json!([null, null, null])),
        ("'\\u{1F600}'.slice(0, 1) + 'é'", json!("\u{fffd}é")),
        ("console.log('quiet'); console.error(row); row.id", json!(7)),
        ("JSON.parse('{\"a\":1}').a + Math.max(...[1, 2])", json!(3)),
        ("row.name.replace(/a$/i, (x) => x.toUpperCase())", json!("AdA")),
        ("new Date(2024, 0, 1).toISOString()", json!("2024-01-01T00:00:00.000Z")),
        ("Object.keys(row).includes('row')", json!(false)),
    ] {
        assert_eq!(engine.run(code, &row(), None).await, Ok(wanted), "{code}");
    }
    let own = json!({ "row": 5 });
    assert_eq!(engine.run("({ row }) => row", &own, None).await, Ok(json!(5)), "a column named row wins");
}

#[tokio::test]
async fn failures_name_what_and_where() {
    let engine = engine(20_000);
    for (code, wanted, line) in [
        ("row.price *", "SyntaxError", Some(1)),
        ("const a = 1;\nconst b = = 2;\nreturn a", "SyntaxError", Some(2)),
        ("(row) => row.none.length", "TypeError: cannot read property 'length' of null", Some(1)),
        (
            "async (row) => {\n  const a = 1;\n  throw new Error('no ' + row.name);\n}",
            "Error: no Ada",
            Some(3),
        ),
        ("await 1;\nmissing(row)", "ReferenceError: missing is not defined", Some(2)),
        ("throw 'plain'", "thrown: plain", None),
        ("throw null", "no text", None),
        ("Promise.reject(new RangeError('far'))", "RangeError: far", Some(1)),
        ("0 / 0", "NaN", None),
        ("row.missing * 2", "NaN", None),
        ("-1 / 0", "Infinity", None),
        ("await new Promise(() => {})", "never settles", None),
        ("async () => await new Promise(() => {})", "never settles", None),
        ("const a = []; a.push(a); a", "circular", None),
        ("'x'.repeat(2e6)", "the limit is 1048576", None),
        ("let d = []; for (let i = 0; i < 300; i++) d = [d]; d", "nested too deeply", None),
        ("row.name\u{0}", "zero character", None),
    ] {
        let error = engine.run(code, &row(), None).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(wanted), "{code}: {text}");
        if let Some(line) = line {
            assert!(text.ends_with(&format!("(line {line})")), "{code}: {text}");
        }
    }
}

#[tokio::test]
async fn nothing_of_one_run_reaches_another() {
    let engine = Engine::new(EngineOptions::threads(1));
    let spoil = "globalThis.kept = row; Object.prototype.leak = 1; Array.prototype.map = () => 'mine';
        JSON.stringify = () => '0'; Promise.prototype.then = null; 5";
    engine.run(spoil, &row(), None).await.unwrap();
    let look = "[typeof kept, typeof {}.leak, [1].map((x) => x + 1)[0], JSON.stringify(1)]";
    assert_eq!(engine.run(look, &row(), None).await, Ok(json!(["undefined", "undefined", 2, "1"])));
}

#[tokio::test]
async fn the_way_out_is_closed_unless_opened() {
    let engine = engine(20_000);
    for code in ["fetch('http://127.0.0.1')", "require('fs')", "process.env", "Deno", "std.open", "os.exec"] {
        let error = engine.run(code, &row(), None).await.unwrap_err();
        assert!(error.to_string().contains("is not defined"), "{code}: {error}");
    }
    assert!(engine.run("import('fs')", &row(), None).await.is_err());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let fetch: Fetch = Arc::new(move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            if request.url.contains("bad") {
                return Err("this host may not be fetched".to_owned());
            }
            let body =
                format!("{{\"m\":\"{}\",\"b\":{}}}", request.method, request.body.unwrap_or("null".into()));
            let headers = [("x-a".to_owned(), request.headers.get("x-a").cloned().unwrap_or_default())];
            Ok(FetchAnswer { status: 201, url: request.url, headers: headers.into(), body })
        }
        .boxed()
    });
    let code = "const all = await Promise.all([1, 2].map((n) =>
            fetch('http://x/' + n, { method: 'post', headers: { 'X-A': n }, body: JSON.stringify(n) })));
        const json = await all[1].json();
        return [all[0].status, all[0].ok, all[1].headers.get('x-A'), json.m, json.b]";
    assert_eq!(engine.run(code, &row(), Some(&fetch)).await, Ok(json!([201, true, "2", "POST", 2])));
    let refused = engine.run("await fetch('http://bad')", &row(), Some(&fetch)).await.unwrap_err();
    assert_eq!(refused.to_string(), "TypeError: this host may not be fetched");
    let many = "for (let i = 0; ; i++) await fetch('http://x')";
    let refused = engine.run(many, &row(), Some(&fetch)).await.unwrap_err();
    assert!(refused.to_string().contains("more than 50 requests"), "{refused}");
    assert_eq!(calls.load(Ordering::Relaxed), 2 + 1 + 50);
}

#[tokio::test]
async fn a_caller_that_leaves_frees_its_place() {
    let engine = Engine::new(EngineOptions {
        limits: Limits { wall_ms: 300, ..Limits::default() },
        ..EngineOptions::threads(1)
    });
    let row = row();
    let endless = engine.run("for (;;) {}", &row, None);
    let left = tokio::time::timeout(std::time::Duration::from_millis(20), endless);
    assert!(left.await.is_err());
    assert_eq!(engine.run("1", &row, None).await, Ok(json!(1)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_text_is_answered(code in "\\PC{0,60}|[-+*/(){}=>;.,'\"`a-c0-9 \n]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = runtime.block_on(async { engine(300).run(&code, &row(), None).await });
    }

    #[test]
    fn values_pass_through_unchanged(text in "\\PC{0,40}", number: i32, flag: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let row = json!({ "v": { "text": text, "list": [number, flag, null] } });
        let same = runtime.block_on(async { engine(20_000).run("row.v", &row, None).await });
        prop_assert_eq!(same, Ok(row["v"].clone()));
    }
}
