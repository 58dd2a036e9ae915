//! "And the W900?": the question before with a part of it exchanged.

use super::grammar::{ENGLISH, Grammar};
use super::text::{Word, names, words};

/// The question before with its last part replaced by the piece: by the same preposition, else name for
/// name, else the last noun phrase; with the piece appended when nothing fits.
pub(super) fn swapped(before: &str, piece: &[Word<'_>], grammar: &Grammar) -> String {
    let all = words(before);
    let join = |from: usize, to: usize| {
        all.get(from..to).unwrap_or_default().iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
    };
    let new: Vec<&str> = piece.iter().map(|word| word.text).collect();
    let new = new.join(" ");
    let new = new.trim_matches(|c: char| "?!.,;:¿¡".contains(c) || c.is_whitespace());
    let glue = |head: String, tail: String| {
        let text = format!("{} {new} {}", head.trim(), tail.trim());
        format!("{}?", text.trim().trim_end_matches(['?', '.', '!', ' ']))
    };
    let append = || glue(join(0, all.len()).trim_end_matches(['?', ' ']).to_owned(), String::new());
    let first = piece.first();
    let is_determined = first.is_some_and(|word| word.is_in(grammar.determiners));
    if let Some(preposition) = first.filter(|word| word.is_in(grammar.prepositions)) {
        let same = all.iter().rposition(|word| word.bare == preposition.bare);
        let any = || all.iter().rposition(|word| word.is_in(grammar.prepositions));
        return match same.or_else(any).filter(|at| *at > 0) {
            Some(at) => glue(join(0, at), String::new()),
            None => append(),
        };
    }
    // A name takes the place of a name, its article with it.
    let places = names(&all, grammar);
    let named = piece.iter().enumerate().any(|(at, word)| match grammar.capitals_nouns {
        true => !names(piece, grammar).is_empty() || (at == 0 && word.is_name() && piece.len() == 1),
        false => word.is_name(),
    });
    if let (Some(from), Some(to), true) = (places.first(), places.last(), named) {
        // "la lavadora W740": a noun may stand between.
        let back = if std::ptr::eq(grammar, &raw const ENGLISH) { 1 } else { 2 };
        let article = (1..=back.min(*from))
            .map(|back| from - back)
            .find(|at| all.get(*at).is_some_and(|word| word.is_in(grammar.determiners)));
        let from = article.filter(|_| is_determined).unwrap_or(*from);
        return glue(join(0, from), join(to + 1, all.len()));
    }
    // "how many chairs are there" and "tables": what is counted is replaced.
    let counted = all.iter().position(|word| matches!(word.bare.as_str(), "many" | "much" | "which"));
    if let Some(at) = counted.filter(|_| !is_determined && std::ptr::eq(grammar, &raw const ENGLISH))
        && let Some(end) =
            (at + 2..all.len()).find(|end| all.get(*end).is_some_and(|word| word.is_in(grammar.verbs)))
    {
        return glue(join(0, at + 1), join(end, all.len()));
    }
    let article = all.iter().rposition(|word| word.is_in(grammar.determiners)).filter(|at| *at > 0);
    match article {
        Some(at) => {
            let ends = |word: &Word<'_>| word.is_in(grammar.verbs) || word.is_in(grammar.prepositions);
            let end = (at + 1..all.len()).find(|end| all.get(*end).is_some_and(ends)).unwrap_or(all.len());
            glue(join(0, if is_determined { at } else { at + 1 }), join(end, all.len()))
        }
        None => append(),
    }
}
