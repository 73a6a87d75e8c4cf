//! One WebSocket connection: a task that reads requests, sends what waits, and knows when to end.
//!
//! It never waits for one thing alone: while a request is carried out it goes on sending. What it is behind with is bounded
//! by the hub's log and by not reading on: a client that does not read its answers is not read either.

use std::collections::VecDeque;
use std::future::pending;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::attendance::Attendance;
use super::ephemeral::Position;
use super::frame::{CloseCode, Decoder, Incoming, write_close, write_ping, write_pong, write_text};
use super::frame_log::{FellBehind, Piece};
use super::hub::Joined;
use super::outbox::Outbox;
use super::session::{Session, Turn};
use super::shared::{Place, Shared};
use crate::central::Claims;
use crate::ids::ChainIndex;
use crate::protocol::{Hello, Reason, frame_text};

/// How often the server pings, and after how long a silence it drops a peer (PROTOCOL.md, section 3).
const PING_INTERVAL: Duration = Duration::from_secs(50);
const MAX_SILENCE: Duration = Duration::from_mins(1);

/// How long a closing handshake may take; one that was too slow for events is given time to read why.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How much is read at a time, and how many pieces are written in one go (Linux takes up to 1024).
const READ_BYTES: usize = 16 * 1024;
const MAX_PIECES: usize = 64;

/// Why a connection ends.
enum Ending {
    /// The peer is gone, or must be taken for gone: nothing more can be sent.
    Gone,
    /// The server closes, with this code and reason.
    Close(CloseCode, String),
}

impl From<CloseCode> for Ending {
    fn from(code: CloseCode) -> Self {
        Self::Close(code, String::new())
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    session: Session,
    outbox: Arc<Outbox>,
    decoder: Decoder,
    /// Up to where was taken what the hub has for everyone.
    position: Position,
    /// Taken and not yet written; the first piece may be partly written.
    unsent: VecDeque<Piece>,
    /// How many bytes of answers, which nobody shares, were taken since there was nothing unsent.
    unsent_answers: usize,
    /// Whether the first piece is partly written: a frame must be finished before another starts.
    is_within_piece: bool,
    /// The last chain entry that was written completely.
    sent_index: Option<ChainIndex>,
    woken: watch::Receiver<()>,
    draining: watch::Receiver<bool>,
    last_heard: Instant,
    next_ping: Instant,
    _attendance: Attendance,
    _place: Place,
}

impl Connection {
    /// Runs a connection that has just been upgraded, until it ends. `early` are bytes that came with the handshake.
    pub(super) async fn run(stream: TcpStream, early: Bytes, claims: Claims, shared: Arc<Shared>, place: Place) {
        let (attendance, joined, online) = Attendance::begin(shared.clone(), claims.user_id);
        let Joined { position, head, woken } = joined;
        let now = Instant::now();
        let outbox = Arc::new(Outbox::default());
        let session = Session::new(claims, shared.clone(), outbox.clone());
        let mut decoder = Decoder::new(shared.bounds.max_frame_bytes);
        decoder.push(&early);
        // It is a part of the handshake's whole buffer, which would live as long as the connection.
        drop(early);
        let mut connection = Box::new(Self {
            stream,
            session,
            outbox,
            decoder,
            position,
            unsent: VecDeque::new(),
            unsent_answers: 0,
            is_within_piece: false,
            sent_index: head.last_index(),
            woken,
            draining: shared.draining.subscribe(),
            last_heard: now,
            next_ping: now + PING_INTERVAL,
            shared,
            _attendance: attendance,
            _place: place,
        });
        connection.greet(&Hello {
            user_id: claims.user_id,
            session_expires_at: claims.expires_at,
            online_count: online,
            chain_head: head.last_index(),
            chain_head_hash: head.last_index().map(|_| BASE64.encode(head.hash.0)),
        });
        if let Ending::Close(code, reason) = connection.talk().await {
            let patience = if code == CloseCode::TooSlow { SLOW_CLOSE_TIMEOUT } else { CLOSE_TIMEOUT };
            // Whoever does not take its leave in time is gone all the same.
            timeout(patience, connection.close(code, &reason)).await.ok();
        }
    }

    fn greet(&self, hello: &Hello) {
        let (mut text, mut frame) = (Vec::new(), Vec::new());
        frame_text::hello(&mut text, hello, self.shared.clock.now());
        write_text(&mut frame, &text);
        self.outbox.put_unordered(frame);
    }

    /// Reads and writes until there is a reason to end.
    async fn talk(&mut self) -> Ending {
        loop {
            let step = self.take_requests().and_then(|()| self.flush()).and_then(|()| self.check_clocks());
            if let Err(ending) = step {
                return ending;
            }
            if *self.draining.borrow() && self.is_quiet() {
                return Ending::Close(CloseCode::GoingAway, "server is shutting down".into());
            }
            if let Err(ending) = self.wait().await {
                return ending;
            }
        }
    }

    /// Waits until something can be done.
    async fn wait(&mut self) -> Result<(), Ending> {
        let may_read = self.may_read();
        let interest = match (may_read, self.unsent.is_empty()) {
            (true, true) => Some(Interest::READABLE),
            (true, false) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, false) => Some(Interest::WRITABLE),
            (false, true) => None,
        };
        let due = self.due();
        let ready = async {
            match interest {
                Some(interest) => self.stream.ready(interest).await,
                None => pending().await,
            }
        };
        tokio::select! {
            ready = ready => {
                let ready = ready.map_err(|_| Ending::Gone)?;
                if may_read && (ready.is_readable() || ready.is_read_closed()) {
                    self.read()?;
                }
            }
            () = self.outbox.filled.notified() => {}
            _ = self.woken.changed() => {}
            _ = self.draining.changed() => {}
            () = self.session.work() => {}
            () = tokio::time::sleep_until(due) => {}
        }
        Ok(())
    }

    /// Whether more requests are taken: not while earlier ones hold things up, nor while answers pile up.
    fn may_read(&self) -> bool {
        self.session.takes_requests()
            && !*self.draining.borrow()
            && self.unsent_answers + self.outbox.bytes() < self.shared.bounds.max_queue_bytes
    }

    fn read(&mut self) -> Result<(), Ending> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.try_read(&mut bytes) {
            Ok(0) => Err(Ending::Gone),
            Ok(count) => {
                self.last_heard = Instant::now();
                self.decoder.push(bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Ending::Gone),
        }
    }

    /// Takes requests out of what was read, as far as they can be taken on.
    fn take_requests(&mut self) -> Result<(), Ending> {
        self.session.resume();
        while self.may_read() {
            let Some(incoming) = self.decoder.next()? else { break };
            match incoming {
                Incoming::Text(bytes) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| CloseCode::NotUtf8)?;
                    self.session.take(Ok(text));
                }
                Incoming::Binary(bytes) => {
                    self.session.take(std::str::from_utf8(bytes).map_err(|_| Reason::InvalidJson));
                }
                Incoming::Ping(payload) => {
                    let mut frame = Vec::new();
                    write_pong(&mut frame, payload);
                    self.outbox.put_unordered(frame);
                }
                Incoming::Pong => {}
                Incoming::Close => return Err(CloseCode::Normal.into()),
            }
        }
        self.decoder.rest();
        Ok(())
    }

    /// Writes all that waits, as far as the peer takes it.
    fn flush(&mut self) -> Result<(), Ending> {
        loop {
            if self.unsent.is_empty() {
                self.unsent_answers = 0;
                self.gather()?;
                if self.unsent.is_empty() {
                    self.unsent = VecDeque::new();
                    return Ok(());
                }
            }
            let mut slices = [IoSlice::new(&[]); MAX_PIECES];
            for (slice, piece) in slices.iter_mut().zip(&self.unsent) {
                *slice = IoSlice::new(&piece.bytes);
            }
            let used = slices.get(..self.unsent.len()).unwrap_or(&slices);
            let written = match used {
                [one] => self.stream.try_write(one),
                many => self.stream.try_write_vectored(many),
            };
            match written {
                Ok(count) => self.written(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.check_lag(),
                Err(_) => return Err(Ending::Gone),
            }
        }
    }

    /// Takes what waits: answers in their places among the events, then the other events.
    fn gather(&mut self) -> Result<(), Ending> {
        self.woken.mark_unchanged();
        for queued in self.outbox.take() {
            let after = queued.after.unwrap_or_else(|| self.shared.hub.end());
            while !self.position.has_reached(after) {
                self.take()?;
            }
            self.unsent_answers += queued.bytes.len();
            self.unsent.push_back(Piece { bytes: queued.bytes, chain_index: None });
        }
        // There may be something that is kept from this user, and more behind it.
        while self.unsent.is_empty() && self.take()? {}
        Ok(())
    }

    fn take(&mut self) -> Result<bool, Ending> {
        let taken = self.shared.hub.take(&mut self.position, self.session.user_id(), &mut self.unsent);
        taken.map_err(|FellBehind| self.too_slow())
    }

    fn written(&mut self, mut count: usize) {
        while let Some(piece) = self.unsent.front_mut() {
            let length = piece.bytes.len();
            if count < length {
                piece.bytes.advance(count);
                self.is_within_piece = self.is_within_piece || count > 0;
                return;
            }
            count -= length;
            self.is_within_piece = false;
            self.sent_index = piece.chain_index.or(self.sent_index);
            self.unsent.pop_front();
        }
    }

    fn check_lag(&self) -> Result<(), Ending> {
        if self.shared.hub.is_behind(self.position) { Err(self.too_slow()) } else { Ok(()) }
    }

    /// The reason names the entry after which the client can resume with `sync`: [`Connection::close`] finishes the piece
    /// that is being sent.
    fn too_slow(&self) -> Ending {
        let unfinished = self.unsent.front().filter(|_| self.is_within_piece);
        let last = unfinished.and_then(|piece| piece.chain_index).or(self.sent_index);
        let resume = last.map_or_else(|| "resume from the start".to_owned(), |index| format!("resume after {index}"));
        Ending::Close(CloseCode::TooSlow, resume)
    }

    /// Whether nothing is under way.
    fn is_quiet(&self) -> bool {
        self.unsent.is_empty() && self.outbox.bytes() == 0 && self.session.is_quiet()
    }

    /// When the clocks must be looked at next.
    fn due(&self) -> Instant {
        let session = self.session.next_check();
        (self.last_heard + MAX_SILENCE).min(self.next_ping).min(session)
    }

    fn check_clocks(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        if now >= self.last_heard + MAX_SILENCE {
            return Err(Ending::Gone);
        }
        if now >= self.next_ping {
            self.next_ping = now + PING_INTERVAL;
            let mut frame = Vec::new();
            write_ping(&mut frame);
            self.outbox.put_unordered(frame);
            self.flush()?;
        }
        match self.session.check(now) {
            Turn::GoesOn => Ok(()),
            Turn::Expired => Err(Ending::Close(CloseCode::SessionExpired, "session expired".into())),
        }
    }

    /// Finishes the frame that is being sent, sends the close frame, and waits until the peer has taken it.
    async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        if self.is_within_piece
            && let Some(piece) = self.unsent.pop_front()
        {
            self.stream.write_all(&piece.bytes).await?;
        }
        let mut frame = Vec::new();
        write_close(&mut frame, code, reason);
        self.stream.write_all(&frame).await?;
        self.stream.shutdown().await?;
        // Closing a socket with unread bytes would reset the connection, and the close frame might never be read.
        let mut bytes = [0; 1024];
        while self.stream.read(&mut bytes).await? > 0 {}
        Ok(())
    }
}
