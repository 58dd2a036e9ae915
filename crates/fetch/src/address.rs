//! Which IP addresses are on the public internet.
//!
//! Knows the special-purpose ranges of IPv4 and IPv6 and every IPv6 form that carries an IPv4 address
//! inside. Knows nothing of names or settings. Invariant: an address is public only when every reading
//! of it is; what is not known to be public is private.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Globally routed.
    Public,
    /// Loopback, private, shared, documentation, multicast, reserved: the operator may allow it.
    Private,
    /// Link-local and cloud metadata: handed out by the machine's own host, never fetched.
    Never,
}

/// IPv4 ranges that are not public, as (first address, prefix length).
const PRIVATE_V4: [([u8; 4], u8); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    ([255, 255, 255, 255], 32),
];

/// IPv4 link-local (which holds most metadata services) and metadata addresses elsewhere.
const NEVER_V4: [([u8; 4], u8); 4] =
    [([169, 254, 0, 0], 16), ([100, 100, 100, 200], 32), ([192, 0, 0, 192], 32), ([168, 63, 129, 16], 32)];

/// IPv6 ranges inside 2000::/3 that are not public: protocol assignments with Teredo, documentation, 6to4.
const PRIVATE_V6: [([u16; 8], u8); 4] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// IPv6 link-local, deprecated site-local, and the metadata services of several clouds.
const NEVER_V6: [([u16; 8], u8); 5] = [
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    ([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128),
];

/// Prefixes whose last 32 bits are an IPv4 address: compatible, translated, NAT64 and local NAT64.
const TAIL_FORMS: [([u16; 8], u8); 4] = [
    ([0; 8], 96),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
];

/// NAT64, the only embedding form through which a public host is reached today.
const NAT64: ([u16; 8], u8) = TAIL_FORMS[2];

/// Whether `ip` lies in `base/bits`, both IPv4 or both IPv6.
pub(crate) fn within(ip: IpAddr, base: IpAddr, bits: u8) -> bool {
    match (ip, base) {
        (IpAddr::V4(ip), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            u32::from(ip) & mask == u32::from(base) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            u128::from(ip) & mask == u128::from(base) & mask
        }
        _ => false,
    }
}

fn within_v4(ip: Ipv4Addr, ranges: &[([u8; 4], u8)]) -> bool {
    ranges.iter().any(|(base, bits)| within(ip.into(), Ipv4Addr::from(*base).into(), *bits))
}

fn within_v6(ip: Ipv6Addr, ranges: &[([u16; 8], u8)]) -> bool {
    ranges.iter().any(|(base, bits)| within(ip.into(), Ipv6Addr::from(*base).into(), *bits))
}

/// An IPv4 address written as IPv6 (`::ffff:a.b.c.d`) is that IPv4 address; operating systems connect so.
pub(crate) fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// The IPv4 address behind a NAT64 address.
pub(crate) fn nat64(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V6(ip) if within_v6(ip, &[NAT64]) => Some(join(ip.segments()[6], ip.segments()[7])),
        _ => None,
    }
}

/// How far this address reaches, whatever form it is written in.
pub(crate) fn reach(ip: IpAddr) -> Reach {
    match canonical(ip) {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    if within_v4(ip, &NEVER_V4) {
        Reach::Never
    } else if within_v4(ip, &PRIVATE_V4) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let inner: Vec<Reach> = embedded(ip).into_iter().flatten().map(reach_v4).collect();
    if within_v6(ip, &NEVER_V6) || inner.contains(&Reach::Never) {
        return Reach::Never;
    }
    let global = within_v6(ip, &[([0x2000, 0, 0, 0, 0, 0, 0, 0], 3), NAT64]);
    if !global || within_v6(ip, &PRIVATE_V6) || inner.contains(&Reach::Private) {
        return Reach::Private;
    }
    Reach::Public
}

fn join(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// Every IPv4 address this IPv6 address can be read to carry.
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let tail = join(g, h);
    let mut found = [None; 4];
    if within_v6(ip, &TAIL_FORMS) {
        found[0] = Some(tail);
    }
    match (a, b) {
        // Local NAT64 with a 48-bit prefix: the octet between the halves is zero.
        (0x64, 0xff9b) if c == 1 => {
            let (e, f) = (e.to_be_bytes(), f.to_be_bytes());
            found[1] = Some(join(d, u16::from_be_bytes([e[1], f[0]])));
        }
        // 6to4 carries the router's address.
        (0x2002, _) => found[1] = Some(join(b, c)),
        // Teredo carries the server's address and, inverted, the client's.
        (0x2001, 0) => {
            found[1] = Some(join(c, d));
            found[2] = Some(join(!g, !h));
        }
        _ => {}
    }
    // ISATAP interface identifiers may follow any prefix.
    if (e & 0xfdff, f) == (0, 0x5efe) {
        found[3] = Some(tail);
    }
    found
}

#[cfg(test)]
mod tests;
