//! The words that questions of a kind are known by, in English, German, Spanish, French, Italian, Portuguese and some
//! Dutch. A word that means something else in another of these languages is left out. Lists alone; what is done with
//! them is in `expect`; those of answers are in `telling`.

/// Words after "how" that ask for a number.
pub(super) const MEASURES: &[&str] = &[
    "much", "many", "high", "heavy", "tight", "thick", "far", "fast", "big", "large", "deep", "wide", "tall",
    "loud", "hot", "cold", "warm", "strong", "low", "small",
];
/// The same after "wie".
pub(super) const GERMAN_MEASURES: &[&str] = &[
    "viel", "viele", "hoch", "schwer", "dick", "weit", "schnell", "groß", "tief", "breit", "laut", "heiß",
    "kalt", "warm", "stark", "alt",
];
pub(super) const QUANTITIES: &[&str] = &[
    "size",
    "temperature",
    "temperatures",
    "percent",
    "percentage",
    "number",
    "weight",
    "height",
    "width",
    "depth",
    "load",
    "torque",
    "capacity",
    "speed",
    "length",
    "temperatur",
    "gewicht",
    "größe",
    "anzahl",
    "höhe",
    "temperatura",
    "peso",
    "tamaño",
    "número",
    "cuántos",
    "cuántas",
    "température",
    "poids",
    "taille",
    "quanti",
    "quante",
    "quantos",
    "quantas",
    "hoeveel",
];
pub(super) const PRICES: &[&str] = &[
    "cost", "costs", "price", "prices", "fee", "fees", "kostet", "kosten", "preis", "preise", "gebühr",
    "cuesta", "cuestan", "precio", "precios", "tarifa", "coûte", "coûtent", "prix", "tarif", "tarifs",
    "costano", "prezzo", "prezzi", "custa", "custam", "preço", "preços", "kost",
];
pub(super) const PLACES: &[&str] =
    &["town", "city", "country", "countries", "state", "region", "location", "continent"];
pub(super) const TIMES: &[&str] = &["year", "time", "date", "day", "month", "century", "decade"];
/// Words that ask for a time: by themselves, and after "what" or "which" in their languages.
pub(super) const WHEN: &[&str] = &["when", "wann", "cuándo", "cuando", "quand", "quando", "wanneer"];
/// Words before which "when" still asks: "since when", "¿desde cuándo?", "and when".
pub(super) const BEFORE_WHEN: &[&str] = &[
    "since", "until", "till", "from", "by", "before", "after", "and", "und", "bis", "ab", "seit", "von", "y",
    "desde", "hasta", "para", "et", "depuis", "jusqu'à", "à", "e", "da", "fino", "a", "até", "de", "en",
    "vanaf", "tot", "sinds",
];
/// Words for the times something is open.
pub(super) const OPENING: &[&str] = &["horario", "horaires", "öffnungszeiten"];
/// Words before "hours" and "times" that ask for them.
pub(super) const OPEN: &[&str] = &["opening", "business", "office", "visiting", "closing"];
/// First words of a question for them.
pub(super) const ASKING_HOURS: &[&str] =
    &["what", "what's", "which", "tell", "give", "your", "the", "and", "please", "hi", "hello"];
/// Words before them with which something else is asked.
pub(super) const BESIDE_HOURS: &[&str] = &[
    "outside", "after", "during", "before", "in", "within", "beyond", "on", "about", "change", "changes",
    "to", "as", "for", "how", "counts", "find", "happens",
];
/// Words for what is paid, after "how much" and "what".
pub(super) const PAYING: &[&str] = &["charge", "charges", "pay"];
/// First words of a question to be answered with yes or no.
pub(super) const YES_OR_NO: &[&str] = &[
    "can", "could", "may", "might", "must", "shall", "should", "will", "would", "do", "does", "did", "is",
    "are", "was", "were", "am", "has", "have", "had", "kann", "kannst", "können", "könnte", "könnt", "darf",
    "dürfen", "muss", "müssen", "soll", "sollte", "ist", "sind", "hat", "habt", "haben", "gibt", "wird",
    "werden", "war", "waren", "puedo", "puede", "pueden", "se", "es", "son", "hay", "tiene", "tienen",
    "está", "están", "debo", "existe", "puis", "peut", "peux", "est", "faut", "avez", "ont", "posso", "può",
    "possono", "è", "sono", "c'è", "ha", "hanno", "devo", "pode", "podem", "é", "há", "tem", "têm", "são",
    "estão", "kan", "mag", "heeft", "hebben",
];
/// Words that say that the question itself stands within one of those: "Can you tell me how much …".
pub(super) const TELLING: &[&str] = &[
    "tell", "know", "say", "explain", "sagen", "wissen", "decir", "decirme", "saber", "dire", "savoir",
    "dirmi", "sapere", "dizer",
];
/// First words of a question for a way.
pub(super) const HOW: &[&str] = &["how", "wie", "cómo", "como", "comment", "come", "hoe"];
/// Words that join a question to what was said before.
pub(super) const JOINING: &[&str] =
    &["and", "but", "or", "und", "aber", "y", "pero", "et", "mais", "e", "ma", "mas", "en"];
pub(super) const HOURS: &[&str] =
    &["hora", "horas", "ora", "heure", "heures", "tag", "tagen", "jahr", "día", "jour", "giorno", "dia"];
pub(super) const WHO: &[&str] =
    &["who", "whom", "whose", "wer", "wem", "wen", "quién", "quien", "quiénes", "quem"];
pub(super) const WHERE: &[&str] = &["where", "wo", "wohin", "dónde", "donde", "où", "onde", "waar"];
/// Words before those with which they still ask.
pub(super) const LEADING: &[&str] = &[
    "to", "for", "with", "of", "in", "on", "at", "under", "against", "so", "ok", "hi", "hello", "please",
    "also", "an", "mit", "für", "bei", "gegen", "durch", "auf", "con", "por", "avec", "chez", "com", "par",
    "pour",
];
/// Words right before which the question asked of someone ends: "tell us who", "any idea where".
pub(super) const ASKED_OF: &[&str] = &[
    "me", "us", "tell", "know", "say", "idea", "mir", "uns", "dime", "sabes", "sabe", "moi", "nous", "dimmi",
    "diga", "wissen", "saber", "savoir",
];
/// Words after "who" where someone of a kind is asked for rather than by name.
pub(super) const WHO_OF_A_KIND: &[&str] = &[
    "can",
    "may",
    "must",
    "should",
    "could",
    "shall",
    "do",
    "needs",
    "gets",
    "pays",
    "allowed",
    "eligible",
    "entitled",
    "liable",
    "responsible",
    "covered",
    "required",
    "exempt",
    "kann",
    "darf",
    "muss",
    "soll",
    "sollte",
    "bekommt",
    "zahlt",
    "bezahlt",
    "haftet",
    "puede",
    "pueden",
    "debe",
    "deben",
    "paga",
    "peut",
    "doit",
    "pode",
    "deve",
];
/// Words before what is asked for out of several: "which version".
pub(super) const WHICH: &[&str] = &[
    "which", "what", "welche", "welcher", "welches", "welchen", "welchem", "qué", "cuál", "quel", "quelle",
    "quels", "quelles", "quale", "quali", "qual", "quais", "welk", "welke",
];
/// Beginnings of questions for a span of time.
pub(super) const HOW_LONG: &[&[&str]] = &[
    &["how", "long"],
    &["how", "old"],
    &["how", "often"],
    &["wie", "lange"],
    &["wie", "oft"],
    &["cuánto", "tiempo"],
    &["cuánto", "dura"],
    &["cuánto", "tarda"],
    &["cada", "cuánto"],
    &["combien", "de", "temps"],
    &["quanto", "tempo"],
    &["quanto", "dura"],
    &["ogni", "quanto"],
    &["hoe", "lang"],
    &["hoe", "vaak"],
];
/// Words that ask for an amount before a unit of time.
pub(super) const HOW_MANY: &[&str] = &[
    "many", "viele", "vielen", "cuántos", "cuántas", "combien", "quanti", "quante", "quantos", "quantas",
    "hoeveel",
];
/// Words after which "how many …" no longer says of what.
pub(super) const AFTER_COUNTED: &[&str] = &[
    "per", "a", "an", "each", "every", "in", "for", "on", "at", "can", "do", "does", "did", "is", "are",
    "may", "will", "have", "pro", "im", "am", "kann", "darf", "hat", "haben", "por", "al", "puedo", "par",
    "puis", "posso",
];
/// Beginnings of questions for a way to do something, or for a list.
pub(super) const STEPS: &[&[&str]] = &[
    &["how", "do"],
    &["how", "can"],
    &["how", "should"],
    &["how", "could"],
    &["how", "to"],
    &["how", "must"],
    &["how", "would"],
    &["how", "is", "it"],
    &["what", "should"],
    &["what", "must"],
    &["what", "do", "i"],
    &["what", "do", "we"],
    &["what", "do", "you"],
    &["what", "are", "the"],
    &["what", "can", "i"],
    &["what", "now"],
    &["which", "steps"],
    &["wie", "kann"],
    &["wie", "muss"],
    &["wie", "soll"],
    &["wie", "mache"],
    &["wie", "wird"],
    &["wie", "stelle"],
    &["wie", "setze"],
    &["was", "muss"],
    &["was", "soll"],
    &["was", "kann"],
    &["was", "tun"],
    &["was", "mache"],
    &["cómo"],
    &["qué", "debo"],
    &["qué", "tengo"],
    &["qué", "hay", "que"],
    &["qué", "hago"],
    &["qué", "pasos"],
    &["qué", "necesito"],
    &["comment"],
    &["que", "dois"],
    &["que", "faut"],
    &["que", "faire"],
    &["come"],
    &["cosa", "devo"],
    &["che", "cosa", "devo"],
    &["como"],
    &["o", "que", "devo"],
    &["hoe", "kan"],
    &["hoe", "moet"],
];
