//! A progress bar on a terminal's standard error, and nothing anywhere else.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Globals;

/// A bar that counts entries to `length`, or without an end.
pub(super) fn bar(globals: &Globals, length: Option<u64>) -> ProgressBar {
    let is_shown = !globals.quiet && io::stderr().is_terminal();
    let target = if is_shown { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    let template = match length {
        Some(_) => "{bar:30} {human_pos}/{human_len} entries, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} entries, {per_sec}",
    };
    // The templates are constants and known to be good; a plain bar would do as well.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
