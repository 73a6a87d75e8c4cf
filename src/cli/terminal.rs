//! What a command that asks questions owes the terminal: that Ctrl-C, at any point, leaves it and all files as they were.

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::CliError;

/// Ends the program with code 130 on Ctrl-C: the terminal echoes and shows its cursor again, and what runs in
/// [`Interrupts::hold`] is finished first.
///
/// Prompts read in ways that a signal does not end, so a thread of its own waits for it.
pub(super) struct Interrupts {
    held: Arc<Mutex<()>>,
}

impl Interrupts {
    /// Takes over Ctrl-C until the program ends.
    pub(super) fn take_over() -> Result<Self, CliError> {
        let held = Arc::new(Mutex::new(()));
        let (lock, before) = (Arc::clone(&held), TerminalState::now());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Listens before this returns: from here on no Ctrl-C is the system's to handle.
        let mut interrupt = {
            let _entered = runtime.enter();
            listen()?
        };
        let wait = move || {
            runtime.block_on(interrupted(&mut interrupt));
            let _finished = lock.lock().unwrap_or_else(PoisonError::into_inner);
            before.restore();
            end();
        };
        thread::Builder::new().name("interrupts".into()).spawn(wait)?;
        Ok(Self { held })
    }

    /// Does `work` as a whole or not at all, as far as Ctrl-C is concerned.
    pub(super) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        let _held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}

#[cfg(unix)]
type Interrupt = tokio::signal::unix::Signal;
#[cfg(not(unix))]
type Interrupt = tokio::signal::windows::CtrlC;

#[cfg(unix)]
fn listen() -> io::Result<Interrupt> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

#[cfg(not(unix))]
fn listen() -> io::Result<Interrupt> {
    tokio::signal::windows::ctrl_c()
}

async fn interrupted(interrupt: &mut Interrupt) {
    interrupt.recv().await;
}

#[expect(clippy::exit, reason = "the main thread waits for a line that may never come")]
fn end() -> ! {
    std::process::exit(130)
}

/// Whether someone is there to answer.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// How the terminal was set before any prompt changed it.
struct TerminalState {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl TerminalState {
    fn now() -> Self {
        Self {
            #[cfg(unix)]
            modes: rustix::termios::tcgetattr(io::stdin()).ok(),
        }
    }

    fn restore(&self) {
        #[cfg(unix)]
        if let Some(modes) = &self.modes {
            use rustix::termios::{OptionalActions, tcsetattr};
            // Whatever goes wrong here, the program ends.
            tcsetattr(io::stdin(), OptionalActions::Now, modes).ok();
        }
        if io::stderr().is_terminal() {
            let terminal = dialoguer::console::Term::stderr();
            terminal.show_cursor().and_then(|()| terminal.write_line("")).ok();
        }
    }
}
