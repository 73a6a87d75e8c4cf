//! Encryption in the age format, which the tools `age` and `rage` read and write as well.

use std::io::{self, BufRead, Read, Write};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, Identity, scrypt, x25519};

use crate::secret::Secret;

/// How every file in the age format begins.
const MAGIC: &[u8] = b"age-encryption.org/v1";

/// What a passphrase costs to try, as a power of two: that of `age` itself, about a second and 256 MiB.
const WORK_FACTOR: u8 = 18;

/// What a file may ask of whoever opens it: 1 GiB.
const MAX_WORK_FACTOR: u8 = 20;

/// How a backup is encrypted.
pub(in crate::cli) enum Lock {
    /// Not at all.
    Open,
    /// With a passphrase.
    Passphrase(Secret),
    /// For whoever has the key to one of these.
    Recipients(Vec<x25519::Recipient>),
}

/// What opens an encrypted backup.
pub(in crate::cli) enum Unlock {
    Passphrase(Secret),
    Identities(Vec<Box<dyn Identity + Send + Sync>>),
}

/// Where a backup is written to, encrypted or not.
pub(super) enum Sealed<W: Write> {
    Open(W),
    Locked(age::stream::StreamWriter<W>),
}

/// Whether a file that begins like this is encrypted.
pub(in crate::cli) fn is_encrypted(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC)
}

impl Lock {
    /// Whether anything is encrypted.
    pub(in crate::cli) fn is_locked(&self) -> bool {
        !matches!(self, Self::Open)
    }

    /// The inside of an encrypted file, if the passphrase that locks opens it.
    pub(in crate::cli) fn open<R: BufRead>(&self, input: R) -> Option<impl Read + use<R>> {
        let Self::Passphrase(passphrase) = self else { return None };
        with_passphrase(Decryptor::new_buffered(input).ok()?, passphrase).ok()
    }

    pub(super) fn seal<W: Write>(&self, out: W) -> io::Result<Sealed<W>> {
        let encryptor = match self {
            Self::Open => return Ok(Sealed::Open(out)),
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(secret_string(passphrase));
                recipient.set_work_factor(WORK_FACTOR);
                Encryptor::with_recipients(std::iter::once(&recipient as _))
            }
            Self::Recipients(recipients) => {
                Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))
            }
        };
        encryptor.map_err(io::Error::other)?.wrap_output(out).map(Sealed::Locked)
    }
}

impl Unlock {
    /// The inside of an encrypted file.
    pub(in crate::cli) fn open<R: BufRead>(&self, input: R) -> Result<impl Read + use<R>, DecryptError> {
        let decryptor = Decryptor::new_buffered(input)?;
        match self {
            Self::Passphrase(passphrase) => with_passphrase(decryptor, passphrase),
            Self::Identities(identities) => {
                decryptor.decrypt(identities.iter().map(|identity| identity.as_ref() as &dyn Identity))
            }
        }
    }
}

fn with_passphrase<R: BufRead>(
    decryptor: Decryptor<R>,
    passphrase: &Secret,
) -> Result<age::stream::StreamReader<R>, DecryptError> {
    let mut identity = scrypt::Identity::new(secret_string(passphrase));
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    decryptor.decrypt(std::iter::once(&identity as _))
}

impl<W: Write> Sealed<W> {
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Open(out) => Ok(out),
            Self::Locked(stream) => stream.finish(),
        }
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(out) => out.write(bytes),
            Self::Locked(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(out) => out.flush(),
            Self::Locked(stream) => stream.flush(),
        }
    }
}

fn secret_string(secret: &Secret) -> SecretString {
    SecretString::from(secret.reveal().to_owned())
}
