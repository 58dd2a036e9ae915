//! The file as it lies: counted, unzipped when it is gzip, bounded in size and ratio.

use super::Limits;
use crate::Error;
use flate2::read::MultiGzDecoder;
use std::io::{self, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The ratio of small files says nothing: a table of zeros is no attack.
const RATIO_FROM_BYTES: u64 = 16 << 20;

/// A reader with what was looked at put back in front.
type Headed<R> = Chain<Cursor<Vec<u8>>, R>;
type Raw = Headed<Counted>;

pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(b"\x1F\x8B\x08")
}

/// Takes up to `bytes` off a reader and puts them back in front of it.
pub(super) fn sniff<R: Read>(mut reader: R, bytes: u64) -> io::Result<(Vec<u8>, Headed<R>)> {
    let mut head = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

struct Counted {
    inner: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

enum Bytes {
    Plain(Raw),
    Gzip(Box<MultiGzDecoder<Raw>>),
}

pub(super) struct Source {
    bytes: Bytes,
    consumed: Arc<AtomicU64>,
    given: u64,
    max_bytes: u64,
    max_ratio: u64,
}

impl Source {
    /// Opens a file and gives the counter of bytes taken from it.
    pub(super) fn open(inner: Box<dyn Read + Send>, limits: &Limits) -> io::Result<(Self, Arc<AtomicU64>)> {
        let consumed = Arc::new(AtomicU64::new(0));
        let (head, raw) = sniff(Counted { inner, bytes: Arc::clone(&consumed) }, 3)?;
        let bytes = match is_gzip(&head) {
            true => Bytes::Gzip(Box::new(MultiGzDecoder::new(raw))),
            false => Bytes::Plain(raw),
        };
        let source = Self {
            bytes,
            consumed: Arc::clone(&consumed),
            given: 0,
            max_bytes: limits.max_bytes,
            max_ratio: limits.max_ratio,
        };
        Ok((source, consumed))
    }

    fn check(&self) -> Result<(), Error> {
        if self.given > self.max_bytes {
            let most = self.max_bytes;
            return Err(Error::TooLarge(format!("the text is larger than {most} bytes; split the file")));
        }
        let taken = self.consumed.load(Ordering::Relaxed).max(1);
        if self.given > RATIO_FROM_BYTES && self.given / taken > self.max_ratio {
            return Err(Error::TooLarge(format!(
                "the gzip file unpacks to more than {} times its size; upload it unpacked",
                self.max_ratio
            )));
        }
        Ok(())
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.bytes {
            Bytes::Plain(raw) => raw.read(into)?,
            Bytes::Gzip(decoder) => decoder.read(into).map_err(|cause| match cause.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    io::Error::other(Error::Damaged(cause.to_string()))
                }
                _ => cause,
            })?,
        };
        self.given += read as u64;
        self.check().map_err(io::Error::other)?;
        Ok(read)
    }
}
