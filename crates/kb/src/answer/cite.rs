//! Sentences put together to an answer with its citations.

use super::Citation;
use super::select::Candidate;
use super::sentences::of_item;
use crate::search::Match;
use crate::{File, records};
use quarry_types::{CharRange, PassageKind};
use std::collections::HashMap;
use unicode_segmentation::UnicodeSegmentation;

/// Puts the sentences together and numbers their sources from 1. Sentences that follow one another
/// become one quote; the rows of a table are written out with the names of their columns. Sentences of
/// several files stand in lines of their own under the name of their file.
pub(super) fn cite(matches: &[Match], chosen: &[Candidate]) -> (String, Vec<Citation>) {
    let mut quotes: Vec<(&Match, CharRange, &Candidate)> = Vec::new();
    for sentence in chosen {
        let Some(found) = matches.get(sentence.passage) else { continue };
        let alone = chosen.len() == 1;
        let range = sentence.grown.filter(|_| alone).unwrap_or(sentence.range);
        let prose = !matches!(found.record.passage.kind, PassageKind::Table | PassageKind::Code);
        if let Some((last, before, _)) = quotes.last_mut()
            && prose
            && std::ptr::eq(*last, found)
            && range.start >= before.end
            && between(found, before.end, range.start).chars().all(|c| c == ' ')
        {
            before.end = range.end;
            continue;
        }
        quotes.push((found, range, sentence));
    }
    let several = chosen.iter().any(|sentence| Some(sentence.file) != chosen.first().map(|first| first.file));
    let mut answer = String::new();
    let mut citations: Vec<Citation> = Vec::new();
    let mut seen: HashMap<String, ()> = HashMap::new();
    for (found, range, sentence) in quotes {
        let quote = between(found, range.start, range.end).to_owned();
        if quote.is_empty() || seen.insert(quote.to_lowercase(), ()).is_some() {
            continue;
        }
        let token = format!("【{}】", citations.len() + 1);
        let header = sentence.header.as_deref();
        let said = header
            .and_then(|header| written_out(header, &quote))
            .or_else(|| under(sentence.above.as_deref()?, &quote))
            .unwrap_or_else(|| quote.clone());
        let other = citations.last().is_none_or(|last: &Citation| last.file.id != found.file.id);
        if !answer.is_empty() {
            let row = found.record.passage.kind != PassageKind::Paragraph;
            answer.push(if row || quote.contains('\n') || (several && other) { '\n' } else { ' ' });
        }
        let said =
            if several && other { format!("{}: {said}", name(&found.file, matches, chosen)) } else { said };
        // A document's own brackets must not pass for tokens.
        answer.push_str(&said.replace('【', "[").replace('】', "]"));
        answer.push_str(&token);
        let published = found.file.published.as_ref();
        let page = published.and_then(|published| published.page_of(range.start));
        citations.push(Citation {
            token,
            passage_id: records::passage_uuid(
                &found.file.id,
                found.generation,
                found.record.passage.position,
            ),
            page: page.or(found.record.passage.page),
            start: range.start,
            end: range.end,
            quote,
            file: found.file.clone(),
        });
    }
    (answer, citations)
}

/// What tells a file from the others that are cited: its title, or its key where another has that title too.
fn name(file: &File, matches: &[Match], chosen: &[Candidate]) -> String {
    let own = title(file);
    let mut others =
        chosen.iter().filter_map(|sentence| matches.get(sentence.passage)).map(|found| &found.file);
    let shared = others.any(|other| other.id != file.id && title(other) == own);
    if shared { file.key.clone() } else { own }
}

/// What a file is called: its title, else the last part of its key.
fn title(file: &File) -> String {
    let told = file.metadata.get("title").and_then(serde_json::Value::as_str).map(str::trim);
    let found = file.published.as_ref().and_then(|published| published.facts.as_ref()?.title.as_deref());
    let name = told.filter(|title| !title.is_empty()).or(found).unwrap_or_else(|| {
        let name = file.key.rsplit('/').next().unwrap_or(&file.key);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    });
    name.to_owned()
}

/// The slice of a match's passage between two characters of its file.
fn between(found: &Match, start: u32, end: u32) -> &str {
    let passage = &found.record.passage;
    let local = |at: u32| at.saturating_sub(passage.range.start);
    CharRange { start: local(start), end: local(end) }.slice(&passage.text)
}

/// A row of a table as `first cell: column value, column value`; `None` when it does not fit its header.
fn written_out(header: &str, row: &str) -> Option<String> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches([' ', '|']).split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let (names, values) = (cells(header), cells(row));
    let (first, rest) = values.split_first()?;
    if names.len() != values.len() || rest.is_empty() || row.contains('\n') || first.is_empty() {
        return None;
    }
    let told: Vec<String> = names
        .iter()
        .skip(1)
        .zip(rest)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| if name.is_empty() { value.clone() } else { format!("{name} {value}") })
        .collect();
    (!told.is_empty()).then(|| format!("{first}: {}", told.join(", ")))
}

/// One sentence, or item of a list, under the heading or line that says what it is about: `Version 2.4: Exports are
/// faster.`; `None` where that asks, or says nothing that the sentence does not.
fn under(heading: &str, quote: &str) -> Option<String> {
    if quote.contains('\n') {
        return None;
    }
    let said = of_item(quote).unwrap_or(quote);
    let lower = said.to_lowercase();
    let told = heading.to_lowercase().unicode_words().all(|word| lower.contains(word));
    let asks = heading.trim_end().ends_with(['?', '？']);
    (!told && !asks).then(|| format!("{}: {said}", heading.trim_end_matches([':', ' '])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_heading_says_is_told_with_it() {
        let told = under("Version 2.4 (3 March):", "- Exports are faster.");
        assert_eq!(told.as_deref(), Some("Version 2.4 (3 March): Exports are faster."));
        assert_eq!(under("What is new?", "- Exports are faster."), None);
        assert_eq!(under("Exports", "- Exports are faster."), None);
        let told = under("Version 2.4", "Exports are faster.");
        assert_eq!(told.as_deref(), Some("Version 2.4: Exports are faster."));
        assert_eq!(under("Steps", "1. Open it.\n2. Close it."), None);
    }

    #[test]
    fn a_row_is_told_with_its_columns() {
        assert_eq!(written_out("Plan | Price", "Heron | 29 €").as_deref(), Some("Heron: Price 29 €"));
        assert_eq!(written_out("Plan | Price", "Heron"), None);
    }
}
