//! Requests: what a client may ask, read from an envelope and checked as far as their shape goes.
//!
//! The checks stand in the reference's order, and speak its words where clients may match them.

use uuid::Uuid;

use super::envelope::{Envelope, Payload};
use super::refusal::{Reason, Refusal};
use crate::ids::{ChainIndex, ChannelId, MessageId};
use crate::strict_json::{Object, Value};

/// The most Unicode scalar values that a message may have.
pub const MAX_CONTENT_CHARS: usize = 4000;

/// A request, understood; whether it may be carried out is decided elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// `zync.core.ping`
    Ping,
    /// `zync.core.renew`: go on with a new token.
    Renew {
        /// The new token.
        token: String,
    },
    /// `zync.core.subscribe`: also send these events, as far as they exist.
    Subscribe {
        /// The names asked for.
        events: Vec<String>,
    },
    /// `zync.channels.list`
    List,
    /// `zync.channels.message.history`
    History(History),
    /// `zync.channels.search`
    Search(Search),
    /// `zync.channels.sync`
    Sync(Sync),
    /// `zync.channels.typing.start` and `.stop`
    Typing(Typing),
    /// What changes something, and goes through the writer.
    Action(Action),
}

/// A request that changes something.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// `zync.channels.message.create`
    Create(Create),
    /// `zync.channels.message.edit`
    Edit(Edit),
    /// `zync.channels.message.delete`
    Delete(Delete),
}

impl Action {
    /// How many bytes of text it holds.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Create(create) => create.channel_id.as_str().len() + create.content.len(),
            Self::Edit(edit) => edit.content.len(),
            Self::Delete(_) => 0,
        }
    }
}

/// A new message.
#[derive(Debug, PartialEq, Eq)]
pub struct Create {
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What it says: 1 to 4,000 characters.
    pub content: String,
    /// The envelope's id when it is a UUID and not nil: a second request with it is the same request.
    pub client_id: Option<Uuid>,
}

/// A new content for a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which message.
    pub message_id: MessageId,
    /// What it says from now on.
    pub content: String,
}

/// A message to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete {
    /// Which message.
    pub message_id: MessageId,
}

/// A page of a channel's messages.
#[derive(Debug, PartialEq, Eq)]
pub struct History {
    /// Which channel.
    pub channel_id: String,
    /// How many messages were asked for; anything out of range means the default.
    pub limit: Option<i64>,
    /// From where, and so in which order.
    pub from: HistoryFrom,
}

/// Where a page of history starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryFrom {
    /// The latest messages, newest first.
    Latest,
    /// Those before this message, newest first.
    Before(MessageId),
    /// Those after this message, oldest first.
    After(MessageId),
}

/// A full-text search.
#[derive(Debug, PartialEq, Eq)]
pub struct Search {
    /// Which channel; all if none is named.
    pub channel_id: Option<String>,
    /// What is looked for, as typed.
    pub query: String,
    /// How many results were asked for; anything out of range means the default.
    pub limit: Option<i64>,
}

/// What happened since.
#[derive(Debug, PartialEq, Eq)]
pub struct Sync {
    /// The last entry that the client knows; `None` for none.
    pub after: Option<ChainIndex>,
    /// The hash of that entry as the client remembers it, in base64.
    pub after_hash: Option<String>,
    /// How many events were asked for; anything out of range means the default.
    pub limit: Option<i64>,
}

/// Somebody started or stopped typing.
#[derive(Debug, PartialEq, Eq)]
pub struct Typing {
    /// Where.
    pub channel_id: String,
    /// Whether they started.
    pub started: bool,
}

/// How the payload of a type becomes a request; the second argument is the envelope's id.
type Parser = fn(Payload<'_>, &str) -> Result<Request, Refusal>;

/// The types that the server serves itself.
const PARSERS: [(&str, Parser); 12] = [
    ("zync.core.ping", |_, _| Ok(Request::Ping)),
    ("zync.core.renew", |d, _| renew(Fields::of(d)?)),
    ("zync.core.subscribe", |d, _| subscribe(Fields::of(d)?)),
    ("zync.channels.list", |_, _| Ok(Request::List)),
    ("zync.channels.message.create", |d, id| create(Fields::of(d)?, id).map(Request::Action)),
    ("zync.channels.message.edit", |d, _| edit(Fields::of(d)?).map(Request::Action)),
    ("zync.channels.message.delete", |d, _| delete(Fields::of(d)?).map(Request::Action)),
    ("zync.channels.message.history", |d, _| history(Fields::of(d)?)),
    ("zync.channels.search", |d, _| search(Fields::of(d)?)),
    ("zync.channels.sync", |d, _| sync(Fields::of_optional(d)?)),
    ("zync.channels.typing.start", |d, _| typing(Fields::of(d)?, true)),
    ("zync.channels.typing.stop", |d, _| typing(Fields::of(d)?, false)),
];

impl Request {
    /// Reads the payload of an envelope whose type the server serves itself; any other is refused as unknown.
    pub fn parse(envelope: Envelope<'_>) -> Result<Self, Refusal> {
        let Envelope { kind, id, payload } = envelope;
        match PARSERS.iter().find(|(name, _)| *name == kind) {
            Some((_, parse)) => parse(payload, &id),
            None => Err(Refusal::unknown_type(&kind)),
        }
    }
}

fn renew(mut fields: Fields<'_>) -> Result<Request, Refusal> {
    let token = filled(fields.text("token")?).ok_or_else(|| Refusal::missing("token is required"))?;
    Ok(Request::Renew { token })
}

fn subscribe(mut fields: Fields<'_>) -> Result<Request, Refusal> {
    let events = match fields.0.take("events") {
        None => Vec::new(),
        Some(Value::Texts(events)) => events.into_iter().map(Into::into).collect(),
        Some(_) => return Err(Refusal::new(Reason::InvalidPayload)),
    };
    Ok(Request::Subscribe { events })
}

fn create(mut fields: Fields<'_>, envelope_id: &str) -> Result<Action, Refusal> {
    let (channel_id, content) = (fields.text("channel_id")?, fields.text("content")?);
    let channel_id = filled(channel_id).ok_or_else(|| Refusal::missing("channel_id is required"))?;
    let content = filled(content).ok_or_else(|| Refusal::missing("content is required"))?;
    check_length(&content)?;
    let client_id = Uuid::try_parse(envelope_id).ok().filter(|id| !id.is_nil());
    Ok(Action::Create(Create { channel_id: channel_id.as_str().into(), content, client_id }))
}

fn edit(mut fields: Fields<'_>) -> Result<Action, Refusal> {
    let (message_id, content) = (fields.text("message_id")?, fields.text("content")?);
    let missing = || Refusal::missing("message_id and content are required");
    let message_id = filled(message_id).ok_or_else(missing)?;
    let content = filled(content).ok_or_else(missing)?;
    let message_id = message_id.parse().map_err(|_| Refusal::new(Reason::InvalidMessageId))?;
    check_length(&content)?;
    Ok(Action::Edit(Edit { message_id, content }))
}

fn delete(mut fields: Fields<'_>) -> Result<Action, Refusal> {
    let message_id = fields.text("message_id")?.unwrap_or_default();
    let message_id = message_id.parse().map_err(|_| Refusal::new(Reason::InvalidMessageId))?;
    Ok(Action::Delete(Delete { message_id }))
}

fn history(mut fields: Fields<'_>) -> Result<Request, Refusal> {
    let (channel_id, limit) = (fields.text("channel_id")?, fields.integer("limit")?);
    let (before, after) = (fields.text("before")?, fields.text("after")?);
    let channel_id = filled(channel_id).ok_or_else(|| Refusal::missing("channel_id is required"))?;
    let from = match (before, after) {
        (Some(before), _) => HistoryFrom::Before(before.parse().map_err(|_| Refusal::new(Reason::InvalidCursor))?),
        (None, Some(after)) => HistoryFrom::After(
            after.parse().map_err(|_| Refusal::with_message(Reason::InvalidCursor, "invalid after cursor"))?,
        ),
        (None, None) => HistoryFrom::Latest,
    };
    Ok(Request::History(History { channel_id, limit, from }))
}

fn search(mut fields: Fields<'_>) -> Result<Request, Refusal> {
    let (channel_id, query) = (fields.text("channel_id")?, fields.text("query")?);
    let limit = fields.integer("limit")?;
    let query = filled(query).ok_or_else(|| Refusal::missing("query is required"))?;
    Ok(Request::Search(Search { channel_id: filled(channel_id), query, limit }))
}

fn sync(mut fields: Fields<'_>) -> Result<Request, Refusal> {
    let after = match fields.integer("after")? {
        None => None,
        Some(index) => Some(ChainIndex(u64::try_from(index).map_err(|_| Refusal::new(Reason::CursorUnknown))?)),
    };
    Ok(Request::Sync(Sync { after, after_hash: fields.text("after_hash")?, limit: fields.integer("limit")? }))
}

fn typing(mut fields: Fields<'_>, started: bool) -> Result<Request, Refusal> {
    Ok(Request::Typing(Typing { channel_id: fields.text("channel_id")?.unwrap_or_default(), started }))
}

fn check_length(content: &str) -> Result<(), Refusal> {
    // Bytes first: a text of few bytes has few characters, and most are.
    let too_long = content.len() > MAX_CONTENT_CHARS && content.chars().count() > MAX_CONTENT_CHARS;
    if too_long { Err(Refusal::new(Reason::TooLong)) } else { Ok(()) }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The members of a payload; one of a wrong type is `invalid payload`, null is the same as absent.
struct Fields<'a>(Object<'a>);

impl<'a> Fields<'a> {
    fn of(payload: Payload<'a>) -> Result<Self, Refusal> {
        payload.into_members().map(Self).ok_or_else(|| Refusal::new(Reason::InvalidPayload))
    }

    /// Of a payload that may be absent.
    fn of_optional(payload: Payload<'a>) -> Result<Self, Refusal> {
        if payload.text.is_none() { Ok(Self(Object::default())) } else { Self::of(payload) }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.0.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.into_owned())),
            Some(_) => Err(Refusal::new(Reason::InvalidPayload)),
        }
    }

    fn integer(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.0.take(name) {
            None => Ok(None),
            Some(Value::Integer(number) | Value::HugeInteger(number)) => Ok(Some(number)),
            Some(_) => Err(Refusal::new(Reason::InvalidPayload)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, Refusal> {
        Request::parse(Envelope::parse(text)?)
    }

    fn refused(text: &str) -> String {
        parse(text).expect_err(text).message.into_owned()
    }

    #[test]
    fn refusals_have_the_words_of_the_reference() {
        let create = |d: &str| format!(r#"{{"t":"zync.channels.message.create","id":"x","d":{d}}}"#);
        assert_eq!(refused(r#"{"t":"zync.channels.message.create"}"#), "invalid payload");
        assert_eq!(refused(&create("null")), "channel_id is required");
        assert_eq!(refused(&create("\"s\"")), "invalid payload");
        assert_eq!(refused(&create(r#"{"channel_id":5,"content":"x"}"#)), "invalid payload");
        assert_eq!(refused(&create(r#"{"content":"x"}"#)), "channel_id is required");
        assert_eq!(refused(&create(r#"{"channel_id":"general","content":""}"#)), "content is required");
        assert_eq!(refused(r#"{"t":"zync.channels.message.delete","d":{}}"#), "invalid message_id");
        assert_eq!(refused(r#"{"t":"zync.channels.search","d":{"channel_id":"general"}}"#), "query is required");
        assert_eq!(refused("null"), "Unknown message type: ");
        let doubled = r#"{"t":"a","t":"b"}"#;
        for text in ["[]", "123", "\"s\"", "{not json", r#"{"t":5}"#, r#"{"t":"a","ts":1.5}"#, doubled] {
            assert_eq!(refused(text), "Invalid JSON", "{text}");
        }
    }

    #[test]
    fn an_integer_of_any_length_is_an_integer() {
        for number in ["9223372036854775808", "1000000000000000000000000000000", "-1000000000000000000000000000000"] {
            let d = format!(r#"{{"query":"x","channel_id":"c","limit":{number}}}"#);
            for t in ["zync.channels.search", "zync.channels.message.history", "zync.channels.sync"] {
                let asked = parse(&format!(r#"{{"t":"{t}","d":{d}}}"#));
                assert!(asked.is_ok(), "{t} {number}: {asked:?}");
            }
        }
        assert_eq!(refused(r#"{"t":"zync.channels.search","d":{"query":"x","limit":1.5}}"#), "invalid payload");
        let after = r#"{"t":"zync.channels.sync","d":{"after":-9223372036854775809}}"#;
        assert_eq!(parse(after).map_err(|refusal| refusal.reason), Err(Reason::CursorUnknown));
    }

    #[test]
    fn length_is_counted_in_characters() {
        let create = |content: String| {
            let d = format!(r#"{{"channel_id":"c","content":"{content}"}}"#);
            parse(&format!(r#"{{"t":"zync.channels.message.create","d":{d}}}"#)).map_err(|refusal| refusal.reason)
        };
        assert!(create("😀".repeat(4000)).is_ok());
        assert_eq!(create("😀".repeat(4001)), Err(Reason::TooLong));
        assert_eq!(create("a".repeat(4001)), Err(Reason::TooLong));
    }

    #[test]
    fn only_a_uuid_that_is_not_nil_identifies_a_create() {
        let client_id = |id: &str| {
            let d = r#"{"channel_id":"c","content":"x"}"#;
            match parse(&format!(r#"{{"t":"zync.channels.message.create","id":"{id}","d":{d}}}"#)) {
                Ok(Request::Action(Action::Create(create))) => create.client_id,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(client_id("nope"), None);
        assert_eq!(client_id("00000000-0000-0000-0000-000000000000"), None);
        assert!(client_id("1745D319-2de8-420d-88d5-f1bba7c51927").is_some());
    }
}
