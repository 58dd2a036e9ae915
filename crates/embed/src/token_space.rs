//! Vectors of single tokens, shortened: what a late interaction compares question and passage by.
//!
//! A model may have a token space beside it: the tensor that holds its token vectors, the directions they are
//! projected on, and which tokens say anything. `models/build/token_space.py` describes the file and makes it.

use crate::{Error, TextKind};
use quarry_types::hex;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Numbers of a token's vector.
pub const TOKEN_DIMS: usize = 32;
/// Pieces of a word but its first begin so.
const WITHIN: &str = "##";

/// A text's vector with those of its tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedded {
    /// As [`Embedder::embed`](crate::Embedder::embed) gives it.
    pub vector: Vec<f32>,
    /// Empty where the model has no token space.
    pub tokens: TokenVectors,
}

/// Vectors of the tokens of a text: of a passage without words that say nothing, never of punctuation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenVectors {
    /// One after another, each of [`TOKEN_DIMS`] numbers and norm 1.
    pub numbers: Vec<f32>,
    /// Of a question: the word each belongs to, in lower case. Empty for passages.
    pub words: Vec<String>,
}

/// What a token is, as the file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mark,
    Silent,
    Telling,
}

pub(crate) struct TokenSpace {
    tensor: String,
    id: u32,
    width: usize,
    mean: Vec<f32>,
    /// [`TOKEN_DIMS`] rows of `width`.
    directions: Vec<f32>,
    kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Head {
    /// SHA-256 of the graph whose vectors the directions were made from.
    graph: String,
    tensor: String,
    width: usize,
    dims: usize,
    vocabulary: usize,
    sha256: String,
}

impl TokenSpace {
    /// Reads the file; `graph` is the SHA-256 of the graph beside it, in hexadecimal.
    ///
    /// # Errors
    /// [`Error::Model`] when it is not whole, of another form, or made with another graph.
    pub(crate) fn parse(file: &[u8], graph: &str) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Error::Model(format!(
                "its token space is wrong ({what}); run models/build/token_space.py or remove the file"
            ))
        };
        let end = file.iter().position(|byte| *byte == b'\n').ok_or_else(|| wrong("no first line"))?;
        let (head, body) = (file.get(..end).unwrap_or(&[]), file.get(end + 1..).unwrap_or(&[]));
        let head: Head = serde_json::from_slice(head).map_err(|cause| wrong(&cause.to_string()))?;
        if head.graph != graph {
            return Err(wrong("it was made with another graph"));
        }
        let sum = Sha256::digest(body);
        if hex(&sum) != head.sha256 {
            return Err(wrong("it does not match its checksum"));
        }
        if head.dims != TOKEN_DIMS || !(1..=8192).contains(&head.width) || head.vocabulary > 10_000_000 {
            return Err(wrong("dims must be 32 and width 1 to 8192"));
        }
        let numbers = (1 + TOKEN_DIMS) * head.width;
        if body.len() != 4 * numbers + head.vocabulary {
            return Err(wrong("its length does not fit its first line"));
        }
        let (numbers, kinds) = body.split_at_checked(4 * numbers).unwrap_or_default();
        let numbers: Vec<f32> =
            numbers.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let (mean, directions) = numbers.split_at_checked(head.width).unwrap_or_default();
        let kind = |byte: &u8| match byte {
            0 => Ok(Kind::Mark),
            1 => Ok(Kind::Silent),
            2 => Ok(Kind::Telling),
            _ => Err(wrong("a token is of a kind it does not know")),
        };
        Ok(Self {
            tensor: head.tensor,
            id: sum.first_chunk().map_or(0, |four| u32::from_le_bytes(*four)).max(1),
            width: head.width,
            mean: mean.to_vec(),
            directions: directions.to_vec(),
            kinds: kinds.iter().map(kind).collect::<Result<_, _>>()?,
        })
    }

    /// Tells spaces apart; never 0.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The tensor of the graph that holds the token vectors: texts × tokens × width.
    pub(crate) fn tensor(&self) -> &str {
        &self.tensor
    }

    /// Numbers the tensor has for each token.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The tokens of one text that count, of the graph's numbers for all of them. `piece` names a token.
    pub(crate) fn tokens(
        &self,
        ids: &[u32],
        hidden: &[f32],
        kind: TextKind,
        piece: impl Fn(u32) -> Option<String>,
    ) -> TokenVectors {
        let mut tokens = TokenVectors::default();
        let mut word: Vec<String> = Vec::new();
        // The pieces of one word share it, so it is known only at its end.
        let close = |pieces: &mut Vec<String>, words: &mut Vec<String>| {
            let whole: String = pieces.iter().map(|piece| piece.trim_start_matches(WITHIN)).collect();
            words.extend(std::iter::repeat_n(whole, pieces.len()));
            pieces.clear();
        };
        for (id, row) in ids.iter().zip(hidden.chunks_exact(self.width)) {
            let what = self.kinds.get(*id as usize).copied().unwrap_or(Kind::Mark);
            let counts = match kind {
                TextKind::Passage => what == Kind::Telling,
                TextKind::Query => what != Kind::Mark,
            };
            if !counts {
                continue;
            }
            tokens.numbers.extend(self.project(row));
            if kind == TextKind::Query {
                let piece = piece(*id).unwrap_or_default();
                if !piece.starts_with(WITHIN) {
                    close(&mut word, &mut tokens.words);
                }
                word.push(piece);
            }
        }
        close(&mut word, &mut tokens.words);
        tokens
    }

    fn project(&self, row: &[f32]) -> [f32; TOKEN_DIMS] {
        let norm = row.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::EPSILON);
        let centred: Vec<f32> =
            row.iter().zip(&self.mean).map(|(number, mean)| number / norm - mean).collect();
        let mut out = [0.0; TOKEN_DIMS];
        for (to, direction) in out.iter_mut().zip(self.directions.chunks_exact(self.width)) {
            *to = dot(&centred, direction);
        }
        let norm = dot(&out, &out).sqrt().max(f32::EPSILON);
        out.map(|number| number / norm)
    }
}

/// In lanes, so that it is compiled to wide instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (a, b) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (x, y) in a.0.iter().zip(b.0) {
        lanes.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += x * y);
    }
    lanes.iter().sum::<f32>() + a.1.iter().zip(b.1).map(|(x, y)| x * y).sum::<f32>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GRAPH: &str = "ab12";

    /// Three tokens of width 2: a mark, a silent word, a telling one; the first two directions are the axes.
    fn file(spoil: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut directions = vec![0.0_f32; 2 * TOKEN_DIMS];
        (directions[0], directions[3]) = (1.0, 1.0);
        let numbers = [vec![0.0_f32, 0.0], directions].concat();
        let mut body: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        body.extend([0, 1, 2, 2]);
        let sum = hex(&Sha256::digest(&body));
        let head = format!(
            r#"{{"graph":"{GRAPH}","tensor":"last","width":2,"dims":32,"vocabulary":4,"sha256":"{sum}"}}"#
        );
        spoil(&mut body);
        [head.as_bytes(), b"\n", &body].concat()
    }

    #[test]
    fn passages_keep_telling_tokens_and_questions_all_words() {
        let space = TokenSpace::parse(&file(|_| {}), GRAPH).unwrap();
        assert_eq!((space.tensor(), space.width()), ("last", 2));
        let piece = |id: u32| ["[CLS]", "the", "wx", "##20"].get(id as usize).map(|name| (*name).to_owned());
        let hidden = [1.0, 0.0, 0.0, 2.0, 3.0, 4.0, 5.0, 0.0];
        let passage = space.tokens(&[0, 1, 2, 3], &hidden, TextKind::Passage, piece);
        assert_eq!((passage.numbers.len(), passage.words.len()), (2 * TOKEN_DIMS, 0));
        assert_eq!(passage.numbers[..3], [0.6, 0.8, 0.0]);
        let question = space.tokens(&[0, 1, 2, 3], &hidden, TextKind::Query, piece);
        assert_eq!(question.numbers.len(), 3 * TOKEN_DIMS);
        assert_eq!(question.words, ["the", "wx20", "wx20"]);
        assert_eq!(space.tokens(&[99, 0], &hidden, TextKind::Query, piece), TokenVectors::default());
    }

    #[test]
    fn a_file_made_with_another_graph_is_refused() {
        let refusal = TokenSpace::parse(&file(|_| {}), "cd34").err().unwrap().to_string();
        assert!(refusal.contains("another graph"), "{refusal}");
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused() {
        assert!(TokenSpace::parse(&file(|body| body[0] ^= 1), GRAPH).is_err());
        assert!(TokenSpace::parse(&file(|body| body.truncate(9)), GRAPH).is_err());
        for bad in [&b""[..], b"\n", b"{}\n", b"no line"] {
            let refusal = TokenSpace::parse(bad, GRAPH).err().unwrap().to_string();
            assert!(refusal.contains("token space"), "{refusal}");
        }
    }
}
