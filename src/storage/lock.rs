//! The lock that makes a process the only one that writes to a database.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::private_file;

/// How much of the lock file is read: who holds it fits into far less.
const HOLDER_BYTES: u64 = 256;

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
}

/// Held by whoever writes to a database, from before it is opened until after it is closed.
///
/// The system drops the lock with the process, however that ends; the file itself stays.
#[derive(Debug)]
pub struct DatabaseLock(#[expect(dead_code, reason = "open as long as the lock is held")] File);

impl DatabaseLock {
    /// Takes the lock for the database at `path`, and leaves word in it that `holder` has it.
    pub fn take(path: &Path, holder: &str) -> Result<Self, LockError> {
        let lock_path = Self::path(path).map_err(|source| LockError::Io { path: path.to_owned(), source })?;
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
        file.set_len(0).map_err(failed)?;
        write!(file, "{holder}, process {}", std::process::id()).map_err(failed)?;
        Ok(Self(file))
    }

    /// Who holds the lock of the database at `path`, if anybody does. It may be another the next moment.
    pub fn holder(path: &Path) -> Option<String> {
        let mut file = File::open(Self::path(path).ok()?).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder_in(&mut file).unwrap_or_default()),
            // Free, and free again with the end of this function.
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    /// Where the lock of the database at `path` is: beside the file itself, whatever links lead to it.
    fn path(path: &Path) -> io::Result<PathBuf> {
        let file = match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                folder.canonicalize()?.join(path.file_name().unwrap_or_default())
            }
            found => found?,
        };
        let mut name = file.into_os_string();
        name.push(".lock");
        Ok(name.into())
    }
}

fn holder_in(file: &mut File) -> io::Result<String> {
    let mut holder = String::new();
    file.take(HOLDER_BYTES).read_to_string(&mut holder)?;
    Ok(if holder.is_empty() { "another process".to_owned() } else { holder })
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
        std::fs::write(&path, "").expect("a file");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let _lock = DatabaseLock::take(&path, "coms serve").expect("the lock");
        assert!(matches!(DatabaseLock::take(&link, "coms serve"), Err(LockError::Held { .. })));
        // A link to nothing has no lock yet that could be shared with what will be there.
        let dangling = folder.path().join("dangling.db");
        std::os::unix::fs::symlink(folder.path().join("missing.db"), &dangling).expect("a link");
        assert!(matches!(DatabaseLock::take(&dangling, "coms serve"), Err(LockError::Io { .. })));
    }
}
