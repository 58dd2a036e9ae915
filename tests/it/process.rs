//! The real binary: start, ready line, token, signals, half-sent requests, client commands.

use crate::common::{TOKEN, worker};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A server in a folder of its own.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
    pub(crate) data: tempfile::TempDir,
}

pub(crate) fn start(extra: &[(&str, &str)]) -> Process {
    start_in(tempfile::tempdir().unwrap(), extra)
}

fn start_in(data: tempfile::TempDir, extra: &[(&str, &str)]) -> Process {
    let mut command = Command::new(worker());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path().join("d"));
    command.envs(extra.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let Some(address) = line.trim().strip_prefix("quarry ready on http://") else {
        let _ = child.kill();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        panic!("{line:?}: {told}");
    };
    Process { address: address.to_owned(), child, data }
}

impl Process {
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// A call of the admin for the bot `cli` that must succeed.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> serde_json::Value {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
             x-bot-id: cli\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// Kills the server as a power cut would and starts it on the same folder.
    pub(crate) fn killed_and_started(mut self, extra: &[(&str, &str)]) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let data = std::mem::replace(&mut self.data, tempfile::tempdir().unwrap());
        start_in(data, extra)
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; gives the exit code and what was left on stdout and stderr.
    fn ended(mut self) -> (Option<i32>, String, String) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the server does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = self.child.wait().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (status.code(), out, err)
    }

    fn command(&self, token: &str, args: &[&str]) -> Output {
        self.prepared(token, args).output().unwrap()
    }

    /// A client command that speaks to this server.
    pub(crate) fn prepared(&self, token: &str, args: &[&str]) -> Command {
        let mut command = Command::new(worker());
        command
            .args(args)
            .env("QUARRY_URL", format!("http://{}", self.address))
            .env("QUARRY_TOKEN", token)
            .env("QUARRY_BOT", "cli");
        command
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn one_ready_line_a_kept_token_and_a_clean_stop() {
    let process = start(&[]);
    assert!(process.get("/healthz").starts_with("HTTP/1.1 200"));
    let token_file = process.data.path().join("d/admin-token");
    let token = std::fs::read_to_string(&token_file).unwrap().trim().to_owned();
    assert!(token.len() > 20);
    assert_eq!((mode(&token_file), mode(&process.data.path().join("d/secret"))), (0o600, 0o600));
    let listed = process.command(&token, &["token", "list"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    process.signal("-TERM");
    let folder = process.data.path().join("d");
    let (code, out, err) = {
        let mut process = process;
        let data = std::mem::replace(&mut process.data, tempfile::tempdir().unwrap());
        let ended = process.ended();
        drop(data);
        ended
    };
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert_eq!(err.matches(&token).count(), 1, "shown once: {err}");
    assert!(!folder.join("LOCK/x").is_file());
}

#[test]
fn interrupts_stop_it_too_and_a_given_token_is_never_shown() {
    let process =
        start(&[("QUARRY_ADMIN_TOKEN", TOKEN), ("QUARRY_LOG", "debug"), ("QUARRY_LOG_FORMAT", "json")]);
    assert!(!process.data.path().join("d/admin-token").is_file());
    assert!(process.command(TOKEN, &["token", "list"]).status.success());
    process.signal("-INT");
    let (code, _, err) = process.ended();
    assert_eq!(code, Some(0));
    assert!(!err.contains(TOKEN));
    let line: serde_json::Value = serde_json::from_str(err.lines().next().unwrap()).unwrap();
    assert!(line["level"].is_string());
}

#[test]
fn wrong_settings_stop_the_start_with_a_reason() {
    for (args, word) in [
        (vec!["serve", "--listen", "nowhere"], "listen"),
        (vec!["serve", "--config", "/no/such/file.toml"], "/no/such/file.toml"),
        (vec!["serve", "--threads", "0"], "threads"),
        (vec!["serve", "--vector-quota", "many"], "vector-quota"),
    ] {
        let output = Command::new(worker()).args(&args).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && err.contains(word), "{args:?}: {err}");
    }
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let process = start(&[("QUARRY_ADMIN_TOKEN", TOKEN)]);
    let output = Command::new(worker())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(process.data.path().join("d"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(process.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn half_sent_and_oversized_heads_do_not_hurt_others() {
    let process = start(&[("QUARRY_ADMIN_TOKEN", TOKEN)]);
    let mut half: Vec<TcpStream> = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(&process.address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-wait: ").unwrap();
        half.push(stream);
    }
    let started = Instant::now();
    assert!(process.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(started.elapsed() < Duration::from_secs(5));
    let big = format!("/healthz?{}", "x".repeat(200_000));
    let mut stream = TcpStream::connect(&process.address).unwrap();
    let _ = write!(stream, "GET {big} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(process.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn files_can_be_ingested_searched_and_asked_from_the_command_line() {
    let process = start(&[("QUARRY_ADMIN_TOKEN", TOKEN)]);
    let path = process.data.path().join("kettle.md");
    std::fs::write(
        &path,
        "# Kettle\n\nThe warranty of the kettle lasts five years from the day of purchase.\n",
    )
    .unwrap();
    let text = |output: Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = text(process.command(TOKEN, &["ingest", path.to_str().unwrap(), "--kb", "docs"]));
    assert!(shown.contains("kettle.md: can be searched"), "{shown}");
    assert!(text(process.command(TOKEN, &["search", "kettle warranty"])).contains("five years"));
    let answer = text(process.command(TOKEN, &["ask", "How long does the warranty of the kettle last?"]));
    assert!(answer.contains("five years") && answer.contains("【1】"), "{answer}");
    let refused = process.command("wrong", &["search", "x"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"));
    let bad = process.data.path().join("bad.pdf");
    std::fs::write(&bad, "%PDF-1.7 broken").unwrap();
    assert!(!process.command(TOKEN, &["ingest", bad.to_str().unwrap()]).status.success());
}

#[test]
fn counters_are_recounted_with_and_without_a_server() {
    let process = start(&[("QUARRY_ADMIN_TOKEN", TOKEN)]);
    let folder = process.data.path().join("d");
    let quota = |extra: &[&str], url: Option<&str>| {
        let mut command = Command::new(worker());
        command.args(["quota", "recount", "--data-dir"]).arg(&folder).args(extra);
        command.env_remove("QUARRY_URL").env("QUARRY_TOKEN", TOKEN);
        let output = command.envs(url.map(|url| ("QUARRY_URL", url))).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let file = process.data.path().join("note.txt");
    std::fs::write(&file, "The kettle is blue.").unwrap();
    assert!(process.command(TOKEN, &["ingest", file.to_str().unwrap()]).status.success());
    let url = format!("http://{}", process.address);
    let (code, out, err) = quota(&[], Some(&url));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("cli  vectors  counter 1  counted 1  ok"), "{out}");
    let shown = process.command(TOKEN, &["quota", "show", "--bot", "cli"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let vectors = shown.lines().find(|line| line.starts_with("vectors")).unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(vectors.split_whitespace().collect::<Vec<_>>(), ["vectors", "1", "0", "100000"]);
    process.signal("-TERM");
    let data = {
        let mut process = process;
        let data = std::mem::replace(&mut process.data, tempfile::tempdir().unwrap());
        assert_eq!(process.ended().0, Some(0));
        data
    };

    let (code, out, err) = quota(&["--bot", "cli"], None);
    assert_eq!((code, out.lines().count()), (Some(0), 4), "{out}{err}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use quarry_store::{RecordStore, StoreOptions};
        let store = quarry_store::open(&folder, &StoreOptions::default()).unwrap().store;
        let bot = quarry_types::BotId::parse("cli").unwrap();
        let mut usage = store.usage(&bot).await.unwrap();
        usage.vectors += 41;
        store.set_usage(&bot, usage).await.unwrap();
    });
    let (code, out, err) = quota(&[], None);
    assert_eq!(code, Some(1), "a difference is no success");
    assert!(
        out.contains("cli  vectors  counter 42  counted 1  differs") && err.contains("--fix"),
        "{out}{err}"
    );
    let (code, out, _) = quota(&["--fix"], None);
    assert!(code == Some(0) && out.contains("counter 42  counted 1  fixed"), "{out}");
    let (code, out, _) = quota(&[], None);
    assert!(code == Some(0) && out.contains("counter 1  counted 1  ok"), "{out}");
    let (code, _, err) = quota(&["--bot", "none"], None);
    assert!(code == Some(1) && err.contains("none"), "{err}");
    let (code, _, err) = quota(&[], Some("http://127.0.0.1:9"));
    assert!(
        code == Some(1) && err.contains("no server answers"),
        "a named server is never passed over: {err}"
    );
    drop(data);
}
