//! The database: SQLite, one writer, any number of readers. All SQL is here, as methods of [`Database`] in a file a topic.
//!
//! It stores and finds; what may be stored is decided above.

mod adopt;
mod as_is;
mod auditor_token;
mod backup;
mod batch;
mod chain;
mod channel;
mod database;
mod dedup_window;
mod error;
mod export;
mod history;
mod in_place;
mod integrity;
mod lock;
mod match_expression;
mod occurrences;
mod own_schema;
mod owner;
mod probe;
mod provenance;
mod readers;
mod reference;
mod reference_source;
mod relevance;
mod request;
mod search;
mod search_query;
mod search_text;
mod set_aside;
#[cfg(test)]
mod stable_plans;
mod write;
mod write_ahead_log;

pub use adopt::{AdoptedEntry, AdoptedMessage};
pub use as_is::{AsIs, Opened};
pub use auditor_token::AuditorTokenRow;
pub use backup::{COPY_BYTES_PER_STEP, Counts};
pub use batch::Batch;
pub use chain::{ChainItem, ChainRow, Coverage, CoveredMessage, CoveredTimes, CoveredVersion, ScanPlace};
pub use channel::{ChannelKey, ChannelRow, NewChannel};
pub use database::{Access, Database, SCHEMA};
pub use error::StorageError;
pub use export::{ExportItem, ExportScope, ExportedMessage, Moment};
pub use history::{LoggedChange, LoggedEvent, LoggedKind, MessageRow, Span};
pub use lock::{DatabaseLock, LockError};
pub use occurrences::occurrences;
pub use probe::room_for;
pub use provenance::mark_restored;
pub use readers::Readers;
pub use reference::{ReferenceDatabase, ReferenceMessage};
pub use reference_source::{Hold, OwnEntry, ReferenceChannel, ReferenceEntry, ReferenceRow, ReferenceSource};
pub use rusqlite::InterruptHandle;
pub use search::{Found, MAX_RANKED, SearchOrder, SearchRequest};
pub use search_query::{NotAUserPrefix, SearchFilters, SearchQuery, TextQuery, UserPrefix};
pub use search_text::has_words;
pub use set_aside::set_aside;
pub use write::{Change, DELETED_CONTENT, EntryRow, MessageKey, Stored, StoredHead, Target, WriteStore};
