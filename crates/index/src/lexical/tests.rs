#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Candidates, Hit, QueryWords};
use proptest::prelude::*;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

fn apply(index: &LexicalIndex, docs: &[(u32, &str)], deletes: &[u32], watermark: u64) {
    let mut adds = docs.iter().map(|(id, body)| LexDoc { id: *id, title: "", body });
    index.apply(&mut adds, deletes, watermark).unwrap();
}

fn found(index: &LexicalIndex, query: &str) -> Vec<u32> {
    let hits = index.snapshot().search(query, 10, &Candidates::All).unwrap();
    hits.into_iter().map(|hit| hit.id).collect()
}

#[test]
fn updates_deletes_and_reopening() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    assert_eq!(index.watermark(), 0);
    assert!(found(&index, "anything").is_empty());
    apply(&index, &[(1, "red pump"), (2, "blue pump"), (3, "green filter")], &[], 5);
    assert_eq!(found(&index, "pumps"), [1, 2], "equal scores by id");
    let old = index.snapshot();
    apply(&index, &[(1, "red valve"), (1, "grey valve")], &[2], 9);
    assert!(found(&index, "pump").is_empty() && found(&index, "red").is_empty());
    assert_eq!(found(&index, "valve"), [1], "an id has one document");
    assert_eq!(old.search("pump", 10, &Candidates::All).unwrap().len(), 2, "snapshots stay");
    assert_eq!(index.watermark(), 9);
    drop((old, index));
    let index = LexicalIndex::open(place.path()).unwrap();
    assert_eq!((index.watermark(), index.snapshot().len()), (9, 2));
    assert_eq!(found(&index, "filter"), [3]);
    apply(&index, &[], &[], 12);
    assert_eq!(index.watermark(), 12, "a commit may carry only a watermark");
    apply(&index, &[], &[1, 3, 77], 13);
    assert!(index.snapshot().is_empty());
}

#[test]
fn words_that_no_document_holds_are_read_as_those_that_were_meant() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    let docs = [
        (1, "Flights in business class, also by train."),
        (2, "Ein Fußgänger geht zum Bürgeramt und zum Ärztehaus."),
        (3, "Der Gaertner arbeitet. Warranty WX200 and the plant."),
    ];
    apply(&index, &docs, &[], 1);
    let snapshot = index.snapshot();
    for (question, read) in [
        ("Which flihgts have a buisness class?", "Which flights have a business class?"),
        ("trian, waranty", "train, warranty"),
        ("Wo ist das Buergeramt, FUSSGAENGER?", "Wo ist das burgeramt, fussganger?"),
        ("der Gärtner", "der gaertner"),
        ("flight to the plane on WX201 with berlin", "flight to the plane on WX201 with berlin"),
        ("flying businesses", "flying businesses"),
        ("日本語 ??", "日本語 ??"),
    ] {
        assert_eq!(snapshot.spelled(question).unwrap(), read, "{question}");
    }
    let long = "flihgts ".repeat(2_000);
    assert!(snapshot.spelled(&long).unwrap().starts_with("flights"));
}

#[test]
fn titles_codes_and_stop_words_are_found() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    let docs = [
        LexDoc { id: 1, title: "WX-2000 > Errors", body: "Clean the sieve." },
        LexDoc { id: 2, title: "", body: "Mail jo.doe@example.com about order A-17/3." },
        LexDoc { id: 3, title: "", body: "To be, or not to be. 洗濯機の排水" },
        LexDoc { id: 4, title: "", body: "A crème brûlée recipe." },
    ];
    index.apply(&mut docs.into_iter(), &[], 1).unwrap();
    for (query, id) in [
        ("wx2000", 1),
        ("WX 2000 error", 1),
        ("wx-2000", 1),
        ("jo.doe@example.com", 2),
        ("A17/3", 2),
        ("to be or not to be", 3),
        ("排水", 3),
        ("洗", 3),
        ("creme brulee", 4),
        ("crème", 4),
    ] {
        assert_eq!(found(&index, query).first(), Some(&id), "{query}");
    }
    for nothing in ["", "   ", "!!! ???", "\u{0}", "\"(OR AND:*^"] {
        index.snapshot().search(nothing, 10, &Candidates::All).unwrap();
    }
    assert!(index.snapshot().search("sieve", 0, &Candidates::All).unwrap().is_empty());
}

#[test]
fn the_filter_comes_before_the_cut() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    let bodies: Vec<String> = (0..3000).map(|i| format!("pump {}", "pump ".repeat(20 - i / 150))).collect();
    let docs: Vec<(u32, &str)> = bodies.iter().zip(0..).map(|(b, id)| (id, b.as_str())).collect();
    for (part, docs) in docs.chunks(1000).enumerate() {
        apply(&index, docs, &[], part as u64);
    }
    let worst: RoaringBitmap = (2900..3000).collect();
    let snapshot = index.snapshot();
    let all = snapshot.search("pump", 3000, &Candidates::All).unwrap();
    let hits = snapshot.search("pump", 10, &Candidates::Only(&worst)).unwrap();
    let expected: Vec<Hit> = all.into_iter().filter(|hit| worst.contains(hit.id)).take(10).collect();
    assert_eq!(hits, expected);
    assert_eq!(hits.len(), 10);
    assert!(snapshot.search("pump", 10, &Candidates::Only(&RoaringBitmap::new())).unwrap().is_empty());
}

#[test]
fn a_narrow_filter_finds_what_a_broad_search_finds() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    let words = ["pump", "valve", "filter", "hose", "seal", "drum"];
    let body = |i: usize| format!("{} {} {}", words[i % 6], words[i / 7 % 6], words[i / 3 % 5]);
    let bodies: Vec<String> = (0..4000).map(body).collect();
    let docs: Vec<(u32, &str)> = bodies.iter().zip(0..).map(|(b, id)| (id, b.as_str())).collect();
    for (part, docs) in docs.chunks(1500).enumerate() {
        apply(&index, docs, &[], part as u64);
    }
    // Some are replaced, out of the order of items, and some are gone.
    let again: Vec<(u32, &str)> = (0..300).map(|i| (i * 7, "pump seal")).collect();
    apply(&index, &again, &(1000..1100).collect::<Vec<_>>(), 7);
    let snapshot = index.snapshot();
    for allowed in [(0..4000).step_by(97).collect(), (990..1110).collect(), RoaringBitmap::from([3999, 9999])]
    {
        for query in ["pump", "valve seal filter", "drum drum hose nothing", "nothing"] {
            assert!(
                query == "nothing" || snapshot.is_narrow(&snapshot.asked(query).unwrap(), &allowed),
                "{query}"
            );
            let all = snapshot.search(query, 4000, &Candidates::All).unwrap();
            let wanted: Vec<Hit> = all.into_iter().filter(|hit| allowed.contains(hit.id)).collect();
            let found = snapshot.search(query, 4000, &Candidates::Only(&allowed)).unwrap();
            assert_eq!(found.len(), wanted.len(), "{query}");
            let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.id).collect::<RoaringBitmap>();
            assert_eq!(ids(&found), ids(&wanted));
            assert!(found.iter().zip(&wanted).all(|(a, b)| (a.score - b.score).abs() < 1e-5), "{query}");
        }
    }
}

#[test]
fn what_is_not_read_would_not_be_among_the_best() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    // Word i is in about one of i² + 2 documents; lengths differ, and some documents repeat a word.
    let body = |doc: u32| {
        let mixed = |word: u32| (doc ^ word.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b) >> 8;
        let held = (0..40).filter(|word| mixed(*word) % (word * word + 2) == 0);
        held.map(|word| format!("w{word}x ").repeat(1 + (mixed(word) >> 10) as usize % 3)).collect::<String>()
    };
    let bodies: Vec<String> = (0..14_000).map(body).collect();
    let docs: Vec<(u32, &str)> = bodies.iter().zip(0..).map(|(b, id)| (id, b.as_str())).collect();
    for (part, docs) in docs.chunks(9_000).enumerate() {
        apply(&index, docs, &[], part as u64);
    }
    apply(&index, &[(77, "w3x w9x")], &(200..900).collect::<Vec<_>>(), 7);
    let snapshot = index.snapshot();
    let odd: RoaringBitmap = (0..14_000).filter(|id| id % 2 == 1).collect();
    for query in
        ["w0x w1x w30x", "w2x w5x w7x w11x w13x w17x w39x", "w0x w1x w2x", "w38x", "w3x w9x w9x none"]
    {
        for allowed in [Candidates::All, Candidates::Only(&odd)] {
            let all = snapshot.search(query, 14_000, &allowed).unwrap();
            assert!(all.len() > 3, "{query}");
            let by_engine = snapshot.scored_by_engine(query);
            let scores: BTreeMap<u32, f32> = by_engine.iter().map(|hit| (hit.id, hit.score)).collect();
            assert_eq!(all.len(), scores.keys().filter(|id| allowed.contains(**id)).count(), "{query}");
            for hit in &all {
                assert!((hit.score - scores[&hit.id]).abs() < 1e-4, "{query}: {hit:?}, {}", scores[&hit.id]);
            }
            for k in [1, 10, 100, 1_000] {
                let best = snapshot.search(query, k, &allowed).unwrap();
                assert_eq!(best, all.iter().take(k).copied().collect::<Vec<_>>(), "{query}, {k}");
            }
        }
    }
}

#[test]
fn long_texts_that_repeat_one_word_are_found_first() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    // Their lengths are stored as 44 and 56.
    let (less, more) = ("pump ".repeat(47), "pump ".repeat(59));
    let mut docs: Vec<(u32, &str)> = (0..5_002).map(|id| (id, "valve")).collect();
    docs[0].1 = &less;
    docs[5_000].1 = &more;
    apply(&index, &docs, &[], 1);
    let best = index.snapshot().search("pump", 1, &Candidates::All).unwrap();
    assert_eq!(best[0].id, 5_000);
}

#[test]
fn lists_of_whole_blocks_are_read_and_looked_up_to_their_end() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    let body = |id: u32| match id % 20 {
        7 => "pump valve seal",
        11 => "pump hose",
        _ => "pump",
    };
    let docs: Vec<(u32, &str)> = (0..2_560).map(|id| (id, body(id))).collect();
    apply(&index, &docs, &[], 1);
    let snapshot = index.snapshot();
    let count = |query: &str| snapshot.search(query, 5_000, &Candidates::All).unwrap().len();
    assert_eq!(
        (count("seal"), count("pump"), count("seal hose"), count("pump hose")),
        (128, 2_560, 256, 2_560)
    );
    for k in [1, 100, 200] {
        let best = snapshot.search("pump seal hose", k, &Candidates::All).unwrap();
        let all = snapshot.search("pump seal hose", 5_000, &Candidates::All).unwrap();
        assert_eq!(best, all[..k]);
    }
    let last: RoaringBitmap = (2_540..2_560).collect();
    assert_eq!(snapshot.search("seal", 10, &Candidates::Only(&last)).unwrap().len(), 1);
}

#[test]
fn a_damaged_folder_is_rebuilt_not_fatal() {
    let place = tempfile::tempdir().unwrap();
    apply(&LexicalIndex::open(place.path()).unwrap(), &[(1, "alpha"), (2, "beta")], &[], 42);
    let files: Vec<PathBuf> = std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let mut wiped = 0;
    for file in &files {
        let good: Vec<(PathBuf, Vec<u8>)> =
            files.iter().map(|f| (f.clone(), std::fs::read(f).unwrap())).collect();
        let bytes = std::fs::read(file).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 8 + 1) {
            let mut bad = bytes.clone();
            bad[at] ^= 0x15;
            std::fs::write(file, &bad).unwrap();
            let index = LexicalIndex::open(place.path()).unwrap();
            match index.watermark() {
                0 => wiped += 1,
                42 => assert_eq!(found(&index, "beta"), [2], "{} at {at}", file.display()),
                other => panic!("watermark {other} after damage of {} at {at}", file.display()),
            }
            apply(&index, &[(7, "gamma")], &[], 43);
            assert_eq!(found(&index, "gamma"), [7]);
            drop(index);
            std::fs::remove_dir_all(place.path()).unwrap();
            std::fs::create_dir(place.path()).unwrap();
            for (path, bytes) in &good {
                std::fs::write(path, bytes).unwrap();
            }
        }
        std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        LexicalIndex::open(place.path()).unwrap();
        for (path, bytes) in &good {
            std::fs::write(path, bytes).unwrap();
        }
    }
    assert!(wiped > 20, "{wiped}");
    std::fs::write(place.path().join("meta.json"), "{}").unwrap();
    assert_eq!(LexicalIndex::open(place.path()).unwrap().watermark(), 0);
}

#[test]
fn what_a_loss_of_power_may_leave_is_whole_or_rebuilt() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    apply(&index, &[(1, "alpha"), (2, "beta")], &[], 41);
    apply(&index, &[(3, "gamma")], &[1], 42);
    drop(index);
    let files: Vec<PathBuf> = std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let good: Vec<(&PathBuf, Vec<u8>)> = files.iter().map(|f| (f, std::fs::read(f).unwrap())).collect();
    let managed = place.path().join(".managed.json");
    let (mut wiped, mut kept) = (0, 0);
    for (file, bytes) in &good {
        let flipped: Vec<u8> =
            bytes.iter().enumerate().map(|(at, b)| b ^ u8::from(at == bytes.len() / 3)).collect();
        // Empty, gone, not yet renamed, and damaged while the engine's list of files is lost.
        let torn: [&dyn Fn(); 4] = [
            &|| std::fs::write(file, "").unwrap(),
            &|| std::fs::remove_file(file).unwrap(),
            &|| std::fs::write(file.with_extension("part"), &bytes[..bytes.len() / 2]).unwrap(),
            &|| {
                std::fs::write(file, &flipped).unwrap();
                std::fs::remove_file(&managed).unwrap();
            },
        ];
        for (kind, tear) in torn.iter().enumerate() {
            tear();
            let index = LexicalIndex::open(place.path()).unwrap();
            let name = file.display();
            match index.watermark() {
                0 => wiped += 1,
                42 => {
                    kept += 1;
                    assert_eq!(found(&index, "alpha beta gamma"), [2, 3], "{name} {kind}");
                }
                other => panic!("watermark {other} after {kind} of {name}"),
            }
            apply(&index, &[(7, "delta")], &[], 43);
            assert_eq!(found(&index, "delta"), [7], "{name} {kind}");
            drop(index);
            std::fs::remove_dir_all(place.path()).unwrap();
            std::fs::create_dir(place.path()).unwrap();
            good.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        }
    }
    assert!(wiped > 20 && kept > 10, "{wiped} {kept}");
}

#[test]
fn a_foreign_folder_is_rebuilt_and_a_file_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let mut builder = Schema::builder();
    builder.add_text_field("other", tantivy::schema::TEXT);
    Index::create_in_dir(place.path(), builder.build()).unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    apply(&index, &[(1, "alpha")], &[], 1);
    assert_eq!(found(&index, "alpha"), [1]);
    let file = place.path().join("a-file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(LexicalIndex::open(&file), Err(Error::Folder { .. })));
}

#[test]
fn payloads_of_other_versions_do_not_count() {
    assert_eq!(read_payload(Some(&payload(17))), Some(17));
    assert_eq!(read_payload(Some(&payload(17).replace("17", "18"))), None);
    assert_eq!(read_payload(Some("quarry-lex 0 17 00000000")), None);
    assert_eq!(read_payload(None), None);
}

#[test]
fn single_words_are_worth_what_the_question_makes_of_them() {
    let place = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(place.path()).unwrap();
    apply(&index, &[(1, "the oven door"), (2, "oven filters"), (3, "oven lamp")], &[], 1);
    let snapshot = index.snapshot();
    let known = snapshot.query_words("Which ovens have filters?").unwrap();
    let words = ["which", "ovens", "have", "filters", "filters", "the", "steel", "?"].map(str::to_owned);
    let worth = snapshot.worth_of(&words, &known).unwrap();
    assert_eq!(snapshot.worth_of(&words, &QueryWords::default()).unwrap(), worth);
    assert!(worth[1] > 0.0 && worth[3] > worth[1] && worth[6] > worth[3], "{worth:?}");
    assert_eq!((worth[3], worth[5], worth[7]), (worth[4], 0.0, 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_history_finds_what_is_there(
        steps in prop::collection::vec((prop::collection::vec((0u32..20, 0usize..4), 0..6),
                                        prop::collection::vec(0u32..20, 0..4)), 1..8)
    ) {
        const BODIES: [&str; 4] = ["alpha one", "alpha two", "beta", "gamma alpha beta"];
        let place = tempfile::tempdir().unwrap();
        let mut index = LexicalIndex::open(place.path()).unwrap();
        let mut model: BTreeMap<u32, usize> = BTreeMap::new();
        for (number, (adds, deletes)) in steps.iter().enumerate() {
            let docs: Vec<(u32, &str)> = adds.iter().map(|(id, body)| (*id, BODIES[*body])).collect();
            apply(&index, &docs, deletes, number as u64 + 1);
            for id in deletes { model.remove(id); }
            model.extend(adds.iter().copied());
            if number % 3 == 2 {
                drop(index);
                index = LexicalIndex::open(place.path()).unwrap();
            }
            let mut hits: Vec<u32> = index.snapshot().search("alpha", 100, &Candidates::All).unwrap()
                .into_iter().map(|hit| hit.id).collect();
            hits.sort_unstable();
            let truth: Vec<u32> = model.iter().filter(|(_, body)| **body != 2).map(|(id, _)| *id).collect();
            prop_assert_eq!(hits, truth);
            prop_assert_eq!(index.snapshot().len(), model.len());
            prop_assert_eq!(index.watermark(), number as u64 + 1);
        }
    }
}
