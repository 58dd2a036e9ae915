//! Stored vectors, named by the hash of the embedded text, so that unchanged text is never embedded
//! twice and rebuilding an index never embeds at all.
//!
//! A record is the vector in half precision (little-endian binary16), then, where the model has a token
//! space, four bytes that name the space and the codes of the text's tokens.

use crate::Error;
use crate::records::TextHash;
use bytes::Bytes;
use half::f16;
use quarry_embed::{Embedded, Embedder};
use quarry_index::TokenCodes;
use quarry_store::{Coll, RecordStore};
use quarry_types::BotId;

const _: () = assert!(quarry_embed::TOKEN_DIMS == quarry_index::TOKEN_DIMS);

/// What is known of an embedded text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextVectors {
    pub(crate) vector: Vec<f32>,
    /// `None` for texts embedded before the model had its token space.
    pub(crate) tokens: Option<TokenCodes>,
}

impl TextVectors {
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(self.vector.as_slice()) + self.tokens.as_ref().map_or(0, |tokens| tokens.bytes().len())
    }
}

/// How the vectors of one model are stored.
#[derive(Debug, Clone)]
pub(crate) struct VectorForm {
    pub(crate) coll: Coll,
    dims: usize,
    /// 0: none.
    space: u32,
}

impl VectorForm {
    pub(crate) fn of(embedder: &dyn Embedder) -> Self {
        let coll = crate::records::vectors(embedder.fingerprint());
        Self { coll, dims: embedder.dims(), space: embedder.token_space() }
    }

    /// Whether everything the model tells of a text is there.
    pub(crate) fn is_whole(&self, stored: &TextVectors) -> bool {
        self.space == 0 || stored.tokens.is_some()
    }

    /// What the model made of a text.
    pub(crate) fn made(&self, embedded: Embedded) -> TextVectors {
        let tokens = (self.space != 0).then(|| TokenCodes::of(&embedded.tokens.numbers));
        TextVectors { vector: embedded.vector, tokens }
    }

    pub(crate) fn encode(&self, text: &TextVectors) -> Bytes {
        let mut bytes: Vec<u8> = text.vector.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        if let Some(tokens) = &text.tokens {
            bytes.extend(self.space.to_le_bytes());
            bytes.extend(tokens.bytes());
        }
        bytes.into()
    }

    fn decode(&self, bytes: &[u8]) -> TextVectors {
        let (vector, rest) = bytes.split_at_checked(2 * self.dims).unwrap_or((bytes, &[]));
        let vector =
            vector.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect();
        let tokens =
            rest.split_first_chunk::<4>().filter(|(space, _)| u32::from_le_bytes(**space) == self.space);
        TextVectors { vector, tokens: tokens.map(|(_, codes)| TokenCodes::from_bytes(codes)) }
    }

    /// The stored vectors of some texts, in their order.
    pub(crate) async fn fetch(
        &self,
        store: &dyn RecordStore,
        bot: &BotId,
        hashes: &[TextHash],
    ) -> Result<Vec<Option<TextVectors>>, Error> {
        let keys: Vec<_> = hashes.iter().map(|hash| hash.to_vec()).collect();
        let records = store.get(bot, &self.coll, &keys).await?;
        Ok(records.into_iter().map(|record| record.map(|record| self.decode(&record.value))).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quarry_embed::TextKind;
    use quarry_embed::testing::HashEmbedder;

    #[test]
    fn what_is_stored_comes_back() {
        let embedder = HashEmbedder::new(384, 100);
        let form = VectorForm::of(&embedder);
        let made = embedder.embed_tokens(&["clean the water filter"], TextKind::Passage).unwrap().remove(0);
        let text = form.made(made.clone());
        assert!(form.is_whole(&text));
        let back = form.decode(&form.encode(&text));
        assert_eq!(back.tokens, text.tokens);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let cosine = dot(&made.vector, &back.vector) / dot(&back.vector, &back.vector).sqrt();
        assert!(cosine > 0.99999, "{cosine}");
    }

    #[test]
    fn tokens_of_another_space_or_none_are_missing() {
        let form = VectorForm::of(&HashEmbedder::new(8, 100));
        let text = TextVectors { vector: vec![0.5; 8], tokens: Some(TokenCodes::from_bytes(&[7; 32])) };
        let other = VectorForm { space: form.space + 1, ..form.clone() };
        let plain = TextVectors { tokens: None, ..text.clone() };
        for bytes in [other.encode(&text), form.encode(&plain)] {
            let back = form.decode(&bytes);
            assert_eq!(back, plain);
            assert!(!form.is_whole(&back) && VectorForm { space: 0, ..form.clone() }.is_whole(&back));
        }
        assert_eq!(form.decode(&form.encode(&text)), text);
    }
}
