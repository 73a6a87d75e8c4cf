//! The conversation: what each frame from the server and each line from the person mean for the other side. It holds all
//! that outlives a connection, and touches neither network nor terminal.

mod held;
mod received;
#[cfg(test)]
mod tests;
mod typed;

use serde_json::json;

use self::held::Held;
use super::cursor::Cursor;
use super::requests::{Asked, Requests};
use super::transcript::Transcript;
use super::wire::Hello;
use crate::ids::UserId;
use crate::printable::printable;
use crate::secret::Secret;
use crate::time::{Clock, Timestamp};

/// How many requests may wait for answers before no more lines are read. The server reads 256 and then waits itself.
const MAX_OPEN: usize = 128;

/// How much of a text that was refused is repeated.
const BEGINNING_CHARS: usize = 60;

/// Why a message is to be sent again after reconnecting, and not given up.
const PUT_OFF: &str = "shutting_down";

const CREATED: &str = "zync.channels.message.create";
const EDITED: &str = "zync.channels.message.edit";
const DELETED: &str = "zync.channels.message.delete";

/// What a person wants to see.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// The channel to follow and to speak in.
    pub(super) channel: String,
    /// How many recent messages to begin with.
    pub(super) history: u16,
    /// Frames as JSON Lines, not words.
    pub(super) json: bool,
    /// Whether messages are shown, and may be named, by number; else by id. A script can't see which number is whose.
    pub(super) has_numbers: bool,
}

/// A line to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// What was asked for: for standard output.
    Data(String),
    /// What to know besides.
    Note(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is no connection, or no greeting on it yet.
    Away,
    /// What was said before is being fetched; what happens meanwhile is held back.
    CatchingUp,
    /// What happens is shown.
    Live,
}

/// One conversation with one server, over as many connections as it takes.
#[derive(Debug)]
pub(super) struct Conversation {
    view: View,
    phase: Phase,
    hello: Option<Hello>,
    /// Events of the chain that came while catching up.
    held: Held,
    cursor: Cursor,
    transcript: Transcript,
    requests: Requests,
    lines: Vec<Line>,
    session_expires_at: Option<Timestamp>,
    refusals: u64,
    quit: bool,
}

impl Conversation {
    pub(super) fn new(view: View, clock: Clock) -> Self {
        Self {
            transcript: Transcript::new(view.has_numbers),
            view,
            phase: Phase::Away,
            hello: None,
            held: Held::default(),
            cursor: Cursor::default(),
            requests: Requests::new(clock),
            lines: Vec::new(),
            session_expires_at: None,
            refusals: 0,
            quit: false,
        }
    }

    /// The frames that are to be sent.
    pub(super) fn take_frames(&mut self) -> Vec<String> {
        self.requests.take_frames()
    }

    /// The lines that are to be shown.
    pub(super) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Whether the person has left.
    pub(super) fn has_quit(&self) -> bool {
        self.quit
    }

    /// Whether everything is answered and everything missed was shown.
    pub(super) fn is_settled(&self) -> bool {
        self.phase == Phase::Live && self.requests.open() == 0
    }

    /// Whether another line may be taken from the person.
    pub(super) fn has_room(&self) -> bool {
        self.requests.open() < MAX_OPEN
    }

    /// Whether this connection has shown what was missed, so that it counts as a good one.
    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// How many of the person's requests were refused.
    pub(super) fn refusals(&self) -> u64 {
        self.refusals
    }

    /// How many messages were said and not confirmed.
    pub(super) fn unconfirmed(&self) -> usize {
        self.requests.unconfirmed()
    }

    /// When the server will end the session.
    pub(super) fn session_expires_at(&self) -> Option<Timestamp> {
        self.session_expires_at
    }

    /// Says something to the person, on one line that does nothing to the terminal whatever it quotes.
    pub(super) fn note(&mut self, text: impl AsRef<str>) {
        self.lines.push(Line::Note(printable(text.as_ref()).to_string()));
    }

    /// The server closed the connection because of what it was sent, as `why` says. Nothing that was sent on it and is not
    /// answered is sent again. Returns whether any of that was the person's.
    pub(super) fn rejected(&mut self, why: &str) -> bool {
        let given_up = self.requests.give_up_sent();
        for asked in given_up.iter().filter(|asked| asked.is_a_persons()) {
            match asked {
                Asked::Say(content) => self.mistake(format!("not sent again: {why}: {}", beginning(content))),
                other => self.mistake(format!("not sent again: {why}: `{}`", a_persons_word(other))),
            }
        }
        given_up.iter().any(Asked::is_a_persons)
    }

    /// A line that was passed over since it is longer than any request may be.
    pub(super) fn passed_over(&mut self) {
        self.mistake("not sent: the line is longer than a request may be".to_owned());
    }

    /// The connection is gone.
    pub(super) fn disconnected(&mut self) {
        self.phase = Phase::Away;
        self.held.clear();
        for asked in self.requests.disconnected() {
            self.note(format!("no answer came to `{}`: try it again", a_persons_word(&asked)));
        }
    }

    /// Goes on with a new token.
    pub(super) fn renew(&mut self, token: &Secret) {
        self.requests.ask(Asked::Renew, &json!({ "token": token.reveal() }));
    }
}

/// What both sides need.
impl Conversation {
    fn me(&self) -> Option<UserId> {
        self.hello.as_ref().map(|hello| hello.user_id)
    }

    /// Something that was wanted and can't be done; it counts as refused, so that a script notices.
    fn mistake(&mut self, what: String) {
        self.refusals += 1;
        self.note(what);
    }
}

/// Enough of `content` for a person to see which it is.
fn beginning(content: &str) -> String {
    let mut characters = content.chars();
    let mut beginning: String = characters.by_ref().take(BEGINNING_CHARS).collect();
    if characters.next().is_some() {
        beginning.push('…');
    }
    beginning
}

fn a_persons_word(asked: &Asked) -> &'static str {
    match asked {
        Asked::Edit => "/edit",
        Asked::Delete => "/delete",
        Asked::Search => "/search",
        _ => "/channels",
    }
}
