//! The only truth on disk: records, blobs, quotas, recovery.
//!
//! Knows nothing of files, tables or indexes; those crates give the bytes meaning. [`open`] is the
//! way in; FORMAT.md describes what is on disk.

mod blob;
mod codec;
mod committer;
#[doc(hidden)]
pub mod conformance;
mod engine;
mod error;
mod group;
mod journal;
mod local;
mod local_blobs;
mod outcomes;
mod paths;
mod quota;
mod record;
mod recovery;
mod staged;
mod state;
mod sweep;
mod upgrade;

pub use blob::{BlobHash, BlobStore, BlobWriter};
pub use error::Error;
pub use local::LocalStore;
pub use local_blobs::LocalBlobs;
pub use paths::{DataPaths, replace_file};
pub use record::{
    Change, Changes, Coll, Commit, Committed, ExpectKey, Head, Key, QuotaDelta, Record, RecordStore, Seq,
};
pub use recovery::{Opened, StoreOptions, open};
pub use sweep::Swept;
