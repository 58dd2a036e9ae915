//! Vectors of sentences met before, so that a document asked about often is embedded once.
//!
//! Bounded: two generations of at most [`GENERATION`] vectors in half precision (about 800 bytes
//! each); when the young one is full the old one is dropped. Invariant: a vector is only ever found
//! under the text it was made from, for the model it was made by.

use half::f16;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Vectors per generation: together at most about 13 MB with 384 numbers each.
const GENERATION: usize = 8_192;

type TextKey = [u8; 16];

/// The memory of one engine.
#[derive(Default)]
pub(crate) struct SentenceMemory {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<TextKey, Box<[f16]>>,
    old: HashMap<TextKey, Box<[f16]>>,
}

fn key(fingerprint: &str, text: &str) -> TextKey {
    let digest = Sha256::new().chain_update(fingerprint).chain_update([0]).chain_update(text).finalize();
    let mut key = TextKey::default();
    key.copy_from_slice(&digest[..16]);
    key
}

impl SentenceMemory {
    /// The vectors that are known, in the order of the texts.
    pub(crate) fn recall(&self, fingerprint: &str, texts: &[String]) -> Vec<Option<Vec<f32>>> {
        let keys: Vec<TextKey> = texts.iter().map(|text| key(fingerprint, text)).collect();
        let mut generations = self.generations.lock();
        keys.into_iter()
            .map(|key| {
                if let Some(found) = generations.young.get(&key) {
                    return Some(found.iter().map(|number| number.to_f32()).collect());
                }
                let found = generations.old.remove(&key)?;
                let vector = found.iter().map(|number| number.to_f32()).collect();
                generations.keep(key, found);
                Some(vector)
            })
            .collect()
    }

    /// Remembers vectors.
    pub(crate) fn keep<'a>(&self, fingerprint: &str, made: impl Iterator<Item = (&'a str, &'a [f32])>) {
        let made: Vec<(TextKey, Box<[f16]>)> = made
            .map(|(text, vector)| {
                (key(fingerprint, text), vector.iter().map(|number| f16::from_f32(*number)).collect())
            })
            .collect();
        let mut generations = self.generations.lock();
        for (key, vector) in made {
            generations.keep(key, vector);
        }
    }
}

impl Generations {
    fn keep(&mut self, key: TextKey, vector: Box<[f16]>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, vector);
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
        memory.keep("a", std::iter::once(("x", [0.5_f32, -1.0].as_slice())));
        assert_eq!(memory.recall("a", &["x".into()]), [Some(vec![0.5, -1.0])]);
        assert_eq!(memory.recall("b", &["x".into(), "y".into()]), [None, None]);
        for n in 0..3 * GENERATION {
            memory.keep("a", std::iter::once((text(n).as_str(), [n as f32].as_slice())));
            memory.recall("a", &["x".into()]);
        }
        let kept = memory.generations.lock();
        assert!(kept.young.len() <= GENERATION && kept.old.len() <= GENERATION);
        drop(kept);
        assert!(memory.recall("a", &["x".into()])[0].is_some(), "what is asked for often stays");
        assert!(memory.recall("a", &[text(0)])[0].is_none());
    }
}
