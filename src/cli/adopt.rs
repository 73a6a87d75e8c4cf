//! `coms adopt`: takes over a database of the Go reference server.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::json::json_line;
use super::{CliError, Exit, Globals, SettingsArgs, printable};
use crate::channels::{AdoptError, Adopter, Adoption};
use crate::config::Identity;
use crate::storage::{Access, Database, DatabaseLock, LockError, StorageError};
use crate::time::Clock;

/// Take over a database of the Go reference server
///
/// Brings all messages, edit histories and channels, and the log chain byte for byte; then appends entries for messages
/// whose shown content no entry covers. Says what it found, the breaks of the old chain included. Needs SERVER_ID,
/// SERVER_SECRET_KEY and SERVER_PUBLIC_KEY. `coms serve` does the same by itself.
#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The database of the Go reference server
    file: PathBuf,
    /// Write a new database and leave FILE alone, which may be in use; without this, FILE is replaced and a copy of it kept
    #[arg(short, long, value_name = "NEW")]
    output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Adopt {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let identity = self.settings.read::<Identity>(globals)?;
        check_source(&self.file)?;
        let target = self.output.as_deref().unwrap_or(&self.file);
        let lock = DatabaseLock::take(target, "coms adopt").map_err(|error| lock_error(&error))?;
        let adopter =
            Adopter { server_id: &identity.server_id, key: &identity.signing_key, now: Clock::system().now() };
        let done = match &self.output {
            Some(_) => adopter.into_new(&self.file, &lock).map(|adoption| (adoption, None)),
            None => adopter.in_place(&lock).map(|(adoption, kept)| (adoption, Some(kept))),
        };
        let (adoption, kept) = done.map_err(|error| explain(&error))?;
        let printed = self.report(&adoption, kept.as_deref());
        if let Some(kept) = kept {
            globals.say(format_args!("the old database is kept as `{}`", kept.display()));
            globals.say("it still holds what was deleted: remove it when you do not need it any more");
        }
        Ok(Exit::Done.printed(printed))
    }

    fn report(&self, adoption: &Adoption, kept: Option<&Path>) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            let target = self.output.as_deref().unwrap_or(&self.file);
            writeln!(stdout, "{}", json_line(&as_json(adoption, target, kept))?)?;
        } else {
            write_text(&mut stdout, adoption)?;
        }
        stdout.flush()
    }
}

fn as_json(adoption: &Adoption, target: &Path, kept: Option<&Path>) -> serde_json::Value {
    let path = |path: &Path| path.display().to_string();
    serde_json::json!({
        "database": path(target),
        "kept": kept.map(path),
        "channels": adoption.channels,
        "messages": adoption.messages,
        "edited": adoption.edited,
        "deleted": adoption.deleted,
        "without_entry": adoption.without_entry,
        "entries": adoption.entries,
        "appended": adoption.appended,
        "length": adoption.head.length,
        "hash": adoption.head.hash.to_string(),
        "breaks": adoption.breaks.listed(),
        "breaks_total": adoption.breaks.total(),
    })
}

fn write_text(out: &mut impl io::Write, adoption: &Adoption) -> io::Result<()> {
    let Adoption { channels, messages, edited, deleted, without_entry, entries, appended, breaks, head } = adoption;
    writeln!(out, "messages:  {messages} in {channels} channels ({edited} edited, {deleted} deleted)")?;
    writeln!(out, "log chain: {entries} entries as they were, {appended} appended, {} now", head.length)?;
    if *without_entry > 0 {
        writeln!(out, "without an entry of their own: {without_entry} messages; now covered by appended ones")?;
    }
    match breaks.total() {
        0 => writeln!(out, "breaks of the old chain: none")?,
        total => writeln!(out, "breaks of the old chain: {total}")?,
    }
    for fault in breaks.listed() {
        let index = fault.index.map_or_else(|| "-".to_owned(), |index| index.to_string());
        writeln!(out, "  index {index}: {}: {}", fault.kind.name(), printable(&fault.detail))?;
    }
    Ok(())
}

/// Whether `file` is a database of the reference; anything else has nothing to be taken over.
fn check_source(file: &Path) -> Result<(), CliError> {
    match Database::open(file, Access::ReadOnly) {
        Err(StorageError::Reference { .. }) => Ok(()),
        Ok(_) | Err(StorageError::Newer { .. }) => {
            let message = format!("`{}` is a database of coms already", file.display());
            Err(CliError::usage(message).hint("there is nothing to take over; run `coms serve`"))
        }
        Err(StorageError::Foreign { .. }) => {
            let message = format!("`{}` is not a database of the Go reference server", file.display());
            Err(CliError::usage(message).hint("name its `messages.db`"))
        }
        Err(error) => Err(explain(&AdoptError::Storage(error))),
    }
}

/// The failure of an adoption in words, with what to do.
pub(super) fn explain(error: &AdoptError) -> CliError {
    let words = error.to_string();
    match error {
        AdoptError::OtherKey { .. } => CliError::usage(words)
            .hint("set SERVER_SECRET_KEY and SERVER_PUBLIC_KEY to the keys that the Go reference server ran with"),
        AdoptError::Exists(_) => CliError::usage(words).hint("name another file after `-o`"),
        AdoptError::UnderWay(_) => CliError::usage(words).hint("wait until it is done"),
        AdoptError::Storage(StorageError::Open { .. }) => CliError::usage(words)
            .hint("stop the Go reference server, and check that this user may read and write the file"),
        AdoptError::Storage(StorageError::Malformed { .. }) | AdoptError::NoSuchChannel { .. } => {
            CliError::failed(words).hint("the database was changed by something else, and is left as it is")
        }
        AdoptError::Storage(_) | AdoptError::File { .. } => CliError::failed(words),
    }
}

fn lock_error(error: &LockError) -> CliError {
    let usage = CliError::usage(error.to_string());
    match error {
        LockError::Held { .. } => usage.hint("stop that process first"),
        LockError::Database { .. } => {
            usage.hint("name a file that is a database, or for `-o` one that is not there yet")
        }
        LockError::Io { .. } => usage.hint("check that the directory exists and that this user may write there"),
    }
}
