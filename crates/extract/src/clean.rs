//! Characters as they are stored: one form for every format.
//!
//! Drops what is invisible (zero-width, bidirectional controls, tag characters, other controls,
//! soft hyphens), brings the many spaces to one, and every other character to its compatibility form
//! (NFKC, Unicode Standard Annex 15: ligatures, full-width and styled letters, Arabic shapes), but for those
//! that would say something else then (², ½, ™).

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// Running text: runs of blanks become one, line feeds stay as single line breaks.
pub(crate) fn paragraph(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in Scrub::new(text) {
        match c {
            '\n' => {
                out.truncate(out.trim_end_matches(' ').len());
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
            }
            ' ' | '\t' => {
                if !out.is_empty() && !out.ends_with([' ', '\n']) {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    compose(out)
}

/// Running text on one line.
pub(crate) fn line(text: &str) -> String {
    let text = paragraph(text);
    if text.contains('\n') { text.replace('\n', " ") } else { text }
}

/// Text whose blanks and line breaks carry meaning, such as program text.
pub(crate) fn verbatim(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in Scrub::new(text) {
        if c == '\n' {
            out.truncate(out.trim_end_matches([' ', '\t']).len());
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    let out = out.trim_start_matches('\n');
    compose(out.to_owned())
}

fn compose(text: String) -> String {
    if is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() || is_telling(c) {
            plain.push(c);
            continue;
        }
        let from = plain.len();
        plain.extend(c.nfkc());
        // Marks that stand alone are given a blank to stand on: those of Arabic are letters all the same.
        if plain.get(from..).is_some_and(|form| form.starts_with(' ')) {
            match c {
                '\u{fe70}'..='\u{fefc}' | '\u{fc5e}'..='\u{fc63}' => drop(plain.remove(from)),
                _ => {
                    plain.truncate(from);
                    plain.push(c);
                }
            }
        }
    }
    match is_nfc_quick(plain.chars()) {
        IsNormalized::Yes => plain,
        _ => plain.nfc().collect(),
    }
}

/// Whether a character means something else than its compatibility form: 10² is not 102, nor 1½ 11⁄2, nor 3① 31, and
/// Korean letters that stand alone would join. The wide punctuation of Chinese and Japanese is theirs.
fn is_telling(c: char) -> bool {
    matches!(c,
        '\u{aa}' | '\u{e33}' | '\u{eb3}' | '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{ba}' | '\u{bc}'..='\u{be}'
        | '\u{2b0}'..='\u{2b8}' | '\u{2e0}'..='\u{2e4}' | '\u{10fc}' | '\u{1d2c}'..='\u{1d6a}' | '\u{1d78}'
        | '\u{1d9b}'..='\u{1dbf}' | '\u{2070}'..='\u{209c}' | '\u{2120}' | '\u{2122}' | '\u{2150}'..='\u{215f}'
        | '\u{2139}' | '\u{2189}' | '\u{2460}'..='\u{2473}' | '\u{2488}'..='\u{249b}' | '\u{24b6}'..='\u{24ff}' | '\u{2c7c}' | '\u{2c7d}' | '\u{2d6f}' | '\u{3131}'..='\u{318e}' | '\u{3244}'..='\u{3247}' | '\u{3251}'..='\u{32bf}' | '\u{32d0}'..='\u{32fe}' | '\u{3192}'..='\u{319f}'
        | '\u{339f}'..='\u{33a6}' | '\u{33a8}' | '\u{33af}' | '\u{a69c}' | '\u{a69d}' | '\u{a770}'
        | '\u{a7f2}'..='\u{a7f4}' | '\u{a7f8}' | '\u{a7f9}' | '\u{ab5c}'..='\u{ab5f}' | '\u{ab69}'
        | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}'
        | '\u{ff5b}'..='\u{ff60}' | '\u{10780}'..='\u{107ba}' | '\u{1e030}'..='\u{1e06d}')
}

/// The characters of a text after dropping and mapping.
struct Scrub<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    last: char,
}

impl<'a> Scrub<'a> {
    fn new(text: &'a str) -> Self {
        Self { chars: text.chars().peekable(), last: ' ' }
    }
}

impl Iterator for Scrub<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let c = self.chars.next()?;
            let mapped = match c {
                ' '..='~' => c,
                '\r' => {
                    if self.chars.peek() == Some(&'\n') {
                        continue;
                    }
                    '\n'
                }
                '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
                '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
                // Joiners shape words of several scripts and join emoji; elsewhere they only hide.
                '\u{200c}' | '\u{200d}' => {
                    let next = self.chars.peek().copied().unwrap_or(' ');
                    let latin = next.is_ascii() || matches!(next, '\u{fb00}'..='\u{fb06}');
                    if self.last.is_ascii() || latin || is_invisible(next) {
                        continue;
                    }
                    c
                }
                '\u{2010}' | '\u{2011}' => '-',
                // Bullets of the Symbol and Wingdings fonts.
                '\u{f0a7}' | '\u{f0b7}' | '\u{f0d8}' => '•',
                c if is_invisible(c) => continue,
                c => c,
            };
            self.last = mapped;
            return Some(mapped);
        }
    }
}

/// Whether a character shows nothing and is dropped everywhere.
pub(crate) fn is_invisible(c: char) -> bool {
    if matches!(c, ' '..='~') {
        return false;
    }
    matches!(c,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_characters_go_and_meaning_stays() {
        assert_eq!(paragraph("a\u{200b}b\u{202e}c\u{ad}d\u{feff} \u{a0} e\u{e0041}"), "abcd e");
        assert_eq!(paragraph("ﬁne eﬀort ﬄ ﬆ"), "fine effort ffl st");
        assert_eq!(paragraph("x²  1½ m³ ㎡ ™ e\u{301} ´ ¨ ㅋㅋ"), "x² 1½ m³ ㎡ ™ é ´ ¨ ㅋㅋ");
        assert_eq!(paragraph("ＡＢＣ１２ 3①Ⅳ ℃ № ㎏ 𝐱 ｶﾞ … 5‑6"), "ABC12 3①IV °C No kg x ガ ... 5-6");
        assert_eq!(paragraph("目标，有利（Ｃ）！ คำ"), "目标，有利（C）！ คำ");
        assert_eq!(paragraph("می\u{200c}خواهم 👨\u{200d}👩"), "می\u{200c}خواهم 👨\u{200d}👩");
        assert_eq!(
            paragraph("\u{fb2a}\u{5dc} \u{fedf}\u{fe8e} \u{fefb} a\u{fe70}"),
            "ש\u{5c1}ל لا لا a\u{64b}"
        );
        assert_eq!(paragraph("\r\n a \r\n\r\n b\t c \n"), "a\nb c");
        assert_eq!(verbatim("\n  if x:\r\n\ty  \n\n"), "  if x:\n\ty");
        assert_eq!(line("a\nb"), "a b");
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in "[ \\n\\r\\taé²👩م²①Ａ´ㅋ㎡\u{fefb}\u{fe70}\u{fdfa}\u{a0}\u{200b}\u{202e}\u{fb03}\u{301}\u{ad}]{0,40}") {
            for clean in [paragraph, verbatim, line] {
                let once = clean(&text);
                prop_assert_eq!(clean(&once), once);
            }
        }
    }
}
