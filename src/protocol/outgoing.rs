//! Envelopes from the server, as text.

use serde::Serialize;

use crate::ids::{ChainIndex, FrameId, UserId};
use crate::time::Timestamp;

/// The payload of `zync.core.hello`, the first frame of every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hello {
    /// Who the token says this is.
    pub user_id: UserId,
    /// When the session ends unless it is renewed.
    pub session_expires_at: Timestamp,
    /// How many people are online, this one included.
    pub online_count: usize,
    /// The last index of the chain; left out when it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_head: Option<ChainIndex>,
    /// The hash of that entry, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_head_hash: Option<String>,
}

/// An envelope from the server. `t` comes first: clients in the field look for it there.
#[derive(Serialize)]
struct Outgoing<'a, D: Serialize> {
    t: &'a str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    id: FrameId,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<D>,
    ts: u64,
}

/// Writes envelopes as text into a buffer, each with a new id and the time.
pub mod frame_text {
    use serde::Serialize;

    use super::{Hello, Outgoing};
    use crate::ids::FrameId;
    use crate::protocol::answer::{Answer, AnswerBody};
    use crate::protocol::event::Event;
    use crate::time::Timestamp;

    /// Appends an event.
    pub fn event(out: &mut Vec<u8>, event: &Event, now: Timestamp) {
        write(out, event.kind(), None, Some(event), now);
    }

    /// Appends the answer to the request `request_id`.
    pub fn answer(out: &mut Vec<u8>, answer: &Answer, request_id: &str, now: Timestamp) {
        let body = AnswerBody { answer, request_id };
        // A request without an id can't be referred to.
        let refers = (!request_id.is_empty()).then_some(request_id);
        write(out, answer.kind(), refers, (*answer != Answer::Pong).then_some(body), now);
    }

    /// Appends the greeting.
    pub fn hello(out: &mut Vec<u8>, hello: &Hello, now: Timestamp) {
        write(out, "zync.core.hello", None, Some(hello), now);
    }

    fn write<D: Serialize>(out: &mut Vec<u8>, t: &str, request_id: Option<&str>, d: Option<D>, now: Timestamp) {
        let envelope = Outgoing { t, request_id, id: FrameId::new(now), d, ts: now.unix_ms() };
        let written = serde_json::to_writer(out, &envelope);
        debug_assert!(written.is_ok(), "plain structs serialize, and memory takes every byte");
    }
}
