//! What a server says, as far as the client understands it. Lenient on purpose: unknown members and unknown frames are
//! passed over, so that it talks to servers older and newer than itself.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::json::json_line;
use crate::ids::{MessageId, UserId};
use crate::printable::Untrusted;
use crate::time::Timestamp;

/// A frame from the server, its payload still unread.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Frame {
    /// Its type.
    pub(super) t: String,
    /// The id of the request that it answers.
    #[serde(rename = "ref")]
    pub(super) request_id: Option<String>,
    /// The payload.
    #[serde(default)]
    pub(super) d: Value,
}

impl Frame {
    /// The payload as a `T`, if it is one.
    pub(super) fn payload<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&self.d).ok()
    }

    /// One line of JSON with what a script needs.
    pub(super) fn to_json_line(&self) -> String {
        let line = JsonLine { t: &self.t, request_id: self.request_id.as_deref(), d: &self.d };
        // A map with string keys and no number that JSON lacks always serializes.
        json_line(&line).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    t: &'a str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    d: &'a Value,
}

/// `zync.core.hello`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Hello {
    pub(super) user_id: UserId,
    pub(super) session_expires_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) online_count: u64,
    pub(super) chain_head: Option<u64>,
    pub(super) chain_head_hash: Option<String>,
}

/// A message, as a create event, history and search show it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) channel_id: Untrusted,
    pub(super) user_id: UserId,
    pub(super) content: Untrusted,
    pub(super) created_at: Timestamp,
    /// Earlier contents; history and search only.
    #[serde(default)]
    pub(super) edit_history: Vec<Untrusted>,
    /// Set when it was deleted; history only.
    pub(super) deleted_at: Option<Value>,
}

/// `zync.channels.message.edit` as an event.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Edit {
    pub(super) message_id: MessageId,
    pub(super) content: Untrusted,
}

/// `zync.channels.message.delete` as an event.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Deletion {
    pub(super) message_id: MessageId,
}

/// The member of an event that places it in the chain; absent from the reference's edits and deletes.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Place {
    pub(super) chain_index: Option<u64>,
}

/// `zync.core.user.join` and `.leave`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Presence {
    pub(super) user_id: UserId,
}

/// A page of history or the results of a search.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Page {
    /// Newest first. The reference sends null for none.
    pub(super) messages: Option<Vec<Message>>,
}

/// `zync.channels.sync.ok`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SyncPage {
    pub(super) events: Vec<Frame>,
    pub(super) next: Option<u64>,
    pub(super) next_hash: Option<String>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// `zync.channels.list.ok`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ChannelList {
    pub(super) channels: Option<Vec<Channel>>,
}

/// A channel, as it is listed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Channel {
    pub(super) id: Untrusted,
    pub(super) name: Untrusted,
    #[serde(rename = "type", default)]
    pub(super) kind: Untrusted,
    #[serde(default)]
    pub(super) topic: Untrusted,
    #[serde(default)]
    pub(super) is_read_only: bool,
}

/// `zync.core.renew.ok`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Renewed {
    pub(super) session_expires_at: Timestamp,
}

/// `zync.core.error`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) message: Untrusted,
    /// The id of the request. The reference has it only here.
    #[serde(rename = "ref")]
    pub(super) request_id: Option<String>,
    #[serde(default)]
    pub(super) reason: String,
}
