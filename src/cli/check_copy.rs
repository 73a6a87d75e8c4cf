//! Verifying a copy of a database that nobody else has: what a backup holds, and what is to be restored.

use std::path::Path;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::stop_flag::Stop;
use super::{CliError, Globals, printable};
use crate::channels::audit::{AuditError, AuditWatch, DatabaseAudit, Findings};
use crate::ids::ChainIndex;
use crate::keys::PublicKey;
use crate::logchain::{Breaks, Head, VerifyOptions};
use crate::storage::{Opened, StorageError};

/// How often the bar is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// How many faults are shown; `coms verify-chain` shows all.
const SHOWN: usize = 10;

/// What came of checking a copy.
pub(super) struct Checked {
    /// How far its log reaches.
    pub(super) head: Head,
    /// What is wrong with it.
    pub(super) breaks: Breaks,
    /// Whether what is wrong was so already when the database was adopted from the Go reference server.
    pub(super) are_adopted: bool,
}

impl Checked {
    /// Whether anything is wrong that was not so before the adoption.
    pub(super) fn is_broken(&self) -> bool {
        !self.breaks.is_empty() && !self.are_adopted
    }

    /// Tells the person what is wrong.
    pub(super) fn tell(&self, globals: &Globals) {
        for fault in self.breaks.listed().iter().take(SHOWN) {
            let place = fault.index.map_or_else(String::new, |index| format!(" at entry {index}"));
            globals.warn(format_args!("{}{place}: {}", fault.kind.name(), printable(&fault.detail)));
        }
        let more = self.breaks.total().saturating_sub(SHOWN as u64);
        if more > 0 {
            globals.warn(format_args!("and {more} more faults"));
        }
        if self.are_adopted {
            globals.say("all of that is from before the database was adopted from the Go reference server");
        }
    }
}

/// Verifies the database at `path` as `coms verify-chain --db` does, but against no memory.
pub(super) fn check_copy(path: &Path, key: PublicKey, globals: &Globals, stop: &Stop) -> Result<Checked, CliError> {
    let bar = bar(globals, "checking {spinner} {human_pos} entries");
    let audit = |from| {
        let findings = audit(path, VerifyOptions { from, ..VerifyOptions::new(key) }, &bar, stop);
        findings.map_err(|error| explain(&error))
    };
    let Findings { verified, .. } = audit(ChainIndex(0))?;
    let adopted = if verified.breaks.is_empty() { 0 } else { adopted_length(path)? };
    let are_adopted = adopted > 0 && audit(ChainIndex(adopted))?.verified.breaks.is_empty();
    bar.finish_and_clear();
    Ok(Checked { head: verified.head, breaks: verified.breaks, are_adopted })
}

fn audit(path: &Path, options: VerifyOptions, bar: &ProgressBar, stop: &Stop) -> Result<Findings, AuditError> {
    let audit = DatabaseAudit::open(path)?;
    let watch = &AuditWatch::default();
    thread::scope(|scope| {
        let waiting = thread::current();
        let work = scope.spawn(move || {
            let findings = audit.run(options, watch);
            waiting.unpark();
            findings
        });
        while !work.is_finished() {
            bar.set_position(watch.entries());
            if stop.check().is_err() {
                watch.stop();
            }
            thread::park_timeout(TICK);
        }
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How many entries were there when the database was adopted; 0 if that can't be told, or it never was.
fn adopted_length(path: &Path) -> Result<u64, CliError> {
    match crate::storage::AsIs::prepare(path)?.open()? {
        Opened::Coms(database) => match database.adopted_length() {
            Err(error) if error.is_damage() => Ok(0),
            length => Ok(length?),
        },
        Opened::Reference(_) => Ok(0),
    }
}

fn explain(error: &AuditError) -> CliError {
    match error {
        AuditError::Stopped => CliError::interrupted(),
        AuditError::Storage(StorageError::Foreign { .. }) => CliError::failed("the database in it is damaged"),
        AuditError::Storage(_) | AuditError::Changed => CliError::failed(format!("cannot check the database: {error}")),
    }
}

/// A bar without an end on a terminal's standard error.
fn bar(globals: &Globals, template: &str) -> ProgressBar {
    let target = if globals.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template);
    ProgressBar::with_draw_target(None, target).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A bar that counts bytes, on a terminal's standard error.
pub(super) fn bytes_bar(globals: &Globals, doing: &'static str, bytes: u64) -> ProgressBar {
    let target = if globals.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes} of {total_bytes}, {eta} left");
    ProgressBar::with_draw_target(Some(bytes), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(doing)
}
