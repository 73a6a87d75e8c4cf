//! Where lines are shown: above the person's own input line on a terminal, else plainly.

use std::io::{self, Write as _};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use rustyline::ExternalPrinter;

use super::conversation::Line;

/// How long the last lines may take to appear before the program ends without them.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Shows lines.
pub(super) enum Screen {
    /// A terminal with an input line that must stay whole. A thread of its own prints, since that can wait for the input.
    Terminal { lines: Option<Sender<String>>, finished: Receiver<()> },
    /// Data to standard output, notes to standard error, these only if wanted.
    Streams { quiet: bool },
}

impl Screen {
    /// Shows lines through `printer`, everything in one place.
    pub(super) fn terminal(mut printer: Box<dyn ExternalPrinter + Send>) -> Self {
        let (sender, lines) = mpsc::channel::<String>();
        let (done, finished) = mpsc::channel();
        thread::spawn(move || {
            // An error means that the terminal is gone, and the input with it, which ends the program.
            while let Ok(line) = lines.recv() {
                if printer.print(line).is_err() {
                    break;
                }
            }
            done.send(()).ok();
        });
        Self::Terminal { lines: Some(sender), finished }
    }

    /// Shows `lines`.
    pub(super) fn show(&mut self, lines: Vec<Line>) -> io::Result<()> {
        for line in lines {
            match (&self, line) {
                (Self::Terminal { lines: Some(printer), .. }, Line::Data(text)) => {
                    printer.send(format!("{text}\n")).ok();
                }
                (Self::Terminal { lines: Some(printer), .. }, Line::Note(text)) => {
                    printer.send(format!("-- {text}\n")).ok();
                }
                (Self::Streams { .. }, Line::Data(text)) => writeln!(io::stdout(), "{text}")?,
                (Self::Streams { quiet: false }, Line::Note(text)) => writeln!(io::stderr(), "{text}")?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Self::Terminal { lines, finished } = self {
            *lines = None;
            finished.recv_timeout(LAST_LINES).ok();
        }
    }
}
