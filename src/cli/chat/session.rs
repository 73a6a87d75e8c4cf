//! Keeps a conversation going: connects, carries lines and frames to and fro, renews the session, and connects again when
//! the connection is lost.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use super::access::{Access, Membership, renew_in};
use super::command::Command;
use super::connection::{Connection, OpenError, Received, SILENCE};
use super::conversation::Conversation;
use super::input::{Console, Typed};
use crate::central::JoinError;
use crate::cli::{CliError, Exit};
use crate::printable::Untrusted;
use crate::secret::Secret;
use crate::time::{Clock, Timestamp};

/// The pause before the first attempt to connect again; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long after `/quit` the server may take to confirm what was said before.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long to wait after Central gave no new token.
const RENEW_AGAIN: Duration = Duration::from_secs(30);

/// Close codes of PROTOCOL.md section 3.
const SESSION_EXPIRED: u16 = 4001;
const KICKED: u16 = 4003;
const BANNED: u16 = 4004;

/// Those that say that the server does not take what it was sent: of a type or a text that it can't take, against its
/// policy, too big (RFC 6455 section 7.4.1).
const REJECTIONS: [u16; 4] = [1003, 1007, 1008, 1009];

/// The way to the server.
pub(super) struct Dialer {
    pub(super) url: Url,
    pub(super) access: Access,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl DialError {
    /// How long Central asks not to be asked again.
    fn retry_after(&self) -> Duration {
        match self {
            Self::Join(error) => error.retry_after().unwrap_or_default(),
            Self::Open(_) => Duration::ZERO,
        }
    }
}

impl Dialer {
    /// Connects; with a new token, where one can be had, if the server refuses the one at hand.
    async fn connect(&mut self) -> Result<Connection, DialError> {
        let had_one = self.access.membership().is_none_or(Membership::has_token);
        let token = self.access.token().await?;
        match Connection::open(&self.url, &token).await {
            Err(OpenError::Token(_)) if self.access.discard() && had_one => {
                let token = self.access.token().await?;
                Ok(Connection::open(&self.url, &token).await?)
            }
            other => Ok(other?),
        }
    }
}

/// How a connection ended.
enum Ending {
    /// The person left.
    Left,
    /// It is to be opened again.
    Lost(String),
    /// So it is, but without what was sent on this one: the server closed it because of that.
    Rejected(String),
}

/// A person in a conversation.
pub(super) struct Session {
    pub(super) dialer: Dialer,
    pub(super) talk: Talk,
}

impl Session {
    /// Goes on until the person leaves, or until it can't go on. Exit code 1 when something of theirs was refused.
    pub(super) async fn run(mut self) -> Result<Exit, CliError> {
        let mut failures = 0;
        let mut was_connected = false;
        loop {
            let mut asked = Duration::ZERO;
            let connected = tokio::select! {
                connected = self.dialer.connect() => connected,
                left = self.talk.until_left() => return left,
            };
            match connected {
                Ok(connection) => {
                    was_connected = true;
                    let ending = self.talk.over(connection, &mut self.dialer.access).await?;
                    let is_good = self.talk.conversation.is_live() && matches!(ending, Ending::Lost(_));
                    failures = if is_good { 0 } else { failures + 1 };
                    match ending {
                        Ending::Left => return self.talk.exit(),
                        Ending::Lost(why) => self.talk.conversation.note(format!("connection lost: {why}")),
                        Ending::Rejected(why) => self.talk.reject(&why)?,
                    }
                    self.talk.conversation.disconnected();
                }
                Err(error) if !was_connected || is_final(&error) => return Err(self.in_words(error)),
                Err(error) => {
                    if failures == 0 {
                        self.talk.conversation.note(format!("{error}; trying again"));
                    }
                    failures += 1;
                    asked = error.retry_after();
                }
            }
            tokio::select! {
                () = sleep(pause(failures).max(asked)) => {}
                left = self.talk.until_left() => return left,
            }
        }
    }

    fn in_words(&self, error: DialError) -> CliError {
        let hint = match &error {
            DialError::Join(_) => {
                "`--join` wants Central's URL, `--server` the id of a server that it knows".to_owned()
            }
            DialError::Open(OpenError::Token(_)) => {
                "it may have expired or be for another server; get a new one, or let `--join` do that".to_owned()
            }
            DialError::Open(_) => {
                let origin = self.dialer.url.origin().ascii_serialization();
                format!("is a server running there? see {}/health", origin.replacen("ws", "http", 1))
            }
        };
        CliError::from(anyhow::Error::from(error)).hint(hint)
    }
}

fn is_final(error: &DialError) -> bool {
    match error {
        DialError::Join(_) => false,
        DialError::Open(error) => matches!(error, OpenError::Token(_)) || error.is_final(),
    }
}

/// The pause after this many failures in a row, a fifth longer or shorter, so that a server that comes back is not met by
/// everyone at once.
fn pause(failures: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE);
    let share = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    pause.mul_f64(0.8 + 0.4 * share)
}

/// The person's end of the conversation.
pub(super) struct Talk {
    conversation: Conversation,
    console: Console,
    /// Whether to stay when the input has ended.
    follow: bool,
    clock: Clock,
    /// Set when there is nothing more to read.
    input_ended: bool,
    /// A line that was read and waits for the answers to those before it.
    put_off: Option<String>,
    /// Ctrl-C, listened for all the time: one that comes while something else is at hand is not lost.
    interrupt: Pin<Box<dyn Future<Output = io::Result<()>>>>,
}

impl Talk {
    pub(super) fn new(conversation: Conversation, console: Console, follow: bool, clock: Clock) -> Self {
        let interrupt = Box::pin(tokio::signal::ctrl_c());
        Self { conversation, console, follow, clock, input_ended: false, put_off: None, interrupt }
    }

    /// Takes what is typed while there is no connection; returns when the person leaves.
    async fn until_left(&mut self) -> Result<Exit, CliError> {
        loop {
            self.show()?;
            if self.conversation.has_quit() {
                return self.exit();
            }
            tokio::select! {
                typed = self.console.typed.recv(), if self.listens() => self.take(typed)?,
                _ = &mut self.interrupt => return Err(CliError::interrupted()),
            }
        }
    }

    /// Talks over `connection` until it ends.
    async fn over(&mut self, mut connection: Connection, access: &mut Access) -> Result<Ending, CliError> {
        let mut renewal = Renewal::default();
        let mut heard = Instant::now();
        let mut farewell = None;
        loop {
            self.take_put_off();
            if let Err(why) = connection.send(self.conversation.take_frames()).await {
                return Ok(Ending::Lost(why));
            }
            self.show()?;
            if self.conversation.has_quit() && farewell.is_none() {
                farewell = Some(Instant::now() + FAREWELL);
            }
            if self.is_over() {
                connection.close().await;
                return Ok(Ending::Left);
            }
            renewal.follow(self.conversation.session_expires_at(), self.clock.now());
            tokio::select! {
                received = connection.receive() => {
                    heard = Instant::now();
                    match received {
                        Received::Text(text) => self.conversation.received(&text),
                        Received::Alive => {}
                        Received::Closed(code, reason) => return closed(code, &reason, access),
                    }
                }
                typed = self.console.typed.recv(), if self.listens() => self.take(typed)?,
                () = sleep_until(heard + SILENCE) => return Ok(Ending::Lost("the server is silent".to_owned())),
                renewed = renewal.next(access) => self.renewed(renewed, access),
                () = at(farewell) => return Ok(Ending::Left),
                _ = &mut self.interrupt => return Err(CliError::interrupted()),
            }
        }
    }

    /// Acts on the line at hand. A script's command waits for the answers to all lines before it, since it may name a
    /// message that one of them makes; what is only said does not wait.
    fn take_put_off(&mut self) {
        let Some(line) = self.put_off.take() else { return };
        if self.console.is_terminal() || !Command::parse(&line).needs_answers() || self.conversation.is_settled() {
            self.conversation.typed(&line);
        } else {
            self.put_off = Some(line);
        }
    }

    fn show(&mut self) -> Result<(), CliError> {
        Ok(self.console.screen.show(self.conversation.take_lines())?)
    }

    /// Whether a line may be taken. A script's lines wait until it is connected.
    fn listens(&self) -> bool {
        let ready = self.console.is_terminal() || self.conversation.is_live();
        ready && !self.input_ended && self.put_off.is_none() && self.conversation.has_room()
    }

    fn take(&mut self, typed: Option<Typed>) -> Result<(), CliError> {
        match typed {
            Some(Typed::Line(line)) => {
                self.put_off = Some(line);
                self.take_put_off();
            }
            Some(Typed::TooLong) => self.conversation.passed_over(),
            Some(Typed::Interrupted) => return Err(CliError::interrupted()),
            Some(Typed::End) | None => {
                self.input_ended = true;
                if self.console.is_terminal() {
                    self.conversation.typed("/quit");
                }
            }
        }
        Ok(())
    }

    /// Whether everything is said and answered, and nothing more will come from the person.
    fn is_over(&self) -> bool {
        let nothing_more = self.conversation.has_quit() || (self.input_ended && self.put_off.is_none() && !self.follow);
        nothing_more && self.conversation.is_settled()
    }

    fn renewed(&mut self, renewed: Result<(Membership, Secret), JoinError>, access: &mut Access) {
        match renewed {
            Ok((membership, token)) => {
                access.renewed(membership);
                self.conversation.renew(&token);
            }
            Err(error) => self.conversation.note(format!("no new token yet: {error}")),
        }
    }

    /// Gives up what the server closed the connection on. What the client asks by itself it would ask again.
    fn reject(&mut self, why: &str) -> Result<(), CliError> {
        let is_live = self.conversation.is_live();
        if self.conversation.rejected(why) || is_live {
            self.conversation.note(format!("connection lost: {why}"));
            return Ok(());
        }
        self.show()?;
        Err(CliError::failed(format!("the server refuses to go on: {why}")))
    }

    fn exit(&mut self) -> Result<Exit, CliError> {
        let unconfirmed = self.conversation.unconfirmed();
        if unconfirmed > 0 {
            self.conversation.note(format!("messages that the server did not confirm: {unconfirmed}"));
        }
        self.show()?;
        let complete = unconfirmed == 0 && self.conversation.refusals() == 0;
        Ok(if complete || self.console.is_terminal() { Exit::Done } else { Exit::No })
    }
}

/// What the server's closing means for the person.
fn closed(code: Option<u16>, reason: &Untrusted, access: &mut Access) -> Result<Ending, CliError> {
    let ending = |code: u16| if REJECTIONS.contains(&code) { Ending::Rejected } else { Ending::Lost };
    match code {
        Some(SESSION_EXPIRED) if !access.discard() => {
            Err(CliError::failed("the session has expired").hint("get a new token, or let `--join` do that"))
        }
        Some(KICKED) => Err(CliError::failed(format!("you were removed from the server: {reason}"))),
        Some(BANNED) => Err(CliError::failed(format!("you are banned from the server: {reason}"))),
        Some(code) if reason.is_empty() => Ok(ending(code)(format!("closed with code {code}"))),
        Some(code) => Ok(ending(code)(format!("{reason} (code {code})"))),
        None => Ok(Ending::Lost(reason.to_string())),
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Getting the next token in time, without the conversation waiting for it.
#[derive(Default)]
struct Renewal {
    expires_at: Option<Timestamp>,
    due: Option<Instant>,
    joining: Option<JoinHandle<Result<(Membership, Secret), JoinError>>>,
}

impl Renewal {
    /// The session now ends at `expires_at`.
    fn follow(&mut self, expires_at: Option<Timestamp>, now: Timestamp) {
        if self.expires_at != expires_at {
            self.expires_at = expires_at;
            self.due = expires_at.map(|at| Instant::now() + renew_in(at, now));
        }
    }

    /// The next token, when it is time and Central gives one. Nothing is lost when this is dropped half-way.
    async fn next(&mut self, access: &Access) -> Result<(Membership, Secret), JoinError> {
        let Some(membership) = access.membership() else { return pending().await };
        loop {
            if let Some(joining) = &mut self.joining {
                let joined = joining.await;
                self.joining = None;
                match joined {
                    Ok(result) => {
                        let asked = result.as_ref().err().and_then(JoinError::retry_after).unwrap_or_default();
                        self.due = self.due.map(|due| due.max(Instant::now() + asked));
                        return result;
                    }
                    // The task panicked: as if Central had not answered.
                    Err(_) => continue,
                }
            }
            at(self.due).await;
            self.due = Some(Instant::now() + RENEW_AGAIN);
            let mut membership = membership.clone();
            self.joining = Some(tokio::spawn(async move {
                let token = membership.join().await?;
                Ok((membership, token))
            }));
        }
    }
}
