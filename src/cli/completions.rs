//! `coms completions`: what a shell needs to complete our commands.

use std::io::{self, Write as _};

use clap::Args;
use clap_complete::Shell;

use super::{CliError, Exit, command};

/// Print the completions for a shell
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit, CliError> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "coms", &mut text);
        let mut stdout = io::stdout().lock();
        stdout.write_all(&text)?;
        stdout.flush()?;
        Ok(Exit::Done)
    }
}
