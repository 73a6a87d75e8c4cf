//! The sandbox Central's key pair, made once and kept in a file.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::keys::{KeyError, SigningKey};
use crate::staged_file::{Existing, StagedFile};

/// The file's name within the sandbox's directory.
const FILE_NAME: &str = "central.key";

/// Why a sandbox Central does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The listener has no address.
    #[error("could not listen")]
    Listener(#[source] io::Error),
    /// The system gave no randomness for a key.
    #[error("could not make a key pair: {0}")]
    Randomness(getrandom::Error),
    /// The key's file could not be read or written.
    #[error("could not keep the sandbox Central's key in `{}`", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key's file holds no key.
    #[error("no key in `{}`", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong with its text.
        source: KeyError,
    },
}

/// A new key pair.
pub(super) fn generate() -> Result<SigningKey, SandboxError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(SandboxError::Randomness)?;
    Ok(SigningKey::from_seed(&seed))
}

/// The key pair in `dir`, made if there is none.
pub(super) fn open_or_create(dir: &Path) -> Result<SigningKey, SandboxError> {
    let path = dir.join(FILE_NAME);
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => SigningKey::from_hex(text.trim_end()).map_err(|source| SandboxError::Key { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = generate()?;
            create(&path, &key).map_err(|source| SandboxError::File { path, source })?;
            Ok(key)
        }
        Err(source) => Err(SandboxError::File { path, source }),
    }
}

fn create(path: &Path, key: &SigningKey) -> io::Result<()> {
    let mut file = StagedFile::for_target(path)?;
    writeln!(file, "{}", key.to_hex().reveal())?;
    file.publish(Existing::Keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_same_at_the_next_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = open_or_create(dir.path()).expect("a new key").public();
        assert_eq!(open_or_create(dir.path()).expect("the same key").public(), key);
        assert_ne!(generate().expect("another key").public(), key);
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        open_or_create(dir.path()).expect("a new key");
        let mode = fs::metadata(dir.path().join(FILE_NAME)).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_named_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(FILE_NAME), "not a key\n").expect("a file");
        let error = open_or_create(dir.path()).expect_err("no key");
        assert!(error.to_string().contains(FILE_NAME), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join(FILE_NAME)).expect("the file"), "not a key\n");
    }
}
