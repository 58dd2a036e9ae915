//! The dependency edges between our crates, and where the heavy libraries may be used.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What `cargo metadata` tells of this workspace with these arguments besides.
fn metadata(arguments: &[&str]) -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let asked = ["metadata", "--format-version", "1", "--manifest-path", manifest];
    let told = Command::new(env!("CARGO")).args(asked).args(arguments).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Normal and build dependencies by package name.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let name = |value: &Value| text(&value["name"]).to_owned();
    let kept = |package: &Value| {
        list(&package["dependencies"]).filter(|dependency| dependency["kind"] != "dev").map(name).collect()
    };
    list(&metadata(&["--no-deps"])["packages"]).map(|package| (name(package), kept(package))).collect()
}

#[test]
fn crates_depend_only_as_drawn() {
    let leaves = [
        "quarry-extract",
        "quarry-embed",
        "quarry-fetch",
        "quarry-index",
        "quarry-script",
        "quarry-store",
        "quarry-transfer",
        "quarry-web",
        "quarry-words",
    ];
    let middle = ["quarry-kb", "quarry-tables"];
    let joint = "quarry-answers";
    let edges = edges();
    assert_eq!(edges.len(), 14, "a crate came or went: draw its edges here and in crates/README.md");
    for (package, dependencies) in &edges {
        let allowed: BTreeSet<&str> = match package.as_str() {
            "quarry-types" => BTreeSet::new(),
            name if leaves.contains(&name) => BTreeSet::from(["quarry-types"]),
            name if middle.contains(&name) => leaves.into_iter().chain(["quarry-types"]).collect(),
            name if name == joint => leaves.into_iter().chain(middle).chain(["quarry-types"]).collect(),
            _ => leaves.into_iter().chain(middle).chain(["quarry-types", joint]).collect(),
        };
        for dependency in dependencies.iter().filter(|name| name.starts_with("quarry-")) {
            assert!(allowed.contains(dependency.as_str()), "{package} must not depend on {dependency}");
        }
    }
}

#[test]
fn heavy_libraries_stay_behind_their_seams() {
    let owners = [
        ("datafusion", "quarry-tables"),
        ("parquet", "quarry-transfer"),
        ("calamine", "quarry-extract"),
        ("cfb", "quarry-extract"),
        ("mail-parser", "quarry-extract"),
        ("reqwest", "quarry-fetch"),
        ("rquickjs", "quarry-script"),
        ("tantivy", "quarry-index"),
        ("ort", "quarry-embed"),
        ("rten", "quarry-embed"),
        ("tokenizers", "quarry-embed"),
        ("fjall", "quarry-store"),
        ("pdfium-render", "quarry-extract"),
        ("pdf-extract", "quarry-extract"),
        ("scraper", "quarry-extract"),
        ("zip", "quarry-extract"),
        ("axum", "quarry"),
        ("hyper", "quarry"),
        ("clap", "quarry"),
    ];
    let readers = ["quarry-extract", "quarry-web"];
    for (package, dependencies) in edges() {
        let fine = readers.contains(&package.as_str()) || !dependencies.contains("quick-xml");
        assert!(fine, "{package} must not use quick-xml; it belongs to {readers:?}");
        for (library, owner) in owners {
            let fine = package == owner || !dependencies.contains(library);
            assert!(fine, "{package} must not use {library}; it belongs to {owner}");
        }
    }
}

/// What reaches other machines over HTTP does so through `quarry-fetch`: no other client is in the
/// tree, and nobody else uses the parts that client is made of.
#[test]
fn one_client_speaks_to_the_outside() {
    // Only of what a build for this machine fetches is there everything to look at.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = metadata(&["--offline", "--locked", "--filter-platform", &platform]);
    let names: BTreeMap<&str, &str> =
        list(&metadata["packages"]).map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let nodes = &metadata["resolve"]["nodes"];
    let used: BTreeSet<&str> = list(nodes).map(|node| names[text(&node["id"])]).collect();
    let clients = [
        "actix-http",
        "async-tungstenite",
        "attohttpc",
        "awc",
        "cabot",
        "chttp",
        "curl",
        "gix-transport",
        "h3",
        "hickory-resolver",
        "http_req",
        "hyper-openssl",
        "hyper-tls",
        "isahc",
        "jsonrpsee",
        "libcurl-sys",
        "minreq",
        "mio-httpc",
        "native-tls",
        "nyquest",
        "oauth2",
        "openssl",
        "reqwest-middleware",
        "surf",
        "tiny_http_client",
        "tokio-tungstenite",
        "tonic",
        "tungstenite",
        "ureq",
        "wreq",
        "xh",
    ];
    for client in clients {
        assert!(!used.contains(client), "{client} is in the tree; outbound requests go through quarry-fetch");
    }
    let users = [
        ("reqwest", &["quarry-fetch"][..]),
        ("hyper-rustls", &["reqwest"]),
        ("hyper", &["axum", "hyper-rustls", "hyper-util", "quarry", "reqwest"]),
        ("hyper-util", &["axum", "hyper-rustls", "quarry", "reqwest"]),
    ];
    for (library, allowed) in users {
        let by =
            list(nodes).filter(|node| list(&node["deps"]).any(|dep| names[text(&dep["pkg"])] == library));
        let found: BTreeSet<&str> = by.map(|node| names[text(&node["id"])]).collect();
        let expected: BTreeSet<&str> = allowed.iter().copied().collect();
        assert_eq!(found, expected, "who uses {library}");
    }
}

/// Sockets are opened to others by `quarry-fetch` and, towards its own server, by the command line.
#[test]
fn nobody_else_opens_connections() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/crates");
    let openers = [
        "TcpStream",
        "TcpSocket",
        "UdpSocket",
        "UnixStream",
        "lookup_host",
        "to_socket_addrs",
        "hyper::client",
        "client::legacy",
    ];
    let allowed = [
        "/fetch/src/",
        "/server/src/cli/http.rs",
        "/server/src/config.rs",
        "/server/src/serve.rs",
        "/extract/src/bin/",
        // A pair of sockets between two processes of ours, which leads nowhere else.
        "/extract/src/fork_server.rs",
        "/examples/",
    ];
    let mut seen = 0;
    for path in sources(root) {
        let name = path.to_string_lossy().replace('\\', "/");
        if allowed.iter().any(|part| name.contains(part)) {
            seen += 1;
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for opener in openers {
            assert!(
                !text.contains(opener),
                "{name} uses {opener}; outbound requests go through quarry-fetch"
            );
        }
    }
    assert!(seen > 10, "the sources are elsewhere: {seen} files found");
}

fn sources(root: &str) -> Vec<std::path::PathBuf> {
    let mut folders = vec![std::path::PathBuf::from(root)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn files_stay_short() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/crates");
    let mut seen = 0;
    for path in sources(root) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines; split it by noun", path.display());
        seen += 1;
    }
    assert!(seen > 50, "the sources are elsewhere: {seen} files found");
}

#[test]
fn the_description_has_every_route_of_ours() {
    use quarry_server::{Access, OPENAPI, Route};
    let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let ours = |path: &str| !path.starts_with("/v1/") || path.starts_with("/v1/quarry/");
    let mut described = 0;
    for (route, method, path, access) in Route::ALL.iter().filter(|(_, _, path, _)| ours(path)) {
        let operation = &paths[*path][method.to_ascii_lowercase()];
        assert_eq!(operation["operationId"], route.name(), "{method} {path}");
        let names_bot = operation["parameters"]
            .as_array()
            .is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "x-bot-id"));
        assert_eq!(names_bot, *access == Access::Bot, "{method} {path}");
        described += 1;
    }
    let written: usize = paths.values().map(|methods| methods.as_object().unwrap().len()).sum();
    assert_eq!(written, described, "the description holds operations that do not exist");
}
