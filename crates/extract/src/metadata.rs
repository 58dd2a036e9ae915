//! What a document says about itself: author, dates, language, address.
//!
//! Knows nothing of formats; readers hand in raw values. Invariant: every value is one clean line
//! of bounded length, every date is ISO 8601, and the first value given for a field stays.

use serde::{Deserialize, Serialize};

/// Longest value kept, in characters.
const MAX_CHARS: usize = 500;

/// Longest language tag; real ones have at most 11 characters or so.
const MAX_TAG_CHARS: usize = 35;

/// Text read to tell its language, in characters.
const LANGUAGE_SAMPLE_CHARS: usize = 20_000;

/// Shorter texts say too little about their language.
const LANGUAGE_MIN_CHARS: usize = 120;

/// Facts about a document, as far as it states them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it says it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// BCP 47 tag; told from the text where the text is clear, else as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// When it was made or published, ISO 8601 (a date, or a date with time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When it was last changed, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// The address a web page calls its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The website a page belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
}

/// Names of the fields a reader may hand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Author,
    Description,
    Language,
    Created,
    Modified,
    Url,
    Site,
}

impl Metadata {
    /// Takes a value unless the field has one; what does not fit the field is left out.
    pub(crate) fn set(&mut self, field: Field, raw: &str) {
        let clean: String = crate::clean::line(raw).chars().take(MAX_CHARS).collect();
        let (slot, value) = match field {
            Field::Author => (&mut self.author, Some(clean)),
            Field::Description => (&mut self.description, Some(clean)),
            Field::Site => (&mut self.site, Some(clean)),
            Field::Language => (&mut self.language, language_tag(&clean)),
            Field::Created => (&mut self.created, date(&clean)),
            Field::Modified => (&mut self.modified, date(&clean)),
            Field::Url => {
                let is_web = clean.starts_with("http://") || clean.starts_with("https://");
                (&mut self.url, is_web.then_some(clean))
            }
        };
        if slot.is_none() {
            *slot = value.filter(|value| !value.is_empty() && !is_placeholder(value));
        }
    }

    /// Sets the language by the text where that is clear: templates declare their maker's.
    pub(crate) fn tell_language(&mut self, text: &str) {
        let end = text.char_indices().nth(LANGUAGE_SAMPLE_CHARS).map_or(text.len(), |(at, _)| at);
        let sample = text.get(..end).unwrap_or(text);
        if sample.chars().filter(|c| c.is_alphabetic()).count() < LANGUAGE_MIN_CHARS {
            return;
        }
        let Some(seen) = whatlang::detect(sample).filter(whatlang::Info::is_reliable) else {
            return;
        };
        let code = two_letters(seen.lang().code());
        let declared = self.language.as_deref().unwrap_or_default();
        let agrees = declared.split(['-', '_']).next().is_some_and(|d| d.eq_ignore_ascii_case(code));
        if !agrees {
            self.language = Some(code.to_owned());
        }
    }
}

/// What programs write where nobody told them anything.
fn is_placeholder(value: &str) -> bool {
    ["(unspecified)", "(anonymous)", "unknown"].iter().any(|empty| value.eq_ignore_ascii_case(empty))
}

/// The two-letter code of the languages that have one; others keep their three letters.
fn two_letters(code: &'static str) -> &'static str {
    const CODES: [(&str, &str); 67] = [
        ("afr", "af"),
        ("aka", "ak"),
        ("amh", "am"),
        ("ara", "ar"),
        ("aze", "az"),
        ("bel", "be"),
        ("ben", "bn"),
        ("bul", "bg"),
        ("cat", "ca"),
        ("ces", "cs"),
        ("cmn", "zh"),
        ("dan", "da"),
        ("deu", "de"),
        ("ell", "el"),
        ("eng", "en"),
        ("epo", "eo"),
        ("est", "et"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("guj", "gu"),
        ("heb", "he"),
        ("hin", "hi"),
        ("hrv", "hr"),
        ("hun", "hu"),
        ("hye", "hy"),
        ("ind", "id"),
        ("ita", "it"),
        ("jav", "jv"),
        ("jpn", "ja"),
        ("kan", "kn"),
        ("kat", "ka"),
        ("khm", "km"),
        ("kor", "ko"),
        ("lat", "la"),
        ("lav", "lv"),
        ("lit", "lt"),
        ("mal", "ml"),
        ("mar", "mr"),
        ("mkd", "mk"),
        ("mya", "my"),
        ("nep", "ne"),
        ("nld", "nl"),
        ("nob", "nb"),
        ("ori", "or"),
        ("pan", "pa"),
        ("pes", "fa"),
        ("pol", "pl"),
        ("por", "pt"),
        ("ron", "ro"),
        ("rus", "ru"),
        ("sin", "si"),
        ("slk", "sk"),
        ("slv", "sl"),
        ("sna", "sn"),
        ("spa", "es"),
        ("srp", "sr"),
        ("swe", "sv"),
        ("tam", "ta"),
        ("tel", "te"),
        ("tgl", "tl"),
        ("tha", "th"),
        ("tuk", "tk"),
        ("tur", "tr"),
        ("ukr", "uk"),
        ("urd", "ur"),
        ("uzb", "uz"),
        ("vie", "vi"),
    ];
    CODES.iter().find(|(three, _)| *three == code).map_or(code, |(_, two)| two)
}

/// A language tag in its usual spelling (`pt-BR`).
fn language_tag(raw: &str) -> Option<String> {
    let raw = raw.split([',', ';']).next().unwrap_or_default().trim();
    if raw.is_empty() || raw.len() > MAX_TAG_CHARS {
        return None;
    }
    let mut parts = Vec::new();
    for (at, part) in raw.split(['-', '_']).enumerate() {
        if part.is_empty() || part.len() > 8 || !part.chars().all(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        parts.push(match (at, part.len()) {
            (0, 2 | 3) => part.to_ascii_lowercase(),
            (0, _) => return None,
            (_, 2) => part.to_ascii_uppercase(),
            _ => part.to_owned(),
        });
    }
    (parts.first().map(String::as_str) != Some("und")).then(|| parts.join("-"))
}

/// A date as ISO 8601: from that itself or from a PDF's `D:20240131120000+01'00'`.
fn date(raw: &str) -> Option<String> {
    let raw = raw.trim();
    let compact = raw.strip_prefix("D:").unwrap_or(raw);
    let digits = compact.bytes().take_while(u8::is_ascii_digit).count();
    if digits >= 6 && (raw.starts_with("D:") || digits >= 8) {
        return compact_date(compact, digits);
    }
    let parts: Vec<&str> = raw.get(..raw.len().min(10))?.split('-').collect();
    let [year, month, rest @ ..] = parts.as_slice() else {
        return (raw.len() == 4).then(|| in_range(raw, 1000, 9999)).flatten().map(|_| raw.to_owned());
    };
    in_range(year, 1000, 9999)?;
    in_range(month, 1, 12)?;
    if year.len() != 4 || month.len() != 2 {
        return None;
    }
    let Some(day) = rest.first() else { return (raw.len() == 7).then(|| raw.to_owned()) };
    if day.len() != 2 {
        return None;
    }
    in_range(day, 1, 31)?;
    let day = format!("{year}-{month}-{day}");
    let Some(time) = raw.get(10..).and_then(|t| t.strip_prefix(['T', ' '])) else {
        return Some(day);
    };
    // Fractions and zones pass as they are; anything else leaves the day.
    let shape = time.len() >= 5 && time.len() <= 35;
    let plain = time.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-' | 'Z'));
    Some(if shape && plain { format!("{day}T{time}") } else { day })
}

fn compact_date(text: &str, digits: usize) -> Option<String> {
    let part = |at: usize, length: usize, low: u32, high: u32| {
        let part = text.get(at..at + length).filter(|_| at + length <= digits)?;
        in_range(part, low, high).map(|_| part)
    };
    let (year, month) = (part(0, 4, 1000, 9999)?, part(4, 2, 1, 12)?);
    let Some(day) = part(6, 2, 1, 31) else { return Some(format!("{year}-{month}")) };
    let (Some(hour), Some(minute)) = (part(8, 2, 0, 23), part(10, 2, 0, 59)) else {
        return Some(format!("{year}-{month}-{day}"));
    };
    let second = part(12, 2, 0, 59).unwrap_or("00");
    let zone = text.get(digits..).unwrap_or_default();
    let number = |at: usize| zone.get(at..at + 2).and_then(|n| in_range(n, 0, 59).map(|_| n));
    let zone = match (zone.chars().next(), number(1)) {
        (Some('Z'), _) => "Z".to_owned(),
        (Some(sign @ ('+' | '-')), Some(hours)) => format!("{sign}{hours}:{}", number(4).unwrap_or("00")),
        _ => String::new(),
    };
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}{zone}"))
}

fn in_range(text: &str, low: u32, high: u32) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && (low..=high).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_of_every_kind_become_iso() {
        let read = |raw: &str| date(raw);
        assert_eq!(read("D:20240131120005+01'00'").as_deref(), Some("2024-01-31T12:00:05+01:00"));
        assert_eq!(read("D:20240131120005Z").as_deref(), Some("2024-01-31T12:00:05Z"));
        assert_eq!(read("D:202401").as_deref(), Some("2024-01"));
        assert_eq!(read("20240131").as_deref(), Some("2024-01-31"));
        assert_eq!(read("2024-01-31T12:00:05Z").as_deref(), Some("2024-01-31T12:00:05Z"));
        assert_eq!(read("2024-01-31 12:00").as_deref(), Some("2024-01-31T12:00"));
        assert_eq!(read("2024-01-31 noon").as_deref(), Some("2024-01-31"));
        assert_eq!(read("2024").as_deref(), Some("2024"));
        for wrong in ["", "D:", "2024-13-01", "2024-1-2", "yesterday", "D:99", "0000-01-01", "éééééééééé"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_value_stays_and_wrong_ones_are_left_out() {
        let mut metadata = Metadata::default();
        metadata.set(Field::Author, "  Ada\nLovelace ");
        metadata.set(Field::Author, "somebody else");
        metadata.set(Field::Url, "javascript:alert(1)");
        metadata.set(Field::Language, "not a tag");
        metadata.set(Field::Language, "pt_br");
        assert_eq!(metadata.author.as_deref(), Some("Ada Lovelace"));
        assert_eq!(metadata.url, None);
        assert_eq!(metadata.language.as_deref(), Some("pt-BR"));
    }

    #[test]
    fn a_clear_text_overrules_its_template() {
        let german = "Die Garantie beginnt mit dem Tag des Kaufs und endet nach zwei Jahren. Der Kunde muss den \
                      Kaufbeleg vorlegen, damit die Werkstatt das Gerät kostenlos reparieren kann. ";
        let mut metadata = Metadata { language: Some("en-US".into()), ..Metadata::default() };
        metadata.tell_language(&german.repeat(3));
        assert_eq!(metadata.language.as_deref(), Some("de"));
        let mut metadata = Metadata { language: Some("de-AT".into()), ..Metadata::default() };
        metadata.tell_language(&german.repeat(3));
        assert_eq!(metadata.language.as_deref(), Some("de-AT"));
        metadata.tell_language("OK");
        assert_eq!(metadata.language.as_deref(), Some("de-AT"));
    }

    proptest! {
        #[test]
        fn any_value_is_taken_or_left(raw in "\\PC{0,40}|D:[0-9]{0,16}[+Z'0-9-]{0,8}|[0-9:TZ. -]{0,30}") {
            let mut metadata = Metadata::default();
            for field in [Field::Created, Field::Language, Field::Url, Field::Author] {
                metadata.set(field, &raw);
            }
            if let Some(date) = &metadata.created {
                prop_assert_eq!(super::date(date), Some(date.clone()));
            }
        }
    }
}
