//! The server: HTTP and WebSocket, and what carries events to connections.
//!
//! [`Server::start`] takes a listener that is bound already, so that whoever starts it knows the port, and returns once it
//! serves; [`Server::drain`] ends it without losing anything.

mod accept;
mod attendance;
mod bearer;
mod close_code;
mod connect;
mod connection;
mod control_limit;
mod cross_origin;
mod ending;
mod ephemeral;
mod frame;
mod frame_log;
mod handshakes;
mod http_error;
mod hub;
mod listener;
mod liveness;
mod log_access;
mod log_chain;
mod log_stream;
mod log_streams;
mod opening;
mod outbox;
mod patience;
mod pending;
mod presence;
mod publisher;
mod routes;
mod send_queue;
mod session;
mod shared;
mod signed_heads;
mod sockets;
mod typing;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::hub::Hub;
use self::log_streams::LogStreams;
use self::presence::Presence;
use self::publisher::{Publisher, ReplyTo};
use self::shared::Shared;
use self::signed_heads::SignedHeads;
use crate::central::{Heartbeat, TokenVerifier};
use crate::channels::{AdoptError, Directory, Reading, Writer, WriterOptions, WriterState, head_of};
use crate::config::Bounds;
use crate::keys::{PublicKey, SigningKey};
use crate::staged_file::{create_directories, folder_of};
use crate::storage::{DatabaseLock, LockError, Readers, StorageError};
use crate::time::Clock;

pub use listener::listen;
pub use patience::Patience;
pub use shared::Profile;

/// How many connections to the database read at the same time.
const READERS: usize = 4;

/// How a server is called in the lock of its database.
const HOLDER: &str = "coms serve";

/// The part of the time for draining that is kept for the writer's last commit.
const LAST_COMMIT_SHARE: u32 = 10;

/// What a server is started with.
pub struct ServerOptions {
    /// What it is.
    pub profile: Profile,
    /// Its key.
    pub signing_key: SigningKey,
    /// Central's keys.
    pub central_keys: Vec<PublicKey>,
    /// Tells Central that the server lives, and shows whether Central does.
    pub heartbeat: Heartbeat,
    /// The lock of the database: [`lock`] takes it.
    pub lock: DatabaseLock,
    /// Heads of a longer or another log of this server that are known and passed over, a line of text each.
    pub overruled_heads: Vec<String>,
    /// Bounds on what clients can make it do.
    pub bounds: Bounds,
    /// How long it waits for them.
    pub patience: Patience,
    /// The time.
    pub clock: Clock,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else writes to the database.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database can't be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A database of the Go reference server can't be taken over.
    #[error("cannot take over the database of the Go reference server: {0}")]
    Adopt(#[from] AdoptError),
    /// The directory for the database can't be made.
    #[error("cannot make the directory `{path}` for the database: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The listener is unusable.
    #[error("cannot use the listening socket: {0}")]
    Listener(std::io::Error),
}

/// How a server has ended. What it had accepted is stored, unless storage failed.
#[derive(Debug)]
pub enum End {
    /// As it should.
    Stopped,
    /// Some connections had to be cut off.
    Overdue,
    /// Storage failed, and this is why.
    Failed(String),
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    writer: Writer<ReplyTo>,
    /// The accept loop, the heartbeat, the pacing of wake-ups.
    tasks: JoinSet<()>,
    lock: DatabaseLock,
}

impl Server {
    /// Opens the database and serves on `listener`.
    pub async fn start(listener: TcpListener, options: ServerOptions) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(StartError::Listener)?;
        let ServerOptions {
            profile,
            signing_key,
            central_keys,
            heartbeat,
            lock,
            overruled_heads,
            bounds,
            patience,
            clock,
        } = options;
        lock.say(&format!("{HOLDER} on {address}"))?;
        let signing_key = Arc::new(signing_key);
        let (server_id, key, now) = (profile.server_id.clone(), signing_key.clone(), clock.now());
        let (database, its_lock) = (lock.path().to_owned(), lock.clone());
        let opened =
            tokio::task::spawn_blocking(move || opening::open(&its_lock, &server_id, &key, &overruled_heads, now));
        let opened = opened.await;
        let mut store = opened.map_err(|_| StorageError::Stopping)??;
        Directory::found(&mut store, clock.now())?;
        let directory = Arc::new(Directory::load(store.database(), profile.features)?);
        let head = head_of(store.database().head()?);
        tracing::info!(
            server_id = %profile.server_id, name = profile.server_name, database = %lock.path().display(),
            entries = head.length, "database opened"
        );
        let hub = Arc::new(Hub::new(bounds.max_queue_bytes, head));
        let writer_options = WriterOptions {
            key: signing_key.clone(),
            directory: directory.clone(),
            clock: clock.clone(),
            max_pending: bounds.max_pending_commands,
        };
        let publisher = Publisher { hub: hub.clone(), clock: clock.clone() };
        let writer = Writer::start(store, writer_options, publisher)?;
        let readers = Readers::open(&database, READERS)?;
        let max_history = u32::try_from(profile.features.max_history).unwrap_or(u32::MAX);
        let shared = Arc::new(Shared {
            verifier: TokenVerifier::new(profile.server_id.clone(), &central_keys),
            verifying: Semaphore::new(1),
            central: heartbeat.state(),
            log_streams: LogStreams::default(),
            signed_heads: SignedHeads::default(),
            readers: readers.clone(),
            reading: Reading::new(readers, directory.clone(), max_history, clock.clone()),
            profile,
            bounds,
            patience,
            signing_key,
            clock,
            hub,
            presence: Presence::default(),
            directory,
            commands: writer.commands().downgrade(),
            writer: writer.state(),
            draining: watch::Sender::new(false),
            connections: TaskTracker::new(),
            overdue: CancellationToken::new(),
            open_connections: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        let hub = shared.hub.clone();
        tasks.spawn(async move { hub.pace().await });
        // The listener is bound, so a heartbeat that comes back to this very server waits in its backlog until it accepts.
        tasks.spawn(accept::accept(listener, shared.clone()));
        tasks.spawn(heartbeat.run());
        Ok(Self { address, shared, writer, tasks, lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready or storage fails, then drains.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> End {
        let failure = tokio::select! {
            () = stop => None,
            failure = self.failure() => Some(failure),
        };
        tracing::info!("server is draining");
        let in_time = self.drain().await;
        match failure {
            Some(failure) => End::Failed(failure),
            None if in_time => End::Stopped,
            None => End::Overdue,
        }
    }

    /// Waits until the writer has given up; says why. As long as all is well, this does not end.
    async fn failure(&self) -> String {
        let mut state = self.shared.writer.clone();
        let failed = state.wait_for(|state| matches!(state, WriterState::Failed(_))).await;
        match failed.as_deref() {
            Ok(WriterState::Failed(error)) => error.clone(),
            _ => "the writer has stopped".to_owned(),
        }
    }

    /// Stops: no new connections; what was accepted is committed and acknowledged; connections close with 1001.
    ///
    /// Returns whether everything ended in time; what did not is cut off.
    pub async fn drain(mut self) -> bool {
        let deadline = Instant::now() + self.shared.bounds.drain_timeout;
        let last_commit = self.shared.bounds.drain_timeout / LAST_COMMIT_SHARE;
        self.shared.draining.send_replace(true);
        let connections = &self.shared.connections;
        connections.close();
        let in_time = timeout_at(deadline - last_commit, connections.wait()).await.is_ok();
        self.shared.overdue.cancel();
        connections.wait().await;
        self.tasks.shutdown().await;
        let (done, finished) = oneshot::channel();
        let (writer, lock) = (self.writer, self.lock);
        // A thread of its own: a disk that hangs must not hold up the end of the process.
        std::thread::spawn(move || {
            writer.finish();
            drop(lock);
            done.send(()).ok();
        });
        timeout_at(deadline.max(Instant::now() + last_commit), finished).await.is_ok_and(|done| done.is_ok()) && in_time
    }
}

/// Takes the lock of the database at `path`, for which a directory is made if there is none.
pub fn lock(path: &Path) -> Result<DatabaseLock, StartError> {
    let parent = folder_of(path);
    create_directories(parent).map_err(|source| StartError::Directory { path: parent.to_owned(), source })?;
    Ok(DatabaseLock::take(path, HOLDER)?)
}
