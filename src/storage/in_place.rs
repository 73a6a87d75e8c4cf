//! Whether the files of a database that is open still have their names.
//!
//! SQLite goes on writing into files that were renamed, removed or replaced, and nobody would find what it writes there. So
//! the names are looked at before each commit, and now and then in between.

use std::path::PathBuf;

use super::error::StorageError;
use super::lock::DatabaseLock;
use crate::file_identity::FileIdentity;
use crate::staged_file::beside;

/// The files of an open database, as they were when it was opened.
pub(super) struct Files {
    database: PathBuf,
    /// The database itself, its write-ahead log and the index of that.
    identities: Vec<(PathBuf, FileIdentity)>,
}

impl Files {
    /// Takes note of the files. The database is open and was read, so that all of them are there.
    pub(super) fn of(lock: &DatabaseLock) -> Result<Self, StorageError> {
        let cannot =
            |error: std::io::Error| StorageError::Open { path: lock.path().to_owned(), cause: error.to_string() };
        let held = lock.identity().map(|identity| (lock.path().to_owned(), identity));
        let mut identities: Vec<_> = held.into_iter().collect();
        // SQLite puts them beside the file, not beside a link to it.
        let file = lock.path().canonicalize().map_err(cannot)?;
        for suffix in ["-wal", "-shm"] {
            let path = beside(&file, suffix);
            let identity = FileIdentity::at(&path).map_err(cannot)?;
            identities.push((path, identity));
        }
        Ok(Self { database: lock.path().to_owned(), identities })
    }

    /// Fails if one of the files has lost its name, until it has it again.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        for (path, identity) in &self.identities {
            let what = match FileIdentity::at(path) {
                Ok(found) if found == *identity => continue,
                Ok(_) => "was replaced",
                Err(_) => "was moved or removed",
            };
            let todo = if *path == self.database { PUT_BACK } else { RESTART };
            return Err(StorageError::Displaced { path: path.clone(), what, todo });
        }
        Ok(())
    }
}

const PUT_BACK: &str = "put it back under this name, or stop the server to go on with what is there now";

const RESTART: &str = "restart the server, which writes what is missing into the database when it stops";
