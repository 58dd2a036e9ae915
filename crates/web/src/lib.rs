//! What a website says of itself: its sitemaps, its robots.txt, the links and words of its pages.
//!
//! Pure: bytes in, decisions out. Knows nothing of connections, clocks or stores. Invariants: no input
//! panics or costs more than its limits; a URL handed out is absolute, `http` or `https`, free of user
//! names and fragments; a URL is handed out once per crawl.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod directives;
mod error;
mod frontier;
mod page;
mod pattern;
mod results;
mod robots;
mod sitemap;
mod text;
mod urls;

pub use directives::Directives;
pub use error::Error;
pub use frontier::{Frontier, Offer, Refusal, Rules};
pub use page::PageInfo;
pub use pattern::Pattern;
pub use results::{SearchAnswer, SearchHit, SearchSpec, Window};
pub use robots::{AGENT, Robots};
pub use sitemap::{Entry, Sitemap, SitemapKind};
pub use urls::{MAX_URL_CHARS, Site, parse, resolve};
