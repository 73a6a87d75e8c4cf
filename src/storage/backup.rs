//! A copy of a database as of one moment, whoever writes to it meanwhile.
//!
//! The pages are copied as they are, a few at a time, while a transaction holds on to the moment: nothing that is written
//! meanwhile makes the copy begin anew, and the writer waits for nothing. The write-ahead log can't be emptied as long, so
//! only the copying happens under it; whatever takes longer is done with the copy.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::{Deserialize, Serialize};

use super::database::{Access, Database, connect};
use super::error::StorageError;
use super::export::Moment;

/// How many pages are copied between two looks at whether to go on; at SQLite's 4 KiB a page.
const PAGES_PER_STEP: i32 = 256;

/// How many bytes that is.
pub const COPY_BYTES_PER_STEP: u64 = 256 * 4096;

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Channels.
    pub channels: u64,
    /// People who wrote something.
    pub members: u64,
    /// Messages, the deleted ones too.
    pub messages: u64,
    /// Entries of the log chain.
    pub entries: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, members, messages, entries } = self;
        write!(f, "{messages} messages in {channels} channels, {members} members, {entries} log entries")
    }
}

impl Database {
    /// Copies the whole database as of `moment` into the empty file `target`, which nobody else may use. It is not made
    /// durable. `each` hears how many of how many bytes are done, and ends the copying with an error.
    pub fn copy_into<E: From<StorageError>>(
        &self,
        _moment: &Moment<'_>,
        target: &Path,
        mut each: impl FnMut(u64, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut target = open_target(target)?;
        let page_bytes = self.page_bytes()?;
        let copy = Backup::new(&self.connection, &mut target).map_err(StorageError::from)?;
        loop {
            let step = copy.step(PAGES_PER_STEP).map_err(StorageError::from)?;
            let progress = copy.progress();
            let bytes = |pages: i32| u64::try_from(pages).unwrap_or_default() * page_bytes;
            each(bytes(progress.pagecount - progress.remaining), bytes(progress.pagecount))?;
            match step {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                // The transaction has its snapshot already, and nobody else has the target; so this passes.
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// How large the database is, in bytes.
    pub fn bytes(&self) -> Result<u64, StorageError> {
        let pages: u64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        Ok(pages * self.page_bytes()?)
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Result<Counts, StorageError> {
        let count =
            |table| self.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u64>(0));
        Ok(Counts {
            channels: count("channel")?,
            members: count("member")?,
            messages: count("message")?,
            entries: count("entry")?,
        })
    }

    fn page_bytes(&self) -> Result<u64, StorageError> {
        Ok(self.connection.pragma_query_value(None, "page_size", |row| row.get(0))?)
    }
}

/// A connection that writes as fast as it can: a copy that is cut short is thrown away.
fn open_target(path: &Path) -> Result<Connection, StorageError> {
    let connection = connect(path, Access::ReadWrite)?;
    connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "off")?;
    Ok(connection)
}
