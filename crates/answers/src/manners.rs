//! What a message says around its question: greetings, thanks, "I have a quick question:".
//!
//! People write to a bot as they write to each other. Such words stand in no document, so that a question among them
//! would look less answered than it is. Known in English, German, Spanish, French, Italian and Portuguese.
//! Invariant: what is left is a piece of the message as it was written, never empty.

use std::collections::HashSet;
use std::sync::LazyLock;
use unicode_segmentation::UnicodeSegmentation;

/// What is said for politeness; any of it may stand before or after a question, or several one after another.
const COURTESIES: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "hiya",
    "greetings",
    "good morning",
    "good afternoon",
    "good evening",
    "good day",
    "please",
    "please help",
    "please help me",
    "help me",
    "can you help",
    "can you help me",
    "can you please help me",
    "could you help me",
    "could you please help me",
    "i need help",
    "i need some help",
    "excuse me",
    "sorry",
    "sorry to bother you",
    "quick question",
    "one question",
    "just a quick question",
    "i hope you are well",
    "i hope you're well",
    "hope you are well",
    "hope you're well",
    "hope you are doing well",
    "i hope you are doing well",
    "i hope this finds you well",
    "hope all is well",
    "how are you",
    "how are you doing",
    "thanks",
    "thank you",
    "thx",
    "many thanks",
    "thanks a lot",
    "thanks so much",
    "thank you so much",
    "thank you very much",
    "thanks very much",
    "thanks in advance",
    "thank you in advance",
    "many thanks in advance",
    "thanks for your help",
    "thank you for your help",
    "appreciate it",
    "much appreciated",
    "i appreciate it",
    "cheers",
    "bye",
    "have a nice day",
    "have a great day",
    "kind regards",
    "best regards",
    "regards",
    "best wishes",
    "hallo",
    "guten morgen",
    "guten tag",
    "guten abend",
    "moin",
    "servus",
    "grüß gott",
    "bitte",
    "danke",
    "vielen dank",
    "danke schön",
    "dankeschön",
    "besten dank",
    "vielen dank im voraus",
    "danke im voraus",
    "entschuldigung",
    "entschuldigen sie",
    "kurze frage",
    "eine kurze frage",
    "eine frage",
    "ich brauche hilfe",
    "können sie mir helfen",
    "kannst du mir helfen",
    "mit freundlichen grüßen",
    "liebe grüße",
    "viele grüße",
    "hola",
    "buenas",
    "buenos días",
    "buenas tardes",
    "buenas noches",
    "por favor",
    "gracias",
    "muchas gracias",
    "gracias de antemano",
    "muchas gracias de antemano",
    "perdón",
    "disculpe",
    "una pregunta",
    "un saludo",
    "saludos",
    "bonjour",
    "bonsoir",
    "salut",
    "s'il vous plaît",
    "s'il te plaît",
    "svp",
    "stp",
    "merci",
    "merci beaucoup",
    "merci d'avance",
    "merci par avance",
    "excusez-moi",
    "pardon",
    "une question",
    "petite question",
    "cordialement",
    "ciao",
    "salve",
    "buongiorno",
    "buonasera",
    "per favore",
    "per piacere",
    "grazie",
    "grazie mille",
    "molte grazie",
    "grazie in anticipo",
    "scusi",
    "scusa",
    "una domanda",
    "cordiali saluti",
    "olá",
    "oi",
    "bom dia",
    "boa tarde",
    "boa noite",
    "obrigado",
    "obrigada",
    "muito obrigado",
    "muito obrigada",
    "obrigado desde já",
    "desculpe",
    "uma pergunta",
    "atenciosamente",
];

/// What leads to a question.
const PREAMBLES: &[&str] = &[
    "i have a question",
    "i have a quick question",
    "i've a question",
    "i've got a question",
    "i have one question",
    "i have another question",
    "i'd like to know",
    "i would like to know",
    "i just want to know",
    "i want to know",
    "i need to know",
    "i was wondering",
    "i am wondering",
    "i'm wondering",
    "just wondering",
    "wondering",
    "can you tell me",
    "can you please tell me",
    "could you tell me",
    "could you please tell me",
    "would you tell me",
    "please tell me",
    "tell me",
    "please could you tell me",
    "please can you tell me",
    "do you know",
    "do you happen to know",
    "can you explain",
    "can you please explain",
    "could you explain",
    "please explain",
    "my question is",
    "ich habe eine frage",
    "ich hätte eine frage",
    "ich habe eine kurze frage",
    "ich hätte gerne gewusst",
    "ich möchte wissen",
    "ich wüsste gerne",
    "ich würde gerne wissen",
    "können sie mir sagen",
    "können sie mir bitte sagen",
    "könnten sie mir sagen",
    "könnten sie mir bitte sagen",
    "kannst du mir sagen",
    "kannst du mir bitte sagen",
    "wissen sie",
    "weißt du",
    "tengo una pregunta",
    "tengo una duda",
    "quisiera saber",
    "me gustaría saber",
    "quiero saber",
    "puede decirme",
    "podría decirme",
    "puedes decirme",
    "me puede decir",
    "me podría decir",
    "me puedes decir",
    "j'ai une question",
    "j'aimerais savoir",
    "je voudrais savoir",
    "je veux savoir",
    "pouvez-vous me dire",
    "pourriez-vous me dire",
    "peux-tu me dire",
    "savez-vous",
    "ho una domanda",
    "vorrei sapere",
    "mi piacerebbe sapere",
    "può dirmi",
    "potrebbe dirmi",
    "puoi dirmi",
    "mi può dire",
    "tenho uma pergunta",
    "tenho uma dúvida",
    "gostaria de saber",
    "queria saber",
    "pode me dizer",
    "poderia me dizer",
    "você sabe",
];

/// Words that a question begins with, or the clause that "can you tell me" leads to.
const ASKING: &[&str] = &[
    "what", "what's", "which", "who", "who's", "whom", "whose", "when", "when's", "where", "where's", "why",
    "how", "how's", "if", "whether", "can", "could", "may", "must", "should", "will", "would", "do", "does",
    "did", "is", "are", "was", "were", "has", "have", "i", "my", "we", "was", "welche", "welcher", "welches",
    "welchen", "wer", "wem", "wen", "wann", "wo", "wohin", "woher", "warum", "wieso", "wie", "ob", "kann",
    "können", "darf", "muss", "gibt", "ist", "sind", "hat", "haben", "ich", "qué", "cuál", "cuáles", "quién",
    "cuándo", "dónde", "cómo", "cuánto", "cuánta", "cuántos", "cuántas", "si", "puedo", "hay", "que", "quel",
    "quelle", "quels", "quelles", "qui", "quand", "où", "pourquoi", "comment", "combien", "est-ce",
    "puis-je", "à", "y", "che", "cosa", "quale", "quali", "chi", "quando", "dove", "perché", "come",
    "quanto", "quanta", "quanti", "quante", "se", "posso", "o", "qual", "quais", "quem", "onde", "por",
    "como", "quantos", "quantas",
];

/// Whom a greeting speaks to.
const GREETED: &[&str] = &[
    "there",
    "team",
    "all",
    "everyone",
    "everybody",
    "folks",
    "guys",
    "support",
    "support team",
    "sir",
    "madam",
    "sir or madam",
    "bot",
    "dear",
    "dear team",
    "dear support",
    "liebes team",
    "zusammen",
    "a todos",
    "à tous",
    "a tutti",
];

/// Words of the longest phrase above.
const LONGEST: usize = 7;
/// Signs between a question and what is said after it.
const PARTING: [char; 8] = [',', ';', ':', '-', '–', '—', '\n', ' '];
/// Phrases that are taken from each end.
const MOST: usize = 8;
/// Words of a name under a closing such as "kind regards".
const SIGNATURE: usize = 3;
/// After these, in a line of their own, whatever is left of the message is who wrote it.
const CLOSINGS: &[&str] = &[
    "kind regards",
    "best regards",
    "regards",
    "best wishes",
    "best",
    "cheers",
    "thanks",
    "thank you",
    "many thanks",
    "mit freundlichen grüßen",
    "liebe grüße",
    "viele grüße",
    "un saludo",
    "saludos",
    "cordialement",
    "cordiali saluti",
    "atenciosamente",
];

/// Phrases as the words of a message are compared with them.
struct Phrases(LazyLock<HashSet<String>>);

impl Phrases {
    fn hold(&self, words: &[String]) -> bool {
        !words.is_empty() && words.len() <= LONGEST && self.0.contains(&words.join(" "))
    }
}

fn as_words(phrases: &[&str]) -> HashSet<String> {
    phrases.iter().map(|phrase| phrase.unicode_words().collect::<Vec<_>>().join(" ")).collect()
}

static POLITE: Phrases = Phrases(LazyLock::new(|| as_words(COURTESIES)));
static ADDRESSED: Phrases = Phrases(LazyLock::new(|| as_words(GREETED)));
static LEADING: Phrases = Phrases(LazyLock::new(|| as_words(PREAMBLES)));
static CLOSING: Phrases = Phrases(LazyLock::new(|| as_words(CLOSINGS)));

/// The question of a message without the politeness around it, when there was any.
pub(crate) fn without_manners(message: &str) -> Option<String> {
    let places: Vec<(usize, &str)> = message.unicode_word_indices().collect();
    let words = places.iter().map(|(_, word)| word.to_lowercase().replace('’', "'")).collect();
    let read = Read { message, places, words };
    let (mut from, mut to) = (0, read.words.len());
    for _ in 0..MOST {
        let Some(next) = read.said_before(from) else { break };
        from = next;
    }
    for _ in 0..MOST {
        let Some(before) = read.said_after(from, to) else { break };
        to = before;
    }
    let left = read.words.get(from..to).unwrap_or_default();
    // A message of nothing but politeness is left as it is.
    if left.len() == read.words.len() || left.is_empty() || POLITE.hold(left) || ADDRESSED.hold(left) {
        return None;
    }
    let end = read.places.get(to).map_or(message.len(), |(at, _)| *at);
    let left = message.get(read.start(from)..end)?.trim_end();
    // What parted it from the thanks goes with them.
    let left =
        if to < read.words.len() { left.trim_end_matches(|c: char| PARTING.contains(&c)) } else { left };
    (!left.is_empty()).then(|| left.to_owned())
}

/// The last sentence that asks, and what is said before it, of a message of several sentences.
pub(crate) fn last_asked(message: &str) -> Option<(&str, &str)> {
    let (at, asked) = message
        .split_sentence_bound_indices()
        .filter(|(_, sentence)| sentence.trim_end().ends_with(['?', '？']))
        .last()?;
    let before = message.get(..at)?.trim();
    (!before.is_empty()).then(|| (before, asked.trim()))
}

struct Read<'m> {
    message: &'m str,
    places: Vec<(usize, &'m str)>,
    /// The same words, lower-cased.
    words: Vec<String>,
}

impl Read<'_> {
    /// Where a word begins, with a mark that opens a question before it.
    fn start(&self, word: usize) -> usize {
        let at = self.places.get(word).map_or(self.message.len(), |(at, _)| *at);
        let before = self.message.get(..at).unwrap_or_default();
        at - (before.len() - before.trim_end_matches(['¿', '¡', '"', '“', '„', '(']).len())
    }

    /// What stands between a word and the one before it.
    fn gap(&self, word: usize) -> &str {
        let end = |(at, text): &(usize, &str)| at + text.len();
        let from = word.checked_sub(1).and_then(|before| self.places.get(before)).map_or(0, end);
        let to = self.places.get(word).map_or(self.message.len(), |(at, _)| *at);
        self.message.get(from..to).unwrap_or_default()
    }

    fn said(&self, from: usize, to: usize) -> &[String] {
        self.words.get(from..to).unwrap_or_default()
    }

    /// Whether a word begins something new: a mark and a space before it, or a line of its own. What joins words, or
    /// opens a quotation, does not.
    fn is_parted(&self, word: usize) -> bool {
        let gap = self.gap(word);
        let joins =
            |c: char| matches!(c, '-' | '/' | '&' | '@' | '"' | '“' | '„' | '«' | '(' | '[' | '\'' | '’');
        let marks = |c: char| !c.is_whitespace() && !joins(c);
        gap.contains('\n')
            || (gap.contains(char::is_whitespace) && gap.contains(marks) && !gap.contains(joins))
    }

    /// The same where a sentence or a line has ended before it.
    fn is_apart(&self, word: usize) -> bool {
        let gap = self.gap(word);
        self.is_parted(word) && !gap.trim_end().ends_with([',', ':', ';'])
    }

    /// Past a phrase that begins here and leads to more.
    fn said_before(&self, from: usize) -> Option<usize> {
        let asks = |at: usize| self.words.get(at).is_some_and(|word| ASKING.contains(&word.as_str()));
        let leads = |at: usize| {
            let next = |phrases: &Phrases| (1..=LONGEST).any(|count| phrases.hold(self.said(at, at + count)));
            next(&POLITE) || next(&LEADING) || next(&ADDRESSED)
        };
        (1..=LONGEST).rev().map(|count| from + count).filter(|to| *to < self.words.len()).find(|to| {
            let said = self.said(from, *to);
            let follows = self.is_parted(*to) || asks(*to);
            (POLITE.hold(said) && (follows || leads(*to)))
                || (from > 0 && ADDRESSED.hold(said) && follows)
                || (LEADING.hold(said) && follows)
        })
    }

    /// Before a phrase that ends here, something else standing before it.
    fn said_after(&self, from: usize, to: usize) -> Option<usize> {
        let least = (from + 1).max(to.saturating_sub(LONGEST + SIGNATURE));
        let signed = |at: usize| {
            let closes = |count: usize| {
                let gap = self.gap(at + count);
                let ends = at + count == to || gap.contains('\n') || gap.starts_with(',');
                ends && to - at - count <= SIGNATURE && CLOSING.hold(self.said(at, at + count))
            };
            let apart = self.gap(at).contains('\n') || self.is_apart(at);
            apart && (1..=LONGEST).any(|count| at + count <= to && closes(count))
        };
        let polite = |at: usize| {
            let comma = self.gap(at).trim_end().ends_with(',') && self.is_parted(at);
            (self.is_apart(at) || comma) && POLITE.hold(self.said(at, to))
        };
        (least..to).find(|at| polite(*at) || signed(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn politeness_goes_and_the_question_stays_as_it_was() {
        for (message, question) in [
            ("Hi! When do you open?", "When do you open?"),
            ("Hi there, when do you open?", "when do you open?"),
            ("hi when do you open", "when do you open"),
            ("When do you open? Thanks!", "When do you open?"),
            ("When do you open? Thank you in advance.", "When do you open?"),
            ("Hello, I have a quick question: when do you open?", "when do you open?"),
            ("Please help. When do you open?", "When do you open?"),
            ("Could you please tell me how much the tiramisu is?", "how much the tiramisu is?"),
            ("Good morning team,\n\nwhen do you open?\n\nKind regards,\nAnna Berg", "when do you open?"),
            ("Hi Support, when do you open? Thanks,\nBo", "when do you open?"),
            ("When do you open? Thanks, Bo", "When do you open?"),
            ("Hey 👋 can I bring a dog? 🙏", "can I bring a dog? 🙏"),
            ("Hi, do you teach C++", "do you teach C++"),
            ("Hi, what is parking under 5€, thanks", "what is parking under 5€"),
            ("Guten Tag! Wann öffnen Sie? Vielen Dank im Voraus.", "Wann öffnen Sie?"),
            ("Hola, ¿cuándo abren? Gracias.", "¿cuándo abren?"),
            ("Bonjour, pouvez-vous me dire quand vous ouvrez ? Merci d’avance", "quand vous ouvrez ?"),
            ("Buongiorno, vorrei sapere quanto costa il corso. Grazie", "quanto costa il corso."),
            ("Olá! Quanto custa? Obrigada", "Quanto custa?"),
        ] {
            assert_eq!(without_manners(message).as_deref(), Some(question), "{message}");
        }
    }

    #[test]
    fn what_asks_for_something_of_that_name_is_left_alone() {
        for message in [
            "When do you open?",
            "Hello",
            "Hi there!",
            "Thanks a lot!",
            "Hello Kitty mug price",
            "Best western route?",
            "Do you know Java?",
            "Tell me about refunds",
            "Help desk hours?",
            "How do I say thank you",
            "All rooms with a balcony",
            "Dear diary pages, how many?",
            "How do I contact tech-support?",
            "How do I set up a catch-all?",
            "All-inclusive price?",
            "Hi-Fi repair?",
            "What is your second-best offer?",
            "Two phones: best battery life?",
            "What happens when I press \"Help\"?",
            "Which plan has SSO: Pro, Business, Team?",
            "Support: what are the hours?",
            "Everyone can bring a guest?",
            "Which one do you recommend? Best for kids?",
            "Which button says \"Thanks\"?",
            "",
            "??",
        ] {
            assert_eq!(without_manners(message), None, "{message}");
        }
    }

    #[test]
    fn the_sentence_that_asks_is_told_from_what_is_said_before_it() {
        let message = "I am a new customer. How do I register? My name is Bo.";
        assert_eq!(last_asked(message), Some(("I am a new customer.", "How do I register?")));
        assert_eq!(last_asked("How do I register?"), None);
        assert_eq!(last_asked("I am new. Tell me more."), None);
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_piece_of_the_message(message in "(hi|hello|thanks|please|[,.!? \n]|tell me|how|¿|ñ|what is|dog|regards){0,12}") {
            if let Some(left) = without_manners(&message) {
                prop_assert!(!left.is_empty() && message.contains(&left));
                prop_assert!(left.chars().any(char::is_alphanumeric));
            }
        }
    }
}
