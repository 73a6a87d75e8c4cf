use std::collections::HashMap;
use std::sync::OnceLock;

use super::*;
use crate::storage::{Access, Database, MessageRow, Span};

/// What the databases under `tests/fixtures/` were signed with; it protects nothing.
const SECRET_KEY: &str = "c1ee026bb15c178eecc9a0319317d89bf3d8c2cd1408e693c789b5e4d31158328cd95f826e0fd5fb5fc82bbfec1b346a\
                          b321761d288b8f5bfb45f5263e14a2e8";

fn key() -> SigningKey {
    SigningKey::from_hex(SECRET_KEY).expect("a key")
}

fn server_id() -> &'static ServerId {
    static ID: OnceLock<ServerId> = OnceLock::new();
    ID.get_or_init(|| "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID"))
}

fn lock_of(path: &Path) -> DatabaseLock {
    DatabaseLock::take(path, "coms adopt").expect("the lock")
}

struct Adopted {
    folder: tempfile::TempDir,
    adoption: Adoption,
    /// By row of the old database.
    old: Vec<ReferenceRow>,
    new: Vec<MessageRow>,
}

impl Adopted {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let old = folder.path().join("old.db");
        fs::copy(format!("{}/tests/fixtures/reference-{name}.db", env!("CARGO_MANIFEST_DIR")), &old)
            .expect("a fixture");
        let target = folder.path().join("new.db");
        let now = Timestamp::from_unix_ms(1_800_000_000_000);
        let adopter = Adopter { server_id: server_id(), key: &key(), now };
        let adoption = adopter.into_new(&old, &lock_of(&target)).expect("an adoption");
        let mut rows = Vec::new();
        let source = ReferenceSource::open(&old, Hold::Shared).expect("the old database");
        source
            .messages(|row| {
                rows.push(row);
                Ok::<_, StorageError>(())
            })
            .expect("messages");
        let database = Database::open(&target, Access::ReadOnly).expect("the new database");
        let mut new = Vec::new();
        for channel in database.channels().expect("channels") {
            let visit = |row| {
                new.push(row);
                std::ops::ControlFlow::Continue(())
            };
            database.history(channel.key, Span::Latest, 1_000, visit).expect("history");
        }
        new.sort_by_key(|row| row.key);
        Self { folder, adoption, old: rows, new }
    }

    fn breaks(&self) -> Vec<(u64, BreakKind)> {
        self.adoption.breaks.listed().iter().map(|fault| (fault.index.expect("an index").0, fault.kind)).collect()
    }
}

#[test]
fn every_message_comes_through_as_it_was() {
    for name in ["clean-500", "edited", "restarted", "collision"] {
        let adopted = Adopted::new(name);
        assert_eq!(adopted.new.len(), adopted.old.len(), "{name}");
        for (new, old) in adopted.new.iter().zip(&adopted.old) {
            assert_eq!((new.id, new.user_id), (old.id, old.user_id));
            assert_eq!((new.channel_id.as_str(), &new.content), (old.channel_id.as_str(), &old.content));
            assert_eq!((new.chain_index, new.chain_hash), (old.chain_index, old.chain_hash), "{name}");
            assert_eq!(
                (new.created_at, new.updated_at, new.deleted_at),
                (old.created_at, old.updated_at, old.deleted_at)
            );
            let history = if old.deleted_at.is_some() { &[] } else { old.edit_history.as_slice() };
            assert_eq!(new.versions, history);
            assert_eq!(new.metadata, None);
        }
    }
}

#[test]
fn what_no_entry_covers_gets_one_and_the_breaks_are_named() {
    let clean = Adopted::new("clean-500");
    assert_eq!((clean.adoption.appended, clean.adoption.head.length, clean.breaks()), (0, 500, vec![]));
    let edited = Adopted::new("edited");
    assert_eq!((edited.adoption.edited, edited.adoption.deleted, edited.adoption.appended), (2, 2, 3));
    assert_eq!((edited.adoption.head.length, edited.breaks()), (26, vec![(5, BreakKind::PrevHash)]));
    let restarted = Adopted::new("restarted");
    assert_eq!((restarted.adoption.appended, restarted.breaks()), (0, vec![(3, BreakKind::PrevHash)]));
    let collision = Adopted::new("collision");
    assert_eq!((collision.adoption.without_entry, collision.adoption.appended), (1, 1));
    assert_eq!(collision.breaks(), [(1, BreakKind::PrevHash)]);
    let cause = &collision.adoption.breaks.listed()[0].detail;
    assert!(
        cause.contains("01a20aca-160c-7716-af05-37a5f10b2065") && cause.contains("index 0 a second time"),
        "{cause}"
    );
}

#[test]
fn a_message_is_covered_by_its_latest_entry() {
    let edited = Adopted::new("edited");
    let entries: HashMap<_, _> = edited.new.iter().map(|row| (row.id, row.latest_entry)).collect();
    for old in &edited.old {
        let is_changed = old.deleted_at.is_some() || !old.edit_history.is_empty();
        assert_eq!(entries[&old.id].is_some(), is_changed, "{}", old.id);
    }
}

#[test]
fn another_key_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("old.db");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reference-edited.db"), &old).expect("a fixture");
    let before = fs::read(&old).expect("the fixture");
    let other = SigningKey::from_seed(&[3; 32]);
    let adopter = Adopter { server_id: server_id(), key: &other, now: Timestamp::from_unix_ms(0) };
    assert!(matches!(adopter.in_place(&lock_of(&old)), Err(AdoptError::OtherKey { .. })));
    assert_eq!(fs::read(&old).expect("the old file"), before);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "it and its lock");
}

#[test]
fn a_file_that_somebody_has_open_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("old.db");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reference-edited.db"), &old).expect("a fixture");
    let reader = ReferenceSource::open(&old, Hold::Shared).expect("somebody who has it open");
    let adopter = Adopter { server_id: server_id(), key: &key(), now: Timestamp::from_unix_ms(0) };
    let lock = lock_of(&old);
    let refused = adopter.in_place(&lock).expect_err("it is in use").to_string();
    assert!(refused.contains("another program has it open"), "{refused}");
    drop(reader);
    let (_, kept) = adopter.in_place(&lock).expect("nobody has it open any more");
    assert!(kept.ends_with("old.db.before-adoption") && kept.exists());
    Database::open(&old, Access::ReadOnly).expect("the new database in its place");
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let adopted = Adopted::new("clean-500");
    let again = Adopter { server_id: server_id(), key: &key(), now: Timestamp::from_unix_ms(0) };
    let target = adopted.folder.path().join("new.db");
    let refused = again.into_new(&adopted.folder.path().join("old.db"), &lock_of(&target));
    assert!(matches!(refused, Err(AdoptError::Exists(path)) if path == target));
}
