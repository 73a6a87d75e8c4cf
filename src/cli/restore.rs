//! `coms restore`: checks a backup in every way, says what it would take back, and puts it in the place of the database.
//!
//! Nothing gets its name before everything is checked, and nothing that was there is lost.

pub(in crate::cli) mod known;
mod place;
mod report;
mod source;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::TempDir;

use self::known::Known;
use self::place::Place;
use self::report::{Outcome, Report};
use self::source::{Source, SourceArgs};
use super::archive::{ArchiveReader, Digest, Manifest};
use super::check_copy::{Checked, bytes_bar, check_copy};
use super::stop_flag::Stop;
use super::{CliError, Exit, Globals, SettingsArgs, printable};
use crate::channels::head_of;
use crate::logchain::Head;
use crate::staged_file::{Existing, StagedFile, beside, create_directories, folder_of};
use crate::storage::{AsIs, Database, DatabaseLock, LockError, Opened, mark_restored, set_aside};
use crate::time::Clock;

/// How the name of an old database ends.
const KEPT: &str = ".before-restore";

/// Bring a backup back, as the configured database
///
/// Checks the checksums, the file and the whole log first, and says how far the backup is behind what is known of the
/// server. The server must not run. A configuration in the backup is written too, if there is none.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
pub(super) struct Restore {
    /// The backup; `-` is standard input
    file: PathBuf,
    /// Only check it, and say what would be done; a server may be running
    #[arg(long)]
    dry_run: bool,
    /// Replace the database that is there; it is kept beside the new one
    #[arg(long)]
    force: bool,
    /// Take the backup even though its log has faults
    #[arg(long)]
    accept_breaks: bool,
    /// Only write the configuration in the backup, to `.env` or the file named with `-e`, which must not be there yet
    #[arg(long, conflicts_with_all = ["dry_run", "force", "accept_breaks"])]
    only_env: bool,
    #[command(flatten)]
    source: SourceArgs,
    /// What `coms verify-chain` remembers is in this file
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// The database out of the backup, under a name that is not final, and checked.
struct Unpacked {
    staged: StagedFile,
    checked: Checked,
    /// Holds the file of a dry run, where there is no folder for it yet.
    _folder: Option<TempDir>,
}

impl Restore {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        self.source.open(&self.file, |source| {
            let stop = Stop::take_over()?;
            self.restore(source, globals, &stop)
        })
    }

    fn restore(&self, mut source: Source, globals: &Globals, stop: &Stop) -> Result<Exit, CliError> {
        let archive = ArchiveReader::open(source.take_input()).map_err(|damage| source.explain(&damage))?;
        let manifest = archive.manifest().clone();
        if self.only_env && archive.env().is_none() {
            return Err(CliError::failed("the backup holds no configuration")
                .hint("`coms backup --include-secrets` makes backups that do"));
        }
        let place = Place::find(&self.settings, archive.env(), globals)?;
        place.check_identity(&manifest)?;
        if self.only_env {
            return place.write_only_env(globals);
        }
        let target = &resolved(&place.database);
        let lock = self.lock(target)?;
        let is_there = fs::symlink_metadata(target).is_ok();
        if is_there && !self.force && !self.dry_run {
            return Err(CliError::usage(format!("there is a database at `{}` already", shown(target)))
                .hint("`--force` puts the backup in its place, and keeps the old one beside it")
                .hint("`--dry-run` says what the backup would take back"));
        }
        let Unpacked { staged, checked, _folder } = self.unpack(archive, &source, target, globals, stop)?;
        let (known, problems) = self.compare(staged.path(), checked.head, &manifest, target)?;
        let mut report = Report {
            file: &self.file,
            manifest: &manifest,
            checked: &checked,
            known,
            problems,
            target,
            env: place.env_state(),
            outcome: Outcome::Refused,
        };
        checked.tell(globals);
        if checked.is_broken() && !self.accept_breaks {
            let printed = report.print(self.json);
            globals.warn("the backup is not restored, since its log has faults; `--accept-breaks` takes it as it is");
            return Ok(Exit::No.printed(printed));
        }
        report.outcome = match lock {
            None => Outcome::Checked { is_there, holder: DatabaseLock::holder(target) },
            Some(lock) => {
                // First the configuration: a restore that ends after it can simply be begun anew.
                place.write_env()?;
                mark_restored(&staged, Clock::system().now())?;
                Outcome::Restored { kept: put_in_place(staged, &lock)? }
            }
        };
        let printed = report.print(self.json);
        self.advise(&report, globals);
        Ok(Exit::Done.printed(printed))
    }

    /// Nobody writes to the database from here on; a dry run minds nobody.
    fn lock(&self, target: &Path) -> Result<Option<DatabaseLock>, CliError> {
        if self.dry_run {
            return Ok(None);
        }
        let folder = folder_of(target);
        create_directories(folder).map_err(|error| {
            CliError::failed(format!("cannot make the folder `{}`: {error}", shown(folder))).hint("check DB_PATH")
        })?;
        DatabaseLock::take(target, "coms restore").map(Some).map_err(|error| {
            let failed = CliError::failed(error.to_string());
            match error {
                LockError::Held { .. } => failed.hint("stop that process first; `--dry-run` only checks the backup"),
                LockError::Io { .. } | LockError::Database { .. } => {
                    failed.hint("check DB_PATH, and that this user may write there")
                }
            }
        })
    }

    fn unpack(
        &self,
        archive: ArchiveReader<Box<dyn io::BufRead>>,
        source: &Source,
        target: &Path,
        globals: &Globals,
        stop: &Stop,
    ) -> Result<Unpacked, CliError> {
        let manifest = archive.manifest().clone();
        let bytes = manifest.database().map_or(0, |record| record.bytes);
        let (staged, folder) = self.stage(target)?;
        check_room(staged.path(), bytes)?;
        let bar = bytes_bar(globals, "unpacking", bytes);
        let unpacked = archive.database(&mut staged.file(), |done| {
            bar.set_position(done);
            stop.check().is_ok()
        });
        bar.finish_and_clear();
        stop.check()?;
        unpacked.map_err(|damage| source.explain(&damage))?;
        let checked = check_copy(staged.path(), manifest.public_key, globals, stop)?;
        Ok(Unpacked { staged, checked, _folder: folder })
    }

    /// The file that it is unpacked to; for a dry run one that never gets a name, if need be in the system's folder for
    /// such files.
    fn stage(&self, target: &Path) -> Result<(StagedFile, Option<TempDir>), CliError> {
        let beside_it = if self.dry_run { beside(target, ".restore-check") } else { target.to_owned() };
        match StagedFile::for_target(&beside_it) {
            Ok(staged) => return Ok((staged, None)),
            Err(error) if !self.dry_run || error.kind() == io::ErrorKind::WouldBlock => {
                return Err(cannot_write(&beside_it, &error));
            }
            Err(_) => {}
        }
        let folder = tempfile::Builder::new().prefix("coms-restore-").tempdir()?;
        let path = folder.path().join("messages.db");
        let staged = StagedFile::for_target(&path).map_err(|error| cannot_write(&path, &error))?;
        Ok((staged, Some(folder)))
    }

    /// What is known of the server elsewhere, against what the backup holds; and what could not be looked at.
    fn compare(
        &self,
        staged: &Path,
        head: Head,
        manifest: &Manifest,
        target: &Path,
    ) -> Result<(Vec<Known>, Vec<String>), CliError> {
        let Opened::Coms(database) = AsIs::prepare(staged)?.open()? else {
            return Err(CliError::failed("the database in the backup is one of the Go reference server"));
        };
        check_manifest(&database, manifest)?;
        let mut problems = Vec::new();
        let known = known::all(&database, head, manifest, target, self.state.as_deref(), &mut problems)?;
        Ok((known, problems))
    }

    /// What the operator has to tell others now.
    fn advise(&self, report: &Report<'_>, globals: &Globals) {
        if let Some(advice) = report.advice() {
            globals.say(advice);
        }
        if !self.dry_run && report.env.lacks_configuration() {
            globals.say(
                "no configuration came with the backup and none is here: `coms serve` needs the server's old id and keys",
            );
        }
    }
}

/// The database must be the one that the manifest describes, in all that the manifest says of it.
fn check_manifest(database: &Database, manifest: &Manifest) -> Result<(), CliError> {
    let (id, key) = database.identity()?;
    let head = head_of(database.head()?);
    let counts = database.counts()?;
    let signed = manifest.head.as_ref();
    let is_signed = signed.is_none_or(|signed| {
        signed.head == head && manifest.server_id.is(&signed.server_id) && signed.is_signed_by(&manifest.public_key)
    });
    let problem = if !id.is_some_and(|id| manifest.server_id.is(&id)) {
        "its database is of another server than its manifest says".to_owned()
    } else if key.as_ref() != Some(manifest.public_key.as_bytes()) {
        "its database has another public key than its manifest says".to_owned()
    } else if (head.length, Digest::from(head.hash)) != (manifest.chain_length, manifest.chain_hash) {
        let (said, hash) = (manifest.chain_length, manifest.chain_hash);
        format!(
            "its manifest says {said} log entries up to {hash}, and its database has {} up to {}",
            head.length, head.hash
        )
    } else if !is_signed {
        "the signed head in its manifest is not that of its database".to_owned()
    } else if counts != manifest.counts {
        let (said, found) = (manifest.counts, counts);
        format!("its manifest says it holds {said}, and its database holds {found}")
    } else {
        return Ok(());
    };
    Err(CliError::failed(format!("the backup contradicts itself: {problem}"))
        .hint("somebody changed it after it was made; take another one"))
}

/// Gives the new database its name, and the old one another. Returns that.
fn put_in_place(staged: StagedFile, lock: &DatabaseLock) -> Result<Option<PathBuf>, CliError> {
    let target = lock.path();
    let kept = set_aside(lock, KEPT).map_err(|error| {
        CliError::failed(format!("cannot keep the database `{}`: {error}; it is as it was", shown(target)))
    })?;
    staged.publish(Existing::Replace).map_err(|error| cannot_write(target, &error))?;
    Ok(kept)
}

/// What a link points to is replaced, not the link.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Refuses a backup for which there is no room, before it fills the disk.
fn check_room(target: &Path, bytes: u64) -> Result<(), CliError> {
    #[cfg(unix)]
    if let Ok(disk) = rustix::fs::statvfs(target) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < bytes {
            let target = shown(target);
            return Err(CliError::failed(format!(
                "there is no room for `{target}`: the backup says that its database has {bytes} bytes, and {free} are free"
            ))
            .hint("make room, or set DB_PATH to a file on another disk"));
        }
    }
    let _ = (target, bytes);
    Ok(())
}

fn cannot_write(target: &Path, error: &io::Error) -> CliError {
    let failed = CliError::failed(format!("cannot write `{}`: {error}", shown(target)));
    match error.kind() {
        io::ErrorKind::WouldBlock => failed.hint("another process is restoring or adopting it: wait until it is done"),
        io::ErrorKind::StorageFull => failed.hint("make room, or set DB_PATH to a file on another disk"),
        _ => failed.hint("check DB_PATH, and that this user may write there"),
    }
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).to_string()
}
