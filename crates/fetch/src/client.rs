//! Sends requests: check, wait for the turn, connect, follow redirects by hand, hand on the body.
//!
//! Owns the order of these steps and what is sent on across a redirect. Invariant: every hop passes the
//! guard as the first one did, and nothing the caller gave for one origin reaches another.

use crate::body::{Body, Frame};
use crate::error::Error;
use crate::guard::{Allow, Guard, Ports, host_of, parse_url};
use crate::pace::{Pace, Slot};
use crate::request::{Limits, Policy, Request, Response};
use crate::transport::{Lookup, MAX_HEADERS, connect, explain, system_lookup};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Bytes of all header names and values of an answer.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Longest pause between requests to a host; a longer one is a schedule, not politeness.
const MAX_HOST_DELAY: Duration = Duration::from_secs(60);
/// Headers the client or the connection sets itself.
const RESERVED: [&str; 13] = [
    "host",
    "user-agent",
    "accept-encoding",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// What the operator sets for all requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Hosts and ranges outside the public internet that users may fetch.
    pub allow: Vec<Allow>,
    /// Ports that users may fetch besides 80 and 443.
    pub ports: Ports,
    /// Where those who run fetched sites can complain: a URL or mail address, sent in `user-agent`.
    pub contact: String,
    /// Longest time to a connection, name resolution and TLS included.
    pub connect_timeout: Duration,
    /// Requests of [`Policy::Public`] at once; as many again for [`Policy::Operator`].
    pub max_concurrent: usize,
    /// Of these, requests to one host.
    pub per_host: usize,
    /// Requests that may wait for a slot.
    pub max_waiting: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            ports: Ports::default(),
            contact: env!("CARGO_PKG_REPOSITORY").to_owned(),
            connect_timeout: Duration::from_secs(5),
            max_concurrent: 32,
            per_host: 1,
            max_waiting: 1024,
        }
    }
}

impl Settings {
    /// Checks what making a client checks.
    ///
    /// # Errors
    /// [`Error::Setting`] when the contact cannot stand in a header.
    pub fn validate(&self) -> Result<(), Error> {
        let contact = self.contact.trim();
        let fine = contact.bytes().all(|b| (b' '..0x7f).contains(&b) && !b"()\\".contains(&b));
        if !fine || contact.is_empty() || contact.len() > 200 {
            return Err(Error::Setting {
                problem: "the contact must be a URL or mail address: 1 to 200 visible ASCII characters \
                          without parentheses"
                    .to_owned(),
            });
        }
        Ok(())
    }
}

/// Connections and slots of one policy; those of users and of the operator never mix.
#[derive(Debug)]
struct Lane {
    http: reqwest::Client,
    pace: Pace,
}

#[derive(Debug)]
struct Inner {
    guard: Arc<Guard>,
    connect_timeout: Duration,
    public: Lane,
    operator: Lane,
}

/// The outbound client. Cheap to clone; all clones share their bounds.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// One hop: what is sent where.
struct Hop {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// As [`Settings::validate`].
    pub fn new(settings: Settings) -> Result<Self, Error> {
        Self::with_lookup(settings, system_lookup())
    }

    /// A client that resolves names in another way.
    pub(crate) fn with_lookup(settings: Settings, lookup: Lookup) -> Result<Self, Error> {
        settings.validate()?;
        let contact = settings.contact.trim();
        let agent = format!("Quarry/{} (+{contact})", env!("CARGO_PKG_VERSION"));
        let guard = Arc::new(Guard { allow: settings.allow, ports: settings.ports });
        let lane = |operator, per_host| {
            let shape = (agent.as_str(), settings.connect_timeout);
            let http = connect(lookup.clone(), guard.clone(), operator, shape)?;
            Ok::<_, Error>(Lane {
                http,
                pace: Pace::new(settings.max_concurrent, per_host, settings.max_waiting),
            })
        };
        let (public, operator) = (lane(false, Some(settings.per_host))?, lane(true, None)?);
        let connect_timeout = settings.connect_timeout;
        Ok(Self { inner: Arc::new(Inner { guard, connect_timeout, public, operator }) })
    }

    /// Whether a request to `url` would pass every check that needs no resolver and no connection.
    ///
    /// # Errors
    /// The refusal that [`Client::send`] would give.
    pub fn check(&self, url: &str, policy: &Policy) -> Result<(), Error> {
        self.inner.guard.check(&parse_url(url)?, policy)
    }

    /// Sends a request and follows redirects; the answer's body is still to be read.
    ///
    /// # Errors
    /// When a rule refuses, a bound is passed or no answer comes. An answer of status 4xx or 5xx is none.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let Request { method, url, headers, body, policy, limits } = request;
        let mut hop = Hop { url: parse_url(&url)?, method, headers: checked_headers(&headers)?, body };
        let inner = &self.inner;
        let lane = if policy.is_operator() { &inner.operator } else { &inner.public };
        inner.guard.check(&hop.url, &policy)?;
        let mut host = host_of(&hop.url);
        let mut slot = enter(lane, &host, &limits).await?;
        let started = Instant::now();
        let deadline = started.checked_add(limits.total).unwrap_or(started);
        let mut for_good = true;
        for followed in 0..=limits.max_redirects {
            if host_of(&hop.url) != host {
                host = host_of(&hop.url);
                // Given back first: two requests waiting for each other's host would never end.
                drop(slot);
                let wait = limits.queue.min(deadline.saturating_duration_since(Instant::now()));
                slot = enter(lane, &host, &Limits { queue: wait, ..limits }).await?;
            }
            let answer = self.exchange(lane, &hop, &host, (&limits, deadline)).await?;
            self.check_answer(&answer, &host, &policy)?;
            let Some(target) = redirect(&answer, &hop.url, &host)? else {
                let frame = Frame { host, limits, deadline, slot, is_head: hop.method == Method::HEAD };
                return response(answer, hop.url, for_good, frame);
            };
            if followed == limits.max_redirects {
                break;
            }
            let status = answer.status().as_u16();
            for_good &= matches!(status, 301 | 308);
            drop(answer);
            tracing::debug!(%host, status, target = target.host_str(), "redirect");
            inner.guard.check(&target, &policy).map_err(|refusal| match refusal {
                // The operator's hosts are nobody's business but the operator's.
                Error::OffEndpoint { .. } => {
                    let problem = "it leads away from the configured endpoint; set its final URL".to_owned();
                    Error::Redirect { host: host.clone(), problem }
                }
                other => other,
            })?;
            hop = hop.onward(target, status, &host)?;
        }
        let problem = format!("more than {} in a row", limits.max_redirects);
        Err(Error::Redirect { host, problem })
    }

    /// One request on the wire, up to the head of its answer.
    async fn exchange(
        &self,
        lane: &Lane,
        hop: &Hop,
        host: &str,
        (limits, deadline): (&Limits, Instant),
    ) -> Result<reqwest::Response, Error> {
        let connect_timeout = self.inner.connect_timeout;
        let call = lane
            .http
            .request(hop.method.clone(), hop.url.clone())
            .headers(hop.headers.clone())
            .header(header::ACCEPT_ENCODING, "gzip");
        let call = if hop.body.is_empty() { call } else { call.body(hop.body.clone()) };
        let now = Instant::now();
        let head_by = now.checked_add(connect_timeout.saturating_add(limits.first_byte)).unwrap_or(deadline);
        match timeout_at(head_by.min(deadline), call.send()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(cause)) => Err(explain(&cause, host, connect_timeout)),
            Err(_) if deadline <= head_by => {
                Err(Error::Timeout { host: host.to_owned(), phase: "finish", limit: limits.total })
            }
            Err(_) => {
                Err(Error::Timeout { host: host.to_owned(), phase: "answer", limit: limits.first_byte })
            }
        }
    }

    fn check_answer(&self, answer: &reqwest::Response, host: &str, policy: &Policy) -> Result<(), Error> {
        // The peer's address is checked once more: nothing is taken from where nothing may be asked.
        if let Some(peer) = answer.remote_addr() {
            self.inner.guard.admit(host, peer.ip(), policy.is_operator())?;
        }
        let headers = answer.headers();
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > MAX_HEADER_BYTES {
            let limit = MAX_HEADER_BYTES as u64;
            return Err(Error::TooLarge { host: host.to_owned(), limit, unit: "bytes of headers" });
        }
        if headers.len() > MAX_HEADERS {
            let limit = MAX_HEADERS as u64;
            return Err(Error::TooLarge { host: host.to_owned(), limit, unit: "headers" });
        }
        Ok(())
    }
}

async fn enter(lane: &Lane, host: &str, limits: &Limits) -> Result<Slot, Error> {
    lane.pace.enter(host, limits.host_delay.min(MAX_HOST_DELAY), limits.queue).await
}

impl Hop {
    /// The next hop to `target` after `status` from `host`.
    fn onward(self, target: Url, status: u16, host: &str) -> Result<Self, Error> {
        let Self { url, mut method, mut headers, mut body } = self;
        let to_get = match status {
            303 => method != Method::HEAD,
            301 | 302 => method == Method::POST,
            _ => false,
        };
        if to_get {
            method = Method::GET;
            body = Bytes::new();
            headers.remove(header::CONTENT_TYPE);
        }
        if url.origin() != target.origin() {
            if !body.is_empty() {
                let problem = "the body would go to another origin; use the final URL".to_owned();
                return Err(Error::Redirect { host: host.to_owned(), problem });
            }
            let kept = [header::ACCEPT, header::ACCEPT_LANGUAGE];
            headers = kept
                .into_iter()
                .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
                .collect();
        }
        Ok(Self { url: target, method, headers, body })
    }
}

/// Where the answer sends the caller, if it does.
fn redirect(answer: &reqwest::Response, from: &Url, host: &str) -> Result<Option<Url>, Error> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers().get(header::LOCATION) else { return Ok(None) };
    let wrong = |problem: &str| Error::Redirect { host: host.to_owned(), problem: problem.to_owned() };
    let text = std::str::from_utf8(location.as_bytes()).map_err(|_| wrong("its target is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(wrong("its target has control characters"));
    }
    let mut target = from.join(text).map_err(|_| wrong("its target is not a URL"))?;
    crate::guard::check_url(&target).map_err(|cause| match cause {
        Error::Url { problem } => wrong(&format!("its target {problem}")),
        other => other,
    })?;
    target.set_fragment(None);
    Ok(Some(target))
}

fn response(
    answer: reqwest::Response,
    url: Url,
    moved_for_good: bool,
    frame: Frame,
) -> Result<Response, Error> {
    let status = answer.status().as_u16();
    let mut headers = answer.headers().clone();
    if headers.remove(header::CONTENT_ENCODING).is_some() {
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(Response { status, url: url.to_string(), moved_for_good, headers, body: Body::new(answer, frame)? })
}

fn checked_headers(list: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let wrong = |name: &str, problem| Error::Header { name: name.chars().take(64).collect(), problem };
    if list.len() > MAX_HEADERS {
        return Err(wrong("", "there are more than 100"));
    }
    if list.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(wrong("", "all together have more than 64 KiB"));
    }
    for (name, value) in list {
        let key =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(name, "its name is malformed"))?;
        if RESERVED.contains(&key.as_str()) {
            return Err(wrong(name, "the client sets it itself"));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong(name, "its value is malformed"))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
