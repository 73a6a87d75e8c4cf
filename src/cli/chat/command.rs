//! What a person types: something to say, or a command.

use crate::ids::MessageId;

/// What `/help` shows.
pub(super) const HELP: &str = "\
/edit N TEXT    replace your message with the number or id N
/delete N       delete your message with the number or id N
/search QUERY   search this channel
/channels       list the channels
/help           show this
/quit           leave
//TEXT          say something that starts with a slash";

/// A line that was typed, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// An empty line.
    Nothing,
    /// Say this.
    Say(String),
    /// Replace a message's text.
    Edit(MessageRef, String),
    /// Delete a message.
    Delete(MessageRef),
    /// Search the channel.
    Search(String),
    /// List the channels.
    Channels,
    /// Show the commands.
    Help,
    /// Leave.
    Quit,
    /// None of these; what to tell the person.
    Mistake(String),
}

/// How a person names a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageRef {
    /// By the number beside it, on a terminal.
    Number(u64),
    /// By its id, everywhere.
    Id(MessageId),
}

impl Command {
    /// Understands `line`.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        let Some(command) = line.strip_prefix('/') else { return Self::Say(line.to_owned()) };
        if command.starts_with('/') {
            return Self::Say(command.to_owned());
        }
        let (word, rest) = split_word(command);
        match word {
            "edit" => edit(rest),
            "delete" => match message_ref(rest) {
                Some(message) => Self::Delete(message),
                None => Self::Mistake("which message? `/delete N`, with the number beside it or its id".to_owned()),
            },
            "search" if rest.is_empty() => Self::Mistake("search for what? `/search QUERY`".to_owned()),
            "search" => Self::Search(rest.to_owned()),
            "channels" => Self::Channels,
            "help" => Self::Help,
            "quit" | "exit" => Self::Quit,
            _ => Self::Mistake(format!("unknown command: `/{word}`; see `/help`, or `//…` to say it")),
        }
    }
}

impl Command {
    /// Whether it means something else before what was said earlier is answered.
    pub(super) fn needs_answers(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Say(_) | Self::Help | Self::Mistake(_))
    }
}

fn edit(arguments: &str) -> Command {
    let (message, text) = split_word(arguments);
    match message_ref(message) {
        Some(message) if !text.is_empty() => Command::Edit(message, text.to_owned()),
        _ => Command::Mistake(
            "which message, and to what? `/edit N TEXT`, with the number beside it or its id".to_owned(),
        ),
    }
}

fn message_ref(text: &str) -> Option<MessageRef> {
    let number = text.strip_prefix('#').unwrap_or(text).parse().ok().map(MessageRef::Number);
    number.or_else(|| text.parse().ok().map(MessageRef::Id))
}

fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.trim_start().split_once(char::is_whitespace).unwrap_or((text.trim_start(), ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_said_and_commands_understood() {
        let id = "01a20ac7-b017-7000-8000-000000000000";
        for (line, command) in [
            ("hello /quit\n", Command::Say("hello /quit".into())),
            ("  two spaces stay ", Command::Say("  two spaces stay ".into())),
            ("//shrug", Command::Say("/shrug".into())),
            ("   ", Command::Nothing),
            ("/edit 3 new  text ", Command::Edit(MessageRef::Number(3), "new  text".into())),
            ("/edit #3 x", Command::Edit(MessageRef::Number(3), "x".into())),
            ("/delete  12", Command::Delete(MessageRef::Number(12))),
            ("/search two words", Command::Search("two words".into())),
            ("/channels", Command::Channels),
            ("/quit\r\n", Command::Quit),
        ] {
            assert_eq!(Command::parse(line), command, "{line:?}");
        }
        assert_eq!(
            Command::parse(&format!("/delete {id}")),
            Command::Delete(MessageRef::Id(id.parse().expect("a UUID")))
        );
    }

    #[test]
    fn what_is_no_command_says_what_would_be() {
        for line in ["/edit", "/edit 3", "/edit x y", "/delete", "/delete me", "/search ", "/shrug", "/"] {
            assert!(matches!(Command::parse(line), Command::Mistake(_)), "{line}");
        }
    }
}
