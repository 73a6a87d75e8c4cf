//! The write-ahead log: what is committed stands there first, and goes into the database file by a checkpoint.
//!
//! SQLite's own checkpoints, which hide their errors, are switched off: all are made here, by the one connection that
//! writes, and none of them waits for a reader.

use std::time::Duration;

use super::database::{BUSY_TIMEOUT, MAX_WAL_BYTES};
use super::error::StorageError;
use super::write::WriteStore;

/// How many pages more the log holds before the next checkpoint: SQLite's own default, about 4 MiB.
const CHECKPOINT_PAGES: u64 = 1_000;

/// How many commits there are between two looks at the log: SQLite compiles a pragma anew each time, and a commit adds a few
/// pages, or some hundreds at the most.
const COMMITS_BETWEEN_LOOKS: u32 = 8;

/// A page of 4 KiB and what the log says of it (SQLite's file format, section 4.2).
const PAGE_BYTES: u64 = 4_096 + 24;

/// What a checkpoint is to do.
#[derive(Clone, Copy)]
enum Mode {
    /// Nothing but say how long the log is.
    Noop,
    /// To copy what no reader holds on to.
    Passive,
    /// To empty the log as well.
    Truncate,
}

/// What came of a checkpoint.
struct Checkpoint {
    /// Whether somebody was in the way.
    is_held: bool,
    /// How many pages the log has.
    pages: u64,
}

impl WriteStore {
    /// Copies the log into the database file once it has become long enough; for after each commit.
    pub fn tend_log(&mut self) -> Result<(), StorageError> {
        self.unlooked_commits += 1;
        if self.unlooked_commits < COMMITS_BETWEEN_LOOKS {
            return Ok(());
        }
        self.unlooked_commits = 0;
        let pages = self.checkpoint(Mode::Noop)?.pages;
        if pages < self.copied_pages {
            // All of it was copied, and it has begun anew.
            self.copied_pages = 0;
        }
        // What a reader holds back is tried again with the next pages, not with each commit.
        if pages - self.copied_pages >= CHECKPOINT_PAGES {
            self.checkpoint(Mode::Passive)?;
            self.copied_pages = pages;
        }
        Ok(())
    }

    /// Copies the log into the database file and empties it, as far as readers allow. Returns whether it is empty now.
    ///
    /// Until then a deleted text can still be found in its pages.
    pub fn empty_log(&self) -> Result<bool, StorageError> {
        self.database.connection.busy_timeout(Duration::ZERO)?;
        let emptied = self.checkpoint(Mode::Truncate);
        self.database.connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(!emptied?.is_held)
    }

    /// How long the log has grown, in bytes, if it is longer than it should ever be: some reader does not let go.
    pub fn oversized_log(&self) -> Result<Option<u64>, StorageError> {
        let bytes = self.log_bytes()?;
        Ok((bytes > MAX_WAL_BYTES).then_some(bytes))
    }

    /// How much of the log is in use.
    pub(super) fn log_bytes(&self) -> Result<u64, StorageError> {
        Ok(self.checkpoint(Mode::Noop)?.pages * PAGE_BYTES)
    }

    fn checkpoint(&self, mode: Mode) -> Result<Checkpoint, StorageError> {
        // Not through rusqlite's helpers for pragmas, which take the parenthesis for a part of the name.
        let sql = match mode {
            Mode::Noop => "PRAGMA wal_checkpoint(NOOP)",
            Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
            Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
        };
        let mut statement = self.database.connection.prepare_cached(sql)?;
        Ok(statement.query_row([], |row| {
            // There is no log, and so no count (-1), before the first write.
            Ok(Checkpoint { is_held: row.get(0)?, pages: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0) })
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Access, Database};

    fn pages_written(store: &mut WriteStore) {
        for _ in 0..200 {
            store.probe(1_000).expect("two commits");
            store.tend_log().expect("a log");
        }
    }

    #[test]
    fn the_log_goes_into_the_file_and_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = WriteStore::at(&folder.path().join("m.db"));
        for _ in 0..8 {
            pages_written(&mut store);
        }
        let pages = store.checkpoint(Mode::Noop).expect("a log").pages;
        assert!(pages <= CHECKPOINT_PAGES + 10 * u64::from(COMMITS_BETWEEN_LOOKS), "{pages} pages");
    }

    #[test]
    fn a_reader_that_does_not_let_go_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.db");
        let mut store = WriteStore::at(&path);
        pages_written(&mut store);
        let reader = Database::open(&path, Access::ReadOnly).expect("a reader");
        reader.connection.execute_batch("BEGIN; SELECT count(*) FROM meta").expect("a snapshot");
        pages_written(&mut store);
        let before = std::time::Instant::now();
        assert!(!store.empty_log().expect("an answer"), "the reader still needs it");
        assert!(before.elapsed() < BUSY_TIMEOUT / 2, "it waited for the reader");
        reader.connection.execute_batch("COMMIT").expect("the end of the snapshot");
        assert!(store.empty_log().expect("an answer"));
    }
}
