//! Answers: what the one who asked is told.

use serde::Serialize;

use super::event::EventBody;
use super::message::{Channel, Message};
use super::refusal::{Code, Reason, Refusal};
use crate::ids::{ChainIndex, MessageId};
use crate::time::Timestamp;

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `zync.core.pong`
    Pong,
    /// `zync.core.renew.ok`
    Renewed {
        /// Until when the session lives now.
        session_expires_at: Timestamp,
    },
    /// `zync.core.subscribe.ok`
    Subscribed {
        /// Those of the events asked for that exist.
        events: Vec<String>,
    },
    /// `zync.channels.list.ok`
    Channels(Vec<Channel>),
    /// `zync.channels.message.create.ok`
    Created {
        /// The new message.
        id: MessageId,
        /// Its entry.
        chain_index: ChainIndex,
    },
    /// `zync.channels.message.edit.ok`
    Edited,
    /// `zync.channels.message.delete.ok`
    Deleted,
    /// `zync.channels.message.history`
    History(HistoryPage),
    /// `zync.channels.search.results`
    SearchResults(SearchResults),
    /// `zync.channels.sync.ok`
    Sync(SyncPage),
    /// `zync.core.error`
    Refused(Refusal),
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryPage {
    /// The channel, as asked for.
    pub channel_id: String,
    /// The messages, in the order that the request implies.
    pub messages: Vec<Message>,
    /// Whether the page is full.
    pub has_more: bool,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SearchResults {
    /// The query, as asked.
    pub query: String,
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// Whether the answer ended early; left out when it did not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_more: bool,
}

/// A page of everything that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncPage {
    /// The events in chain order.
    pub events: Vec<EventBody>,
    /// The index to ask after next; `None` as long as nothing happened.
    pub next: Option<ChainIndex>,
    /// The hash of that entry, in base64.
    pub next_hash: Option<String>,
    /// The last index of the chain.
    pub head: Option<ChainIndex>,
    /// Whether there is more after `next`.
    pub has_more: bool,
}

impl Answer {
    /// The type on the wire.
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Pong => "zync.core.pong",
            Self::Renewed { .. } => "zync.core.renew.ok",
            Self::Subscribed { .. } => "zync.core.subscribe.ok",
            Self::Channels(_) => "zync.channels.list.ok",
            Self::Created { .. } => "zync.channels.message.create.ok",
            Self::Edited => "zync.channels.message.edit.ok",
            Self::Deleted => "zync.channels.message.delete.ok",
            Self::History(_) => "zync.channels.message.history",
            Self::SearchResults(_) => "zync.channels.search.results",
            Self::Sync(_) => "zync.channels.sync.ok",
            Self::Refused(_) => "zync.core.error",
        }
    }
}

/// The payload of an answer, to be serialized; an error's repeats the request's id.
pub(super) struct AnswerBody<'a> {
    pub(super) answer: &'a Answer,
    pub(super) request_id: &'a str,
}

#[derive(Serialize)]
struct RenewedBody {
    session_expires_at: Timestamp,
}

#[derive(Serialize)]
struct SubscribedBody<'a> {
    events: &'a [String],
}

#[derive(Serialize)]
struct ChannelsBody<'a> {
    channels: &'a [Channel],
}

#[derive(Serialize)]
struct CreatedBody {
    id: MessageId,
    chain_index: ChainIndex,
}

#[derive(Serialize)]
struct SyncBody<'a> {
    events: Vec<SyncEvent<'a>>,
    next: Option<ChainIndex>,
    next_hash: Option<&'a str>,
    head: Option<ChainIndex>,
    has_more: bool,
}

#[derive(Serialize)]
struct SyncEvent<'a> {
    t: &'a str,
    d: &'a EventBody,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: Code,
    message: &'a str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Serialize for AnswerBody<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.answer {
            Answer::Pong | Answer::Edited | Answer::Deleted => serializer.serialize_unit(),
            Answer::Renewed { session_expires_at } => {
                RenewedBody { session_expires_at: *session_expires_at }.serialize(serializer)
            }
            Answer::Subscribed { events } => SubscribedBody { events }.serialize(serializer),
            Answer::Channels(channels) => ChannelsBody { channels }.serialize(serializer),
            Answer::Created { id, chain_index } => {
                CreatedBody { id: *id, chain_index: *chain_index }.serialize(serializer)
            }
            Answer::History(page) => page.serialize(serializer),
            Answer::SearchResults(results) => results.serialize(serializer),
            Answer::Sync(page) => sync_body(page).serialize(serializer),
            Answer::Refused(refusal) => error_body(refusal, self.request_id).serialize(serializer),
        }
    }
}

fn sync_body(page: &SyncPage) -> SyncBody<'_> {
    SyncBody {
        events: page.events.iter().map(|event| SyncEvent { t: event.kind(), d: event }).collect(),
        next: page.next,
        next_hash: page.next_hash.as_deref(),
        head: page.head,
        has_more: page.has_more,
    }
}

fn error_body<'a>(refusal: &'a Refusal, request_id: &'a str) -> ErrorBody<'a> {
    let code = refusal.code();
    ErrorBody {
        code,
        message: &refusal.message,
        // What could not be read has no id to refer to.
        request_id: (code != Code::InvalidJson).then_some(request_id),
        reason: refusal.reason,
        retry_after_ms: refusal.retry_after_ms,
    }
}
