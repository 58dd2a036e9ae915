//! What a page or its server asks of those who index: `X-Robots-Tag` and `<meta name=robots>`.

/// Directives with a value of their own: what follows the colon is none.
const WITH_VALUE: [&str; 4] = ["max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"];

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directives {
    /// Not to be indexed.
    pub no_index: bool,
    /// Its links are not to be followed.
    pub no_follow: bool,
}

impl Directives {
    /// Reads one `X-Robots-Tag` header, which may name the crawler it speaks to.
    pub fn header(&mut self, value: &str) {
        self.read(value, true);
    }

    /// Reads the content of one `<meta>`.
    pub(crate) fn meta(&mut self, content: &str) {
        self.read(content, false);
    }

    fn read(&mut self, text: &str, names_crawlers: bool) {
        let text = text.to_ascii_lowercase();
        // A name holds for all that comes after it in the same header.
        let mut ours = true;
        for part in text.split(',') {
            let mut rest = part;
            while let Some((head, value)) = rest.split_once(':') {
                let mut words: Vec<&str> = head.split_whitespace().collect();
                let name = words.pop().unwrap_or_default();
                let is_crawler = names_crawlers && words.is_empty() && !WITH_VALUE.contains(&name);
                self.take(&words, ours);
                rest = if is_crawler { value } else { "" };
                if is_crawler {
                    ours = name == crate::AGENT;
                }
            }
            self.take(&rest.split_whitespace().collect::<Vec<_>>(), ours);
        }
    }

    fn take(&mut self, words: &[&str], ours: bool) {
        for word in words.iter().filter(|_| ours) {
            self.no_index |= matches!(*word, "noindex" | "none");
            self.no_follow |= matches!(*word, "nofollow" | "none");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_metas() {
        for (text, header, meta) in [
            ("noindex", (true, false), (true, false)),
            ("NoArchive, NOFOLLOW", (false, true), (false, true)),
            ("none", (true, true), (true, true)),
            ("noindex nofollow", (true, true), (true, true)),
            ("max-image-preview: none", (false, false), (false, false)),
            ("max-snippet:-1, max-image-preview:none, noindex", (true, false), (true, false)),
            ("noindex max-image-preview:none", (true, false), (true, false)),
            ("unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, nofollow", (false, true), (false, true)),
            ("googlebot: noindex, nofollow", (false, false), (false, true)),
            ("googlebot: noindex, quarry: nofollow", (false, true), (false, false)),
            ("quarry: noindex", (true, false), (false, false)),
            ("quarry: max-image-preview: none", (false, false), (false, false)),
            ("index, follow, all", (false, false), (false, false)),
            ("", (false, false), (false, false)),
        ] {
            let (mut of_header, mut of_meta) = (Directives::default(), Directives::default());
            of_header.header(text);
            of_meta.meta(text);
            assert_eq!((of_header.no_index, of_header.no_follow), header, "header {text:?}");
            assert_eq!((of_meta.no_index, of_meta.no_follow), meta, "meta {text:?}");
        }
    }
}
