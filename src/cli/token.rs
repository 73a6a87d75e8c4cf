//! `coms token`: tokens that the server issues itself.

mod auditor;

use clap::{Args, Subcommand};

use super::{CliError, Exit, Globals};

/// Issue and revoke tokens
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Auditor(auditor::Auditor),
}

impl Token {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        match self.kind {
            Kind::Auditor(command) => command.run(globals),
        }
    }
}
