//! One entry of the chain, and the hash that links it to the one before.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::ids::{ChainIndex, MessageId};
use crate::keys::{PublicKey, Signature, SigningKey};
use crate::time::Timestamp;

/// The hash of an entry: SHA-256, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryHash(pub [u8; 32]);

impl EntryHash {
    /// `Hash(-1)`, which the first entry links to.
    pub const ZERO: Self = Self([0; 32]);
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of a message's content, of its UTF-8 bytes as they were sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of `content`.
    pub fn of(content: &str) -> Self {
        Self::of_bytes(content.as_bytes())
    }

    /// The hash of content that should be UTF-8 and may not be: what a damaged database holds.
    pub fn of_bytes(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// `SHA-256(index ‖ message id ‖ timestamp ‖ Hash(index-1) ‖ content hash)`, numbers as big-endian `u64`, time in
/// milliseconds.
pub fn entry_hash(
    index: ChainIndex,
    message_id: MessageId,
    timestamp: Timestamp,
    prev_hash: EntryHash,
    content_hash: ContentHash,
) -> EntryHash {
    let mut bytes = [0_u8; 8 + 16 + 8 + 32 + 32];
    let parts: [&[u8]; 5] = [
        &index.0.to_be_bytes(),
        message_id.as_bytes(),
        &timestamp.unix_ms().to_be_bytes(),
        &prev_hash.0,
        &content_hash.0,
    ];
    let mut rest = bytes.as_mut_slice();
    for part in parts {
        let (here, after) = rest.split_at_mut(part.len());
        here.copy_from_slice(part);
        rest = after;
    }
    EntryHash(Sha256::digest(bytes).into())
}

/// One entry: that a message was created, edited or deleted, in this place of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 0.
    pub index: ChainIndex,
    /// The message that it is about.
    pub message_id: MessageId,
    /// When the server wrote it.
    pub timestamp: Timestamp,
    /// The hash of the entry before; [`EntryHash::ZERO`] for the first.
    pub prev_hash: EntryHash,
    /// The hash of what the message said from here on.
    pub content_hash: ContentHash,
    /// The hash over all of the above.
    pub hash: EntryHash,
    /// The server's signature over the 32 bytes of `hash`.
    pub signature: Signature,
}

impl Entry {
    /// Makes and signs the entry that follows one with `prev_hash`.
    pub fn sign(
        key: &SigningKey,
        index: ChainIndex,
        message_id: MessageId,
        timestamp: Timestamp,
        prev_hash: EntryHash,
        content_hash: ContentHash,
    ) -> Self {
        let hash = entry_hash(index, message_id, timestamp, prev_hash, content_hash);
        let signature = key.sign(&hash.0);
        Self { index, message_id, timestamp, prev_hash, content_hash, hash, signature }
    }

    /// The hash that the entry's own fields give, whatever it says its hash is.
    pub fn recomputed_hash(&self) -> EntryHash {
        entry_hash(self.index, self.message_id, self.timestamp, self.prev_hash, self.content_hash)
    }

    /// Whether the signature over the stated hash is `key`'s, by the strict rules of RFC 8032 with no small-order points.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verify(&self.hash.0, &self.signature)
    }
}
