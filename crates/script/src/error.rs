//! What can go wrong with a script, worded for whoever wrote it.

use quarry_types::ErrorKind;
use serde::{Deserialize, Serialize};

/// Why a script gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// The text is no JavaScript.
    #[error("{message}{}", at_line(*.line))]
    Syntax {
        /// What the engine says.
        message: String,
        /// Line of the script, from 1.
        line: Option<u32>,
    },
    /// The script threw, or its promise was rejected.
    #[error("{message}{}", at_line(*.line))]
    Thrown {
        /// The error's name and message.
        message: String,
        /// Line of the script, from 1.
        line: Option<u32>,
    },
    /// It ran too long.
    #[error("the code ran longer than {}; shorten its work", seconds(*.limit_ms))]
    TimedOut {
        /// The limit.
        limit_ms: u64,
    },
    /// It used too much memory.
    #[error("the code used more than {megabytes} MB of memory")]
    OutOfMemory {
        /// The limit.
        megabytes: u64,
    },
    /// It called itself too deeply.
    #[error("the code calls itself too deeply")]
    StackOverflow,
    /// Its value is too large.
    #[error("the value has {bytes} bytes, the limit is {limit}; return less")]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The value is NaN or infinite, which no column can hold.
    #[error("the value is {value}, not a number; a value it is computed from may be missing")]
    NotANumber {
        /// As JavaScript writes it.
        value: String,
    },
    /// The value nests deeper than JSON readers take.
    #[error("the value is nested too deeply")]
    TooDeep,
    /// A promise that nothing can settle any more.
    #[error("the code waits for a promise that never settles")]
    NeverSettles,
    /// The process that ran it ended.
    #[error("the code ended its process ({how})")]
    Crashed {
        /// How it ended.
        how: String,
    },
    /// The engine itself cannot work; no fault of the script.
    #[error("the script engine is not available at the moment")]
    Unavailable,
}

fn at_line(line: Option<u32>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut { .. } => ErrorKind::Timeout,
            Self::OutOfMemory { .. } | Self::StackOverflow | Self::TooLarge { .. } => {
                ErrorKind::LimitExceeded
            }
            Self::Unavailable => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        }
    }
}
