//! The hub: one log of encoded frames that every connection reads at its own pace.
//!
//! An event is encoded once, header and all, and appended to the log; a connection's writer sends everything from its
//! cursor to the end in one go, out of the same memory. The log keeps the last `max_lag` bytes and a little more in a
//! burst: that is the queue of every connection at once, and a connection whose cursor has fallen out of it is too slow.
//!
//! Beside the log the hub keeps what is true only now, who is online and who is typing: see [`super::ephemeral`].
//!
//! Waking thousands of connections for each event would cost more than the events do, so wake-ups keep a distance that
//! grows with the number of connections; what comes in between leaves together. A connection that wakes for another
//! reason, such as an acknowledgement of its own, takes along all that is there.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::ephemeral::{EphemeralState, Position, Topic};
use super::frame_log::{CHUNK_BYTES, FellBehind, FrameLog, Frames, Piece, Segment};
use crate::ids::UserId;
use crate::logchain::Head;

/// The pause between wake-ups per connection: twice what it takes to write to one, so that fan-out of small messages
/// leaves half of a processor to everything else.
const PAUSE_PER_CONNECTION: Duration = Duration::from_micros(12);

/// The same for ephemeral state, which nobody waits for.
const STATE_PAUSE_PER_CONNECTION: Duration = Duration::from_micros(100);

/// The shortest pause between wake-ups for ephemeral state: what one user makes of it must not wake everyone again and again.
const MIN_STATE_PAUSE: Duration = Duration::from_millis(20);

/// The longest pauses: nothing waits longer, however many connections there are.
const MAX_PAUSE: Duration = Duration::from_millis(25);
const MAX_STATE_PAUSE: Duration = Duration::from_millis(300);

/// Up to this many connections are woken at once and always.
const FEW_CONNECTIONS: usize = 32;

/// How soon something must go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// Somebody waits for it.
    Message,
    /// People come, go and type.
    State,
}

/// The hub. Shared by the writer, which publishes, and all connections.
pub(super) struct Hub {
    /// Held for moments: to append, or to clone references to chunks.
    log: Mutex<Published>,
    /// Connections wait for it to change.
    woken: watch::Sender<()>,
    connections: AtomicUsize,
    /// Rung when something waits for the next wake-up.
    waiting: Notify,
}

/// What was published, and whether it was woken for.
struct Published {
    frames: FrameLog,
    state: EphemeralState,
    /// The end of the chain as of the end of the log.
    head: Head,
    woken_at: Instant,
    /// How soon what was not yet woken for must go out; `None` when there is nothing.
    waiting: Option<Urgency>,
}

/// A connection's place in the log, from which it gets everything from now on.
pub(super) struct Joined {
    pub(super) position: Position,
    /// The end of the chain as of this place: the next chain event that comes follows it.
    pub(super) head: Head,
    pub(super) woken: watch::Receiver<()>,
}

impl Hub {
    /// A hub whose log keeps about `max_lag` bytes; the chain ends with `head`.
    pub(super) fn new(max_lag: usize, head: Head) -> Self {
        let (frames, state) = (FrameLog::new(max_lag), EphemeralState::default());
        let log = Published { frames, state, head, woken_at: Instant::now(), waiting: None };
        Self {
            log: Mutex::new(log),
            woken: watch::Sender::new(()),
            connections: AtomicUsize::new(0),
            waiting: Notify::new(),
        }
    }

    /// A new connection's place.
    pub(super) fn join(&self) -> Joined {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let log = self.log();
        let position = Position { log: log.frames.end(), updates: log.state.end() };
        Joined { position, head: log.head, woken: self.woken.subscribe() }
    }

    /// A connection that joined is gone.
    pub(super) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Appends the frames of events that are in the chain, which now ends with `head`; returns the position after them. Nobody
    /// is woken yet: see [`Hub::wake`].
    pub(super) fn append(&self, frames: &Frames, head: Head) -> u64 {
        let mut log = self.log();
        log.head = head;
        if !frames.is_empty() {
            log.frames.append(frames);
            let start = log.frames.start();
            log.state.forget_before(start);
            // Whoever takes the events must find what comes before them.
            log.state.publish();
            log.waiting = Some(Urgency::Message);
        }
        log.frames.end()
    }

    /// Takes in an update of ephemeral state, and wakes the connections for it now or when the pause is over. Returns its
    /// version.
    pub(super) fn update(&self, topic: Topic, frame: Bytes) -> u64 {
        self.push(self.log(), topic, frame)
    }

    /// The same, unless there is a newer update about it than that of `version`.
    pub(super) fn update_after(&self, version: u64, topic: Topic, frame: Bytes) {
        let log = self.log();
        if log.state.version(&topic).is_none_or(|newest| newest == version) {
            self.push(log, topic, frame);
        }
    }

    fn push(&self, mut log: MutexGuard<'_, Published>, topic: Topic, frame: Bytes) -> u64 {
        let after = log.frames.end();
        let version = log.state.push(topic, after, frame);
        // What waits already takes this along.
        if log.waiting.is_none() {
            log.waiting = Some(Urgency::State);
            self.wake_in_time(log);
        }
        version
    }

    /// Wakes the connections for what was appended, now or when the pause is over. Returns whether all were woken now.
    pub(super) fn wake(&self) -> bool {
        self.wake_in_time(self.log())
    }

    fn wake_in_time(&self, mut log: MutexGuard<'_, Published>) -> bool {
        let Some(urgency) = log.waiting else { return false };
        let connections = self.connections.load(Ordering::Relaxed);
        if connections <= FEW_CONNECTIONS && log.woken_at.elapsed() >= pause(urgency, connections) {
            self.wake_now(&mut log);
            true
        } else {
            drop(log);
            self.waiting.notify_one();
            false
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
        log.state.publish();
        log.waiting = None;
        log.woken_at = Instant::now();
        self.woken.send_replace(());
    }

    /// The end of the chain, as far as it was published: what is committed.
    pub(super) fn head(&self) -> Head {
        self.log().head
    }

    /// The position after everything that has happened.
    pub(super) fn end(&self) -> Position {
        let mut log = self.log();
        log.state.publish();
        Position { log: log.frames.end(), updates: log.state.end() }
    }

    /// Takes what stands at `position` and is not kept from `user`, in whole chunks and a piece of the first: once there are
    /// 64 KiB, no further chunk. Moves the position. Returns whether there was anything.
    pub(super) fn take(
        &self,
        position: &mut Position,
        user: UserId,
        pieces: &mut VecDeque<Piece>,
    ) -> Result<bool, FellBehind> {
        let segments = self.log().read(position)?;
        for segment in &segments {
            segment.cut(user, pieces);
        }
        Ok(!segments.is_empty())
    }

    /// Whether the log no longer has what a connection at `position` should get next.
    pub(super) fn is_behind(&self, position: Position) -> bool {
        self.log().frames.has_lost(position.log)
    }

    fn log(&self) -> MutexGuard<'_, Published> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    /// What stands at `position`, state and events in their order.
    fn read(&mut self, position: &mut Position) -> Result<Vec<Segment>, FellBehind> {
        let (mut segments, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK_BYTES {
            if let Some(updates) = self.state.take(position) {
                bytes += updates.len();
                segments.push(updates);
            }
            let end = self.frames.end();
            let limit = self.state.next_after(*position).map_or(end, |after| after.min(end));
            match self.frames.read(&mut position.log, limit, &mut segments)? {
                0 => break,
                read => bytes += read,
            }
        }
        Ok(segments)
    }
}

/// How far apart wake-ups are.
fn pause(urgency: Urgency, connections: usize) -> Duration {
    let connections = u32::try_from(connections).unwrap_or(u32::MAX);
    match urgency {
        Urgency::Message if connections as usize <= FEW_CONNECTIONS => Duration::ZERO,
        Urgency::Message => PAUSE_PER_CONNECTION.saturating_mul(connections).min(MAX_PAUSE),
        Urgency::State => {
            STATE_PAUSE_PER_CONNECTION.saturating_mul(connections).clamp(MIN_STATE_PAUSE, MAX_STATE_PAUSE)
        }
    }
}
