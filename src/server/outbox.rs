//! A connection's outbox: answers for it alone, each with its place among the events.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::ephemeral::Position;

/// Answers on their way to one connection. Filled by the writer and by the connection itself, emptied by the connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Held for moments.
    queue: Mutex<Queue>,
    /// Rung when something was put in.
    pub(super) filled: Notify,
    /// How many commands of this connection the writer has not answered yet.
    unanswered: AtomicUsize,
    /// How many bytes their answers will take at least.
    unanswered_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Queued>,
    bytes: usize,
}

/// Frames that must not overtake the events before `after`.
#[derive(Debug)]
pub(super) struct Queued {
    /// The position up to which events go first; `None` is the end when the frame is sent.
    pub(super) after: Option<Position>,
    pub(super) bytes: Bytes,
}

impl Outbox {
    /// Counts a command that was sent to the writer, and the bytes that its answer will take at least.
    pub(super) fn expect_answer(&self, bytes: usize) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        self.unanswered_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes that back: the writer did not get it.
    pub(super) fn cancel_answer(&self, bytes: usize) {
        self.count_answers(1, bytes);
    }

    fn count_answers(&self, answers: usize, bytes: usize) {
        self.unanswered_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.unanswered.fetch_sub(answers, Ordering::Release);
    }

    /// How many answers of the writer are still to come.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Acquire)
    }

    /// Puts in the writer's answers to `answers` commands, of which `bytes` were expected: they follow the events before
    /// `after`. The connection is not told: it may be woken for the events anyway.
    pub(super) fn put_answers(&self, after: u64, frames: Vec<u8>, answers: usize, bytes: usize) {
        self.put(Some(Position { log: after, updates: 0 }), frames);
        self.count_answers(answers, bytes);
    }

    /// Puts in an answer of the connection's own making: it follows all events that there are, since it may show what
    /// they tell.
    pub(super) fn put_own(&self, frame: Vec<u8>) {
        self.put(None, frame);
    }

    /// Puts in a frame that stands for itself: the greeting, pings and pongs.
    pub(super) fn put_unordered(&self, frame: Vec<u8>) {
        self.put(Some(Position::default()), frame);
    }

    /// Takes out everything.
    pub(super) fn take(&self) -> VecDeque<Queued> {
        let mut queue = self.queue();
        queue.bytes = 0;
        std::mem::take(&mut queue.frames)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue().frames.is_empty()
    }

    /// How many bytes wait, or will wait when the writer has answered.
    pub(super) fn bytes(&self) -> usize {
        self.queue().bytes + self.unanswered_bytes.load(Ordering::Relaxed)
    }

    fn put(&self, after: Option<Position>, frames: Vec<u8>) {
        let mut queue = self.queue();
        queue.bytes += frames.len();
        queue.frames.push_back(Queued { after, bytes: frames.into() });
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
