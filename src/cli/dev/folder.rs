//! The directory of a sandbox: its database, Central's key, and an ordinary `.env` that other commands can use too.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::central::Sandbox;
use crate::cli::CliError;
use crate::config::{Document, ProcessEnvironment, ServerConfig, Settings};
use crate::keys::SigningKey;
use crate::private_file;
use crate::secret::Secret;
use crate::staged_file::{Existing, StagedFile, create_directories};

const ENV_FILE: &str = ".env";

/// The sandbox Central's key: what tells a directory of ours from one with somebody's real `.env`.
const CENTRAL_KEY_FILE: &str = "central.key";

const HEADING: &str = "\
# A sandbox made by `coms dev`, which writes the addresses in here at each start. The keys protect nothing of value.
# Other commands use it with `-e`, as in `coms verify-chain -e coms-dev/.env`.
";

/// Held by the sandbox that runs here. (The database has a lock of its own, but `.env` is written before it is opened.)
const LOCK_FILE: &str = "dev.lock";

/// The directory that a sandbox lives in.
pub(super) struct Folder {
    path: PathBuf,
    /// Locked as long as it is open; the system unlocks it with the process, however that ends.
    _lock: File,
    /// Removed with everything in it when it is dropped.
    ephemeral: Option<TempDir>,
}

impl Folder {
    /// The directory at `path`, made if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let unusable = |error: io::Error| {
            CliError::usage(format!("cannot use the directory `{}`: {error}", path.display()))
                .hint("choose another with `--dir`, or none with `--ephemeral`")
        };
        create_directories(path).map_err(unusable)?;
        let path = fs::canonicalize(path).map_err(unusable)?;
        if path.join(ENV_FILE).exists() && !path.join(CENTRAL_KEY_FILE).exists() {
            let message = format!("the directory `{}` holds a `.env` that is no sandbox's", path.display());
            return Err(CliError::usage(message).hint("choose another directory with `--dir`"));
        }
        let lock = private_file::open_or_create(&path.join(LOCK_FILE)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock, ephemeral: None }),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another `coms dev` is running in `{}`", path.display());
                Err(CliError::usage(message).hint("stop it, or choose another directory with `--dir`"))
            }
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// A directory for this run only.
    pub(super) fn ephemeral() -> Result<Self, CliError> {
        let dir = tempfile::Builder::new().prefix("coms-dev-").tempdir()?;
        let path = dir.path().to_owned();
        Ok(Self { ephemeral: Some(dir), ..Self::open(&path)? })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes at the end.
    pub(super) fn is_ephemeral(&self) -> bool {
        self.ephemeral.is_some()
    }

    /// The configuration of the server: made at the first start, with the addresses of this one.
    pub(super) fn configure(&self, port: u16, central: &Sandbox) -> Result<ServerConfig, CliError> {
        let path = self.path.join(ENV_FILE);
        let old = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => first_env()?,
            Err(error) => return Err(CliError::usage(format!("cannot read `{}`: {error}", path.display()))),
        };
        // What can't be parsed is left alone, and then named by the reader of the configuration.
        if let Ok(document) = Document::parse(&old) {
            let database = self.path.join("messages.db");
            let new = document
                .with("PORT", &port.to_string())
                .with("CENTRAL_URL", &central.url())
                .with("CENTRAL_PUBLIC_KEY", &central.public_key().to_string())
                .with("DB_PATH", &database.display().to_string());
            write_private(&path, new.text())?;
        }
        // The process's environment may be that of a real server.
        Ok(Settings::load(Some(&path), ProcessEnvironment::default())?.read::<ServerConfig>()?)
    }
}

/// What stays the same from one start to the next.
fn first_env() -> Result<String, CliError> {
    let mut seed = zeroize::Zeroizing::new([0_u8; 32]);
    fill(seed.as_mut_slice())?;
    let key = SigningKey::from_seed(&seed);
    Ok(format!(
        "{HEADING}SERVER_ID={}\nSERVER_NAME='Sandbox'\nHOST=127.0.0.1\nLOG_LEVEL=warn\nCENTRAL_API_KEY={}\n\
         SERVER_SECRET_KEY={}\nSERVER_PUBLIC_KEY={}\n",
        uuid::Uuid::new_v4(),
        random_word()?.reveal(),
        key.to_hex().reveal(),
        key.public(),
    ))
}

fn random_word() -> Result<Secret, CliError> {
    let mut bytes = [0_u8; 24];
    fill(&mut bytes)?;
    Ok(Secret::new(hex::encode(bytes)))
}

fn fill(bytes: &mut [u8]) -> Result<(), CliError> {
    getrandom::fill(bytes).map_err(|error| CliError::failed(format!("no randomness for a key: {error}")))
}

/// Replaces the file as a whole: a crash leaves the old one or the new one. It is for its owner only.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = StagedFile::for_target(path)?;
    file.write_all(text.as_bytes())?;
    file.publish(Existing::Replace)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::central::SandboxOptions;

    async fn central(folder: &Folder) -> Sandbox {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let options = SandboxOptions { dir: Some(folder.path().to_owned()), ..SandboxOptions::default() };
        Sandbox::start(listener, options).expect("a sandbox")
    }

    #[tokio::test]
    async fn the_next_start_is_the_same_server_at_new_addresses() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join("new");
        let start = async |port| {
            let folder = Folder::open(&place).expect("a folder");
            let central = central(&folder).await;
            (folder.configure(port, &central).expect("a configuration"), central.url())
        };
        let (first, _) = start(3000).await;
        let (second, url) = start(3001).await;
        assert_eq!(second.identity.server_id, first.identity.server_id);
        assert_eq!(second.identity.signing_key.public(), first.identity.signing_key.public());
        assert_eq!(second.central.public_keys, first.central.public_keys);
        assert_eq!((second.port, second.central.url.as_str()), (3001, format!("{url}/").as_str()));
        assert!(second.database.path.starts_with(fs::canonicalize(&place).expect("the folder")));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn its_files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let folder = Folder::open(&dir.path().join("new")).expect("a folder");
        folder.configure(3000, &central(&folder).await).expect("a configuration");
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.path().join(ENV_FILE))), (0o700, 0o600));
    }

    #[test]
    fn a_real_configuration_is_not_touched() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(ENV_FILE), "SERVER_NAME=Real\n").expect("a file");
        assert!(Folder::open(dir.path()).is_err());
    }

    #[test]
    fn one_sandbox_at_a_time_has_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Folder::open(dir.path()).expect("a folder");
        assert!(Folder::open(dir.path()).is_err());
        drop(first);
        assert!(Folder::open(dir.path()).is_ok());
    }

    #[test]
    fn an_ephemeral_directory_goes() {
        let folder = Folder::ephemeral().expect("a folder");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
