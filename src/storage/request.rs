//! Creates by the id that their sender gave them: recognized for a while, then forgotten.

use rusqlite::{OptionalExtension as _, Row};

use super::error::StorageError;
use super::write::WriteStore;
use crate::time::Timestamp;

/// A place in the table of creates, in the order of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    client_id: [u8; 16],
    author: i64,
    message: i64,
}

impl Place {
    /// Before every row.
    pub(super) const START: Self = Self { client_id: [0; 16], author: i64::MIN, message: i64::MIN };
    /// After every row.
    const END: Self = Self { client_id: [0xff; 16], author: i64::MAX, message: i64::MAX };

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { client_id: row.get(0)?, author: row.get(1)?, message: row.get(2)? })
    }
}

impl WriteStore {
    /// Looks at the next `count` creates of a sweep that goes round and round, and forgets those from before `before`.
    /// Returns how many these were.
    ///
    /// The table is ordered by the ids that senders gave, which are random, so that what is old is anywhere in it. A step
    /// costs what `count` rows cost, however many there are.
    pub fn forget_requests(&mut self, before: Timestamp, count: u32) -> Result<usize, StorageError> {
        let first_to_keep = self.first_message_since(before)?;
        let (from, to) = (self.swept_to, self.place_after(self.swept_to, count)?);
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
                first_to_keep,
            ))?;
        self.swept_to = to.unwrap_or(Place::START);
        Ok(forgotten)
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

    /// The key of the first message from `since` on: times do not go back in what this program stores.
    fn first_message_since(&self, since: Timestamp) -> Result<i64, StorageError> {
        let connection = &self.database.connection;
        let mut last = connection.prepare_cached("SELECT coalesce(max(key), 0) FROM message")?;
        let mut time_at = connection.prepare_cached("SELECT created_at FROM message WHERE key >= ?1 LIMIT 1")?;
        let (mut low, mut high) = (0, last.query_row([], |row| row.get::<_, i64>(0))? + 1);
        while low < high {
            let middle = low.midpoint(high);
            let time: Option<u64> = time_at.query_row([middle], |row| row.get(0)).optional()?;
            if time.is_some_and(|time| time < since.unix_ms()) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::{ChainIndex, MessageId, UserId};
    use crate::storage::{Change, EntryRow, NewChannel};

    const COUNT: u64 = 100;

    /// A store with `COUNT` creates, one each millisecond, whose senders' ids are in no order.
    fn store() -> (tempfile::TempDir, WriteStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = WriteStore::open(&folder.path().join("m.db")).expect("a database");
        let general = NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 };
        store.insert_channel(general, Timestamp::from_unix_ms(0)).expect("a channel");
        let channel = store.database().channels().expect("channels").first().expect("one").key;
        for number in 0..COUNT {
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
                timestamp: Timestamp::from_unix_ms(number),
                content_hash: [0; 32],
                hash: [0; 32],
                signature: [0; 64],
            };
            store.apply(&change, &entry).expect("a change");
        }
        (folder, store)
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
            let before = Timestamp::from_unix_ms(40);
            let mut forgotten = 0;
            for _ in 0..=COUNT {
                forgotten += store.forget_requests(before, step).expect("a step");
            }
            // Keys count from 1.
            assert_eq!((forgotten, kept(&store)), (40, (41..=100).collect()), "in steps of {step}");
        }
    }

    #[test]
    fn a_step_looks_at_no_more_than_it_was_told() {
        let (_folder, mut store) = store();
        let all = Timestamp::from_unix_ms(COUNT);
        for step in 1..=10 {
            assert_eq!(store.forget_requests(all, 10).expect("a step"), 10, "step {step}");
        }
        assert_eq!(kept(&store), [0; 0]);
    }
}
