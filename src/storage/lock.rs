//! The lock that makes a process the only one that writes to a database.
//!
//! There are two of them. One is on a file beside the database, which says who holds it; and so that no other name of the
//! database leads past it, one is on the database itself. That one is independent of SQLite's locks, but its file must stay
//! open until SQLite has closed its own: a process that closes any of its descriptors of a file gives up all the locks that
//! `fcntl` gave it, and those are SQLite's. For the same reason nothing here opens a database a second time.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::file_identity::{FileIdentity, other_kind};
use crate::private_file;
use crate::staged_file::{LOCK_SUFFIX, beside, folder_of, sync_directory_of};

/// How much of the lock file is read: who holds it fits into far less.
const HOLDER_BYTES: u64 = 256;

/// The databases that this process has locked. Not even to find them locked may it open them again.
static LOCKED_HERE: Mutex<Vec<FileIdentity>> = Mutex::new(Vec::new());

/// What stands between the holder's name and its process id.
const PROCESS: &str = ", process ";

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error("the database `{path}` is in use by {holder}")]
    Held {
        /// The database.
        path: PathBuf,
        /// What the holder says of itself.
        holder: String,
    },
    /// The lock file can't be used.
    #[error("cannot lock the database with `{path}`: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database itself can't be used.
    #[error("cannot open the database `{path}`: {cause}")]
    Database {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}

/// Held by whoever writes to a database, from before it is opened until after it is closed. A clone is the same lock, which
/// ends with the last of them.
///
/// The system drops the lock with the process, however that ends; the file itself stays.
#[derive(Debug, Clone)]
pub struct DatabaseLock(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// The database, as it was named.
    path: PathBuf,
    /// The lock file.
    lock: File,
    /// The database, once there is one: locked, where the system has locks that are not SQLite's.
    database: Mutex<Option<(File, FileIdentity)>>,
}

impl DatabaseLock {
    /// Takes the lock for the database at `path`, which need not exist, and leaves word in it that `holder` has it.
    pub fn take(path: &Path, holder: &str) -> Result<Self, LockError> {
        check_kind(path)?;
        let lock_path = Self::path_of(path).map_err(|source| LockError::Io { path: path.to_owned(), source })?;
        let failed = |source| LockError::Io { path: lock_path.clone(), source };
        let mut file = private_file::open_or_create(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder_in(&mut file).map_err(failed)?;
                return Err(LockError::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        if !is_lock_file(&mut file).map_err(failed)? {
            return Err(failed(io::Error::new(ErrorKind::InvalidData, "it is not a lock file of coms")));
        }
        let this = Self(Arc::new(Held { path: path.to_owned(), lock: file, database: Mutex::new(None) }));
        // Before the first word of the holder: a lock on the file by another name has another holder.
        if fs::symlink_metadata(path).is_ok() {
            this.hold_database()?;
        }
        this.say(holder)?;
        Ok(this)
    }

    /// Leaves word that `holder` has the lock.
    pub fn say(&self, holder: &str) -> Result<(), LockError> {
        let mut file = &self.0.lock;
        let said = file.set_len(0).and_then(|()| file.rewind());
        let said = said.and_then(|()| write!(file, "{holder}{PROCESS}{}", std::process::id()));
        said.map_err(|source| LockError::Io { path: beside(&self.0.path, LOCK_SUFFIX), source })
    }

    /// The database, as it was named.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// How many names the database has: more than one if there are hard links to it.
    pub fn names(&self) -> u64 {
        names_of(self.path())
    }

    /// Refuses the database at `path` if its lock is held under another name. SQLite keeps what was written last in a file
    /// beside the name: by this one, some of it would be missing, and what is written would damage the database.
    pub(super) fn refuse_other_name(path: &Path) -> Result<(), LockError> {
        if names_of(path) < 2 || Self::path_of(path).is_ok_and(|lock| is_held(&lock)) {
            return Ok(());
        }
        match FileIdentity::at(path).ok().and_then(holder_by_another_name) {
            Some(holder) => Err(LockError::Held { path: path.to_owned(), holder }),
            None => Ok(()),
        }
    }

    /// Whether the file that is held has a name, whichever: without one it is gone with the last process that has it open.
    pub(super) fn has_name(&self) -> bool {
        #[cfg(unix)]
        {
            let held = self.0.database.lock().unwrap_or_else(PoisonError::into_inner);
            let names = held.as_ref().and_then(|(file, _)| file.metadata().ok());
            names.is_none_or(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) > 0)
        }
        #[cfg(not(unix))]
        true
    }

    /// The file that is held; `None` if there was none yet.
    pub(super) fn identity(&self) -> Option<FileIdentity> {
        let held = self.0.database.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|(_, identity)| *identity)
    }

    /// Who holds the lock of the database at `path`, if anybody does. It may be another the next moment.
    pub fn holder(path: &Path) -> Option<String> {
        let lock = Self::path_of(path).ok().filter(|lock| lock.is_file())?;
        let mut file = File::open(lock).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder_in(&mut file).unwrap_or_default()),
            // Free, and free again with the end of this function.
            Ok(()) | Err(TryLockError::Error(_)) => holder_by_another_name(FileIdentity::at(path).ok()?),
        }
    }

    /// Makes the database, for its owner alone, if there is none, and locks the file that has the name now. SQLite must not
    /// have opened it yet.
    pub(super) fn hold_database(&self) -> Result<(), LockError> {
        let path = &self.0.path;
        let cannot = |error: io::Error| LockError::Database { path: path.clone(), cause: error.to_string() };
        let mut held = self.0.database.lock().unwrap_or_else(PoisonError::into_inner);
        match FileIdentity::at(path) {
            Ok(found) if held.as_ref().is_some_and(|(_, identity)| *identity == found) => return Ok(()),
            Ok(found) if locked_here().contains(&found) => {
                let holder = "this process, under another name".to_owned();
                return Err(LockError::Held { path: path.clone(), holder });
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                private_file::create_new(path).and_then(|_| sync_directory_of(path)).map_err(cannot)?;
            }
            Err(error) => return Err(cannot(error)),
        }
        check_kind(path)?;
        let file = File::open(path).map_err(cannot)?;
        let identity = FileIdentity::of_file(&file).map_err(cannot)?;
        if LOCKS_ARE_APART {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = holder_by_another_name(identity).unwrap_or_else(|| "another process".to_owned());
                    return Err(LockError::Held { path: path.clone(), holder });
                }
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
            }
        }
        locked_here().push(identity);
        if let Some((_, before)) = held.replace((file, identity)) {
            forget(before);
        }
        Ok(())
    }

    /// Where the lock of the database at `path` is: beside the file itself, whatever links lead to it.
    fn path_of(path: &Path) -> io::Result<PathBuf> {
        let file = match path.canonicalize() {
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
                folder_of(path).canonicalize()?.join(path.file_name().unwrap_or_default())
            }
            found => found?,
        };
        Ok(beside(&file, LOCK_SUFFIX))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((_, identity)) = self.database.get_mut().unwrap_or_else(PoisonError::into_inner) {
            forget(*identity);
        }
    }
}

fn locked_here() -> MutexGuard<'static, Vec<FileIdentity>> {
    LOCKED_HERE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget(identity: FileIdentity) {
    locked_here().retain(|held| *held != identity);
}

/// Whether `flock`, with which `File` locks, and `fcntl`, with which SQLite does, know nothing of each other. On the BSDs
/// they exclude each other, and a database locked with one could not be opened with the other.
const LOCKS_ARE_APART: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Refuses what is there and is no file; to open a pipe could take for ever.
fn check_kind(path: &Path) -> Result<(), LockError> {
    let refuse = |kind: &str| Err(LockError::Database { path: path.to_owned(), cause: kind.to_owned() });
    other_kind(path).map_or(Ok(()), refuse)
}

fn names_of(path: &Path) -> u64 {
    #[cfg(unix)]
    let names = fs::metadata(path).map_or(0, |found| std::os::unix::fs::MetadataExt::nlink(&found));
    #[cfg(not(unix))]
    let names = u64::from(path.exists());
    names
}

/// Whether the lock file is locked.
fn is_held(lock: &Path) -> bool {
    let file = lock.is_file().then(|| File::open(lock).ok()).flatten();
    file.is_some_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn holder_in(file: &mut File) -> io::Result<String> {
    let mut holder = String::new();
    file.take(HOLDER_BYTES).read_to_string(&mut holder)?;
    Ok(if holder.is_empty() { "another process".to_owned() } else { holder })
}

/// Whether the file is empty, or says who held it: then nothing is lost when it says something else.
fn is_lock_file(file: &mut File) -> io::Result<bool> {
    let mut text = Vec::new();
    file.take(HOLDER_BYTES + 1).read_to_end(&mut text)?;
    let Ok(text) = String::from_utf8(text) else { return Ok(false) };
    let is_word = |(holder, process): (&str, &str)| holder.starts_with("coms ") && process.parse::<u32>().is_ok();
    Ok(text.is_empty() || (text.len() as u64 <= HOLDER_BYTES && text.rsplit_once(PROCESS).is_some_and(is_word)))
}

/// The process that has this file locked, by the system's own list; the file is not opened.
#[cfg(target_os = "linux")]
fn holder_by_another_name(database: FileIdentity) -> Option<String> {
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`
    let (locks, database) = (fs::read_to_string("/proc/locks").ok()?, database.in_proc_locks());
    let holder = locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (kind, process, file) = (words.next()?, words.nth(2)?, words.next()?);
        (kind == "FLOCK" && file == database).then_some(process)
    })?;
    // Of those in other containers there is no number.
    Some(if holder == "0" { "another process".to_owned() } else { format!("process {holder}, under another name") })
}

#[cfg(not(target_os = "linux"))]
fn holder_by_another_name(_: FileIdentity) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("messages.db");
        let lock = DatabaseLock::take(&path, "coms serve on port 3000").expect("the lock");
        let refused = DatabaseLock::take(&path, "coms adopt").expect_err("it is held").to_string();
        assert!(refused.contains("in use by coms serve on port 3000, process "), "{refused}");
        assert!(DatabaseLock::holder(&path).is_some_and(|holder| holder.starts_with("coms serve on port 3000")));
        drop(lock);
        assert_eq!(DatabaseLock::holder(&path), None);
        DatabaseLock::take(&path, "coms adopt").expect("the lock is free again");
    }
    #[cfg(unix)]
    #[test]
    fn a_link_to_a_database_leads_to_its_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("messages.db"), folder.path().join("link.db"));
        fs::write(&path, "").expect("a file");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let _lock = DatabaseLock::take(&path, "coms serve").expect("the lock");
        assert!(matches!(DatabaseLock::take(&link, "coms serve"), Err(LockError::Held { .. })));
        // A link to nothing has no lock yet that could be shared with what will be there.
        let dangling = folder.path().join("dangling.db");
        std::os::unix::fs::symlink(folder.path().join("missing.db"), &dangling).expect("a link");
        assert!(matches!(DatabaseLock::take(&dangling, "coms serve"), Err(LockError::Io { .. })));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_name_of_the_database_does_not_lead_past_its_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("messages.db"), folder.path().join("other.db"));
        let lock = DatabaseLock::take(&path, "coms serve").expect("the lock");
        lock.hold_database().expect("a new file");
        fs::hard_link(&path, &other).expect("a second name");
        assert!(matches!(DatabaseLock::take(&other, "coms serve"), Err(LockError::Held { .. })));
        // A file that replaced it is another one, which is locked anew.
        fs::remove_file(&path).expect("a name less");
        lock.hold_database().expect("a new file");
        DatabaseLock::take(&other, "coms serve").expect("what was replaced is free");
    }

    #[test]
    fn a_file_that_is_no_lock_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("messages.db");
        let lock_path = folder.path().join("messages.db.lock");
        let long = format!("coms serve{}{PROCESS}1", "x".repeat(300));
        for text in ["mine", "mine, process 7", "coms serve, process x", "\u{0}", &long] {
            fs::write(&lock_path, text).expect("a file");
            assert!(matches!(DatabaseLock::take(&path, "coms serve"), Err(LockError::Io { .. })), "{text}");
            assert_eq!(fs::read(&lock_path).expect("the file"), text.as_bytes());
        }
        for text in ["", "coms serve on 127.0.0.1:3000, process 4711"] {
            fs::write(&lock_path, text).expect("a file");
            DatabaseLock::take(&path, "coms adopt").expect("the lock");
            assert!(fs::read_to_string(&lock_path).expect("the file").starts_with("coms adopt, process "));
        }
    }
}
