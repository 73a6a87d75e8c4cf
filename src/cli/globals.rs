//! The options that every command understands, and the one way to tell a person something.

use std::fmt;
use std::io::Write as _;

use clap::{Args, ColorChoice};

use crate::config::{LogConfig, LogLevel};
use crate::printable::printable;

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Print less: results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour what is printed
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

impl Globals {
    /// Tells the person something, on standard error, unless they want it quiet.
    pub fn say(&self, message: impl fmt::Display) {
        if !self.quiet {
            print_line("", "", &message);
        }
    }

    /// Warns the person, on standard error, unless they want it quiet.
    pub fn warn(&self, message: impl fmt::Display) {
        if !self.quiet {
            print_line("\x1b[33m", "warning: ", &message);
        }
    }

    /// The configured logging with what `-q` and `-v` ask for.
    #[must_use]
    pub fn logging(&self, mut log: LogConfig) -> LogConfig {
        log.level = match (self.quiet, self.verbose) {
            (true, _) => LogLevel::Error,
            (false, 0) => log.level,
            (false, 1) => LogLevel::Debug,
            (false, _) => LogLevel::Trace,
        };
        log
    }

    /// Makes `--color` hold for everything that prints; `NO_COLOR` and a pipe hold for `auto`.
    pub(super) fn apply_color(&self) {
        match self.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        let colored = self.colors_stderr();
        dialoguer::console::set_colors_enabled_stderr(colored);
    }

    /// Whether standard error is coloured.
    pub fn colors_stderr(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
    }

    /// Whether standard output is coloured.
    pub fn colors_stdout(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
    }
}

/// One line for a person on standard error, its label in `color`. Whatever the message quotes, it stays one line and does
/// nothing to the terminal.
pub(super) fn print_line(color: &str, label: &str, message: &dyn fmt::Display) {
    let reset = if color.is_empty() { "" } else { "\x1b[0m" };
    // Nobody is left to tell when standard error itself can't be written.
    let message = message.to_string();
    writeln!(anstream::stderr().lock(), "{color}{label}{reset}{}", printable(&message)).ok();
}
