//! The part that commands share which read the database directly, a server running on it or not.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliError, Globals, SettingsArgs};
use crate::config::{DatabaseConfig, Settings};
use crate::storage::{Access, Database, StorageError};

/// Which database is read.
#[derive(Debug, Clone, Args)]
pub(super) struct DatabaseArgs {
    /// Read this database [default: the configured one]
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
}

impl DatabaseArgs {
    /// Opens the database for reading.
    pub(super) fn open(&self, globals: &Globals) -> Result<Database, CliError> {
        match &self.db {
            Some(path) => open(path, NAMED),
            None => self.open_in(&self.settings.load(globals)?),
        }
    }

    /// Opens the database for reading, with settings that are there already.
    pub(super) fn open_in(&self, settings: &Settings) -> Result<Database, CliError> {
        match &self.db {
            Some(path) => open(path, NAMED),
            None => {
                open(&settings.read::<DatabaseConfig>()?.path, "check DB_PATH, or name a database with `--db FILE`")
            }
        }
    }

    /// Where the database is, whether or not it is there.
    pub(super) fn path_in(&self, settings: &Settings) -> Result<PathBuf, CliError> {
        match &self.db {
            Some(path) => Ok(path.clone()),
            None => Ok(settings.read::<DatabaseConfig>()?.path),
        }
    }
}

const NAMED: &str = "name a database of coms with `--db FILE`";

fn open(path: &Path, hint: &str) -> Result<Database, CliError> {
    Database::open(path, Access::ReadOnly).map_err(|error| storage_error(error, hint))
}

/// What the failure means for the command; `elsewhere` says how to read another file.
fn storage_error(error: StorageError, elsewhere: &str) -> CliError {
    let hint = match &error {
        StorageError::Reference { .. } => "take it over with `coms adopt`",
        StorageError::Newer { .. } => "a later coms wrote it: use that one",
        StorageError::Foreign { .. } | StorageError::Open { .. } => elsewhere,
        _ => return failed(error),
    };
    failed(error).hint(hint)
}

/// What the failure means for a command that reads the configured or a named database.
pub(super) fn explain(error: StorageError) -> CliError {
    storage_error(error, "check DB_PATH, or name a database with `--db FILE`")
}

/// The command could not do its work because the database failed.
pub(super) fn failed(error: StorageError) -> CliError {
    CliError::from(anyhow::Error::from(error))
}
