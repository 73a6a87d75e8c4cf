//! The command line: one file a command, and what they share. Nothing below this layer prints or asks.

mod error;
mod printable;
mod secret_argument;

use std::process::ExitCode;

use clap::{Args, ColorChoice, Parser, Subcommand};

pub use error::{CliError, Exit};
pub use printable::{Printable, printable};
pub use secret_argument::SecretArgument;

/// A Zync community server, and the tools to set it up, look after it and check it.
#[derive(Debug, Parser)]
#[command(name = "coms", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Print less: results and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour what is printed
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return error::usage(&error),
    };
    error::finish(run(cli))
}

fn run(cli: Cli) -> Result<Exit, CliError> {
    match cli.command {
        Some(command) => match command {},
        None => Err(CliError::usage("no command given").hint("see `coms --help`")),
    }
}
