//! The listening socket: accepts connections, speaks HTTP/1.1, stops gracefully.
//!
//! Bounds what a client may do before a request exists: connections, header size and time.

use crate::app::App;
use crate::config::Config;
use crate::logging;
use crate::start::{StartError, start};
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at the same time; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 2_048;
/// A request's head must have arrived after this.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEADER_BYTES: usize = 64 << 10;
/// Running requests get this long after a stop signal.
const GRACE: Duration = Duration::from_secs(10);
/// Open files wanted: connections, segments and blobs together.
const OPEN_FILES: u64 = 65_536;

/// A bound socket with its app.
pub struct Listening {
    listener: TcpListener,
    app: App,
}

impl Listening {
    /// Serves `app` on a socket.
    #[must_use]
    pub fn new(listener: TcpListener, app: App) -> Self {
        Self { listener, app }
    }

    /// The address, the real port included.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` turns true, then lets running requests end, 10 s at most.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let place = places.clone().acquire_owned();
            let accepted = tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = async { (place.await, self.listener.accept().await) } => accepted,
            };
            while connections.try_join_next().is_some() {}
            let (place, Ok((socket, _))) = accepted else {
                // Out of file descriptors, mostly: give connections time to end.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let (app, stop) = (self.app.clone(), stop.clone());
            connections.spawn(async move {
                let _place = place;
                connection(socket, app, stop).await;
            });
        }
        drop(self.listener);
        self.app.end_streams();
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut off");
        }
    }
}

/// Ends when the server is to stop, or when nobody is left to say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopping| *stopping).await;
}

async fn connection(socket: TcpStream, app: App, mut stop: watch::Receiver<bool>) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.handle(request.map(Body::new)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!(%cause, "connection ended early");
    }
}

/// Runs `quarry serve` to its end.
///
/// # Errors
/// When the start fails; see [`StartError`].
pub async fn run(config: Config) -> Result<(), StartError> {
    logging::init(&config)?;
    let _ = rlimit::increase_nofile_limit(OPEN_FILES);
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|cause| StartError::Listen { address, cause })?;
    let worker = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("quarry"));
    let running = start(config, worker).await?;
    if let Some(token) = &running.new_admin_token {
        let note = format!("admin token, shown once and kept in the data folder: {token}\n");
        let _ = std::io::stderr().write_all(note.as_bytes());
    }
    let listening = Listening::new(listener, running.app.clone());
    let address = listening.address()?;
    let (stop, stopping) = watch::channel(false);
    let mut signals = Signals::new()?;
    let serving = tokio::spawn(listening.serve(stopping));
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "quarry ready on http://{address}").and_then(|()| stdout.flush());
    drop(stdout);
    let signal = signals.next().await;
    tracing::info!(signal, "stopping");
    let _ = stop.send(true);
    let _ = serving.await;
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
