//! A real server on a port of its own, with a real database, and its Central.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coms::central::{self, CentralState, Heartbeat, JoinedUser, Sandbox, SandboxOptions};
use coms::config::{ServerConfig, Settings};
use coms::ids::UserId;
use coms::keys::PublicKey;
use coms::secret::Secret;
use coms::server::{Patience, Profile, Server, ServerOptions, listen};
use coms::time::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::chain::{ChainReport, check_chain};
use super::client::Client;
use super::in_time;

/// The keys and the id of the recordings.
pub(crate) const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";
pub(crate) const SECRET_KEY: &str = "c1ee026bb15c178eecc9a0319317d89bf3d8c2cd1408e693c789b5e4d31158328cd95f826e0fd5fb5fc82bbfec1b346ab321761d288b8f5bfb45f5263e14a2e8";
pub(crate) const PUBLIC_KEY: &str = "8cd95f826e0fd5fb5fc82bbfec1b346ab321761d288b8f5bfb45f5263e14a2e8";
pub(crate) const API_KEY: &str = "zk_test_0123456789";

/// How a server is to be started.
pub(crate) struct Setup {
    variables: Vec<(String, String)>,
    clock: Clock,
    token_lifetime: Duration,
    is_central_away: bool,
    patience: Patience,
}

impl Setup {
    /// Sets a variable of the configuration.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the time, for the server and for Central, from `ms`.
    pub(crate) fn hold_clock(mut self, ms: &Arc<AtomicU64>) -> Self {
        self.clock = Clock::held(ms.clone());
        self
    }

    /// How long Central's tokens are good for.
    pub(crate) fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// How long the server waits for its connections.
    pub(crate) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Central is away from the start.
    pub(crate) fn central_away(mut self) -> Self {
        self.is_central_away = true;
        self
    }

    pub(crate) async fn start(self) -> TestServer {
        let options = SandboxOptions { dir: None, token_lifetime: self.token_lifetime, clock: self.clock.clone() };
        let sandbox = Sandbox::start(loopback().await, options).expect("a Central");
        let server_id = SERVER_ID.parse().expect("a UUID");
        sandbox.register(&server_id, &Secret::new(API_KEY.to_owned()));
        sandbox.set_available(!self.is_central_away);
        let dir = tempfile::tempdir().expect("a directory");
        let mut server = TestServer { setup: self, dir, sandbox, running: None, central: None };
        server.resume().await;
        server
    }
}

/// A running server. Ends when it is dropped.
pub(crate) struct TestServer {
    setup: Setup,
    dir: tempfile::TempDir,
    pub(crate) sandbox: Sandbox,
    running: Option<Server>,
    /// What the running server knows of Central.
    central: Option<watch::Receiver<CentralState>>,
}

impl TestServer {
    pub(crate) fn setup() -> Setup {
        let variables = Vec::new();
        let token_lifetime = Duration::from_hours(1);
        Setup {
            variables,
            clock: Clock::system(),
            token_lifetime,
            is_central_away: false,
            patience: Patience::default(),
        }
    }

    pub(crate) async fn start() -> Self {
        Self::setup().start().await
    }

    /// Starts it again after [`TestServer::stop`], with the same database, perhaps on another port.
    pub(crate) async fn resume(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let options = self.options();
        self.central = Some(options.heartbeat.state());
        // What accepted connections inherit from it counts.
        let listener = listen(Some(Ipv4Addr::LOCALHOST.into()), 0).expect("a free port");
        let server = Server::start(listener, options).await.expect("a server");
        self.running = Some(server);
    }

    /// Sets a variable for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.setup.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Waits until the server has seen that Central is away.
    pub(crate) async fn heartbeat_failed(&self) {
        self.central_is(|state| !state.is_reachable()).await;
    }

    /// Waits until the server has seen that Central is there.
    pub(crate) async fn heartbeat_accepted(&self) {
        self.central_is(CentralState::is_reachable).await;
    }

    /// Waits until that is what the server knows of Central.
    pub(crate) async fn central_is(&self, wanted: impl FnMut(&CentralState) -> bool) {
        let mut central = self.central.clone().expect("it runs");
        in_time("a heartbeat", central.wait_for(wanted)).await.expect("a heartbeat that runs");
    }

    /// Drains it; panics if that takes too long.
    pub(crate) async fn stop(&mut self) {
        let server = self.running.take().expect("it runs");
        assert!(server.drain().await, "draining took too long");
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.resume().await;
    }

    fn options(&self) -> ServerOptions {
        let fixed = [
            ("SERVER_ID", SERVER_ID.to_owned()),
            ("SERVER_NAME", "Peer Smoke".to_owned()),
            ("SERVER_SECRET_KEY", SECRET_KEY.to_owned()),
            ("SERVER_PUBLIC_KEY", PUBLIC_KEY.to_owned()),
            ("CENTRAL_URL", self.sandbox.url()),
            ("CENTRAL_API_KEY", API_KEY.to_owned()),
            ("CENTRAL_PUBLIC_KEY", self.sandbox.public_key().to_string()),
            ("DB_PATH", self.database().display().to_string()),
        ];
        let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value));
        let settings = Settings::of(fixed.chain(self.setup.variables.iter().cloned()));
        let config: ServerConfig = settings.read().expect("a good configuration");
        let clock = self.setup.clock.clone();
        let server_id = config.identity.server_id;
        let heartbeat = Heartbeat::new(&config.central.url, &server_id, config.central.api_key, clock.clone())
            .expect("a heartbeat");
        ServerOptions {
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
            lock: coms::server::lock(&config.database.path).expect("the lock"),
            overruled_heads: Vec::new(),
            bounds: config.bounds,
            patience: self.setup.patience,
            clock,
        }
    }

    /// Where it listens, `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        self.running.as_ref().expect("it runs").address().to_string()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("messages.db")
    }

    /// A token for `user`, from Central's join route.
    pub(crate) async fn token(&self, user: UserId) -> String {
        let url = self.sandbox.url().parse().expect("a URL");
        let server_id = SERVER_ID.parse().expect("a UUID");
        let client = central::client(&url).expect("a client");
        let joined = central::join(&client, &url, &server_id, Some(user)).await.expect("a token");
        joined.token.reveal().to_owned()
    }

    /// A token from Central without asking its route, which may be out of order.
    pub(crate) fn sudden_token(&self, user: UserId) -> String {
        let JoinedUser { token, .. } = self.sandbox.join(&SERVER_ID.parse().expect("a UUID"), user);
        token.reveal().to_owned()
    }

    /// `user`, connected and greeted.
    pub(crate) async fn connect(&self, user: UserId) -> Client {
        Client::connect(&self.address(), &self.sudden_token(user)).await
    }

    /// Checks the whole chain in the database, and every message against it; see [`check_chain`].
    pub(crate) fn check_chain(&self) -> ChainReport {
        check_chain(&self.database(), &PublicKey::from_hex(PUBLIC_KEY).expect("a key"))
    }
}

/// A free port on loopback.
pub(crate) async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// A clock that a test holds, and its hands.
pub(crate) fn clock_at(ms: u64) -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(ms))
}

/// Moves a held clock forward.
pub(crate) fn forward(clock: &AtomicU64, by: Duration) {
    clock.fetch_add(u64::try_from(by.as_millis()).expect("not that long"), Ordering::Relaxed);
}
