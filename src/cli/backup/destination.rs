//! Where a backup goes: a file, a dated one in a folder, or standard output.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::archive::Manifest;
use super::super::{CliError, printable};
use super::file_name::{FileName, MAX_NUMBER, Owner};
use super::retention::files_in;
use crate::staged_file::{Existing, StagedFile, remove_leftover, unfinished_target};

/// Backups that are there already are never replaced.
pub(super) enum Destination {
    Stdout,
    File { staged: StagedFile, path: PathBuf },
}

impl Destination {
    /// Begins the file `output`, or in the folder of that name one that is named for the server and the time.
    pub(super) fn choose(output: &Path, manifest: &Manifest, is_encrypted: bool) -> Result<Self, CliError> {
        if output == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let path = if output.is_dir() {
            clear_leftovers(output, manifest);
            free_name(output, manifest, is_encrypted)?
        } else {
            output.to_owned()
        };
        let staged = StagedFile::for_target(&path).map_err(|error| cannot_write(&path, &error))?;
        Ok(Self::File { staged, path })
    }

    /// Where it is written.
    pub(super) fn writer(&self) -> Box<dyn Write + '_> {
        match self {
            Self::Stdout => Box::new(io::stdout().lock()),
            Self::File { staged, .. } => Box::new(staged.file()),
        }
    }

    /// Gives the file its name, once it is on the disk. Returns the name and how large it is.
    pub(super) fn publish(self) -> Result<(Option<PathBuf>, Option<u64>), CliError> {
        let Self::File { staged, path } = self else { return Ok((None, None)) };
        let failed = |error: io::Error| cannot_write(&path, &error);
        let bytes = staged.file().metadata().map_err(failed)?.len();
        staged.publish(Existing::Keep).map_err(failed)?;
        Ok((Some(path), Some(bytes)))
    }

    /// What it means that it can't be written.
    pub(super) fn cannot_write(&self, error: &io::Error) -> CliError {
        match self {
            // A reader that went away has no backup: unlike with a text, that is a failure.
            Self::Stdout => CliError::failed(format!("cannot write the backup to standard output: {error}")),
            Self::File { path, .. } => cannot_write(path, error),
        }
    }
}

/// Refuses early what would be refused in the end.
pub(super) fn check(output: &Path) -> Result<(), CliError> {
    if output == Path::new("-") || output.is_dir() {
        return Ok(());
    }
    if fs::symlink_metadata(output).is_ok() {
        return Err(exists(output));
    }
    let folder = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return Ok(());
    }
    let folder = folder.display().to_string();
    Err(CliError::failed(format!("cannot write the backup: the folder `{}` is not there", printable(&folder))))
}

fn free_name(folder: &Path, manifest: &Manifest, is_encrypted: bool) -> Result<PathBuf, CliError> {
    let mut name = FileName::new(&manifest.server_id, manifest.created_at, is_encrypted);
    for number in 1..=MAX_NUMBER {
        name.number = number;
        let is_free = |is_encrypted| {
            let taken = FileName { is_encrypted, ..name.clone() }.to_string();
            fs::symlink_metadata(folder.join(taken)).is_err()
        };
        if is_free(false) && is_free(true) {
            return Ok(folder.join(name.to_string()));
        }
    }
    Err(CliError::failed(format!("no name is free in `{}`", printable(&folder.display().to_string()))))
}

/// What backups of this server left that were killed; those that are under way hold a lock.
fn clear_leftovers(folder: &Path, manifest: &Manifest) {
    let owner = Owner::Server(manifest.server_id.uuid());
    let Ok(files) = files_in(folder) else { return };
    for entry in files {
        let name = entry.file_name();
        let target = unfinished_target(&name).and_then(FileName::parse);
        if target.is_some_and(|target| target.owner == owner) {
            remove_leftover(&entry.path()).ok();
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> CliError {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return exists(path);
    }
    let shown = path.display().to_string();
    let failed = CliError::failed(format!("cannot write the backup to `{}`: {error}", printable(&shown)));
    match error.kind() {
        io::ErrorKind::WouldBlock => failed.hint("another backup writes there: wait until it is done"),
        io::ErrorKind::StorageFull => failed.hint("nothing was left behind; make room, or name another disk"),
        _ => failed,
    }
}

fn exists(path: &Path) -> CliError {
    let shown = path.display().to_string();
    CliError::usage(format!("`{}` exists already", printable(&shown)))
        .hint("name another file, or a folder, in which each backup gets a name of its own")
}
