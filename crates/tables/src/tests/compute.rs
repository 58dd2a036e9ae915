//! Computed columns from writes to values, with scripts on threads and a made-up world outside.

use super::*;
use crate::{Ask, CodeIn, ComputeDeps, ComputeOptions, Failure, HookCall, Outside, TablePatch, Webhook};
use quarry_script::{Engine, EngineOptions, Limits};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

type Reply = Box<dyn Fn(&str) -> Result<String, Failure> + Send + Sync>;

/// Answers by a closure; counts, and holds back while the gate is taken.
struct World {
    reply: Reply,
    hook: Reply,
    asked: AtomicUsize,
    called: std::sync::Mutex<Vec<HookCall>>,
    gate: Mutex<()>,
}

impl World {
    fn new(reply: impl Fn(&str) -> Result<String, Failure> + Send + Sync + 'static) -> Arc<Self> {
        Self::with_hook(reply, |_| Err(Failure::Lasting("no hook in this test".into())))
    }

    fn with_hook(
        reply: impl Fn(&str) -> Result<String, Failure> + Send + Sync + 'static,
        hook: impl Fn(&str) -> Result<String, Failure> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (reply, hook): (Reply, Reply) = (Box::new(reply), Box::new(hook));
        let (asked, called, gate) = (AtomicUsize::new(0), std::sync::Mutex::default(), Mutex::new(()));
        Arc::new(Self { reply, hook, asked, called, gate })
    }

    fn silent() -> Arc<Self> {
        Self::new(|_| Err(Failure::Lasting("no model in this test".into())))
    }
}

#[async_trait::async_trait]
impl Outside for World {
    fn has_model(&self) -> bool {
        true
    }

    async fn ask(&self, ask: Ask) -> Result<String, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.lock().await);
        (self.reply)(&ask.prompt)
    }

    async fn call(&self, call: HookCall) -> Result<String, Failure> {
        let reply = (self.hook)(&call.body);
        self.called.lock().unwrap().push(call);
        reply
    }
}

fn start(tables: &Tables, world: &Arc<World>) {
    let limits = Limits { wall_ms: 5_000, ..Limits::default() };
    let scripts = Engine::new(EngineOptions { limits, ..EngineOptions::threads(2) });
    let deps = ComputeDeps { scripts, fetch: None, outside: world.clone() };
    let retry_after = Duration::from_millis(2);
    tables.start_compute(deps, ComputeOptions { retry_after, max_tries: 4, ..ComputeOptions::default() });
}

async fn started(world: &Arc<World>) -> Bench {
    let bench = Bench::new();
    start(&bench.tables, world);
    bench
}

const LONG: Duration = Duration::from_secs(30);

async fn stale(tables: &Tables, table: &str) -> u64 {
    tables.get(&bot(), table).await.unwrap().1.stale
}

async fn settled(tables: &Tables, table: &str) {
    let deadline = std::time::Instant::now() + LONG;
    while stale(tables, table).await > 0 {
        assert!(std::time::Instant::now() < deadline, "{table} never settles");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn row(bench: &Bench, table: &str, id: i64) -> Row {
    bench.tables.row(&bot(), table, id).await.unwrap()
}

fn status<'r>(row: &'r Row, column: &str) -> &'r str {
    row["computed"][column]["status"].as_str().unwrap()
}

fn error<'r>(row: &'r Row, column: &str) -> &'r str {
    row["computed"][column]["error"].as_str().unwrap_or_default()
}

fn by_code(kind: &str, dependencies: &[&str], code: &str) -> Value {
    json!({ "type": kind, "x-zui": { "computed": { "action": "code", "dependencies": dependencies, "code": code } } })
}

fn by_model(kind: &str, prompt: &str) -> Value {
    json!({ "type": kind, "x-zui": { "computed": { "action": "ai", "prompt": prompt } } })
}

/// net ← price, total ← net + qty, label ← name; total in the ADK's words.
fn orders() -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": ["total"], "properties": {
        "name": { "type": "string" }, "price": { "type": "number" }, "qty": { "type": "number" },
        "net": by_code("number", &["price"], "row.price / 1.25"),
        "total": by_code("number", &["net", "qty"], "async (row) => {\n  return row.net * row['qty']\n}"),
        "label": by_code("string", &["name"], "`<${row.name}>`"),
    } })
}

async fn change(bench: &Bench, table: &str, row: Value) -> Row {
    let written = bench.tables.update_rows(&bot(), table, vec![row]).await.unwrap();
    assert_eq!(written.errors, Vec::<String>::new());
    written.rows.into_rows().remove(0)
}

async fn waited(bench: &Bench, table: &str, rows: Vec<Row>) -> Vec<Row> {
    bench.tables.computed_rows(&bot(), table, rows, LONG).await.unwrap()
}

#[tokio::test]
async fn values_come_in_the_order_of_their_dependencies() {
    let bench = started(&World::silent()).await;
    bench.table("oTable", orders()).await;
    let rows = bench.add("oTable", json!([{ "name": "a", "price": 10, "qty": 3 }, { "name": "b" }])).await;
    assert_eq!(rows[0]["stale"], json!(["net", "total", "label"]));
    assert_eq!(rows[0]["computed"]["net"], json!({ "status": "stale" }));
    let rows = waited(&bench, "oTable", rows).await;
    assert_eq!(
        (&rows[0]["net"], &rows[0]["total"], &rows[0]["label"]),
        (&json!(8), &json!(24), &json!("<a>"))
    );
    assert!(!rows[0].contains_key("stale"));
    assert_eq!(
        (status(&rows[0], "total"), &rows[0]["computed"]["total"]["updatedBy"]),
        ("computed", &json!("code"))
    );
    assert!(rows[0]["computed"]["total"]["updatedAt"].is_string());
    assert_eq!(
        (&rows[1]["net"], &rows[1]["total"]),
        (&json!(0), &json!(0)),
        "null counts as 0 in JavaScript"
    );
    assert_eq!(stale(&bench.tables, "oTable").await, 0);
    assert_eq!(bench.ids("oTable", json!({ "total": { "$gt": 20 } })).await, [1]);
    let shown = Find { select: Some(vec!["name".into()]), ..Find::default() };
    assert_eq!(status(&bench.find("oTable", shown).await.rows[0], "net"), "computed");
    let again = bench.cold().row(&bot(), "oTable", 1).await.unwrap();
    assert_eq!(again, row(&bench, "oTable", 1).await, "states are on disk");
}

#[tokio::test]
async fn writes_make_what_hangs_on_them_wait() {
    let world = World::silent();
    let bench = Bench::new();
    bench.table("oTable", orders()).await;
    bench.add("oTable", json!([{ "name": "a", "price": 10, "qty": 3 }])).await;
    assert_eq!(stale(&bench.tables, "oTable").await, 1);
    start(&bench.tables, &world);
    settled(&bench.tables, "oTable").await;
    bench.tables.stop_compute().await;
    let before = row(&bench, "oTable", 1).await;
    let same = change(&bench, "oTable", json!({ "id": 1, "price": 10 })).await;
    assert!(!same.contains_key("stale"), "nothing changed");
    let renamed = change(&bench, "oTable", json!({ "id": 1, "name": "z" })).await;
    assert_eq!(
        (&renamed["stale"], &renamed["label"]),
        (&json!(["label"]), &json!("<a>")),
        "the old value stays visible"
    );
    let dearer = change(&bench, "oTable", json!({ "id": 1, "price": 20 })).await;
    assert_eq!(dearer["stale"], json!(["net", "total", "label"]));
    assert_eq!((&dearer["net"], &dearer["total"]), (&before["net"], &before["total"]));
    assert_eq!(stale(&bench.tables, "oTable").await, 1);
    // After a restart what waits is found without a write.
    let bench = bench.reopened();
    assert_eq!(stale(&bench.tables, "oTable").await, 1);
    start(&bench.tables, &world);
    settled(&bench.tables, "oTable").await;
    let after = row(&bench, "oTable", 1).await;
    assert_eq!((&after["net"], &after["total"], &after["label"]), (&json!(16), &json!(48), &json!("<z>")));
    assert_eq!(after["updatedAt"], dearer["updatedAt"], "computing is no change of the user's");
}

#[tokio::test]
async fn a_changed_rule_makes_all_rows_wait_without_writing_them() {
    let bench = started(&World::silent()).await;
    bench.table("oTable", orders()).await;
    let rows: Vec<Value> = (1..=100).map(|n| json!({ "name": "x", "price": n, "qty": 1 })).collect();
    bench.add("oTable", rows.into()).await;
    settled(&bench.tables, "oTable").await;
    let patch = |schema: Value| TablePatch { schema: Some(schema), ..TablePatch::default() };
    let update = |schema: Value| {
        let (tables, patch) = (bench.tables.clone(), patch(schema));
        async move { tables.update(&bot(), "oTable", patch).await.unwrap() }
    };
    assert_eq!(update(orders()).await.1, Vec::<String>::new(), "the same schema again");
    let halt = TablePatch { is_compute_enabled: Some(false), ..TablePatch::default() };
    bench.tables.update(&bot(), "oTable", halt).await.unwrap();
    let (_, columns) = update(json!({ "net": by_code("number", &["price"], "row.price * 2") })).await;
    assert_eq!(columns, ["net"]);
    assert_eq!(stale(&bench.tables, "oTable").await, 100);
    let one = row(&bench, "oTable", 5).await;
    assert_eq!(
        (&one["stale"], &one["net"]),
        (&json!(["net"]), &json!(4)),
        "switched off: nothing is computed"
    );
    let asked = waited(&bench, "oTable", vec![one]).await;
    assert_eq!(
        (&asked[0]["net"], &asked[0]["total"]),
        (&json!(10), &json!(10)),
        "unless a caller waits for it"
    );
    assert_eq!(stale(&bench.tables, "oTable").await, 99);
    let go = TablePatch { is_compute_enabled: Some(true), ..TablePatch::default() };
    bench.tables.update(&bot(), "oTable", go).await.unwrap();
    settled(&bench.tables, "oTable").await;
    assert_eq!(row(&bench, "oTable", 100).await["total"], json!(200));
    let (_, columns) = update(json!({ "net": { "type": "string" }, "price": { "type": "string" } })).await;
    assert_eq!(columns, ["net", "total"], "a cleared input counts as changed, a cleared column as new");
    settled(&bench.tables, "oTable").await;
    assert!(error(&row(&bench, "oTable", 3).await, "net").contains("takes string, not number"));
}

#[tokio::test]
async fn failures_are_states_and_spread() {
    let bench = started(&World::silent()).await;
    let schema = json!({
        "a": { "type": "number" }, "b": by_code("number", &["a"], "if (row.a < 0) throw new Error('below zero')\nreturn row.a"),
        "c": by_code("number", &["b"], "row.b + 1"), "d": by_code("number", &["a"], "'text'"),
        "must": { "type": "number", "nullable": false, "x-zui": { "computed": { "action": "code", "code": "row.a > 5 ? row.a : null" } } },
        "no": { "type": "number", "x-zui": { "computed": { "action": "code" } } },
        "flow": { "type": "number", "x-zui": { "computed": { "action": "workflow", "workflowId": "w" } } },
        "big": by_code("string", &["a"], "'x'.repeat(row.a * 1000)"),
    });
    bench.table("fTable", schema).await;
    let rows = bench.add("fTable", json!([{ "a": -1 }, { "a": 9 }])).await;
    let rows = waited(&bench, "fTable", rows).await;
    assert_eq!(error(&rows[0], "b"), "Error: below zero (line 1)");
    assert_eq!((status(&rows[0], "b"), &rows[0]["b"]), ("error", &Value::Null));
    assert_eq!(error(&rows[0], "c"), "column \"b\", which it is computed from, has an error");
    assert_eq!(error(&rows[0], "d"), "column \"d\" takes number, not string");
    assert!(error(&rows[0], "must").contains("must not be null"));
    assert!(error(&rows[0], "no").contains("has no code"));
    assert!(error(&rows[0], "flow").contains("webhook"));
    assert_eq!((&rows[1]["c"], &rows[1]["must"]), (&json!(10), &json!(9)));
    assert!(error(&rows[1], "big").contains("the limit is 4096"), "{:?}", rows[1]["computed"]["big"]);
    assert!(!rows[0].contains_key("stale"));
    // A better input frees what was blocked, even when the value stays null.
    let fixed = change(&bench, "fTable", json!({ "id": 1, "a": null })).await;
    let fixed = waited(&bench, "fTable", vec![fixed]).await;
    assert_eq!((status(&fixed[0], "b"), status(&fixed[0], "c")), ("computed", "computed"));
    let patch = TablePatch {
        schema: Some(json!({ "b": by_code("number", &["a"], "null") })),
        ..TablePatch::default()
    };
    change(&bench, "fTable", json!({ "id": 1, "a": -2 })).await;
    settled(&bench.tables, "fTable").await;
    bench.tables.update(&bot(), "fTable", patch).await.unwrap();
    settled(&bench.tables, "fTable").await;
    let freed = row(&bench, "fTable", 1).await;
    assert_eq!((status(&freed, "b"), status(&freed, "c"), &freed["c"]), ("computed", "computed", &json!(1)));
}

#[tokio::test]
async fn passing_failures_are_tried_again_and_not_for_ever() {
    let tries = Arc::new(std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new()));
    let counted = Arc::clone(&tries);
    let world = World::new(move |prompt| {
        let mut tries = counted.lock().unwrap();
        let count = tries.entry(prompt.to_owned()).or_default();
        *count += 1;
        match (prompt, *count) {
            ("never", _) => Err(Failure::Passing("the model is busy".into())),
            ("refused", _) => Err(Failure::Lasting("the model refuses".into())),
            (_, 1 | 2) => Err(Failure::Passing("the network is down".into())),
            _ => Ok("7".into()),
        }
    });
    let bench = started(&world).await;
    bench.table("aTable", json!({ "q": { "type": "string" }, "n": by_model("number", "{{q}}") })).await;
    let rows = bench.add("aTable", json!([{ "q": "later" }, { "q": "never" }, { "q": "refused" }])).await;
    let rows = waited(&bench, "aTable", rows).await;
    assert_eq!((&rows[0]["n"], status(&rows[0], "n")), (&json!(7), "computed"));
    assert_eq!(error(&rows[1], "n"), "the model is busy (tried 4 times)");
    assert_eq!(error(&rows[2], "n"), "the model refuses");
    let tries = tries.lock().unwrap().clone();
    assert_eq!((tries["later"], tries["never"], tries["refused"]), (3, 4, 1));
}

#[tokio::test]
async fn failed_values_can_be_asked_for_again() {
    let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = Arc::clone(&down);
    let world = World::new(move |prompt| {
        if switch.load(Ordering::SeqCst) {
            Err(Failure::Lasting("down".into()))
        } else {
            Ok(prompt.to_owned())
        }
    });
    let bench = started(&world).await;
    let schema = json!({ "q": { "type": "string" }, "t": by_model("string", "{{q}}"), "u": by_code("string", &["t"], "row.t + '!'") });
    bench.table("aTable", schema).await;
    bench.add("aTable", json!([{ "q": "x" }, { "q": "y" }])).await;
    settled(&bench.tables, "aTable").await;
    assert_eq!(error(&row(&bench, "aTable", 1).await, "t"), "down");
    down.store(false, Ordering::SeqCst);
    let only = ["t".to_owned()];
    assert_eq!(bench.tables.recompute(&bot(), "aTable", Some(&only), true).await.unwrap(), 2);
    settled(&bench.tables, "aTable").await;
    let now = row(&bench, "aTable", 2).await;
    assert_eq!((&now["t"], &now["u"]), (&json!("y"), &json!("y!")), "{now:?}");
    assert_eq!(bench.tables.recompute(&bot(), "aTable", None, true).await.unwrap(), 0);
    let asked = world.asked.load(Ordering::SeqCst);
    assert_eq!(bench.tables.recompute(&bot(), "aTable", None, false).await.unwrap(), 2);
    settled(&bench.tables, "aTable").await;
    assert_eq!(world.asked.load(Ordering::SeqCst), asked + 2);
    let wrong = bench.tables.recompute(&bot(), "aTable", Some(&["q".to_owned()]), true).await.unwrap_err();
    assert!(text_of(&wrong).contains("\"q\" is not computed"), "{wrong}");
}

#[tokio::test]
async fn a_value_of_old_inputs_is_never_stored() {
    let world = World::new(|prompt| Ok(prompt.to_owned()));
    let bench = started(&world).await;
    bench
        .table(
            "aTable",
            json!({ "q": { "type": "string" }, "o": { "type": "string" }, "t": by_model("string", "{{q}}") }),
        )
        .await;
    let held = world.gate.lock().await;
    bench.add("aTable", json!([{ "q": "old", "o": "1" }])).await;
    let deadline = std::time::Instant::now() + LONG;
    while world.asked.load(Ordering::SeqCst) == 0 {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // While the model thinks: a change of the input, one of another column.
    change(&bench, "aTable", json!({ "id": 1, "q": "new" })).await;
    change(&bench, "aTable", json!({ "id": 1, "o": "2" })).await;
    drop(held);
    settled(&bench.tables, "aTable").await;
    let now = row(&bench, "aTable", 1).await;
    assert_eq!((&now["t"], &now["o"]), (&json!("new"), &json!("2")));
    assert_eq!(world.asked.load(Ordering::SeqCst), 2);
    // A change of another column alone costs no second question.
    let held = world.gate.lock().await;
    change(&bench, "aTable", json!({ "id": 1, "q": "third" })).await;
    while world.asked.load(Ordering::SeqCst) == 2 {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    change(&bench, "aTable", json!({ "id": 1, "o": "3" })).await;
    drop(held);
    settled(&bench.tables, "aTable").await;
    let now = row(&bench, "aTable", 1).await;
    assert_eq!((&now["t"], &now["o"], world.asked.load(Ordering::SeqCst)), (&json!("third"), &json!("3"), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_computing_race_without_loss() {
    let bench = started(&World::silent()).await;
    let schema = json!({
        "a": { "type": "number" }, "b": { "type": "number" },
        "sum": by_code("number", &["a", "b"], "row.a + row.b"), "twice": by_code("number", &["sum"], "row.sum * 2"),
    });
    bench.table("rTable", schema).await;
    bench.add("rTable", vec![json!({ "a": 0, "b": 0 }); 10].into()).await;
    let writers: Vec<_> = (0..6_u64)
        .map(|writer| {
            let tables = bench.tables.clone();
            tokio::spawn(async move {
                let column = if writer % 2 == 0 { "a" } else { "b" };
                for n in 1..=40_u64 {
                    let id = (n * (writer + 1)) % 10 + 1;
                    let row = json!({ "id": id, column: n * 100 + writer });
                    let written = tables.update_rows(&bot(), "rTable", vec![row]).await.unwrap();
                    assert_eq!(
                        written.rows[0][column],
                        json!(n * 100 + writer),
                        "a write is answered as written"
                    );
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    settled(&bench.tables, "rTable").await;
    for row in bench.find("rTable", Find::default()).await.rows.into_rows() {
        let number = |name: &str| row[name].as_i64().unwrap();
        assert_eq!(number("sum"), number("a") + number("b"), "{row:?}");
        assert_eq!(number("twice"), number("sum") * 2, "{row:?}");
    }
}

#[tokio::test]
async fn callers_wait_only_so_long() {
    let world = World::new(|prompt| Ok(prompt.to_owned()));
    let bench = started(&world).await;
    bench.table("aTable", json!({ "q": { "type": "string" }, "t": by_model("string", "{{q}}") })).await;
    let held = world.gate.lock().await;
    let rows = bench.add("aTable", json!([{ "q": "x" }])).await;
    let short = Duration::from_millis(30);
    let rows = bench.tables.computed_rows(&bot(), "aTable", rows, short).await.unwrap();
    assert_eq!((&rows[0]["stale"], &rows[0]["t"]), (&json!(["t"]), &Value::Null));
    drop(held);
    settled(&bench.tables, "aTable").await;
    assert_eq!(row(&bench, "aTable", 1).await["t"], "x", "what the caller did not wait for came later");
    assert_eq!(world.asked.load(Ordering::SeqCst), 1, "and was asked for once");
    let held = world.gate.lock().await;
    bench.add("aTable", json!([{ "q": "y" }])).await;
    let stopping = tokio::time::timeout(Duration::from_secs(5), bench.tables.stop_compute());
    stopping.await.expect("stopping does not wait for the model");
    drop(held);
    assert_eq!(stale(&bench.tables, "aTable").await, 1);
}

#[tokio::test]
async fn computed_columns_are_not_the_callers_to_set() {
    let bench = started(&World::silent()).await;
    bench.table("oTable", orders()).await;
    let given = vec![json!({ "name": "a", "price": 5, "qty": 1, "total": 99, "net": "wrong type" })];
    let written = bench.tables.create_rows(&bot(), "oTable", given).await.unwrap();
    assert_eq!(written.errors, Vec::<String>::new());
    assert_eq!(
        written.warnings,
        ["net", "total"].map(|name| format!("column {name:?} is computed; the values given were ignored"))
    );
    let rows = waited(&bench, "oTable", written.rows.into_rows()).await;
    assert_eq!(rows[0]["total"], 4);
    let back = vec![Value::Object(rows[0].clone())];
    let written = bench.tables.update_rows(&bot(), "oTable", back).await.unwrap();
    assert_eq!(written.warnings, Vec::<String>::new(), "a row sent back as it came");
    assert!(!written.rows[0].contains_key("stale"));
    for refused in [
        bench.tables.create(&bot(), "kTable", keyed(orders(), "total")).await.map(drop),
        bench
            .tables
            .upsert_rows(&bot(), "oTable", vec![json!({ "total": 4 })], Some("total"))
            .await
            .map(drop),
        bench
            .tables
            .update(
                &bot(),
                "oTable",
                TablePatch { key_column: Some(Some("net".into())), ..TablePatch::default() },
            )
            .await
            .map(drop),
    ] {
        assert!(text_of(&refused.unwrap_err()).contains("is computed; use another column"));
    }
}

fn hook_rows(body: &str) -> (Value, Vec<Value>) {
    let body: Value = serde_json::from_str(body).unwrap();
    let requests = body["input"]["requests"].as_array().unwrap().clone();
    (body, requests)
}

#[tokio::test]
async fn bots_answer_through_their_webhook() {
    // Two rows per call, then "time ran out".
    let world = World::with_hook(
        |_| Err(Failure::Lasting("no model".into())),
        |body| {
            let (_, requests) = hook_rows(body);
            let rows: Vec<Value> = requests
                .iter()
                .take(2)
                .map(|request| {
                    let id = request["row"]["id"].clone();
                    let mut row = json!({ "id": id });
                    for column in request["columnsToRecompute"].as_array().unwrap() {
                        row[column.as_str().unwrap()] = match id.as_u64().unwrap() {
                            3 => json!({ "status": "error", "error": "three is bad" }),
                            id => json!({ "status": "computed", "value": id * 10 }),
                        };
                    }
                    row
                })
                .collect();
            Ok(json!({ "output": { "isFinished": requests.len() <= 2, "rows": rows } }).to_string())
        },
    );
    let bench = started(&world).await;
    let url = "http://bot.test/hook".to_owned();
    bench.tables.set_webhook(&bot(), Some(&Webhook { url, code_in: CodeIn::Webhook })).await.unwrap();
    let schema = json!({
        "a": { "type": "number" }, "flow": { "type": "number", "x-zui": { "computed": { "action": "workflow", "workflowId": "w", "dependencies": ["a"] } } },
        "code": by_code("number", &["a"], "the bot knows"),
    });
    bench.table("hTable", schema).await;
    let rows = bench.add("hTable", json!([{ "a": 1 }, { "a": 2 }, { "a": 3 }, { "a": 4 }, { "a": 5 }])).await;
    let rows = waited(&bench, "hTable", rows).await;
    assert_eq!((&rows[0]["flow"], &rows[0]["code"], &rows[4]["flow"]), (&json!(10), &json!(10), &json!(50)));
    assert_eq!((status(&rows[2], "flow"), error(&rows[2], "code")), ("error", "three is bad"));
    let called = world.called.lock().unwrap().clone();
    assert_eq!(called.len(), 3, "5 rows, 2 at a time");
    let header = |name: &str| {
        called[0].headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(called[0].url, "http://bot.test/hook");
    assert_eq!((header("x-bot-id"), header("x-bp-operation")), (Some("bot_1"), Some("action_triggered")));
    assert_eq!(
        (header("x-bp-type"), header("x-bp-configuration")),
        (Some("tablesRecomputeRows"), Some("e30="))
    );
    let (body, requests) = hook_rows(&called[0].body);
    assert_eq!((&body["type"], &body["input"]["botId"]), (&json!("tablesRecomputeRows"), &json!("bot_1")));
    assert_eq!(body["input"]["tableId"], json!(bench.tables.get(&bot(), "hTable").await.unwrap().0.id));
    assert_eq!(body["input"]["schema"]["properties"]["flow"]["type"], "number");
    assert_eq!(requests[0]["columnsToRecompute"], json!(["flow", "code"]));
    assert_eq!(requests[0]["row"]["stale"], json!(["flow", "code"]));
    // Another bot has no webhook.
    assert_eq!(bench.tables.webhook(&other_bot()).await.unwrap(), None);
    bench.tables.set_webhook(&bot(), None).await.unwrap();
    assert_eq!(bench.tables.webhook(&bot()).await.unwrap(), None);
}

#[tokio::test]
async fn two_callers_and_the_worker_ask_once() {
    let replies = Arc::new(std::sync::Mutex::new(VecDeque::from(["a", "b", "c", "d"])));
    let world = World::new(move |_| Ok(replies.lock().unwrap().pop_front().unwrap_or("too many").to_owned()));
    let bench = started(&world).await;
    bench.table("aTable", json!({ "q": { "type": "string" }, "t": by_model("string", "{{q}}") })).await;
    let rows = bench.add("aTable", json!([{ "q": "1" }, { "q": "2" }, { "q": "3" }, { "q": "4" }])).await;
    let (one, two) = tokio::join!(waited(&bench, "aTable", rows.clone()), waited(&bench, "aTable", rows));
    assert_eq!(one, two);
    assert_eq!(world.asked.load(Ordering::SeqCst), 4);
    bench.tables.delete(&bot(), "aTable").await.unwrap();
}
