//! Reading a backup, front to end, and believing none of it before it is checked.

use std::io::{self, BufRead, Read, Write};

use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};
use zeroize::Zeroizing;
use zstd::Decoder;

use super::manifest::ManifestError;
use super::{BLOCK, CHUNK_BYTES, DATABASE, Digest, ENV, FileRecord, MANIFEST, MAX_SMALL_FILE_BYTES, Manifest};

/// The largest window that zstd may ask for, as a power of two: 128 MiB of memory, more than any level of ours uses.
const MAX_WINDOW_LOG: u32 = 27;

/// How much of nothing a tar may have at its end.
const MAX_PADDING_BYTES: u64 = 1 << 20;

/// Why a backup can't be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Damage {
    /// The file can't be read, which says nothing of what is in it.
    #[error("cannot be read: {0}")]
    Input(io::Error),
    /// What comes out can't be written.
    #[error("cannot be unpacked: {0}")]
    Output(io::Error),
    /// It ends too early.
    #[error("is damaged: it was cut off")]
    CutOff,
    /// It is not as it was written.
    #[error("is damaged: {0}")]
    Changed(String),
    /// Its inside is that of no backup.
    #[error("is not a backup of coms: {0}")]
    Foreign(String),
    /// A later program wrote it.
    #[error("is too new: {0}")]
    Newer(String),
    /// It was told to stop.
    #[error("interrupted")]
    Stopped,
}

/// A backup that is being read, its manifest and configuration already.
pub(in crate::cli) struct ArchiveReader<R: BufRead> {
    input: Decoder<'static, R>,
    manifest: Manifest,
    env: Option<Zeroizing<Vec<u8>>>,
}

impl<R: BufRead> ArchiveReader<R> {
    /// Reads as far as the database.
    pub(in crate::cli) fn open(input: R) -> Result<Self, Damage> {
        let mut input = Decoder::with_buffer(input).map_err(Damage::Input)?;
        input.window_log_max(MAX_WINDOW_LOG).map_err(Damage::Input)?;
        let bytes = header(&mut input, MANIFEST)?;
        let text = small_file(&mut input, bytes)?;
        let manifest = Manifest::parse(&text).map_err(|error| match error {
            ManifestError::Newer { .. } => Damage::Newer(error.to_string()),
            ManifestError::Unreadable(_) | ManifestError::Nonsense(_) => Damage::Foreign(error.to_string()),
        })?;
        let env = match manifest.env() {
            Some(record) => Some(env(&mut input, record)?),
            None => None,
        };
        Ok(Self { input, manifest, env })
    }

    /// What it says of itself.
    pub(in crate::cli) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The configuration, if it is in it.
    pub(in crate::cli) fn env(&self) -> Option<&[u8]> {
        self.env.as_ref().map(|text| text.as_slice())
    }

    /// Writes the database to `out` and reads on to the end. `go_on` hears how many bytes are done, and is asked whether
    /// to go on. What was written is good only if this succeeds.
    pub(in crate::cli) fn database(
        mut self,
        out: &mut impl Write,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<(), Damage> {
        let Some(record) = self.manifest.database() else { return Err(Damage::Foreign("it has no database".into())) };
        let bytes = header(&mut self.input, DATABASE)?;
        same_size(record, bytes)?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut done = 0;
        while done < bytes {
            let wanted = usize::try_from(bytes - done).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let piece = chunk.get_mut(..wanted).unwrap_or_default();
            self.input.read_exact(piece).map_err(input_error)?;
            hash.update(&*piece);
            out.write_all(piece).map_err(Damage::Output)?;
            done += wanted as u64;
            if !go_on(done) {
                return Err(Damage::Stopped);
            }
        }
        padding(&mut self.input, bytes)?;
        same_digest(record, Digest::from(hash))?;
        end(&mut self.input)
    }
}

fn env(input: &mut impl Read, record: &FileRecord) -> Result<Zeroizing<Vec<u8>>, Damage> {
    let bytes = header(input, ENV)?;
    same_size(record, bytes)?;
    let text = small_file(input, bytes)?;
    same_digest(record, Digest::of(&text))?;
    Ok(text)
}

/// The size of the file that comes next, which must be `name`, and a plain file.
fn header(input: &mut impl Read, name: &str) -> Result<u64, Damage> {
    let mut header = Header::new_old();
    input.read_exact(header.as_mut_bytes()).map_err(input_error)?;
    if header.as_bytes().iter().all(|byte| *byte == 0) {
        return Err(Damage::Foreign(format!("it ends where `{name}` is due")));
    }
    let mut summed = header.clone();
    summed.set_cksum();
    let sums = (header.cksum().ok(), summed.cksum().ok());
    if sums.0.is_none() || sums.0 != sums.1 {
        return Err(Damage::Foreign(format!("there is no tar where `{name}` is due")));
    }
    let found = String::from_utf8_lossy(&header.path_bytes()).into_owned();
    if found != name {
        return Err(Damage::Foreign(format!("it holds `{found}` where `{name}` is due")));
    }
    if header.entry_type() != EntryType::Regular {
        return Err(Damage::Foreign(format!("`{name}` in it is no plain file")));
    }
    header.size().map_err(|_| Damage::Foreign(format!("the size of `{name}` in it is none")))
}

/// A file that is kept in memory.
fn small_file(input: &mut impl Read, bytes: u64) -> Result<Zeroizing<Vec<u8>>, Damage> {
    let size = usize::try_from(bytes).ok().filter(|_| bytes <= MAX_SMALL_FILE_BYTES);
    let size = size.ok_or_else(|| Damage::Foreign(format!("its manifest or configuration has {bytes} bytes")))?;
    let mut text = Zeroizing::new(vec![0; size]);
    input.read_exact(&mut text).map_err(input_error)?;
    padding(input, bytes)?;
    Ok(text)
}

/// Files are filled up to whole blocks.
fn padding(input: &mut impl Read, bytes: u64) -> Result<(), Damage> {
    let block = BLOCK as u64;
    let mut rest = [0; BLOCK];
    let filling = usize::try_from((block - bytes % block) % block).unwrap_or_default();
    input.read_exact(rest.get_mut(..filling).unwrap_or_default()).map_err(input_error)
}

/// Nothing comes any more but the zeros that end a tar; and the end of the compression, where its own checksum is.
fn end(input: &mut impl Read) -> Result<(), Damage> {
    let mut chunk = [0; BLOCK];
    let mut zeros = 0;
    loop {
        let read = input.read(&mut chunk).map_err(input_error)?;
        zeros += read as u64;
        match chunk.get(..read) {
            Some([]) | None => break,
            Some(bytes) if bytes.iter().any(|byte| *byte != 0) || zeros > MAX_PADDING_BYTES => {
                return Err(Damage::Foreign("something follows the database".to_owned()));
            }
            Some(_) => {}
        }
    }
    if zeros >= 2 * BLOCK as u64 { Ok(()) } else { Err(Damage::CutOff) }
}

fn same_size(record: &FileRecord, bytes: u64) -> Result<(), Damage> {
    if record.bytes == bytes {
        return Ok(());
    }
    let FileRecord { name, bytes: due, .. } = record;
    Err(Damage::Foreign(format!("`{name}` in it has {bytes} bytes, and its manifest says {due}")))
}

fn same_digest(record: &FileRecord, found: Digest) -> Result<(), Damage> {
    if record.sha256 == found {
        return Ok(());
    }
    let FileRecord { name, sha256, .. } = record;
    Err(Damage::Changed(format!("the SHA-256 of `{name}` in it is {found}, and its manifest says {sha256}")))
}

/// An error that the system did not report comes from what was read: zstd's and age's checks.
fn input_error(error: io::Error) -> Damage {
    match error.kind() {
        _ if error.raw_os_error().is_some() => Damage::Input(error),
        io::ErrorKind::UnexpectedEof => Damage::CutOff,
        _ => Damage::Changed(error.to_string()),
    }
}
