//! How far the reading of a question as a query is to be trusted.

use super::say;
use quarry_tables::{Row, Table};
pub(super) use quarry_words::Proposal;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

/// A question as read, and how far to trust it.
pub(super) struct Reading {
    pub(super) question: String,
    pub(super) trust: f32,
    pub(super) proposal: Proposal,
    asked: Vec<String>,
    /// Words without which the question is another one.
    missed: Vec<String>,
}

impl Reading {
    pub(super) fn new(question: &str, table: &Table, proposal: Proposal) -> Self {
        let asked = words(question);
        let mut missed = missed(&asked, &proposal.unused);
        // "the cheapest dish" of rows named by their column `dish`.
        let label = say::label(table).map(|label| single(&label.to_lowercase()));
        missed.retain(|word| Some(single(word)) != label);
        let trust = trust(&asked, &missed, &proposal);
        Self { question: question.to_owned(), trust, proposal, asked, missed }
    }

    /// The reading joined with the one before, told as an answer to `question`.
    pub(super) fn carried(self, question: String, trust: f32, proposal: Proposal) -> Self {
        let asked = words(&question);
        Self { question, trust, proposal, asked, ..self }
    }

    #[cfg(test)]
    pub(super) fn trusted(question: &str, trust: f32, proposal: Proposal) -> Self {
        Self { question: question.to_owned(), trust, proposal, asked: words(question), missed: Vec::new() }
    }

    pub(super) fn asks_how_many(&self) -> bool {
        COUNTS.iter().any(|count| self.asked.windows(count.len()).any(|two| two == *count))
    }

    /// Whether rows that were searched for leave open what the question is about: a property of theirs
    /// that they do not hold, or words a reading as a query had to leave aside.
    pub(super) fn asks_beyond(&self, rows: &[Row]) -> bool {
        let property = self.asked.first().is_some_and(|word| OF_A_ROW.contains(&word.as_str()));
        let lists = LISTS
            .iter()
            .any(|list| self.asked.iter().zip(*list).filter(|(a, b)| a == *b).count() == list.len());
        if self.proposal.is_empty() && (!property || lists) {
            return false;
        }
        let texts: Vec<String> =
            rows.iter().map(|row| serde_json::json!(row).to_string().to_lowercase()).collect();
        let told =
            |word: &String| texts.iter().any(|text| text.contains(word.strip_suffix('s').unwrap_or(word)));
        !self.missed.iter().all(told)
    }

    /// "Is the lamp red?" asks for the colour of one row: it is told, be it red or not.
    pub(super) fn tell_of_row(&mut self, table: &Table) {
        let proposal = &mut self.proposal;
        let whether = self.asked.first().is_some_and(|word| WHETHER.contains(&word.as_str()));
        if !whether || proposal.group.is_some() || proposal.order_by.is_some() || !proposal.select.is_empty()
        {
            return;
        }
        let Some(filter) = proposal.filter.as_ref().and_then(Value::as_object) else { return };
        let label = say::label(table).filter(|label| filter.contains_key(label));
        let named = label
            .or_else(|| table.key_column.clone())
            .filter(|name| filter.get(name).is_some_and(Value::is_string));
        let Some(name) = named.filter(|_| !filter.keys().any(|key| key.starts_with('$'))) else { return };
        let select: Vec<String> = filter.keys().filter(|key| **key != name).cloned().collect();
        let row = serde_json::json!({ &name: filter.get(&name) });
        if !select.is_empty() {
            proposal
                .explanation
                .push_str(&format!(" Told of the row by its {name}, whatever holds of the rest."));
            (proposal.filter, proposal.select) = (Some(row), select);
        }
    }
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
    "else",
    "together",
    "recommend",
    "suggest",
    "serve",
    "carry",
    "looking",
    "interested",
];

/// Trust in a reading that found the row but not what was asked of it: "the warranty of the lamp".
pub(super) const ANOTHER_THING: f32 = 0.6;
/// Such a reading is never trusted.
const NOT_TRUSTED: f32 = 0.45;
/// Words for a number of things.
const COUNTS: &[&[&str]] = &[&["how", "many"], &["number", "of"], &["count", "of"], &["count", "the"]];
/// Beginnings of questions for a property of a row.
const OF_A_ROW: &[&str] = &[
    "what", "what's", "whats", "which", "who", "when", "where", "how", "is", "are", "does", "do", "did",
    "has", "have", "can",
];
/// Beginnings that ask for rows instead.
const LISTS: &[&[&str]] = &[
    &["do", "you", "have"],
    &["have", "you", "got"],
    &["is", "there"],
    &["are", "there"],
    &["what", "do", "you", "have"],
];
const ARTICLES: &[&str] = &["a", "an", "the", "my", "our", "your"];
/// Words after "my" that are the asker's own: "my living room".
const OWN_WORDS: u8 = 2;
/// Verbs that say no more than "where".
const KEPT: &[&str] = &["kept", "stored", "found", "held", "sold", "taught", "made"];
/// Beginnings of questions that are answered with yes or no.
const WHETHER: &[&str] = &["is", "are", "was", "were", "does", "do", "did", "has", "have", "can"];

/// Words that were not understood and change the question: not those that say little, nor what is the
/// asker's own ("for my kitchen").
fn missed(asked: &[String], unused: &[String]) -> Vec<String> {
    let unused: Vec<String> = unused.iter().flat_map(|text| words(text)).collect();
    let whether = asked.first().is_some_and(|word| WHETHER.contains(&word.as_str()) || word == "when");
    let mut own = 0_u8;
    let mut missed = Vec::new();
    for (at, word) in asked.iter().enumerate() {
        let unknown = unused.contains(word);
        // "for advanced learners", "where is the lamp kept"
        let before = at.checked_sub(2).and_then(|from| asked.get(from..at));
        let told = before.is_some_and(|two| matches!(two, [a, b] if a == "for" && !ARTICLES.contains(&b.as_str()) && !unused.contains(b)));
        let kept = asked.first().is_some_and(|word| word == "where") && KEPT.contains(&word.as_str());
        let said = SMALL_TALK.contains(&word.as_str()) || (word == "available" && !whether) || told || kept;
        if unknown && own == 0 && !said {
            missed.push(word.clone());
        }
        own = if matches!(word.as_str(), "my" | "our") { OWN_WORDS } else { own.saturating_sub(1) };
    }
    missed
}

fn words(text: &str) -> Vec<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

/// A word of several as one of one, as far as English endings tell.
fn single(word: &str) -> String {
    let cut = if word.ends_with("shes") || word.ends_with("ches") || word.ends_with("xes") { 2 } else { 1 };
    let stem = word.strip_suffix('s').and_then(|_| word.get(..word.len() - cut));
    stem.unwrap_or(word).to_owned()
}

/// Whether a word is what the rows of a table are called: the last word of its name or title, of one or several.
fn is_called(table: &Table, word: &str) -> bool {
    let title = table.schema.get("title").and_then(serde_json::Value::as_str).unwrap_or_default();
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
fn trust(asked: &[String], missed: &[String], proposal: &Proposal) -> f32 {
    if proposal.is_empty() {
        return 0.0;
    }
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
    if !missed.is_empty() {
        trust = (trust * ANOTHER_THING).min(NOT_TRUSTED);
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

    fn table(name: &str, columns: Value) -> Table {
        Table {
            id: quarry_types::TableId::mint(0),
            name: name.to_owned(),
            factor: 1,
            frozen: false,
            key_column: None,
            schema: json!({ "properties": columns }),
            tags: Default::default(),
            is_compute_enabled: false,
            created_at: quarry_types::Timestamp(0),
            updated_at: quarry_types::Timestamp(0),
        }
    }

    fn chairs() -> Table {
        table("chairs", json!({ "name": {}, "color": {} }))
    }

    #[test]
    fn rows_go_by_the_name_of_their_table_alone() {
        let table = |name: &str| table(name, json!({ "price": {} }));
        let customers = "How many customers do we have?";
        assert_eq!(wordings(customers, &table("products")), [customers]);
        assert_eq!(wordings(customers, &table("our_customers")), [customers, "How many rows do we have?"]);
        assert_eq!(wordings("How many items?", &table("products")), ["How many items?", "How many rows?"]);
    }

    #[test]
    fn words_that_say_little_cost_nothing_and_others_do() {
        let read = |question: &str, unused: &[&str], confidence: f64| {
            let proposal = Proposal {
                filter: Some(json!({ "color": "red" })),
                unused: unused.iter().map(|word| (*word).to_owned()).collect(),
                confidence,
                coverage: 0.6,
                ..Proposal::default()
            };
            Reading::new(question, &chairs(), proposal)
        };
        let trust = |question: &str, unused: &[&str]| read(question, unused, 0.75).trust;
        assert!((read("red chairs in the shop", &["shop"], 0.6).trust - LESS_THAN_SURE).abs() < 1e-6);
        assert!(trust("Do you have red chairs for my living room?", &["room"]) > 0.7);
        assert!(trust("Which red chairs are available?", &["available"]) > 0.7);
        assert!(trust("chairs for tall people", &["people"]) > 0.7);
        assert!(trust("red names", &["names"]) > 0.7);
        for (question, unused) in [
            ("What is the warranty on the red chair?", &["warranty"][..]),
            ("Which red chairs have a warranty?", &["warranty"]),
            ("price of the velvet red chair", &["velvet"]),
            ("Is the red chair waterproof?", &["waterproof"]),
            ("Who designed the red chair?", &["designed"]),
            ("When is the red chair available?", &["available"]),
            ("red chairs cheaper than the blue one", &["cheaper"]),
            ("red chairs in the Rome shop", &["shop", "Rome"]),
        ] {
            assert!(trust(question, unused) < 0.5, "{question}");
        }
    }

    #[test]
    fn searched_rows_must_hold_the_property_asked_for() {
        let row = Row::from_iter([("note".to_owned(), json!("two years of warranty"))]);
        let beyond = |question: &str, unused: &[&str]| {
            let unused = unused.iter().map(|word| (*word).to_owned()).collect();
            Reading::new(question, &chairs(), Proposal { unused, ..Proposal::default() })
                .asks_beyond(std::slice::from_ref(&row))
        };
        assert!(!beyond("What is the warranty of the oven?", &["warranty"]));
        assert!(beyond("What is the delivery time of the oven?", &["delivery", "time"]));
        assert!(!beyond("Do you have wooden ovens?", &["wooden"]) && !beyond("wooden ovens", &["wooden"]));
    }

    #[test]
    fn whether_a_row_is_so_is_told_of_the_row() {
        let proposal = Proposal {
            filter: Some(json!({ "name": "Oslo", "color": "red" })),
            confidence: 1.0,
            ..Proposal::default()
        };
        let told = |question: &str| {
            let mut reading = Reading::new(question, &chairs(), proposal.clone());
            reading.tell_of_row(&chairs());
            (reading.proposal.filter, reading.proposal.select)
        };
        let whole = (proposal.filter.clone(), Vec::new());
        assert_eq!(told("Is the Oslo red?"), (Some(json!({ "name": "Oslo" })), vec!["color".to_owned()]));
        assert_eq!(told("Show the red Oslo"), whole);
    }
}
