//! `coms backup`: an online, checked copy of the database in one file, with the configuration if asked.
//!
//! The pages are copied as of one moment into a file beside the database, which takes seconds and is all that the running
//! server could feel. Checking that copy, compressing and encrypting it holds up nobody. So the plain text of messages is
//! nowhere but where the database is anyway.

mod copy;
mod destination;
mod file_name;
mod protection;
mod retention;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use indicatif::HumanBytes;

use self::copy::Copied;
use self::destination::Destination;
use self::protection::Protection;
use self::retention::{New, Pruned};
use super::archive::{ArchiveWriter, DATABASE, Digest, ENV, FileRecord, MANIFEST_VERSION, Manifest};
use super::check_copy::{Checked, bytes_bar, check_copy};
use super::database_argument::DatabaseArgs;
use super::json::json_line;
use super::stop_flag::Stop;
use super::{CliError, Exit, Globals, printable};
use crate::config::{EnvFile, Settings};
use crate::storage::SCHEMA;
use crate::time::Clock;

/// Make a backup of the database, a server running on it or not
///
/// One file with a consistent copy of one moment, checked as `coms verify-chain` checks, compressed, with checksums and the
/// signed head of the log. `coms restore` brings it back. Deleted texts stay in backups that were made before.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Write this file, which must not be there yet; in a folder it is named for the server and the time; `-` is standard
    /// output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Afterwards keep only so many backups of this server in the folder: the new one, and the newest before it
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    #[command(flatten)]
    protection: Protection,
    /// Do not check the copy: faster, and a damage of the database goes unnoticed
    #[arg(long)]
    no_check: bool,
    /// Where the copy lies until it is compressed; it takes as much room as the database [default: beside the database]
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What was written.
struct Written {
    manifest: Manifest,
    path: Option<PathBuf>,
    bytes: Option<u64>,
    is_encrypted: bool,
    /// Older ones that had to go.
    removed: Vec<PathBuf>,
}

impl Backup {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        self.check_output()?;
        let settings = self.database.settings.load(globals)?;
        self.protection.ask(settings.file(), globals, |lock, env| {
            let stop = Stop::take_over()?;
            self.back_up(&settings, lock, env, globals, &stop)
        })
    }

    fn check_output(&self) -> Result<(), CliError> {
        let to_stdout = self.output.as_os_str() == "-";
        if to_stdout && self.json {
            return Err(CliError::usage("the backup and the JSON object can't both go to standard output"));
        }
        if to_stdout && io::stdout().is_terminal() {
            return Err(CliError::usage("a backup is nothing for a terminal").hint("name a file or a folder with `-o`"));
        }
        if self.keep.is_some() && !self.output.is_dir() {
            return Err(CliError::usage("`--keep` needs a folder that is there")
                .hint("name it with `-o FOLDER`; only backups that got their name there are removed"));
        }
        destination::check(&self.output)
    }

    fn back_up(
        &self,
        settings: &Settings,
        lock: &super::archive::Lock,
        env: Option<&EnvFile>,
        globals: &Globals,
        stop: &Stop,
    ) -> Result<Exit, CliError> {
        let path = self.database.path_in(settings)?;
        let copied = Copied::make(&path, self.scratch.as_deref(), settings, globals, stop)?;
        lower_priority();
        if env.is_some() {
            protection::check_identity(settings, &copied)?;
        }
        let checked = self.check(&copied, globals, stop)?;
        let manifest = manifest(&copied, checked.as_ref(), env, globals, stop)?;
        let destination = Destination::choose(&self.output, &manifest, lock.is_locked())?;
        let archive = ArchiveWriter::begin(destination.writer(), lock, &manifest);
        let written = archive.and_then(|mut archive| {
            if let Some(env) = env {
                archive.env(env.document.text().as_bytes())?;
            }
            let bar = bytes_bar(globals, "writing", copied.bytes);
            let reader = copied.reader(stop)?;
            archive.database(copied.bytes, bar.wrap_read(reader))?;
            bar.finish_and_clear();
            archive.finish().map(drop)
        });
        // Whatever the failure looks like in the middle of a stream: the person wanted it to stop.
        stop.check()?;
        written.map_err(|error| destination.cannot_write(&error))?;
        let (path, bytes) = destination.publish()?;
        let is_broken = checked.as_ref().is_some_and(Checked::is_broken);
        let pruned = match (self.keep, &path) {
            // The older ones may be the last that are sound.
            (Some(keep), Some(path)) if !is_broken => retention::prune(
                &self.output,
                New { path, server: &manifest.server_id, now: Clock::system().now(), lock },
                keep,
            )?,
            _ => Pruned::default(),
        };
        pruned.warn(&manifest.server_id, globals);
        let removed = pruned.removed;
        let written = Written { manifest, path, bytes, is_encrypted: lock.is_locked(), removed };
        let exit = if is_broken { Exit::No } else { Exit::Done };
        Ok(exit.printed(self.report(&written, checked.as_ref(), globals)))
    }

    fn check(&self, copied: &Copied, globals: &Globals, stop: &Stop) -> Result<Option<Checked>, CliError> {
        if self.no_check {
            return Ok(None);
        }
        let checked = check_copy(copied.path(), copied.public_key, globals, stop)?;
        checked.tell(globals);
        if checked.is_broken() {
            globals.warn("the database is damaged; it is backed up as it is, and older backups are left alone");
        }
        Ok(Some(checked))
    }

    fn report(&self, written: &Written, checked: Option<&Checked>, globals: &Globals) -> io::Result<()> {
        let Written { manifest, path, bytes, is_encrypted, removed } = written;
        let shown = |path: &PathBuf| path.display().to_string();
        if self.json {
            let object = serde_json::json!({
                "file": path.as_ref().map(shown),
                "bytes": bytes,
                "encrypted": is_encrypted,
                "manifest": manifest,
                "breaks": checked.map(|checked| checked.breaks.listed()),
                "removed": removed.iter().map(shown).collect::<Vec<_>>(),
            });
            return writeln!(io::stdout(), "{}", json_line(&object)?);
        }
        for gone in removed {
            globals.say(format_args!("removed `{}`", printable(&shown(gone))));
        }
        let (Some(path), Some(bytes)) = (path, bytes) else { return Ok(()) };
        if globals.quiet {
            return Ok(());
        }
        let state = match checked {
            None => "not checked",
            Some(checked) if checked.is_broken() => "damaged",
            Some(_) => "checked",
        };
        let counts = manifest.counts;
        let path = shown(path);
        writeln!(
            io::stdout(),
            "{}: {} messages, {} log entries, {}{}, {state}",
            printable(&path),
            counts.messages,
            counts.entries,
            HumanBytes(*bytes),
            if *is_encrypted { ", encrypted" } else { "" },
        )
    }
}

fn manifest(
    copied: &Copied,
    checked: Option<&Checked>,
    env: Option<&EnvFile>,
    globals: &Globals,
    stop: &Stop,
) -> Result<Manifest, CliError> {
    let env = env.map(|env| {
        let text = env.document.text().as_bytes();
        FileRecord { name: ENV.to_owned(), bytes: text.len() as u64, sha256: Digest::of(text) }
    });
    let database = FileRecord { name: DATABASE.to_owned(), bytes: copied.bytes, sha256: copied.digest(globals, stop)? };
    Ok(Manifest {
        format: MANIFEST_VERSION,
        coms: env!("CARGO_PKG_VERSION").into(),
        created_at: copied.at,
        server_id: copied.server_id.clone(),
        public_key: copied.public_key,
        schema: SCHEMA,
        chain_length: copied.head.length,
        chain_hash: copied.head.hash.into(),
        head: copied.signed.clone(),
        counts: copied.counts,
        faults: checked.map(|checked| checked.breaks.total()),
        files: env.into_iter().chain([database]).collect(),
    })
}

/// The server and its members come first, once its write-ahead log is not held any more. For this thread and those that it
/// starts.
fn lower_priority() {
    #[cfg(unix)]
    rustix::process::nice(19).ok();
}
