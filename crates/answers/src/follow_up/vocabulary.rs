//! Words that follow-ups are told by in any language, or in English alone. Lists alone.

/// Words of Dutch, the languages of Scandinavia, Polish and Romanian, of which other words ("de", "den")
/// look like those of a language above.
pub(super) const FOREIGN: &[&str] = &[
    "het", "een", "hoe", "wat", "waar", "wanneer", "zijn", "kunnen", "voor", "niet", "ik", "jullie",
    "hebben", "heeft", "naar", "deze", "geen", "moet", "mag", "kost", "kan", "op", "hvad", "hva", "hvor",
    "hvordan", "hvornår", "vad", "hur", "när", "når", "är", "på", "ikke", "inte", "jeg", "jag", "för", "og",
    "och", "det", "med", "har", "koster", "kostar", "czy", "jak", "nie", "ile", "jest", "cât", "și",
    "pentru", "unde", "când",
];

/// What an answer may begin with that is no name: days and months, without their endings.
pub(super) const DATES: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "januar",
    "februar",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
];

/// Words after "which" that ask for no thing or person.
pub(super) const MEASURES: &[&str] = &[
    "time",
    "times",
    "day",
    "days",
    "hour",
    "hours",
    "date",
    "dates",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "size",
    "sizes",
    "temperature",
    "price",
    "tag",
    "tage",
    "tagen",
    "uhrzeit",
    "uhr",
    "woche",
    "monat",
    "jahr",
    "zeit",
    "zeiten",
    "temperatur",
    "größe",
    "preis",
    "día",
    "días",
    "hora",
    "horas",
    "mes",
    "año",
    "semana",
    "talla",
    "heure",
    "heures",
    "jour",
    "jours",
    "mois",
    "année",
    "semaine",
    "taille",
    "prix",
    "température",
    "giorno",
    "giorni",
    "ora",
    "ore",
    "mese",
    "anno",
    "settimana",
    "data",
    "dia",
    "dias",
    "mês",
    "ano",
];

/// Words for rows that were spoken of.
pub(super) const ROW_PRONOUNS: &[&str] = &["they", "them", "those", "these", "ones", "their"];
/// Words that are never what a question is about.
pub(super) const NO_SUBJECT: &[&str] = &["there", "i", "we", "you", "me", "us", "here", "get"];
/// Words before the head of a noun phrase that stay when the head is exchanged.
pub(super) const MEASURED: &[&str] =
    &["average", "mean", "median", "total", "highest", "lowest", "minimum", "maximum", "combined"];
/// Beginnings of questions for several things, whose noun follows.
pub(super) const LISTINGS: &[&str] =
    &["show me all", "show me", "show all", "show", "list all", "list", "how many", "which"];
