//! What kind of answer a question asks for, and whether a sentence has one of that kind.
//!
//! Works on the question words of English, German, Spanish, French, Italian, Portuguese and some Dutch;
//! questions in other languages expect nothing in particular, so that no sentence gains or loses by it.

use super::asking::{
    AFTER_COUNTED, BEFORE_WHEN, GERMAN_MEASURES, HOURS, HOW, HOW_LONG, HOW_MANY, JOINING, LEADING, MEASURES,
    OPEN, OPENING, PAYING, PLACES, PRICES, QUANTITIES, STEPS, TELLING, TIMES, WHEN, WHERE, WHICH, WHO,
    WHO_OF_A_KIND, YES_OR_NO,
};
use super::telling::{
    HOUR_MARKS, JOINING_TIMES, LENGTHS, LOCATING, MOMENTS, MONEY, NUMBERS, PLACE_PARTS, SOME, SPANS,
};
use unicode_segmentation::UnicodeSegmentation;

/// What must stand in a sentence that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing in particular.
    Anything,
    /// A span of time: "how long", "how often".
    Duration,
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

/// A heading without the words that tell a time only with what follows: "Before your visit" tells none.
pub(crate) fn beyond_joining(heading: &str) -> String {
    let kept = |word: &&str| !JOINING_TIMES.contains(&word.to_lowercase().as_str());
    heading.split_word_bounds().filter(kept).collect()
}

/// Whether "when" asks, rather than joining two sentences.
fn asks_when(lower: &str) -> bool {
    // "When it rains, what do I do?"
    let asked = lower.rsplit(", ").next().filter(|last| last.unicode_words().next().is_some_and(asks_anew));
    let words: Vec<&str> = asked.unwrap_or(lower).unicode_words().collect();
    words.iter().enumerate().any(|(at, word)| {
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        WHEN.contains(word) && before.is_none_or(|before| BEFORE_WHEN.contains(before))
    })
}

/// Whether a word begins a question of its own.
fn asks_anew(word: &str) -> bool {
    [WHICH, HOW, WHO, WHERE].iter().any(|list| list.contains(&word))
}

/// Whether it is asked who is of a kind, which needs no name: "Who may apply?", "Who is responsible for repairs?".
fn asks_for_a_kind(words: &[&str]) -> bool {
    let who = words.iter().position(|word| WHO.contains(word));
    let after = who.and_then(|at| words.get(at + 1..)).unwrap_or_default();
    after.iter().take(2).any(|word| WHO_OF_A_KIND.contains(word))
}

/// Whether it is asked for a place by its kind: "in which old town", but not "what kind of tunnels has the city".
fn asks_for_a_kind_of_place(words: &[&str]) -> bool {
    let named = |at: usize| words.get(at..at + 2) == Some(&["name", "of"]);
    let starts =
        (0..words.len()).filter(|at| words.get(*at).is_some_and(|word| WHICH.contains(word)) || named(*at));
    starts.into_iter().any(|at| {
        let next = words.iter().skip(at + 1).take(4);
        next.take_while(|word| !matches!(**word, "kind" | "type" | "sort")).any(|word| PLACES.contains(word))
    })
}

/// Whether one of the words asks, rather than telling more of what stands before it: "a tenant who moves out".
fn asks_with(lower: &str, list: &[&str]) -> bool {
    lower.split([',', ';', ':', '.', '?', '!', '¿', '¡', '(', ')', '\n']).any(|part| {
        let words: Vec<&str> = part.unicode_words().collect();
        let leads =
            |word: &&str| JOINING.contains(word) || BEFORE_WHEN.contains(word) || LEADING.contains(word);
        words.iter().enumerate().filter(|(_, word)| list.contains(word)).any(|(at, _)| {
            let before = words.get(..at).unwrap_or_default();
            at + 1 == words.len()
                || before.iter().all(leads)
                || before.last().is_some_and(|word| *word == "me" || TELLING.contains(word))
        })
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
        if spans || long {
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
            || after(OPEN, &["hours", "times"])
            || hour
            || after(&["what", "which"], TIMES)
        {
            Self::Moment
        } else if has(HOW_MANY) {
            Self::Count
        } else if after(&["how"], MEASURES) || after(&["wie"], GERMAN_MEASURES) || has(QUANTITIES) {
            Self::Number
        } else if asks_with(&lower, WHO) || words.first() == Some(&"qui") {
            if asks_for_a_kind(&words) { Self::Anything } else { Self::Person }
        } else if asks_with(&lower, WHERE) || asks_for_a_kind_of_place(&words) {
            Self::Place
        } else {
            Self::Anything
        }
    }

    /// Whether a sentence has what is expected; `None` when nothing is.
    pub(crate) fn is_met_by(self, sentence: &str) -> Option<bool> {
        let lower = sentence.to_lowercase();
        let any = |list: &[&str]| lower.unicode_words().any(|word| list.contains(&word));
        let number = || has_digit(&lower) || any(NUMBERS);
        Some(match self {
            Self::Anything => return None,
            // How long a thing is may be a length.
            Self::Duration => {
                number() && (any(SPANS) || any(LENGTHS) || has_clock(&lower) || years(&lower) > 1)
            }
            Self::Money => any(MONEY) || lower.contains(['$', '€', '£', '¥']) || has_cents(&lower),
            Self::Number => any(NUMBERS) || counts_something(&lower),
            Self::Count => counts_things(&lower),
            Self::Moment => {
                any(MOMENTS) || has_span(&lower) || has_clock(&lower) || has_hour(&lower) || years(&lower) > 0
            }
            Self::Person => names(sentence, true),
            Self::Place => names(sentence, false) || any(LOCATING),
        })
    }
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether there is a number other than a time of day, which counts nothing.
fn counts_something(text: &str) -> bool {
    let is_clock = |part: &str| {
        part.trim_matches(':').split_once(':').is_some_and(|(hours, minutes)| {
            let below = |text: &str, end: u8| text.parse::<u8>().is_ok_and(|number| number < end);
            minutes.len() == 2 && below(hours, 25) && below(minutes, 60)
        })
    };
    text.split(|c: char| !c.is_ascii_digit() && c != ':').any(|part| has_digit(part) && !is_clock(part))
}

/// Whether there is a number of things: not of days, of money or of a day in the calendar.
fn counts_things(text: &str) -> bool {
    let parts: Vec<&str> = text.split_word_bounds().collect();
    let digits = |at: usize| parts.get(at).is_some_and(|part| has_digit(part));
    parts.iter().enumerate().any(|(at, word)| {
        let before = parts.get(..at).unwrap_or_default().iter().rev().find(|part| !part.trim().is_empty());
        let after = parts.iter().skip(at + 1).find(|part| !part.trim().is_empty());
        let is = |part: Option<&&str>, list: &[&str]| part.is_some_and(|part| list.contains(part));
        let paid = |part| is(part, &["$", "€", "£", "¥"]) || is(part, MONEY);
        let dated = |part| is(part, MOMENTS) && !is(part, JOINING_TIMES);
        // `10:00`, but not `Rooms: 48`.
        let clock = (is(parts.get(at + 1), &[":"]) && digits(at + 2))
            || (at > 1 && is(parts.get(at - 1), &[":"]) && digits(at - 2));
        // `4.6 litres` and a cell, but not `7.20` alone: that is a price, or a version.
        let broken = word.contains(['.', ',']) && !grouped(word);
        let of_something = after.is_some_and(|part| part.chars().any(char::is_alphabetic));
        let whole = !broken || of_something || text.contains('|');
        let number = NUMBERS.contains(word) || (has_digit(word) && years(word) == 0 && whole);
        let measured = is(after, SPANS) || is(after, &["%", "percent"]);
        number && !clock && !measured && !paid(before) && !paid(after) && !dated(before) && !dated(after)
    })
}

/// `1,200`, `12.000`.
fn grouped(number: &str) -> bool {
    let mut groups = number.split(['.', ',']);
    groups.next().is_some_and(|first| first.len() < 4) && groups.all(|group| group.len() == 3)
}

/// `0:43`, `14:00`.
fn has_clock(text: &str) -> bool {
    windows(text, 4).any(|w| matches!(w, [a, b':', c, d] if [a, c, d].iter().all(|b| b.is_ascii_digit())))
}

/// `58.90`.
fn has_cents(text: &str) -> bool {
    windows(text, 4)
        .any(|w| matches!(w, [a, b'.' | b',', c, d] if [a, c, d].iter().all(|b| b.is_ascii_digit())))
}

/// `9am`, `9 a.m.`, `at nine`, `um 9`.
fn has_hour(lower: &str) -> bool {
    let words: Vec<&str> =
        lower.split([' ', '\n', '|', ',', ';', '(', ')']).filter(|word| !word.is_empty()).collect();
    let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit()) || NUMBERS.contains(&word);
    words.iter().any(|word| {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.len() < word.len() && matches!(rest.replace('.', "").as_str(), "am" | "pm" | "h" | "uhr")
    }) || words.windows(2).any(|pair| {
        matches!(pair, [a, b] if number(a) && matches!(b.replace('.', "").as_str(), "am" | "pm" | "o'clock")
            || HOUR_MARKS.contains(a) && number(b.trim_end_matches('.')))
    })
}

/// `7 days`, `every second week`, `the next day`, but not `Day Clinic, Level 3`.
fn has_span(lower: &str) -> bool {
    let words: Vec<&str> = lower.unicode_words().collect();
    words.iter().enumerate().filter(|(_, word)| SPANS.contains(word)).any(|(at, _)| {
        let before = words.get(at.saturating_sub(3)..at).unwrap_or_default();
        before.iter().any(|word| has_digit(word) || NUMBERS.contains(word) || SOME.contains(word))
    })
}

/// How many years of the calendar there are.
fn years(text: &str) -> usize {
    let year = |word: &&str| {
        word.len() == 4
            && (word.starts_with('1') || word.starts_with("20"))
            && word.bytes().all(|b| b.is_ascii_digit())
    };
    text.unicode_words().filter(year).count()
}

fn windows(text: &str, size: usize) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().windows(size)
}

/// A word with a capital letter that does not merely begin its sentence or line, and is no day or month; for a person,
/// not the name of a street or a hall either.
fn names(text: &str, person: bool) -> bool {
    let upper = |word: &str| word.chars().next().is_some_and(char::is_uppercase);
    let placed = |word: &&str| person && PLACE_PARTS.contains(&word.to_lowercase().as_str());
    let dated = |word: &str| {
        let lower = word.to_lowercase();
        let one = lower.strip_suffix('s').unwrap_or(&lower);
        (MOMENTS.contains(&lower.as_str()) || MOMENTS.contains(&one)) && !JOINING_TIMES.contains(&one)
    };
    text.lines().flat_map(UnicodeSegmentation::split_sentence_bounds).any(|sentence| {
        let words: Vec<&str> = sentence.unicode_words().collect();
        let named = |at: usize| {
            let beside = [at.checked_sub(1), Some(at), Some(at + 1)];
            words.get(at).is_some_and(|word| upper(word) && !dated(word))
                && !beside.into_iter().flatten().filter_map(|at| words.get(at)).any(placed)
        };
        (1..words.len()).any(named) || (named(0) && words.get(1).is_some_and(|word| upper(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_say_what_they_expect() {
        for (question, expected) in [
            ("How long is the warranty?", Expected::Duration),
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

    #[test]
    fn sentences_meet_what_is_expected_or_not() {
        for (expected, sentence, met) in [
            (Expected::Duration, "Wool | 2 kg | 0:43", true),
            (Expected::Duration, "Let it stand for twelve hours.", true),
            (Expected::Duration, "Let it stand.", false),
            (Expected::Money, "MC-2450 | Pump | 58.90", true),
            (Expected::Money, "It is a pump.", false),
            (Expected::Number, "It holds six cups.", true),
            (Expected::Number, "Weight | 71 kg", true),
            (Expected::Number, "Workshop | Tuesday | 10:00 to 17:00", false),
            (Expected::Number, "From 10:00,12 places", true),
            (Expected::Number, "Open 10:00から、定員20名", true),
            (Expected::Number, "At a scale of 1:100", true),
            (Expected::Count, "You may borrow ten books for three weeks.", true),
            (Expected::Count, "Books are lent for three weeks.", false),
            (Expected::Count, "A card costs 12 euros or $9.", false),
            (Expected::Count, "Open since 1987, from 3 June to 10:00 and 20 %.", false),
            (Expected::Count, "It has 48 rooms.", true),
            (Expected::Count, "Rooms: 48", true),
            (Expected::Count, "Up to 8 may stay before noon.", true),
            (Expected::Moment, "Open until 18:00.", true),
            (Expected::Moment, "Founded in 1987.", true),
            (Expected::Moment, "It is a pump.", false),
            (Expected::Moment, "We open at nine.", true),
            (Expected::Moment, "Open 9am to 5 p.m.", true),
            (Expected::Moment, "Day Clinic, Level 3, tel. 01632 960 118", false),
            (Expected::Moment, "It comes the next working day.", true),
            (Expected::Moment, "Needed from the eighth calendar day", true),
            (Expected::Moment, "Jede zweite Woche", true),
            (Expected::Duration, "The cable is 2 m long.", true),
            (Expected::Duration, "It ran from 1870 to 1939.", true),
            (Expected::Count, "Tiramisu ... 7.20", false),
            (Expected::Count, "Version 4.2, effective 1 March 2026", false),
            (Expected::Count, "The tank holds 4.6 litres.", true),
            (Expected::Count, "There are 1,200 seats", true),
            (Expected::Person, "Lessons are given by Anna.", true),
            (Expected::Person, "Anna Berg leads it.", true),
            (
                Expected::Person,
                "The council meets on Mondays in the Grange Hall.\nResidents may speak.",
                false,
            ),
            (Expected::Place, "They are built in Osterby.", true),
            (Expected::Place, "The filter sits behind the lower flap.", true),
            (Expected::Place, "They are built abroad.", false),
        ] {
            assert_eq!(expected.is_met_by(sentence), Some(met), "{sentence}");
        }
        assert_eq!(Expected::Anything.is_met_by("Any."), None);
    }
}
