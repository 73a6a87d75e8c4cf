//! What a backup says of itself: which server's it is, how far its log reaches, and the checksums of what follows.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;
use sha2::Sha256;

use super::{DATABASE, ENV, MAX_SMALL_FILE_BYTES};
use crate::ids::ServerId;
use crate::keys::PublicKey;
use crate::logchain::{EntryHash, SignedHead};
use crate::printable::Untrusted;
use crate::storage::Counts;
use crate::time::Timestamp;

/// The version of the format. A later one is refused.
pub(in crate::cli) const MANIFEST_VERSION: u32 = 1;

/// The first file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Manifest {
    /// [`MANIFEST_VERSION`]
    pub(in crate::cli) format: u32,
    /// The version of the program that wrote it.
    pub(in crate::cli) coms: Untrusted,
    /// When it was made.
    pub(in crate::cli) created_at: Timestamp,
    /// Whose database it is.
    pub(in crate::cli) server_id: ServerId,
    /// The key that signs its log.
    pub(in crate::cli) public_key: PublicKey,
    /// The schema of the database.
    pub(in crate::cli) schema: usize,
    /// How many entries the log has.
    pub(in crate::cli) chain_length: u64,
    /// The hash of the last entry; zeros for an empty log.
    pub(in crate::cli) chain_hash: Digest,
    /// The server's signed word for that; absent if the backup was made without its secret key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) head: Option<SignedHead>,
    /// How much there is of everything.
    pub(in crate::cli) counts: Counts,
    /// How many faults the check of the copy found; absent if it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) faults: Option<u64>,
    /// What follows, in this order.
    pub(in crate::cli) files: Vec<FileRecord>,
}

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct FileRecord {
    pub(in crate::cli) name: String,
    pub(in crate::cli) bytes: u64,
    pub(in crate::cli) sha256: Digest,
}

/// The part that every later version has as well.
#[derive(Deserialize)]
struct Origin {
    format: u32,
    coms: Untrusted,
}

/// Why a manifest can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    #[error("its manifest can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("its manifest makes no sense: {0}")]
    Nonsense(String),
    #[error("coms {coms} wrote it in format {format}, and this is coms {} that knows formats up to {MANIFEST_VERSION}", env!("CARGO_PKG_VERSION"))]
    Newer { format: u32, coms: Untrusted },
}

impl Manifest {
    /// Reads it, and believes nothing that can't be.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let origin: Origin = serde_json::from_slice(bytes)?;
        if origin.format > MANIFEST_VERSION {
            return Err(ManifestError::Newer { format: origin.format, coms: origin.coms });
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        let names: Vec<_> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        if names != [DATABASE] && names != [ENV, DATABASE] {
            return Err(ManifestError::Nonsense(format!("it lists the files {names:?}")));
        }
        if manifest.env().is_some_and(|env| env.bytes > MAX_SMALL_FILE_BYTES) {
            return Err(ManifestError::Nonsense("its configuration is too large".to_owned()));
        }
        Ok(manifest)
    }

    /// The database.
    pub(in crate::cli) fn database(&self) -> Option<&FileRecord> {
        self.files.iter().find(|file| file.name == DATABASE)
    }

    /// The configuration, if it is in the backup.
    pub(in crate::cli) fn env(&self) -> Option<&FileRecord> {
        self.files.iter().find(|file| file.name == ENV)
    }
}

/// A SHA-256; 64 hexadecimal digits in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub(in crate::cli) fn of(bytes: &[u8]) -> Self {
        Self::from(Sha256::new_with_prefix(bytes))
    }
}

impl From<EntryHash> for Digest {
    fn from(hash: EntryHash) -> Self {
        Self(hash.0)
    }
}

impl From<Sha256> for Digest {
    fn from(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| serde::de::Error::custom("no SHA-256 in hexadecimal"))?;
        Ok(Self(bytes))
    }
}
