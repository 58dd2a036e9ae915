//! A server on loopback that answers exactly the bytes it is told, for tests.

#![allow(clippy::unwrap_used)]

use crate::guard::Ports;
use crate::transport::Lookup;
use crate::{Client, Limits, Settings};
use futures::FutureExt;
use parking_lot::Mutex;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does next on a connection.
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Until the client goes.
    Repeat(Vec<u8>),
    /// One byte at a time, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// Nothing until the client goes.
    Silence,
}

/// A running server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Every request as it came.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", answer).await
    }

    pub(crate) async fn on(
        address: &str,
        answer: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (answer, kept) = (Arc::new(answer), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), kept.clone()));
            }
        });
        Self { address, seen }
    }

    /// A server that always answers this.
    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let bytes = answer.into();
        Self::start(move |_| vec![Step::Send(bytes.clone())]).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().len()
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<impl Fn(&str) -> Vec<Step>>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = read(&mut stream).await else { return };
    seen.lock().push(request.clone());
    for step in answer(&request) {
        let written = match step {
            Step::Send(bytes) => stream.write_all(&bytes).await,
            Step::Repeat(bytes) => loop {
                if let Err(gone) = stream.write_all(&bytes).await {
                    break Err(gone);
                }
            },
            Step::Drip(bytes, pause) => {
                let mut written = Ok(());
                for byte in bytes {
                    written = written.and(stream.write_all(&[byte]).await);
                    if written.is_err() {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                }
                written
            }
            Step::Silence => stream.read(&mut [0; 16]).await.map(drop),
        };
        if written.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

/// An answer with a body and its length.
pub(crate) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Limits that end what hangs within a test's patience, without politeness.
pub(crate) fn quick() -> Limits {
    Limits { host_delay: Duration::ZERO, ..Limits::default() }
}

/// Settings that let users reach 127.0.0.1 on any port.
pub(crate) fn open_settings() -> Settings {
    Settings {
        allow: vec!["127.0.0.1".parse().unwrap()],
        ports: Ports::parse(&["1-65535"]).unwrap(),
        per_host: 8,
        ..Settings::default()
    }
}

/// A client that may reach 127.0.0.1.
pub(crate) fn open_client() -> Client {
    Client::new(open_settings()).unwrap()
}

/// A resolver that gives one answer after the other, the last one for ever; and how often it was asked.
pub(crate) fn answers(list: &[&[&str]]) -> (Lookup, Arc<Mutex<usize>>) {
    let asked = Arc::new(Mutex::new(0));
    let list: Vec<Vec<IpAddr>> =
        list.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let mut count = count.lock();
        let answer = list[(*count).min(list.len() - 1)].clone();
        *count += 1;
        async move { Ok(answer) }.boxed()
    });
    (lookup, asked)
}
