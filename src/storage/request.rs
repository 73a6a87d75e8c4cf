//! Creates by the id that their sender gave them: recognized for a while, then forgotten.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row};

use super::database::Database;
use super::dedup_window::DedupWindow;
use super::error::StorageError;
use super::write::WriteStore;

/// Where the window is stored in `meta`.
const WINDOW: &str = "recent_creates";

/// How much of the time that passed a crash may lose, as long as there are creates.
const SAVE_INTERVAL: Duration = Duration::from_mins(1);

/// The sweep through creates that may be old.
pub(super) struct Sweep {
    window: DedupWindow,
    /// How much time passed in it since it was stored.
    unsaved: Duration,
    /// The key of the first message that may have been created since time passed last: it is younger than that.
    fresh: i64,
    /// How far the sweep has come.
    place: Place,
}

impl Sweep {
    /// Takes it up where it was left; at a first start, everything is recent.
    pub(super) fn resume(database: &Database) -> Result<Self, StorageError> {
        let stored: Option<Vec<u8>> = database.meta(WINDOW)?;
        let window = stored.and_then(|stored| DedupWindow::from_bytes(&stored)).unwrap_or_else(DedupWindow::new);
        let fresh = database.next_message_key()?;
        Ok(Self { window, unsaved: Duration::ZERO, fresh, place: Place::START })
    }
}

/// A place in the table of creates, in the order of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    client_id: [u8; 16],
    author: i64,
    message: i64,
}

impl Place {
    /// Before every row.
    const START: Self = Self { client_id: [0; 16], author: i64::MIN, message: i64::MIN };
    /// After every row.
    const END: Self = Self { client_id: [0xff; 16], author: i64::MAX, message: i64::MAX };

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { client_id: row.get(0)?, author: row.get(1)?, message: row.get(2)? })
    }
}

impl WriteStore {
    /// Lets `passed` more time pass, looks at the next `count` creates of a sweep that goes round and round, and forgets
    /// those that are not recent any more. Returns how many these were.
    ///
    /// The table is ordered by the ids that senders gave, which are random, so that what is old is anywhere in it. A step
    /// costs what `count` rows cost, however many there are.
    pub fn forget_requests(&mut self, passed: Duration, count: u32) -> Result<usize, StorageError> {
        let fresh = std::mem::replace(&mut self.sweep.fresh, self.database.next_message_key()?);
        self.sweep.unsaved += passed;
        let is_busy = self.sweep.fresh > fresh;
        if self.sweep.window.advance(passed, fresh) || (is_busy && self.sweep.unsaved >= SAVE_INTERVAL) {
            self.save_sweep()?;
        }
        let (from, to) = (self.sweep.place, self.place_after(self.sweep.place, count)?);
        let end = to.unwrap_or(Place::END);
        let forgotten = self
            .database
            .connection
            .prepare_cached(
                "DELETE FROM request WHERE (client_id, author, message) > (?1, ?2, ?3) \
                 AND (client_id, author, message) <= (?4, ?5, ?6) AND message < ?7",
            )?
            .execute((
                from.client_id,
                from.author,
                from.message,
                end.client_id,
                end.author,
                end.message,
                self.sweep.window.first(),
            ))?;
        self.sweep.place = to.unwrap_or(Place::START);
        Ok(forgotten)
    }

    /// Stores how old creates are; for now and then, and for the end.
    pub fn save_sweep(&mut self) -> Result<(), StorageError> {
        self.set_meta(WINDOW, self.sweep.window.to_bytes())?;
        self.sweep.unsaved = Duration::ZERO;
        Ok(())
    }

    /// The place `count` rows after `from`; `None` if there are not that many.
    fn place_after(&self, from: Place, count: u32) -> Result<Option<Place>, StorageError> {
        let mut statement = self.database.connection.prepare_cached(
            "SELECT client_id, author, message FROM request WHERE (client_id, author, message) > (?1, ?2, ?3) \
             ORDER BY client_id, author, message LIMIT 1 OFFSET ?4",
        )?;
        let offset = count.saturating_sub(1);
        Ok(statement.query_row((from.client_id, from.author, from.message, offset), Place::read).optional()?)
    }
}

impl Database {
    fn next_message_key(&self) -> Result<i64, StorageError> {
        let mut last = self.connection.prepare_cached("SELECT coalesce(max(key), 0) + 1 FROM message")?;
        Ok(last.query_row([], |row| row.get(0))?)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::{ChainIndex, MessageId, UserId};
    use crate::storage::{Change, EntryRow, NewChannel};
    use crate::time::Timestamp;

    const HOUR: Duration = Duration::from_hours(1);

    fn open(folder: &tempfile::TempDir) -> WriteStore {
        WriteStore::at(&folder.path().join("m.db"))
    }

    fn store() -> (tempfile::TempDir, WriteStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder);
        let general = NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 };
        store.insert_channel(general, Timestamp::from_unix_ms(0)).expect("a channel");
        (folder, store)
    }

    /// Stores creates whose senders' ids are in no order, and whose times in the log are in none either.
    fn create(store: &mut WriteStore, numbers: std::ops::Range<u64>) {
        let channel = store.database().channels().expect("channels").first().expect("one").key;
        for number in numbers {
            let id = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let change = Change::Created {
                message_id: MessageId::from_bytes(u128::from(number).to_be_bytes()),
                channel,
                user_id: UserId::from_bytes([7; 16]),
                content: String::new(),
                client_id: Some(Uuid::from_u128(id)),
            };
            let entry = EntryRow {
                index: ChainIndex(number),
                timestamp: Timestamp::from_unix_ms(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20),
                content_hash: [0; 32],
                hash: [0; 32],
                signature: [0; 64],
            };
            store.apply(&change, &entry).expect("a change");
        }
    }

    fn kept(store: &WriteStore) -> Vec<i64> {
        let connection = &store.database().connection;
        let mut statement = connection.prepare("SELECT message FROM request ORDER BY message").expect("a query");
        statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("numbers")
    }

    #[test]
    fn a_round_forgets_what_is_old_and_nothing_else() {
        for step in [1, 7, 1_000] {
            let (_folder, mut store) = store();
            create(&mut store, 0..40);
            store.forget_requests(Duration::ZERO, 1_000).expect("a step");
            create(&mut store, 40..100);
            let mut forgotten = store.forget_requests(HOUR * 25, step).expect("a step");
            for _ in 0..=100 {
                forgotten += store.forget_requests(Duration::ZERO, step).expect("a step");
            }
            // Keys count from 1.
            assert_eq!((forgotten, kept(&store)), (40, (41..=100).collect()), "in steps of {step}");
        }
    }

    #[test]
    fn a_step_looks_at_no_more_than_it_was_told() {
        let (_folder, mut store) = store();
        create(&mut store, 0..100);
        store.forget_requests(Duration::ZERO, 1_000).expect("a step");
        for step in 1..=10 {
            assert_eq!(store.forget_requests(HOUR * 25, 10).expect("a step"), 10, "step {step}");
        }
        assert_eq!(kept(&store), [0; 0]);
    }

    #[test]
    fn what_was_created_after_a_long_silence_is_recent() {
        let (_folder, mut store) = store();
        create(&mut store, 0..1);
        store.forget_requests(HOUR * 1_000, 100).expect("a step");
        assert_eq!(kept(&store), [1]);
    }

    #[test]
    fn ages_are_known_after_a_restart() {
        let (folder, mut store) = store();
        create(&mut store, 0..10);
        for _ in 0..50 {
            drop(store);
            store = open(&folder);
            assert_eq!(kept(&store).len(), 10);
            store.forget_requests(HOUR / 2, 100).expect("a step");
            store.save_sweep().expect("a commit");
        }
        assert_eq!(kept(&store), [0; 0]);
    }

    #[test]
    fn ages_are_known_after_a_crash_as_long_as_there_are_creates() {
        let (folder, mut store) = store();
        for life in 0..60 {
            create(&mut store, life..life + 1);
            store.forget_requests(HOUR / 2, 100).expect("a step");
            drop(store);
            store = open(&folder);
        }
        assert!((48..=52).contains(&kept(&store).len()), "{:?}", kept(&store));
    }
}
