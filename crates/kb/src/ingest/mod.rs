//! From stored bytes to searchable passages: a durable job per file generation, worked off in turn.

mod cancel;
mod given;
mod publisher;
mod queue;
mod worker;

#[cfg(test)]
pub(crate) use publisher::Finished;
pub(crate) use publisher::Publisher;
pub(crate) use queue::Queue;
