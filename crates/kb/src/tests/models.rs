//! Models that are slow, or of before there were vectors of tokens.

use super::*;
use quarry_embed::TextKind;
use quarry_types::TokenCounter;
use std::sync::Mutex;

/// The same model without a token space, which may take its time and keeps what it was asked for.
struct Plain {
    model: HashEmbedder,
    wait: Duration,
    asked: Mutex<Vec<String>>,
}

impl Plain {
    fn new(wait: Duration) -> Arc<Self> {
        Arc::new(Self { model: HashEmbedder::new(64, 64), wait, asked: Mutex::default() })
    }
}

impl Embedder for Plain {
    fn fingerprint(&self) -> &str {
        self.model.fingerprint()
    }

    fn dims(&self) -> usize {
        self.model.dims()
    }

    fn max_tokens(&self) -> usize {
        self.model.max_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    fn token_counter(&self) -> Arc<dyn TokenCounter> {
        self.model.token_counter()
    }

    fn engine(&self) -> &str {
        "hash"
    }

    fn embed(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<f32>>, quarry_embed::Error> {
        self.asked.lock().unwrap().extend(texts.iter().map(|text| (*text).to_owned()));
        std::thread::sleep(self.wait);
        self.model.embed(texts, kind)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_passages_are_compared_once_they_were_indexed_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let bot = scope("a");
    let texts = ["The oven heats to 280 degrees.", "Clean the door with vinegar."];
    let tokens = async |world: &World| {
        let search = Search { explain: true, ..search("vinegar door") };
        let hit = world.kb.search(&bot, search).await.unwrap().remove(0);
        assert_eq!(hit.content, texts[1]);
        hit.explain.unwrap()["second"]["tokens"].clone()
    };
    {
        let before = Plain::new(Duration::ZERO);
        let world = open_with(dir.path(), KbSettings::default(), before).await;
        add(&world, &bot, "oven.txt", &texts).await;
        assert!(tokens(&world).await.is_null());
        world.kb.shutdown().await;
    }
    {
        let world = open(dir.path(), KbSettings::default()).await;
        assert!(tokens(&world).await.is_null(), "nothing is embedded anew by itself");
        add(&world, &bot, "fridge.txt", &["The fridge cools to 3 degrees."]).await;
        assert!(tokens(&world).await.is_null(), "what has tokens is not weighed against what has none");
        add(&world, &bot, "oven.txt", &texts).await;
        assert!(tokens(&world).await["matched"].as_f64().unwrap() > 0.5);
        world.kb.shutdown().await;
    }
    let world = open(dir.path(), KbSettings::default()).await;
    assert!(tokens(&world).await["matched"].as_f64().unwrap() > 0.5, "they survive a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_in_a_file_is_embedded_again() {
    let dir = tempfile::tempdir().unwrap();
    let model = Plain::new(Duration::ZERO);
    let world = open_with(dir.path(), KbSettings::default(), model.clone()).await;
    let bot = scope("a");
    let asked = || std::mem::take(&mut *model.asked.lock().unwrap());
    add(&world, &bot, "a.txt", &["First text.", "Second text.", "Third text."]).await;
    assert_eq!(asked(), ["First text.", "Second text.", "Third text."]);
    add(&world, &bot, "a.txt", &["A new beginning.", "First text.", "Third text, longer.", "Second text."])
        .await;
    assert_eq!(asked(), ["A new beginning.", "Third text, longer."], "whatever moved is known");
    add(&world, &bot, "b.txt", &["Second text."]).await;
    assert_eq!(asked(), Vec::<String>::new(), "nor is it in another file of the bot");
    add(&world, &scope("b"), "a.txt", &["Second text."]).await;
    assert_eq!(asked(), ["Second text."], "bots share nothing");
    assert_counters(&world, &bot).await;
}

/// A large file cancelled, deleted or given new passages while it is embedded gives the worker free at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_no_longer_wanted_stops_being_embedded() {
    let dir = tempfile::tempdir().unwrap();
    let call = Duration::from_secs(3);
    let settings = KbSettings { ingest_workers: 1, ..KbSettings::default() };
    let world = open_with(dir.path(), settings, Plain::new(call)).await;
    let (kb, bot) = (&world.kb, scope("a"));
    let texts: Vec<String> = (0..400).map(|n| format!("Sentence {n} of a long file.")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for case in ["cancelled", "deleted"] {
        upload(kb, &bot, upsert("long.txt", 1), "x").await.unwrap();
        kb.set_passages(&bot, "long.txt", passages(&texts)).await.unwrap();
        while !kb.progress(&bot).await.unwrap().iter().any(|job| job.stage == "embedding") {
            tokio::task::yield_now().await;
        }
        if case == "cancelled" {
            kb.cancel_indexing(&bot, "long.txt").await.unwrap();
        } else {
            kb.delete_file(&bot, "long.txt").await.unwrap();
        }
        let asked = Instant::now();
        settled(kb).await;
        assert!(asked.elapsed() < call, "{case}: {:?}", asked.elapsed());
        assert_counters(&world, &bot).await;
    }
}

/// An attempt past its deadline fails the file with the reason, frees what it reserved, and the next file goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_has_a_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let settings = KbSettings { attempt_deadline: Duration::from_millis(300), ..KbSettings::default() };
    let world = open_with(dir.path(), settings, Plain::new(Duration::from_secs(2))).await;
    let (kb, bot) = (&world.kb, scope("a"));
    upload(kb, &bot, upsert("slow.txt", 1), "x").await.unwrap();
    kb.set_passages(&bot, "slow.txt", passages(&["One sentence."])).await.unwrap();
    let asked = Instant::now();
    settled(kb).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let file = kb.file(&bot, "slow.txt").await.unwrap();
    assert_eq!(file.status, FileStatus::IndexingFailed);
    assert!(file.failed_reason.as_deref().unwrap().contains("longer than 1 min"), "{file:?}");
    assert_counters(&world, &bot).await;
}
