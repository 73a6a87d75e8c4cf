//! What of the configuration goes into a backup, and how it is encrypted then.

use std::path::PathBuf;

use age::x25519::Recipient;
use clap::Args;

use super::super::archive::Lock;
use super::super::terminal::{Interrupts, is_interactive};
use super::super::{CliError, Globals, SecretArgument};
use super::copy::Copied;
use crate::config::{EnvFile, PublicIdentity, Settings, table};
use crate::secret::Secret;

/// Whether the secrets are in it, and who can open it.
#[derive(Debug, Args)]
pub(super) struct Protection {
    /// Also take the `.env` file with the keys, so that the backup alone brings the server back; it is encrypted then
    #[arg(long)]
    include_secrets: bool,
    /// Encrypt it with a passphrase, which is asked for
    #[arg(long, conflicts_with_all = ["passphrase_file", "recipient"])]
    encrypt: bool,
    /// Encrypt it with the passphrase in this file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
    passphrase_file: Option<PathBuf>,
    /// Encrypt it so that only the key of this age recipient opens it; repeated, the key of any of them
    #[arg(long, value_name = "AGE1…", value_parser = recipient)]
    recipient: Vec<Recipient>,
}

impl Protection {
    /// Gives `work` what to encrypt with and the configuration to include; asks for a passphrase if it must.
    pub(super) fn ask<T>(
        &self,
        file: Option<&EnvFile>,
        globals: &Globals,
        work: impl FnOnce(&Lock, Option<&EnvFile>) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let env = self.env(file, globals)?;
        if !self.recipient.is_empty() {
            return work(&Lock::Recipients(self.recipient.clone()), env);
        }
        if let Some(path) = &self.passphrase_file {
            return work(&Lock::Passphrase(SecretArgument::in_file(path).read("passphrase")?), env);
        }
        if !self.encrypt && !self.include_secrets {
            return work(&Lock::Open, env);
        }
        if !is_interactive() {
            let why = if self.include_secrets { "a backup with secrets is encrypted" } else { "no passphrase given" };
            return Err(CliError::usage(format!("{why}, and nobody is there to ask for a passphrase"))
                .hint("give `--passphrase-file FILE` or `--recipient AGE1…`"));
        }
        let interrupts = Interrupts::take_over()?;
        let lock = Lock::Passphrase(ask_twice()?);
        interrupts.hold(|| work(&lock, env))
    }

    fn env<'a>(&self, file: Option<&'a EnvFile>, globals: &Globals) -> Result<Option<&'a EnvFile>, CliError> {
        if !self.include_secrets {
            return Ok(None);
        }
        let file = file.ok_or_else(|| {
            CliError::usage("there is no `.env` file whose secrets could be included")
                .hint("name it with `-e FILE`, or leave out `--include-secrets` and keep the secrets elsewhere")
        })?;
        if file.document.value(table::SERVER_SECRET_KEY.name).is_none_or(str::is_empty) {
            globals.warn(format_args!(
                "`{}` does not hold SERVER_SECRET_KEY, so neither does the backup: keep the key elsewhere",
                file.path.display()
            ));
        }
        Ok(Some(file))
    }
}

/// Refuses to put the keys of one server beside the messages of another.
pub(super) fn check_identity(settings: &Settings, copied: &Copied) -> Result<(), CliError> {
    let configured = settings.read::<PublicIdentity>()?;
    let other_id = configured.server_id.filter(|id| !id.is(copied.server_id.as_str()));
    let other_key = configured.public_key.filter(|key| *key != copied.public_key);
    match (other_id, other_key) {
        (None, None) => Ok(()),
        _ => {
            Err(CliError::usage("the configuration that is to be included is that of another server than the database")
                .hint("name the right one with `-e FILE`, or leave out `--include-secrets`"))
        }
    }
}

fn ask_twice() -> Result<Secret, CliError> {
    let prompt = dialoguer::Password::new()
        .with_prompt("Passphrase for the backup")
        .with_confirmation("The same again", "these are not the same");
    let answer = prompt.interact().map_err(|dialoguer::Error::IO(error)| error)?;
    Ok(Secret::new(answer))
}

fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse().map_err(|problem| format!("{problem}; an age recipient begins with `age1`"))
}
