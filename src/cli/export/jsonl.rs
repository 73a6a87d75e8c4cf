//! An export as JSON Lines, which `coms verify-chain --export` checks: [`crate::channels::export_format`].

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::output::Output;
use super::{Contents, Format};
use crate::channels::entry_of;
use crate::channels::export_format::{ExportChannel, ExportFooter, ExportLine, ExportMessage, write_entry};
use crate::storage::{ChainRow, ChannelRow, ExportedMessage};

pub(super) struct JsonLines {
    out: Output,
    counts: ExportFooter,
    line: Vec<u8>,
}

impl JsonLines {
    /// Writes what comes first.
    pub(super) fn begin(mut out: Output, contents: &Contents) -> io::Result<Self> {
        ExportLine::Header(contents.header.clone()).write(&mut out)?;
        let mut counts = ExportFooter { channels: 0, messages: 0, entries: 0 };
        for channel in &contents.channels {
            ExportLine::Channel(channel_line(channel)).write(&mut out)?;
            counts.channels += 1;
        }
        Ok(Self { out, counts, line: Vec::new() })
    }
}

impl Format for JsonLines {
    fn message(&mut self, message: ExportedMessage) -> io::Result<()> {
        self.counts.messages += 1;
        ExportLine::Message(message_line(message)).write(&mut self.out)
    }

    fn entry(&mut self, entry: &ChainRow) -> io::Result<()> {
        self.counts.entries += 1;
        self.line.clear();
        write_entry(&entry_of(entry, None), &mut self.line);
        self.out.write_all(&self.line)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        ExportLine::Footer(self.counts).write(&mut self.out)?;
        self.out.finish()
    }
}

fn channel_line(row: &ChannelRow) -> ExportChannel {
    ExportChannel {
        id: row.id.clone(),
        name: row.name.clone(),
        channel_type: row.kind.clone(),
        topic: row.topic.clone(),
        is_read_only: row.is_read_only,
        position: row.position,
        created_at: row.created_at.to_string(),
    }
}

fn message_line(message: ExportedMessage) -> ExportMessage {
    let ExportedMessage { row, entry, shows_another, version_entries } = message;
    ExportMessage {
        id: row.id,
        channel_id: row.channel_id,
        user_id: row.user_id,
        content: row.content,
        metadata: row.metadata.unwrap_or_else(|| "{}".to_owned()),
        edit_history: row.versions,
        edit_history_entries: version_entries,
        deleted_at: row.deleted_at.map(|time| time.to_string()),
        created_at: row.created_at.to_string(),
        updated_at: row.updated_at.to_string(),
        chain_index: row.chain_index,
        chain_hash: BASE64.encode(row.chain_hash),
        entry: shows_another.then_some(entry),
        latest_chain_index: row.latest_entry,
    }
}
