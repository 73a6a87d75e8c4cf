//! Verifying a whole database: the chain, what the messages say against it, the search index, and the file itself.
//!
//! The chain comes first and is timed by itself; then messages and versions, SQLite's own check and the search index, each
//! on a connection of its own. Everything is read in the order of the chain or of storing, so memory does not grow with
//! the database. Nothing is written.

mod contents;
mod reference;
mod watch;

use std::path::Path;
use std::time::{Duration, Instant};

pub use contents::adopted_times;
pub use watch::AuditWatch;

use super::stored_chain::entry_of;
use crate::ids::ChainIndex;
use crate::logchain::{Break, BreakKind, Breaks, Entry, EntryHash, Verified, Verifier, VerifyOptions};
use crate::storage::{AsIs, ChainItem, Coverage, Opened, StorageError};

/// Rows that one transaction reads.
const PIECE: u32 = 8_192;

/// Why a database could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It can't be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It was told to stop.
    #[error("interrupted")]
    Stopped,
    /// Somebody began to write to the file while it was read as one that nobody has open.
    #[error("the database changed while it was read")]
    Changed,
}

/// What came of verifying a database.
#[derive(Debug)]
pub struct Findings {
    /// The chain, with the breaks of everything else as well.
    pub verified: Verified,
    /// What is worth knowing and no fault.
    pub notes: Vec<String>,
    /// How long the chain took: hashes and signatures.
    pub chain_time: Duration,
}

/// A database that is to be verified.
pub struct DatabaseAudit {
    as_is: AsIs,
    opened: Opened,
}

impl DatabaseAudit {
    /// Opens a database of this program or of the Go reference server, as it is.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let as_is = AsIs::prepare(path)?;
        let opened = as_is.open()?;
        Ok(Self { as_is, opened })
    }

    /// How many entries the chain has, by the index of the last; `None` if damage hides it.
    pub fn length(&self) -> Result<Option<u64>, StorageError> {
        match self.last_index() {
            Ok(last) => Ok(Some(last.map_or(0, |last| last.next().0))),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The server's id and public key, as far as the database names them. The reference's names neither.
    pub fn identity(&self) -> Result<(Option<String>, Option<[u8; 32]>), StorageError> {
        match &self.opened {
            Opened::Coms(database) => database.identity(),
            Opened::Reference(_) => Ok((None, None)),
        }
    }

    /// Hands on up to `limit` entries from `from` on, for evidence. Rows that are no entries are left out.
    pub fn entries(&self, from: ChainIndex, limit: u32, mut each: impl FnMut(Entry)) -> Result<(), StorageError> {
        let mut link = self.hash_before(from)?;
        self.rows(from, limit, &mut |item| {
            if let ChainItem::Entry(row, _) = item {
                let entry = entry_of(&row, link);
                link = Some(entry.hash);
                each(entry);
            }
        })?;
        Ok(())
    }

    /// Verifies all of it. `watch` counts entries and can stop it.
    pub fn run(&self, mut options: VerifyOptions, watch: &AuditWatch) -> Result<Findings, AuditError> {
        watch.add(self.opened.interrupt_handle())?;
        let from = options.from;
        let started = Instant::now();
        options.before = damage_is_none(self.hash_before(from))?;
        let mut verified = self.chain(options, watch)?;
        let chain_time = started.elapsed();
        let mut notes = Vec::new();
        // A connection belongs to one thread: each opens its own.
        let as_is = &self.as_is;
        std::thread::scope(|scope| -> Result<(), AuditError> {
            let threads = [
                scope.spawn(|| contents(as_is, from, watch)),
                scope.spawn(|| search_index(as_is, watch)),
                scope.spawn(|| file(as_is, watch)),
            ];
            for thread in threads {
                let (breaks, said) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                verified.breaks.merge(breaks);
                notes.extend(said);
            }
            Ok(())
        })?;
        if self.as_is.is_unchanged() { Ok(Findings { verified, notes, chain_time }) } else { Err(AuditError::Changed) }
    }

    fn chain(&self, options: VerifyOptions, watch: &AuditWatch) -> Result<Verified, AuditError> {
        let (from, remembered, mut link) = (options.from, options.remembered, options.before);
        let end = damage_is_none(self.last_index())?;
        let mut verifier = Verifier::new(options, Verifier::all_cores());
        if let Some((index, _)) = remembered.filter(|(index, _)| *index < from) {
            self.pass_over(index, &mut verifier)?;
        }
        let mut next = from;
        while end.is_some_and(|end| next <= end) {
            watch.check()?;
            let read = self.rows(next, PIECE, &mut |item| {
                next = feed(&mut verifier, item, &mut link).next();
            });
            watch.done(verifier.entries());
            match read {
                Ok(PIECE) => {}
                Ok(_) => break,
                Err(error) if error.is_damage() => {
                    verifier.note(damaged(&error));
                    break;
                }
                Err(error) => return Err(watch.explain(error)),
            }
        }
        Ok(verifier.finish())
    }

    /// Gives the verifier an entry before those that are to be verified.
    fn pass_over(&self, index: ChainIndex, verifier: &mut Verifier) -> Result<(), StorageError> {
        let mut hash = None;
        self.rows(index, 1, &mut |item| match item {
            ChainItem::Entry(row, _) if row.index == index => hash = Some(EntryHash(row.hash)),
            ChainItem::Unreadable { index: found, hash: read, .. } if found == index => hash = read.map(EntryHash),
            _ => {}
        })?;
        match hash {
            Some(hash) => verifier.pass_over(index, hash),
            None => verifier.note(Break::at(index, BreakKind::Gap, "the entry that was seen here before is missing")),
        }
        Ok(())
    }

    fn rows(&self, from: ChainIndex, limit: u32, each: &mut dyn FnMut(ChainItem)) -> Result<u32, StorageError> {
        match &self.opened {
            Opened::Coms(database) => database.chain(from, limit, each),
            Opened::Reference(database) => database.chain(from, limit, each),
        }
    }

    fn last_index(&self) -> Result<Option<ChainIndex>, StorageError> {
        match &self.opened {
            Opened::Coms(database) => database.last_index(),
            Opened::Reference(database) => database.last_index(),
        }
    }

    /// The hash of the entry before `index`; `None` if it can't be known.
    fn hash_before(&self, index: ChainIndex) -> Result<Option<EntryHash>, StorageError> {
        let Some(before) = index.0.checked_sub(1).map(ChainIndex) else { return Ok(Some(EntryHash::ZERO)) };
        let mut hash = None;
        self.rows(before, 1, &mut |item| {
            if let ChainItem::Entry(row, _) = item {
                hash = (row.index == before).then_some(EntryHash(row.hash));
            }
        })?;
        Ok(hash)
    }
}

/// Breaks and notes of one part.
type Checked = Result<(Breaks, Vec<String>), AuditError>;

fn contents(as_is: &AsIs, from: ChainIndex, watch: &AuditWatch) -> Checked {
    let opened = as_is.open()?;
    watch.add(opened.interrupt_handle())?;
    let mut breaks = Breaks::default();
    let checked = match &opened {
        Opened::Coms(database) => contents::check(database, from, watch, &mut breaks),
        Opened::Reference(database) => reference::check(database, from, watch, &mut breaks),
    };
    finish_check(checked, breaks, watch)
}

fn search_index(as_is: &AsIs, watch: &AuditWatch) -> Checked {
    let opened = as_is.open()?;
    watch.add(opened.interrupt_handle())?;
    let mut breaks = Breaks::default();
    let checked = opened.search_index_matches().map(|matches| {
        if !matches {
            let detail = "the search index does not match what the messages say";
            breaks.add(Break::overall(BreakKind::SearchIndex, detail));
        }
        Vec::new()
    });
    finish_check(checked.map_err(AuditError::from), breaks, watch)
}

fn file(as_is: &AsIs, watch: &AuditWatch) -> Checked {
    let opened = as_is.open()?;
    watch.add(opened.interrupt_handle())?;
    let mut breaks = Breaks::default();
    let checked = opened.integrity_findings().and_then(|findings| {
        for finding in findings {
            breaks.add(Break::overall(BreakKind::Storage, format!("SQLite: {finding}")));
        }
        if !opened.has_our_schema()? {
            let detail = "the tables are not those that this program makes";
            breaks.add(Break::overall(BreakKind::Storage, detail));
        }
        Ok(Vec::new())
    });
    finish_check(checked.map_err(AuditError::from), breaks, watch)
}

/// Damage that stops a part is a break like others; anything else means that it could not be checked.
fn finish_check(checked: Result<Vec<String>, AuditError>, mut breaks: Breaks, watch: &AuditWatch) -> Checked {
    match checked {
        Ok(notes) => Ok((breaks, notes)),
        Err(AuditError::Storage(error)) if error.is_damage() => {
            breaks.add(damaged(&error));
            Ok((breaks, Vec::new()))
        }
        Err(AuditError::Storage(error)) => Err(watch.explain(error)),
        Err(other) => Err(other),
    }
}

fn damaged(error: &StorageError) -> Break {
    Break::overall(BreakKind::Storage, format!("the file is damaged: {error}"))
}

/// Takes what a damaged page hides for unknown; the verification itself will say what is damaged.
fn damage_is_none<T>(read: Result<Option<T>, StorageError>) -> Result<Option<T>, StorageError> {
    match read {
        Err(error) if error.is_damage() => Ok(None),
        read => read,
    }
}

/// Gives a row to the verifier. `link` is the hash of the entry before. Returns the row's index.
fn feed(verifier: &mut Verifier, item: ChainItem, link: &mut Option<EntryHash>) -> ChainIndex {
    match item {
        ChainItem::Entry(row, coverage) => {
            let entry = entry_of(&row, *link);
            *link = Some(entry.hash);
            verifier.push(&entry);
            match coverage {
                Coverage::Known => {}
                Coverage::Unclaimed => {
                    let detail = format!("message {} shows nothing that this entry covers", entry.message_id);
                    verifier.note(Break::at(entry.index, BreakKind::History, detail));
                }
                Coverage::NoMessage => {
                    let detail = format!("message {} is not in the database", entry.message_id);
                    verifier.note(Break::at(entry.index, BreakKind::Content, detail));
                }
            }
            entry.index
        }
        ChainItem::Unreadable { index, hash, lacks_message, problem } => {
            *link = hash.map(EntryHash);
            let fault = if lacks_message {
                Break::at(index, BreakKind::Content, "the message of this entry is not in the database")
            } else {
                Break::at(index, BreakKind::Storage, problem)
            };
            verifier.push_unreadable(fault, index, *link);
            index
        }
    }
}
