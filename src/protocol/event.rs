//! Events: what happened, as everyone is told.

use serde::Serialize;

use crate::ids::{ChainIndex, ChannelId, MessageId, UserId};
use crate::time::Timestamp;

/// Something that happened, in the form in which it goes out live and in `sync`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `zync.channels.message.create`, `.edit` or `.delete`: what is in the chain.
    Message(EventBody),
    /// `zync.core.user.join` or `.leave`
    Presence {
        /// Who.
        user_id: UserId,
        /// Whether they came.
        joined: bool,
    },
    /// `zync.channels.typing.start` or `.stop`
    Typing {
        /// Where.
        channel_id: ChannelId,
        /// Who.
        user_id: UserId,
        /// Whether they started.
        started: bool,
    },
}

/// The payload of an event about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventBody {
    /// It was created.
    Created {
        /// The message.
        id: MessageId,
        /// Where.
        channel_id: ChannelId,
        /// Who.
        user_id: UserId,
        /// What it says.
        content: String,
        /// The entry that records it.
        chain_index: ChainIndex,
        /// When.
        created_at: Timestamp,
    },
    /// It was edited.
    Edited {
        /// The message.
        message_id: MessageId,
        /// What it says now.
        content: String,
        /// When.
        edited_at: Timestamp,
        /// The entry that records it.
        chain_index: ChainIndex,
    },
    /// It was deleted.
    Deleted {
        /// The message.
        message_id: MessageId,
        /// The entry that records it.
        chain_index: ChainIndex,
    },
}

impl EventBody {
    /// The entry that records it.
    pub fn chain_index(&self) -> ChainIndex {
        match self {
            Self::Created { chain_index, .. }
            | Self::Edited { chain_index, .. }
            | Self::Deleted { chain_index, .. } => *chain_index,
        }
    }

    /// The type on the wire.
    pub fn kind(&self) -> &str {
        match self {
            Self::Created { .. } => "zync.channels.message.create",
            Self::Edited { .. } => "zync.channels.message.edit",
            Self::Deleted { .. } => "zync.channels.message.delete",
        }
    }
}

#[derive(Serialize)]
struct PresenceBody {
    user_id: UserId,
}

#[derive(Serialize)]
struct TypingBody<'a> {
    channel_id: &'a ChannelId,
    user_id: UserId,
}

impl Event {
    /// The type on the wire.
    pub fn kind(&self) -> &str {
        match self {
            Self::Message(body) => body.kind(),
            Self::Presence { joined: true, .. } => "zync.core.user.join",
            Self::Presence { joined: false, .. } => "zync.core.user.leave",
            Self::Typing { started: true, .. } => "zync.channels.typing.start",
            Self::Typing { started: false, .. } => "zync.channels.typing.stop",
        }
    }
}

/// Serializes as the event's payload, `d`.
impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Message(body) => body.serialize(serializer),
            Self::Presence { user_id, .. } => PresenceBody { user_id: *user_id }.serialize(serializer),
            Self::Typing { channel_id, user_id, .. } => {
                TypingBody { channel_id, user_id: *user_id }.serialize(serializer)
            }
        }
    }
}
