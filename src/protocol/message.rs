//! Messages and channels as history, search and lists show them.

use serde::{Deserialize, Serialize};

use crate::ids::{ChainIndex, ChannelId, MessageId, UserId};
use crate::time::Timestamp;

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Everyone talks.
    Text,
    /// A few talk, everyone reads.
    Announcement,
    /// Threads.
    Forum,
}

/// A channel in `zync.channels.list.ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its name on the wire.
    pub id: ChannelId,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// What is talked about; left out when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Whether members can't post.
    pub is_read_only: bool,
    /// Its place in the list, from 0.
    pub position: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A message in history and search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub channel_id: ChannelId,
    /// Who wrote it.
    pub user_id: UserId,
    /// What it says now; `[deleted]` if it was deleted.
    pub content: String,
    /// JSON in a string, `{}` when empty.
    pub metadata: String,
    /// What it said before, oldest first; left out when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edit_history: Vec<String>,
    /// When it was deleted; left out when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The entry of its creation.
    pub chain_index: ChainIndex,
    /// The hash of that entry, in standard base64.
    pub chain_hash: String,
    /// The entry of its latest edit or its deletion; left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_chain_index: Option<ChainIndex>,
}
