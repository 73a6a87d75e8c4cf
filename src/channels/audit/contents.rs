//! What messages and their earlier versions say, and the times that they show, against the entries that cover them.

use super::{AuditError, AuditWatch, PIECE};
use crate::ids::{ChainIndex, MessageId};
use crate::logchain::{Break, BreakKind, Breaks, ContentHash};
use crate::storage::{CoveredMessage, CoveredVersion, DELETED_CONTENT, Database, ScanPlace};

/// Checks every message and every earlier version that an entry from `from` on covers. Returns notes.
pub(super) fn check(
    database: &Database,
    from: ChainIndex,
    watch: &AuditWatch,
    breaks: &mut Breaks,
) -> Result<Vec<String>, AuditError> {
    let adopted_length = database.adopted_length()?;
    let mut judge = Judge { from, adopted_length, uncovered: 0, adopted: 0, before: None, breaks };
    let mut place = Some(ScanPlace::default());
    while let Some(from_here) = place {
        watch.check()?;
        place = database.covered_messages(from_here, PIECE, |message| judge.message(&message))?;
    }
    place = Some(ScanPlace::default());
    while let Some(from_here) = place {
        watch.check()?;
        place = database.covered_versions(from_here, PIECE, |version| judge.version(&version))?;
    }
    let mut notes = Vec::new();
    if judge.uncovered > 0 {
        notes.push(format!(
            "{} earlier versions are from before the adoption, and no entry covers them",
            judge.uncovered
        ));
    }
    if judge.adopted > 0 {
        notes.push(adopted_times(judge.adopted));
    }
    Ok(notes)
}

/// What to say of `count` messages from before an adoption.
pub fn adopted_times(count: u64) -> String {
    format!(
        "adopted messages, whose times are as the Go reference server left them and were not compared with entries: {count}"
    )
}

struct Judge<'a> {
    from: ChainIndex,
    /// Entries below this are from before or of the adoption.
    adopted_length: u64,
    /// Versions that no entry covers, as adopted messages may have.
    uncovered: u64,
    /// Messages that were there before the adoption.
    adopted: u64,
    /// The version before: its message and its entry.
    before: Option<(Option<MessageId>, ChainIndex)>,
    breaks: &'a mut Breaks,
}

impl Judge<'_> {
    fn message(&mut self, message: &CoveredMessage<'_>) {
        let id = shown(message.id);
        if !message.has_entry {
            let detail = format!("no entry covers the creation of message {id}");
            self.fault(message.entry, BreakKind::MissingEntry, detail);
        }
        self.times(message);
        let Some(covered) = message.latest_content_hash else {
            if message.latest != message.entry {
                let detail = format!("no entry covers what message {id} says");
                self.fault(message.latest, BreakKind::MissingEntry, detail);
            }
            return;
        };
        if message.is_deleted() && message.content != DELETED_CONTENT.as_bytes() {
            let detail = format!("message {id} was deleted, and still says something");
            self.fault(message.latest, BreakKind::Content, detail);
        } else if hash(message.content) != covered {
            let detail = format!("message {id} says something else than its latest entry covers");
            self.fault(message.latest, BreakKind::Content, detail);
        } else if message.is_deleted() && message.has_metadata {
            let detail = format!("message {id} was deleted, and still has metadata");
            self.fault(message.latest, BreakKind::Content, detail);
        } else if message.is_deleted() && message.latest == message.entry && message.entry.0 >= self.adopted_length {
            let detail = format!("message {id} is marked as deleted, and no entry says so");
            self.fault(message.latest, BreakKind::Content, detail);
        }
    }

    /// A message shows the times of its entries, but for what it showed before an adoption.
    fn times(&mut self, message: &CoveredMessage<'_>) {
        let (id, times) = (shown(message.id), message.times);
        let is_adopted = message.entry.0 < self.adopted_length;
        self.adopted += u64::from(is_adopted && message.entry >= self.from);
        if !is_adopted {
            if times.entry.is_some_and(|written| written != times.created_at) {
                let detail = format!("message {id} shows another time of its creation than this entry has");
                self.fault(message.entry, BreakKind::Timestamp, detail);
            }
            if message.shows_another {
                let detail = format!("message {id} shows another index or hash than its entry has");
                self.fault(message.entry, BreakKind::Content, detail);
            }
            if message.latest == message.entry && times.updated_at.is_some_and(|changed| changed != times.created_at) {
                let detail = format!("message {id} shows the time of a change, and no entry changes it");
                self.fault(message.entry, BreakKind::Timestamp, detail);
            }
        }
        let Some(changed) = times.latest_entry.filter(|_| message.latest.0 >= self.adopted_length) else { return };
        if times.updated_at != Some(changed) || times.deleted_at.is_some_and(|deleted| deleted != changed) {
            let detail = format!("message {id} shows another time of its latest change than this entry has");
            self.fault(message.latest, BreakKind::Timestamp, detail);
        }
    }

    fn version(&mut self, version: &CoveredVersion<'_>) {
        let id = shown(version.id);
        let number = version.number;
        let Some((first, latest)) = version.bounds else {
            let detail = format!("an earlier version (number {number}) belongs to no message");
            self.breaks.add(Break::overall(BreakKind::History, detail));
            return;
        };
        let Some(entry) = version.entry else {
            if first.0 < self.adopted_length && !version.is_deleted {
                self.uncovered += 1;
            } else {
                let detail = format!("no entry covers version {number} of message {id}");
                self.fault(first, BreakKind::History, detail);
            }
            return;
        };
        let is_after = self.before.is_none_or(|(of, before)| of != version.id || before < entry);
        self.before = Some((version.id, entry));
        let problem = if version.is_deleted {
            Some("is still there after the deletion")
        } else if version.content_hash.is_none() {
            Some("names an entry that is not of its message")
        } else if version.content_hash != Some(hash(version.content).as_slice()) {
            Some("says something else than its entry covers")
        } else if !is_after || !(first..latest).contains(&entry) {
            Some("is out of order")
        } else {
            None
        };
        if let Some(problem) = problem {
            self.fault(entry, BreakKind::History, format!("version {number} of message {id} {problem}"));
        }
    }

    fn fault(&mut self, index: ChainIndex, kind: BreakKind, detail: String) {
        if index >= self.from {
            self.breaks.add(Break::at(index, kind, detail));
        }
    }
}

pub(super) fn hash(content: &[u8]) -> [u8; 32] {
    ContentHash::of_bytes(content).0
}

pub(super) fn shown(id: Option<MessageId>) -> String {
    id.map_or_else(|| "with an unreadable id".to_owned(), |id| id.to_string())
}
