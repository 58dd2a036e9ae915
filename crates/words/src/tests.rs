//! Whole questions over one small table, by the noun that reads them; and any text at all.
#![allow(clippy::unwrap_used)]

use crate::{Collector, Compiler, Kind, MAX_TEXT_BYTES, Proposal, Vocabulary};
use proptest::prelude::*;
use quarry_types::Timestamp;
use serde_json::{Value, json};

fn now() -> Timestamp {
    // A Wednesday.
    Timestamp::parse("2024-11-20T15:00:00Z").unwrap()
}

fn compiler() -> Compiler {
    let rows = [
        json!({"name": "Ada Rossi", "city": "Rome", "team": "IT", "title": "Senior Engineer", "salary": 90_000, "age": 31, "remote": true, "skills": ["rust", "sql"], "rating": 4.5, "address": {"zip": "00100", "country": "Italy"}}),
        json!({"name": "Bo Jansen", "city": "New York", "team": "Human Resources", "title": "Recruiter", "salary": 40_000, "age": 58, "remote": false, "skills": ["excel"], "rating": 3, "address": {"zip": "10001", "country": "USA"}}),
        json!({"name": "Cleo Okafor", "city": "Rome", "team": "Sales", "title": "Engineer", "salary": 55_000, "age": 44, "remote": true, "skills": [], "rating": 2, "address": {"zip": "00118", "country": "Italy"}}),
    ];
    let mut columns = Vec::new();
    for (name, kind) in [
        ("name", Kind::Text),
        ("city", Kind::Text),
        ("team", Kind::Text),
        ("title", Kind::Text),
        ("salary", Kind::Number),
        ("age", Kind::Number),
        ("rating", Kind::Number),
        ("remote", Kind::Bool),
        ("skills", Kind::List),
        ("hiredAt", Kind::DateTime),
        ("leftAt", Kind::DateTime),
        ("notes", Kind::Text),
        ("address", Kind::Object),
    ] {
        let mut column = Collector::new(name, kind, None);
        // Ten of each, so that only the names are names.
        for (at, row) in rows.iter().cycle().take(30).enumerate() {
            match row[name].as_str().filter(|_| name == "name") {
                Some(text) => column.add(&json!(format!("{text} {at}"))),
                None => column.add(&row[name]),
            }
        }
        columns.extend(column.finish());
    }
    Compiler::new(&Vocabulary { table: "employeesTable".into(), columns })
}

fn read(text: &str) -> Proposal {
    compiler().compile(text, now()).unwrap()
}

#[track_caller]
fn filters(cases: &[(&str, Value)]) {
    let compiler = compiler();
    for (text, wanted) in cases {
        let got = compiler.compile(text, now()).unwrap();
        assert_eq!(got.filter.clone().unwrap_or(Value::Null), *wanted, "{text}: {got:?}");
    }
}

#[test]
fn comparisons_find_their_column() {
    filters(&[
        ("salary over 50k", json!({"salary": {"$gt": 50_000}})),
        ("age >= 30 and age < 40", json!({"age": {"$gte": 30, "$lt": 40}})),
        ("over 45 years old", json!({"age": {"$gt": 45}})),
        ("older than 40 but younger than 50", json!({"age": {"$gt": 40, "$lt": 50}})),
        ("more than $60,000", json!({"salary": {"$gt": 60_000}})),
        ("aged 30 to 40", json!({"age": {"$gte": 30, "$lte": 40}})),
        ("salary not more than 50000", json!({"salary": {"$lte": 50_000}})),
        ("max 50000 salary", json!({"salary": {"$lte": 50_000}})),
        ("rating of 3 or 4", json!({"rating": {"$in": [3, 4]}})),
        ("salary around 50k", json!({"salary": {"$gte": 45_000, "$lte": 55_000}})),
        ("salary is not 40000", json!({"salary": {"$ne": 40_000}})),
        ("more than 5 parsecs", Value::Null),
    ]);
}

#[test]
fn indoor_is_not_outdoor() {
    let column = Collector::new("outdoor", Kind::Bool, None);
    let compiler = Compiler::new(&Vocabulary {
        table: "eventsTable".into(),
        columns: column.finish().into_iter().collect(),
    });
    for (text, outdoor) in [("outdoor events", true), ("indoor events", false)] {
        let got = compiler.compile(text, now()).unwrap();
        assert_eq!(got.filter, Some(json!({ "outdoor": outdoor })), "{text}: {got:?}");
    }
}

#[test]
fn days_are_whole() {
    filters(&[
        ("hired after March 2023", json!({"hiredAt": {"$gte": "2023-04-01"}})),
        ("hired before May", json!({"hiredAt": {"$lt": "2024-05-01"}})),
        ("may I see who is in Rome", json!({"city": "Rome"})),
        ("hired before 2020", json!({"hiredAt": {"$lt": "2020-01-01"}})),
        ("hired until 5 May 2023", json!({"hiredAt": {"$lt": "2023-05-06"}})),
        ("hired between March and May 2023", json!({"hiredAt": {"$gte": "2023-03-01", "$lt": "2023-06-01"}})),
        ("hired more than two years ago", json!({"hiredAt": {"$lt": "2022-11-20"}})),
        ("left yesterday", json!({"leftAt": {"$gte": "2024-11-19", "$lt": "2024-11-20"}})),
        ("not yet left", json!({"leftAt": {"$exists": false}})),
        ("since 2021", json!({"hiredAt": {"$gte": "2021-01-01"}})),
        ("added this week", json!({"createdAt": {"$gte": "2024-11-18", "$lt": "2024-11-25"}})),
    ]);
}

#[test]
fn values_name_their_column() {
    filters(&[
        ("in rome", json!({"city": "Rome"})),
        ("Rome, New York", json!({"city": {"$in": ["Rome", "New York"]}})),
        ("works in IT", json!({"team": "IT"})),
        ("HR", json!({"team": "Human Resources"})),
        ("is it so", Value::Null),
        ("engineers", json!({"title": "Engineer"})),
        ("recuiters", json!({"title": "Recruiter"})),
        ("from Italy", json!({"address.country": "Italy"})),
        ("address zip is 00118", json!({"address.zip": "00118"})),
        ("rossi", json!({"name": {"$regex": "rossi", "$options": "i"}})),
        ("knows rust and sql", json!({"$and": [{"skills": "rust"}, {"skills": "sql"}]})),
        ("rust or excel", json!({"skills": {"$in": ["rust", "excel"]}})),
        ("city is Atlantis", json!({"city": "Atlantis"})),
    ]);
}

#[test]
fn negations_reach_as_far_as_their_list() {
    filters(&[
        ("not in Rome or New York", json!({"city": {"$nin": ["Rome", "New York"]}})),
        ("neither IT nor Sales", json!({"team": {"$nin": ["IT", "Sales"]}})),
        ("everyone except recruiters in Rome", json!({"title": {"$ne": "Recruiter"}, "city": "Rome"})),
        ("not remote", json!({"remote": false})),
        ("isn't in Rome and is remote", json!({"city": {"$ne": "Rome"}, "remote": true})),
        ("not (remote or in Rome)", json!({"remote": false, "city": {"$ne": "Rome"}})),
        ("not over 50k salary", json!({"salary": {"$lte": 50_000}})),
        ("without skills", json!({"skills": {"$in": [null, []]}})),
        ("no notes", json!({"notes": {"$exists": false}})),
        ("notes are not empty", json!({"notes": {"$exists": true}})),
        ("knows sql but not rust", json!({"$and": [{"skills": "sql"}, {"skills": {"$ne": "rust"}}]})),
    ]);
}

#[test]
fn commas_bind_loosest_and_lists_tightest() {
    filters(&[
        (
            "IT in Rome or Sales in New York",
            json!({"$or": [{"team": "IT", "city": "Rome"}, {"team": "Sales", "city": "New York"}]}),
        ),
        ("IT or Sales, remote", json!({"team": {"$in": ["IT", "Sales"]}, "remote": true})),
        (
            "either remote or in Rome, over 50k",
            json!({"$or": [{"remote": true}, {"city": "Rome"}], "salary": {"$gt": 50_000}}),
        ),
        (
            "under 35 or over 50 in Rome",
            json!({"$or": [{"age": {"$lt": 35}}, {"age": {"$gt": 50}}], "city": "Rome"}),
        ),
        ("(Rome or New York) and remote", json!({"city": {"$in": ["Rome", "New York"]}, "remote": true})),
    ]);
}

#[test]
fn texts_are_sought_literally() {
    filters(&[
        ("notes contain \"a.b (c)\"", json!({"notes": {"$regex": "a\\.b \\(c\\)", "$options": "i"}})),
        ("name starts with Ad", json!({"name": {"$regex": "^Ad", "$options": "i"}})),
        (
            "mentioning overtime",
            json!({"$or": [{"title": {"$regex": "overtime", "$options": "i"}}, {"notes": {"$regex": "overtime", "$options": "i"}}]}),
        ),
    ]);
}

fn order(text: &str) -> (Option<String>, bool, Option<usize>) {
    let read = read(text);
    (read.order_by, read.descending, read.limit)
}

#[test]
fn superlatives_order_and_limit() {
    let by = |name: &str, descending, limit| (Some(name.to_owned()), descending, limit);
    for (text, wanted) in [
        ("oldest first", by("age", true, None)),
        ("the youngest employee", by("age", false, Some(1))),
        ("ten best paid", by("salary", true, Some(10))),
        ("newest 5", by("hiredAt", true, Some(5))),
        ("sorted by name descending", by("name", true, None)),
        ("order by salary from high to low", by("salary", true, None)),
        ("sort employees by age", by("age", false, None)),
        ("top 3 by rating", by("rating", true, Some(3))),
        ("most recently hired", by("hiredAt", true, None)),
        ("longest serving", by("hiredAt", false, None)),
        ("first 7", (None, false, Some(7))),
        ("lowest rating first", by("rating", false, None)),
        ("over 30 years old", (None, false, None)),
    ] {
        assert_eq!(order(text), wanted, "{text}");
    }
}

#[test]
fn groups_count_and_measure() {
    for (text, wanted) in [
        ("how many employees", json!({"id": "count"})),
        ("employees per team and city", json!({"team": "key", "city": "key", "id": "count"})),
        ("average salary by team", json!({"team": "key", "salary": "avg"})),
        ("minimum and maximum age", json!({"age": ["min", "max"]})),
        ("total salary of Rome", json!({"salary": "sum"})),
        ("how many different cities", json!({"city": "unique"})),
        ("highest salary in each city", json!({"city": "key", "salary": "max"})),
        ("employees per month", Value::Null),
    ] {
        assert_eq!(read(text).group.unwrap_or(Value::Null), wanted, "{text}");
    }
    let ranked = read("which team has the highest average salary?");
    assert_eq!(ranked.group, Some(json!({"team": "key", "salary": "avg"})));
    assert_eq!(
        (ranked.order_by.as_deref(), ranked.descending, ranked.limit),
        (Some("salaryAvg"), true, Some(1))
    );
    let common = read("most common city");
    assert_eq!((common.order_by.as_deref(), common.limit), (Some("idCount"), Some(1)));
}

#[test]
fn questions_ask_for_columns() {
    for (text, wanted) in [
        ("salary of Ada Rossi 0", vec!["salary"]),
        ("who is in Sales?", vec!["name"]),
        ("names and titles of people in Rome", vec!["name", "title"]),
        ("when was Ada Rossi 0 hired", vec!["hiredAt"]),
        ("how old is Ada Rossi 0?", vec!["age"]),
        ("people in Rome", vec![]),
    ] {
        assert_eq!(read(text).select, wanted, "{text}");
    }
}

#[test]
fn the_explanation_says_everything_proposed() {
    let read = read("remote engineers in Rome over 50k, oldest first, flying");
    for part in [
        "remote is true",
        "title is \"Engineer\"",
        "city is \"Rome\"",
        "salary is over 50000",
        "age, highest first",
        "flying",
    ] {
        assert!(read.explanation.contains(part), "{part}: {}", read.explanation);
    }
    assert_eq!(read.unused, ["flying"]);
    assert!(read.confidence > 0.5 && read.confidence < 1.0, "{}", read.confidence);
}

#[test]
fn what_is_not_understood_proposes_nothing() {
    for text in [
        "",
        "   ",
        "hello",
        "what is the meaning of life",
        "rain tomorrow in the hills",
        "🦀",
        "not",
        "per",
        "((((",
        "sorted by",
    ] {
        let read = read(text);
        assert!(read.is_empty() && read.confidence == 0.0, "{text}: {read:?}");
        assert!(read.explanation.contains("salary"), "{text}: {}", read.explanation);
    }
    let long = "a".repeat(MAX_TEXT_BYTES + 1);
    assert!(compiler().compile(&long, now()).unwrap_err().to_string().contains("2048"));
}

#[test]
fn an_empty_table_is_no_panic() {
    let bare = Compiler::new(&Vocabulary { table: String::new(), columns: Vec::new() });
    for text in ["cheapest", "how many", "in Rome", "top 3", "created yesterday", "id 7", "free", "in stock"]
    {
        bare.compile(text, now()).unwrap();
    }
}

#[test]
fn a_state_no_column_tells_is_not_passed_over() {
    for text in ["How many people in Rome are sold out?", "How many people in Rome are unavailable?"] {
        assert!(read(text).is_empty(), "{text}: {:?}", read(text));
    }
    let stocked = read("How many engineers in Rome are in stock?");
    assert!(stocked.is_empty() || stocked.confidence < 0.85, "{stocked:?}");
    assert!(!read("which skills are available?").is_empty());
}

/// Words that mean something here, in any order.
fn salad() -> impl Strategy<Value = String> {
    const WORDS: [&str; 64] = [
        "not",
        "or",
        "and",
        ",",
        "either",
        "neither",
        "nor",
        "(",
        ")",
        "between",
        "from",
        "to",
        "over",
        "under",
        "at least",
        "5",
        "1.5k",
        "$20",
        "20%",
        "2023",
        "march",
        "last",
        "week",
        "yesterday",
        "Rome",
        "rome",
        "IT",
        "New York",
        "engineers",
        "salary",
        "age",
        "remote",
        "skills",
        "rust",
        "hired",
        "since",
        "before",
        "how many",
        "average",
        "total",
        "per",
        "by",
        "team",
        "city",
        "sorted by",
        "top",
        "3",
        "first",
        "oldest",
        "most",
        "expensive",
        "highest",
        "with",
        "without",
        "missing",
        "contains",
        "\"x\"",
        "who",
        "when",
        "price of",
        "name",
        "unique",
        "in stock",
        "free",
    ];
    proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..40)
        .prop_map(|words| words.join(" "))
}

fn check(compiler: &Compiler, text: &str) {
    let text: String = text.chars().take(500).collect();
    let first = compiler.compile(&text, now()).unwrap();
    assert_eq!(first, compiler.compile(&text, now()).unwrap(), "the same question, the same answer");
    assert!((0.0..=1.0).contains(&first.confidence) && !first.explanation.is_empty());
    assert!(first.limit.is_none_or(|limit| (1..=1_000).contains(&limit)));
    assert!(!first.is_empty() || first.confidence == 0.0);
}

proptest! {
    #[test]
    fn any_text_gives_one_answer(text in any::<String>()) {
        check(&compiler(), &text);
    }

    #[test]
    fn any_salad_of_words_gives_one_answer(text in salad()) {
        check(&compiler(), &text);
    }
}

#[test]
fn the_worst_repetitions_take_bounded_time() {
    let compiler = compiler();
    for word in [
        "not ",
        "either ",
        ", or ",
        "(",
        "neither Rome nor ",
        "Rome or ",
        "with ",
        "over ",
        "5 or ",
        "from ",
        "by ",
        "\"",
        "most ",
        "1-",
        "in stock ",
    ] {
        let text: String = word.repeat(MAX_TEXT_BYTES / word.len());
        let start = std::time::Instant::now();
        compiler.compile(&text, now()).unwrap();
        // Unoptimised and on a busy machine; it is the order of growth that is checked.
        assert!(start.elapsed().as_secs() < 10, "{word:?} took {:?}", start.elapsed());
    }
}
