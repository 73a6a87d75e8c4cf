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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::ids::{ChainIndex, UserId};
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

/// Nobody is too slow who is behind by no more than this time, as long as the log is not [`MAX_BURST`] times as big as it
/// should be: a burst of long messages must not cost everyone their connection.
const BURST_GRACE: Duration = Duration::from_secs(2);
const MAX_BURST: usize = 16;

/// How much a connection takes from the log at a time.
const MAX_TAKE_BYTES: usize = 64 * 1024;

/// How soon an event must go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for it.
    Message,
    /// People come and go.
    Presence,
}

/// Frames to be appended to the log together.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
}

impl Frames {
    /// Appends the frame that `write` writes. It is not sent to `not_for`; it records `chain_index`.
    pub(super) fn push(
        &mut self,
        not_for: Option<UserId>,
        chain_index: Option<ChainIndex>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let from = self.bytes.len();
        write(&mut self.bytes);
        self.marks.push(Mark { from, to: self.bytes.len(), not_for, chain_index });
    }
}

/// Where a frame stands in its chunk.
#[derive(Debug, Clone, Copy)]
struct Mark {
    from: usize,
    to: usize,
    not_for: Option<UserId>,
    chain_index: Option<ChainIndex>,
}

/// A part of the log that does not change any more.
#[derive(Debug, Clone)]
struct Chunk {
    /// The position of its first byte.
    start: u64,
    bytes: Bytes,
    marks: Arc<[Mark]>,
    since: Instant,
}

/// Bytes to be sent as they are.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// The last chain entry in them.
    pub(super) chain_index: Option<ChainIndex>,
}

/// The log no longer has what a connection should get next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FellBehind;

/// The hub. Shared by the writer, which publishes, and all connections.
pub(super) struct Hub {
    /// Held for moments: to append, or to clone references to chunks.
    log: Mutex<Log>,
    /// The end of the log at the last wake-up; connections wait for it to change.
    woken: watch::Sender<u64>,
    connections: AtomicUsize,
    /// Rung when something waits for the next wake-up.
    waiting: Notify,
    max_lag: usize,
}

struct Log {
    chunks: VecDeque<Chunk>,
    /// The sum of the chunks' bytes.
    bytes: usize,
    /// What came after the last chunk; it starts at `end - fresh.bytes.len()`.
    fresh: Frames,
    /// The position after the last byte.
    end: u64,
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
        let log = Log {
            chunks: VecDeque::new(),
            bytes: 0,
            fresh: Frames::default(),
            end: 0,
            head,
            woken_at: Instant::now(),
            waiting: None,
        };
        Self {
            log: Mutex::new(log),
            woken: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
            waiting: Notify::new(),
            max_lag,
        }
    }

    /// A new connection's place.
    pub(super) fn join(&self) -> Joined {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let log = self.log();
        Joined { cursor: log.end, head: log.head, woken: self.woken.subscribe() }
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
        if frames.bytes.is_empty() {
            return log.end;
        }
        let base = log.fresh.bytes.len();
        log.fresh.bytes.extend_from_slice(&frames.bytes);
        log.fresh.marks.extend(frames.marks.iter().map(|mark| Mark {
            from: mark.from + base,
            to: mark.to + base,
            ..*mark
        }));
        log.end += frames.bytes.len() as u64;
        log.waiting = match log.waiting {
            Some(Urgency::Message) => Some(Urgency::Message),
            _ => Some(urgency),
        };
        log.end
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

    fn wake_now(&self, log: &mut Log) {
        log.waiting = None;
        log.woken_at = Instant::now();
        self.woken.send_replace(log.end);
    }

    /// Takes what stands between `cursor` and `up_to` (the end if `None`) and is not kept from `user`, about 64 KiB at
    /// most. Moves the cursor.
    pub(super) fn take(
        &self,
        cursor: &mut u64,
        up_to: Option<u64>,
        user: UserId,
        pieces: &mut VecDeque<Piece>,
    ) -> Result<(), FellBehind> {
        let chunks = {
            let mut log = self.log();
            let up_to = up_to.unwrap_or(log.end);
            if *cursor >= up_to {
                return Ok(());
            }
            log.settle(self.max_lag);
            log.chunks_from(*cursor)?
        };
        for chunk in &chunks {
            let from = usize::try_from(cursor.saturating_sub(chunk.start)).unwrap_or(usize::MAX);
            chunk.cut(from, user, pieces);
            *cursor = chunk.start + chunk.bytes.len() as u64;
        }
        Ok(())
    }

    /// Whether the log no longer has what a connection at `cursor` should get next.
    pub(super) fn is_behind(&self, cursor: u64) -> bool {
        let mut log = self.log();
        log.settle(self.max_lag);
        log.chunks.front().is_some_and(|oldest| oldest.start > cursor)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Turns what is fresh into a chunk, and lets go of chunks beyond `max_lag`.
    fn settle(&mut self, max_lag: usize) {
        if self.fresh.bytes.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        let length = fresh.bytes.len();
        self.chunks.push_back(Chunk {
            start: self.end - length as u64,
            bytes: fresh.bytes.into(),
            marks: fresh.marks.into(),
            since: Instant::now(),
        });
        self.bytes += length;
        while let Some(oldest) = self.chunks.front()
            && let rest = self.bytes - oldest.bytes.len()
            && rest >= max_lag
            && (oldest.since.elapsed() > BURST_GRACE || rest >= max_lag * MAX_BURST)
        {
            self.chunks.pop_front();
            self.bytes = rest;
        }
    }

    /// References to the chunks from the one that holds `cursor`, up to about [`MAX_TAKE_BYTES`].
    fn chunks_from(&self, cursor: u64) -> Result<Vec<Chunk>, FellBehind> {
        let after = self.chunks.partition_point(|chunk| chunk.start <= cursor);
        let first = after.checked_sub(1).ok_or(FellBehind)?;
        let mut bytes = 0;
        let wanted = self.chunks.iter().skip(first).take_while(|chunk| {
            let fits = bytes < MAX_TAKE_BYTES;
            bytes += chunk.bytes.len();
            fits
        });
        Ok(wanted.cloned().collect())
    }
}

impl Chunk {
    /// Adds the pieces from byte `from` on without the frames that are not for `user`: mostly all in one.
    fn cut(&self, mut from: usize, user: UserId, pieces: &mut VecDeque<Piece>) {
        let mut chain_index = None;
        let first = self.marks.partition_point(|mark| mark.from < from);
        for mark in self.marks.iter().skip(first) {
            if mark.not_for == Some(user) {
                self.piece(from, mark.from, chain_index.take(), pieces);
                from = mark.to;
            }
            chain_index = mark.chain_index.or(chain_index);
        }
        self.piece(from, self.bytes.len(), chain_index, pieces);
    }

    fn piece(&self, from: usize, to: usize, chain_index: Option<ChainIndex>, pieces: &mut VecDeque<Piece>) {
        if from < to {
            pieces.push_back(Piece { bytes: self.bytes.slice(from..to), chain_index });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    fn frames(texts: &[(&str, Option<UserId>)]) -> Frames {
        let mut frames = Frames::default();
        for (text, not_for) in texts {
            frames.push(*not_for, None, |out| out.extend_from_slice(text.as_bytes()));
        }
        frames
    }

    fn taken(hub: &Hub, cursor: &mut u64, user: UserId) -> Result<String, FellBehind> {
        let mut pieces = VecDeque::new();
        hub.take(cursor, None, user, &mut pieces)?;
        Ok(pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect())
    }

    #[test]
    fn everyone_gets_everything_once_but_what_is_kept_from_them() {
        let hub = Hub::new(1000, Head::EMPTY);
        let (mut early, mut late) = (hub.join().cursor, 0);
        hub.append(&frames(&[("a", None), ("b", Some(user(1))), ("c", None)]), None, Urgency::Message);
        assert_eq!(taken(&hub, &mut early, user(1)).as_deref(), Ok("ac"));
        hub.append(&frames(&[("d", None)]), None, Urgency::Message);
        assert_eq!(taken(&hub, &mut early, user(1)).as_deref(), Ok("d"));
        assert_eq!(taken(&hub, &mut late, user(2)).as_deref(), Ok("abcd"));
        assert_eq!(taken(&hub, &mut late, user(2)).as_deref(), Ok(""));
    }

    #[test]
    fn a_connection_starts_in_the_middle_of_what_is_fresh() {
        let hub = Hub::new(1000, Head::EMPTY);
        hub.append(&frames(&[("before", None)]), None, Urgency::Message);
        let mut cursor = hub.join().cursor;
        hub.append(&frames(&[("after", None)]), None, Urgency::Message);
        assert_eq!(taken(&hub, &mut cursor, user(1)).as_deref(), Ok("after"));
    }

    #[test]
    fn who_lags_too_far_has_fallen_behind() {
        let hub = Hub::new(10, Head::EMPTY);
        let (mut slow, mut fast) = (0, 0);
        for _ in 0..=MAX_BURST {
            assert_eq!(taken(&hub, &mut 0, user(1)).map(|_| ()), Ok(()), "a burst is no reason");
            hub.append(&frames(&[("0123456789", None)]), None, Urgency::Message);
            taken(&hub, &mut fast, user(1)).expect("it keeps up");
        }
        assert_eq!(taken(&hub, &mut slow, user(1)), Err(FellBehind));
    }
}
