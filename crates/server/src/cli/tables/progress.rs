//! Progress: a bar on a terminal, a line now and then elsewhere; on stderr, so that results can be piped.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Read, Write};

/// Lines between nothing and all, when there is no terminal.
const LINES: u64 = 4;

/// Progress of one step.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: String,
    total: u64,
    said: u64,
}

impl Progress {
    fn new(what: &str, total: u64, template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("##-"));
            }
            bar.set_prefix(what.to_owned());
            bar
        });
        let progress = Self { bar, what: what.to_owned(), total: total.max(1), said: 0 };
        if progress.bar.is_none() {
            progress.say("…");
        }
        progress
    }

    /// Counted in bytes.
    pub(super) fn bytes(what: &str, total: u64) -> Self {
        Self::new(what, total, "{prefix:12} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}")
    }

    /// Counted in percent, with a note.
    pub(super) fn percent(what: &str) -> Self {
        Self::new(what, 100, "{prefix:12} [{bar:30}] {pos} % {msg} ({elapsed})")
    }

    pub(super) fn set(&mut self, done: u64, note: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(note.to_owned());
            }
            None => {
                let reached = done.min(self.total) * LINES / self.total;
                if reached > self.said {
                    self.said = reached;
                    let space = if note.is_empty() { "" } else { " " };
                    self.say(&format!("{} %{space}{note}", reached * 100 / LINES));
                }
            }
        }
    }

    fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{} {text}", self.what);
    }

    /// A line of its own, with the bar out of the way.
    pub(super) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.say(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A reader that shows how far it is and ends when told to.
pub(super) struct Watched<'p, R, F: Fn() -> bool> {
    pub(super) inner: R,
    pub(super) progress: &'p mut Progress,
    pub(super) done: u64,
    pub(super) stop: F,
}

impl<R: Read, F: Fn() -> bool> Read for Watched<'_, R, F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if (self.stop)() {
            return Err(std::io::Error::other("interrupted"));
        }
        let read = self.inner.read(into)?;
        self.done += read as u64;
        self.progress.set(self.done, "");
        Ok(read)
    }
}
