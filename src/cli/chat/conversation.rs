//! The conversation: what each frame from the server and each line from the person mean for the other side. It holds all
//! that outlives a connection, and touches neither network nor terminal.

#[cfg(test)]
mod tests;

use serde_json::json;

use super::command::{Command, HELP, MessageRef};
use super::cursor::Cursor;
use super::requests::{Asked, Requests};
use super::transcript::{self, Transcript, name};
use super::wire::{
    Channel, ChannelList, Deletion, Edit, Frame, Hello, Message, Page, Place, Presence, Refusal, Renewed, SyncPage,
};
use crate::cli::printable;
use crate::ids::{MessageId, UserId};
use crate::secret::Secret;
use crate::time::{Clock, Timestamp};

/// How many requests may wait for answers before no more lines are read. The server reads 256 and then waits itself.
const MAX_OPEN: usize = 128;

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
    held: Vec<Frame>,
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
            view,
            phase: Phase::Away,
            hello: None,
            held: Vec::new(),
            cursor: Cursor::default(),
            transcript: Transcript::default(),
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

    /// Says something to the person.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Note(text.into()));
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

/// The person's side.
impl Conversation {
    /// The person typed `line`.
    pub(super) fn typed(&mut self, line: &str) {
        match Command::parse(line) {
            Command::Nothing => {}
            Command::Say(content) => {
                let payload = json!({ "channel_id": self.view.channel, "content": content });
                self.requests.ask(Asked::Say(content), &payload);
                if self.phase == Phase::Away {
                    self.note("not connected: it will be sent as soon as possible");
                }
            }
            Command::Quit => self.quit = true,
            Command::Help => self.lines.extend(HELP.lines().map(|line| Line::Note(line.to_owned()))),
            Command::Mistake(what) => self.mistake(printable(&what).to_string()),
            _ if self.phase == Phase::Away => self.mistake("not connected: try it again later".to_owned()),
            Command::Search(query) => {
                let payload = json!({ "channel_id": self.view.channel, "query": query });
                self.requests.ask(Asked::Search, &payload);
            }
            Command::Channels => self.requests.ask(Asked::Channels, &json!(null)),
            Command::Edit(message, content) => {
                let Some(id) = self.named(message) else { return };
                self.requests.ask(Asked::Edit, &json!({ "message_id": id, "content": content }));
            }
            Command::Delete(message) => {
                let Some(id) = self.named(message) else { return };
                self.requests.ask(Asked::Delete, &json!({ "message_id": id }));
            }
        }
    }

    fn named(&mut self, message: MessageRef) -> Option<MessageId> {
        let number = match message {
            MessageRef::Id(id) => return Some(id),
            MessageRef::Number(number) => number,
        };
        let id = self.transcript.message(number);
        if id.is_none() {
            self.mistake(format!("no message has the number {number}"));
        }
        id
    }

    /// Something typed that can't be done counts as refused, so that a script notices.
    fn mistake(&mut self, what: String) {
        self.refusals += 1;
        self.note(what);
    }
}

/// The server's side.
impl Conversation {
    /// The server sent `text`. What can't be understood is passed over.
    pub(super) fn received(&mut self, text: &str) {
        let Ok(frame) = serde_json::from_str::<Frame>(text) else { return };
        match frame.t.as_str() {
            "zync.core.hello" => self.greeted(&frame),
            CREATED | EDITED | DELETED if self.phase == Phase::CatchingUp => self.held.push(frame),
            CREATED | EDITED | DELETED => self.happened(&frame),
            "zync.core.user.join" => self.came_or_went(&frame, "came"),
            "zync.core.user.leave" => self.came_or_went(&frame, "left"),
            "zync.core.error" => self.refused(&frame),
            _ => self.answered(&frame),
        }
    }

    fn greeted(&mut self, frame: &Frame) {
        let Some(hello) = frame.payload::<Hello>() else { return };
        self.show_json(frame);
        self.session_expires_at = hello.session_expires_at;
        self.phase = Phase::CatchingUp;
        let again = self.hello.is_some();
        let (who, online) = (hello.user_id, hello.online_count);
        self.hello = Some(hello);
        self.requests.connected();
        if again {
            self.note(format!("connected again; online: {online}"));
        } else {
            self.note(format!("connected as {who}; online: {online}; `/help` shows the commands"));
            self.requests.ask(Asked::OurChannel, &json!(null));
        }
        if self.cursor.is_started() {
            self.requests.ask(Asked::Sync, &self.cursor.rest());
        } else {
            self.ask_for_history();
        }
    }

    fn ask_for_history(&mut self) {
        if self.view.history == 0 {
            self.caught_up();
        } else {
            let payload = json!({ "channel_id": self.view.channel, "limit": self.view.history });
            self.requests.ask(Asked::History, &payload);
        }
    }

    /// Everything from before is shown; now what happened meanwhile, and then what happens.
    fn caught_up(&mut self) {
        if !self.cursor.is_started() {
            let (head, hash) =
                self.hello.as_ref().map(|h| (h.chain_head, h.chain_head_hash.clone())).unwrap_or_default();
            self.cursor.start(head, hash);
        }
        self.phase = Phase::Live;
        for frame in std::mem::take(&mut self.held) {
            self.happened(&frame);
        }
    }

    /// An event of the chain, live or fetched: shown unless it was seen before.
    fn happened(&mut self, frame: &Frame) {
        let place = frame.payload::<Place>().and_then(|place| place.chain_index);
        if !self.cursor.advance(place) {
            return;
        }
        match frame.t.as_str() {
            CREATED => {
                let Some(message) = frame.payload::<Message>() else { return };
                if message.channel_id == self.view.channel && !self.transcript.knows(message.id) {
                    let lines = self.transcript.said(&message, self.me());
                    self.show(frame, lines);
                }
            }
            EDITED => {
                let Some(edit) = frame.payload::<Edit>() else { return };
                let lines = self.transcript.edited(edit.message_id, &edit.content);
                self.show(frame, lines.unwrap_or_default());
            }
            _ => {
                let Some(deletion) = frame.payload::<Deletion>() else { return };
                let line = self.transcript.deleted(deletion.message_id);
                self.show(frame, line.into_iter().collect());
            }
        }
        if self.phase == Phase::Live && self.cursor.wants_anchor() && !self.requests.waits_for(&Asked::Anchor) {
            self.requests.ask(Asked::Anchor, &self.cursor.newer_anchor());
        }
    }

    fn came_or_went(&mut self, frame: &Frame, what: &str) {
        let Some(presence) = frame.payload::<Presence>() else { return };
        self.show(frame, vec![format!("* {} {what}", name(presence.user_id, self.me()))]);
    }

    fn answered(&mut self, frame: &Frame) {
        match self.requests.answered(frame.request_id.as_deref(), &frame.t) {
            None => {}
            Some(Asked::History) => {
                self.show_history(frame);
                self.caught_up();
            }
            Some(Asked::Sync) => self.fetched(frame),
            Some(Asked::Anchor) => {
                if let Some(page) = frame.payload::<SyncPage>() {
                    self.cursor.reached(&page);
                }
            }
            Some(Asked::Search) => self.show_results(frame),
            Some(Asked::Channels) => self.show_channels(frame),
            Some(Asked::OurChannel) => self.check_channel(frame),
            Some(Asked::Renew) => {
                if let Some(renewed) = frame.payload::<Renewed>() {
                    self.session_expires_at = Some(renewed.session_expires_at);
                }
            }
            Some(Asked::Say(_) | Asked::Edit | Asked::Delete) => self.show_json(frame),
        }
    }

    fn fetched(&mut self, frame: &Frame) {
        let Some(page) = frame.payload::<SyncPage>() else { return self.ask_for_history() };
        for event in &page.events {
            self.happened(event);
        }
        self.cursor.reached(&page);
        if page.has_more && page.next.is_some() {
            self.requests.ask(Asked::Sync, &self.cursor.rest());
        } else {
            self.caught_up();
        }
    }

    fn refused(&mut self, frame: &Frame) {
        let Some(refusal) = frame.payload::<Refusal>() else { return };
        let id = frame.request_id.as_deref().or(refusal.request_id.as_deref()).unwrap_or_default();
        let Some(asked) = self.requests.refused(id, refusal.reason == PUT_OFF) else { return };
        let why = printable(&refusal.message);
        match asked {
            Asked::Sync if refusal.reason == "cursor_unknown" => {
                self.note("this server's history is not the one seen before (a restored backup?); what it has now:");
                self.cursor = Cursor::default();
                self.transcript.forget();
                self.ask_for_history();
            }
            // A server of an older kind: what is new in its recent history is all that can be had.
            Asked::Sync => self.ask_for_history(),
            Asked::History => {
                self.note(format!("no history: {why}"));
                self.caught_up();
            }
            Asked::Renew => self.note(format!("the session could not be renewed: {why}")),
            Asked::Anchor | Asked::OurChannel => {}
            Asked::Say(content) => {
                self.show_json(frame);
                self.mistake(format!("not sent: {why}: {}", printable(&content)));
            }
            Asked::Edit | Asked::Delete | Asked::Search | Asked::Channels => {
                self.show_json(frame);
                self.mistake(format!("refused: {why}"));
            }
        }
    }
}

/// What is shown, and how.
impl Conversation {
    fn me(&self) -> Option<UserId> {
        self.hello.as_ref().map(|hello| hello.user_id)
    }

    /// The frame for a script, or else the lines for a person.
    fn show(&mut self, frame: &Frame, lines: Vec<String>) {
        if self.view.json {
            self.show_json(frame);
        } else {
            self.lines.extend(lines.into_iter().map(Line::Data));
        }
    }

    fn show_json(&mut self, frame: &Frame) {
        if self.view.json {
            self.lines.push(Line::Data(frame.to_json_line()));
        }
    }

    /// Shows recent messages, oldest first, but for those that were shown before.
    fn show_history(&mut self, frame: &Frame) {
        let me = self.me();
        let mut lines = Vec::new();
        for message in page(frame).iter().rev() {
            if !self.transcript.knows(message.id) {
                lines.extend(self.transcript.said(message, me));
            }
        }
        self.show(frame, lines);
    }

    fn show_results(&mut self, frame: &Frame) {
        let me = self.me();
        let found = page(frame);
        if found.is_empty() && !self.view.json {
            self.note("nothing found");
        }
        let lines = found.iter().rev().flat_map(|message| self.transcript.found(message, me)).collect();
        self.show(frame, lines);
    }

    fn show_channels(&mut self, frame: &Frame) {
        let lines = listed(frame).iter().map(transcript::channel).collect();
        self.show(frame, lines);
    }

    fn check_channel(&mut self, frame: &Frame) {
        let channels = listed(frame);
        if !channels.iter().any(|channel| channel.id == self.view.channel) {
            let names: Vec<_> = channels.iter().map(|channel| printable(&channel.id).to_string()).collect();
            let ours = printable(&self.view.channel).to_string();
            self.mistake(format!("there is no channel `{ours}`; there are: {}", names.join(", ")));
        }
    }
}

fn page(frame: &Frame) -> Vec<Message> {
    frame.payload::<Page>().and_then(|page| page.messages).unwrap_or_default()
}

fn listed(frame: &Frame) -> Vec<Channel> {
    frame.payload::<ChannelList>().and_then(|list| list.channels).unwrap_or_default()
}

fn a_persons_word(asked: &Asked) -> &'static str {
    match asked {
        Asked::Edit => "/edit",
        Asked::Delete => "/delete",
        Asked::Search => "/search",
        _ => "/channels",
    }
}
