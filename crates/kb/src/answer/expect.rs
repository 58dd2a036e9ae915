//! What kind of answer a question asks for. Whether a sentence has one of that kind: `met`.
//!
//! Works on the question words of English, German, Spanish, French, Italian, Portuguese and some Dutch;
//! questions in other languages expect nothing in particular, so that no sentence gains or loses by it.

use super::asking::{
    AFTER_COUNTED, ASKED_OF, ASKING_HOURS, BEFORE_WHEN, BESIDE_HOURS, GERMAN_MEASURES, HOURS, HOW, HOW_LONG,
    HOW_MANY, JOINING, LEADING, MEASURES, OPEN, OPENING, PAYING, PLACES, PRICES, QUANTITIES, STEPS, TELLING,
    TIMES, WHEN, WHERE, WHICH, WHO, WHO_OF_A_KIND, YES_OR_NO,
};
use super::telling::{MONEY, SPANS};
use unicode_segmentation::UnicodeSegmentation;

/// What must stand in a sentence that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing in particular.
    Anything,
    /// A span of time: "how long does", "how often".
    Duration,
    /// A span of time or a length: "how long is".
    Extent,
    /// An amount of money.
    Money,
    /// Any number: "how heavy", "what size".
    Number,
    /// A number of things: "how many".
    Count,
    /// A date or time of day.
    Moment,
    /// Someone, by name.
    Person,
    /// A place: something with a name, or said to be beside something.
    Place,
}

fn begins(words: &[&str], with: &[&[&str]]) -> bool {
    with.iter().any(|start| words.starts_with(start))
}

/// Whether a question asks for a way to do something or for a list rather than for one fact.
pub(crate) fn asks_for_steps(question: &str) -> bool {
    // "My display shows E7. What now?" asks in its last sentence, which begins with a capital.
    question.split_sentence_bounds().any(|sentence| {
        let lower = sentence.to_lowercase();
        let words: Vec<&str> = lower.unicode_words().collect();
        begins(&words, STEPS) || words.first().is_some_and(|word| matches!(*word, "steps" | "instructions"))
    })
}

/// Whether a question asks for a yes or no, or for a way to do something: no kind of fact answers it.
fn asks_for_no_fact(lower: &str) -> bool {
    let last = lower.split(['?', '¿']).rev().find(|part| !part.trim().is_empty()).unwrap_or_default();
    let last = last.split(". ").last().unwrap_or_default();
    let mut words: Vec<&str> = last.unicode_words().collect();
    if words.first().is_some_and(|word| JOINING.contains(word)) {
        words.remove(0);
    }
    let starts = |list: &[&str]| words.first().is_some_and(|word| list.contains(word));
    let tells = words.iter().any(|word| TELLING.contains(word));
    (starts(YES_OR_NO) && !tells) || (starts(HOW) && begins(&words, STEPS))
}

/// Whether "when" asks, rather than joining two sentences: "When it rains, what do I do?".
fn asks_when(lower: &str) -> bool {
    let words: Vec<&str> = lower.unicode_words().collect();
    let last = lower.rsplit(", ").next().unwrap_or_default();
    let asks_anew = |word: &str| [WHICH, HOW, WHO, WHERE, YES_OR_NO].iter().any(|list| list.contains(&word));
    let joins = words.first().is_some_and(|word| WHEN.contains(word))
        && words.get(1).is_some_and(|word| !YES_OR_NO.contains(word))
        && last.len() < lower.len()
        && last.unicode_words().next().is_some_and(asks_anew);
    let skipped = usize::from(joins);
    words.iter().enumerate().skip(skipped).any(|(at, word)| {
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        WHEN.contains(word) && before.is_none_or(|before| BEFORE_WHEN.contains(before))
    })
}

/// Whether the times are asked for at which something is open, rather than what is done within or without them.
fn asks_for_hours(words: &[&str]) -> bool {
    words.windows(2).enumerate().any(|(at, pair)| {
        let before = words.get(..at).unwrap_or_default();
        matches!(pair, [open, hours] if OPEN.contains(open) && matches!(*hours, "hours" | "times"))
            && before.first().is_none_or(|first| ASKING_HOURS.contains(first))
            && !before.iter().any(|word| BESIDE_HOURS.contains(word))
    })
}

/// Whether it is asked how long something is or may be, and not how long something takes.
fn asks_for_extent(words: &[&str]) -> bool {
    let takes = |verb: &str| matches!(verb, "do" | "does" | "did" | "will");
    words
        .windows(3)
        .any(|three| matches!(three, ["how", "long", verb] if YES_OR_NO.contains(verb) && !takes(verb)))
}

/// Whether it is asked who is of a kind, which needs no name: "Who may apply?", "Who is responsible for repairs?".
/// The words are those after "who".
fn asks_for_a_kind(after: &[&str]) -> bool {
    match after {
        [first, ..] if WHO_OF_A_KIND.contains(first) => true,
        ["is" | "are" | "ist" | "est" | "es" | "é", second, ..] => WHO_OF_A_KIND.contains(second),
        _ => false,
    }
}

/// Whether it is asked for a place by its kind: "in which old town", but not "what kind of tunnels has the city".
fn asks_for_a_kind_of_place(words: &[&str]) -> bool {
    let mut starts = words.iter().enumerate().filter(|(_, word)| WHICH.contains(word) || **word == "name");
    starts.any(|(at, _)| {
        let next = words.iter().skip(at + 1).take(4);
        next.take_while(|word| !matches!(**word, "kind" | "type" | "sort")).any(|word| PLACES.contains(word))
    })
}

/// What follows the first of the words that asks, rather than telling more of what stands before it ("a tenant who
/// moves out").
fn asked_with<'q>(lower: &'q str, list: &[&str]) -> Option<Vec<&'q str>> {
    let clauses = lower.split([',', ';', ':', '.', '?', '!', '¿', '¡', '(', ')', '\n']);
    clauses.map(|clause| clause.unicode_words().collect::<Vec<&str>>()).find_map(|words| {
        let at = words.iter().position(|word| list.contains(word))?;
        let (before, after) = (words.get(..at)?, words.get(at + 1..)?);
        let leads = |word: &&str| {
            JOINING.contains(word)
                || BEFORE_WHEN.contains(word)
                || LEADING.contains(word)
                || TELLING.contains(word)
        };
        let asks = after.is_empty()
            || before.iter().all(leads)
            || before.last().is_some_and(|word| ASKED_OF.contains(word));
        asks.then(|| after.to_vec())
    })
}

/// Whether it is asked what is paid: "How much do you charge?", but not "What do I need to charge it?".
fn asks_for_payment(words: &[&str]) -> bool {
    let asked = words.iter().position(|word| *word == "what");
    let asked = asked.or_else(|| words.windows(2).position(|pair| pair == ["how", "much"]));
    let after = asked.and_then(|at| words.get(at..)).unwrap_or_default();
    after.windows(2).any(|pair| matches!(pair, [a, b] if *a != "to" && PAYING.contains(b)))
}

impl Expected {
    /// Reads a question.
    pub(crate) fn of(question: &str) -> Self {
        let lower = question.to_lowercase();
        if asks_for_no_fact(&lower) {
            return Self::Anything;
        }
        let words: Vec<&str> = lower.unicode_words().collect();
        let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
        let after = |first: &[&str], next: &[&str]| {
            words.windows(2).any(|pair| matches!(pair, [a, b] if first.contains(a) && next.contains(b)))
        };
        let long = (0..words.len()).any(|at| begins(words.get(at..).unwrap_or_default(), HOW_LONG));
        // "How many days", "how many vacation days", "combien de jours".
        let many = words.iter().position(|word| HOW_MANY.contains(word)).map_or(words.len(), |at| at + 1);
        let counted = |list: &[&str]| {
            let mut named = words.iter().skip(many).take(3).take_while(|word| !AFTER_COUNTED.contains(word));
            named.any(|word| list.contains(word))
        };
        let spans = counted(SPANS);
        let hour = after(&["qué", "que", "che", "quelle", "quel", "welchem", "welchen", "welcher"], HOURS);
        let french = words.strip_prefix(&["qui"]).map(<[&str]>::to_vec);
        let who = french.or_else(|| asked_with(&lower, WHO));
        if who.as_deref().is_some_and(asks_for_a_kind) {
            Self::Anything
        } else if asks_for_extent(&words) {
            Self::Extent
        } else if spans || long {
            Self::Duration
        } else if has(PRICES)
            || counted(MONEY)
            || asks_for_payment(&words)
            || after(&["how"], &["expensive", "cheap"])
            || after(&["which", "what"], &["amount"])
        {
            Self::Money
        } else if asks_when(&lower)
            || has(OPENING)
            || asks_for_hours(&words)
            || hour
            || after(&["what", "which"], TIMES)
        {
            Self::Moment
        } else if has(HOW_MANY) {
            Self::Count
        } else if after(&["how"], MEASURES) || after(&["wie"], GERMAN_MEASURES) || has(QUANTITIES) {
            Self::Number
        } else if who.is_some() {
            Self::Person
        } else if asked_with(&lower, WHERE).is_some() || asks_for_a_kind_of_place(&words) {
            Self::Place
        } else {
            Self::Anything
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_say_what_they_expect() {
        for (question, expected) in [
            ("How long is the warranty?", Expected::Extent),
            ("How many days do I have?", Expected::Duration),
            ("How many vacation days do employees get?", Expected::Duration),
            ("Combien de jours ai-je ?", Expected::Duration),
            ("How many books per week can I borrow?", Expected::Count),
            ("How much does it cost?", Expected::Money),
            ("How much water does it use?", Expected::Number),
            ("What is the maximum load?", Expected::Number),
            ("Until what time can I cancel?", Expected::Moment),
            ("Who is the chief executive?", Expected::Person),
            ("In which town are they made?", Expected::Place),
            ("Can I wash wool?", Expected::Anything),
            ("Can I pay by card?", Expected::Anything),
            ("I have a ticket. Can I change its date and number?", Expected::Anything),
            ("How do I charge the robot?", Expected::Anything),
            ("How do I set the temperature?", Expected::Anything),
            ("What do I need to charge it?", Expected::Anything),
            ("What happens when it rains?", Expected::Anything),
            ("Kann ich die Größe tauschen?", Expected::Anything),
            ("¿Puedo pagar el precio en dos veces?", Expected::Anything),
            ("Can you tell me how much it costs?", Expected::Money),
            ("How much do you charge for delivery?", Expected::Money),
            ("Until when can I cancel?", Expected::Moment),
            ("When do you open?", Expected::Moment),
            ("¿A nombre de qué va la factura?", Expected::Anything),
            ("Which soap is gentle, Dove?", Expected::Anything),
            ("Jak długo trwa gwarancja?", Expected::Anything),
            ("Wie lange gilt die Garantie?", Expected::Duration),
            ("Wie viele Tage habe ich?", Expected::Duration),
            ("¿Cuánto cuesta el envío?", Expected::Money),
            ("À quelle heure ouvre la piscine ?", Expected::Moment),
            ("¿A qué hora abren?", Expected::Moment),
            ("How many rooms do you have?", Expected::Count),
            ("Wie viele Zimmer gibt es?", Expected::Count),
            ("Wie schwer ist sie?", Expected::Number),
            ("Wer leitet den Kurs?", Expected::Person),
            ("Qui a fondé le club ?", Expected::Person),
            ("Who may borrow books?", Expected::Anything),
            ("Who pays late fees?", Expected::Anything),
            ("Qui peut emprunter des livres ?", Expected::Anything),
            ("Who has won the most titles?", Expected::Person),
            ("Who was responsible for the design?", Expected::Person),
            ("If a guest who has lost a key calls, who opens the door?", Expected::Person),
            ("Tell us who founded the club", Expected::Person),
            ("Under whom did he study?", Expected::Person),
            ("¿Por quién fue fundado el club?", Expected::Person),
            ("Bei wem melde ich mich?", Expected::Person),
            ("Dime dónde está la oficina", Expected::Place),
            ("Name the city where it was founded", Expected::Place),
            ("Where can I drop off books outside opening hours?", Expected::Place),
            ("What happens outside your opening hours?", Expected::Anything),
            ("What counts as office hours?", Expected::Anything),
            ("Where can I find your opening hours?", Expected::Place),
            ("What are the opening hours of the pool?", Expected::Moment),
            ("Quanto costa parcheggiare qui?", Expected::Anything),
            ("À qui dois-je m'adresser ?", Expected::Anything),
            ("Who owns the Times?", Expected::Person),
            ("How long is the cable?", Expected::Extent),
            ("How long does it take?", Expected::Duration),
            ("When do you open, how much is a ticket?", Expected::Moment),
            ("When it rains, does the ferry run?", Expected::Anything),
            ("Who is responsible for repairs?", Expected::Anything),
            ("Where is the filter?", Expected::Place),
            ("What are the duties of a tenant who moves out?", Expected::Anything),
            ("If it breaks, who repairs it?", Expected::Person),
            ("I lost my card. Where is your office?", Expected::Place),
            ("Can you tell me where the filter is?", Expected::Place),
            ("What is the largest city?", Expected::Place),
            ("What kind of tunnels has the city?", Expected::Anything),
            ("What is the name of the town?", Expected::Place),
            ("What are the opening hours?", Expected::Moment),
            ("How many opening hours are there?", Expected::Duration),
            ("When it rains, what happens to the ferry?", Expected::Anything),
            ("When does it open, and how much is it?", Expected::Moment),
        ] {
            assert_eq!(Expected::of(question), expected, "{question}");
        }
    }

    #[test]
    fn ways_are_asked_for_in_any_sentence() {
        for text in
            ["How do I descale it?", "It shows E7. What now?", "¿Cómo la limpio?", "Wie kann ich kündigen?"]
        {
            assert!(asks_for_steps(text), "{text}");
        }
        for text in ["How long does it take?", "Wie lange dauert es?", "Can I pay by card?"] {
            assert!(!asks_for_steps(text), "{text}");
        }
    }
}
