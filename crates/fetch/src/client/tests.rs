#![allow(clippy::unwrap_used)]
//! Hostile servers on loopback.

use super::*;
use crate::guard::Endpoint;
use crate::testing::{Server, Step, answer, answers, open_client, open_settings, quick};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_millis(250);

fn get(url: impl Into<String>) -> Request {
    Request::get(url, Policy::Public).limits(quick())
}

/// Status and body, or the error.
async fn fetch(client: &Client, request: Request) -> Result<(u16, Bytes), Error> {
    let answer = client.send(request).await?;
    Ok((answer.status, answer.bytes().await?))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn redirect_to(target: &str) -> Vec<u8> {
    answer("302 Found", &format!("location: {target}\r\n"), "")
}

#[tokio::test]
async fn answers_come_whole_with_status_headers_and_final_url() {
    let server = Server::saying(answer("200 OK", "x-a: 1\r\n", "hello")).await;
    let client = open_client();
    let reply = client.send(get(server.url("/p?q#f"))).await.unwrap();
    assert_eq!((reply.status, reply.header("X-A"), reply.is_success()), (200, Some("1"), true));
    assert_eq!(reply.bytes().await.unwrap(), "hello");
    let seen = server.seen.lock()[0].to_lowercase();
    assert!(seen.starts_with("get /p?q http/1.1"), "{seen}");
    let agent = format!("user-agent: quarry/{} (+http", env!("CARGO_PKG_VERSION"));
    assert!(seen.contains(&agent) && seen.contains("accept-encoding: gzip\r\n"), "{seen}");
    assert!(!seen.contains("cookie") && !seen.contains("referer"), "{seen}");

    for (status, body) in [("404 Not Found", "gone"), ("500 Oops", "trace"), ("418 Teapot", "")] {
        let server = Server::saying(answer(status, "", body)).await;
        let (code, text) = fetch(&client, get(server.url("/"))).await.unwrap();
        assert_eq!((code.to_string().as_str(), text.as_ref()), (&status[..3], body.as_bytes()));
    }
}

#[tokio::test]
async fn answers_without_body_end_at_once() {
    let client = open_client();
    for head in
        ["204 No Content\r\ncontent-encoding: gzip", "304 Not Modified\r\ncontent-length: 99999999999"]
    {
        let text = format!("HTTP/1.1 {head}\r\n\r\n");
        let server = Server::start(move |_| vec![Step::Send(text.clone().into()), Step::Silence]).await;
        let (_, body) = fetch(&client, get(server.url("/"))).await.unwrap();
        assert!(body.is_empty());
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99999999999\r\n\r\n";
    let server = Server::saying(head).await;
    let request = Request { method: Method::HEAD, ..get(server.url("/")) };
    assert_eq!(fetch(&client, request).await.unwrap(), (200, Bytes::new()));
}

#[tokio::test]
async fn private_hosts_are_refused_before_a_connection() {
    let server = Server::saying(answer("200 OK", "", "secret")).await;
    let ports = open_settings().ports;
    let closed = Client::new(Settings { ports, ..Settings::default() }).unwrap();
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0"] {
        let refused = closed.send(get(format!("http://{host}:{port}/"))).await.unwrap_err();
        assert!(matches!(refused, Error::Private { .. }), "{host}: {refused}");
        assert_eq!(refused.kind(), quarry_types::ErrorKind::Forbidden);
    }
    let refused = Client::new(Settings::default()).unwrap().send(get(server.url("/"))).await.unwrap_err();
    assert!(matches!(refused, Error::Port { .. }), "{refused}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_name_is_resolved_once_and_every_answer_counts() {
    let server = Server::saying(answer("200 OK", "", "public")).await;
    let url = format!("http://site.example:{}/", server.address.port());

    // Checked, then connected to without asking again.
    let (lookup, asked) = answers(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let client = Client::with_lookup(open_settings(), lookup).unwrap();
    assert_eq!(fetch(&client, get(&url)).await.unwrap().1, "public");
    assert_eq!((*asked.lock(), server.count()), (1, 1));
    // The next connection is checked anew.
    let rebound = fetch(&client, get(&url)).await.unwrap_err();
    assert!(matches!(rebound, Error::Private { .. }), "{rebound}");
    assert_eq!(server.count(), 1);

    for mixed in [&["127.0.0.1", "10.0.0.1"][..], &["8.8.8.8", "::1"], &["127.0.0.1", "64:ff9b::a00:1"]] {
        let client = Client::with_lookup(open_settings(), answers(&[mixed]).0).unwrap();
        let refused = fetch(&client, get(&url)).await.unwrap_err();
        assert!(matches!(refused, Error::Private { .. }), "{mixed:?}: {refused}");
        assert!(!refused.to_string().contains("10.0"), "{refused}");
    }
    let client =
        Client::with_lookup(open_settings(), answers(&[&["127.0.0.1", "169.254.169.254"]]).0).unwrap();
    assert!(matches!(fetch(&client, get(&url)).await, Err(Error::Forbidden { .. })));
    let client = Client::with_lookup(open_settings(), answers(&[&[]]).0).unwrap();
    assert!(matches!(fetch(&client, get(&url)).await, Err(Error::Resolve { .. })));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn the_connection_goes_to_the_checked_address_only() {
    let Ok(probe) = tokio::net::TcpListener::bind("127.0.0.2:0").await else { return };
    drop(probe);
    let right = Server::on("127.0.0.2:0", |_| vec![Step::Send(answer("200 OK", "", "right"))]).await;
    let canary = Server::on(&format!("127.0.0.1:{}", right.address.port()), |_| Vec::new()).await;
    let (lookup, _) = answers(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let settings = Settings { allow: vec!["127.0.0.2".parse().unwrap()], ..open_settings() };
    let client = Client::with_lookup(settings, lookup).unwrap();
    let url = format!("http://site.example:{}/", right.address.port());
    assert_eq!(fetch(&client, get(&url)).await.unwrap().1, "right");
    assert!(matches!(fetch(&client, get(&url)).await, Err(Error::Private { .. })));
    assert_eq!(canary.count(), 0);
}

#[tokio::test]
async fn redirects_are_followed_and_each_is_checked() {
    let server = Server::start(|request| {
        vec![Step::Send(if request.starts_with("GET /a") {
            redirect_to("b/../c?x=%20")
        } else {
            answer("200 OK", "", "end")
        })]
    })
    .await;
    let client = open_client();
    let reply = client.send(get(server.url("/a"))).await.unwrap();
    assert_eq!(reply.url, server.url("/c?x=%20"));
    assert!(!reply.moved_for_good, "302 holds for now");
    assert_eq!(reply.bytes().await.unwrap(), "end");

    let cases = [
        ("http://127.0.0.2/", "private"),
        ("http://[::1]/", "private"),
        ("http://2130706434/", "private"),
        ("//10.0.0.1/", "private"),
        ("http://169.254.169.254/latest/", "forbidden"),
        ("file:///etc/passwd", "redirect"),
        ("gopher://127.0.0.1/", "redirect"),
        ("http://user:pass@127.0.0.1/", "redirect"),
        ("http://a\tb/", "redirect"),
        ("http://[/", "redirect"),
    ];
    for (target, expected) in cases {
        let server = Server::saying(redirect_to(target)).await;
        let refused = client.send(get(server.url("/"))).await.unwrap_err();
        let found = match refused {
            Error::Private { .. } => "private",
            Error::Forbidden { .. } => "forbidden",
            Error::Redirect { .. } => "redirect",
            _ => "other",
        };
        assert_eq!(found, expected, "{target}: {refused}");
    }
}

#[tokio::test]
async fn loops_end_after_five() {
    let server = Server::saying(redirect_to("/again")).await;
    let client = open_client();
    let endless = client.send(get(server.url("/"))).await.unwrap_err();
    assert!(matches!(endless, Error::Redirect { .. }) && endless.to_string().contains('5'), "{endless}");
    assert_eq!(server.count(), 6);
    let none = Limits { max_redirects: 0, ..quick() };
    assert!(client.send(get(server.url("/")).limits(none)).await.is_err());
    let server = Server::saying("HTTP/1.1 302 Found\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!(
        fetch(&client, get(server.url("/"))).await.unwrap(),
        (302, "hi".into()),
        "no target: an answer"
    );
}

#[tokio::test]
async fn what_was_given_for_one_origin_stays_there() {
    let other = Server::saying(answer("200 OK", "", "")).await;
    let target = other.url("/");
    let server = Server::start(move |request| {
        let status = request.split(['/', ' ']).nth(2).unwrap();
        vec![Step::Send(answer(status, &format!("location: {target}\r\n"), ""))]
    })
    .await;
    let client = open_client();
    let post = |path: &str| Request::post(server.url(path), "secret=body", Policy::Public).limits(quick());
    let marked = |request: Request| {
        let request = request.header("authorization", "Bearer secret").header("x-key", "secret");
        request.header("cookie", "secret").header("content-type", "a/b").header("accept", "text/html")
    };
    for status in ["/301", "/302", "/303"] {
        fetch(&client, marked(post(status))).await.unwrap();
    }
    fetch(&client, marked(get(server.url("/307")))).await.unwrap();
    for status in ["/307", "/308"] {
        let refused = fetch(&client, marked(post(status))).await.unwrap_err();
        assert!(matches!(refused, Error::Redirect { .. }), "{refused}");
    }
    let seen = other.seen.lock().join("\n");
    assert_eq!(seen.matches("GET / HTTP/1.1").count(), 4, "{seen}");
    assert!(!seen.contains("secret") && !seen.contains("a/b") && seen.contains("text/html"), "{seen}");
    assert!(server.seen.lock()[0].contains("Bearer secret"));
}

#[tokio::test]
async fn methods_and_bodies_across_redirects_of_one_origin() {
    let server = Server::start(|request| {
        let status = request.split(['/', ' ']).nth(2).unwrap();
        vec![Step::Send(if status == "end" {
            answer("200 OK", "", "")
        } else {
            answer(status, "location: /end\r\n", "")
        })]
    })
    .await;
    let client = open_client();
    let cases = [("301", "GET"), ("302", "GET"), ("303", "GET"), ("307", "POST"), ("308", "POST")];
    for (status, method) in cases {
        let request = Request::post(server.url(&format!("/{status}")), "payload", Policy::Public);
        let request = request.limits(quick()).header("x-key", "kept");
        fetch(&client, request).await.unwrap();
        let last = server.seen.lock().last().unwrap().clone();
        assert!(last.starts_with(&format!("{method} /end")) && last.contains("kept"), "{status}: {last}");
        assert_eq!(last.contains("payload"), method == "POST", "{status}: {last}");
    }
}

#[tokio::test]
async fn slow_servers_are_left() {
    let client = open_client();
    let brief = Limits { first_byte: SOON, ..quick() };
    let short = Limits { total: SOON, ..quick() };
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    let drip = |text: &str| vec![Step::Drip(text.into(), Duration::from_millis(20))];
    let settings = Settings { connect_timeout: Duration::from_millis(50), ..open_settings() };
    let impatient = Client::new(settings).unwrap();

    let silent = Server::start(|_| vec![Step::Silence]).await;
    let late = fetch(&impatient, get(silent.url("/")).limits(brief)).await.unwrap_err();
    assert!(matches!(late, Error::Timeout { phase: "answer", .. }), "{late}");
    let headers = Server::start(move |_| drip(&"HTTP/1.1 200 OK\r\nx: y\r\n".repeat(9))).await;
    let late = fetch(&impatient, get(headers.url("/")).limits(brief)).await.unwrap_err();
    assert!(matches!(late, Error::Timeout { phase: "answer", .. }), "{late}");

    let body = Server::start(move |_| {
        vec![Step::Send(head.into()), Step::Drip(vec![b'x'; 90], Duration::from_millis(20))]
    })
    .await;
    let late = fetch(&client, get(body.url("/")).limits(short)).await.unwrap_err();
    assert!(matches!(late, Error::Timeout { phase: "finish", .. }), "{late}");
    assert_eq!(late.kind(), quarry_types::ErrorKind::Timeout);
    let hops = Server::start(|_| {
        vec![
            Step::Drip(b"HTTP".to_vec(), Duration::from_millis(25)),
            Step::Send(redirect_to("/")[4..].to_vec()),
        ]
    })
    .await;
    let all = Limits { max_redirects: 100, ..short };
    let late = fetch(&client, get(hops.url("/")).limits(all)).await.unwrap_err();
    assert!(matches!(late, Error::Timeout { phase: "finish", .. }), "{late}");
}

#[tokio::test]
async fn bodies_end_at_their_caps() {
    let client = open_client();
    let limits = Limits { max_bytes: 100_000, max_wire_bytes: 100_000, ..quick() };
    let too_large = |error: &Error| matches!(error, Error::TooLarge { limit: 100_000, .. });

    let endless =
        Server::start(|_| vec![Step::Send("HTTP/1.1 200 OK\r\n\r\n".into()), Step::Repeat(vec![b'x'; 5000])])
            .await;
    let error = fetch(&client, get(endless.url("/")).limits(limits)).await.unwrap_err();
    assert!(too_large(&error), "{error}");
    let chunked = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        vec![Step::Send(head.into()), Step::Repeat(b"4\r\nabcd\r\n".to_vec())]
    })
    .await;
    let error = fetch(&client, get(chunked.url("/")).limits(limits)).await.unwrap_err();
    assert!(too_large(&error), "{error}");
    let announced = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n").await;
    let error = client.send(get(announced.url("/")).limits(limits)).await.unwrap_err();
    assert!(too_large(&error), "{error}");
    let exact = Server::saying(answer("200 OK", "", vec![b'x'; 100_000])).await;
    assert_eq!(fetch(&client, get(exact.url("/")).limits(limits)).await.unwrap().1.len(), 100_000);
}

#[tokio::test]
async fn lying_lengths_do_not_pass_for_whole() {
    let client = open_client();
    let short = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nonly this").await;
    assert!(matches!(fetch(&client, get(short.url("/"))).await, Err(Error::Broken { .. })));
    let long = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nthis and more").await;
    assert_eq!(fetch(&client, get(long.url("/"))).await.unwrap().1, "this");
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 9\r\n\r\nthis and",
        "HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\nthis",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nthis",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nthis",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nthis\r\n",
        "HTTP/1.1 9999 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "220 mail ready\r\n",
        "",
    ] {
        let server = Server::saying(head).await;
        let error = fetch(&client, get(server.url("/"))).await.unwrap_err();
        assert!(matches!(error, Error::Broken { .. }), "{head:?}: {error}");
    }
}

#[tokio::test]
async fn header_floods_end() {
    let client = open_client();
    let many: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    let server = Server::saying(answer("200 OK", &many, "")).await;
    assert!(fetch(&client, get(server.url("/"))).await.is_err());
    let large = format!("x: {}\r\n", "y".repeat(MAX_HEADER_BYTES));
    let server = Server::saying(answer("200 OK", &large, "")).await;
    assert!(matches!(fetch(&client, get(server.url("/"))).await, Err(Error::TooLarge { .. })));
    for flood in ["x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", "y"] {
        let server = Server::start(move |_| {
            vec![Step::Send("HTTP/1.1 200 OK\r\n".into()), Step::Repeat(flood.repeat(1000).into())]
        })
        .await;
        assert!(matches!(fetch(&client, get(server.url("/"))).await, Err(Error::Broken { .. })), "{flood}");
    }
}

#[tokio::test]
async fn compressed_bodies_are_counted_twice() {
    let client = open_client();
    let text: Vec<u8> = (0..40_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let two_members = [gzip(&text), gzip(b"tail")].concat();
    let whole = [text.as_slice(), b"tail"].concat();
    let server = Server::saying(answer("200 OK", "content-encoding: GZip\r\n", &two_members)).await;
    let reply = client.send(get(server.url("/"))).await.unwrap();
    assert!(reply.header("content-encoding").is_none() && reply.header("content-length").is_none());
    assert!(reply.bytes().await.unwrap() == whole);

    let limits = Limits { max_bytes: 100_000, ..quick() };
    let error = fetch(&client, get(server.url("/")).limits(limits)).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 100_000, .. }), "{error}");

    let bomb = gzip(&vec![0; 4 << 20]);
    let server = Server::saying(answer("200 OK", "content-encoding: gzip\r\n", &bomb)).await;
    let error = fetch(&client, get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, Error::Ratio { .. }), "{error}");
    let small = gzip(&vec![0; 900_000]);
    let server = Server::saying(answer("200 OK", "content-encoding: gzip\r\n", &small)).await;
    assert_eq!(fetch(&client, get(server.url("/"))).await.unwrap().1.len(), 900_000);

    let cut = &small[..small.len() - 6];
    let mut damaged = small.clone();
    damaged[20] ^= 0xff;
    for bytes in [cut, &damaged, b"plain text", &[small.as_slice(), b"rest"].concat()] {
        let server = Server::saying(answer("200 OK", "content-encoding: gzip\r\n", bytes)).await;
        let error = fetch(&client, get(server.url("/"))).await.unwrap_err();
        assert!(matches!(error, Error::Encoding { .. }), "{error}");
    }
    for name in ["br", "zstd", "deflate", "gzip, gzip", "gzip, br"] {
        let server = Server::saying(answer("200 OK", &format!("content-encoding: {name}\r\n"), "x")).await;
        let error = fetch(&client, get(server.url("/"))).await.unwrap_err();
        assert!(matches!(error, Error::Encoding { .. }), "{name}: {error}");
    }
    let server = Server::saying(answer("200 OK", "content-encoding: identity\r\n", "as is")).await;
    assert_eq!(fetch(&client, get(server.url("/"))).await.unwrap().1, "as is");
}

#[tokio::test]
async fn compressed_pieces_are_handed_on_as_they_come() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"first").unwrap();
    encoder.flush().unwrap();
    let begun = std::mem::take(encoder.get_mut());
    let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    let server =
        Server::start(move |_| vec![Step::Send(head.clone()), Step::Send(begun.clone()), Step::Silence])
            .await;
    let mut reply = open_client().send(get(server.url("/"))).await.unwrap();
    assert_eq!(reply.body.next().await.unwrap().unwrap(), "first");
}

#[tokio::test]
async fn request_headers_are_checked() {
    let server = Server::saying(answer("200 OK", "", "")).await;
    let client = open_client();
    let long = "v".repeat(MAX_HEADER_BYTES);
    let bad = [
        ("Host", "127.0.0.1"),
        ("User-Agent", "Mozilla"),
        ("Transfer-Encoding", "chunked"),
        ("content-length", "5"),
        ("connection", "x"),
        ("Accept-Encoding", "br"),
        ("x", "a\r\nhost: b"),
        ("x\r\ny", "a"),
        ("x y", "a"),
        ("", "a"),
        ("x", "a\0"),
        ("x", long.as_str()),
    ];
    for (name, value) in bad {
        let error = client.send(get(server.url("/")).header(name, value)).await.unwrap_err();
        assert!(matches!(error, Error::Header { .. }), "{name}: {error}");
    }
    let many = (0..=MAX_HEADERS).map(|n| (format!("x-{n}"), String::new())).collect();
    assert!(client.send(Request { headers: many, ..get(server.url("/")) }).await.is_err());
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn the_operators_endpoint_is_reached_and_not_left() {
    let server = Server::saying(answer("200 OK", "", "model")).await;
    let client = Client::new(Settings::default()).unwrap();
    let policy = Policy::Operator(Endpoint::parse(&server.url("/")).unwrap());
    let ask = |url: String, policy: &Policy| fetch(&client, Request::get(url, policy.clone()));
    assert_eq!(ask(server.url("/x"), &policy).await.unwrap().1, "model");
    assert!(matches!(ask("http://127.0.0.1:9/".to_owned(), &policy).await, Err(Error::OffEndpoint { .. })));
    // What the operator may reach is not thereby open to users, pooled connections included.
    assert!(fetch(&client, get(server.url("/"))).await.is_err());

    let away = Server::saying(redirect_to(&server.url("/"))).await;
    let policy = Policy::Operator(Endpoint::parse(&away.url("/")).unwrap());
    let refused = ask(away.url("/"), &policy).await.unwrap_err();
    assert!(matches!(refused, Error::Redirect { .. }), "{refused}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn failures_to_connect_are_told_apart() {
    let client = open_client();
    let port = {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let refused = fetch(&client, get(format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Connect { .. }) && refused.to_string().contains("refuses"),
        "{refused}"
    );
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let tls = fetch(&client, get(url)).await.unwrap_err();
    assert!(matches!(tls, Error::Connect { .. }), "{tls}");
    let nobody: Lookup = Arc::new(|_| Box::pin(async { Err(std::io::Error::other("10.9.8.7 is down")) }));
    let client = Client::with_lookup(open_settings(), nobody).unwrap();
    let unknown = fetch(&client, get("http://nobody.example/")).await.unwrap_err();
    assert!(matches!(unknown, Error::Resolve { .. }) && !unknown.to_string().contains("10.9"), "{unknown}");
    let never: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let settings = Settings { connect_timeout: SOON, ..open_settings() };
    let client = Client::with_lookup(settings, never).unwrap();
    let late = fetch(&client, get("http://slow.example/")).await.unwrap_err();
    assert!(matches!(late, Error::Timeout { phase: "connect", .. }), "{late}");
}

#[tokio::test]
async fn a_body_holds_its_hosts_turn_until_it_ends() {
    let server = Server::saying(answer("200 OK", "", "x")).await;
    let client = Client::new(Settings { per_host: 1, ..open_settings() }).unwrap();
    let brief = Limits { queue: SOON, ..quick() };
    let mut held = client.send(get(server.url("/"))).await.unwrap();
    let busy = client.send(get(server.url("/")).limits(brief)).await.unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }), "{busy}");
    while held.body.next().await.unwrap().is_some() {}
    fetch(&client, get(server.url("/")).limits(brief)).await.unwrap();
    drop(client.send(get(server.url("/"))).await.unwrap());
    fetch(&client, get(server.url("/")).limits(brief)).await.unwrap();
}

#[test]
fn contacts_stand_in_a_header() {
    for bad in ["", " ", "a\nb", "x)", &"x".repeat(201), "ü"] {
        assert!(Client::new(Settings { contact: bad.to_owned(), ..Settings::default() }).is_err(), "{bad:?}");
    }
}
