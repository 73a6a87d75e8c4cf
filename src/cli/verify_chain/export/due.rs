//! What an export says of entries that are still to come: of each, what it must cover.
//!
//! A log may have all its edits and deletions at its end, so there may be one of these for nearly every entry. Each is kept
//! as 24 bytes: at which time, and whose content it is and which, hashed together with a salt of this run. Nobody who makes an export can know
//! the salt, and look for two contents that would be taken for one another.

use std::collections::BTreeMap;

use crate::cli::CliError;
use crate::ids::{ChainIndex, MessageId};
use crate::logchain::{ContentHash, Entry};
use crate::storage::DELETED_CONTENT;
use crate::time::Timestamp;

/// A content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    fingerprint: [u8; 15],
    is_earlier: bool,
    /// The time that the message shows of this entry; [`Claim::NO_TIME`] if it shows none.
    time: u64,
}

impl Claim {
    const NO_TIME: u64 = u64::MAX;
}

/// What a message says of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) id: MessageId,
    pub(super) content: &'a str,
    /// It is what the message said before.
    pub(super) is_earlier: bool,
    /// When, if the message shows that.
    pub(super) time: Option<Timestamp>,
}

/// What an entry is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Covering {
    /// What it was said to be.
    Agrees,
    /// It covers something else than what its message says, or said if `is_earlier`.
    Differs { is_earlier: bool },
    /// It covers what its message says, and that shows another time for it.
    OtherTime,
    /// Nothing is shown of it, since its message was deleted later.
    Deleted,
    /// Nothing is shown of it, and there is no reason for that.
    Unclaimed,
}

/// The claims whose entries have not come.
pub(super) struct Due {
    salt: [u8; 16],
    claims: BTreeMap<ChainIndex, Claim>,
    /// Deleted messages whose deletion is still to come, with its index and the time that they show of it.
    deleted: BTreeMap<MessageId, (ChainIndex, u64)>,
}

impl Due {
    pub(super) fn new() -> Result<Self, CliError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
        Ok(Self { salt, claims: BTreeMap::new(), deleted: BTreeMap::new() })
    }

    /// The entry at `index` is to cover what is said. False if another claim is made on it already.
    pub(super) fn claim(&mut self, index: ChainIndex, said: Said<'_>) -> bool {
        let fingerprint = self.fingerprint(said.id, ContentHash::of(said.content));
        let time = said.time.map_or(Claim::NO_TIME, Timestamp::unix_ms);
        self.claims.insert(index, Claim { fingerprint, is_earlier: said.is_earlier, time }).is_none()
    }

    /// The entry at `index` is to be the deletion of a message. False if that was said of the message already.
    pub(super) fn delete(&mut self, index: ChainIndex, id: MessageId, time: Option<Timestamp>) -> bool {
        self.deleted.insert(id, (index, time.map_or(Claim::NO_TIME, Timestamp::unix_ms))).is_none()
    }

    /// The entry has come.
    pub(super) fn take(&mut self, entry: &Entry) -> Covering {
        let Entry { index, message_id: id, content_hash, timestamp, .. } = *entry;
        let agreeing = |agrees: bool, time: u64, is_earlier| match agrees {
            false => Covering::Differs { is_earlier },
            true if time != Claim::NO_TIME && time != timestamp.unix_ms() => Covering::OtherTime,
            true => Covering::Agrees,
        };
        if let Some(claim) = self.claims.remove(&index) {
            let agrees = claim.fingerprint == self.fingerprint(id, content_hash);
            return agreeing(agrees, claim.time, claim.is_earlier);
        }
        match self.deleted.get(&id).copied() {
            Some((deletion, time)) if deletion == index => {
                self.deleted.remove(&id);
                agreeing(content_hash == ContentHash::of(DELETED_CONTENT), time, false)
            }
            Some(_) => Covering::Deleted,
            None => Covering::Unclaimed,
        }
    }

    /// The entries that did not come.
    pub(super) fn left(&self) -> impl Iterator<Item = ChainIndex> {
        self.claims.keys().copied().chain(self.deleted.values().map(|(index, _)| *index))
    }

    fn fingerprint(&self, id: MessageId, content_hash: ContentHash) -> [u8; 15] {
        let ContentHash(hash) = ContentHash::of_bytes(&[&self.salt[..], id.as_bytes(), &content_hash.0].concat());
        let mut fingerprint = [0; 15];
        for (byte, of_hash) in fingerprint.iter_mut().zip(hash) {
            *byte = of_hash;
        }
        fingerprint
    }
}
