//! The bundled model against its reference vectors, on both engines. Needs `scripts/setup`.
#![allow(clippy::unwrap_used)]

use quarry_embed::{EmbedOptions, Embedder, Engine, Error, TOKEN_DIMS, TextKind, open, plan_batches};
use quarry_types::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(serde::Deserialize)]
struct Reference {
    sentences: Vec<Sentence>,
}

#[derive(serde::Deserialize)]
struct Sentence {
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

fn reference() -> Vec<Sentence> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/all-MiniLM-L6-v2/reference.json");
    let reference: Reference = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(reference.sentences.len(), 32);
    reference.sentences
}

fn load(engine: Engine) -> Arc<dyn Embedder> {
    let options = EmbedOptions { threads: 2, engine, ..EmbedOptions::default() };
    open(&options).unwrap_or_else(|cause| panic!("{cause}"))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn near_the_reference(engine: Engine) {
    let (embedder, sentences) = (load(engine), reference());
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    for kind in [TextKind::Passage, TextKind::Query] {
        let vectors = embedder.embed(&texts, kind).unwrap();
        let cosines: Vec<f64> =
            vectors.iter().zip(&sentences).map(|(vector, wanted)| cosine(vector, &wanted.vector)).collect();
        for (cosine, sentence) in cosines.iter().zip(&sentences) {
            assert!(*cosine >= 0.995, "{cosine} for {:?}", sentence.text);
        }
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        assert!(mean >= 0.999, "mean {mean}");
        assert!(
            vectors.iter().all(|vector| vector.len() == 384 && (cosine(vector, vector) - 1.0).abs() < 1e-9)
        );
    }
}

/// A text has the same vector alone and beside any others, in any order.
fn independent_of_neighbours(engine: Engine) {
    let (embedder, sentences) = (load(engine), reference());
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    let together = embedder.embed(&texts, TextKind::Passage).unwrap();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let reversed = embedder.embed(&reversed, TextKind::Passage).unwrap();
    for (at, text) in texts.iter().enumerate() {
        let alone = embedder.embed(&[text], TextKind::Passage).unwrap();
        for other in [&together[at], &reversed[texts.len() - 1 - at]] {
            let cosine = cosine(&alone[0], other);
            assert!(cosine >= 0.999_999_9, "{cosine} for {text:?}");
        }
    }
}

#[test]
fn onnxruntime_is_near_the_reference() {
    near_the_reference(Engine::Ort);
}

#[test]
fn rten_is_near_the_reference() {
    near_the_reference(Engine::Rten);
}

#[test]
fn neighbours_do_not_matter_on_onnxruntime() {
    independent_of_neighbours(Engine::Ort);
}

#[test]
fn neighbours_do_not_matter_on_rten() {
    independent_of_neighbours(Engine::Rten);
}

#[test]
fn the_set_up_library_is_found() {
    let embedder = load(Engine::Auto);
    assert_eq!(embedder.engine(), "onnxruntime", "run scripts/setup first");
    assert_eq!((embedder.dims(), embedder.max_tokens()), (384, 256));
    assert_eq!(load(Engine::Rten).engine(), "rten");
    assert_eq!(load(Engine::Rten).fingerprint(), embedder.fingerprint());
}

#[test]
fn token_counts_equal_the_reference() {
    let embedder = load(Engine::Rten);
    let counter = embedder.token_counter();
    for sentence in reference() {
        assert_eq!(embedder.count_tokens(&sentence.text), sentence.tokens, "{:?}", sentence.text);
        assert_eq!(counter.count_tokens(&sentence.text), sentence.tokens);
    }
    assert_eq!(counter.max_tokens(), 256);
}

#[test]
fn results_keep_the_order_of_the_texts() {
    let embedder = load(Engine::Ort);
    let texts: Vec<String> =
        (0..20).map(|at| format!("{} number {at}", "long ".repeat((at * 7) % 20 * 5))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = embedder.embed(&texts, TextKind::Passage).unwrap();
    let lengths: Vec<usize> = texts.iter().map(|text| embedder.count_tokens(text)).collect();
    assert!(plan_batches(&lengths).iter().flatten().copied().ne(0..texts.len()), "sorting changes the order");
    for (text, vector) in texts.iter().zip(&together) {
        let alone = embedder.embed(&[text], TextKind::Passage).unwrap();
        assert!(cosine(&alone[0], vector) > 0.999_999_9);
    }
    assert!(embedder.embed(&[], TextKind::Passage).unwrap().is_empty());
}

#[test]
fn both_engines_give_the_same_vectors_of_tokens() {
    let engines = [load(Engine::Ort), load(Engine::Rten)];
    assert_eq!(engines[0].token_space(), engines[1].token_space());
    assert_ne!(engines[0].token_space(), 0);
    let texts = ["How do I clean the WX2000 filter?", "the", "Rinse the filter. Then dry it for three days."];
    for kind in [TextKind::Query, TextKind::Passage] {
        let made = engines.each_ref().map(|engine| engine.embed_tokens(&texts, kind).unwrap());
        let whole = engines[0].embed(&texts, kind).unwrap();
        for ((a, b), whole) in made[0].iter().zip(&made[1]).zip(&whole) {
            assert!(cosine(&a.vector, whole) > 0.999_999_9);
            assert_eq!((a.tokens.numbers.len(), &a.tokens.words), (b.tokens.numbers.len(), &b.tokens.words));
            for (a, b) in a.tokens.numbers.chunks(TOKEN_DIMS).zip(b.tokens.numbers.chunks(TOKEN_DIMS)) {
                assert!((cosine(a, a) - 1.0).abs() < 1e-5 && cosine(a, b) > 0.999, "{}", cosine(a, b));
            }
        }
        match kind {
            TextKind::Query => {
                let words =
                    ["how", "do", "i", "clean", "the", "wx2000", "wx2000", "wx2000", "wx2000", "filter"];
                assert_eq!(made[0][0].tokens.words, words);
            }
            TextKind::Passage => {
                assert!(made[0][1].tokens.numbers.is_empty(), "a word that says nothing");
                // Rinse (two pieces), filter, dry, three, days.
                assert_eq!(made[0][2].tokens.numbers.len(), 6 * TOKEN_DIMS);
            }
        }
    }
}

#[test]
fn a_long_query_is_cut_and_a_long_passage_refused() {
    let embedder = load(Engine::Ort);
    let long = "filter ".repeat(300);
    let refusal = embedder.embed(&["short", &long], TextKind::Passage).unwrap_err();
    assert!(matches!(refusal, Error::TooLong { index: 1, tokens: 302, max: 256 }), "{refusal:?}");
    assert_eq!(refusal.kind(), ErrorKind::Invalid);

    let cut = embedder.embed(&[&long], TextKind::Query).unwrap();
    let full = "filter ".repeat(254);
    assert_eq!(embedder.count_tokens(&full), 256);
    let full = embedder.embed(&[&full], TextKind::Passage).unwrap();
    assert!(cosine(&cut[0], &full[0]) > 0.999_999_9);
    let huge = embedder.embed(&[&"filter ".repeat(500_000)], TextKind::Query).unwrap();
    assert!(cosine(&cut[0], &huge[0]) > 0.999_999_9);
}

#[test]
fn a_missing_or_wrong_library_says_what_to_run() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (library, engine) in
        [("/nowhere/libonnxruntime.so", Engine::Auto), (manifest, Engine::Auto), (manifest, Engine::Ort)]
    {
        let options =
            EmbedOptions { library: Some(PathBuf::from(library)), engine, ..EmbedOptions::default() };
        let refusal = open(&options).err().unwrap();
        assert!(matches!(refusal, Error::Library { .. }), "{refusal:?}");
        let message = refusal.to_string();
        assert!(message.contains(library) && message.contains("run scripts/setup"), "{message}");
    }
}

#[test]
fn a_model_folder_gives_the_same_vectors() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/all-MiniLM-L6-v2");
    let options = EmbedOptions {
        model_dir: Some(PathBuf::from(folder)),
        engine: Engine::Rten,
        ..EmbedOptions::default()
    };
    let embedder = open(&options).unwrap();
    let bundled = load(Engine::Rten);
    assert_eq!(embedder.fingerprint(), bundled.fingerprint());
    let text = ["How do I clean the filter?"];
    let vectors = [&embedder, &bundled].map(|embedder| embedder.embed(&text, TextKind::Query).unwrap());
    assert!(cosine(&vectors[0][0], &vectors[1][0]) > 0.999_999_9);
}

/// Queries and passages from several threads at once.
#[test]
fn calls_from_many_threads_agree() {
    let (embedder, sentences) = (load(Engine::Ort), reference());
    let wanted = embedder.embed(&[&sentences[0].text], TextKind::Query).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
                assert_eq!(embedder.embed(&texts, TextKind::Passage).unwrap().len(), texts.len());
            });
            scope.spawn(|| {
                for _ in 0..5 {
                    let again = embedder.embed(&[&sentences[0].text], TextKind::Query).unwrap();
                    assert!(cosine(&again[0], &wanted[0]) > 0.999_999_9);
                }
            });
        }
    });
}
