//! Files that are finished close to each other and become searchable in one commit.

use super::*;
use crate::ingest::Finished;
use crate::records::{self, Job};
use crate::vectors::VectorForm;
use std::collections::BTreeSet;

const FILES: usize = 40;

async fn commits(world: &World, bot: &Scope) -> u64 {
    world.store.head(bot.bot(), &records::kb()).await.unwrap().seq
}

async fn vectors(world: &World, bot: &Scope) -> BTreeSet<Vec<u8>> {
    let form = VectorForm::of(&HashEmbedder::new(64, 64));
    let found = world.store.scan(bot.bot(), &form.coll, b"", None, 1_000).await.unwrap();
    found.into_iter().map(|record| record.key).collect()
}

/// Gives all files new passages at once. Answers how many commits published them.
async fn give_all(world: &World, bot: &Scope, texts: impl Fn(usize) -> Vec<String>) -> u64 {
    let before = commits(world, bot).await;
    for n in 0..FILES {
        let texts = texts(n);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        world.kb.set_passages(bot, &format!("{n}.txt"), passages(&texts)).await.unwrap();
    }
    settled(&world.kb).await;
    commits(world, bot).await - before - FILES as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn files_finished_together_share_commits_and_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let (world, bot) = (open(dir.path(), KbSettings::default()).await, scope("a"));
    for n in 0..FILES {
        upload(&world.kb, &bot, upsert(&format!("{n}.txt"), 1), "x").await.unwrap();
    }
    let published = give_all(&world, &bot, |n| vec!["All have this".to_owned(), format!("Own {n}")]).await;
    assert!((1..FILES as u64).contains(&published), "{published} commits for {FILES} files");
    assert_eq!(vectors(&world, &bot).await.len(), FILES + 1);
    for n in [0, FILES - 1] {
        assert_eq!(found(&world, &bot, &format!("Own {n}")).await[0], format!("Own {n}"));
    }

    // What all let go of together is gone, what one lets go of and another takes up stays.
    let next = |n: usize| vec![format!("Own {}", n + 1)];
    give_all(&world, &bot, next).await;
    assert_eq!(vectors(&world, &bot).await.len(), FILES);
    assert_counters(&world, &bot).await;
    let hits = found(&world, &bot, &format!("Own {FILES}")).await;
    assert_eq!(hits[0], format!("Own {FILES}"));
    assert!(!hits.contains(&"All have this".to_owned()));
    world.kb.shutdown().await;
}

/// A commit may reach the store and fail to be shown; then it is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_already_is_not_published_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (world, bot) = (open(dir.path(), KbSettings::default()).await, scope("a"));
    add(&world, &bot, "a.txt", &["The oven heats to 280 degrees."]).await;
    let inner = &world.kb.inner;
    let file = world.kb.file(&bot, "a.txt").await.unwrap();
    let snapshot = inner.views.snapshot(&bot).await.unwrap();
    let record = inner.read_passages(&bot, &file.id, file.generation, &[0]).await.unwrap().unwrap().remove(0);
    let form = VectorForm::of(&HashEmbedder::new(64, 64));
    let hash = snapshot.places.get(record.ordinal).unwrap().hash;
    let vectors = form.fetch(world.store.as_ref(), bot.bot(), &[hash]).await.unwrap().remove(0).unwrap();
    let again = Finished {
        job: Job { reserved: 1, ..Job::of(&file, Timestamp::now(), None) },
        passages: vec![record.passage],
        hashed: vec![(hash, Arc::new(vectors))],
        published: file.published.clone().unwrap(),
    };
    let before = commits(&world, &bot).await;
    let publishing = inner.publishing.lock(bot.bot()).await;
    assert_eq!(inner.publish_all(&bot, &publishing, &[&again]).await.ok(), Some(vec![true]));
    assert_eq!(commits(&world, &bot).await, before);
    assert_eq!(inner.views.snapshot(&bot).await.unwrap().places.len(), 1);
    assert_counters(&world, &bot).await;

    // One whose file has other content by now is not published at all.
    let old = Finished { job: Job { generation: again.job.generation + 1, ..again.job.clone() }, ..again };
    assert_eq!(inner.publish_all(&bot, &publishing, &[&old]).await.ok(), Some(vec![false]));
    assert_eq!(commits(&world, &bot).await, before);
    drop(publishing);
    world.kb.shutdown().await;
}
