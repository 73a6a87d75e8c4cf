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
    pub payload: Payload<'a>,
}

/// `d` as it came, known to be strict JSON. Whoever claims the type says what it must be.
#[derive(Debug)]
pub struct Payload<'a> {
    /// The JSON text; `None` if there is no `d`, which is refused where a payload is needed.
    pub text: Option<&'a str>,
    value: Value<'a>,
}

impl<'a> Payload<'a> {
    /// The members of an object; null counts as one without members, as it does in the reference. `None` for another
    /// value, and if there is no `d`.
    pub(super) fn into_members(self) -> Option<Object<'a>> {
        match self.value {
            Value::Object(members) => Some(members),
            Value::Null if self.text.is_some() => Some(Object::default()),
            _ => None,
        }
    }
}

impl<'a> Envelope<'a> {
    /// Reads one frame's text. The refusal is `invalid_json`.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let invalid = || Refusal::new(Reason::InvalidJson);
        let mut members = match Value::parse_with_raw(text, "d").ok_or_else(invalid)? {
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
            Some(Value::Raw(text, value)) => Payload { text: Some(text), value: *value },
            _ => Payload { text: None, value: Value::Null },
        };
        Ok(Self { kind, id, payload })
    }
}
