//! In which language a question is, as far as the weighing of its words needs to know.
//!
//! Invariant: a text is never refused for its language; what no list knows is kept as it is.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// A language whose small words are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tongue {
    English,
    German,
    Spanish,
    French,
    Italian,
    Portuguese,
    Dutch,
    /// None of these.
    Unknown,
}

const ENGLISH: &[&str] = &[
    "a", "about", "above", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could",
    "did", "do", "does", "doing", "down", "each", "few", "for", "from", "further", "get", "give", "had",
    "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is",
    "it", "its", "just", "long", "many", "may", "me", "might", "more", "most", "much", "must", "my", "no",
    "nor", "not", "of", "off", "often", "on", "once", "only", "or", "other", "our", "out", "over", "own",
    "please", "same", "shall", "she", "should", "so", "some", "such", "tell", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until",
    "up", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "whose",
    "why", "will", "with", "would", "you", "your", "d", "ll", "m", "re", "s", "t", "ve",
];
const GERMAN: &[&str] = &[
    "aber", "als", "also", "am", "an", "auch", "auf", "aus", "bei", "beim", "bin", "bis", "bitte", "da",
    "damit", "dann", "darf", "das", "dass", "dem", "den", "denn", "der", "des", "die", "dies", "diese",
    "diesem", "diesen", "dieser", "dieses", "dort", "du", "durch", "ein", "eine", "einem", "einen", "einer",
    "eines", "er", "es", "etwas", "für", "gegen", "gibt", "habe", "haben", "hat", "hatte", "ich", "ihm",
    "ihn", "ihr", "ihre", "ihren", "im", "in", "ist", "ja", "jede", "jeder", "kann", "kein", "keine",
    "können", "lange", "man", "mein", "meine", "meinem", "meinen", "meiner", "mich", "mir", "mit", "muss",
    "müssen", "nach", "nicht", "noch", "nur", "ob", "oder", "oft", "ohne", "sein", "seine", "sich", "sie",
    "sind", "so", "soll", "sollte", "sondern", "über", "um", "und", "uns", "unser", "unter", "viel", "viele",
    "vom", "von", "vor", "wann", "war", "waren", "warum", "was", "welche", "welchem", "welchen", "welcher",
    "welches", "wem", "wen", "wenn", "wer", "werden", "wie", "wieso", "wird", "wir", "wo", "woher", "wohin",
    "womit", "wurde", "wurden", "zu", "zum", "zur", "zwischen",
];
const SPANISH: &[&str] = &[
    "a", "al", "algo", "ante", "antes", "aquel", "así", "aunque", "cada", "como", "cómo", "con", "cual",
    "cuál", "cuáles", "cuando", "cuándo", "cuánta", "cuántas", "cuánto", "cuántos", "de", "debe", "debo",
    "del", "desde", "después", "donde", "dónde", "durante", "e", "el", "él", "ella", "ellas", "ellos", "en",
    "entre", "era", "es", "esa", "ese", "eso", "esta", "está", "están", "este", "esto", "estos", "fue",
    "fueron", "ha", "hace", "haber", "han", "hasta", "hay", "la", "las", "le", "les", "lo", "los", "más",
    "me", "mi", "mis", "mucho", "muy", "nada", "ni", "no", "nos", "o", "otra", "otro", "para", "pero",
    "poco", "por", "porque", "puede", "puedo", "pueden", "que", "qué", "quien", "quién", "quiénes", "se",
    "ser", "si", "sí", "sin", "sobre", "son", "su", "sus", "también", "tan", "te", "tengo", "ti", "tiene",
    "tienen", "todo", "tu", "tus", "un", "una", "unas", "uno", "unos", "usted", "y", "ya", "yo",
];
const FRENCH: &[&str] = &[
    "a", "ai", "alors", "au", "aucun", "aussi", "autre", "aux", "avant", "avec", "avez", "avoir", "c", "ça",
    "car", "ce", "cela", "ces", "cet", "cette", "ceux", "chaque", "combien", "comme", "comment", "d", "dans",
    "de", "des", "dois", "doit", "donc", "dont", "du", "elle", "elles", "en", "est", "et", "étaient",
    "était", "été", "être", "eu", "fait", "faut", "il", "ils", "j", "je", "l", "la", "le", "les", "leur",
    "leurs", "lui", "m", "ma", "mais", "me", "mes", "moi", "moins", "mon", "n", "ne", "ni", "nos", "notre",
    "nous", "on", "ont", "où", "ou", "par", "pas", "peut", "peux", "plus", "pour", "pourquoi", "puis", "qu",
    "quand", "que", "quel", "quelle", "quelles", "quels", "qui", "quoi", "s", "sa", "sans", "se", "ses",
    "si", "son", "sont", "sous", "suis", "sur", "t", "ta", "te", "tes", "ton", "tous", "tout", "très", "tu",
    "un", "une", "vos", "votre", "vous", "y",
];
const ITALIAN: &[&str] = &[
    "a", "ad", "ai", "al", "alla", "alle", "allo", "anche", "avere", "c", "che", "chi", "ci", "come", "con",
    "così", "cosa", "cui", "d", "da", "dai", "dal", "dalla", "dei", "del", "della", "delle", "dello", "deve",
    "devo", "di", "dove", "e", "è", "ed", "era", "essere", "fra", "gli", "ha", "hai", "hanno", "ho", "i",
    "il", "in", "io", "l", "la", "le", "lei", "lo", "loro", "lui", "ma", "mi", "mia", "mio", "nei", "nel",
    "nella", "nelle", "noi", "non", "o", "ogni", "per", "perché", "più", "possono", "posso", "può", "quale",
    "quali", "qual", "quando", "quanta", "quante", "quanti", "quanto", "quella", "quello", "questa",
    "questo", "se", "sei", "si", "sono", "sta", "su", "sua", "sue", "sul", "sulla", "suo", "suoi", "tra",
    "tutti", "tutto", "un", "una", "uno", "vi", "voi",
];
const PORTUGUESE: &[&str] = &[
    "a", "à", "ao", "aos", "as", "às", "até", "com", "como", "da", "das", "de", "dela", "dele", "depois",
    "deve", "devo", "do", "dos", "e", "é", "ela", "elas", "ele", "eles", "em", "entre", "era", "essa",
    "esse", "esta", "está", "este", "eu", "foi", "foram", "há", "isso", "isto", "já", "lhe", "mais", "mas",
    "me", "mesmo", "meu", "minha", "muito", "na", "não", "nas", "nem", "no", "nos", "o", "onde", "os", "ou",
    "para", "pela", "pelo", "pode", "podem", "por", "posso", "qual", "quais", "quando", "quanta", "quantas",
    "quanto", "quantos", "que", "quê", "quem", "são", "se", "sem", "ser", "seu", "seus", "só", "sobre",
    "sua", "suas", "também", "tem", "têm", "tenho", "ter", "um", "uma", "você",
];
const DUTCH: &[&str] = &[
    "aan", "al", "als", "bij", "ben", "dan", "dat", "de", "deze", "die", "dit", "door", "een", "en", "er",
    "geen", "had", "heb", "hebben", "heeft", "het", "hij", "hoe", "hoeveel", "hoelang", "hun", "ik", "in",
    "is", "je", "kan", "kunnen", "maar", "mag", "me", "meer", "met", "mijn", "moet", "na", "naar", "niet",
    "nog", "of", "om", "onder", "ons", "ook", "op", "over", "te", "tot", "uit", "van", "veel", "voor",
    "waar", "waarom", "wanneer", "was", "wat", "we", "welk", "welke", "werd", "wie", "wij", "worden",
    "wordt", "zich", "zij", "zijn", "zo", "zou",
];
const ALL: [(Tongue, &[&str]); 7] = [
    (Tongue::English, ENGLISH),
    (Tongue::German, GERMAN),
    (Tongue::Spanish, SPANISH),
    (Tongue::French, FRENCH),
    (Tongue::Italian, ITALIAN),
    (Tongue::Portuguese, PORTUGUESE),
    (Tongue::Dutch, DUTCH),
];

/// Words that ask for a measure or state one, and its noun: "how heavy" asks for the weight.
const MEASURES: &[(Tongue, &[&str], &str)] = &[
    (Tongue::English, &["heavy", "weigh", "weighs"], "weight"),
    (Tongue::English, &["high", "tall"], "height"),
    (Tongue::English, &["wide"], "width"),
    (Tongue::English, &["deep"], "depth"),
    (Tongue::English, &["thick"], "thickness"),
    (Tongue::German, &["schwer", "wiegt", "wiegen"], "gewicht"),
    (Tongue::German, &["hoch"], "höhe"),
    (Tongue::Spanish, &["pesa", "pesan"], "peso"),
    (Tongue::French, &["pèse", "pèsent", "lourd", "lourde"], "poids"),
    (Tongue::Italian, &["pesa", "pesano", "pesante"], "peso"),
    (Tongue::Portuguese, &["pesa", "pesam", "pesado"], "peso"),
    (Tongue::Dutch, &["weegt", "wegen", "zwaar"], "gewicht"),
];

static SMALL: LazyLock<HashMap<Tongue, HashSet<&str>>> = LazyLock::new(|| {
    ALL.into_iter().map(|(tongue, words)| (tongue, words.iter().copied().collect())).collect()
});

impl Tongue {
    /// The language with most small words in a text. A text of Latin letters alone that has none is taken
    /// for English.
    pub(crate) fn of(text: &str) -> Self {
        let lower = text.to_lowercase();
        let words: Vec<&str> = words(&lower).collect();
        let mut best = (0, Self::Unknown);
        for (tongue, _) in ALL {
            let count = words.iter().filter(|word| tongue.is_small(word)).count();
            if count > best.0 {
                best = (count, tongue);
            }
        }
        if best.0 == 0 && text.is_ascii() { Self::English } else { best.1 }
    }

    /// Whether a lower-cased word says nothing by itself.
    pub(crate) fn is_small(self, word: &str) -> bool {
        SMALL.get(&self).is_some_and(|words| words.contains(word))
    }

    /// The part of a lower-cased word that its forms share.
    pub(crate) fn stem(self, word: &str) -> String {
        match self {
            Self::English => english_stem(word).to_owned(),
            _ => other_stem(word),
        }
    }

    /// The noun of the measure that a lower-cased word asks for or states.
    pub(crate) fn measure(self, word: &str) -> Option<&'static str> {
        let is_it = |(tongue, words, _): &&(Self, &[&str], &str)| *tongue == self && words.contains(&word);
        MEASURES.iter().find(is_it).map(|(.., noun)| *noun)
    }

    /// Whether every noun has a capital.
    pub(crate) fn capitals_nouns(self) -> bool {
        self == Self::German
    }
}

/// Words, also those before and after an apostrophe or in a compound with hyphens.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.unicode_words().flat_map(|word| word.split(['\'', '’'])).filter(|word| !word.is_empty())
}

/// Takes common English endings off, so that `filters`, `filter` and `filtering` meet.
fn english_stem(word: &str) -> &str {
    if !word.is_ascii() || word.len() < 4 || word.bytes().any(|b| b.is_ascii_digit()) {
        return word;
    }
    for ending in [
        "ations", "ation", "ments", "ment", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "ys", "s",
        "e", "y",
    ] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.len() >= 3
        {
            return stem;
        }
    }
    word
}

/// Letters that most endings of European languages are made of.
const ENDING: &[char] = &['a', 'e', 'i', 'o', 'u', 'n', 'r', 's', 't', 'm', 'z'];
/// An ending leaves at least so many letters.
const STEM_LETTERS: usize = 4;

/// Without diacritics and without the letters endings are made of.
fn other_stem(word: &str) -> String {
    let folded: String = word.nfd().filter(|c| !is_combining_mark(*c)).collect();
    let latin = folded.bytes().all(|byte| byte.is_ascii_lowercase());
    if !latin {
        return if folded.is_ascii() { folded } else { word.to_owned() };
    }
    let kept = folded.trim_end_matches(ENDING).len().max(STEM_LETTERS).min(folded.len());
    folded.get(..kept).unwrap_or(&folded).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_by_their_small_words() {
        for (text, tongue) in [
            ("How long is the warranty?", Tongue::English),
            ("error E3", Tongue::English),
            ("Wie lange gilt die Garantie?", Tongue::German),
            ("¿Cuánto cuesta el envío?", Tongue::Spanish),
            ("À quelle heure peut-on arriver ?", Tongue::French),
            ("Quanto costa la spedizione?", Tongue::Italian),
            ("Quando abre a loja e onde é?", Tongue::Portuguese),
            ("Hoe lang duurt de garantie?", Tongue::Dutch),
            ("保証期間は？", Tongue::Unknown),
        ] {
            assert_eq!(Tongue::of(text), tongue, "{text}");
        }
    }

    #[test]
    fn forms_of_a_word_meet() {
        for (one, other) in [
            ("garantie", "garantien"),
            ("kind", "kinder"),
            ("bicicleta", "bicicletas"),
            ("alquilar", "alquiler"),
            ("remboursé", "remboursée"),
            ("préstamo", "prestamos"),
            ("coûte", "coûtent"),
        ] {
            assert_eq!(Tongue::German.stem(one), Tongue::German.stem(other), "{one} {other}");
        }
        assert_eq!(Tongue::English.stem("filtering"), Tongue::English.stem("filters"));
        assert_eq!(Tongue::German.stem("e42"), "e42");
    }
}
