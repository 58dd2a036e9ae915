#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn guard(allow: &[&str], ports: &[&str]) -> Guard {
    let allow = allow.iter().map(|entry| entry.parse().unwrap()).collect();
    Guard { allow, ports: Ports::parse(ports).unwrap() }
}

fn verdict(guard: &Guard, url: &str) -> &'static str {
    match parse_url(url).and_then(|url| guard.check(&url, &Policy::Public)) {
        Ok(()) => "fine",
        Err(Error::Url { .. }) => "url",
        Err(Error::Port { .. }) => "port",
        Err(Error::Private { .. }) => "private",
        Err(Error::Forbidden { .. }) => "forbidden",
        Err(other) => panic!("{url}: {other}"),
    }
}

/// Spellings as people and attackers write them, and the rule each one meets.
const URLS: &[(&str, &str)] = &[
    ("http://example.org", "fine"),
    ("https://example.org/a?b#c", "fine"),
    ("HTTPS://EXAMPLE.ORG/", "fine"),
    ("http://example.org:80/", "fine"),
    ("http://example.org:443/", "fine"),
    ("https://example.org.", "fine"),
    ("https://bücher.example/", "fine"),
    ("https:example.org", "fine"),
    ("http:\\\\example.org\\a", "fine"),
    ("  https://example.org/  ", "fine"),
    ("http://8.8.8.8/", "fine"),
    ("http://0x08080808/", "fine"),
    ("http://[2606:4700:4700::1111]/", "fine"),
    ("http://[::ffff:8.8.8.8]/", "fine"),
    ("", "url"),
    ("example.org", "url"),
    ("//example.org/", "url"),
    ("http://", "url"),
    ("http://.", "url"),
    ("http:///", "url"),
    ("ftp://example.org/", "url"),
    ("file:///etc/passwd", "url"),
    ("gopher://127.0.0.1:6379/_x", "url"),
    ("data:text/html,x", "url"),
    ("javascript:alert(1)", "url"),
    ("dict://127.0.0.1:11211/", "url"),
    ("ldap://127.0.0.1/", "url"),
    ("unix:/var/run/docker.sock", "url"),
    ("ws://example.org/", "url"),
    ("http+unix://%2Fvar%2Frun%2Fdocker.sock/", "url"),
    ("http://user@example.org/", "url"),
    ("http://user:pass@example.org/", "url"),
    ("http://:pass@example.org/", "url"),
    ("http://example.org@127.0.0.1/", "url"),
    ("http://127.0.0.1\\@example.org/", "private"),
    ("http://example.org\\@127.0.0.1/", "fine"),
    ("http://example.org#@127.0.0.1/", "fine"),
    ("http://example.org/\r\nHost: x", "url"),
    ("http://example.org/\n", "url"),
    ("http://exam\tple.org/", "url"),
    ("http://example.org/\u{0}", "url"),
    ("http://example.org/\u{7f}", "url"),
    ("http://example.org/\u{85}", "url"),
    ("http://exa mple.org/", "url"),
    ("http://example.org:99999/", "url"),
    ("http://[::1/", "url"),
    ("http://[::g]/", "url"),
    ("http://[fe80::1%25eth0]/", "url"),
    ("http://256.1.1.1/", "url"),
    ("http://1.2.3.4.5/", "url"),
    ("http://0x100000000/", "url"),
    ("http://%00/", "url"),
    ("http://a%2fb/", "url"),
    ("http://example.org:22/", "port"),
    ("http://example.org:0/", "port"),
    ("http://example.org:6379/", "port"),
    ("http://example.org:8079/", "port"),
    ("http://example.org:9001/", "port"),
    ("https://127.0.0.1:25/", "port"),
    ("http://example.org:8080/", "fine"),
    ("http://example.org:9000/", "fine"),
    ("http://127.0.0.1/", "private"),
    ("http://127.0.0.1:8080/", "private"),
    ("http://127.0.0.1./", "private"),
    ("http://127.1/", "private"),
    ("http://127.0.1/", "private"),
    ("http://127.1./", "private"),
    ("http://2130706433/", "private"),
    ("http://0x7f000001/", "private"),
    ("http://0x7F.1/", "private"),
    ("http://0x7f.0.0.1/", "private"),
    ("http://0177.0.0.1/", "private"),
    ("http://0177.1/", "private"),
    ("http://017700000001/", "private"),
    ("http://0000000000000177.0.0.1/", "private"),
    ("http://127.0.0.0x1/", "private"),
    ("http://127.0x0.00.1/", "private"),
    ("http://%31%32%37.0.0.1/", "private"),
    ("http://127%2e0%2e0%2e1/", "private"),
    ("http://１２７.０.０.１/", "private"),
    ("http://①②⑦.0.0.1/", "private"),
    ("http://127。0。0。1/", "private"),
    ("http://127．0．0．1/", "private"),
    ("http://127\u{ad}.0.0.1/", "private"),
    ("http://0/", "private"),
    ("http://0.0.0.0/", "private"),
    ("http://00000000/", "private"),
    ("http://0x0/", "private"),
    ("http://10.0.0.1/", "private"),
    ("http://10.1/", "private"),
    ("http://0xa000001/", "private"),
    ("http://012.0.0.1/", "private"),
    ("http://167772161/", "private"),
    ("http://172.16.0.1/", "private"),
    ("http://192.168.1.1/", "private"),
    ("http://192.168.257/", "private"),
    ("http://100.64.0.1/", "private"),
    ("http://255.255.255.255/", "private"),
    ("http://4294967295/", "private"),
    ("http://224.0.0.1/", "private"),
    ("http://[::]/", "private"),
    ("http://[::1]/", "private"),
    ("http://[0:0:0:0:0:0:0:1]/", "private"),
    ("http://[0000:0000:0000:0000:0000:0000:0000:0001]/", "private"),
    ("http://[::127.0.0.1]/", "private"),
    ("http://[::ffff:127.0.0.1]/", "private"),
    ("http://[::ffff:7f00:1]/", "private"),
    ("http://[::FFFF:10.0.0.1]/", "private"),
    ("http://[::ffff:0:127.0.0.1]/", "private"),
    ("http://[64:ff9b::127.0.0.1]/", "private"),
    ("http://[64:ff9b:1::10.0.0.1]/", "private"),
    ("http://[2002:7f00:1::]/", "private"),
    ("http://[2001:0:7f00:1::]/", "private"),
    ("http://[2001:0:808:808:0:0:80ff:fffe]/", "private"),
    ("http://[fd00::1]/", "private"),
    ("http://[ff02::1]/", "private"),
    ("http://169.254.169.254/latest/meta-data/", "forbidden"),
    ("http://169.254.169.254./", "forbidden"),
    ("http://2852039166/", "forbidden"),
    ("http://0xa9fea9fe/", "forbidden"),
    ("http://0xa9.0xfe.0xa9.0xfe/", "forbidden"),
    ("http://0251.0376.0251.0376/", "forbidden"),
    ("http://169.254.43518/", "forbidden"),
    ("http://１６９.254.169.254/", "forbidden"),
    ("http://[::ffff:169.254.169.254]/", "forbidden"),
    ("http://[::169.254.169.254]/", "forbidden"),
    ("http://[64:ff9b::a9fe:a9fe]/", "forbidden"),
    ("http://[2002:a9fe:a9fe::]/", "forbidden"),
    ("http://[fd00:ec2::254]/", "forbidden"),
    ("http://[fe80::1]/", "forbidden"),
    ("http://100.100.100.200/", "forbidden"),
    ("http://168.63.129.16/", "forbidden"),
];

#[test]
fn every_spelling_meets_its_rule() {
    let guard = guard(&[], &["8080", "8999-9000"]);
    for (url, expected) in URLS {
        assert_eq!(verdict(&guard, url), *expected, "{url:?}");
    }
    let long = format!("http://example.org/{}", "x".repeat(MAX_URL));
    assert_eq!(verdict(&guard, &long), "url");
}

#[test]
fn the_allow_list_opens_what_it_names_and_no_metadata() {
    let allow =
        ["10.1.0.0/16", "127.0.0.1", "fd12::/16", "wiki.intra", "Ünter.Intra", "::ffff:172.16.0.0/108"];
    let guard = guard(&allow, &[]);
    for host in
        ["10.1.2.3", "127.0.0.1", "[fd12::9]", "172.31.0.1", "[::ffff:10.1.9.9]", "[64:ff9b::a01:203]"]
    {
        assert_eq!(verdict(&guard, &format!("http://{host}/")), "fine", "{host}");
    }
    for host in ["10.2.0.1", "127.0.0.2", "[fd13::1]", "[2002:a01:1::]", "[::10.1.0.1]", "8.8.8.8:81"] {
        assert_ne!(verdict(&guard, &format!("http://{host}/")), "fine", "{host}");
    }
    let admits = |host: &str, ip: &str| guard.admit(host, ip.parse().unwrap(), false).is_ok();
    assert!(admits("wiki.intra", "192.168.0.7") && admits("wiki.intra.", "192.168.0.7"));
    let coded = host_of(&parse_url("http://ünter.intra/").unwrap());
    assert!(coded.starts_with("xn--") && admits(&coded, "192.168.0.7"), "{coded}");
    assert!(!admits("evil.wiki.intra", "192.168.0.7") && !admits("wiki.intra.example", "192.168.0.7"));
    assert!(admits("any", "64:ff9b::a01:203"), "NAT64 to an allowed address");
    assert!(!admits("wiki.intra", "169.254.169.254"));
    let all = self::guard(&["0.0.0.0/0", "::/0", "meta"], &[]);
    for ip in ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "100.100.100.200", "fe80::1"] {
        assert!(
            matches!(all.admit("meta", ip.parse().unwrap(), false), Err(Error::Forbidden { .. })),
            "{ip}"
        );
        assert!(matches!(all.admit("meta", ip.parse().unwrap(), true), Err(Error::Forbidden { .. })), "{ip}");
    }
    assert!(all.admit("x", "10.0.0.1".parse().unwrap(), false).is_ok());
}

#[test]
fn settings_are_read_or_refused() {
    for fine in
        ["10.0.0.0/8", "::1", "[::1]", "fd00::/8", "wiki", "wiki.intra.", "a_b.c", " 10.0.0.1 ", "0.0.0.0/0"]
    {
        assert!(fine.parse::<Allow>().is_ok(), "{fine}");
    }
    for bad in [
        "",
        " ",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/",
        "fd00::/129",
        "wiki/8",
        "http://wiki",
        "a b",
        "*",
        ".",
    ] {
        assert!(bad.parse::<Allow>().is_err(), "{bad}");
    }
    assert!(Ports::parse(&["8080", " 1-2 ", ""]).unwrap().has(2));
    for bad in ["0", "70000", "9-8", "x", "-", "1-", "1-2-3"] {
        assert!(Ports::parse(&[bad]).is_err(), "{bad}");
    }
}

#[test]
fn the_operators_word_holds_for_one_origin() {
    let guard = guard(&[], &[]);
    let endpoint = Endpoint::parse("http://127.0.0.1:11434/v1/?key=1").unwrap();
    assert_eq!(endpoint.join("/chat/completions"), "http://127.0.0.1:11434/v1/chat/completions?key=1");
    let policy = Policy::Operator(endpoint);
    let check = |url: &str| guard.check(&parse_url(url).unwrap(), &policy);
    assert!(check("http://127.0.0.1:11434/other").is_ok());
    for off in
        ["http://127.0.0.1:11435/", "https://127.0.0.1:11434/", "http://127.0.0.2:11434/", "http://x:11434/"]
    {
        assert!(matches!(check(off), Err(Error::OffEndpoint { .. })), "{off}");
    }
    for bad in ["", "127.0.0.1", "ftp://x", "http://u:p@x", "http://x\n"] {
        assert!(Endpoint::parse(bad).is_err(), "{bad}");
    }
    let metadata = Endpoint::parse("http://169.254.169.254/").unwrap();
    let refused = guard.check(&parse_url("http://169.254.169.254/").unwrap(), &Policy::Operator(metadata));
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
}

#[test]
fn refusals_name_the_host_as_typed_and_the_setting() {
    let refused = guard(&[], &[]).admit("intra.example", "10.11.12.13".parse().unwrap(), false).unwrap_err();
    let message = refused.to_string();
    assert!(message.contains("intra.example") && message.contains("fetch_allow"), "{message}");
    assert!(!message.contains("10.11"), "{message}");
}

proptest! {
    #[test]
    fn no_text_panics_and_what_passes_is_public(text in "(https?://)?[a-z0-9\\[\\]:.@/%x１-９\\\\-]{0,40}") {
        if let Ok(url) = parse_url(&text)
            && guard(&[], &[]).check(&url, &Policy::Public).is_ok()
            && let Some(ip) = literal(&url)
        {
            prop_assert_eq!(reach(ip), Reach::Public);
        }
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused(ip in any::<[u8; 3]>(), bases in any::<[u8; 4]>(), parts in 1usize..=4) {
        let octets = [127, ip[0], ip[1], ip[2]];
        let last = octets[parts - 1..].iter().fold(0u32, |sum, octet| (sum << 8) | u32::from(*octet));
        let numbers = octets[..parts - 1].iter().map(|octet| u32::from(*octet)).chain([last]);
        let spelled: Vec<String> = numbers.zip(bases).map(|(number, base)| match base % 3 {
            0 => format!("{number}"),
            1 => format!("0x{number:x}"),
            _ => format!("0{number:o}"),
        }).collect();
        prop_assert_eq!(verdict(&guard(&[], &[]), &format!("http://{}/", spelled.join("."))), "private");
    }
}
