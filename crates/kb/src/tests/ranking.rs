//! What stands first, and what is shown of it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn passages_with_the_words_together_come_first_and_repeats_give_way() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    let near = "Clean the oven door with vinegar and wait. The fridge cools slowly.";
    let apart = "The door of the fridge is white. Vinegar is sour. An oven is hot. Clean air cools slowly.";
    let long = "Our oven door reaches every kitchen in one of thirty colours, among them teal, lime, plum, olive, amber, ruby, \
                slate, sand, pearl, coral and indigo.";
    add(&world, &bot, "apart", &[apart]).await;
    add(&world, &bot, "near", &[near, long]).await;
    add(&world, &bot, "copy", &[near, &long.replace("indigo", "purple")]).await;
    let hits =
        world.kb.search(&bot, Search { explain: true, ..search("clean oven door vinegar") }).await.unwrap();
    let texts: Vec<&str> = hits.iter().map(|hit| hit.content.as_str()).collect();
    assert_eq!(hits.len(), 5, "nothing is lost");
    // A copy gives way to what is nearly as good, and stands before what is not.
    assert_eq!(texts[..3], [near, apart, near]);
    assert!(texts[3..].iter().all(|text| text.starts_with("Our oven")), "{texts:?}");
    assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let why = hits[0].explain.as_ref().unwrap();
    assert_eq!(why["second"]["sentence"], 1.0, "{why}");
    assert!(why["terms"]["vinegar"].as_f64().unwrap() > 0.0, "{why}");
    assert_eq!((&why["plan"]["vectors"], &why["plan"]["candidates"]), (&"exact".into(), &5.into()));
    assert!(why["lexical"]["rank"].is_u64() && why["dense"]["score"].is_f64(), "{why}");
    let whole = Search { explain: true, consolidate: true, ..search("clean oven door vinegar") };
    let files = world.kb.search(&bot, whole).await.unwrap();
    assert_eq!(files[0].explain.as_ref(), Some(why), "that of its best match");
    assert!(files.iter().all(|file| file.explain.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_are_shown_once_with_the_best_hit_they_belong_to() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    let texts: Vec<String> =
        (0..6).map(|n| format!("Part {n} of the kettle handbook says thing{n}.")).collect();
    add(&world, &bot, "book", &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let wanted = Search { context_depth: 2, with_context: true, ..search("kettle handbook thing3") };
    let hits = world.kb.search(&bot, wanted).await.unwrap();
    assert_eq!(hits.len(), 6);
    assert_eq!(hits[0].content, texts[1..6].join("\n\n"));
    for text in &texts {
        let times: usize = hits.iter().map(|hit| hit.content.matches(text.as_str()).count()).sum();
        assert!(times <= 2, "as a neighbour and as a hit: {text} {times} times");
    }
    for hit in &hits {
        let current = hit.context.as_ref().unwrap().iter().find(|item| item.kind == "current").unwrap();
        assert!(hit.content.contains(&current.text) && hit.context.as_ref().unwrap().len() >= 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passages_that_differ_in_what_is_asked_for_are_all_found() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    let terms = |plan: &str| {
        format!(
            "Customers with the {plan} plan may cancel the contract at any moment without giving a reason, by letter, by mail or at the counter of a branch."
        )
    };
    for plan in ["gold", "silver", "bronze"] {
        add(&world, &bot, plan, &[&terms(plan)]).await;
    }
    for n in 0..25 {
        let filler = format!("Notice {n}: the lift in building {n} is checked in week {n}.");
        add(&world, &bot, &format!("filler{n}"), &[&filler]).await;
    }
    let asked = "difference between gold plan and silver plan when cancelling";
    let hits = world.kb.search(&bot, Search { limit: 3, ..search(asked) }).await.unwrap();
    let texts: Vec<&str> = hits.iter().map(|hit| hit.content.as_str()).collect();
    assert!(
        ["gold", "silver", "bronze"].iter().all(|plan| texts.contains(&terms(plan).as_str())),
        "{texts:?}"
    );
}
