//! Taking a database out of the way of one that is to have its name, so that it can still be opened afterwards.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::database::{Access, connect};
use super::lock::DatabaseLock;
use crate::staged_file::{SIDE_FILES, beside, keep_as, sync_directory_of};

/// How every database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Gives the database of the lock a second name beside it, its path with `suffix` and perhaps a number at its end, and moves
/// away what SQLite has beside it: a write-ahead log that stayed would be applied to the next database of this name. The
/// first name stays until it is replaced. Returns the second; `None` if nothing was there.
pub fn set_aside(lock: &DatabaseLock, suffix: &str) -> io::Result<Option<PathBuf>> {
    let path = lock.path();
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    if is_there(path) {
        empty_log(path)?;
    }
    let side_files: Vec<_> = SIDE_FILES.into_iter().filter(|side| is_there(&beside(path, side))).collect();
    if !is_there(path) && side_files.is_empty() {
        return Ok(None);
    }
    let kept = free_name(path, suffix)?;
    // From here to the end of the renaming, a crash leaves the database without what stood beside it. Of one that SQLite
    // can open that is nothing any more; others were no good as they were.
    for side in side_files {
        fs::rename(beside(path, side), beside(&kept, side))?;
    }
    if is_there(path) {
        keep_as(path, &kept)?;
    } else {
        sync_directory_of(&kept)?;
    }
    Ok(Some(kept))
}

/// Has SQLite write everything into the file itself. A file that is damaged, or no database, stays as it is.
fn empty_log(path: &Path) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Ok(());
    }
    let mut beginning = Vec::new();
    fs::File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut beginning)?;
    if beginning != MAGIC {
        // SQLite would remove what stands beside it.
        return Ok(());
    }
    let emptied = connect(path, Access::ReadWrite).and_then(|connection| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
    });
    let failed = |why: String| Err(io::Error::other(format!("its write-ahead log can't be emptied: {why}")));
    match emptied {
        Ok(false) => Ok(()),
        Ok(true) => failed("somebody has it open".to_owned()),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Ok(()),
            _ => failed(error.to_string()),
        },
    }
}

pub(super) fn free_name(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    for number in 0_u32.. {
        let kept = beside(path, &if number == 0 { suffix.to_owned() } else { format!("{suffix}-{number}") });
        let is_free = |side: &str| fs::symlink_metadata(beside(&kept, side)).is_err();
        if is_free("") && SIDE_FILES.into_iter().all(is_free) {
            return Ok(kept);
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::WriteStore;

    fn lock_of(path: &Path) -> DatabaseLock {
        DatabaseLock::take(path, "coms restore").expect("the lock")
    }

    #[test]
    fn a_killed_server_s_log_goes_into_the_file_that_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let (live, path) = (folder.path().join("live.db"), folder.path().join("m.db"));
        let mut store = WriteStore::at(&live);
        let server = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let key = crate::keys::SigningKey::from_seed(&[1; 32]).public();
        store.claim(&server, &key, crate::time::Timestamp::from_unix_ms(1)).expect("it is nobody's");
        for side in ["", "-wal"] {
            fs::copy(beside(&live, side), beside(&path, side)).expect("as a kill leaves it");
        }
        let kept = set_aside(&lock_of(&path), ".old").expect("set aside").expect("it was there");
        assert!(!beside(&path, "-wal").exists() && !beside(&kept, "-wal").exists());
        fs::remove_file(&path).expect("the first name");
        let database = crate::storage::Database::open(&kept, Access::ReadOnly).expect("a database");
        assert!(database.identity().expect("its owner").0.is_some());
    }

    #[test]
    fn what_is_no_database_is_kept_with_all_that_stands_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.db");
        assert_eq!(set_aside(&lock_of(&path), ".old").expect("nothing to do"), None);
        for (name, text) in
            [("m.db", "no database".repeat(200)), ("m.db-wal", "log".into()), ("m.db.old-wal", "x".into())]
        {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let kept = set_aside(&lock_of(&path), ".old").expect("set aside").expect("it was there");
        assert_eq!(kept, beside(&path, ".old-1"));
        assert!(path.exists() && !beside(&path, "-wal").exists());
        assert_eq!(fs::read(beside(&kept, "-wal")).expect("the log"), b"log");
    }
}
