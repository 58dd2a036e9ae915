//! Words of a question, its names and what it is about.

use super::grammar::{ENGLISH, Grammar};
use super::vocabulary::{LISTINGS, NO_SUBJECT};

/// A word between spaces.
pub(super) struct Word<'a> {
    /// As written, punctuation around it included.
    pub(super) text: &'a str,
    /// Lower-cased, without the punctuation around it.
    pub(super) bare: String,
}

impl Word<'_> {
    /// Whether it, or a part of it before or after an apostrophe or hyphen ("coûte-t-elle"), is in the list.
    pub(super) fn is_in(&self, list: &[&str]) -> bool {
        list.contains(&self.bare.as_str())
            || (self.bare.contains(['\'', '-'])
                && self.bare.split(['\'', '-']).any(|part| part.len() > 1 && list.contains(&part)))
    }

    pub(super) fn trimmed(&self) -> &str {
        self.text.trim_matches(|c: char| !c.is_alphanumeric())
    }

    pub(super) fn starts_upper(&self) -> bool {
        self.trimmed().chars().next().is_some_and(char::is_uppercase)
    }

    pub(super) fn has_digit(&self) -> bool {
        self.text.bytes().any(|byte| byte.is_ascii_digit())
    }

    pub(super) fn is_name(&self) -> bool {
        self.starts_upper() || self.has_digit()
    }
}

pub(super) fn words(text: &str) -> Vec<Word<'_>> {
    text.split_whitespace()
        .map(|text| Word {
            text,
            bare: text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'"),
        })
        .filter(|word| !word.bare.is_empty())
        .collect()
}

/// Where the names of a text stand. Where all nouns have a capital, one of them is a name beside another
/// or beside a number only.
pub(super) fn names(all: &[Word<'_>], grammar: &Grammar) -> Vec<usize> {
    let is = |at: usize| at > 0 && all.get(at).is_some_and(Word::is_name);
    let marked = |at: usize| {
        let digit = all.get(at).is_some_and(Word::has_digit);
        !grammar.capitals_nouns || digit || is(at - 1) || is(at + 1)
    };
    (1..all.len()).filter(|at| is(*at) && marked(*at)).collect()
}

/// What a question is about: from its first article on, or its names, or its last words.
pub(super) fn subject(question: &str, grammar: &Grammar) -> Option<String> {
    let all = words(question);
    let stop = |word: &Word<'_>| word.is_in(grammar.verbs) || word.is_in(grammar.question_words);
    let phrase = |from: usize| -> Vec<&str> {
        let mut said = Vec::new();
        for (at, word) in all.iter().enumerate().skip(from) {
            if at > from && stop(word) {
                break;
            }
            said.push(word.text);
        }
        said
    };
    let article = all.iter().enumerate().find(|(at, word)| {
        word.is_in(grammar.determiners)
            && all.get(at + 1).is_some_and(|next| !stop(next) && !next.is_in(grammar.prepositions))
    });
    if let Some(listed) = listed(question, grammar)
        && article.as_ref().is_none_or(|(at, _)| ranks(&all, *at))
    {
        return Some(listed);
    }
    let found = match article {
        Some((at, _)) => phrase(at),
        None => match names(&all, grammar).first() {
            Some(at) => phrase(*at),
            None => phrase(all.iter().rposition(stop).map_or(0, |at| at + 1)),
        },
    };
    let of = found.iter().position(|word| *word == "of").filter(|of| *of + 1 < found.len());
    let attribute = |of: &usize| {
        let before = found.get(of.saturating_sub(1));
        before.is_some_and(|word| grammar.attributes.contains(&word.to_lowercase().as_str()))
    };
    let from = of.filter(attribute).map_or(0, |of| of + 1);
    let text = found.get(from..).unwrap_or_default().join(" ");
    let text = text.trim_matches(|c: char| c.is_whitespace() || "?!.,;:¿¡".contains(c));
    let idle = words(text).iter().all(|word| NO_SUBJECT.contains(&word.bare.as_str()));
    (!text.is_empty() && !idle).then(|| text.to_owned())
}

/// Whether the article there begins "the quietest" after "which … is", which names nothing.
fn ranks(all: &[Word<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| all.get(at));
    all.first().is_some_and(|word| word.bare == "which")
        && before.is_some_and(|word| matches!(word.bare.as_str(), "is" | "are" | "has" | "have"))
}

/// What an English question lists or counts, with what it says of it: "pending orders" of "how many
/// orders are pending", "orders from Rome" of "show orders from Rome".
pub(super) fn listed(question: &str, grammar: &Grammar) -> Option<String> {
    let all = words(question);
    let begins = |listing: &&&str| {
        let parts: Vec<&str> = listing.split(' ').collect();
        parts.len() < all.len() && parts.iter().zip(&all).all(|(part, word)| word.bare == *part)
    };
    let listing = LISTINGS.iter().find(begins).filter(|_| std::ptr::eq(grammar, &raw const ENGLISH))?;
    let from = listing.split(' ').count();
    let verb = |word: &Word<'_>| word.is_in(grammar.verbs);
    let end = (from..all.len()).find(|at| all.get(*at).is_some_and(verb)).unwrap_or(all.len());
    let said = |from: usize, to: usize| {
        let part = all.get(from..to).unwrap_or_default();
        let text = part.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
        text.trim_matches(|c: char| c.is_whitespace() || "?!.,;:".contains(c)).to_owned()
    };
    let small = |word: &Word<'_>| word.is_in(grammar.pronouns) || word.is_in(grammar.prepositions);
    if all.get(from..end)?.first().is_none_or(small) {
        return None;
    }
    let noun = said(from, end);
    let is = all.get(end).is_some_and(|word| matches!(word.bare.as_str(), "is" | "are"));
    let rest = all.get(end + 1..).unwrap_or_default();
    let plain = |word: &Word<'_>| !NO_SUBJECT.contains(&word.bare.as_str()) && !verb(word);
    let state =
        is && rest.first().is_some_and(|word| !word.is_in(grammar.determiners)) && rest.iter().all(plain);
    Some(match rest {
        [_] if state => format!("{} {noun}", said(end + 1, all.len())),
        _ if state => format!("{noun} {}", said(end + 1, all.len())),
        _ => noun,
    })
}

/// Whether the word is a day (`true`) or a month (`false`).
pub(super) fn day_or_month(word: &Word<'_>, grammar: &Grammar) -> Option<bool> {
    // "may" is a month when it is written as one.
    if word.bare == "may" && !word.starts_upper() {
        return None;
    }
    let one = |list: &[&str]| {
        list.iter().any(|date| word.bare.strip_prefix(date).is_some_and(|end| matches!(end, "" | "s")))
    };
    if one(grammar.days) { Some(true) } else { one(grammar.months).then_some(false) }
}

/// Whether a text is in a script that puts no spaces between words.
pub(super) fn has_no_spaces(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'))
}
