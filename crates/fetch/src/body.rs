//! The body of an answer, taken piece by piece under its caps.
//!
//! Owns counting on the wire and after decompression. Knows nothing of what the bytes are. Invariant:
//! no piece is handed on after a cap is passed, whatever the headers claimed.

use crate::error::Error;
use crate::pace::Slot;
use crate::request::Limits;
use crate::transport::explain;
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use std::io::{self, Write};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Compressed bytes inflated at a time; deflate expands at most about 1,032 times.
const STEP: usize = 4 << 10;
/// Below this many decompressed bytes the ratio is not looked at: small repetitive pages are real.
const RATIO_FROM: u64 = 1 << 20;

/// A body still to be read. Dropping it closes the connection and frees the host's slot.
pub struct Body {
    wire: reqwest::Response,
    gunzip: Option<MultiGzDecoder<Sink>>,
    host: String,
    limits: Limits,
    deadline: Instant,
    wire_bytes: u64,
    out_bytes: u64,
    done: bool,
    slot: Option<Slot>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Body").field("host", &self.host).field("taken", &self.out_bytes).finish()
    }
}

/// Takes decompressed bytes up to a bound.
struct Sink {
    bytes: BytesMut,
    total: u64,
    bound: u64,
    is_over: bool,
}

impl Write for Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.total = self.total.saturating_add(piece.len() as u64);
        if self.total > self.bound {
            self.is_over = true;
            return Err(io::Error::other("over the bound"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What surrounds a body.
pub(crate) struct Frame {
    pub(crate) host: String,
    pub(crate) limits: Limits,
    pub(crate) deadline: Instant,
    pub(crate) slot: Slot,
    /// HEAD answers describe a body they do not have.
    pub(crate) is_head: bool,
}

impl Body {
    /// Checks what the headers say of the body.
    pub(crate) fn new(wire: reqwest::Response, frame: Frame) -> Result<Self, Error> {
        let Frame { host, limits, deadline, slot, is_head } = frame;
        let empty = is_head || matches!(wire.status().as_u16(), 204 | 304);
        let gunzip = if empty { None } else { decoder(wire.headers(), &host)? };
        let declared = wire.content_length().unwrap_or(0);
        let cap = if gunzip.is_some() {
            limits.max_wire_bytes
        } else {
            limits.max_wire_bytes.min(limits.max_bytes)
        };
        if !empty && declared > cap {
            return Err(Error::TooLarge { host, limit: cap, unit: "bytes" });
        }
        Ok(Self {
            wire,
            gunzip,
            host,
            limits,
            deadline,
            wire_bytes: 0,
            out_bytes: 0,
            done: empty,
            slot: Some(slot),
        })
    }

    /// The next piece, `None` at the end.
    ///
    /// # Errors
    /// When a cap is passed, time runs out, the connection breaks or the encoding is damaged; after an
    /// error the body has ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.done {
            self.slot = None;
            return Ok(None);
        }
        let piece = self.advance().await;
        if !matches!(piece, Ok(Some(_))) {
            self.done = true;
            self.slot = None;
        }
        piece
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let taken = timeout_at(self.deadline, self.wire.chunk()).await;
            let taken = taken.map_err(|_| self.late())?;
            let Some(piece) = taken.map_err(|cause| explain(&cause, &self.host, Duration::ZERO))? else {
                return self.finish();
            };
            self.wire_bytes = self.wire_bytes.saturating_add(piece.len() as u64);
            if self.wire_bytes > self.limits.max_wire_bytes {
                return Err(self.too_large(self.limits.max_wire_bytes));
            }
            let piece = if self.gunzip.is_some() { self.inflate(&piece).await? } else { piece };
            if piece.is_empty() {
                continue;
            }
            self.out_bytes = self.out_bytes.saturating_add(piece.len() as u64);
            if self.out_bytes > self.limits.max_bytes {
                return Err(self.too_large(self.limits.max_bytes));
            }
            return Ok(Some(piece));
        }
    }

    /// What `piece` decompresses to; lets other tasks run in between.
    async fn inflate(&mut self, piece: &[u8]) -> Result<Bytes, Error> {
        let by_ratio = self.wire_bytes.saturating_mul(self.limits.max_ratio.into()).max(RATIO_FROM);
        let bound = by_ratio.min(self.limits.max_bytes);
        for step in piece.chunks(STEP) {
            self.decode(bound, |gunzip| gunzip.write_all(step))?;
            if Instant::now() > self.deadline {
                return Err(self.late());
            }
            tokio::task::yield_now().await;
        }
        // Hands on what is decoded so far: a stream of small pieces must not wait.
        self.decode(bound, Write::flush)?;
        Ok(self.gunzip.as_mut().map(|gunzip| gunzip.get_mut().bytes.split().freeze()).unwrap_or_default())
    }

    fn decode(
        &mut self,
        bound: u64,
        step: impl FnOnce(&mut MultiGzDecoder<Sink>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let Some(gunzip) = self.gunzip.as_mut() else { return Ok(()) };
        gunzip.get_mut().bound = bound;
        if step(gunzip).is_ok() {
            return Ok(());
        }
        let is_over = gunzip.get_ref().is_over;
        Err(self.undecodable(is_over, bound))
    }

    /// Checks that the compressed stream is whole.
    fn finish(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(mut gunzip) = self.gunzip.take().filter(|_| self.wire_bytes > 0) else { return Ok(None) };
        let bound = gunzip.get_ref().bound;
        if gunzip.try_finish().is_err() {
            return Err(self.undecodable(gunzip.get_ref().is_over, bound));
        }
        let rest = gunzip.get_mut().bytes.split().freeze();
        self.out_bytes = self.out_bytes.saturating_add(rest.len() as u64);
        Ok(Some(rest).filter(|rest| !rest.is_empty()))
    }

    fn undecodable(&self, is_over: bool, bound: u64) -> Error {
        if !is_over {
            let problem = "its gzip data is damaged or cut short";
            return Error::Encoding { host: self.host.clone(), problem };
        }
        if bound < self.limits.max_bytes {
            return Error::Ratio { host: self.host.clone(), limit: self.limits.max_ratio };
        }
        self.too_large(self.limits.max_bytes)
    }

    fn too_large(&self, limit: u64) -> Error {
        Error::TooLarge { host: self.host.clone(), limit, unit: "bytes" }
    }

    fn late(&self) -> Error {
        Error::Timeout { host: self.host.clone(), phase: "finish", limit: self.limits.total }
    }

    /// The rest of the body in one piece; up to [`Limits::max_bytes`] of memory.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

/// The decoder the headers ask for.
fn decoder(headers: &HeaderMap, host: &str) -> Result<Option<MultiGzDecoder<Sink>>, Error> {
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("unreadable").split(',').map(str::trim) {
            let lower = name.to_ascii_lowercase();
            match lower.as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if found.is_none() => {
                    let sink = Sink { bytes: BytesMut::new(), total: 0, bound: 0, is_over: false };
                    found = Some(MultiGzDecoder::new(sink));
                }
                "gzip" | "x-gzip" => {
                    let problem = "it is compressed more than once";
                    return Err(Error::Encoding { host: host.to_owned(), problem });
                }
                _ => {
                    let problem = "it uses an encoding other than gzip, which was not asked for";
                    return Err(Error::Encoding { host: host.to_owned(), problem });
                }
            }
        }
    }
    Ok(found)
}
