//! Puts the parts together: store, model, extraction children, knowledge base, tables.
//!
//! The only place that makes components; everything else is handed them. The model loads beside
//! the start, so the server answers before it is there.

use crate::app::{App, State};
use crate::auth::hash_token;
use crate::config::Config;
use crate::limiter::Limiter;
use crate::metrics::Metrics;
use crate::table_files::BotFiles;
use crate::table_text::TableRows;
use crate::tokens::Tokens;
use crate::urls::Signer;
use crate::usage::{Activity, Tally, UsageLog};
use parking_lot::Mutex;
use quarry_answers::{Answers, AnswersDeps, QueryLog};
use quarry_embed::{EmbedOptions, EmbedderSlot};
use quarry_extract::{Limits, Pool, PoolOptions};
use quarry_fetch::{ChatModel, Client};
use quarry_kb::{Kb, KbDeps, KbSettings, Searxng, Sources, SourcesDeps, WebSearch};
use quarry_script::{Engine, EngineOptions};
use quarry_store::{DataPaths, LocalBlobs, Opened, RecordStore, StoreOptions};
use quarry_tables::{ComputeDeps, ComputeOptions, Network, Tables, TablesDeps, TablesOptions};
use quarry_types::{Timestamp, hex};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A model still loading gets this long when the server stops.
const MODEL_GRACE: Duration = Duration::from_secs(30);

/// The last flush of usage gets this long.
const USAGE_GRACE: Duration = Duration::from_secs(5);
/// Pause between two looks for unused blobs.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// Longer than any upload or ingest: a younger blob may be about to be named.
const SWEEP_MIN_AGE: Duration = Duration::from_secs(3 * 3600);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The data folder cannot be used.
    #[error("data folder {path}: {cause}")]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: quarry_store::Error,
    },
    /// Files and knowledge bases do not open.
    #[error("knowledge base: {0}")]
    Kb(#[from] quarry_kb::Error),
    /// The outbound client or the language model cannot be set up.
    #[error("outbound requests: {0}")]
    Fetch(#[from] quarry_fetch::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; choose another address with --listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The operating system refuses something.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A started engine.
pub struct Running {
    /// Its HTTP face.
    pub app: App,
    /// The admin token made by this start; `None` when it was given or existed.
    pub new_admin_token: Option<String>,
    kb: Kb,
    tables: Tables,
    sources: Sources,
    sweeping: tokio::task::AbortHandle,
    logs: tokio::task::AbortHandle,
    stop_usage: watch::Sender<bool>,
    keeping: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Running {
    /// Whether the model is loaded or has failed to. A process must not end before: the native
    /// runtime crashes when its library is unloaded while it starts.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let model = self.kb.embedder();
        model.is_ready() || model.failure().is_some()
    }

    /// Lets running work reach a safe place.
    pub async fn stop(&self) {
        self.sweeping.abort();
        self.logs.abort();
        self.sources.shutdown().await;
        self.tables.stop_jobs().await;
        self.tables.shutdown().await;
        self.kb.shutdown().await;
        // After the last file was indexed, so that this is counted too.
        let _ = self.stop_usage.send(true);
        let keeping = self.keeping.lock().take();
        if let Some(keeping) = keeping
            && tokio::time::timeout(USAGE_GRACE, keeping).await.is_err()
        {
            tracing::warn!("the usage of the last minute was not written in time");
        }
        let settled = async {
            while !self.is_settled() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(MODEL_GRACE, settled).await;
    }
}

/// Removes the content of deleted and replaced files, a while after nothing names it any more.
async fn sweep_blobs(kb: Kb, blobs: Arc<LocalBlobs>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let named = async {
            let mut named = kb.referenced_blobs().await?;
            // Read twice: a copy to a bot read early, of a file then deleted from a bot read late, shows.
            named.extend(kb.referenced_blobs().await?);
            Ok::<_, quarry_kb::Error>(named)
        };
        let swept = match named.await {
            Ok(named) => blobs.sweep_blobs(move |hash| named.contains(hash.as_str()), SWEEP_MIN_AGE).await,
            Err(error) => {
                tracing::error!(%error, "blobs not swept");
                continue;
            }
        };
        match swept {
            Ok(0) => {}
            Ok(blobs) => tracing::info!(blobs, "unused blobs removed"),
            Err(error) => tracing::error!(%error, "blobs not swept"),
        }
    }
}

/// Goes on with the table jobs that the last process did not end.
async fn resume_jobs(tables: Tables) {
    match tables.resume_jobs().await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "table jobs resumed"),
        Err(error) => tracing::error!(%error, "table jobs not resumed; restart to try again"),
    }
}

/// Opens everything below the HTTP face. `worker` is the binary that runs `extract-worker` and
/// `script-worker`.
///
/// # Errors
/// See [`StartError`].
pub async fn start(config: Config, worker: PathBuf) -> Result<Running, StartError> {
    let options = StoreOptions::default();
    let folder = config.data_dir.clone();
    let opening = tokio::task::spawn_blocking(move || quarry_store::open(&folder, &options));
    let in_folder = |cause| StartError::Data { path: config.data_dir.clone(), cause };
    let Opened { store, blobs, paths, .. } =
        opening.await.map_err(std::io::Error::other)?.map_err(in_folder)?;
    let key = signing_key(&paths).map_err(in_folder)?;
    let (admin_token, is_new) = admin_token(&config, &paths).map_err(in_folder)?;
    let fetch = Client::new(config.fetch.clone())?;
    let llm = config.llm.clone().map(|chat| ChatModel::new(fetch.clone(), chat)).transpose()?;
    let script_worker = worker.clone();
    let embedder = load_model(&config);
    let records: Arc<dyn RecordStore> = store.clone();
    let views = paths.clone();
    let tally = Arc::new(Tally::default());
    let indexed = tally.clone();
    let deps = KbDeps {
        store: records.clone(),
        blobs: blobs.clone(),
        embedder: embedder.clone(),
        extractor: Pool::new(PoolOptions {
            ocr: config.ocr.clone(),
            limits: Limits { pdf_engine: config.pdf_engine, ..Limits::default() },
            ..PoolOptions::new(worker, config.ingest_workers)
        }),
        views_dir: Box::new(move |bot| views.bot_views(bot)),
        on_indexed: Box::new(move |bot, searchable| {
            indexed.add(bot, &[if searchable { Activity::FileIndexed } else { Activity::FileFailed }]);
        }),
    };
    let settings = KbSettings {
        vector_quota: config.vector_quota,
        storage_quota_bytes: config.storage_quota_bytes,
        max_file_bytes: config.max_file_bytes,
        ingest_workers: config.ingest_workers,
        cache_bytes: config.cache_bytes,
        search: config.search,
        ..KbSettings::default()
    };
    let kb = Kb::open(deps, settings).await?;
    let sweeping = tokio::spawn(sweep_blobs(kb.clone(), blobs.clone())).abort_handle();
    let tables = Tables::new(
        TablesDeps { store: records.clone(), embedder: embedder.clone() },
        TablesOptions {
            row_quota: config.table_row_quota,
            max_tables: config.max_tables,
            max_columns: config.max_columns,
            vector_quota: config.vector_quota,
            paths: Some(paths.clone()),
            view_budget_bytes: config.cache_bytes,
        },
    );
    let files = BotFiles { kb: kb.clone(), blobs: blobs.clone(), paths: paths.clone() };
    let tables = tables.with_files(Arc::new(files));
    tokio::spawn(resume_jobs(tables.clone()));
    tables.resume_indexing();
    let search = config.search_engine.clone().map(|endpoint| Searxng::new(fetch.clone(), endpoint));
    let sources = Sources::open(SourcesDeps {
        kb: kb.clone(),
        fetch: fetch.clone(),
        tables: Some(Arc::new(TableRows(tables.clone()))),
        search: search.map(|engine| Arc::new(engine) as Arc<dyn WebSearch>),
        now: Arc::new(Timestamp::now),
    })
    .await?;
    let usage = Arc::new(UsageLog::new(records.clone(), kb.clone(), tally));
    let (stop_usage, stopping) = watch::channel(false);
    let keeping = tokio::spawn(usage.clone().keep(stopping));
    start_computing(&tables, &config, script_worker, Network { client: fetch.clone(), model: llm.clone() });
    let answers = Answers::new(AnswersDeps {
        kb: kb.clone(),
        tables: tables.clone(),
        embedder: embedder.clone(),
        llm: llm.clone(),
        log: QueryLog::new(records.clone()),
    });
    let logs = tokio::spawn(answers.log().clone().keep_swept()).abort_handle();
    let tokens = Tokens::load(records.as_ref()).await.map_err(in_folder)?;
    let state = State {
        store: records,
        blobs,
        kb: kb.clone(),
        tables: tables.clone(),
        sources: sources.clone(),
        streams: watch::channel(false).0,
        answers,
        embedder,
        fetch,
        llm,
        poisoned: Box::new(move || store.is_poisoned()),
        tokens,
        signer: Signer::new(&key),
        admin: hash_token(&admin_token),
        limiter: Limiter::new(config.rate_limit),
        usage,
        metrics: Metrics::default(),
        known_bots: parking_lot::RwLock::default(),
        config,
    };
    let new_admin_token = is_new.then_some(admin_token);
    Ok(Running {
        app: App::new(state),
        new_admin_token,
        kb,
        tables,
        sources,
        sweeping,
        logs,
        stop_usage,
        keeping: Mutex::new(Some(keeping)),
    })
}

/// Starts what fills computed columns; scripts run in children of `worker`.
fn start_computing(tables: &Tables, config: &Config, worker: PathBuf, network: Network) {
    let computing = &config.computing;
    let mut engine = EngineOptions::new(worker, computing.script_workers);
    engine.limits.wall_ms = u64::try_from(computing.script_timeout.as_millis()).unwrap_or(u64::MAX);
    let fetch = computing.script_fetch.then(|| network.script_fetch());
    let deps = ComputeDeps { scripts: Engine::new(engine), fetch, outside: Arc::new(network) };
    let options = ComputeOptions { webhook: computing.webhook.clone(), ..ComputeOptions::default() };
    tables.start_compute(deps, options);
}

fn load_model(config: &Config) -> EmbedderSlot {
    let options = EmbedOptions {
        threads: config.threads,
        model_dir: config.model_dir.clone(),
        ..EmbedOptions::default()
    };
    EmbedderSlot::loading(move || quarry_embed::open(&options))
}

/// The key of signed URLs, made at the first start.
fn signing_key(paths: &DataPaths) -> Result<[u8; 32], quarry_store::Error> {
    let path = paths.secret();
    if let Some(bytes) = paths.read_small(&path)? {
        return bytes.try_into().map_err(|_| {
            quarry_store::Error::Corrupt(format!(
                "{} must hold 32 bytes; delete it for a new key",
                path.display()
            ))
        });
    }
    let key: [u8; 32] = rand::random();
    paths.write_secret(&path, &key)?;
    Ok(key)
}

/// The admin token: given, kept from an earlier start, or made now.
fn admin_token(config: &Config, paths: &DataPaths) -> Result<(String, bool), quarry_store::Error> {
    if let Some(token) = &config.admin_token {
        return Ok((token.clone(), false));
    }
    let path = paths.admin_token();
    if let Some(bytes) = paths.read_small(&path)? {
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        if !text.is_empty() {
            return Ok((text, false));
        }
    }
    let token = format!("qk_admin_{}", hex(&rand::random::<[u8; 24]>()));
    paths.write_secret(&path, format!("{token}\n").as_bytes())?;
    Ok((token, true))
}
