//! Where a backup goes: the configured database, and the configuration itself if there is none yet.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::archive::Manifest;
use super::super::{CliError, Exit, Globals, SettingsArgs};
use crate::config::{
    self, DEFAULT_ENV_FILE, DatabaseConfig, EnvFile, Identity, ProcessEnvironment, PublicIdentity, Settings, WriteError,
};

/// What becomes of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EnvState {
    /// The backup has one, and there is none: it is written here.
    Written(PathBuf),
    /// The backup has the same one that is here.
    Same(PathBuf),
    /// The backup has one, and another is here, which stays.
    Kept(PathBuf),
    /// The backup has none.
    NotIncluded {
        /// Whether there is a usable one here.
        is_here: bool,
    },
}

impl EnvState {
    /// Whether the server's keys are nowhere to be seen.
    pub(super) fn lacks_configuration(&self) -> bool {
        *self == Self::NotIncluded { is_here: false }
    }
}

/// Where things go.
pub(super) struct Place {
    /// The database.
    pub(super) database: PathBuf,
    settings: Settings,
    /// Where the configuration is, or is to be.
    env_path: PathBuf,
    present: Option<EnvFile>,
    archived: Option<EnvFile>,
}

impl Place {
    /// What is configured counts; where there is no `.env` file, the one in the backup.
    pub(super) fn find(args: &SettingsArgs, archived: Option<&[u8]>, globals: &Globals) -> Result<Self, CliError> {
        let env_path = args.env_file.clone().unwrap_or_else(|| DEFAULT_ENV_FILE.into());
        let present = EnvFile::read(&env_path)?;
        let archived = archived.map(|text| archived_env(&env_path, text)).transpose()?;
        if present.is_none() && archived.is_none() && args.env_file.is_some() {
            return Err(CliError::usage(format!(
                "`{}` does not exist, and the backup holds no configuration",
                env_path.display()
            ))
            .hint("name the configuration with `-e FILE`"));
        }
        let settings = Settings::with_file(present.clone().or_else(|| archived.clone()), ProcessEnvironment::current());
        if present.is_some() {
            for warning in settings.warnings() {
                globals.warn(&warning);
            }
        }
        let database = settings.read::<DatabaseConfig>()?.path;
        Ok(Self { database, settings, env_path, present, archived })
    }

    /// Refuses a backup of another server than the configured one.
    pub(super) fn check_identity(&self, manifest: &Manifest) -> Result<(), CliError> {
        let PublicIdentity { server_id, public_key } = self.settings.read()?;
        if let Some(id) = server_id.filter(|id| !id.is(manifest.server_id.as_str())) {
            let message =
                format!("the backup is of the server {}, and SERVER_ID is {}", manifest.server_id, id.as_str());
            return Err(
                CliError::usage(message).hint("take a backup of this server, or name its configuration with `-e FILE`")
            );
        }
        if let Some(key) = public_key.filter(|key| *key != manifest.public_key) {
            let message = format!(
                "the log in the backup is signed with the key {}, and SERVER_PUBLIC_KEY is {key}",
                manifest.public_key
            );
            return Err(
                CliError::usage(message).hint("with another key the log would break; take the old configuration")
            );
        }
        Ok(())
    }

    /// What is to become of the configuration, or has become.
    pub(super) fn env_state(&self) -> EnvState {
        let path = self.env_path.clone();
        match (&self.archived, &self.present) {
            (None, _) => EnvState::NotIncluded { is_here: self.settings.read::<Identity>().is_ok() },
            (Some(_), None) => EnvState::Written(path),
            (Some(archived), Some(present)) if archived.document.text() == present.document.text() => {
                EnvState::Same(path)
            }
            (Some(_), Some(_)) => EnvState::Kept(path),
        }
    }

    /// Writes the configuration in the backup, if there is none here.
    pub(super) fn write_env(&self) -> Result<(), CliError> {
        let (Some(archived), None) = (&self.archived, &self.present) else { return Ok(()) };
        let written = config::write(&self.env_path, &archived.document, None);
        written.map_err(|error| {
            let failed = CliError::from(anyhow::Error::from(error));
            failed.hint("name a place for the configuration with `-e FILE`")
        })
    }

    /// Writes the configuration in the backup, which there must be, and nothing else.
    pub(super) fn write_only_env(&self, globals: &Globals) -> Result<Exit, CliError> {
        let path = self.env_path.display();
        let Some(archived) = &self.archived else { return Ok(Exit::Done) };
        match config::write(&self.env_path, &archived.document, None) {
            Ok(()) => {}
            Err(WriteError::Changed { .. }) => {
                return Err(CliError::usage(format!("`{path}` is there already"))
                    .hint("name another file with `-e FILE`, and compare"));
            }
            Err(error) => return Err(anyhow::Error::from(error).into()),
        }
        globals.say(format_args!("wrote the configuration to `{path}`"));
        Ok(Exit::Done)
    }
}

fn archived_env(path: &Path, text: &[u8]) -> Result<EnvFile, CliError> {
    let text = std::str::from_utf8(text).map_err(|_| CliError::failed("the configuration in the backup is no text"))?;
    Ok(EnvFile::of_text(path, text)?)
}
