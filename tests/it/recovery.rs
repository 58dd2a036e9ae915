//! The real binary, killed with SIGKILL while it writes rows and files, twenty times on one data
//! folder: everything acknowledged is there, nothing is there by half, nothing that was never sent.
//!
//! The moments of death come from a seed, printed when the test fails; `QUARRY_RECOVERY_SEED` sets
//! it and `QUARRY_RECOVERY_CYCLES` the number of kills.

mod files;
mod http;
mod imports;
mod rows;

use crate::common::{TOKEN, worker};
use http::Client;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CYCLES: usize = 20;
const KEY_WRITERS: usize = 2;
const SETTLE: Duration = Duration::from_secs(60);

fn percent(text: &str) -> String {
    crate::common::encode(text)
}

struct Server {
    child: Child,
    client: Client,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let log: File = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut child = Command::new(worker())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .env("QUARRY_ADMIN_TOKEN", TOKEN)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("quarry ready on http://") else {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            panic!("the server did not start: {line:?}; last log lines first: {tail:#?}");
        };
        let client =
            Client { address: address.to_owned(), token: TOKEN.to_owned(), bot: "recovery".to_owned() };
        Self { child, client }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn status(&self) -> Value {
        self.client.call("GET", "/v1/quarry/status?recount=true", &Value::Null).unwrap().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Says which seed to repeat when the test fails.
struct Seed(u64);

impl Drop for Seed {
    #[allow(clippy::print_stderr, reason = "the only way to repeat a failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with QUARRY_RECOVERY_SEED={}", self.0);
        }
    }
}

#[test]
fn killed_at_any_moment_it_keeps_what_it_acknowledged_and_nothing_else() {
    let seed = Seed(setting("QUARRY_RECOVERY_SEED").unwrap_or_else(rand::random));
    let cycles = setting("QUARRY_RECOVERY_CYCLES").map_or(CYCLES, |n| n as usize);
    let mut rng = StdRng::seed_from_u64(seed.0);
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    rows::create_tables(&server.client);

    let mut batches = rows::Batches::new();
    let mut upserts = vec![rows::Upserts::default(); KEY_WRITERS];
    let mut files = files::Files::new();
    for cycle in 0..cycles {
        let life = Duration::from_millis(rng.random_range(20..600));
        let (mut row_rng, mut file_rng) = (StdRng::from_rng(&mut rng), StdRng::from_rng(&mut rng));
        let client = server.client.clone();
        std::thread::scope(|scope| {
            let new_rows = scope.spawn(|| rows::write_batches(&client, &format!("c{cycle}"), &mut row_rng));
            let new_files = scope.spawn(|| files::write_files(&client, cycle, &mut file_rng));
            let keys: Vec<_> = upserts
                .iter()
                .enumerate()
                .map(|(by, before)| {
                    let (client, before) = (&client, *before);
                    scope.spawn(move || rows::write_keys(client, by, before))
                })
                .collect();
            // The moment of death is what this test varies; nothing waits for it.
            std::thread::sleep(life);
            server.kill();
            batches.append(&mut new_rows.join().unwrap());
            files.append(&mut new_files.join().unwrap());
            upserts = keys.into_iter().map(|writer| writer.join().unwrap()).collect();
        });

        server = Server::start(folder.path());
        let counted = rows::check(&server.client, &mut batches, &upserts);
        let bytes = files::check(&server.client, &mut files, cycle);
        let status = server.status();
        assert_eq!(status["usage"]["tableRows"]["used"], counted, "cycle {cycle}: {status}");
        assert_eq!(status["recount"]["tableRows"], counted, "cycle {cycle}: {status}");
        assert_eq!(status["usage"]["storageBytes"]["used"], bytes, "cycle {cycle}: {status}");
        assert_eq!(status["recount"]["storageBytes"], bytes, "cycle {cycle}: {status}");
    }

    // A run in which nothing was acknowledged would prove nothing.
    let work = (batches.len(), files.len(), upserts.iter().map(rows::Upserts::acknowledged).min());
    let enough = work.0 >= 2 * cycles && work.1 >= cycles / 2 && work.2 >= Some(2 * cycles as u64);
    assert!(enough, "too little was written: {work:?}");

    let done = Instant::now() + SETTLE;
    while files::list(&server.client).values().any(|file| file["status"] == "indexing_pending") {
        assert!(Instant::now() < done, "files stay indexing_pending after the restart");
        std::thread::sleep(Duration::from_millis(20));
    }
    while !rows::are_indexed(&server.client) {
        assert!(Instant::now() < done, "rows wait for the search index after the restart");
        std::thread::sleep(Duration::from_millis(20));
    }
    rows::check(&server.client, &mut batches, &upserts);
    files::check(&server.client, &mut files, 0);
    let row_vectors = rows::check_search(&server.client, &batches);
    let mut searched = 0;
    for (key, word) in files::searchable(&files) {
        let path = format!("/v1/files/search?limit=5&query={word}");
        let found = server.client.call("GET", &path, &Value::Null).unwrap().ok();
        assert_eq!(found["passages"][0]["file"]["key"], key, "searching {word}: {found}");
        searched += 1;
    }
    assert!(searched > 0, "some file was indexed");
    // Vectors of deleted rows go soon after their rows.
    let settled = loop {
        let status = server.status();
        let passages = status["counts"]["passages"].as_u64().unwrap();
        if status["usage"]["vectors"]["used"] == passages + row_vectors as u64 {
            break status;
        }
        assert!(Instant::now() < done, "{row_vectors} vectors of rows: {status}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(settled["usage"]["vectors"]["used"], settled["recount"]["vectors"], "{settled}");
}
