//! The words that join, compare, negate, order and count, and those that carry nothing.
//!
//! Invariant: a phrase is matched on folded tokens alone, the longest one first.

use crate::token::Token;
use std::collections::HashMap;
use std::sync::LazyLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Greater,
    AtLeast,
    Less,
    AtMost,
    Equal,
    Unequal,
    Around,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    Starts,
    Ends,
    Mentions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    Average,
    Total,
    Least,
    Greatest,
    Count,
}

/// What a phrase does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Compare(Compare),
    /// "after", "since": as a comparison, but first of all of days.
    When(Compare),
    /// "about", "around" before a number, otherwise what a text is about.
    About,
    OrMore,
    OrLess,
    Between,
    From,
    To,
    Not,
    Except,
    And,
    Or,
    Comma,
    /// Ends a clause: "but", ";".
    Stop,
    Either,
    Neither,
    Nor,
    With,
    Without,
    Missing,
    Present,
    Text(TextTest),
    Is,
    In,
    Sort,
    Ascending,
    Descending,
    First,
    Last,
    Top,
    Bottom,
    Most,
    Least,
    Aggregate(Sum),
    HowMuch,
    Distinct,
    Per,
    By,
    What,
    Who,
    Where,
    When_,
    Show,
    Common,
    Upcoming,
    Past,
    Free,
    InStock,
    OutOfStock,
    Open,
    Close,
    /// "years old" after a number.
    Aged,
    /// Stands for the rows, like "people" or "items".
    Row,
    /// Carries nothing.
    Filler,
}

use Compare as C;
use Word as W;

const PHRASES: &[(Word, &str)] = &[
    (
        W::Compare(C::Greater),
        "over|above|more than|greater than|higher than|exceeding|exceeds|exceed|in excess of|beyond|>|no longer under",
    ),
    (W::When(C::Greater), "after|later than|following"),
    (W::When(C::Less), "before|prior to|earlier than|ahead of"),
    (W::When(C::AtLeast), "since|as of|starting from|starting in|from on"),
    (W::When(C::AtMost), "until|till|no later than|not after|not later than|up until|up till"),
    (
        W::Compare(C::AtLeast),
        "at least|no less than|not less than|no fewer than|not fewer than|not under|not below|minimum of|a minimum of|>=|upwards of|starting at|greater than or equal to|more than or equal to|not lower than|min|minimum",
    ),
    (W::When(C::AtLeast), "not before|no earlier than"),
    (W::Compare(C::Less), "under|below|less than|fewer than|lower than|<|underneath"),
    (
        W::Compare(C::AtMost),
        "at most|up to|no more than|not more than|not over|not above|maximum of|a maximum of|<=|less than or equal to|no greater than|not exceeding|not higher than|no higher than|at the most|max|maximum",
    ),
    (W::Compare(C::Equal), "exactly|equal to|equals|=|precisely|is equal to|equal"),
    (
        W::Compare(C::Unequal),
        "!=|not equal to|is not equal to|does not equal|doesn't equal|differs from|different from|different than",
    ),
    (W::Compare(C::Around), "approximately|roughly|circa|~|close to|more or less"),
    (W::About, "around|about"),
    (
        W::OrMore,
        "or more|or higher|or above|or over|or greater|or better|or later|or newer|or up|and above|and up|and over|and more|plus|upwards|or larger|or bigger|and higher|and later|onwards|onward|or longer|or after|and newer",
    ),
    (
        W::OrLess,
        "or less|or lower|or below|or under|or fewer|or cheaper|or earlier|and below|and under|and less|or smaller|or worse|and lower|and earlier|or before|and older",
    ),
    (
        W::Between,
        "between|ranging from|anywhere from|in the range of|in the range|range from|somewhere between",
    ),
    (W::From, "from"),
    (W::To, "to|-|through|thru"),
    (
        W::Not,
        "not|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|hadn't|won't|can't|cannot|isnt|arent|dont|doesnt|never|non|no longer|not yet|ain't|not the",
    ),
    (
        W::Except,
        "except|except for|excluding|exclude|excludes|other than|apart from|besides|but not|rather than|aside from|leaving out|leave out|minus|ignoring|and not|anything but|everything but|nothing from|nothing in|nothing by|nothing at|none of|none from",
    ),
    (W::And, "and|&|as well as|also|along with|together with|and also|and are|and is"),
    (W::Or, "or|/|or else|and / or|and or|or are|or is"),
    (W::Comma, ","),
    (W::Stop, "but|;|.|while|though|although|however|yet they|but are|but is|but still|but also|yet"),
    (W::Either, "either"),
    (W::Neither, "neither"),
    (W::Nor, "nor"),
    (
        W::With,
        "with|having|has|have|had|got|featuring|offering|comes with|come with|coming with|includes a|that has|that have|who have|who has|provided with",
    ),
    (
        W::Without,
        "without|no|lacking|lacks|lack|w / o|free of|doesn't have|does not have|don't have|do not have|has no|have no|with no|not having|didn't have|did not have|hasn't got|haven't got|that has no|that have no|nobody is|no one is|nobody|no one|not with|who have no|who has no|doesnt have|dont have|not have",
    ),
    (
        W::Missing,
        "missing|empty|blank|null|unset|unknown|undefined|not set|not known|not available|not given|not specified|not filled|not filled in|n / a|not provided|is missing|are missing|is empty|is blank",
    ),
    (
        W::Present,
        "present|is set|is present|exists|exist|is known|filled in|is filled|not empty|not null|not missing|not blank|is not empty|is not null|is not missing|specified|is given|provided|is specified",
    ),
    (
        W::Text(TextTest::Contains),
        "contains|containing|contain|includes|include|including|included|that contain|with the word|with the words|with the text",
    ),
    (
        W::Text(TextTest::Starts),
        "starts with|start with|starting with|begins with|begin with|beginning with|started with",
    ),
    (W::Text(TextTest::Ends), "ends with|end with|ending with|ends in|end in|ending in|ended with"),
    (
        W::Text(TextTest::Mentions),
        "mentions|mention|mentioning|mentioned|talking about|talk about|regarding|concerning|related to|relating to|saying|says|say|matching|matches|complaining about|complain about|that mention|dealing with|deal with",
    ),
    (W::Is, "is|are|was|were|be|being|been|'s|:"),
    (W::In, "in|at|on|within|inside|during|for|of|via|through the|over the|under the|into"),
    (
        W::Sort,
        "sorted by|sort by|ordered by|order by|ranked by|rank by|arranged by|in order of|sort them by|order them by|sort the results by|sorted on|sort on|sorted|sort|arranged|ordering by|sorting by",
    ),
    (
        W::Ascending,
        "ascending|asc|low to high|from low to high|lowest to highest|from lowest to highest|a to z|a - z|from a to z|increasing|smallest to largest|alphabetically|in alphabetical order|alphabetical|alphabetical order|oldest to newest|in ascending order|ascending order|cheapest to most expensive",
    ),
    (
        W::Descending,
        "descending|desc|high to low|from high to low|highest to lowest|from highest to lowest|z to a|z - a|from z to a|decreasing|largest to smallest|newest to oldest|reverse|reversed|in descending order|descending order|in reverse order|most expensive to cheapest",
    ),
    (W::Aged, "years old|year old|years of age|yrs old|year olds"),
    (W::First, "first"),
    (W::Last, "last"),
    (W::Top, "top"),
    (W::Bottom, "bottom"),
    (W::Most, "most|maximal"),
    (W::Least, "least|fewest|minimal"),
    (W::Aggregate(Sum::Average), "average|avg|mean|the average|on average|averaged"),
    (W::Aggregate(Sum::Total), "total|sum|sum of|total of|combined|in total|sum up|altogether|overall"),
    (W::Aggregate(Sum::Least), "minimum|min"),
    (W::Aggregate(Sum::Greatest), "maximum|max"),
    (
        W::Aggregate(Sum::Count),
        "how many|number of|count|count of|count the|the number of|total number of|the total number of|how many of|counting|amount of|tally",
    ),
    (W::HowMuch, "how much|what does it cost"),
    (W::Distinct, "distinct|different|unique|various"),
    (
        W::Per,
        "per|for each|by each|in each|at each|on each|of each|for every|in every|of every|each|every|grouped by|group by|broken down by|split by|depending on|for the different|by the|breakdown by|across",
    ),
    (W::By, "by"),
    (W::What, "which|what"),
    (W::Who, "who|whose|whom"),
    (W::Where, "where"),
    (W::When_, "when"),
    (
        W::Show,
        "show|list|find|give|get|display|fetch|return|see|search|search for|look for|looking for|tell|need|want|pull up|bring up|filter|filter by|select|only show",
    ),
    (
        W::Common,
        "most common|most frequent|commonest|most often|most used|most frequently used|most commonly used",
    ),
    (W::Upcoming, "upcoming|future|coming up|yet to come|coming soon|still to come"),
    (W::Past, "past|already over|already happened|over already"),
    (W::Free, "free|for free|at no cost|free of charge|gratis|no charge"),
    (
        W::InStock,
        "in stock|available|still available|available now|left in stock|available in stock|still in stock|currently in stock",
    ),
    (W::OutOfStock, "out of stock|sold out|not in stock|no longer in stock|unavailable"),
    (W::Open, "("),
    (W::Close, ")"),
    (
        W::Row,
        "people|person|persons|staff|folks|everyone|everybody|anyone|anybody|someone|items|item|entries|entry|records|record|rows|row|things|thing|stuff|anything|everything|something|ones|one|guys|members|member|workers|worker|results|result|the data|all data|listings|listing|those|options|option|table",
    ),
    (
        W::Filler,
        "the|a|an|to|do|does|did|done|can|could|would|should|will|shall|may|might|must|i|me|my|mine|we|us|our|you|your|it|its|they|them|their|he|she|his|her|this|that|these|those that|there|here|how|please|all|any|some|only|just|still|currently|now|right|so|very|really|too|as|if|then|than|off|out|up|down|both|like|want to|work|works|working|worked|live|lives|living|based|come|comes|came|take|takes|place|take place|took place|taking place|happen|happens|happened|make|makes|sell|selling|use|uses|using|used|belong|belongs|belonging|go|gone|able|let|let's|lets|okay|ok|hi|hey|thanks|thank|kindly|want|wants|need|needs|would like|actually|currently|left|old|yrs|going|with a|serving|'d|'re|'ve|i'd|i'm|we're|that's|there's|?|!|who're|it's|set|value|values|whatever|themselves|own|even|again|already|ever|such|same|per se|quite|pretty|more|much|many|friendly|a month|a year|a week|a night|a day|monthly|yearly|annually|few|several|fairly|kind|sort of|kind of|mostly|in the|located|holding|hold|anywhere|somewhere|sitting|exact|recorded|info|information|details|new|at all|altogether|within the|made",
    ),
];

/// Phrases by their first token.
type Table = HashMap<&'static str, Vec<(Vec<&'static str>, Word)>>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new();
    for (word, phrases) in PHRASES {
        // The bar itself stands for nothing: no phrase holds one.
        for phrase in phrases.split('|').filter(|phrase| !phrase.is_empty()) {
            let parts: Vec<&str> = phrase.split(' ').collect();
            table.entry(parts[0]).or_default().push((parts, *word));
        }
    }
    for phrases in table.values_mut() {
        phrases.sort_by_key(|(parts, _)| std::cmp::Reverse(parts.len()));
    }
    table
});

/// The phrases that begin at a token, longest first, with the number of tokens they take; of one
/// length the first that fits its place counts.
pub(crate) fn phrases_at(tokens: &[Token], from: usize) -> Vec<(Word, usize)> {
    let Some(phrases) = tokens.get(from).and_then(|token| TABLE.get(token.folded.as_str())) else {
        return Vec::new();
    };
    let fits = |parts: &[&str]| {
        parts
            .iter()
            .enumerate()
            .all(|(at, part)| tokens.get(from + at).is_some_and(|token| token.folded == *part))
    };
    let mut found: Vec<(Word, usize)> = Vec::new();
    for (parts, word) in phrases {
        if fits(parts) {
            found.push((*word, parts.len()));
        }
    }
    found
}

/// Whether a word is part of this language, so that it is no misspelling.
pub(crate) fn is_known(folded: &str) -> bool {
    static WORDS: LazyLock<std::collections::HashSet<&'static str>> =
        LazyLock::new(|| PHRASES.iter().flat_map(|(_, phrases)| phrases.split(['|', ' '])).collect());
    WORDS.contains(folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokenize;

    #[test]
    fn the_longest_phrase_comes_first() {
        let at = |text: &str| phrases_at(&tokenize(text), 0).first().copied();
        assert_eq!(at("no more than 5"), Some((Word::Compare(Compare::AtMost), 3)));
        assert_eq!(at("no agent"), Some((Word::Without, 1)));
        assert_eq!(at("IN STOCK"), Some((Word::InStock, 2)));
        assert_eq!(at("w/o x"), Some((Word::Without, 3)));
        assert_eq!(at("chair"), None);
    }
}
