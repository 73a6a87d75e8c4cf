//! What all parts of a running server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::hub::{Frames, Hub, Urgency};
use super::presence::Presence;
use super::publisher::ReplyTo;
use crate::central::{CentralState, TokenVerifier};
use crate::channels::{Command, Directory, Features, Reading, WriterState};
use crate::ids::ServerId;
use crate::keys::PublicKey;
use crate::protocol::{Event, frame_text};
use crate::time::Clock;

use super::frame::write_text;

/// What a server says of itself, and what it is asked to do.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its id.
    pub server_id: ServerId,
    /// Its name for people.
    pub server_name: String,
    /// The key that signs its log chain.
    pub public_key: PublicKey,
    /// Which channels are switched on.
    pub features: Features,
    /// Whether the log chain is offered over HTTP. It is always written.
    pub log_chain: bool,
    /// Whether everyone may read full entries of the chain.
    pub chain_is_public: bool,
    /// Whether a session ends when its token expires.
    pub sessions_expire: bool,
    /// The origins from which browsers may connect; any, if empty.
    pub allowed_origins: Vec<String>,
}

/// Bounds on what clients can make the server do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most WebSocket connections; 0 for any number.
    pub max_connections: usize,
    /// The most messages of a page of history.
    pub max_history: u32,
    /// The most bytes of a message from a client.
    pub max_frame_bytes: usize,
    /// The most bytes that wait for a connection.
    pub max_queue_bytes: usize,
    /// The most commands that wait for the writer.
    pub max_pending_commands: usize,
    /// The most commands of one connection that wait for the writer.
    pub max_inflight: usize,
    /// How long a new connection may take to send its request.
    pub handshake_timeout: Duration,
    /// The most connections that have not yet sent theirs.
    pub max_handshakes: usize,
    /// How long a drain may take.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 0,
            max_history: 100,
            max_frame_bytes: 64 * 1024,
            max_queue_bytes: 512 * 1024,
            max_pending_commands: 4096,
            max_inflight: 256,
            handshake_timeout: Duration::from_secs(5),
            max_handshakes: 512,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// A running server, as its routes and connections see it.
pub(super) struct Shared {
    pub(super) profile: Profile,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) verifier: TokenVerifier,
    pub(super) central: watch::Receiver<CentralState>,
    pub(super) hub: Arc<Hub>,
    pub(super) presence: Presence,
    pub(super) directory: Arc<Directory>,
    pub(super) reading: Reading,
    /// Weak, so that the writer ends when the server lets go of it, whatever connections still do.
    pub(super) commands: mpsc::WeakSender<Command<ReplyTo>>,
    pub(super) writer: watch::Receiver<WriterState>,
    /// True from the moment in which the server begins to stop.
    pub(super) draining: watch::Sender<bool>,
    pub(super) connections: TaskTracker,
    pub(super) open_connections: AtomicUsize,
}

impl Shared {
    /// Tells everyone of something that is not in the chain.
    pub(super) fn announce(&self, event: &Event, urgency: Urgency) {
        let mut text = Vec::new();
        frame_text::event(&mut text, event, self.clock.now());
        let mut frames = Frames::default();
        frames.push(event.not_for(), None, |out| write_text(out, &text));
        self.hub.append(&frames, None, urgency);
        self.hub.wake();
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Takes one of the places for connections; `None` if all are taken.
    pub(super) fn take_place(self: &Arc<Self>) -> Option<Place> {
        let max = if self.limits.max_connections == 0 { usize::MAX } else { self.limits.max_connections };
        let taken = self.open_connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < max).then_some(open + 1)
        });
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
