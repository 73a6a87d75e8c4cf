//! What commands use of the configuration, as typed values.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::fault::Fault;
use super::reader::{Group, Reader};
use super::table;
use super::value::{self, Origins};
use super::words::{ChainAccess, Deployment, LogFormat, LogLevel, SessionExpiry};
use crate::ids::ServerId;
use crate::keys::{PublicKey, SigningKey};
use crate::secret::Secret;

/// Who the server is. Its public key is that of `signing_key`: a configuration that says otherwise is refused.
#[derive(Debug)]
pub struct Identity {
    /// `SERVER_ID`.
    pub server_id: ServerId,
    /// `SERVER_SECRET_KEY`, to which `SERVER_PUBLIC_KEY` belongs.
    pub signing_key: SigningKey,
}

impl Group for Identity {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let server_id = reader.value(&table::SERVER_ID, value::server_id);
        let signing_key = reader.value(&table::SERVER_SECRET_KEY, value::secret_key);
        let public_key = reader.value(&table::SERVER_PUBLIC_KEY, value::public_key);
        if let (Some(secret), Some(public)) = (&signing_key, &public_key)
            && secret.public() != *public
        {
            reader.fault(Fault::KeysContradict { expected: secret.public().to_string() });
        }
        Some(Self { server_id: server_id?, signing_key: signing_key? })
    }
}

/// Who the server is, as far as someone needs to know who verifies its log: either may be missing.
#[derive(Debug, Clone, Default)]
pub struct PublicIdentity {
    /// `SERVER_ID`.
    pub server_id: Option<ServerId>,
    /// `SERVER_PUBLIC_KEY`.
    pub public_key: Option<PublicKey>,
}

impl Group for PublicIdentity {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let server_id = reader.optional(&table::SERVER_ID, value::server_id);
        let public_key = reader.optional(&table::SERVER_PUBLIC_KEY, value::public_key);
        Some(Self { server_id: server_id?, public_key: public_key? })
    }
}

/// The service that vouches for people.
#[derive(Debug)]
pub struct CentralConfig {
    /// `CENTRAL_URL`, `http` or `https`. Its path may end in `/` or not.
    pub url: Url,
    /// `CENTRAL_API_KEY`, printable ASCII.
    pub api_key: Secret,
    /// `CENTRAL_PUBLIC_KEY`, one to four.
    pub public_keys: Vec<PublicKey>,
}

impl Group for CentralConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.value(&table::CENTRAL_URL, value::http_url);
        let api_key = reader.value(&table::CENTRAL_API_KEY, value::api_key);
        let public_keys = reader.value(&table::CENTRAL_PUBLIC_KEY, value::public_keys);
        Some(Self { url: url?, api_key: api_key?, public_keys: public_keys? })
    }
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `DB_PATH`; relative paths of the `.env` file are resolved.
    pub path: PathBuf,
}

impl Group for DatabaseConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let path = reader.path(&table::DB_PATH)?;
        // Earlier versions started every path at the working directory.
        let earlier = reader.value(&table::DB_PATH, value::path)?;
        let has_database = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0);
        if !has_database(&path) && has_database(&earlier) {
            let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
            reader.fault(Fault::DatabaseElsewhere { path: absolute(path), earlier: absolute(earlier) });
            return None;
        }
        Some(Self { path })
    }
}

/// What people can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// `FEATURE_TEXT_CHANNELS`.
    pub text_channels: bool,
    /// `FEATURE_ANNOUNCEMENT_CHANNELS`.
    pub announcement_channels: bool,
    /// `FEATURE_LOG_CHAIN`: the chain's routes and its place in the manifest. The chain is always written.
    pub log_chain: bool,
    /// `CHAIN_ACCESS`.
    pub chain_access: ChainAccess,
    /// `MAX_HISTORY_PER_REQUEST`, in messages.
    pub max_history: usize,
}

impl Group for Features {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let text_channels = reader.switch(&table::FEATURE_TEXT_CHANNELS);
        let announcement_channels = reader.switch(&table::FEATURE_ANNOUNCEMENT_CHANNELS);
        let log_chain = reader.switch(&table::FEATURE_LOG_CHAIN);
        let chain_access = reader.word(&table::CHAIN_ACCESS);
        let max_history = reader.whole(&table::MAX_HISTORY_PER_REQUEST);
        Some(Self {
            text_channels: text_channels?,
            announcement_channels: announcement_channels?,
            log_chain: log_chain?,
            chain_access: chain_access?,
            max_history: max_history?,
        })
    }
}

/// What is logged, how, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `LOG_LEVEL`.
    pub level: LogLevel,
    /// `LOG_FORMAT`.
    pub format: LogFormat,
    /// `LOG_DIR`: daily files in this directory, beside standard error.
    pub dir: Option<PathBuf>,
    /// `LOG_KEEP_DAYS`: how many daily files are kept.
    pub keep_days: usize,
}

impl Group for LogConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let level = reader.word(&table::LOG_LEVEL);
        let format = reader.word(&table::LOG_FORMAT);
        let dir = reader.optional_path(&table::LOG_DIR);
        let keep_days = reader.whole(&table::LOG_KEEP_DAYS);
        Some(Self { level: level?, format: format?, dir: dir?, keep_days: keep_days? })
    }
}

/// How much of everything there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// `MAX_CONNECTIONS`; `None` is unlimited.
    pub max_connections: Option<usize>,
    /// `MAX_HANDSHAKES`: connections that have not authenticated yet.
    pub max_handshakes: usize,
    /// `HANDSHAKE_TIMEOUT_SECS`.
    pub handshake_timeout: Duration,
    /// `KEEP_ALIVE_SECS`: how long an HTTP connection that was answered may be idle.
    pub keep_alive: Duration,
    /// `MAX_FRAME_BYTES`: the largest inbound message.
    pub max_frame_bytes: usize,
    /// `MAX_INFLIGHT`: unanswered requests of one connection.
    pub max_inflight: usize,
    /// `MAX_QUEUE_BYTES`: what may wait for one connection.
    pub max_queue_bytes: usize,
    /// `MAX_PENDING_COMMANDS`: what may wait for the writer.
    pub max_pending_commands: usize,
    /// `DRAIN_TIMEOUT_SECS`.
    pub drain_timeout: Duration,
}

impl Group for Bounds {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let max_connections = reader.whole::<usize>(&table::MAX_CONNECTIONS);
        let max_handshakes = reader.whole(&table::MAX_HANDSHAKES);
        let handshake_timeout = reader.whole(&table::HANDSHAKE_TIMEOUT_SECS).map(Duration::from_secs);
        let keep_alive = reader.whole(&table::KEEP_ALIVE_SECS).map(Duration::from_secs);
        let max_frame_bytes = reader.whole(&table::MAX_FRAME_BYTES);
        let max_inflight = reader.whole(&table::MAX_INFLIGHT);
        let max_queue_bytes = reader.whole(&table::MAX_QUEUE_BYTES);
        let max_pending_commands = reader.whole(&table::MAX_PENDING_COMMANDS);
        let drain_timeout = reader.whole(&table::DRAIN_TIMEOUT_SECS).map(Duration::from_secs);
        Some(Self {
            max_connections: Some(max_connections?).filter(|limit| *limit > 0),
            max_handshakes: max_handshakes?,
            handshake_timeout: handshake_timeout?,
            keep_alive: keep_alive?,
            max_frame_bytes: max_frame_bytes?,
            max_inflight: max_inflight?,
            max_queue_bytes: max_queue_bytes?,
            max_pending_commands: max_pending_commands?,
            drain_timeout: drain_timeout?,
        })
    }
}

/// Everything that `coms serve` uses.
#[derive(Debug)]
pub struct ServerConfig {
    /// Who the server is.
    pub identity: Identity,
    /// `SERVER_NAME`.
    pub name: String,
    /// `ENV`.
    pub deployment: Deployment,
    /// Central.
    pub central: CentralConfig,
    /// `SESSION_EXPIRY`.
    pub session_expiry: SessionExpiry,
    /// `HOST`; `None` is all interfaces: `::` for IPv6 and IPv4, `0.0.0.0` where there is no IPv6.
    pub host: Option<IpAddr>,
    /// `PORT`; 0 lets the system choose.
    pub port: u16,
    /// `ALLOWED_ORIGINS`, and the server's own origin by `PUBLIC_URL`.
    pub allowed_origins: Origins,
    /// The database.
    pub database: DatabaseConfig,
    /// What people can do.
    pub features: Features,
    /// What is logged.
    pub log: LogConfig,
    /// How much of everything there may be.
    pub bounds: Bounds,
}

impl Group for ServerConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let identity = Identity::read(reader);
        let name = reader.value(&table::SERVER_NAME, value::name);
        let deployment = reader.word(&table::ENV);
        let central = CentralConfig::read(reader);
        let session_expiry = reader.word(&table::SESSION_EXPIRY);
        let host = reader.optional(&table::HOST, value::address);
        let port = reader.whole(&table::PORT);
        let allowed_origins = reader.optional(&table::ALLOWED_ORIGINS, value::origins);
        let public_url = reader.optional(&table::PUBLIC_URL, value::http_url);
        let database = DatabaseConfig::read(reader);
        let features = Features::read(reader);
        let log = LogConfig::read(reader);
        let bounds = Bounds::read(reader);
        if deployment == Some(Deployment::Prod) {
            for exposure in reader.settings().exposures() {
                reader.fault(exposure);
            }
        }
        Some(Self {
            identity: identity?,
            name: name?,
            deployment: deployment?,
            central: central?,
            session_expiry: session_expiry?,
            host: host?,
            port: port?,
            allowed_origins: allowed_origins?.unwrap_or(Origins::ANY).with_own(public_url?.as_ref()),
            database: database?,
            features: features?,
            log: log?,
            bounds: bounds?,
        })
    }
}
