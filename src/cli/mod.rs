//! The command line: one file a command, and what they share. Nothing below this layer prints or asks.
//!
//! A command is a struct of arguments in a file of its own, a variant of `Command`, and a line in `run`.

mod adopt;
mod archive;
mod backup;
mod chat;
mod check_copy;
mod completions;
mod database_argument;
mod dev;
mod editor;
mod error;
mod export;
mod first_run;
mod globals;
mod init;
mod input_file;
mod json;
mod keygen;
mod man;
mod restore;
mod search;
mod secret_argument;
mod serve;
mod settings;
mod stop_flag;
mod stop_signal;
mod terminal;
mod token;
mod verify_chain;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use error::{CliError, Exit};
pub use globals::Globals;
pub use secret_argument::SecretArgument;
pub use settings::SettingsArgs;

pub use crate::printable::printable;

/// A Zync community server, and the tools to set it up, look after it and check it.
#[derive(Debug, Parser)]
#[command(name = "coms", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    /// For the program without a command only.
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Adopt(adopt::Adopt),
    Dev(dev::Dev),
    Init(init::Init),
    Keygen(keygen::Keygen),
    Serve(serve::Serve),
    VerifyChain(verify_chain::VerifyChain),
    Search(search::Search),
    Export(export::Export),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Token(token::Token),
    Chat(chat::Chat),
    Completions(completions::Completions),
    Man(man::Man),
}

/// The whole command line as clap knows it, for what is generated from it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return error::usage(error),
    };
    cli.globals.apply_color();
    keep_files_private();
    error::finish(run(cli))
}

/// Whatever is written, by libraries too, is for its owner alone: databases, log files, exports.
fn keep_files_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

fn run(cli: Cli) -> Result<Exit, CliError> {
    let globals = &cli.globals;
    if cli.command.is_some() && cli.settings.env_file.is_some() {
        // It would be read by nobody.
        return Err(CliError::usage("`-e` stands before the command").hint("put it after the command"));
    }
    match cli.command {
        Some(Command::Adopt(command)) => command.run(globals),
        Some(Command::Backup(command)) => command.run(globals),
        Some(Command::Restore(command)) => command.run(globals),
        Some(Command::Dev(command)) => command.run(globals),
        Some(Command::Chat(command)) => command.run(globals),
        Some(Command::Init(command)) => command.run(globals),
        Some(Command::Keygen(command)) => command.run(globals),
        Some(Command::Serve(command)) => command.run(globals),
        Some(Command::Search(command)) => command.run(globals),
        Some(Command::Export(command)) => command.run(globals),
        Some(Command::Completions(command)) => command.run(),
        Some(Command::Man(command)) => command.run(),
        Some(Command::Token(command)) => command.run(globals),
        Some(Command::VerifyChain(command)) => command.run(globals),
        None => first_run::run(&cli.settings, globals),
    }
}
