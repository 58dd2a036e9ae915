//! The embedding model, loaded beside the start of the server so that it never delays it.

use crate::{Embedded, Embedder, Error, TextKind};
use std::sync::Arc;
use tokio::sync::watch;

type State = Option<Result<Arc<dyn Embedder>, String>>;

/// The embedder, or the promise of one.
#[derive(Clone)]
pub struct EmbedderSlot {
    state: watch::Receiver<State>,
}

impl EmbedderSlot {
    /// One that is loaded already.
    #[must_use]
    pub fn ready(embedder: Arc<dyn Embedder>) -> Self {
        let (_, state) = watch::channel(Some(Ok(embedder)));
        Self { state }
    }

    /// One that loads on a thread of its own.
    pub fn loading<F>(load: F) -> Self
    where
        F: FnOnce() -> Result<Arc<dyn Embedder>, Error> + Send + 'static,
    {
        let (sender, state) = watch::channel(None);
        std::thread::spawn(move || {
            let loaded = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(load)) {
                Ok(loaded) => loaded.map_err(|cause| cause.to_string()),
                Err(_) => Err("the loader of the embedding model panicked; see the log".to_owned()),
            };
            if let Err(cause) = &loaded {
                tracing::error!(%cause, "embedding model not loaded");
            }
            let _ = sender.send(Some(loaded));
        });
        Self { state }
    }

    /// Whether it can embed now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(*self.state.borrow(), Some(Ok(_)))
    }

    /// Why it never will.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match &*self.state.borrow() {
            Some(Err(cause)) => Some(cause.clone()),
            _ => None,
        }
    }

    /// The embedder, as soon as it is loaded.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] when it never will be.
    pub async fn get(&self) -> Result<Arc<dyn Embedder>, Error> {
        let mut state = self.state.clone();
        let loaded = state.wait_for(Option::is_some).await;
        match loaded.as_deref() {
            Ok(Some(Ok(embedder))) => Ok(embedder.clone()),
            Ok(Some(Err(cause))) => Err(Error::NotLoaded(cause.clone())),
            Ok(None) | Err(_) => Err(Error::NotLoaded("its loader stopped; restart the server".into())),
        }
    }

    /// Embeds texts away from the async threads.
    ///
    /// # Errors
    /// [`Error::NotLoaded`], or as [`Embedder::embed`].
    pub async fn embed(&self, texts: Vec<String>, kind: TextKind) -> Result<Vec<Vec<f32>>, Error> {
        self.run(texts, move |embedder, texts| embedder.embed(texts, kind)).await
    }

    /// Embeds texts and their tokens away from the async threads.
    ///
    /// # Errors
    /// [`Error::NotLoaded`], or as [`Embedder::embed_tokens`].
    pub async fn embed_tokens(&self, texts: Vec<String>, kind: TextKind) -> Result<Vec<Embedded>, Error> {
        self.embed_tokens_then(texts, kind, |made| made).await
    }

    /// The same, and goes on with them on the same thread.
    ///
    /// # Errors
    /// As [`EmbedderSlot::embed_tokens`].
    pub async fn embed_tokens_then<T: Send + 'static>(
        &self,
        texts: Vec<String>,
        kind: TextKind,
        then: impl FnOnce(Vec<Embedded>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.run(texts, move |embedder, texts| embedder.embed_tokens(texts, kind).map(then)).await
    }

    /// Embeds a question and its tokens, cut at the model's limit, and goes on with it on the same thread, away from the
    /// async ones.
    ///
    /// # Errors
    /// As [`EmbedderSlot::embed_tokens`].
    pub async fn embed_query<T: Send + 'static>(
        &self,
        query: String,
        then: impl FnOnce(Embedded) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let embed = |embedder: &dyn Embedder, texts: &[&str]| {
            let made = embedder.embed_tokens(texts, TextKind::Query)?.pop();
            made.map(then).ok_or_else(|| Error::Inference("no vector for a question".into()))
        };
        self.run(vec![query], embed).await
    }

    async fn run<T: Send + 'static>(
        &self,
        texts: Vec<String>,
        how: impl FnOnce(&dyn Embedder, &[&str]) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let embedder = self.get().await?;
        tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            how(embedder.as_ref(), &texts)
        })
        .await
        .map_err(|stopped| Error::Inference(stopped.to_string()))?
    }
}
