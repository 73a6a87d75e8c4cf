//! Signed heads: the server's word on how long its chain is and how it ends.

use super::entry::EntryHash;
use crate::ids::{ChainIndex, ServerId};
use crate::keys::{PublicKey, Signature, SigningKey};
use crate::time::Timestamp;

/// How far a chain reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are; the last has index `length - 1`.
    pub length: u64,
    /// The hash of the last entry; [`EntryHash::ZERO`] for an empty chain.
    pub hash: EntryHash,
}

impl Head {
    /// The head of a chain without entries.
    pub const EMPTY: Self = Self { length: 0, hash: EntryHash::ZERO };

    /// The index of the last entry, if there is one.
    pub fn last_index(&self) -> Option<ChainIndex> {
        self.length.checked_sub(1).map(ChainIndex)
    }

    /// Signs that this was the head of `server`'s chain at `timestamp`.
    pub fn sign(self, key: &SigningKey, server: &ServerId, timestamp: Timestamp) -> SignedHead {
        let signature = key.sign(signed_text(self, server.as_str(), timestamp).as_bytes());
        SignedHead { server_id: server.as_str().to_owned(), head: self, timestamp, signature }
    }
}

/// A head with the server's signature. Two of one server with the same length and different hashes prove a fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// The server's id as it spells it.
    pub server_id: String,
    /// What was signed.
    pub head: Head,
    /// When it was signed.
    pub timestamp: Timestamp,
    /// Ed25519 over the text `coms-head-v1\n{server_id}\n{length}\n{hash}\n{timestamp}\n`.
    pub signature: Signature,
}

impl SignedHead {
    /// Whether `key` signed this.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let text = signed_text(self.head, &self.server_id, self.timestamp);
        key.verify(text.as_bytes(), &self.signature)
    }
}

fn signed_text(head: Head, server_id: &str, timestamp: Timestamp) -> String {
    format!("coms-head-v1\n{server_id}\n{}\n{}\n{}\n", head.length, head.hash, timestamp.unix_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_head_holds_for_what_was_signed_and_nothing_else() {
        let key = SigningKey::from_seed(&[1; 32]);
        let server = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let head = Head { length: 3, hash: EntryHash([9; 32]) };
        let signed = head.sign(&key, &server, Timestamp::from_unix_ms(5));
        assert!(signed.is_signed_by(&key.public()));
        let longer = SignedHead { head: Head { length: 4, ..head }, ..signed.clone() };
        assert!(!longer.is_signed_by(&key.public()));
        assert!(!signed.is_signed_by(&SigningKey::from_seed(&[2; 32]).public()));
    }
}
