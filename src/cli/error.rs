//! How a command ends: an exit code, and for a failure one clear line with a hint.

use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::globals::print_line;
use crate::config::Faults;
use crate::storage::StorageError;

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; for a question, yes.
    Done,
    /// The answer is no: the chain is broken, nothing matched.
    No,
}

impl Exit {
    /// The exit code after printing: what was found or done decides it, whether or not anybody could read the text about
    /// it. A reader that went away is no fault; anything else that kept the text from being written is said.
    #[must_use]
    pub(super) fn printed(self, printed: io::Result<()>) -> Self {
        if let Err(error) = printed
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            print_line("\x1b[1;31m", "error: ", &format_args!("cannot write to standard output: {error}"));
        }
        self
    }
}

/// What kind of failure it was; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Bad arguments or configuration: 2.
    Usage,
    /// It could not be determined or done: 3.
    Failed,
    /// Ctrl-C: 130.
    Interrupted,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub struct CliError {
    kind: Kind,
    cause: anyhow::Error,
    hints: Vec<String>,
}

impl CliError {
    /// Bad arguments or configuration, in one sentence. Exit code 2.
    pub fn usage(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self { kind: Kind::Usage, cause: anyhow::Error::msg(message), hints: Vec::new() }
    }

    /// Everything that is wrong with a configuration, with other advice than that of each fault. Exit code 2.
    pub(super) fn faults(faults: Faults) -> Self {
        Self { kind: Kind::Usage, cause: anyhow::Error::new(faults), hints: Vec::new() }
    }

    /// Something could not be determined or done. Exit code 3.
    pub fn failed(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self { kind: Kind::Failed, cause: anyhow::Error::msg(message), hints: Vec::new() }
    }

    /// The person stopped it. Exit code 130, nothing printed.
    pub fn interrupted() -> Self {
        Self { kind: Kind::Interrupted, cause: anyhow::Error::msg("interrupted"), hints: Vec::new() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What happened, in one sentence, without the hints.
    pub(super) fn describe(&self) -> String {
        format!("{:#}", self.cause)
    }

    /// Whether something could not be determined or done (exit code 3).
    pub(super) fn is_failure(&self) -> bool {
        self.kind == Kind::Failed
    }

    fn is_broken_pipe(&self) -> bool {
        self.cause
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<anyhow::Error> for CliError {
    fn from(cause: anyhow::Error) -> Self {
        Self { kind: Kind::Failed, cause, hints: Vec::new() }
    }
}

impl From<Faults> for CliError {
    fn from(faults: Faults) -> Self {
        let mut hints: Vec<String> = Vec::new();
        for hint in faults.iter().filter_map(crate::config::Fault::hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Self { hints, ..Self::faults(faults) }
    }
}

impl From<StorageError> for CliError {
    /// The command could not do its work because the database failed.
    fn from(error: StorageError) -> Self {
        let is_damage = error.is_damage();
        let failed = Self::from(anyhow::Error::from(error));
        if is_damage { failed.hint("the file is damaged: `coms verify-chain` on it says where") } else { failed }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::from(anyhow::Error::from(error))
    }
}

/// Prints what clap has to say (help and version are no failure) and gives its exit code.
pub(super) fn usage(mut error: clap::Error) -> ExitCode {
    hide_secrets(&mut error);
    error.print().ok();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// Takes out of clap's message what was typed, where that may be a secret in a wrong place: only what is as short as the
/// words and numbers that belong on a command line is repeated.
fn hide_secrets(error: &mut clap::Error) {
    const LONGEST: usize = 12;
    let may_be_secret = |text: &str| text.chars().count() > LONGEST;
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidSubcommand, ContextKind::InvalidArg] {
        let Some(ContextValue::String(text)) = error.get(kind) else { continue };
        // The name of an option: of one that there is, or perhaps mistyped. What follows its `=` is not in it.
        let is_option = kind == ContextKind::InvalidArg
            && (error.kind() != ErrorKind::UnknownArgument || (text.starts_with('-') && text.len() < 32));
        if may_be_secret(text) && !is_option {
            error.insert(kind, ContextValue::String("…".to_owned()));
            // Tips repeat it.
            error.remove(ContextKind::Suggested);
            error.remove(ContextKind::SuggestedSubcommand);
            error.remove(ContextKind::SuggestedArg);
        }
    }
}

/// Prints the failure, if there was one, and gives the exit code.
///
/// A reader that went away (`coms export | head`) is no failure. A command whose exit code answers a question, or says that
/// something is done, prints with [`Exit::printed`] instead.
pub(super) fn finish(result: Result<Exit, CliError>) -> ExitCode {
    let error = match result {
        Ok(Exit::Done) => return ExitCode::SUCCESS,
        Ok(Exit::No) => return ExitCode::from(1),
        Err(error) => error,
    };
    let code = match error.kind {
        _ if error.is_broken_pipe() => return ExitCode::SUCCESS,
        Kind::Interrupted => return ExitCode::from(130),
        Kind::Usage => 2,
        Kind::Failed => 3,
    };
    let print = |line: &dyn fmt::Display| print_line("\x1b[1;31m", "error: ", line);
    match error.cause.downcast_ref::<Faults>() {
        // A configuration may have many faults, and each is a line of its own.
        Some(faults) => faults.iter().for_each(|fault| print(fault)),
        None => print(&format_args!("{:#}", error.cause)),
    }
    for hint in &error.hints {
        print_line("\x1b[36m", "hint: ", hint);
    }
    ExitCode::from(code)
}
