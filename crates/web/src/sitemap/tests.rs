use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

fn base() -> Url {
    crate::parse("https://x.example/sitemap.xml").unwrap()
}

fn read(text: impl AsRef<[u8]>) -> Result<Sitemap, Error> {
    Sitemap::read(text.as_ref(), &base())
}

fn urls(map: &Sitemap) -> Vec<&str> {
    map.entries.iter().map(|entry| entry.url.as_str()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const PLAIN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
        xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:xhtml="http://www.w3.org/1999/xhtml">
  <url><loc> https://x.example/a?b=1&amp;c=2 </loc><lastmod>2024-05-01</lastmod><priority>0.8</priority>
    <image:image><image:loc>https://x.example/picture.png</image:loc></image:image>
    <xhtml:link rel="alternate" hreflang="de" href="https://x.example/de/a"/></url>
  <url><loc><![CDATA[https://x.example/c]]></loc></url>
  <url><loc>/relative</loc></url>
  <url><loc>https://x.example/c</loc></url>
  <url><loc>ftp://x.example/no</loc></url>
  <url><lastmod>2024</lastmod></url>
</urlset>"#;

#[test]
fn pages_with_foreign_namespaces() {
    let map = read(PLAIN).unwrap();
    assert_eq!(map.kind, SitemapKind::Pages);
    assert_eq!(
        urls(&map),
        ["https://x.example/a?b=1&c=2", "https://x.example/c", "https://x.example/relative"]
    );
    assert_eq!(map.entries[0].lastmod.as_deref(), Some("2024-05-01"));
    assert_eq!(map.unusable, 2);
    assert_eq!(read(gzip(PLAIN.as_bytes())).unwrap(), map);
}

#[test]
fn prefixed_names_and_indexes() {
    let prefixed = r#"<s:urlset xmlns:s="http://www.sitemaps.org/schemas/sitemap/0.9"><s:url>
        <s:loc>https://x.example/p</s:loc><s:lastmod>2024-05-01T10:00:00+02:00</s:lastmod></s:url></s:urlset>"#;
    assert_eq!(urls(&read(prefixed).unwrap()), ["https://x.example/p"]);
    let index = r#"<sitemapindex><sitemap><loc>https://x.example/1.xml.gz</loc><lastmod>2024</lastmod></sitemap>
        <sitemap><loc>https://x.example/2.xml</loc></sitemap></sitemapindex>"#;
    let map = read(index).unwrap();
    assert_eq!((map.kind, map.entries.len()), (SitemapKind::Index, 2));
    assert_eq!(map.entries[0].lastmod.as_deref(), Some("2024"));
}

#[test]
fn feeds_and_lists() {
    let rss = "<rss version=\"2.0\"><channel><link>https://x.example/</link><item><title>t</title>\
        <link>https://x.example/post</link><pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate></item></channel></rss>";
    assert_eq!(urls(&read(rss).unwrap()), ["https://x.example/post"]);
    let atom = r#"<feed xmlns="http://www.w3.org/2005/Atom"><link href="https://x.example/"/><entry>
        <link rel="replies" href="https://x.example/comments"/><link href="https://x.example/entry"/>
        <updated>2024-05-01T10:00:00Z</updated></entry></feed>"#;
    let map = read(atom).unwrap();
    assert_eq!(urls(&map), ["https://x.example/entry"]);
    assert_eq!(map.entries[0].lastmod.as_deref(), Some("2024-05-01T10:00:00Z"));
    let lines = "\u{feff}https://x.example/1\r\n\r\nhttps://x.example/2\nnot a url\n";
    let map = read(lines).unwrap();
    assert_eq!((urls(&map), map.unusable), (vec!["https://x.example/1", "https://x.example/2"], 1));
}

#[test]
fn broken_files_give_what_they_have() {
    let cut = &PLAIN[..PLAIN.find("/relative").unwrap() + 4];
    let map = read(cut).unwrap();
    assert_eq!((urls(&map).len(), map.warnings.len()), (2, 1), "half a URL is none");
    let packed = gzip(PLAIN.as_bytes());
    let map = read(&packed[..packed.len() - 4]).unwrap();
    assert_eq!(map.warnings.len(), 1, "{map:?}");
    let lines: String =
        (0..5_000).map(|n| format!("https://x.example/{n}-{}\n", n * 7_919 % 4_999)).collect();
    let packed = gzip(lines.as_bytes());
    let map = read(&packed[..packed.len() / 2]).unwrap();
    assert!(map.entries.len() < 5_000 && map.warnings.len() == 1, "{}", map.entries.len());
    assert!(read(PLAIN).unwrap().warnings.is_empty());
    let unclosed = "<urlset><url><loc>https://x.example/1</loc><url><loc>https://x.example/2</loc></urlset>";
    let map = read(unclosed).unwrap();
    assert_eq!((urls(&map).len(), map.warnings.len()), (2, 0), "one lost end is no lost page");
    let bare = "<urlset><url><loc>https://x.example/?a=1&b=2</loc></url></urlset>";
    assert_eq!(urls(&read(bare).unwrap()), ["https://x.example/?a=1&b=2"]);
    assert_eq!(
        read("<urlset/>").map(|map| map.entries.len()),
        Err(Error::NotSitemap { problem: "its XML has no urlset, sitemapindex, rss or feed element" })
    );
    assert_eq!(read("<urlset></urlset>").unwrap().entries.len(), 0);
}

#[test]
fn what_is_no_sitemap_is_named() {
    let refusal = |text: &str| read(text).unwrap_err().to_string();
    assert!(refusal("<!DOCTYPE html><html><body>404</body></html>").contains("web page"));
    assert!(refusal("<html><body>404</body></html>").contains("no urlset"));
    assert!(refusal("hello\nworld").contains("neither XML nor lines"));
    assert!(refusal("").contains("neither"));
    let bomb =
        "<!DOCTYPE urlset [<!ENTITY a \"b\">]><urlset><url><loc>https://x.example/&a;</loc></url></urlset>";
    assert_eq!(read(bomb), Err(Error::DocType));
    assert!(read([0x1F, 0x8B, 1, 2, 3]).is_err());
    let deep = format!("<urlset>{}", "<url>".repeat(100));
    assert!(read(deep).is_err());
}

#[test]
fn entries_and_bytes_are_bounded() {
    let many = |count: usize| {
        let one = |n: usize| format!("<url><loc>https://x.example/{n}</loc></url>");
        format!("<urlset>{}</urlset>", (0..count).map(one).collect::<String>())
    };
    assert!(matches!(read(many(50_001)), Err(Error::TooLarge { .. })));
    let bomb = gzip(&vec![b' '; (50 << 20) + 1]);
    assert!(matches!(read(bomb), Err(Error::TooLarge { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(bytes);
    }

    #[test]
    fn any_markup_is_read_or_refused(
        parts in proptest::collection::vec("<url>|</url>|<loc>|</loc>|<urlset>|&amp;|&|https://x.example/[a-c]|<a:loc>|<!\\[CDATA\\[|\\]\\]>", 0..30)
    ) {
        if let Ok(map) = read(format!("<urlset>{}", parts.concat())) {
            for entry in &map.entries {
                prop_assert!(entry.url.scheme() == "https");
            }
        }
    }
}
