//! Whether what the model says stands in what it cites.
//!
//! Citations are made here from the sources, never taken from the model's words. Invariant: a token in
//! the checked text has a citation whose quote is a slice of its source.

use crate::links::{cleaned, visible};
use crate::reply::{Flag, RowCitation, Source};
use quarry_kb::{Excerpt, Support, denies, support};

/// A claim whose words its passage holds to this share is supported.
const WORDS_ENOUGH: f32 = 0.6;
/// A claim in other words is supported when it means the same as a sentence of the passage (cosine) and
/// shares some words.
const MEANING_ENOUGH: f32 = 0.6;
const SOME_WORDS: f32 = 0.25;

/// Something the model may cite.
#[derive(Debug, Clone)]
pub(crate) enum Citable {
    Passage(Box<Excerpt>),
    /// The rows a line rests on, and the line as the model sees it.
    Row(Vec<RowCitation>, String),
}

impl Citable {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Passage(excerpt) => &excerpt.text,
            Self::Row(_, shown) => shown,
        }
    }

    /// The headings help a claim, but are no part of a quote.
    fn with_headings(&self) -> String {
        match self {
            Self::Passage(excerpt) => {
                let title =
                    excerpt.file.metadata.get("title").and_then(serde_json::Value::as_str).unwrap_or("");
                let columns = excerpt.table_header.as_deref().unwrap_or("");
                format!("{title} {} {columns} {}", excerpt.heading_path.join(" "), excerpt.text)
            }
            Self::Row(rows, shown) => {
                format!("{} {shown}", rows.first().map_or("", |row| row.table.as_str()))
            }
        }
    }

    /// The addresses of this source that may stand in an answer.
    fn addresses(&self) -> Vec<String> {
        match self {
            Self::Passage(excerpt) => {
                let url = excerpt.file.metadata.get("url").and_then(serde_json::Value::as_str);
                url.filter(|url| !url.is_empty()).map(str::to_owned).into_iter().collect()
            }
            Self::Row(..) => Vec::new(),
        }
    }

    /// Whether the claim denies what the source affirms, or the other way round.
    fn contradicts(&self, claim: &str, found: &Support) -> bool {
        match self {
            Self::Passage(_) => !found.denials_agree,
            // A row lists many things, of which some may be denials; and "none" may stand there as 0.
            Self::Row(_, shown) => {
                let mut figures = shown.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ','));
                denies(claim) && !denies(shown) && !figures.any(|figure| figure == "0")
            }
        }
    }
}

/// One sentence, checked.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The text to show, tokens renumbered.
    pub(crate) text: String,
}

/// Checks the sentences of one answer in their order.
#[derive(Debug)]
pub(crate) struct Checker {
    sources: Vec<Citable>,
    pub(crate) citations: Vec<Source>,
    /// Source and quote of each citation.
    cited: Vec<(usize, usize, usize)>,
    pub(crate) flags: Vec<Flag>,
    /// Sentences that are carried by what they cite.
    pub(crate) supported: usize,
    /// Sentences that claim something.
    pub(crate) claims: usize,
}

/// A sentence taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// White space before it.
    lead: String,
    /// Its words, without tokens.
    pub(crate) text: String,
    /// White space after it.
    tail: String,
    /// The ids it cites, from 1, known ones only.
    pub(crate) ids: Vec<usize>,
    unknown: bool,
}

impl Checker {
    pub(crate) fn new(sources: Vec<Citable>) -> Self {
        Self { sources, citations: Vec::new(), cited: Vec::new(), flags: Vec::new(), supported: 0, claims: 0 }
    }

    /// Takes a piece of the model's text apart.
    pub(crate) fn read(&self, piece: &str) -> Claim {
        let (mut text, mut ids, mut unknown) = (String::with_capacity(piece.len()), Vec::new(), false);
        let mut rest = piece;
        while let Some((before, after)) = rest.split_once('【') {
            text.push_str(before.trim_end_matches(' '));
            let (inside, after) = after.split_once('】').unwrap_or((after, ""));
            for id in inside.split(|c: char| !c.is_alphanumeric()).filter(|id| !id.is_empty()) {
                match id.parse::<usize>().ok().filter(|id| (1..=self.sources.len()).contains(id)) {
                    Some(id) if ids.contains(&id) => {}
                    Some(id) => ids.push(id),
                    None => unknown = true,
                }
            }
            rest = after;
        }
        text.push_str(rest);
        // A bracket that was never opened is no token.
        let text = visible(&text).replace('】', "");
        let trimmed = text.trim();
        let at = text.find(trimmed).unwrap_or(0);
        Claim {
            lead: text.get(..at).unwrap_or_default().to_owned(),
            tail: text.get(at + trimmed.len()..).unwrap_or_default().to_owned(),
            text: trimmed.to_owned(),
            ids,
            unknown,
        }
    }

    /// The texts to compare by meaning: the claim, then the best sentence of each source it cites.
    pub(crate) fn texts_to_embed(&self, claim: &Claim) -> Vec<String> {
        let quotes = claim.ids.iter().filter_map(|id| {
            let text = self.sources.get(id - 1)?.text();
            let found = support(&claim.text, text);
            text.get(found.start..found.end).map(str::to_owned)
        });
        std::iter::once(claim.text.clone()).chain(quotes).collect()
    }

    /// The addresses of all sources, which may stand in the answer as far as they passed [`Self::judge`].
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.sources.iter().flat_map(Citable::addresses).collect()
    }

    /// Cites a part of a source, or the rows it rests on; their tokens.
    fn cite(&mut self, source: usize, from: usize, to: usize) -> Vec<String> {
        let mut tokens = Vec::new();
        let count = match self.sources.get(source) {
            Some(Citable::Row(rows, _)) => rows.len(),
            _ => 1,
        };
        for nth in 0..count {
            let place = match self.sources.get(source) {
                Some(Citable::Row(..)) => (source, nth, nth),
                _ => (source, from, to),
            };
            if let Some(known) = self.cited.iter().position(|cited| *cited == place) {
                tokens.extend(self.citations.get(known).map(|citation| citation.token().to_owned()));
                continue;
            }
            let token = format!("【{}】", self.citations.len() + 1);
            let citation = match self.sources.get(source) {
                Some(Citable::Passage(excerpt)) => {
                    Source::Passage(Box::new(excerpt.cite(token.clone(), from, to)))
                }
                Some(Citable::Row(rows, _)) => match rows.get(nth) {
                    Some(row) => Source::Row(RowCitation { token: token.clone(), ..row.clone() }),
                    None => continue,
                },
                None => continue,
            };
            self.citations.push(citation);
            self.cited.push(place);
            tokens.push(token);
        }
        tokens
    }

    /// Judges a claim; `cosines` = closeness in meaning to each source it cites.
    pub(crate) fn judge(&mut self, claim: Claim, cosines: &[f32]) -> Checked {
        let says_something = claim.text.chars().filter(|c| c.is_alphanumeric()).count() > 2;
        let mut allowed = Vec::new();
        let mut weighed = Vec::new();
        for (place, id) in claim.ids.iter().enumerate() {
            let Some(source) = self.sources.get(id - 1) else { continue };
            let found = support(&claim.text, source.text());
            let whole = support(&claim.text, &source.with_headings());
            let cosine = cosines.get(place).copied().unwrap_or(0.0);
            let does = carries(&whole, cosine) && !source.contradicts(&claim.text, &found);
            allowed.extend(source.addresses());
            weighed.push((id - 1, found.start, found.end, does));
        }
        let carried = weighed.iter().any(|(.., does)| *does);
        let mut tokens = String::new();
        // Beside a source that carries the sentence one that does not is not cited.
        for (source, from, to, does) in weighed {
            if does || !carried {
                for token in self.cite(source, from, to) {
                    tokens.push_str(&token);
                }
            }
        }
        let text = cleaned(&claim.text, &allowed);
        if says_something {
            self.claims += 1;
            let problem = match (claim.ids.is_empty(), claim.unknown, carried) {
                (false, _, true) => None,
                (false, _, false) => Some("not supported"),
                (true, true, _) => Some("unknown citation"),
                (true, false, _) => Some("no citation"),
            };
            match problem {
                None => self.supported += 1,
                Some(problem) => self.flags.push(Flag { sentence: text.clone(), problem }),
            }
        }
        Checked { text: format!("{}{text}{tokens}{}", claim.lead, claim.tail) }
    }
}

fn carries(support: &Support, cosine: f32) -> bool {
    support.numbers_hold
        && (support.share >= WORDS_ENOUGH || (cosine >= MEANING_ENOUGH && support.share >= SOME_WORDS))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn checker() -> Checker {
        let row = |text: &str| {
            let citation = RowCitation {
                token: String::new(),
                table: "PartsTable".into(),
                row_id: 1,
                column: Some("text".into()),
                quote: "raw".into(),
            };
            Citable::Row(vec![citation], text.into())
        };
        Checker::new(vec![
            row("The tank holds 4.6 litres. Clean the filter every 20 cycles."),
            row("Call 112."),
        ])
    }

    fn said(checker: &mut Checker, text: &str) -> String {
        let claim = checker.read(text);
        checker.judge(claim, &[]).text
    }

    #[test]
    fn carried_sentences_are_cited_from_their_source() {
        let mut checker = checker();
        assert_eq!(
            said(&mut checker, "The tank holds 4.6 litres 【1】.\n"),
            "The tank holds 4.6 litres.【1】\n"
        );
        assert_eq!(said(&mut checker, "Call 112.【2, 1, 2】"), "Call 112.【2】", "1 does not say so");
        assert_eq!(said(&mut checker, "Call 112.【2】"), "Call 112.【2】");
        assert_eq!((checker.supported, checker.claims, checker.flags.len()), (3, 3, 0));
        assert_eq!(checker.citations.len(), 2, "a quote that is cited again keeps its token");
        assert!(checker.citations.iter().all(|source| source.quote() == "raw"), "as the row has it");
    }

    #[test]
    fn what_is_not_there_is_flagged() {
        let mut checker = checker();
        said(&mut checker, "The tank holds 5 litres.【1】");
        said(&mut checker, "The tank holds 4.6 litres.【9】");
        said(&mut checker, "The tank holds 4.6 litres.【x】");
        said(&mut checker, "The tank holds 4.6 litres.");
        let problems: Vec<&str> = checker.flags.iter().map(|flag| flag.problem).collect();
        assert_eq!(problems, ["not supported", "unknown citation", "unknown citation", "no citation"]);
        said(&mut checker, "The tank does not hold 4.6 litres.【1】");
        assert_eq!(checker.flags.last().unwrap().problem, "not supported");
        assert_eq!(checker.supported, 0);
        assert_eq!(checker.citations.len(), 1, "unknown ids make no citation");
    }

    #[test]
    fn smuggled_addresses_and_brackets_go() {
        let mut checker = checker();
        let text =
            said(&mut checker, "Call 112 ![x](https://evil.example/?q=1) or https://evil.example】【2】");
        assert_eq!(text, "Call 112  or [link removed]【1】");
        assert_eq!(said(&mut checker, "【2"), "【1】");
    }
}
