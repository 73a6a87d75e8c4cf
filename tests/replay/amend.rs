//! Frames that the reference sent, or did not send, where this server does otherwise.

use super::recording::{Direction, Line};

/// One place of a recording that is not followed.
#[derive(Debug)]
pub(super) enum Amendment {
    /// The line does not happen.
    Nothing { at: At, why: &'static str },
    /// The line happens to another client as well, who hears it before or after.
    Also { at: At, client: &'static str, first: bool, why: &'static str },
    /// These happen in place of the line.
    Instead { at: At, frames: &'static [&'static str], why: &'static str },
    /// The line is sent and refused as no JSON; then this is sent, which gets the answers that follow.
    Send { at: At, text: &'static str, why: &'static str },
    /// The server stops, as it did, but tells the client.
    Draining { at: At, why: &'static str },
}

/// Which line is meant.
#[derive(Debug)]
pub(super) enum At {
    /// The line of this client and time.
    Time(f64, &'static str),
    /// The line with this text in it.
    Text(Direction, &'static str),
    /// The answer to a request that did not say its id, by the reference's own id for it.
    Frame(&'static str),
    /// Any `closed` line.
    Closed,
}

impl Amendment {
    pub(super) fn is_for(&self, line: &Line) -> bool {
        match self.at() {
            At::Time(ms, client) => line.client == *client && (line.t_ms - ms).abs() < 0.01,
            At::Text(direction, text) => line.direction == *direction && line.text.contains(text),
            At::Frame(id) => line.direction == Direction::Received && line.text.contains(id),
            At::Closed => line.direction == Direction::Closed,
        }
    }

    fn at(&self) -> &At {
        match self {
            Self::Nothing { at, .. }
            | Self::Also { at, .. }
            | Self::Instead { at, .. }
            | Self::Send { at, .. }
            | Self::Draining { at, .. } => at,
        }
    }

    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::Nothing { why, .. }
            | Self::Also { why, .. }
            | Self::Instead { why, .. }
            | Self::Send { why, .. }
            | Self::Draining { why, .. } => why,
        }
    }
}

pub(super) const CONVERSATION: &[Amendment] = &[
    Amendment::Instead {
        at: At::Frame("01a20ac7-c53b-7a7e-bd46-f47887e9"),
        frames: &[
            r#"{"t":"zync.core.error","id":"","d":{"code":"unknown_message_type","message":"Unknown message type: ","ref":""},"ts":1}"#,
        ],
        why: "names are matched exactly (it ignores case)",
    },
    Amendment::Instead {
        at: At::Frame("01a20ac7-d868-7be1-bfb1-9e5ba50ef4d6"),
        frames: &[
            r#"{"t":"zync.channels.search.results","id":"","d":{"messages":[{"id":"01a20ac7-b017-7163-98c7-f2eac679f59c","channel_id":"general","user_id":"49c07341-06c0-4eb9-8059-e5a0a3729cb6","content":"hello edited","metadata":"{}","edit_history":["hello world"],"created_at":"2026-11-23T23:39:48.631Z","updated_at":"2026-11-23T23:39:49.43Z","chain_index":0,"chain_hash":"3nAkCh2UBJKCIwr6+34LZZxzMKnuzN3huyrWURq+EnQ="}],"query":"edited"},"ts":1}"#,
        ],
        why: "without `channel_id` a search is of all channels",
    },
    Amendment::Send {
        at: At::Text(Direction::Sent, "badutf8"),
        text: "{\"t\":\"zync.channels.message.create\",\"id\":\"badutf8\",\"d\":{\"channel_id\":\"general\",\"content\":\"bad \u{fffd}\u{fffd} utf8\"}}",
        why: "invalid UTF-8 in a binary frame is `invalid_json` (it stores U+FFFD)",
    },
    Amendment::Instead {
        at: At::Closed,
        frames: &[r#"{"t":"zync.core.pong","id":"","ts":1}"#],
        why: "a message may have 64 KiB (the reference: 16 KiB)",
    },
];

pub(super) const TWO_CLIENTS: &[Amendment] = &[
    Amendment::Nothing { at: At::Time(1556.8, "B"), why: "typing in an unknown channel is dropped" },
    Amendment::Nothing { at: At::Time(7106.5, "B"), why: "a join is of a user's first connection" },
    Amendment::Also {
        at: At::Time(7409.2, "A2"),
        client: "A",
        first: true,
        why: "all of a user's connections hear all",
    },
    Amendment::Also {
        at: At::Time(8139.2, "A2"),
        client: "A",
        first: true,
        why: "all of a user's connections hear all",
    },
    Amendment::Nothing { at: At::Time(8604.6, "B"), why: "a leave is of a user's last connection" },
    Amendment::Instead {
        at: At::Text(Direction::Note, "\"online\":1"),
        frames: &[r#"health: {"status":"ok","server_id":"ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e","online":2}"#],
        why: "the user with a second connection is still there",
    },
    Amendment::Also {
        at: At::Time(8907.8, "B"),
        client: "A2",
        first: true,
        why: "the second connection still hears all",
    },
    Amendment::Draining { at: At::Time(10759.0, "C"), why: "a server that stops closes with 1001" },
];
