use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::ids::{ChainIndex, MessageId, UserId};
use crate::storage::{Change, EntryRow, MessageKey, NewChannel, TextQuery, WriteStore};
use crate::time::Timestamp;

const LONG: Duration = Duration::from_secs(30);

/// A database with the channels `general` and `news`, that messages can be put into and searched.
struct Corpus {
    store: WriteStore,
    entries: u64,
    path: PathBuf,
    _folder: TempDir,
}

impl Corpus {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("messages.db");
        let store = WriteStore::at(&path);
        for (position, id) in ["general", "news"].into_iter().enumerate() {
            let channel =
                NewChannel { id, kind: "text", is_read_only: false, position: i64::try_from(position).unwrap() };
            store.insert_channel(channel, Timestamp::from_unix_ms(0)).expect("a channel");
        }
        Self { store, entries: 0, path, _folder: folder }
    }

    fn with(contents: &[&str]) -> Self {
        let mut corpus = Self::new();
        corpus.store.begin().expect("a transaction");
        for content in contents {
            corpus.post("general", 1, content);
        }
        corpus.store.commit().expect("stored");
        corpus
    }

    fn apply(&mut self, change: &Change) {
        let entry = EntryRow {
            index: ChainIndex(self.entries),
            timestamp: Timestamp::from_unix_ms(self.entries * 1000),
            content_hash: [0; 32],
            hash: [0; 32],
            signature: [0; 64],
        };
        self.store.apply(change, &entry).expect("stored");
        self.entries += 1;
    }

    fn post(&mut self, channel: &str, author: u8, content: &str) -> MessageKey {
        let channels = self.store.database().channels().expect("the channels");
        let channel = channels.iter().find(|row| row.id.as_str() == channel).expect("the channel").key;
        let message_id = MessageId::from_bytes(u128::from(self.entries).to_be_bytes());
        let user_id = UserId::from_bytes([author; 16]);
        self.apply(&Change::Created { message_id, channel, user_id, content: content.to_owned(), client_id: None });
        self.store.database().target(message_id).expect("a look").expect("the message").key
    }

    fn found(&self, query: &SearchQuery) -> Vec<String> {
        let request = SearchRequest { query, channels: None, limit: 100, order: SearchOrder::Newest, time_limit: LONG };
        let found = self.store.database().search(&request).expect("a search");
        assert!(!found.timed_out);
        found.messages.into_iter().map(|message| message.content).collect()
    }
}

fn words(text: &str) -> TextQuery {
    TextQuery::Words { text: text.to_owned(), is_prefix: false }
}

fn text(text: TextQuery) -> SearchQuery {
    SearchQuery { text: Some(text), ..SearchQuery::default() }
}

fn filters(filters: SearchFilters) -> SearchQuery {
    SearchQuery { filters, ..SearchQuery::default() }
}

#[test]
fn words_are_found_whatever_their_case_and_accents() {
    let corpus = Corpus::with(&["Crème brûlée", "CREME fraiche", "die Straße", "decreme"]);
    assert_eq!(corpus.found(&text(words("crème"))), ["CREME fraiche", "Crème brûlée"]);
    assert_eq!(corpus.found(&text(words("STRASSE"))), ["die Straße"]);
    let prefix = TextQuery::Words { text: "BRU".to_owned(), is_prefix: true };
    assert_eq!(corpus.found(&text(prefix)), ["Crème brûlée"]);
}

#[test]
fn a_word_inside_running_text_is_found() {
    let japanese = "私は東京都に住んでいます";
    let corpus = Corpus::with(&[japanese, "京都の東", "나는 한국어를 배운다", "我们在北京大学学习", "ฉันรักภาษาไทย"]);
    for (query, content) in [
        ("東京", japanese),
        ("東京都", japanese),
        ("ます", japanese),
        ("京都の", "京都の東"),
        ("한국", "나는 한국어를 배운다"),
        ("국어", "나는 한국어를 배운다"),
        ("学", "我们在北京大学学习"),
        ("北京大学", "我们在北京大学学习"),
        ("ภาษา", "ฉันรักภาษาไทย"),
    ] {
        assert_eq!(corpus.found(&text(words(query))), [content], "{query}");
    }
    assert_eq!(corpus.found(&text(words("都に"))), [japanese]);
    assert_eq!(corpus.found(&text(words("東都"))), Vec::<String>::new());
}

#[test]
fn a_phrase_is_words_in_this_order() {
    let corpus = Corpus::with(&["big dogs", "dogs are big", "big-dogs!", "big\0dogs"]);
    assert_eq!(corpus.found(&text(words("big dogs"))), ["big\0dogs", "big-dogs!", "big dogs"]);
}

#[test]
fn any_mixture_of_conditions_is_answered() {
    let corpus = Corpus::with(&["a b", "a", "b", "c"]);
    let not = |part| TextQuery::Not(Box::new(part));
    for (query, found) in [
        (not(words("a")), vec!["c", "b"]),
        (TextQuery::All(vec![words("a"), not(words("b"))]), vec!["a"]),
        (TextQuery::Any(vec![words("a"), not(words("b"))]), vec!["c", "a", "a b"]),
        (TextQuery::All(vec![not(words("a")), not(words("b"))]), vec!["c"]),
        (TextQuery::Any(vec![words("c"), TextQuery::All(vec![words("a"), words("b")])]), vec!["c", "a b"]),
    ] {
        assert_eq!(corpus.found(&text(query.clone())), found, "{query:?}");
    }
}

#[test]
fn filters_narrow_what_is_found() {
    let mut corpus = Corpus::with(&["see https://example.com", "see HTTP://EXAMPLE.COM", "no http here"]);
    corpus.post("news", 0xab, "see the news");
    let only = |f: SearchFilters| corpus.found(&SearchQuery { text: Some(words("see")), filters: f });
    let named = |name: &str| vec![name.to_owned()];
    assert_eq!(only(SearchFilters { channels: named("NEWS"), ..SearchFilters::default() }), ["see the news"]);
    assert_eq!(only(SearchFilters { not_channels: named("general"), ..SearchFilters::default() }), ["see the news"]);
    assert_eq!(only(SearchFilters { channels: named("nowhere"), ..SearchFilters::default() }), Vec::<String>::new());
    let author = vec!["ab".parse().expect("a prefix")];
    assert_eq!(only(SearchFilters { authors: author.clone(), ..SearchFilters::default() }), ["see the news"]);
    assert_eq!(only(SearchFilters { not_authors: author, ..SearchFilters::default() }).len(), 2);
    let linked = |has_link| filters(SearchFilters { has_link: Some(has_link), ..SearchFilters::default() });
    assert_eq!(corpus.found(&linked(true)), ["see HTTP://EXAMPLE.COM", "see https://example.com"]);
    assert_eq!(corpus.found(&linked(false)), ["see the news", "no http here"]);
    let time = |ms| Some(Timestamp::from_unix_ms(ms));
    let span = SearchFilters { after: time(1000), before: time(2000), ..SearchFilters::default() };
    assert_eq!(corpus.found(&filters(span)), ["see HTTP://EXAMPLE.COM"]);
}

#[test]
fn channels_that_may_not_be_seen_are_left_out() {
    let mut corpus = Corpus::with(&["hello"]);
    corpus.post("news", 1, "hello");
    let query = text(words("hello"));
    let general = corpus.store.database().channels().expect("the channels")[0].key;
    for (channels, count) in [(None, 2), (Some(vec![general]), 1), (Some(vec![]), 0)] {
        let request = SearchRequest {
            query: &query,
            channels: channels.as_deref(),
            limit: 10,
            order: SearchOrder::Newest,
            time_limit: LONG,
        };
        assert_eq!(corpus.store.database().search(&request).expect("a search").messages.len(), count);
    }
}

#[test]
fn what_was_edited_or_deleted_is_found_no_more() {
    let mut corpus = Corpus::with(&["stays"]);
    let edited = corpus.post("general", 1, "Früher 東京都");
    let deleted = corpus.post("general", 1, "geheim");
    corpus.apply(&Change::Edited { message: edited, content: "später".to_owned() });
    corpus.apply(&Change::Deleted { message: deleted });
    for gone in ["früher", "東京", "geheim", "deleted"] {
        assert_eq!(corpus.found(&text(words(gone))), Vec::<String>::new(), "{gone}");
    }
    assert_eq!(corpus.found(&text(words("spater"))), ["später"]);
    assert_eq!(corpus.found(&text(TextQuery::Not(Box::new(words("x"))))), ["später", "stays"]);
}

#[test]
fn a_checkpoint_wipes_a_deleted_text_from_all_files() {
    let mut corpus = Corpus::with(&["unforgettable"]);
    let files = |path: &std::path::Path| {
        let log = std::fs::read(path.with_extension("db-wal")).expect("the write-ahead log");
        [std::fs::read(path).expect("the file"), log].concat()
    };
    let holds = |bytes: &[u8]| bytes.windows(13).any(|window| window == b"unforgettable");
    assert!(holds(&files(&corpus.path)));
    let id = MessageId::from_bytes([0; 16]);
    let message = corpus.store.database().target(id).expect("a look").expect("the message").key;
    corpus.apply(&Change::Deleted { message });
    assert!(corpus.store.empty_log().expect("a checkpoint"));
    assert!(!holds(&files(&corpus.path)));
}

#[test]
fn the_index_agrees_with_what_is_stored() {
    let mut corpus = Corpus::with(&["Ünïcode 東京都", "\0\0", "", "👍 ok"]);
    let message = corpus.post("general", 1, "ﬁrst");
    corpus.apply(&Change::Edited { message, content: "sécond".to_owned() });
    let check = "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)";
    corpus.store.database().connection.execute(check, []).expect("an index that agrees");
}

#[test]
fn the_most_relevant_come_first_when_asked_for() {
    let corpus = Corpus::with(&["cat cat", "a cat and much else that has nothing to do with it", "cat", "dog"]);
    let query = text(words("cat"));
    let request =
        SearchRequest { query: &query, channels: None, limit: 2, order: SearchOrder::Relevance, time_limit: LONG };
    let found = corpus.store.database().search(&request).expect("a search");
    let contents: Vec<_> = found.messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(contents, ["cat cat", "cat"]);
}

#[test]
fn a_search_ends_with_its_time() {
    let mut corpus = Corpus::new();
    corpus.store.begin().expect("a transaction");
    for number in 0..20_000 {
        corpus.post("general", 1, &format!("word{number} common text"));
    }
    corpus.store.commit().expect("stored");
    // Nobody of this name wrote anything, so every match is looked at.
    let nobody = SearchFilters { authors: vec!["ff".parse().expect("a prefix")], ..SearchFilters::default() };
    let prefixes =
        ["w", "c", "t", "wo", "co", "te"].map(|text| TextQuery::Words { text: text.to_owned(), is_prefix: true });
    let query = SearchQuery { text: Some(TextQuery::Any(prefixes.to_vec())), filters: nobody };
    let time_limit = Duration::from_millis(1);
    let request = SearchRequest { query: &query, channels: None, limit: 10, order: SearchOrder::Newest, time_limit };
    let reader = Database::open(&corpus.path, crate::storage::Access::ReadOnly).expect("a reader");
    assert!(reader.search(&request).expect("an answer").timed_out);
    // The connection is as good as before.
    let patient = SearchRequest { time_limit: LONG, ..request };
    assert!(!reader.search(&patient).expect("an answer").timed_out);
}

fn any_text_query() -> impl Strategy<Value = TextQuery> {
    let leaf = ("[ab\"*()^:\\-\0東京é👍 ]{0,6}|\\PC{0,6}|AND|NEAR", any::<bool>())
        .prop_map(|(text, is_prefix)| TextQuery::Words { text, is_prefix });
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(TextQuery::All),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(TextQuery::Any),
            inner.prop_map(|part| TextQuery::Not(Box::new(part))),
        ]
    })
}

thread_local! {
    static ODD: Corpus = Corpus::with(&["a", "b a", "東京都 é", "a-b 👍", "", "\0"]);
}

proptest! {
    #[test]
    fn no_query_is_an_error_of_sqlite(query in any_text_query()) {
        ODD.with(|corpus| corpus.found(&text(query)));
    }
}
