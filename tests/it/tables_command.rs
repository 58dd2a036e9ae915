//! `quarry tables …` against the real binary: rows in, out, and in again.

use crate::common::TOKEN;
use crate::process::{Process, start};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Output, Stdio};

struct Shell {
    server: Process,
    folder: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        let server = start(&[("QUARRY_ADMIN_TOKEN", TOKEN), ("QUARRY_TABLE_ROW_QUOTA", "5000000")]);
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run_as(&self, bot: &str, args: &[&str]) -> Output {
        let all: Vec<&str> = ["tables"].iter().chain(args).copied().collect();
        let mut command = self.server.prepared(TOKEN, &all);
        command.env("QUARRY_BOT", bot).current_dir(self.folder.path()).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_as("cli", args)
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a command that must fail says.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn rows(&self, args: &[&str]) -> Vec<Value> {
        let all: Vec<&str> = ["query"].iter().chain(args).copied().chain(["--json"]).collect();
        self.ok(&all).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const PEOPLE: &str = "email;age;joined;active;tags;note;phone\r\n\
    ann@x.test;31;2024-03-01;true;\"[\"\"a\"\"]\";\"two\r\nlines; one cell\";0049123\r\n\
    bob@x.test;;25.12.2023;FALSE;;\"\";00391\r\n\
    zoë@x.test;1.5e1;2024-01-05T10:00:00+02:00;true;[];plain;007\r\n";

#[test]
fn a_table_is_made_from_a_file_and_comes_back_the_same() {
    let shell = Shell::new();
    let file = shell.write("people.csv", PEOPLE);
    let missing = shell.refused(&["import", &file]);
    assert!(missing.contains("--create"), "{missing}");
    let shown = shell.ok(&["import", &file, "--create", "--key", "email"]);
    assert!(shown.contains("made table peopleTable") && shown.contains("imported 3 rows"), "{shown}");
    for line in ["age: number", "joined: date-time", "active: boolean", "tags: array", "phone: string"] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let rows = shell.rows(&["peopleTable", "--filter", "{\"active\": true}", "--order-by", "age", "--desc"]);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["note"], "two\r\nlines; one cell");
    assert_eq!((&rows[0]["age"], &rows[0]["phone"]), (&json!(31), &json!("0049123")));
    assert_eq!(rows[1]["email"], "zoë@x.test");
    let bob = &shell.rows(&["peopleTable", "--filter", "{\"email\": \"bob@x.test\"}"])[0];
    assert_eq!(bob["joined"], "2023-12-25T00:00:00.000Z");
    assert_eq!((&bob["age"], &bob["note"], &bob["tags"]), (&Value::Null, &json!(""), &Value::Null));

    let grid = shell.ok(&["query", "peopleTable", "--select", "email,age", "--limit", "2"]);
    assert_eq!(grid.lines().count(), 3, "{grid}");
    let groups = shell.rows(&["peopleTable", "--group", "{\"active\": \"key\", \"age\": \"max\"}"]);
    assert_eq!(groups.len(), 2);
    let listed = shell.ok(&["list"]);
    assert!(listed.lines().any(|line| line.starts_with("peopleTable") && line.contains("email")), "{listed}");

    // Into a file with the schema, and from it into another bot: the same table.
    shell.ok(&["export", "peopleTable", "--out", "people.json"]);
    let text = std::fs::read_to_string(shell.folder.path().join("people.json")).unwrap();
    let exported: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(exported["table"]["name"], "peopleTable");
    let again = shell.run_as("other", &["import", "people.json", "--create"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let both = ["cli", "other"].map(|bot| {
        let output = shell.run_as(bot, &["export", "peopleTable", "--format", "json", "--out", "-"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut table: Value = serde_json::from_slice(&output.stdout).unwrap();
        for row in table["rows"].as_array_mut().unwrap() {
            let row = row.as_object_mut().unwrap();
            row.remove("createdAt");
            row.remove("updatedAt");
        }
        table
    });
    assert_eq!(both[0], both[1]);

    // Every format, with the names the defaults give; nothing is overwritten unasked.
    for (format, name) in [
        ("csv", "peopleTable.csv.gz"),
        ("ndjson", "peopleTable.ndjson.gz"),
        ("parquet", "peopleTable.parquet"),
        ("arrow", "peopleTable.arrow"),
    ] {
        shell.ok(&["export", "peopleTable", "--format", format]);
        assert!(shell.folder.path().join(name).metadata().unwrap().len() > 50, "{name}");
        let twice = shell.refused(&["export", "peopleTable", "--format", format]);
        assert!(twice.contains("exists"), "{twice}");
    }
    shell.ok(&["import", "peopleTable.csv.gz", "--table", "copyTable", "--create"]);
    let copied = shell.rows(&["copyTable", "--select", "email,age,joined,active,tags,note,phone"]);
    let first = shell.rows(&["peopleTable", "--select", "email,age,joined,active,tags,note,phone"]);
    let plain = |rows: &[Value]| -> Vec<Value> {
        let without = |row: &Value| {
            let mut row = row.as_object().unwrap().clone();
            row.retain(|name, _| !["createdAt", "updatedAt"].contains(&name.as_str()));
            row.into()
        };
        rows.iter().map(without).collect()
    };
    assert_eq!(plain(&copied), plain(&first));
}

#[test]
fn refused_rows_are_listed_and_the_others_stay() {
    let shell = Shell::new();
    let made = shell.write("stock.csv", "sku,count\na,1\nb,2\n");
    shell.ok(&["import", &made, "--create", "--key", "sku"]);
    let more = shell.write("more.csv", "sku,count,extra\nb,3,x\nc,many,\nd,4,\ne,5,,,y\n");
    let said = shell.refused(&["import", &more, "--table", "stockTable"]);
    for part in [
        "line 2",
        "line 3, column \"count\": \"many\" is not a number",
        "line 5",
        "3 rows were refused",
        "extra",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let skus: Vec<Value> =
        shell.rows(&["stockTable", "--order-by", "sku"]).iter().map(|row| row["sku"].clone()).collect();
    assert_eq!(skus, ["a", "b", "d"]);
    // What cannot be a table at all leaves none behind.
    let sheet = shell.write("sheet.csv", "PK\u{3}\u{4}rest");
    assert!(shell.refused(&["import", &sheet, "--create"]).contains("Excel"));
    let twice = shell.write("twice.csv", "a,a\n1,2\n");
    assert!(shell.refused(&["import", &twice, "--create"]).contains("both named"));
    assert_eq!(shell.ok(&["list", "--json"]).lines().count(), 1);
    let unknown = shell.refused(&["export", "noTable"]);
    assert!(unknown.contains("does not exist"), "{unknown}");
    let wrong = shell.refused(&["query", "stockTable", "--filter", "{\"nope\": 1}"]);
    assert!(wrong.contains("nope"), "{wrong}");
}

#[test]
fn columns_can_be_renamed_on_the_way_in() {
    let shell = Shell::new();
    let csv = shell.write("items.csv", "id,when\n17,3/4/2024\n18,25/4/2024\n");
    let shown = shell.ok(&["import", &csv, "--create", "--rename", "id=number"]);
    assert!(shown.contains("imported 2 rows"), "{shown}");
    let rows = shell.rows(&["itemsTable"]);
    assert_eq!((&rows[0]["number"], &rows[0]["when"]), (&json!(17), &json!("2024-04-03T00:00:00.000Z")));
    let lines = shell.write("events.ndjson", "{\"id\":\"x\",\"n\":1}\n{\"id\":\"y\",\"o\":{\"a\":[1]}}\n");
    shell.ok(&["import", &lines, "--create", "--rename", "id=code"]);
    let rows = shell.rows(&["eventsTable"]);
    assert_eq!((&rows[1]["code"], &rows[1]["o"]), (&json!("y"), &json!({ "a": [1] })));
    let lost = shell.run(&["import", &csv, "--create", "--table", "lostTable"]);
    assert!(lost.status.success());
    assert!(String::from_utf8_lossy(&lost.stderr).contains("--rename id=NAME keeps it"));
}

#[test]
fn interrupting_an_import_takes_everything_back() {
    let shell = Shell::new();
    let mut text = String::from("n,text\n");
    for n in 0..80_000 {
        text.push_str(&format!("{n},row number {n} of a file that takes a while\n"));
    }
    let file = shell.write("long.csv", &text);
    let mut command = shell.server.prepared(TOKEN, &["tables", "import", &file, "--create"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("importing") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the import ended early");
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let status = child.wait().unwrap();
    let rest: Vec<String> = said.lines().map(Result::unwrap).collect();
    assert_eq!(status.code(), Some(1), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("no rows were added to longTable")), "{rest:?}");
    assert_eq!(shell.ok(&["list", "--json"]), "");
    let files = {
        let mut stream = std::net::TcpStream::connect(&shell.server.address).unwrap();
        write!(
            stream,
            "GET /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nx-bot-id: cli\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    assert!(files.contains("\"files\":[]"), "{files}");
}
