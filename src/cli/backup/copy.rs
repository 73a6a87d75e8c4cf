//! The copy of the database that becomes the backup: in a file of its own beside the database, gone when this is.

use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::archive::Digest;
use super::super::check_copy::bytes_bar;
use super::super::database_argument::explain;
use super::super::export::sign;
use super::super::stop_flag::Stop;
use super::super::{CliError, Globals, printable};
use crate::channels::head_of;
use crate::config::Settings;
use crate::ids::ServerId;
use crate::keys::PublicKey;
use crate::logchain::{Head, SignedHead};
use crate::staged_file::{StagedFile, beside};
use crate::storage::{AsIs, Counts, Database, Opened};
use crate::time::{Clock, Timestamp};

/// How often a copy is tried that a starting server spoils.
const TRIES: u32 = 3;

/// What must stay free on the disk, for the server.
const MARGIN_BYTES: u64 = 64 * 1024 * 1024;

const CHUNK_BYTES: usize = 256 * 1024;

/// A copy of a database as of one moment.
pub(super) struct Copied {
    /// Never published: it is there as long as it is needed.
    staged: StagedFile,
    pub(super) bytes: u64,
    pub(super) server_id: ServerId,
    pub(super) public_key: PublicKey,
    /// When that moment was.
    pub(super) at: Timestamp,
    pub(super) head: Head,
    pub(super) signed: Option<SignedHead>,
    pub(super) counts: Counts,
}

impl Copied {
    /// Copies the database at `path` into the folder `scratch`, or beside itself.
    pub(super) fn make(
        path: &Path,
        scratch: Option<&Path>,
        settings: &Settings,
        globals: &Globals,
        stop: &Stop,
    ) -> Result<Self, CliError> {
        for _ in 0..TRIES {
            let as_is = AsIs::prepare(path).map_err(explain)?;
            let Opened::Coms(database) = as_is.open().map_err(explain)? else {
                return Err(CliError::failed(format!("`{}` is a database of the Go reference server", path.display()))
                    .hint("take it over with `coms adopt`"));
            };
            let copied = Self::of(&database, &copy_path(path, scratch), settings, globals, stop)?;
            // Without a server there were no locks; one that starts meanwhile has the file for itself.
            if as_is.is_unchanged() {
                return Ok(copied);
            }
        }
        Err(CliError::failed(format!("`{}` changes while it is copied", path.display())).hint("try again"))
    }

    fn of(
        database: &Database,
        target: &Path,
        settings: &Settings,
        globals: &Globals,
        stop: &Stop,
    ) -> Result<Self, CliError> {
        let staged = StagedFile::for_target(target).map_err(|error| cannot_copy(target, &error))?;
        let moment = database.hold_moment()?;
        let at = Clock::system().now();
        let bytes = database.bytes()?;
        check_room(target, bytes)?;
        let bar = bytes_bar(globals, "copying", bytes);
        database.copy_into(&moment, staged.path(), |done, _| {
            bar.set_position(done);
            stop.check()
        })?;
        bar.finish_and_clear();
        let (Some(server_id), Some(public_key)) = database.identity()? else {
            return Err(CliError::failed(format!("`{}` belongs to no server yet", database.path().display()))
                .hint("`coms serve` makes it one's own; there is nothing in it to back up"));
        };
        let head = head_of(database.head()?);
        let counts = database.counts()?;
        drop(moment);
        let signed = sign(head, Some(&server_id), Some(public_key), settings);
        let server_id = server_id.parse().map_err(|error| {
            CliError::failed(format!("the server's id in the database is {error}: {}", printable(&server_id)))
        })?;
        let public_key = PublicKey::from_bytes(&public_key)
            .map_err(|error| CliError::failed(format!("the database names no usable key: {error}")))?;
        if signed.is_none() {
            globals.say("the head is not signed: the secret key of the database's server is not configured");
        }
        let bytes = staged.file().metadata()?.len();
        Ok(Self { staged, bytes, server_id, public_key, at, head, signed, counts })
    }

    /// The file, for whoever reads a database.
    pub(super) fn path(&self) -> &Path {
        self.staged.path()
    }

    /// Reads it from the beginning, until the person wants it to stop.
    pub(super) fn reader(&self, stop: &Stop) -> io::Result<impl Read + use<>> {
        let mut file = self.staged.file().try_clone()?;
        file.rewind()?;
        Ok(Stoppable { inner: file, stop: stop.clone() })
    }

    /// The checksum of it.
    pub(super) fn digest(&self, globals: &Globals, stop: &Stop) -> Result<Digest, CliError> {
        let bar = bytes_bar(globals, "summing", self.bytes);
        let mut reader = bar.wrap_read(self.reader(stop)?);
        let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
        loop {
            stop.check()?;
            let read = reader.read(&mut chunk)?;
            match chunk.get(..read) {
                Some([]) | None => break,
                Some(bytes) => hash.update(bytes),
            }
        }
        bar.finish_and_clear();
        Ok(Digest::from(hash))
    }
}

struct Stoppable<R> {
    inner: R,
    stop: Stop,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.check().is_err() {
            return Err(io::Error::other("interrupted"));
        }
        self.inner.read(buffer)
    }
}

fn copy_path(path: &Path, scratch: Option<&Path>) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    match scratch {
        Some(folder) => beside(&folder.join(name), ".backup"),
        None => beside(path, ".backup"),
    }
}

/// A disk that is full stops the server, so the copy is not begun where there is no room for it.
fn check_room(target: &Path, bytes: u64) -> Result<(), CliError> {
    #[cfg(unix)]
    {
        let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < bytes.saturating_add(MARGIN_BYTES.min(bytes)) {
            return Err(no_room(target, &format!("it takes {bytes} bytes, and {free} are free")));
        }
    }
    let _ = (target, bytes);
    Ok(())
}

fn cannot_copy(target: &Path, error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            CliError::failed("another backup of this database is under way").hint("wait until it is done")
        }
        io::ErrorKind::StorageFull => no_room(target, &error.to_string()),
        _ => CliError::failed(format!(
            "cannot copy the database to `{}`: {error}",
            printable(&target.display().to_string())
        ))
        .hint("name a folder for the copy with `--scratch FOLDER`"),
    }
}

fn no_room(target: &Path, what: &str) -> CliError {
    let target = target.display().to_string();
    CliError::failed(format!("there is no room for the copy `{}`: {what}", printable(&target)))
        .hint("name a folder on another disk with `--scratch FOLDER`; it holds the plain text for a while")
}
