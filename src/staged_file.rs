//! A file that is made beside its place, and gets its name only when it is whole and on the disk.
//!
//! It is always a new file, with a name that nobody else uses: nothing that exists is ever opened for writing. Whoever dies
//! in between leaves a file with such a name, which the next one clears away, and under the final name what was there before.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::file_identity::FileIdentity;
use crate::private_file;

/// What SQLite puts beside a database.
pub(crate) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How the name of a database's lock ends.
pub(crate) const LOCK_SUFFIX: &str = ".lock";

/// How the name of an unfinished file ends, after a dot and random hex digits.
const PARTIAL: &str = ".partial";
const RANDOM_BYTES: usize = 8;

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
    /// while another process stages the same file, this fails with [`ErrorKind::WouldBlock`]. A name that SQLite or a lock
    /// of a database has a claim to is refused with [`ErrorKind::InvalidInput`].
    pub fn for_target(target: &Path) -> io::Result<Self> {
        refuse_names_of_databases(target)?;
        let (staged, file) = create_locked(target)?;
        let this = Self { staged, target: target.to_owned(), file, published: false };
        clear_leftovers(target, &this.staged)?;
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
    sync_directory(folder_of(path))
}

/// Makes the directory at `path` and those above it that are missing, for their owner alone, durably.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = folder_of(path);
    create_directories(parent)?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.and_then(|()| sync_directory(parent)),
    }
}

/// The folder that `path` is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Makes and locks a file with a name of its own.
fn create_locked(target: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let staged = beside(target, &format!(".{}{PARTIAL}", hex::encode(random)));
        let file = match private_file::create_new(&staged) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            made => made?,
        };
        private_file::only_for_owner(&file)?;
        file.lock()?;
        // Between making and locking it, another process may have taken it for a leftover.
        if is_at(&file, &staged) {
            return Ok((staged, file));
        }
    }
}

/// Removes what interrupted runs left of `target`, all but `own`. Fails if one of them is still under way.
fn clear_leftovers(target: &Path, own: &Path) -> io::Result<()> {
    let folder = folder_of(target);
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for name in entries.filter_map(Result::ok).map(|entry| entry.file_name()) {
        let is_leftover = unfinished_target(&name).is_some_and(|of| Some(OsStr::new(of)) == target.file_name());
        if is_leftover && own.file_name() != Some(&name) {
            remove_leftover(&folder.join(name))?;
        }
    }
    Ok(())
}

/// Removes an unfinished file, unless its maker is at work: then this fails with [`ErrorKind::WouldBlock`].
pub fn remove_leftover(path: &Path) -> io::Result<()> {
    // What can't be opened is somebody else's.
    let Ok(file) = private_file::open(path) else { return Ok(()) };
    match file.try_lock() {
        Ok(()) if is_at(&file, path) => {
            remove_side_files(path);
            fs::remove_file(path)
        }
        // Opened and then published by its maker, it has this name no more.
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The name that the unfinished file `name` is to get; `None` if that is not the name of one.
pub fn unfinished_target(name: &OsStr) -> Option<&str> {
    let (target, random) = name.to_str()?.strip_suffix(PARTIAL)?.rsplit_once('.')?;
    let is_random = random.len() == RANDOM_BYTES * 2 && random.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    (is_random && !target.is_empty()).then_some(target)
}

/// A file of such a name beside a database would be taken for a part of it.
pub(crate) fn refuse_names_of_databases(target: &Path) -> io::Result<()> {
    let is_claimed = |suffix: &str| {
        let name = target.as_os_str().to_str().and_then(|name| name.strip_suffix(suffix));
        name.is_some_and(|database| fs::metadata(database).is_ok_and(|database| database.is_file()))
    };
    match SIDE_FILES.into_iter().chain([LOCK_SUFFIX]).find(|suffix| is_claimed(suffix)) {
        Some(suffix) => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!("a name that ends with `{suffix}` belongs to the file beside it that is called so without it"),
        )),
        None => Ok(()),
    }
}

/// Whether the open file is still the one with this name.
fn is_at(file: &File, path: &Path) -> bool {
    let named = fs::symlink_metadata(path).map(|metadata| FileIdentity::of(&metadata));
    named.is_ok_and(|named| FileIdentity::of_file(file).is_ok_and(|own| own == named))
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
        for side in ["", "-wal"] {
            fs::write(folder.path().join(format!("x.0123456789abcdef.partial{side}")), "left by a kill")
                .expect("a file");
        }
        let staged = StagedFile::for_target(&target).expect("staged");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "the leftover goes");
        assert_eq!(StagedFile::for_target(&target).expect_err("under way").kind(), ErrorKind::WouldBlock);
        staged.publish(Existing::Keep).expect("the first is not disturbed");
    }

    #[test]
    fn files_with_similar_names_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            "x.partial",
            "x.0123456789ABCDEF.partial",
            "x.0123.partial",
            "y.0123456789abcdef.partial",
            "x.partial-wal",
        ];
        for name in names {
            fs::write(folder.path().join(name), "mine").expect("a file");
        }
        drop(StagedFile::for_target(&folder.path().join("x")).expect("staged"));
        for name in names {
            assert_eq!(fs::read(folder.path().join(name)).expect("the file"), b"mine", "{name}");
        }
    }

    #[test]
    fn names_that_belong_to_a_database_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("m.db");
        for suffix in ["-wal", "-shm", "-journal", ".lock"] {
            StagedFile::for_target(&beside(&database, suffix)).expect("there is no database");
        }
        fs::write(&database, "").expect("a file");
        for suffix in ["-wal", "-shm", "-journal", ".lock"] {
            let refused = StagedFile::for_target(&beside(&database, suffix)).expect_err("it is the database's");
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{suffix}");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn missing_directories_are_made_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b/c");
        create_directories(&path).expect("made");
        create_directories(&path).expect("they are there");
        #[cfg(unix)]
        for made in ["a", "a/b", "a/b/c"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join(made)).expect("metadata").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{made}");
        }
        fs::write(folder.path().join("file"), "").expect("a file");
        assert!(create_directories(&folder.path().join("file")).is_err());
        assert!(create_directories(&folder.path().join("file/x")).is_err());
    }
}
