//! What can be wrong with a database, as far as somebody does something about it.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use super::lock::LockError;
use crate::ids::ChainIndex;

/// Why the database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such file, or it can't be opened or made.
    #[error("cannot open the database `{path}`: {cause}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        cause: String,
    },
    /// The file is something else.
    #[error("`{path}` is not a database of coms")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A database of the Go reference server, which `coms adopt` takes over.
    #[error("`{path}` is a database of the Go reference server")]
    Reference {
        /// The file.
        path: PathBuf,
    },
    /// A row does not hold what it must.
    #[error("row {row} of `{table}` is malformed: {problem}")]
    Malformed {
        /// The table.
        table: &'static str,
        /// The row, as SQLite numbers it.
        row: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// A later program wrote it.
    #[error("`{path}` has schema {found}, and this coms knows schemas up to {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema of the file.
        found: usize,
        /// The last schema that this program knows.
        known: usize,
    },
    /// An earlier program wrote it, and it can't be brought up to date without writing.
    #[error("`{path}` has schema {found}; `coms serve` brings it up to schema {known}")]
    Older {
        /// The file.
        path: PathBuf,
        /// The schema of the file.
        found: usize,
        /// The schema that this program makes.
        known: usize,
    },
    /// Somebody changed its schema, and what is stored may not be what was meant to be.
    #[error("the schema of `{path}` is not the one that coms makes: {difference}")]
    ChangedSchema {
        /// The file.
        path: PathBuf,
        /// The first difference.
        difference: String,
    },
    /// A file of the open database has lost its name; what is written into it would be found by nobody.
    #[error("`{path}` {what} while the server runs: {todo}")]
    Displaced {
        /// The file.
        path: PathBuf,
        /// What became of it.
        what: &'static str,
        /// What to do about it.
        todo: &'static str,
    },
    /// Another process writes to it, or its lock can't be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The messages of another server are in it.
    #[error("`{path}` is the database of the server {owner}")]
    OtherServer {
        /// The file.
        path: PathBuf,
        /// The server whose it is.
        owner: String,
    },
    /// Its chain is signed with another key than the configured one.
    #[error("the log chain in `{path}` is signed with another key, whose public half is {key}")]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// That key's public half.
        key: String,
    },
    /// It is on a file system that several machines share, where SQLite's locks and memory maps do not work.
    #[error("`{path}` is on a network file system, where a database is not safe")]
    Network {
        /// The file.
        path: PathBuf,
    },
    /// The SQLite that this program was built with has a bug that corrupts databases.
    #[error("SQLite {0} is too old: 3.51.3 or later is needed")]
    OldSqlite(&'static str),
    /// The disk is full. Nothing was written; later writes may succeed.
    #[error("the disk is full")]
    DiskFull,
    /// The process is stopping, and reads no more.
    #[error("the process is stopping")]
    Stopping,
    /// A row of the chain is no entry.
    #[error("entry {index} of the log is damaged: {problem}")]
    DamagedEntry {
        /// Which one.
        index: ChainIndex,
        /// What is wrong with it.
        problem: String,
    },
    /// Anything else that SQLite reports.
    #[error("database: {0}")]
    Sqlite(rusqlite::Error),
}

impl StorageError {
    /// Whether it may be gone at the next try: the disk is full, another process holds the database, or its file is not in
    /// its place.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::DiskFull | Self::Displaced { .. } => true,
            Self::Sqlite(error) => {
                matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
            }
            _ => false,
        }
    }

    /// Whether a file of the open database has lost its name.
    pub fn is_displaced(&self) -> bool {
        matches!(self, Self::Displaced { .. })
    }

    /// Whether the file is damaged, and not only out of reach.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::QueryReturnedNoRows
                | rusqlite::Error::Utf8Error(..) => true,
                other => matches!(
                    other.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch)
                ),
            },
            _ => false,
        }
    }

    /// Whether it was interrupted from another thread.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Sqlite(error)
            if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted))
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        if is_disk_full(&error) { Self::DiskFull } else { Self::Sqlite(error) }
    }
}

/// Whether there was no room: either for a page, or for the index of the write-ahead log, of which SQLite says so in
/// another way.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    extended == Some(SQLITE_IOERR_SHMSIZE) || error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// SQLite's message alone, without rusqlite's wrapping.
pub(super) fn plain_words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
