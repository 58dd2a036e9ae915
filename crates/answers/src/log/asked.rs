//! A question on its way into the log.
//!
//! Invariant: while the log is on, a question is written once, however its answer ends: given, failed, or dropped
//! with the work when whoever asked went away.

use super::record::{LoggedQuery, Outcome};
use super::store::QueryLog;
use crate::Error;
use crate::ask::Ask;
use crate::reply::Reply;
use quarry_kb::Excerpt;
use quarry_types::Scope;
use std::time::Instant;

/// A question whose answer has not ended.
pub(crate) struct Asked {
    log: QueryLog,
    scope: Scope,
    began: Instant,
    /// `None` when the log is off or the entry is written.
    entry: Option<LoggedQuery>,
}

impl Asked {
    pub(crate) async fn begin(log: &QueryLog, scope: &Scope, ask: &Ask, filters: serde_json::Value) -> Self {
        let began = Instant::now();
        let is_on = match log.settings(scope).await {
            Ok(settings) => settings.enabled,
            Err(error) => {
                not_logged(&error);
                false
            }
        };
        let entry = is_on.then(|| LoggedQuery::asked(&ask.question, filters, ask.mode));
        Self { log: log.clone(), scope: scope.clone(), began, entry }
    }

    /// Notes what was found and how the question was understood.
    pub(crate) fn found(&mut self, understood_as: Option<&String>, excerpts: &[Excerpt]) {
        if let Some(entry) = &mut self.entry {
            entry.understood_as = understood_as.cloned();
            entry.found(excerpts);
        }
    }

    /// Writes the entry; its id. An answer that is there is not withheld because it could not be logged.
    pub(crate) async fn end(mut self, reply: Result<&Reply, &Error>) -> Option<String> {
        let latency = self.latency_ms();
        let entry = self.entry.as_mut()?;
        match reply {
            Ok(reply) => entry.replied(reply),
            Err(Error::NotRead) => entry.broke_off(Outcome::Closed, latency),
            Err(_) => entry.broke_off(Outcome::Failed, latency),
        }
        let written = self.log.write(&self.scope, entry.clone()).await;
        self.entry = None;
        written.inspect_err(not_logged).ok()
    }

    fn latency_ms(&self) -> f32 {
        self.began.elapsed().as_secs_f32() * 1000.0
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let latency = self.latency_ms();
        let Some(mut entry) = self.entry.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if entry.outcome() == Outcome::Closed {
            entry.broke_off(Outcome::Closed, latency);
        }
        let (log, scope) = (self.log.clone(), self.scope.clone());
        runtime.spawn(async move { log.write(&scope, entry).await.inspect_err(not_logged) });
    }
}

fn not_logged(error: &Error) {
    tracing::warn!(%error, "a question was not logged");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{LogFilter, LogSettings};
    use super::*;
    use quarry_store::StoreOptions;
    use quarry_types::BotId;

    #[tokio::test]
    async fn a_question_is_logged_however_its_answer_ends() {
        let dir = tempfile::tempdir().unwrap();
        let store = quarry_store::open(dir.path(), &StoreOptions::default()).unwrap().store;
        let (log, scope) = (QueryLog::new(store), Scope::of(BotId::parse("b").unwrap()));
        let ask = Ask { question: "where?".into(), ..Ask::default() };
        let begin = || Asked::begin(&log, &scope, &ask, serde_json::Value::Null);
        let logged = async || {
            let page = log.list(&scope, &LogFilter::default(), None, 10).await.unwrap();
            page.queries.iter().map(LoggedQuery::outcome).collect::<Vec<_>>()
        };
        assert_eq!(begin().await.end(Err(&Error::NoModel)).await, None, "off");
        log.set(&scope, LogSettings { enabled: true, ..LogSettings::default() }).await.unwrap();
        assert!(begin().await.end(Err(&Error::Broken)).await.is_some());
        assert_eq!(logged().await, [Outcome::Failed]);
        let mut dropped = begin().await;
        dropped.found(Some(&"where is it?".to_owned()), &[]);
        drop(dropped);
        while logged().await.len() < 2 {
            tokio::task::yield_now().await;
        }
        let mut outcomes = logged().await;
        outcomes.sort_by_key(|outcome| *outcome as u8);
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Closed]);
    }
}
