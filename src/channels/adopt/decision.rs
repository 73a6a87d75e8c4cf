//! What becomes of one message of the reference.

use crate::ids::ChainIndex;
use crate::logchain::{BreakKind, ContentHash};
use crate::storage::{DELETED_CONTENT, ReferenceRow};

/// What a message is from now on, and what was found on the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision<'a> {
    /// What it says.
    pub(super) content: &'a str,
    /// Its metadata, if there are any.
    pub(super) metadata: Option<&'a str>,
    /// What it said before, each with the entry that covers it.
    pub(super) versions: Vec<(Option<ChainIndex>, &'a str)>,
    /// Whether an entry has to be appended that covers what it says now.
    pub(super) needs_entry: bool,
    /// Whether it shows an index or a hash that its entry does not have.
    pub(super) shows_another: bool,
    /// What does not hold together, where no edit and no deletion explains it.
    pub(super) fault: Option<(BreakKind, String)>,
}

/// Decides on one message. A deleted one loses its metadata and its history, which the reference goes on keeping.
pub(super) fn decide(message: &ReferenceRow) -> Decision<'_> {
    let is_deleted = message.deleted_at.is_some();
    let content = if is_deleted { DELETED_CONTENT } else { &message.content };
    let history = if is_deleted { &[] } else { message.edit_history.as_slice() };
    let covers = |text: &str| message.own.is_some_and(|own| own.content_hash == ContentHash::of(text).0);
    // The reference's chain covers creations alone: the entry is that of the first of the versions that it fits.
    let covered = history.iter().position(|text| covers(text));
    let entry_of = |number| message.own.filter(|_| Some(number) == covered).map(|own| own.index);
    let is_changed = is_deleted || !history.is_empty();
    Decision {
        content,
        metadata: Some(message.metadata.as_str()).filter(|text| !is_deleted && !matches!(*text, "" | "{}")),
        versions: history.iter().enumerate().map(|(number, text)| (entry_of(number), text.as_str())).collect(),
        needs_entry: is_changed || !covers(content),
        shows_another: message.own.is_none_or(|own| (own.index, own.hash) != (message.chain_index, message.chain_hash)),
        fault: fault(message, is_deleted, covered.is_some() || (!is_changed && covers(content))),
    }
}

fn fault(message: &ReferenceRow, is_deleted: bool, is_explained: bool) -> Option<(BreakKind, String)> {
    let id = message.id;
    message.own?;
    match (is_deleted, is_explained, message.edit_history.is_empty()) {
        // What it said is gone; there is nothing to compare.
        (true, ..) | (_, true, _) => None,
        (_, _, true) => Some((
            BreakKind::Content,
            format!("message {id} does not say what its entry covers, and no edit is recorded"),
        )),
        (_, _, false) => {
            Some((BreakKind::History, format!("no earlier version of message {id} is the one that its entry covers")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::OwnEntry;
    use crate::time::Timestamp;

    fn message(content: &str, history: &[&str], first: Option<&str>) -> ReferenceRow {
        ReferenceRow {
            row: 1,
            id: "01a20ac7-b017-7163-98c7-f2eac679f59c".parse().expect("a UUID"),
            channel_id: "general".into(),
            user_id: "49c07341-06c0-4eb9-8059-e5a0a3729cb6".parse().expect("a UUID"),
            content: content.into(),
            metadata: "{}".into(),
            edit_history: history.iter().map(|text| (*text).to_owned()).collect(),
            deleted_at: None,
            created_at: Timestamp::from_unix_ms(1),
            updated_at: Timestamp::from_unix_ms(1),
            chain_index: ChainIndex(7),
            chain_hash: [7; 32],
            own: first.map(|text| OwnEntry {
                index: ChainIndex(7),
                content_hash: ContentHash::of(text).0,
                hash: [7; 32],
            }),
        }
    }

    #[test]
    fn a_message_that_nobody_changed_needs_nothing() {
        let message = message("hello", &[], Some("hello"));
        let decision = decide(&message);
        assert!(!decision.needs_entry && !decision.shows_another && decision.fault.is_none());
        assert_eq!((decision.content, decision.metadata, decision.versions.len()), ("hello", None, 0));
    }

    #[test]
    fn an_edit_needs_an_entry_and_the_first_version_has_one() {
        let message = message("third", &["first", "second"], Some("first"));
        let decision = decide(&message);
        assert!(decision.needs_entry && decision.fault.is_none());
        assert_eq!(decision.versions, [(Some(ChainIndex(7)), "first"), (None, "second")]);
        // Back to what it said at first: the edit is still one that no entry tells of.
        assert!(decide(&self::message("first", &["first", "second"], Some("first"))).needs_entry);
    }

    #[test]
    fn a_deletion_takes_history_and_metadata_along() {
        let mut message = message("still here", &["secret"], Some("secret"));
        message.metadata = r#"{"a":1}"#.into();
        assert_eq!(decide(&message).metadata, Some(r#"{"a":1}"#));
        message.deleted_at = Some(Timestamp::from_unix_ms(2));
        let decision = decide(&message);
        assert_eq!((decision.content, decision.metadata, decision.versions.len()), (DELETED_CONTENT, None, 0));
        assert!(decision.needs_entry && decision.fault.is_none());
    }

    #[test]
    fn a_message_without_an_entry_gets_one_and_shows_what_it_showed() {
        let message = message("hello", &[], None);
        let decision = decide(&message);
        assert!(decision.needs_entry && decision.shows_another && decision.fault.is_none());
    }

    #[test]
    fn a_text_that_no_edit_explains_is_a_fault() {
        let forged = message("forged", &[], Some("hello"));
        assert_eq!(decide(&forged).fault.map(|fault| fault.0), Some(BreakKind::Content));
        let edited = message("forged", &["also forged"], Some("hello"));
        assert_eq!(decide(&edited).fault.map(|fault| fault.0), Some(BreakKind::History));
    }
}
