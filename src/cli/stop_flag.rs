//! Ctrl-C as a flag that the work looks at: it ends where it stands, and what is unfinished goes with it. The second one
//! ends the program at once, for work that waits for something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::CliError;

/// Whether the person wants it to stop.
#[derive(Clone)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes over Ctrl-C and SIGTERM until the program ends.
    pub(super) fn take_over() -> Result<Self, CliError> {
        let stop = Self(Arc::new(AtomicBool::new(false)));
        let flag = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        thread::Builder::new().name("interrupts".into()).spawn(move || {
            runtime.block_on(signals.next());
            flag.0.store(true, Ordering::Relaxed);
            runtime.block_on(signals.next());
            end();
        })?;
        Ok(stop)
    }

    /// An error as soon as the person wants it to stop.
    pub(super) fn check(&self) -> Result<(), CliError> {
        if self.0.load(Ordering::Relaxed) { Err(CliError::interrupted()) } else { Ok(()) }
    }
}

#[expect(clippy::exit, reason = "the work may wait for a pipe that nobody reads or writes")]
fn end() -> ! {
    std::process::exit(130)
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
