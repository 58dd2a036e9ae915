//! Forms of a word under which two spellings meet: folded, singular, stem, one edit apart.
//!
//! Knows nothing of columns or grammar. Invariant: every form depends on the word alone.

use frostem::{Algorithm, Stemmer};
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::new(Algorithm::English));
/// Shorter words have too many neighbours to guess between.
const MIN_TYPO_LETTERS: usize = 5;
/// Longer words are left alone: no spelling slip is sought in them.
const MAX_TYPO_LETTERS: usize = 40;

/// Lower case without accents; letters that do not decompose are spelled out.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            '’' | 'ʼ' => folded.push('\''),
            other => folded.push(other),
        }
    }
    folded
}

/// The English stem of a folded word, British `-ise` read as `-ize`.
pub(crate) fn stem(folded: &str) -> String {
    const BRITISH: [(&str, &str); 6] = [
        ("ised", "ized"),
        ("iser", "izer"),
        ("ising", "izing"),
        ("isation", "ization"),
        ("ises", "izes"),
        ("ise", "ize"),
    ];
    for (british, american) in BRITISH {
        if let Some(head) = folded.strip_suffix(british).filter(|head| head.chars().count() >= 4) {
            return ENGLISH.stem(&format!("{head}{american}")).into_owned();
        }
    }
    ENGLISH.stem(folded).into_owned()
}

/// The singular of a folded English noun; other words come back unchanged.
pub(crate) fn singular(folded: &str) -> String {
    const ODD: [(&str, &str); 13] = [
        ("people", "person"),
        ("men", "man"),
        ("women", "woman"),
        ("children", "child"),
        ("shelves", "shelf"),
        ("halves", "half"),
        ("knives", "knife"),
        ("leaves", "leaf"),
        ("lives", "life"),
        ("wives", "wife"),
        ("series", "series"),
        ("movies", "movie"),
        ("cookies", "cookie"),
    ];
    if let Some((_, one)) = ODD.iter().find(|(many, _)| *many == folded) {
        return (*one).to_owned();
    }
    let strip = |tail: &str, put: &str, min: usize| {
        let head = folded.strip_suffix(tail)?;
        (head.chars().count() >= min).then(|| format!("{head}{put}"))
    };
    strip("ies", "y", 2)
        .or_else(|| {
            ["sses", "xes", "zes", "ches", "shes"]
                .iter()
                .find_map(|tail| strip(tail, &tail[..tail.len() - 2], 2))
        })
        .or_else(|| {
            let kept = ["ss", "us", "is", "'s"].iter().any(|tail| folded.ends_with(tail));
            if kept { None } else { strip("s", "", 2) }
        })
        .unwrap_or_else(|| folded.to_owned())
}

/// Whether two different folded words, the longer of five letters or more, are one insertion, deletion,
/// replacement or swap of neighbours apart. The first letters must agree in words under seven letters.
pub(crate) fn one_edit_apart(a: &str, b: &str) -> bool {
    if a == b || a.is_empty() || b.is_empty() {
        return false;
    }
    if a.is_ascii() && b.is_ascii() {
        return one_edit(a.as_bytes(), b.as_bytes());
    }
    let letters = |word: &str| word.chars().take(MAX_TYPO_LETTERS + 1).collect::<Vec<char>>();
    one_edit(&letters(a), &letters(b))
}

fn one_edit<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let lengths =
        (MIN_TYPO_LETTERS..=MAX_TYPO_LETTERS).contains(&long.len()) && long.len() - short.len() <= 1;
    if !lengths || (long.len() < 7 && short.first() != long.first()) {
        return false;
    }
    let front = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (&short[front..], &long[front..]);
    if short.len() != long.len() {
        return long.len() == short.len() + 1 && short == &long[1..];
    }
    let swapped = short.len() >= 2
        && short.first() == long.get(1)
        && short.get(1) == long.first()
        && short[2..] == long[2..];
    swapped || short.get(1..) == long.get(1..)
}

/// Letters two words share from the start.
pub(crate) fn shared_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count()
}

/// Splits a column name into words: `camelCase`, `snake_case`, `dotted.places`, letters against digits stay.
pub(crate) fn name_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let hump = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if hump && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(*letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words.iter().map(|word| fold(word)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_accents_and_odd_letters_fold() {
        assert_eq!(fold("São PAULO"), "sao paulo");
        assert_eq!(fold("Straße Øresund ŁÓDŹ"), "strasse oresund lodz");
        assert_eq!(fold("ﬁne ½"), "fine 1⁄2");
    }

    #[test]
    fn plurals_meet_their_singular() {
        for (many, one) in [
            ("chairs", "chair"),
            ("shelves", "shelf"),
            ("cities", "city"),
            ("classes", "class"),
            ("boxes", "box"),
            ("people", "person"),
            ("status", "status"),
            ("bus", "bus"),
            ("is", "is"),
        ] {
            assert_eq!(singular(many), one);
        }
        assert_eq!(stem("organised"), stem("organized"));
    }

    #[test]
    fn one_slip_is_forgiven_in_long_words_only() {
        for (a, b) in
            [("urgnet", "urgent"), ("velvt", "velvet"), ("hosue", "house"), ("enginering", "engineering")]
        {
            assert!(one_edit_apart(a, b) && one_edit_apart(b, a), "{a} {b}");
        }
        for (a, b) in
            [("rome", "home"), ("mouse", "house"), ("chair", "chair"), ("urgnte", "urgent"), ("", "abcde")]
        {
            assert!(!one_edit_apart(a, b), "{a} {b}");
        }
    }

    #[test]
    fn names_split_into_words() {
        assert_eq!(name_words("hiredAt"), ["hired", "at"]);
        assert_eq!(name_words("year_built"), ["year", "built"]);
        assert_eq!(name_words("HTTPStatus code"), ["http", "status", "code"]);
        assert_eq!(name_words("customer.firstName"), ["customer", "first", "name"]);
        assert!(name_words("$ _").is_empty());
    }

    /// Optimal string alignment distance, the slow way.
    fn distance(a: &str, b: &str) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
        for (i, row) in d.iter_mut().enumerate() {
            row[0] = i;
        }
        d[0] = (0..=b.len()).collect();
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                let cost = usize::from(a[i - 1] != b[j - 1]);
                d[i][j] = (d[i - 1][j] + 1).min(d[i][j - 1] + 1).min(d[i - 1][j - 1] + cost);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    d[i][j] = d[i][j].min(d[i - 2][j - 2] + 1);
                }
            }
        }
        d[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn one_edit_is_a_distance_of_one(a in "[ab]{7,9}", b in "[ab]{7,9}") {
            prop_assert_eq!(one_edit_apart(&a, &b), distance(&a, &b) == 1);
        }

        #[test]
        fn any_text_has_forms(text in any::<String>()) {
            let folded = fold(&text);
            let _ = (stem(&folded), singular(&folded), name_words(&text), one_edit_apart(&folded, "velvet"));
        }
    }
}
