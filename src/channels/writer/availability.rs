//! Whether the writer can write: seen by everyone, and found out again after a failure.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::WriterState;
use crate::storage::StorageError;

/// How often it is tried whether writing is possible again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Availability {
    state: watch::Sender<WriterState>,
    /// How many bytes could not be written for want of room. That fewer can be written is no sign of room.
    room_needed: usize,
    probe_due: Instant,
}

impl Availability {
    pub(super) fn new(state: watch::Sender<WriterState>) -> Self {
        Self { state, room_needed: 0, probe_due: Instant::now() }
    }

    /// When it must be tried whether writing is possible again; `None` while it is.
    pub(super) fn probe_due(&self) -> Option<Instant> {
        matches!(*self.state.borrow(), WriterState::Unavailable(_)).then_some(self.probe_due)
    }

    /// How many bytes a probe must be able to write.
    pub(super) fn room_needed(&self) -> usize {
        self.room_needed
    }

    /// `room` bytes were written durably.
    pub(super) fn written(&mut self, room: usize) {
        if room >= self.room_needed {
            self.room_needed = 0;
            self.set(WriterState::Ready);
        }
    }

    /// Writing `room` bytes failed, and was rolled back, if that was possible. Returns whether the writer can go on.
    pub(super) fn failed(&mut self, error: &StorageError, room: usize, rolled_back: bool) -> bool {
        let goes_on = rolled_back && error.is_passing();
        if matches!(error, StorageError::DiskFull) {
            self.room_needed = self.room_needed.max(room);
        }
        // Failures that come before a probe do not put it off.
        let now = Instant::now();
        if self.probe_due <= now {
            self.probe_due = now + PROBE_INTERVAL;
        }
        let reason = error.to_string();
        self.set(if goes_on { WriterState::Unavailable(reason) } else { WriterState::Failed(reason) });
        goes_on
    }

    fn set(&self, state: WriterState) {
        self.state.send_if_modified(|current| {
            let changed = *current != state;
            match &state {
                WriterState::Ready if changed => tracing::info!("storage is available again"),
                WriterState::Unavailable(error) if changed => tracing::error!(%error, "storage is unavailable"),
                WriterState::Failed(error) => tracing::error!(%error, "storage failed"),
                WriterState::Ready | WriterState::Unavailable(_) => {}
            }
            if changed {
                *current = state;
            }
            changed
        });
    }
}
