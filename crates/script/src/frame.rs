//! Messages between the engine and its workers: a length, then JSON.
//!
//! Invariant: no side reads more than [`MAX_BYTES`] for one message, whatever the other says.

use crate::error::Error;
use crate::fetch::{FetchAnswer, FetchRequest};
use crate::run::Limits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest message.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// What the engine says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Run {
        code: String,
        /// The row as JSON.
        row: String,
        limits: Limits,
        /// Whether the script may fetch.
        fetch: bool,
    },
    Fetched(u32, Result<FetchAnswer, String>),
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Fetch(u32, FetchRequest),
    /// The value as JSON, or why there is none; the run is over.
    Done(Result<String, Error>),
}

fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(io::Error::other)?;
    let len = u32::try_from(bytes.len() - 4).ok().filter(|len| *len as usize <= MAX_BYTES);
    let len = len.ok_or_else(|| io::Error::other("message too large"))?;
    for (place, byte) in bytes.iter_mut().zip(len.to_le_bytes()) {
        *place = byte;
    }
    Ok(bytes)
}

fn body_len(head: [u8; 4]) -> io::Result<usize> {
    let len = u32::from_le_bytes(head) as usize;
    if len > MAX_BYTES { Err(io::Error::other("message too large")) } else { Ok(len) }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(io::Error::other)
}

pub(crate) fn write(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    out.write_all(&encode(message)?)?;
    out.flush()
}

/// The next message; an error of kind `UnexpectedEof` when the other side is gone.
pub(crate) fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<T> {
    let mut head = [0; 4];
    input.read_exact(&mut head)?;
    let mut body = vec![0; body_len(head)?];
    input.read_exact(&mut body)?;
    decode(&body)
}

pub(crate) async fn send(out: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    out.write_all(&encode(message)?).await?;
    out.flush().await
}

pub(crate) async fn receive<T: DeserializeOwned>(input: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let mut head = [0; 4];
    input.read_exact(&mut head).await?;
    let mut body = vec![0; body_len(head)?];
    input.read_exact(&mut body).await?;
    decode(&body)
}
