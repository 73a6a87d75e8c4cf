//! The log chain: entries, their hashes and signatures, signed heads. Pure: no files, no network, no clock.
//!
//! The bytes are fixed by the Zync Protocol v1.0, section 5; `docs/log-chain.md` describes them for others.

mod act;
mod breaks;
mod entry;
mod head;
mod line;
mod salted;
mod verify;

pub use act::{Act, ActError, DisclosureError, MAX_ACT_BYTES, VisibleTo};
pub use breaks::{Break, BreakKind, Breaks, LISTED_BREAKS};
pub use entry::{ContentHash, Entry, EntryHash, entry_hash};
pub use head::{Head, SignedHead};
pub use line::{EntryLine, LineError, SealedLine};
pub use salted::{Disclosure, Salt};
pub use verify::{SealedEntry, Verified, Verifier, VerifyOptions};
// The keys are below, since the configuration is made of them too; here they are part of the chain's vocabulary.
pub use crate::keys::{KeyError, PublicKey, Signature, SigningKey};
