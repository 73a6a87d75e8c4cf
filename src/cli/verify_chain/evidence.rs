//! The file that proves that a log is not the one that was seen before: JSON Lines, each with a `type`.
//!
//! First the circumstances with both heads, then the entries from the remembered head to the presented one, in the form
//! in which an export has them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::memory::Remembered;
use crate::channels::export_format::write_entry;
use crate::cli::CliError;
use crate::ids::ChainIndex;
use crate::logchain::{Entry, SignedHead};
use crate::time::Timestamp;

/// How many entries are kept. The one at the remembered index is the first, and proves the most.
pub(super) const MAX_ENTRIES: u32 = 50_000;

/// Both heads, and where they come from.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "evidence")]
pub(super) struct Evidence {
    /// When it was found.
    pub(super) found_at: Timestamp,
    /// Where.
    pub(super) source: String,
    /// The server's id, if the source names one.
    pub(super) server_id: Option<String>,
    /// The key that the log was verified with, in hex.
    pub(super) public_key: String,
    /// What is remembered.
    pub(super) remembered: Remembered,
    /// How many entries there are now.
    pub(super) presented_length: u64,
    /// The hash of the last, in hex.
    pub(super) presented_hash: String,
    /// The server's word for that, where the source had one.
    pub(super) presented_head: Option<SignedHead>,
}

impl Evidence {
    /// The first entry to keep: the one that was the head, or the last that there is now.
    pub(super) fn first_entry(&self) -> ChainIndex {
        ChainIndex(self.remembered.length.min(self.presented_length).saturating_sub(1))
    }

    /// How many entries to keep from there on.
    pub(super) fn count(&self) -> u32 {
        let between = self.presented_length.saturating_sub(self.first_entry().0);
        u32::try_from(between).unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES)
    }
}

/// Writes the file into `folder`, under a name of its own, for its owner alone.
pub(super) fn write(folder: &Path, evidence: &Evidence, entries: &[Entry]) -> Result<PathBuf, CliError> {
    let stamp = evidence.found_at.to_string().replace([':', '.'], "-");
    let path = folder.join(format!("evidence-{stamp}.jsonl"));
    let failed =
        |error: &std::io::Error| CliError::failed(format!("cannot write the evidence `{}`: {error}", path.display()));
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(|error| failed(&error))?;
    let mut out = BufWriter::new(file);
    let mut lines = serde_json::to_vec(evidence).map_err(|error| failed(&error.into()))?;
    lines.push(b'\n');
    for entry in entries {
        write_entry(entry, &mut lines);
    }
    let written = out.write_all(&lines).and_then(|()| out.flush()).and_then(|()| out.get_ref().sync_all());
    written.map_err(|error| failed(&error))?;
    Ok(path)
}
