//! Entries, logs and knowledge bases to try things on.

#![allow(clippy::unwrap_used)]

use super::record;
use super::{Feedback, LoggedQuery, LoggedResult, QueryLog, Rating};
use crate::ask::Mode;
use quarry_embed::EmbedderSlot;
use quarry_embed::testing::HashEmbedder;
use quarry_extract::{Pool, PoolOptions};
use quarry_kb::{Kb, KbDeps, KbSettings, NewPassage, PageRequest, Tags, UpsertFile};
use quarry_store::StoreOptions;
use quarry_types::{BotId, FileStatus, PassageKind, Scope, Timestamp};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

pub(super) fn entry(id: &str, question: &str, responded: bool, rating: Option<Rating>) -> LoggedQuery {
    let at = Timestamp(1_000);
    let result = |id: &str| LoggedResult {
        passage_id: format!("p-{id}"),
        file_id: "f".into(),
        key: format!("{id}.md"),
        score: 0.5,
        headings: Vec::new(),
        text: format!("text\tof {id}"),
    };
    LoggedQuery {
        id: id.into(),
        at,
        responded,
        confidence: 0.2,
        results: vec![result("a"), result("b")],
        feedback: rating.map(|rating| Feedback { rating, comment: None, relevant: Vec::new(), at }),
        outcome: None,
        ..LoggedQuery::asked(question, json!({}), Mode::Extractive)
    }
}

/// Over one store, with a quick stand-in for the model.
pub(super) async fn log_and_kb(dir: &Path) -> (QueryLog, Kb, Scope) {
    let opened = quarry_store::open(dir, &StoreOptions::default()).unwrap();
    let paths = opened.paths;
    let deps = KbDeps {
        store: opened.store.clone(),
        blobs: opened.blobs,
        embedder: EmbedderSlot::ready(Arc::new(HashEmbedder::new(64, 64))),
        extractor: Pool::new(PoolOptions::new("/nonexistent".into(), 1)),
        views_dir: Box::new(move |bot| paths.bot_views(bot)),
        on_indexed: Box::new(|_, _| ()),
    };
    let kb = Kb::open(deps, KbSettings::default()).await.unwrap();
    (QueryLog::new(opened.store), kb, Scope::of(BotId::parse("b").unwrap()))
}

/// The id of a question that was just asked and found nothing.
pub(super) async fn kept(log: &QueryLog, scope: &Scope) -> String {
    let now = Timestamp::now();
    let asked =
        LoggedQuery { id: record::mint(now), at: now, results: Vec::new(), ..entry("", "how?", false, None) };
    log.write(scope, asked).await.unwrap()
}

/// Gives a file these passages; their ids.
pub(super) async fn put(kb: &Kb, scope: &Scope, key: &str, texts: &[&str]) -> Vec<String> {
    if kb.file(scope, key).await.is_err() {
        let file = UpsertFile {
            key: key.to_owned(),
            size: 1,
            tags: Tags::new(),
            metadata: serde_json::Map::new(),
            index: false,
            indexing: None,
            access: Vec::new(),
            content_type: None,
            expires_at: None,
        };
        kb.upsert_file(scope, file).await.unwrap();
    }
    let passage =
        |text: &&str| NewPassage { content: (*text).to_owned(), kind: PassageKind::Paragraph, page: None };
    kb.set_passages(scope, key, texts.iter().map(passage).collect()).await.unwrap();
    while kb.file(scope, key).await.unwrap().status != FileStatus::IndexingCompleted {
        tokio::task::yield_now().await;
    }
    let listed = kb.passages(scope, key, PageRequest { token: None, size: 1000 }).await.unwrap();
    listed.items.into_iter().map(|passage| passage.id).collect()
}
