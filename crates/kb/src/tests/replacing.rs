//! What is found of a file between an upsert and its new content.

use super::*;
use quarry_types::Counter;

const HOUR_MS: i64 = 3_600_000;

fn tagged(name: &str) -> Tags {
    Tags::from([("kbName".to_owned(), name.to_owned())])
}

fn titled(title: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::Map::from_iter([("title".to_owned(), title.into())])
}

fn rule(rule: TagRule) -> Search {
    Search { tags: TagFilter(BTreeMap::from([("kbName".to_owned(), rule)])), ..search("director salary") }
}

async fn keys(world: &World, bot: &Scope, search: Search) -> Vec<String> {
    world.kb.search(bot, search).await.unwrap().into_iter().map(|hit| hit.file.key.clone()).collect()
}

/// A searchable file of the knowledge base `internal`, and the upsert that is to make it `public`.
async fn internal(world: &World, bot: &Scope) -> UpsertFile {
    let file = UpsertFile { tags: tagged("internal"), metadata: titled("Salaries"), ..upsert("policy", 4) };
    upload(&world.kb, bot, file, "four").await.unwrap();
    add(world, bot, "policy", &["the director has a salary of 412"]).await;
    UpsertFile { index: true, tags: tagged("public"), metadata: titled("Redacted"), ..upsert("policy", 5) }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_text_never_stands_under_new_tags() {
    let dir = tempfile::tempdir().unwrap();
    let bot = scope("a");
    let mut world = open(dir.path(), KbSettings::default()).await;
    let replacing = internal(&world, &bot).await;
    world.kb.upsert_file(&bot, replacing.clone()).await.unwrap();
    for restarted in [false, true] {
        if restarted {
            world.kb.shutdown().await;
            drop(world);
            world = open(dir.path(), KbSettings::default()).await;
        }
        let not_internal = TagRule { none_of: vec!["internal".into()], ..TagRule::default() };
        for public in [rule(TagRule::equals("public")), rule(not_internal)] {
            assert!(keys(&world, &bot, public).await.is_empty());
        }
        let base = |name: &str| Search { bases: Some([name.to_owned()].into()), ..search("director salary") };
        assert!(keys(&world, &bot, base("public")).await.is_empty());
        assert_eq!(keys(&world, &bot, base("internal")).await, ["policy"], "no gap");
        for visible in [search("director salary"), rule(TagRule::equals("internal"))] {
            let hit = world.kb.search(&bot, visible).await.unwrap().remove(0);
            assert_eq!((&hit.file.tags, &hit.file.metadata), (&tagged("internal"), &titled("Salaries")));
        }
        let file = world.kb.file(&bot, "policy").await.unwrap();
        assert_eq!((&file.tags, file.status), (&tagged("public"), FileStatus::UploadPending));
        let listed = world.kb.passages(&bot, "policy", PageRequest::default()).await.unwrap();
        assert!(listed.items.is_empty(), "listed by new tags, read by id");
        assert!(world.kb.text(&bot, "policy").await.is_err());
    }

    // Another upsert and a change of tags do not let it out either, and the change is shown.
    world.kb.upsert_file(&bot, UpsertFile { tags: Tags::new(), ..replacing }).await.unwrap();
    let tags = BTreeMap::from([("kbName".to_owned(), Some("public".to_owned()))]);
    world
        .kb
        .update_file(&bot, "policy", FilePatch { tags: Some(tags), ..FilePatch::default() })
        .await
        .unwrap();
    for name in ["public", "internal"] {
        assert!(keys(&world, &bot, rule(TagRule::equals(name))).await.is_empty(), "{name}");
    }
    let hit = world.kb.search(&bot, search("director salary")).await.unwrap().remove(0);
    assert_eq!((&hit.file.tags, &hit.file.metadata), (&tagged("public"), &titled("Salaries")));

    add(&world, &bot, "policy", &["the director has a salary we keep to ourselves"]).await;
    let hits = world.kb.search(&bot, rule(TagRule::equals("public"))).await.unwrap();
    assert_eq!(
        hits.iter().map(|hit| &*hit.content).collect::<Vec<_>>(),
        ["the director has a salary we keep to ourselves"]
    );
    assert_eq!((&hits[0].file.metadata, hits[0].file.expires_at), (&titled("Redacted"), None));
    assert_eq!(world.kb.passages(&bot, "policy", PageRequest::default()).await.unwrap().items.len(), 1);
    assert_counters(&world, &bot).await;
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_tags_leave_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (world, bot) = (open(dir.path(), KbSettings::default()).await, scope("a"));
    let replacing = internal(&world, &bot).await;
    world.kb.upsert_file(&bot, UpsertFile { tags: tagged("internal"), ..replacing }).await.unwrap();
    let hit = world.kb.search(&bot, rule(TagRule::equals("internal"))).await.unwrap().remove(0);
    assert_eq!(hit.file.metadata, titled("Salaries"));
    assert_eq!(world.kb.passages(&bot, "policy", PageRequest::default()).await.unwrap().items.len(), 1);
    assert!(world.kb.text(&bot, "policy").await.unwrap().contains("412"));
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_cannot_be_indexed_takes_the_old_one_away() {
    let dir = tempfile::tempdir().unwrap();
    let settings = KbSettings { vector_quota: 1, ..KbSettings::default() };
    let (world, bot) = (open(dir.path(), settings).await, scope("a"));
    let too_large = crate::files::MAX_INDEXED_BYTES + 1;
    for change in [|file| UpsertFile { index: false, ..file }, |file| file] {
        let replacing = change(internal(&world, &bot).await);
        let size = if replacing.index { too_large } else { 5 };
        world.kb.upsert_file(&bot, UpsertFile { size, ..replacing }).await.unwrap();
        assert!(found(&world, &bot, "director salary").await.is_empty());
        assert_eq!(world.store.usage(bot.bot()).await.unwrap().vectors, 0);
        assert_counters(&world, &bot).await;
    }
    // One vector is all there may be.
    let replacing = internal(&world, &bot).await;
    world.kb.upsert_file(&bot, replacing).await.unwrap();
    add(&world, &bot, "policy", &["one text", "two texts"]).await;
    assert_eq!(world.kb.file(&bot, "policy").await.unwrap().status, FileStatus::IndexingFailed);
    assert!(found(&world, &bot, "director salary").await.is_empty());
    assert_counters(&world, &bot).await;
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_never_come_fail_and_give_back_what_they_held() {
    let dir = tempfile::tempdir().unwrap();
    let bot = scope("a");
    let world = open(dir.path(), KbSettings::default()).await;
    let replacing = internal(&world, &bot).await;
    let file = world.kb.upsert_file(&bot, replacing).await.unwrap();
    let mut late = world.kb.begin_upload(&bot, &file.id, file.version).await.unwrap();
    world.kb.upsert_file(&bot, upsert("new", 7)).await.unwrap();
    assert_eq!(sweep(&world, &bot, Timestamp::now()).await.unwrap(), 0, "there is time left");
    assert_eq!(world.store.usage(bot.bot()).await.unwrap().get(Counter::StorageBytes), 12);

    assert_eq!(sweep(&world, &bot, after(HOUR_MS)).await.unwrap(), 2);
    for key in ["policy", "new"] {
        let file = world.kb.file(&bot, key).await.unwrap();
        assert_eq!((file.status, file.size, &file.published), (FileStatus::UploadFailed, None, &None));
        assert!(file.failed_reason.as_deref().unwrap().contains("upsertFile again"));
    }
    assert!(found(&world, &bot, "director salary").await.is_empty());
    let usage = world.store.usage(bot.bot()).await.unwrap();
    assert_eq!((usage.storage_bytes, usage.vectors), (0, 0));
    assert_counters(&world, &bot).await;
    assert_eq!(sweep(&world, &bot, after(HOUR_MS)).await.unwrap(), 0, "ended once");

    // Bytes that had begun to arrive in time are taken, and paid for again.
    late.write("fifth".into()).await.unwrap();
    assert_eq!(late.finish().await.unwrap().size, Some(5));
    settled(&world.kb).await;
    assert_eq!(world.store.usage(bot.bot()).await.unwrap().storage_bytes, 5);
    upload(&world.kb, &bot, upsert("new", 3), "new").await.unwrap();
    assert_eq!(sweep(&world, &bot, after(HOUR_MS)).await.unwrap(), 0);
    assert_counters(&world, &bot).await;
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_text_is_hidden_as_soon_as_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let bot = scope("a");
    let world = open(dir.path(), KbSettings { upload_time: Duration::ZERO, ..KbSettings::default() }).await;
    let replacing = internal(&world, &bot).await;
    assert_eq!(found(&world, &bot, "director salary").await.len(), 1);
    world.kb.upsert_file(&bot, replacing.clone()).await.unwrap();
    assert!(found(&world, &bot, "director salary").await.is_empty(), "before any sweep");
    assert!(keys(&world, &bot, rule(TagRule::equals("internal"))).await.is_empty());
    // Nor does one more upsert bring it back.
    world.kb.upsert_file(&bot, replacing).await.unwrap();
    assert_eq!(world.store.usage(bot.bot()).await.unwrap().vectors, 0);
    assert_counters(&world, &bot).await;
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_text_ends_when_it_was_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let bot = scope("a");
    let settings = KbSettings { upload_time: Duration::from_secs(24 * 3_600), ..KbSettings::default() };
    let world = open(dir.path(), settings).await;
    let replacing = internal(&world, &bot).await;
    let ends = FilePatch { expires_at: Some(Some(after(HOUR_MS))), ..FilePatch::default() };
    world.kb.update_file(&bot, "policy", ends).await.unwrap();
    world.kb.upsert_file(&bot, replacing).await.unwrap();
    let forever = FilePatch { expires_at: Some(None), ..FilePatch::default() };
    world.kb.update_file(&bot, "policy", forever).await.unwrap();
    assert_eq!(found(&world, &bot, "director salary").await.len(), 1);
    assert_eq!(sweep(&world, &bot, after(2 * HOUR_MS)).await.unwrap(), 1);
    assert!(found(&world, &bot, "director salary").await.is_empty());
    let file = world.kb.file(&bot, "policy").await.unwrap();
    assert_eq!((file.status, file.expires_at), (FileStatus::UploadPending, None));
    assert_counters(&world, &bot).await;
    world.kb.shutdown().await;
}

/// A record of before tags were kept: an upsert that still waits has lost its time.
#[tokio::test(flavor = "multi_thread")]
async fn files_replaced_by_an_older_version_end_too() {
    let dir = tempfile::tempdir().unwrap();
    let bot = scope("a");
    let world = open(dir.path(), KbSettings::default()).await;
    let replacing = internal(&world, &bot).await;
    let file = world.kb.upsert_file(&bot, replacing).await.unwrap();
    let mut old: serde_json::Value = serde_json::to_value(file.as_ref()).unwrap();
    old["updated_at"] = 1.into();
    old.as_object_mut().unwrap().remove("upload_until");
    old["published"].as_object_mut().unwrap().remove("replaced");
    let mut commit = Commit::new(bot.bot());
    commit.put(&crate::records::kb(), crate::records::file_key(&file.id), old.to_string().into_bytes());
    world.store.commit(commit).await.unwrap();
    world.kb.inner.views.of(&bot).await.unwrap().refresh_to_head(world.store.as_ref()).await.unwrap();
    assert!(keys(&world, &bot, rule(TagRule::equals("public"))).await.is_empty());
    assert_eq!(sweep(&world, &bot, Timestamp::now()).await.unwrap(), 1);
    assert_eq!(world.kb.file(&bot, "policy").await.unwrap().status, FileStatus::UploadFailed);
    assert_counters(&world, &bot).await;
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_upsert_wins() {
    let dir = tempfile::tempdir().unwrap();
    let (world, bot) = (open(dir.path(), KbSettings::default()).await, scope("a"));
    let first = world.kb.upsert_file(&bot, upsert("f", 3)).await.unwrap();
    let mut overtaken = world.kb.begin_upload(&bot, &first.id, first.version).await.unwrap();
    overtaken.write("one".into()).await.unwrap();
    let last = world.kb.upsert_file(&bot, upsert("f", 3)).await.unwrap();
    assert!(matches!(overtaken.finish().await, Err(Error::Superseded)));
    assert!(matches!(world.kb.begin_upload(&bot, &first.id, first.version).await, Err(Error::Superseded)));
    assert!(matches!(
        world.kb.begin_upload(&bot, &first.id, last.version + 1).await,
        Err(Error::NotFound { .. })
    ));
    for (content, taken) in [("two", true), ("two", true), ("six", false)] {
        let mut upload = world.kb.begin_upload(&bot, &last.id, last.version).await.unwrap();
        upload.write(content.into()).await.unwrap();
        assert_eq!(upload.finish().await.is_ok(), taken, "{content}");
    }
    assert_eq!(world.kb.read_content(&bot, &last.id, 0, 3).await.unwrap(), "two");
    world.kb.delete_file(&bot, "f").await.unwrap();
    for version in [first.version, last.version] {
        let refused = world.kb.begin_upload(&bot, &last.id, version).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })));
    }
    world.kb.shutdown().await;
}
