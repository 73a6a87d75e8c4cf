//! The manifest: what a server says of itself to everyone.

use serde::Serialize;

use crate::time::Timestamp;

/// The protocol that this program speaks.
pub const PROTOCOL_VERSION: &str = "1.0";

/// Capabilities that every server has, after those that can be switched off.
pub const CAPABILITIES_ALWAYS: [&str; 5] =
    ["typing_indicators", "message_history", "message_search", "message_edit", "message_delete"];

/// Capabilities beyond version 1.0, which come last.
pub const CAPABILITIES_ADDED: [&str; 8] = [
    "reply_refs",
    "error_reasons",
    "idempotent_create",
    "history_after",
    "sync",
    "chained_edits",
    "session_renew",
    "event_subscription",
];

/// What `GET /manifest` answers.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest {
    /// [`PROTOCOL_VERSION`]
    pub protocol_version: &'static str,
    /// The version of this program.
    pub software_version: &'static str,
    /// The server's id as configured.
    pub server_id: String,
    /// Its name for people.
    pub server_name: String,
    /// What it can do, in the protocol's order.
    pub capabilities: Vec<&'static str>,
    /// The extensions that run here.
    pub extensions: Vec<Extension>,
    /// The key that signs the log chain, in hex.
    pub public_key: String,
    /// When this was made.
    pub generated_at: Timestamp,
    /// Where the log chain is read; absent when it is not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_chain: Option<LogChainRoutes>,
}

/// Where the log chain is read.
#[derive(Debug, Clone, Serialize)]
pub struct LogChainRoutes {
    /// The route of the entries.
    pub entries_url: &'static str,
    /// The route of the signed head.
    pub head_url: &'static str,
    /// Who gets full entries: `members` or `public`.
    pub access: &'static str,
}

/// An extension in the manifest.
#[derive(Debug, Clone, Serialize)]
pub struct Extension {
    /// A reversed domain name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Its name for people.
    pub name: String,
    /// A page of its own, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui_url: Option<String>,
    /// The message types that it handles.
    pub message_namespaces: Vec<String>,
}
