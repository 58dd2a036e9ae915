//! Follow-up questions made whole: "How loud is it?" after "How heavy is the Brook W740?" becomes
//! "How loud is the Brook W740?".
//!
//! By rules over the small words of English, German, Spanish, French, Italian and Portuguese, the same
//! every time. In English the subject takes the pronoun's place, in the others it is put behind the
//! question, which needs no endings. A short piece in another language takes the names of the question
//! before along. A question that stands alone stays as it is. Knows no documents.

mod english;
mod grammar;
mod piece;
mod text;
mod vocabulary;

use crate::ask::{MAX_QUESTION_BYTES, Turn, Who};
use grammar::{ALL, ENGLISH, Grammar};
use text::{Word, has_no_spaces, words};
use vocabulary::{DATES, FOREIGN, MEASURES, ROW_PRONOUNS};

/// Longest follow-up in words that is read as a mere piece of a question.
const PIECE_WORDS: usize = 4;
/// A lead of so many words ("qu'en est-il du") asks for another thing by itself.
const LONG_LEAD: usize = 3;

/// The question made whole with what was said before (oldest first); `None` when it stands alone.
pub(crate) fn standalone(question: &str, turns: &[Turn]) -> Option<String> {
    let (before, answer) = earlier(turns);
    let whole = resolved(question, &before?, answer)?;
    (whole.len() <= MAX_QUESTION_BYTES).then_some(whole)
}

/// The last question, made whole, and its answer.
fn earlier(turns: &[Turn]) -> (Option<String>, Option<&str>) {
    let mut before: Option<String> = None;
    let mut answer: Option<&str> = None;
    for turn in turns {
        match turn.who {
            Who::User => {
                let whole = before.as_deref().and_then(|before| resolved(&turn.text, before, answer));
                (before, answer) = (Some(whole.unwrap_or_else(|| turn.text.clone())), None);
            }
            Who::Assistant => answer = Some(&turn.text),
        }
    }
    (before, answer)
}

/// What a follow-up takes along from the question before when both are queries of one table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Carried {
    /// The question before, made whole.
    pub(crate) before: String,
    /// What is said now.
    pub(crate) now: String,
    pub(crate) kind: Carry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carry {
    /// "And delivered?": the query before, of other rows.
    Query,
    /// "Which of them …?": the rows before, asked something else.
    Rows,
}

/// What an English follow-up takes along; `None` when it stands alone.
pub(crate) fn carried(question: &str, turns: &[Turn]) -> Option<Carried> {
    let (before, _) = earlier(turns);
    let before = before.filter(|before| before.len() <= MAX_QUESTION_BYTES)?;
    let other =
        |text: &str| spoken_in(text).is_some_and(|grammar| !std::ptr::eq(grammar, &raw const ENGLISH));
    if is_foreign(question) || other(question) || other(&before) {
        return None;
    }
    let all = words(question);
    let lead = lead(&all, &ENGLISH);
    let rest = all.get(lead..).unwrap_or_default();
    let asks_of_rows = rest.iter().any(|word| ROW_PRONOUNS.contains(&word.bare.as_str()))
        || english::without_noun(rest, "").is_some()
        || english::asks_for_most(rest);
    let piece = is_piece(rest, lead, &ENGLISH) && !(0..rest.len()).any(|at| points(rest, at, &ENGLISH));
    let kind = match (asks_of_rows, piece) {
        (true, _) => Carry::Rows,
        (false, true) => Carry::Query,
        (false, false) => return None,
    };
    let now = rest.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    Some(Carried { before, now, kind })
}

fn resolved(question: &str, before: &str, answer: Option<&str>) -> Option<String> {
    if is_foreign(question) {
        return of_any_language(question, before);
    }
    let Some(grammar) = spoken_in(question).or_else(|| spoken_in(before)) else {
        return of_any_language(question, before);
    };
    let all = words(question);
    let lead = lead(&all, grammar);
    let rest = all.get(lead..).unwrap_or_default();
    if is_piece(rest, lead, grammar) && !(0..rest.len()).any(|at| points(rest, at, grammar)) {
        return Some(piece::swapped(before, rest, grammar));
    }
    if std::ptr::eq(grammar, &raw const ENGLISH)
        && let Some(listed) = text::listed(before, grammar)
        && let Some(whole) = english::without_noun(rest, &listed)
    {
        return Some(whole);
    }
    let named = answer.and_then(|answer| entity(before, answer, grammar));
    let subject = named.or_else(|| text::subject(before, grammar))?;
    if std::ptr::eq(grammar, &raw const ENGLISH) {
        return english::pronouns(rest, &subject);
    }
    if !points_back(rest, grammar) {
        return None;
    }
    let known = |word: &str| all.iter().any(|own| own.bare == word.to_lowercase());
    (!subject.split_whitespace().all(known)).then(|| behind(question, &subject))
}

/// Whether a text has words of a language that is not understood here.
fn is_foreign(text: &str) -> bool {
    words(text).iter().any(|word| FOREIGN.contains(&word.bare.as_str()))
}

/// Whether a question without its lead is a mere piece of one. Few verbs are known outside English, so a
/// piece begins there as a noun phrase does, or is a name or a single word.
fn is_piece(rest: &[Word<'_>], lead: usize, grammar: &Grammar) -> bool {
    let asks = rest.iter().any(|word| word.is_in(grammar.verbs) || word.is_in(grammar.question_words));
    let Some(first) = rest.first().filter(|_| !asks && (lead > 0 || rest.len() <= PIECE_WORDS)) else {
        return false;
    };
    if std::ptr::eq(grammar, &raw const ENGLISH) || lead >= LONG_LEAD {
        return true;
    }
    let phrase = [grammar.determiners, grammar.demonstratives, grammar.prepositions];
    // "Acceptez-vous Visa ?" asks.
    let turned = first.bare.contains('-') && first.is_in(grammar.others);
    let begins = phrase.iter().any(|list| first.is_in(list)) || first.has_digit();
    let short = rest.len() == 1 || (rest.len() == 2 && rest.last().is_some_and(Word::is_name));
    !turned && (begins || short)
}

/// Whether the word there stands for what was spoken of.
fn points(rest: &[Word<'_>], at: usize, grammar: &Grammar) -> bool {
    let Some(word) = rest.get(at) else { return false };
    let next = rest.get(at + 1);
    let before = at.checked_sub(1).and_then(|at| rest.get(at));
    let joins = |word: &Word<'_>| word.is_in(grammar.verbs) || word.is_in(grammar.prepositions);
    if word.is_in(grammar.demonstratives) {
        return next.is_none_or(joins);
    }
    if !word.is_in(grammar.pronouns) {
        return false;
    }
    // "Sie" is whom one speaks to; at the end "sein" is a verb.
    let polite = at > 0 && grammar.capitals_nouns && word.starts_upper();
    let last = next.is_none() && word.bare == "sein";
    // "Habt ihr sonntags offen?" speaks to several, "ist ihr Preis" of one thing.
    let plural = grammar.capitals_nouns
        && word.bare == "ihr"
        && !(next.is_some_and(Word::starts_upper) && before.is_some_and(joins));
    // "La piscine est-elle ouverte ?" names what "elle" stands for.
    let own = rest.get(..at).unwrap_or_default().windows(2);
    let own = own.into_iter().any(|pair| matches!(pair, [a, b] if a.is_in(grammar.determiners) && !joins(b)));
    !(polite || last || plural || (own && word.bare.contains('-')))
}

/// The language whose small words a text has most of; `None` when it has fewer than two of each.
fn spoken_in(text: &str) -> Option<&'static Grammar> {
    if is_foreign(text) {
        return None;
    }
    let all = words(text);
    let mut best: Option<(usize, &'static Grammar)> = None;
    for grammar in std::iter::once(&ENGLISH).chain(ALL) {
        let weigh = |(at, word): (usize, &Word<'_>)| {
            // A single letter is a word of too many languages, and a word counts once.
            let earlier = all.get(..at).unwrap_or_default();
            if word.bare.chars().count() == 1 || earlier.iter().any(|one| one.bare == word.bare) {
                return 0;
            }
            if word.is_in(grammar.question_words) {
                return 2;
            }
            let lists = [
                grammar.pronouns,
                grammar.demonstratives,
                grammar.determiners,
                grammar.prepositions,
                grammar.verbs,
                grammar.others,
            ];
            usize::from(lists.iter().any(|list| word.is_in(list)))
        };
        let count = all.iter().enumerate().map(weigh).sum::<usize>() + usize::from(lead(&all, grammar) > 0);
        if count >= 2 && count > best.map_or(0, |(most, _)| most) {
            best = Some((count, grammar));
        }
    }
    best.map(|(_, grammar)| grammar)
}

/// How many words at the beginning only say that more is asked.
fn lead(all: &[Word<'_>], grammar: &Grammar) -> usize {
    let begins = |lead: &&&str| {
        let mut words = all.iter();
        lead.split(' ').all(|part| words.next().is_some_and(|word| word.bare == part))
    };
    let longest = grammar.leads.iter().filter(begins).map(|lead| lead.split(' ').count()).max();
    longest.filter(|count| *count < all.len()).unwrap_or(0)
}

/// Whether a question in another language than English has a pronoun, or no thing of its own.
fn points_back(rest: &[Word<'_>], grammar: &Grammar) -> bool {
    let verb = |word: &Word<'_>| word.is_in(grammar.verbs);
    let small = |word: &Word<'_>| {
        verb(word)
            || word.is_in(grammar.question_words)
            || word.is_in(grammar.prepositions)
            || word.is_in(grammar.determiners)
            || word.is_in(grammar.pronouns)
            || word.is_in(grammar.demonstratives)
    };
    let impersonal = rest.iter().any(|word| grammar.impersonal.contains(&word.bare.as_str()));
    let pronoun = !impersonal && (0..rest.len()).any(|at| points(rest, at, grammar));
    let alone = rest.iter().enumerate().any(|(at, word)| {
        word.is_in(grammar.determiners)
            && !word.is_in(grammar.prepositions)
            && rest.get(at + 1).is_none_or(verb)
    });
    let content = rest.iter().filter(|word| !small(word)).count();
    let thing =
        rest.windows(2).any(|pair| matches!(pair, [a, b] if a.is_in(grammar.determiners) && !small(b)));
    let named = !text::names(rest, grammar).is_empty();
    // "¿Cómo la limpio?": the one word that is left is the verb.
    let bare = !named && content <= 1 && (!thing || !rest.iter().any(verb));
    let noun = grammar.capitals_nouns && rest.iter().skip(1).any(Word::starts_upper);
    pronoun || alone || (bare && !noun && !impersonal)
}

/// What a question for a thing or a person ("which", "who") was answered with, when the answer begins
/// with its name.
fn entity(before: &str, answer: &str, grammar: &Grammar) -> Option<String> {
    let asked = words(before);
    let choice = asked.iter().take(2).position(|word| word.is_in(grammar.choices))?;
    let measured = |word: &Word<'_>| MEASURES.contains(&word.bare.as_str());
    if asked.get(choice + 1).is_some_and(measured) {
        return None;
    }
    // Of several lines none is the one that was meant.
    let mut lines = answer.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().filter(|_| lines.next().is_none())?;
    let first = first.split('【').next().unwrap_or_default();
    // The lines of a table begin with the name of their row; a word before a colon may be "Important".
    if let Some((label, _)) = first.split_once(": ").filter(|(label, _)| label.split(' ').count() <= 5) {
        let own = words(label);
        let named = own.iter().skip(1).any(Word::is_name) || own.iter().any(Word::has_digit);
        // "Who teaches Rust?" is answered by what stands behind the row's name.
        let people = asked.get(choice).is_some_and(|word| word.bare == "who");
        let told = first.split_once(": ").map_or("", |(_, told)| told);
        if let Some(person) = Some(person(told)).filter(|person| people && !person.is_empty()) {
            return Some(person);
        }
        let own: Vec<&Word<'_>> = own.iter().collect();
        return (named && names_a_thing(&own)).then(|| label.trim().to_owned());
    }
    let all = words(first);
    let places = text::names(&all, grammar);
    let from = *places.first().filter(|at| **at <= 4)?;
    let run = places.iter().enumerate().take_while(|(nth, at)| **at == from + nth).map(|(_, at)| *at);
    let run: Vec<&Word<'_>> = run.filter_map(|at| all.get(at)).collect();
    let name: Vec<&str> = run.iter().map(|word| word.trimmed()).collect();
    names_a_thing(&run).then(|| name.join(" "))
}

/// The capitalised words at the end of a text: a person's name after the column it stands in.
fn person(told: &str) -> String {
    let all = words(told);
    let from = all.iter().rposition(|word| !word.starts_upper()).map_or(0, |at| at + 1);
    let name: Vec<&str> = all.iter().skip(from).map(Word::trimmed).collect();
    name.join(" ")
}

/// Whether words name something: one has a capital and none is a day or month.
fn names_a_thing(all: &[&Word<'_>]) -> bool {
    let date = |word: &&Word<'_>| {
        DATES.iter().any(|date| word.bare.strip_prefix(date).is_some_and(|end| matches!(end, "" | "s" | "y")))
    };
    all.iter().any(|word| word.starts_upper()) && !all.iter().any(date)
}

/// A piece without a word of a known language takes the names of the question before, or its longer
/// words, along.
fn of_any_language(question: &str, before: &str) -> Option<String> {
    if has_no_spaces(question) {
        return (question.chars().count() <= 12).then(|| format!("{} {question}", before.trim()));
    }
    let all = words(question);
    let joined = all.first().is_some_and(|word| word.bare.chars().count() == 1);
    if all.is_empty() || all.len() > if joined { 3 } else { 2 } {
        return None;
    }
    let earlier = words(before);
    let names: Vec<&Word<'_>> = earlier.iter().skip(1).filter(|word| word.is_name()).collect();
    let long = earlier.iter().skip(1).filter(|word| word.bare.chars().count() >= 4);
    let kept: Vec<&str> = match names.is_empty() {
        true => long.map(Word::trimmed).collect(),
        false => names.into_iter().map(Word::trimmed).collect(),
    };
    (!kept.is_empty()).then(|| behind(question, &kept.join(" ")))
}

/// The question with its subject behind it.
fn behind(question: &str, subject: &str) -> String {
    let asked = question.trim().trim_end_matches(|c: char| c.is_whitespace() || "?!.".contains(c));
    format!("{asked} – {subject}?")
}

#[cfg(test)]
mod tests;
