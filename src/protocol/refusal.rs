//! Refusals: what a client is told when a request is not carried out.

use std::borrow::Cow;

use serde::Serialize;

/// The `code` of an error. There are three, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No handler claims the type.
    UnknownMessageType,
    /// The request was understood and refused.
    HandlerError,
    /// The frame is not an envelope.
    InvalidJson,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// The `reason` of an error: a stable word for programs. `docs/protocol.md` lists them all.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name,)+
        }

        impl Reason {
            /// Every reason with its word and what it means.
            pub const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$name, $word, concat!($($doc),+)),)+];
        }
    };
}

reasons! {
    /// The frame is not a JSON envelope.
    InvalidJson = "invalid_json",
    /// No handler claims the type.
    UnknownMessageType = "unknown_message_type",
    /// The payload is absent, or a member of it has the wrong type.
    InvalidPayload = "invalid_payload",
    /// A member that the request needs is absent or empty.
    MissingField = "missing_field",
    /// The content has more than 4,000 characters.
    TooLong = "too_long",
    /// There is no such channel here.
    ChannelNotFound = "channel_not_found",
    /// Members do not post in this channel.
    ReadOnly = "read_only",
    /// The id of the message is no UUID.
    InvalidMessageId = "invalid_message_id",
    /// There is no such message, it was deleted, or somebody else wrote it.
    MessageNotFound = "message_not_found",
    /// The message was edited 50 times.
    TooManyEdits = "too_many_edits",
    /// The cursor of a history request is no UUID.
    InvalidCursor = "invalid_cursor",
    /// The log is not the one that the cursor was made for: fetch anew.
    CursorUnknown = "cursor_unknown",
    /// The new token does not verify, or is somebody else's.
    InvalidToken = "invalid_token",
    /// The query took longer than the server allows.
    TimedOut = "timed_out",
    /// Too many requests; `retry_after_ms` says when to go on.
    RateLimited = "rate_limited",
    /// The server can't store or read now (the disk is full, say).
    StorageUnavailable = "storage_unavailable",
    /// The server is stopping; send it again after reconnecting.
    ShuttingDown = "shutting_down",
}

/// Why a request was not carried out, in words and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub reason: Reason,
    /// For people; clients in the field match some of these texts.
    pub message: Cow<'static, str>,
    /// When trying again may help, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// The refusal for `reason` in its usual words.
    pub fn new(reason: Reason) -> Self {
        Self::with_message(reason, usual_words(reason))
    }

    /// The refusal for `reason` in other words.
    pub fn with_message(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), retry_after_ms: None }
    }

    /// `… is required`.
    pub fn missing(message: &'static str) -> Self {
        Self::with_message(Reason::MissingField, message)
    }

    /// `channel "x" not found`.
    pub fn channel_not_found(id: &str) -> Self {
        Self::with_message(Reason::ChannelNotFound, format!("channel \"{id}\" not found"))
    }

    /// `Unknown message type: x`.
    pub fn unknown_type(kind: &str) -> Self {
        Self::with_message(Reason::UnknownMessageType, format!("Unknown message type: {kind}"))
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The code that goes with the reason.
    pub fn code(&self) -> Code {
        match self.reason {
            Reason::InvalidJson => Code::InvalidJson,
            Reason::UnknownMessageType => Code::UnknownMessageType,
            _ => Code::HandlerError,
        }
    }
}

fn usual_words(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidJson => "Invalid JSON",
        Reason::UnknownMessageType => "Unknown message type: ",
        Reason::InvalidPayload => "invalid payload",
        Reason::MissingField => "a required field is missing",
        Reason::TooLong => "message too long (max 4000 characters)",
        Reason::ChannelNotFound => "channel not found",
        Reason::ReadOnly => "this channel is read-only",
        Reason::InvalidMessageId => "invalid message_id",
        Reason::MessageNotFound => "message not found or not owned by user",
        Reason::TooManyEdits => "message was edited too often (max 50 times)",
        Reason::InvalidCursor => "invalid before cursor",
        Reason::CursorUnknown => "this server's log is not the one you saw: fetch anew",
        Reason::InvalidToken => "invalid token",
        Reason::TimedOut => "the query took too long",
        Reason::RateLimited => "too many requests",
        Reason::StorageUnavailable => "the server cannot use its storage right now",
        Reason::ShuttingDown => "the server is shutting down",
    }
}
