//! A small but real Central for `coms dev` and for the tests: it knows servers by their API keys, gives people tokens,
//! and takes heartbeats. It believes anyone who they say they are, so it is for loopback only.

pub(super) mod issue;
mod key_file;
mod routes;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::join::JoinedUser;
use crate::ids::{ServerId, UserId};
use crate::keys::{PublicKey, SigningKey};
use crate::secret::Secret;
use crate::time::Clock;

pub use key_file::SandboxError;

/// What a sandbox Central can be told.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Where its key pair is kept from one start to the next; `None` makes a new one each time.
    pub dir: Option<PathBuf>,
    /// How long its tokens are good for.
    pub token_lifetime: Duration,
    /// The time that it puts into tokens.
    pub clock: Clock,
}

impl Default for SandboxOptions {
    /// A new key pair, tokens for an hour, the system's clock.
    fn default() -> Self {
        Self { dir: None, token_lifetime: Duration::from_hours(1), clock: Clock::system() }
    }
}

/// A running sandbox Central. It ends when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    registry: Arc<Registry>,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

impl Sandbox {
    /// Serves on `listener` from now on.
    pub fn start(listener: TcpListener, options: SandboxOptions) -> Result<Self, SandboxError> {
        let key = match &options.dir {
            Some(dir) => key_file::open_or_create(dir)?,
            None => key_file::generate()?,
        };
        let address = listener.local_addr().map_err(SandboxError::Listener)?;
        let registry = Arc::new(Registry::new(key, options));
        let router = routes::router(Arc::clone(&registry));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            // An error would be one that no later `accept` could survive; then clients see a closed port.
            axum::serve(listener, router).with_graceful_shutdown(stopped).await.ok();
        });
        Ok(Self { address, registry, serving, stop })
    }

    /// Stops listening, lets the requests that it has finish, and closes every connection.
    pub async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.serving).await.ok();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `CENTRAL_URL` is for its servers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What `CENTRAL_PUBLIC_KEY` is for its servers.
    pub fn public_key(&self) -> PublicKey {
        self.registry.key.public()
    }

    /// Makes `server_id` one of its servers, in good standing, known by `api_key`; a server that it knows gets that key.
    pub fn register(&self, server_id: &ServerId, api_key: &Secret) {
        let server = RegisteredServer { api_key_digest: digest(api_key.reveal()), suspended: false };
        self.registry.servers().insert(server_id.uuid(), server);
    }

    /// From now on the server's heartbeats and joins are refused with 403.
    pub fn suspend(&self, server_id: &ServerId) {
        if let Some(server) = self.registry.servers().get_mut(&server_id.uuid()) {
            server.suspended = true;
        }
    }

    /// Plays an outage (every answer is 503), or ends it.
    pub fn set_available(&self, available: bool) {
        self.registry.available.send_replace(available);
    }

    /// How many heartbeats it has accepted; waiting for a change is waiting for the next one.
    pub fn heartbeats(&self) -> watch::Receiver<u64> {
        self.registry.heartbeats.subscribe()
    }

    /// How many requests have come, whatever became of them; waiting for a change is waiting for the next one.
    pub fn requests(&self) -> watch::Receiver<u64> {
        self.registry.requests.subscribe()
    }

    /// A token as the join route gives it, without asking whether the server is registered.
    pub fn join(&self, server_id: &ServerId, user_id: UserId) -> JoinedUser {
        self.registry.issue(server_id.as_str(), user_id)
    }

    /// Signs any payload with its key, for a test that needs a token which the join route would not give.
    pub fn sign(&self, payload: &str, footer: Option<&str>) -> String {
        issue::sign(&self.registry.key, payload, footer)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What the routes and the [`Sandbox`] share.
#[derive(Debug)]
struct Registry {
    key: SigningKey,
    options: SandboxOptions,
    /// By the UUID that the server's id means. Held for a look-up or a change at a time, never across an await.
    servers: Mutex<HashMap<Uuid, RegisteredServer>>,
    heartbeats: watch::Sender<u64>,
    requests: watch::Sender<u64>,
    available: watch::Sender<bool>,
}

#[derive(Debug)]
struct RegisteredServer {
    /// SHA-256 of the key, so that comparing it tells nothing about the key itself.
    api_key_digest: [u8; 32],
    suspended: bool,
}

impl Registry {
    fn new(key: SigningKey, options: SandboxOptions) -> Self {
        Self {
            key,
            options,
            servers: Mutex::default(),
            heartbeats: watch::Sender::new(0),
            requests: watch::Sender::new(0),
            available: watch::Sender::new(true),
        }
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<Uuid, RegisteredServer>> {
        // Each change is a single assignment: a panic elsewhere leaves nothing half done.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self, server_id: &str, user_id: UserId) -> JoinedUser {
        let now = self.options.clock.now();
        let expires_at = now.plus(self.options.token_lifetime);
        let token = issue::scoped_token(&self.key, server_id, user_id, now, expires_at);
        JoinedUser { token: Secret::new(token), user_id, expires_at }
    }
}

fn digest(api_key: &str) -> [u8; 32] {
    Sha256::digest(api_key).into()
}
