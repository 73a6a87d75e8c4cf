//! Before a database is served: whether it is the one that was served before, as far as this machine knows.
//!
//! `coms verify-chain` remembers how long a server's log was, and how it ended. A database that has less, or another log,
//! was probably opened by mistake; whoever saw the other log will call it a rollback or a fork.

use std::path::Path;

use crate::channels::head_of;
use crate::cli::restore::known::{Relation, relation};
use crate::cli::verify_chain::memory::Memory;
use crate::cli::{CliError, printable};
use crate::ids::ServerId;
use crate::logchain::Head;
use crate::storage::{AsIs, Database, Opened};

/// What is known of a database that is about to be opened.
#[derive(Default)]
pub(super) struct Known {
    /// There is none yet, and an empty one will be made.
    pub(super) is_new: bool,
    /// Heads of a longer or another log that the operator passes over.
    pub(super) overruled: Vec<String>,
}

/// Compares the database at `path` with the heads that are known of the server. A database that does not have them is
/// refused, unless `new_database` says that it is meant, or a backup was just restored there.
pub(super) fn check(path: &Path, server_id: &ServerId, new_database: bool) -> Result<Known, CliError> {
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    let database = if is_new { None } else { existing(path) };
    if !is_new && database.is_none() {
        // It is taken over first, or can't be served at all, which opening it will tell better.
        return Ok(Known::default());
    }
    let memory = match Memory::open(None) {
        Ok(memory) => memory,
        Err(error) => {
            let error = error.describe();
            tracing::warn!(
                error,
                "the known heads can't be read: whether this is the log that was served before is not known"
            );
            return Ok(Known { is_new, overruled: Vec::new() });
        }
    };
    let mut other = Vec::new();
    for (source, seen) in memory.of_server(server_id.as_str()) {
        let Some(hash) = seen.entry_hash() else { continue };
        let head = Head { length: seen.length, hash };
        if !has(database.as_ref(), head)? {
            other.push((source, head));
        }
    }
    let is_meant =
        new_database || database.as_ref().is_some_and(|database| matches!(database.restored_at(), Ok(Some(_))));
    match other.iter().max_by_key(|(_, head)| head.length) {
        Some((source, head)) if !is_meant => Err(refusal(path, database.as_ref(), source, *head)?),
        _ => Ok(Known { is_new, overruled: other.iter().map(|(_, head)| line(*head)).collect() }),
    }
}

fn existing(path: &Path) -> Option<Database> {
    match AsIs::prepare(path).and_then(|file| file.open()) {
        Ok(Opened::Coms(database)) => Some(database),
        Ok(Opened::Reference(_)) | Err(_) => None,
    }
}

/// Whether the log in the database goes on from `head`, or the operator has passed over that.
fn has(database: Option<&Database>, head: Head) -> Result<bool, CliError> {
    let Some(database) = database else { return Ok(head.length == 0) };
    let own = head_of(database.head()?);
    Ok(relation(database, own, head)? == Relation::Complete || database.has_overruled(&line(head))?)
}

fn line(head: Head) -> String {
    format!("{} {}", head.length, head.hash)
}

fn refusal(path: &Path, database: Option<&Database>, source: &str, head: Head) -> Result<CliError, CliError> {
    let shown = printable(&path.display().to_string()).to_string();
    let length = database.map(Database::head).transpose()?.flatten().map_or(0, |stored| stored.index.next().0);
    let is =
        if database.is_none() { "would be a new, empty database".to_owned() } else { format!("has {length} entries") };
    let other = if head.length > length { "longer" } else { "different" };
    Ok(CliError::usage(format!(
        "`{shown}` {is}, and a {other} log of this server is known here, with {} entries (`coms verify-chain` saw {})",
        head.length,
        printable(source)
    ))
    .hint("check DB_PATH: the database of that log is probably somewhere else")
    .hint("if this one is meant, `--new-database` serves it; everyone who saw the other log will notice"))
}
