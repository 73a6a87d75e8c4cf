//! What a frame from the server means for the person.

use serde_json::json;

use super::{CREATED, Conversation, DELETED, EDITED, Line, PUT_OFF, Phase, beginning};
use crate::cli::chat::requests::Asked;
use crate::cli::chat::transcript::{self, name};
use crate::cli::chat::wire::{
    Channel, ChannelList, Deletion, Edit, Frame, Hello, Message, Page, Place, Presence, Refusal, Renewed, SyncPage,
};

impl Conversation {
    /// The server sent `text`. What can't be understood is passed over.
    pub(in crate::cli::chat) fn received(&mut self, text: &str) {
        let Ok(frame) = serde_json::from_str::<Frame>(text) else { return };
        match frame.t.as_str() {
            // One greeting to a connection.
            "zync.core.hello" if self.phase == Phase::Away => self.greeted(&frame),
            CREATED | EDITED | DELETED if self.phase == Phase::CatchingUp => self.held.push(text),
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
        self.cursor.greeted(hello.chain_head.is_some());
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
            self.ask_for_rest();
        } else {
            self.ask_for_history();
        }
    }

    /// Asks for what came after what was seen. Its answers hold everything that is known here by now.
    fn ask_for_rest(&mut self) {
        self.held.clear();
        self.requests.ask(Asked::Sync, &self.cursor.rest());
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
        let Some(held) = self.held.take() else { return self.ask_for_rest() };
        self.phase = Phase::Live;
        for text in held {
            self.received(&text);
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
                if message.channel_id.raw() == self.view.channel && !self.transcript.knows(message.id) {
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
                self.show_json(frame);
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
            self.ask_for_rest();
        } else {
            self.caught_up();
        }
    }

    fn refused(&mut self, frame: &Frame) {
        let Some(refusal) = frame.payload::<Refusal>() else { return };
        let id = frame.request_id.as_deref().or(refusal.request_id.as_deref()).unwrap_or_default();
        let Some(asked) = self.requests.refused(id, refusal.reason == PUT_OFF) else { return };
        let why = refusal.message;
        match asked {
            Asked::Sync if refusal.reason == "cursor_unknown" => {
                self.note("this server's history is not the one seen before (a restored backup?); what it has now:");
                self.cursor.forget();
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
                self.mistake(format!("not sent: {why}: {}", beginning(&content)));
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
        if !channels.iter().any(|channel| channel.id.raw() == self.view.channel) {
            let names: Vec<_> = channels.iter().map(|channel| channel.id.to_string()).collect();
            let ours = &self.view.channel;
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
