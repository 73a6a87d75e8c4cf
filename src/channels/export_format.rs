//! The lines of an export in JSON Lines, which `coms export` writes and `coms verify-chain --export` reads.
//!
//! Every line is an object with `type` first. In this order: one `header`; the `channel` lines; then the log, entry by
//! entry in chain order, where an `entry` that creates a message is preceded by that message's `message` line; one
//! `footer`. So a reader that checks contents needs to remember only what later entries must say: edits and deletions.
//!
//! A filtered export carries the messages that the filter lets through and all the entries of those, in the same order.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::ids::{ChainIndex, ChannelId, MessageId, UserId};
use crate::logchain::{Entry, EntryLine, SignedHead};

/// The version of the format, in the header.
pub const EXPORT_VERSION: u32 = 1;

/// How every export begins.
pub const EXPORT_BEGINNING: &str = r#"{"type":"header","format":"#;

/// How an `entry` line begins. A reader takes it from here to [`EntryLine::parse`], which does not mind the `type`.
pub const ENTRY_PREFIX: &[u8] = br#"{"type":"entry","#;

/// A line of an export, but for entries, which [`write_entry`] writes and [`EntryLine::parse`] reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExportLine {
    /// What follows.
    Header(ExportHeader),
    /// A channel.
    Channel(ExportChannel),
    /// A message.
    Message(ExportMessage),
    /// The end.
    Footer(ExportFooter),
}

impl ExportLine {
    /// Writes the line with its end.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

/// Appends an `entry` line with its end to `out`.
pub fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(ENTRY_PREFIX);
    EntryLine::write_members(entry, out);
    out.extend_from_slice(b"}\n");
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeader {
    /// [`EXPORT_VERSION`]
    pub format: u32,
    /// The server's id; absent if the database does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// The server's key, 64 hexadecimal digits; absent if the database does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The signed head at the moment of the export; absent if it was made without the server's secret key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<SignedHead>,
    /// How many entries the chain has; the export carries all of them, unless `filter` is there.
    pub chain_length: u64,
    /// How many entries the chain had when the database was adopted; absent if it never was. What messages show of their
    /// entries from before is as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_length: Option<u64>,
    /// What was left out, as the options of the command say it; absent from a whole export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<ExportFilter>,
}

/// The filters of an export, each absent if it was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFilter {
    /// Channels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelId>,
    /// People.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserId>,
    /// Only messages created at or after this, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only messages created before this, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// A channel, with the fields of `zync.channels.list.ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportChannel {
    /// Its name on the wire.
    pub id: ChannelId,
    /// Its name for people.
    pub name: String,
    /// `text`, `announcement` or `forum`. Not `type`, which is the line's.
    pub channel_type: String,
    /// What is talked about; left out when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Whether members can't post.
    pub is_read_only: bool,
    /// Its place in the list, from 0.
    pub position: i64,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

/// A message, with the fields of history, and which entry covers what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportMessage {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub channel_id: ChannelId,
    /// Who wrote it.
    pub user_id: UserId,
    /// What it says now; `[deleted]` if it was deleted.
    pub content: String,
    /// JSON in a string.
    pub metadata: String,
    /// What it said before, oldest first; left out when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edit_history: Vec<String>,
    /// The entry that covers each of `edit_history`; null where none does, which only adopted messages have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edit_history_entries: Vec<Option<ChainIndex>>,
    /// When it was deleted; left out when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<String>,
    /// When it was written.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// The index that clients are shown: the entry of its creation, but for some adopted messages.
    pub chain_index: ChainIndex,
    /// The hash that clients are shown, in standard base64.
    pub chain_hash: String,
    /// The first entry that covers it, where `chain_index` and `chain_hash` are not its index and hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<ChainIndex>,
    /// The entry of its latest edit or its deletion; left out when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_chain_index: Option<ChainIndex>,
}

impl ExportMessage {
    /// The first entry that covers it.
    pub fn first_entry(&self) -> ChainIndex {
        self.entry.unwrap_or(self.chain_index)
    }

    /// The entry that covers what it says now.
    pub fn latest_entry(&self) -> ChainIndex {
        self.latest_chain_index.unwrap_or(self.first_entry())
    }
}

/// The last line: a file without it was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFooter {
    /// How many `channel` lines there were.
    pub channels: u64,
    /// How many `message` lines.
    pub messages: u64,
    /// How many `entry` lines.
    pub entries: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logchain::{ContentHash, EntryHash, SigningKey};
    use crate::time::Timestamp;

    #[test]
    fn the_type_comes_first_and_a_line_is_read_back() {
        let footer = ExportLine::Footer(ExportFooter { channels: 1, messages: 2, entries: 3 });
        let mut line = Vec::new();
        footer.write(&mut line).expect("memory");
        assert_eq!(line, b"{\"type\":\"footer\",\"channels\":1,\"messages\":2,\"entries\":3}\n");
        assert_eq!(serde_json::from_slice::<ExportLine>(&line).expect("a line"), footer);
    }

    #[test]
    fn an_entry_line_is_read_as_an_entry() {
        let entry = Entry::sign(
            &SigningKey::from_seed(&[1; 32]),
            ChainIndex(5),
            MessageId::from_bytes([2; 16]),
            Timestamp::from_unix_ms(7),
            EntryHash::ZERO,
            ContentHash::of("x"),
        );
        let mut line = Vec::new();
        write_entry(&entry, &mut line);
        assert!(line.starts_with(ENTRY_PREFIX) && line.ends_with(b"\"}\n"));
        assert_eq!(EntryLine::parse(&line).expect("an entry"), entry);
    }
}
