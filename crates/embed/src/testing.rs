//! An embedder for tests of other crates: instant, deterministic, and near for texts that share words.

use crate::{Embedded, Embedder, Error, TOKEN_DIMS, TextKind, TokenVectors};
use quarry_types::TokenCounter;
use std::sync::Arc;

/// Sums a pseudo-random vector per lower-cased word and normalises. Counts words plus 2 as tokens.
#[derive(Debug, Clone)]
pub struct HashEmbedder {
    dims: usize,
    fingerprint: String,
    counter: Arc<WordCounter>,
}

#[derive(Debug)]
struct WordCounter {
    max_tokens: usize,
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

impl TokenCounter for WordCounter {
    fn count_tokens(&self, text: &str) -> usize {
        words(text).count() + 2
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }
}

impl HashEmbedder {
    /// Vectors of `dims` numbers (at least 1), texts of up to `max_tokens` words plus 2.
    #[must_use]
    pub fn new(dims: usize, max_tokens: usize) -> Self {
        let dims = dims.max(1);
        Self { dims, fingerprint: format!("hash-{dims}"), counter: Arc::new(WordCounter { max_tokens }) }
    }

    fn vector(&self, text: &str, dims: usize) -> Vec<f32> {
        let mut sum = vec![0f32; dims];
        for word in words(text) {
            let mut seed = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            for number in &mut sum {
                // One step of a linear congruence per number; the high bits are the good ones.
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *number += f32::from(i16::from_le_bytes([(seed >> 48) as u8, (seed >> 56) as u8])) / 32_768.0;
            }
        }
        let norm = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
        if norm == 0.0 {
            sum[0] = 1.0;
            return sum;
        }
        sum.iter().map(|number| number / norm).collect()
    }
}

impl Embedder for HashEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dims(&self) -> usize {
        self.dims
    }

    fn max_tokens(&self) -> usize {
        self.counter.max_tokens
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.counter.count_tokens(text)
    }

    fn token_counter(&self) -> Arc<dyn TokenCounter> {
        Arc::clone(&self.counter) as Arc<dyn TokenCounter>
    }

    fn engine(&self) -> &str {
        "hash"
    }

    fn embed(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<f32>>, Error> {
        let max = self.max_tokens();
        for (index, text) in texts.iter().enumerate() {
            let tokens = self.count_tokens(text);
            if kind == TextKind::Passage && tokens > max {
                return Err(Error::TooLong { index, tokens, max });
            }
        }
        Ok(texts.iter().map(|text| self.vector(text, self.dims)).collect())
    }

    fn embed_tokens(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Embedded>, Error> {
        let vectors = self.embed(texts, kind)?;
        let with_tokens = |(text, vector): (&&str, Vec<f32>)| {
            let words: Vec<String> = words(text).collect();
            let numbers = words.iter().flat_map(|word| self.vector(word, TOKEN_DIMS)).collect();
            let words = if kind == TextKind::Query { words } else { Vec::new() };
            Embedded { vector, tokens: TokenVectors { numbers, words } }
        };
        Ok(texts.iter().zip(vectors).map(with_tokens).collect())
    }

    fn token_space(&self) -> u32 {
        1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shared_words_are_near() {
        let embedder = HashEmbedder::new(64, 100);
        let texts = ["clean the water filter", "the filter, clean!", "return policy abroad", ""];
        let vectors = embedder.embed(&texts, TextKind::Passage).unwrap();
        let dot = |a: usize, b: usize| vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum::<f32>();
        assert!(dot(0, 1) > 0.7 && dot(0, 2).abs() < 0.5, "{} {}", dot(0, 1), dot(0, 2));
        assert!((dot(3, 3) - 1.0).abs() < 1e-5);
        assert!(HashEmbedder::new(8, 3).embed(&["one two"], TextKind::Passage).is_err());
    }
}
