//! What a database remembers of how it came to its place: that a backup was put there, and which heads of a longer or
//! another log its operator has passed over.

use super::database::{Access, Database};
use super::error::StorageError;
use super::write::WriteStore;
use crate::staged_file::StagedFile;
use crate::time::Timestamp;

const RESTORED_AT: &str = "restored_at";
const OVERRULED_HEADS: &str = "overruled_heads";

/// Marks a database that is under way as one that was restored at `now`; the server that opens it next takes the mark away.
pub fn mark_restored(staged: &StagedFile, now: Timestamp) -> Result<(), StorageError> {
    let database = Database::open(staged.path(), Access::ReadWrite)?;
    database.connection.execute(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
        (RESTORED_AT, now.unix_ms()),
    )?;
    Ok(())
}

impl Database {
    /// When the database was restored, if no server has opened it since.
    pub fn restored_at(&self) -> Result<Option<Timestamp>, StorageError> {
        Ok(self.meta::<u64>(RESTORED_AT)?.map(Timestamp::from_unix_ms))
    }

    /// Whether [`WriteStore::overrule`] was told of this head.
    pub fn has_overruled(&self, head: &str) -> Result<bool, StorageError> {
        let heads: Option<String> = self.meta(OVERRULED_HEADS)?;
        Ok(heads.is_some_and(|heads| heads.lines().any(|line| line == head)))
    }
}

impl WriteStore {
    /// Takes away the mark of [`mark_restored`]; returns it if it was there.
    pub fn take_restored_mark(&mut self) -> Result<Option<Timestamp>, StorageError> {
        let mark = self.database().restored_at()?;
        if mark.is_some() {
            self.database().connection.execute("DELETE FROM meta WHERE name = ?1", [RESTORED_AT])?;
        }
        Ok(mark)
    }

    /// Remembers that the operator serves this database although these heads, a line of text each, are of a longer or
    /// another log.
    pub fn overrule(&mut self, heads: &[String]) -> Result<(), StorageError> {
        if heads.is_empty() {
            return Ok(());
        }
        let known: Option<String> = self.database().meta(OVERRULED_HEADS)?;
        let all: Vec<&str> =
            known.as_deref().into_iter().flat_map(str::lines).chain(heads.iter().map(String::as_str)).collect();
        self.begin()?;
        self.set_meta(OVERRULED_HEADS, all.join("\n"))?;
        self.commit()
    }
}
