//! The database: SQLite, one writer, any number of readers. All SQL is here, as methods of [`Database`] in a file a topic.
//!
//! It stores and finds; what may be stored is decided above.

mod channel;
mod database;
mod history;
mod lock;
mod owner;
mod readers;
mod search_text;
mod write;

pub use channel::{ChannelKey, ChannelRow, NewChannel};
pub use database::{Access, Database, StorageError};
pub use history::{LoggedEvent, LoggedKind, MessageRow, Span};
pub use lock::{DatabaseLock, LockError};
pub use readers::Readers;
pub use write::{Change, DELETED_CONTENT, EntryRow, MessageKey, Stored, StoredHead, Target, WriteStore};
