//! A file that is made beside its place, and gets its name only when it is whole and on the disk.
//!
//! Whoever dies in between leaves a file with another name, which the next one clears away, and under the final name what
//! was there before.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::private_file;

/// What SQLite puts beside a database.
pub(crate) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What is done about a file that has the final name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the publishing fails with [`ErrorKind::AlreadyExists`].
    Keep,
    /// The new one takes its place, in one step.
    Replace,
}

/// A file under way. Dropped before it is published, it is removed, with whatever SQLite put beside it.
#[derive(Debug)]
pub struct StagedFile {
    /// Where it is until then.
    staged: PathBuf,
    target: PathBuf,
    /// Open and locked as long as the file is under way, so that no other process takes it for a leftover.
    file: File,
    published: bool,
}

impl StagedFile {
    /// Makes an empty file, only for its owner, that is to become `target`. What an interrupted run left is cleared away;
    /// while another process stages the same file, this fails with [`ErrorKind::WouldBlock`].
    pub fn for_target(target: &Path) -> io::Result<Self> {
        let staged = beside(target, ".partial");
        let mut file = open_and_lock(&staged)?;
        if !private_file::is_own(&file)? {
            // The second name of a file that was just published when its maker died, or a trap: only the name goes.
            fs::remove_file(&staged)?;
            file = open_and_lock(&staged)?;
        }
        let this = Self { staged, target: target.to_owned(), file, published: false };
        private_file::only_for_owner(&this.file)?;
        this.file.set_len(0)?;
        remove_side_files(&this.staged);
        Ok(this)
    }

    /// Where it is until it is published.
    pub fn path(&self) -> &Path {
        &self.staged
    }

    /// The file itself, for writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes it durable and gives it its name, durably too. Databases in it must be closed.
    pub fn publish(mut self, existing: Existing) -> io::Result<()> {
        self.file.sync_all()?;
        match existing {
            Existing::Replace => fs::rename(&self.staged, &self.target)?,
            Existing::Keep => rename_to_free_name(&self.staged, &self.target)?,
        }
        self.published = true;
        sync_directory_of(&self.target)
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.published {
            fs::remove_file(&self.staged).ok();
        }
        remove_side_files(&self.staged);
    }
}

/// `path` with `suffix` at its end.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Gives the file at `path` the second name `kept`, which must be free, durably, and makes it one for its owner only.
pub fn keep_as(path: &Path, kept: &Path) -> io::Result<()> {
    if let Err(error) = fs::hard_link(path, kept) {
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(error);
        }
        // A file system without links: a copy then.
        let copy = StagedFile::for_target(kept)?;
        io::copy(&mut File::open(path)?, &mut copy.file())?;
        copy.publish(Existing::Keep)?;
    }
    private_file::only_for_owner(&File::open(kept)?)?;
    sync_directory_of(kept)
}

/// Makes the name `path` durable: that of a new file, or of one that was renamed.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    sync_directory(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn open_and_lock(staged: &Path) -> io::Result<File> {
    let file = private_file::open_or_create(staged)?;
    match file.try_lock() {
        // Between opening and locking, its maker may have published it: then this is no leftover, but the file itself.
        Ok(()) if !is_at(&file, staged) => Err(ErrorKind::WouldBlock.into()),
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the open file is still the one with this name.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let named = fs::symlink_metadata(path).map(identity).ok();
        named.is_some() && named == file.metadata().map(identity).ok()
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// A link takes only a free name, in one step, where a renaming would replace what is there.
fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

fn remove_side_files(path: &Path) {
    for suffix in SIDE_FILES {
        fs::remove_file(beside(path, suffix)).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_published() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x.backup");
        let staged = StagedFile::for_target(&target).expect("a staged file");
        staged.file().write_all(b"whole").expect("written");
        assert!(!target.exists());
        staged.publish(Existing::Keep).expect("published");
        assert_eq!(fs::read(&target).expect("the file"), b"whole");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&target).expect("metadata").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_there_stays_unless_it_is_to_be_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x");
        fs::write(&target, "old").expect("a file");
        let refused =
            StagedFile::for_target(&target).expect("staged").publish(Existing::Keep).expect_err("it is there");
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).expect("the file"), b"old");
        StagedFile::for_target(&target).expect("staged").publish(Existing::Replace).expect("replaced");
        assert_eq!(fs::read(&target).expect("the file"), b"");
        drop(StagedFile::for_target(&target).expect("staged"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_leftover_is_cleared_and_a_file_under_way_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x");
        fs::write(beside(&target, ".partial"), "left by a kill").expect("a file");
        let staged = StagedFile::for_target(&target).expect("staged");
        assert_eq!(fs::metadata(staged.path()).expect("metadata").len(), 0);
        assert_eq!(StagedFile::for_target(&target).expect_err("under way").kind(), ErrorKind::WouldBlock);
    }

    #[cfg(unix)]
    #[test]
    fn what_somebody_put_in_its_place_is_not_written_into() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, other) = (folder.path().join("x"), folder.path().join("other"));
        fs::write(&other, "theirs").expect("a file");
        fs::hard_link(&other, beside(&target, ".partial")).expect("a second name");
        drop(StagedFile::for_target(&target).expect("a file of its own"));
        std::os::unix::fs::symlink(&other, beside(&target, ".partial")).expect("a link");
        StagedFile::for_target(&target).expect_err("it is a link");
        assert_eq!(fs::read(&other).expect("the file"), b"theirs");
    }
}
