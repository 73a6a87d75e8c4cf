//! Watching a verification from another thread: how far it is, and stopping it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::storage::InterruptHandle;

use super::AuditError;
use crate::storage::StorageError;

/// How far a verification is, and the way to stop it.
#[derive(Default)]
pub struct AuditWatch {
    entries: AtomicU64,
    stopped: AtomicBool,
    /// The connections at work; added to as they are opened.
    handles: Mutex<Vec<InterruptHandle>>,
}

impl AuditWatch {
    /// How many entries were read.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Stops the verification as soon as may be.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for handle in self.handles.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            handle.interrupt();
        }
    }

    pub(super) fn add(&self, handle: InterruptHandle) {
        if self.check().is_err() {
            handle.interrupt();
        }
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    pub(super) fn done(&self, entries: u64) {
        self.entries.store(entries, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<(), AuditError> {
        if self.stopped.load(Ordering::SeqCst) { Err(AuditError::Stopped) } else { Ok(()) }
    }

    /// An interruption that was asked for is that, and no failure of storage.
    pub(super) fn explain(&self, error: StorageError) -> AuditError {
        if error.is_interruption() && self.check().is_err() { AuditError::Stopped } else { error.into() }
    }
}
