//! Opening the database that is to be served; one of the Go reference server is taken over first.

use std::path::Path;

use super::StartError;
use crate::channels::{Adopter, Adoption};
use crate::ids::ServerId;
use crate::keys::SigningKey;
use crate::storage::{StorageError, WriteStore};
use crate::time::Timestamp;

/// Opens the database for writing; the caller holds its lock. Blocks: an adoption takes its time.
pub(super) fn open(
    path: &Path,
    server_id: &ServerId,
    key: &SigningKey,
    now: Timestamp,
) -> Result<WriteStore, StartError> {
    let mut store = match WriteStore::open(path) {
        Err(StorageError::Reference { .. }) => {
            adopt(path, &Adopter { server_id, key, now })?;
            WriteStore::open(path)?
        }
        opened => opened?,
    };
    store.claim(server_id, &key.public(), now)?;
    Ok(store)
}

fn adopt(path: &Path, adopter: &Adopter<'_>) -> Result<(), StartError> {
    tracing::info!(path = %path.display(), "taking over a database of the Go reference server");
    let (adoption, kept) = adopter.in_place(path)?;
    let Adoption { channels, messages, edited, deleted, without_entry, entries, appended, breaks, .. } = adoption;
    let kept = kept.display();
    tracing::info!(
        channels, messages, edited, deleted, without_entry, entries, appended, %kept,
        "database taken over"
    );
    for fault in breaks.listed() {
        let index = fault.index.map(|index| index.0);
        tracing::warn!(index, kind = fault.kind.name(), detail = fault.detail, "break in the old log chain");
    }
    if breaks.total() > breaks.listed().len() as u64 {
        tracing::warn!(breaks = breaks.total(), "the old log chain has more breaks than are listed");
    }
    Ok(())
}
