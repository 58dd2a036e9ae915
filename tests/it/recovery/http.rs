//! The smallest HTTP/1.1 client that can talk to the server: one request per connection.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The JSON of a success.
    pub(super) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// One caller: where, with which token, for which bot.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) address: String,
    pub(super) token: String,
    pub(super) bot: String,
}

impl Client {
    /// Sends JSON with the bot's credentials. An error means that the outcome is unknown.
    pub(super) fn call(&self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "authorization: Bearer {}\r\nx-bot-id: {}\r\ncontent-type: application/json\r\n",
            self.token, self.bot
        );
        self.send(method, path, &head, body.as_bytes())
    }

    /// Sends bytes to an absolute URL of this server without credentials.
    pub(super) fn bare(&self, method: &str, url: &str, body: &[u8]) -> io::Result<Answer> {
        let rest = url.strip_prefix("http://").unwrap_or(url);
        // The port changes with each start; the path with its signature stays.
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        self.send(method, path, "", body)
    }

    fn send(&self, method: &str, path: &str, head: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n{head}\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        stream.write_all(&request)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        parse(&bytes)
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut off")
}

fn parse(bytes: &[u8]) -> io::Result<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let body = &bytes[end + 4..];
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut)?;
    let field =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned);
    let body = match (field("content-length:"), field("transfer-encoding:")) {
        (Some(length), _) => {
            let length: usize = length.parse().map_err(|_| cut())?;
            body.get(..length).ok_or_else(cut)?.to_vec()
        }
        (None, Some(_)) => dechunk(body)?,
        (None, None) => body.to_vec(),
    };
    Ok(Answer { status, body })
}

fn dechunk(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").ok_or_else(cut)?;
        let size = std::str::from_utf8(&rest[..line]).map_err(|_| cut())?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| cut())?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..size).ok_or_else(cut)?);
        rest = rest.get(size + 2..).ok_or_else(cut)?;
    }
}

#[test]
fn chunked_bodies_are_joined() {
    let answer =
        parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            .unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"abcde".as_slice()));
    assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc").is_err());
    assert!(parse(b"HTTP/1.1 200").is_err());
}
