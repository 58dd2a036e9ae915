//! Which URLs and addresses a request may go to.
//!
//! Owns URL checks, the port rule, the operator's allow-list and its endpoints. Knows nothing of
//! connections. Invariant: hosts are compared only as the WHATWG parser gives them, so no spelling of
//! an address escapes the check of that address.

use crate::address::{Reach, canonical, nat64, reach, within};
use crate::error::Error;
use crate::request::Policy;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use url::{Host, Url};

/// Longest URL taken, in bytes.
const MAX_URL: usize = 8 << 10;

/// One entry of the operator's allow-list: a host name, an address, or a range such as `10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow(Entry);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Host(String),
    Net(IpAddr, u8),
}

impl FromStr for Allow {
    type Err = Error;

    /// Reads one entry.
    ///
    /// # Errors
    /// When it is neither a host name nor an address nor a range.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Setting {
            problem: format!("{text:?} is no host name, address or range such as 10.0.0.0/8"),
        };
        let text = text.trim();
        if let Some((base, bits)) = text.split_once('/') {
            let base: IpAddr = base.parse().map_err(|_| wrong())?;
            let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
            let bits: u8 = bits.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
            return match (base, canonical(base)) {
                (IpAddr::V6(_), IpAddr::V4(inner)) if (96..=128).contains(&bits) => {
                    Ok(Self(Entry::Net(inner.into(), bits - 96)))
                }
                (IpAddr::V4(_), _) if bits <= 32 => Ok(Self(Entry::Net(base, bits))),
                (IpAddr::V6(_), IpAddr::V6(_)) if bits <= 128 => Ok(Self(Entry::Net(base, bits))),
                _ => Err(wrong()),
            };
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            let ip = canonical(ip);
            return Ok(Self(Entry::Net(ip, if ip.is_ipv4() { 32 } else { 128 })));
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if fine_name(&name) => Ok(Self(Entry::Host(plain(&name).to_owned()))),
            _ => Err(wrong()),
        }
    }
}

fn fine_name(name: &str) -> bool {
    !plain(name).is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A host without the dot that marks it as absolute.
fn plain(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Ports that may be fetched besides 80 and 443.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Reads entries such as `8080` or `8000-8999`.
    ///
    /// # Errors
    /// When an entry is no port (1 to 65535) and no rising range of ports.
    pub fn parse<T: AsRef<str>>(list: &[T]) -> Result<Self, Error> {
        let read = |text: &str| {
            let (low, high) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
            match (number(low), number(high)) {
                (Some(low), Some(high)) if low <= high => Ok(low..=high),
                _ => Err(Error::Setting {
                    problem: format!(
                        "{text:?} is no port; write numbers such as 8080 or ranges such as 8000-8999"
                    ),
                }),
            }
        };
        let entries = list.iter().map(|text| text.as_ref().trim()).filter(|text| !text.is_empty());
        Ok(Self(entries.map(read).collect::<Result<_, _>>()?))
    }

    fn has(&self, port: u16) -> bool {
        matches!(port, 80 | 443) || self.0.iter().any(|range| range.contains(&port))
    }
}

/// An address that the operator configured; only it and what lies below its origin is reached with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Checks an absolute http(s) URL.
    ///
    /// # Errors
    /// [`Error::Url`] when it is none or carries a user name or password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self(parse_url(text)?))
    }

    /// The endpoint with `path` appended to its own path, its query kept.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{}", self.0.path().trim_end_matches('/'), path.trim_start_matches('/')));
        url.to_string()
    }

    /// The URL itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn covers(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }
}

/// Parses a URL and refuses what no request may carry.
pub(crate) fn parse_url(text: &str) -> Result<Url, Error> {
    let wrong = |problem: &str| Error::Url { problem: problem.to_owned() };
    if text.len() > MAX_URL {
        return Err(wrong("is too long; the longest has 8192 bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong("has control characters; remove or percent-encode them"));
    }
    let url = Url::parse(text.trim())
        .map_err(|cause| wrong(&format!("cannot be read ({cause}); write https://host/path")))?;
    check_url(&url)?;
    Ok(url)
}

/// What also holds for the target of a redirect.
pub(crate) fn check_url(url: &Url) -> Result<(), Error> {
    let wrong = |problem: &str| Error::Url { problem: problem.to_owned() };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a user name or password; send an authorization header instead"));
    }
    if url.as_str().len() > MAX_URL {
        return Err(wrong("is too long; the longest has 8192 bytes"));
    }
    match url.host() {
        Some(Host::Domain(name)) if plain(name).is_empty() => Err(wrong("has no host")),
        Some(_) => Ok(()),
        None => Err(wrong("has no host")),
    }
}

/// The host as asked for, for messages and for keys of per-host state.
pub(crate) fn host_of(url: &Url) -> String {
    plain(url.host_str().unwrap_or_default()).to_owned()
}

/// The rules of one client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    pub(crate) allow: Vec<Allow>,
    pub(crate) ports: Ports,
}

impl Guard {
    /// Checks all that can be known without resolving the name.
    pub(crate) fn check(&self, url: &Url, policy: &Policy) -> Result<(), Error> {
        check_url(url)?;
        let host = host_of(url);
        if let Policy::Operator(endpoint) = policy {
            if !endpoint.covers(url) {
                return Err(Error::OffEndpoint { host });
            }
        } else {
            let port = url.port_or_known_default().unwrap_or_default();
            if !self.ports.has(port) {
                return Err(Error::Port { port });
            }
        }
        match literal(url) {
            Some(ip) => self.admit(&host, ip, policy.is_operator()),
            None => Ok(()),
        }
    }

    /// Checks one address that `host` is or resolves to.
    pub(crate) fn admit(&self, host: &str, ip: IpAddr, operator: bool) -> Result<(), Error> {
        match reach(ip) {
            Reach::Never => Err(Error::Forbidden { host: host.to_owned() }),
            Reach::Public => Ok(()),
            Reach::Private if operator || self.allows(host, ip) => Ok(()),
            Reach::Private => Err(Error::Private { host: host.to_owned() }),
        }
    }

    fn allows(&self, host: &str, ip: IpAddr) -> bool {
        let ip = canonical(ip);
        let behind = nat64(ip).map(IpAddr::V4);
        self.allow.iter().any(|Allow(entry)| match entry {
            Entry::Host(name) => name == plain(host),
            Entry::Net(base, bits) => {
                within(ip, *base, *bits) || behind.is_some_and(|ip| within(ip, *base, *bits))
            }
        })
    }
}

/// The address a URL names without a resolver.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(Ipv4Addr::into(ip)),
        Host::Ipv6(ip) => Some(Ipv6Addr::into(ip)),
        // The connector reads such names as addresses without asking the resolver.
        Host::Domain(name) => plain(name).parse().ok(),
    }
}

#[cfg(test)]
mod tests;
