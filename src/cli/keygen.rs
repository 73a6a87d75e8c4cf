//! `coms keygen`: a key pair for a server.

use std::io::{self, Read as _, Write as _};

use clap::Args;
use zeroize::Zeroizing;

use super::{CliError, Exit, Globals};
use crate::keys::SigningKey;

/// Make a key pair for a server, as lines of a `.env` file
///
/// The keys go to standard output, advice to standard error. The secret key signs the server's log chain: keep it to
/// yourself, and keep a copy where the server is not.
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    /// Derive the public key of a secret one that is read from standard input
    #[arg(long, value_name = "-", value_parser = ["-"])]
    from_secret: Option<String>,
}

/// More than a key with some white space.
const MAX_INPUT_BYTES: u64 = 4096;

impl Keygen {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let derived = self.from_secret.is_some();
        let key = if derived { read_key(io::stdin())? } else { generate()? };
        let secret = key.to_hex();
        let public = key.public().to_string();
        let mut stdout = io::stdout().lock();
        match (self.json, derived) {
            (true, true) => writeln!(stdout, r#"{{"public_key":"{public}"}}"#)?,
            (true, false) => writeln!(stdout, r#"{{"secret_key":"{}","public_key":"{public}"}}"#, secret.reveal())?,
            (false, true) => writeln!(stdout, "SERVER_PUBLIC_KEY={public}")?,
            (false, false) => {
                writeln!(stdout, "SERVER_SECRET_KEY={}\nSERVER_PUBLIC_KEY={public}", secret.reveal())?;
            }
        }
        stdout.flush()?;
        if !derived {
            globals.say("both lines go into the server's `.env` file; `coms init` does that for you");
            globals.say("register the public key with Central; show the secret key to nobody, and keep a copy of it");
        }
        Ok(Exit::Done)
    }
}

/// A new key pair, from the system's randomness.
pub(super) fn generate() -> Result<SigningKey, CliError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
    Ok(SigningKey::from_seed(&seed))
}

fn read_key(input: impl io::Read) -> Result<SigningKey, CliError> {
    let mut text = Zeroizing::new(String::new());
    let invalid = |problem: String| CliError::usage(format!("standard input is no secret key: {problem}"));
    input.take(MAX_INPUT_BYTES).read_to_string(&mut text).map_err(|error| invalid(error.to_string()))?;
    let bare = text.trim();
    let bare = bare.strip_prefix("SERVER_SECRET_KEY=").unwrap_or(bare);
    SigningKey::from_hex(bare).map_err(|error| invalid(error.to_string()))
}
