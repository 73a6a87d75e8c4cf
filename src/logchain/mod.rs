//! The log chain: entries, their hashes and signatures, signed heads. Pure: no files, no network, no clock.
//!
//! The bytes are fixed by the Zync Protocol v1.0, section 5; `docs/log-chain.md` describes them for others.

mod entry;
mod head;
mod key;

pub use entry::{ContentHash, Entry, EntryHash, Signature, entry_hash};
pub use head::{Head, SignedHead};
pub use key::{KeyError, PublicKey, SigningKey};
