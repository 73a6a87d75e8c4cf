//! Whether there is room for what could not be stored.

use super::error::StorageError;
use super::write::WriteStore;

/// What storing takes beside the texts, in the write-ahead log: the pages that every transaction changes, and those of each
/// change.
const BYTES_PER_TRANSACTION: usize = 128 * 1024;
const BYTES_PER_CHANGE: usize = 4 * 1024;

/// How much a text takes with its words in the search index, in which a text of many different words takes most.
const BYTES_PER_TEXT_BYTE: usize = 9;

/// How much the write-ahead log grows at most when changes with so many bytes of text are stored together, but for the
/// merges of the search index that come now and then.
pub fn room_for(changes: usize, text_bytes: usize) -> usize {
    BYTES_PER_TRANSACTION + changes * BYTES_PER_CHANGE + text_bytes * BYTES_PER_TEXT_BYTE
}

impl WriteStore {
    /// Stores `room` bytes and deletes them, to see whether that is possible. Their pages are then free for others.
    pub fn probe(&mut self, room: usize) -> Result<(), StorageError> {
        // Random, so that no file system can store them in less room.
        for (sql, parameters) in [
            (
                "INSERT INTO meta (name, value) VALUES ('probe', randomblob(?1)) \
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                &[room][..],
            ),
            ("DELETE FROM meta WHERE name = 'probe'", &[]),
        ] {
            self.begin()?;
            self.database().connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(parameters))?;
            self.commit()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::{ChainIndex, IdSequence, UserId};
    use crate::storage::{Change, ChannelKey, EntryRow, NewChannel};
    use crate::time::Timestamp;

    struct Community {
        store: WriteStore,
        channel: ChannelKey,
        ids: IdSequence,
        count: u64,
    }

    impl Community {
        /// Stores `count` messages of `bytes` bytes together, in words of their own.
        fn store(&mut self, count: usize, bytes: usize) {
            self.store.begin().expect("a transaction");
            for _ in 0..count {
                let at = Timestamp::from_unix_ms(self.count);
                let number = self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let words = (0..).map(|word: u64| format!("{:08x} ", number.wrapping_mul(2 * word + 1) >> 32));
                let content: String = words.flat_map(|word| word.chars().collect::<Vec<_>>()).take(bytes).collect();
                let change = Change::Created {
                    message_id: self.ids.next(at).into(),
                    channel: self.channel,
                    user_id: UserId::from_bytes(u128::from(number >> 58).to_be_bytes()),
                    content,
                    client_id: Some(Uuid::from_u64_pair(number, number)),
                };
                let index = ChainIndex(self.count);
                let entry = EntryRow { index, timestamp: at, content_hash: [0; 32], hash: [0; 32], signature: [0; 64] };
                self.store.apply(&change, &entry).expect("a change");
                self.count += 1;
            }
            self.store.commit().expect("a commit");
        }

        /// How many bytes of the write-ahead log `write` takes.
        fn written(&mut self, write: impl FnOnce(&mut Self)) -> u64 {
            assert!(self.store.empty_log().expect("an empty log"));
            write(self);
            self.store.log_bytes().expect("a size")
        }
    }

    #[test]
    fn a_probe_writes_as_much_as_what_it_stands_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = WriteStore::at(&folder.path().join("m.db"));
        let general = NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 };
        store.insert_channel(general, Timestamp::from_unix_ms(0)).expect("a channel");
        let channel = store.database().channels().expect("channels").first().expect("one").key;
        let mut community = Community { store, channel, ids: IdSequence::after(None), count: 0 };
        for _ in 0..10 {
            community.store(500, 60);
        }
        for (count, bytes) in
            [(1, 1), (1, 4_000), (1, 16_000), (8, 60), (64, 60), (512, 60), (512, 1_000), (32, 16_000)]
        {
            let mut rounds = [0; 3].map(|_| community.written(|all| all.store(count, bytes)));
            rounds.sort_unstable();
            // One of them may have been the one that merged.
            let [_, batch, _] = rounds;
            let room = room_for(count, count * bytes);
            let probe = community.written(|all| all.store.probe(room).expect("a probe"));
            assert!(probe >= batch, "{count} of {bytes}: {batch} bytes, and the probe {probe}");
            assert!(probe < 16 * batch.max(32 * 1024), "{count} of {bytes}: {batch} bytes, and the probe {probe}");
        }
    }
}
