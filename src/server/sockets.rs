//! Sockets are open files, and the system gives out only so many: some are kept for everything else that a server opens.

use std::fs::File;
use std::sync::Arc;

/// Open files that are kept for the database, log files and Central.
const RESERVED_FILES: usize = 64;

/// Counts the sockets of accepted connections.
pub(super) struct Sockets {
    max: usize,
    /// Each open socket has a clone.
    open: Arc<()>,
}

/// One open socket. It is counted until this is dropped.
pub(super) struct OpenSocket(#[expect(dead_code, reason = "its clones are counted")] Arc<()>);

impl Sockets {
    /// Up to `max` sockets.
    pub(super) fn new(max: usize) -> Self {
        Self { max, open: Arc::new(()) }
    }

    /// As many as the process may open, but for those that are kept.
    pub(super) fn of_process() -> Self {
        let limit = open_file_limit();
        Self::new(limit.saturating_sub(RESERVED_FILES).max(limit / 2))
    }

    /// One more socket; `None` if there are as many as there may be.
    pub(super) fn open(&self) -> Option<OpenSocket> {
        (Arc::strong_count(&self.open) <= self.max).then(|| self.open_beyond())
    }

    /// One more socket, whether there may be or not: it takes the place of one that is being closed.
    pub(super) fn open_beyond(&self) -> OpenSocket {
        OpenSocket(self.open.clone())
    }
}

#[cfg(unix)]
fn open_file_limit() -> usize {
    rlimit::Resource::NOFILE.get_soft().ok().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
fn open_file_limit() -> usize {
    usize::MAX
}

/// An open file that is there to be closed: when all others are in use, a newcomer can be told so over it.
pub(super) struct SpareFile(Option<File>);

impl SpareFile {
    /// Opens it.
    pub(super) fn open() -> Self {
        let path = if cfg!(windows) { "NUL" } else { "/dev/null" };
        Self(File::open(path).ok())
    }

    /// Closes it; false if it was not open.
    pub(super) fn close(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_counts_until_it_is_closed() {
        let sockets = Sockets::new(2);
        let (first, second) = (sockets.open(), sockets.open());
        assert!(first.is_some() && second.is_some() && sockets.open().is_none());
        let beyond = sockets.open_beyond();
        drop(first);
        assert!(sockets.open().is_none());
        drop(beyond);
        assert!(sockets.open().is_some());
    }
}
