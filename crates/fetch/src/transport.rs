//! Connections: the HTTP library, set so that it does nothing on its own.
//!
//! Owns name resolution and what a failed connection is called. No proxies, cookies, redirects, referrers
//! or decompression of the library's own. Invariant: the library is handed checked addresses only, from
//! the one resolution it connects with; the resolver of user requests is not the operator's.

use crate::error::Error;
use crate::guard::Guard;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Most header lines of an answer.
pub(crate) const MAX_HEADERS: usize = 100;

/// Longest life of an unused connection.
const IDLE: Duration = Duration::from_secs(30);
/// Unused connections kept per host.
const MAX_IDLE: usize = 4;

/// Asks for the addresses of a name.
pub(crate) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The operating system's resolver.
pub(crate) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    })
}

/// Resolves a name once and hands on its addresses only if each of them may be reached.
struct Checked {
    lookup: Lookup,
    guard: Arc<Guard>,
    operator: bool,
}

/// A rule's refusal on its way through the library.
#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused(Error);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let (lookup, guard, operator) = (self.lookup.clone(), self.guard.clone(), self.operator);
        Box::pin(async move {
            let found = match lookup(host.clone()).await {
                Ok(found) if !found.is_empty() => found,
                Ok(_) => return Err(Refused(Error::Resolve { host }).into()),
                Err(cause) => {
                    tracing::debug!(%host, %cause, "name not resolved");
                    return Err(Refused(Error::Resolve { host }).into());
                }
            };
            for ip in &found {
                if let Err(refusal) = guard.admit(&host, *ip, operator) {
                    tracing::info!(%host, %ip, "address refused");
                    return Err(Refused(refusal).into());
                }
            }
            // The connector sets the port of the URL where it finds 0.
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

/// Makes the library's client for one policy.
pub(crate) fn connect(
    lookup: Lookup,
    guard: Arc<Guard>,
    operator: bool,
    (user_agent, connect_timeout): (&str, Duration),
) -> Result<reqwest::Client, Error> {
    let builder = || {
        let resolver = Checked { lookup: lookup.clone(), guard: guard.clone(), operator };
        #[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
        reqwest::Client::builder()
            .dns_resolver(Arc::new(resolver))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(user_agent)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_only()
            .http1_max_headers(MAX_HEADERS)
    };
    match builder().build() {
        Ok(client) => Ok(client),
        Err(cause) => {
            tracing::warn!(
                cause = chain(&cause),
                "https will not work: install the system's ca-certificates or set SSL_CERT_FILE"
            );
            builder().tls_certs_only([]).build().map_err(|cause| Error::Setting {
                problem: format!(
                    "the outbound client cannot be made ({}); check fetch_contact",
                    chain(&cause)
                ),
            })
        }
    }
}

fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Says what the library's error means; its own words, which may name addresses, go to the log.
pub(crate) fn explain(cause: &reqwest::Error, host: &str, connect_timeout: Duration) -> Error {
    tracing::debug!(%host, cause = chain(cause), "request failed");
    for source in sources(cause) {
        // The library wraps errors in boxes that keep their type.
        if let Some(Refused(refusal)) = source.downcast_ref() {
            return copy(refusal, host);
        }
    }
    let host = host.to_owned();
    if cause.is_timeout() {
        return Error::Timeout { host, phase: "connect", limit: connect_timeout };
    }
    if cause.is_connect() {
        return Error::Connect { host, problem: connect_problem(cause) };
    }
    Error::Broken { host }
}

fn copy(refusal: &Error, host: &str) -> Error {
    let host = host.to_owned();
    match refusal {
        Error::Forbidden { .. } => Error::Forbidden { host },
        Error::Private { .. } => Error::Private { host },
        _ => Error::Resolve { host },
    }
}

fn connect_problem(cause: &(dyn StdError + 'static)) -> &'static str {
    let kinds = sources(cause).filter_map(|source| source.downcast_ref::<std::io::Error>());
    match kinds.map(std::io::Error::kind).last() {
        Some(std::io::ErrorKind::ConnectionRefused) => "it refuses connections on that port",
        Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::UnexpectedEof) => {
            "it closes the connection at once"
        }
        // The TLS library reports what it rejects as invalid data.
        Some(std::io::ErrorKind::InvalidData) => "it has no certificate that this machine trusts",
        _ => "it is not reachable",
    }
}
