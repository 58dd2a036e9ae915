//! What sites allow: their robots.txt, fetched once an hour.

use parking_lot::Mutex;
use quarry_fetch::{Client, Limits, Policy, Request};
use quarry_web::Robots;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;
use url::Url;

const KEPT: Duration = Duration::from_secs(3600);
/// A file that could not be had is asked for again sooner.
const KEPT_UNREACHED: Duration = Duration::from_secs(60);
const MAX_ORIGINS: usize = 1_000;
/// RFC 9309 wants 500 KiB read; a little more is taken so that what is cut is cut by the parser.
const MAX_BYTES: u64 = 512 << 10;

/// What one origin says; `Err` = why its file could not be had, and so nothing is allowed.
type Known = Result<Arc<Robots>, String>;

#[derive(Default)]
pub(crate) struct RobotsCache {
    origins: Mutex<HashMap<String, Slot>>,
}

#[derive(Clone)]
struct Slot {
    since: Instant,
    known: Arc<OnceCell<Known>>,
}

impl Slot {
    fn is_fresh(&self) -> bool {
        let kept = match self.known.get() {
            Some(Err(_)) => KEPT_UNREACHED,
            _ => KEPT,
        };
        self.since.elapsed() < kept
    }
}

impl RobotsCache {
    /// What the site of `url` allows.
    pub(crate) async fn of(&self, fetch: &Client, url: &Url, queue: Duration) -> Known {
        let slot = self.slot(&url.origin().ascii_serialization());
        slot.known.get_or_init(|| ask(fetch, url, queue)).await.clone()
    }

    fn slot(&self, origin: &str) -> Slot {
        let mut origins = self.origins.lock();
        if let Some(slot) = origins.get(origin).filter(|slot| slot.is_fresh()) {
            return slot.clone();
        }
        if origins.len() >= MAX_ORIGINS {
            origins.retain(|_, slot| slot.is_fresh());
            if origins.len() >= MAX_ORIGINS {
                origins.clear();
            }
        }
        let slot = Slot { since: Instant::now(), known: Arc::default() };
        origins.insert(origin.to_owned(), slot.clone());
        slot
    }
}

async fn ask(fetch: &Client, url: &Url, queue: Duration) -> Known {
    let mut place = url.clone();
    place.set_path("/robots.txt");
    place.set_query(None);
    let limits = Limits {
        queue,
        total: Duration::from_secs(20),
        max_bytes: 16 * MAX_BYTES,
        max_wire_bytes: 16 * MAX_BYTES,
        ..Limits::default()
    };
    let unreached = |why: String| Err(format!("robots.txt cannot be read, so nothing is fetched: {why}"));
    let answer = match fetch.send(Request::get(place.as_str(), Policy::Public).limits(limits)).await {
        Ok(answer) => answer,
        Err(error) => return unreached(error.to_string()),
    };
    match answer.status {
        200..=299 => {}
        // The site has none: RFC 9309, 2.3.1.3.
        400..=428 | 430..=499 => return Ok(Arc::new(Robots::allow_all())),
        status => return unreached(format!("the site answers {status}")),
    }
    let mut body = answer.body;
    let mut bytes = Vec::new();
    loop {
        match body.next().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => return unreached(error.to_string()),
        }
        if bytes.len() as u64 > MAX_BYTES {
            break;
        }
    }
    Ok(Arc::new(Robots::parse(&bytes)))
}
