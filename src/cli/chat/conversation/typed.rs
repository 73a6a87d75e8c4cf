//! What a line from the person means for the server.

use serde_json::json;

use super::{Conversation, Line, Phase};
use crate::cli::chat::command::{Command, HELP, MessageRef};
use crate::cli::chat::requests::Asked;
use crate::cli::printable;
use crate::ids::MessageId;

impl Conversation {
    /// The person typed `line`.
    pub(in crate::cli::chat) fn typed(&mut self, line: &str) {
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
}
