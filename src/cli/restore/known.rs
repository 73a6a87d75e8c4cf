//! How far the server's log was known to reach, against how far the backup reaches: whoever saw more will notice.

use std::path::Path;

use serde::Serialize;

use super::super::CliError;
use super::super::archive::Manifest;
use super::super::verify_chain::memory::Memory;
use super::shown;
use crate::channels::head_of;
use crate::ids::ChainIndex;
use crate::logchain::Head;
use crate::printable::Untrusted;
use crate::storage::{AsIs, Database, Opened, StorageError};

/// A head that somebody saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Known {
    /// Who saw it, for people.
    pub(super) source: String,
    /// How many entries there were.
    pub(super) length: u64,
    /// The hash of the last.
    pub(super) hash: String,
    /// How the backup stands to it.
    pub(super) relation: Relation,
}

/// How the backup stands to a head that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Relation {
    /// It has all that was seen, and perhaps more.
    Complete,
    /// It ends so many entries before.
    Behind(u64),
    /// It is another log.
    Forked,
}

/// All heads that are known here of the manifest's server: the database that is there, and what `coms verify-chain`
/// remembers. What could not be looked at is a problem, and no reason not to restore.
pub(super) fn all(
    backup: &Database,
    head: Head,
    manifest: &Manifest,
    target: &Path,
    state: Option<&Path>,
    problems: &mut Vec<String>,
) -> Result<Vec<Known>, CliError> {
    let mut known = Vec::new();
    match existing(backup, head, manifest, target) {
        Ok(found) => known.extend(found),
        Err(problem) => problems.push(format!("`{}`: {problem}", shown(target))),
    }
    match Memory::open(state) {
        Ok(memory) => {
            for (source, seen) in memory.of_server(manifest.server_id.as_str()) {
                let Some(hash) = seen.entry_hash() else { continue };
                let relation = relation(backup, head, Head { length: seen.length, hash })?;
                let source = format!("what `coms verify-chain` remembers of {source}");
                known.push(Known { source, length: seen.length, hash: hash.to_string(), relation });
            }
        }
        Err(error) => problems.push(error.describe()),
    }
    Ok(known)
}

/// The database that is there now.
fn existing(backup: &Database, head: Head, manifest: &Manifest, target: &Path) -> Result<Option<Known>, Problem> {
    if std::fs::symlink_metadata(target).is_err() {
        return Ok(None);
    }
    let Opened::Coms(database) = AsIs::prepare(target)?.open()? else { return Err(Problem::Reference) };
    match database.identity()?.0 {
        Some(id) if manifest.server_id.is(&id) => {}
        Some(id) => return Err(Problem::OtherServer(id.into())),
        None => return Ok(None),
    }
    let Some(stored) = database.head()? else { return Ok(None) };
    let seen = head_of(Some(stored));
    let mut relation = relation(backup, head, seen)?;
    if let (Relation::Behind(_), Some(last)) = (relation, head.last_index())
        && database.entry_hash(last)? != Some(head.hash.0)
    {
        relation = Relation::Forked;
    }
    let source = format!("the database `{}`", shown(target));
    Ok(Some(Known { source, length: seen.length, hash: seen.hash.to_string(), relation }))
}

pub(in crate::cli) fn relation(backup: &Database, head: Head, seen: Head) -> Result<Relation, StorageError> {
    if seen.length > head.length {
        return Ok(Relation::Behind(seen.length - head.length));
    }
    let Some(last) = seen.length.checked_sub(1) else { return Ok(Relation::Complete) };
    let same = backup.entry_hash(ChainIndex(last))? == Some(seen.hash.0);
    Ok(if same { Relation::Complete } else { Relation::Forked })
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("it is the database of the server {0}")]
    OtherServer(Untrusted),
    #[error("it is a database of the Go reference server")]
    Reference,
    #[error("it can't be compared with the backup: {0}")]
    Storage(#[from] StorageError),
}
