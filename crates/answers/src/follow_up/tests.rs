#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn asked(questions: &[&str]) -> Vec<Turn> {
    questions.iter().map(|text| Turn { who: Who::User, text: (*text).to_owned() }).collect()
}

fn after(question: &str, before: &str) -> Option<String> {
    standalone(question, &asked(&[before]))
}

#[test]
fn follow_ups_carry_their_subject() {
    for (before, question, whole) in [
        ("How heavy is the Brook W740?", "How loud is it?", "How loud is the Brook W740?"),
        ("How heavy is the Brook W740?", "And the W900?", "How heavy is the W900?"),
        ("How heavy is the Brook W740?", "And Brook W900?", "How heavy is the Brook W900?"),
        (
            "How long is the warranty on the dryer?",
            "Can it be extended?",
            "Can the warranty on the dryer be extended?",
        ),
        (
            "How long is the warranty on the dryer?",
            "And on the dishwasher?",
            "How long is the warranty on the dishwasher?",
        ),
        (
            "How long is the warranty on the dryer?",
            "What about the dishwasher?",
            "How long is the warranty on the dishwasher?",
        ),
        ("How do I clean the filter?", "How often must I do that?", "How often must I do the filter?"),
        ("What is the price of the Ember E340?", "What is its weight?", "What is the Ember E340's weight?"),
        ("Do you sell robots?", "How much do they cost?", "How much do robots cost?"),
        ("how many chairs are there?", "and tables?", "how many tables are there?"),
        ("how many chairs are there?", "which of them are new?", "which of chairs are new?"),
        ("show me all lamps", "how many are there?", "how many lamps are there?"),
        ("show orders from Rome", "which is the largest?", "which is the largest of the orders from Rome?"),
        ("which courses are online?", "how much do they cost?", "how much do online courses cost?"),
        ("How many days of leave do I get?", "Can I carry them over?", "Can I carry days of leave over?"),
        ("which sofa is the cheapest?", "and the chair?", "which chair is the cheapest?"),
        (
            "what is the average price per category?",
            "and the rating?",
            "what is the average rating per category?",
        ),
        (
            "When are your phone lines open?",
            "What about Sundays?",
            "When are your phone lines open on Sundays?",
        ),
        ("When are your phone lines open?", "and June?", "When are your phone lines open in June?"),
        ("Who plays on Friday?", "And Saturday?", "Who plays on Saturday?"),
    ] {
        assert_eq!(after(question, before).as_deref(), Some(whole), "{before} / {question}");
    }
}

#[test]
fn whole_questions_stay() {
    for question in [
        "How much does it cost to have an integrated dishwasher fitted?",
        "Does the Wren R90 have a camera?",
        "How do I clean this filter?",
        "Wie lange gilt die Garantie?",
        "What does error code F12 mean?",
    ] {
        assert_eq!(after(question, "How heavy is the Brook W740?"), None, "{question}");
    }
    assert_eq!(standalone("How loud is it?", &[]), None);
}

#[test]
fn chains_go_on() {
    let earlier = ["How heavy is the Brook W740?", "And the Cinder D620?"];
    assert_eq!(
        standalone("How loud is it?", &asked(&earlier)).as_deref(),
        Some("How loud is the Cinder D620?")
    );
}

proptest! {
    #[test]
    fn any_text_is_read(question in ".{0,80}", before in ".{0,80}") {
        let _ = after(&question, &before);
    }

    #[test]
    fn any_words_are_read(question in "(and |what about )?((it|the|is|for|W740|dryer|that)[ ?]){0,8}",
                          before in "((how|is|the|it|for|W740|dryer|that|of)[ ?]){0,9}") {
        let _ = after(&question, &before);
    }
}

#[test]
fn follow_ups_in_other_languages_carry_their_subject() {
    for (before, question, whole) in [
        ("Wie schwer ist die Brook W740?", "Wie laut ist sie?", "Wie laut ist sie – die Brook W740?"),
        ("Wie schwer ist die Brook W740?", "Und die W900?", "Wie schwer ist die W900?"),
        (
            "Wie lange gilt die Garantie auf den Trockner?",
            "Und auf die Spülmaschine?",
            "Wie lange gilt die Garantie auf die Spülmaschine?",
        ),
        ("Was kostet der Eintritt für Erwachsene?", "Und für Kinder?", "Was kostet der Eintritt für Kinder?"),
        ("Wann hat die Kasse geöffnet?", "Und Sonntag?", "Wann hat die Kasse geöffnet am Sonntag?"),
        ("Wann hat die Kasse geöffnet?", "Und sonntags?", "Wann hat die Kasse geöffnet sonntags?"),
        ("¿Cuándo abre la piscina?", "¿Y el domingo?", "¿Cuándo abre la piscina el domingo?"),
        ("Wo steht der Automat?", "Was kostet das?", "Was kostet das – der Automat?"),
        ("¿Cuánto cuesta la lavadora W740?", "¿Y cuánto pesa?", "¿Y cuánto pesa – la lavadora W740?"),
        ("¿Cuánto cuesta la lavadora W740?", "¿Cómo la limpio?", "¿Cómo la limpio – la lavadora W740?"),
        ("¿Cuánto cuesta la lavadora W740?", "¿Y la W900?", "¿Cuánto cuesta la W900?"),
        ("¿Dónde está el filtro?", "¿Cómo puedo limpiarlo?", "¿Cómo puedo limpiarlo – el filtro?"),
        (
            "Combien coûte la machine W740 ?",
            "Combien pèse-t-elle ?",
            "Combien pèse-t-elle – la machine W740?",
        ),
        ("Combien coûte la machine W740 ?", "Et la W900 ?", "Combien coûte la W900?"),
        ("Quanto costa la lavatrice W740?", "E quanto pesa?", "E quanto pesa – la lavatrice W740?"),
        ("Quanto custa a máquina W740?", "Qual é o peso dela?", "Qual é o peso dela – a máquina W740?"),
        ("Ile kosztuje pralka W740?", "A gwarancja?", "A gwarancja – W740?"),
        ("W740の重さは？", "音量は？", "W740の重さは？ 音量は？"),
    ] {
        assert_eq!(after(question, before).as_deref(), Some(whole), "{before} / {question}");
    }
    for question in [
        "Wie lange gilt die Garantie?",
        "Haben Sie eine Kantine?",
        "Gibt es einen Rabatt für Studenten?",
        "¿Cuánto cuesta el envío a casa?",
        "Quand ferme la piscine ?",
        "Y a-t-il une garantie ?",
        "Quanto costa la spedizione?",
        "Quando abre a loja?",
        "Jak długo trwa gwarancja na silnik?",
    ] {
        assert_eq!(after(question, "Wie schwer ist die Brook W740?"), None, "{question}");
    }
}

#[test]
fn what_was_named_in_the_answer_is_spoken_of() {
    let turn = |who, text: &str| Turn { who, text: text.to_owned() };
    for (before, answer, question, whole) in [
        (
            "Which washing machine is the quietest?",
            "Brook W900: noise db 69【1】",
            "How heavy is it?",
            "How heavy is Brook W900?",
        ),
        (
            "Which machine is quiet?",
            "The Brook W900 is our quietest.【1】",
            "How much does it cost?",
            "How much does Brook W900 cost?",
        ),
        (
            "Welche Maschine ist leise?",
            "Die Brook W900 ist die leiseste.【1】",
            "Was kostet sie?",
            "Was kostet sie – Brook W900?",
        ),
        (
            "How heavy is the dryer?",
            "The Cinder D620 weighs 54 kg.【1】",
            "How loud is it?",
            "How loud is the dryer?",
        ),
    ] {
        let turns = [turn(Who::User, before), turn(Who::Assistant, answer)];
        assert_eq!(standalone(question, &turns).as_deref(), Some(whole), "{before} / {question}");
    }
}

#[test]
fn several_lines_name_nothing_and_who_names_a_person() {
    let turn = |who, text: &str| Turn { who, text: text.to_owned() };
    for (before, answer, question, whole) in [
        (
            "Which courses are online?",
            "Rust for All: online yes【1】\nTax Basics: online yes【2】",
            "How much do they cost?",
            "How much do online courses cost?",
        ),
        (
            "Who teaches Rust for All?",
            "Rust for All: teacher Mara Lindt【1】",
            "What else does she teach?",
            "What else does Mara Lindt teach?",
        ),
    ] {
        let turns = [turn(Who::User, before), turn(Who::Assistant, answer)];
        assert_eq!(standalone(question, &turns).as_deref(), Some(whole), "{before} / {question}");
    }
}

#[test]
fn queries_of_tables_are_carried_on() {
    let kind = |before: &str, now: &str| carried(now, &asked(&[before])).map(|carried| carried.kind);
    for now in
        ["which of them are red?", "how many are there?", "only the black ones", "which is the cheapest?"]
    {
        assert_eq!(kind("show me all lamps", now), Some(Carry::Rows), "{now}");
    }
    for now in ["and delivered?", "what about chairs?", "under $25?"] {
        assert_eq!(kind("how many orders are pending?", now), Some(Carry::Query), "{now}");
    }
    for now in ["how many chairs are there?", "Do you deliver to Rome?", "Wie viele sind es?"] {
        assert_eq!(kind("show me all lamps", now), None, "{now}");
    }
    assert_eq!(carried("how many are there?", &[]), None);
}

#[test]
fn whole_questions_in_other_languages_stay() {
    for (before, questions) in [
        (
            "¿Cuánto cuesta la lavadora W740?",
            &[
                "¿A qué hora abren este sábado?",
                "¿Hay charla esta semana?",
                "¿Hay wifi?",
                "¿Tienen aparcamiento?",
                "¿Qué trae Carlo?",
                "¿Y aceptan mascotas en la habitación?",
                "¿Aceptan tarjetas de crédito?",
                "¿Aceptan perros?",
            ][..],
        ),
        (
            "Combien coûte la machine W740 ?",
            &[
                "Peut-on payer en espèces ?",
                "Est-il possible de venir avec un chien ?",
                "Existe-t-il un tarif réduit ?",
                "La piscine est-elle ouverte le dimanche ?",
                "Et acceptez-vous les chèques ?",
                "Acceptez-vous Visa ?",
            ],
        ),
        (
            "Wie schwer ist die Brook W740?",
            &[
                "Was kostet der Eintritt diese Woche?",
                "Habt ihr sonntags geöffnet?",
                "Habt ihr Parkplätze?",
                "Und öffnet das Café auch sonntags?",
            ],
        ),
        (
            "Quanto costa la lavatrice W740?",
            &["A che ora chiude la piscina questa sera?", "Chi parla con Carlo?", "C'è parcheggio?"],
        ),
        (
            "Hoe zwaar is de wasmachine?",
            &["Wat kost de droger in de winkel?", "Hvad koster den i butikken?", "Hvor er den store butik?"],
        ),
        ("How heavy is the Brook W740?", &["Wat kost de droger?", "Hvad koster den i butikken?"]),
    ] {
        for question in questions {
            assert_eq!(after(question, before), None, "{question}");
        }
    }
}

#[test]
fn demonstratives_and_contracted_articles_are_read() {
    for (before, question, whole) in [
        ("¿Cuánto cuesta la lavadora W740?", "¿Cuánto pesa esta?", "¿Cuánto pesa esta – la lavadora W740?"),
        (
            "Wie schwer ist die Brook W740?",
            "Wie hoch ist ihr Preis?",
            "Wie hoch ist ihr Preis – die Brook W740?",
        ),
        (
            "Combien coûte la machine ?",
            "Qu'en est-il du lave-linge séchant ?",
            "Combien coûte la lave-linge séchant?",
        ),
        (
            "Quanto costa la lavatrice?",
            "Che dire della asciugatrice piccola?",
            "Quanto costa la asciugatrice piccola?",
        ),
        ("Quanto custa a máquina?", "E quanto ao secador?", "Quanto custa a secador?"),
    ] {
        assert_eq!(after(question, before).as_deref(), Some(whole), "{before} / {question}");
    }
}

#[test]
fn dates_numbers_and_labels_are_spoken_of_by_nobody() {
    for (before, answer) in [
        ("Which day is the pool in Osterby closed?", "On Mondays.【1】"),
        ("Which is the quietest washer?", "Important: read the manual.【1】"),
        ("Which is the quietest washer?", "At 9 h it is.【1】"),
        ("Which is the quietest washer?", "It opens Monday 14 at noon.【1】"),
        ("Quelle heure est la visite ?", "La visite Grande Galerie est à 9 h.【1】"),
    ] {
        assert_eq!(entity(before, answer, spoken_in(before).unwrap()), None, "{before} / {answer}");
    }
}
