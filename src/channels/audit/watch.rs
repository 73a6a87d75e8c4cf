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

    /// Stops the verification as soon as may be. An interrupt only reaches a statement that is running, and one may be
    /// about to: whoever waits for the end does this again until it comes.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for handle in self.handles.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            handle.interrupt();
        }
    }

    /// Takes a connection in that is about to work; refused if the verification was stopped.
    pub(super) fn add(&self, handle: InterruptHandle) -> Result<(), AuditError> {
        // First the handle, then the look: whoever stops it in between finds the handle.
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        self.check()
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

#[cfg(test)]
mod tests {
    use super::super::{contents, file, search_index};
    use super::*;
    use crate::ids::ChainIndex;
    use crate::storage::{AsIs, WriteStore};

    #[test]
    fn no_part_begins_after_the_stop() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("messages.db");
        drop(WriteStore::at(&path));
        let as_is = AsIs::prepare(&path).expect("a file");
        let watch = AuditWatch::default();
        let parts = || [contents(&as_is, ChainIndex(0), &watch), search_index(&as_is, &watch), file(&as_is, &watch)];
        assert!(parts().iter().all(Result::is_ok));
        watch.stop();
        for (number, part) in parts().into_iter().enumerate() {
            assert!(matches!(part, Err(AuditError::Stopped)), "part {number}: {part:?}");
        }
    }
}
