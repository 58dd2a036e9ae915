//! Files that are finished close to each other and become searchable in one commit.

use super::*;
use crate::records;
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
