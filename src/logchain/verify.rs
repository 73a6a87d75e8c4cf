//! Checking a chain, streaming: entries go in one after the other, faults come out, memory does not grow with the chain.
//!
//! Order, links and times are compared as entries come; hashes and signatures are checked in batches by worker threads,
//! one for each core. The rules are those of the Zync Protocol, section 5.

mod signatures;

use std::time::Duration;

use signatures::{Job, Pool};

use super::breaks::{Break, BreakKind, Breaks};
use super::entry::{Entry, EntryHash};
use super::head::Head;
use crate::ids::ChainIndex;
use crate::keys::{PublicKey, Signature};
use crate::time::Timestamp;

/// How far a timestamp may step back: the reference reads the clock before it takes its lock.
const ALLOWED_STEP_BACK: Duration = Duration::from_secs(1);

/// What a reader gets who may not see what an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedEntry {
    /// Its place, from 0.
    pub index: ChainIndex,
    /// The hash over all that is not shown.
    pub hash: EntryHash,
    /// The server's signature over the 32 bytes of `hash`.
    pub signature: Signature,
}

impl From<&Entry> for SealedEntry {
    fn from(entry: &Entry) -> Self {
        Self { index: entry.index, hash: entry.hash, signature: entry.signature }
    }
}

/// What to verify, and how.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The key that must have signed every entry.
    pub key: PublicKey,
    /// The index of the first entry that will come.
    pub from: ChainIndex,
    /// The hash of the entry before `from`, if it is known; for 0 it is [`EntryHash::ZERO`] anyway.
    pub before: Option<EntryHash>,
    /// An entry seen earlier: its index and hash. Another hash there is a fork.
    pub remembered: Option<(ChainIndex, EntryHash)>,
    /// Check each signature by itself with `verify_strict` in place of batches by the rules of ZIP 215.
    pub strict: bool,
    /// Whether each entry follows the one before. Not so in an excerpt, which has gaps.
    pub contiguous: bool,
}

impl VerifyOptions {
    /// A whole chain signed with `key`, nothing remembered.
    pub const fn new(key: PublicKey) -> Self {
        Self { key, from: ChainIndex(0), before: None, remembered: None, strict: false, contiguous: true }
    }
}

/// What came of a verification.
#[derive(Debug)]
pub struct Verified {
    /// How many entries were checked.
    pub entries: u64,
    /// Where the chain ends, as its last entry says.
    pub head: Head,
    /// The last entry, if there was one.
    pub last: Option<SealedEntry>,
    /// When the last entry was written, if it was not sealed.
    pub last_timestamp: Option<Timestamp>,
    /// What is wrong.
    pub breaks: Breaks,
}

/// A verification under way. Feed it with [`Verifier::push`] or [`Verifier::push_sealed`], then [`Verifier::finish`] it.
pub struct Verifier {
    options: VerifyOptions,
    pool: Pool,
    breaks: Breaks,
    /// The index that is due; `None` after the last one that there can be.
    due: Option<ChainIndex>,
    /// The hash that the next entry must link to; `None` when it can't be known.
    link: Option<EntryHash>,
    latest: Option<Timestamp>,
    last: Option<SealedEntry>,
    entries: u64,
}

impl Verifier {
    /// Starts the worker threads, `workers` of them; with 0 everything is done by the caller's thread.
    pub fn new(options: VerifyOptions, workers: usize) -> Self {
        let link = if options.from.0 == 0 { Some(EntryHash::ZERO) } else { options.before };
        let pool = Pool::new(options.key, options.strict, workers);
        let due = Some(options.from);
        Self { options, pool, breaks: Breaks::default(), due, link, latest: None, last: None, entries: 0 }
    }

    /// As many workers as the machine has cores.
    pub fn all_cores() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Takes the next full entry. Blocks when the workers are behind.
    pub fn push(&mut self, entry: &Entry) {
        let follows = self.due == Some(entry.index);
        self.place(entry.into());
        // After a gap the link can't hold, which says nothing new.
        if follows {
            self.check_link(entry);
        }
        self.check_time(entry);
        self.link = Some(entry.hash);
        self.pool.submit(Job::Full(*entry));
    }

    /// Takes the next sealed entry. Blocks when the workers are behind.
    pub fn push_sealed(&mut self, entry: SealedEntry) {
        self.place(entry);
        self.pool.submit(Job::Sealed(entry));
    }

    /// Takes an entry before `from`, which is not verified: it is compared with what is remembered, and if it is the
    /// last of them, the first one that is verified must link to it.
    pub fn pass_over(&mut self, index: ChainIndex, hash: EntryHash) {
        self.compare_remembered(index, hash);
        if index.0.checked_add(1) == Some(self.options.from.0) {
            self.link = Some(hash);
        }
    }

    /// Takes note of an entry that is there at `index`, but can't be read: `fault` says why, `hash` is its hash if that
    /// much is known.
    pub fn push_unreadable(&mut self, fault: Break, index: ChainIndex, hash: Option<EntryHash>) {
        self.breaks.add(fault);
        self.due = index.0.checked_add(1).map(ChainIndex);
        self.link = hash;
        self.entries += 1;
    }

    /// Adds a fault that someone else found.
    pub fn note(&mut self, fault: Break) {
        self.breaks.add(fault);
    }

    /// How many entries came so far.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The index that is due next.
    pub fn due(&self) -> ChainIndex {
        self.due.unwrap_or(ChainIndex(u64::MAX))
    }

    /// Waits for the workers and says what came of it all.
    pub fn finish(mut self) -> Verified {
        self.breaks.merge(self.pool.finish());
        let head = match self.last {
            Some(last) => Head { length: last.index.0.saturating_add(1), hash: last.hash },
            None => Head { length: self.options.from.0, hash: self.link.unwrap_or(EntryHash::ZERO) },
        };
        let Self { entries, last, latest, breaks, .. } = self;
        Verified { entries, head, last, last_timestamp: latest, breaks }
    }

    /// Checks the index, and what is remembered of it.
    fn place(&mut self, entry: SealedEntry) {
        let due = self.due.unwrap_or(ChainIndex(u64::MAX));
        let is_later = !self.options.contiguous && self.due.is_some_and(|due| entry.index >= due);
        let in_place = self.due == Some(entry.index) || is_later;
        if !in_place {
            let detail = if entry.index > due {
                format!("index {} stands where {due} is due: entries are missing or out of order", entry.index)
            } else {
                format!("index {} stands where {due} is due: doubled or out of order", entry.index)
            };
            self.breaks.add(Break::at(entry.index.min(due), BreakKind::Gap, detail));
        }
        self.compare_remembered(entry.index, entry.hash);
        self.due = entry.index.0.checked_add(1).map(ChainIndex);
        self.last = Some(entry);
        self.entries += 1;
    }

    fn compare_remembered(&mut self, index: ChainIndex, hash: EntryHash) {
        if let Some((seen_at, seen)) = self.options.remembered
            && seen_at == index
            && seen != hash
        {
            let detail = format!("the entry has hash {hash}, and {seen} was seen here before");
            self.breaks.add(Break::at(index, BreakKind::Forked, detail));
        }
    }

    fn check_link(&mut self, entry: &Entry) {
        let Some(link) = self.link.filter(|link| *link != entry.prev_hash) else { return };
        let detail = if entry.prev_hash == EntryHash::ZERO && entry.index.0 > 0 {
            "links to 32 zero bytes as if the chain began here: what the Go reference server leaves after a restart"
                .to_owned()
        } else {
            format!("links to {}, and the entry before has hash {link}", entry.prev_hash)
        };
        self.breaks.add(Break::at(entry.index, BreakKind::PrevHash, detail));
    }

    fn check_time(&mut self, entry: &Entry) {
        if let Some(latest) = self.latest
            && latest.since(entry.timestamp) > ALLOWED_STEP_BACK
        {
            let detail = format!("its time is {}, and that of the entry before {latest}", entry.timestamp);
            self.breaks.add(Break::at(entry.index, BreakKind::Timestamp, detail));
        }
        // Not the latest of all: then one time far ahead would make every later one a fault.
        self.latest = Some(entry.timestamp);
    }
}

#[cfg(test)]
mod tests;
