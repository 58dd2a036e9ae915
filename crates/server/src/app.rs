//! One request from head to answer: match, authenticate, limit, run, decorate, count.
//!
//! Knows the order of these steps and nothing of what the operations do. Invariant: whatever a
//! handler does (fail, panic, take too long), the caller gets one well-formed answer.

use crate::auth::{self, Caller, TokenHash};
use crate::config::Config;
use crate::error::{ApiError, ErrorType};
use crate::limiter::{Limiter, Verdict};
use crate::metrics::Metrics;
use crate::query::Query;
use crate::router::{self, Access, Matched, NoMatch};
use crate::tokens::Tokens;
use crate::urls::Signer;
use crate::usage::{Activity, UsageLog};
use crate::{body, cors, routes};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use parking_lot::RwLock;
use quarry_embed::EmbedderSlot;
use quarry_kb::{Kb, Sources};
use quarry_store::{BlobStore, RecordStore};
use quarry_tables::Tables;
use quarry_types::{BotId, ErrorKind, Scope};
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A handler that has not answered by then is dropped.
const DEADLINE: Duration = Duration::from_secs(120);

/// What all handlers share.
pub(crate) struct State {
    /// Settings.
    pub(crate) config: Config,
    /// Records, for tokens and usage.
    pub(crate) store: Arc<dyn RecordStore>,
    /// Contents, for downloads.
    pub(crate) blobs: Arc<dyn BlobStore>,
    /// Files and knowledge bases.
    pub(crate) kb: Kb,
    /// Tables.
    pub(crate) tables: Tables,
    /// Websites and other sources of knowledge.
    pub(crate) sources: Sources,
    /// Turns true when answers without an end are to end.
    pub(crate) streams: tokio::sync::watch::Sender<bool>,
    /// The model, for readiness.
    pub(crate) embedder: EmbedderSlot,
    /// Every request that leaves this server.
    #[allow(dead_code, reason = "handed on to what fetches for users")]
    pub(crate) fetch: quarry_fetch::Client,
    /// Answers from both, and the query log.
    pub(crate) answers: quarry_answers::Answers,
    /// The language model, when the operator configured one.
    pub(crate) llm: Option<quarry_fetch::ChatModel>,
    /// Whether the store has stopped taking writes.
    pub(crate) poisoned: Box<dyn Fn() -> bool + Send + Sync>,
    /// Tokens of bots.
    pub(crate) tokens: Tokens,
    /// Signs URLs.
    pub(crate) signer: Signer,
    /// The admin token's hash.
    pub(crate) admin: TokenHash,
    /// Requests per second, when limited.
    pub(crate) limiter: Option<Limiter>,
    /// What bots use and do.
    pub(crate) usage: Arc<UsageLog>,
    /// Counts.
    pub(crate) metrics: Metrics,
    /// Bots seen to exist; used when they are not made on first use.
    pub(crate) known_bots: RwLock<HashSet<BotId>>,
}

/// The HTTP face. Cheap to clone.
#[derive(Clone)]
pub struct App {
    state: Arc<State>,
}

/// A request on its way to its handler.
pub(crate) struct Call {
    /// All but the body.
    pub(crate) head: Head,
    /// The body, unread.
    pub(crate) body: Body,
}

impl Deref for Call {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

/// What is known of a request before its body is read.
pub(crate) struct Head {
    /// What all handlers share.
    pub(crate) state: Arc<State>,
    /// The route and its parameters.
    pub(crate) matched: Matched,
    /// The method, `HEAD` included.
    pub(crate) method: Method,
    /// The query string.
    pub(crate) query: Query,
    /// The headers.
    pub(crate) headers: HeaderMap,
    caller: Option<Caller>,
    scope: Option<Scope>,
}

/// What a handler gives back.
pub(crate) type Answer = Result<Response<Body>, ApiError>;

impl Head {
    /// The checked caller; routes with [`Access::Open`] or [`Access::Signed`] have none.
    ///
    /// # Errors
    /// 401 on such routes.
    pub(crate) fn caller(&self) -> Result<&Caller, ApiError> {
        self.caller.as_ref().ok_or_else(|| ApiError::new(ErrorType::Unauthorized, "no token"))
    }

    /// The scope; only routes with [`Access::Bot`] have one.
    ///
    /// # Errors
    /// 403 on others.
    pub(crate) fn scope(&self) -> Result<&Scope, ApiError> {
        self.scope.as_ref().ok_or_else(|| ApiError::forbidden("no bot"))
    }

    /// Scheme and authority (and prefix) that the caller reaches this server under.
    #[must_use]
    pub(crate) fn base_url(&self) -> String {
        if let Some(url) = &self.state.config.public_url {
            return url.as_str().to_owned();
        }
        let host = self.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let fine = |host: &&str| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
        };
        match host.filter(fine) {
            Some(host) => format!("http://{host}"),
            None => format!("http://{}", self.state.config.listen),
        }
    }
}

impl Call {
    /// Reads the body as a JSON object of the Files API's size.
    ///
    /// # Errors
    /// See [`body::object`].
    pub(crate) async fn object(self) -> Result<serde_json::Map<String, serde_json::Value>, ApiError> {
        body::object(&self.head.headers, self.body, body::FILES_CAP).await
    }
}

impl App {
    /// The face over these parts.
    #[must_use]
    pub(crate) fn new(state: State) -> Self {
        Self { state: Arc::new(state) }
    }

    /// Ends answers that have no end of their own.
    pub fn end_streams(&self) {
        self.state.streams.send_replace(true);
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let origin = request.headers().get(header::ORIGIN).cloned();
        if cors::is_preflight(request.method(), request.headers()) {
            let mut response = cors::preflight(request.headers());
            cors::decorate(&self.state.config.cors, origin.as_ref(), &mut response);
            self.add_limit_headers(None, response.headers_mut());
            return response;
        }
        let (name, verdict, answer) = self.answer(request).await;
        let mut response = answer.unwrap_or_else(ApiError::into_response);
        cors::decorate(&self.state.config.cors, origin.as_ref(), &mut response);
        self.add_limit_headers(verdict, response.headers_mut());
        let (status, took) = (response.status().as_u16(), started.elapsed());
        self.state.metrics.record(name, status, took);
        tracing::debug!(route = name, status, us = took.as_micros(), "answered");
        response
    }

    async fn answer(&self, request: Request<Body>) -> (&'static str, Option<Verdict>, Answer) {
        let (parts, body) = request.into_parts();
        let mut verdict = None;
        let matched = match self.matched(&parts.method, parts.uri.path()) {
            Ok(matched) => matched,
            Err(miss) => {
                // Whoever holds a token is counted here too; others learn no more than the miss.
                let caller = auth::caller(&parts.headers, &self.state.admin, &self.state.tokens);
                let counted = caller.and_then(|caller| self.count(&caller, &mut verdict));
                let limited = counted.err().filter(|_| verdict.is_some());
                body::drain(body).await;
                return ("none", verdict, Err(limited.unwrap_or(miss)));
            }
        };
        let name = matched.route.name();
        let admitted = self.admit(&matched, &parts.headers, &mut verdict).await;
        let query = Query::parse(parts.uri.query().unwrap_or(""));
        let (caller, scope, query) = match (admitted, query) {
            (Ok((caller, scope)), Ok(query)) => (caller, scope, query),
            (Err(error), _) | (_, Err(error)) => {
                body::drain(body).await;
                return (name, verdict, Err(error));
            }
        };
        let (route, access) = (matched.route, matched.route.access());
        let counted = scope.clone();
        let head = Head {
            state: self.state.clone(),
            matched,
            method: parts.method,
            query,
            headers: parts.headers,
            caller,
            scope,
        };
        // On a task of its own: a caller who goes away, or a deadline, ends the waiting and not the
        // work, which would otherwise stop between a commit and what must follow it.
        let mut run = tokio::spawn(routes::dispatch(Call { head, body }));
        let ended = match access {
            Access::Signed => Ok((&mut run).await),
            _ => tokio::time::timeout(DEADLINE, &mut run).await,
        };
        let answer = match ended {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ApiError::of(ErrorKind::Internal, "the handler panicked")),
            Err(_) => {
                let message = "the operation takes too long to wait for; a write may still go through";
                Err(ApiError::new(ErrorType::OperationTimeout, message))
            }
        };
        if let Some(scope) = counted {
            let done = Activity::of(route).filter(|_| answer.is_ok());
            match done {
                Some(what) => self.state.usage.count(scope.bot(), &[Activity::Call, what]),
                None => self.state.usage.count(scope.bot(), &[Activity::Call]),
            }
        }
        (name, verdict, answer)
    }

    /// Takes a place in the caller's window.
    fn count(&self, caller: &Caller, verdict: &mut Option<Verdict>) -> Result<(), ApiError> {
        let Some(limiter) = &self.state.limiter else { return Ok(()) };
        let taken = limiter.take(caller.window());
        *verdict = Some(taken);
        if taken.allowed {
            return Ok(());
        }
        let Verdict { limit, reset_s, .. } = taken;
        let message = format!("more than {limit} requests in a second; wait {reset_s} s");
        Err(ApiError::new(ErrorType::RateLimited, message).retry_after(reset_s))
    }

    /// Adds the three headers when a limit is on; a request that counted for nobody shows it untouched.
    fn add_limit_headers(&self, verdict: Option<Verdict>, headers: &mut HeaderMap) {
        let Some(limiter) = &self.state.limiter else { return };
        let verdict = verdict.unwrap_or_else(|| limiter.uncounted());
        headers.insert("ratelimit-limit", HeaderValue::from(verdict.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(verdict.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(verdict.reset_s));
    }

    fn matched(&self, method: &Method, path: &str) -> Result<Matched, ApiError> {
        let prefix = self.state.config.public_url.as_ref().map_or("", |url| url.path());
        let inner = path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).unwrap_or(path);
        router::find(method, inner).map_err(|miss| match miss {
            NoMatch::UnknownPath => ApiError::not_found("no operation has this path; see /openapi.json"),
            NoMatch::WrongMethod(known) => {
                let message = format!("{method} is not possible here; use {}", known.join(" or "));
                ApiError::new(ErrorType::MethodNotFound, message)
            }
            NoMatch::BadEncoding => {
                ApiError::payload("the path is not percent-encoded UTF-8; encode each segment once")
            }
        })
    }

    /// Checks token, rate and bot, in this order.
    async fn admit(
        &self,
        matched: &Matched,
        headers: &HeaderMap,
        verdict: &mut Option<Verdict>,
    ) -> Result<(Option<Caller>, Option<Scope>), ApiError> {
        let access = matched.route.access();
        if matches!(access, Access::Open | Access::Signed) {
            return Ok((None, None));
        }
        let caller = auth::caller(headers, &self.state.admin, &self.state.tokens)?;
        self.count(&caller, verdict)?;
        match access {
            Access::Admin if caller != Caller::Admin => {
                Err(ApiError::forbidden("this needs the admin token"))
            }
            Access::Bot => {
                let scope = auth::scope(&caller, auth::named_bot(headers, "x-bot-id")?)?;
                self.state.check_bot(&caller, &scope).await?;
                Ok((Some(caller), Some(scope)))
            }
            _ => Ok((Some(caller), None)),
        }
    }
}

impl State {
    /// Whether a bot may be used: any bot when bots are made on first use, else one that has data
    /// or a token.
    ///
    /// # Errors
    /// 403 when not.
    pub(crate) async fn check_bot(&self, caller: &Caller, scope: &Scope) -> Result<(), ApiError> {
        if self.config.auto_create_bots || matches!(caller, Caller::Bot(_)) {
            return Ok(());
        }
        let bot = scope.bot();
        if self.known_bots.read().contains(bot) || self.tokens.names(bot) {
            return Ok(());
        }
        if self.store.collections(bot).await?.is_empty() {
            let message =
                format!("bot {bot} is unknown and auto_create_bots is off; create a token for it first");
            return Err(ApiError::forbidden(message));
        }
        self.known_bots.write().insert(bot.clone());
        Ok(())
    }
}
