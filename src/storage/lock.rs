//! The lock that makes a process the only one that writes to a database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

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
        source: std::io::Error,
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
        let lock_path = Self::path(path);
        let failed = |source| LockError::Io { path: lock_path.clone(), source };
        let mut file = options().open(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.take(HOLDER_BYTES).read_to_string(&mut holder).map_err(failed)?;
                let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
                return Err(LockError::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        write!(file, "{holder}, process {}", std::process::id()).map_err(failed)?;
        Ok(Self(file))
    }

    /// Where the lock of the database at `path` is.
    fn path(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
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
        drop(lock);
        DatabaseLock::take(&path, "coms adopt").expect("the lock is free again");
    }
}
