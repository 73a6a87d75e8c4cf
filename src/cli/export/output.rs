//! Where an export goes: standard output, a file, or a folder. A file or folder gets its name when it is complete and on
//! the disk, and not before. What is no file, such as a pipe or `/dev/null`, is written to as it is.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::staged_file::{Existing, StagedFile, sync_directory, sync_directory_of};

/// How the names of unfinished folders begin.
const UNFINISHED: &str = ".coms-export-";

const BUFFER_BYTES: usize = 256 * 1024;

/// A stream that becomes a file, or goes to standard output or a device.
pub(super) enum Output {
    Stdout(BufWriter<io::Stdout>),
    Device(BufWriter<File>),
    File(BufWriter<StagedFile>),
}

impl Output {
    /// Begins the output; `-` is standard output. Nothing is left of a file that is dropped unfinished.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout())));
        }
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        // A file that took the name of a device would take its place.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let device = File::options().write(true).open(path)?;
            return Ok(Self::Device(BufWriter::with_capacity(BUFFER_BYTES, device)));
        }
        folder(path)?;
        let staged = StagedFile::for_target(path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::new(error.kind(), "another export is writing it"),
            _ => error,
        })?;
        Ok(Self::File(BufWriter::with_capacity(BUFFER_BYTES, staged)))
    }

    /// Gives a file its name, in place of one that had it.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush(),
            Self::Device(mut device) => device.flush(),
            Self::File(unfinished) => {
                unfinished.into_inner().map_err(io::IntoInnerError::into_error)?.publish(Existing::Replace)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Device(device) => device.write(bytes),
            Self::File(unfinished) => unfinished.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Device(device) => device.flush(),
            Self::File(unfinished) => unfinished.flush(),
        }
    }
}

/// A new folder of files.
pub(super) struct OutputFolder {
    unfinished: TempDir,
    name: PathBuf,
}

impl OutputFolder {
    /// Begins the folder. Another one, or a file, of this name must not be there.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there already"));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        // Only its owner can look into it, and so read what is in it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let unfinished = builder.tempdir_in(folder(path)?)?;
        Ok(Self { unfinished, name: path.to_owned() })
    }

    /// Writes a file in it.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = File::create_new(self.unfinished.path().join(name))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Gives it its name.
    pub(super) fn finish(self) -> io::Result<()> {
        sync_directory(self.unfinished.path())?;
        fs::rename(self.unfinished.path(), &self.name)?;
        // What is left to clean up under the old name is nothing.
        let _moved = self.unfinished.keep();
        sync_directory_of(&self.name)
    }
}

fn folder(path: &Path) -> io::Result<&Path> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() { Ok(folder) } else { Err(io::Error::new(io::ErrorKind::NotFound, "its folder is not there")) }
}
