//! Opening the database that is to be served; one of the Go reference server is taken over first.

use super::StartError;
use crate::channels::{Adopter, Adoption};
use crate::ids::ServerId;
use crate::keys::SigningKey;
use crate::storage::{DatabaseLock, StorageError, WriteStore};
use crate::time::Timestamp;

/// Opens the database for writing. Blocks: an adoption takes its time.
pub(super) fn open(
    lock: &DatabaseLock,
    server_id: &ServerId,
    key: &SigningKey,
    overruled_heads: &[String],
    now: Timestamp,
) -> Result<WriteStore, StartError> {
    let mut store = match WriteStore::open(lock) {
        Err(StorageError::Reference { .. }) => {
            adopt(lock, &Adopter { server_id, key, now })?;
            WriteStore::open(lock)?
        }
        opened => opened?,
    };
    store.claim(server_id, &key.public(), now)?;
    store.overrule(overruled_heads)?;
    if let Some(restored_at) = store.take_restored_mark()? {
        tracing::warn!(
            %restored_at,
            "the database is a restored backup: what was written after the backup was made is missing, and everyone who saw \
             it will notice"
        );
    }
    let names = lock.names();
    if names > 1 {
        tracing::warn!(
            path = %lock.path().display(), names,
            "the database has other names, hard links: use always the same one, since SQLite keeps what it wrote last in a \
             file beside that name, and remove the others",
        );
    }
    Ok(store)
}

fn adopt(lock: &DatabaseLock, adopter: &Adopter<'_>) -> Result<(), StartError> {
    tracing::info!(path = %lock.path().display(), "taking over a database of the Go reference server");
    let (adoption, kept) = adopter.in_place(lock)?;
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
