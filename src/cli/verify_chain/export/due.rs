//! What an export says of entries that are still to come: of each, what it must cover.
//!
//! A log may have all its edits and deletions at its end, so there may be one of these for nearly every entry. Each is kept
//! as 16 bytes: whose content it is and which, hashed together with a salt of this run. Nobody who makes an export can know
//! the salt, and look for two contents that would be taken for one another.

use std::collections::BTreeMap;

use crate::cli::CliError;
use crate::ids::{ChainIndex, MessageId};
use crate::logchain::ContentHash;
use crate::storage::DELETED_CONTENT;

/// A content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    fingerprint: [u8; 15],
    is_earlier: bool,
}

/// What an entry is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Covering {
    /// What it was said to be.
    Agrees,
    /// It covers something else than what its message says, or said if `is_earlier`.
    Differs { is_earlier: bool },
    /// Nothing is shown of it, since its message was deleted later.
    Deleted,
    /// Nothing is shown of it, and there is no reason for that.
    Unclaimed,
}

/// The claims whose entries have not come.
pub(super) struct Due {
    salt: [u8; 16],
    claims: BTreeMap<ChainIndex, Claim>,
    /// Deleted messages whose deletion is still to come, with its index.
    deleted: BTreeMap<MessageId, ChainIndex>,
}

impl Due {
    pub(super) fn new() -> Result<Self, CliError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
        Ok(Self { salt, claims: BTreeMap::new(), deleted: BTreeMap::new() })
    }

    /// The entry at `index` is to cover `content` of a message. False if another claim is made on it already.
    pub(super) fn claim(&mut self, index: ChainIndex, id: MessageId, content: &str, is_earlier: bool) -> bool {
        let fingerprint = self.fingerprint(id, ContentHash::of(content));
        self.claims.insert(index, Claim { fingerprint, is_earlier }).is_none()
    }

    /// The entry at `index` is to be the deletion of a message. False if that was said of the message already.
    pub(super) fn delete(&mut self, index: ChainIndex, id: MessageId) -> bool {
        self.deleted.insert(id, index).is_none()
    }

    /// The entry at `index` has come.
    pub(super) fn take(&mut self, index: ChainIndex, id: MessageId, content_hash: ContentHash) -> Covering {
        if let Some(claim) = self.claims.remove(&index) {
            let agrees = claim.fingerprint == self.fingerprint(id, content_hash);
            return if agrees { Covering::Agrees } else { Covering::Differs { is_earlier: claim.is_earlier } };
        }
        match self.deleted.get(&id) {
            Some(deletion) if *deletion == index => {
                self.deleted.remove(&id);
                let agrees = content_hash == ContentHash::of(DELETED_CONTENT);
                if agrees { Covering::Agrees } else { Covering::Differs { is_earlier: false } }
            }
            Some(_) => Covering::Deleted,
            None => Covering::Unclaimed,
        }
    }

    /// The entries that did not come.
    pub(super) fn left(&self) -> impl Iterator<Item = ChainIndex> {
        self.claims.keys().chain(self.deleted.values()).copied()
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
