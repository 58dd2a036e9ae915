//! "And the W900?": the question before with a part of it exchanged.

use super::grammar::{ENGLISH, Grammar};
use super::text::{Word, day_or_month, names, words};
use super::vocabulary::MEASURED;

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
    // "What about Sundays?": a day beside no other day.
    let dated = |word: &Word<'_>| day_or_month(word, grammar);
    let spoken: Vec<&Word<'_>> = piece.iter().filter(|word| !word.is_in(grammar.determiners)).collect();
    if let [date] = spoken.as_slice()
        && let Some(is_day) = dated(date).filter(|_| !all.iter().any(|word| dated(word).is_some()))
    {
        let before = if is_day { grammar.on_day } else { grammar.in_month };
        // "sonntags" and "el domingo" stand by themselves.
        let alone = is_determined || (grammar.capitals_nouns && !date.starts_upper());
        let said = if alone { new.to_owned() } else { format!("{before} {new}") };
        let question = join(0, all.len());
        return format!(
            "{} {said}?",
            question.trim_end_matches(|c: char| c.is_whitespace() || "?!.".contains(c))
        );
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
    let which = |at: &usize| all.get(*at).is_some_and(|word| word.bare == "which");
    if let Some(at) =
        counted.filter(|at| (!is_determined || which(at)) && std::ptr::eq(grammar, &raw const ENGLISH))
        && let Some(end) =
            (at + 2..all.len()).find(|end| all.get(*end).is_some_and(|word| word.is_in(grammar.verbs)))
    {
        let bare = first.filter(|_| is_determined).and_then(|word| new.strip_prefix(word.text));
        let (head, tail) = (join(0, at + 1), join(end, all.len()));
        return bare.map_or_else(
            || glue(head.clone(), tail.clone()),
            |bare| format!("{head} {} {tail}", bare.trim()),
        );
    }
    let article = all.iter().rposition(|word| word.is_in(grammar.determiners)).filter(|at| *at > 0);
    match article {
        Some(at) => {
            let ends = |word: &Word<'_>| word.is_in(grammar.verbs) || word.is_in(grammar.prepositions);
            let end = (at + 1..all.len()).find(|end| all.get(*end).is_some_and(ends)).unwrap_or(all.len());
            // "and the rating?" after "the average price": the average stays.
            let measured = all.get(at + 1).is_some_and(|word| MEASURED.contains(&word.bare.as_str()));
            let bare = first.filter(|_| is_determined).and_then(|word| new.strip_prefix(word.text));
            if let Some(bare) = bare.filter(|_| measured && end > at + 2) {
                let tail = join(end, all.len());
                let text = format!("{} {} {tail}", join(0, at + 2), bare.trim());
                return format!("{}?", text.trim().trim_end_matches(['?', '.', '!', ' ']));
            }
            glue(join(0, if is_determined { at } else { at + 1 }), join(end, all.len()))
        }
        None => append(),
    }
}
