//! What a running server's messages say and when, against its entries: the events of `sync`, in chain order beside the entries.
//!
//! A message that was deleted since shows `[deleted]` in its earlier events. That is expected, but only if an entry for
//! the deletion follows, so such messages are kept in mind until it comes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::cli::CliError;
use crate::cli::chat::connection::{Connection, OpenError, Received};
use crate::ids::{ChainIndex, MessageId};
use crate::logchain::{Break, BreakKind, Breaks, ContentHash, Entry};
use crate::secret::Secret;
use crate::storage::DELETED_CONTENT;
use crate::time::Timestamp;

/// How many entries wait for their events at most, before events are fetched.
const WAITING: usize = 2_000;

/// The largest page that `sync` gives.
const PAGE: usize = 1_000;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Pages that are read beyond the head that is verified, for a million events: a server that always has more is not
/// believed for ever.
const LATER_PAGES: usize = 1_000;

#[derive(Deserialize)]
struct Frame {
    t: String,
    #[serde(rename = "ref")]
    request_id: Option<String>,
    #[serde(default)]
    d: Value,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<EventFrame>,
    next: Option<ChainIndex>,
    has_more: bool,
}

#[derive(Deserialize)]
struct EventFrame {
    t: String,
    d: EventPayload,
}

/// A create, edit or delete: which of them, the members that are there do not matter for.
#[derive(Deserialize)]
struct EventPayload {
    #[serde(alias = "id")]
    message_id: MessageId,
    chain_index: ChainIndex,
    content: Option<String>,
    created_at: Option<Timestamp>,
    edited_at: Option<Timestamp>,
}

/// An entry that waits for its event.
struct Expected {
    index: ChainIndex,
    message_id: MessageId,
    content_hash: ContentHash,
    timestamp: Timestamp,
}

/// What came of the comparison.
pub(super) struct Compared {
    pub(super) breaks: Breaks,
    /// Entries whose messages the server did not show.
    pub(super) unseen: u64,
    /// Messages that show another time of their creation than their entry has.
    pub(super) other_times: u64,
}

/// The comparison under way.
pub(super) struct Contents {
    connection: Connection,
    /// The index after which the next page begins.
    after: Option<ChainIndex>,
    expected: VecDeque<Expected>,
    /// Messages that show `[deleted]`, with the first entry that shows it, until the entry of their deletion comes.
    deleted: BTreeMap<MessageId, ChainIndex>,
    /// Entries without an event.
    unseen: u64,
    other_times: u64,
    requests: u64,
    breaks: Breaks,
}

impl Contents {
    /// Connects to the server whose manifest is at `manifest_url`.
    pub(super) async fn open(manifest_url: &Url, token: &Secret, from: ChainIndex) -> Result<Self, CliError> {
        let mut url = manifest_url.join("connect").map_err(|error| CliError::failed(error.to_string()))?;
        let scheme = if manifest_url.scheme() == "https" { "wss" } else { "ws" };
        // Between the special schemes a change is always possible.
        url.set_scheme(scheme).ok();
        let connection = Connection::open(&url, token).await.map_err(|error| {
            let failure = CliError::failed(format!("cannot fetch the messages: {error}"));
            match error {
                OpenError::Token(_) => failure.hint("contents are for members: an auditor's token is not enough"),
                _ => failure,
            }
        })?;
        Ok(Self {
            connection,
            after: from.0.checked_sub(1).map(ChainIndex),
            expected: VecDeque::new(),
            deleted: BTreeMap::new(),
            unseen: 0,
            other_times: 0,
            requests: 0,
            breaks: Breaks::default(),
        })
    }

    /// Takes note of an entry, in chain order.
    pub(super) fn expect(&mut self, entry: &Entry) {
        let Entry { index, message_id, content_hash, timestamp, .. } = *entry;
        self.expected.push_back(Expected { index, message_id, content_hash, timestamp });
    }

    /// Whether enough entries wait.
    pub(super) fn is_due(&self) -> bool {
        self.expected.len() >= WAITING
    }

    /// Fetches the events of all entries that wait, and compares.
    pub(super) async fn settle(&mut self) -> Result<(), CliError> {
        while !self.expected.is_empty() {
            if !self.take_page().await? {
                self.unseen += self.expected.drain(..).count() as u64;
            }
        }
        Ok(())
    }

    /// Compares what is left.
    pub(super) async fn finish(mut self) -> Result<Compared, CliError> {
        self.settle().await?;
        // Deletions after the head that was verified.
        for _ in 0..LATER_PAGES {
            if self.deleted.is_empty() || !self.take_page().await? {
                break;
            }
        }
        for (message_id, index) in &self.deleted {
            let detail = format!("message {message_id} shows `[deleted]` here, and no entry deletes it");
            self.breaks.add(Break::at(*index, BreakKind::Content, detail));
        }
        self.connection.close().await;
        Ok(Compared { breaks: self.breaks, unseen: self.unseen, other_times: self.other_times })
    }

    /// Fetches a page and compares it. False if there was nothing more.
    async fn take_page(&mut self) -> Result<bool, CliError> {
        let last =
            self.expected.back().map(|last| last.index).filter(|last| self.after.is_none_or(|after| *last > after));
        let page = self.fetch().await?;
        for event in &page.events {
            self.compare(event);
        }
        let Some(next) = page.next.filter(|next| self.after.is_none_or(|after| *next > after)) else {
            return Ok(false);
        };
        // Events beyond the entries that wait here are fetched again when theirs have come.
        let reached = last.map_or(next, |last| last.min(next));
        self.after = Some(reached);
        self.pass_over(reached.next());
        Ok(page.has_more || !self.expected.is_empty())
    }

    /// Entries below `index` whose events did not come.
    fn pass_over(&mut self, index: ChainIndex) {
        while self.expected.front().is_some_and(|first| first.index < index) {
            self.expected.pop_front();
            self.unseen += 1;
        }
    }

    fn compare(&mut self, event: &EventFrame) {
        let EventPayload { message_id, chain_index: index, ref content, created_at, edited_at } = event.d;
        let is_delete = event.t.ends_with(".delete");
        self.pass_over(index);
        let Some(expected) = self.expected.pop_front_if(|first| first.index == index) else {
            // After the head that is verified; it may still explain a `[deleted]` before it.
            if is_delete {
                self.deleted.remove(&message_id);
            }
            return;
        };
        if event.t.ends_with("message.edit") && edited_at != Some(expected.timestamp) {
            let detail = format!("message {message_id} shows another time of this edit than its entry has");
            self.breaks.add(Break::at(index, BreakKind::Timestamp, detail));
        } else if event.t.ends_with("message.create") && created_at != Some(expected.timestamp) {
            self.other_times += 1;
        }
        let said = if is_delete { DELETED_CONTENT } else { content.as_deref().unwrap_or_default() };
        if expected.message_id != message_id {
            let detail =
                format!("the event is about message {message_id}, and the entry about {}", expected.message_id);
            self.breaks.add(Break::at(index, BreakKind::Content, detail));
        } else if ContentHash::of(said) == expected.content_hash {
            if is_delete {
                self.deleted.remove(&message_id);
            }
        } else if said == DELETED_CONTENT && !is_delete {
            self.deleted.entry(message_id).or_insert(index);
        } else {
            let detail = format!("message {message_id} says something else here than its entry covers");
            self.breaks.add(Break::at(index, BreakKind::Content, detail));
        }
    }

    async fn fetch(&mut self) -> Result<Page, CliError> {
        self.requests += 1;
        let id = format!("verify-{}", self.requests);
        // Without entries that wait, all that comes after the head that is verified.
        let limit = if self.expected.is_empty() { PAGE } else { self.expected.len().min(PAGE) };
        let payload = match self.after {
            Some(after) => json!({ "after": after, "limit": limit }),
            None => json!({ "limit": limit }),
        };
        let request = json!({ "t": "zync.channels.sync", "id": id, "d": payload }).to_string();
        self.connection.send(vec![request]).await.map_err(failed)?;
        let answer = tokio::time::timeout(PATIENCE, self.answer(&id)).await;
        let frame = answer.map_err(|_| failed("no answer in time"))??;
        if frame.t != "zync.channels.sync.ok" {
            let message = frame.d.get("message").and_then(Value::as_str).unwrap_or("it gives no reason");
            return Err(failed(format!("the server refuses: {}", crate::cli::printable(message))));
        }
        Page::deserialize(&frame.d).map_err(|error| failed(format!("the server's answer makes no sense: {error}")))
    }

    async fn answer(&mut self, id: &str) -> Result<Frame, CliError> {
        loop {
            match self.connection.receive().await {
                Received::Text(text) => {
                    let frame: Option<Frame> = serde_json::from_str(&text).ok();
                    if let Some(frame) = frame.filter(|frame| frame.request_id.as_deref() == Some(id)) {
                        return Ok(frame);
                    }
                }
                Received::Alive => {}
                Received::Closed(_, reason) => return Err(failed(reason)),
            }
        }
    }
}

fn failed(problem: impl std::fmt::Display) -> CliError {
    CliError::failed(format!("cannot fetch the messages: {problem}"))
}
