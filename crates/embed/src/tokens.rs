//! The model's tokenizer: text to token ids, never cut and never padded.
//!
//! Published tokenizer files cut and pad at 128 tokens; both are switched off here, so a count is
//! always the true one. The limit is applied by the embedder, in the open.

use crate::Error;
use quarry_types::TokenCounter;
use tokenizers::Tokenizer;

/// A tokenizer with the token limit of its model.
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    max_tokens: usize,
}

impl Tokens {
    /// Reads a `tokenizer.json`.
    pub(crate) fn new(json: &[u8], max_tokens: usize) -> Result<Self, Error> {
        let broken = |cause: tokenizers::Error| Error::Model(format!("its tokenizer is broken ({cause})"));
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(broken)?;
        tokenizer.with_truncation(None).map_err(broken)?;
        tokenizer.with_padding(None);
        let tokens = Self { tokenizer, max_tokens };
        // A pipeline that cuts or pads by other means would break every count.
        let specials = tokens.encode("")?.len();
        let words = max_tokens * 2;
        let long = tokens.encode(&"a ".repeat(words))?.len();
        if specials == 0 || specials >= max_tokens || long != words + specials {
            return Err(Error::Model(format!(
                "its tokenizer cuts or pads ({specials} tokens for no words, {long} for {words})"
            )));
        }
        Ok(tokens)
    }

    /// All token ids of `text`, special tokens included.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.tokenizer
            .encode_fast(text, true)
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|cause| Error::Inference(format!("tokenizer: {cause}")))
    }

    /// What a token stands for.
    pub(crate) fn piece(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// The ids of `text` cut to the limit, the closing special token kept.
    pub(crate) fn encode_cut(&self, text: &str) -> Result<Vec<u32>, Error> {
        // No query needs more to fill the limit (a word over 100 characters is one token), and a
        // long one must not cost more than its use.
        let most_bytes = self.max_tokens.saturating_mul(400);
        let text = text.get(..text.floor_char_boundary(most_bytes)).unwrap_or(text);
        let mut ids = self.encode(text)?;
        if ids.len() > self.max_tokens {
            let last = ids.last().copied().unwrap_or_default();
            ids.truncate(self.max_tokens - 1);
            ids.push(last);
        }
        Ok(ids)
    }
}

impl TokenCounter for Tokens {
    fn count_tokens(&self, text: &str) -> usize {
        // A text that cannot be tokenised must not pass any limit.
        self.encode(text).map_or(usize::MAX, |ids| ids.len())
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Tokens;
    use crate::model::Model;
    use proptest::prelude::*;
    use quarry_types::TokenCounter;
    use std::sync::LazyLock;

    static TOKENS: LazyLock<Tokens> =
        LazyLock::new(|| Tokens::new(Model::bundled().unwrap().tokenizer(), 256).unwrap());

    #[test]
    fn nothing_is_cut_when_counting() {
        assert_eq!(TOKENS.count_tokens(""), 2);
        assert_eq!(TOKENS.count_tokens(&"word ".repeat(1000)), 1002);
    }

    #[test]
    fn a_cut_text_keeps_its_ends() {
        let whole = TOKENS.encode(&"filter ".repeat(400)).unwrap();
        let cut = TOKENS.encode_cut(&"filter ".repeat(400)).unwrap();
        assert_eq!(cut.len(), 256);
        assert_eq!(cut[..255], whole[..255]);
        assert_eq!(cut.last(), whole.last());
        let short = TOKENS.encode("filter").unwrap();
        assert_eq!(TOKENS.encode_cut("filter").unwrap(), short);
    }

    #[test]
    fn a_broken_tokenizer_is_refused() {
        for bad in ["", "{}", "nonsense"] {
            assert!(Tokens::new(bad.as_bytes(), 256).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_to_the_limit(text in "\\PC{0,600}") {
            let whole = TOKENS.encode(&text).unwrap();
            let cut = TOKENS.encode_cut(&text).unwrap();
            prop_assert_eq!(cut.len(), whole.len().min(256));
            prop_assert_eq!(TOKENS.count_tokens(&text), whole.len());
        }
    }
}
