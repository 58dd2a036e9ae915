//! The subject in the place of a pronoun, in English.

use super::grammar::ENGLISH;
use super::text::Word;

const OWNERS: &[&str] = &["its", "their", "his", "her"];

/// "How many are there?", "Which is the cheapest?": what was listed is put where the noun is missing.
pub(super) fn without_noun(rest: &[Word<'_>], listed: &str) -> Option<String> {
    let said = |words: &[Word<'_>]| words.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    let verb = |word: &Word<'_>| word.is_in(ENGLISH.verbs);
    match rest {
        [how, many, tail @ ..]
            if how.bare == "how" && many.bare == "many" && tail.first().is_none_or(verb) =>
        {
            let asked = format!("how many {listed} {}", said(tail));
            Some(format!("{}?", asked.trim().trim_end_matches(['?', '!', '.'])))
        }
        [which, next, ..] if which.bare == "which" && verb(next) => {
            Some(format!("{} of the {listed}?", said(rest).trim_end_matches(['?', '!', '.', ' '])))
        }
        _ => None,
    }
}

/// "And the cheapest?", "What is the most expensive?": a superlative without a noun ends the question.
pub(super) fn asks_for_most(rest: &[Word<'_>]) -> bool {
    let superlative = |word: &Word<'_>| word.bare.len() > 4 && word.bare.ends_with("est");
    let raised = |word: &Word<'_>| matches!(word.bare.as_str(), "most" | "least");
    match rest {
        [.., before, last] => {
            let the = |word: &Word<'_>| word.bare == "the";
            (superlative(last) && the(before)) || (raised(before) && rest.iter().any(the))
        }
        _ => false,
    }
}

/// Puts the subject of the question before in the place of the first pronoun; "How loud?" gets it behind.
pub(super) fn pronouns(rest: &[Word<'_>], subject: &str) -> Option<String> {
    let mut said: Vec<String> = Vec::with_capacity(rest.len());
    let mut replaced = false;
    for (at, word) in rest.iter().enumerate() {
        let next = rest.get(at + 1);
        let tail: String = word.text.chars().rev().take_while(|c| !c.is_alphanumeric()).collect();
        let tail: String = tail.chars().rev().collect();
        // "this filter" points at a filter; "it" before "to …" stands for what follows.
        let alone = next.is_none_or(|next| {
            next.is_in(ENGLISH.verbs) || next.is_in(ENGLISH.prepositions) || !tail.is_empty()
        });
        let empty = word.bare == "it"
            && rest.iter().skip(at + 1).any(|word| word.bare == "to" || word.bare == "that");
        let points = matches!(word.bare.as_str(), "it" | "they" | "them" | "he" | "she" | "him");
        let owner = OWNERS.contains(&word.bare.as_str());
        let thing = word.is_in(ENGLISH.pronouns) && !owner;
        if !replaced && thing && (points || alone) && !empty && (alone || word.bare != "one") {
            said.push(format!("{subject}{tail}"));
            replaced = true;
        } else if !replaced && owner {
            said.push(format!("{subject}'s"));
            replaced = true;
        } else {
            said.push(word.text.to_owned());
        }
    }
    if let ([how, _], false) = (rest, replaced)
        && how.bare == "how"
    {
        return Some(format!("{} is {subject}?", said.join(" ").trim_end_matches(['?', '!', '.'])));
    }
    replaced.then(|| said.join(" "))
}
