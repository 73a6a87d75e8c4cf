//! Opening a database just to look at it: nothing is written, no file appears beside it, and a directory that can't be
//! written to is no obstacle.
//!
//! A database in WAL mode wants a `-shm` and a `-wal` file beside it even for reading. Three cases:
//!
//! - No `-wal`: nobody has it open and the file holds everything. It is read as immutable, and compared with itself
//!   afterwards ([`AsIs::is_unchanged`]), in case a server started meanwhile.
//! - A `-wal` is there: a server runs, or one was killed. It is read like by any other reader.
//! - That fails, since the directory can't be written to and the `-shm` is missing: files are copied to a private place.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, InterruptHandle};
use tempfile::TempDir;

use super::database::{Access, Database, check_kind, connect, connect_frozen};
use super::error::{StorageError, plain_words};
use super::lock::DatabaseLock;
use super::reference::ReferenceDatabase;
use crate::staged_file::beside;

/// How often a copy is tried while the file changes underneath.
const COPY_TRIES: usize = 3;

/// A database file, to be read as it is.
#[derive(Debug)]
pub struct AsIs {
    /// The file that is read: the one named, or a copy.
    path: PathBuf,
    way: Way,
    /// What the named file looked like.
    stamp: Stamp,
    named: PathBuf,
    /// Holds the copy, if one was made; removed with this.
    _copy: Option<TempDir>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nobody writes to it: no locks.
    Frozen,
    /// As one of several who have it open.
    Shared,
}

/// A database that was opened as it is: ours, or the reference's.
pub enum Opened {
    /// One of this program.
    Coms(Database),
    /// One of the Go reference server.
    Reference(ReferenceDatabase),
}

impl AsIs {
    /// Looks at the file and decides how it can be read.
    pub fn prepare(path: &Path) -> Result<Self, StorageError> {
        DatabaseLock::refuse_other_name(path)?;
        let cannot = |cause: String| StorageError::Open { path: path.to_owned(), cause };
        let metadata = fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
        check_kind(path)?;
        let stamp = Stamp::of(&metadata);
        let as_is =
            |path: &Path, way, copy| Self { path: path.to_owned(), way, stamp, named: path.to_owned(), _copy: copy };
        if !beside(path, "-wal").exists() && !beside(path, "-journal").exists() {
            return Ok(as_is(path, Way::Frozen, None));
        }
        if connect(path, Access::ReadOnly).and_then(|connection| touch(&connection)).is_ok() {
            return Ok(as_is(path, Way::Shared, None));
        }
        if fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() == 0) {
            return Ok(as_is(path, Way::Frozen, None));
        }
        let copy = copy(path).map_err(|error| cannot(error.to_string()))?;
        let copied = copy.path().join("copy.db");
        Ok(Self { path: copied, way: Way::Shared, stamp, named: path.to_owned(), _copy: Some(copy) })
    }

    /// Opens it, once more with each call.
    pub fn open(&self) -> Result<Opened, StorageError> {
        let connection = match self.way {
            Way::Frozen => connect_frozen(&self.path),
            Way::Shared => connect(&self.path, Access::ReadOnly),
        };
        let cannot = |error| StorageError::Open { path: self.named.clone(), cause: why(&self.named, &error) };
        let connection = connection.map_err(cannot)?;
        match Database::from_reader(connection, &self.named) {
            Ok(database) => Ok(Opened::Coms(database)),
            Err(StorageError::Reference { .. }) => {
                let connection = match self.way {
                    Way::Frozen => connect_frozen(&self.path),
                    Way::Shared => connect(&self.path, Access::ReadOnly),
                };
                Ok(Opened::Reference(ReferenceDatabase::new(connection.map_err(cannot)?)?))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether what was read is one picture. False if the file was read as frozen, and somebody wrote to it meanwhile.
    pub fn is_unchanged(&self) -> bool {
        self.way == Way::Shared
            || (fs::metadata(&self.named).is_ok_and(|metadata| Stamp::of(&metadata) == self.stamp)
                && !fs::metadata(beside(&self.named, "-wal")).is_ok_and(|wal| wal.len() > 0))
    }
}

impl Opened {
    /// A handle with which another thread stops what this connection does.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        match self {
            Self::Coms(database) => database.connection.get_interrupt_handle(),
            Self::Reference(reference) => reference.connection.get_interrupt_handle(),
        }
    }
}

/// SQLite does not say why it can't open a file; the system does. It is not opened for that: closing it would drop the
/// locks that other connections of this process have on it.
fn why(path: &Path, error: &rusqlite::Error) -> String {
    #[cfg(unix)]
    if let Err(cause) = rustix::fs::access(path, rustix::fs::Access::READ_OK) {
        return std::io::Error::from(cause).to_string();
    }
    #[cfg(not(unix))]
    let _ = path;
    plain_words(error)
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Reads something, so that SQLite does what it does when it first reads.
fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Copies the file and what stands beside it to a private directory.
fn copy(path: &Path) -> std::io::Result<TempDir> {
    let stamps = || [path.to_owned(), beside(path, "-wal")].map(|file| fs::metadata(file).ok().map(|m| Stamp::of(&m)));
    for _ in 0..COPY_TRIES {
        let before = stamps();
        let folder = tempfile::Builder::new().prefix("coms-").tempdir()?;
        for suffix in ["", "-wal", "-journal"] {
            let source = beside(path, suffix);
            if source.exists() {
                fs::copy(source, folder.path().join(format!("copy.db{suffix}")))?;
            }
        }
        if stamps() == before {
            return Ok(folder);
        }
    }
    Err(std::io::Error::other("it changes while it is copied, and it can't be read in place"))
}
