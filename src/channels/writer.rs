//! The writer: one thread with the one writing connection, through which everything goes that changes something.
//!
//! It takes all commands that wait, decides, links and signs, stores, and commits them together; only then are events
//! shown to anyone and requests answered. What was acknowledged or shown survives a crash and a power cut, and no two
//! entries are ever signed for one index: a batch that fails leaves the chain where it was.

mod availability;
mod clock_watch;
mod queue;
mod transaction;
mod work;

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

use self::queue::command_queue;
use self::work::Work;
use super::directory::Directory;
use crate::ids::UserId;
use crate::logchain::{Head, SigningKey};
use crate::protocol::{Action, Answer, EventBody};
use crate::storage::{StorageError, WriteStore};
use crate::time::Clock;

pub use self::queue::{CommandQueue, NotQueued, QueueSlot, WeakCommandQueue};

/// An action of somebody, and where its answer goes.
#[derive(Debug)]
pub struct Command<R> {
    /// Who.
    pub user_id: UserId,
    /// What.
    pub action: Action,
    /// Where the answer goes; the writer only carries it.
    pub reply: R,
    /// How many bytes of text `reply` holds, for the queue's bound.
    pub reply_bytes: usize,
}

/// What came of a command.
#[derive(Debug)]
pub struct Outcome<R> {
    /// What everyone is to be told, if anything happened.
    pub event: Option<EventBody>,
    /// What the one who asked is to be told.
    pub answer: Answer,
    /// Where that goes.
    pub reply: R,
}

/// Where outcomes go once they are durable.
pub trait Outlet<R>: Send + 'static {
    /// Tells everyone. The outcomes are in chain order, and `head` is the end of the chain after them.
    fn publish(&mut self, outcomes: Vec<Outcome<R>>, head: Head);
}

/// How the writer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterState {
    /// It writes.
    Ready,
    /// It can't write now, but may again: the disk is full, or another process holds the database.
    Unavailable(String),
    /// It has given up: what the disk holds is not known any more.
    Failed(String),
}

/// What the writer works with.
pub struct WriterOptions {
    /// Signs entries.
    pub key: Arc<SigningKey>,
    /// The channels.
    pub directory: Arc<Directory>,
    /// Gives entries their times.
    pub clock: Clock,
    /// How many commands may wait, and so how many bytes: 4 KiB for each.
    pub max_pending: usize,
}

/// The running writer.
pub struct Writer<R> {
    commands: CommandQueue<R>,
    state: watch::Receiver<WriterState>,
    thread: JoinHandle<()>,
}

impl<R: Send + 'static> Writer<R> {
    /// Starts the writer on its thread. Must be called within a Tokio runtime.
    pub fn start(store: WriteStore, options: WriterOptions, outlet: impl Outlet<R>) -> Result<Self, StorageError> {
        let (commands, pending) = command_queue(options.max_pending);
        let (state_sender, state) = watch::channel(WriterState::Ready);
        let work = Work::new(store, options, outlet, state_sender)?;
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || work.run(&runtime, pending))
            .map_err(|_| StorageError::Stopping)?;
        Ok(Self { commands, state, thread })
    }

    /// Where commands are sent.
    pub fn commands(&self) -> CommandQueue<R> {
        self.commands.clone()
    }

    /// How the writer is, and how that changes.
    pub fn state(&self) -> watch::Receiver<WriterState> {
        self.state.clone()
    }

    /// Waits until everything that was sent is committed and the database is closed. All other senders must be gone.
    pub fn finish(self) {
        drop(self.commands);
        // A panic was reported where it happened.
        self.thread.join().ok();
    }
}
