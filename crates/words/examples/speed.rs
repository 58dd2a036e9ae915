//! Times preparing a vocabulary of 20 columns × 1,000 values, and questions over it.
//!
//! `cargo run --release -p quarry-words --example speed`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use quarry_types::Timestamp;
use quarry_words::{Collector, Compiler, Kind, Vocabulary};
use std::time::Instant;

const SYLLABLES: [&str; 16] = [
    "ka", "lo", "mi", "ne", "ru", "sta", "ver", "don", "pel", "qui", "zar", "ten", "bo", "gri", "hal", "fen",
];

fn word(mut seed: usize) -> String {
    (0..4)
        .map(|_| {
            let part = SYLLABLES[seed % 16];
            seed = seed / 16 + 7;
            part
        })
        .collect()
}

fn vocabulary() -> Vocabulary {
    let mut columns = Vec::new();
    for at in 0..20 {
        let mut column = Collector::new(&format!("{}Code", word(at * 911)), Kind::Text, None);
        (0..1_000).for_each(|value| {
            column.add_text(&format!("{} {}", word(value * 37 + at), word(value * 53 + at * 7)), 3)
        });
        columns.extend(column.finish());
    }
    for (name, kind) in [("price", Kind::Number), ("launchedAt", Kind::DateTime), ("active", Kind::Bool)] {
        columns.extend(Collector::new(name, kind, None).finish());
    }
    Vocabulary { table: "productsTable".into(), columns }
}

fn main() {
    let vocabulary = vocabulary();
    let start = Instant::now();
    let compiler = Compiler::new(&vocabulary);
    println!("prepare {} values: {:.1} ms", 20 * 1_000, start.elapsed().as_secs_f64() * 1e3);
    let value = |column: usize, at: usize| vocabulary.columns[column].values[at].0.clone();
    let questions = [
        "active products under $20 launched after March 2023, ten most expensive first".to_owned(),
        format!("{} or {}, not {}, price between 10 and 20", value(0, 5), value(0, 6), value(3, 9)),
        format!("how many active products with {} per {}", value(7, 1), vocabulary.columns[2].name),
        "unfamilar wrods nobody knwos herre somewhre elsewhre allways misspeled thruout".to_owned(),
    ];
    let now = Timestamp::parse("2024-11-20").unwrap();
    for question in questions {
        let mut times: Vec<f64> = (0..200)
            .map(|_| {
                let start = Instant::now();
                compiler.compile(&question, now).unwrap();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("min {:.3} p50 {:.3} p99 {:.3} ms  {question}", times[0], times[100], times[198]);
    }
}
