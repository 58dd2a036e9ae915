//! Text to index terms, the same for documents and queries.
//!
//! Two channels. `Words`: what ranks: parts of compounds, lower case, diacritics folded, English
//! stop words dropped, Latin words stemmed; two-character grams for scripts without spaces.
//! `Exact`: what identifies: every part as spelled (lower case) and folded, whole compounds such as
//! `wx-2000`, `1.2.3` or an e-mail address, numbers and codes without their separators, single
//! ideographs. Unknown languages lose nothing: what no rule touches is kept as it is.

use frostem::{Algorithm, Stemmer};
use std::borrow::Cow;
use std::collections::HashSet;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer terms are no words; the parts of a long compound are indexed all the same.
const TERM_BYTES_MAX: usize = 128;

/// English words that say nothing about a text.
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
    "was", "will", "with",
];

/// English words that ask rather than describe: left out of queries, kept in documents. With them
/// left out `retrieval_eval` printed a higher nDCG@10 on each of seven sets (covidqa_chunks .636 to .658,
/// policyqa_dev .287 to .301, xquad_de .933 to .934).
const ASKING_WORDS: [&str; 48] = [
    "about", "also", "been", "can", "could", "did", "do", "does", "from", "had", "has", "have", "he", "her",
    "his", "how", "i", "its", "me", "my", "our", "please", "she", "should", "so", "tell", "than", "them",
    "they", "us", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why", "would",
    "you", "your", "am", "him", "any", "some", "having",
];

/// Which terms of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    Words,
    Exact,
}

impl Channel {
    /// Name of its tokenizer in the index.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Words => "quarry_words",
            Self::Exact => "quarry_exact",
        }
    }
}

/// What the text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Stop words are exact terms only.
    Document,
    /// Stop words and words of asking are left out.
    Query,
}

/// The different terms of a query in order of appearance, at most `max` of each channel. Words that say nothing are
/// left out unless there is nothing else.
pub(super) fn query_terms(text: &str, max: usize) -> Vec<(Channel, String)> {
    // A word has at least two bytes with its space: enough text for `max` terms, whatever follows.
    let text: String = text.chars().take(max * 64).collect();
    let mut seen = HashSet::new();
    let mut terms = Vec::new();
    let (mut words, mut exact) = (0, 0);
    for side in [Side::Query, Side::Document] {
        analyze(&text, side, &mut |channel, term| {
            let count = match channel {
                Channel::Words => &mut words,
                Channel::Exact => &mut exact,
            };
            if *count < max && seen.insert((channel, term.to_owned())) {
                *count += 1;
                terms.push((channel, term.to_owned()));
            }
        });
        if !terms.is_empty() {
            break;
        }
    }
    terms
}

/// Whether a word is left out of questions.
pub(super) fn says_nothing(word: &str) -> bool {
    let lower = word.to_lowercase();
    ASKING_WORDS.contains(&lower.as_str()) || STOP_WORDS.contains(&lower.as_str())
}

/// Calls `emit` with each term of a document's text that ranks, in order.
pub(crate) fn words_of(text: &str, emit: &mut dyn FnMut(&str)) {
    analyze(text, Side::Document, &mut |channel, term| {
        if channel == Channel::Words {
            emit(term);
        }
    });
}

/// Calls `emit` with each term of `text`, both channels.
fn analyze(text: &str, side: Side, emit: &mut dyn FnMut(Channel, &str)) {
    let text: Cow<'_, str> =
        if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfkc().collect()) };
    let text = text.to_lowercase();
    let stemmer = Stemmer::new(Algorithm::English);
    let mut emit = |channel, term: &str| {
        if !term.is_empty() && term.len() <= TERM_BYTES_MAX {
            emit(channel, term);
        }
    };
    for compound in compounds(&text) {
        let mut parts = 0;
        for part in compound.split(is_joiner).filter(|part| !part.is_empty()) {
            parts += 1;
            if is_clitic(compound, part) {
                continue;
            }
            for run in script_runs(part) {
                if run.chars().next().is_some_and(is_unspaced) {
                    grams(run, &mut emit);
                } else {
                    word(run, side, &stemmer, &mut emit);
                }
            }
        }
        let suffixed = compound.ends_with(['+', '#']);
        if parts > 1 || suffixed {
            emit(Channel::Exact, compound);
        }
        if parts > 1 && compound.bytes().any(|byte| byte.is_ascii_digit()) {
            let joined: String = compound.chars().filter(|c| !is_joiner(*c)).collect();
            emit(Channel::Exact, &joined);
        }
    }
}

fn word(word: &str, side: Side, stemmer: &Stemmer, emit: &mut dyn FnMut(Channel, &str)) {
    let folded = fold(word);
    if side == Side::Query && ASKING_WORDS.contains(&folded.as_ref()) {
        return;
    }
    if STOP_WORDS.contains(&folded.as_ref()) {
        if side == Side::Document {
            emit(Channel::Exact, &folded);
        }
        return;
    }
    let latin = folded.bytes().all(|byte| byte.is_ascii_lowercase());
    let stem = if latin { stemmer.stem(&folded) } else { Cow::Borrowed(&*folded) };
    emit(Channel::Words, &stem);
    emit(Channel::Exact, &folded);
    if folded != word {
        emit(Channel::Exact, word);
    }
    if let Some((letters, digits)) = code(&folded) {
        emit(Channel::Exact, letters);
        emit(Channel::Exact, digits);
    }
}

/// Both halves of a code such as `wx2000`, so that it meets `wx 2000` and `wx-2000`.
fn code(word: &str) -> Option<(&str, &str)> {
    let at = word.find(|c: char| c.is_ascii_digit())?;
    let (letters, digits) = word.split_at_checked(at)?;
    let fits = letters.len() >= 2
        && digits.len() >= 2
        && letters.bytes().all(|b| b.is_ascii_lowercase())
        && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then_some((letters, digits))
}

/// Overlapping pairs, and the single characters as the weaker evidence.
fn grams(run: &str, emit: &mut dyn FnMut(Channel, &str)) {
    let starts: Vec<usize> = run.char_indices().map(|(at, _)| at).chain([run.len()]).collect();
    for window in starts.windows(2) {
        if let [from, to] = *window
            && let Some(one) = run.get(from..to)
        {
            emit(Channel::Exact, one);
            if starts.len() == 2 {
                emit(Channel::Words, one);
            }
        }
    }
    for window in starts.windows(3) {
        if let [from, _, to] = *window
            && let Some(two) = run.get(from..to)
        {
            emit(Channel::Words, two);
        }
    }
}

/// `'s`, `n't` and their kin: the rest of a contraction, no word.
fn is_clitic(compound: &str, part: &str) -> bool {
    matches!(part, "s" | "t" | "d" | "m" | "ll" | "re" | "ve")
        && compound.split(['\'', '’']).skip(1).any(|after| after == part)
}

/// Letters, digits and marks, joined by single joiners between them; `c++` and `c#` keep their tail.
fn compounds(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(is_word_char)?;
        rest = rest.get(start..)?;
        let mut end = 0;
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next_is_word = chars.peek().is_some_and(|(_, next)| is_word_char(*next));
            if is_word_char(c) || (is_joiner(c) && next_is_word) {
                end = at + c.len_utf8();
            } else {
                break;
            }
        }
        let tail = rest.get(end..)?;
        let marks = tail.bytes().take_while(|byte| matches!(byte, b'+' | b'#')).count();
        let then = tail.get(marks..)?.chars().next();
        if (1..=2).contains(&marks) && end <= 3 && !then.is_some_and(is_word_char) {
            end += marks;
        }
        let (compound, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(compound)
    })
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c))
}

fn is_joiner(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | ',' | '/' | '@' | ':' | '+' | '#' | '&' | '\'' | '’' | '‐' | '‑')
}

/// Splits where a script without spaces begins or ends.
fn script_runs(part: &str) -> impl Iterator<Item = &str> {
    let mut rest = part;
    std::iter::from_fn(move || {
        let kind = is_unspaced(rest.chars().next()?);
        let end = rest.find(|c| is_unspaced(c) != kind).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(run)
    })
}

/// Characters of scripts written without spaces between words, and Hangul, whose words carry endings.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF // Thai, Lao
        | 0x1000..=0x109F // Myanmar
        | 0x1780..=0x17FF // Khmer
        | 0x3005..=0x3007
        | 0x3040..=0x30FF // kana
        | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF // ideographs
        | 0xAC00..=0xD7AF // Hangul
        | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFF)
}

/// Without the diacritics of Latin, Greek, Cyrillic, Hebrew and Arabic, and with a few letters
/// spelled out. Other scripts keep their marks: there they are vowels.
pub(super) fn fold(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return Cow::Borrowed(word);
    }
    let mut folded = String::with_capacity(word.len());
    for c in word.nfd() {
        match c {
            '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5C7}' | '\u{640}' | '\u{64B}'..='\u{65F}' => {}
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'þ' => folded.push_str("th"),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            _ => folded.push(c),
        }
    }
    Cow::Owned(folded.nfc().collect())
}

/// The index-time face of [`analyze`].
#[derive(Clone)]
pub(super) struct WordTokenizer {
    channel: Channel,
}

impl WordTokenizer {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel }
    }
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        let mut terms = Terms::default();
        analyze(text, Side::Document, &mut |channel, term| {
            if channel == self.channel {
                terms.text.push_str(term);
                terms.ends.push(terms.text.len());
            }
        });
        terms
    }
}

/// All terms of one text, handed out one by one.
#[derive(Default)]
pub(super) struct Terms {
    text: String,
    ends: Vec<usize>,
    next: usize,
    token: Token,
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(end) = self.ends.get(self.next).copied() else { return false };
        let start = self.next.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        self.token.text.clear();
        self.token.text.push_str(self.text.get(start..end).unwrap_or(""));
        self.token.position = self.next;
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests;
