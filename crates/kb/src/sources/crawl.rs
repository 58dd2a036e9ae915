//! A run over pages: list, visit, retire.
//!
//! The records of pages are the frontier on disk: a page waits there until its visit is written in the
//! same commit as the pages it leads to, so that a killed run goes on without asking twice or
//! forgetting one.

use crate::sources::book::Book;
use crate::sources::face::Inner;
use crate::sources::listing::{Listed, MAX_REFUSED, is_unread, rules_of, told_again};
use crate::sources::page_file;
use crate::sources::record::{self, Counts, PageState, Run, Source, SourceKind, SourcePage};
use crate::sources::run::Ending;
use crate::sources::runner::{Handle, Phase};
use crate::sources::visit::{ELSEWHERE, Visit, Walk};
use crate::{Error, records};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use quarry_store::Commit;
use quarry_types::Scope;
use quarry_web::{Frontier, Offer};
use std::collections::{HashMap, HashSet};
use url::Url;

/// Pages looked at at the same time.
const AT_ONCE: usize = 4;
/// Files of all bots that may wait for indexing before a run pauses.
const MAX_QUEUED: usize = 32;
/// Pages out of reach in a row after which the site is taken to be down.
const MAX_UNREACHED: usize = 20;
/// Page records written in one commit.
const BATCH: usize = 500;

/// What a run over pages came to.
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) counts: Counts,
}

impl Inner {
    /// Brings the pages of a source up to date.
    pub(super) async fn crawl(
        &self,
        scope: &Scope,
        source: &Source,
        run: &Run,
        handle: &Handle,
    ) -> Result<Outcome, Error> {
        let mut pages = self.known_pages(scope, source).await?;
        if !run.listed {
            handle.set(|progress| progress.phase = Phase::Listing);
            let Some(listed) = handle.unless_stopped(self.list_pages(source)).await else {
                return Ok(Outcome { ending: Ending::Completed, counts: Counts::default() });
            };
            let mut listed = listed?;
            if let SourceKind::Sitemap { url, .. } = &source.kind
                && listed.starts.is_empty()
                && pages.values().any(|page| page.has_file)
            {
                listed.unread(url, "it lists no pages, though it did before");
            }
            self.write_listing(scope, source, run, listed, &mut pages).await?;
            self.change(scope, &source.id, |source| {
                if let Some(run) = &mut source.run {
                    run.listed = true;
                }
                Ok(())
            })
            .await?;
        }
        handle.set(|progress| progress.phase = Phase::Fetching);
        let book = open_book(source, run, pages)?;
        let walk = Walk { inner: self, scope, source, run, handle, book: Mutex::new(book) };
        let mut counts = counts_of(&walk.book.lock().pages, run.number);
        counts.retired = run.retired;
        let ending = walk.visit_all(&mut counts).await?;
        let mut pages = walk.book.into_inner().pages;
        if ending == Ending::Completed && !handle.is_stopped() {
            handle.set(|progress| progress.phase = Phase::Retiring);
            if is_whole(source, run, &pages) {
                counts.retired += self.retire_unseen(scope, source, run, &mut pages).await?;
            }
            handle.set(|progress| progress.counts = counts);
        }
        Ok(Outcome { ending, counts })
    }

    async fn known_pages(
        &self,
        scope: &Scope,
        source: &Source,
    ) -> Result<HashMap<String, SourcePage>, Error> {
        let prefix = record::page_prefix(&source.id);
        let found =
            records::scan_all(self.kb.inner.store.as_ref(), scope, &record::sources(), &prefix).await?;
        let mut pages = HashMap::with_capacity(found.len());
        for one in found {
            let page: SourcePage = records::decode(&one.value)?;
            pages.insert(page.url.clone(), page);
        }
        Ok(pages)
    }

    /// Writes the pages to start from as waiting, and those the rules refuse with the reason.
    async fn write_listing(
        &self,
        scope: &Scope,
        source: &Source,
        run: &Run,
        listed: Listed,
        pages: &mut HashMap<String, SourcePage>,
    ) -> Result<(), Error> {
        let mut frontier = Frontier::new(rules_of(source)?);
        let mut changed = Vec::new();
        let mut refused = 0;
        let fresh = !pages.values().any(|page| page.has_file);
        for start in listed.starts {
            let url = start.url.as_str();
            let known = pages.get(url).cloned().unwrap_or_else(|| SourcePage::waiting(url, 0, run.number));
            // What was looked at before an interruption stays looked at.
            let done = known.run == run.number && known.state != PageState::Waiting;
            let page = SourcePage { run: run.number, depth: 0, lastmod: start.lastmod, ..known };
            match frontier.offer(&start.url, 0) {
                Offer::Taken if done => changed.push(page),
                Offer::Taken => {
                    changed.push(SourcePage {
                        state: PageState::Waiting,
                        reason: None,
                        status: None,
                        ..page
                    });
                }
                Offer::Refused(refusal) if refused < MAX_REFUSED && !page.has_file => {
                    refused += 1;
                    changed.push(page.ended(PageState::Skipped, refusal.reason().to_owned()));
                }
                Offer::Known | Offer::Refused(_) => {}
            }
        }
        for (url, why) in listed.unread {
            let known = pages.get(&url).cloned();
            // Where nothing was read before, nothing can be hidden.
            let why =
                if fresh { why } else { told_again(why, known.as_ref().and_then(|p| p.reason.as_deref())) };
            let page = known.unwrap_or_else(|| SourcePage::waiting(&url, 0, run.number));
            let page = SourcePage { run: run.number, depth: 0, status: None, ..page };
            changed.push(page.ended(PageState::Failed, why));
        }
        for batch in changed.chunks(BATCH) {
            self.write_pages(scope, source, batch).await?;
        }
        pages.extend(changed.into_iter().map(|page| (page.url.clone(), page)));
        Ok(())
    }

    pub(super) async fn write_pages(
        &self,
        scope: &Scope,
        source: &Source,
        pages: &[SourcePage],
    ) -> Result<(), Error> {
        let mut commit = Commit::new(scope.bot());
        for page in pages {
            let key = record::page_key(&source.id, &page.url);
            commit.put(&record::sources(), key, record::encode_page(page)?);
        }
        if !commit.put.is_empty() {
            self.kb.inner.store.commit(commit).await?;
        }
        Ok(())
    }

    /// Removes files and records of pages that this run has not seen.
    async fn retire_unseen(
        &self,
        scope: &Scope,
        source: &Source,
        run: &Run,
        pages: &mut HashMap<String, SourcePage>,
    ) -> Result<usize, Error> {
        // What a page out of reach leads to is not gone: it is only not led to this time.
        let out_of_reach = pages.values().filter(|page| page.run == run.number && page.hides_links());
        let targets: HashSet<&String> = out_of_reach.filter_map(|page| page.target.as_ref()).collect();
        let gone: Vec<SourcePage> = pages
            .values()
            .filter(|page| page.run != run.number && !targets.contains(&page.url))
            .cloned()
            .collect();
        let mut retired = 0;
        for page in gone {
            // Whatever the record says: a server that ended in between may have left a file without it.
            let key = page_file::page_key(source, &page.url);
            retired += usize::from(page_file::remove(&self.kb, scope, &key).await?);
            let mut commit = Commit::new(scope.bot());
            commit.del(&record::sources(), record::page_key(&source.id, &page.url));
            self.kb.inner.store.commit(commit).await?;
            pages.remove(&page.url);
        }
        Ok(retired)
    }
}

/// Whether a run has seen all there is, so that what it has not seen is gone.
fn is_whole(source: &Source, run: &Run, pages: &HashMap<String, SourcePage>) -> bool {
    let mut seen = pages.values().filter(|page| page.run == run.number);
    let hidden = |page: &SourcePage| {
        let reason = page.reason.as_deref().unwrap_or_default();
        let hides_links = page.hides_links() || reason.starts_with(ELSEWHERE);
        is_unread(reason) || source.kind.follows_links() && hides_links
    };
    // A website whose start is gone or leads nowhere is taken to be ill, not empty.
    let read =
        |page: &SourcePage| page.depth > 0 || matches!(page.state, PageState::Fetched | PageState::Unchanged);
    let started = !source.kind.follows_links() || seen.clone().any(read);
    started && !seen.any(hidden)
}

fn open_book(source: &Source, run: &Run, pages: HashMap<String, SourcePage>) -> Result<Book, Error> {
    let mut frontier = Frontier::new(rules_of(source)?);
    let mut here: Vec<&SourcePage> = pages.values().filter(|page| page.run == run.number).collect();
    here.sort_by(|a, b| (a.depth, &a.url).cmp(&(b.depth, &b.url)));
    for page in here {
        if let Ok(url) = quarry_web::parse(&page.url) {
            frontier.restore(&url, page.depth, page.state == PageState::Waiting);
        }
    }
    Ok(Book::new(frontier, pages, run.number))
}

fn counts_of(pages: &HashMap<String, SourcePage>, run: u32) -> Counts {
    let mut counts = Counts::default();
    for page in pages.values().filter(|page| page.run == run) {
        counts.found += 1;
        count(&mut counts, page);
    }
    counts
}

fn count(counts: &mut Counts, page: &SourcePage) {
    match page.state {
        PageState::Waiting => {}
        PageState::Fetched => counts.fetched += 1,
        PageState::Unchanged => counts.unchanged += 1,
        PageState::Skipped => counts.skipped += 1,
        PageState::Failed => counts.failed += 1,
    }
}

impl Walk<'_> {
    /// Visits what waits until nothing does; bounded in pages at once and in files to be indexed.
    async fn visit_all(&self, counts: &mut Counts) -> Result<Ending, Error> {
        let mut visits = FuturesUnordered::new();
        let mut unreached = 0;
        let (mut is_over, mut last_lap) = (false, false);
        loop {
            // Which pages are looked at once more is known to this walk alone, so it ends them itself.
            is_over |= !last_lap && self.inner.runner.is_over(self.handle);
            while visits.len() < AT_ONCE && !is_over && !self.handle.is_stopped() {
                let Some((url, depth)) = self.book.lock().frontier.next_page() else { break };
                // Waits as a visit of its own: those under way may hold what indexing waits for, so they
                // must be polled meanwhile.
                visits.push(Box::pin(async move {
                    let room = self.inner.kb.inner.queue.wait_below(MAX_QUEUED);
                    match self.handle.unless_stopped(room).await {
                        Some(()) => self.visit(url, depth).await,
                        None => Ok(Visit::of(self.page(&url, depth))),
                    }
                }));
            }
            self.handle.set(|progress| progress.counts = *counts);
            let Some(visit) = visits.next().await else {
                let waits = self.book.lock().frontier.size().1 > 0;
                if self.handle.is_stopped() || waits || !self.revisit_twins(counts) {
                    break;
                }
                (is_over, last_lap) = (false, true);
                continue;
            };
            let visit = visit?;
            unreached = if visit.unreached { unreached + 1 } else { 0 };
            self.settle(visit, counts).await?;
            if unreached >= MAX_UNREACHED {
                return Ok(Ending::Failed(format!(
                    "{MAX_UNREACHED} pages in a row could not be reached; the last report names the reason of each"
                )));
            }
        }
        if is_over && !self.handle.is_stopped() && self.book.lock().frontier.size().1 > 0 {
            return Ok(Ending::Paused);
        }
        // Stopped: whether by somebody or by the end of the server, the caller knows.
        Ok(Ending::Completed)
    }

    /// Lets pages wait again that were left out for another one with the same text, which then had it no
    /// more; whether there are any.
    fn revisit_twins(&self, counts: &mut Counts) -> bool {
        let mut book = self.book.lock();
        let orphans = book.orphans(self.run.number);
        for (url, depth) in &orphans {
            book.frontier.again(url, *depth);
            if let Some(page) = book.pages.get_mut(url.as_str()) {
                page.state = PageState::Waiting;
                page.reason = None;
            }
        }
        counts.skipped = counts.skipped.saturating_sub(orphans.len());
        !orphans.is_empty()
    }

    /// Writes a visit together with the pages it leads to.
    async fn settle(&self, visit: Visit, counts: &mut Counts) -> Result<(), Error> {
        let Visit { page, through, links, retired, .. } = visit;
        // What a page leads to is written before the page itself: cut off in between, it is asked again.
        let (mut written, mut visited) = (Vec::new(), Vec::new());
        {
            let mut book = self.book.lock();
            let known = |book: &Book, page: &SourcePage| {
                book.pages.get(&page.url).is_some_and(|known| known.run == self.run.number)
            };
            for page in [through, Some(page.clone())].into_iter().flatten() {
                counts.found += usize::from(!known(&book, &page));
                count(counts, &page);
                book.pages.insert(page.url.clone(), page.clone());
                visited.push(page);
            }
            if self.source.kind.follows_links() {
                for link in links {
                    if let Some(next) = self.offered(&mut book, &link, page.depth + 1) {
                        counts.found += 1;
                        book.pages.insert(next.url.clone(), next.clone());
                        written.push(next);
                    }
                }
            }
        }
        counts.retired += retired;
        written.extend(visited);
        for batch in written.chunks(BATCH) {
            self.inner.write_pages(self.scope, self.source, batch).await?;
        }
        Ok(())
    }

    fn offered(&self, book: &mut Book, link: &Url, depth: u32) -> Option<SourcePage> {
        if book.frontier.offer(link, depth) != Offer::Taken {
            return None;
        }
        let number = self.run.number;
        let known = book.pages.get(link.as_str()).cloned();
        let page = known.unwrap_or_else(|| SourcePage::waiting(link.as_str(), depth, number));
        Some(SourcePage { run: number, depth, state: PageState::Waiting, reason: None, status: None, ..page })
    }
}
