//! An import of 50,000 rows whose server is killed again and again: none of the rows is there until
//! all of them are.

use super::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROWS: usize = 50_000;
/// Rows after which the server is killed.
const KILLS: [u64; 3] = [1, 15_000, 35_000];
const PATIENCE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(10);

impl Server {
    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        self.client.call(method, path, body).unwrap().ok()
    }

    fn rows(&self) -> u64 {
        self.ok("GET", "/v1/tables/importTable", &Value::Null)["rows"].as_u64().unwrap()
    }

    fn job(&self, id: &str) -> Value {
        let path = format!("/v1/quarry/tables/importTable/jobs/{id}");
        self.ok("GET", &path, &Value::Null)["job"].clone()
    }

    fn used(&self) -> u64 {
        let status = self.status();
        assert_eq!(status["usage"]["tableRows"]["used"], status["recount"]["tableRows"], "{status}");
        status["usage"]["tableRows"]["used"].as_u64().unwrap()
    }

    /// As [`Server::used`] while an import goes on, which may add rows between counting and the scan.
    fn used_meanwhile(&self) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            let used = &status["usage"]["tableRows"]["used"];
            if *used == status["recount"]["tableRows"] {
                return used.as_u64().unwrap();
            }
            assert!(Instant::now() < deadline, "the counter stays wrong: {status}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Makes the table, uploads the file and starts to import it; answers the job's id.
    fn import(&self) -> String {
        let columns = json!({ "k": { "type": "string" }, "n": { "type": "number" } });
        let table = json!({ "name": "importTable", "schema": columns, "keyColumn": "k" });
        self.ok("POST", "/v1/tables", &table);
        let lines: String = (0..ROWS).map(|n| format!("key number {n},{n}\n")).collect();
        let content = format!("k,n\n{lines}");
        let file = json!({ "key": "rows.csv", "size": content.len() });
        let file = self.ok("PUT", "/v1/files", &file)["file"].clone();
        self.client.bare("PUT", file["uploadUrl"].as_str().unwrap(), content.as_bytes()).unwrap().ok();
        let job = self.ok("POST", "/v1/tables/importTable/import", &json!({ "fileId": file["id"] }));
        job["job"]["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn an_import_survives_kills_and_is_never_half_visible() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let id = server.import();
    let deadline = Instant::now() + PATIENCE;
    let mut kills = KILLS.into_iter().peekable();
    let mut resumed = Vec::new();
    let job = loop {
        assert!(Instant::now() < deadline, "the import does not end: {}", server.job(&id));
        // Rows first: a job that is seen to run afterwards had none to show before.
        let rows = server.rows();
        let job = server.job(&id);
        let running = ["pending", "in_progress"].contains(&job["status"].as_str().unwrap());
        assert!(rows == 0 || rows == ROWS as u64, "{rows} rows are visible: {job}");
        assert!(!running || rows == 0, "{rows} rows of a running import are visible: {job}");
        if !running && job["status"] != "finalizing" {
            break job;
        }
        let done = job["rows"].as_u64().unwrap();
        if kills.next_if(|rows| done >= *rows).is_some() {
            server.kill();
            server = Server::start(folder.path());
            assert_eq!(server.rows(), 0, "nothing is visible after the kill");
            assert!(server.used_meanwhile() >= done, "what was committed is counted");
            resumed.push(done);
        }
        std::thread::sleep(PAUSE);
    };
    assert_eq!((&job["status"], &job["rows"]), (&json!("completed"), &json!(ROWS)), "{job}");
    assert!(resumed.len() >= 2, "the server was killed while rows were written: {resumed:?}");
    assert_eq!((server.rows(), server.used()), (ROWS as u64, ROWS as u64));
    let group = json!({ "group": { "n": ["sum", "min", "max", "count"] } });
    let sums = server.ok("POST", "/v1/tables/importTable/rows/find", &group)["rows"][0].clone();
    let sum: usize = (0..ROWS).sum();
    assert_eq!(sums, json!({ "nSum": sum, "nMin": 0, "nMax": ROWS - 1, "nCount": ROWS }));
}

#[test]
fn a_cancel_followed_by_a_kill_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let id = server.import();
    let deadline = Instant::now() + PATIENCE;
    while server.job(&id)["rows"] == 0 {
        assert!(Instant::now() < deadline, "the import does not begin");
        std::thread::sleep(PAUSE);
    }
    let cancelled = server.ok("DELETE", &format!("/v1/quarry/tables/importTable/jobs/{id}"), &Value::Null);
    assert_eq!(cancelled["job"]["error"], "cancelled");
    server.kill();
    server = Server::start(folder.path());
    let job = loop {
        let job = server.job(&id);
        assert_eq!(server.rows(), 0, "{job}");
        if job["status"] == "failed" {
            break job;
        }
        assert!(Instant::now() < deadline, "the import is not taken back: {job}");
        std::thread::sleep(PAUSE);
    };
    assert_eq!((&job["error"], &job["rows"]), (&json!("cancelled"), &json!(0)));
    assert_eq!(server.used(), 0);
}
