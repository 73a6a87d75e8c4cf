//! `coms serve`: the server, until it is told to stop.

mod known_heads;

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::stop_signal::StopSignal;
use super::{CliError, Exit, Globals, SettingsArgs};
use crate::central::Heartbeat;
use crate::config::ServerConfig;
use crate::server::{End, Patience, Profile, Server, ServerOptions, StartError, listen, lock};
use crate::storage::{LockError, StorageError};
use crate::telemetry::{self, TelemetryError};
use crate::time::Clock;

/// Run the server
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Serve the database although a longer or another log of this server is known on this machine
    #[arg(long)]
    new_database: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Serve {
    /// Serves until SIGTERM or Ctrl-C, then drains.
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let config = self.settings.read::<ServerConfig>(globals)?;
        run(config, &self.settings.path(), self.new_database, globals)
    }
}

/// How much older than a new database the configuration is when that is suspicious.
const SETTLED: Duration = Duration::from_hours(24);

/// Serves with `config`, which comes from `env_file` if there is one, until SIGTERM or Ctrl-C, then drains.
pub(super) fn run(
    config: ServerConfig,
    env_file: &Path,
    new_database: bool,
    globals: &Globals,
) -> Result<Exit, CliError> {
    let _telemetry =
        telemetry::init(&globals.logging(config.log.clone()), globals.colors_stderr()).map_err(log_error)?;
    forbid_core_dumps();
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("cannot start the runtime: {error}")))?;
    let exit = runtime.block_on(serve(config, env_file, new_database));
    // A read that hangs on the disk must not hold up the end of the process.
    runtime.shutdown_background();
    exit
}

async fn serve(config: ServerConfig, env_file: &Path, new_database: bool) -> Result<Exit, CliError> {
    let mut stop = StopSignal::listen()?;
    let (host, port) = (config.host, config.port);
    // Before the port: of two servers in one place, the second is to hear of the first.
    let mut options = options(config)?;
    let path = options.lock.path().to_owned();
    let known = known_heads::check(&path, &options.profile.server_id, new_database)?;
    options.overruled_heads = known.overruled;
    let listener = listen(host, port).map_err(|error| port_error(port, &error))?;
    if known.is_new {
        say_new(&path, env_file);
    }
    let server = Server::start(listener, options).await.map_err(|error| start_error(&error))?;
    tracing::info!(address = %server.address(), version = env!("CARGO_PKG_VERSION"), "server is listening");
    exit(server.run_until(stop.received()).await)
}

/// Says that an empty database will be made; loudly where there probably was one before.
fn say_new(path: &Path, env_file: &Path) {
    let database = path.display();
    let modified = std::fs::metadata(env_file).and_then(|file| file.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    if age.is_some_and(|age| age > SETTLED) {
        let env_file = env_file.display();
        tracing::warn!(
            %database, %env_file,
            "there is no database: a new, empty one is made; if this server had one before, check DB_PATH"
        );
    } else {
        tracing::info!(%database, "there is no database: a new, empty one is made");
    }
}

/// What is said when a server has ended.
pub(super) fn exit(end: End) -> Result<Exit, CliError> {
    match end {
        End::Stopped => tracing::info!("server stopped"),
        End::Overdue => tracing::warn!("server stopped before all connections had ended"),
        End::Failed(failure) => {
            return Err(CliError::failed(format!("storage failed: {failure}")).hint(
                "the server stopped so that nothing is acknowledged that the disk may not hold; check the disk, then \
                 start again",
            ));
        }
    }
    Ok(Exit::Done)
}

/// What the server is started with, out of its configuration.
pub(super) fn options(config: ServerConfig) -> Result<ServerOptions, CliError> {
    let lock = lock(&config.database.path).map_err(|error| start_error(&error))?;
    let clock = Clock::system();
    let server_id = config.identity.server_id;
    let heartbeat = Heartbeat::new(&config.central.url, &server_id, config.central.api_key, clock.clone())
        .map_err(|error| CliError::failed(error.to_string()))?;
    Ok(ServerOptions {
        profile: Profile {
            server_id,
            server_name: config.name,
            features: config.features,
            session_expiry: config.session_expiry,
            allowed_origins: config.allowed_origins,
        },
        signing_key: config.identity.signing_key,
        central_keys: config.central.public_keys,
        heartbeat,
        lock,
        overruled_heads: Vec::new(),
        bounds: config.bounds,
        patience: Patience::default(),
        clock,
    })
}

fn port_error(port: u16, error: &std::io::Error) -> CliError {
    match error.kind() {
        ErrorKind::AddrInUse => CliError::usage(format!("port {port} is in use by another program"))
            .hint("stop that program, or set PORT to a free port"),
        ErrorKind::PermissionDenied => CliError::usage(format!("not allowed to listen on port {port}"))
            .hint("ports below 1024 need rights; set PORT to a higher one and let a proxy forward to it"),
        _ => CliError::usage(format!("cannot listen on port {port}: {error}")).hint("check HOST and PORT"),
    }
}

/// A directory that can't be used is a mistake in the configuration.
fn log_error(error: TelemetryError) -> CliError {
    match error {
        TelemetryError::Files { .. } => CliError::usage(format!("{:#}", anyhow::Error::from(error)))
            .hint("check LOG_DIR, and that this user may write there"),
        TelemetryError::Twice => CliError::from(anyhow::Error::from(error)),
    }
}

/// What a person is told when the server does not start.
pub(super) fn start_error(error: &StartError) -> CliError {
    let words = error.to_string();
    let usage = CliError::usage(words.clone());
    match error {
        StartError::Lock(LockError::Held { .. }) | StartError::Storage(StorageError::Lock(LockError::Held { .. })) => {
            usage.hint("stop that process, or set DB_PATH to another file")
        }
        StartError::Adopt(error) => super::adopt::explain(error),
        StartError::Storage(StorageError::Newer { .. }) => {
            usage.hint("run the newer coms, or restore a backup made before it")
        }
        StartError::Storage(StorageError::OtherServer { .. }) => usage.hint("check SERVER_ID and DB_PATH"),
        StartError::Storage(StorageError::OtherKey { .. }) => {
            usage.hint("check SERVER_SECRET_KEY and DB_PATH: with another key, the chain would break")
        }
        StartError::Storage(StorageError::Network { .. }) => usage.hint("set DB_PATH to a file on a local disk"),
        StartError::Storage(StorageError::Foreign { .. }) => usage.hint("set DB_PATH to another file"),
        StartError::Storage(StorageError::ChangedSchema { .. }) => {
            usage.hint("undo that change, or restore a backup: `coms restore`")
        }
        StartError::Lock(_)
        | StartError::Directory { .. }
        | StartError::Storage(StorageError::Open { .. } | StorageError::Lock(_)) => {
            usage.hint("check DB_PATH, and that this user may write there")
        }
        StartError::Storage(_) | StartError::Listener(_) => CliError::failed(words),
    }
}

/// Connections are open files: as many as the system allows.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

/// A memory image on the disk would hold the keys.
fn forbid_core_dumps() {
    #[cfg(unix)]
    if let Err(error) = rlimit::Resource::CORE.set(0, 0) {
        tracing::warn!(%error, "cannot forbid core dumps");
    }
}
