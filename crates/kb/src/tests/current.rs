//! Which passages of a bot are read: the current ones, in pages and by id.

use super::*;

async fn texts(world: &World, bot: &Scope) -> Vec<String> {
    let (mut reading, mut texts) = (world.kb.current_passages(bot), Vec::new());
    loop {
        let page = reading.next().await.unwrap();
        if page.is_empty() {
            return texts;
        }
        texts.extend(page.into_iter().map(|passage| passage.text));
    }
}

async fn ids(world: &World, bot: &Scope, key: &str) -> Vec<String> {
    let request = PageRequest { token: None, size: 1000 };
    let listed = world.kb.passages(bot, key, request).await.unwrap();
    listed.items.into_iter().map(|passage| passage.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_passages_are_read_in_pages_also_while_a_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (world, bot) = (open(dir.path(), KbSettings::default()).await, scope("a"));
    assert!(texts(&world, &bot).await.is_empty());
    let many: Vec<String> = (0..600).map(|at| format!("number {at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    add(&world, &bot, "many", &many).await;
    add(&world, &bot, "one", &["the only one"]).await;
    add(&world, &scope("other"), "foreign", &["of another bot"]).await;
    upload(&world.kb, &bot, upsert("unindexed", 1), "x").await.unwrap();
    let mut read = texts(&world, &bot).await;
    assert_eq!(read.len(), 601);
    read.sort();
    read.dedup();
    assert_eq!(read.len(), 601);

    let mut reading = world.kb.current_passages(&bot);
    let first = reading.next().await.unwrap();
    assert_eq!((first.len(), first[0].text.as_str(), first[0].file.key.as_str()), (256, "number 0", "many"));
    add(&world, &bot, "many", &["new"]).await;
    let rest: Vec<String> = reading.next().await.unwrap().into_iter().map(|passage| passage.text).collect();
    assert_eq!(rest, ["new", "the only one"]);
    assert!(reading.next().await.unwrap().is_empty() && reading.next().await.unwrap().is_empty());
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passages_are_known_by_id_as_long_as_they_are_current() {
    let dir = tempfile::tempdir().unwrap();
    let (world, bot) = (open(dir.path(), KbSettings::default()).await, scope("a"));
    let headed = (vec!["Kitchen".to_owned(), "Oven".to_owned()], passages(&["It heats."]).remove(0));
    upload(&world.kb, &bot, upsert("oven", 1), "x").await.unwrap();
    world.kb.set_headed_passages(&bot, "oven", vec![headed]).await.unwrap();
    add(&world, &bot, "fridge", &["It cools.", "It hums."]).await;
    let (oven, fridge) = (ids(&world, &bot, "oven").await, ids(&world, &bot, "fridge").await);
    let wanted = [oven[0].clone(), fridge[1].clone(), "x".to_owned(), oven[0].to_uppercase()];
    let mut found = world.kb.passages_of_ids(&bot, &wanted).await.unwrap();
    found.sort_by(|a, b| a.text.cmp(&b.text));
    let shown: Vec<_> = found.iter().map(|of| (&of.id, of.file.key.as_str(), of.text.as_str())).collect();
    assert_eq!(shown, [(&oven[0], "oven", "It heats."), (&fridge[1], "fridge", "It hums.")]);
    assert_eq!(found[0].headings, ["Kitchen", "Oven"]);
    let none = |bot: Scope| {
        let (world, wanted) = (&world, &wanted);
        async move { world.kb.passages_of_ids(&bot, wanted).await.unwrap().is_empty() }
    };
    assert!(none(scope("other")).await, "ids alone open nothing");
    add(&world, &bot, "oven", &["It bakes."]).await;
    world.kb.delete_file(&bot, "fridge").await.unwrap();
    assert!(none(bot.clone()).await);
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_shown_or_is_over_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (world, bot) = (open(dir.path(), KbSettings::default()).await, scope("a"));
    add(&world, &bot, "policy", &["the director has a salary of 412"]).await;
    add(&world, &bot, "offer", &["ten percent off"]).await;
    let wanted = [ids(&world, &bot, "policy").await, ids(&world, &bot, "offer").await].concat();
    assert_eq!((wanted.len(), texts(&world, &bot).await.len()), (2, 2));

    // Replaced under the same tags it is shown until the new content is there; under others it is not.
    let replacing = UpsertFile { index: true, ..upsert("policy", 5) };
    world.kb.upsert_file(&bot, replacing.clone()).await.unwrap();
    assert_eq!(texts(&world, &bot).await.len(), 2);
    let tags = Tags::from([("kbName".to_owned(), "public".to_owned())]);
    world.kb.upsert_file(&bot, UpsertFile { tags, ..replacing }).await.unwrap();
    assert_eq!(texts(&world, &bot).await, ["ten percent off"]);
    assert_eq!(world.kb.passages_of_ids(&bot, &wanted).await.unwrap().len(), 1);

    let expire = |snapshot: &Snapshot, commit: &mut Commit| {
        let old = crate::files::entry(snapshot, "offer")?;
        let file = File { expires_at: Some(Timestamp(1)), ..File::clone(&old.file) };
        crate::files::put_file(commit, Some(old), &file)
    };
    world.kb.inner.transact(&bot, expire).await.unwrap();
    assert!(texts(&world, &bot).await.is_empty());
    assert!(world.kb.passages_of_ids(&bot, &wanted).await.unwrap().is_empty());
    world.kb.shutdown().await;
}
