//! `coms man`: the manual pages.

use std::io::{self, Write as _};

use clap::Args;

use super::{CliError, Exit, command};

/// Print the manual page of the program or of one command
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The command, its words one after the other
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
}

impl Man {
    pub(super) fn run(self) -> Result<Exit, CliError> {
        let mut page = command();
        // Fills in the names under which the subcommands are called, and the options that hold everywhere.
        page.build();
        let mut title = String::from("coms");
        for name in &self.path {
            let Some(found) = page.find_subcommand(name).filter(|found| !found.is_hide_set()) else {
                return Err(CliError::usage(format!("there is no such command: {}", self.path.join(" ")))
                    .hint("`coms --help` lists them"));
            };
            page = found.clone();
            title = format!("{title}-{name}");
        }
        let mut text = Vec::new();
        clap_mangen::Man::new(page).title(title).render(&mut text)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&text)?;
        stdout.flush()?;
        Ok(Exit::Done)
    }
}
