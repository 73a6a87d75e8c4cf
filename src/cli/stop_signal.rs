//! The word to stop: Ctrl-C, or SIGTERM from whoever runs the machine.

use std::io;

/// Listens from the moment it is made, so that a signal which comes while a server starts is not lost, and does not end
/// the program half-way either.
#[cfg(unix)]
pub(super) struct StopSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignal {
    /// Listens. Must be called within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the word.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Listens from the moment it is made.
#[cfg(windows)]
pub(super) struct StopSignal(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl StopSignal {
    /// Listens. Must be called within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    /// Waits for the word.
    pub(super) async fn received(&mut self) {
        self.0.recv().await;
    }
}
