#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn terms(text: &str, channel: Channel) -> Vec<String> {
    let mut found = Vec::new();
    analyze(text, Side::Document, &mut |c, term| {
        if c == channel {
            found.push(term.to_owned());
        }
    });
    found
}

fn words(text: &str) -> Vec<String> {
    terms(text, Channel::Words)
}

fn exact(text: &str) -> Vec<String> {
    terms(text, Channel::Exact)
}

#[test]
fn english_is_stemmed_and_stopped_but_kept_exact() {
    assert_eq!(words("The washing machines aren't leaking."), ["wash", "machin", "aren", "leak"]);
    assert_eq!(exact("The machines"), ["the", "machines"]);
    assert_eq!(words("the user's manual"), ["user", "manual"]);
}

#[test]
fn codes_are_found_whole_joined_and_in_parts() {
    assert_eq!(exact("WX-2000"), ["wx", "2000", "wx-2000", "wx2000"]);
    assert_eq!(exact("WX2000"), ["wx2000", "wx", "2000"]);
    assert_eq!(exact("E42"), ["e42"]);
    assert!(exact("version 1.2.3.").contains(&"1.2.3".to_owned()));
    assert!(exact("cost 1,000 euro").contains(&"1000".to_owned()));
    let mail = exact("write to Jo.Doe@example.com, please");
    assert!(mail.contains(&"jo.doe@example.com".to_owned()) && mail.contains(&"example".to_owned()));
    assert!(exact("in C++ or C#.").contains(&"c++".to_owned()));
    assert!(exact("in C++ or C#.").contains(&"c#".to_owned()));
}

#[test]
fn diacritics_fold_and_stay() {
    assert_eq!(words("Größe café"), ["gross", "cafe"]);
    assert_eq!(exact("Größe"), ["grosse", "größe"]);
    assert_eq!(exact("ｆｕｌｌ"), ["full"]);
    assert_eq!(exact("Ёлка"), ["елка", "ёлка"]);
    assert_eq!(words("हिन्दी भाषा").len(), 2, "vowel signs do not split words");
}

#[test]
fn scripts_without_spaces_become_pairs() {
    assert_eq!(words("洗濯機"), ["洗濯", "濯機"]);
    assert_eq!(exact("洗濯機"), ["洗", "濯", "機"]);
    assert_eq!(words("水"), ["水"]);
    assert_eq!(words("型番WX2000です"), ["型番", "wx2000", "です"]);
    assert_eq!(words("세탁기"), ["세탁", "탁기"]);
}

#[test]
fn queries_drop_what_says_nothing_unless_it_is_all() {
    let query = |text| query_terms(text, 10).into_iter().map(|(_, term)| term).collect::<Vec<_>>();
    assert_eq!(
        query("What is the warranty of the washers? washers!"),
        ["warranti", "warranty", "washer", "washers"]
    );
    assert_eq!(query("to be or not to be"), ["to", "be", "or", "not"]);
    assert!(query("what is this?").contains(&"what".to_owned()));
    assert!(query("?! …").is_empty());
    assert_eq!(query_terms(&"word ".repeat(100_000), 10).len(), 2);
    let many: String = (0..500).map(|i| format!("w{i} ")).collect();
    let count = |channel| query_terms(&many, 10).iter().filter(|(of, _)| *of == channel).count();
    assert_eq!((count(Channel::Words), count(Channel::Exact)), (10, 10));
    let long: String = ('一'..).take(100).collect();
    let words = query_terms(&long, 128).into_iter().filter(|(of, _)| *of == Channel::Words);
    assert_eq!(words.count(), 99, "spelling takes no place of what ranks");
}

proptest! {
    #[test]
    fn any_text_gives_bounded_terms(text in "\\PC{0,200}") {
        let mut all = Vec::new();
        analyze(&text, Side::Document, &mut |channel, term| all.push((channel, term.to_owned())));
        prop_assert!(all.iter().all(|(_, term)| !term.is_empty() && term.len() <= TERM_BYTES_MAX));
        prop_assert!(all.len() <= 12 * text.len() + 12);
        let mut stream = WordTokenizer::new(Channel::Exact);
        let mut stream = stream.token_stream(&text);
        let mut count = 0;
        while stream.advance() { count += 1; }
        prop_assert_eq!(count, all.iter().filter(|(channel, _)| *channel == Channel::Exact).count());
    }

    #[test]
    fn a_text_finds_itself(text in "[a-zA-Z0-9é洗濯.@ -]{1,40}") {
        let indexed: HashSet<_> = {
            let mut set = HashSet::new();
            analyze(&text, Side::Document, &mut |channel, term| { set.insert((channel, term.to_owned())); });
            set
        };
        prop_assert!(query_terms(&text, 1000).iter().all(|term| indexed.contains(term)));
    }
}
