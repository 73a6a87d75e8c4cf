//! The file that a backup is: a tar that zstd compresses and, if asked, age encrypts. Any system's tools can take it apart.
//!
//! It holds, in this order and nothing else: `manifest.json`, which says what follows; `coms.env`, the configuration, if
//! that was asked for; `messages.db`, the database as of one moment. It is written and read in one go, so a pipe will do and
//! memory does not grow with it. A reader believes no size or name but those that the manifest gives, and it gives those
//! only within bounds.

mod encryption;
mod manifest;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use encryption::{Lock, Unlock, is_encrypted};
pub(super) use manifest::{Digest, FileRecord, MANIFEST_VERSION, Manifest};
pub(super) use read::{ArchiveReader, Damage};
pub(super) use write::ArchiveWriter;

/// The names within the archive.
const MANIFEST: &str = "manifest.json";
pub(super) const ENV: &str = "coms.env";
pub(super) const DATABASE: &str = "messages.db";

/// What a manifest and a configuration may have at most: far more than they need.
const MAX_SMALL_FILE_BYTES: u64 = 1 << 20;

/// A tar's blocks.
const BLOCK: usize = 512;

/// What is read and written at once.
const CHUNK_BYTES: usize = 256 * 1024;
