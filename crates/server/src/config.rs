//! Settings: one struct read from flags, environment and a TOML file, resolved into [`Config`].
//!
//! Precedence: flag > `QUARRY_…` variable > file > plan preset > default. Knows nothing of what the
//! settings are used for. Invariant: a [`Config`] has passed every check here; an unknown key, an
//! unreadable file or a value out of range stops the start with a message naming the setting.

mod computing;
mod outbound;
mod public_url;
pub(crate) mod tuning;

pub use computing::Computing;
pub(crate) use public_url::PublicUrl;

use quarry_extract::{Ocr, PdfEngine, find_pdfium};
use quarry_fetch::chat::ChatSettings;
use serde::Deserialize;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The settings file cannot be read.
    #[error("cannot read the settings file {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The settings file is no valid TOML or holds unknown keys.
    #[error("the settings file {path} is wrong: {cause}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        cause: Box<toml::de::Error>,
    },
    /// One value is out of range or malformed.
    #[error("setting {name} {problem}")]
    Value {
        /// The key as in the settings file; the variable is `QUARRY_` and the same in capitals.
        name: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
}

fn wrong(name: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Value { name, problem: problem.into() }
}

/// Documented cloud plans as presets of the quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// 5,000 vectors, 10 tables, 20 columns, 10,000 rows, 500 MB of files.
    Free,
    /// 5,000 vectors, 1,000 rows, 100 MB of files; 1,000 tables, as all below.
    Community,
    /// 50,000 vectors, 100,000 rows, 10 GB of files.
    Plus,
    /// 100,000 vectors, 100,000 rows, 10 GB of files.
    Team,
    /// 25,000,000 vectors, 10,000,000 rows, 1 TB of files.
    Enterprise,
}

impl Plan {
    /// (vectors, table rows × factor, storage bytes, tables). The vendor sizes vector storage in
    /// bytes; 5,000 vectors are its 100 MB.
    fn figures(self) -> (u64, u64, u64, usize) {
        match self {
            Self::Free => (5_000, 10_000, 500_000_000, 10),
            Self::Community => (5_000, 1_000, 100_000_000, DEFAULT_TABLES),
            Self::Plus => (50_000, 100_000, 10_000_000_000, DEFAULT_TABLES),
            Self::Team => (100_000, 100_000, 10_000_000_000, DEFAULT_TABLES),
            Self::Enterprise => (25_000_000, 10_000_000, 1_000_000_000_000, DEFAULT_TABLES),
        }
    }
}

const DEFAULT_TABLES: usize = 1_000;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

/// Everything that can be set, each value optional: the same names as flags, as variables
/// (`QUARRY_` and capitals) and as keys of the settings file.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder of all data [default: ./quarry-data]
    #[arg(long, env = "QUARRY_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:7700]
    #[arg(long, env = "QUARRY_LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Base of the URLs handed out, when clients reach the server under another name
    #[arg(long, env = "QUARRY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Settings file (TOML)
    #[arg(long, env = "QUARRY_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Admin bearer token; without it one is generated and kept in the data folder
    #[arg(long, env = "QUARRY_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// Preset of the quotas
    #[arg(long, env = "QUARRY_PLAN")]
    pub plan: Option<Plan>,
    /// Vectors per bot [default: 100000]
    #[arg(long, env = "QUARRY_VECTOR_QUOTA", value_name = "N")]
    pub vector_quota: Option<u64>,
    /// Table rows × factor per bot [default: 1000000]
    #[arg(long, env = "QUARRY_TABLE_ROW_QUOTA", value_name = "N")]
    pub table_row_quota: Option<u64>,
    /// Bytes of stored files per bot [default: 10000000000]
    #[arg(long, env = "QUARRY_STORAGE_QUOTA_BYTES", value_name = "BYTES")]
    pub storage_quota_bytes: Option<u64>,
    /// Bytes of one file [default: 100000000]
    #[arg(long, env = "QUARRY_MAX_FILE_BYTES", value_name = "BYTES")]
    pub max_file_bytes: Option<u64>,
    /// Tables per bot [default: 1000]
    #[arg(long, env = "QUARRY_MAX_TABLES", value_name = "N")]
    pub max_tables: Option<usize>,
    /// Columns per table [default: 20]
    #[arg(long, env = "QUARRY_MAX_COLUMNS", value_name = "N")]
    pub max_columns: Option<usize>,
    /// Requests per second and workspace, 0 for no limit [default: 0 on loopback, else 100]
    #[arg(long, env = "QUARRY_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Hosts and CIDR ranges of the intranet that may be fetched, comma separated [default: none]
    #[arg(long, env = "QUARRY_FETCH_ALLOW", value_name = "LIST", value_delimiter = ',')]
    pub fetch_allow: Option<Vec<String>>,
    /// Ports that may be fetched besides 80 and 443, such as 8080 or 8000-8999, comma separated [default: none]
    #[arg(long, env = "QUARRY_FETCH_PORTS", value_name = "LIST", value_delimiter = ',')]
    pub fetch_ports: Option<Vec<String>>,
    /// URL or mail address that fetched sites may complain to, sent in `user-agent` [default: the project's]
    #[arg(long, env = "QUARRY_FETCH_CONTACT", value_name = "CONTACT")]
    pub fetch_contact: Option<String>,
    /// Base URL of a SearXNG (or the like) that answers in JSON, for sources of type search [default: none]
    #[arg(long, env = "QUARRY_SEARCH_URL", value_name = "URL")]
    pub search_url: Option<String>,
    /// Base URL of an OpenAI-compatible language model, such as http://127.0.0.1:11434/v1 [default: none]
    #[arg(long, env = "QUARRY_LLM_URL", value_name = "URL")]
    pub llm_url: Option<String>,
    /// Key of the language model, when it wants one
    #[arg(long, env = "QUARRY_LLM_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub llm_api_key: Option<String>,
    /// Name of the language model as its endpoint knows it
    #[arg(long, env = "QUARRY_LLM_MODEL", value_name = "NAME")]
    pub llm_model: Option<String>,
    /// Scripts of computed columns that run at the same time [default: 4]
    #[arg(long, env = "QUARRY_SCRIPT_WORKERS", value_name = "N")]
    pub script_workers: Option<usize>,
    /// Seconds one script may run [default: 120]
    #[arg(long, env = "QUARRY_SCRIPT_TIMEOUT_S", value_name = "SECONDS")]
    pub script_timeout_s: Option<u64>,
    /// Whether scripts may fetch what users may fetch [default: false]
    #[arg(long, env = "QUARRY_SCRIPT_FETCH", num_args = 0..=1, default_missing_value = "true")]
    pub script_fetch: Option<bool>,
    /// Webhook of bots without one of their own, for workflow columns [default: none]
    #[arg(long, env = "QUARRY_BOT_WEBHOOK", value_name = "URL")]
    pub bot_webhook: Option<String>,
    /// Who runs code columns of bots that use this webhook: `engine` or `webhook` [default: engine]
    #[arg(long, env = "QUARRY_CODE_IN", value_name = "WHO")]
    pub code_in: Option<String>,
    /// Origins browsers may call from, comma separated; `*` for any, `none` for none [default: *]
    #[arg(long, env = "QUARRY_CORS_ORIGINS", value_name = "LIST", value_delimiter = ',')]
    pub cors_origins: Option<Vec<String>>,
    /// Whether the admin token may use a bot id not seen before [default: true]
    #[arg(long, env = "QUARRY_AUTO_CREATE_BOTS", num_args = 0..=1, default_missing_value = "true")]
    pub auto_create_bots: Option<bool>,
    /// Threads of the embedding model [default: the number of cores]
    #[arg(long, env = "QUARRY_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Files indexed at the same time [default: 2]
    #[arg(long, env = "QUARRY_INGEST_WORKERS", value_name = "N")]
    pub ingest_workers: Option<usize>,
    /// Command that reads PDF pages without text, such as `tesseract {image} stdout` [default: none]
    #[arg(long, env = "QUARRY_OCR_COMMAND", value_name = "COMMAND")]
    pub ocr_command: Option<String>,
    /// What reads PDFs: `pdfium`, `pdf-extract`, or `auto` for the first with the second standing by [default: auto]
    #[arg(long, env = "QUARRY_PDF_ENGINE", value_name = "ENGINE")]
    pub pdf_engine: Option<String>,
    /// Bytes of memory for caches of indexes [default: 268435456]
    #[arg(long, env = "QUARRY_CACHE_BYTES", value_name = "BYTES")]
    pub cache_bytes: Option<usize>,
    /// How searches weigh things, such as candidates=100,dense=6,recall=0.99,links=16; `quarry tune` finds the best
    #[arg(long, env = "QUARRY_SEARCH", value_name = "LIST")]
    pub search: Option<String>,
    /// Folder of another embedding model than the built-in one
    #[arg(long, env = "QUARRY_MODEL_DIR", value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Log level or tracing filter, such as `info` or `warn,quarry_kb=debug` [default: info]
    #[arg(long, env = "QUARRY_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Look of the log lines on stderr [default: text]
    #[arg(long, env = "QUARRY_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

macro_rules! first_of {
    ($a:expr, $b:expr, [$($field:ident),* $(,)?]) => {
        Settings { $($field: $a.$field.or($b.$field)),* }
    };
}

impl Settings {
    /// These settings, gaps filled from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        first_of!(
            self,
            other,
            [
                data_dir,
                listen,
                public_url,
                config,
                admin_token,
                plan,
                vector_quota,
                table_row_quota,
                storage_quota_bytes,
                max_file_bytes,
                max_tables,
                max_columns,
                rate_limit,
                fetch_allow,
                fetch_ports,
                fetch_contact,
                search_url,
                llm_url,
                llm_api_key,
                llm_model,
                script_workers,
                script_timeout_s,
                script_fetch,
                bot_webhook,
                code_in,
                cors_origins,
                auto_create_bots,
                threads,
                ingest_workers,
                ocr_command,
                pdf_engine,
                cache_bytes,
                search,
                model_dir,
                log,
                log_format,
            ]
        )
    }

    /// Reads the settings file if one is named, fills the gaps and checks everything.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let merged = match self.config.clone() {
            Some(path) => {
                let file = read_file(&path)?;
                self.or(file)
            }
            None => self,
        };
        merged.validate()
    }

    fn validate(self) -> Result<Config, ConfigError> {
        let listen = self.listen.unwrap_or_else(|| "127.0.0.1:7700".to_owned());
        let address = resolve_address(&listen)?;
        let loopback = address.ip().is_loopback();
        let plan = self.plan.map(Plan::figures);
        let (vectors, rows, bytes, tables) =
            plan.unwrap_or((100_000, 1_000_000, 10_000_000_000, DEFAULT_TABLES));
        if let Some(token) = &self.admin_token {
            check_token(token)?;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let config = Config {
            data_dir: self.data_dir.unwrap_or_else(|| PathBuf::from("quarry-data")),
            listen: address,
            loopback,
            public_url: self.public_url.map(|url| PublicUrl::parse(&url)).transpose()?,
            admin_token: self.admin_token,
            vector_quota: self.vector_quota.unwrap_or(vectors),
            table_row_quota: self.table_row_quota.unwrap_or(rows),
            storage_quota_bytes: self.storage_quota_bytes.unwrap_or(bytes),
            max_file_bytes: self.max_file_bytes.unwrap_or(100_000_000),
            max_tables: self.max_tables.unwrap_or(tables),
            max_columns: self.max_columns.unwrap_or(20),
            rate_limit: self.rate_limit.unwrap_or(if loopback { 0 } else { 100 }),
            fetch: outbound::client(self.fetch_allow, self.fetch_ports, self.fetch_contact)?,
            search_engine: outbound::search_engine(self.search_url)?,
            llm: outbound::language_model(self.llm_url, self.llm_api_key, self.llm_model)?,
            computing: Computing {
                script_workers: within("script_workers", self.script_workers.unwrap_or(4), 1, 64)?,
                script_timeout: computing::timeout(self.script_timeout_s)?,
                script_fetch: self.script_fetch.unwrap_or(false),
                webhook: computing::webhook(self.bot_webhook, self.code_in)?,
            },
            cors: Cors::parse(&self.cors_origins.unwrap_or_else(|| vec!["*".to_owned()]))?,
            auto_create_bots: self.auto_create_bots.unwrap_or(true),
            threads: within("threads", self.threads.unwrap_or(cores), 1, 256)?,
            ocr: self
                .ocr_command
                .as_deref()
                .map(Ocr::parse)
                .transpose()
                .map_err(|problem| wrong("ocr_command", problem))?,
            pdf_engine: match self.pdf_engine.as_deref().map(str::parse) {
                Some(Ok(PdfEngine::Pdfium)) if find_pdfium().is_none() => {
                    return Err(wrong(
                        "pdf_engine",
                        "needs the pdfium library: run scripts/setup, or choose auto",
                    ));
                }
                Some(engine) => engine.map_err(|problem: String| wrong("pdf_engine", problem))?,
                None => PdfEngine::Auto,
            },
            ingest_workers: within("ingest_workers", self.ingest_workers.unwrap_or(2), 1, 64)?,
            cache_bytes: self.cache_bytes.unwrap_or(256 << 20),
            search: tuning::search(self.search.as_deref())?,
            model_dir: self.model_dir,
            log: self.log.unwrap_or_else(|| "info".to_owned()),
            log_format: self.log_format.unwrap_or(LogFormat::Text),
        };
        within("max_columns", config.max_columns, 1, 1_000)?;
        if config.max_file_bytes == 0 {
            return Err(wrong("max_file_bytes", "must be at least 1"));
        }
        Ok(config)
    }
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of all data.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether only this machine can reach it.
    pub loopback: bool,
    /// Base of the URLs handed out; `None` = the `Host` of each request.
    pub public_url: Option<PublicUrl>,
    /// Admin token, when given.
    pub admin_token: Option<String>,
    /// Vectors per bot.
    pub vector_quota: u64,
    /// Rows × factor per bot.
    pub table_row_quota: u64,
    /// File bytes per bot.
    pub storage_quota_bytes: u64,
    /// Bytes per file.
    pub max_file_bytes: u64,
    /// Tables per bot.
    pub max_tables: usize,
    /// Columns per table.
    pub max_columns: usize,
    /// Requests per second and workspace; 0 = no limit.
    pub rate_limit: u32,
    /// What outbound requests may do.
    pub fetch: quarry_fetch::Settings,
    /// The search engine, when there is one.
    pub search_engine: Option<quarry_fetch::Endpoint>,
    /// The language model, when there is one.
    pub llm: Option<ChatSettings>,
    /// How computed columns are filled.
    pub computing: Computing,
    /// Browser origins.
    pub cors: Cors,
    /// Whether unknown bots may be used by the admin token.
    pub auto_create_bots: bool,
    /// Embedding threads.
    pub threads: usize,
    /// Files indexed at once.
    pub ingest_workers: usize,
    /// Reads PDF pages without text.
    pub ocr: Option<Ocr>,
    /// What reads PDFs.
    pub pdf_engine: PdfEngine,
    /// Cache budget in bytes.
    pub cache_bytes: usize,
    /// How searches weigh things.
    pub search: quarry_kb::SearchTuning,
    /// Another embedding model.
    pub model_dir: Option<PathBuf>,
    /// Log filter.
    pub log: String,
    /// Log format.
    pub log_format: LogFormat,
}

/// Which browser origins are answered. Requests carry bearer tokens, never cookies, so a foreign
/// page gains nothing by calling; the list exists for those who want it narrower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Every origin.
    Any,
    /// These only (none when empty).
    Only(Vec<String>),
}

impl Cors {
    fn parse(list: &[String]) -> Result<Self, ConfigError> {
        let items: Vec<&str> = list.iter().map(|item| item.trim()).filter(|item| !item.is_empty()).collect();
        if items == ["*"] {
            return Ok(Self::Any);
        }
        if items.is_empty() || items == ["none"] {
            return Ok(Self::Only(Vec::new()));
        }
        let fine = |origin: &&str| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '*']))
        };
        match items.iter().find(|item| !fine(item)) {
            Some(bad) => Err(wrong(
                "cors_origins",
                format!("holds {bad:?}; write origins such as https://app.example.org, or * or none"),
            )),
            None => Ok(Self::Only(items.into_iter().map(str::to_owned).collect())),
        }
    }

    /// Whether this origin is answered.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => list.iter().any(|known| known == origin),
        }
    }
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
    toml::from_str(&text)
        .map_err(|cause| ConfigError::Parse { path: path.to_owned(), cause: Box::new(cause) })
}

fn resolve_address(listen: &str) -> Result<SocketAddr, ConfigError> {
    let form = "must be HOST:PORT, such as 127.0.0.1:7700";
    listen
        .to_socket_addrs()
        .map_err(|cause| wrong("listen", format!("{form}; got {listen:?} ({cause})")))?
        .next()
        .ok_or_else(|| wrong("listen", format!("{form}; {listen:?} names no address")))
}

fn check_token(token: &str) -> Result<(), ConfigError> {
    let fine = !token.is_empty() && token.len() <= 512 && token.bytes().all(|b| b.is_ascii_graphic());
    if fine {
        return Ok(());
    }
    Err(wrong("admin_token", "must be 1 to 512 visible ASCII characters without spaces"))
}

fn within(name: &'static str, value: usize, low: usize, high: usize) -> Result<usize, ConfigError> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(wrong(name, format!("must be {low} to {high}, got {value}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_and_presets() {
        let plain = Settings::default().resolve().unwrap();
        assert_eq!(plain.listen.to_string(), "127.0.0.1:7700");
        assert_eq!((plain.vector_quota, plain.table_row_quota), (100_000, 1_000_000));
        assert_eq!((plain.storage_quota_bytes, plain.max_file_bytes), (10_000_000_000, 100_000_000));
        assert_eq!(plain.rate_limit, 0);

        let open = Settings { listen: Some("0.0.0.0:0".to_owned()), ..Settings::default() };
        assert_eq!(open.resolve().unwrap().rate_limit, 100);
    }

    #[test]
    fn every_plan_has_its_documented_figures_and_settings_override_them() {
        // Vectors, rows × factor, bytes, tables, columns; 20,000 bytes of vector storage are one vector.
        let documented = [
            (Plan::Free, 5_000, 10_000, 500_000_000, 10),
            (Plan::Community, 100_000_000 / 20_000, 1_000, 100_000_000, 1_000),
            (Plan::Plus, 1_000_000_000 / 20_000, 100_000, 10_000_000_000, 1_000),
            (Plan::Team, 2_000_000_000 / 20_000, 100_000, 10_000_000_000, 1_000),
            (Plan::Enterprise, 500_000_000_000 / 20_000, 10_000_000, 1_000_000_000_000, 1_000),
        ];
        for (plan, vectors, rows, bytes, tables) in documented {
            let preset = Settings { plan: Some(plan), ..Settings::default() };
            let config = preset.clone().resolve().unwrap();
            let got = (config.vector_quota, config.table_row_quota, config.storage_quota_bytes);
            assert_eq!(got, (vectors, rows, bytes), "{plan:?}");
            assert_eq!((config.max_tables, config.max_columns), (tables, 20), "{plan:?}");
            assert_eq!((config.max_file_bytes, config.rate_limit), (100_000_000, 0), "{plan:?}");
            let word = clap::ValueEnum::to_possible_value(&plan).unwrap().get_name().to_owned();
            let from_file: Settings = toml::from_str(&format!("plan = \"{word}\"")).unwrap();
            assert_eq!(from_file.plan, Some(plan), "the same word in flags, variables and files");

            let own = Settings {
                vector_quota: Some(1),
                table_row_quota: Some(2),
                storage_quota_bytes: Some(3),
                max_tables: Some(4),
                max_columns: Some(5),
                max_file_bytes: Some(6),
                ..preset
            };
            let config = own.resolve().unwrap();
            let got = (config.vector_quota, config.table_row_quota, config.storage_quota_bytes);
            assert_eq!(got, (1, 2, 3), "{plan:?}");
            assert_eq!((config.max_tables, config.max_columns, config.max_file_bytes), (4, 5, 6), "{plan:?}");
        }
    }

    #[test]
    fn the_file_fills_gaps_and_refuses_unknown_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quarry.toml");
        std::fs::write(&path, "vector_quota = 5\nplan = \"team\"\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let flags = Settings {
            config: Some(path.clone()),
            listen: Some("127.0.0.1:2".to_owned()),
            ..Settings::default()
        };
        let config = flags.clone().resolve().unwrap();
        assert_eq!((config.vector_quota, config.listen.port()), (5, 2));
        assert_eq!(config.table_row_quota, 100_000);

        std::fs::write(&path, "vector_qouta = 5\n").unwrap();
        let message = flags.clone().resolve().unwrap_err().to_string();
        assert!(message.contains("vector_qouta"), "{message}");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(flags.resolve(), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn wrong_values_name_the_setting() {
        let message = |settings: Settings| settings.resolve().unwrap_err().to_string();
        let base = Settings::default;
        assert!(message(Settings { listen: Some("7700".into()), ..base() }).contains("listen"));
        assert!(message(Settings { pdf_engine: Some("mupdf".into()), ..base() }).contains("pdf-extract"));
        assert!(message(Settings { admin_token: Some(String::new()), ..base() }).contains("admin_token"));
        assert!(message(Settings { public_url: Some("ftp://x".into()), ..base() }).contains("public_url"));
        assert!(
            message(Settings { cors_origins: Some(vec!["app".into()]), ..base() }).contains("cors_origins")
        );
        assert!(message(Settings { threads: Some(0), ..base() }).contains("threads"));
    }
}
