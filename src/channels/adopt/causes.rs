//! Why an old chain is broken where it is, as far as the messages show it.

use std::collections::HashMap;

use crate::ids::ChainIndex;
use crate::logchain::{Break, BreakKind, Breaks, EntryHash, LISTED_BREAKS};
use crate::storage::ReferenceRow;

/// What came up while the messages were read, at most as much of each as is listed.
#[derive(Debug, Default)]
pub(super) struct Causes {
    /// Entries that do not link to the one before, and what they link to.
    links: HashMap<EntryHash, ChainIndex>,
    /// Of these, the ones that link to what a message without an entry shows.
    explained: HashMap<ChainIndex, String>,
    faults: Vec<Break>,
}

impl Causes {
    /// Notes an entry that does not link to the one before.
    pub(super) fn broken_link(&mut self, index: ChainIndex, prev_hash: EntryHash) {
        if self.links.len() < LISTED_BREAKS && prev_hash != EntryHash::ZERO {
            self.links.insert(prev_hash, index);
        }
    }

    /// Notes a message that no entry is about.
    pub(super) fn without_entry(&mut self, message: &ReferenceRow) {
        if let Some(index) = self.links.get(&EntryHash(message.chain_hash)) {
            let cause = format!(
                "links to the entry of message {}, which the Go reference server never stored: after a restart it gave \
                 index {} a second time",
                message.id, message.chain_index
            );
            self.explained.insert(*index, cause);
        }
    }

    /// Notes a fault of a message.
    pub(super) fn fault(&mut self, fault: Break) {
        if self.faults.len() < LISTED_BREAKS {
            self.faults.push(fault);
        }
    }

    /// Puts the causes into what the verifier found, and adds the faults.
    pub(super) fn explain(mut self, breaks: &mut Breaks) {
        breaks.explain(|fault| {
            let index = fault.index.filter(|_| fault.kind == BreakKind::PrevHash)?;
            self.explained.remove(&index)
        });
        self.faults.into_iter().for_each(|fault| breaks.add(fault));
    }
}
