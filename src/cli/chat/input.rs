//! What the person types, line by line: with an editable input line on a terminal, else as standard input has it.

use std::io::{self, BufRead, IsTerminal as _, Read as _};
use std::sync::mpsc as std_mpsc;
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

use super::command::Command;
use super::screen::Screen;

/// How many lines may wait; a script that writes faster waits itself.
const WAITING: usize = 64;

/// The longest line that is read, in bytes with its end: more than the longest message.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// What comes from the person.
#[derive(Debug)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// A line of more than [`MAX_LINE_BYTES`], which was passed over.
    TooLong,
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
            Typed::TooLong => false,
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
        loop {
            let typed = read_line(&mut io::stdin().lock());
            let last = matches!(typed, Typed::End);
            if sender.blocking_send(typed).is_err() || last {
                return;
            }
        }
    });
    typed
}

/// The next line of `input`. A longer one than may be is read to its end and dropped, so that no part of it passes for a
/// line.
fn read_line(input: &mut impl BufRead) -> Typed {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let left = MAX_LINE_BYTES - line.len();
        match input.by_ref().take(left as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) if line.is_empty() && !is_too_long => return Typed::End,
            Ok(1..) if line.last() != Some(&b'\n') && line.len() == MAX_LINE_BYTES => {
                line.clear();
                is_too_long = true;
            }
            _ if is_too_long => return Typed::TooLong,
            _ => return Typed::Line(String::from_utf8_lossy(&line).into_owned()),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_dropped_whole() {
        let long = |more: usize| "x".repeat(MAX_LINE_BYTES + more);
        let text = format!("one\n{}\n\n{}\n{}\ntwo\n{}", long(0), &long(0)[1..], long(3 * MAX_LINE_BYTES), long(7));
        let mut input = text.as_bytes();
        let mut lines = Vec::new();
        loop {
            match read_line(&mut input) {
                Typed::Line(line) => lines.push(line.trim_end_matches('\n').len().to_string()),
                Typed::TooLong => lines.push("too long".to_owned()),
                Typed::End | Typed::Interrupted => break,
            }
        }
        assert_eq!(lines, ["3", "too long", "0", "65535", "too long", "3", "too long"]);
    }
}
