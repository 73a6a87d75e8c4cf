//! How far this client has seen the server's log, so that after a lost connection it asks for the rest, and notices when
//! the log is no longer the one that it saw.

use serde_json::{Value, json};

use super::wire::SyncPage;

/// How many events may pass before the cursor asks for the hash of a newer one: so much at most comes twice after a lost
/// connection.
const ANCHOR_EVERY: u64 = 500;

/// How many events one answer may hold.
const PAGE: u64 = 500;

/// A place in the chain of events.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Whether there is a place to go on from; an empty log is one too.
    started: bool,
    /// Whether the server sends events in the order of their entries. The reference does not, and counts from an earlier
    /// index again after some restarts.
    ordered: bool,
    /// The last entry whose hash is known; `None` for the beginning.
    anchor: Option<u64>,
    anchor_hash: Option<String>,
    /// The last entry whose event was seen; the anchor or later.
    seen: Option<u64>,
}

impl Cursor {
    /// Whether there is a place to go on from.
    pub(super) fn is_started(&self) -> bool {
        self.started
    }

    /// Begins after the entry `head`, whose hash this is.
    pub(super) fn start(&mut self, head: Option<u64>, hash: Option<String>) {
        *self = Self { started: true, ordered: self.ordered, anchor: head, anchor_hash: hash, seen: head };
    }

    /// The log is another one: there is no place in it yet.
    pub(super) fn forget(&mut self) {
        *self = Self { ordered: self.ordered, ..Self::default() };
    }

    /// Takes note of whether the server names the head of its log: one that does keeps its order.
    pub(super) fn greeted(&mut self, names_head: bool) {
        self.ordered = names_head;
    }

    /// Whether the event of the entry `place` is a new one; from now on it is not. Events that name no entry always are,
    /// and so are all where there is no order.
    pub(super) fn advance(&mut self, place: Option<u64>) -> bool {
        let Some(place) = place else { return true };
        let new = self.seen.is_none_or(|seen| place > seen);
        if new {
            self.seen = Some(place);
        }
        new || !self.ordered
    }

    /// Whether it is time to ask for a newer anchor.
    pub(super) fn wants_anchor(&self) -> bool {
        self.started && self.ordered && self.seen.unwrap_or(0) >= self.anchor.unwrap_or(0).saturating_add(ANCHOR_EVERY)
    }

    /// The payload of a `sync` for everything after the anchor.
    pub(super) fn rest(&self) -> Value {
        json!({ "after": self.anchor, "after_hash": self.anchor_hash, "limit": PAGE })
    }

    /// The payload of a `sync` whose answer brings the hash of the last event seen.
    pub(super) fn newer_anchor(&self) -> Value {
        json!({ "after": self.seen.and_then(|seen| seen.checked_sub(1)), "limit": 1 })
    }

    /// Takes the place that an answer to `sync` reached; its events must have been taken before.
    pub(super) fn reached(&mut self, page: &SyncPage) {
        let Some(next) = page.next else { return };
        (self.anchor, self.anchor_hash) = (Some(next), page.next_hash.clone());
        self.seen = self.seen.max(Some(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_new_once() {
        let mut cursor = Cursor::default();
        cursor.greeted(true);
        cursor.start(Some(4), Some("aGFzaA==".into()));
        assert!(cursor.advance(Some(5)) && cursor.advance(None));
        assert!(!cursor.advance(Some(5)) && !cursor.advance(Some(4)));
        assert_eq!(cursor.rest(), json!({ "after": 4, "after_hash": "aGFzaA==", "limit": 500 }));
    }

    #[test]
    fn without_an_order_every_event_is_new() {
        let mut cursor = Cursor::default();
        cursor.greeted(false);
        cursor.start(None, None);
        assert!(cursor.advance(Some(700)) && cursor.advance(Some(0)) && cursor.advance(Some(700)));
        assert!(!cursor.wants_anchor(), "there is nobody to ask");
        cursor.greeted(true);
        assert!(!cursor.advance(Some(700)) && cursor.advance(Some(701)));
    }

    #[test]
    fn the_anchor_follows() {
        let mut cursor = Cursor::default();
        cursor.greeted(true);
        assert!(!cursor.wants_anchor());
        cursor.start(None, None);
        assert_eq!(cursor.rest(), json!({ "after": null, "after_hash": null, "limit": 500 }));
        for place in 0..=500 {
            assert!(!cursor.wants_anchor(), "{place}");
            cursor.advance(Some(place));
        }
        assert!(cursor.wants_anchor());
        assert_eq!(cursor.newer_anchor(), json!({ "after": 499, "limit": 1 }));
        cursor.reached(&SyncPage { events: Vec::new(), next: Some(500), next_hash: Some("x".into()), has_more: false });
        assert!(!cursor.wants_anchor());
        assert_eq!(cursor.rest()["after"], 500);
    }
}
