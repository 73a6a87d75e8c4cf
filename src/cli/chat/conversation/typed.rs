//! What a line from the person means for the server.

use serde_json::{Value, json};

use super::{Conversation, Line, Phase, beginning};
use crate::cli::chat::command::{Command, HELP, MessageRef};
use crate::cli::chat::requests::Asked;
use crate::ids::MessageId;
use crate::protocol::MAX_CONTENT_CHARS;

impl Conversation {
    /// The person typed `line`.
    pub(in crate::cli::chat) fn typed(&mut self, line: &str) {
        match Command::parse(line) {
            Command::Nothing => {}
            Command::Say(content) => {
                let payload = json!({ "channel_id": self.view.channel, "content": content });
                if self.is_too_long(&content) || !self.asks(Asked::Say(content), &payload) {
                    return;
                }
                if self.phase == Phase::Away {
                    self.note("not connected: it will be sent as soon as possible");
                }
            }
            Command::Quit => self.quit = true,
            Command::Help => self.lines.extend(HELP.lines().map(|line| Line::Note(line.to_owned()))),
            Command::Mistake(what) => self.mistake(what),
            _ if self.phase == Phase::Away => self.mistake("not connected: try it again later".to_owned()),
            Command::Search(query) => {
                let payload = json!({ "channel_id": self.view.channel, "query": query });
                self.asks(Asked::Search, &payload);
            }
            Command::Channels => self.requests.ask(Asked::Channels, &json!(null)),
            Command::Edit(message, content) => {
                let Some(id) = self.named(message) else { return };
                if !self.is_too_long(&content) {
                    self.asks(Asked::Edit, &json!({ "message_id": id, "content": content }));
                }
            }
            Command::Delete(message) => {
                let Some(id) = self.named(message) else { return };
                self.requests.ask(Asked::Delete, &json!({ "message_id": id }));
            }
        }
    }

    /// Refuses here what the server would refuse, or close the connection on.
    fn is_too_long(&mut self, content: &str) -> bool {
        let count = content.chars().count();
        if count > MAX_CONTENT_CHARS {
            self.mistake(format!(
                "not sent: a message has at most {MAX_CONTENT_CHARS} characters, and this one has {count}: {}",
                beginning(content)
            ));
        }
        count > MAX_CONTENT_CHARS
    }

    /// Asks, unless that makes a frame that no server takes.
    fn asks(&mut self, asked: Asked, payload: &Value) -> bool {
        let fits = self.requests.ask_if_it_fits(asked, payload);
        if !fits {
            self.mistake("not sent: the request is larger than a server takes".to_owned());
        }
        fits
    }

    fn named(&mut self, message: MessageRef) -> Option<MessageId> {
        let number = match message {
            MessageRef::Id(id) => return Some(id),
            MessageRef::Number(_) if !self.view.has_numbers => {
                self.mistake("numbers are for terminals: name the message by its id, as in `/edit ID TEXT`".to_owned());
                return None;
            }
            MessageRef::Number(number) => number,
        };
        let id = self.transcript.message(number);
        if id.is_none() {
            self.mistake(format!("no message has the number {number}"));
        }
        id
    }
}
