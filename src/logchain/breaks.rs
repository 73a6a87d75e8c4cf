//! What a verifier finds wrong: a kind, a place, and a sentence.

use crate::ids::ChainIndex;

/// How many breaks are listed; the rest are counted.
pub const LISTED_BREAKS: usize = 100;

/// What kind of fault it is. The names are part of `coms verify-chain --json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// The key is another than the one that is remembered.
    KeyChanged,
    /// The chain is shorter than it was.
    RolledBack,
    /// Another entry stands where one was seen before, or where a signed head says.
    Forked,
    /// An entry is missing, doubled or out of order.
    Gap,
    /// An entry does not link to the one before.
    PrevHash,
    /// An entry's hash is not the one that its fields give.
    Hash,
    /// The server's key did not sign this.
    Signature,
    /// Time went back by more than a second.
    Timestamp,
    /// A message does not say what its latest entry covers.
    Content,
    /// An earlier content of a message is not the one that its entry covers.
    History,
    /// A message that no entry covers.
    MissingEntry,
    /// The search index does not match the messages.
    SearchIndex,
    /// SQLite finds the file damaged, or what is stored has not the shape that it must have.
    Storage,
}

impl BreakKind {
    /// The name, as it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyChanged => "key_changed",
            Self::RolledBack => "rolled_back",
            Self::Forked => "forked",
            Self::Gap => "gap",
            Self::PrevHash => "prev_hash",
            Self::Hash => "hash",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
            Self::Content => "content",
            Self::History => "history",
            Self::MissingEntry => "missing_entry",
            Self::SearchIndex => "search_index",
            Self::Storage => "storage",
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Break {
    /// The entry it is about; `None` if it is about none, or about the file as a whole.
    pub index: Option<ChainIndex>,
    /// What kind of fault.
    pub kind: BreakKind,
    /// One sentence for people.
    pub detail: String,
}

impl Break {
    /// A fault at `index`.
    pub fn at(index: ChainIndex, kind: BreakKind, detail: impl Into<String>) -> Self {
        Self { index: Some(index), kind, detail: detail.into() }
    }

    /// A fault of the whole.
    pub fn overall(kind: BreakKind, detail: impl Into<String>) -> Self {
        Self { index: None, kind, detail: detail.into() }
    }

    /// Faults of the whole first, then by index, then by kind.
    fn order(&self) -> (Option<ChainIndex>, BreakKind) {
        (self.index, self.kind)
    }
}

/// The faults found so far: the first [`LISTED_BREAKS`] of them in the order of the chain, and how many there are.
#[derive(Debug, Clone, Default)]
pub struct Breaks {
    /// Sorted by [`Break::order`], at most [`LISTED_BREAKS`].
    listed: Vec<Break>,
    total: u64,
}

impl Breaks {
    /// Adds one, whatever order they come in.
    pub fn add(&mut self, fault: Break) {
        self.total += 1;
        let place = self.listed.partition_point(|known| known.order() <= fault.order());
        if place < LISTED_BREAKS {
            self.listed.insert(place, fault);
            self.listed.truncate(LISTED_BREAKS);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: Self) {
        let unlisted = other.total - other.listed.len() as u64;
        other.listed.into_iter().for_each(|fault| self.add(fault));
        self.total += unlisted;
    }

    /// Says of listed faults what is known of their cause: `cause` gives the new detail.
    pub fn explain(&mut self, mut cause: impl FnMut(&Break) -> Option<String>) {
        for fault in &mut self.listed {
            if let Some(detail) = cause(fault) {
                fault.detail = detail;
            }
        }
    }

    /// The first of them, in the order of the chain.
    pub fn listed(&self) -> &[Break] {
        &self.listed
    }

    /// How many there are, listed or not.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether nothing was found.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Whether one of this kind is listed.
    pub fn has(&self, kind: BreakKind) -> bool {
        self.listed.iter().any(|fault| fault.kind == kind)
    }

    /// Whether a fault at `index` would still be listed. If not, nobody needs to look for it.
    pub(super) fn would_list(&self, index: ChainIndex) -> bool {
        self.listed.len() < LISTED_BREAKS || self.listed.last().is_some_and(|last| last.index > Some(index))
    }

    /// Counts a fault that is not worth describing.
    pub(super) fn count_unlisted(&mut self) {
        self.total += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_of_the_chain_are_listed_in_whatever_order_they_come() {
        let mut breaks = Breaks::default();
        for index in (0..300).rev() {
            breaks.add(Break::at(ChainIndex(index), BreakKind::Hash, "x"));
        }
        breaks.add(Break::overall(BreakKind::Storage, "y"));
        assert_eq!(breaks.total(), 301);
        assert_eq!(breaks.listed().len(), LISTED_BREAKS);
        assert_eq!(breaks.listed()[0].kind, BreakKind::Storage);
        assert_eq!(breaks.listed()[99].index, Some(ChainIndex(98)));
        assert!(breaks.would_list(ChainIndex(5)) && !breaks.would_list(ChainIndex(98)));
    }

    #[test]
    fn a_kind_prints_as_it_serializes() {
        for kind in [BreakKind::Gap, BreakKind::PrevHash, BreakKind::RolledBack, BreakKind::MissingEntry] {
            assert_eq!(serde_json::to_value(kind).expect("json"), kind.name());
        }
    }
}
