//! A minimal HTTP/1.1 client: plain http, one request per connection, JSON in and out.
//!
//! For the command line against a server on this machine or network; TLS is a proxy's business.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest silence of the server.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// Largest answer taken.
const MAX_ANSWER: u64 = 100 << 20;

/// Where to connect and what to prepend to paths.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) authority: String,
    pub(super) prefix: String,
}

impl Target {
    /// Splits `http://host:port/prefix`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("{url:?} must start with http:// (for https go through a local proxy)"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(format!("{url:?} names no host"));
        }
        let host = authority.rsplit(']').next().unwrap_or(authority);
        let port = if host.contains(':') { "" } else { ":80" };
        Ok(Self { authority: format!("{authority}{port}"), prefix: path.trim_end_matches('/').to_owned() })
    }
}

/// One request; a body comes with the call that sends it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Path with query, encoded.
    pub(super) path: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// Sends a request and reads status and JSON body.
pub(super) fn send(target: &Target, request: &Request<'_>) -> Result<(u16, Value), String> {
    let (mut body, length) = (request.body, request.body.len() as u64);
    send_from(target, request, &mut body, length)
}

/// Sends a request whose body is read as it goes; the request's own is not looked at.
pub(super) fn send_from(
    target: &Target,
    request: &Request<'_>,
    body: &mut dyn Read,
    length: u64,
) -> Result<(u16, Value), String> {
    let broken = broken(target);
    let mut stream = begin(target, request, length)?;
    let sent = std::io::copy(body, &mut stream).map_err(&broken)?;
    if sent != length {
        return Err(format!("the file changed while it was sent: {sent} bytes instead of {length}"));
    }
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader).map_err(&broken)?;
    let body = read_json(&head, &mut reader).map_err(&broken)?;
    Ok((head.status, body))
}

/// Sends a request and copies the body of a success; other answers come as JSON.
pub(super) fn fetch(
    target: &Target,
    request: &Request<'_>,
    into: &mut dyn Write,
) -> Result<(u16, Value), String> {
    let broken = broken(target);
    let mut stream = begin(target, request, request.body.len() as u64)?;
    stream.write_all(request.body).map_err(&broken)?;
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader).map_err(&broken)?;
    if !(200..300).contains(&head.status) {
        let body = read_json(&head, &mut reader).map_err(&broken)?;
        return Ok((head.status, body));
    }
    let mut body = head.body(&mut reader);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = body.read(&mut piece).map_err(&broken)?;
        if read == 0 {
            return Ok((head.status, Value::Null));
        }
        let bytes = piece.get(..read).unwrap_or_default();
        into.write_all(bytes).map_err(|cause| format!("cannot write what was read: {cause}"))?;
    }
}

fn broken(target: &Target) -> impl Fn(std::io::Error) -> String {
    let authority = target.authority.clone();
    move |cause| format!("the connection to {authority} broke: {cause}")
}

/// Connects and sends the head.
fn begin(target: &Target, request: &Request<'_>, length: u64) -> Result<TcpStream, String> {
    let broken = broken(target);
    let mut stream = TcpStream::connect(&target.authority).map_err(|cause| {
        format!("no server answers on {} ({cause}); start it with quarry serve", target.authority)
    })?;
    stream.set_read_timeout(Some(READ_TIMEOUT)).map_err(&broken)?;
    let mut head = format!(
        "{} {}{} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {length}\r\n",
        request.method, target.prefix, request.path, target.authority,
    );
    for (name, value) in request.headers {
        if value.contains(['\r', '\n']) {
            return Err(format!("the value of {name} must not contain line breaks"));
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).map_err(&broken)?;
    Ok(stream)
}

fn malformed(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{what} is malformed"))
}

/// What the head of an answer says.
#[derive(Debug)]
struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
}

impl Head {
    fn body<'r>(&self, reader: &'r mut dyn BufRead) -> Body<'r> {
        let left = if self.chunked { 0 } else { self.length.unwrap_or(u64::MAX) };
        Body { reader, left, chunked: self.chunked, sized: self.chunked || self.length.is_some() }
    }
}

fn read_head(reader: &mut impl BufRead) -> std::io::Result<Head> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.trim().parse::<u16>().ok());
    let status = status.ok_or_else(|| malformed("the status line"))?;
    let mut head = Head { status, length: None, chunked: false };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let text = line.trim_end();
        if text.is_empty() {
            return Ok(head);
        }
        let (name, value) = text.split_once(':').ok_or_else(|| malformed("a header"))?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.trim().parse::<u64>().ok(),
            "transfer-encoding" => head.chunked = value.to_ascii_lowercase().contains("chunked"),
            _ => {}
        }
    }
}

fn read_json(head: &Head, reader: &mut dyn BufRead) -> std::io::Result<Value> {
    let mut body = Vec::new();
    head.body(reader).take(MAX_ANSWER + 1).read_to_end(&mut body)?;
    if body.len() as u64 > MAX_ANSWER {
        return Err(malformed("an answer of that size"));
    }
    Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
}

/// The body of an answer in either framing; one that ends early is an error.
struct Body<'r> {
    reader: &'r mut dyn BufRead,
    /// Bytes left of the body, or of the chunk.
    left: u64,
    chunked: bool,
    /// Whether the end is known by more than the end of the connection.
    sized: bool,
}

impl Body<'_> {
    /// Reads the size line of the next chunk; the last one has none.
    fn next_chunk(&mut self) -> std::io::Result<()> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            // The line end behind the chunk before.
            self.reader.read_line(&mut line)?;
        }
        let size = line.trim().split(';').next().unwrap_or("");
        self.left = u64::from_str_radix(size, 16).map_err(|_| malformed("a chunk"))?;
        self.chunked = self.left > 0;
        Ok(())
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && self.chunked {
            self.next_chunk()?;
        }
        if self.left == 0 || into.is_empty() {
            return Ok(0);
        }
        let read = (&mut *self.reader).take(self.left).read(into)?;
        if read == 0 && self.sized {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn targets() {
        let target = Target::parse("http://localhost/pre/").unwrap();
        assert_eq!((target.authority.as_str(), target.prefix.as_str()), ("localhost:80", "/pre"));
        assert_eq!(Target::parse("http://[::1]:7700").unwrap().authority, "[::1]:7700");
        assert!(Target::parse("https://x").is_err() && Target::parse("http://").is_err());
    }

    fn read_answer(mut bytes: &[u8]) -> std::io::Result<(u16, Value)> {
        let head = read_head(&mut bytes)?;
        Ok((head.status, read_json(&head, &mut bytes)?))
    }

    #[test]
    fn answers_of_both_framings() {
        let plain = b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n{\"a\":1}rest";
        assert_eq!(read_answer(plain).unwrap(), (404, serde_json::json!({ "a": 1 })));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
        assert_eq!(read_answer(chunked).unwrap(), (200, serde_json::json!({ "a": 1 })));
        let unsized_body = b"HTTP/1.1 200 OK\r\n\r\n[1]";
        assert_eq!(read_answer(unsized_body).unwrap(), (200, serde_json::json!([1])));
        assert_eq!(
            read_answer(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").unwrap(),
            (204, Value::Null)
        );
        assert!(read_answer(b"nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn answers_cut_off_are_errors() {
        let head = "HTTP/1.1 200 OK\r\n";
        for rest in [
            "content-length: 9\r\n\r\n{\"a\":1}",
            "transfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":",
            "transfer-encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n",
        ] {
            assert!(read_answer(format!("{head}{rest}").as_bytes()).is_err(), "{rest}");
        }
    }
}
