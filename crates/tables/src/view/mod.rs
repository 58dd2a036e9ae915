//! Rows as Arrow columns: immutable blocks, snapshots over them, and the follower that keeps a
//! snapshot level with the store. Derived data: may be dropped and rebuilt at any time.

mod block;
mod column;
mod follow;
mod gather;
mod hidden;
mod removed;
mod slab;
mod snapshot;

pub(crate) use block::{Block, Reader};
pub(crate) use column::{Codes, Column, Values, Words, Zone};
pub(crate) use follow::{OwnChanges, RowChange, View};
pub(crate) use slab::Slab;
pub(crate) use snapshot::Snapshot;
