#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.88.98.255",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "3ffe::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2606:4700::5efe:808:808",
];

const PRIVATE: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::10.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:0.0.0.0",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "64:ff9b:1:7f00:0:100::",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:808:808::f7f7:f7f7",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:192.168.0.1",
];

const NEVER: &[&str] = &[
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.255.255",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:808:808:0:0:5601:5601",
    "2606:4700::5efe:169.254.169.254",
    "::ffff:168.63.129.16",
];

#[test]
fn each_address_reaches_as_far_as_the_registries_say() {
    for (list, expected) in [(PUBLIC, Reach::Public), (PRIVATE, Reach::Private), (NEVER, Reach::Never)] {
        for text in list {
            let ip: IpAddr = text.parse().unwrap_or_else(|_| panic!("{text} is no address"));
            assert_eq!(reach(ip), expected, "{text}");
        }
    }
}

#[test]
fn ranges_at_their_ends() {
    let inside = |ip: &str, base: &str, bits| within(ip.parse().unwrap(), base.parse().unwrap(), bits);
    assert!(inside("10.255.255.255", "10.0.0.0", 8) && !inside("11.0.0.0", "10.0.0.0", 8));
    assert!(inside("1.2.3.4", "9.9.9.9", 0) && inside("::1", "ff::", 0) && !inside("::1", "9.9.9.9", 0));
    assert!(inside("1.2.3.4", "1.2.3.4", 32) && !inside("1.2.3.5", "1.2.3.4", 32));
    assert!(inside("::1", "::1", 128) && !inside("::2", "::1", 128));
}

/// Every way to write an IPv4 address into an IPv6 address.
fn forms(ip: Ipv4Addr, noise: u16) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = ip.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let n = noise;
    [
        [0, 0, 0, 0, 0, 0xffff, high, low],
        [0, 0, 0, 0, 0, 0, high, low],
        [0, 0, 0, 0, 0xffff, 0, high, low],
        [0x64, 0xff9b, 0, 0, 0, 0, high, low],
        [0x64, 0xff9b, 1, n, n, n, high, low],
        [0x64, 0xff9b, 1, high, u16::from(c), u16::from(d) << 8, 0, 0],
        [0x2002, high, low, n, n, n, n, n],
        [0x2001, 0, high, low, n, n, n, n],
        [0x2001, 0, 0x808, 0x808, n, n, !high, !low],
        [0x2606, 0x4700, n, n, 0, 0x5efe, high, low],
        [0x2606, 0x4700, n, n, 0x200, 0x5efe, high, low],
    ]
    .into_iter()
    .map(Ipv6Addr::from)
    .collect()
}

fn held_back() -> impl Strategy<Value = Ipv4Addr> {
    let ranges: Vec<([u8; 4], u8)> = PRIVATE_V4.iter().chain(&NEVER_V4).copied().collect();
    (proptest::sample::select(ranges), any::<u32>()).prop_map(|((base, bits), noise)| {
        let low = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
        Ipv4Addr::from(u32::from_be_bytes(base) | (noise & low))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_private_stays_so_in_every_form(ip in held_back(), noise: u16) {
        let plain = reach(ip.into());
        prop_assert_ne!(plain, Reach::Public);
        for form in forms(ip, noise) {
            let found = reach(form.into());
            prop_assert_ne!(found, Reach::Public, "{} as {}", ip, form);
            if plain == Reach::Never {
                prop_assert_eq!(found, Reach::Never, "{} as {}", ip, form);
            }
        }
    }

    #[test]
    fn no_address_panics_and_only_global_ones_are_public(bits: u128) {
        let ip = Ipv6Addr::from(bits);
        let global = ip.segments()[0] >> 13 == 1 || nat64(ip.into()).is_some() || ip.to_ipv4_mapped().is_some();
        prop_assert!(global || reach(ip.into()) != Reach::Public);
    }
}
