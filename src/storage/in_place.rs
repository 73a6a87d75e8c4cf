//! Whether the files of a database that is open still have their names.
//!
//! SQLite goes on writing into files that were renamed, removed or replaced, and nobody would find what it writes there. So
//! the names are looked at before each commit, and now and then in between.

use std::path::PathBuf;

use super::error::StorageError;
use super::lock::DatabaseLock;
use super::write::WriteStore;
use crate::file_identity::FileIdentity;
use crate::staged_file::beside;

/// How the name of the copy ends that is made of a database that was removed.
const RESCUED: &str = ".rescued";

/// The files of an open database, as they were when it was opened.
pub(super) struct Files {
    lock: DatabaseLock,
    /// The database itself, its write-ahead log and the index of that.
    identities: Vec<(PathBuf, FileIdentity)>,
    is_rescued: bool,
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
        Ok(Self { lock: lock.clone(), identities, is_rescued: false })
    }

    /// Fails if one of the files has lost its name, until it has it again.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        for (path, identity) in &self.identities {
            let is_other = match FileIdentity::at(path) {
                Ok(found) if found == *identity => continue,
                found => found.is_ok(),
            };
            let is_database = path == self.lock.path();
            let (what, todo) = match is_other {
                true if is_database && self.lock.has_name() => ("was replaced", PUT_BACK),
                true if is_database => ("was replaced", GIVE_NAME),
                true => ("was replaced", RESTART),
                false if is_database && self.lock.has_name() => ("was moved", PUT_BACK),
                false if is_database => ("was removed", GIVE_NAME),
                false => ("was moved or removed", RESTART),
            };
            return Err(StorageError::Displaced { path: path.clone(), what, todo });
        }
        Ok(())
    }
}

impl WriteStore {
    /// Fails if the database's files have lost their names.
    pub fn check_in_place(&self) -> Result<(), StorageError> {
        self.files.as_ref().map_or(Ok(()), Files::check)
    }

    /// Copies what is stored into a new file beside the database, once, if the database itself has no name at all any more,
    /// and would be gone with this process. Returns the copy.
    pub fn rescue(&mut self) -> Result<Option<PathBuf>, StorageError> {
        let Some(files) = self.files.as_mut().filter(|files| !files.is_rescued && !files.lock.has_name()) else {
            return Ok(None);
        };
        let copy = self.database.copy_beside(RESCUED)?;
        files.is_rescued = true;
        Ok(Some(copy))
    }
}

const PUT_BACK: &str = "put it back under this name, or stop the server to go on with what is there now";

const GIVE_NAME: &str = "what it held is copied beside it; stop the server, and give the copy this name";

const RESTART: &str = "restart the server, which writes what is missing into the database when it stops";
