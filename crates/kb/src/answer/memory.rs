//! What the model made of sentences met before, so that a document asked about often is embedded once.
//!
//! Bounded: two generations of at most [`GENERATION`] of them, vectors in half precision (about
//! 1.1 kB each); when the young one is full the old one is dropped. Invariant: a meaning is only ever found
//! under the text it was made from, for the model it was made by.

use half::f16;
use parking_lot::Mutex;
use quarry_index::TokenCodes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Sentences per generation: together about 18 MB with 384 numbers and 20 tokens each.
const GENERATION: usize = 8_192;

type TextKey = [u8; 16];

/// What the model made of a sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Meaning {
    pub(crate) vector: Vec<f32>,
    /// Empty where the model has no token space.
    pub(crate) tokens: TokenCodes,
}

/// The same as it is remembered.
struct Known {
    vector: Box<[f16]>,
    tokens: TokenCodes,
}

impl Known {
    fn meaning(&self) -> Meaning {
        let vector = self.vector.iter().map(|number| number.to_f32()).collect();
        Meaning { vector, tokens: self.tokens.clone() }
    }
}

/// The memory of one engine.
#[derive(Default)]
pub(crate) struct SentenceMemory {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<TextKey, Known>,
    old: HashMap<TextKey, Known>,
}

fn key(fingerprint: &str, text: &str) -> TextKey {
    let digest = Sha256::new().chain_update(fingerprint).chain_update([0]).chain_update(text).finalize();
    let mut key = TextKey::default();
    key.copy_from_slice(&digest[..16]);
    key
}

impl SentenceMemory {
    /// What is known, in the order of the texts.
    pub(crate) fn recall(&self, fingerprint: &str, texts: &[String]) -> Vec<Option<Meaning>> {
        let keys: Vec<TextKey> = texts.iter().map(|text| key(fingerprint, text)).collect();
        let mut generations = self.generations.lock();
        keys.into_iter()
            .map(|key| {
                if let Some(found) = generations.young.get(&key) {
                    return Some(found.meaning());
                }
                let found = generations.old.remove(&key)?;
                let meaning = found.meaning();
                generations.keep(key, found);
                Some(meaning)
            })
            .collect()
    }

    /// Remembers sentences.
    pub(crate) fn keep<'a>(&self, fingerprint: &str, made: impl Iterator<Item = (&'a str, &'a Meaning)>) {
        let known = |meaning: &Meaning| Known {
            vector: meaning.vector.iter().map(|number| f16::from_f32(*number)).collect(),
            tokens: meaning.tokens.clone(),
        };
        let made: Vec<(TextKey, Known)> =
            made.map(|(text, meaning)| (key(fingerprint, text), known(meaning))).collect();
        let mut generations = self.generations.lock();
        for (key, known) in made {
            generations.keep(key, known);
        }
    }
}

impl Generations {
    fn keep(&mut self, key: TextKey, known: Known) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, known);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_precision_loss)]
    use super::*;

    #[test]
    fn a_text_is_known_under_its_model_only_and_the_memory_is_bounded() {
        let memory = SentenceMemory::default();
        let text = |n: usize| format!("sentence {n}");
        let meaning = |vector: Vec<f32>| Meaning { vector, tokens: TokenCodes::from_bytes(&[7; 32]) };
        memory.keep("a", std::iter::once(("x", &meaning(vec![0.5, -1.0]))));
        assert_eq!(memory.recall("a", &["x".into()]), [Some(meaning(vec![0.5, -1.0]))]);
        assert_eq!(memory.recall("b", &["x".into(), "y".into()]), [None, None]);
        for n in 0..3 * GENERATION {
            memory.keep("a", std::iter::once((text(n).as_str(), &meaning(vec![n as f32]))));
            memory.recall("a", &["x".into()]);
        }
        let kept = memory.generations.lock();
        assert!(kept.young.len() <= GENERATION && kept.old.len() <= GENERATION);
        drop(kept);
        assert!(memory.recall("a", &["x".into()])[0].is_some(), "what is asked for often stays");
        assert!(memory.recall("a", &[text(0)])[0].is_none());
    }
}
