//! The file that is to be restored: what it is, and what opens it.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use age::{Callbacks, DecryptError, IdentityFile};
use clap::Args;

use super::super::archive::{Damage, Unlock, is_encrypted};
use super::super::input_file::{open_data, open_without_waiting};
use super::super::terminal::{Interrupts, is_interactive};
use super::super::{CliError, SecretArgument, printable};
use crate::secret::Secret;

const BUFFER_BYTES: usize = 256 * 1024;

/// What opens an encrypted backup.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// The passphrase of an encrypted backup is in this file; `-` is standard input; without it, it is asked for
    #[arg(long, value_name = "FILE", conflicts_with = "identity_file")]
    passphrase_file: Option<PathBuf>,
    /// The age identity (`AGE-SECRET-KEY-1…`) that opens the backup is in this file; repeated, any of them
    #[arg(long, value_name = "FILE")]
    identity_file: Vec<PathBuf>,
}

/// An opened backup, decrypted if it was encrypted.
pub(super) struct Source {
    /// For people.
    name: String,
    input: Option<Box<dyn BufRead>>,
}

impl SourceArgs {
    /// Gives `work` what is in the file; asks for the passphrase if it must.
    pub(super) fn open<T>(&self, path: &Path, work: impl FnOnce(Source) -> Result<T, CliError>) -> Result<T, CliError> {
        let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { quoted(path) };
        let from_stdin = path.as_os_str() == "-";
        if from_stdin && self.passphrase_file.as_ref().is_some_and(|file| file.as_os_str() == "-") {
            return Err(CliError::usage("the backup and the passphrase can't both come from standard input"));
        }
        let cannot = |error: io::Error| CliError::failed(format!("cannot read {name}: {error}"));
        let mut input: Box<dyn BufRead> = if from_stdin {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, io::stdin()))
        } else {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, open_data(path).map_err(cannot)?))
        };
        let beginning = input.fill_buf().map_err(cannot)?;
        if !is_encrypted(beginning) {
            recognize(beginning).map_err(|what| what.explain(&name))?;
            return work(Source { name, input: Some(input) });
        }
        let wants_passphrase = asks_for_passphrase(beginning);
        if !self.identity_file.is_empty() || self.passphrase_file.is_some() {
            return work(unlock(name, input, &self.given()?)?);
        }
        if !wants_passphrase || from_stdin || !is_interactive() {
            let (what, hint) = if wants_passphrase {
                ("with a passphrase", "give it with `--passphrase-file FILE`")
            } else {
                ("for an age recipient", "give its key with `--identity-file FILE`")
            };
            return Err(CliError::usage(format!("{name} is encrypted {what}")).hint(hint));
        }
        let interrupts = Interrupts::take_over()?;
        let prompt = dialoguer::Password::new().with_prompt("Passphrase of the backup");
        let answer = prompt.interact().map_err(|dialoguer::Error::IO(error)| error)?;
        let unlock_with = Unlock::Passphrase(Secret::new(answer));
        interrupts.hold(|| work(unlock(name, input, &unlock_with)?))
    }

    fn given(&self) -> Result<Unlock, CliError> {
        if let Some(path) = &self.passphrase_file {
            return SecretArgument::in_file(path).read("passphrase").map(Unlock::Passphrase);
        }
        let mut identities = Vec::new();
        for path in &self.identity_file {
            let cannot = |problem: String| {
                CliError::usage(format!("cannot read the identity file {}: {problem}", quoted(path)))
                    .hint("it holds lines that begin with `AGE-SECRET-KEY-1`, as `age-keygen` writes them")
            };
            let file = open_without_waiting(path).map_err(|error| cannot(error.to_string()))?;
            let file = IdentityFile::from_buffer(BufReader::new(file)).map_err(|error| cannot(error.to_string()))?;
            let read = file.with_callbacks(Silent).into_identities().map_err(|error| cannot(error.to_string()))?;
            if read.is_empty() {
                return Err(cannot("there is no key in it".to_owned()));
            }
            identities.extend(read);
        }
        Ok(Unlock::Identities(identities))
    }
}

/// Whether the first recipient is a passphrase, which then is the only one.
fn asks_for_passphrase(beginning: &[u8]) -> bool {
    let mut lines = beginning.split(|byte| *byte == b'\n');
    lines.nth(1).is_some_and(|line| line.starts_with(b"-> scrypt "))
}

fn unlock(name: String, input: Box<dyn BufRead>, unlock: &Unlock) -> Result<Source, CliError> {
    let opened = unlock.open(input).map_err(|error| cannot_open(&name, unlock, &error))?;
    let mut input = BufReader::with_capacity(BUFFER_BYTES, opened);
    match input.fill_buf() {
        Ok(beginning) => recognize(beginning).map_err(|what| what.explain(&name))?,
        Err(error) => return Err(CliError::failed(format!("{name} is damaged: {error}"))),
    }
    Ok(Source { name, input: Some(Box::new(input)) })
}

fn cannot_open(name: &str, unlock: &Unlock, error: &DecryptError) -> CliError {
    let is_passphrase = matches!(unlock, Unlock::Passphrase(_));
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed if is_passphrase => {
            CliError::usage(format!("this is not the passphrase of {name}"))
        }
        DecryptError::NoMatchingKeys if is_passphrase => {
            CliError::usage(format!("{name} is not encrypted with a passphrase, but for an age recipient"))
                .hint("give its key with `--identity-file FILE`")
        }
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => {
            CliError::usage(format!("no key that was given opens {name}"))
        }
        DecryptError::ExcessiveWork { required, .. } => CliError::failed(format!(
            "{name} asks for 2^{required} steps for its passphrase, which takes more memory than a backup of coms ever does"
        )),
        DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            CliError::failed(format!("{name} is damaged: it was cut off"))
        }
        other => CliError::failed(format!("{name} is damaged: {other}")),
    }
}

impl Source {
    /// What is in it, from the beginning.
    pub(super) fn take_input(&mut self) -> Box<dyn BufRead> {
        self.input.take().unwrap_or_else(|| Box::new(io::empty()))
    }

    /// What a damage means.
    pub(super) fn explain(&self, damage: &Damage) -> CliError {
        let failed = CliError::failed(format!("{} {}", self.name, printable(&damage.to_string())));
        match damage {
            Damage::Stopped => CliError::interrupted(),
            Damage::CutOff | Damage::Changed(_) => failed.hint("take another backup; nothing was changed here"),
            Damage::Newer(_) => failed.hint("restore it with that version or a later one"),
            Damage::Output(error) if error.kind() == io::ErrorKind::StorageFull => {
                failed.hint("make room, or set DB_PATH to a file on another disk")
            }
            Damage::Input(_) | Damage::Output(_) | Damage::Foreign(_) => failed,
        }
    }
}

/// What a file is that is no backup.
enum Foreign {
    Empty,
    Database,
    Export,
    Armored,
    Other,
}

/// Whether what begins like this may be a backup.
fn recognize(beginning: &[u8]) -> Result<(), Foreign> {
    match beginning {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(()),
        [] => Err(Foreign::Empty),
        _ if beginning.starts_with(b"SQLite format 3\0") => Err(Foreign::Database),
        _ if beginning.starts_with(b"{\"type\":\"header\"") => Err(Foreign::Export),
        _ if beginning.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") => Err(Foreign::Armored),
        _ => Err(Foreign::Other),
    }
}

impl Foreign {
    fn explain(&self, name: &str) -> CliError {
        let failed = |what: &str| CliError::failed(format!("{name} is {what}"));
        match self {
            Self::Empty => failed("empty, and no backup of coms"),
            Self::Database => failed("a database, and no backup of coms").hint(
                "check it with `coms verify-chain --db FILE`; to use it, stop the server and set DB_PATH to it, or adopt \
                 it if it is one of the Go reference server",
            ),
            Self::Export => failed("an export, and no backup of coms")
                .hint("an export is for reading and verifying; it can't become a database again"),
            Self::Armored => {
                failed("an encrypted file in text form").hint("decrypt it with `age -d` first, and restore what comes out")
            }
            Self::Other => failed("not a backup of coms").hint("name a file that `coms backup` wrote"),
        }
    }
}

/// Asks nothing: what is given must do.
#[derive(Clone)]
struct Silent;

impl Callbacks for Silent {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, _: &str) -> Option<age::secrecy::SecretString> {
        None
    }
}

fn quoted(path: &Path) -> String {
    format!("`{}`", printable(&path.display().to_string()))
}
