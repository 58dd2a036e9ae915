//! Log lines on stderr: structured fields, never document text, queries or tokens.

use crate::config::{Config, ConfigError, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts logging for the whole process; a second call changes nothing.
///
/// # Errors
/// When the filter is malformed.
pub(crate) fn init(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(directives(&config.log)).map_err(|cause| ConfigError::Value {
        name: "log",
        problem: format!("must be a level or a tracing filter such as warn,quarry_kb=debug: {cause}"),
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match config.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
    Ok(())
}

/// A bare level is for our own crates; libraries then speak from `warn` on.
fn directives(setting: &str) -> String {
    match setting.to_ascii_lowercase().as_str() {
        level @ ("trace" | "debug" | "info") => format!("warn,quarry={level}"),
        _ => setting.to_owned(),
    }
}
