//! The dependency edges between our crates, and where the heavy libraries may be used.

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};

fn workspace() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    metadata.packages
}

/// Normal and build dependencies by package name.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let kept = |package: &Package| {
        let normal = package.dependencies.iter().filter(|dep| dep.kind != DependencyKind::Development);
        normal.map(|dep| dep.name.clone()).collect()
    };
    workspace().iter().map(|package| (package.name.to_string(), kept(package))).collect()
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
        "quarry-words",
    ];
    let middle = ["quarry-kb", "quarry-tables"];
    let edges = edges();
    assert_eq!(edges.len(), 12, "a crate came or went: draw its edges here and in crates/README.md");
    for (package, dependencies) in &edges {
        let allowed: BTreeSet<&str> = match package.as_str() {
            "quarry-types" => BTreeSet::new(),
            name if leaves.contains(&name) => BTreeSet::from(["quarry-types"]),
            name if middle.contains(&name) => leaves.into_iter().chain(["quarry-types"]).collect(),
            _ => leaves.into_iter().chain(middle).chain(["quarry-types"]).collect(),
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
        ("hnsw_rs", "quarry-index"),
        ("ort", "quarry-embed"),
        ("rten", "quarry-embed"),
        ("tokenizers", "quarry-embed"),
        ("fjall", "quarry-store"),
        ("pdfium-render", "quarry-extract"),
        ("pdf-extract", "quarry-extract"),
        ("scraper", "quarry-extract"),
        ("zip", "quarry-extract"),
        ("quick-xml", "quarry-extract"),
        ("axum", "quarry"),
        ("hyper", "quarry"),
        ("clap", "quarry"),
    ];
    for (package, dependencies) in edges() {
        for (library, owner) in owners {
            let fine = package == owner || !dependencies.contains(library);
            assert!(fine, "{package} must not use {library}; it belongs to {owner}");
        }
    }
}

#[test]
fn files_stay_short() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/crates");
    let mut folders = vec![std::path::PathBuf::from(root)];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 600, "{} has {lines} lines; split it by noun", path.display());
                seen += 1;
            }
        }
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
