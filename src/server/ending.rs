//! How a connection ends.

use std::future::pending;
use std::io;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::close_code::CloseCode;
use super::frame::write_close;

/// How much is read, and thrown away, of a client to which a close frame was sent.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The peer is gone, or must be taken for gone: nothing more can be sent.
    Gone,
    /// The peer has said nothing but that it sends no more.
    Left,
    /// The server closes, with this code and reason.
    Close(CloseCode, String),
}

impl From<CloseCode> for Ending {
    fn from(code: CloseCode) -> Self {
        Self::Close(code, String::new())
    }
}

/// Finishes the frame that is partly sent, sends the close frame, and waits until the peer has taken it.
pub(super) async fn close(
    stream: &mut TcpStream,
    unfinished: Option<Bytes>,
    code: CloseCode,
    reason: &str,
) -> io::Result<()> {
    if let Some(bytes) = unfinished {
        stream.write_all(&bytes).await?;
    }
    let mut frame = Vec::new();
    write_close(&mut frame, code, reason);
    stream.write_all(&frame).await?;
    stream.shutdown().await?;
    // Closing a socket with unread bytes would reset the connection, and the close frame might never be read.
    let (mut bytes, mut discarded) = ([0; 1024], 0);
    while discarded < MAX_DISCARDED_BYTES {
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            count => discarded += count,
        }
    }
    // It has until the time is over to read the frame, but costs no more.
    pending().await
}
