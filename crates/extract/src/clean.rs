//! Characters as they are stored: one form for every format.
//!
//! Drops what is invisible (zero-width, bidirectional controls, tag characters, other controls,
//! soft hyphens), opens ligatures, brings the many spaces to one, composes accents (NFC).
//! Compatibility forms that carry meaning (², ½, ™) stay as they are.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

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
    // Arabic and Hebrew letters in the shape they have in a word are letters all the same.
    let is_shape = |c: char| matches!(c, '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    let text = if text.contains(is_shape) {
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            if is_shape(c) {
                // Marks that stand alone are given a blank to stand on.
                plain.push_str(c.nfkc().collect::<String>().trim_start());
            } else {
                plain.push(c);
            }
        }
        plain
    } else {
        text
    };
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        _ => text.nfc().collect(),
    }
}

/// The characters of a text after dropping and mapping.
struct Scrub<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    /// Rest of an opened ligature.
    pending: &'static str,
    last: char,
}

impl<'a> Scrub<'a> {
    fn new(text: &'a str) -> Self {
        Self { chars: text.chars().peekable(), pending: "", last: ' ' }
    }
}

impl Iterator for Scrub<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let mut rest = self.pending.chars();
        if let Some(c) = rest.next() {
            self.pending = rest.as_str();
            return Some(c);
        }
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
                '\u{fb00}'..='\u{fb06}' => {
                    self.pending = match c {
                        '\u{fb00}' => "f",
                        '\u{fb01}' => "i",
                        '\u{fb02}' => "l",
                        '\u{fb03}' => "fi",
                        '\u{fb04}' => "fl",
                        _ => "t",
                    };
                    if matches!(c, '\u{fb05}' | '\u{fb06}') { 's' } else { 'f' }
                }
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
        assert_eq!(paragraph("x²  ½ ™ e\u{301}"), "x² ½ ™ é");
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
        fn cleaning_twice_changes_nothing(text in "[ \\n\\r\\taé²👩م\u{fefb}\u{fe70}\u{fdfa}\u{a0}\u{200b}\u{202e}\u{fb03}\u{301}\u{ad}]{0,40}") {
            for clean in [paragraph, verbatim, line] {
                let once = clean(&text);
                prop_assert_eq!(clean(&once), once);
            }
        }
    }
}
