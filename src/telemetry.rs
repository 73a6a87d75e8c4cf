//! Where log lines go: to standard error, for people or as JSON, and to daily files if a directory is configured.
//!
//! Only our own modules log at the configured level; of the libraries below, which may log the bytes that they carry,
//! warnings and errors are all that is let through. So no level shows a token, a key or what people wrote.
//!
//! Lines are written by threads of their own: a collector that stalls makes the log lose lines, not the server wait.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tracing::{Dispatch, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::staged_file::create_directories;

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log files can't be written.
    #[error("cannot write log files in `{path}`")]
    Files {
        /// `LOG_DIR`.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Something else logs already.
    #[error("logging was set up before")]
    Twice,
}

/// Keeps logging alive; what waits is written when it goes.
#[must_use = "what waits to be written is lost without it"]
pub struct Telemetry {
    _writers: Vec<WorkerGuard>,
}

/// Logs everything from here on as `log` says, to standard error with colours if `colored`.
pub fn init(log: &LogConfig, colored: bool) -> Result<Telemetry, TelemetryError> {
    let (dispatch, telemetry) = dispatch(log, colored, io::stderr())?;
    dispatch.try_init().map_err(|_| TelemetryError::Twice)?;
    Ok(telemetry)
}

fn dispatch(
    log: &LogConfig,
    colored: bool,
    stderr: impl io::Write + Send + 'static,
) -> Result<(Dispatch, Telemetry), TelemetryError> {
    let (stderr, guard) = tracing_appender::non_blocking(stderr);
    let mut writers = vec![guard];
    let mut layers = vec![layer(log.format, colored, stderr)];
    if let Some(files) = daily_files(log)? {
        let (files, guard) = tracing_appender::non_blocking(files);
        writers.push(guard);
        layers.push(layer(log.format, false, files));
    }
    let dispatch = Dispatch::new(Registry::default().with(layers).with(filter(log.level)));
    Ok((dispatch, Telemetry { _writers: writers }))
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Trace => Level::TRACE,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
        LogLevel::Error => Level::ERROR,
    };
    let others = LevelFilter::WARN.min(level.into());
    Targets::new().with_default(others).with_target(env!("CARGO_CRATE_NAME"), level)
}

fn layer<S>(format: LogFormat, colored: bool, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_ansi(colored).with_writer(writer);
    match format {
        LogFormat::Human => Box::new(layer.with_target(false)),
        LogFormat::Json => Box::new(layer.json().flatten_event(true)),
    }
}

/// `coms.2026-11-24.log` and so on in `LOG_DIR`, one a day (UTC), the oldest removed when there are too many.
fn daily_files(log: &LogConfig) -> Result<Option<RollingFileAppender>, TelemetryError> {
    let Some(path) = &log.dir else { return Ok(None) };
    let failed = |cause| TelemetryError::Files { path: path.clone(), cause };
    // The appender makes the directory, too, but prints what goes wrong when it looks for old files in it.
    if !path.exists() {
        create_directories(path).map_err(failed)?;
    }
    for entry in fs::read_dir(path).map_err(failed)?.filter_map(Result::ok) {
        let name = entry.file_name();
        let is_log = name.to_str().is_some_and(|name| name.starts_with("coms."));
        if is_log && is_link(&entry.path()).map_err(failed)? {
            let name = name.display();
            return Err(failed(io::Error::other(format!(
                "`{name}` there is a link, and would lead into another file"
            ))));
        }
    }
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("coms")
        .filename_suffix("log")
        .max_log_files(log.keep_days)
        .build(path);
    files.map(Some).map_err(|error| failed(io::Error::other(error)))
}

/// Whether what is written to `path` would go into a file of another name.
fn is_link(path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    #[cfg(unix)]
    let has_other_names = std::os::unix::fs::MetadataExt::nlink(&metadata) > 1;
    #[cfg(not(unix))]
    let has_other_names = false;
    Ok(metadata.is_symlink() || (metadata.is_file() && has_other_names))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn config(level: LogLevel, format: LogFormat, dir: Option<PathBuf>) -> LogConfig {
        LogConfig { level, format, dir, keep_days: 2 }
    }

    /// What is logged under `log` by a few events of ours and of a library.
    fn logged(log: &LogConfig) -> String {
        let buffer = Buffer::default();
        let (dispatch, telemetry) = dispatch(log, false, buffer.clone()).expect("logging");
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!(port = 3000, "listening");
            tracing::debug!("a detail");
            tracing::debug!(target: "hyper::proto", "bytes of a request");
            tracing::warn!(target: "rustls", "a library's warning");
        });
        drop(telemetry);
        let bytes = buffer.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn people_read_lines_and_collectors_objects() {
        let human = logged(&config(LogLevel::Info, LogFormat::Human, None));
        assert!(human.contains("INFO listening port=3000\n"), "{human}");
        let json = logged(&config(LogLevel::Info, LogFormat::Json, None));
        let first: serde_json::Value = serde_json::from_str(json.lines().next().expect("a line")).expect("an object");
        assert_eq!(first["message"], "listening");
        assert_eq!(first["port"], 3000);
        assert_eq!(first["level"], "INFO");
    }

    #[test]
    fn the_level_holds_for_us_and_libraries_only_warn() {
        let everything = logged(&config(LogLevel::Trace, LogFormat::Human, None));
        assert!(everything.contains("a detail") && everything.contains("a library's warning"));
        assert!(!everything.contains("bytes of a request"), "{everything}");
        let info = logged(&config(LogLevel::Info, LogFormat::Human, None));
        assert!(!info.contains("a detail"), "{info}");
        assert_eq!(logged(&config(LogLevel::Error, LogFormat::Human, None)), "");
    }

    #[test]
    fn log_files_are_daily_and_the_oldest_go() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("logs");
        fs::create_dir(&path).expect("a directory");
        for day in ["coms.2020-01-01.log", "coms.2020-01-02.log", "coms.2020-01-03.log"] {
            fs::write(path.join(day), "old\n").expect("a file");
        }
        fs::write(path.join("notes.txt"), "mine\n").expect("a file");
        drop(logged(&config(LogLevel::Info, LogFormat::Human, Some(path.clone()))));
        let mut names: Vec<_> = fs::read_dir(&path)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        names.sort_unstable();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(names.last().map(String::as_str), Some("notes.txt"));
        let today = fs::read_to_string(path.join(&names[1])).expect("a log file");
        assert!(today.contains("listening"), "{today}");
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_a_failure() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let log = config(LogLevel::Info, LogFormat::Human, Some(file.path().join("logs")));
        let failure = dispatch(&log, false, io::sink()).map(|_| ()).expect_err("no directory");
        assert!(failure.to_string().starts_with("cannot write log files in"), "{failure}");
    }
}
