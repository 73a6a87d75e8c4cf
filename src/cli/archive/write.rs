//! Writing a backup, front to end.

use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};
use zstd::Encoder;

use super::encryption::Sealed;
use super::{DATABASE, ENV, Lock, MANIFEST, Manifest};

/// The level of compression: twice as fast as zstd's default of 3, and hardly larger for what a database holds.
const LEVEL: i32 = 1;

/// A backup that is being written.
pub(in crate::cli) struct ArchiveWriter<W: Write> {
    tar: Builder<Encoder<'static, Sealed<W>>>,
    /// The time that all files in it have, in seconds since the epoch.
    time: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins with the manifest, which must list what follows.
    pub(in crate::cli) fn begin(out: W, lock: &Lock, manifest: &Manifest) -> io::Result<Self> {
        let mut encoder = Encoder::new(lock.seal(out)?, LEVEL)?;
        encoder.include_checksum(true)?;
        let mut this = Self { tar: Builder::new(encoder), time: manifest.created_at.unix_ms() / 1000 };
        let mut text = serde_json::to_vec_pretty(manifest)?;
        text.push(b'\n');
        this.append(MANIFEST, text.len() as u64, text.as_slice())?;
        Ok(this)
    }

    /// Adds the configuration.
    pub(in crate::cli) fn env(&mut self, text: &[u8]) -> io::Result<()> {
        self.append(ENV, text.len() as u64, text)
    }

    /// Adds the database, of which there must be exactly `bytes`.
    pub(in crate::cli) fn database(&mut self, bytes: u64, database: impl Read) -> io::Result<()> {
        self.append(DATABASE, bytes, database)
    }

    /// Ends it, and gives back what it was written to.
    pub(in crate::cli) fn finish(self) -> io::Result<W> {
        let mut out = self.tar.into_inner()?.finish()?.finish()?;
        out.flush()?;
        Ok(out)
    }

    fn append(&mut self, name: &str, bytes: u64, data: impl Read) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(name)?;
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(self.time);
        header.set_cksum();
        let mut data = Exactly { data, left: bytes };
        self.tar.append(&header, &mut data)?;
        if data.left == 0 {
            Ok(())
        } else {
            Err(io::Error::other(format!("`{name}` became shorter while it was read")))
        }
    }
}

/// Reads so much and no more: the tar's header has said how much there is.
struct Exactly<R> {
    data: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.data.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}
