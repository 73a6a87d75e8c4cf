//! Opening a database: the settings that every connection has, and which schema the file must have.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{StorageError, is_disk_full, plain_words};
use super::lock::DatabaseLock;
use super::search_text::search_text;
use super::set_aside::free_name;
use crate::file_identity::other_kind;
use crate::staged_file::{Existing, StagedFile, folder_of};

/// Marks a file as ours in its header (`PRAGMA application_id`): "coms".
const APPLICATION_ID: i32 = 0x636f_6d73;

/// The schemas, oldest first, each a step from the one before; a file's `user_version` counts those it has. Append only.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The schema that this program writes, and the last that it knows.
pub const SCHEMA: usize = MIGRATIONS.len();

/// Up to 3.51.2 a checkpoint that races a write can corrupt a database in WAL mode.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a connection waits for a lock. Readers never wait for the writer in WAL mode; this is for the moment of
/// opening, and for a command that makes a small change beside the server.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many pages are copied between two looks at whether that succeeds.
const COPIED_AT_ONCE: i32 = 10_000;

/// How much of the write-ahead log is kept on the disk once it is used up, and beyond which it is too big.
pub(super) const MAX_WAL_BYTES: u64 = 64 * 1024 * 1024;

/// What a connection to an existing database of the current schema is for. Only who holds the [`DatabaseLock`] makes one,
/// or brings it up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads only.
    ReadOnly,
    /// Reads, and makes a small change beside the process that holds the lock.
    ReadWrite,
}

/// What may be done to the file beyond that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// Nothing: others may have it open.
    Shared,
    /// An empty one gets the schema, an older one is brought up to date.
    Sole,
}

/// One connection to a database with this program's schema.
pub struct Database {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens the database at `path`, which must be there and have the current schema. What is refused is left as it was.
    pub fn open(path: &Path, access: Access) -> Result<Self, StorageError> {
        DatabaseLock::refuse_other_name(path)?;
        Self::open_as(path, access, Ownership::Shared)
    }

    /// Opens the database of the lock for writing. A missing or empty file becomes an empty database of the current schema,
    /// in WAL mode, and an older one is brought up to date. What is refused is left as it was.
    pub(super) fn open_locked(lock: &DatabaseLock) -> Result<Self, StorageError> {
        refuse_network(lock.path())?;
        lock.hold_database()?;
        Self::open_as(lock.path(), Access::ReadWrite, Ownership::Sole)
    }

    /// Opens the empty file that is under way for writing, and makes a database of it.
    pub(super) fn open_staged(staged: &StagedFile) -> Result<Self, StorageError> {
        refuse_network(staged.path())?;
        Self::open_as(staged.path(), Access::ReadWrite, Ownership::Sole)
    }

    fn open_as(path: &Path, access: Access, ownership: Ownership) -> Result<Self, StorageError> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(StorageError::OldSqlite(rusqlite::version()));
        }
        check_kind(path)?;
        let connection = connect(path, access)
            .map_err(|error| StorageError::Open { path: path.to_owned(), cause: plain_words(&error) })?;
        Self::prepared(connection, path, access, ownership)
    }

    /// Makes a database of a connection that reads the file at `path`.
    pub(super) fn from_reader(connection: Connection, path: &Path) -> Result<Self, StorageError> {
        Self::prepared(connection, path, Access::ReadOnly, Ownership::Shared)
    }

    fn prepared(
        connection: Connection,
        path: &Path,
        access: Access,
        ownership: Ownership,
    ) -> Result<Self, StorageError> {
        let mut database = Self { connection, path: path.to_owned() };
        database.prepare(access, ownership).map_err(|error| match error {
            StorageError::Sqlite(error) => database.opening_error(&error),
            other => other,
        })?;
        Ok(database)
    }

    fn prepare(&mut self, access: Access, ownership: Ownership) -> Result<(), StorageError> {
        self.configure()?;
        let schema = self.schema(ownership)?;
        if schema != Some(MIGRATIONS.len()) && ownership == Ownership::Shared {
            let (found, known) = (schema.unwrap_or(0), MIGRATIONS.len());
            return Err(StorageError::Older { path: self.path.clone(), found, known });
        }
        if access == Access::ReadOnly {
            return Ok(());
        }
        let is_current = schema == Some(MIGRATIONS.len());
        if is_current {
            self.check_own_schema()?;
        }
        // Only now is it known that the file is ours: these settings change it.
        self.configure_writing()?;
        if is_current {
            return Ok(());
        }
        if let Some(found) = schema {
            self.copy_of_schema(found)?;
        }
        self.migrate(schema.unwrap_or(0))?;
        self.check_own_schema()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn configure(&self) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // The schema has none. One that is there all the same would change what was acknowledged.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.create_scalar_function(
            "search_text",
            1,
            // Innocuous: the view that calls it is part of the schema, which is not trusted.
            FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS,
            |context| Ok(search_text(context.get_raw(0).as_str()?).into_owned()),
        )?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(())
    }

    fn configure_writing(&self) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
        connection.pragma_update_and_check(None, "journal_size_limit", MAX_WAL_BYTES, |_| Ok(()))?;
        // Checkpoints are made by the writer alone: `write_ahead_log`.
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))
    }

    /// Which schema the file has; `None` if it is empty, which only one of one's own may be.
    fn schema(&self, ownership: Ownership) -> Result<Option<usize>, StorageError> {
        let path = self.path.clone();
        // The file is looked into here for the first time.
        let foreign = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StorageError::Foreign { path: path.clone() },
            _ => error.into(),
        };
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(foreign);
        let (application, version) = (number("application_id")?, number("user_version")?);
        let tables = self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        let known = MIGRATIONS.len();
        match (application, usize::try_from(version)) {
            (0, Ok(0)) if tables == 0 && ownership == Ownership::Sole => Ok(None),
            (application, Ok(found)) if application == i64::from(APPLICATION_ID) => {
                if found > known {
                    Err(StorageError::Newer { path, found, known })
                } else {
                    Ok(Some(found))
                }
            }
            _ if self.has_table("log_chain")? && self.has_table("messages")? => Err(StorageError::Reference { path }),
            _ => Err(StorageError::Foreign { path }),
        }
    }

    /// An empty database of the schema that this program makes.
    pub(super) fn fresh() -> Result<Self, StorageError> {
        let mut fresh = Self { connection: Connection::open_in_memory()?, path: PathBuf::new() };
        fresh.configure()?;
        fresh.migrate(0)?;
        Ok(fresh)
    }

    /// Copies a file that is about to be changed to a later schema, beside it.
    fn copy_of_schema(&self, found: usize) -> Result<(), StorageError> {
        self.copy_beside(&format!(".schema-{found}")).map(drop)
    }

    /// Copies what is stored into a new file beside the database, whose name ends with `suffix` and perhaps a number.
    pub(super) fn copy_beside(&self, suffix: &str) -> Result<PathBuf, StorageError> {
        let cannot = |error: io::Error| StorageError::Open { path: self.path.clone(), cause: error.to_string() };
        let name = free_name(&self.path, suffix).map_err(cannot)?;
        let staged = StagedFile::for_target(&name).map_err(cannot)?;
        let mut copy = connect(staged.path(), Access::ReadWrite)?;
        Backup::new(&self.connection, &mut copy)?.run_to_completion(COPIED_AT_ONCE, Duration::ZERO, None)?;
        drop(copy);
        staged.publish(Existing::Keep).map_err(cannot)?;
        Ok(name)
    }

    fn migrate(&mut self, from: usize) -> Result<(), StorageError> {
        let transaction = self.connection.transaction()?;
        for step in MIGRATIONS.iter().skip(from) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
        transaction.commit()?;
        Ok(())
    }

    fn has_table(&self, name: &str) -> rusqlite::Result<bool> {
        self.connection.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [name],
            |row| row.get(0),
        )
    }

    fn opening_error(&self, error: &rusqlite::Error) -> StorageError {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                StorageError::Foreign { path: self.path.clone() }
            }
            _ if is_disk_full(error) => StorageError::DiskFull,
            _ => StorageError::Open { path: self.path.clone(), cause: plain_words(error) },
        }
    }
}

/// Refuses what is there and is no file: SQLite would wait for a pipe for ever.
pub(super) fn check_kind(path: &Path) -> Result<(), StorageError> {
    other_kind(path).map_or(Ok(()), |kind| Err(StorageError::Open { path: path.to_owned(), cause: kind.to_owned() }))
}

/// Refuses network file systems. The file is not opened for that: closing it would drop the locks that this process has on
/// it.
fn refuse_network(path: &Path) -> Result<(), StorageError> {
    #[cfg(target_os = "linux")]
    {
        // From linux/magic.h: NFS, SMB, CIFS, SMB2, AFS, Ceph.
        const NETWORKS: [u32; 6] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x5346_414F, 0x00C3_6400];
        let place = if path.exists() { path } else { folder_of(path) };
        let failed = |error: rustix::io::Errno| StorageError::Open {
            path: path.to_owned(),
            cause: io::Error::from(error).to_string(),
        };
        let kind = rustix::fs::statfs(place).map_err(failed)?.f_type;
        if u32::try_from(kind).is_ok_and(|kind| NETWORKS.contains(&kind)) {
            return Err(StorageError::Network { path: path.to_owned() });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place that opens databases")]
pub(super) fn connect(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    // Not `SQLITE_OPEN_URI`, which rusqlite's default has: a path is a path, whatever it looks like.
    let shared = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let access = match access {
        Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    with_stable_plans(Connection::open_with_flags(path, shared | access)?)
}

/// Opens a file that nobody has open and that does not change, without locks and without a file beside it.
#[expect(clippy::disallowed_methods, reason = "the one place that opens databases")]
pub(super) fn connect_frozen(path: &Path) -> rusqlite::Result<Connection> {
    // A URI is the only way to say `immutable`; every byte of the path that could mean something in it is escaped.
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            b'\\' if cfg!(windows) => uri.push('/'),
            byte => uri.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE
        | OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI;
    with_stable_plans(Connection::open_with_flags(uri, flags)?)
}

/// The bundled SQLite has STAT4, with which each newly bound value expires the statement's plan: every step would compile it
/// again, a fifth of what a message costs. A plan that does not depend on bound values is compiled once.
fn with_stable_plans(connection: Connection) -> rusqlite::Result<Connection> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_locked(path: &Path) -> Result<Database, StorageError> {
        Database::open_locked(&DatabaseLock::take(path, "coms serve")?)
    }

    #[test]
    fn a_new_database_opens_again_for_reading() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("messages.db");
        drop(open_locked(&path).expect("a new database"));
        Database::open(&path, Access::ReadOnly).expect("the same database");
    }

    #[test]
    fn foreign_newer_and_missing_files_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "no database at all, but long enough for a header of one hundred bytes. ".repeat(3))
            .expect("a file");
        assert!(matches!(open_locked(&text), Err(StorageError::Foreign { .. })));

        let newer = folder.path().join("newer.db");
        let database = open_locked(&newer).expect("a new database");
        database.connection.pragma_update(None, "user_version", 99).expect("a pragma");
        drop(database);
        assert!(matches!(open_locked(&newer), Err(StorageError::Newer { found: 99, .. })));

        let missing = folder.path().join("missing.db");
        assert!(matches!(Database::open(&missing, Access::ReadOnly), Err(StorageError::Open { .. })));
    }
    #[test]
    fn a_foreign_database_is_left_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("theirs.db");
        std::fs::write(&path, "").expect("a file");
        let theirs = connect(&path, Access::ReadWrite).expect("a database");
        theirs.execute_batch("CREATE TABLE photo (name TEXT)").expect("a table");
        drop(theirs);
        let before = std::fs::read(&path).expect("the file");
        assert!(matches!(open_locked(&path), Err(StorageError::Foreign { .. })));
        assert_eq!(std::fs::read(&path).expect("the file"), before);
    }

    #[test]
    fn an_older_schema_is_only_changed_beside_a_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("messages.db");
        let database = open_locked(&path).expect("a new database");
        // There is no schema before the first one: its step fails, and everything stays.
        database.connection.pragma_update(None, "user_version", 0).expect("a pragma");
        drop(database);
        assert!(matches!(Database::open(&path, Access::ReadOnly), Err(StorageError::Older { found: 0, .. })));
        assert!(open_locked(&path).is_err());
        let copy = connect(&folder.path().join("messages.db.schema-0"), Access::ReadOnly).expect("the copy");
        for file in [copy, connect(&path, Access::ReadOnly).expect("the database")] {
            let version = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            assert_eq!(file.pragma_query_value(None, "user_version", version), Ok(0));
            assert_eq!(file.query_row("SELECT count(*) FROM entry", [], version), Ok(0));
        }
    }
}
