//! Lexical and vector indexes and their fusion.
//!
//! Items are `u32` ordinals chosen by the caller; what they stand for (passages, table rows), whose
//! they are and which may be seen is the caller's business, told by [`Candidates`]. Everything here
//! is a view: it may be dropped and rebuilt from the store at any time. Readers hold immutable
//! snapshots and never wait for writers.

mod candidates;
mod error;
mod fuse;
mod kin;
mod late;
mod lexical;
mod vector;
mod wording;

pub use candidates::{Candidates, Hit};
pub use error::Error;
pub use fuse::{FuseOptions, Fused, FusionMethod, fuse};
pub use kin::words_in_common;
pub use late::{TOKEN_DIMS, TokenCodes, TokenMatch, TokenQuery};
pub use lexical::{LexDoc, LexSnapshot, LexicalIndex, LexicalSearch};
pub use vector::{
    ExactInt8, GraphBuild, HnswIndex, Plan, Recall, SweepBy, SweepPoint, VectorIndex, VectorOptions,
    VectorSet, VectorSnapshot,
};
pub use wording::{Evidence, QueryWords, Wording};
