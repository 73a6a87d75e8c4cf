//! The envelope of a frame from a client: `{"t","id","d","ts"}`.

use std::borrow::Cow;

use super::refusal::{Reason, Refusal};
use crate::strict_json::{Object, Value};

/// A frame from a client, read but not yet understood.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The type, empty if the frame named none.
    pub kind: Cow<'a, str>,
    /// The sender's id for this frame; answers carry it as `ref`.
    pub id: Cow<'a, str>,
    /// The payload, still to be checked against the type.
    pub(super) payload: Payload<'a>,
}

/// `d`, as far as it matters which form it has.
#[derive(Debug)]
pub(super) enum Payload<'a> {
    /// Not there at all: refused where a payload is needed.
    Absent,
    /// An object; null counts as one without members, as it does in the reference.
    Members(Object<'a>),
    /// Something else.
    Malformed,
}

impl<'a> Envelope<'a> {
    /// Reads one frame's text. The refusal is `invalid_json`.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let invalid = || Refusal::new(Reason::InvalidJson);
        let mut members = match Value::parse(text).ok_or_else(invalid)? {
            Value::Object(members) => members,
            Value::Null => Object::default(),
            _ => return Err(invalid()),
        };
        let mut text_member = |name| match members.take(name) {
            None => Ok(Cow::Borrowed("")),
            Some(Value::Text(text)) => Ok(text),
            Some(_) => Err(invalid()),
        };
        let (kind, id) = (text_member("t")?, text_member("id")?);
        // `ts` must be an integer of 64 bits, as in the reference, and is otherwise ignored: the server's clock is the one that counts.
        if !matches!(members.take("ts"), None | Some(Value::Integer(_))) {
            return Err(invalid());
        }
        let payload = match members.take_even_null("d") {
            None => Payload::Absent,
            Some(Value::Null) => Payload::Members(Object::default()),
            Some(Value::Object(members)) => Payload::Members(members),
            Some(_) => Payload::Malformed,
        };
        Ok(Self { kind, id, payload })
    }
}
