//! One transaction of the writer: what each command of a batch does to the chain and the database, before all of it is
//! committed.

use super::WriterOptions;
use crate::channels::decide::{Decision, decide};
use crate::channels::stored_chain::row_of;
use crate::ids::{ChainIndex, IdSequence, UserId};
use crate::logchain::{Entry, Head};
use crate::protocol::{Action, Answer, EventBody};
use crate::storage::{Batch, Change, StorageError};
use crate::time::Timestamp;

/// What everyone is told of a command, if anything, and what the one who sent it is.
pub(super) type Told = (Option<EventBody>, Answer);

/// An open transaction.
pub(super) struct Transaction<'w> {
    batch: Batch<'w>,
    options: &'w WriterOptions,
    ids: &'w mut IdSequence,
    /// The time of all that happens in it.
    now: Timestamp,
    done: Transacted,
}

/// What a transaction did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transacted {
    /// The end of the chain after it.
    pub(super) head: Head,
    /// How many messages it created and deleted.
    pub(super) creates: u32,
    pub(super) deletes: u32,
}

impl<'w> Transaction<'w> {
    /// One that goes on after `head`.
    pub(super) fn new(
        batch: Batch<'w>,
        options: &'w WriterOptions,
        ids: &'w mut IdSequence,
        head: Head,
        now: Timestamp,
    ) -> Self {
        Self { batch, options, ids, now, done: Transacted { head, creates: 0, deletes: 0 } }
    }

    /// Decides on a command, and links, signs and stores what it changes. After an error the transaction is good for nothing
    /// but a rollback.
    pub(super) fn carry_out(&mut self, user_id: UserId, action: Action) -> Result<Told, StorageError> {
        let (ids, now) = (&mut *self.ids, self.now);
        let new_id = || ids.next(now).into();
        let decision = decide(&mut self.batch, &self.options.directory, user_id, action, new_id)?;
        let (change, message_id, content_hash) = match decision {
            Decision::Refused(refusal) => return Ok((None, Answer::Refused(refusal))),
            Decision::StoredBefore(stored) => {
                let answer = Answer::Created { id: stored.message_id, chain_index: stored.chain_index };
                return Ok((None, answer));
            }
            Decision::Store { change, message_id, content_hash } => (change, message_id, content_hash),
        };
        let Head { length, hash } = self.done.head;
        let entry = Entry::sign(&self.options.key, ChainIndex(length), message_id, now, hash, content_hash);
        self.batch.apply(&change, &row_of(&entry))?;
        self.done.head = Head { length: length + 1, hash: entry.hash };
        match change {
            Change::Created { .. } => self.done.creates += 1,
            Change::Edited { .. } => {}
            Change::Deleted { .. } => self.done.deletes += 1,
        }
        Ok(self.tell(change, &entry))
    }

    /// What it did, now that it is to be committed.
    pub(super) fn end(self) -> Transacted {
        self.done
    }

    /// What is told of a stored change.
    fn tell(&self, change: Change, entry: &Entry) -> Told {
        let (id, chain_index, at) = (entry.message_id, entry.index, entry.timestamp);
        match change {
            Change::Created { user_id, content, channel, .. } => {
                let channel_id = self.options.directory.id_of(channel);
                let event = EventBody::Created { id, channel_id, user_id, content, chain_index, created_at: at };
                (Some(event), Answer::Created { id, chain_index })
            }
            Change::Edited { content, .. } => {
                let event = EventBody::Edited { message_id: id, content, edited_at: at, chain_index };
                (Some(event), Answer::Edited)
            }
            Change::Deleted { .. } => (Some(EventBody::Deleted { message_id: id, chain_index }), Answer::Deleted),
        }
    }
}
