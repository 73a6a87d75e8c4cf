//! A file that holds one secret, which a variable such as `CENTRAL_API_KEY_FILE` names.
//!
//! Such files are what containers mount: links to links, often readable by everyone in there. So links are followed, and
//! being readable is only warned of. Whoever can change the file, though, decides who the server is.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::env_file::{Links, foreign, mode, open, owner, plain, text_of};
use super::fault::Fault;

/// Who else can get at a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Others can change it.
    Changeable(Fault),
    /// Others can read it.
    Readable(Fault),
}

/// What stands in the file, without the newline at its end; or what is the matter with it.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let unreadable = |error: io::Error| format!("can't be read ({})", plain(&error));
    let file = open(path, Links::Followed).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => unreadable(error),
    })?;
    let metadata = file.metadata().map_err(unreadable)?;
    let text = text_of(file, &metadata)?;
    let bare = text.trim_end_matches(['\n', '\r']);
    if bare.is_empty() { Err("is empty".into()) } else { Ok(Zeroizing::new(bare.to_owned())) }
}

/// Who else can get at the file at `path`; `None` if nobody can, or if it can't be read anyway.
pub(super) fn exposure(path: PathBuf) -> Option<Exposure> {
    // What is no regular file is not read, and not ours to protect: `chmod 600 /dev/zero` is no advice.
    let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
    if let Some(owner) = foreign(owner(&metadata)) {
        return Some(Exposure::Changeable(Fault::Foreign { path, owner }));
    }
    let mode = mode(&metadata)?;
    match mode {
        _ if mode & 0o002 != 0 => Some(Exposure::Changeable(Fault::Changeable { path, mode })),
        _ if mode & 0o004 != 0 => Some(Exposure::Readable(Fault::Exposed { path, mode })),
        _ => None,
    }
}
