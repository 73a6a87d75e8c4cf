//! What can be told of a `message` line by itself: which fields contradict each other.

use serde::de::IgnoredAny;

use crate::channels::export_format::{ExportFilter, ExportMessage};
use crate::ids::ChainIndex;
use crate::logchain::{Break, BreakKind};
use crate::storage::DELETED_CONTENT;
use crate::time::Timestamp;

/// The times of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) deleted: Option<Timestamp>,
}

impl Times {
    /// Reads them; `None` if one is not in the form in which coms writes times.
    pub(super) fn of(message: &ExportMessage) -> Option<Self> {
        let deleted = match &message.deleted_at {
            Some(text) => Some(time(text)?),
            None => None,
        };
        Some(Self { created: time(&message.created_at)?, updated: time(&message.updated_at)?, deleted })
    }
}

/// The time in `text`, if that is how coms writes it.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).filter(|time| time.to_string() == text)
}

/// What is wrong with a message, whatever its entries are. Of an adopted one less can be told: `is_adopted` says whether its
/// first entry is from before, and `is_latest_adopted` whether its latest is.
pub(super) fn faults(message: &ExportMessage, times: Option<Times>, adopted_length: u64) -> Vec<Break> {
    let (id, first, latest) = (message.id, message.first_entry(), message.latest_entry());
    let is_adopted = first.0 < adopted_length;
    let mut faults = Vec::new();
    let mut fault = |index: ChainIndex, kind, is_wrong: bool, what: &str| {
        if is_wrong {
            faults.push(Break::at(index, kind, format!("message {id} {what}")));
        }
    };
    fault(first, BreakKind::Timestamp, times.is_none(), "shows a time that is not one");
    let is_changed = message.latest_chain_index.is_some();
    fault(first, BreakKind::History, is_changed && latest <= first, "names a change that is not after its creation");
    fault(first, BreakKind::Content, !is_adopted && message.entry.is_some(), "shows another index than its entry has");
    let is_json = is_adopted || serde_json::from_str::<IgnoredAny>(&message.metadata).is_ok();
    fault(first, BreakKind::Content, !is_json, "has metadata that are not JSON");
    if let Some(times) = times {
        let is_untouched = is_adopted || is_changed || times.updated == times.created;
        fault(first, BreakKind::Timestamp, !is_untouched, "shows the time of a change, and no entry changes it");
        let is_one = latest.0 < adopted_length || times.deleted.is_none_or(|deleted| deleted == times.updated);
        fault(latest, BreakKind::Timestamp, !is_one, "shows one time of its deletion and another of its latest change");
    }
    if message.deleted_at.is_some() {
        let is_empty = message.content == DELETED_CONTENT && message.metadata == "{}";
        fault(latest, BreakKind::Content, !is_empty, "was deleted, and still says something");
        let is_said = is_changed || is_adopted;
        fault(latest, BreakKind::Content, !is_said, "is marked as deleted, and no entry says so");
        fault(
            latest,
            BreakKind::History,
            !message.edit_history.is_empty(),
            "was deleted, and still shows what it said",
        );
    }
    let entries = &message.edit_history_entries;
    let is_paired = entries.len() == message.edit_history.len();
    fault(first, BreakKind::History, !is_paired, "does not name an entry for each of its earlier versions");
    let known: Vec<_> = entries.iter().copied().flatten().collect();
    let is_covered = is_adopted || known.len() == entries.len();
    fault(first, BreakKind::History, !is_covered, "shows a version that no entry covers");
    let is_ordered =
        known.is_sorted_by(|before, after| before < after) && known.iter().all(|index| (first..latest).contains(index));
    fault(first, BreakKind::History, !is_ordered, "names entries of its versions that are out of order");
    faults
}

/// Whether the filter of an export lets the message through.
pub(super) fn passes(filter: &ExportFilter, message: &ExportMessage, times: Option<Times>) -> bool {
    let bound = |text: &Option<String>| text.as_deref().map(Timestamp::parse_rfc3339);
    let created = times.map(|times| times.created);
    (filter.channels.is_empty() || filter.channels.contains(&message.channel_id))
        && (filter.users.is_empty() || filter.users.contains(&message.user_id))
        && bound(&filter.after).is_none_or(|after| after.is_some() && created >= after)
        && bound(&filter.before).is_none_or(|before| before.is_some() && created < before)
}
