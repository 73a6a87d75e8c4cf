//! What a name leads to: a file or something else, the same one as before or another.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

/// Tells one file from any other that exists at the same time, whatever their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// The device and the inode.
    #[cfg(unix)]
    numbers: (u64, u64),
    /// Without such numbers, the time of its making is as close as one gets.
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

impl FileIdentity {
    /// The file that `metadata` is of.
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Self { numbers: (metadata.dev(), metadata.ino()) }
        }
        #[cfg(not(unix))]
        Self { created: metadata.created().ok() }
    }

    /// The file that is open.
    pub fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::of(&metadata))
    }

    /// The file at `path`, or the one that links there lead to. The file is not opened.
    pub fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    /// The device and the inode, as `/proc/locks` spells them.
    #[cfg(target_os = "linux")]
    pub fn in_proc_locks(self) -> String {
        let (device, inode) = self.numbers;
        format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device))
    }
}

/// What is at `path` if that is there and is no file. Nothing of it is opened: a pipe would keep the opening waiting.
pub fn other_kind(path: &Path) -> Option<&'static str> {
    // What is not there, or can't be looked at, is for the opening to say.
    let metadata = fs::metadata(path).ok().filter(|metadata| !metadata.is_file())?;
    Some(if metadata.is_dir() { "it is a directory" } else { "it is a pipe, a socket or a device, not a file" })
}
