//! What a person sees: a line for each thing that happens, each message with a number by which to name it.

use std::collections::{HashMap, VecDeque};

use super::wire::{Channel, Message};
use crate::ids::{MessageId, UserId};
use crate::printable::Untrusted;
use crate::time::Timestamp;

/// How many messages keep their number; those from longer ago scrolled out of sight.
const NUMBERED: usize = 4096;

/// Numbers messages and puts into words what happened. Times are UTC.
#[derive(Debug)]
pub(super) struct Transcript {
    /// Whether a message is shown with its number, else with its id.
    has_numbers: bool,
    /// The ids of the numbered messages, oldest first.
    ids: VecDeque<MessageId>,
    numbers: HashMap<MessageId, u64>,
    /// The number of the message that comes next, less one.
    count: u64,
    /// The day of the last message shown.
    day: String,
}

impl Transcript {
    /// An empty one.
    pub(super) fn new(has_numbers: bool) -> Self {
        Self { has_numbers, ids: VecDeque::new(), numbers: HashMap::new(), count: 0, day: String::new() }
    }

    /// How a message is named.
    fn name_of(&self, id: MessageId, number: u64) -> String {
        if self.has_numbers { format!("#{number}") } else { id.to_string() }
    }

    /// Whether this message was shown lately.
    pub(super) fn knows(&self, id: MessageId) -> bool {
        self.numbers.contains_key(&id)
    }

    /// The message with this number.
    pub(super) fn message(&self, number: u64) -> Option<MessageId> {
        let first = self.count + 1 - self.ids.len() as u64;
        self.ids.get(usize::try_from(number.checked_sub(first)?).ok()?).copied()
    }

    /// Forgets what was shown; numbers go on.
    pub(super) fn forget(&mut self) {
        self.ids.clear();
        self.numbers.clear();
    }

    /// Remembers a message without a line for it.
    pub(super) fn number(&mut self, id: MessageId) -> u64 {
        if let Some(number) = self.numbers.get(&id) {
            return *number;
        }
        if self.ids.len() == NUMBERED {
            self.ids.pop_front().and_then(|oldest| self.numbers.remove(&oldest));
        }
        self.count += 1;
        self.ids.push_back(id);
        self.numbers.insert(id, self.count);
        self.count
    }

    /// The lines for a message: the day, where a new one begins, then the message.
    pub(super) fn said(&mut self, message: &Message, me: Option<UserId>) -> Vec<String> {
        let number = self.number(message.id);
        let mut lines = Vec::new();
        let at = message.created_at.to_string();
        let day = at.get(..10).unwrap_or_default();
        if day != self.day {
            lines.push(format!("-- {day} (UTC)"));
            day.clone_into(&mut self.day);
        }
        let edited = if message.edit_history.is_empty() || message.deleted_at.is_some() { "" } else { " (edited)" };
        let head = format!(
            "{} {} {}:",
            self.name_of(message.id, number),
            time_of_day(message.created_at),
            name(message.user_id, me)
        );
        lines.extend(with_head(&head, &message.content, edited));
        lines
    }

    /// The lines for a message that a search found; unlike those of the conversation, they carry their date.
    pub(super) fn found(&mut self, message: &Message, me: Option<UserId>) -> Vec<String> {
        let number = self.number(message.id);
        let at = message.created_at.to_string();
        let day = at.get(..10).unwrap_or_default();
        let (who, time) = (name(message.user_id, me), time_of_day(message.created_at));
        let head = format!("{} {day} {time} {who}:", self.name_of(message.id, number));
        with_head(&head, &message.content, "")
    }

    /// The lines for an edit of a message that was shown.
    pub(super) fn edited(&self, id: MessageId, content: &Untrusted) -> Option<Vec<String>> {
        let number = self.numbers.get(&id)?;
        Some(with_head(&format!("{} now reads:", self.name_of(id, *number)), content, ""))
    }

    /// The line for the deletion of a message that was shown.
    pub(super) fn deleted(&self, id: MessageId) -> Option<String> {
        Some(format!("{} was deleted", self.name_of(id, *self.numbers.get(&id)?)))
    }
}

/// The line for a channel.
pub(super) fn channel(channel: &Channel) -> String {
    let read_only = if channel.is_read_only { ", read-only" } else { "" };
    let topic = if channel.topic.is_empty() { "" } else { " — " };
    let Channel { id, name, kind, .. } = channel;
    format!("{id}: {name} ({kind}{read_only}){topic}{}", channel.topic)
}

/// How a person is called here: the beginning of their id, for the protocol knows no names.
pub(super) fn name(user: UserId, me: Option<UserId>) -> String {
    if me == Some(user) { "you".to_owned() } else { user.to_string().chars().take(8).collect() }
}

/// Hours and minutes, UTC.
fn time_of_day(at: Timestamp) -> String {
    at.to_string().chars().skip(11).take(5).collect()
}

/// `content` after `head`, further lines indented, so that a message can't pass for another one.
fn with_head(head: &str, content: &Untrusted, tail: &str) -> Vec<String> {
    let mut lines: Vec<String> = content
        .lines()
        .enumerate()
        .map(|(place, line)| match place {
            0 => format!("{head} {line}"),
            _ => format!("    | {line}"),
        })
        .collect();
    if let Some(last) = lines.last_mut() {
        last.push_str(tail);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u8, content: &str) -> Message {
        Message {
            id: MessageId::from_bytes([id; 16]),
            channel_id: "general".into(),
            user_id: UserId::from_bytes([0xab; 16]),
            content: content.into(),
            created_at: Timestamp::from_unix_ms(1_777_716_000_000),
            edit_history: Vec::new(),
            deleted_at: None,
        }
    }

    #[test]
    fn messages_are_numbered_and_named_by_their_number() {
        let mut transcript = Transcript::new(true);
        let lines = transcript.said(&message(1, "hello"), None);
        assert_eq!(lines, ["-- 2026-05-02 (UTC)", "#1 10:00 abababab: hello"]);
        let me = Some(UserId::from_bytes([0xab; 16]));
        assert_eq!(
            transcript.said(&message(2, "and\n#9 10:00 you: no"), me),
            ["#2 10:00 you: and", "    | #9 10:00 you: no"]
        );
        assert_eq!(transcript.message(2), Some(MessageId::from_bytes([2; 16])));
        assert_eq!((transcript.message(0), transcript.message(3)), (None, None));
        assert_eq!(transcript.deleted(MessageId::from_bytes([1; 16])), Some("#1 was deleted".into()));
        assert_eq!(transcript.deleted(MessageId::from_bytes([7; 16])), None);
    }

    #[test]
    fn a_script_sees_ids_in_place_of_numbers() {
        let mut transcript = Transcript::new(false);
        let id = MessageId::from_bytes([1; 16]);
        assert_eq!(transcript.said(&message(1, "hello"), None)[1], format!("{id} 10:00 abababab: hello"));
        assert_eq!(transcript.edited(id, &"bye".into()), Some(vec![format!("{id} now reads: bye")]));
        assert_eq!(transcript.deleted(id), Some(format!("{id} was deleted")));
        assert_eq!(transcript.found(&message(1, "bye"), None), [format!("{id} 2026-05-02 10:00 abababab: bye")]);
    }

    #[test]
    fn text_of_others_never_acts_on_the_terminal() {
        let mut transcript = Transcript::new(true);
        let lines = transcript.said(&message(1, "\u{1b}[2J\u{202e}x"), None);
        assert_eq!(lines.last().map(String::as_str), Some("#1 10:00 abababab: \\u{1b}[2J\\u{202e}x"));
        let edit = transcript.edited(MessageId::from_bytes([1; 16]), &"\u{7}".into());
        assert_eq!(edit, Some(vec!["#1 now reads: \\u{7}".to_owned()]));
    }

    #[test]
    fn numbers_go_on_when_old_messages_lose_theirs() {
        let mut transcript = Transcript::new(true);
        let id = |n: usize| MessageId::from_bytes((n as u128).to_be_bytes());
        for n in 1..=NUMBERED + 1 {
            assert_eq!(transcript.number(id(n)), n as u64);
        }
        assert_eq!(transcript.message(1), None);
        assert_eq!(transcript.message(2), Some(id(2)));
        assert_eq!(transcript.message(NUMBERED as u64 + 1), Some(id(NUMBERED + 1)));
        transcript.forget();
        assert_eq!((transcript.number(id(5)), transcript.message(2)), (NUMBERED as u64 + 2, None));
    }
}
