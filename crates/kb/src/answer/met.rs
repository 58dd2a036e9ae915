//! Whether a sentence has an answer of the kind that a question asks for.

use super::expect::Expected;
use super::sentences::{is_item, is_open};
use super::telling::{
    AFTER_HOURS, CLOCK_NUMBERS, HOUR_MARKS, JOINING_TIMES, LENGTHS, LOCATING, MOMENTS, MONEY, NUMBERS,
    PLACE_PARTS, PLACE_PREFIXES, PLACING, SIDES, SPANNING, SPANS, WEEK,
};
use unicode_segmentation::UnicodeSegmentation;

impl Expected {
    /// Whether a sentence has what is expected; `None` when nothing is.
    pub(crate) fn is_met_by(self, sentence: &str) -> Option<bool> {
        let lower = sentence.to_lowercase();
        let any = |list: &[&str]| lower.unicode_words().any(|word| list.contains(&word));
        let number = || has_digit(&lower) || any(NUMBERS);
        let has_duration = || number() && (any(SPANS) || has_clock(&lower) || years(&lower) > 1);
        Some(match self {
            Self::Anything => return None,
            Self::Duration => has_duration(),
            Self::Extent => has_duration() || has_length(&lower),
            Self::Money => any(MONEY) || lower.contains(['$', '€', '£', '¥']) || has_cents(&lower),
            Self::Number => any(NUMBERS) || counts_something(&lower),
            Self::Count => counts_things(&lower),
            Self::Moment => {
                any(MOMENTS)
                    || any(WEEK)
                    || has_span(sentence)
                    || has_clock(&lower)
                    || has_hour(&lower)
                    || years(&lower) > 0
            }
            Self::Person => names(sentence, true),
            Self::Place => names(sentence, false) || is_located(&lower),
        })
    }
}

/// A heading without the words that tell a time only with what follows: "Before your visit" tells none, "16 May" does.
pub(crate) fn beyond_joining(heading: &str) -> String {
    // What announces a list tells it with the list: "Before arrival:".
    if heading.trim_end().ends_with(':') {
        return heading.to_owned();
    }
    let dated = heading.trim().eq_ignore_ascii_case("may") || has_digit(heading);
    let kept = |word: &&str| {
        let lower = word.to_lowercase();
        !JOINING_TIMES.contains(&lower.as_str()) || (dated && lower == "may")
    };
    heading.split_word_bounds().filter(kept).collect()
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
        let named = |part: &str| part.chars().any(char::is_alphabetic);
        let of_something = named(word) || after.is_some_and(|part| named(part) || matches!(*part, "-" | "°"));
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

/// `9am`, `9.30 p.m.`, `at nine`, `um 9`; `from 50 euros` and `at 40 degrees` are none.
fn has_hour(lower: &str) -> bool {
    let cut = |c: char| c.is_whitespace() || "|,;()-–—".contains(c);
    let words: Vec<&str> =
        lower.split(cut).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty()).collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let hour = |text: &str| {
        let whole = text.split(['.', ':']).next().unwrap_or_default();
        whole.parse::<u8>().is_ok_and(|number| number <= 24) || CLOCK_NUMBERS.contains(&text)
    };
    let ends = |at: usize| !word(at).starts_with(char::is_alphabetic) || AFTER_HOURS.contains(&word(at));
    // `9–17`
    let parts: Vec<&str> = lower.split(['-', '–', '—']).collect();
    let last = |part: &str| part.split_whitespace().next_back().is_some_and(hour);
    let first = |part: &str| {
        part.split_whitespace().next().is_some_and(|word| hour(word.trim_end_matches([',', '.', ';', ')'])))
    };
    let spanned = parts.windows(2).any(|pair| matches!(pair, [a, b] if last(a) && first(b)));
    spanned
        || lower.contains("24/7")
        || (0..words.len()).any(|at| {
            let rest = word(at).trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ':'));
            let glued = rest.len() < word(at).len()
                && matches!(rest.replace('.', "").as_str(), "am" | "pm" | "h" | "uhr");
            // "Parkstraße 12 am Markt" tells no time.
            let half = hour(word(at))
                && match word(at + 1) {
                    "a.m" | "pm" | "p.m" | "o'clock" | "uhr" => true,
                    "am" => ends(at + 2),
                    _ => false,
                };
            let until =
                hour(word(at)) && SPANNING.contains(&word(at + 1)) && hour(word(at + 2)) && ends(at + 3);
            glued || half || until || (HOUR_MARKS.contains(&word(at)) && hour(word(at + 1)) && ends(at + 2))
        })
}

/// `2 m`, `30 metres`, `2m`.
fn has_length(lower: &str) -> bool {
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '.').collect();
    let unit = |word: &str| LENGTHS.contains(&word.trim_end_matches('.'));
    words.windows(2).any(
        |pair| matches!(pair, [number, of] if (has_digit(number) || NUMBERS.contains(number)) && unit(of)),
    ) || words.iter().any(|word| {
        has_digit(word) && unit(word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
    })
}

/// Whether something is said to be beside something: "behind the flap", but not "under 12".
fn is_located(lower: &str) -> bool {
    let words: Vec<&str> = lower.unicode_words().collect();
    let numbered = |word: &&str| has_digit(word) || NUMBERS.contains(word);
    let beside = words.iter().enumerate().filter(|(_, word)| LOCATING.contains(word));
    let mut beside = beside.map(|(at, _)| words.iter().skip(at + 1).find(|word| **word != "de"));
    beside.any(|next| !next.is_some_and(numbered))
        || words.windows(2).enumerate().any(|(at, pair)| {
            // "on the left", "on the ground floor"
            matches!(pair, ["on" | "to" | "at", "the"])
                && words.iter().skip(at + 2).take(2).any(|word| SIDES.contains(word))
        })
}

/// A unit of time, but not in a name: `Riverside Day Clinic`.
fn has_span(sentence: &str) -> bool {
    let words: Vec<&str> = sentence.unicode_words().collect();
    let upper = |at: usize| words.get(at).is_some_and(|word| begins_upper(word));
    words.iter().enumerate().filter(|(_, word)| SPANS.contains(&word.to_lowercase().as_str())).any(
        |(at, _)| {
            let before = at.checked_sub(1);
            let number = before
                .and_then(|at| words.get(at))
                .is_some_and(|word| has_digit(word) || NUMBERS.contains(&word.to_lowercase().as_str()));
            number || !upper(at) || !(before.is_some_and(upper) || upper(at + 1))
        },
    )
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

fn begins_upper(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
}

fn windows(text: &str, size: usize) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().windows(size)
}

/// Words with a capital letter that do not merely begin a sentence or line and are no day or month; for a person,
/// not those of a street or a hall either.
fn names(text: &str, person: bool) -> bool {
    text.lines().any(|line| {
        // An item may be but a name and what is said of it.
        let mut goes_on = is_item(line) || line.contains(" | ");
        line.split_sentence_bounds().any(|sentence| {
            let inner = std::mem::replace(&mut goes_on, is_open(sentence));
            let words: Vec<&str> = sentence.unicode_words().collect();
            names_one(&words, inner, person)
        })
    })
}

/// The same of one sentence; `inner` when its first word stands within one.
fn names_one(words: &[&str], inner: bool, person: bool) -> bool {
    let upper = |word: &&str| begins_upper(word) && *word != "I" && !word.starts_with("I'");
    let listed = |word: &&str, list: &[&str]| list.contains(&word.to_lowercase().as_str());
    let dated = |word: &&str| {
        let lower = word.to_lowercase();
        let one = lower.strip_suffix('s').unwrap_or(&lower);
        [&*lower, one].iter().any(|word| MOMENTS.contains(word) && !JOINING_TIMES.contains(word))
    };
    let mut start = 0;
    words.chunk_by(|a, b| upper(a) == upper(b)).any(|run| {
        let at = start;
        start += run.len();
        if !run.first().is_some_and(upper) {
            return false;
        }
        let before = words.get(at.saturating_sub(2)..at).unwrap_or_default();
        let prefixed = run.first().is_some_and(|word| listed(word, PLACE_PREFIXES));
        let led = before.iter().any(|word| listed(word, PLACING)) || (at == 0 && prefixed);
        let place = person && led && (prefixed || run.last().is_some_and(|word| listed(word, PLACE_PARTS)));
        let count = run.iter().filter(|word| !dated(word)).count();
        !place && count > usize::from(at == 0 && !inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_tell_times_of_their_own() {
        for (heading, left) in [
            ("Before your visit", " your visit"),
            ("16 May", "16 May"),
            ("Before arrival:", "Before arrival:"),
            ("What you may bring", "What you  bring"),
        ] {
            assert_eq!(beyond_joining(heading), left);
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
            (Expected::Moment, "Open daily 9am–5pm.", true),
            (Expected::Moment, "From 9.30 p.m. on", true),
            (Expected::Moment, "From 9 am to 5", true),
            (Expected::Moment, "Delivery is free from 50 euros.", false),
            (Expected::Moment, "Wash at 40 degrees, sold at every station.", false),
            (Expected::Moment, "Parkstraße 12 am Markt", false),
            (Expected::Moment, "Alle drei Filialen nehmen Karten.", false),
            (Expected::Moment, "Las tres sucursales aceptan tarjeta.", false),
            (Expected::Moment, "L'église date du XIIe siècle.", true),
            (Expected::Moment, "Aperto tutti i giorni.", true),
            (Expected::Moment, "Open 9am to 5 p.m.", true),
            (Expected::Moment, "Day Clinic, Level 3, tel. 01632 960 118", false),
            (Expected::Moment, "It comes the next working day.", true),
            (Expected::Moment, "Needed from the eighth calendar day", true),
            (Expected::Moment, "Jede zweite Woche", true),
            (Expected::Moment, "Innerhalb von vierzehn Tagen", true),
            (Expected::Moment, "Es wird am letzten Tag des Monats überwiesen.", true),
            (Expected::Moment, "Los pedidos llegan al día siguiente.", true),
            (Expected::Moment, "Possibile dalle ore 15.", true),
            (Expected::Moment, "Mon–Fri 9–17, Sat 10–14", true),
            (Expected::Moment, "The reception is open 24/7.", true),
            (Expected::Moment, "We are here between 9 and 5.", true),
            (Expected::Moment, "Abrimos de 9 a 14 y de 17 a 20.", true),
            (Expected::Extent, "The cable is 2 m long.", true),
            (Expected::Extent, "Up to 30 metres, or 2.5m.", true),
            (Expected::Extent, "Parking meters take 1 and 2 euro coins.", false),
            (Expected::Duration, "The hose is 2 m long.", false),
            (Expected::Duration, "It ran from 1870 to 1939.", true),
            (Expected::Count, "Tiramisu ... 7.20", false),
            (Expected::Count, "Version 4.2, effective 1 March 2026", false),
            (Expected::Count, "The tank holds 4.6 litres.", true),
            (Expected::Count, "It is a 1.7-litre kettle.", true),
            (Expected::Count, "Heat it to 37.5 °C", true),
            (Expected::Count, "There are 1,200 seats", true),
            (Expected::Person, "Lessons are given by Anna.", true),
            (Expected::Person, "Anna Berg leads it.", true),
            (Expected::Person, "The head teacher is Mrs Hall.", true),
            (Expected::Person, "Sarah Lane leads it.", true),
            (Expected::Person, "The class is given by Anna via Zoom.", true),
            (Expected::Person, "The caretaker is Berg, room 12.", true),
            (Expected::Person, "Our teachers:\n- Anna (piano)\n- Boris (violin)", true),
            (Expected::Person, "They are handled by the Service Center.", true),
            (Expected::Person, "Repairs are arranged by the Building Manager.", true),
            (Expected::Person, "Anna | Piano | Tuesday", true),
            (Expected::Person, "El curso lo da la dra. García.", true),
            (Expected::Person, "Open Monday to Friday.", false),
            (Expected::Person, "Via Roma corner Station Street, closed on Mondays", false),
            (
                Expected::Person,
                "The council meets on Mondays in the Grange Hall.\nResidents may speak.",
                false,
            ),
            (Expected::Place, "They are built in Osterby.", true),
            (Expected::Place, "The filter sits behind the lower flap.", true),
            (Expected::Place, "The plug is on the left.", true),
            (Expected::Place, "It is served on the ground floor.", true),
            (Expected::Place, "You have the right to return it.", false),
            (Expected::Place, "open between 9 and 17, children under 12 pay less", false),
            (Expected::Place, "many towns, e.g. Osterby.", true),
            (Expected::Place, "- Osterby: chairs", true),
            (Expected::Place, "They are built abroad.", false),
        ] {
            assert_eq!(expected.is_met_by(sentence), Some(met), "{sentence}");
        }
        assert_eq!(Expected::Anything.is_met_by("Any."), None);
    }
}
