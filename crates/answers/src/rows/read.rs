//! How far the reading of a question as a query is to be trusted.

use quarry_tables::{Interpretation, Table};
pub(super) use quarry_words::Proposal;
use unicode_segmentation::UnicodeSegmentation;

/// A question as read, and how far to trust it.
pub(super) struct Reading {
    pub(super) trust: f32,
    pub(super) interpretation: Interpretation,
}

/// Words for rows of any table.
const ANY_ROW: &[&str] = &[
    "product", "products", "item", "items", "thing", "things", "article", "articles", "entry", "entries",
    "record", "records", "element", "elements", "object", "objects", "ones", "offer", "offers", "option",
    "options", "result", "results", "listing", "listings",
];
/// Questions that ask for a way or a reason, which rows do not tell.
const WAYS: &[&[&str]] = &[
    &["how", "do"],
    &["how", "can"],
    &["how", "should"],
    &["how", "to"],
    &["how", "does"],
    &["why"],
    &["what", "should"],
    &["what", "happens"],
    &["what", "do", "i"],
    &["can", "i"],
    &["may", "i"],
    &["should", "i"],
    &["must", "i"],
];
/// A reading that leaves words aside is never as sure as one that uses them all.
const LESS_THAN_SURE: f32 = 0.84;
/// Words a question may hold that no column has to know.
const SMALL_TALK: &[&str] = &[
    "please",
    "tell",
    "sell",
    "buy",
    "offer",
    "currently",
    "exactly",
    "want",
    "like",
    "know",
    "there",
    "called",
    "named",
    "shop",
    "store",
    "catalogue",
    "catalog",
    "inventory",
    "table",
];

/// Trust in a reading that found the row but not what was asked of it: "the warranty of the lamp".
const ANOTHER_THING: f32 = 0.6;

/// Whether a question asks what the something of a row is and that something was not understood.
fn asks_for_other(asked: &[String], unused: &[String]) -> bool {
    let mut words = asked.iter().map(String::as_str);
    let asks = matches!(
        words.next(),
        Some("what" | "which" | "whats" | "what's" | "who" | "give" | "tell" | "show")
    );
    let small = |word: &&str| matches!(*word, "is" | "are" | "was" | "were" | "me" | "s");
    let Some("the" | "a" | "an" | "its") = words.find(|word| !small(word)).filter(|_| asks) else {
        return false;
    };
    // The thing asked for may be two words: "the delivery time of".
    let thing = words.take_while(|word| !matches!(*word, "of" | "on" | "for" | "in" | "at" | "with")).take(3);
    let unknown = |word: &str| unused.iter().any(|one| one.to_lowercase() == word);
    let mut thing = thing.peekable();
    thing.peek().is_some() && thing.all(unknown)
}

fn words(text: &str) -> Vec<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

/// Whether a word is what the rows of a table are called: the last word of its name or title, of one or several.
fn is_called(table: &Table, word: &str) -> bool {
    let title = table.schema.get("title").and_then(serde_json::Value::as_str).unwrap_or_default();
    let single = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    let last = |text: &str| {
        text.to_lowercase().split(|c: char| !c.is_alphabetic()).rfind(|part| !part.is_empty()).map(single)
    };
    [table.name.as_str(), title]
        .into_iter()
        .filter_map(last)
        .any(|noun| noun.len() > 2 && noun == single(word))
}

/// The question, and with the words for any row said as "rows".
pub(super) fn wordings(question: &str, table: &Table) -> Vec<String> {
    let question = question.trim().to_owned();
    let own: Vec<String> = table
        .schema
        .get("properties")
        .and_then(serde_json::Value::as_object)
        .map_or_else(Vec::new, |columns| columns.keys().map(|name| name.to_lowercase()).collect());
    let any = |word: &str| {
        let lower = word.to_lowercase();
        (ANY_ROW.contains(&lower.as_str()) || is_called(table, &lower)) && !own.contains(&lower)
    };
    let plain: String = question
        .split_word_bounds()
        .map(|word| if any(word) { if word.ends_with('s') { "rows" } else { "row" } } else { word })
        .collect();
    if plain == question { vec![question] } else { vec![question, plain] }
}

/// 0 (not at all) to 1.
pub(super) fn trust(question: &str, proposal: &Proposal) -> f32 {
    if proposal.is_empty() {
        return 0.0;
    }
    let asked = words(question);
    #[allow(clippy::cast_possible_truncation, reason = "0..=1")]
    let mut trust = proposal.confidence as f32;
    // Words that say little were counted against the reading.
    let idle =
        proposal.unused.iter().filter(|word| SMALL_TALK.contains(&word.to_lowercase().as_str())).count();
    if idle > 0 && (0.0..1.0).contains(&proposal.coverage) && proposal.coverage > 0.0 {
        let unused = proposal.unused.len() as f64;
        let placed = proposal.coverage * unused / (1.0 - proposal.coverage);
        let coverage = placed / (placed + unused - idle as f64);
        #[allow(clippy::cast_possible_truncation, reason = "a share")]
        let better = (coverage / proposal.coverage) as f32;
        trust = (trust * better).min(LESS_THAN_SURE).max(trust);
    }
    let way = WAYS.iter().any(|way| asked.iter().zip(*way).filter(|(a, b)| a == *b).count() == way.len());
    let counts = asked.first().is_some_and(|word| word == "how")
        && asked.get(1).is_some_and(|word| matches!(word.as_str(), "many" | "much"));
    if way && !counts {
        trust *= if proposal.select.is_empty() && proposal.group.is_none() { 0.35 } else { 0.7 };
    }
    if proposal.select.is_empty() && proposal.group.is_none() && asks_for_other(&asked, &proposal.unused) {
        trust *= ANOTHER_THING;
    }
    // A word read as another one that was not written is a guess.
    if proposal.explanation.contains("Read \"") {
        trust *= 0.75;
    }
    trust.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_go_by_the_name_of_their_table_alone() {
        let table = |name: &str| Table {
            id: quarry_types::TableId::mint(0),
            name: name.to_owned(),
            factor: 1,
            frozen: false,
            key_column: None,
            schema: json!({ "properties": { "price": {} } }),
            tags: Default::default(),
            is_compute_enabled: false,
            created_at: quarry_types::Timestamp(0),
            updated_at: quarry_types::Timestamp(0),
        };
        let customers = "How many customers do we have?";
        assert_eq!(wordings(customers, &table("products")), [customers]);
        assert_eq!(wordings(customers, &table("our_customers")), [customers, "How many rows do we have?"]);
        assert_eq!(wordings("How many items?", &table("products")), ["How many items?", "How many rows?"]);
    }

    #[test]
    fn words_that_say_little_cost_nothing_and_others_do() {
        let read = |unused: &[&str]| Proposal {
            filter: Some(json!({ "color": "red" })),
            unused: unused.iter().map(|word| (*word).to_owned()).collect(),
            confidence: 0.6,
            coverage: 0.6,
            ..Proposal::default()
        };
        assert!((trust("red chairs in the shop", &read(&["shop"])) - LESS_THAN_SURE).abs() < 1e-6);
        assert!((trust("running cost of red chairs", &read(&["cost"])) - 0.6).abs() < 1e-6);
        let of = |text: &str| trust(text, &Proposal { confidence: 0.75, ..read(&["warranty"]) });
        assert!(of("What is the warranty on the red chair?") < 0.5);
        assert!(of("Which red chairs have a warranty?") > 0.7);
        let mixed = trust("red chairs in the Rome shop", &read(&["shop", "Rome"]));
        assert!(mixed > 0.6 && mixed < 0.8, "{mixed}");
    }
}
