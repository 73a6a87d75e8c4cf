//! Whoever pages through a history, with whatever sizes of pages, sees every message exactly once: however the clock
//! jumped while it was written, and however long the messages are.

use std::path::Path;
use std::sync::Arc;

use coms::channels::{Directory, Reading};
use coms::config::{ChainAccess, Features};
use coms::ids::{ChainIndex, MessageId};
use coms::protocol::{Answer, EventBody, History, HistoryFrom, HistoryPage, Sync, SyncPage};
use coms::storage::Readers;
use coms::time::Clock;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::corpus::Corpus;

/// Something that is written, at a time of its own.
#[derive(Debug, Clone)]
struct Written {
    /// Few enough that many are equal, and in no order.
    time_ms: u64,
    in_general: bool,
    /// Long ones fill a page by themselves.
    is_long: bool,
    /// What is done with an earlier message, if there is one.
    change: Option<(prop::sample::Index, bool)>,
}

fn written() -> impl Strategy<Value = Written> {
    let time_ms = prop_oneof![4 => 1_777_723_200_000..1_777_723_200_003_u64, 1 => 0..u64::from(u32::MAX)];
    let change = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<bool>()));
    (time_ms, prop::bool::weighted(0.7), prop::bool::weighted(0.6), change)
        .prop_map(|(time_ms, in_general, is_long, change)| Written { time_ms, in_general, is_long, change })
}

/// The history as it was written: the messages of `general` in order, and how many entries the log has.
struct Expected {
    general: Vec<MessageId>,
    entries: u64,
}

fn write(path: &Path, history: &[Written]) -> (Expected, Reading) {
    let mut corpus = Corpus::create(path);
    let mut general = Vec::new();
    let mut entries = 0;
    corpus.together(|corpus| {
        let mut alive: Vec<MessageId> = Vec::new();
        for (number, written) in history.iter().enumerate() {
            corpus.set_time(written.time_ms);
            let text = if written.is_long { "😀".repeat(4000) } else { format!("message {number}") };
            let channel = if written.in_general { "general" } else { "announcements" };
            let id = corpus.post(channel, 1, &text);
            entries += 1;
            alive.push(id);
            if written.in_general {
                general.push(id);
            }
            if let Some((at, deletes)) = &written.change {
                let at = at.index(alive.len());
                entries += 1;
                if *deletes {
                    corpus.delete(alive.swap_remove(at));
                } else {
                    corpus.edit(alive[at], &format!("edit {number}"));
                }
            }
        }
    });
    let features = Features {
        text_channels: true,
        announcement_channels: true,
        log_chain: true,
        chain_access: ChainAccess::Members,
        max_history: 100,
    };
    let directory = Directory::load(corpus.database(), features).expect("the channels");
    (
        Expected { general, entries },
        Reading::new(Readers::open(path, 1).expect("readers"), Arc::new(directory), 100, Clock::system()),
    )
}

async fn page(reading: &Reading, from: HistoryFrom, limit: i64) -> HistoryPage {
    let request = History { channel_id: "general".to_owned(), limit: Some(limit), from };
    match reading.history(request).await {
        Answer::History(page) => page,
        other => panic!("{other:?}"),
    }
}

/// The ids from `from` to the end, with pages of the sizes in `limits`, over and over.
async fn walk(reading: &Reading, mut from: HistoryFrom, limits: &[i64]) -> Vec<MessageId> {
    let mut seen = Vec::new();
    for limit in limits.iter().cycle() {
        let page = page(reading, from, *limit).await;
        assert!(page.messages.len() <= usize::try_from(*limit).expect("a small number"));
        seen.extend(page.messages.iter().map(|message| message.id));
        assert!(seen.len() < 1_000, "there is no end to it");
        match (page.has_more, page.messages.last()) {
            (false, _) => break,
            (true, None) => panic!("more is promised, and nothing comes"),
            (true, Some(last)) => {
                from = match from {
                    HistoryFrom::After(_) => HistoryFrom::After(last.id),
                    _ => HistoryFrom::Before(last.id),
                }
            }
        }
    }
    seen
}

async fn check_history(reading: &Reading, general: &[MessageId], limits: &[i64], start: usize) {
    let mut backwards: Vec<_> = general.to_vec();
    backwards.reverse();
    assert_eq!(walk(reading, HistoryFrom::Latest, limits).await, backwards);
    let Some(cursor) = general.get(start) else { return };
    assert_eq!(walk(reading, HistoryFrom::Before(*cursor), limits).await, backwards[backwards.len() - start..]);
    assert_eq!(walk(reading, HistoryFrom::After(*cursor), limits).await, general[start + 1..]);
}

async fn sync_page(reading: &Reading, request: Sync) -> SyncPage {
    match reading.sync(request).await {
        Answer::Sync(page) => page,
        other => panic!("{other:?}"),
    }
}

async fn check_sync(reading: &Reading, entries: u64, limits: &[i64]) {
    let (mut after, mut after_hash) = (None, None);
    let mut seen: Vec<u64> = Vec::new();
    for limit in limits.iter().cycle() {
        let page = sync_page(reading, Sync { after, after_hash, limit: Some(*limit) }).await;
        assert!(page.events.len() <= usize::try_from(*limit).expect("a small number"));
        seen.extend(page.events.iter().map(EventBody::chain_index).map(|index| index.0));
        (after, after_hash) = (page.next, page.next_hash);
        assert_eq!(after.map(|index| index.0), seen.last().copied());
        assert_eq!(page.head, entries.checked_sub(1).map(ChainIndex));
        assert!(seen.len() < 1_000, "there is no end to it");
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, (0..entries).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(super::cases(40))]

    #[test]
    fn every_page_goes_on_where_the_last_one_ended(
        history in vec(written(), 0..40),
        limits in vec(prop_oneof![3 => 1..5_i64, 1 => 1..=100_i64], 1..4),
        start in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let (expected, reading) = write(&folder.path().join("m.db"), &history);
        let start = if expected.general.is_empty() { 0 } else { start.index(expected.general.len()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            check_history(&reading, &expected.general, &limits, start).await;
            check_sync(&reading, expected.entries, &limits).await;
        });
    }
}
