//! Where a backup goes: a file, a dated one in a folder, or standard output.

use std::fs::{self, DirEntry};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::archive::Manifest;
use super::super::{CliError, printable};
use crate::staged_file::{Existing, StagedFile};

/// How many backups of one second get names.
const MAX_NUMBER: u32 = 99;

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
    pub(super) fn cannot_write(&self, error: io::Error) -> CliError {
        match self {
            // A reader that went away is told from other failures by what is underneath.
            Self::Stdout => anyhow::Error::from(error).context("cannot write the backup to standard output").into(),
            Self::File { path, .. } => cannot_write(path, &error),
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

/// Removes all but the `keep` newest backups of the manifest's server, and nothing whose name is not exactly that of one.
pub(super) fn prune(folder: &Path, manifest: &Manifest, keep: u32) -> Result<Vec<PathBuf>, CliError> {
    let failed = |error: io::Error, path: &Path| {
        let path = path.display().to_string();
        CliError::failed(format!("the backup is made, but cannot remove old ones in `{}`: {error}", printable(&path)))
    };
    let mut backups: Vec<_> = files_in(folder)
        .map_err(|error| failed(error, folder))?
        .filter_map(|entry| Some((age_in_name(entry.file_name().to_str()?, manifest)?, entry.path())))
        .collect();
    backups.sort();
    backups.reverse();
    let mut removed = Vec::new();
    for (_, path) in backups.into_iter().skip(usize::try_from(keep).unwrap_or(usize::MAX)) {
        fs::remove_file(&path).map_err(|error| failed(error, &path))?;
        removed.push(path);
    }
    Ok(removed)
}

/// `coms-SERVER-TIME`, of which the first eight digits of the id tell servers apart that share a folder.
fn stem(manifest: &Manifest) -> String {
    let time: String = manifest.created_at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let seconds = time.split('.').next().unwrap_or_default();
    format!("{}{seconds}Z", prefix(manifest))
}

fn prefix(manifest: &Manifest) -> String {
    let id = manifest.server_id.to_lowercase();
    format!("coms-{}-", id.chars().filter(char::is_ascii_hexdigit).take(8).collect::<String>())
}

fn free_name(folder: &Path, manifest: &Manifest, is_encrypted: bool) -> Result<PathBuf, CliError> {
    let stem = stem(manifest);
    let age = if is_encrypted { ".age" } else { "" };
    for number in 1..=MAX_NUMBER {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let is_free = |ending| fs::symlink_metadata(folder.join(format!("{stem}{number}.tar.zst{ending}"))).is_err();
        if ["", ".age", ".partial", ".age.partial"].into_iter().all(is_free) {
            return Ok(folder.join(format!("{stem}{number}.tar.zst{age}")));
        }
    }
    Err(CliError::failed(format!("no name is free in `{}`", printable(&folder.display().to_string()))))
}

/// The time and the number in the name of a backup of this server; `None` for any other name.
fn age_in_name(name: &str, manifest: &Manifest) -> Option<(String, u32)> {
    let rest = name.strip_prefix(&prefix(manifest))?;
    let rest = rest.strip_suffix(".age").unwrap_or(rest).strip_suffix(".tar.zst")?;
    let (time, number) = match rest.split_once('-') {
        Some((time, number)) => (time, number.parse().ok().filter(|n| (2..=MAX_NUMBER).contains(n))?),
        None => (rest, 1),
    };
    let shape = |(at, c): (usize, char)| match at {
        8 => c == 'T',
        15 => c == 'Z',
        _ => c.is_ascii_digit(),
    };
    (time.len() == 16 && time.chars().enumerate().all(shape)).then(|| (time.to_owned(), number))
}

/// What backups left that were killed; those that are under way hold a lock.
fn clear_leftovers(folder: &Path, manifest: &Manifest) {
    let Ok(files) = files_in(folder) else { return };
    for entry in files {
        let name = entry.file_name();
        let target = name.to_str().and_then(|name| name.strip_suffix(".partial"));
        if let Some(target) = target.filter(|target| age_in_name(target, manifest).is_some()) {
            // To stage a file clears away what is left of it, and this one is dropped at once.
            StagedFile::for_target(&folder.join(target)).ok();
        }
    }
}

fn files_in(folder: &Path) -> io::Result<impl Iterator<Item = DirEntry> + use<>> {
    let is_file = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    Ok(fs::read_dir(folder)?.filter_map(Result::ok).filter(is_file))
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
