//! The subject in the place of a pronoun, in English.

use super::grammar::ENGLISH;
use super::text::Word;

const OWNERS: &[&str] = &["its", "their", "his", "her"];

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
