//! What SQLite itself can say about a file, and whether the search index matches the messages.
//!
//! FTS5 compares its index with the text in an `INSERT` on the index, which would need a writing connection and hold up
//! the server's writer. So the index's pages are copied into a temporary table of the same kind, whose content is a view
//! of the real messages, and the question is put to that: the database is only read.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::as_is::Opened;
use super::error::StorageError;

/// How many findings of `PRAGMA integrity_check` are asked for.
const MAX_FINDINGS: u32 = 20;

/// Where an index is, what it is of, and how it is made.
struct Index {
    /// The view in the temporary schema that stands for the content.
    view: &'static str,
    table: &'static str,
    /// The arguments of `fts5(…)` are taken from the schema of the file, which is compared with ours elsewhere.
    shadows: &'static [&'static str],
}

const OURS: Index = Index {
    view: "CREATE TEMP VIEW searchable (key, text) AS \
           SELECT key, search_text(content) FROM main.message WHERE deleted_at IS NULL",
    table: "search",
    shadows: &["data", "idx", "config"],
};

const REFERENCE: Index = Index {
    view: "CREATE TEMP VIEW messages AS SELECT rowid, content FROM main.messages",
    table: "messages_fts",
    shadows: &["data", "idx", "docsize", "config"],
};

impl Opened {
    /// What `PRAGMA integrity_check` finds wrong; nothing if the file is sound.
    pub fn integrity_findings(&self) -> Result<Vec<String>, StorageError> {
        let mut statement = self.connection().prepare(&format!("PRAGMA integrity_check({MAX_FINDINGS})"))?;
        let findings = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(findings.into_iter().filter(|finding| finding != "ok").collect())
    }

    /// Whether the search index matches the messages. Afterwards the connection is good for nothing else.
    pub fn search_index_matches(&self) -> Result<bool, StorageError> {
        let index = match self {
            Self::Coms(_) => OURS,
            Self::Reference(_) => REFERENCE,
        };
        let connection = self.connection();
        // The temporary table's own tables are filled by hand; the database is opened for reading anyway.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
        // One transaction, so that index and messages are of one moment.
        connection.execute_batch("BEGIN")?;
        copy_index(connection, &index)?;
        let checked = connection
            .execute_batch(&format!("INSERT INTO temp.{0} ({0}, rank) VALUES ('integrity-check', 1)", index.table));
        connection.execute_batch("ROLLBACK")?;
        match checked.map_err(StorageError::from) {
            Ok(()) => Ok(true),
            Err(error) if error.is_damage() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the schema is exactly the one that this program makes; always true of the reference's.
    pub fn has_our_schema(&self) -> Result<bool, StorageError> {
        match self {
            Self::Coms(database) => database.has_own_schema(),
            Self::Reference(_) => Ok(true),
        }
    }

    fn connection(&self) -> &Connection {
        match self {
            Self::Coms(database) => &database.connection,
            Self::Reference(reference) => &reference.connection,
        }
    }
}

fn copy_index(connection: &Connection, index: &Index) -> Result<(), StorageError> {
    let table = index.table;
    let sql: String = connection.query_row(
        "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1",
        [table],
        |row| row.get(0),
    )?;
    let made_with = sql.find('(').and_then(|at| sql.get(at..)).unwrap_or_default();
    connection.execute_batch(index.view)?;
    connection.execute_batch(&format!("CREATE VIRTUAL TABLE temp.{table} USING fts5 {made_with}"))?;
    for shadow in index.shadows {
        connection.execute_batch(&format!(
            "DELETE FROM temp.{table}_{shadow}; INSERT INTO temp.{table}_{shadow} SELECT * FROM main.{table}_{shadow}"
        ))?;
    }
    Ok(())
}
