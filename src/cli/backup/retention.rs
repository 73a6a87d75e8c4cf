//! `--keep`: removes older backups of the same server, and nothing that could be anything else.

use std::fs::{self, DirEntry, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::super::archive::{ArchiveReader, Lock, is_encrypted};
use super::super::{CliError, Globals, printable};
use super::file_name::{FileName, Owner};
use crate::ids::ServerId;
use crate::time::Timestamp;

/// What `--keep` did.
#[derive(Debug, Default)]
pub(super) struct Pruned {
    /// These are gone.
    pub(super) removed: Vec<PathBuf>,
    /// Named for a later time than now: neither counted nor removed.
    later: Vec<PathBuf>,
    /// Named as earlier versions did, and nothing says whether the server is this one or another that shares eight digits.
    unclear: Vec<PathBuf>,
}

/// The backup that was just made.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) path: &'a Path,
    pub(super) server: &'a ServerId,
    /// The time once it was made.
    pub(super) now: Timestamp,
    /// What it is encrypted with.
    pub(super) lock: &'a Lock,
}

/// Removes the backups of the server of `new` in `folder`, but `new` and the newest before it, so that `keep` are left.
///
/// The whole id in a name decides whose it is; where only eight digits are there, the manifest in the file. Fails if `new`
/// is not there afterwards.
pub(super) fn prune(folder: &Path, new: New<'_>, keep: u32) -> Result<Pruned, CliError> {
    let mut pruned = Pruned::default();
    let now = FileName::new(new.server, new.now, false).time;
    let age = |name: FileName| (name.time, name.number);
    let own_age = new.path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse).map(age);
    let mut others = Vec::new();
    for entry in files_in(folder).map_err(|error| cannot_prune(folder, &error))? {
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().and_then(FileName::parse) else { continue };
        if path.file_name() == new.path.file_name() {
            continue;
        }
        match is_of(&name, &path, new) {
            Some(false) => {}
            None => pruned.unclear.push(path),
            Some(true) if name.time > now => pruned.later.push(path),
            Some(true) => others.push((age(name), path)),
        }
    }
    others.sort();
    others.reverse();
    let kept = usize::try_from(keep).unwrap_or(usize::MAX).saturating_sub(1);
    // One that was made at the same time by another process counts, but it is as new as this one.
    for (_, path) in others.into_iter().skip(kept).filter(|(age, _)| own_age.as_ref().is_some_and(|own| age < own)) {
        fs::remove_file(&path).map_err(|error| cannot_prune(&path, &error))?;
        pruned.removed.push(path);
    }
    if fs::symlink_metadata(new.path).is_err() {
        let message = format!("the backup was made, but something else removed it: `{}`", new.path.display());
        return Err(CliError::failed(message).hint("does another program clear that folder? make another backup"));
    }
    Ok(pruned)
}

impl Pruned {
    /// Says what could not be judged.
    pub(super) fn warn(&self, server: &ServerId, globals: &Globals) {
        if let Some((example, count)) = first(&self.later) {
            globals.warn(format_args!(
                "passed over, since their names are of a later time than now: {count}, such as `{example}`; look at the \
                 clock, and remove them if they are wrong"
            ));
        }
        if let Some((example, count)) = first(&self.unclear) {
            let id = server.uuid();
            globals.warn(format_args!(
                "passed over, since nothing tells whose they are: {count}, such as `{example}`; if they are of this \
                 server, put its whole id into their names, as in `coms-{id}-…`"
            ));
        }
    }
}

fn first(paths: &[PathBuf]) -> Option<(String, usize)> {
    paths.iter().min().map(|path| (path.display().to_string(), paths.len()))
}

/// Whether a file is a backup of the server of `new`; `None` if that can't be told.
fn is_of(name: &FileName, path: &Path, new: New<'_>) -> Option<bool> {
    let id = new.server.uuid();
    match &name.owner {
        Owner::Server(owner) => Some(*owner == id),
        Owner::Digits(digits) if !id.as_simple().to_string().starts_with(digits) => Some(false),
        Owner::Digits(_) => Some(server_in(path, new.lock)?.uuid() == id),
    }
}

/// The server in the manifest of the backup at `path`, if that can be read; an encrypted one with the passphrase of
/// the new backup.
fn server_in(path: &Path, lock: &Lock) -> Option<ServerId> {
    let mut input = BufReader::new(File::open(path).ok()?);
    let input: Box<dyn io::BufRead> = if is_encrypted(input.fill_buf().ok()?) {
        Box::new(BufReader::new(lock.open(input)?))
    } else {
        Box::new(input)
    };
    Some(ArchiveReader::open(input).ok()?.manifest().server_id.clone())
}

/// The plain files in `folder`.
pub(super) fn files_in(folder: &Path) -> io::Result<impl Iterator<Item = DirEntry> + use<>> {
    let is_file = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    Ok(fs::read_dir(folder)?.filter_map(Result::ok).filter(is_file))
}

fn cannot_prune(path: &Path, error: &io::Error) -> CliError {
    let path = path.display().to_string();
    CliError::failed(format!("the backup is made, but cannot remove old ones in `{}`: {error}", printable(&path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_backup_that_is_gone_is_no_success() {
        let folder = tempfile::tempdir().expect("a folder");
        let server: ServerId = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let created_at = Timestamp::from_unix_ms(1_777_723_200_000);
        let path = folder.path().join(FileName::new(&server, created_at, false).to_string());
        let new = New { path: &path, server: &server, now: created_at, lock: &Lock::Open };
        let refused = prune(folder.path(), new, 1).expect_err("it is not there");
        assert!(refused.is_failure() && refused.describe().contains("something else removed it"), "{refused:?}");
        fs::write(&path, "").expect("a file");
        assert!(prune(folder.path(), new, 1).expect("it is there").removed.is_empty());
    }
    #[test]
    fn what_another_process_made_meanwhile_stays_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let server: ServerId = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let at = |second: u64| Timestamp::from_unix_ms(1_777_723_200_000 + second * 1000);
        let paths =
            [0, 1, 2, 3, 4].map(|second| folder.path().join(FileName::new(&server, at(second), false).to_string()));
        for path in &paths {
            fs::write(path, "").expect("a file");
        }
        let new = New { path: &paths[2], server: &server, now: at(3), lock: &Lock::Open };
        let pruned = prune(folder.path(), new, 1).expect("the new one is there");
        assert_eq!((pruned.removed, pruned.later), (vec![paths[1].clone(), paths[0].clone()], vec![paths[4].clone()]));
    }
}
