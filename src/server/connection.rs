//! One WebSocket connection: a task that reads requests, sends what waits, and knows when to end.
//!
//! It never waits for one thing alone: while a request is carried out it goes on sending. What it is behind with is bounded
//! by the hub's log and by not reading on: a client that does not read its answers is not read either.

use std::future::pending;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::attendance::Attendance;
use super::close_code::CloseCode;
use super::control_limit::ControlLimit;
use super::ending::{Ending, close};
use super::ephemeral::Position;
use super::frame::{Decoder, Incoming, write_ping, write_pong, write_text};
use super::frame_log::FellBehind;
use super::hub::Joined;
use super::liveness::{Liveness, Verdict};
use super::outbox::Outbox;
use super::send_queue::SendQueue;
use super::session::{Session, Turn};
use super::shared::{Place, Shared};
use crate::central::Claims;
use crate::protocol::{Hello, Reason, frame_text};

/// How much is read at a time.
const READ_BYTES: usize = 16 * 1024;

pub(super) struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    session: Session,
    outbox: Arc<Outbox>,
    decoder: Decoder,
    /// Up to where was taken what the hub has for everyone.
    position: Position,
    send_queue: SendQueue,
    woken: watch::Receiver<()>,
    draining: watch::Receiver<bool>,
    liveness: Liveness,
    control_limit: ControlLimit,
    /// Why the connection is to end, once what it was asked before is answered, or at this time at the latest.
    ending: Option<(Ending, Instant)>,
    /// Whether nothing is left for the system to send when the socket is closed.
    is_over: bool,
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
            send_queue: SendQueue::new(head.last_index()),
            woken,
            draining: shared.draining.subscribe(),
            liveness: Liveness::new(shared.patience, now),
            control_limit: ControlLimit::new(now),
            ending: None,
            is_over: false,
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
        let patience = connection.shared.patience;
        connection.is_over = match connection.talk().await {
            Ending::Gone => false,
            Ending::Left => connection.stream.shutdown().await.is_ok(),
            Ending::Close(code, reason) => {
                let limit = if code == CloseCode::TooSlow { patience.slow_closing } else { patience.closing };
                let unfinished = connection.send_queue.take_unfinished();
                // Whoever does not take its leave in time is gone all the same.
                timeout(limit, close(&mut connection.stream, unfinished, code, &reason))
                    .await
                    .is_ok_and(|closed| closed.is_ok())
            }
        };
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
            if let Err(ending) = self.step() {
                return ending;
            }
            if self.ending.as_ref().is_some_and(|(_, latest)| self.is_quiet() || *latest <= Instant::now())
                && let Some((ending, _)) = self.ending.take()
            {
                return ending;
            }
            if let Err(ending) = self.wait().await {
                return ending;
            }
        }
    }

    /// Does what can be done without waiting.
    fn step(&mut self) -> Result<(), Ending> {
        self.take_requests();
        self.flush()?;
        self.check_clocks()?;
        if *self.draining.borrow() {
            let reason = "server is shutting down".into();
            self.end_with(Ending::Close(CloseCode::GoingAway, reason), self.shared.bounds.drain_timeout);
        }
        Ok(())
    }

    /// Reads no more, and ends once what was read is answered, or after `limit` at the latest.
    fn end_with(&mut self, ending: Ending, limit: Duration) {
        self.ending.get_or_insert_with(|| (ending, Instant::now() + limit));
    }

    /// Waits until something can be done.
    async fn wait(&mut self) -> Result<(), Ending> {
        let may_read = self.may_read();
        let interest = match (may_read, self.send_queue.is_empty()) {
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
        self.ending.is_none()
            && self.session.takes_requests()
            && !*self.draining.borrow()
            && self.send_queue.answer_bytes() + self.outbox.bytes() < self.shared.bounds.max_queue_bytes
    }

    fn read(&mut self) -> Result<(), Ending> {
        let mut buffer = [const { MaybeUninit::uninit() }; READ_BYTES];
        let (stream, mut received) = (&self.stream, None);
        let emptied = stream.try_io(Interest::READABLE, || {
            let ((bytes, rest), _) = recv(stream, &mut buffer[..], RecvFlags::DONTWAIT)?;
            let is_emptied = !bytes.is_empty() && !rest.is_empty();
            received = Some(bytes);
            // What did not fill the buffer has emptied the socket: the runtime need not read once more to find that out.
            if is_emptied { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (received, emptied) {
            (Some([]), _) => self.end_with(Ending::Left, self.shared.patience.answers),
            (Some(bytes), _) => self.received(bytes),
            (None, Err(error)) if error.kind() != ErrorKind::WouldBlock => return Err(Ending::Gone),
            (None, _) => {}
        }
        Ok(())
    }

    fn received(&mut self, bytes: &[u8]) {
        self.liveness.received();
        self.decoder.push(bytes);
    }

    /// Takes requests out of what was read, as far as they can be taken on. What ends the connection, ends it after those
    /// before it.
    fn take_requests(&mut self) {
        self.session.resume();
        while self.may_read() {
            match self.take_request() {
                Ok(true) => {}
                Ok(false) => break,
                Err(ending) => self.end_with(ending, self.shared.patience.answers),
            }
        }
        self.decoder.rest();
    }

    /// Takes one request or control frame; returns whether there was one.
    fn take_request(&mut self) -> Result<bool, Ending> {
        let Some(incoming) = self.decoder.next()? else { return Ok(false) };
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
                self.count_control_frame()?;
            }
            Incoming::Pong => self.count_control_frame()?,
            Incoming::Close(code) => return Err(CloseCode::Echo(code).into()),
        }
        Ok(true)
    }

    fn count_control_frame(&mut self) -> Result<(), Ending> {
        let is_allowed = self.control_limit.allows(Instant::now());
        let too_many = || Ending::Close(CloseCode::Policy, "too many control frames".into());
        is_allowed.then_some(()).ok_or_else(too_many)
    }

    /// Writes all that waits, as far as the peer takes it.
    fn flush(&mut self) -> Result<(), Ending> {
        loop {
            if self.send_queue.is_empty() {
                self.send_queue.rest();
                self.gather()?;
                if self.send_queue.is_empty() {
                    self.send_queue.rest();
                    return Ok(());
                }
            }
            match self.send_queue.write(&self.stream) {
                Ok(()) => self.liveness.sent(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.liveness.blocked();
                    return self.check_lag();
                }
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
            self.send_queue.push_answer(queued.bytes);
        }
        // There may be something that is kept from this user, and more behind it.
        while self.send_queue.is_empty() && self.take()? {}
        Ok(())
    }

    fn take(&mut self) -> Result<bool, Ending> {
        let (user, pieces) = (self.session.user_id(), self.send_queue.pieces());
        let taken = self.shared.hub.take(&mut self.position, user, pieces);
        taken.map_err(|FellBehind| self.too_slow())
    }

    fn check_lag(&self) -> Result<(), Ending> {
        if self.shared.hub.is_behind(self.position) { Err(self.too_slow()) } else { Ok(()) }
    }

    /// The reason names the entry after which the client can resume with `sync`.
    fn too_slow(&self) -> Ending {
        let last = self.send_queue.resume_index();
        let resume = last.map_or_else(|| "resume from the start".to_owned(), |index| format!("resume after {index}"));
        Ending::Close(CloseCode::TooSlow, resume)
    }

    /// Whether nothing is under way. The writer puts an answer into the outbox before it counts the command as answered.
    fn is_quiet(&self) -> bool {
        self.session.is_quiet() && self.is_all_sent()
    }

    fn is_all_sent(&self) -> bool {
        self.send_queue.is_empty() && self.outbox.is_empty()
    }

    /// When the clocks must be looked at next.
    fn due(&self) -> Instant {
        let due = self.liveness.next_check().min(self.session.next_check());
        self.ending.as_ref().map_or(due, |(_, latest)| due.min(*latest))
    }

    fn check_clocks(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        loop {
            match self.liveness.judge(now, self.may_read(), self.is_all_sent()) {
                Verdict::PingDue => {
                    let mut frame = Vec::new();
                    write_ping(&mut frame);
                    self.outbox.put_unordered(frame);
                    self.flush()?;
                }
                Verdict::Silent if self.read_at_once()? => self.take_requests(),
                Verdict::Silent => return Err(Ending::Gone),
                Verdict::Blocked | Verdict::Stalled if self.write_at_once()? => self.flush()?,
                Verdict::Alive | Verdict::Blocked => break,
                Verdict::Stalled => return Err(self.too_slow()),
            }
        }
        if let Turn::Expired = self.session.check(now) {
            let reason = "session expired".into();
            self.end_with(Ending::Close(CloseCode::SessionExpired, reason), self.shared.patience.answers);
        }
        Ok(())
    }

    /// Reads from the socket itself: after a standstill of the process, the runtime may not know yet what came. Returns
    /// whether there was something.
    fn read_at_once(&mut self) -> Result<bool, Ending> {
        let mut bytes = [0; READ_BYTES];
        match recv(&self.stream, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(Ending::Left),
            Ok((count, _)) => {
                self.received(bytes.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(Errno::AGAIN) => Ok(false),
            Err(_) => Err(Ending::Gone),
        }
    }

    /// Writes to the socket itself, in which there may be room of which the runtime is not told yet. Returns whether there
    /// was any.
    fn write_at_once(&mut self) -> Result<bool, Ending> {
        let has_room = self.send_queue.write_at_once(&self.stream).map_err(|_| Ending::Gone)?;
        if has_room {
            self.liveness.sent();
        }
        Ok(has_room)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.is_over {
            // Nobody takes what the system still keeps for the peer, and it would keep it for minutes.
            sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).ok();
        }
    }
}
