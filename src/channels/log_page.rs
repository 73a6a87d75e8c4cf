//! A piece of the log chain as the lines that others read, out of one short transaction.

use super::stored_chain::entry_of;
use crate::ids::ChainIndex;
use crate::logchain::{EntryHash, EntryLine, SealedEntry, SealedLine};
use crate::storage::{ChainItem, Database, StorageError};

/// Whether entries are shown in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// All of an entry: for members and auditors.
    Open,
    /// Index, hash and signature: for everyone.
    Sealed,
}

/// Some entries, in order.
#[derive(Debug)]
pub struct LogPage {
    /// A line of JSON for each.
    pub lines: Vec<u8>,
    /// The last of them; `None` if there were none.
    pub last: Option<ChainIndex>,
}

impl LogPage {
    /// Reads up to `limit` entries from `from` on.
    pub fn read(database: &Database, from: ChainIndex, limit: u32, sealing: Sealing) -> Result<Self, StorageError> {
        let mut link = match from.0.checked_sub(1) {
            Some(before) => database.entry_hash(ChainIndex(before))?.map(EntryHash),
            None => Some(EntryHash::ZERO),
        };
        let mut page = Self { lines: Vec::new(), last: None };
        let mut damaged = None;
        database.chain(from, limit, |item| match item {
            ChainItem::Entry(row, _) if damaged.is_none() => {
                let entry = entry_of(&row, link);
                link = Some(entry.hash);
                page.last = Some(entry.index);
                match sealing {
                    Sealing::Open => EntryLine::write(&entry, &mut page.lines),
                    Sealing::Sealed => SealedLine::write(&SealedEntry::from(&entry), &mut page.lines),
                }
            }
            ChainItem::Entry(..) => {}
            ChainItem::Unreadable { index, problem, .. } => {
                damaged.get_or_insert((index, problem));
            }
        })?;
        match damaged {
            // What stands before it was shown; the next page begins with it, and fails.
            Some((index, problem)) if page.last.is_none() => Err(StorageError::DamagedEntry { index, problem }),
            _ => Ok(page),
        }
    }
}
