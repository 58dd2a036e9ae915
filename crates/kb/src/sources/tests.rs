//! Schedules and resumption on the real store; pages themselves are tested through the HTTP face.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Kb, KbDeps, KbSettings};
use quarry_embed::EmbedderSlot;
use quarry_embed::testing::HashEmbedder;
use quarry_extract::{Pool, PoolOptions};
use quarry_store::StoreOptions;
use quarry_types::{BotId, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

mod sites;

const HOUR: i64 = 3_600_000;

struct World {
    kb: Kb,
    sources: Sources,
}

/// Rows that a test changes.
struct Rows(parking_lot::Mutex<String>);

#[async_trait]
impl TableText for Rows {
    async fn csv(&self, _: &Scope, table: &str) -> Result<(String, Bytes), Error> {
        Ok((table.to_owned(), Bytes::from(self.0.lock().clone())))
    }
}

async fn open(dir: &Path, clock: &Arc<AtomicI64>, rows: &Arc<Rows>) -> World {
    open_with(dir, clock, rows, None).await
}

/// A client that may fetch from this machine.
fn client() -> quarry_fetch::Client {
    let settings = quarry_fetch::Settings {
        allow: vec!["127.0.0.1".parse().unwrap()],
        ports: quarry_fetch::Ports::parse(&["1-65535"]).unwrap(),
        ..quarry_fetch::Settings::default()
    };
    quarry_fetch::Client::new(settings).unwrap()
}

async fn open_with(
    dir: &Path,
    clock: &Arc<AtomicI64>,
    rows: &Arc<Rows>,
    search: Option<Arc<dyn WebSearch>>,
) -> World {
    // The folder's lock goes with the last task of the world before.
    let deadline = Instant::now() + Duration::from_secs(120);
    let opened = loop {
        match quarry_store::open(dir, &StoreOptions::default()) {
            Ok(opened) => break opened,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let paths = opened.paths;
    let deps = KbDeps {
        store: opened.store,
        blobs: opened.blobs,
        embedder: EmbedderSlot::ready(Arc::new(HashEmbedder::new(64, 64))),
        extractor: Pool::new(PoolOptions::new("/nonexistent".into(), 1)),
        views_dir: Box::new(move |bot| paths.bot_views(bot)),
        on_indexed: Box::new(|_, _| ()),
    };
    let kb = Kb::open(deps, KbSettings::default()).await.unwrap();
    let now = clock.clone();
    let deps = SourcesDeps {
        kb: kb.clone(),
        fetch: client(),
        tables: Some(rows.clone()),
        search,
        now: Arc::new(move || Timestamp(now.load(Ordering::Relaxed))),
    };
    let sources = Sources::open(deps).await.unwrap();
    World { kb, sources }
}

impl World {
    async fn close(self) {
        self.sources.shutdown().await;
        self.kb.shutdown().await;
    }

    async fn runs_done(&self, scope: &Scope, id: &str, runs: u32) -> Source {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let source = self.sources.get(scope, id).await.unwrap().source;
            if source.runs == runs && source.run.is_none() {
                return source;
            }
            assert!(Instant::now() < deadline, "{source:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
    let rows = Arc::new(Rows(parking_lot::Mutex::new("id,a\n1,x\n".to_owned())));
    let scope = Scope::of(BotId::parse("a").unwrap());
    let world = open(dir.path(), &clock, &rows).await;
    world.kb.create_base(&scope, "k", crate::Tags::new()).await.unwrap();
    let new = NewSource {
        base: "k".into(),
        name: None,
        kind: SourceKind::Table { table: "T".into() },
        rules: PageRules::default(),
        tags: crate::Tags::new(),
        indexing: serde_json::Value::Null,
        refresh_every_ms: Some(2 * HOUR),
    };
    let id = world.sources.create(&scope, new).await.unwrap().source.id;
    let source = world.runs_done(&scope, &id, 1).await;
    assert_eq!(source.last.unwrap().counts.fetched, 1);
    assert_eq!(source.next_refresh_at, Some(Timestamp(1_700_000_000_000 + 2 * HOUR)));
    world.close().await;

    // Not due yet, then due, after two restarts.
    clock.fetch_add(HOUR, Ordering::Relaxed);
    let world = open(dir.path(), &clock, &rows).await;
    assert_eq!(world.sources.get(&scope, &id).await.unwrap().source.runs, 1);
    world.close().await;
    *rows.0.lock() = "id,a\n1,changed\n".to_owned();
    clock.fetch_add(HOUR, Ordering::Relaxed);
    let world = open(dir.path(), &clock, &rows).await;
    let source = world.runs_done(&scope, &id, 2).await;
    assert_eq!(source.last.unwrap().counts.fetched, 1, "the rows changed");
    assert_eq!(source.next_refresh_at, Some(Timestamp(1_700_000_000_000 + 4 * HOUR)));
    let file = world.kb.file(&scope, &format!("data_source://table/{id}/T.csv")).await.unwrap();
    assert_eq!(file.tags["dsType"], "table");
    assert_eq!(file.tags["kbName"], "k");
    world.close().await;
}
