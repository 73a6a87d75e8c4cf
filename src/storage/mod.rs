//! The database: SQLite, one writer, any number of readers. All SQL is here, as methods of [`Database`] in a file a topic.
//!
//! It stores and finds; what may be stored is decided above.

mod database;
mod search_text;

pub use database::{Access, Database, StorageError};
