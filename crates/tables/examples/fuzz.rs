//! Mutates JSON at random and feeds it to the fuzz entry points; needs no special toolchain.
//!
//! `fuzz/run [seconds] [seed]`. Inputs that give a kind of answer not seen before join the corpus.
//! A panic prints the input that caused it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use quarry_tables::testing;
use rand::prelude::*;
use rand::rngs::StdRng;
use std::collections::HashSet;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

const TOKENS: &[&str] = &[
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$mod",
    "$size",
    "$regex",
    "$options",
    "$and",
    "$or",
    "$not",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "-0.0",
    "1e308",
    "9007199254740993",
    "\"2024-01-01\"",
    "\"id\"",
    "\"n\"",
    "\"s\"",
    "\"o.a.b\"",
    "\"l.0\"",
    "\"any\"",
    "\"a.b\"",
    "\"d\"",
    "\"k\"",
    "key",
    "unique",
    "sum",
    "type",
    "properties",
    "string",
    "object",
    "array",
    "nullable",
    "x-zui",
    "computed",
    "enum",
    "pattern",
    "(",
    "\\\\p{L}+",
    "ü",
    "\\u0000",
    ":",
    ",",
    "{",
    "}",
    "[",
    "]",
    "\"",
];

fn mutate(input: &[u8], other: &[u8], chance: &mut StdRng) -> Vec<u8> {
    let mut text = input.to_vec();
    for _ in 0..chance.random_range(1..4) {
        let at = chance.random_range(0..=text.len());
        let end = (at + chance.random_range(0..12)).min(text.len());
        match chance.random_range(0..6) {
            0 => drop(text.drain(at..end)),
            1 => {
                let token = TOKENS.choose(chance).unwrap();
                text.splice(at..at, token.bytes());
            }
            2 => {
                // One JSON string becomes another.
                let quotes: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'"').collect();
                if quotes.len() >= 2 {
                    let first = chance.random_range(0..quotes.len() - 1);
                    let token = TOKENS.choose(chance).unwrap().trim_matches('"');
                    text.splice(quotes[first] + 1..quotes[first + 1], token.bytes());
                }
            }
            3 => {
                let from = chance.random_range(0..=other.len());
                let to = (from + chance.random_range(0..60)).min(other.len());
                text.splice(at..end, other[from..to].iter().copied());
            }
            4 => {
                let again = text[at..end].to_vec();
                text.splice(at..at, again);
            }
            _ => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = chance.random_range(b' '..=b'~');
                }
            }
        }
    }
    text.truncate(4_000);
    text
}

/// What distinguishes answers: taken or refused, and which names the input uses.
fn kind_of(answer: Option<bool>, text: &[u8]) -> Option<Vec<u8>> {
    let taken = answer?;
    let text = String::from_utf8_lossy(text);
    let mut kind: Vec<u8> = TOKENS.iter().map(|token| u8::from(text.contains(token))).collect();
    kind.push(u8::from(taken));
    kind.push(text.len().ilog2() as u8);
    Some(kind)
}

fn run(name: &str, target: fn(&[u8]) -> Option<bool>, limit: Duration, seed: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut corpus: Vec<Vec<u8>> =
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    corpus.sort();
    let mut chance = StdRng::seed_from_u64(seed);
    let (mut seen, mut runs, mut taken) = (HashSet::new(), 0_u64, 0_u64);
    let start = Instant::now();
    while start.elapsed() < limit {
        let (input, other) = (corpus.choose(&mut chance).unwrap(), corpus.choose(&mut chance).unwrap());
        let text = mutate(input, other, &mut chance);
        let Ok(answer) = catch_unwind(|| target(&text)) else {
            panic!("{name} panics on: {}", String::from_utf8_lossy(&text));
        };
        runs += 1;
        taken += u64::from(answer == Some(true));
        if let Some(kind) = kind_of(answer, &text)
            && corpus.len() < 20_000
            && seen.insert(kind)
        {
            corpus.push(text);
        }
    }
    println!("{name}: {runs} inputs, {taken} taken, {} kept, no panic (seed {seed})", corpus.len());
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    let limit = Duration::from_secs(numbers.first().copied().unwrap_or(60));
    let seed = numbers.get(1).copied().unwrap_or_else(rand::random);
    run("find", testing::find, limit, seed);
    run("schema", testing::schema, limit, seed);
}
