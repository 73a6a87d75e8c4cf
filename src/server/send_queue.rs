//! What a connection has taken to send and the system has not taken yet.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf as _, Bytes};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tokio::net::TcpStream;

use super::frame_log::Piece;
use crate::ids::ChainIndex;

/// How many pieces are written in one go (Linux takes up to 1024).
const MAX_PIECES: usize = 64;

#[derive(Debug)]
pub(super) struct SendQueue {
    /// The first one may be partly written.
    pieces: VecDeque<Piece>,
    /// How many bytes of answers, which nobody shares, were put in since it was empty.
    answer_bytes: usize,
    /// Whether the first piece is partly written: a frame must be finished before another starts.
    is_within_piece: bool,
    /// The last chain entry that was written completely.
    sent_index: Option<ChainIndex>,
}

impl SendQueue {
    /// An empty queue of a connection that gets the entries after `head`.
    pub(super) fn new(head: Option<ChainIndex>) -> Self {
        Self { pieces: VecDeque::new(), answer_bytes: 0, is_within_piece: false, sent_index: head }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// Where events are put in.
    pub(super) fn pieces(&mut self) -> &mut VecDeque<Piece> {
        &mut self.pieces
    }

    /// Puts in an answer.
    pub(super) fn push_answer(&mut self, bytes: Bytes) {
        self.answer_bytes += bytes.len();
        self.pieces.push_back(Piece { bytes, chain_index: None });
    }

    /// Lets go of memory that an idle connection does not need.
    pub(super) fn rest(&mut self) {
        self.answer_bytes = 0;
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
        }
    }

    /// Writes as much as the system takes. The error is `WouldBlock` if that is nothing.
    pub(super) fn write(&mut self, stream: &TcpStream) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); MAX_PIECES];
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(&piece.bytes);
        }
        let used = slices.get(..self.pieces.len()).unwrap_or(&slices);
        let count = match used {
            [one] => stream.try_write(one),
            many => stream.try_write_vectored(many),
        }?;
        self.written(count);
        Ok(())
    }

    /// Writes to the socket itself: the system tells of room in it only once a third of it is free. Returns whether there
    /// was any.
    pub(super) fn write_at_once(&mut self, stream: &TcpStream) -> io::Result<bool> {
        let Some(piece) = self.pieces.front() else { return Ok(true) };
        match send(stream, &piece.bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => {
                self.written(count);
                Ok(true)
            }
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn written(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let length = piece.bytes.len();
            if count < length {
                piece.bytes.advance(count);
                self.is_within_piece = self.is_within_piece || count > 0;
                return;
            }
            count -= length;
            self.is_within_piece = false;
            self.sent_index = piece.chain_index.or(self.sent_index);
            self.pieces.pop_front();
        }
    }

    /// The entry after which the client can resume with `sync`, once it has got what [`SendQueue::take_unfinished`] returns.
    pub(super) fn resume_index(&self) -> Option<ChainIndex> {
        let unfinished = self.pieces.front().filter(|_| self.is_within_piece);
        unfinished.and_then(|piece| piece.chain_index).or(self.sent_index)
    }

    /// The rest of the piece that is partly written.
    pub(super) fn take_unfinished(&mut self) -> Option<Bytes> {
        self.pieces.pop_front().filter(|_| self.is_within_piece).map(|piece| piece.bytes)
    }
}
