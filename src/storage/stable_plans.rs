//! What the server does again and again must not be compiled again and again, and a plan must not depend on the values
//! that are bound: all statements of writer, readers, search, export and verification, those inside FTS5 included.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::StatementStatus;
use rusqlite::config::DbConfig;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use uuid::Uuid;

use super::*;
use crate::ids::{ChainIndex, MessageId, UserId};
use crate::time::Timestamp;

/// More than fit into a page of each table, and into one of FTS5's in memory.
const MESSAGES: u64 = 400;

/// What was seen of a statement's runs.
#[derive(Default)]
struct Seen {
    runs: u32,
    compiled_again: i32,
    /// Its text with the values of one run.
    expanded: String,
}

/// Each statement's text, and what was seen of its runs.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeMap<String, Seen>>>);

impl Statements {
    fn watch(&self, database: &mut Database) {
        let statements = self.clone();
        let see = move |event: TraceEvent<'_>| {
            if let TraceEvent::Profile(statement, _) = event {
                let mut seen = statements.0.lock().expect("not poisoned");
                let seen = seen.entry(statement.sql().into_owned()).or_default();
                seen.runs += 1;
                seen.compiled_again = seen.compiled_again.max(statement.get_status(StatementStatus::RePrepare));
                seen.expanded = statement.expanded_sql().unwrap_or_default();
            }
        };
        database.connection.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(see)).expect("a trace");
    }

    fn check(&self, database: &mut Database, at_least: usize) {
        database.connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).expect("no trace");
        // FTS5's own statements write tables that nobody else may.
        database.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).expect("a setting");
        let seen = self.0.lock().expect("not poisoned");
        for (sql, seen) in seen.iter() {
            // SQLite compiles what a pragma does for one run.
            if sql.starts_with("PRAGMA wal_checkpoint") {
                continue;
            }
            assert_eq!(seen.compiled_again, 0, "compiled again in {} runs: {sql}", seen.runs);
            if ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE"].iter().any(|word| sql.starts_with(word)) {
                assert_eq!(plan(database, sql), plan(database, &seen.expanded), "another plan without values: {sql}");
            }
        }
        assert!(seen.len() >= at_least, "only {} statements: {:#?}", seen.len(), seen.keys());
    }
}

fn plan(database: &Database, sql: &str) -> Vec<String> {
    let mut statement = database.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a plan");
    statement.raw_query().mapped(|row| row.get("detail")).collect::<Result<_, _>>().expect("steps")
}

fn row(index: u64) -> EntryRow {
    let timestamp = Timestamp::from_unix_ms(index * 1_000);
    EntryRow { index: ChainIndex(index), timestamp, content_hash: [1; 32], hash: [2; 32], signature: [3; 64] }
}

fn message_id(number: u64) -> MessageId {
    MessageId::from_bytes(u128::from(number).to_be_bytes())
}

fn channel_key(store: &WriteStore) -> ChannelKey {
    store.database().channels().expect("channels").first().expect("one").key
}

/// What the writer does for a create, with an edit of every third message and a deletion of every fifth.
fn write(store: &mut WriteStore) {
    let (channel, mut index) = (channel_key(store), 0);
    for number in 0..MESSAGES {
        let (message_id, client_id) = (message_id(number), Uuid::from_u128(u128::from(number) * 0x9e37_79b9_7f4a_7c15));
        let user_id = UserId::from_bytes([u8::try_from(number % 7).expect("a small number"); 16]);
        store.begin().expect("a transaction");
        assert_eq!(store.batch().earlier_create(client_id, user_id, channel, [1; 32]).expect("a look"), None);
        let content = format!("message {number} about the weather and https://example.com/{number}");
        let change = Change::Created { message_id, channel, user_id, content, client_id: Some(client_id) };
        store.apply(&change, &row(index)).expect("stored");
        index += 1;
        let message = store.database().target(message_id).expect("a look").expect("the message").key;
        if number % 3 == 0 {
            store.apply(&Change::Edited { message, content: format!("edit {number}") }, &row(index)).expect("stored");
            index += 1;
        }
        if number % 5 == 0 {
            store.apply(&Change::Deleted { message }, &row(index)).expect("stored");
            index += 1;
        }
        store.commit().expect("durable");
        store.tend_log().expect("a log");
        if number % 50 == 0 {
            store.forget_requests(Duration::from_hours(10), 40).expect("a step");
            store.oversized_log().expect("a size");
            store.empty_log().expect("a log");
            store.database().head().expect("a head");
            store.database().greatest_id().expect("an id or none");
        }
    }
}

fn read(database: &Database) {
    let channel = database.channels().expect("channels").first().expect("one").key;
    let keep_on = |_| ControlFlow::<()>::Continue(());
    let (mut first, mut last) = (None, None);
    database
        .history(channel, Span::Latest, 100, |message| {
            last.get_or_insert(message.key);
            first = Some(message.key);
            ControlFlow::Continue(())
        })
        .expect("a page");
    for key in [first, last].into_iter().flatten() {
        database.history(channel, Span::Before(key), 50, |_| ControlFlow::Continue(())).expect("a page");
        database.history(channel, Span::After(key), 50, |_| ControlFlow::Continue(())).expect("a page");
    }
    for index in [0, 7, 100, 300] {
        database.events_after(Some(ChainIndex(index)), 50, keep_on).expect("events");
        database.entry_hash(ChainIndex(index)).expect("a hash");
        database.message_key(channel, message_id(index)).expect("a look");
        database.chain(ChainIndex(index), 60, |_| {}).expect("entries");
        let place = database.covered_messages(ScanPlace::default(), 30, |_| {}).expect("messages");
        database.covered_messages(place.expect("more"), 30, |_| {}).expect("messages");
        let place = database.covered_versions(ScanPlace::default(), 30, |_| {}).expect("versions");
        database.covered_versions(place.expect("more"), 30, |_| {}).expect("versions");
        database.auditor_token([7; 32]).expect("a look");
    }
    database.identity().expect("an identity");
    database.last_index().expect("an index");
    database.adopted_length().expect("a length");
}

fn search(database: &Database) {
    let words = |text: &str, is_prefix| TextQuery::Words { text: text.to_owned(), is_prefix };
    let prefix: UserPrefix = "03".parse().expect("a prefix");
    let filters = SearchFilters {
        channels: vec!["general".to_owned()],
        authors: vec![prefix],
        after: Some(Timestamp::from_unix_ms(5_000)),
        before: Some(Timestamp::from_unix_ms(900_000)),
        has_link: Some(true),
        ..SearchFilters::default()
    };
    for text in [
        None,
        Some(words("weather", false)),
        Some(words("wea", true)),
        Some(TextQuery::Not(Box::new(words("weather", false)))),
        Some(TextQuery::Any(vec![words("message 7", false), words("about", false)])),
    ] {
        for filters in [SearchFilters::default(), filters.clone()] {
            let query = SearchQuery { text: text.clone(), filters };
            for order in [SearchOrder::Newest, SearchOrder::Relevance] {
                let time_limit = Duration::from_secs(30);
                let request = SearchRequest { query: &query, channels: None, limit: 50, order, time_limit };
                database.search(&request).expect("a search");
            }
        }
    }
}

fn export(database: &Database) {
    let channels = database.channels().expect("channels").into_iter().map(|row| row.key).collect();
    let users = vec![UserId::from_bytes([3; 16]), UserId::from_bytes([4; 16])];
    let (after, before) = (Some(Timestamp::from_unix_ms(5_000)), Some(Timestamp::from_unix_ms(900_000)));
    for scope in [ExportScope::default(), ExportScope { channels, users, after, before }] {
        let _moment = database.hold_moment().expect("a moment");
        database.export(&scope, |_| Ok::<_, StorageError>(())).expect("an export");
        database.count_export(&scope).expect("a count");
    }
    database.counts().expect("counts");
}

fn new_store(path: &Path) -> WriteStore {
    let store = WriteStore::at(path);
    for (position, id) in ["general", "news"].into_iter().enumerate() {
        let position = i64::try_from(position).expect("a small number");
        let channel = NewChannel { id, kind: "text", is_read_only: false, position };
        store.insert_channel(channel, Timestamp::from_unix_ms(0)).expect("a channel");
    }
    drop(store);
    // What was compiled before the tables were there is compiled again.
    WriteStore::at(path)
}

#[test]
fn no_statement_is_compiled_again_and_none_has_a_plan_that_hangs_on_its_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("messages.db");
    let mut store = new_store(&path);
    let written = Statements::default();
    written.watch(&mut store.database);
    write(&mut store);
    written.check(&mut store.database, 30);
    let mut reader = Database::open(&path, Access::ReadOnly).expect("a reader");
    let statements = Statements::default();
    statements.watch(&mut reader);
    for _ in 0..3 {
        read(&reader);
        search(&reader);
        export(&reader);
    }
    statements.check(&mut reader, 30);
}
