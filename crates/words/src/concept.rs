//! What column names and everyday words are about: prices, ages, places, days of hiring.
//!
//! A question says "earns" and the column is called `salary`: both are about [`Concept::Pay`].
//! Knows no table. Invariant: the lists are data; nothing here depends on the order of columns.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A subject that columns and words share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Concept {
    Price,
    Total,
    Pay,
    Payment,
    Age,
    Score,
    Stock,
    Size,
    Weight,
    Height,
    Length,
    Duration,
    Speed,
    Distance,
    Temperature,
    Population,
    Capacity,
    Attendance,
    Quantity,
    Place,
    Nation,
    Unit,
    Firm,
    Brand,
    Customer,
    Assignee,
    Boss,
    Organizer,
    Author,
    Teacher,
    Status,
    Urgency,
    Category,
    Title,
    Mail,
    Phone,
    Discount,
    Hired,
    Opened,
    Ordered,
    Shipped,
    Resolved,
    Begin,
    End,
    Listed,
    Launched,
    Created,
    Updated,
    Due,
    Born,
    Built,
    Language,
    Label,
    Skill,
    Feature,
    Sponsor,
    Online,
    Bed,
    Bath,
    Floor,
    Shipping,
    Prose,
}

/// A concept, the words of column names that mean it, and further words of questions that do.
struct Family(Concept, &'static [&'static str], &'static [&'static str]);

use Concept as C;

const FAMILIES: &[Family] = &[
    Family(
        C::Price,
        &["price", "cost", "fee", "fare", "rate", "charge", "rent", "value"],
        &["costing", "priced", "pricing", "worth"],
    ),
    Family(
        C::Total,
        &["total", "amount", "revenue", "sale", "turnover", "subtotal", "spend", "sum"],
        &["worth", "spent", "spending", "cost", "price", "value"],
    ),
    Family(
        C::Pay,
        &["salary", "pay", "wage", "income", "compensation", "earning", "payroll", "remuneration"],
        &["earn", "earning", "earner", "paid", "paying"],
    ),
    Family(C::Payment, &["payment", "paid"], &["paid", "paying", "pay"]),
    Family(C::Age, &["age"], &["aged"]),
    Family(C::Score, &["rating", "score", "star", "review", "satisfaction", "grade", "feedback"], &["rated"]),
    Family(C::Stock, &["stock", "inventory", "quantity", "qty", "onhand"], &["unit", "piece"]),
    Family(
        C::Size,
        &["area", "size", "surface", "sqm", "sqft", "footage", "space", "volume", "m2"],
        &["square"],
    ),
    Family(C::Weight, &["weight", "mass", "kg", "lbs"], &["weigh", "weighing", "kilo", "kilogram", "pound"]),
    Family(C::Height, &["height"], &["tall"]),
    Family(C::Length, &["length"], &["long"]),
    Family(
        C::Duration,
        &["duration", "minute", "hour", "second", "runtime", "time", "week"],
        &["lasting", "took", "taking"],
    ),
    Family(C::Speed, &["speed", "mph", "kmh"], &[]),
    Family(C::Distance, &["distance", "km", "mile"], &["away", "far"]),
    Family(C::Temperature, &["temperature", "temp"], &["degree"]),
    Family(C::Population, &["population", "inhabitant"], &["resident"]),
    Family(C::Capacity, &["capacity", "seat"], &["seating", "hold"]),
    Family(
        C::Attendance,
        &["attendee", "attendance", "visitor", "guest", "participant", "audience"],
        &["attended", "visited"],
    ),
    Family(C::Quantity, &["count", "number", "item", "piece"], &[]),
    Family(
        C::Place,
        &["city", "town", "location", "place", "address", "region", "neighborhood", "area"],
        &["located", "neighbourhood"],
    ),
    Family(C::Nation, &["country", "nation"], &[]),
    Family(C::Unit, &["department", "team", "division", "dept", "unit"], &[]),
    Family(
        C::Firm,
        &["company", "employer", "organization", "organisation", "firm", "business"],
        &["employed"],
    ),
    Family(
        C::Brand,
        &["brand", "manufacturer", "maker", "supplier", "vendor", "producer"],
        &["made", "manufactured", "produced"],
    ),
    Family(
        C::Customer,
        &["customer", "client", "buyer", "requester", "reporter", "user"],
        &["requested", "reported", "bought"],
    ),
    Family(
        C::Assignee,
        &["assignee", "owner", "handler", "assigned", "agent", "responsible", "broker"],
        &["handled", "handle", "handling", "owned", "managed", "assigned", "broker", "realtor"],
    ),
    Family(
        C::Boss,
        &["manager", "supervisor", "boss", "lead"],
        &["managed", "supervised", "report", "reporting", "led"],
    ),
    Family(
        C::Organizer,
        &["organizer", "organiser", "host"],
        &["organized", "organised", "hosted", "hosting", "run"],
    ),
    Family(
        C::Author,
        &["author", "writer", "artist", "creator", "director"],
        &["written", "wrote", "authored", "directed"],
    ),
    Family(
        C::Teacher,
        &["teacher", "instructor", "trainer", "tutor", "lecturer", "coach", "speaker"],
        &["teach", "teaches", "teaching", "taught"],
    ),
    Family(C::Status, &["status", "state", "stage", "phase"], &[]),
    Family(C::Urgency, &["priority", "urgency", "severity", "importance"], &[]),
    Family(C::Category, &["category", "type", "kind", "group", "class", "genre"], &[]),
    Family(C::Title, &["name", "title", "subject", "label"], &["named", "called", "titled"]),
    Family(C::Mail, &["email", "mail"], &["e-mail"]),
    Family(C::Phone, &["phone", "telephone", "mobile", "tel"], &[]),
    Family(C::Discount, &["discount", "sale", "promo", "promotion", "coupon"], &["discounted", "reduced"]),
    Family(
        C::Hired,
        &["hired", "hire", "joined", "employed", "employment"],
        &["joined", "joining", "recruited", "start", "started", "hiring"],
    ),
    Family(
        C::Opened,
        &["opened", "submitted", "filed", "reported", "raised"],
        &["created", "opened", "filed", "submitted", "reported", "raised", "logged"],
    ),
    Family(
        C::Ordered,
        &["placed", "ordered", "purchased", "bought", "order"],
        &["placed", "ordered", "purchased", "bought", "made"],
    ),
    Family(C::Shipped, &["shipped", "sent", "dispatched"], &["ship", "sent", "dispatched", "dispatch"]),
    Family(
        C::Resolved,
        &["resolved", "solved", "closed", "fixed", "completed", "finished"],
        &["solved", "fixed", "resolved", "resolution"],
    ),
    Family(
        C::Begin,
        &["start", "begin", "starts"],
        &["starting", "beginning", "held", "happening", "scheduled", "starts", "begins"],
    ),
    Family(C::End, &["end", "finish", "ends"], &["ending", "ends", "finishing"]),
    Family(C::Listed, &["listed", "posted", "published", "listing"], &["listed", "posted", "published"]),
    Family(
        C::Launched,
        &["launched", "launch", "released", "release", "introduced"],
        &["released", "introduced", "launched"],
    ),
    Family(
        C::Created,
        &["created", "added", "registered", "inserted"],
        &["created", "added", "registered", "inserted", "new"],
    ),
    Family(
        C::Updated,
        &["updated", "modified", "changed", "edited"],
        &["updated", "modified", "changed", "edited", "touched"],
    ),
    Family(C::Due, &["due", "deadline", "expires", "expiry"], &["expiring"]),
    Family(C::Born, &["birth", "born", "birthday"], &["born"]),
    Family(C::Built, &["built", "construction"], &["constructed", "built"]),
    Family(C::Language, &["language", "lang"], &["spoken", "speaking"]),
    Family(C::Label, &["tag", "label", "keyword", "topic"], &["tagged", "labelled", "labeled"]),
    Family(C::Skill, &["skill"], &["know", "knowing", "skilled", "knowledge"]),
    Family(C::Feature, &["feature", "amenity"], &[]),
    Family(C::Sponsor, &["sponsor"], &["sponsored"]),
    Family(C::Online, &["online", "virtual", "remote"], &["remotely", "virtually"]),
    Family(C::Bed, &["bedroom", "bed", "br"], &["bed"]),
    Family(C::Bath, &["bathroom", "bath"], &["bath"]),
    Family(C::Floor, &["floor", "storey", "level"], &["story"]),
    Family(C::Shipping, &["shipping", "delivery", "freight"], &["shipping"]),
    Family(
        C::Prose,
        &[
            "description",
            "body",
            "text",
            "content",
            "note",
            "comment",
            "message",
            "summary",
            "subject",
            "title",
            "detail",
        ],
        &[],
    ),
];

type Index = HashMap<&'static str, Vec<Concept>>;

fn index(with_triggers: bool) -> Index {
    let mut index = Index::new();
    for Family(concept, names, triggers) in FAMILIES {
        let triggers = if with_triggers { *triggers } else { &[] };
        for word in names.iter().chain(triggers) {
            let concepts = index.entry(word).or_default();
            if !concepts.contains(concept) {
                concepts.push(*concept);
            }
        }
    }
    index
}

static NAMES: LazyLock<Index> = LazyLock::new(|| index(false));
static WORDS: LazyLock<Index> = LazyLock::new(|| index(true));

fn look_up<'i>(index: &'i Index, word: &str, singular: &str) -> impl Iterator<Item = Concept> + use<'i> {
    let of = |word: &str| index.get(word).into_iter().flatten().copied();
    let other = if singular == word { "" } else { singular };
    of(word).chain(of(other))
}

/// The concepts a word of a column's name stands for.
pub(crate) fn concepts_of_name(word: &str, singular: &str) -> impl Iterator<Item = Concept> {
    look_up(&NAMES, word, singular)
}

/// The concepts a word of a question may speak of.
pub(crate) fn concepts_of_word(word: &str, singular: &str) -> impl Iterator<Item = Concept> {
    look_up(&WORDS, word, singular)
}

impl Concept {
    /// Whether only numbers are about it.
    pub(crate) fn is_amount(self) -> bool {
        matches!(
            self,
            C::Price
                | C::Total
                | C::Pay
                | C::Age
                | C::Size
                | C::Weight
                | C::Height
                | C::Length
                | C::Duration
                | C::Speed
                | C::Distance
                | C::Temperature
                | C::Population
                | C::Capacity
                | C::Attendance
                | C::Quantity
        )
    }
}

/// What rows with a column about one of these are called, beside the name of their table.
const ROWS: &[(&[Concept], &[&str])] = &[
    (&[C::Teacher], &["course", "class", "lesson", "workshop", "training"]),
    (&[C::Capacity, C::Attendance, C::Organizer], &["event", "show", "session"]),
    (&[C::Pay, C::Hired], &["employee", "colleague"]),
    (&[C::Bed, C::Bath], &["home", "house", "property"]),
    (&[C::Ordered], &["order", "purchase"]),
];

/// Words for the rows of a table whose columns are about these.
pub(crate) fn row_words(about: impl Fn(Concept) -> bool) -> impl Iterator<Item = &'static str> {
    let known = move |(concepts, _): &&(&[Concept], &[&str])| concepts.iter().any(|concept| about(*concept));
    ROWS.iter().filter(known).flat_map(|(_, words)| words.iter().copied())
}

/// Concepts a preposition before a value hints at.
pub(crate) fn hinted_by(preposition: &str) -> &'static [Concept] {
    match preposition {
        "in" => &[C::Place, C::Nation, C::Unit, C::Language, C::Category],
        "at" => &[C::Firm, C::Place],
        "from" => &[C::Place, C::Nation, C::Brand, C::Firm],
        "by" => &[C::Brand, C::Author, C::Assignee, C::Organizer, C::Customer],
        "to" => &[C::Assignee],
        _ => &[],
    }
}

/// Where an adjective looks for its column, and which end of it the word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// A number about this; the flag says whether the word means much of it.
    Of(Concept, bool),
    /// The table's leading date; the flag says whether the word means late.
    Date(bool),
    /// The year something was built; the flag says whether the word means late.
    Built(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Degree {
    Positive,
    Comparative,
    Superlative,
}

/// An adjective that orders rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grade {
    pub(crate) scales: &'static [Scale],
    pub(crate) degree: Degree,
    /// "high", "low", "large": also said of any named number; the flag says whether it means much.
    pub(crate) general: Option<bool>,
}

use Scale as S;

const BIG: &[Scale] = &[
    S::Of(C::Size, true),
    S::Of(C::Capacity, true),
    S::Of(C::Attendance, true),
    S::Of(C::Population, true),
    S::Of(C::Total, true),
    S::Of(C::Stock, true),
    S::Of(C::Quantity, true),
];
const SMALL: &[Scale] = &[
    S::Of(C::Size, false),
    S::Of(C::Capacity, false),
    S::Of(C::Attendance, false),
    S::Of(C::Population, false),
    S::Of(C::Total, false),
    S::Of(C::Stock, false),
    S::Of(C::Quantity, false),
];
const DEAR: &[Scale] = &[S::Of(C::Price, true), S::Of(C::Total, true), S::Of(C::Pay, true)];
const CHEAP: &[Scale] = &[S::Of(C::Price, false), S::Of(C::Total, false), S::Of(C::Pay, false)];
const POPULAR: &[Scale] = &[S::Of(C::Attendance, true), S::Of(C::Score, true)];

/// Base forms: the adjective, its scales, and whether it may also be said of a named number.
const ADJECTIVES: &[(&str, &[Scale], Option<bool>)] = &[
    ("cheap", CHEAP, None),
    ("inexpensive", CHEAP, None),
    ("affordable", CHEAP, None),
    ("expensive", DEAR, None),
    ("costly", DEAR, None),
    ("pricey", DEAR, None),
    ("dear", DEAR, None),
    ("old", &[S::Of(C::Age, true), S::Built(false), S::Date(false)], None),
    ("young", &[S::Of(C::Age, false), S::Date(true)], None),
    ("new", &[S::Date(true), S::Built(true), S::Of(C::Age, false)], None),
    ("recent", &[S::Date(true)], None),
    ("late", &[S::Date(true)], None),
    ("early", &[S::Date(false)], None),
    ("big", BIG, Some(true)),
    ("large", BIG, Some(true)),
    ("great", BIG, Some(true)),
    ("small", SMALL, Some(false)),
    ("little", SMALL, Some(false)),
    ("high", &[], Some(true)),
    ("low", &[], Some(false)),
    ("heavy", &[S::Of(C::Weight, true)], None),
    ("light", &[S::Of(C::Weight, false)], None),
    ("tall", &[S::Of(C::Height, true)], None),
    ("long", &[S::Of(C::Duration, true), S::Of(C::Length, true)], Some(true)),
    ("short", &[S::Of(C::Duration, false), S::Of(C::Length, false), S::Of(C::Height, false)], Some(false)),
    ("fast", &[S::Of(C::Speed, true), S::Of(C::Duration, false)], None),
    ("quick", &[S::Of(C::Speed, true), S::Of(C::Duration, false)], None),
    ("slow", &[S::Of(C::Speed, false), S::Of(C::Duration, true)], None),
    ("near", &[S::Of(C::Distance, false)], None),
    ("close", &[S::Of(C::Distance, false)], None),
    ("far", &[S::Of(C::Distance, true)], None),
    ("hot", &[S::Of(C::Temperature, true)], None),
    ("warm", &[S::Of(C::Temperature, true)], None),
    ("cold", &[S::Of(C::Temperature, false)], None),
    ("good", &[S::Of(C::Score, true)], Some(true)),
    ("bad", &[S::Of(C::Score, false)], Some(false)),
    ("poor", &[S::Of(C::Score, false)], Some(false)),
    ("popular", POPULAR, None),
    ("busy", &[S::Of(C::Attendance, true)], None),
    ("spacious", BIG, None),
];

/// Reads an adjective in any of its degrees; "most" and "least" are words of their own.
pub(crate) fn grade_of(folded: &str) -> Option<Grade> {
    const ODD: [(&str, &str, Degree); 12] = [
        ("best", "good", Degree::Superlative),
        ("better", "good", Degree::Comparative),
        ("worst", "bad", Degree::Superlative),
        ("worse", "bad", Degree::Comparative),
        ("latest", "late", Degree::Superlative),
        ("farthest", "far", Degree::Superlative),
        ("furthest", "far", Degree::Superlative),
        ("further", "far", Degree::Comparative),
        ("dearest", "dear", Degree::Superlative),
        ("dearer", "dear", Degree::Comparative),
        ("top-rated", "good", Degree::Superlative),
        ("recently", "recent", Degree::Positive),
    ];
    let make = |base: &str, degree| {
        let (_, scales, general) = ADJECTIVES.iter().find(|(name, ..)| *name == base)?;
        Some(Grade { scales, degree, general: *general })
    };
    if let Some((_, base, degree)) = ODD.iter().find(|(word, ..)| *word == folded) {
        return make(base, *degree);
    }
    if let Some(found) = make(folded, Degree::Positive) {
        return Some(found);
    }
    for (tail, degree) in [("est", Degree::Superlative), ("er", Degree::Comparative)] {
        let Some(head) = folded.strip_suffix(tail) else { continue };
        // cheap-est, large-st, heavi-est, big-gest.
        let doubled = head.char_indices().next_back().map(|(at, _)| &head[..at]).unwrap_or_default();
        let bases = [
            head.to_owned(),
            format!("{head}e"),
            head.strip_suffix('i').map(|h| format!("{h}y")).unwrap_or_default(),
            doubled.to_owned(),
        ];
        if let Some(found) = bases.iter().find_map(|base| make(base, degree)) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_meet_columns_in_a_concept() {
        assert!(concepts_of_word("earns", "earn").any(|concept| concept == Concept::Pay));
        assert!(concepts_of_name("salary", "salary").any(|concept| concept == Concept::Pay));
        assert!(concepts_of_word("joined", "joined").any(|concept| concept == Concept::Hired));
        assert!(concepts_of_word("banana", "banana").next().is_none());
    }

    #[test]
    fn adjectives_are_read_in_every_degree() {
        for (word, base, degree) in [
            ("cheapest", "cheap", Degree::Superlative),
            ("larger", "large", Degree::Comparative),
            ("biggest", "big", Degree::Superlative),
            ("heaviest", "heavy", Degree::Superlative),
            ("best", "good", Degree::Superlative),
            ("old", "old", Degree::Positive),
        ] {
            let scales = ADJECTIVES.iter().find(|(name, ..)| *name == base).unwrap().1;
            assert_eq!(
                grade_of(word).map(|grade| (grade.scales, grade.degree)),
                Some((scales, degree)),
                "{word}"
            );
        }
        for word in ["number", "order", "rest", "", "er", "est", "é"] {
            assert_eq!(grade_of(word), None, "{word}");
        }
    }
}
