//! Taking over a database of the Go reference server.
//!
//! Everything in it comes through as it is, the chain byte for byte, broken where it is broken; then entries are appended
//! for the messages whose shown content no entry covers, so that from there on everything is covered. The old file is only
//! read; the new one gets its name when it is whole.

mod causes;
mod decision;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use causes::Causes;
use decision::{Decision, decide};

use super::stored_chain::row_of;
use crate::ids::{ChainIndex, MessageId, ServerId};
use crate::logchain::{
    Break, BreakKind, Breaks, ContentHash, Entry, EntryHash, Head, Signature, SigningKey, Verifier, VerifyOptions,
};
use crate::staged_file::{Existing, StagedFile, beside, keep_as};
use crate::storage::{
    AdoptedEntry, AdoptedMessage, ChannelKey, DatabaseLock, Hold, ReferenceChannel, ReferenceEntry, ReferenceRow,
    ReferenceSource, StorageError, WriteStore,
};
use crate::time::Timestamp;

/// What an adoption found and did.
#[derive(Debug)]
pub struct Adoption {
    /// How many channels there are.
    pub channels: u64,
    /// How many messages.
    pub messages: u64,
    /// How many of them were edited, whether or not they were deleted later.
    pub edited: u64,
    /// How many were deleted.
    pub deleted: u64,
    /// How many had no entry of their own.
    pub without_entry: u64,
    /// How many entries the old chain has.
    pub entries: u64,
    /// How many entries were appended to it.
    pub appended: u64,
    /// What is wrong with the old chain, and with what it covers.
    pub breaks: Breaks,
    /// The end of the chain now.
    pub head: Head,
}

/// Why a database is not taken over. The old file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It can't be read, or the new one can't be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Neither the first nor the last entry of its chain is signed with the configured key.
    #[error("its chain was signed with another key than SERVER_SECRET_KEY: public key {ours} did not sign it")]
    OtherKey {
        /// The public key of the configuration.
        ours: String,
    },
    /// A message stands in a channel that is not there.
    #[error("message {message} stands in the channel `{channel}`, which does not exist")]
    NoSuchChannel {
        /// The message.
        message: MessageId,
        /// The channel that it names.
        channel: String,
    },
    /// Another process is taking it over.
    #[error("another process is writing `{0}` already")]
    UnderWay(PathBuf),
    /// There is a file already where the new one is to be.
    #[error("`{0}` exists already")]
    Exists(PathBuf),
    /// The new file can't be made or put in place.
    #[error("cannot write `{path}`: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Who takes a database over, and when.
#[derive(Debug, Clone, Copy)]
pub struct Adopter<'a> {
    /// The server.
    pub server_id: &'a ServerId,
    /// Its key, which signed the old chain and signs what is appended.
    pub key: &'a SigningKey,
    /// The time that appended entries get.
    pub now: Timestamp,
}

impl Adopter<'_> {
    /// Takes the database at `source` over into a new one, that of the lock, which must not exist. The old file is not
    /// written to, and may be in use.
    pub fn into_new(&self, source: &Path, lock: &DatabaseLock) -> Result<Adoption, AdoptError> {
        let target = lock.path();
        if fs::symlink_metadata(target).is_ok() {
            return Err(AdoptError::Exists(target.to_owned()));
        }
        let source = ReferenceSource::open(source, Hold::Shared)?;
        let staged = stage(target)?;
        let adoption = self.copy(&source, &staged)?;
        publish(staged, target, Existing::Keep)?;
        Ok(adoption)
    }

    /// Puts a new database in the place of the lock's. Nobody else may have the old one open. Returns where it is kept,
    /// readable for its owner only.
    pub fn in_place(&self, lock: &DatabaseLock) -> Result<(Adoption, PathBuf), AdoptError> {
        // What a link points to is taken over, not the link.
        let path = lock.path();
        let path = &fs::canonicalize(path).map_err(|source| AdoptError::File { path: path.to_owned(), source })?;
        let source = ReferenceSource::open(path, Hold::Alone(lock))?;
        let staged = stage(path)?;
        let adoption = self.copy(&source, &staged)?;
        // Closing it empties its write-ahead log into the file and removes that.
        drop(source);
        let failed = |source| AdoptError::File { path: path.to_owned(), source };
        if fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
            return Err(failed(io::Error::other("its write-ahead log can't be emptied")));
        }
        let kept = keep(path).map_err(failed)?;
        // A crash here leaves the old file under both names.
        publish(staged, path, Existing::Replace)?;
        Ok((adoption, kept))
    }

    fn copy(&self, source: &ReferenceSource, target: &StagedFile) -> Result<Adoption, AdoptError> {
        let mut store = WriteStore::create_staged(target)?;
        store.claim(self.server_id, &self.key.public(), self.now)?;
        store.begin()?;
        let mut copying = Copying {
            adopter: self,
            store,
            channels: HashMap::new(),
            tip: Tip { next: ChainIndex(0), hash: EntryHash::ZERO, latest: self.now },
            counts: Counts::default(),
            causes: Causes::default(),
        };
        source.channels(|channel| copying.channel(&channel))?;
        let mut breaks = copying.chain(source)?;
        source.messages(|message| copying.message(&message))?;
        let Copying { mut store, tip, counts, causes, .. } = copying;
        causes.explain(&mut breaks);
        store.record_adoption(tip.next.0)?;
        store.commit()?;
        store.empty_log()?;
        Ok(Adoption {
            channels: counts.channels,
            messages: counts.messages,
            edited: counts.edited,
            deleted: counts.deleted,
            without_entry: counts.without_entry,
            entries: counts.entries,
            appended: counts.appended,
            breaks,
            head: Head { length: tip.next.0, hash: tip.hash },
        })
    }
}

#[derive(Debug, Default)]
struct Counts {
    channels: u64,
    messages: u64,
    edited: u64,
    deleted: u64,
    without_entry: u64,
    entries: u64,
    appended: u64,
}

/// Where the new chain goes on.
#[derive(Debug, Clone, Copy)]
struct Tip {
    next: ChainIndex,
    hash: EntryHash,
    /// Now, or the latest time in the chain if that is ahead: appended entries do not go back.
    latest: Timestamp,
}

struct Copying<'a> {
    adopter: &'a Adopter<'a>,
    store: WriteStore,
    channels: HashMap<String, ChannelKey>,
    tip: Tip,
    counts: Counts,
    causes: Causes,
}

impl Copying<'_> {
    fn channel(&mut self, channel: &ReferenceChannel) -> Result<(), AdoptError> {
        let key = self.store.adopt_channel(channel)?;
        self.channels.insert(channel.id.clone(), key);
        self.counts.channels += 1;
        Ok(())
    }

    /// Stores the chain as it is, and verifies it on the way.
    fn chain(&mut self, source: &ReferenceSource) -> Result<Breaks, AdoptError> {
        let key = self.adopter.key.public();
        let mut verifier = Verifier::new(VerifyOptions::new(key), Verifier::all_cores());
        let (mut first, mut last) = (None, None);
        source.entries(|stored| {
            let entry = entry(&stored);
            verifier.push(&entry);
            self.entry(&stored, &entry)?;
            first.get_or_insert(entry);
            last = Some(entry);
            Ok::<_, AdoptError>(())
        })?;
        let ends = [first, last];
        if first.is_some() && !ends.iter().flatten().any(|entry| entry.is_signed_by(&key)) {
            return Err(AdoptError::OtherKey { ours: key.to_string() });
        }
        Ok(verifier.finish().breaks)
    }

    fn entry(&mut self, stored: &ReferenceEntry, entry: &Entry) -> Result<(), StorageError> {
        let links_on = entry.index == self.tip.next && entry.prev_hash == self.tip.hash;
        if !links_on {
            self.causes.broken_link(entry.index, entry.prev_hash);
        }
        if stored.message_row.is_none() {
            let detail = format!("message {} is not in the database", stored.message_id);
            self.causes.fault(Break::at(entry.index, BreakKind::Content, detail));
        }
        self.store.adopt_entry(&AdoptedEntry {
            entry: row_of(entry),
            message_row: stored.message_row,
            message_id: stored.message_row.is_none().then_some(stored.message_id),
            prev_hash: (!links_on).then_some(stored.prev_hash),
        })?;
        self.tip = Tip { next: entry.index.next(), hash: entry.hash, latest: self.tip.latest.max(entry.timestamp) };
        self.counts.entries += 1;
        Ok(())
    }

    fn message(&mut self, message: &ReferenceRow) -> Result<(), AdoptError> {
        let channel = *self
            .channels
            .get(&message.channel_id)
            .ok_or_else(|| AdoptError::NoSuchChannel { message: message.id, channel: message.channel_id.clone() })?;
        let decision = decide(message);
        self.count(message, &decision);
        let appended = if decision.needs_entry { Some(self.append(message, decision.content)?) } else { None };
        let own = message.own.map(|own| own.index);
        // A message has an entry of its own or needs one.
        let Some(entry) = own.or(appended) else { return Ok(()) };
        let is_changed = message.updated_at != message.created_at || !decision.versions.is_empty();
        self.store.adopt_message(&AdoptedMessage {
            row: message.row,
            id: message.id,
            channel,
            user_id: message.user_id,
            content: decision.content,
            metadata: decision.metadata,
            versions: &decision.versions,
            deleted_at: message.deleted_at,
            created_at: message.created_at,
            updated_at: (is_changed || message.deleted_at.is_some()).then_some(message.updated_at),
            entry,
            latest_entry: own.and(appended),
            shown: decision.shows_another.then_some((message.chain_index, message.chain_hash)),
        })?;
        Ok(())
    }

    fn count(&mut self, message: &ReferenceRow, decision: &Decision<'_>) {
        self.counts.messages += 1;
        self.counts.deleted += u64::from(message.deleted_at.is_some());
        self.counts.edited += u64::from(!message.edit_history.is_empty());
        if message.own.is_none() {
            self.counts.without_entry += 1;
            self.causes.without_entry(message);
        }
        if let Some((kind, detail)) = &decision.fault {
            self.causes.fault(Break::at(message.chain_index, *kind, detail.clone()));
        }
    }

    /// Appends an entry for what a message says.
    fn append(&mut self, message: &ReferenceRow, content: &str) -> Result<ChainIndex, StorageError> {
        let Tip { next, hash, latest } = self.tip;
        let entry = Entry::sign(self.adopter.key, next, message.id, latest, hash, ContentHash::of(content));
        let entry_row = row_of(&entry);
        self.store.adopt_entry(&AdoptedEntry {
            entry: entry_row,
            message_row: Some(message.row),
            message_id: None,
            prev_hash: None,
        })?;
        self.tip = Tip { next: next.next(), hash: entry.hash, latest };
        self.counts.appended += 1;
        Ok(entry.index)
    }
}

fn entry(stored: &ReferenceEntry) -> Entry {
    Entry {
        index: stored.index,
        message_id: stored.message_id,
        timestamp: stored.timestamp,
        prev_hash: EntryHash(stored.prev_hash),
        content_hash: ContentHash(stored.content_hash),
        hash: EntryHash(stored.hash),
        signature: Signature(stored.signature),
    }
}

fn stage(target: &Path) -> Result<StagedFile, AdoptError> {
    StagedFile::for_target(target).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => AdoptError::UnderWay(target.to_owned()),
        _ => AdoptError::File { path: target.to_owned(), source },
    })
}

fn publish(staged: StagedFile, target: &Path, existing: Existing) -> Result<(), AdoptError> {
    staged.publish(existing).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => AdoptError::Exists(target.to_owned()),
        _ => AdoptError::File { path: target.to_owned(), source },
    })
}

/// Gives the old file a second name, under which it stays.
fn keep(path: &Path) -> io::Result<PathBuf> {
    for number in 0_u32.. {
        let suffix = if number == 0 { ".before-adoption".to_owned() } else { format!(".before-adoption-{number}") };
        let kept = beside(path, &suffix);
        match keep_as(path, &kept) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| kept),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests;
