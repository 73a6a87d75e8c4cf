//! The part that commands with a configuration share: which file it is, and what is said about it.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, Globals};
use crate::config::{DEFAULT_ENV_FILE, Fault, Faults, Group, ProcessEnvironment, Settings, Warning};

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsArgs {
    /// Read the configuration from this file, which must exist [default: `.env` if there is one]
    #[arg(short, long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

impl SettingsArgs {
    /// Where the configuration is, if it is in a file.
    pub fn path(&self) -> PathBuf {
        self.env_file.clone().unwrap_or_else(|| DEFAULT_ENV_FILE.into())
    }

    /// Loads the settings and says what is odd about them.
    pub fn load(&self, globals: &Globals) -> Result<Settings, CliError> {
        let settings = self.settings()?;
        for warning in settings.warnings() {
            globals.warn(&warning);
        }
        Ok(settings)
    }

    /// Loads what a command uses; a tuple of groups reads both.
    pub fn read<G: Group>(&self, globals: &Globals) -> Result<G, CliError> {
        let settings = self.settings()?;
        let group = settings.read();
        let is_fault = |fault: &Fault| group.as_ref().is_err_and(|faults: &Faults| faults.iter().any(|it| it == fault));
        for warning in settings.warnings() {
            // What is a fault here need not be said twice.
            if !matches!(&warning, Warning::Exposed(fault) if is_fault(fault)) {
                globals.warn(&warning);
            }
        }
        Ok(group?)
    }

    fn settings(&self) -> Result<Settings, CliError> {
        Ok(Settings::load(self.env_file.as_deref(), ProcessEnvironment::current())?)
    }
}
