//! Where an export goes: standard output, a file, or a folder. A file or folder gets its name when it is complete and on
//! the disk, and not before. A pipe or `/dev/null` is written to as it is, a terminal escaped. Nothing that exists is replaced but an earlier
//! export of the same format, and that only when asked for.

use std::fs::{self, File, FileType};
use std::io::{self, BufWriter, IsTerminal, Read as _, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::terminal_text::TerminalText;
use crate::cli::printable;
use crate::file_identity::FileIdentity;
use crate::staged_file::{
    Existing, StagedFile, folder_of, refuse_names_of_databases, sync_directory, sync_directory_of,
};

/// How the names of unfinished folders begin.
const UNFINISHED: &str = ".coms-export-";

const BUFFER_BYTES: usize = 256 * 1024;

/// Why nothing is written to where the export was to go. What is there is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    /// Something has the name.
    #[error("`{0}` exists already")]
    Exists(String),
    /// What has the name is not to be replaced, whatever was asked for.
    #[error("`{0}` is not replaced: {1}")]
    Foreign(String, &'static str),
    /// It can't be written there.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What an export may be written to, found before the database is open: a look into that database would drop its locks.
pub(super) enum Target {
    Stdout,
    /// A pipe or a terminal, which is written to as it is.
    Device(PathBuf),
    File {
        path: PathBuf,
        /// The export that it replaces.
        replaced: Option<FileIdentity>,
    },
}

impl Target {
    /// Looks at what has the name `path`; `-` is standard output. With `force` a file that begins as exports of this format
    /// do may be replaced, and nothing else ever is.
    pub(super) fn find(path: &Path, force: bool, beginning: &[u8]) -> Result<Self, OutputError> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let foreign = |why| Err(OutputError::Foreign(shown(path), why));
        let kind = path.metadata().ok().map(|found| found.file_type());
        if kind.is_some_and(|kind| kind.is_dir()) {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder").into());
        }
        if kind.is_some_and(is_stream) {
            return Ok(Self::Device(path.to_owned()));
        }
        let replaced = match path.symlink_metadata() {
            Err(_) => {
                refuse_names_of_databases(path)?;
                None
            }
            Ok(found) if found.is_symlink() => return foreign("it is a symbolic link; name the file itself"),
            Ok(found) if !found.is_file() => return foreign("it is no file"),
            Ok(_) if !force => return Err(OutputError::Exists(shown(path))),
            Ok(found) if begins_with(path, beginning)? => Some(FileIdentity::of(&found)),
            Ok(_) => return foreign("it is no export in this format"),
        };
        Ok(Self::File { path: path.to_owned(), replaced })
    }
}

/// A stream that becomes a file, or goes to standard output or a device.
pub(super) enum Output {
    Stream(BufWriter<Box<dyn Write>>),
    File { staged: BufWriter<StagedFile>, path: PathBuf, replaced: Option<FileIdentity> },
}

impl Output {
    /// Begins the output. Nothing is left of a file that is dropped unfinished.
    pub(super) fn begin(target: Target) -> io::Result<Self> {
        match target {
            Target::Stdout => Ok(Self::stream(io::stdout())),
            Target::Device(path) => Ok(Self::stream(File::options().write(true).open(path)?)),
            Target::File { path, replaced } => {
                folder(&path)?;
                let staged = StagedFile::for_target(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => io::Error::new(error.kind(), "another export is writing it"),
                    _ => error,
                })?;
                Ok(Self::File { staged: BufWriter::with_capacity(BUFFER_BYTES, staged), path, replaced })
            }
        }
    }

    fn stream(out: impl Write + IsTerminal + 'static) -> Self {
        let out: Box<dyn Write> = if out.is_terminal() { Box::new(TerminalText::new(out)) } else { Box::new(out) };
        Self::Stream(BufWriter::with_capacity(BUFFER_BYTES, out))
    }

    /// Gives a file its name, in place of the export that had it.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Stream(mut stream) => stream.flush(),
            Self::File { staged, path, replaced } => {
                let staged = staged.into_inner().map_err(io::IntoInnerError::into_error)?;
                let is_as_found = replaced.is_some() && FileIdentity::at(&path).ok() == replaced;
                staged.publish(if is_as_found { Existing::Replace } else { Existing::Keep })
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::File { staged, .. } => staged.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::File { staged, .. } => staged.flush(),
        }
    }
}

/// A new folder of files.
pub(super) struct OutputFolder {
    unfinished: TempDir,
    name: PathBuf,
}

impl OutputFolder {
    /// Refuses a name that a folder, a file or a link has.
    pub(super) fn check(path: &Path) -> io::Result<()> {
        refuse_names_of_databases(path)?;
        match path.symlink_metadata() {
            Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there already")),
            Err(_) => Ok(()),
        }
    }

    /// Begins the folder.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Self::check(path)?;
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

/// Whether what is written there goes through, and replaces nothing.
#[cfg(unix)]
fn is_stream(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_stream(kind: FileType) -> bool {
    !kind.is_file() && !kind.is_dir()
}

fn begins_with(path: &Path, beginning: &[u8]) -> io::Result<bool> {
    let mut found = Vec::new();
    File::open(path)?.take(beginning.len() as u64).read_to_end(&mut found)?;
    Ok(found == beginning)
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).to_string()
}

fn folder(path: &Path) -> io::Result<&Path> {
    let folder = folder_of(path);
    if folder.is_dir() { Ok(folder) } else { Err(io::Error::new(io::ErrorKind::NotFound, "its folder is not there")) }
}
