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

/// One request.
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
    let broken = |cause: std::io::Error| format!("the connection to {} broke: {cause}", target.authority);
    let mut stream = TcpStream::connect(&target.authority).map_err(|cause| {
        format!("no server answers on {} ({cause}); start it with quarry serve", target.authority)
    })?;
    stream.set_read_timeout(Some(READ_TIMEOUT)).map_err(broken)?;
    let mut head = format!(
        "{} {}{} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
        request.method,
        target.prefix,
        request.path,
        target.authority,
        request.body.len()
    );
    for (name, value) in request.headers {
        if value.contains(['\r', '\n']) {
            return Err(format!("the value of {name} must not contain line breaks"));
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.body)).map_err(broken)?;
    read_answer(&mut BufReader::new(stream)).map_err(broken)
}

fn malformed(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{what} is malformed"))
}

fn read_answer(reader: &mut impl BufRead) -> std::io::Result<(u16, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.trim().parse::<u16>().ok());
    let status = status.ok_or_else(|| malformed("the status line"))?;
    let (mut length, mut chunked) = (None, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':').ok_or_else(|| malformed("a header"))?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse::<u64>().ok(),
            "transfer-encoding" => chunked = value.to_ascii_lowercase().contains("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        read_chunks(reader, &mut body)?;
    } else {
        reader.take(length.unwrap_or(MAX_ANSWER).min(MAX_ANSWER)).read_to_end(&mut body)?;
    }
    let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    Ok((status, json))
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> std::io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim().split(';').next().unwrap_or(""), 16)
            .map_err(|_| malformed("a chunk"))?;
        if size == 0 {
            return Ok(());
        }
        if body.len() as u64 + size > MAX_ANSWER {
            return Err(malformed("an answer of that size"));
        }
        reader.take(size).read_to_end(body)?;
        line.clear();
        reader.read_line(&mut line)?;
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

    #[test]
    fn answers_of_both_framings() {
        let plain = b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n{\"a\":1}rest";
        assert_eq!(read_answer(&mut &plain[..]).unwrap(), (404, serde_json::json!({ "a": 1 })));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
        assert_eq!(read_answer(&mut &chunked[..]).unwrap(), (200, serde_json::json!({ "a": 1 })));
        assert!(read_answer(&mut &b"nonsense\r\n\r\n"[..]).is_err());
    }
}
