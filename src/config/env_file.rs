//! The `.env` file on disk: where it is, whether it has to be there, and who can read it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::document::Document;
use super::fault::{Fault, Faults};

/// The file that is read when none is named; it need not exist.
pub const DEFAULT_ENV_FILE: &str = ".env";

/// No configuration is larger; what is was named by mistake.
const MAX_BYTES: u64 = 1 << 20;

/// A `.env` file that was read.
#[derive(Clone)]
pub struct EnvFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub document: Document,
    /// Its permission bits, on systems that have them.
    pub mode: Option<u32>,
}

impl EnvFile {
    /// Reads the file at `path`; `None` if there is none.
    ///
    /// A symbolic link is not followed: who can place one could make the server take, or the wizard replace, another
    /// file.
    pub fn read(path: &Path) -> Result<Option<Self>, Faults> {
        let fault = |problem: String| Faults::from(Fault::File { path: path.to_owned(), problem });
        let file = match open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(_) if path.is_symlink() => return Err(fault("is a symbolic link; name the file itself".into())),
            Err(error) => return Err(fault(format!("can't be read ({})", plain(&error)))),
        };
        let metadata = file.metadata().map_err(|error| fault(format!("can't be read ({})", plain(&error))))?;
        let text = text_of(file, &metadata).map_err(fault)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let document = Document::parse(text).map_err(|faults| lines(path, &faults))?;
        Ok(Some(Self { path: path.to_owned(), document, mode: mode(&metadata) }))
    }

    /// Whether others than its owner and group can read or change it.
    pub fn is_exposed(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o006 != 0)
    }
}

/// The contents of a file with one secret: its text without the newline at the end, or what is the matter with it.
pub(super) fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    // Where secrets are mounted into a container they are links to links: these are followed.
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("can't be read ({})", plain(&error)),
    })?;
    let metadata = file.metadata().map_err(|error| format!("can't be read ({})", plain(&error)))?;
    let text = text_of(file, &metadata)?;
    let bare = text.trim_end_matches(['\n', '\r']);
    if bare.is_empty() { Err("is empty".into()) } else { Ok(Zeroizing::new(bare.to_owned())) }
}

fn text_of(file: File, metadata: &std::fs::Metadata) -> Result<Zeroizing<String>, String> {
    if metadata.is_dir() {
        return Err("is a directory".into());
    }
    if !metadata.is_file() {
        return Err("is no regular file".into());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| format!("can't be read ({})", plain(&error)))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("is larger than 1 MiB".into());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn lines(path: &Path, faults: &[super::SyntaxFault]) -> Faults {
    let fault = |fault: &super::SyntaxFault| Fault::Line {
        path: path.to_owned(),
        line: fault.line,
        problem: fault.problem.to_owned(),
    };
    Faults::new(faults.iter().map(fault).collect())
}

/// What the system said, without its number, in the style of our own words.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    // A pipe without a writer would keep the opening waiting.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such bits")]
fn mode(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> Option<u32> {
    None
}
