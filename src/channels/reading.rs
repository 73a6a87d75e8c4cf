//! Reading: history, search and sync, from what is committed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::directory::Directory;
use super::query::{ParsedQuery, parse_query};
use super::search_turns::SearchTurns;
use crate::ids::{ChainIndex, UserId};
use crate::protocol::{
    Answer, EventBody, History, HistoryFrom, HistoryPage, Message, Reason, Refusal, Search, SearchResults, Sync,
    SyncPage,
};
use crate::storage::{
    ChannelKey, Database, LoggedChange, LoggedKind, MessageRow, Readers, SearchOrder, SearchQuery, SearchRequest, Span,
    StorageError,
};
use crate::time::{Clock, Timestamp};

/// How many messages a page of history has when the request does not say.
const DEFAULT_HISTORY: u32 = 50;

/// How many events a page of `sync` has when the request does not say, and at most.
const DEFAULT_SYNC: u32 = 100;
const MAX_SYNC: u32 = 1_000;

/// How many messages a search finds when the request does not say, and at most.
const DEFAULT_SEARCH: u32 = 20;
const MAX_SEARCH: u32 = 50;

/// How long a search may take: then it answers with what it has found.
const SEARCH_TIME: Duration = Duration::from_millis(250);

/// An answer ends with the message that takes it beyond this many bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// About what a message or event takes beside its texts.
const BYTES_BESIDE_TEXT: usize = 448;

/// Answers questions about what was said.
#[derive(Clone)]
pub struct Reading {
    readers: Readers,
    /// Keeps searches to half of the readers, so that history and sync always find one.
    search_turns: SearchTurns,
    directory: Arc<Directory>,
    /// The most messages of a page of history.
    max_history: u32,
    /// What a duration in a search, such as `7d`, is counted back from.
    clock: Clock,
}

/// Why a question has no answer: refused, or the database failed.
enum Unanswered {
    Refused(Refusal),
    Failed(StorageError),
}

impl From<StorageError> for Unanswered {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

impl Reading {
    /// Reads through `readers`; a page of history has at most `max_history` messages.
    pub fn new(readers: Readers, directory: Arc<Directory>, max_history: u32, clock: Clock) -> Self {
        let search_turns = SearchTurns::new((readers.size() / 2).max(1));
        Self { readers, search_turns, directory, max_history, clock }
    }

    /// The channels.
    pub fn channels(&self) -> Answer {
        Answer::Channels(self.directory.list())
    }

    /// A page of history.
    pub async fn history(&self, request: History) -> Answer {
        let default = DEFAULT_HISTORY.min(self.max_history);
        let limit = limit(request.limit, self.max_history, default);
        let channel = self.directory.find(&request.channel_id).map(|(key, _)| key);
        let page = match channel {
            None => Ok((Vec::new(), false)),
            Some(channel) => self.readers.read(move |db| history(db, channel, request.from, limit)).await,
        };
        answer(page.map(|(messages, has_more)| {
            Answer::History(HistoryPage { channel_id: request.channel_id, messages, has_more })
        }))
    }

    /// What a search by `user` finds. A query that means nothing finds nothing; of one that was cut, there may be more.
    pub async fn search(&self, user: UserId, request: Search) -> Answer {
        let limit = limit(request.limit, MAX_SEARCH, DEFAULT_SEARCH);
        let found = match (self.searched(&request), parse_query(&request.query, self.clock.now())) {
            (Some(channels), Ok(ParsedQuery { query, is_cut })) => {
                let found = self.find(user, query, channels, limit).await;
                found.map(|(messages, has_more)| (messages, has_more || is_cut))
            }
            _ => Ok((Vec::new(), false)),
        };
        answer(found.map(|(messages, has_more)| {
            Answer::SearchResults(SearchResults { query: request.query, messages, has_more })
        }))
    }

    async fn find(
        &self,
        user: UserId,
        query: SearchQuery,
        channels: Vec<ChannelKey>,
        limit: u32,
    ) -> Result<(Vec<Message>, bool), Unanswered> {
        let turn = self.search_turns.take(user).await;
        let found = self.readers.read(move |database| {
            let found = search(database, &query, &channels, limit);
            // Not before: the search goes on though its client has gone.
            drop(turn);
            found
        });
        found.await
    }

    /// The channels to search; `None` if the one that was named is none that can be seen.
    fn searched(&self, request: &Search) -> Option<Vec<ChannelKey>> {
        match &request.channel_id {
            Some(id) => self.directory.find(id).map(|(key, _)| vec![key]),
            None => Some(self.directory.keys().collect()),
        }
    }

    /// What happened since.
    pub async fn sync(&self, request: Sync) -> Answer {
        let directory = self.directory.clone();
        let limit = limit(request.limit, MAX_SYNC, DEFAULT_SYNC);
        answer(self.readers.read(move |db| sync(db, &directory, &request, limit)).await.map(Answer::Sync))
    }
}

fn answer(result: Result<Answer, Unanswered>) -> Answer {
    match result {
        Ok(answer) => answer,
        Err(Unanswered::Refused(refusal)) => Answer::Refused(refusal),
        Err(Unanswered::Failed(error)) => {
            tracing::error!(%error, "reading failed");
            Answer::Refused(Refusal::new(Reason::StorageUnavailable))
        }
    }
}

/// `asked` if it is in `1..=max`, else `default`.
fn limit(asked: Option<i64>, max: u32, default: u32) -> u32 {
    asked.and_then(|asked| u32::try_from(asked).ok()).filter(|asked| (1..=max).contains(asked)).unwrap_or(default)
}

fn history(
    database: &Database,
    channel: ChannelKey,
    from: HistoryFrom,
    limit: u32,
) -> Result<(Vec<Message>, bool), Unanswered> {
    let span = match from {
        HistoryFrom::Latest => Some(Span::Latest),
        HistoryFrom::Before(id) => database.message_key(channel, id)?.map(Span::Before),
        HistoryFrom::After(id) => database.message_key(channel, id)?.map(Span::After),
    };
    // A cursor that is not known is an empty page.
    let Some(span) = span else { return Ok((Vec::new(), false)) };
    let mut page = Page::new();
    let mut messages = Vec::new();
    database.history(channel, span, limit, |row| {
        let ends = page.takes(row_bytes(&row));
        messages.push(shown_message(row));
        ends
    })?;
    let has_more = page.is_full || messages.len() == limit as usize;
    Ok((messages, has_more))
}

fn search(
    database: &Database,
    query: &SearchQuery,
    channels: &[ChannelKey],
    limit: u32,
) -> Result<(Vec<Message>, bool), Unanswered> {
    let found = database.search(&SearchRequest {
        query,
        channels: Some(channels),
        limit: limit as usize,
        order: SearchOrder::Newest,
        time_limit: SEARCH_TIME,
    })?;
    let mut page = Page::new();
    let mut messages = Vec::new();
    for row in found.messages {
        if page.is_full {
            break;
        }
        // Counted; whether it was the last one, the page itself remembers.
        let _ = page.takes(row_bytes(&row));
        messages.push(shown_message(row));
    }
    Ok((messages, page.is_full || found.timed_out))
}

fn sync(database: &Database, directory: &Directory, request: &Sync, limit: u32) -> Result<SyncPage, Unanswered> {
    let head = database.head()?;
    let mut next_hash = known_hash(database, request)?;
    let mut next = request.after;
    let mut events = Vec::new();
    let mut page = Page::new();
    database.events_after(request.after, limit, |logged| {
        next = Some(logged.index);
        next_hash = Some(logged.hash);
        // What stands in a channel that is switched off, or is gone, is passed over, and the cursor moves on.
        let Some(change) = logged.change.filter(|change| directory.shows(change.channel)) else {
            return ControlFlow::Continue(());
        };
        let event = event(logged.index, logged.timestamp, change);
        let ends = page.takes(event_bytes(&event));
        events.push(event);
        ends
    })?;
    let head = head.map(|head| head.index);
    // What was committed since `head` was read is more, too.
    let has_more = next < head;
    Ok(SyncPage { events, next, next_hash: next_hash.map(|hash| BASE64.encode(hash)), head: head.max(next), has_more })
}

/// The hash of the entry that the client says it knows; refused if this is not the log that it knows.
fn known_hash(database: &Database, request: &Sync) -> Result<Option<[u8; 32]>, Unanswered> {
    let unknown = || Unanswered::Refused(Refusal::new(Reason::CursorUnknown));
    let Some(after) = request.after else { return Ok(None) };
    let hash = database.entry_hash(after)?.ok_or_else(unknown)?;
    let is_same = |text: &String| BASE64.decode(text).is_ok_and(|remembered| remembered == hash);
    match &request.after_hash {
        Some(remembered) if !is_same(remembered) => Err(unknown()),
        _ => Ok(Some(hash)),
    }
}

/// The message as it is shown.
pub fn shown_message(row: MessageRow) -> Message {
    Message {
        id: row.id,
        channel_id: row.channel_id,
        user_id: row.user_id,
        content: row.content,
        metadata: row.metadata.unwrap_or_else(|| "{}".to_owned()),
        edit_history: row.versions,
        deleted_at: row.deleted_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        chain_index: row.chain_index,
        chain_hash: BASE64.encode(row.chain_hash),
        latest_chain_index: row.latest_entry,
    }
}

fn event(chain_index: ChainIndex, at: Timestamp, change: LoggedChange) -> EventBody {
    let LoggedChange { message_id, kind, .. } = change;
    match kind {
        LoggedKind::Created { channel_id, user_id, content, created_at } => {
            EventBody::Created { id: message_id, channel_id, user_id, content, chain_index, created_at }
        }
        LoggedKind::Edited { content } => EventBody::Edited { message_id, content, edited_at: at, chain_index },
        LoggedKind::Deleted => EventBody::Deleted { message_id, chain_index },
    }
}

/// How much of an answer is used.
pub(super) struct Page {
    bytes: usize,
    /// Whether it ended because it was big enough.
    pub(super) is_full: bool,
}

impl Page {
    pub(super) const fn new() -> Self {
        Self { bytes: 0, is_full: false }
    }

    /// Counts something of about `bytes` bytes in; says whether more may follow.
    pub(super) fn takes(&mut self, bytes: usize) -> ControlFlow<()> {
        self.bytes += bytes;
        self.is_full = self.bytes > MAX_ANSWER_BYTES;
        if self.is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// How many bytes a message takes in an answer, about.
pub(super) fn row_bytes(row: &MessageRow) -> usize {
    let metadata = row.metadata.as_deref().map_or(0, json_bytes);
    let versions: usize = row.versions.iter().map(|text| json_bytes(text)).sum();
    BYTES_BESIDE_TEXT + json_bytes(&row.content) + metadata + versions
}

fn event_bytes(event: &EventBody) -> usize {
    match event {
        EventBody::Created { content, .. } | EventBody::Edited { content, .. } => {
            BYTES_BESIDE_TEXT + json_bytes(content)
        }
        EventBody::Deleted { .. } => BYTES_BESIDE_TEXT,
    }
}

/// How many bytes `text` takes as a JSON string.
fn json_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_out_of_range_means_the_default() {
        let limits = [None, Some(-5), Some(0), Some(1), Some(100), Some(101), Some(i64::MAX)];
        assert_eq!(limits.map(|asked| limit(asked, 100, 50)), [50, 50, 50, 1, 100, 50, 50]);
    }

    #[test]
    fn bytes_are_counted_as_json_takes_them() {
        for text in ["", "plain", "\"quoted\" \\ \n", "\u{1}\u{1f}", "héllo 😀"] {
            assert_eq!(json_bytes(text), serde_json::to_string(text).expect("a string").len(), "{text:?}");
        }
    }
}
