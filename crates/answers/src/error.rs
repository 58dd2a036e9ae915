//! Why there is no reply.

use quarry_types::ErrorKind;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be answered as it is.
    #[error("{0}")]
    Invalid(String),
    /// No language model is configured.
    #[error(
        "mode llm needs a language model and this server has none: set llm_url and llm_model (QUARRY_LLM_URL, QUARRY_LLM_MODEL), or send mode extractive"
    )]
    NoModel,
    /// The language model failed; the cause is for the log.
    #[error("the language model gave no answer: {0}; try again, or send mode extractive")]
    Model(&'static str, #[source] quarry_fetch::Error),
    /// No logged query has this id.
    #[error("no logged query has the id {0:?}; it may have passed its retention")]
    NoQuery(String),
    /// The log is switched off.
    #[error("the query log of this bot is off; switch it on with PUT /v1/quarry/queries/settings")]
    LogOff,
    /// Whoever asked does not read the events.
    #[error("the events of this answer were not read in time")]
    NotRead,
    /// The answer broke off through a fault of this program.
    #[error("the answer broke off; the server's log says why, and asking again may help")]
    Broken,
    /// The documents.
    #[error(transparent)]
    Kb(#[from] quarry_kb::Error),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] quarry_tables::Error),
    /// The embedding model.
    #[error(transparent)]
    Embed(#[from] quarry_embed::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] quarry_store::Error),
    /// A record cannot be read.
    #[error("a record of the query log is damaged: {0}")]
    Corrupt(String),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::NoModel | Self::LogOff => ErrorKind::Invalid,
            Self::Model(_, cause) => match cause.kind() {
                kind @ (ErrorKind::Busy | ErrorKind::Timeout) => kind,
                _ => ErrorKind::Internal,
            },
            Self::NoQuery(_) => ErrorKind::NotFound,
            Self::Kb(error) => error.kind(),
            Self::Tables(error) => error.kind(),
            Self::NotRead => ErrorKind::Timeout,
            Self::Embed(_) | Self::Broken => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
            Self::Corrupt(_) => ErrorKind::Corrupt,
        }
    }
}

impl From<quarry_fetch::Error> for Error {
    fn from(cause: quarry_fetch::Error) -> Self {
        let what = match cause.kind() {
            ErrorKind::Busy => "it is busy",
            ErrorKind::Timeout => "it took too long",
            _ => "it failed; the server's log says why",
        };
        Self::Model(what, cause)
    }
}
