//! What goes over the wire: envelopes, requests, events, answers and refusals of the Zync Protocol v1.0.
//!
//! Types and their JSON, nothing else: what a request may do is decided in `channels`.

mod answer;
mod envelope;
mod event;
mod manifest;
mod message;
mod outgoing;
mod refusal;
mod request;

pub use answer::{Answer, HistoryPage, SearchResults, SyncPage};
pub use envelope::{Envelope, Payload};
pub use event::{Event, EventBody};
pub use manifest::{CAPABILITIES_ADDED, CAPABILITIES_ALWAYS, Extension, LogChainRoutes, Manifest, PROTOCOL_VERSION};
pub use message::{Channel, ChannelKind, Message};
pub use outgoing::{Hello, frame_text};
pub use refusal::{Code, Reason, Refusal};
pub use request::{
    Action, Create, Delete, Edit, History, HistoryFrom, MAX_CONTENT_CHARS, Request, Search, Sync, Typing,
};
