//! What the person types, line by line: with an editable input line on a terminal, else as standard input has it.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::mpsc as std_mpsc;
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

use super::command::Command;
use super::screen::Screen;

/// How many lines may wait; a script that writes faster waits itself.
const WAITING: usize = 64;

/// The longest line that is read, in bytes: more than the longest message.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// What comes from the person.
#[derive(Debug)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// There will be no more.
    End,
    /// Ctrl-C on the input line.
    Interrupted,
}

/// A person or a script: where their lines come from, and where lines for them go.
pub(super) struct Console {
    pub(super) typed: mpsc::Receiver<Typed>,
    pub(super) screen: Screen,
    /// Puts the terminal back as it was, whatever the input line is doing when the program ends.
    _terminal: Option<TerminalMode>,
}

impl Console {
    /// The terminal, if both ends are one and no `json` is wanted; else the standard streams.
    pub(super) fn open(json: bool, quiet: bool) -> Self {
        if !json && io::stdin().is_terminal() && io::stdout().is_terminal() {
            let terminal = TerminalMode::current();
            if let Some((typed, printer)) = edited_lines() {
                return Self { typed, screen: Screen::terminal(printer), _terminal: terminal };
            }
        }
        Self { typed: plain_lines(), screen: Screen::Streams { quiet }, _terminal: None }
    }
}

impl Console {
    /// Whether a person sits there.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.screen, Screen::Terminal { .. })
    }
}

type EditedLines = (mpsc::Receiver<Typed>, Box<dyn ExternalPrinter + Send>);

/// Lines from an editor on the terminal, and the printer that leaves its input line whole.
fn edited_lines() -> Option<EditedLines> {
    let (sender, typed) = mpsc::channel(WAITING);
    let (printer_sender, printer) = std_mpsc::channel::<Option<Box<dyn ExternalPrinter + Send>>>();
    thread::spawn(move || {
        let Ok(mut editor) = DefaultEditor::new() else { return };
        let printer = editor.create_external_printer().ok();
        let usable = printer.is_some();
        printer_sender.send(printer.map(|printer| Box::new(printer) as Box<dyn ExternalPrinter + Send>)).ok();
        if usable {
            edit_lines(&mut editor, &sender);
        }
    });
    printer.recv().ok().flatten().map(|printer| (typed, printer))
}

fn edit_lines(editor: &mut DefaultEditor, sender: &mpsc::Sender<Typed>) {
    loop {
        let typed = match editor.readline("> ") {
            Ok(line) => {
                // Only a history that is full or refuses repetitions says no; then it just lacks the line.
                editor.add_history_entry(line.as_str()).ok();
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(_) => Typed::End,
        };
        // The terminal is left as it is after the last line, not made an input line again.
        let last = match &typed {
            Typed::Line(line) => Command::parse(line) == Command::Quit,
            Typed::End | Typed::Interrupted => true,
        };
        if sender.blocking_send(typed).is_err() || last {
            return;
        }
    }
}

/// The lines of standard input. Bytes that are no UTF-8 become U+FFFD.
fn plain_lines() -> mpsc::Receiver<Typed> {
    let (sender, typed) = mpsc::channel(WAITING);
    thread::spawn(move || {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut stdin = io::Read::take(io::stdin().lock(), MAX_LINE_BYTES);
            let read = stdin.read_until(b'\n', &mut line);
            drop(stdin);
            let typed = match read {
                Ok(1..) => Typed::Line(String::from_utf8_lossy(&line).into_owned()),
                Ok(0) | Err(_) => Typed::End,
            };
            let last = matches!(typed, Typed::End);
            if sender.blocking_send(typed).is_err() || last {
                return;
            }
        }
    });
    typed
}

/// How the terminal was set when the program began.
#[cfg(unix)]
struct TerminalMode(rustix::termios::Termios);

#[cfg(unix)]
impl TerminalMode {
    fn current() -> Option<Self> {
        rustix::termios::tcgetattr(io::stdin()).ok().map(Self)
    }
}

#[cfg(unix)]
impl Drop for TerminalMode {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.0).ok();
    }
}

/// Elsewhere the console puts itself back.
#[cfg(not(unix))]
struct TerminalMode;

#[cfg(not(unix))]
impl TerminalMode {
    fn current() -> Option<Self> {
        None
    }
}
