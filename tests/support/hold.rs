//! Another program that writes to the database, which no server can do anything about.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// Keeps every other connection from writing, until it is dropped.
pub(crate) struct Hold(#[expect(dead_code, reason = "its transaction ends when it is dropped")] Connection);

impl Hold {
    /// Waits for the writer to be between two transactions, and takes its place.
    #[expect(clippy::disallowed_methods, reason = "a program of its own, as far as the server can tell")]
    pub(crate) fn take(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).expect("a database");
        connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        Self(connection)
    }
}
