//! The channels of this server, as far as they are switched on.

use crate::config::Features;
use crate::ids::ChannelId;
use crate::protocol::{Channel, ChannelKind};
use crate::storage::{ChannelKey, ChannelRow, Database, NewChannel, StorageError, WriteStore};
use crate::time::Timestamp;

/// The channels that a new server has.
const FIRST_CHANNELS: [NewChannel<'static>; 2] = [
    NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 },
    NewChannel { id: "announcements", kind: "announcement", is_read_only: true, position: 1 },
];

/// The channels that can be seen and used. One that is switched off is as good as none.
#[derive(Debug)]
pub struct Directory {
    channels: Vec<(ChannelKey, Channel)>,
}

impl Directory {
    /// Makes the first channels where there are none yet.
    pub fn found(store: &mut WriteStore, now: Timestamp) -> Result<(), StorageError> {
        if !store.database().channels()?.is_empty() {
            return Ok(());
        }
        // All of them or none: a kill in between would leave a server without the others for ever.
        store.begin()?;
        for channel in FIRST_CHANNELS {
            store.insert_channel(channel, now)?;
        }
        store.commit()
    }

    /// Reads the channels.
    pub fn load(database: &Database, features: Features) -> Result<Self, StorageError> {
        let rows = database.channels()?;
        let channels = rows.into_iter().map(shown).filter(|(_, channel)| is_on(features, channel.kind)).collect();
        Ok(Self { channels })
    }

    /// The channel `id`.
    pub fn find(&self, id: &str) -> Option<(ChannelKey, &Channel)> {
        let found = self.channels.iter().find(|(_, channel)| channel.id.as_str() == id);
        found.map(|(key, channel)| (*key, channel))
    }

    /// Whether messages in this channel may be seen and changed.
    pub fn shows(&self, key: ChannelKey) -> bool {
        self.channels.iter().any(|(other, _)| *other == key)
    }

    /// The id of a channel that [`Directory::find`] gave.
    pub(super) fn id_of(&self, key: ChannelKey) -> ChannelId {
        let found = self.channels.iter().find(|(other, _)| *other == key);
        found.map_or_else(|| "".into(), |(_, channel)| channel.id.clone())
    }

    /// The ids of the channels, by position.
    pub fn ids(&self) -> impl Iterator<Item = &ChannelId> {
        self.channels.iter().map(|(_, channel)| &channel.id)
    }

    /// What messages refer to the channels by.
    pub(super) fn keys(&self) -> impl Iterator<Item = ChannelKey> {
        self.channels.iter().map(|(key, _)| *key)
    }

    /// The channels as `zync.channels.list.ok` shows them.
    pub fn list(&self) -> Vec<Channel> {
        self.channels.iter().map(|(_, channel)| channel.clone()).collect()
    }
}

fn is_on(features: Features, kind: ChannelKind) -> bool {
    match kind {
        ChannelKind::Text => features.text_channels,
        ChannelKind::Announcement => features.announcement_channels,
        ChannelKind::Forum => true,
    }
}

fn shown(row: ChannelRow) -> (ChannelKey, Channel) {
    let kind = match row.kind.as_str() {
        "announcement" => ChannelKind::Announcement,
        "forum" => ChannelKind::Forum,
        _ => ChannelKind::Text,
    };
    let channel = Channel {
        id: row.id,
        name: row.name,
        kind,
        topic: row.topic,
        is_read_only: row.is_read_only,
        position: row.position,
        created_at: row.created_at,
    };
    (row.key, channel)
}
