//! What messages of the Go reference server say, against its chain, which covers creations alone.

use super::contents::{hash, shown};
use super::{AuditError, AuditWatch, PIECE};
use crate::ids::ChainIndex;
use crate::logchain::{Break, BreakKind, Breaks};
use crate::storage::{ReferenceDatabase, ReferenceMessage, ScanPlace};

/// Checks every message whose entry is at `from` or later. Returns notes.
pub(super) fn check(
    database: &ReferenceDatabase,
    from: ChainIndex,
    watch: &AuditWatch,
    breaks: &mut Breaks,
) -> Result<Vec<String>, AuditError> {
    let mut judge = Judge { from, edited: 0, deleted: 0, breaks };
    let mut place = Some(ScanPlace::default());
    while let Some(from_here) = place {
        watch.check()?;
        place = database.covered_messages(from_here, PIECE, |message| judge.message(&message))?;
    }
    let mut notes = Vec::new();
    for (count, what) in [(judge.edited, "edited"), (judge.deleted, "deleted")] {
        if count > 0 {
            notes.push(format!(
                "messages {what} outside the chain, as the Go reference server does it, so that no entry covers what they \
                 say now: {count}"
            ));
        }
    }
    Ok(notes)
}

struct Judge<'a> {
    from: ChainIndex,
    edited: u64,
    deleted: u64,
    breaks: &'a mut Breaks,
}

impl Judge<'_> {
    fn message(&mut self, message: &ReferenceMessage<'_>) {
        let id = shown(message.id);
        let index = message.index.unwrap_or(ChainIndex(0));
        if index < self.from {
            return;
        }
        let (Some(entry_hash), Some(covered)) = (message.entry_hash, message.content_hash) else {
            let detail = format!("no entry covers message {id}, which shows index {index}");
            return self.breaks.add(Break::at(index, BreakKind::MissingEntry, detail));
        };
        if message.shown_hash != entry_hash {
            let detail = format!("message {id} shows another hash than its entry has");
            self.breaks.add(Break::at(index, BreakKind::Content, detail));
        }
        let Ok(history) = serde_json::from_slice::<Option<Vec<String>>>(message.edit_history) else {
            let detail = format!("the edit history of message {id} is not readable");
            return self.breaks.add(Break::at(index, BreakKind::History, detail));
        };
        match history.unwrap_or_default().first() {
            Some(first) if hash(first.as_bytes()) != covered => {
                let detail = format!("what message {id} first said is not what its entry covers");
                self.breaks.add(Break::at(index, BreakKind::History, detail));
            }
            _ if message.is_deleted => self.deleted += 1,
            Some(_) => self.edited += 1,
            None if hash(message.content) != covered => {
                let detail = format!("message {id} says something else than its entry covers, and was never edited");
                self.breaks.add(Break::at(index, BreakKind::Content, detail));
            }
            None => {}
        }
    }
}
