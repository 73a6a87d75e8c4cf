//! The person's editor: `VISUAL`, `EDITOR`, or one that the system has.

use std::path::Path;

use super::Globals;
use crate::config::{EnvFile, ServerConfig, Settings};

/// Opens `path` in the editor and waits for its end. That there is none, or that it fails, is said and no more: the file
/// is there to be edited otherwise.
pub(super) fn open(path: &Path, globals: &Globals) {
    if let Err(error) = edit::edit_file(path) {
        globals.warn(format!("no editor could be used, so edit `{}` yourself: {error}", path.display()));
    }
}

/// Says what is still wrong with the file at `path`; whether nothing is.
pub(super) fn review(path: &Path, globals: &Globals) -> bool {
    let faults = match EnvFile::read(path) {
        Ok(Some(file)) => Settings::of_file(file).read::<ServerConfig>().err(),
        Ok(None) => return false,
        Err(faults) => Some(faults),
    };
    for fault in faults.iter().flat_map(crate::config::Faults::iter) {
        globals.warn(fault);
    }
    faults.is_none()
}
