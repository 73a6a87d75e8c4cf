//! The hub: one log of encoded frames that every connection reads at its own pace.
//!
//! An event is encoded once, header and all, and appended to the log; a connection's writer sends everything from its
//! cursor to the end in one go, out of the same memory. The log keeps the last `max_lag` bytes and a little more in a
//! burst: that is the queue of every connection at once, and a connection whose cursor has fallen out of it is too slow.
//!
//! Waking thousands of connections for each event would cost more than the events do, so wake-ups keep a distance that
//! grows with the number of connections; what comes in between leaves together. A connection that wakes for another
//! reason, such as an acknowledgement of its own, takes along all that is there.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::frame_log::{FellBehind, FrameLog, Frames, Piece};
use crate::ids::UserId;
use crate::logchain::Head;

/// The pause between wake-ups per connection: twice what it takes to write to one, so that fan-out of small messages
/// leaves half of a processor to everything else.
const PAUSE_PER_CONNECTION: Duration = Duration::from_micros(12);

/// The same for people coming and going, which nobody waits for.
const PRESENCE_PAUSE_PER_CONNECTION: Duration = Duration::from_micros(100);

/// The longest pause: no event waits longer, however many connections there are.
const MAX_PAUSE: Duration = Duration::from_millis(25);
const MAX_PRESENCE_PAUSE: Duration = Duration::from_millis(300);

/// Up to this many connections are woken at once and always.
const FEW_CONNECTIONS: usize = 32;

/// How soon an event must go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for it.
    Message,
    /// People come and go.
    Presence,
}

/// The hub. Shared by the writer, which publishes, and all connections.
pub(super) struct Hub {
    /// Held for moments: to append, or to clone references to chunks.
    log: Mutex<Published>,
    /// The end of the log at the last wake-up; connections wait for it to change.
    woken: watch::Sender<u64>,
    connections: AtomicUsize,
    /// Rung when something waits for the next wake-up.
    waiting: Notify,
}

/// What was published, and whether it was woken for.
struct Published {
    frames: FrameLog,
    /// The end of the chain as of the end of the log.
    head: Head,
    woken_at: Instant,
    /// How soon what was not yet woken for must go out; `None` when there is nothing.
    waiting: Option<Urgency>,
}

/// A connection's place in the log, from which it gets everything from now on.
pub(super) struct Joined {
    pub(super) cursor: u64,
    /// The end of the chain as of this place: the next chain event that comes follows it.
    pub(super) head: Head,
    pub(super) woken: watch::Receiver<u64>,
}

impl Hub {
    /// A hub whose log keeps about `max_lag` bytes; the chain ends with `head`.
    pub(super) fn new(max_lag: usize, head: Head) -> Self {
        let log = Published { frames: FrameLog::new(max_lag), head, woken_at: Instant::now(), waiting: None };
        Self {
            log: Mutex::new(log),
            woken: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
            waiting: Notify::new(),
        }
    }

    /// A new connection's place.
    pub(super) fn join(&self) -> Joined {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let log = self.log();
        Joined { cursor: log.frames.end(), head: log.head, woken: self.woken.subscribe() }
    }

    /// A connection that joined is gone.
    pub(super) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Appends frames; returns the position after them. Nobody is woken yet: see [`Hub::wake`].
    pub(super) fn append(&self, frames: &Frames, head: Option<Head>, urgency: Urgency) -> u64 {
        let mut log = self.log();
        if let Some(head) = head {
            log.head = head;
        }
        if !frames.is_empty() {
            log.frames.append(frames);
            // A message that waits makes people who come and go leave with it.
            log.waiting = match log.waiting {
                Some(Urgency::Message) => Some(Urgency::Message),
                _ => Some(urgency),
            };
        }
        log.frames.end()
    }

    /// Wakes the connections for what was appended, now or when the pause is over.
    pub(super) fn wake(&self) {
        let mut log = self.log();
        let Some(urgency) = log.waiting else { return };
        let connections = self.connections.load(Ordering::Relaxed);
        if connections <= FEW_CONNECTIONS && log.woken_at.elapsed() >= pause(urgency, connections) {
            self.wake_now(&mut log);
        } else {
            drop(log);
            self.waiting.notify_one();
        }
    }

    /// Does the wake-ups that are not done at once. Runs as long as the server does.
    pub(super) async fn pace(&self) {
        loop {
            let due = {
                let log = self.log();
                log.waiting.map(|urgency| log.woken_at + pause(urgency, self.connections.load(Ordering::Relaxed)))
            };
            match due {
                Some(due) if due <= Instant::now() => self.wake_now(&mut self.log()),
                Some(due) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(due) => {}
                        () = self.waiting.notified() => {}
                    }
                }
                None => self.waiting.notified().await,
            }
        }
    }

    fn wake_now(&self, log: &mut Published) {
        log.waiting = None;
        log.woken_at = Instant::now();
        self.woken.send_replace(log.frames.end());
    }

    /// The end of the chain, as far as it was published: what is committed.
    pub(super) fn head(&self) -> Head {
        self.log().head
    }

    /// The position after everything that was published.
    pub(super) fn end(&self) -> u64 {
        self.log().frames.end()
    }

    /// Takes what stands between `cursor` and `up_to` (the end if `None`) and is not kept from `user`, in
    /// whole chunks and a piece of the first: once there are 64 KiB, no further chunk. Moves the cursor.
    pub(super) fn take(
        &self,
        cursor: &mut u64,
        up_to: Option<u64>,
        user: UserId,
        pieces: &mut VecDeque<Piece>,
    ) -> Result<(), FellBehind> {
        let chunks = self.log().frames.chunks(*cursor, up_to)?;
        for chunk in &chunks {
            chunk.cut_from(cursor, user, pieces);
        }
        Ok(())
    }

    /// Whether the log no longer has what a connection at `cursor` should get next.
    pub(super) fn is_behind(&self, cursor: u64) -> bool {
        self.log().frames.has_lost(cursor)
    }

    fn log(&self) -> MutexGuard<'_, Published> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far apart wake-ups are.
fn pause(urgency: Urgency, connections: usize) -> Duration {
    let connections = u32::try_from(connections).unwrap_or(u32::MAX);
    match urgency {
        Urgency::Message if connections as usize <= FEW_CONNECTIONS => Duration::ZERO,
        Urgency::Message => PAUSE_PER_CONNECTION.saturating_mul(connections).min(MAX_PAUSE),
        Urgency::Presence => PRESENCE_PAUSE_PER_CONNECTION.saturating_mul(connections).min(MAX_PRESENCE_PAUSE),
    }
}
