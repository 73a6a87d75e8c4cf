//! What all parts of a running server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ephemeral::Topic;
use super::frame::write_text;
use super::hub::Hub;
use super::log_streams::LogStreams;
use super::patience::Patience;
use super::presence::Presence;
use super::publisher::ReplyTo;
use super::signed_heads::SignedHeads;
use crate::central::{CentralState, Claims, TokenError, TokenVerifier};
use crate::channels::{Directory, Reading, WeakCommandQueue, WriterState};
use crate::config::{Bounds, Features, Origins, SessionExpiry};
use crate::ids::ServerId;
use crate::keys::SigningKey;
use crate::protocol::frame_text;
use crate::storage::Readers;
use crate::time::{Clock, Timestamp};

/// What a server is, and what it lets people do.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its id.
    pub server_id: ServerId,
    /// Its name for people.
    pub server_name: String,
    /// Which channels are switched on, and how the log chain is offered.
    pub features: Features,
    /// Whether a session ends when its token expires.
    pub session_expiry: SessionExpiry,
    /// The origins from which browsers may connect.
    pub allowed_origins: Origins,
}

/// A running server, as its routes and connections see it.
pub(super) struct Shared {
    pub(super) profile: Profile,
    pub(super) bounds: Bounds,
    pub(super) patience: Patience,
    /// Signs entries and heads.
    pub(super) signing_key: Arc<SigningKey>,
    pub(super) clock: Clock,
    pub(super) verifier: TokenVerifier,
    /// Tokens are checked one after the other, so that a flood of bad ones leaves the other processors to everyone else.
    pub(super) verifying: Semaphore,
    pub(super) central: watch::Receiver<CentralState>,
    pub(super) hub: Arc<Hub>,
    pub(super) presence: Presence,
    pub(super) directory: Arc<Directory>,
    pub(super) reading: Reading,
    /// The same connections, for the log chain's routes.
    pub(super) readers: Readers,
    /// Bounds who reads the log chain at the same time.
    pub(super) log_streams: LogStreams,
    pub(super) signed_heads: SignedHeads,
    /// Weak, so that the writer ends when the server lets go of it, whatever connections still do.
    pub(super) commands: WeakCommandQueue<ReplyTo>,
    pub(super) writer: watch::Receiver<WriterState>,
    /// True from the moment in which the server begins to stop.
    pub(super) draining: watch::Sender<bool>,
    /// The tasks of connections, and what ends those that do not end by themselves.
    pub(super) connections: TaskTracker,
    pub(super) overdue: CancellationToken,
    pub(super) open_connections: AtomicUsize,
}

impl Shared {
    /// Tells everyone who is concerned that the user of `topic` is online or typing now, or not any more; returns the
    /// update's version.
    pub(super) fn update(&self, topic: Topic, is_so: bool) -> u64 {
        let frame = self.frame(&topic, is_so);
        self.hub.update(topic, frame)
    }

    /// The same, unless there is a newer update than that of `version`.
    pub(super) fn update_after(&self, version: u64, topic: Topic, is_so: bool) {
        let frame = self.frame(&topic, is_so);
        self.hub.update_after(version, topic, frame);
    }

    fn frame(&self, topic: &Topic, is_so: bool) -> Bytes {
        let (mut text, mut frame) = (Vec::new(), Vec::new());
        frame_text::event(&mut text, &topic.event(is_so), self.clock.now());
        write_text(&mut frame, &text);
        frame.into()
    }

    /// Whose token this is, and until when.
    pub(super) async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        // It is never closed.
        let _turn = self.verifying.acquire().await;
        self.verifier.verify(token, self.clock.now())
    }

    /// When a session ends whose token expires at `expires_at`; `None` as long as that is open.
    pub(super) fn session_end(&self, expires_at: Timestamp) -> Option<Timestamp> {
        match self.profile.session_expiry {
            SessionExpiry::Enforce => self.central.borrow().session_end(expires_at),
            SessionExpiry::Ignore => None,
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Takes one of the places for connections; `None` if all are taken.
    pub(super) fn take_place(self: &Arc<Self>) -> Option<Place> {
        let max = self.bounds.max_connections.unwrap_or(usize::MAX);
        let taken = self
            .open_connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < max).then_some(open + 1));
        taken.ok().map(|_| Place(self.clone()))
    }
}

/// A place for a connection, given back when it is dropped.
pub(super) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}
