//! An answer as it is written.
//!
//! Joins the body, the framing and the JSON of each event. Invariant: an answer that stops before the
//! model said so ends with an error, never as if it were whole.

use super::sse::Events;
use super::{Completion, wire};
use crate::body::Body;
use crate::error::Error;
use crate::request::Response;
use tokio::sync::OwnedSemaphorePermit;

/// The pieces of an answer. Dropping it stops the model.
pub struct Deltas {
    source: Option<Source>,
    whole: Option<String>,
    usage: (u64, u64),
}

struct Source {
    body: Body,
    events: Events,
    is_ended: bool,
    is_complete: bool,
    reasoning: wire::Reasoning,
    _slot: OwnedSemaphorePermit,
}

impl Source {
    /// What was held back and is no reasoning after all; `None` once it was given.
    fn rest(&mut self) -> Option<String> {
        Some(self.reasoning.finish()).filter(|text| !text.is_empty())
    }
}

impl std::fmt::Debug for Deltas {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Deltas").field("usage", &self.usage).finish_non_exhaustive()
    }
}

impl Deltas {
    pub(super) fn begun(answer: Response, slot: OwnedSemaphorePermit) -> Self {
        let source = Source {
            body: answer.body,
            events: Events::default(),
            is_ended: false,
            is_complete: false,
            reasoning: wire::Reasoning::default(),
            _slot: slot,
        };
        Self { source: Some(source), whole: None, usage: (0, 0) }
    }

    pub(super) fn whole(answer: Completion) -> Self {
        let usage = (answer.prompt_tokens, answer.completion_tokens);
        Self { source: None, whole: Some(answer.text), usage }
    }

    /// The next piece of text, never empty; `None` at the end of a complete answer.
    ///
    /// # Errors
    /// When the stream breaks, is malformed, reports an error or passes its bounds; it has then ended.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        if let Some(text) = self.whole.take().filter(|text| !text.is_empty()) {
            return Ok(Some(text));
        }
        let piece = self.advance().await;
        if !matches!(piece, Ok(Some(_))) {
            self.source = None;
        }
        piece
    }

    async fn advance(&mut self) -> Result<Option<String>, Error> {
        let Some(source) = &mut self.source else { return Ok(None) };
        let unusable = |problem: &str| Error::ModelAnswer { problem: problem.to_owned() };
        let too_long = |_| unusable("an event of the stream is over 1 MiB");
        loop {
            if let Some(data) = source.events.pop() {
                let Some(event) = wire::event(&data)? else {
                    (source.is_ended, source.is_complete) = (true, true);
                    return Ok(source.rest());
                };
                source.is_complete |= event.is_last;
                self.usage = event.usage.unwrap_or(self.usage);
                let text = source.reasoning.push(&event.text);
                if !text.is_empty() {
                    return Ok(Some(text));
                }
                continue;
            }
            if source.is_ended {
                let early = || Err(unusable("the stream ended early"));
                return if source.is_complete { Ok(source.rest()) } else { early() };
            }
            match source.body.next().await.map_err(|error| error.about(super::NAME))? {
                Some(bytes) => source.events.push(&bytes).map_err(too_long)?,
                None => {
                    source.is_ended = true;
                    source.events.finish().map_err(too_long)?;
                }
            }
        }
    }

    /// Tokens read and written, once the stream has told; zeros before and when it never does.
    #[must_use]
    pub fn usage(&self) -> (u64, u64) {
        self.usage
    }
}
