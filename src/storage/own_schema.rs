//! Whether a file's schema is the one that this program makes. A trigger, another view, a column or index more or less would
//! change or refuse what is stored.

use std::collections::BTreeMap;

use super::database::Database;
use super::error::StorageError;

/// How much of a name is shown.
const SHOWN_CHARS: usize = 60;

/// The objects of a schema by type and name: the table that each is of, and its definition.
type Objects = BTreeMap<(String, String), (String, Option<String>)>;

impl Database {
    /// Whether the schema is the one that this program makes.
    pub(super) fn has_own_schema(&self) -> Result<bool, StorageError> {
        Ok(self.schema_difference()?.is_none())
    }

    /// Refuses a schema that somebody changed, naming the first difference.
    pub(super) fn check_own_schema(&self) -> Result<(), StorageError> {
        match self.schema_difference()? {
            None => Ok(()),
            Some(difference) => Err(StorageError::ChangedSchema { path: self.path().to_owned(), difference }),
        }
    }

    fn schema_difference(&self) -> Result<Option<String>, StorageError> {
        let (found, expected) = (self.objects()?, Self::fresh()?.objects()?);
        let shown = |(kind, name): &(String, String)| {
            let name: String = name.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
            format!("{kind} `{name}`")
        };
        let added = found.keys().find(|object| !expected.contains_key(*object));
        let added = added.map(|object| format!("{} was added", shown(object)));
        let differs = || {
            expected.iter().find_map(|(object, definition)| match found.get(object) {
                None => Some(format!("{} is missing", shown(object))),
                Some(other) => (other != definition).then(|| format!("{} was changed", shown(object))),
            })
        };
        Ok(added.or_else(differs))
    }

    fn objects(&self) -> Result<Objects, StorageError> {
        // What `ANALYZE` keeps is no part of it. Nobody but SQLite can make tables with such names.
        let mut statement = self.connection.prepare(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'",
        )?;
        let objects = statement.query_map([], |row| {
            let sql = row.get::<_, Option<String>>(3)?;
            Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, sql.as_deref().map(without_comments))))
        })?;
        Ok(objects.collect::<rusqlite::Result<_>>()?)
    }
}

/// A definition without its comments and with single spaces: neither means anything, and SQLite keeps both.
fn without_comments(sql: &str) -> String {
    let mut plain = String::with_capacity(sql.len());
    let mut rest = sql.chars();
    while let Some(c) = rest.next() {
        let text = rest.as_str();
        match c {
            '-' if text.starts_with('-') => {
                rest.find(|c| *c == '\n');
                push_space(&mut plain);
            }
            '/' if text.starts_with('*') => {
                let after = text.get(1..).and_then(|text| text.split_once("*/")).map_or("", |(_, after)| after);
                rest = after.chars();
                push_space(&mut plain);
            }
            '\'' | '"' | '`' | '[' => {
                let end = if c == '[' { ']' } else { c };
                plain.push(c);
                plain.extend(rest.by_ref().take_while(|c| *c != end));
                plain.push(end);
            }
            c if c.is_ascii_whitespace() => push_space(&mut plain),
            c => plain.push(c),
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

fn push_space(text: &mut String) {
    if !text.ends_with(' ') {
        text.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Access, DatabaseLock, WriteStore};

    #[test]
    fn comments_and_spaces_mean_nothing_and_quotes_do() {
        let cases = [
            ("a (\n    -- why\n    b)", "a ( b)"),
            ("a (  b)", "a ( b)"),
            ("a (/* why */ b)", "a ( b)"),
            ("a '-- no' \"/* no */\" [--] `  `", "a '-- no' \"/* no */\" [--] `  `"),
            ("a 'it''s  --' b", "a 'it''s  --' b"),
            ("a -- the end", "a"),
        ];
        for (sql, expected) in cases {
            assert_eq!(without_comments(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_database_whose_schema_somebody_changed_is_not_opened_for_writing() {
        let changes = [
            ("CREATE TRIGGER gone AFTER INSERT ON message BEGIN DELETE FROM message; END", "trigger `gone` was added"),
            ("CREATE VIEW mine AS SELECT 1", "view `mine` was added"),
            ("CREATE UNIQUE INDEX once ON message (content)", "index `once` was added"),
            ("CREATE TABLE mine (a)", "table `mine` was added"),
            ("ALTER TABLE message ADD COLUMN note TEXT DEFAULT 'x'", "table `message` was changed"),
            ("DROP INDEX message_id", "index `message_id` is missing"),
            (
                "DROP INDEX message_channel; CREATE UNIQUE INDEX message_channel ON message (channel)",
                "index `message_channel` was changed",
            ),
            (
                "DROP VIEW searchable; CREATE VIEW searchable (key, text) AS SELECT key, content FROM message",
                "view `searchable` was changed",
            ),
        ];
        for (change, expected) in changes {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("m.db");
            let lock = DatabaseLock::take(&path, "coms serve").expect("the lock");
            let store = WriteStore::open(&lock).expect("a database");
            store.database.connection.execute_batch(&format!("{change}; ANALYZE")).expect(change);
            drop(store);
            let refused = |error: Option<StorageError>| match error {
                Some(StorageError::ChangedSchema { difference, .. }) => assert_eq!(difference, expected),
                other => panic!("{change}: {other:?}"),
            };
            refused(WriteStore::open(&lock).err());
            refused(WriteStore::beside(&path).err());
            assert!(
                !Database::open(&path, Access::ReadOnly).expect("it can be read").has_own_schema().expect("a schema")
            );
        }
    }

    #[test]
    fn statistics_and_comments_are_no_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = DatabaseLock::take(&folder.path().join("m.db"), "coms serve").expect("the lock");
        let store = WriteStore::open(&lock).expect("a database");
        let spaced =
            "DROP INDEX message_channel; CREATE INDEX message_channel -- by channel\n  ON message (channel); ANALYZE";
        store.database.connection.execute_batch(spaced).expect("SQL");
        drop(store);
        WriteStore::open(&lock).expect("the same schema");
    }

    /// Whatever way one gets into an open database, it does nothing there.
    #[test]
    fn a_trigger_that_is_made_later_does_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = DatabaseLock::take(&folder.path().join("m.db"), "coms serve").expect("the lock");
        let mut store = WriteStore::open(&lock).expect("a database");
        let trigger = "CREATE TRIGGER gone AFTER INSERT ON member BEGIN DELETE FROM member; END";
        store.database.connection.execute_batch(trigger).expect("a trigger");
        let member = store.batch().member(crate::ids::UserId::from_bytes([1; 16])).expect("a member");
        let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let stored = store.database.connection.query_row("SELECT count(*) FROM member WHERE key = ?1", [member], count);
        assert_eq!(stored, Ok(1));
    }
}
