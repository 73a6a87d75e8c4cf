//! The `.env` file on disk: where it is, whether it has to be there, and who can read it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::document::Document;
use super::fault::{Fault, Faults};
use crate::staged_file::{Existing, StagedFile};

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
    /// The user id of its owner, on systems that have them.
    pub owner: Option<u32>,
}

impl EnvFile {
    /// Reads the file at `path`; `None` if there is none.
    ///
    /// A symbolic link is not followed: who can place one could make the server take, or the wizard replace, another
    /// file.
    pub fn read(path: &Path) -> Result<Option<Self>, Faults> {
        let fault = |problem: String| Faults::from(Fault::File { path: path.to_owned(), problem });
        let file = match open(path, Links::Refused) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(_) if path.is_symlink() => return Err(fault("is a symbolic link; name the file itself".into())),
            Err(error) => return Err(fault(format!("can't be read ({})", plain(&error)))),
        };
        let metadata = file.metadata().map_err(|error| fault(format!("can't be read ({})", plain(&error))))?;
        let text = text_of(file, &metadata).map_err(fault)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let document = Document::parse(text).map_err(|faults| lines(path, &faults))?;
        Ok(Some(Self { path: path.to_owned(), document, mode: mode(&metadata), owner: owner(&metadata) }))
    }

    /// What a file at `path` is going to be that says `text`.
    pub fn of_text(path: &Path, text: &str) -> Result<Self, Faults> {
        let document = Document::parse(text).map_err(|faults| lines(path, &faults))?;
        Ok(Self { path: path.to_owned(), document, mode: None, owner: None })
    }

    /// Whether others than its owner and group can read or change it.
    pub fn is_exposed(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o006 != 0)
    }

    /// The owner, where that is someone else, who can change the file.
    pub fn foreign_owner(&self) -> Option<u32> {
        foreign(self.owner)
    }
}

/// Why a `.env` file was not written. What was there before still is.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Someone else changed it since it was read.
    #[error("`{}` was changed by someone else meanwhile", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It can't be written.
    #[error("cannot write `{}`", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Makes `document` the file at `path`, with mode 0600, if that still says what `before` says (`None`: if there still is
/// none).
///
/// The file is replaced in one step: a crash leaves the old one or the new one, and beside it at worst a temporary file.
pub fn write(path: &Path, document: &Document, before: Option<&EnvFile>) -> Result<(), WriteError> {
    let io_error = |cause| WriteError::Io { path: path.to_owned(), cause };
    let mut file = StagedFile::for_target(path).map_err(io_error)?;
    file.write_all(document.text().as_bytes()).map_err(io_error)?;
    let published = match before {
        None => file.publish(Existing::Keep),
        Some(before) => {
            keep_owner(file.file(), before).map_err(io_error)?;
            if !is_still(path, before) {
                return Err(WriteError::Changed { path: path.to_owned() });
            }
            file.publish(Existing::Replace)
        }
    };
    published.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Changed { path: path.to_owned() },
        _ => io_error(cause),
    })
}

fn is_still(path: &Path, before: &EnvFile) -> bool {
    matches!(EnvFile::read(path), Ok(Some(now)) if now.document.text() == before.document.text())
}

/// Who could read the old file by owning it can read the new one: root may set up what a service reads.
#[cfg(unix)]
fn keep_owner(file: &File, before: &EnvFile) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let (old, new) = (std::fs::symlink_metadata(&before.path)?, file.metadata()?);
    if (old.uid(), old.gid()) == (new.uid(), new.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &EnvFile) -> io::Result<()> {
    Ok(())
}

/// `owner`, where that is neither root nor the user of this process. Root may use what a service's own user has.
pub(super) fn foreign(owner: Option<u32>) -> Option<u32> {
    owner.filter(|owner| *owner != 0 && !process_user().is_some_and(|user| user == 0 || user == *owner))
}

/// The text of a regular file, or what is the matter with it.
pub(super) fn text_of(file: File, metadata: &std::fs::Metadata) -> Result<Zeroizing<String>, String> {
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
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// What is done about a symbolic link in place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Refused,
    Followed,
}

#[cfg(unix)]
pub(super) fn open(path: &Path, links: Links) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    // A pipe without a writer would keep the opening waiting.
    let flags = match links {
        Links::Refused => OFlags::NOFOLLOW | OFlags::NONBLOCK,
        Links::Followed => OFlags::NONBLOCK,
    };
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
pub(super) fn open(path: &Path, _: Links) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such bits")]
pub(super) fn mode(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
pub(super) fn mode(_: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such ids")]
pub(super) fn owner(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Some(metadata.uid())
}

#[cfg(not(unix))]
pub(super) fn owner(_: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such ids")]
fn process_user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn process_user() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text).expect("a readable file")
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        write(&path, &document("PORT=1\n"), None).expect("a new file");
        let before = EnvFile::read(&path).expect("a readable file").expect("a file");
        write(&path, &document("PORT=2\n"), Some(&before)).expect("another one in its place");
        let after = EnvFile::read(&path).expect("a readable file").expect("a file");
        assert_eq!(after.document.text(), "PORT=2\n");
        assert!(after.mode.is_none_or(|mode| mode == 0o600));
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "a temporary file was left");
    }

    #[test]
    fn what_others_wrote_meanwhile_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        std::fs::write(&path, "PORT=1\n").expect("a file");
        let before = EnvFile::read(&path).expect("a readable file").expect("a file");
        std::fs::write(&path, "PORT=9\n").expect("a file");
        for seen in [Some(&before), None] {
            let refused = write(&path, &document("PORT=2\n"), seen);
            assert!(matches!(refused, Err(WriteError::Changed { .. })), "{refused:?}");
            assert_eq!(std::fs::read_to_string(&path).expect("the file"), "PORT=9\n");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "a temporary file was left");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = write(&folder.path().join("no/.env"), &document(""), None);
        assert!(matches!(refused, Err(WriteError::Io { .. })), "{refused:?}");
    }
}
