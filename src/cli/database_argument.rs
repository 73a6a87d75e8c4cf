//! The part that commands share which read the database directly, a server running on it or not.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliError, Globals, SettingsArgs};
use crate::config::{DatabaseConfig, Settings};
use crate::storage::{Access, AsIs, Database, Opened, StorageError};

/// Which database is read.
#[derive(Debug, Clone, Args)]
pub(super) struct DatabaseArgs {
    /// Read this database [default: the configured one]
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
}

/// A database that is open for reading.
pub(super) struct OpenDatabase {
    database: Database,
    /// How it is read where nothing can be written beside it, as a reader must be able to otherwise.
    as_is: Option<AsIs>,
}

impl Deref for OpenDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl OpenDatabase {
    /// Refuses what was read if it is not of one moment: somebody began to write to a file that nobody had open.
    pub(super) fn check_unchanged(&self) -> Result<(), CliError> {
        match &self.as_is {
            Some(as_is) if !as_is.is_unchanged() => {
                Err(CliError::from(anyhow::anyhow!("the database was written to while it was read"))
                    .hint("try again: it is read in another way while a server runs"))
            }
            _ => Ok(()),
        }
    }
}

impl DatabaseArgs {
    /// Opens the database for reading.
    pub(super) fn open(&self, globals: &Globals) -> Result<OpenDatabase, CliError> {
        match &self.db {
            Some(path) => open(path, NAMED),
            None => self.open_in(&self.settings.load(globals)?),
        }
    }

    /// Opens the database for reading, with settings that are there already.
    pub(super) fn open_in(&self, settings: &Settings) -> Result<OpenDatabase, CliError> {
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

fn open(path: &Path, hint: &str) -> Result<OpenDatabase, CliError> {
    match Database::open(path, Access::ReadOnly) {
        Ok(database) => Ok(OpenDatabase { database, as_is: None }),
        Err(StorageError::Open { .. }) => open_as_is(path),
        Err(error) => Err(error),
    }
    .map_err(|error| storage_error(error, hint))
}

/// Opens a database in a folder that can't be written to.
fn open_as_is(path: &Path) -> Result<OpenDatabase, StorageError> {
    let as_is = AsIs::prepare(path)?;
    match as_is.open()? {
        Opened::Coms(database) => Ok(OpenDatabase { database, as_is: Some(as_is) }),
        Opened::Reference(_) => Err(StorageError::Reference { path: path.to_owned() }),
    }
}

/// What the failure means for the command; `elsewhere` says how to read another file.
fn storage_error(error: StorageError, elsewhere: &str) -> CliError {
    let hint = match &error {
        StorageError::Foreign { .. } => {
            return CliError::from(error)
                .hint(format!("{elsewhere}; a file that is cut off or damaged looks like this, too"));
        }
        StorageError::Reference { .. } => "take it over with `coms adopt`",
        StorageError::ChangedSchema { .. } => "undo that change, or restore a backup: `coms restore`",
        StorageError::Older { .. } => "start the server on it once: `coms serve`",
        StorageError::Lock(_) => "name the database as that process does",
        StorageError::Newer { .. } => "a later coms wrote it: use that one",
        StorageError::Open { .. } => elsewhere,
        _ => return CliError::from(error),
    };
    CliError::from(error).hint(hint)
}

/// What the failure means for a command that reads the configured or a named database.
pub(super) fn explain(error: StorageError) -> CliError {
    storage_error(error, "check DB_PATH, or name a database with `--db FILE`")
}
